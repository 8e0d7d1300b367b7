"""The faults that one request meets, and what they do to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy import answers, faults
from proxy.body import DisconnectedError

if TYPE_CHECKING:
    from proxy.log import Record
    from proxy.server import ProxyServer

_STEP = 0.05


class Strikes:
    """The faults of one request."""

    def __init__(self, proxy: ProxyServer, record: Record) -> None:
        self._proxy = proxy
        self._record = record
        self._met = proxy.faults.meeting(record)

    def strike(self, when: faults.When) -> None:
        """Let happen what happens before, or after, the request is done.

        Raises:
            DisconnectedError: the connection is to be closed.
            AnsweredError: something else is to be answered.
        """
        for fault in self._met:
            action = fault.action
            if getattr(action, "when", None) == when:
                self._act(fault, action)

    def _act(self, fault: faults.Fault, action: faults.Action) -> None:
        if isinstance(action, faults.Drop):
            raise DisconnectedError
        if isinstance(action, faults.Answer):
            raise answers.AnsweredError(answers.injected(action))
        if isinstance(action, faults.Delay):
            self._sleep(fault, action.seconds)
        elif isinstance(action, faults.Hang):
            self._sleep(fault, None)
            raise DisconnectedError
        elif isinstance(action, faults.AbortTransaction):
            self._abort_transaction(topmost=action.topmost)
        elif isinstance(action, faults.Refuse):
            self._proxy.refuse(action.seconds)
            raise DisconnectedError
        elif isinstance(action, faults.Run):
            action.function(self._record)

    def _sleep(self, fault: faults.Fault, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        while not fault.released.is_set() and not self._proxy.stopping.is_set():
            left = _STEP if deadline is None else min(_STEP, deadline - time.monotonic())
            if left <= 0:
                return
            fault.released.wait(left)

    def _abort_transaction(self, *, topmost: bool) -> None:
        master = self._proxy.master
        with master.tree.lock:
            transaction = master.tree.transactions.get(self._record.transaction_id or "")
            if transaction is None:
                return
            chosen = [transaction, *transaction.ancestors()][-1] if topmost else transaction
            master.transacting.abort(chosen.id)
            master.tree.changed.notify_all()

    def on_body(self, data: bytes, end: int) -> bytes:
        """Let happen what happens to a piece of the body that ends at so many bytes.

        Raises:
            DisconnectedError: the connection is to be closed.
            AnsweredError: something else is to be answered.
        """
        start = end - len(data)
        for fault in self._met:
            action = fault.action
            if getattr(action, "when", None) == "body" and start < getattr(action, "after_bytes", 1) <= end:
                self._act(fault, action)
            if isinstance(action, faults.Corrupt) and start <= action.offset < end:
                changed = bytearray(data)
                changed[action.offset - start] ^= 1
                data = bytes(changed)
        return data

    def rewritten(self, body: bytes) -> bytes:
        """Return the body that is answered."""
        for fault in self._met:
            if isinstance(fault.action, faults.Rewrite):
                body = fault.action.function(body)
        return body

    def between(self, parts: int) -> None:
        """Let happen what happens after so many parts of a batch."""
        for fault in self._met:
            if isinstance(fault.action, faults.Between) and fault.action.parts == parts:
                fault.action.function()

    @property
    def truncation(self) -> faults.Truncate | None:
        """How the answer is to be cut."""
        for fault in self._met:
            if isinstance(fault.action, faults.Truncate):
                return fault.action
        return None
