"""Whether an archive is, byte by byte and member by member, what its manifest says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hatch_ytupload.byte_reader import DigestingReader, Digests
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.reading.contents import Contents, read_contents
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.byte_reader import Reader
    from hatch_ytupload.packing.manifest import Manifest

# What headers and padding may add to the files, for each of them and once.
_OVERHEAD = 64 << 10


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
        digests = pool.submit(DigestingReader(archive).digests)
        # Not more than the manifest announces, whatever the archive may unpack to.
        limit = sum(max(file.size, 0) + _OVERHEAD for file in manifest.files) + _OVERHEAD
        contents = read_contents(archive, name, limit=limit)
        if digests.result() != Digests(said.size, said.sha256, said.md5):
            raise ArtifactError(f"{shown} is not what its manifest says: its digests are others; build again")
    if contents != Contents(manifest.files, manifest.content_sha256):
        raise ArtifactError(f"{shown} is not what its manifest says: {_difference(contents, manifest)}; build again")


def _difference(contents: Contents, manifest: Manifest) -> str:
    for found, said in zip(contents.files, manifest.files, strict=False):
        if found != said:
            return f"it holds another `{one_line(found.path)}`"
    if len(contents.files) != len(manifest.files):
        return f"it holds {len(contents.files)} files instead of {len(manifest.files)}"
    return f"the SHA-256 of its content is {contents.content_sha256}"
