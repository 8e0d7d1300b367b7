"""The attributes that the cluster computes, of nodes, transactions and locks.

Names and which of them may be set are those of the master (node_proxy_detail.cpp, chunk_owner_node_proxy.cpp,
file_node_proxy.cpp and lock_proxy.cpp; README.md), as far as this proxy keeps what they say.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from proxy.errors import ServerError
from proxy.nodes import PORTAL_EXIT
from proxy.resolving import CELL_TAG
from proxy.security import REPLICATION_FACTOR
from proxy.transactions import NULL_ID, Transaction, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.formats import Value
    from proxy.locks import Lock
    from proxy.nodes import Node
    from proxy.resolving import Call
    from proxy.tree import Tree

OPAQUE = frozenset(
    {
        "annotation", "annotation_path", "chunk_ids", "effective_acl",
        "effective_inheritable_attributes", "locks", "path", "recursive_resource_usage",
        "schema", "user_attribute_keys", "user_attributes",
    }
)  # fmt: skip
"""Attributes that stand as `#` in a listing of all; asked by name, they have their value."""
EXPIRATIONS = frozenset({"expiration_time", "expiration_timeout"})
CODECS = frozenset(
    {
        "chunk_merger_mode", "compression_codec", "enable_skynet_sharing", "enable_striped_erasure", "erasure_codec",
        "optimize_for",
    }
)  # fmt: skip
"""How chunks are written: set under transactions; a new file or table takes them from the maps above it."""
VERSIONED = EXPIRATIONS | CODECS | {"annotation"}
"""System attributes that are set under transactions, with a lock like a custom attribute's."""
PLACEMENT = frozenset({"replication_factor", "primary_medium", "vital"})
"""Where chunks lie: not set under transactions; inherited like `CODECS`."""
STORAGE = CODECS | PLACEMENT
UNVERSIONED = PLACEMENT | {"account", "owner", "acl", "inherit_acl", "opaque"}
"""System attributes that can be set, but not in a transaction."""
NOT_MODELLED = frozenset(
    {
        "atomicity", "commit_ordering", "external_cell_bias", "external_cell_tag", "hunk_erasure_codec",
        "hunk_media", "hunk_primary_medium", "in_memory_mode", "media", "tablet_cell_bundle",
    }
)  # fmt: skip
"""Attributes of files, tables and maps that a real server checks and inherits, and this proxy refuses."""
CHUNK_OWNERS = frozenset({"file", "table"})
_OF_TABLES = frozenset({"optimize_for"})
_STORAGE_DEFAULTS: dict[str, Value] = {
    "chunk_merger_mode": "none",
    "compression_codec": "lz4",
    "enable_skynet_sharing": False,
    "enable_striped_erasure": False,
    "erasure_codec": "none",
    "optimize_for": "lookup",
    "primary_medium": "default",
    "replication_factor": REPLICATION_FACTOR,
    "vital": True,
}


def storage_names(kind: str) -> frozenset[str]:
    """Give the names of what a node of this type says about its chunks, or a map node about those below it."""
    if kind in {"map_node", PORTAL_EXIT, "table"}:
        return STORAGE
    return STORAGE - _OF_TABLES if kind in CHUNK_OWNERS else frozenset()


