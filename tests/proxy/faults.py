"""What can go wrong, on demand: which request, what happens to it, and how often.

A fault is an action and the requests that it meets: those of a command (or any), from the `nth` on, `times` in all.
Pings are met only when asked for by name; they come when they like, and a count with them in it would mean nothing.

>>> faults = Faults()
>>> lost = faults.add(Drop(when="after"), command="commit_transaction")
>>> busy = faults.add(Answer(503, retry_after=1), nth=3, times=2)
>>> dead = faults.add(Refuse(seconds=2), where=lambda record: record.transaction_id is not None)
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Literal, TypeAlias

from proxy.errors import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.log import Record

When = Literal["before", "after"]
BodyWhen = Literal["before", "body", "after"]


@dataclasses.dataclass(frozen=True)
class Drop:
    """Close the connection without an answer: before anything is done, in the midst of the body, or after all."""

    when: BodyWhen = "before"
    after_bytes: int = 1
    """With `body`: so many bytes are read first."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """Answer something else: before anything is done, in the midst of the body, or in place of the true answer.

    In the midst of the body nothing is written: so end uploads that find no data node, with
    `Code.ALL_TARGET_NODES_FAILED`, or no memory, with `Code.MEMORY_PRESSURE`.
    """

    status: int
    when: BodyWhen = "before"
    body: Literal["json", "html", "empty"] = "json"
    code: int = Code.GENERIC
    message: str = "Injected failure"
    retry_after: float | None = None
    after_bytes: int = 1
    """With `body`: so many bytes are read first."""


@dataclasses.dataclass(frozen=True)
class Truncate:
    """Send only the first `keep` bytes of the answer's body.

    `broken`: the headers promise more and the connection closes; `whole`: the short body passes for a whole one.
    """

    keep: int = 1
    framing: Literal["broken", "whole"] = "broken"


@dataclasses.dataclass(frozen=True)
class Delay:
    """Wait."""

    seconds: float
    when: When = "before"


@dataclasses.dataclass(frozen=True)
class Hang:
    """Wait until the fault is released or the proxy stops, then close the connection without an answer."""

    when: When = "before"


@dataclasses.dataclass(frozen=True)
class AbortTransaction:
    """Abort the transaction of the request, or with `topmost` the outermost one around it, then go on."""

    when: BodyWhen = "before"
    topmost: bool = True
    after_bytes: int = 1
    """With `body`: so many bytes are read first."""


@dataclasses.dataclass(frozen=True)
class Corrupt:
    """Turn over one bit of the body that is written; the cluster's MD5 is that of what it has."""

    offset: int = 0


@dataclasses.dataclass(frozen=True)
class Rewrite:
    """Put another body in place of an answer that is not streamed, as a proxy that is broken, or means harm."""

    function: Callable[[bytes], bytes]


@dataclasses.dataclass(frozen=True)
class Refuse:
    """Close the port and every connection for some seconds, then listen again; None: until `ProxyServer.accept()`."""

    seconds: float | None = None
    when: When = "before"


@dataclasses.dataclass(frozen=True)
class Run:
    """Call a function of the test with the record of the request; what it raises closes the connection."""

    function: Callable[[Record], object]
    when: When = "before"


@dataclasses.dataclass(frozen=True)
class Between:
    """Call a function of the test in the midst of a batch, after so many of its parts are done.

    The parts of a batch see what others commit meanwhile: a batch is no snapshot.
    """

    function: Callable[[], object]
    parts: int = 1


Action: TypeAlias = (
    Drop | Answer | Truncate | Delay | Hang | AbortTransaction | Corrupt | Rewrite | Refuse | Run | Between
)


class Fault:
    """An action that waits for its requests."""

    def __init__(
        self,
        action: Action,
        *,
        command: str | None,
        nth: int,
        times: int | None,
        where: Callable[[Record], bool] | None,
    ) -> None:
        self.action = action
        self.command = command
        self.nth = nth
        self.times = times
        self.where = where
        self.seen = 0
        """How many requests it could have met."""
        self.hits: list[int] = []
        """Indexes in the log of those that it met."""
        self.released = threading.Event()

    def release(self) -> None:
        """Let what hangs go on to its end."""
        self.released.set()

    def meets(self, record: Record) -> bool:
        """Count a request and tell whether it is one of those."""
        if record.is_ping and self.command != record.command:
            return False
        if self.command is not None and record.command != self.command:
            return False
        if self.where is not None and not self.where(record):
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times is not None and self.seen >= self.nth + self.times):
            return False
        self.hits.append(record.index)
        return True


class Faults:
    """The faults of a proxy."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._faults: list[Fault] = []

    def add(
        self,
        action: Action,
        *,
        command: str | None = None,
        nth: int = 1,
        times: int | None = 1,
        where: Callable[[Record], bool] | None = None,
    ) -> Fault:
        """Make `action` happen to the `nth` matching request from now on, and to those after it, `times` in all.

        `times` None: forever. `where` sees the record with command, parameters, user and transaction.
        """
        if nth < 1 or (times is not None and times < 1):
            raise ValueError("nth and times count from 1")
        fault = Fault(action, command=command, nth=nth, times=times, where=where)
        with self._changed:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults; what hangs is released."""
        with self._changed:
            for fault in self._faults:
                fault.release()
            self._faults = []

    def meeting(self, record: Record) -> list[Fault]:
        """Give the faults that a request meets, in the order in which they were added."""
        with self._changed:
            met = [fault for fault in self._faults if fault.meets(record)]
            record.faults += [repr(fault.action) for fault in met]
            if met:
                self._changed.notify_all()
            return met

    def wait_hit(self, fault: Fault, timeout: float = 30.0) -> None:
        """Wait until a fault has met a request.

        Raises:
            TimeoutError: it has not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: bool(fault.hits), timeout):
                raise TimeoutError(f"no request met {fault.action}")
