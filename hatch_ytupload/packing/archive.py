"""A plan becomes `source.tar.gz`: one pass that reads, hashes, writes the tar stream and compresses it."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import IO, TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import WHEELS
from hatch_ytupload.byte_reader import no_progress, sha256_of
from hatch_ytupload.packing import tar_format
from hatch_ytupload.packing.compression import BlockCompressor
from hatch_ytupload.packing.manifest import FileInfo, PartInfo, octal_mode
from hatch_ytupload.packing.memory import DamagedPartError
from hatch_ytupload.planning.plan import entry_size
from hatch_ytupload.sources.planned_files import read_at_once, read_unchanged
from hatch_ytupload.sources.tree import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.packing.memory import KeptPart, PartMemory, Recorder
    from hatch_ytupload.planning.plan import Generated, Part

# Bytes of a file that is read by one call, and copied once more.
_AT_ONCE = 1 << 16


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
        output: where the compressed bytes go; empty, and with a memory one that can be emptied.
        epoch: time of every member, in seconds since 1970.
        keep_times: members get their files' times instead.
        memory: parts of earlier builds; the bytes are the same with it and without.
        threads: how many compress at once; None: as many as there are cores for this process.
        progress: called with how many bytes and files of how many have been read.

    Raises:
        SourceError: a file cannot be read, is not what it was when the plan was made, or is a private key.
        OSError: the output cannot be written.
    """
    while True:
        packing = _Packing(output, epoch, memory, threads, _Counter(parts, progress), keep_times=keep_times)
        try:
            for part in parts:
                packing.part(part)
            return packing.finish()
        except DamagedPartError:
            # Noticed when its bytes had been copied already: looking at them before would take as long again.
            output.seek(0)
            output.truncate()
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
        self.digests = _BackgroundDigests()
        self.size = 0
        self.begun = False
        self.files: list[FileInfo] = []
        self.parts: list[_PartOutput] = []

    def part(self, part: Part) -> None:
        """Pack a part into members of its own, or put those of an earlier build into the archive."""
        output = _PartOutput(part.name, self)
        self.parts.append(output)
        kept = self.memory.find(part, first=not self.begun) if self.memory else None
        if kept is not None:
            self.begun = True
            output.kept, output.files = kept, kept.files
            for packed, size in kept.members():
                self.compressor.pass_on(packed, size, output)
            self.counter.count(sum(map(entry_size, part.entries)), len(part.entries))
        else:
            # They are compressed already.
            self.compressor.stores = part.name == WHEELS
            output.recorder = self.memory.recorder(part, first=not self.begun) if self.memory else None
            for entry in part.entries:
                self._entry(entry, output)
        self.files += output.files
        self.compressor.end_part(output)

    def finish(self) -> Packed:
        """End the archive."""
        end = _PartOutput("", self)
        self.compressor.stores = False  # kept parts may have followed wheels
        self._write(tar_format.END, end)
        self.compressor.end_part(end)
        self.compressor.flush()
        parts = [PartInfo(part.name, part.size, part.content_size, part.sha256) for part in self.parts]
        sha256, md5 = self.digests.finish()
        return Packed(self.size, sha256, md5, self.files, parts)

    def close(self) -> None:
        """Stop all threads; drop what is not finished."""
        self.compressor.close()
        self.digests.close()
        for part in self.parts:
            part.close()

    def _entry(self, entry: SourceFile | Generated, output: _PartOutput) -> None:
        """Add header, content and padding of an entry, and what the manifest says about it."""
        size, mtime = entry_size(entry), self.epoch
        if self.keep_times and isinstance(entry, SourceFile):
            mtime = entry.mtime_ns // 10**9
        header = tar_format.member_header(entry.path.encode(), size, entry.mode, mtime)
        if isinstance(entry, SourceFile) and size > _AT_ONCE:
            self._write(header, output)
            sha256 = sha256_of(self._passed_on(entry, output))
            self._write(tar_format.padding(size), output)
            self.counter.count(0, 1)
        else:
            content = read_at_once(entry) if isinstance(entry, SourceFile) else entry.data
            sha256 = hashlib.sha256(content).hexdigest()
            self._write(b"%b%b%b" % (header, content, tar_format.padding(size)), output)
            self.counter.count(size, 1)
        output.files.append(FileInfo(entry.path, size, octal_mode(entry.mode), sha256))

    def _passed_on(self, file: SourceFile, output: _PartOutput) -> Iterator[bytes]:
        """Add the content of a file, count it, and yield it."""
        for chunk in read_unchanged(file):
            self._write(chunk, output)
            self.counter.count(len(chunk), 0)
            yield chunk

    def _write(self, data: bytes, output: _PartOutput) -> None:
        if not self.begun:
            self.begun = True
            # A reader that stops at the end of a gzip member then fails, rather than show some files as if all.
            self.compressor.write(data[:1], output)
            self.compressor.end_member(output)
            data = data[1:]
        self.compressor.write(data, output)


