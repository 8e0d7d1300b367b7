"""The wrapper scripts that an archive holds, read out of it without reading all of it."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.targets import WRAPPERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.build_folder import Reader
    from hatch_ytupload.manifest import Manifest

_CHUNK = 4 << 20
# Many times what thousands of operations need; a hostile archive could unpack to anything.
_MOST_CONTENT = 64 << 20
_GZIP = 16 + zlib.MAX_WBITS


def read_wrappers(archive: Reader, manifest: Manifest) -> dict[str, bytes]:
    """Return the wrapper scripts of an archive by name.

    Args:
        archive: the archive.
        manifest: of that archive; its `parts` say where in the archive the scripts are.

    Raises:
        ArtifactError: they are not there, or not what the manifest says.
        BuildFolderError: the archive cannot be read.
    """
    wanted = {file.path: file.sha256 for file in manifest.files if "/" not in file.path and _is_wrapper(file.path)}
    found: dict[str, bytes] = {}
    try:
        for offset, size in _ranges(manifest):
            with tarfile.open(fileobj=io.BytesIO(_unpacked(archive, offset, size)), mode="r:") as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.name in wanted else None
                    if file is not None:
                        found[member.name] = file.read()
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise ArtifactError(f"the wrapper scripts in the archive cannot be read: {error}; build again") from None
    for name, digest in wanted.items():
        if hashlib.sha256(found.get(name, b"")).hexdigest() != digest:
            raise ArtifactError(f"`{name}` in the archive is not what the manifest says; build again")
    return found


def _is_wrapper(name: str) -> bool:
    return fnmatchcase(name, WRAPPERS) and name.isprintable()


def _ranges(manifest: Manifest) -> Iterator[tuple[int, int]]:
    """Tell where the scripts are: whole gzip members, by offset and size in bytes."""
    if not manifest.parts:
        yield 0, manifest.archive.size
    offset = 0
    for part in manifest.parts:
        if part.name == WRAPPERS:
            yield offset, part.size
        offset += part.size


def _unpacked(archive: Reader, offset: int, size: int) -> bytes:
    """Return what gzip members hold."""
    content = io.BytesIO()
    unpack = zlib.decompressobj(_GZIP)
    end = min(offset + size, archive.size)
    while offset < end:
        data = archive.read(offset, min(_CHUNK, end - offset))
        offset += len(data)
        if not data:
            raise EOFError("it ends too early")
        while data:
            content.write(unpack.decompress(data, _MOST_CONTENT - content.tell() + 1))
            if content.tell() > _MOST_CONTENT:
                raise EOFError(f"they have more than {_MOST_CONTENT >> 20} MiB")
            data = unpack.unconsumed_tail
            if unpack.eof:
                data, unpack = unpack.unused_data, zlib.decompressobj(_GZIP)
    return content.getvalue()
