"""The exclusive lock on a build folder in Cypress, waiting for what others hold, and who they are."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, FOLDER
from hatch_ytupload.build_folders.cypress.client import Command
from hatch_ytupload.build_folders.cypress.errors import CONFLICT, EXISTS, MISSING, CypressError
from hatch_ytupload.build_folders.cypress.nodes import LINK, broken_link
from hatch_ytupload.build_folders.cypress.shapes import anything, items, text, value_of
from hatch_ytupload.build_folders.folder_lock import describe_holder, waited_too_long, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_ytupload.build_folders.build_folder import Plain
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.build_folders.cypress.transaction import Transaction

Result = TypeVar("Result")

_POLL_SECONDS = 0.5
# So often a folder may come or go between two requests before we pause.
_ROUNDS = 3


class Waiting:
    """The patience of one publisher: all that he waits for others together is no longer than was set.

    Args:
        cluster: where.
        seconds: how long to wait for other publishers and programs.
        notice: called once of each node that there is to wait for.
    """

    def __init__(self, cluster: Cluster, seconds: float, notice: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self._notice = notice
        self._spent = 0.0
        self._announced: set[str] = set()

    def until_free(self, path: str, attempt: Callable[[], Result]) -> Result:
        """Repeat `attempt` until nobody else holds what it needs.

        Args:
            path: of the node that is needed.
            attempt: raises a CypressError of the kind CONFLICT while somebody else holds it.

        Raises:
            BuildFolderError: somebody else holds it for too long, or the attempt failed for another reason.
        """
        # The requests count as well: a cluster may take its time for each.
        start = time.monotonic() - self._spent
        waited = False
        while True:
            try:
                result = attempt()
            except CypressError as error:
                if error.kind != CONFLICT:
                    raise
                left = start + self._seconds - time.monotonic()
                if left <= 0:
                    raise waited_too_long(path, self.holder(path, error), self._seconds) from None
                if path not in self._announced:
                    self._notice(waiting(path, self.holder(path, error)))
                    self._announced.add(path)
            else:
                if waited:
                    self._spent = time.monotonic() - start
                return result
            waited = True
            time.sleep(min(_POLL_SECONDS, left))

    def holder(self, path: str, error: CypressError) -> str:
        """Say who holds a node, as far as the cluster tells.

        Args:
            path: of the node.
            error: what the cluster said to our request.
        """
        about: object = None
        with suppress(CypressError):
            about = self._about(error.holder) if error.holder is not None else None
        with suppress(CypressError):
            about = about or self._about_lock(path)
        return describe_holder(about)

    def _about_lock(self, path: str) -> object:
        locks = self._cluster.read("get", _ASKING, _lock_owners, path=f"{path}/@locks")
        return self._about(locks[0]) if locks else None

    def _about(self, transaction_id: str) -> object:
        answers = self._cluster.read_many(
            _ASKING,
            [
                Command("get", {"path": f"#{transaction_id}/@{name}"}, anything)
                for name in (ATTRIBUTE, "title", "operation_id", "owner", "start_time")
            ],
        )
        ours, title, operation, owner, start = (
            None if isinstance(answer, CypressError) else answer for answer in answers
        )
        if isinstance(ours, dict):
            return ours
        purpose = title or (operation and f"operation {operation}")
        return owner and {"user": owner, "host": self._cluster.address, "purpose": purpose, "since": start}


class FolderLock:
    """The lock of one transaction on a build folder.

    Args:
        cluster: where.
        path: of the folder.
        opened: the transaction.
        waiting: for other publishers.
    """

    def __init__(self, cluster: Cluster, path: str, opened: Transaction, waiting: Waiting) -> None:
        self._cluster = cluster
        self._path = path
        self._transaction = opened
        self._waiting = waiting
        self._queued: tuple[str, CypressError] | None = None
        """Our lock that waits for its turn, and whom it waits for."""

    def acquire(self) -> None:
        """Wait for the lock, and make the folder where there is none.

        Raises:
            BuildFolderError: somebody else has it for too long, or the folder cannot be made.
        """
        self._waiting.until_free(self._path, self._attempt)

    def _attempt(self) -> None:
        for _ in range(_ROUNDS):
            if self._lock() or self._create():
                return
        raise CypressError(f"cannot lock the build folder `{self._path}`: it comes and goes", CONFLICT)

    def _lock(self) -> bool:
        """Lock the folder; tell whether there is one."""
        try:
            if self._queued is None:
                self._request(waitable=False)
        except CypressError as error:
            if error.kind == MISSING:
                return False
            if error.kind != CONFLICT:
                raise
            return self._queue(error)
        return self._queued is None or self._check(*self._queued)

    def _queue(self, error: CypressError) -> bool:
        """Ask to be next, however many ask; tell whether there is still a folder."""
        try:
            lock_id = self._request(waitable=True)
        except CypressError as problem:
            if problem.kind != MISSING:
                raise
            return False
        self._queued = lock_id, error
        return self._check(lock_id, error)

    def _check(self, lock_id: str, error: CypressError) -> bool:
        """Look whether it is our turn; tell whether there is still a folder."""
        action = f"wait for the build folder `{self._path}`"
        try:
            state = self._cluster.read("get", action, text, path=f"#{lock_id}/@state")
        except CypressError as problem:
            if problem.kind != MISSING:
                raise
            # The folder was removed, and our lock with it, unless it is our transaction that is gone.
            self._queued = None
            self._transaction.require()
            return False
        if state != "acquired":
            raise error
        return True

    def _create(self) -> bool:
        """Make the folder, and those above it; tell whether it was us who made it, which is as good as a lock."""
        try:
            self._cluster.change(
                "create",
                f"make the build folder `{self._path}`",
                type=FOLDER,
                path=self._path,
                recursive=True,
                transaction_id=self._transaction.id,
            )
        except CypressError as error:
            if error.kind != EXISTS:
                raise
            if self._type_of_name() == LINK:
                raise broken_link(self._path) from None
            return False
        return True

    def _type_of_name(self) -> Plain:
        """Return the type of what lies at the path itself, even if it is a link."""
        (answer,) = self._cluster.read_many(
            f"look at the build folder `{self._path}`",
            [Command("get", {"path": f"{self._path}&/@type"}, text)],
        )
        return answer

    def _request(self, *, waitable: bool) -> str:
        return self._cluster.change(
            "lock",
            f"lock the build folder `{self._path}`",
            value_of("lock_id", text),
            path=self._path,
            mode="exclusive",
            waitable=waitable,
            transaction_id=self._transaction.id,
        )


_ASKING = "ask who holds the build folder"


def _lock_owners(answer: Plain) -> list[str]:
    """Return the transactions that hold a node, of its attribute `locks`."""
    state, mode, owner = (value_of(name, text) for name in ("state", "mode", "transaction_id"))
    return [owner(lock) for lock in items(answer) if state(lock) == "acquired" and mode(lock) != "snapshot"]
