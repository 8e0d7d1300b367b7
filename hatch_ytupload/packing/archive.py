"""A plan becomes `source.tar.gz`: one pass that reads, hashes, writes the tar stream and compresses it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

from hatch_ytupload.errors import SourceError, one_line
from hatch_ytupload.packing import tar_format
from hatch_ytupload.packing.compression import BlockCompressor
from hatch_ytupload.packing.packed import Packed, PackedFile, PackedPart
from hatch_ytupload.sources.credentials import HEAD_SIZE, holds_private_key
from hatch_ytupload.sources.tree import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from hatch_ytupload.packing.part_memory import PartMemory, Recorder
    from hatch_ytupload.planning.plan import Generated, Part

_CHUNK = 1 << 20
# Never wait for the other end of a FIFO, never follow a link: both can appear between planning and packing.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
# What opening says where a file was planned and now there is nothing, a link, a socket, or no directory above it.
_REPLACED = {errno.ENOENT, errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP, errno.ENOTDIR}


def pack(
    parts: tuple[Part, ...],
    output: IO[bytes],
    *,
    epoch: int,
    keep_times: bool = False,
    memory: PartMemory | None = None,
    threads: int | None = None,
) -> Packed:
    """Write the archive.

    Args:
        parts: of a plan.
        output: where the compressed bytes go.
        epoch: time of every member, in seconds since 1970.
        keep_times: members get their files' times instead.
        memory: parts of earlier builds; the bytes are the same with it and without.
        threads: how many compress at once; None: as many as there are cores for this process.

    Raises:
        SourceError: a file cannot be read, is not what it was when the plan was made, or is a private key.
        OSError: the output cannot be written.
    """
    packing = _Packing(output, epoch, memory, threads, keep_times=keep_times)
    try:
        for part in parts:
            packing.part(part)
        return packing.finish()
    finally:
        packing.close()


class _Packing:
    """The state of one pass."""

    def __init__(
        self, output: IO[bytes], epoch: int, memory: PartMemory | None, threads: int | None, *, keep_times: bool
    ) -> None:
        self.output = output
        self.epoch = epoch
        self.keep_times = keep_times
        self.memory = memory
        self.compressor = BlockCompressor(threads)
        self.content = _BackgroundDigest()
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0
        self.files: list[PackedFile] = []
        self.parts: list[_PartOutput] = []

    def part(self, part: Part) -> None:
        """Pack a part into members of its own, or take those of an earlier build."""
        output = _PartOutput(part.name, self)
        self.parts.append(output)
        key = self.memory.key(part) if self.memory else ""
        kept = self.memory.find(key) if self.memory else None
        if kept is not None:
            for member in kept.members():
                self.compressor.write_member(member, output)
            output.files = kept.files
        else:
            output.recorder = self.memory.recorder(key, part) if self.memory else None
            for entry in part.entries:
                output.files.append(self._entry(entry, output))
        self.files += output.files
        self.compressor.end_part(output)

    def finish(self) -> Packed:
        """End the archive."""
        end = _PartOutput("", self)
        self.compressor.write(tar_format.END, end)
        self.compressor.end_part(end)
        self.compressor.flush()
        parts = [PackedPart(part.name, part.size, part.content_size, part.sha256.hexdigest()) for part in self.parts]
        return Packed(
            self.size, self.sha256.hexdigest(), self.md5.hexdigest(), self.content.hexdigest(), self.files, parts
        )

    def close(self) -> None:
        """Stop all threads; drop what is not finished."""
        self.compressor.close()
        self.content.close()
        for part in self.parts:
            if part.recorder is not None:
                part.recorder.discard()

    def _entry(self, entry: SourceFile | Generated, output: _PartOutput) -> PackedFile:
        """Write header, content and padding of an entry."""
        name = entry.path.encode()
        if not isinstance(entry, SourceFile):
            size = len(entry.data)
            header = tar_format.member_header(name, size, entry.mode, self.epoch)
            self.compressor.write(header + entry.data + tar_format.padding(size), output)
            return PackedFile(entry.path, size, entry.mode, hashlib.sha256(entry.data).hexdigest())
        size = entry.size
        mtime = entry.mtime_ns // 10**9 if self.keep_times else self.epoch
        header = tar_format.member_header(name, size, entry.mode, mtime)
        if size <= _CHUNK:
            data = b"".join(read_unchanged(entry))
            self.compressor.write(b"".join((header, data, tar_format.padding(size))), output)
            return PackedFile(entry.path, size, entry.mode, hashlib.sha256(data).hexdigest())
        self.compressor.write(header, output)
        digest = hashlib.sha256()
        for chunk in read_unchanged(entry):
            digest.update(chunk)
            self.compressor.write(chunk, output)
        self.compressor.write(tar_format.padding(size), output)
        return PackedFile(entry.path, size, entry.mode, digest.hexdigest())


class _PartOutput:
    """Takes the members of one part to where they belong."""

    def __init__(self, name: str, packing: _Packing) -> None:
        self.name = name
        self.packing = packing
        self.files: list[PackedFile] = []
        self.recorder: Recorder | None = None
        self.size = 0
        self.content_size = 0
        self.sha256 = hashlib.sha256()

    def member(self, member: bytes, block: bytes) -> None:
        packing = self.packing
        packing.content.update(block)
        packing.output.write(member)
        packing.sha256.update(member)
        packing.md5.update(member)
        packing.size += len(member)
        self.sha256.update(member)
        self.size += len(member)
        self.content_size += len(block)
        if self.recorder is not None:
            self.recorder.member(member)

    def end(self) -> None:
        if self.recorder is not None:
            self.recorder.finish(self.files)
            self.recorder = None


class _BackgroundDigest:
    """SHA-256 of a stream, computed in a thread of its own."""

    _MOST_WAITING = 4

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._waiting: list[Future[None]] = []

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        if len(self._waiting) >= self._MOST_WAITING:
            self._waiting.pop(0).result()
        self._waiting.append(self._thread.submit(self._digest.update, data))

    def hexdigest(self) -> str:
        """Wait for the thread and return the digest."""
        for future in self._waiting:
            future.result()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)


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
