"""Whether an archive is, byte by byte and member by member, what its manifest says."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archives.reading import Contents, read_contents
from hatch_ytupload.errors import ArtifactError, one_line

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import Reader
    from hatch_ytupload.packing.manifest import Manifest

_CHUNK = 1 << 20
# What headers and padding may add to the files, for each of them and once.
_OVERHEAD = 64 << 10


class Digests(NamedTuple):
    """Of a file's bytes."""

    sha256: str
    md5: str


class FileReader:
    """A file on disk.

    Args:
        descriptor: of the file; it stays the caller's.
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
        archive: its bytes, which are read by two threads at a time.
        manifest: what they should be.
        name: how messages call the archive.

    Raises:
        ArtifactError: something differs.
        OSError: the archive cannot be read.
    """
    shown = f"`{one_line(name)}`"
    said = manifest.archive
    if archive.size != said.size:
        raise ArtifactError(f"{shown} has {archive.size} bytes, and its manifest says {said.size}; build again")
    # Hashing and decompressing leave the interpreter to each other.
    with ThreadPoolExecutor(1, thread_name_prefix="digests") as pool:
        digests = pool.submit(digests_of, archive)
        # Not more than the manifest announces, whatever the archive may unpack to.
        limit = sum(max(file.size, 0) + _OVERHEAD for file in manifest.files) + _OVERHEAD
        contents = read_contents(archive, name, limit=limit)
        if digests.result() != Digests(said.sha256, said.md5):
            raise ArtifactError(f"{shown} is not what its manifest says: its digests are others; build again")
    if contents != Contents(manifest.files, manifest.content_sha256):
        raise ArtifactError(f"{shown} is not what its manifest says: {_difference(contents, manifest)}; build again")


def digests_of(archive: Reader) -> Digests:
    """Read a file once and return its digests."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    offset = 0
    while block := archive.read(offset, _CHUNK):
        sha256.update(block)
        md5.update(block)
        offset += len(block)
    return Digests(sha256.hexdigest(), md5.hexdigest())


def _difference(contents: Contents, manifest: Manifest) -> str:
    for found, said in zip(contents.files, manifest.files, strict=False):
        if found != said:
            return f"it holds another `{one_line(found.path)}`"
    if len(contents.files) != len(manifest.files):
        return f"it holds {len(contents.files)} files instead of {len(manifest.files)}"
    return f"the SHA-256 of its content is {contents.content_sha256}"
