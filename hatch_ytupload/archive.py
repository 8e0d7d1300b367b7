"""A plan becomes `source.tar.gz`: one pass that reads, hashes, writes the tar stream and compresses it."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import IO, TYPE_CHECKING, NamedTuple

from hatch_ytupload import tar_format
from hatch_ytupload.compression import BlockCompressor
from hatch_ytupload.credentials import HEAD_SIZE, holds_private_key
from hatch_ytupload.errors import SourceError, one_line
from hatch_ytupload.tree import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.plan import Generated, Part

_CHUNK = 1 << 20
# Never wait for the other end of a FIFO, never follow a link: both can appear between planning and packing.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class PackedFile(NamedTuple):
    """A member of the archive."""

    path: str
    size: int
    mode: int
    sha256: str


class PackedPart(NamedTuple):
    """A run of whole gzip members that one source has become."""

    name: str
    size: int
    """Compressed, in bytes."""
    content_size: int
    """Of its tar stream, in bytes."""
    sha256: str
    """Of the compressed bytes."""


class Packed(NamedTuple):
    """What an archive turned out to be."""

    size: int
    sha256: str
    md5: str
    content_sha256: str
    files: tuple[PackedFile, ...]
    parts: tuple[PackedPart, ...]


def pack(parts: tuple[Part, ...], output: IO[bytes], *, epoch: int, keep_times: bool = False) -> Packed:
    """Write the archive.

    Args:
        parts: of a plan.
        output: where the compressed bytes go.
        epoch: time of every member, in seconds since 1970.
        keep_times: members get their files' times instead.

    Raises:
        SourceError: a file cannot be read, is not what it was when the plan was made, or is a private key.
        OSError: the output cannot be written.
    """
    packing = _Packing(output, epoch, keep_times=keep_times)
    try:
        for part in parts:
            packing.part(part)
        return packing.finish()
    finally:
        packing.compressor.close()


class _Packing:
    """The state of one pass."""

    def __init__(self, output: IO[bytes], epoch: int, *, keep_times: bool) -> None:
        self.output = output
        self.epoch = epoch
        self.keep_times = keep_times
        self.compressor = BlockCompressor(self._write)
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.part_sha256 = hashlib.sha256()
        self.content = hashlib.sha256()
        self.size = 0
        self.content_size = 0
        self.files: list[PackedFile] = []
        self.parts: list[PackedPart] = []

    def part(self, part: Part) -> None:
        """Pack the entries of a part into members of their own."""
        size, content_size = self.size, self.content_size
        self.part_sha256 = hashlib.sha256()
        for entry in part.entries:
            digest = self._entry(entry)
            entry_size = entry.size if isinstance(entry, SourceFile) else len(entry.data)
            self.files.append(PackedFile(entry.path, entry_size, entry.mode, digest))
        self.compressor.flush()
        self.parts.append(
            PackedPart(part.name, self.size - size, self.content_size - content_size, self.part_sha256.hexdigest())
        )

    def finish(self) -> Packed:
        """End the archive."""
        self._stream(tar_format.END)
        self.compressor.flush()
        return Packed(
            self.size,
            self.sha256.hexdigest(),
            self.md5.hexdigest(),
            self.content.hexdigest(),
            tuple(self.files),
            tuple(self.parts),
        )

    def _entry(self, entry: SourceFile | Generated) -> str:
        """Write header, content and padding; return the digest of the content."""
        name = entry.path.encode()
        if not isinstance(entry, SourceFile):
            size = len(entry.data)
            header = tar_format.member_header(name, size, entry.mode, self.epoch)
            self._stream(header + entry.data + bytes(tar_format.padding(size)))
            return hashlib.sha256(entry.data).hexdigest()
        mtime = entry.mtime_ns // 10**9 if self.keep_times else self.epoch
        self._stream(tar_format.member_header(name, entry.size, entry.mode, mtime))
        digest = hashlib.sha256()
        for chunk in read_unchanged(entry):
            digest.update(chunk)
            self._stream(chunk)
        self._stream(bytes(tar_format.padding(entry.size)))
        return digest.hexdigest()

    def _stream(self, data: bytes) -> None:
        self.content.update(data)
        self.content_size += len(data)
        self.compressor.write(data)

    def _write(self, member: bytes) -> None:
        self.output.write(member)
        self.size += len(member)
        self.sha256.update(member)
        self.md5.update(member)
        self.part_sha256.update(member)


def read_unchanged(file: SourceFile) -> Iterator[bytes]:
    """Yield the content of a planned file in chunks.

    Raises:
        SourceError: it cannot be read, has changed since it was planned, or is a private key.
    """
    try:
        descriptor = os.open(file.source, _OPEN_FLAGS)
    except OSError as error:
        raise SourceError(
            f"cannot read `{one_line(file.source)}`: {error.strerror}; make it readable or exclude it in `.ytignore`"
        ) from None
    try:
        _refuse_changed(file, descriptor)
        left = file.size
        while left:
            chunk = os.read(descriptor, min(left, _CHUNK))
            if not chunk:
                raise _changed(file)
            if left == file.size and file.own and holds_private_key(chunk[:HEAD_SIZE]):
                raise SourceError(
                    f"`{one_line(file.source)}` holds a private key, which must not get into an archive; "
                    "move it out of the sources or exclude it in `.ytignore`"
                )
            left -= len(chunk)
            yield chunk
        _refuse_changed(file, descriptor)
    except OSError as error:
        raise SourceError(f"cannot read `{one_line(file.source)}`: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _refuse_changed(file: SourceFile, descriptor: int) -> None:
    status = os.fstat(descriptor)
    seen = (status.st_ino, status.st_size, status.st_mtime_ns, stat.S_ISREG(status.st_mode))
    if seen != (file.inode, file.size, file.mtime_ns, True):
        raise _changed(file)


def _changed(file: SourceFile) -> SourceError:
    return SourceError(f"`{one_line(file.source)}` changed while it was being packed; build again when it is at rest")
