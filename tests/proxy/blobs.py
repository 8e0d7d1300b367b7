"""Contents of files: small ones in memory, large ones on disk, shared by every node that refers to them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import itertools
import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_MEMORY = 64 * 1024
_BLOCK = 1024 * 1024


class Blob:
    """Bytes that never change; a file on disk lives as long as something refers to its blob."""

    def __init__(self, *, data: bytes | None, path: str | None, size: int, index: int) -> None:
        self._data = data
        self._path = path
        self.size = size
        self.index = index
        if path is not None:
            weakref.finalize(self, _remove, path)

    def read(self, offset: int = 0) -> Iterator[bytes]:
        """Give the bytes from `offset` on, in blocks."""
        if self._path is None:
            for start in range(offset, self.size, _BLOCK):
                yield (self._data or b"")[start : start + _BLOCK]
            return
        with open(self._path, "rb") as stream:
            stream.seek(offset)
            while block := stream.read(_BLOCK):
                yield block


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


class BlobWriter:
    """Collects the body of one upload; memory does not grow with its size."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._index = store.next_index()
        self._parts: list[bytes] = []
        self._stream: io.BufferedWriter | None = None
        self._path: str | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self.size += len(data)
        if self._stream is None and self.size <= _IN_MEMORY:
            self._parts.append(data)
            return
        if self._stream is None:
            self._path = os.path.join(self._store.directory, str(self._index))
            self._stream = io.BufferedWriter(io.FileIO(self._path, "w"))
            self._stream.writelines(self._parts)
            self._parts = []
        self._stream.write(data)

    def finish(self) -> Blob:
        """Give what was written."""
        if self._stream is None:
            return Blob(data=b"".join(self._parts), path=None, size=self.size, index=self._index)
        self._stream.close()
        return Blob(data=None, path=self._path, size=self.size, index=self._index)

    def discard(self) -> None:
        """Forget what was written."""
        if self._stream is not None and self._path is not None:
            self._stream.close()
            _remove(self._path)


class BlobStore:
    """Where the large contents lie."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._indexes = itertools.count(1)

    def next_index(self) -> int:
        """Give a number that no other blob has."""
        return next(self._indexes)

    def writer(self) -> BlobWriter:
        """Begin a new blob."""
        return BlobWriter(self)


class Md5:
    """The state of an MD5 computation, which a later append continues; never changed in place."""

    def __init__(self) -> None:
        self._hash = hashlib.md5(usedforsecurity=False)

    def updated(self, data: bytes) -> Md5:
        """Give the state after more bytes."""
        result = self.copy()
        result.update(data)
        return result

    def copy(self) -> Md5:
        """Give an independent copy."""
        result = Md5()
        result._hash = self._hash.copy()
        return result

    def update(self, data: bytes) -> None:
        """Go on with more bytes."""
        self._hash.update(data)

    def hexdigest(self) -> str:
        """Give the digest, in lower case."""
        return self._hash.hexdigest()


@dataclasses.dataclass(frozen=True)
class Content:
    """What a file holds: its chunks in order, and the MD5 state where it was computed."""

    blobs: tuple[Blob, ...] = ()
    md5: Md5 | None = None

    @property
    def size(self) -> int:
        """Bytes in all chunks."""
        return sum(blob.size for blob in self.blobs)

    def read(self, offset: int, length: int | None) -> Iterator[bytes]:
        """Give the bytes of a range, in blocks."""
        remaining = max(0, self.size - offset) if length is None else min(length, max(0, self.size - offset))
        for blob in self.blobs:
            if offset >= blob.size:
                offset -= blob.size
                continue
            for block in blob.read(offset):
                if remaining <= 0:
                    return
                yield block[:remaining]
                remaining -= len(block)
            offset = 0
