"""Whether an archive is, byte by byte and member by member, what its manifest says."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, NamedTuple

from hatch_ytupload.errors import ArtifactError, one_line
from hatch_ytupload.manifest import FileInfo

if TYPE_CHECKING:
    from hatch_ytupload.build_folder import Reader
    from hatch_ytupload.manifest import Manifest

_CHUNK = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
# Empty blocks that may follow the last member; more would be a way to fill memory or disk.
_MOST_PADDING = 1 << 20


class Digests(NamedTuple):
    """Of a file's bytes."""

    size: int
    sha256: str
    md5: str


class FileReader:
    """A file on disk, by its descriptor.

    Args:
        descriptor: stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the content."""
        return os.pread(self._descriptor, length, offset)


def check_archive(archive: Reader, manifest: Manifest, name: str) -> None:
    """Compare everything that a manifest says about its archive.

    Args:
        archive: its bytes, readable from two threads at a time.
        manifest: what they should be.
        name: how messages call the archive.

    Raises:
        ArtifactError: something differs.
        OSError: the archive cannot be read.
    """
    shown = one_line(name)
    said = manifest.archive
    if archive.size != said.size:
        raise ArtifactError(f"`{shown}` has {archive.size} bytes, its manifest says {said.size}; build again")
    if sum(part.size for part in manifest.parts) > said.size:
        raise ArtifactError(f"the parts in the manifest of `{shown}` are larger than it; build again")
    # Digests and decompression let each other run.
    with ThreadPoolExecutor(1, thread_name_prefix="digests") as pool:
        digests = pool.submit(digests_of, archive)
        problem = ""
        try:
            _compare_content(archive, manifest)
        except _DifferentError as error:
            problem = str(error)
        except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
            problem = f"is damaged: {one_line(error)}"
        found = digests.result()
    if found.sha256 != said.sha256 or found.md5 != said.md5:
        problem = f"is not what its manifest says: its SHA-256 is {found.sha256}"
    if problem:
        raise ArtifactError(f"`{shown}` {problem}; build again")


def digests_of(archive: Reader) -> Digests:
    """Read a file once and return its digests."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    offset = 0
    while block := archive.read(offset, _CHUNK):
        sha256.update(block)
        md5.update(block)
        offset += len(block)
    return Digests(offset, sha256.hexdigest(), md5.hexdigest())


class _Unpacked(io.BufferedIOBase):
    """The uncompressed content as a file that can be read once, with its digest."""

    def __init__(self, archive: Reader) -> None:
        self._archive = archive
        self._offset = 0
        self._packed = b""
        self._unpack = zlib.decompressobj(_GZIP)
        self._within_member = False
        self.sha256 = hashlib.sha256()

    def read(self, size: int | None = None, /) -> bytes:
        """Return at most so many bytes, none at the end."""
        data = b""
        while not data:
            if not self._packed:
                self._packed = self._archive.read(self._offset, _CHUNK)
                self._offset += len(self._packed)
                if not self._packed:
                    if self._within_member:
                        raise EOFError("it ends too early")
                    return b""
            self._within_member = True
            data = self._unpack.decompress(self._packed, size or _CHUNK)
            self._packed = self._unpack.unconsumed_tail
            if self._unpack.eof:
                self._packed, self._unpack = self._unpack.unused_data, zlib.decompressobj(_GZIP)
                self._within_member = False
        self.sha256.update(data)
        return data


class _DifferentError(Exception):
    """The content is not what the manifest says; `str()` continues a sentence that began with the archive's name."""


def _compare_content(archive: Reader, manifest: Manifest) -> None:
    unpacked = _Unpacked(archive)
    expected = iter(manifest.files)
    with tarfile.open(fileobj=unpacked, mode="r|", bufsize=_CHUNK, encoding="utf-8", errors="strict") as tar:
        for member in tar:
            _compare_member(member, tar.extractfile(member) if member.isreg() else None, next(expected, None))
    missing = next(expected, None)
    if missing is not None:
        raise _DifferentError(f"does not hold `{one_line(missing.path)}`")
    padding = 0
    while block := unpacked.read(_CHUNK):
        padding += len(block)
        if padding > _MOST_PADDING:
            raise _DifferentError("goes on after its end")
    digest = unpacked.sha256.hexdigest()
    if digest != manifest.content_sha256:
        raise _DifferentError(f"is not what its manifest says: the SHA-256 of its content is {digest}")


def _compare_member(member: tarfile.TarInfo, file: IO[bytes] | None, said: FileInfo | None) -> None:
    shown = f"`{one_line(member.name)}`"
    if file is None:
        raise _DifferentError(f"holds {shown}, which is no file")
    # Before it is read: what the manifest does not announce could be of any size.
    if said is None or (member.name, member.size) != (said.path, said.size):
        raise _DifferentError(f"holds {shown}, which is not what its manifest says")
    digest = hashlib.sha256()
    while block := file.read(_CHUNK):
        digest.update(block)
    if FileInfo(member.name, member.size, f"{member.mode:o}", digest.hexdigest()) != said:
        raise _DifferentError(f"holds another {shown} than its manifest says")
