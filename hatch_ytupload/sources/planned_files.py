"""Reading planned files: each has to be what it was when the plan was made."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from hatch_ytupload.errors import SourceError
from hatch_ytupload.sources.credentials import HEAD_SIZE, holds_private_key
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.sources.tree import SourceFile

_CHUNK = 1 << 20
# Never wait for the other end of a FIFO, never follow a link: both can appear between planning and packing.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
# What opening says where a file was planned and now there is nothing, a link, a socket, or no directory above it.
_REPLACED = {errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP, errno.ENOTDIR}


def read_at_once(file: SourceFile) -> bytes:
    """Return the content of a planned file that is small.

    Raises:
        SourceError: it cannot be read, has changed since it was planned, or is a private key.
    """
    try:
        descriptor = os.open(file.source, _OPEN_FLAGS)
        try:
            content = os.read(descriptor, file.size)
            # After the reading: it tells of changes before and meanwhile.
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return b"".join(read_unchanged(file))  # which says what is wrong
    is_key = file.own and holds_private_key(content[:HEAD_SIZE], file.name)
    if is_key or len(content) != file.size or _has_changed(file, status):
        return b"".join(read_unchanged(file))
    return content


def read_unchanged(file: SourceFile) -> Iterator[bytes]:
    """Yield the content of a planned file in chunks.

    Raises:
        SourceError: it cannot be read, has changed since it was planned, or is a private key.
    """
    try:
        descriptor = os.open(file.source, _OPEN_FLAGS)
    except OSError as error:
        if error.errno in _REPLACED:
            raise _changed(file) from None
        problem = cannot("read", file.source, error)
        raise SourceError(f"{problem}; make it readable or exclude it in `.ytignore`") from None
    try:
        _refuse_changed(file, descriptor)
        left = file.size
        while left:
            chunk = os.read(descriptor, min(left, _CHUNK))
            if not chunk:
                raise _changed(file)
            if left == file.size and file.own and holds_private_key(chunk[:HEAD_SIZE], file.name):
                raise SourceError(
                    f"`{one_line(file.source)}` holds a private key, which must not get into an archive; "
                    "move it out of the sources or exclude it in `.ytignore`"
                )
            left -= len(chunk)
            yield chunk
        _refuse_changed(file, descriptor)
    except OSError as error:
        raise SourceError(cannot("read", file.source, error)) from None
    finally:
        os.close(descriptor)


def _refuse_changed(file: SourceFile, descriptor: int) -> None:
    if _has_changed(file, os.fstat(descriptor)):
        raise _changed(file)


def _has_changed(file: SourceFile, status: os.stat_result) -> bool:
    return (
        status.st_ino != file.inode
        or status.st_dev != file.device
        or status.st_size != file.size
        or status.st_mtime_ns != file.mtime_ns
        or not stat.S_ISREG(status.st_mode)
    )


def _changed(file: SourceFile) -> SourceError:
    return SourceError(f"`{one_line(file.source)}` changed while it was being packed; build again when it is at rest")
