"""What is no node: transactions, locks, accounts, users, groups and media, by id or below `//sys`.

Paths are those of the master's virtual maps, such as `//sys/accounts/NAME/@resource_usage`; README.md says which. What
an object has on a real server and not here is an error that says so.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from proxy import values
from proxy.errors import Code, ServerError, resolve_error
from proxy.formats import is_boolean
from proxy.security import parse_acl
from proxy.transactions import MAX_TIMEOUT_MS
from proxy.ypath import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy.formats import Value
    from proxy.resolving import Call
    from proxy.security import Account, Guarded, Usage
    from proxy.system_attributes import SystemAttributes
    from proxy.transactions import Transaction
    from proxy.ypath import Path

UNLIMITED = 1 << 50
"""The limits of an account that has none."""
_TYPES = {
    "transactions": "transaction_map",
    "topmost_transactions": "topmost_transaction_map",
    "locks": "lock_map",
    "accounts": "account_map",
    "users": "user_map",
    "groups": "group_map",
    "media": "medium_map",
}
MAPS = frozenset(_TYPES)
OBJECT_TYPES = frozenset({"account", "domestic_medium", "group", "user"})
"""Types that are created by name and not at a path."""


@dataclasses.dataclass(frozen=True)
class Found:
    """An object, or a map of them."""

    attributes: dict[str, Value]
    value: Value
    path: Path
    transaction: Transaction | None = None
    account: Account | None = None

    def attribute(self, keys: Sequence[str]) -> Value:
        """Give what an attribute path leads to; no keys: all attributes.

        Raises:
            ServerError: it leads to nothing.
        """
        if keys and keys[0] not in self.attributes:
            raise ServerError(f'Attribute "{literal(keys[0])}" is not found', code=Code.RESOLVE)
        return values.get(self.attributes, keys, self.path.text)


class Objects:
    """Finds objects and changes their attributes; the caller holds the lock of the tree."""

    def __init__(self, attributes: SystemAttributes) -> None:
        self._attributes = attributes
        self._tree = attributes.tree

    def find(self, path: Path, method: str) -> Found | None:
        """Find the object that a path leads to; None: it leads to a node, or to nothing that is known here.

        Raises:
            ServerError: the path leads to such a map, and there to nothing.
        """
        keys = [step.key for step in path.steps]
        if path.root_id is None:
            if len(keys) < 2 or keys[0] != "sys" or keys[1] not in MAPS:
                return None
            if len(keys) == 2:
                names = list(self._names(keys[1]))
                attributes: dict[str, Value] = {
                    "type": _TYPES[keys[1]],
                    "count": len(names),
                    "path": f"//sys/{keys[1]}",
                }
                return Found(attributes, dict.fromkeys(names), path)
            found = self._named(keys[1], keys[2], path)
            rest = keys[3:]
        else:
            found, rest = self._by_id(path.root_id, path), keys
        if found is None:
            if path.root_id is not None:
                return None
            raise ServerError(f'Node has no child with key "{literal(keys[2])}"', code=Code.RESOLVE)
        if rest or path.everything:
            raise resolve_error(path.text, method, ServerError("Object cannot have children"))
        return found

    def guarded(self, path: Path, method: str) -> Guarded | None:
        """Give the account of a path as access is decided for it; None: it leads to a node.

        Raises:
            ServerError: it leads to an object whose access is not modelled.
        """
        found = self.find(path, method)
        if found is None:
            return None
        if found.account is None:
            raise ServerError(f"Access to {path.text} is not modelled by this proxy")
        return found.account.guarded()

    def create(self, kind: str, attributes: dict[str, Value], *, ignore_existing: bool) -> str:
        """Create an object; an account may be used by nobody and has room for nothing but what its limits say.

        Raises:
            ServerError: it has no name, exists, or has attributes that are not modelled.
        """
        given = dict(attributes)
        name = given.pop("name", None)
        if not isinstance(name, str):
            raise ServerError('Attribute "name" is not found', code=Code.RESOLVE)
        limits = given.pop("resource_limits", {}) if kind == "account" else {}
        if given:
            raise ServerError(f"Attributes {sorted(given)} of {kind} objects are not modelled by this proxy")
        if kind == "account":
            if name in self._tree.accounts.names:
                raise ServerError(f'Account "{name}" already exists', code=Code.ALREADY_EXISTS)
            account = self._tree.accounts.add(str(name), users=())
            self._limit(account, limits)
            return account.id
        if kind == "domestic_medium":
            self._tree.media.names.add(str(name))
        else:
            self._tree.subjects.create(kind, str(name), ignore_existing=ignore_existing)
        return self._tree.new_id(kind)

    def set(self, found: Found, value: Value, call: Call) -> None:
        """Set an attribute of an object, or a part of it.

        Raises:
            ServerError: it cannot be set, or not here.
        """
        keys = found.path.attribute
        if not keys:
            raise ServerError(f"Setting {found.path.text} is not modelled by this proxy")
        changed = value
        if len(keys) > 1:
            changed = values.changed(
                found.attribute(keys[:1]), keys[1:], value, "/" + literal(keys[0]), recursive=False
            )
        if found.transaction is not None:
            self._set_of_transaction(found.transaction, keys[0], changed)
        elif found.account is not None:
            self._set_of_account(found.account, keys[0], changed, call)
        else:
            raise ServerError(f"Setting {found.path.text} is not modelled by this proxy")

    def _set_of_transaction(self, transaction: Transaction, name: str, value: Value) -> None:
        if name == "timeout":
            if not isinstance(value, int) or is_boolean(value) or value <= 0:
                raise ServerError('Cannot parse "duration" value: expected milliseconds')
            transaction.timeout_ms = min(int(value), MAX_TIMEOUT_MS)
        elif name == "title":
            transaction.title = value
        elif name in self._attributes.of_transaction(transaction) and name not in transaction.attributes:
            raise ServerError(f'Builtin attribute "{literal(name)}" cannot be set')
        else:
            transaction.attributes[name] = value

    def _set_of_account(self, account: Account, name: str, value: Value, call: Call) -> None:
        if not self._tree.subjects.is_superuser(call.user):
            guarded = account.guarded()
            raise self._tree.rules.denied(
                call.user,
                ("administer",),
                guarded,
                None,
                self._tree.subjects.decide(call.user, ("administer",), [guarded]),
            )
        if name == "acl":
            account.acl = parse_acl(value)
        elif name == "resource_limits":
            self._limit(account, value)
        else:
            raise ServerError(f'Setting "{name}" of an account is not modelled by this proxy')

    def _limit(self, account: Account, value: Value) -> None:
        if not isinstance(value, dict):
            raise ServerError('Cannot parse "resource_limits": expected a map')
        per_medium = value.get("disk_space_per_medium")
        disk = per_medium.get("default") if isinstance(per_medium, dict) else value.get("disk_space")
        account.disk_space_limit = int(str(disk or 0))
        account.node_count_limit = int(str(value.get("node_count", 0)))

    def _names(self, kind: str) -> Iterable[str]:
        tree = self._tree
        if kind == "transactions":
            return list(tree.transactions)
        if kind == "topmost_transactions":
            return [each.id for each in tree.transactions.values() if each.parent is None]
        if kind == "locks":
            return list(tree.locks.locks)
        if kind == "accounts":
            return tree.accounts.names
        if kind == "media":
            return sorted(tree.media.names)
        return sorted(tree.subjects.users) if kind == "users" else list(tree.subjects.members)

    def _named(self, kind: str, name: str, path: Path) -> Found | None:
        if name not in self._names(kind):
            return None
        subjects = self._tree.subjects
        if kind == "accounts":
            account = self._tree.accounts.get(name)
            return Found(self._of_account(account), {}, path, account=account)
        if kind == "users":
            return Found({"name": name, "type": "user", "member_of": sorted(subjects.groups_of(name))}, None, path)
        if kind == "groups":
            return Found({"name": name, "type": "group", "members": sorted(subjects.members[name])}, None, path)
        if kind == "media":
            return Found({"name": name, "type": "domestic_medium"}, None, path)
        return self._by_id(name, path)

    def _by_id(self, object_id: str, path: Path) -> Found | None:
        tree = self._tree
        if transaction := tree.transactions.get(object_id):
            return Found(self._attributes.of_transaction(transaction), None, path, transaction=transaction)
        if lock := tree.locks.locks.get(object_id):
            return Found(self._attributes.of_lock(lock), None, path)
        return None

    def _of_account(self, account: Account) -> dict[str, Value]:
        usage = self._tree.usage(account.name)
        disk_limit = UNLIMITED if account.disk_space_limit is None else account.disk_space_limit
        node_limit = UNLIMITED if account.node_count_limit is None else account.node_count_limit
        return {
            "id": account.id,
            "type": "account",
            "name": account.name,
            "acl": [ace.as_value() for ace in account.acl],
            "life_stage": "creation_committed",
            "resource_usage": _resources(usage, usage.node_count + usage.branch_count),
            "committed_resource_usage": _resources(usage, usage.node_count),
            "resource_limits": {
                "disk_space": disk_limit,
                "disk_space_per_medium": {"default": disk_limit},
                "node_count": node_limit,
                "chunk_count": UNLIMITED,
            },
            "violated_resource_limits": {
                "disk_space": usage.disk_space > disk_limit,
                "disk_space_per_medium": {"default": usage.disk_space > disk_limit},
                "node_count": usage.node_count > node_limit,
                "chunk_count": False,
            },
        }


def _resources(usage: Usage, node_count: int) -> dict[str, Value]:
    return {
        "disk_space": usage.disk_space,
        "disk_space_per_medium": {"default": usage.disk_space},
        "node_count": node_count,
        "chunk_count": usage.chunk_count,
        "tablet_count": 0,
        "tablet_static_memory": 0,
        "master_memory": {"total": 0, "chunk_host": 0, "per_cell": {}},
    }
