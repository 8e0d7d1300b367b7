"""Locks that end with the process that holds them, whatever ends it; on links nothing is locked."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_lock_file(path: str) -> int:
    """Open a file that is there to be locked, and make it where it is missing; it is never removed.

    Raises:
        OSError: it cannot be opened, or something else lies there.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, "a link lies where a lock is expected; remove it", path) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "what lies where a lock is expected is no file; remove it", path)
    return descriptor


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock what is open, as long as it stays open; tell whether nobody else holds it.

    Args:
        descriptor: of a file or a directory.
        shared: with others who do the same.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_directory(path: str) -> int:
    """Lock a directory, and return the descriptor that holds the lock.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if try_lock(descriptor):
        return descriptor
    os.close(descriptor)
    raise BlockingIOError(errno.EWOULDBLOCK, "somebody else holds it", path)


@contextmanager
def locked_directory(path: str) -> Iterator[None]:
    """Hold a directory.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: it cannot be opened.
    """
    descriptor = lock_directory(path)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_file(path: str) -> Iterator[None]:
    """Wait for a lock file, and hold it.

    Raises:
        OSError: it cannot be opened, or something else lies there.
    """
    descriptor = open_lock_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
