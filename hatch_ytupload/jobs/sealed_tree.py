"""A directory that programs are started from, held against what it was when we last let go of it.

The list of its files is sealed as everything in the cache is. A file whose times and place on disk are those of the
list is not read again: who changes a file, or brings the directory from elsewhere, cannot keep them.
"""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import FileReader, blocks, sha256_of
from hatch_ytupload.sources.listings import UNSETTLED_NS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatch_ytupload.packing.cache import Cache

# Python writes there what it can write again.
_BYTECODE = "__pycache__"


class _Entry(NamedTuple):
    """A file or symbolic link."""

    content: str
    """SHA-256 and permissions of a file, or where a link leads."""
    status: tuple[int, ...] | None = None
    """What changes with the file; None: that says nothing."""


class SealedTree:
    """The files of a directory in a cache.

    Args:
        cache: the cache.
        name: of the directory in it.
        mark: name of the list in the directory.
    """

    def __init__(self, cache: Cache, name: str, mark: str) -> None:
        self._cache = cache
        self._directory = os.path.join(cache.directory, name)
        self._list = f"{name}/{mark}"
        self._mark = mark

    def seal(self) -> None:
        """Note the directory as it is.

        Raises:
            OSError: it cannot be read.
        """
        self._write(self._look({}))

    def renew(self) -> None:
        """Add what has come or changed since then, unless something is gone.

        Raises:
            OSError: the directory cannot be read.
        """
        known = self._known()
        if known is None:
            return
        found = self._look(known)
        if found != known and not _lasting(known) - found.keys():
            self._write(found)

    def holds(self) -> bool:
        """Tell whether the directory is what was sealed; bytecode that is not is removed."""
        known = self._known()
        if known is None:
            return False
        try:
            found = self._look(known)
            for path in found.keys() - _lasting(found):
                if path not in known or found[path].content != known[path].content:
                    del found[path]
                    with suppress(FileNotFoundError):
                        os.unlink(os.path.join(self._directory, path))
        except OSError:
            return False
        if _lasting(known) != _lasting(found) or any(found[path].content != known[path].content for path in found):
            return False
        if found != known:
            self._write(found)
        return True

    def _write(self, found: Mapping[str, _Entry]) -> None:
        self._cache.write(self._list, json.dumps(found).encode())

    def _known(self) -> dict[str, _Entry] | None:
        text = self._cache.read(self._list)
        if text is None:
            return None
        found = json.loads(text)
        return {path: _Entry(content, status and tuple(status)) for path, (content, status) in found.items()}

    def _look(self, known: Mapping[str, _Entry]) -> dict[str, _Entry]:
        """Return what is there, by path; what is surely as it was known is not read."""
        now = time.time_ns()
        found = {}
        for path in _files(self._directory):
            # Python writes bytecode under another name first: what has just been there may be gone.
            with suppress(FileNotFoundError):
                if path != self._mark:
                    found[path] = _entry(os.path.join(self._directory, path), known.get(path), now)
        return found


def _entry(path: str, known: _Entry | None, now_ns: int) -> _Entry:
    """Return what a path is now.

    Args:
        path: of a file or link.
        known: what it was.
        now_ns: when the whole directory began to be looked at.
    """
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return _Entry(os.readlink(path))
    status = (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    if known is not None and known.status == status:
        return known
    settled = now_ns - max(found.st_mtime_ns, found.st_ctime_ns) > UNSETTLED_NS
    return _Entry(f"{stat.filemode(found.st_mode)} {_digest(path)}", status if settled else None)


def _lasting(paths: Iterable[str]) -> set[str]:
    """Return the paths of those that Python does not write again by itself."""
    return {path for path in paths if f"/{_BYTECODE}/" not in path}


def _files(directory: str, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all that is in a directory and below and is no directory, from the first one on."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name


def _digest(path: str) -> str:
    """Return the SHA-256 of a file; what is none has none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return sha256_of(blocks(FileReader(descriptor))) if is_file else ""
    finally:
        os.close(descriptor)
