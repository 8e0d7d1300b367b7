"""The record of every request, for tests to count, enumerate and inspect. Tokens are never in it."""

from __future__ import annotations

import copy
import dataclasses
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.formats import Value

_PINGS = frozenset({"ping_transaction", "ping_tx"})


@dataclasses.dataclass
class Record:
    """One request. Fields fill up while it is served; `finished` tells that nothing more will come."""

    index: int
    method: str
    url: str
    command: str
    """The command of the API, else the name of the endpoint: `api`, `hosts`, `whoami`, `ping`, `version`."""
    connection: int
    correlation_id: str | None = None
    user: str | None = None
    parameters: dict[str, Value] = dataclasses.field(default_factory=dict)
    transaction_id: str | None = None
    mutation_id: str | None = None
    retry: bool = False
    content_encoding: str | None = None
    wire_bytes: int = 0
    """Of the request body, as it came."""
    body_bytes: int = 0
    """Of the request body, decompressed."""
    response_bytes: int = 0
    """Of the response body, as it went."""
    status: int | None = None
    """None: no response was sent."""
    error: dict[str, Value] | None = None
    applied: bool = False
    """Whether the command was done (or found done before), whatever became of the response."""
    faults: list[str] = dataclasses.field(default_factory=list)
    started: float = dataclasses.field(default_factory=time.monotonic)
    seconds: float | None = None

    @property
    def finished(self) -> bool:
        """Whether the request is over."""
        return self.seconds is not None

    @property
    def path(self) -> str | None:
        """The path that the command is about, if it is about one."""
        for name in ("path", "destination_path", "link_path"):
            if name in self.parameters:
                return str(self.parameters[name])
        return None

    @property
    def is_ping(self) -> bool:
        """Whether this only keeps a transaction alive; such requests come when they like."""
        return self.command in _PINGS


class RequestLog:
    """All requests since the proxy started, or since the log was cleared."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: list[Record] = []
        self._next = 0

    def begin(self, method: str, url: str, command: str, connection: int) -> Record:
        """Record a new request."""
        with self._changed:
            record = Record(self._next, method, url, command, connection)
            self._next += 1
            self._records.append(record)
            self._changed.notify_all()
            return record

    def end(self, record: Record) -> None:
        """Note that a request is over."""
        with self._changed:
            record.seconds = time.monotonic() - record.started
            self._changed.notify_all()

    def requests(self, *, pings: bool = False) -> list[Record]:
        """Give copies of the records so far, in the order in which the requests came; without pings unless asked."""
        with self._changed:
            return [copy.copy(record) for record in self._records if pings or not record.is_ping]

    def commands(self) -> list[str]:
        """Give the names of the commands so far, without pings."""
        return [record.command for record in self.requests()]

    def of(self, command: str) -> list[Record]:
        """Give the records of one command."""
        return [record for record in self.requests(pings=True) if record.command == command]

    def clear(self) -> None:
        """Forget all requests. A client may have its answer a moment before the request is over: wait for that.

        Raises:
            TimeoutError: a request is still being served.
        """
        self.wait_idle()
        with self._changed:
            self._records = [record for record in self._records if not record.finished]

    def wait_idle(self, timeout: float = 30.0) -> None:
        """Wait until no request is being served.

        Raises:
            TimeoutError: one still is.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: all(record.finished for record in self._records), timeout):
                raise TimeoutError("a request is still being served")

    def wait_for(self, command: str, count: int = 1, timeout: float = 30.0) -> list[Record]:
        """Wait until so many requests of a command have come, finished or not.

        Raises:
            TimeoutError: they have not.
        """
        with self._changed:
            found: list[Record] = []

            def come() -> bool:
                found[:] = [record for record in self._records if record.command == command]
                return len(found) >= count

            if not self._changed.wait_for(come, timeout):
                raise TimeoutError(f"{len(found)} of {count} requests of {command} came")
            return [copy.copy(record) for record in found]
