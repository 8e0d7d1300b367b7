"""A transaction that lives as long as this process wants it to, and not much longer."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.cypress.errors import LOST, CypressError
from hatch_ytupload.build_folders.cypress.shapes import text
from hatch_ytupload.build_folders.folder_lock import describe_ourselves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.build_folders.cypress.client import Cluster

TIMEOUT_SECONDS = 60
"""How long a transaction outlives its process: the longest that a killed publisher is in the way of others."""

_PING_SECONDS = TIMEOUT_SECONDS / 6
# When something has failed already, nobody waits long for the tidying up: the transaction ends by itself.
_ABORT_SECONDS = 2.0


class Transaction:
    """A transaction that is open.

    Args:
        cluster: where.
        transaction_id: its id.
    """

    def __init__(self, cluster: Cluster, transaction_id: str) -> None:
        self._cluster = cluster
        self.id = transaction_id
        self.is_committed = False

    def require(self) -> None:
        """See that it is still open.

        Raises:
            CypressError: the cluster has ended it, or does not answer.
        """
        self._cluster.change("ping_transaction", "go on", transaction_id=self.id)

    def commit(self, action: str) -> None:
        """Make everything that was done in it visible.

        Raises:
            CypressError: it failed, or nobody knows whether it did, which the message says.
        """
        try:
            self._cluster.change("commit_transaction", action, transaction_id=self.id)
        except CypressError as error:
            if not error.passing:
                raise
            # The request may have arrived, and its answer not.
            line = f"{error}; perhaps it was done all the same: `hatch-ytupload history` shows it"
            raise CypressError(line, error.kind, passing=True) from None
        self.is_committed = True


@contextmanager
def transaction(cluster: Cluster, purpose: str) -> Iterator[Transaction]:
    """Open a transaction; unless it is committed in the block, everything in it is undone at the end.

    Args:
        cluster: where.
        purpose: what is being done, for others who look at it; in one line.

    Raises:
        CypressError: it cannot be started.
    """
    ourselves = describe_ourselves(purpose)
    title = f"hatch-ytupload: {purpose} ({ourselves['user']}@{ourselves['host']}, process {ourselves['pid']})"
    opened = Transaction(
        cluster,
        cluster.change(
            "start_transaction",
            "start a transaction",
            text,
            timeout=TIMEOUT_SECONDS * 1000,
            attributes={"title": title, "ytupload": ourselves},
        ),
    )
    ended = threading.Event()
    threading.Thread(target=_ping, args=(cluster, opened.id, ended), name="ping-transaction", daemon=True).start()
    try:
        yield opened
    finally:
        ended.set()
        if not opened.is_committed:
            _abort(cluster, opened.id)


def _abort(cluster: Cluster, transaction_id: str) -> None:
    # An interrupted request may have left the first connection in any state.
    connection = cluster.another(timeout_seconds=_ABORT_SECONDS)
    with suppress(CypressError):
        connection.change("abort_transaction", "abort the transaction", attempts=1, transaction_id=transaction_id)
    connection.close()


def _ping(cluster: Cluster, transaction_id: str, ended: threading.Event) -> None:
    """Keep a transaction alive; what happens to it, the requests in it will tell."""
    if ended.wait(_PING_SECONDS):
        return
    connection = cluster.another()
    while _is_alive(connection, transaction_id) and not ended.wait(_PING_SECONDS):
        pass
    connection.close()


def _is_alive(cluster: Cluster, transaction_id: str) -> bool:
    try:
        cluster.change("ping_transaction", "keep the transaction alive", attempts=1, transaction_id=transaction_id)
    except CypressError as error:
        return error.kind != LOST
    return True
