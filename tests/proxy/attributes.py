"""Attributes of nodes, transactions and locks: the ones of the system, and the users' own.

Names and which of them may be set are those of the master (node_proxy_detail.cpp, chunk_owner_node_proxy.cpp,
file_node_proxy.cpp and lock_proxy.cpp, see README.md), as far as this proxy keeps what they say.
"""

from __future__ import annotations

import copy
import datetime as dt
from typing import TYPE_CHECKING

from proxy import values
from proxy.errors import Code, ServerError
from proxy.formats import attributes_of, is_boolean, is_entity
from proxy.locks import LockRequest
from proxy.nodes import UNSET, LockMode, Node
from proxy.security import REPLICATION_FACTOR
from proxy.transactions import NULL_ID, Transaction, timestamp
from proxy.ypath import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.formats import Value
    from proxy.locks import Lock
    from proxy.tree import Call, Tree

OPAQUE = frozenset(
    {
        "annotation", "annotation_path", "chunk_ids", "effective_acl", "locks", "path", "recursive_resource_usage",
        "schema", "user_attribute_keys", "user_attributes",
    }
)  # fmt: skip
"""Attributes that stand as `#` in a listing of all; asked by name, they have their value."""
VERSIONED = frozenset({"expiration_time", "expiration_timeout", "annotation"})
"""System attributes that are set under transactions, with a lock like a custom attribute's."""
STORAGE = frozenset(
    {"compression_codec", "erasure_codec", "replication_factor", "primary_medium", "optimize_for", "vital"}
)
UNVERSIONED = STORAGE | {"account", "owner", "acl", "inherit_acl", "opaque"}
"""System attributes that can be set, but not in a transaction."""
_CHUNK_OWNERS = frozenset({"file", "table"})
_STORAGE_DEFAULTS: dict[str, Value] = {
    "compression_codec": "lz4",
    "erasure_codec": "none",
    "replication_factor": REPLICATION_FACTOR,
    "primary_medium": "default",
    "vital": True,
}


