"""Files that may be lost at any time, and that are believed only with a seal: what builds remember.

The key of the seal lies outside of the directory. So whoever puts a file there, or brings the directory from another
machine, is not believed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from hatch_ytupload.byte_reader import regular_file
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.wording import cannot

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY_VARIABLE = "YTUPLOAD_CACHE_DIR"
OFF_VARIABLE = "YTUPLOAD_NO_CACHE"

DEFAULT_LIMIT = 2_000_000_000
"""Bytes above which the least recently used files are removed."""

UNFINISHED = "unfinished"
KINDS = {
    "parts": r"part-[0-9a-f]{64}",
    "listings": r"listings-[0-9a-f]{64}",
    "bundles": r"bundle-[0-9a-f]{64}",
    UNFINISHED: r"\.new-[a-z0-9_]{8}",
}
"""The names of all files that are written, and so of all that may be removed, by kind."""

# A file ends with its description, how long that is, and the seal.
_LENGTH_SIZE = 8
_SEAL_SIZE = 32
# A build that was killed never finishes its files; no build takes as long as this.
_UNFINISHED_SECONDS = 3600


class Digest(Protocol):
    """What we use of hashlib's objects."""

    def update(self, data: bytes, /) -> None:
        """Go on with the next bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far in hexadecimal digits."""


class CacheError(YtUploadError):
    """The cache cannot be used; builds do without."""

    def __init__(self, reason: str, variable: str = DIRECTORY_VARIABLE) -> None:
        super().__init__(
            f"{reason}; nothing is remembered: set `{variable}` to a directory of your own, or `{OFF_VARIABLE}=1`"
        )


class Cache:
    """Files by name, written whole or not at all, and believed only with their seal.

    Several processes may use one directory, and anybody may delete what is in it: whatever is missing, damaged or not
    sealed with the key is simply not there. No error comes out of here.

    Args:
        directory: where; it exists.
        key: what files are sealed with.
        limit: bytes that all files together may have.
    """

    def __init__(self, directory: str, key: bytes, limit: int = DEFAULT_LIMIT) -> None:
        self.directory = directory
        self.problem: str | None = None
        """Why something could not be kept, and what to do."""
        self._key = key
        self._limit = limit

    def open(self, name: str) -> tuple[IO[bytes], bytes] | None:
        """Return a file, open at its start, and its description; None if it is not there or not believed.

        The description alone is sealed: it has to tell the digest of what stands before it.
        """
        path = os.path.join(self.directory, name)
        try:
            file = os.fdopen(regular_file(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")
        except OSError:
            return None
        with suppress(OSError):
            end = os.fstat(file.fileno()).st_size - _LENGTH_SIZE - _SEAL_SIZE
            file.seek(max(end, 0))
            length = int.from_bytes(file.read(_LENGTH_SIZE), "big")
            seal = file.read()
            if length <= end:
                file.seek(end - length)
                description = file.read(length)
                if hmac.compare_digest(seal, self.seal(name, description)):
                    file.seek(0)
                    # Used now: the least recently used files go first.
                    os.utime(path)
                    return file, description
        file.close()
        self.remove(name)
        return None

    def read(self, name: str) -> bytes | None:
        """Return the content of a file that was written in one go, None if it is not there or not believed."""
        found = self.open(name)
        if found is None:
            return None
        file, content = found
        file.close()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Keep a file."""
        self.new_file(name).keep(content)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(OSError):
            os.unlink(os.path.join(self.directory, name))

    def new_file(self, name: str) -> NewFile:
        """Begin a file; it is there for others only when it is whole."""
        return NewFile(self, name)

    def seal(self, name: str, description: bytes) -> bytes:
        """Return the seal of a file, which holds for its name alone."""
        return hmac.digest(self._key, hashlib.sha256(description).digest() + name.encode(), "sha256")

    def failed(self, error: OSError) -> None:
        """Remember why something could not be kept."""
        if self.problem is None:
            self.problem = str(CacheError(cannot("write the cache", self.directory, error)))

    def trim(self) -> None:
        """Remove the least recently used files until the rest is within the limit, and what killed builds left."""
        found = [*entries_of(self.directory)]
        total = sum(entry.size for entry in found)
        for entry in sorted(found):
            abandoned = entry.kind == UNFINISHED and time.time() - entry.used > _UNFINISHED_SECONDS
            if total > self._limit or abandoned:
                with suppress(OSError):
                    os.unlink(entry.path)
                total -= entry.size


class NewFile:
    """A file of a cache that is being written."""

    def __init__(self, cache: Cache, name: str) -> None:
        self._cache = cache
        self._path = os.path.join(cache.directory, name)
        self._name = name
        self.digest: Digest = hashlib.sha256()
        """SHA-256 of what was written so far, also where that could not be kept."""
        self._temporary = os.path.join(cache.directory, f".new-{os.urandom(4).hex()}")
        self._file: IO[bytes] | None = None
        try:
            self._file = open_new(self._temporary)
        except FileNotFoundError:
            pass  # somebody has deleted the cache
        except OSError as error:
            cache.failed(error)

    def write(self, data: bytes) -> None:
        """Append to the file."""
        self.digest.update(data)
        if self._file is not None:
            try:
                self._file.write(data)
            except OSError as error:
                self._failed(error)

    def keep(self, description: bytes) -> None:
        """Finish the file and give it its name.

        Args:
            description: tells the digest of what was written before, if anything was.
        """
        if self._file is not None:
            try:
                self._file.write(description + len(description).to_bytes(_LENGTH_SIZE, "big"))
                self._file.write(self._cache.seal(self._name, description))
                self._file.close()
                os.replace(self._temporary, self._path)
                self._file = None
            except OSError as error:
                self._failed(error)

    def discard(self) -> None:
        """Remove what was written."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                os.unlink(self._temporary)
            self._file = None

    def _failed(self, error: OSError) -> None:
        self.discard()
        if not isinstance(error, (FileNotFoundError, IsADirectoryError)):
            self._cache.failed(error)


class CacheEntry(NamedTuple):
    """A file of a cache; those used least recently sort first."""

    used: float
    """Seconds since 1970."""
    size: int
    """In bytes."""
    path: str
    kind: str


def entries_of(directory: str) -> Iterator[CacheEntry]:
    """Yield the files of a cache that builds write, and what else has their names; nothing where there is no cache."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            kind = next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, entry.name)), None)
            with suppress(OSError):
                if kind is not None:
                    status = entry.stat(follow_symlinks=False)
                    yield CacheEntry(status.st_mtime, status.st_size, entry.path, kind)


def open_new(path: str) -> IO[bytes]:
    """Open a file that was not there, for its user alone; nothing that has its name is followed or overwritten.

    Raises:
        OSError: it cannot be made.
    """
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb")
