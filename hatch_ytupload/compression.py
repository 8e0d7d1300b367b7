"""A stream of bytes becomes gzip members, compressed block by block on all cores.

Every block of fixed size is a gzip member of its own, so the result depends neither on the number of threads nor on
what is compressed before it. Readers see members written one after the other as one stream (RFC 1952, section 2.2).
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

BLOCK_SIZE = 1 << 20
"""Bytes of uncompressed data in a gzip member; part of what makes archives reproducible."""

LEVEL = 6
"""Of libdeflate; part of what makes archives reproducible."""

# Each thread has one block at work; more threads than this would only cost memory.
_MOST_THREADS = 8


def _compressor() -> tuple[Callable[[bytes], bytes], str]:
    try:
        from deflate import gzip_compress
    except ImportError:
        return _zlib_member, "zlib"
    return lambda block: bytes(gzip_compress(block, LEVEL)), "libdeflate"


def _zlib_member(block: bytes) -> bytes:
    """Compress a block with the interpreter's zlib: a fallback, whose bytes are those of that zlib."""
    import zlib

    compress = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = compress.compress(block) + compress.flush()
    trailer = zlib.crc32(block).to_bytes(4, "little") + len(block).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + trailer


compress_block, COMPRESSOR = _compressor()


class BlockCompressor:
    """Takes bytes, hands gzip members to a sink, in order.

    Memory is bounded: when the sink or the cores are slower than the source, `write` waits.

    Args:
        sink: called with the bytes of each finished member, from the thread that writes.
        threads: how many compress at once; None: as many as there are cores for this process.
    """

    def __init__(self, sink: Callable[[bytes], object], threads: int | None = None) -> None:
        self._sink = sink
        threads = threads or min(_usable_cores(), _MOST_THREADS)
        self._most_waiting = threads + 2
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="compress")
        self._waiting: deque[Future[bytes]] = deque()
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take bytes of any length."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= BLOCK_SIZE:
            self._cut()

    def end_part(self) -> None:
        """Finish the current member: what comes next begins a new one."""
        if self._size:
            self._submit(b"".join(self._pieces))
            self._pieces, self._size = [], 0

    def flush(self) -> None:
        """Finish the current member and wait until the sink has seen everything."""
        self.end_part()
        while self._waiting:
            self._sink(self._waiting.popleft().result())

    def close(self) -> None:
        """Stop the threads; what is not finished is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _cut(self) -> None:
        data = b"".join(self._pieces)
        whole = len(data) - len(data) % BLOCK_SIZE
        for start in range(0, whole, BLOCK_SIZE):
            self._submit(data[start : start + BLOCK_SIZE])
        rest = data[whole:]
        self._pieces, self._size = ([rest], len(rest)) if rest else ([], 0)

    def _submit(self, block: bytes) -> None:
        if len(self._waiting) >= self._most_waiting:
            self._sink(self._waiting.popleft().result())
        self._waiting.append(self._pool.submit(compress_block, block))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