class Attributes:
    """Reading and writing of attributes; the caller holds the lock of the tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    # Reading.

    def system(self, node: Node, call: Call) -> dict[str, Callable[[], Value]]:
        """Give the system attributes that the node has, each as a function that computes it."""
        transaction, tree = call.transaction, self._tree
        custom = node.custom(transaction)
        parent = tree.parent_of(node, call)
        found: dict[str, Callable[[], Value]] = {
            "id": lambda: node.id,
            "type": lambda: node.type,
            "ref_count": lambda: 1 + len(node.branches),
            "external": lambda: False,
            "native_cell_tag": lambda: 1,
            "locks": lambda: [lock.describe() for lock in [*node.acquired, *node.pending]],
            "lock_count": lambda: len(node.acquired) + len(node.pending),
            "lock_mode": lambda: node.lock_mode(transaction).label,
            "path": lambda: tree.path_of(node, transaction),
            "creation_time": lambda: timestamp(node.creation_time),
            "modification_time": lambda: timestamp(node.modification_time(transaction)),
            "access_time": lambda: timestamp(node.creation_time),
            "access_counter": lambda: 0,
            "revision": lambda: max(node.content_revision(transaction), node.attribute_revision(transaction)),
            "attribute_revision": lambda: node.attribute_revision(transaction),
            "content_revision": lambda: node.content_revision(transaction),
            "resource_usage": lambda: self._usage([node], call),
            "recursive_resource_usage": lambda: self._usage(list(tree.subtree(node, call)), call),
            "account": lambda: node.account,
            "owner": lambda: node.owner,
            "acl": lambda: node.storage.get("acl", []),
            "inherit_acl": lambda: node.storage.get("inherit_acl", True),
            "opaque": lambda: node.opaque,
            "annotation": lambda: custom.get("annotation"),
            "user_attribute_keys": lambda: list(self.custom(node, call)),
            "user_attributes": lambda: self.custom(node, call),
        }
        if parent is not None:
            found["parent_id"] = lambda: parent.id
            found["key"] = lambda: tree.key_of(node, parent, transaction) or "?"
        for name in ("expiration_time", "expiration_timeout"):
            if name in custom:
                found[name] = lambda name=name: custom[name]  # type: ignore[misc]
        return found | self._by_type(node, call)

    def _by_type(self, node: Node, call: Call) -> dict[str, Callable[[], Value]]:
        transaction = call.transaction
        found: dict[str, Callable[[], Value]] = {}
        if node.is_map:
            found["count"] = lambda: len(self._tree.children(node, call))
            for name in STORAGE & set(node.storage):
                found[name] = lambda name=name: node.storage[name]  # type: ignore[misc]
        if node.type in _CHUNK_OWNERS:
            content = node.content(transaction)
            found |= {
                "chunk_count": lambda: len(content.blobs),
                "chunk_ids": lambda: [f"{blob.index:x}-0-10064-1" for blob in content.blobs],
                "uncompressed_data_size": lambda: content.size,
                "compressed_data_size": lambda: content.size,
                "compression_ratio": lambda: 1.0 if content.size else 0.0,
                "update_mode": lambda: "none",
            }
            for name, default in _STORAGE_DEFAULTS.items():
                found[name] = lambda name=name, default=default: node.storage.get(name, default)  # type: ignore[misc]
            if node.type == "file" and content.md5 is not None:
                found["md5"] = content.md5.hexdigest
            if node.type == "table":
                found |= {"row_count": lambda: 0, "sorted": lambda: False, "dynamic": lambda: False, "schema": list}
        if node.type == "link":
            found["target_path"] = lambda: node.value(transaction)
            found["broken"] = lambda: self._is_broken(node, call)
        return found

    def _is_broken(self, node: Node, call: Call) -> bool:
        try:
            self._tree.existing(str(node.value(call.transaction)), call, "Get")
        except ServerError:
            return True
        return False

    def _usage(self, nodes: Sequence[Node], call: Call) -> Value:
        size = sum(node.content(call.transaction).size for node in nodes if node.type in _CHUNK_OWNERS)
        chunks = sum(len(node.content(call.transaction).blobs) for node in nodes if node.type in _CHUNK_OWNERS)
        disk = size * REPLICATION_FACTOR
        return {
            "node_count": len(nodes),
            "chunk_count": chunks,
            "disk_space": disk,
            "disk_space_per_medium": {"default": disk} if disk else {},
            "master_memory": 0,
            "tablet_count": 0,
            "tablet_static_memory": 0,
        }

    def custom(self, node: Node, call: Call) -> dict[str, Value]:
        """Give the users' attributes of a node."""
        return {key: value for key, value in node.custom(call.transaction).items() if key not in VERSIONED}

    def find(self, node: Node, name: str, call: Call) -> tuple[bool, Value]:
        """Look one attribute up: whether the node has it, and its value."""
        custom = self.custom(node, call)
        if name in custom:
            return True, copy.deepcopy(custom[name])
        compute = self.system(node, call).get(name)
        return (True, compute()) if compute is not None else (False, None)

    def all(self, node: Node, call: Call) -> dict[str, Value]:
        """Give all attributes, opaque ones as entities."""
        system = {name: None if name in OPAQUE else compute() for name, compute in self.system(node, call).items()}
        return system | copy.deepcopy(self.custom(node, call))

    def some(self, node: Node, names: Sequence[str], call: Call) -> dict[str, Value]:
        """Give those of the named attributes that the node has."""
        found = {name: self.find(node, name, call) for name in names}
        return {name: value for name, (present, value) in found.items() if present}

    def get(self, node: Node, keys: Sequence[str], call: Call) -> Value:
        """Give what an attribute path leads to; no keys: all attributes.

        Raises:
            ServerError: it leads to nothing.
        """
        self._tree.permit(node, "read", call)
        if not keys:
            return self.all(node, call)
        present, value = self.find(node, keys[0], call)
        if not present:
            raise ServerError(f'Attribute "{literal(keys[0])}" is not found', code=Code.RESOLVE)
        return values.get(value, keys[1:], "/" + literal(keys[0]))

    def exists(self, node: Node, keys: Sequence[str], call: Call) -> bool:
        """Tell whether an attribute path leads to something."""
        try:
            self.get(node, keys, call)
        except ServerError as error:
            if error.contains(Code.AUTHORIZATION):
                raise
            return False
        return True

    # Writing.

    def set(self, node: Node, keys: Sequence[str], value: Value, call: Call, *, recursive: bool = False) -> None:
        """Set an attribute or a part of it; no keys: exactly these custom attributes.

        Raises:
            ServerError: it cannot be set.
        """
        if not keys:
            self._set_all(node, value, call)
            return
        name = keys[0]
        if not name:
            raise ServerError("Attribute key cannot be empty")
        self._check_settable(node, name, call)
        if len(keys) > 1:
            present, old = self.find(node, name, call)
            if not present:
                raise ServerError(f'Custom attribute "{literal(name)}" is not found', code=Code.RESOLVE)
            value = values.changed(old, keys[1:], value, "/" + literal(name), recursive=recursive)
        self._store(node, name, value, call)

    def _set_all(self, node: Node, value: Value, call: Call) -> None:
        if not isinstance(value, dict):
            raise ServerError("Attributes must be a map")
        self._tree.permit(node, "write", call)
        for name in self.custom(node, call):
            if name not in value:
                self.remove(node, [name], call, force=False)
        for name, each in value.items():
            self.set(node, [str(name)], each, call)

    def remove(self, node: Node, keys: Sequence[str], call: Call, *, force: bool) -> None:
        """Remove an attribute or a part of it; no keys, as `@*`: all custom ones.

        Raises:
            ServerError: it cannot be removed, or is missing and `force` is not given.
        """
        if not keys:
            for name in self.custom(node, call):
                self.remove(node, [name], call, force=force)
            return
        name = keys[0]
        own = node.custom(call.transaction)
        if name not in own:
            if name in self.system(node, call) or name in UNVERSIONED:
                raise ServerError(f'Attribute "{literal(name)}" cannot be removed')
            if force:
                return
            raise ServerError(f'Attribute "{literal(name)}" is not found', code=Code.RESOLVE)
        self._tree.permit(node, "write", call)
        if len(keys) > 1:
            self._store(node, name, values.removed(own[name], keys[1:], "/" + literal(name), force=force), call)
            return
        self._tree.lock_node(node, call, LockRequest(LockMode.SHARED, attribute_key=name))
        version = self._tree.version(node, call)
        if call.transaction is None:
            del version.attributes[name]
        else:
            version.attributes[name] = UNSET
        self._tree.touch(node, call, attributes=True)

    def fill(self, node: Node, attributes: dict[str, Value], call: Call) -> None:
        """Give a new node its attributes, before anybody can see it.

        Raises:
            ServerError: one of them cannot be set.
        """
        for name, value in attributes.items():
            if name in UNVERSIONED:
                self._set_unversioned(node, name, value)
            elif name in self.system(node, call) or (name in OPAQUE and name not in VERSIONED):
                raise ServerError(f'Builtin attribute "{literal(name)}" cannot be set')
            else:
                node.trunk.attributes[name] = self._checked(node, name, value)
                self._note_expiration(node, name)

    def _check_settable(self, node: Node, name: str, call: Call) -> None:
        if name in UNVERSIONED:
            self._tree.permit(node, "administer" if name in {"owner", "acl", "inherit_acl"} else "write", call)
            return
        if name not in VERSIONED and name not in self.custom(node, call) and name in self.system(node, call):
            raise ServerError(f'Builtin attribute "{literal(name)}" cannot be set')
        self._tree.permit(node, "remove" if name in {"expiration_time", "expiration_timeout"} else "write", call)

    def _store(self, node: Node, name: str, value: Value, call: Call) -> None:
        if name in UNVERSIONED:
            if call.transaction is not None:
                raise ServerError("Operation cannot be performed in transaction")
            self._tree.lock_node(node, call)
            self._set_unversioned(node, name, value)
            self._tree.touch(node, call, attributes=True)
            return
        value = self._checked(node, name, value)
        self._tree.lock_node(node, call, LockRequest(LockMode.SHARED, attribute_key=name))
        self._tree.version(node, call).attributes[name] = value
        self._note_expiration(node, name)
        self._tree.touch(node, call, attributes=True)

    def _set_unversioned(self, node: Node, name: str, value: Value) -> None:
        if name == "account":
            node.account = self._tree.accounts.get(_string(name, value)).name
        elif name == "owner":
            node.owner = _string(name, value)
        elif name == "opaque":
            node.opaque = _boolean(name, value)
        elif name in STORAGE and not (node.is_map or node.type in _CHUNK_OWNERS):
            raise ServerError(f'Builtin attribute "{name}" cannot be set')
        else:
            node.storage[name] = value

    def _checked(self, node: Node, name: str, value: Value) -> Value:
        if node.type == "file" and name == "executable":
            _boolean(name, value)
        if node.type == "file" and name == "file_name":
            _string(name, value)
        if name == "expiration_time":
            return timestamp(parse_time(value))
        if name == "expiration_timeout" and (not isinstance(value, int) or is_boolean(value) or value < 0):
            raise ServerError('Cannot parse "duration" value: expected milliseconds')
        return copy.deepcopy(value)

    def _note_expiration(self, node: Node, name: str) -> None:
        if name == "expiration_time":
            self._tree.expiring.add(node.id)

    # Attributes of objects that are not nodes.

    def of_transaction(self, transaction: Transaction) -> dict[str, Value]:
        """Give the attributes of a transaction."""
        found: dict[str, Value] = {
            "id": transaction.id,
            "type": "nested_transaction" if transaction.parent else "transaction",
            "state": "active",
            "timeout": transaction.timeout_ms,
            "start_time": timestamp(transaction.start_time),
            "last_ping_time": timestamp(transaction.last_ping_time),
            "parent_id": transaction.parent.id if transaction.parent else NULL_ID,
            "owner": transaction.owner,
            "nested_transaction_ids": [nested.id for nested in transaction.nested],
            "lock_ids": [lock.id for lock in transaction.locks],
            "locked_node_ids": sorted({lock.node.id for lock in transaction.locks if lock.acquired}),
            "branched_node_ids": [node.id for node in transaction.branched],
            "staged_node_ids": [node.id for node in transaction.staged],
            "prerequisite_transaction_ids": list(transaction.prerequisites),
        }
        if transaction.title is not None:
            found["title"] = transaction.title
        if transaction.deadline is not None:
            found["deadline"] = timestamp(transaction.deadline)
        return found | transaction.attributes

    def of_lock(self, lock: Lock) -> dict[str, Value]:
        """Give the attributes of a lock."""
        described = lock.describe()
        found: dict[str, Value] = {
            **described,
            "type": "lock",
            "implicit": lock.implicit,
            "node_id": lock.node.id,
            "creation_time": timestamp(lock.creation_time),
        }
        if lock.acquisition_time is not None:
            found["acquisition_time"] = timestamp(lock.acquisition_time)
        return found


def parse_time(value: Value) -> dt.datetime:
    """Read a time: a string in ISO form, or milliseconds since 1970.

    Raises:
        ServerError: it is neither.
    """
    if isinstance(value, int) and not is_boolean(value):
        return dt.datetime.fromtimestamp(value / 1000, dt.timezone.utc)
    try:
        parsed = dt.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise ServerError(f"Error parsing date-time {value!r}") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.timezone.utc)


def _string(name: str, value: Value) -> str:
    if not isinstance(value, str) or attributes_of(value):
        raise ServerError(f'Cannot parse "string" value of attribute "{name}"')
    return str(value)


def _boolean(name: str, value: Value) -> bool:
    if is_entity(value) or not (is_boolean(value) or value in ("true", "false")):
        raise ServerError(f'Cannot parse "boolean" value of attribute "{name}"')
    return value == "true" if isinstance(value, str) else bool(value)
