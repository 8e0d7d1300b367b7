"""A directory of files that may be lost at any time: what builds remember from one to the next."""

from __future__ import annotations

import os
import tempfile
import zlib
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY_VARIABLE = "YTUPLOAD_CACHE_DIR"
OFF_VARIABLE = "YTUPLOAD_NO_CACHE"

DEFAULT_LIMIT = 2_000_000_000
"""Bytes above which the least recently used files are removed."""

_CHECK_SIZE = 4
_CHUNK = 1 << 20
_UNFINISHED = ".new-"


class Cache:
    """Files by name, written whole or not at all, and checked when they are read.

    Several processes may use one directory, and anybody may delete what is in it: whatever is missing or damaged is
    simply not there. A directory that cannot be written keeps nothing. No error comes out of here.

    Args:
        directory: where; made when the first file is kept.
        limit: bytes that all files together may have.
    """

    def __init__(self, directory: str, limit: int = DEFAULT_LIMIT) -> None:
        self._directory = directory
        self._limit = limit

    def open(self, name: str) -> tuple[IO[bytes], int] | None:
        """Return a file, open at its start, and the size of its content; None if it is missing or damaged."""
        path = os.path.join(self._directory, name)
        try:
            file = open(path, "rb")  # noqa: SIM115 - the caller closes it
        except OSError:
            return None
        try:
            size = os.fstat(file.fileno()).st_size - _CHECK_SIZE
            left, check = size, 0
            while left > 0 and (chunk := file.read(min(left, _CHUNK))):
                check = zlib.crc32(chunk, check)
                left -= len(chunk)
            if size >= 0 and left == 0 and file.read() == check.to_bytes(_CHECK_SIZE, "big"):
                file.seek(0)
                # Used now: the least recently used files go first.
                os.utime(path)
                return file, size
        except OSError:
            pass
        file.close()
        with suppress(OSError):
            os.unlink(path)
        return None

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None if it is missing or damaged."""
        found = self.open(name)
        if found is None:
            return None
        file, size = found
        with file, suppress(OSError):
            return file.read(size)
        return None

    def write(self, name: str, content: bytes) -> None:
        """Keep a file."""
        new = self.new_file(name)
        new.write(content)
        new.keep()

    def new_file(self, name: str) -> NewFile:
        """Begin a file; it is there for others only when it is whole."""
        return NewFile(self._directory, name)

    def trim(self) -> None:
        """Remove the least recently used files until the rest is within the limit, and what killed builds left."""
        found = []
        with suppress(OSError), os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit:
                break
            with suppress(OSError):
                os.unlink(path)
            total -= size


class NewFile:
    """A file of a cache that is being written."""

    def __init__(self, directory: str, name: str) -> None:
        self._path = os.path.join(directory, name)
        self._check = 0
        self._file: IO[bytes] | None = None
        with suppress(OSError):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            self._file = tempfile.NamedTemporaryFile(prefix=_UNFINISHED, dir=directory, delete=False)  # noqa: SIM115

    def write(self, data: bytes) -> None:
        """Append to the file."""
        if self._file is not None:
            self._check = zlib.crc32(data, self._check)
            try:
                self._file.write(data)
            except OSError:
                self.discard()

    def keep(self) -> None:
        """Finish the file and give it its name."""
        if self._file is not None:
            try:
                self._file.write(self._check.to_bytes(_CHECK_SIZE, "big"))
                self._file.close()
                os.replace(self._file.name, self._path)
                self._file = None
            except OSError:
                self.discard()

    def discard(self) -> None:
        """Remove what was written."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                os.unlink(self._file.name)
            self._file = None


def user_cache(environ: Mapping[str, str]) -> Cache | None:
    """Return the cache of this user, None if it is switched off."""
    directory = cache_directory(environ)
    return None if directory is None else Cache(directory)


def cache_directory(environ: Mapping[str, str]) -> str | None:
    """Return the absolute path of this user's cache, None if it is switched off."""
    if environ.get(OFF_VARIABLE, "") not in ("", "0", "false"):
        return None
    directory = environ.get(DIRECTORY_VARIABLE)
    if not directory:
        from platformdirs import user_cache_dir

        directory = user_cache_dir("hatch-ytupload", appauthor=False)
    return os.path.abspath(directory)
