"""Reading archives, ours and foreign ones: all of it, one part, or some files; nothing is ever extracted.

Each part of an archive is a run of whole gzip members, whose place follows from the manifest's `parts`. So a part is
read by itself, which is what makes looking into a remote archive cheap.
"""

from __future__ import annotations

import hashlib
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import LARGEST_FILE, FileReader, no_progress, opened, sha256_of
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.packing import tar_format
from hatch_ytupload.packing.manifest import FileInfo, content_digest
from hatch_ytupload.reading.gzip_members import LIMIT, Unpacked
from hatch_ytupload.reading.tar_members import Members
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hatch_ytupload.byte_reader import Progress, Reader
    from hatch_ytupload.packing.manifest import Manifest, PartInfo
    from hatch_ytupload.reading.tar_members import Member


# Of what is kept of an archive, so much stays in memory.
_IN_MEMORY = 32 << 20
_SMALL_FILE = 1 << 20


class KeptFiles:
    """Files of an archive that may be asked for later: in memory while they are few, on disk beyond that."""

    def __init__(self) -> None:
        from tempfile import SpooledTemporaryFile

        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it is there as long as this object
        weakref.finalize(self, self._file.close)
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._has_rest = False

    def keep(self, path: str, chunks: Iterable[bytes]) -> None:
        """Keep the content of a file."""
        start = self._end
        self._file.seek(start)
        for chunk in chunks:
            self._file.write(chunk)
            self._end += len(chunk)
        self._places[path] = start, self._end - start

    def __contains__(self, path: str) -> bool:
        return path in self._places

    def get_any(self, archive: Reader, path: str, name: str, *, progress: Progress = no_progress) -> bytes:
        """Return the content of a file, kept or not; nothing of one that is too large.

        All small files are kept the first time: whatever refers to one often refers to more.

        Args:
            archive: the bytes of the archive.
            path: of the file in it.
            name: of the archive, for messages.
            progress: called with how many bytes of how many have been read.

        Raises:
            ArtifactError: the archive is damaged.
        """
        if path not in self and not self._has_rest:
            self._has_rest = True
            for member, chunks in read_members(archive, name, progress=progress):
                if member.path not in self and member.size <= _SMALL_FILE:
                    self.keep(member.path, chunks)
        if path not in self:
            self.keep(path, [read_files(archive, None, [path], name, progress=progress).get(path, b"")])
        return self.get(path) or b""

    def get(self, path: str) -> bytes | None:
        """Return the content of a file; None: it was not kept."""
        if path not in self._places:
            return None
        start, size = self._places[path]
        self._file.seek(start)
        return self._file.read(size)


class Contents(NamedTuple):
    """What reading a whole archive finds out."""

    files: tuple[FileInfo, ...]
    content_sha256: str


class Place(NamedTuple):
    """Where the compressed bytes of a part are."""

    part: PartInfo
    start: int
    files: tuple[FileInfo, ...]


def read_members(
    archive: Reader, name: str, *, limit: int = LIMIT, progress: Progress = no_progress
) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield the header of every file and the chunks of its content, in the order of the archive.

    Args:
        archive: its bytes.
        name: of it, for messages.
        limit: the most that it may unpack to, in bytes.
        progress: called with how many bytes of how many have been read.

    Raises:
        ArtifactError: it is damaged, or holds what no archive of code does.
    """
    return iter(Members(Unpacked(archive, name, limit=limit, progress=progress)))


def read_contents(archive: Reader, name: str, *, limit: int = LIMIT, progress: Progress = no_progress) -> Contents:
    """Read a whole archive and return what a manifest says about it. The arguments are those of `read_members`.

    Raises:
        ArtifactError: it is damaged, or holds what no archive of code does.
    """
    members = read_members(archive, name, limit=limit, progress=progress)
    files = tuple(described(member, chunks) for member, chunks in members)
    return Contents(files, content_digest(files))


def described(member: Member, chunks: Iterator[bytes]) -> FileInfo:
    """Read a member, and return what a manifest says about it."""
    return FileInfo(member.path, member.size, f"{member.mode:o}", sha256_of(chunks))


def places(manifest: Manifest) -> list[Place] | None:
    """Tell where each part is and which files it holds; None if the manifest does not say so."""
    found = []
    files = iter(manifest.files)
    start = 0
    for part in manifest.parts:
        held: list[FileInfo] = []
        left = part.content_size
        while left > 0 and (file := next(files, None)) is not None:
            held.append(file)
            left -= _size_in_tar(file)
        if left or part.size < 0:
            return None
        found.append(Place(part, start, tuple(held)))
        start += part.size
    if not found or next(files, None) is not None or start > manifest.archive.size:
        return None
    return found


def read_files(
    archive: Reader, manifest: Manifest | None, wanted: Collection[str], name: str, *, progress: Progress = no_progress
) -> dict[str, bytes]:
    """Return the content of some files by path; those that are not there, or too large, are left out.

    Args:
        archive: its bytes; only the parts that hold these files are read.
        manifest: of that archive; None: all of it is read.
        wanted: paths in the archive.
        name: of the archive, for messages.
        progress: called with how many bytes of how many have been read.

    Raises:
        ArtifactError: the archive is damaged, or not what its manifest says.
    """
    known = places(manifest) if manifest is not None else None
    if known is None:
        return _selected(read_members(archive, name, progress=progress), wanted)
    found: dict[str, bytes] = {}
    for place in known:
        here = {file.path: file.sha256 for file in place.files if file.path in wanted}
        if not here:
            continue
        part = place.part
        stream = Unpacked(archive, name, start=place.start, size=part.size, limit=part.content_size, progress=progress)
        read = _selected(iter(Members(stream, whole=False)), here)
        for path, data in read.items():
            if hashlib.sha256(data).hexdigest() != here[path]:
                raise ArtifactError(f"`{one_line(path)}` in `{one_line(name)}` is not what the manifest says")
        found.update(read)
    return found


def _selected(members: Iterator[tuple[Member, Iterator[bytes]]], wanted: Collection[str]) -> dict[str, bytes]:
    return {
        member.path: b"".join(chunks)
        for member, chunks in members
        if member.path in wanted and member.size <= LARGEST_FILE
    }


def _size_in_tar(file: FileInfo) -> int:
    """Return how many bytes a file takes in the tar stream, as we write it."""
    size = max(file.size, 0)
    return len(tar_format.member_header(file.path.encode(), size, 0, 0)) + size + -size % tar_format.BLOCK


class ArchiveCopy(NamedTuple):
    """An archive on this machine's disk."""

    path: str
    shown: str
    """The name in messages of the archive that was copied, on one line."""

    @contextmanager
    def reader(self) -> Iterator[FileReader]:
        """Open it for reading."""
        with opened(self.path) as reader:
            yield reader
