"""The attributes that the cluster computes, of nodes, transactions and locks.

Names and which of them may be set are those of the master (node_proxy_detail.cpp, chunk_owner_node_proxy.cpp,
file_node_proxy.cpp and lock_proxy.cpp; README.md), as far as this proxy keeps what they say.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from proxy.errors import ServerError
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
CHUNK_OWNERS = frozenset({"file", "table"})
_STORAGE_DEFAULTS: dict[str, Value] = {
    "compression_codec": "lz4",
    "erasure_codec": "none",
    "replication_factor": REPLICATION_FACTOR,
    "primary_medium": "default",
    "vital": True,
}


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
            "user_attribute_keys": lambda: list(users(node, call)),
            "user_attributes": lambda: users(node, call),
        }
        if parent is not None:
            found["parent_id"] = lambda: parent.id
            found["key"] = lambda: tree.key_of(node, parent, transaction) or "?"
            if tree.path_of(parent, transaction) == "//sys/accounts":
                found |= self._of_account(tree.key_of(node, parent, transaction) or "?")
        for name in ("expiration_time", "expiration_timeout"):
            if name in custom:
                found[name] = functools.partial(custom.__getitem__, name)
        return found | self._by_type(node, call)

    def _of_account(self, name: str) -> dict[str, Callable[[], Value]]:
        """Give what the object of an account says of its limits."""
        account, usage = self.tree.accounts.get(name), self.tree.usage(name)
        limits = {"node_count": account.node_count_limit, "disk_space": account.disk_space_limit}
        used = {"node_count": usage.node_count, "disk_space": usage.disk_space}

        def resources(of: dict[str, int | None]) -> Value:
            count, space = (2**40 if of[key] is None else of[key] for key in ("node_count", "disk_space"))
            return {"node_count": count, "disk_space": space, "disk_space_per_medium": {"default": space}}

        return {"resource_limits": lambda: resources(limits), "resource_usage": lambda: resources({**used})}

    def _by_type(self, node: Node, call: Call) -> dict[str, Callable[[], Value]]:
        transaction = call.transaction
        found: dict[str, Callable[[], Value]] = {}
        if node.is_map:
            found["count"] = lambda: len(self.tree.children(node, call))
            for name in STORAGE & set(node.storage):
                found[name] = functools.partial(node.storage.__getitem__, name)
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
            for name, default in _STORAGE_DEFAULTS.items():
                found[name] = functools.partial(node.storage.get, name, default)
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


def users(node: Node, call: Call) -> dict[str, Value]:
    """Give the users' own attributes of a node."""
    return {key: value for key, value in node.custom(call.transaction).items() if key not in VERSIONED}
