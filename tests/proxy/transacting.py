"""Starting, pinging, committing, aborting and expiring transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError, no_such_transaction, wrapped
from proxy.transactions import DEFAULT_TIMEOUT_MS, MAX_DEPTH, MAX_TIMEOUT_MS, Transaction

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from proxy.formats import Value
    from proxy.nodes import Version
    from proxy.resolving import Call
    from proxy.tree import Tree


class Transacting:
    """Operations on transactions; the caller holds the lock of the tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def start(
        self,
        call: Call,
        *,
        timeout_ms: int | None = None,
        deadline: dt.datetime | None = None,
        attributes: dict[str, Value] | None = None,
        prerequisites: Sequence[str] = (),
        upload: bool = False,
    ) -> Transaction:
        """Start a transaction, nested in that of the call if it has one.

        Raises:
            ServerError: it would be nested too deeply, or a prerequisite is missing.
        """
        parent = call.transaction
        if parent is not None and parent.depth + 1 > MAX_DEPTH:
            raise ServerError("Transaction depth limit reached", attributes={"limit": MAX_DEPTH})
        self.require(prerequisites)
        custom = dict(attributes or {})
        title = custom.pop("title", None)
        time_now = self._tree.now()
        transaction = Transaction(
            id=self._tree.new_id("nested_transaction" if parent else "transaction"),
            parent=parent,
            owner=call.user,
            timeout_ms=min(DEFAULT_TIMEOUT_MS if timeout_ms is None else timeout_ms, MAX_TIMEOUT_MS),
            start_time=time_now,
            last_ping=self._tree.clock(),
            last_ping_time=time_now,
            deadline=deadline,
            title=title,
            attributes=custom,
            is_upload=upload,
            prerequisites=tuple(prerequisites),
        )
        if parent is not None:
            parent.nested.append(transaction)
        self._tree.transactions[transaction.id] = transaction
        return transaction

    def require(self, prerequisites: Sequence[str]) -> None:
        """Make sure that the prerequisite transactions are live.

        Raises:
            ServerError: one is not.
        """
        for transaction_id in prerequisites:
            if transaction_id not in self._tree.transactions:
                raise ServerError(
                    f"Prerequisite check failed: transaction {transaction_id} is missing", code=Code.PREREQUISITE_CHECK
                )

    def ping(self, transaction_id: str, *, ancestors: bool) -> None:
        """Renew the lease.

        Raises:
            ServerError: the transaction is not live.
        """
        transaction = self._tree.transactions.get(transaction_id)
        if transaction is None:
            raise ServerError(f"Transaction {transaction_id} has expired or was aborted", code=Code.NO_SUCH_TRANSACTION)
        for each in [transaction, *(transaction.ancestors() if ancestors else ())]:
            each.last_ping = self._tree.clock()
            each.last_ping_time = self._tree.now()

    def commit(self, transaction_id: str) -> None:
        """Make the changes part of the parent or, of a topmost transaction, visible to all.

        Transactions nested in it that are still live are aborted first.

        Raises:
            ServerError: the transaction is not live.
        """
        transaction = self._tree.transactions.get(transaction_id)
        if transaction is None:
            raise wrapped(f"Error committing transaction {transaction_id}", no_such_transaction(transaction_id))
        for nested in list(transaction.nested):
            self.abort(nested.id)
        touched = list(transaction.branched)
        snapshots: list[Version] = []
        time_now, revision = self._tree.now(), self._tree.next_revision()
        for node in touched:
            branch = node.branches.pop(transaction.id)
            if branch.is_snapshot:
                snapshots.append(branch)
                continue
            into = node.trunk if transaction.parent is None else node.branches[transaction.parent.id]
            node.merge(branch, into, now=time_now, revision=revision)
        transaction.branched.clear()
        self._tree.locks.release_all(transaction, promote=transaction.parent is not None)
        staged = list(transaction.staged)
        if transaction.parent is not None:
            transaction.parent.staged.extend(staged)
        self._finish(transaction)
        for node in [*touched, *staged]:
            self._tree.collect(node)
        for branch in snapshots:
            self._tree.snapshot_dropped(branch)

    def abort(self, transaction_id: str) -> None:
        """Forget the changes; a transaction that is not live is no error."""
        transaction = self._tree.transactions.get(transaction_id)
        if transaction is None:
            return
        for nested in list(transaction.nested):
            self.abort(nested.id)
        touched = [*transaction.branched, *transaction.staged]
        self._tree.locks.drop_branches(transaction)
        self._tree.locks.release_all(transaction, promote=False)
        self._finish(transaction)
        for node in touched:
            self._tree.collect(node)

    def leave(self, transaction: Transaction, timeout_ms: int) -> None:
        """Stop pinging an upload transaction: it ends after its timeout, or with its parent."""
        transaction.is_upload = False
        transaction.timeout_ms = timeout_ms
        transaction.last_ping = self._tree.clock()

    def expire(self) -> None:
        """Abort what outlived its lease, and remove nodes that outlived theirs."""
        clock, time_now = self._tree.clock(), self._tree.now()
        for transaction in list(self._tree.transactions.values()):
            if (
                transaction.id in self._tree.transactions
                and not transaction.is_upload
                and transaction.expired(clock, time_now)
            ):
                self.abort(transaction.id)

    def _finish(self, transaction: Transaction) -> None:
        del self._tree.transactions[transaction.id]
        if transaction.parent is not None:
            transaction.parent.nested.remove(transaction)
        for dependent in list(self._tree.transactions.values()):
            if transaction.id in dependent.prerequisites:
                self.abort(dependent.id)
