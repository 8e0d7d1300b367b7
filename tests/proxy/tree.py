"""The tree of nodes and the transactions over it; everything here happens under one lock, as on the master.

Operations are split by subject over `transacting`, `attributes`, `verbs` and `files`; this module holds the state,
finds nodes by path, and makes, attaches and detaches them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
import threading
import time
from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError, no_such_transaction
from proxy.locks import EXCLUSIVE, LockManager, LockRequest
from proxy.nodes import TYPE_NUMBERS, UNSET, LockMode, Node, Version
from proxy.resolving import CELL_TAG, Call, Resolving
from proxy.security import (
    EVERYONE,
    PERMISSIONS,
    REPLICATION_FACTOR,
    USERS,
    AccessRules,
    Accounts,
    Ace,
    Decision,
    Guarded,
    Media,
    Subjects,
    Usage,
)
from proxy.transactions import NULL_ID, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from proxy.blobs import BlobStore
    from proxy.formats import Value

MAX_KEY_LENGTH = 4096


class Tree(Resolving):
    """The state of the master."""

    def __init__(
        self,
        blobs: BlobStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        seed: int = 0,
    ) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        """Notified after every request to the master."""
        self.blobs = blobs
        self.clock = clock
        self.rules = AccessRules()
        self.subjects = Subjects()
        self.media = Media()
        self.nodes: dict[str, Node] = {}
        self.transactions: dict[str, Transaction] = {}
        self.expiring: set[str] = set()
        """Ids of nodes that may have an expiration time."""
        self._counter = itertools.count(1)
        self._revision = itertools.count(1)
        self._random = random.Random(seed)
        self._last_time = dt.datetime.now(dt.timezone.utc)
        self.accounts = Accounts(lambda: self.new_id("account"))
        self.locks = LockManager(
            new_id=lambda: self.new_id("lock"),
            now=self.now,
            path_of=self.path_of,
            is_orphaned=self.is_orphaned,
            snapshot_dropped=self.snapshot_dropped,
        )
        self.root = self._register("map_node", "sys", "root")
        self.root.acl = (Ace("allow", (EVERYONE,), frozenset({"read"})), Ace("allow", (USERS,), PERMISSIONS))
        for key, account in (("sys", "sys"), ("tmp", "tmp"), ("home", "tmp")):
            self.attach(Call("root"), self.root, key, self._register("map_node", account, "root"))

    # Ids, times, revisions.

    def new_id(self, kind: str) -> str:
        """Give an id that nothing has: counter, random part, cell and type, hash."""
        kind_number = (CELL_TAG << 16) | TYPE_NUMBERS[kind]
        number = next(self._counter)
        return f"{number & 0xF:x}-{number:x}-{kind_number:x}-{self._random.randrange(1, 2**32):x}"

    def now(self) -> dt.datetime:
        """Give the time, never the same twice."""
        current = dt.datetime.now(dt.timezone.utc)
        self._last_time = max(current, self._last_time + dt.timedelta(microseconds=1))
        return self._last_time

    def next_revision(self) -> int:
        """Give the number of a change."""
        return next(self._revision)

    # Transactions.

    def transaction(self, transaction_id: str | None) -> Transaction | None:
        """Find a live transaction; the null id is none.

        Raises:
            ServerError: it is not live.
        """
        if transaction_id is None or transaction_id == NULL_ID:
            return None
        if transaction_id not in self.transactions:
            raise no_such_transaction(transaction_id)
        return self.transactions[transaction_id]

    # Permissions and limits.

    def permit(self, node: Node, permission: str, call: Call, *alternatives: str) -> None:
        """Make sure that the caller has the permission on the node, or one of the alternatives.

        Raises:
            ServerError: he does not.
        """
        permissions = (permission, *alternatives)
        decision = self.decide(node, permissions, call, call.user)
        if not decision.allowed:
            path = self.path_of(node, call.transaction)
            raise self.rules.denied(call.user, permissions, self._guarded(node, call), path, decision)

    def decide(self, node: Node, permissions: Sequence[str], call: Call, user: str) -> Decision:
        """Decide whether a user has one of the permissions on the node, as the call sees it."""
        rule = self.rules.denying(lambda: self.path_of(node, call.transaction), permissions, user)
        if rule is None:
            return self.subjects.decide(user, permissions, self._guards(node, call))
        by = dataclasses.replace(self._guarded(node, call), naming=lambda: f"node {rule.path}")
        return Decision(allowed=False) if rule.allow else Decision(allowed=False, by=by, subject=user)

    def _guards(self, node: Node, call: Call) -> Iterator[Guarded]:
        """Give the node and those above it; from a node without a place in the tree, everybody may read."""
        current: Node | None = node
        while current is not None:
            yield self._guarded(current, call)
            if current is self.root:
                return
            current = self.parent_of(current, call)
        yield Guarded("", "", str, (Ace("allow", (EVERYONE,), frozenset({"read"})),), inherits=False)

    def _guarded(self, node: Node, call: Call) -> Guarded:
        def name() -> str:
            return f"node {self.path_of(node, call.transaction)}"

        return Guarded(node.id, node.type, name, node.acl, node.inherits_acl, node.owner)

    def effective_acl(self, node: Node, call: Call) -> list[Value]:
        """Give the entries that hold for the node, its own and the inherited ones."""
        found: list[Value] = []
        for depth, guarded in enumerate(self._guards(node, call)):
            found += [each.as_value() for ace in guarded.acl if guarded.id and (each := ace.inherited(depth))]
            if not guarded.inherits:
                break
        return found

    def permit_use(self, account: str, call: Call) -> None:
        """Make sure that the caller may put nodes on the account.

        Raises:
            ServerError: he may not, or there is none of that name.
        """
        guarded = self.accounts.get(account).guarded()
        decision = self.subjects.decide(call.user, ("use",), [guarded])
        if not decision.allowed:
            raise self.rules.denied(call.user, ("use",), guarded, None, decision)

    def permit_children(self, node: Node, call: Call) -> None:
        """Make sure that the caller may add and remove children of the node.

        Raises:
            ServerError: he may not.
        """
        self.permit(node, "write", call, "modify_children")

    def usage(self, account: str) -> Usage:
        """Sum up what the nodes of an account use."""
        result = Usage()
        seen: dict[int, tuple[int, int]] = {}
        for node in self.nodes.values():
            if node.account != account:
                continue
            result.node_count += 1
            result.branch_count += len(node.branches)
            replicas = int(str(node.storage.get("replication_factor", REPLICATION_FACTOR)))
            for version in [node.trunk, *node.branches.values()]:
                blobs = (version.content.blobs if version.content is not UNSET else ()) + version.appended
                for blob in blobs:
                    seen[blob.index] = (blob.size, max(replicas, seen.get(blob.index, (0, 0))[1]))
        result.chunk_count = len(seen)
        result.disk_space = sum(size * replicas for size, replicas in seen.values())
        return result

    def check_node_count(self, account: str, count: int) -> None:
        """Make sure that so many more nodes fit into the account.

        Raises:
            ServerError: they do not.
        """
        if self.accounts.get(account).node_count_limit is None:
            return
        usage = self.usage(account)
        for _ in range(count):
            self.accounts.check_node(account, usage)
            usage.node_count += 1

    # Making, attaching and detaching nodes.

    def version(self, node: Node, call: Call) -> Version:
        """Give the version that the caller writes to; the lock for it is taken already."""
        return node.trunk if call.transaction is None else node.branches[call.transaction.id]

    def touch(self, node: Node, call: Call, *, attributes: bool = False) -> None:
        """Note that the node was changed."""
        if "modification_tracking" in call.suppressed:
            return
        version = self.version(node, call)
        version.modification_time = self.now()
        if attributes:
            version.attribute_revision = self.next_revision()
        else:
            version.content_revision = self.next_revision()

    def accessed(self, node: Node, call: Call) -> None:
        """Note that the node was read."""
        if "access_tracking" not in call.suppressed:
            node.access_time = self.now()
            node.access_counter += 1

    def lock_node(self, node: Node, call: Call, request: LockRequest = EXCLUSIVE, *, recursive: bool = False) -> None:
        """Take the lock that a change needs.

        Raises:
            ServerError: it conflicts.
        """
        nodes = list(self.subtree(node, call)) if recursive else [node]
        self.locks.acquire_implicit(nodes, call.transaction, request)

    def check_child_lock(self, parent: Node, key: str, call: Call) -> None:
        """Make sure that a child could be locked.

        Raises:
            ServerError: it could not.
        """
        if error := self.locks.check(parent, call.transaction, LockRequest(LockMode.SHARED, child_key=key)):
            raise error

    def check_key(self, parent: Node, key: str, call: Call) -> None:
        """Make sure that a child may have this key.

        Raises:
            ServerError: the key is empty or too long.
        """
        if not key:
            raise ServerError("Child key cannot be empty")
        if len(key.encode("utf-8", "surrogateescape")) > MAX_KEY_LENGTH:
            path = self.path_of(parent, call.transaction)
            raise ServerError(
                f"Map node {path} is not allowed to contain items with keys longer than {MAX_KEY_LENGTH} symbols",
                code=Code.MAX_KEY_LENGTH,
            )

    def make(self, kind: str, call: Call, account: str) -> Node:
        """Make a node; in a transaction it belongs to it until it commits."""
        node = self._register(kind, account, call.user)
        if call.transaction is not None:
            call.transaction.staged.append(node)
            self.lock_node(node, call)
        return node

    def _register(self, kind: str, account: str, owner: str) -> Node:
        time_now, revision = self.now(), self.next_revision()
        trunk = Version(None, parent=None, attribute_revision=revision, content_revision=revision)
        node = Node(self.new_id(kind), kind, time_now, account, owner, trunk, renewed=self.clock())
        self.nodes[node.id] = node
        return node

    def attach(self, call: Call, parent: Node, key: str, child: Node) -> None:
        """Put a node under a key of another.

        Raises:
            ServerError: the key cannot be locked, or is too long.
        """
        self.check_key(parent, key, call)
        self.lock_node(parent, call, LockRequest(LockMode.SHARED, child_key=key))
        self.version(parent, call).children[key] = child.id
        self.version(child, call).parent = parent.id
        self.touch(parent, call)

    def detach(self, call: Call, parent: Node, child: Node) -> None:
        """Take a node and everything below it away from its parent.

        Raises:
            ServerError: something there is locked.
        """
        key = self.key_of(child, parent, call.transaction)
        if key is None:
            raise ServerError("Node is not a child")
        self.check_child_lock(parent, key, call)
        self.lock_node(child, call, recursive=True)
        self.lock_node(parent, call, LockRequest(LockMode.SHARED, child_key=key))
        if call.transaction is None:
            del parent.trunk.children[key]
        else:
            self.version(parent, call).children[key] = None
        self.version(child, call).parent = None
        self.touch(parent, call)
        self.collect(child)

    def replace(self, call: Call, parent: Node, old: Node, new: Node) -> None:
        """Put a node in the place of another.

        Raises:
            ServerError: something there is locked.
        """
        key = self.key_of(old, parent, call.transaction)
        if key is None:
            raise ServerError("Node is not a child")
        self.lock_node(old, call, recursive=True)
        self.lock_node(parent, call, LockRequest(LockMode.SHARED, child_key=key))
        self.version(old, call).parent = None
        self.version(parent, call).children[key] = new.id
        self.version(new, call).parent = parent.id
        self.touch(parent, call)
        self.collect(old)

    def collect(self, node: Node) -> None:
        """Forget a node that nothing refers to any more, and what it held."""
        if not node.alive or node is self.root or node.trunk.parent is not None or node.branches:
            return
        if self._is_staged(node) or self._is_in_snapshot(node):
            return
        node.alive = False
        del self.nodes[node.id]
        self.expiring.discard(node.id)
        self.locks.orphan(node)
        for child_id in node.trunk.children.values():
            child = self.nodes.get(child_id) if child_id else None
            if child is not None and child.trunk.parent == node.id:
                child.trunk.parent = None
                self.collect(child)

    def is_orphaned(self, node: Node) -> bool:
        """Tell whether the node, or one above it, was removed and is only kept by somebody's lock."""
        current: Node | None = node
        while current is not None and current is not self.root:
            if current.trunk.parent is None:
                return not self._is_staged(current)
            current = self.nodes.get(str(current.trunk.parent))
        return current is None

    def snapshot_dropped(self, branch: Version) -> None:
        """Forget the children that were kept only because a snapshot of their parent showed them."""
        for child_id in branch.children.values():
            if child := self.nodes.get(child_id or ""):
                self.collect(child)

    def _is_staged(self, node: Node) -> bool:
        return any(node in transaction.staged for transaction in self.transactions.values())

    def _is_in_snapshot(self, node: Node) -> bool:
        return any(self.snapshot_parent(node, transaction) is not None for transaction in self.transactions.values())
