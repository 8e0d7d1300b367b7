"""How far an upload is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    from collections.abc import Callable

# What is over sooner needs no bar.
_QUIET_SECONDS = 0.5
_BAR_EVERY_SECONDS = 0.1
_LINE_EVERY_SECONDS = 10.0
_WIDTH = 24


class Progress:
    """Shows how many bytes have been sent.

    Args:
        stream: where to, as a rule standard error.
        clock: seconds that only grow.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._bar = stream.isatty()
        self._start = self._last = clock()
        self._drawn = False
        self._size = 0

    def __call__(self, sent: int, size: int) -> None:
        """Take note of the bytes that have been sent, of so many."""
        now = self._clock()
        if sent == 0 or size != self._size:
            self._start = self._last = now
            self._size = size
            return
        every = _BAR_EVERY_SECONDS if self._bar else _LINE_EVERY_SECONDS
        if now - self._last < every or now - self._start < _QUIET_SECONDS:
            return
        self._last = now
        text = describe(sent, size, now - self._start)
        if self._bar:
            filled = _WIDTH * sent // size
            self._stream.write(f"\r[{'#' * filled}{'.' * (_WIDTH - filled)}] {text}\x1b[K")
            self._drawn = True
        else:
            self._stream.write(f"sent {text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the bar away, so that something else can be written."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False


def describe(sent: int, size: int, seconds: float) -> str:
    """Say how far an upload is.

    >>> describe(25_000_000, 100_000_000, 5.0)
    '25 % of 100.0 MB, 5.0 MB/s, 15 s left'
    """
    rate = sent / seconds if seconds > 0 else 0.0
    left = f", {(size - sent) / rate:.0f} s left" if rate else ""
    return f"{100 * sent // size} % of {megabytes(size)}, {megabytes(int(rate))}/s{left}"
