"""A line between a client and a server that lets so many bytes a second pass, in each direction."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 16 << 10
_LATE_SECONDS = 0.2


class _Direction:
    """All connections share what passes in one direction."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def passed(self, size: int) -> None:
        """Wait until so many bytes have passed."""
        now = time.monotonic()
        # Whoever is woken late catches up.
        self._free_at = max(self._free_at, now - _LATE_SECONDS) + size / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


@contextlib.contextmanager
def slow_line(port: int, rate: float) -> Iterator[int]:
    """Give a port that leads to another one of this machine, while the block runs.

    Args:
        port: where to.
        rate: bytes a second.
    """
    up, down = _Direction(rate), _Direction(rate)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, line: _Direction) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(target):
            while block := await source.read(_BLOCK):
                await line.passed(len(block))
                target.write(block)
                await target.drain()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("localhost", port)
        await asyncio.gather(pump(reader, there[1], up), pump(there[0], writer, down))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(connect, "localhost", 0, limit=_BLOCK))
    thread = threading.Thread(target=loop.run_forever, name="slow-line", daemon=True)
    thread.start()
    yield server.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
