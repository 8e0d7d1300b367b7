"""The wrapper scripts that an archive holds, so that those beside it are always its own."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_ytupload.archives.reading import read_files
from hatch_ytupload.errors import ArtifactError, one_line
from hatch_ytupload.planning.targets import WRAPPERS

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import Reader
    from hatch_ytupload.packing.manifest import Manifest


def read_wrappers(archive: Reader, manifest: Manifest, name: str) -> dict[str, bytes]:
    """Return the wrapper scripts of an archive by name; only the part of it that holds them is read.

    Args:
        archive: its bytes.
        manifest: of that archive.
        name: how messages call it.

    Raises:
        ArtifactError: they are not there, or not what the manifest says.
    """
    wanted = {file.path: file.sha256 for file in manifest.files if is_wrapper(file.path)}
    found = read_files(archive, manifest, wanted, name)
    for path, digest in wanted.items():
        if hashlib.sha256(found.get(path, b"")).hexdigest() != digest:
            raise ArtifactError(f"`{path}` in `{one_line(name)}` is not what the manifest says")
    return found


def is_wrapper(path: str) -> bool:
    """Tell whether a path is the name of a wrapper script, and safe to become a node's."""
    return fnmatchcase(path, WRAPPERS) and "/" not in path and path.isprintable()
