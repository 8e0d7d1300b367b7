"""Who may do what, and how much: users, tokens, access rules and accounts."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.nodes import Node

PERMISSIONS = frozenset({"read", "write", "remove", "administer", "modify_children", "use", "create"})
REPLICATION_FACTOR = 3


@dataclasses.dataclass(frozen=True)
class Rule:
    """One entry of the access rules: it holds for the node at `path` and everything below."""

    path: str
    permissions: frozenset[str]
    users: frozenset[str] | None
    """None: everyone."""
    allow: bool

    def covers(self, path: str) -> bool:
        """Tell whether the rule holds for a node."""
        return self.path in ("/", path) or path.startswith(self.path + "/")

    def names(self, user: str) -> bool:
        """Tell whether the rule is about the user."""
        return self.users is None or user in self.users


class AccessRules:
    """Permissions by path: what no rule speaks of is allowed; where an allowing rule does, only what one allows.

    >>> rules = AccessRules()
    >>> rules.deny("//home/prod", ["write"], users=["alice"])
    >>> rules.allow_only("//home/secret", ["read"], users=["bob"])
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def deny(self, path: str, permissions: Iterable[str], *, users: Iterable[str] | None = None) -> None:
        """Deny the permissions below `path`, to everyone or to some."""
        self._add(path, permissions, users, allow=False)

    def allow_only(self, path: str, permissions: Iterable[str], *, users: Iterable[str]) -> None:
        """Leave the permissions below `path` to these users alone."""
        self._add(path, permissions, users, allow=True)

    def clear(self) -> None:
        """Allow everything again."""
        with self._lock:
            self._rules = []

    def _add(self, path: str, permissions: Iterable[str], users: Iterable[str] | None, *, allow: bool) -> None:
        wanted = frozenset(permissions)
        if not wanted or wanted - PERMISSIONS:
            raise ValueError(f"permissions must be among {sorted(PERMISSIONS)}, got {sorted(wanted)}")
        rule = Rule(path.rstrip("/") or "/", wanted, None if users is None else frozenset(users), allow)
        with self._lock:
            self._rules = [*self._rules, rule]

    def denying(self, path: str, permission: str, user: str) -> Rule | None:
        """Find the rule because of which the user lacks the permission."""
        rules = [rule for rule in self._rules if permission in rule.permissions and rule.covers(path)]
        for rule in rules:
            if not rule.allow and rule.names(user):
                return rule
        allowing = [rule for rule in rules if rule.allow]
        if allowing and not any(rule.names(user) for rule in allowing):
            return allowing[-1]
        return None

    def check(self, node: Node, path: str, permission: str, user: str) -> None:
        """Make sure that the user has the permission.

        Raises:
            ServerError: he lacks it.
        """
        rule = self.denying(path, permission, user)
        if rule is None:
            return
        attributes: dict[str, object] = {
            "path": path,
            "permission": permission,
            "user": user,
            "object_id": node.id,
            "object_type": node.type,
        }
        if rule.allow:
            reason = "is not allowed by any matching ACE"
        else:
            reason = f'is denied for "{user}" by ACE at node {rule.path}'
            attributes |= {"denied_by": node.id, "denied_for": user}
        raise ServerError(
            f'Access denied for user "{user}": "{permission}" permission for node {path} {reason}',
            code=Code.AUTHORIZATION,
            attributes=attributes,
        )


@dataclasses.dataclass
class Account:
    """Limits that the nodes of an account share; None: none."""

    name: str
    disk_space_limit: int | None = None
    """In bytes on disk: `REPLICATION_FACTOR` times the size of the files."""
    node_count_limit: int | None = None


@dataclasses.dataclass
class Usage:
    """What the nodes of an account use."""

    disk_space: int = 0
    node_count: int = 0


class Accounts:
    """The accounts of the cluster: `sys` and `tmp` from the beginning."""

    def __init__(self) -> None:
        self._accounts = {name: Account(name) for name in ("sys", "tmp")}

    def add(self, name: str, *, disk_space_limit: int | None = None, node_count_limit: int | None = None) -> Account:
        """Create an account, or set the limits of one."""
        self._accounts[name] = Account(name, disk_space_limit, node_count_limit)
        return self._accounts[name]

    def get(self, name: str) -> Account:
        """Find an account.

        Raises:
            ServerError: there is none of that name.
        """
        if name not in self._accounts:
            raise ServerError(f'No such account "{name}"', code=Code.RESOLVE)
        return self._accounts[name]

    def check_node(self, name: str, usage: Usage) -> None:
        """Make sure that one more node fits.

        Raises:
            ServerError: it does not.
        """
        limit = self.get(name).node_count_limit
        if limit is not None and usage.node_count + 1 > limit:
            raise _over(name, "Cypress node count", usage.node_count, 1, limit)

    def check_chunk(self, name: str, usage: Usage) -> None:
        """Make sure that one more byte fits: the master asks no more before it lets a chunk begin.

        Raises:
            ServerError: it does not.
        """
        limit = self.get(name).disk_space_limit
        if limit is not None and usage.disk_space + 1 > limit:
            raise _over(name, 'disk space limit in medium "default"', usage.disk_space, 1, limit)


def _over(name: str, resource: str, usage: int, increase: int, limit: int) -> ServerError:
    what = resource if "limit" in resource else f"{resource} limit"
    return ServerError(
        f'Account "{name}" is over {what}',
        code=Code.ACCOUNT_LIMIT,
        attributes={"usage": usage, "increase": increase, "limit": limit},
    )


class Tokens:
    """Tokens and the users they stand for; no token is ever shown."""

    def __init__(self, tokens: dict[str, str] | None = None) -> None:
        self._lock = threading.Lock()
        self._users = dict(tokens or {})

    def add(self, token: str, user: str) -> None:
        """Let the token authenticate the user."""
        with self._lock:
            self._users[token] = user

    def revoke(self, token: str) -> None:
        """Let the token authenticate nobody."""
        with self._lock:
            self._users.pop(token, None)

    def user(self, token: str) -> str | None:
        """Find whom the token authenticates."""
        with self._lock:
            return self._users.get(token)

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._users)} users>"
