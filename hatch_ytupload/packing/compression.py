"""A stream of bytes becomes gzip members, compressed block by block on all cores.

Every block of fixed size is a gzip member of its own, so the result depends neither on the number of threads nor on
what is compressed before it. Readers see members written one after the other as one stream (RFC 1952, section 2.2).
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import deflate

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

BLOCK_SIZE = 1 << 20
"""Bytes of uncompressed data in a gzip member; part of what makes archives reproducible."""

COMPRESSOR = "libdeflate"
LEVEL = 6
"""Part of what makes archives reproducible, as is the version of the compressor."""

# Each thread has one block at work; more threads than this would only cost memory.
_MOST_THREADS = 8


class Sink(Protocol):
    """Takes what has become of a part, in order."""

    def known(self) -> bytes | None:
        """Return the gzip member that the next block is known to become; None: it is to be compressed."""

    def member(self, member: bytes, block: bytes) -> None:
        """Take a gzip member and the block that it holds."""

    def end(self) -> None:
        """Know that the part has ended."""


def compress(block: bytes) -> bytes:
    """Return the gzip member that holds a block; it tells neither name, nor time, nor system."""
    return bytes(deflate.gzip_compress(block, LEVEL))


def decompress(member: bytes) -> bytes:
    """Return the block that a gzip member holds."""
    return bytes(deflate.gzip_decompress(member))


def identity() -> str:
    """Describe everything but the content that compressed bytes depend on."""
    # Up to 0.7 the extension module is `deflate` itself.
    library = str(getattr(deflate, "_deflate", deflate).__file__)
    status = os.stat(library)
    return f"{COMPRESSOR} {library} {status.st_size} {status.st_mtime_ns} {LEVEL} {BLOCK_SIZE}"


class BlockCompressor:
    """Takes the bytes of part after part, hands gzip members to the part's sink, in order.

    Memory is bounded: when a sink or the cores are slower than the source, the caller waits. Sinks are called from the
    thread that writes.

    Args:
        threads: how many compress at once; None: as many as there are cores for this process.
    """

    def __init__(self, threads: int | None = None) -> None:
        threads = threads or min(_usable_cores(), _MOST_THREADS)
        self._most_waiting = threads + 2
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="compress")
        # A pair whose future is None stands for the end of the sink's part.
        self._waiting: deque[tuple[Future[tuple[bytes, bytes]] | None, Sink]] = deque()
        self._pieces: list[bytes | memoryview] = []
        self._size = 0

    def write(self, data: bytes, sink: Sink) -> None:
        """Take bytes of the sink's part, of any length."""
        self._pieces.append(data)
        self._size += len(data)
        while self._size >= BLOCK_SIZE:
            self._cut(sink)

    def write_member(self, member: bytes, sink: Sink) -> None:
        """Take a whole gzip member of the sink's part that was compressed before."""
        self._submit(_decompressed, member, sink)

    def end_part(self, sink: Sink) -> None:
        """End the sink's part: what comes next begins a new member."""
        if self._size:
            self._take(b"".join(self._pieces), sink)
            self._pieces, self._size = [], 0
        self._waiting.append((None, sink))

    def flush(self) -> None:
        """Wait until the sinks have seen everything."""
        while self._waiting:
            self._hand_over()

    def close(self) -> None:
        """Stop the threads; what is not finished is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _cut(self, sink: Sink) -> None:
        """Take a block off what is there; only the last piece goes beyond it. Each byte is copied once."""
        last = memoryview(self._pieces.pop())
        over = self._size - BLOCK_SIZE
        within = len(last) - over
        block = b"".join((*self._pieces, last[:within]))
        self._pieces, self._size = ([last[within:]], over) if over else ([], 0)
        self._take(block, sink)

    def _take(self, block: bytes, sink: Sink) -> None:
        known = sink.known()
        if known is None:
            self._submit(_compressed, block, sink)
        else:
            # It stands in the same queue as the others: the order stays.
            self._submit(lambda block: (known, block), block, sink)

    def _submit(self, work: Callable[[bytes], tuple[bytes, bytes]], data: bytes, sink: Sink) -> None:
        while len(self._waiting) >= self._most_waiting:
            self._hand_over()
        self._waiting.append((self._pool.submit(work, data), sink))

    def _hand_over(self) -> None:
        future, sink = self._waiting.popleft()
        if future is None:
            sink.end()
        else:
            sink.member(*future.result())


def _compressed(block: bytes) -> tuple[bytes, bytes]:
    return compress(block), block


def _decompressed(member: bytes) -> tuple[bytes, bytes]:
    return member, decompress(member)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
