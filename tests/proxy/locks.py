"""Locks on nodes: which may be taken, and what taking and releasing them does to the versions.

The rules follow the master's cypress_manager.cpp (README.md): snapshot locks conflict with nothing but locks of their
own transaction; an exclusive lock conflicts with every exclusive or shared lock of a concurrent transaction; a shared
lock with exclusive ones, and, if it is for a child or an attribute, with shared locks for the same one. A
transaction is concurrent unless it is the requesting one or an ancestor of it. A change outside of transactions takes
no lock, but is checked like one.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError
from proxy.nodes import LockMode, Node, Version

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from proxy.transactions import Transaction


@dataclasses.dataclass(frozen=True)
class LockRequest:
    """What is to be locked."""

    mode: LockMode
    child_key: str | None = None
    attribute_key: str | None = None

    @property
    def is_keyed(self) -> bool:
        """Tell whether only a child or an attribute is locked."""
        return self.child_key is not None or self.attribute_key is not None


EXCLUSIVE = LockRequest(LockMode.EXCLUSIVE)


@dataclasses.dataclass(eq=False)
class Lock:
    """A lock that is held or waited for."""

    id: str
    node: Node
    transaction: Transaction
    request: LockRequest
    implicit: bool
    creation_time: dt.datetime
    acquired: bool = False
    acquisition_time: dt.datetime | None = None

    def describe(self) -> dict[str, object]:
        """Give what `@locks` says of it."""
        result: dict[str, object] = {
            "id": self.id,
            "state": "acquired" if self.acquired else "pending",
            "transaction_id": self.transaction.id,
            "mode": self.request.mode.label,
        }
        if self.request.child_key is not None:
            result["child_key"] = self.request.child_key
        if self.request.attribute_key is not None:
            result["attribute_key"] = self.request.attribute_key
        return result


class LockManager:
    """Takes and releases locks."""

    def __init__(
        self,
        *,
        new_id: Callable[[], str],
        now: Callable[[], dt.datetime],
        path_of: Callable[[Node, Transaction | None], str],
        is_orphaned: Callable[[Node], bool],
        snapshot_dropped: Callable[[Version], None],
    ) -> None:
        self._new_id = new_id
        self._now = now
        self._path_of = path_of
        self._is_orphaned = is_orphaned
        self._snapshot_dropped = snapshot_dropped
        self.locks: dict[str, Lock] = {}

    def check(self, node: Node, transaction: Transaction | None, request: LockRequest) -> ServerError | None:
        """Find out why the lock cannot be taken now."""
        held = [lock for lock in node.acquired if lock.transaction is transaction]
        if transaction is not None and any(lock.request.mode is LockMode.SNAPSHOT for lock in held):
            if request.mode is LockMode.SNAPSHOT:
                return None
            return self._same(node, transaction, request, LockMode.SNAPSHOT, f"same transaction {transaction.id}")
        if request.mode is LockMode.SNAPSHOT:
            return self._check_snapshot(node, transaction, request, held)
        for ancestor in transaction.ancestors() if transaction else ():
            if any(lock.transaction is ancestor and lock.request.mode is LockMode.SNAPSHOT for lock in node.acquired):
                return self._same(node, transaction, request, LockMode.SNAPSHOT, f"parent transaction {ancestor.id}")
        for lock in sorted(node.acquired, key=lambda lock: -lock.request.mode):
            if _conflicts(lock, transaction, request):
                return self._concurrent(node, transaction, request, lock)
        return None

    def acquire_implicit(self, nodes: Iterable[Node], transaction: Transaction | None, request: LockRequest) -> None:
        """Take the locks that a change needs, all or none; the first node decides whether they are held already.

        Raises:
            ServerError: one of them conflicts.
        """
        nodes = list(nodes)
        for node in nodes:
            if error := self.check(node, transaction, request):
                raise error
        if transaction is None:
            return
        if any(lock.transaction is transaction and lock.request == request for lock in nodes[0].acquired):
            return
        for node in nodes:
            self._take(self._create(node, transaction, request, implicit=True))

    def acquire(self, node: Node, transaction: Transaction, request: LockRequest, *, waitable: bool) -> Lock:
        """Take a lock on request, or queue it.

        Raises:
            ServerError: it conflicts and is not waitable.
        """
        error = self.check(node, transaction, request)
        if error is not None and not waitable:
            raise error
        lock = self._create(node, transaction, request, implicit=False)
        if error is None:
            self._take(lock)
        return lock

    def unlock(self, node: Node, transaction: Transaction) -> None:
        """Release the explicit locks of the transaction on the node, held and pending.

        Raises:
            ServerError: the transaction changed the node.
        """
        mine = [lock for lock in [*node.acquired, *node.pending] if lock.transaction is transaction]
        explicit = [lock for lock in mine if not lock.implicit]
        if not explicit:
            return
        branch = node.branches.get(transaction.id)
        if branch is not None and not branch.is_snapshot and branch.has_changes:
            raise ServerError(f'Node #{node.id} is modified by transaction "{transaction.id}" and cannot be unlocked')
        for lock in explicit:
            self._remove(lock)
        for holder in [transaction, *transaction.ancestors()]:
            if not self._settle_branch(node, holder):
                break
        self.grant_pending(node)

    def release_all(self, transaction: Transaction, *, promote: bool) -> None:
        """Release what a finished transaction holds; on commit of a nested one its parent takes the locks over."""
        nodes: list[Node] = []
        for lock in list(transaction.locks):
            if lock.node not in nodes:
                nodes.append(lock.node)
            parent = transaction.parent
            keep = promote and parent is not None and lock.request.mode is not LockMode.SNAPSHOT
            if keep and lock.implicit:
                keep = not any(
                    other is not lock and other.transaction is parent and other.request == lock.request
                    for other in lock.node.acquired
                )
            if keep and parent is not None:
                transaction.locks.remove(lock)
                lock.transaction = parent
                parent.locks.append(lock)
            else:
                self._remove(lock)
        for node in nodes:
            self.grant_pending(node)

    def drop_branches(self, transaction: Transaction) -> None:
        """Forget the versions of an aborted transaction, and those of its ancestors that existed only for them."""
        for node in list(transaction.branched):
            branch = node.branches.pop(transaction.id)
            transaction.branched.remove(node)
            if branch.is_snapshot:
                self._snapshot_dropped(branch)
            for ancestor in transaction.ancestors():
                if not self._settle_branch(node, ancestor):
                    break

    def orphan(self, node: Node) -> None:
        """Release the locks on a node that is gone."""
        for lock in [*node.acquired, *node.pending]:
            self._remove(lock)

    def grant_pending(self, node: Node) -> None:
        """Take every queued lock that no longer conflicts, in the order of the queue.

        Whoever waits for a node that was removed waits in vain: the lock ends with the node.
        """
        if not node.pending or self._is_orphaned(node):
            return
        for lock in list(node.pending):
            if self.check(node, lock.transaction, lock.request) is None:
                self._take(lock)

    def _create(self, node: Node, transaction: Transaction, request: LockRequest, *, implicit: bool) -> Lock:
        lock = Lock(self._new_id(), node, transaction, request, implicit, self._now())
        node.pending.append(lock)
        transaction.locks.append(lock)
        self.locks[lock.id] = lock
        return lock

    def _take(self, lock: Lock) -> None:
        node, transaction, mode = lock.node, lock.transaction, lock.request.mode
        node.pending.remove(lock)
        node.acquired.append(lock)
        lock.acquired = True
        lock.acquisition_time = self._now()
        if branch := node.branches.get(transaction.id):
            branch.lock_mode = max(branch.lock_mode, mode)
            return
        if mode is LockMode.SNAPSHOT:
            node.branches[transaction.id] = node.snapshot(transaction)
            transaction.branched.append(node)
            return
        for holder in [*reversed(transaction.ancestors()), transaction]:
            if holder.id not in node.branches:
                node.branches[holder.id] = Version(holder, mode)
                holder.branched.append(node)

    def _remove(self, lock: Lock) -> None:
        (lock.node.acquired if lock.acquired else lock.node.pending).remove(lock)
        lock.transaction.locks.remove(lock)
        del self.locks[lock.id]

    def _settle_branch(self, node: Node, transaction: Transaction) -> bool:
        """Drop the branch if nothing needs it, else give it the mode of what does; True: dropped."""
        branch = node.branches.get(transaction.id)
        if branch is None:
            return True
        modes = [lock.request.mode for lock in node.acquired if lock.transaction is transaction]
        modes += [
            node.branches[nested.id].lock_mode
            for nested in transaction.nested
            if nested.id in node.branches and not node.branches[nested.id].is_snapshot
        ]
        if modes:
            branch.lock_mode = max(modes)
            return False
        if not branch.is_snapshot and branch.has_changes:
            return False
        del node.branches[transaction.id]
        transaction.branched.remove(node)
        if branch.is_snapshot:
            self._snapshot_dropped(branch)
        return True

    def _check_snapshot(
        self, node: Node, transaction: Transaction | None, request: LockRequest, held: list[Lock]
    ) -> ServerError | None:
        if transaction is None:
            return None
        if held:
            mode = max(lock.request.mode for lock in held)
            return self._same(node, transaction, request, mode, f"same transaction {transaction.id}")
        for nested in transaction.nested:
            branch = node.branches.get(nested.id)
            if branch is not None and not branch.is_snapshot:
                return ServerError(
                    f'Cannot take "{request.mode.label}" lock for node {self._path_of(node, transaction)} since '
                    f'"{branch.lock_mode.label}" lock is already taken by a descendant transaction',
                    code=Code.DESCENDANT_TRANSACTION_LOCK_CONFLICT,
                )
        return None

    def _same(
        self, node: Node, transaction: Transaction | None, request: LockRequest, mode: LockMode, by: str
    ) -> ServerError:
        return ServerError(
            f'Cannot take "{request.mode.label}" lock for node {self._path_of(node, transaction)} since '
            f'"{mode.label}" lock is already taken by {by}',
            code=Code.SAME_TRANSACTION_LOCK_CONFLICT,
        )

    def _concurrent(self, node: Node, transaction: Transaction | None, request: LockRequest, lock: Lock) -> ServerError:
        path, winner = self._path_of(node, transaction), lock.transaction
        if request.child_key is not None:
            text = (
                f'Cannot take lock for child "{request.child_key}" of node {path} '
                f"since this child is locked by concurrent transaction {winner.id}"
            )
        elif request.attribute_key is not None:
            text = (
                f'Cannot take lock for attribute "{request.attribute_key}" of node {path} '
                f"since this attribute is locked by concurrent transaction {winner.id}"
            )
        else:
            text = (
                f'Cannot take "{request.mode.label}" lock for node {path} since "{lock.request.mode.label}" lock '
                f"is taken by concurrent transaction {winner.id}"
            )
        return ServerError(
            text,
            code=Code.CONCURRENT_TRANSACTION_LOCK_CONFLICT,
            attributes={"winner_transaction": winner.describe()},
        )


def _conflicts(lock: Lock, transaction: Transaction | None, request: LockRequest) -> bool:
    if lock.request.mode is LockMode.SNAPSHOT:
        return False
    if transaction is not None and transaction.is_within(lock.transaction):
        return False
    if lock.request.mode is LockMode.EXCLUSIVE or request.mode is LockMode.EXCLUSIVE:
        return True
    return request.is_keyed and lock.request == request
