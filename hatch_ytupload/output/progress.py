"""How far a build, a transfer or a reading is: a bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.output.layout import COLUMNS
from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatch_ytupload.byte_reader import Progress

# What is over sooner needs no bar.
_QUIET_SECONDS = 0.5
_EVERY_SECONDS = 0.1
_WIDTH = 24


class Bar:
    """A line that is drawn over itself, and gone at the end.

    Args:
        stream: a terminal, as a rule standard error.
        clock: seconds that only grow.
        at_once: begin without waiting to see whether it takes long.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, at_once: bool = False) -> None:
        self._stream = stream
        self._clock = clock
        self._begin = clock() + (0 if at_once else _QUIET_SECONDS)
        self._start = self._next = self._begin
        self._drawn = False
        self._size = 0
        if at_once:
            self._draw(0, "")

    def __call__(self, done: int, size: int, /, counted: str = "") -> None:
        """Note how many bytes are done, of so many."""
        now = self._clock()
        if done == 0 or size != self._size:
            self._start, self._size = now, size
        if now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        text = describe(done, size, now - self._start)
        self._draw(_WIDTH * done // size if size else _WIDTH, f"{counted}, {text}" if counted else text)

    def _draw(self, filled: int, text: str) -> None:
        line = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {text}".rstrip()
        # What goes on in the next line cannot be taken away again.
        self._stream.write(f"\r{line[: _columns(self._stream) - 1]}\x1b[K")
        self._stream.flush()
        self._drawn = True

    def clear(self) -> None:
        """Take the bar away, so that something else can be written."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False


def _columns(stream: TextIO) -> int:
    """Return how wide a terminal is."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    return COLUMNS


@contextmanager
def bar_on(stream: TextIO, *, at_once: bool = False) -> Iterator[Progress]:
    """Give a bar while something goes on; one that shows nothing where the stream is no terminal that can take it away.

    Whoever writes to the terminal meanwhile calls `clear_bars` before.
    """
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield no_progress
        return
    bar = Bar(stream, at_once=at_once)
    _bars.append(bar)
    try:
        yield bar
    finally:
        _bars.remove(bar)
        bar.clear()


_bars: list[Bar] = []


def clear_bars() -> None:
    """Make room for a line of text; a bar comes back with the next step."""
    for bar in _bars:
        bar.clear()


def describe(done: int, size: int, seconds: float) -> str:
    """Say how far something is.

    >>> describe(25_000_000, 100_000_000, 5.0)
    '25 % of 100.0 MB, 5.0 MB/s, 15 s left'
    """
    share = f"{100 * done // size if size else 100} % of {megabytes(size)}"
    if not done or seconds <= 0:
        return share
    rate = done / seconds
    return f"{share}, {megabytes(int(rate))}/s, {(size - done) / rate:.0f} s left"
