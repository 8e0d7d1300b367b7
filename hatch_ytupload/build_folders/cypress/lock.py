"""The exclusive lock on a build folder in Cypress, and who holds it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, FOLDER
from hatch_ytupload.build_folders.cypress.errors import CONFLICT, EXISTS, MISSING, CypressError
from hatch_ytupload.build_folders.folder_lock import describe_holder, waited_too_long, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_ytupload.build_folders.build_folder import Plain
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.build_folders.cypress.transaction import Transaction

_POLL_SECONDS = 0.5


class FolderLock:
    """The lock of one transaction on a build folder.

    Args:
        cluster: where.
        path: of the folder.
        opened: the transaction.
        wait_seconds: how long to wait for another publisher.
        notice: is told once when there is something to wait for.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        opened: Transaction,
        wait_seconds: float,
        notice: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._path = path
        self._transaction_id = opened.id
        self._wait_seconds = wait_seconds
        self._notice = notice
        self._end = time.monotonic() + wait_seconds
        self._told = False

    def acquire(self) -> None:
        """Wait for the lock, and make the folder where there is none.

        Raises:
            BuildFolderError: somebody else has it for too long, or the folder cannot be made.
        """
        while not (self._lock() or self._create()):
            pass

    def _lock(self) -> bool:
        """Lock the folder; tell whether there is one."""
        try:
            self._request(waitable=False)
        except CypressError as error:
            if error.kind == MISSING:
                return False
            if error.kind != CONFLICT:
                raise
            # A request that queues comes next, however many ask.
            lock = self._request(waitable=True)
            while self._state(lock["lock_id"]) != "acquired":
                self._wait(error)
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
                transaction_id=self._transaction_id,
            )
        except CypressError as error:
            if error.kind == CONFLICT:
                # Somebody else makes it, or one above it.
                self._wait(error)
            elif error.kind != EXISTS:
                raise
            return False
        return True

    def _request(self, *, waitable: bool) -> Any:  # noqa: ANN401 - a map
        return self._cluster.change(
            "lock",
            f"lock the build folder `{self._path}`",
            path=self._path,
            mode="exclusive",
            waitable=waitable,
            transaction_id=self._transaction_id,
        )

    def _state(self, lock_id: str) -> Plain:
        return self._cluster.read("get", f"wait for the build folder `{self._path}`", path=f"#{lock_id}/@state")

    def _wait(self, error: CypressError) -> None:
        now = time.monotonic()
        if now >= self._end:
            raise waited_too_long(self._path, self._holder(error), self._wait_seconds)
        if not self._told:
            self._notice(waiting(self._path, self._holder(error)))
            self._told = True
        time.sleep(min(_POLL_SECONDS, self._end - now))

    def _holder(self, error: CypressError) -> str:
        """Say who holds the folder, of the attributes that publishers give their transactions."""
        holder: object = None
        with suppress(CypressError):
            locks = self._cluster.read("get", "ask who holds the build folder", path=f"{self._path}/@locks")
            held = [lock for lock in locks if lock["state"] == "acquired" and lock["mode"] != "snapshot"]
            if held:
                holder = self._about(held[0]["transaction_id"])
        if holder is None and error.holder is not None:
            with suppress(CypressError):
                holder = self._about(error.holder)
        return describe_holder(holder)

    def _about(self, transaction_id: str) -> object:
        action = "ask who holds the build folder"
        answers = self._cluster.read_many(
            action,
            [
                {"command": "get", "parameters": {"path": f"#{transaction_id}/@{name}"}}
                for name in (ATTRIBUTE, "title", "owner", "start_time")
            ],
        )
        ours, title, owner, start = (None if isinstance(answer, CypressError) else answer for answer in answers)
        if isinstance(ours, dict):
            return ours
        return owner and {"user": owner, "host": self._cluster.address, "pid": "?", "purpose": title, "since": start}
