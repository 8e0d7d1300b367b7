"""Put a file or a directory in the place of another one, in one step."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_RENAME_SWAP = 2  # sys/stdio.h of macOS


ASIDE = ".old"
"""The end of the name that a directory has for a moment, where two names cannot be exchanged in one step."""


@contextmanager
def replacing_file(path: str) -> Iterator[IO[bytes]]:
    """Give a file to write; when the block ends well, it takes the place of what was at `path`, else it is gone.

    Raises:
        OSError: it cannot be written.
    """
    # Nobody can have put a link there: the name is made up, and what exists is an error.
    temporary = f"{path}.{os.urandom(8).hex()}"
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def replace_directory(new: str, place: str) -> str | None:
    """Rename `new` to `place`, and return where that is now which was at `place`; None: there was nothing.

    Both are on one file system. Where the system cannot exchange two names, the old directory is moved away first: for
    that moment there is nothing at `place`, and who is killed then leaves it at `new` with `ASIDE` at its end.

    Raises:
        OSError: the directory that holds `place` cannot be written; nothing has changed.
    """
    while True:
        try:
            # Works where there is nothing, or an empty directory.
            os.rename(new, place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return None
        try:
            _exchange(new, place)
        except FileNotFoundError:
            continue  # somebody removed it in between
        except NotImplementedError:
            return _exchange_in_two_steps(new, place)
        return new


def _exchange(first: str, second: str) -> None:
    """Exchange what two names stand for.

    Raises:
        NotImplementedError: this system or file system cannot.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    one, two = os.fsencode(first), os.fsencode(second)
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        result = library.renamex_np(one, two, _RENAME_SWAP)
    elif hasattr(library, "renameat2"):
        result = library.renameat2(_AT_FDCWD, one, _AT_FDCWD, two, _RENAME_EXCHANGE)
    else:
        raise NotImplementedError
    if result != 0:
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise NotImplementedError
        raise OSError(number, os.strerror(number), second)


def _exchange_in_two_steps(new: str, place: str) -> str:
    aside = f"{new}{ASIDE}"
    os.rename(place, aside)
    try:
        os.rename(new, place)
    except BaseException:
        os.rename(aside, place)
        raise
    try:
        os.rename(aside, new)
    except OSError:  # the new one has its place all the same
        return aside
    return new
