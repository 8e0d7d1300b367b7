"""Who may do what, and how much: users, groups, tokens, access control lists, access rules, accounts and media.

Access is decided as by the master (security_manager.cpp; README.md): the lists of the object and of those above it are
read from the bottom up, as far as they are inherited; an entry that denies has the last word, else one that allows
must be among them. A check for several permissions is passed by whoever has one of them.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from proxy.formats import Value

PERMISSIONS = frozenset({"read", "write", "remove", "administer", "modify_children", "use", "create", "mount"})
REPLICATION_FACTOR = 3
EVERYONE, USERS, SUPERUSERS, OWNER = "everyone", "users", "superusers", "owner"
INHERITANCE = ("object_and_descendants", "object_only", "descendants_only", "immediate_descendants_only")


@dataclasses.dataclass(frozen=True)
class Ace:
    """One entry of an access control list."""

    action: str
    subjects: tuple[str, ...]
    permissions: frozenset[str]
    inheritance: str = INHERITANCE[0]

    def reaches(self, depth: int) -> bool:
        """Tell whether the entry holds for an object so many steps below the one whose list it is in."""
        if self.inheritance == "object_only":
            return depth == 0
        if self.inheritance == "immediate_descendants_only":
            return depth == 1
        return depth > 0 or self.inheritance == "object_and_descendants"

    def as_value(self) -> dict[str, Value]:
        """Give the entry as `@acl` shows it."""
        return {
            "action": self.action,
            "subjects": list(self.subjects),
            "permissions": sorted(self.permissions),
            "inheritance_mode": self.inheritance,
        }

    def inherited(self, depth: int) -> Ace | None:
        """Give the entry as it holds for an object so far below, with what it hands further down."""
        if not self.reaches(depth):
            return None
        if depth == 0:
            return None if self.inheritance.endswith("descendants_only") else self
        further = "object_only" if self.inheritance == "immediate_descendants_only" else "object_and_descendants"
        return dataclasses.replace(self, inheritance=further)


def parse_acl(value: Value) -> tuple[Ace, ...]:
    """Read a list as it is set on an object.

    Raises:
        ServerError: it is not one.
    """
    if not isinstance(value, list):
        raise ServerError('Cannot parse "acl": expected a list')
    return tuple(_parse_ace(each) for each in value)


def _parse_ace(value: Value) -> Ace:
    if not isinstance(value, dict):
        raise ServerError("Error parsing ACE: expected a map")
    fields = {str(name): each for name, each in value.items()}
    if columns := set(fields) - {"action", "subjects", "permissions", "inheritance_mode"}:
        raise ServerError(f"Error parsing ACE: {sorted(columns)} are not modelled by this proxy")
    action = str(fields.get("action"))
    if action not in ("allow", "deny"):
        raise ServerError(f'Error parsing ESecurityAction value "{action}"')
    inheritance = str(fields.get("inheritance_mode", INHERITANCE[0]))
    if inheritance not in INHERITANCE:
        raise ServerError(f'Error parsing EAceInheritanceMode value "{inheritance}"')
    permissions = _names(fields.get("permissions"))
    for each in permissions:
        if each not in PERMISSIONS:
            raise ServerError(f'Error parsing EPermission value "{each}"')
    return Ace(action, _names(fields.get("subjects")), frozenset(permissions), inheritance)


def _names(value: Value) -> tuple[str, ...]:
    if isinstance(value, str):
        return (str(value),)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ServerError("Error parsing ACE: expected a list of names")
    return tuple(str(each) for each in value)


@dataclasses.dataclass(frozen=True)
class Guarded:
    """An object with an access control list, as access is decided for it."""

    id: str
    type: str
    naming: Callable[[], str]
    acl: tuple[Ace, ...]
    inherits: bool
    owner: str | None = None

    @property
    def name(self) -> str:
        """The name that messages give it, such as `node //home/x`; to find a path takes time."""
        return self.naming()


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether somebody may do something, and the object and subject of the entry that decided it, if one did."""

    allowed: bool
    by: Guarded | None = None
    subject: str | None = None


