"""A stream of bytes becomes gzip members, compressed block by block on all cores.

Every block of fixed size is a gzip member of its own, so the result depends neither on the number of threads nor on
what is compressed before it. Readers see members written one after the other as one stream (RFC 1952, section 2.2).
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Protocol

import deflate

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

BLOCK_SIZE = 2 << 20
"""Bytes of uncompressed data in a gzip member; part of what makes archives reproducible."""

COMPRESSOR = "libdeflate"
LEVEL = 6
"""Part of what makes archives reproducible, as is the version of the compressor."""

SMALL_SIZE = BLOCK_SIZE // 4
SMALL_LEVEL = 7
"""Of blocks up to that size, in bytes: a part that is one small block has nothing before it to refer to, and a pipeline
of many such parts would be larger than packed in one stream."""

# Bytes that are compressed without threads, whose start takes longer than that.
_AT_ONCE = 1 << 18
# Each thread has one block at work; more threads than this would only cost memory.
_MOST_THREADS = 8


class Sink(Protocol):
    """Where what has become of a part goes, in order."""

    def put(self, packed: bytes, size: int) -> None:
        """Take over whole gzip members, and how many bytes they unpack to."""

    def end(self) -> None:
        """Know that the part has ended."""


def compress(block: bytes) -> bytes:
    """Return the gzip member that holds a block; it tells neither name, nor time, nor system."""
    return bytes(deflate.gzip_compress(block, SMALL_LEVEL if len(block) <= SMALL_SIZE else LEVEL))


def store(block: bytes) -> bytes:
    """Return a gzip member that holds a block as it is."""
    return bytes(deflate.gzip_compress(block, 0))


def identity() -> str:
    """Describe everything but the content that compressed bytes depend on."""
    # Up to 0.7 the extension module is `deflate` itself.
    library = str(getattr(deflate, "_deflate", deflate).__file__)
    status = os.stat(library)
    numbers = f"{LEVEL} {BLOCK_SIZE} {SMALL_LEVEL} {SMALL_SIZE}"
    return f"{COMPRESSOR} {library} {status.st_size} {status.st_mtime_ns} {numbers}"


class BlockCompressor:
    """Turns the bytes of part after part into gzip members, and hands them to the part's sink, in order.

    Memory is bounded: when a sink or the cores are slower than the source, writing waits. Sinks are called from the
    thread that writes.

    Args:
        threads: how many compress at once; None: as many as there are cores for this process.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.stores = False
        """What is written from now on is compressed already; changed at the beginning of a part only."""
        self._threads = threads or min(_usable_cores(), _MOST_THREADS)
        self._most_waiting = self._threads + 2
        self._pool: ThreadPoolExecutor | None = None
        # Without a size, the end of the sink's part.
        self._waiting: deque[tuple[Future[bytes] | bytes, int | None, Sink]] = deque()
        self._pieces: list[bytes | memoryview] = []
        self._size = 0
        self._left_at_once = _AT_ONCE

    def write(self, data: bytes, sink: Sink) -> None:
        """Add bytes to the sink's part, any number of them."""
        self._pieces.append(data)
        self._size += len(data)
        while self._size >= BLOCK_SIZE:
            self._cut(sink)

    def end_member(self, sink: Sink) -> None:
        """Let what comes next begin a new member."""
        if self._size:
            self._submit(b"".join(self._pieces), sink)
            self._pieces, self._size = [], 0

    def pass_on(self, packed: bytes, size: int, sink: Sink) -> None:
        """Add whole gzip members that were compressed before, and how many bytes they unpack to."""
        self._queue(packed, size, sink)

    def end_part(self, sink: Sink) -> None:
        """End the sink's part, and with it the member."""
        self.end_member(sink)
        self._waiting.append((b"", None, sink))

    def flush(self) -> None:
        """Wait until the sinks have everything."""
        while self._waiting:
            self._hand_over()

    def close(self) -> None:
        """Stop the threads; what is not finished is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _cut(self, sink: Sink) -> None:
        """Cut a block off what is there; only the last piece goes beyond it. Each byte is copied once."""
        last = memoryview(self._pieces.pop())
        over = self._size - BLOCK_SIZE
        within = len(last) - over
        block = b"".join((*self._pieces, last[:within]))
        self._pieces, self._size = ([last[within:]], over) if over else ([], 0)
        self._submit(block, sink)

    def _submit(self, block: bytes, sink: Sink) -> None:
        if self._pool is None and len(block) <= self._left_at_once:
            self._left_at_once -= len(block)
            self._queue(compress(block), len(block), sink)
            return
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="compress")
        self._queue(self._pool.submit(store if self.stores else compress, block), len(block), sink)

    def _queue(self, packed: Future[bytes] | bytes, size: int, sink: Sink) -> None:
        while len(self._waiting) >= self._most_waiting:
            self._hand_over()
        self._waiting.append((packed, size, sink))

    def _hand_over(self) -> None:
        packed, size, sink = self._waiting.popleft()
        if size is None:
            sink.end()
        else:
            sink.put(packed if isinstance(packed, bytes) else packed.result(), size)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
