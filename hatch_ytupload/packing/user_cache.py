"""The cache of this user: where it is, that nobody else can write to it, its key, what it holds.

It is a directory of its own below the one that is named, marked as a cache.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import WHEELS
from hatch_ytupload.byte_reader import regular_file
from hatch_ytupload.packing.cache import (
    DIRECTORY_VARIABLE,
    KINDS,
    OFF_VARIABLE,
    Cache,
    CacheError,
    entries_of,
    open_new,
)
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENVIRONMENTS = "environments"
"""The directory of the environments of `run` in a cache."""

# Says where the key lies, on Linux.
_STATE_VARIABLE = "XDG_STATE_HOME"
_NAME = "hatch-ytupload"
_KEY_NAME = "cache-key"
_KEY_SIZE = 32
_MARK = "CACHEDIR.TAG"
# As https://bford.info/cachedir/ has it: programs that make backups pass over the directory.
_MARK_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n# What hatch-ytupload remembers; it may be deleted.\n"
_WHEEL = r"[0-9a-f]{64}|\.new-[a-z0-9_]{8}"
_ENVIRONMENT = r"[0-9a-f]{24}(\.lock)?"
_MOST_LINKS = 40


class CacheKind(NamedTuple):
    """Files of a cache that have one purpose."""

    name: str
    files: int
    """How many; of environments, how many of them."""
    size: int
    """In bytes."""


def user_cache(environ: Mapping[str, str], warn: Callable[[str], None]) -> Cache | None:
    """Return the cache of this user, None if it is switched off or cannot be used.

    Args:
        environ: the environment.
        warn: called with why it cannot be used.
    """
    directory = cache_directory(environ, warn)
    if directory is None:
        return None
    try:
        return Cache(directory, _key(environ))
    except CacheError as error:
        warn(str(error))
        return None


def cache_directory(environ: Mapping[str, str], warn: Callable[[str], None]) -> str | None:
    """Return the directory of this user's cache, made and checked; None if it is switched off or cannot be used.

    Args:
        environ: the environment.
        warn: called with why it cannot be used.
    """
    if environ.get(OFF_VARIABLE, "") not in ("", "0", "false"):
        return None
    try:
        directory = place_of_cache(environ)
        _prepare(directory)
    except CacheError as error:
        warn(str(error))
        return None
    return directory


def place_of_cache(environ: Mapping[str, str]) -> str:
    """Return the absolute path of this user's cache, whether it is there or not.

    Raises:
        CacheError: there is no home directory that it could be in.
    """
    named = environ.get(DIRECTORY_VARIABLE)
    if named:
        return os.path.join(os.path.abspath(named), _NAME)
    return os.path.join(_user_directory(environ, "XDG_CACHE_HOME", ".cache", "Caches"), _NAME)


def cache_contents(directory: str) -> list[CacheKind]:
    """Return what a cache holds, kind by kind.

    Args:
        directory: as `place_of_cache` returns it.
    """
    found = [*entries_of(directory)]
    kinds = []
    for kind in KINDS:
        sizes = [entry.size for entry in found if entry.kind == kind]
        kinds.append(CacheKind(kind, len(sizes), sum(sizes)))
    wheels = _wheels(directory)
    kinds.append(CacheKind(WHEELS, len(wheels), sum(map(_file_size, wheels))))
    environments = [path for path in _environments(directory) if not path.endswith(".lock")]
    return [*kinds, CacheKind(ENVIRONMENTS, len(environments), sum(map(_tree_size, environments)))]


def empty_cache(directory: str) -> None:
    """Remove everything that is written to a cache, and nothing else.

    Args:
        directory: as `place_of_cache` returns it.

    Raises:
        CacheError: it is none, or something cannot be removed.
    """
    import shutil

    if not os.path.lexists(directory):
        return
    _check(directory)
    try:
        kept = [entry.path for entry in entries_of(directory)]
        for path in (*kept, *_wheels(directory), *_environments(directory)):
            with suppress(FileNotFoundError):
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
    except OSError as error:
        raise CacheError(cannot("write the cache", directory, error)) from None


def _environments(directory: str) -> list[str]:
    with suppress(OSError), os.scandir(os.path.join(directory, ENVIRONMENTS)) as entries:
        return [entry.path for entry in entries if re.fullmatch(_ENVIRONMENT, entry.name)]
    return []


def _wheels(directory: str) -> list[str]:
    with suppress(OSError), os.scandir(os.path.join(directory, WHEELS)) as entries:
        return [entry.path for entry in entries if re.fullmatch(_WHEEL, entry.name)]
    return []


def _file_size(path: str) -> int:
    with suppress(OSError):
        return os.lstat(path).st_size
    return 0


def _tree_size(directory: str) -> int:
    size = 0
    for place, _, names in os.walk(directory):
        size += sum(_file_size(os.path.join(place, name)) for name in names)
    return size


def _user_directory(environ: Mapping[str, str], variable: str, below_home: str, in_library: str) -> str:
    """Return where programs keep something for their user: on macOS in the library, elsewhere as XDG has it.

    Raises:
        CacheError: the user has no home directory.
    """
    named = environ.get(variable, "")
    if os.path.isabs(named):  # others do not count, says XDG
        return named
    home = environ.get("HOME") or os.path.expanduser("~")  # without `HOME`, that of the list of users
    if not os.path.isabs(home):
        raise CacheError("there is no home directory for the cache and its key", "HOME")
    return os.path.join(home, "Library", in_library) if sys.platform == "darwin" else os.path.join(home, below_home)


def _prepare(directory: str) -> None:
    """Make the directory of a cache if it is missing, for this user alone, and check it.

    Raises:
        CacheError: it cannot be made, or others could write to it.
    """
    above = os.path.dirname(directory)
    _refuse_way_of_others(above)
    try:
        _make_directories(above)
        if os.stat(above).st_uid not in (os.geteuid(), 0):
            raise CacheError(f"`{one_line(above)}` belongs to somebody else, so no cache is kept there")
        if not os.path.lexists(directory):
            _make_marked(directory)
        _check(directory)
        if stat.S_IMODE(os.lstat(directory).st_mode) != stat.S_IRWXU:
            os.chmod(directory, stat.S_IRWXU)
    except OSError as error:
        raise CacheError(cannot("write the cache", directory, error)) from None


def _make_directories(directory: str) -> None:
    """Make a directory and those above it, each for this user alone whatever the umask."""
    if not os.path.isdir(directory):
        _make_directories(os.path.dirname(directory))
        with suppress(FileExistsError):
            os.mkdir(directory, stat.S_IRWXU)
            os.chmod(directory, stat.S_IRWXU)


def _make_marked(directory: str) -> None:
    """Make the directory of a cache with its mark, in one step: others make it at the same time."""
    temporary = os.path.join(os.path.dirname(directory), f".{_NAME}-{os.urandom(4).hex()}")
    mark = os.path.join(temporary, _MARK)
    os.mkdir(temporary, stat.S_IRWXU)
    try:
        with open_new(mark) as file:
            file.write(_MARK_TEXT)
        os.rename(temporary, directory)
    except OSError:
        with suppress(OSError):
            os.unlink(mark)
        os.rmdir(temporary)
        if not os.path.isdir(directory):
            raise


def _check(directory: str) -> None:
    """Check that a directory is a cache of this user, which nobody else can write to.

    Raises:
        CacheError: it is not.
    """
    shown = f"`{one_line(directory)}`"
    try:
        status = os.lstat(directory)
        if stat.S_ISLNK(status.st_mode) or not stat.S_ISDIR(status.st_mode):
            raise CacheError(f"{shown} is not a directory, so no cache is kept there")
        if status.st_uid != os.geteuid():
            raise CacheError(f"the cache {shown} belongs to somebody else, and is not used")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CacheError(f"the cache {shown} can be written by others, and is not used; remove it")
        if not os.path.lexists(os.path.join(directory, _MARK)):
            raise CacheError(f"{shown} is not a cache of hatch-ytupload: it has no `{_MARK}`")
    except OSError as error:
        raise CacheError(cannot("write the cache", directory, error)) from None


def _refuse_way_of_others(path: str) -> None:
    """Check that nobody else can make a path lead elsewhere, by a link that is theirs or a directory for everybody.

    Raises:
        CacheError: somebody can.
    """
    place, left, links = "/", path.split("/"), 0
    while left:
        place = os.path.normpath(os.path.join(place, left.pop(0)))
        try:
            status = os.lstat(place)
            # In a directory such as /tmp nobody can rename what belongs to others.
            if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
                raise CacheError(f"`{one_line(place)}` can be written by everybody, so no cache is kept there")
            if not stat.S_ISLNK(status.st_mode):
                continue
            links += 1
            if status.st_uid not in (os.geteuid(), 0) or links > _MOST_LINKS:
                raise CacheError(
                    f"the cache `{one_line(path)}` is reached through the link `{one_line(place)}` of somebody else"
                )
            left[:0] = os.readlink(place).split("/")
            place = "/" if os.readlink(place).startswith("/") else os.path.dirname(place)
        except OSError:
            return  # not there yet


def _key(environ: Mapping[str, str]) -> bytes:
    """Return the key of this user's caches, which is made if it is missing.

    Raises:
        CacheError: it cannot be read or made, or others could know it.
    """
    place = _user_directory(environ, _STATE_VARIABLE, ".local/state", "Application Support")
    directory = os.path.join(place, _NAME)
    path = os.path.join(directory, _KEY_NAME)
    try:
        try:
            return _read_key(path)
        except FileNotFoundError:
            _make_directories(directory)
            _make_key(path)
            return _read_key(path)
    except OSError as error:
        raise CacheError(cannot("use the key of the cache,", path, error), _STATE_VARIABLE) from None


def _make_key(path: str) -> None:
    """Write a new key, whole, unless another process was faster."""
    temporary = f"{path}-{os.urandom(4).hex()}"
    try:
        with open_new(temporary) as file:
            file.write(os.urandom(_KEY_SIZE))
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _read_key(path: str) -> bytes:
    descriptor = regular_file(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        secret = status.st_uid == os.geteuid() and not status.st_mode & 0o077
        key = file.read(_KEY_SIZE + 1) if secret else b""
    if len(key) != _KEY_SIZE:
        raise CacheError(
            f"the key of the cache, `{one_line(path)}`, is damaged or no secret; remove it", _STATE_VARIABLE
        )
    return key
