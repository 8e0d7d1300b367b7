"""Files as ranges of bytes, wherever they lie, the digests of them, and how far a reading or writing is."""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple, Protocol


class Reader(Protocol):
    """A file that is open for reading; what it gives belongs to one state of the file, whoever replaces it."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the content; shorter than asked for only at its end.

        Raises:
            BuildFolderError: it cannot be read.
        """


class Progress(Protocol):
    """Is told how far something is that may take long: a build, a transfer, a reading."""

    def __call__(self, done: int, size: int, /, counted: str = "") -> None:
        """Take note.

        Args:
            done: bytes that are done.
            size: bytes there are.
            counted: what else is counted, such as `3 of 20 files`.
        """


def no_progress(_done: int, _size: int, /, counted: str = "") -> None:
    """Take no note."""


_CHUNK = 1 << 20


class Digests(NamedTuple):
    """Of a file's bytes."""

    sha256: str
    md5: str


class FileReader:
    """A file on disk.

    Args:
        descriptor: of the file; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the content."""
        return os.pread(self._descriptor, length, offset)


def digests_of(archive: Reader) -> Digests:
    """Read a file once and return its digests."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    offset = 0
    while block := archive.read(offset, _CHUNK):
        sha256.update(block)
        md5.update(block)
        offset += len(block)
    return Digests(sha256.hexdigest(), md5.hexdigest())