class SystemAttributes:
    """What the cluster knows of its objects; the caller holds the lock of the tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def system(self, node: Node, call: Call) -> dict[str, Callable[[], Value]]:
        """Give the system attributes that the node has, each as a function that computes it."""
        transaction, tree = call.transaction, self.tree
        custom = node.custom(transaction)
        parent = tree.parent_of(node, call)
        found: dict[str, Callable[[], Value]] = {
            "id": lambda: node.id,
            "type": lambda: node.type,
            "ref_counter": lambda: self._references(node),
            "external": lambda: False,
            "native_cell_tag": lambda: 1,
            "locks": lambda: [lock.describe() for lock in [*node.acquired, *node.pending]],
            "lock_count": lambda: len(node.acquired) + len(node.pending),
            "lock_mode": lambda: node.lock_mode(transaction).label,
            "path": lambda: tree.path_of(node, transaction),
            "creation_time": lambda: timestamp(node.creation_time),
            "modification_time": lambda: timestamp(node.modification_time(transaction)),
            "access_time": lambda: timestamp(node.access_time or node.creation_time),
            "access_counter": lambda: node.access_counter,
            "revision": lambda: max(node.content_revision(transaction), node.attribute_revision(transaction)),
            "attribute_revision": lambda: node.attribute_revision(transaction),
            "content_revision": lambda: node.content_revision(transaction),
            "resource_usage": lambda: self._usage([node], call),
            "recursive_resource_usage": lambda: self._usage(list(tree.subtree(node, call)), call),
            "account": lambda: node.account,
            "owner": lambda: node.owner,
            "acl": lambda: [ace.as_value() for ace in node.acl],
            "inherit_acl": lambda: node.inherits_acl,
            "effective_acl": lambda: self.tree.effective_acl(node, call),
            "opaque": lambda: node.opaque,
            "annotation": lambda: custom.get("annotation"),
            "user_attribute_keys": lambda: list(users(node, call)),
            "user_attributes": lambda: users(node, call),
        }
        if parent is not None:
            found["parent_id"] = lambda: parent.id
            found["key"] = lambda: tree.key_of(node, parent, transaction) or "?"
        for name in EXPIRATIONS & set(custom):
            found[name] = functools.partial(custom.__getitem__, name)
        return found | self._by_type(node, call)

    def _references(self, node: Node) -> int:
        is_attached = any(isinstance(each.parent, str) for each in (node.trunk, *node.branches.values()))
        staged = sum(node in each.staged for each in self.tree.transactions.values())
        return int(is_attached or node is self.tree.root) + len(node.branches) + staged

    def inherited(self, parent: Node | None, kind: str, call: Call) -> dict[str, Value]:
        """Give what a new node takes over from the nearest map node above it that says so, for each attribute."""
        found: dict[str, Value] = {}
        while parent is not None and kind in CHUNK_OWNERS:
            for name in storage_names(kind) & set(self.stored(parent, call)):
                found.setdefault(name, self.stored(parent, call)[name])
            parent = self.tree.parent_of(parent, call)
        return found

    def stored(self, node: Node, call: Call) -> dict[str, Value]:
        """Give what was set on a node about its chunks."""
        return {**node.storage, **node.custom(call.transaction)}

    def _by_type(self, node: Node, call: Call) -> dict[str, Callable[[], Value]]:
        transaction = call.transaction
        found: dict[str, Callable[[], Value]] = {}
        if node.is_map:
            found["count"] = lambda: len(self.tree.children(node, call))
            stored = self.stored(node, call)
            for name in STORAGE & set(stored):
                found[name] = functools.partial(stored.__getitem__, name)
            found["effective_inheritable_attributes"] = lambda: self.inherited(node, "table", call)
        if node.type in CHUNK_OWNERS:
            content = node.content(transaction)
            found |= {
                "chunk_count": lambda: len(content.blobs),
                "chunk_ids": lambda: [f"{blob.index:x}-0-10064-1" for blob in content.blobs],
                "uncompressed_data_size": lambda: content.size,
                "compressed_data_size": lambda: content.size,
                "compression_ratio": lambda: 1.0 if content.size else 0.0,
                "update_mode": lambda: "none",
            }
            stored = self.stored(node, call)
            for name in storage_names(node.type):
                found[name] = functools.partial(stored.get, name, _STORAGE_DEFAULTS[name])
            found["media"] = lambda: {
                str(found["primary_medium"]()): {
                    "replication_factor": found["replication_factor"](),
                    "data_parts_only": False,
                }
            }
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
            self.tree.existing(str(node.value(call.transaction)), call, "Get")
        except ServerError:
            return True
        return False

    def _usage(self, nodes: Sequence[Node], call: Call) -> Value:
        size = sum(node.content(call.transaction).size for node in nodes if node.type in CHUNK_OWNERS)
        chunks = sum(len(node.content(call.transaction).blobs) for node in nodes if node.type in CHUNK_OWNERS)
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
            "depth": transaction.depth,
            "native_cell_tag": CELL_TAG,
            "cypress_transaction": True,
            "lock_ids": _by_cell([lock.id for lock in transaction.locks]),
            "recursive_lock_count": {str(CELL_TAG): _lock_count(transaction)},
            "locked_node_ids": _by_cell(sorted({lock.node.id for lock in transaction.locks if lock.acquired})),
            "branched_node_ids": _by_cell([node.id for node in transaction.branched]),
            "staged_node_ids": _by_cell([node.id for node in transaction.staged]),
            "prerequisite_transaction_ids": list(transaction.prerequisites),
            "dependent_transaction_ids": [
                each.id for each in self.tree.transactions.values() if transaction.id in each.prerequisites
            ],
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


def _by_cell(ids: list[str]) -> dict[str, Value]:
    return {str(CELL_TAG): ids}


def _lock_count(transaction: Transaction) -> int:
    return len(transaction.locks) + sum(_lock_count(nested) for nested in transaction.nested)


def users(node: Node, call: Call) -> dict[str, Value]:
    """Give the users' own attributes of a node."""
    return {key: value for key, value in node.custom(call.transaction).items() if key not in VERSIONED}