class _Counter:
    """Counts what has been read, and tells."""

    def __init__(self, parts: tuple[Part, ...], progress: Progress) -> None:
        self._progress = progress
        self._done = self._files = 0
        if progress is not no_progress:
            self._size = sum(entry_size(entry) for part in parts for entry in part.entries)
            self._all_files = sum(len(part.entries) for part in parts)

    def count(self, size: int, files: int) -> None:
        if self._progress is no_progress:
            return
        self._done += size
        self._files += files
        self._progress(self._done, self._size, f"{self._files} of {self._all_files} files")


class _PartOutput:
    """Puts the members of one part where they belong."""

    def __init__(self, name: str, packing: _Packing) -> None:
        self.name = name
        self.packing = packing
        self.files: list[FileInfo] = []
        self.recorder: Recorder | None = None
        self.kept: KeptPart | None = None
        self.size = 0
        self.content_size = 0
        self.sha256 = ""
        """Of all members, when the part has ended."""
        self._digest = hashlib.sha256()

    def put(self, packed: bytes, size: int) -> None:
        packing = self.packing
        packing.output.write(packed)
        packing.digests.update(packed)
        packing.size += len(packed)
        self.size += len(packed)
        self.content_size += size
        if self.recorder is not None:
            self.recorder.member(packed, size)
        elif self.kept is None:
            self._digest.update(packed)

    def end(self) -> None:
        if self.recorder is not None:
            self.sha256 = self.recorder.finish(self.files)
            self.recorder = None
        else:
            self.sha256 = self._digest.hexdigest() if self.kept is None else self.kept.sha256
        self.close()

    def close(self) -> None:
        """Drop what is not finished; after the end there is nothing."""
        if self.recorder is not None:
            self.recorder.discard()
        if self.kept is not None:
            self.kept.file.close()


class _BackgroundDigests:
    """SHA-256 and MD5 of a stream, each computed in a thread of its own where there is much of it."""

    _MOST_WAITING = 4
    _SMALL = 1 << 17

    def __init__(self) -> None:
        self._digests = (hashlib.sha256(), hashlib.md5(usedforsecurity=False))
        self._threads: list[ThreadPoolExecutor] = []
        self._waiting: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        if not self._threads:
            if len(data) < self._SMALL:
                for digest in self._digests:
                    digest.update(data)
                return
            from concurrent.futures import ThreadPoolExecutor

            self._threads = [ThreadPoolExecutor(1, thread_name_prefix="digest") for _ in self._digests]
        while len(self._waiting) >= self._MOST_WAITING * len(self._digests):
            self._waiting.popleft().result()
        for thread, digest in zip(self._threads, self._digests, strict=True):
            self._waiting.append(thread.submit(digest.update, data))

    def finish(self) -> tuple[str, str]:
        """Wait for the threads, and return both digests."""
        for future in self._waiting:
            future.result()
        sha256, md5 = self._digests
        return sha256.hexdigest(), md5.hexdigest()

    def close(self) -> None:
        """Stop the threads."""
        for thread in self._threads:
            thread.shutdown(wait=True, cancel_futures=True)


class Packed(NamedTuple):
    """What an archive turned out to be."""

    size: int
    """In bytes."""
    sha256: str
    md5: str
    files: list[FileInfo]
    """In the order of the archive."""
    parts: list[PartInfo]
