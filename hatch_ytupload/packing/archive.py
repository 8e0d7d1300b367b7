"""A plan becomes `source.tar.gz`: one pass that reads, hashes, writes the tar stream and compresses it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import SourceError
from hatch_ytupload.packing import tar_format
from hatch_ytupload.packing.compression import BlockCompressor
from hatch_ytupload.planning.plan import entry_size
from hatch_ytupload.sources.credentials import HEAD_SIZE, holds_private_key
from hatch_ytupload.sources.tree import SourceFile
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.packing.memory import KeptPart, PartMemory, Recorder
    from hatch_ytupload.planning.plan import Generated, Part

_CHUNK = 1 << 20
# Bytes of a file: from here on reading it takes less time than decompressing it.
_READ_AGAIN = 1 << 16
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
    progress: Progress = no_progress,
) -> Packed:
    """Write the archive.

    Args:
        parts: of a plan.
        output: where the compressed bytes go.
        epoch: time of every member, in seconds since 1970.
        keep_times: members get their files' times instead.
        memory: parts of earlier builds; the bytes are the same with it and without.
        threads: how many compress at once; None: as many as there are cores for this process.
        progress: is told how many bytes and files of how many have been read.

    Raises:
        SourceError: a file cannot be read, is not what it was when the plan was made, or is a private key.
        OSError: the output cannot be written.
    """
    packing = _Packing(output, epoch, memory, threads, _Counter(parts, progress), keep_times=keep_times)
    try:
        for part in parts:
            packing.part(part)
        return packing.finish()
    finally:
        packing.close()


class _Packing:
    """The state of one pass."""

    def __init__(
        self,
        output: IO[bytes],
        epoch: int,
        memory: PartMemory | None,
        threads: int | None,
        counter: _Counter,
        *,
        keep_times: bool,
    ) -> None:
        self.output = output
        self.epoch = epoch
        self.keep_times = keep_times
        self.memory = memory
        self.counter = counter
        self.compressor = BlockCompressor(threads)
        # The digests of everything have threads of their own: each needs a good part of a core.
        self.content = _BackgroundDigest(hashlib.sha256())
        self.md5 = _BackgroundDigest(hashlib.md5(usedforsecurity=False))
        self.sha256 = hashlib.sha256()
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
            self._take(kept, part, output)
        else:
            output.recorder = self.memory.recorder(key, part) if self.memory else None
            for entry in part.entries:
                output.files.append(self._entry(entry, output))
        self.files += output.files
        self.compressor.end_part(output)

    def _take(self, kept: KeptPart, part: Part, output: _PartOutput) -> None:
        """Put a part of an earlier build into the archive; its content is needed for the digest of the whole."""
        output.kept, output.files = kept, kept.files
        size = sum(map(entry_size, part.entries))
        if size < _READ_AGAIN * len(part.entries):
            for member in kept.members():
                self.compressor.write_member(member, output)
            self.counter.count(size, len(part.entries))
            return
        output.known_members = kept.members()
        for entry in part.entries:
            self._write(entry, output)

    def finish(self) -> Packed:
        """End the archive."""
        end = _PartOutput("", self)
        self.compressor.write(tar_format.END, end)
        self.compressor.end_part(end)
        self.compressor.flush()
        parts = [PackedPart(part.name, part.size, part.content_size, part.sha256) for part in self.parts]
        return Packed(
            self.size, self.sha256.hexdigest(), self.md5.hexdigest(), self.content.hexdigest(), self.files, parts
        )

    def close(self) -> None:
        """Stop all threads; drop what is not finished."""
        self.compressor.close()
        self.content.close()
        self.md5.close()
        for part in self.parts:
            part.close()

    def _entry(self, entry: SourceFile | Generated, output: _PartOutput) -> PackedFile:
        """Write an entry."""
        digest = hashlib.sha256()
        self._write(entry, output, digest)
        return PackedFile(entry.path, entry_size(entry), entry.mode, digest.hexdigest())

    def _write(self, entry: SourceFile | Generated, output: _PartOutput, digest: _Digest | None = None) -> None:
        """Write header, content and padding of an entry; the digest, if one is given, takes the content."""
        size, mtime = entry_size(entry), self.epoch
        content: Iterable[bytes]
        if isinstance(entry, SourceFile):
            content = read_unchanged(entry)
            if self.keep_times:
                mtime = entry.mtime_ns // 10**9
        else:
            content = (entry.data,)
        write = self.compressor.write
        write(tar_format.member_header(entry.path.encode(), size, entry.mode, mtime), output)
        for chunk in content:
            if digest is not None:
                digest.update(chunk)
            write(chunk, output)
            self.counter.count(len(chunk), 0)
        self.counter.count(0, 1)
        write(tar_format.padding(size), output)


class _Counter:
    """Counts what has been read, and tells."""

    def __init__(self, parts: tuple[Part, ...], progress: Progress) -> None:
        self._progress = progress
        self._size = sum(entry_size(entry) for part in parts for entry in part.entries)
        self._all_files = sum(len(part.entries) for part in parts)
        self._done = self._files = 0

    def count(self, size: int, files: int) -> None:
        if self._progress is no_progress:
            return
        self._done += size
        self._files += files
        self._progress(self._done, self._size, f"{self._files} of {self._all_files} files")


class _PartOutput:
    """Takes the members of one part to where they belong."""

    def __init__(self, name: str, packing: _Packing) -> None:
        self.name = name
        self.packing = packing
        self.files: list[PackedFile] = []
        self.recorder: Recorder | None = None
        self.kept: KeptPart | None = None
        self.known_members: Iterator[bytes] = iter(())
        """What an earlier build made of the blocks to come."""
        self.size = 0
        self.content_size = 0
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all members, when the part has ended."""
        return self._sha256.hexdigest() if self.kept is None else self.kept.sha256

    def known(self) -> bytes | None:
        return next(self.known_members, None)

    def member(self, member: bytes, block: bytes) -> None:
        packing = self.packing
        packing.content.update(block)
        packing.output.write(member)
        packing.sha256.update(member)
        packing.md5.update(member)
        packing.size += len(member)
        if self.kept is None:
            self._sha256.update(member)
        self.size += len(member)
        self.content_size += len(block)
        if self.recorder is not None:
            self.recorder.member(member)

    def end(self) -> None:
        if self.recorder is not None:
            self.recorder.finish(self.files, self.sha256)
            self.recorder = None
        self.close()

    def close(self) -> None:
        """Drop what is not finished; after the end there is nothing."""
        if self.recorder is not None:
            self.recorder.discard()
        if self.kept is not None:
            self.kept.file.close()


class _Digest(Protocol):
    """What we use of hashlib's objects."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _BackgroundDigest:
    """The digest of a stream, computed in a thread of its own."""

    _MOST_WAITING = 4

    def __init__(self, digest: _Digest) -> None:
        self._digest = digest
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
    seen = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, stat.S_ISREG(status.st_mode))
    if seen != (file.device, file.inode, file.size, file.mtime_ns, True):
        raise _changed(file)


def _changed(file: SourceFile) -> SourceError:
    return SourceError(f"`{one_line(file.source)}` changed while it was being packed; build again when it is at rest")


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
    files: list[PackedFile]
    parts: list[PackedPart]
