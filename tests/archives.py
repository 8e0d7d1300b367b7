"""Archives that nobody should trust: written member by member with Python's tarfile, then cut and broken."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYMLINK, HARD_LINK, DIRECTORY = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
FIFO, CHARACTER_DEVICE, BLOCK_DEVICE = tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE


class Bytes:
    """Bytes as a file that can be read in ranges; remembers which were asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.asked: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        """Return a range."""
        self.asked.append((offset, length))
        return self.data[offset : offset + length]


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member of any kind."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.type = kind
    info.linkname = link
    info.mode = mode
    return info, content


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]], format_: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar stream of members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_, encoding="utf-8", errors="surrogateescape") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def tar_gz(*members: tuple[tarfile.TarInfo, bytes], format_: int = tarfile.GNU_FORMAT) -> bytes:
    """Return an archive of members."""
    return gzip.compress(tar(members, format_), mtime=0)


def archive_of(files: Mapping[str, bytes], format_: int = tarfile.GNU_FORMAT) -> bytes:
    """Return an archive of regular files."""
    return tar_gz(*(member(path, content) for path, content in files.items()), format_=format_)