class Subjects:
    """Users and groups: who is in which group."""

    def __init__(self) -> None:
        self.users: set[str] = {"root", "guest"}
        self.members: dict[str, set[str]] = {EVERYONE: set(), USERS: set(), SUPERUSERS: {"root"}}

    def groups_of(self, name: str) -> set[str]:
        """Give all groups that a user or a group is in, directly or through another; every user is in `everyone`."""
        found: set[str] = set()
        if name not in self.members:
            found |= {EVERYONE} if name == "guest" else {EVERYONE, USERS}
        waiting = [name, *found]
        while waiting:
            each = waiting.pop()
            around = {group for group, members in self.members.items() if each in members} - found
            found |= around
            waiting += around
        return found

    def is_superuser(self, user: str) -> bool:
        """Tell whether no list binds the user."""
        return user == "root" or SUPERUSERS in self.groups_of(user)

    def decide(self, user: str, permissions: Sequence[str], chain: Iterable[Guarded]) -> Decision:
        """Decide about one object, given with those above it, the nearest first.

        The chain ends where nothing is inherited any more.
        """
        if self.is_superuser(user):
            return Decision(allowed=True)
        names = {user, *self.groups_of(user)}
        result = Decision(allowed=False)
        owned = False
        for depth, guarded in enumerate(chain):
            if depth == 0:
                owned = guarded.owner in names
            for ace in guarded.acl:
                who = next((each for each in ace.subjects if each in names or (each == OWNER and owned)), None)
                if who is None or not ace.reaches(depth) or not ace.permissions.intersection(permissions):
                    continue
                if ace.action == "deny":
                    return Decision(allowed=False, by=guarded, subject=who)
                if not result.allowed:
                    result = Decision(allowed=True, by=guarded, subject=who)
            if not guarded.inherits:
                break
        return result

    def create(self, kind: str, name: str, *, ignore_existing: bool) -> None:
        """Create a user or a group.

        Raises:
            ServerError: it has no name, or exists.
        """
        if not name:
            raise ServerError("Subject name cannot be empty")
        if name in self.users or name in self.members:
            if not ignore_existing:
                raise ServerError(f'{kind.capitalize()} "{name}" already exists', code=Code.ALREADY_EXISTS)
        elif kind == "user":
            self.users.add(name)
        else:
            self.members[name] = set()

    def group(self, name: str) -> set[str]:
        """Find the members of a group.

        Raises:
            ServerError: there is none of that name.
        """
        if name not in self.members:
            raise ServerError(f'No such group "{name}"')
        return self.members[name]


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
    """Permissions by path, beside the access control lists and whoever it is, for tests that need no lists.

    What no rule speaks of is left to the lists; where an allowing rule does, only what one allows.

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

    def denying(self, path_of: Callable[[], str], permissions: Sequence[str], user: str) -> Rule | None:
        """Find the rule because of which the user has none of the permissions."""
        if not self._rules:
            return None
        path = path_of()
        rules = [rule for rule in self._rules if rule.permissions.intersection(permissions) and rule.covers(path)]
        for rule in rules:
            if not rule.allow and rule.names(user):
                return rule
        allowing = [rule for rule in rules if rule.allow]
        if allowing and not any(rule.names(user) for rule in allowing):
            return allowing[-1]
        return None

    def denied(
        self, user: str, permissions: Sequence[str], guarded: Guarded, path: str | None, decision: Decision
    ) -> ServerError:
        """Give error 901."""
        spelled = " | ".join(permissions)
        text = f'Access denied for user "{user}": "{spelled}" permission for {guarded.name} '
        attributes: dict[str, object] = {} if path is None else {"path": path}
        if decision.by is not None:
            text += f'is denied for "{decision.subject}" by ACE at {decision.by.name}'
            attributes |= {"denied_by": decision.by.id, "denied_for": decision.subject}
        else:
            text += "is not allowed by any matching ACE"
        attributes |= {
            "permission": list(permissions),
            "user": user,
            "object_id": guarded.id,
            "object_type": guarded.type,
        }
        return ServerError(text, code=Code.AUTHORIZATION, attributes=attributes)


@dataclasses.dataclass
class Account:
    """Limits that the nodes of an account share; None: none."""

    name: str
    disk_space_limit: int | None = None
    """In bytes on disk: the sizes of the files, each as often as it is stored."""
    node_count_limit: int | None = None
    acl: tuple[Ace, ...] = ()
    id: str = ""

    def guarded(self) -> Guarded:
        """Give the account as access is decided for it."""
        return Guarded(self.id, "account", lambda: f'account "{self.name}"', self.acl, inherits=False)


@dataclasses.dataclass
class Usage:
    """What the nodes of an account use."""

    disk_space: int = 0
    chunk_count: int = 0
    node_count: int = 0
    branch_count: int = 0
    """Versions of nodes that transactions hold; limits do not count them."""


class Accounts:
    """The accounts of the cluster: `sys` and `tmp` from the beginning."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._accounts: dict[str, Account] = {}
        self.add("sys", users=())
        self.add("tmp")

    def add(
        self,
        name: str,
        *,
        disk_space_limit: int | None = None,
        node_count_limit: int | None = None,
        users: Iterable[str] = (USERS,),
    ) -> Account:
        """Create an account that these users and groups may use, or replace one."""
        acl = tuple(Ace("allow", (each,), frozenset({"use"})) for each in users)
        self._accounts[name] = Account(name, disk_space_limit, node_count_limit, acl, self._new_id())
        return self._accounts[name]

    @property
    def names(self) -> list[str]:
        """The names of all accounts."""
        return list(self._accounts)

    def get(self, name: str) -> Account:
        """Find an account.

        Raises:
            ServerError: there is none of that name.
        """
        if name not in self._accounts:
            raise ServerError(f'No such account "{name}"', code=Code.NO_SUCH_ACCOUNT)
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


class Media:
    """The media that chunks lie on: `default` from the beginning."""

    def __init__(self) -> None:
        self.names = {"default"}

    def get(self, name: str) -> str:
        """Find a medium.

        Raises:
            ServerError: there is none of that name.
        """
        if name not in self.names:
            raise ServerError(f'No such medium "{name}"', code=Code.NO_SUCH_MEDIUM)
        return name


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
