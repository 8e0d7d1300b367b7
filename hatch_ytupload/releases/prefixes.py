"""What the archives of a build folder have in common: their beginnings, kept so that a publish sends only the rest.

A prefix is all that stands before the first stage of an archive: wheels, modules, paths. It lies in the build folder
under the SHA-256 of its bytes, for as long as a kept release begins with it. Its name is never believed: what counts is
its size and MD5 as the build folder computed them, and those of the whole in the end.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import STAGES
from hatch_ytupload.build_folders.build_folder import FILE, Base, Content
from hatch_ytupload.details import detail
from hatch_ytupload.reading.contents import places
from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatch_ytupload.build_folders.build_folder import Node
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.releases.records import Record

PREFIXES = "prefixes"
"""The directory of the prefixes."""

SMALLEST = 1 << 20
"""In bytes; a shorter prefix is sent faster than it is looked for."""


_SHA256 = re.compile(r"[0-9a-f]{64}")


class Prefix(NamedTuple):
    """The beginning of an archive."""

    size: int
    """In bytes."""
    sha256: str
    md5: str

    @property
    def base(self) -> Base:
        """Where it lies in a build folder."""
        return Base(f"{PREFIXES}/{self.sha256}", self.size, self.md5)


class Prefixes:
    """The prefixes of a build folder at one moment.

    Args:
        listing: of their directory; None: there is none.
    """

    def __init__(self, listing: Mapping[str, Node] | None) -> None:
        self._listing = listing or {}

    def base(self, prefix: Prefix) -> Base | str:
        """Return what an archive with this beginning can be made from, or why it has to be sent whole."""
        node = self._listing.get(prefix.sha256)
        if node is None:
            return f"no prefix {prefix.sha256} is kept"
        if node.kind != FILE or node.size != prefix.size or node.md5() != prefix.md5:
            return f"the prefix {prefix.sha256} is not what its name says"
        return prefix.base

    def unused(self, kept: Iterable[Record]) -> list[str]:
        """Return the paths of those that no kept release begins with."""
        used = {record.prefix for record in kept}
        # What others may have put there stays.
        ours = (name for name, node in self._listing.items() if node.kind == FILE and _SHA256.fullmatch(name))
        return [f"{PREFIXES}/{name}" for name in ours if name not in used]


def prefix_of(manifest: Manifest, archive: Content) -> Prefix | None:
    """Read the beginning of an archive; None where it is too short, or where the archive is not sent at all.

    Args:
        manifest: of the archive.
        archive: its bytes.

    Raises:
        ArtifactError: it cannot be read.
        BuildFolderError: likewise.
    """
    starts = (place.start for place in places(manifest) or () if place.part.name.startswith(f"{STAGES}/"))
    size = next(starts, 0)
    if archive.node is not None:
        return None
    if size < SMALLEST:
        detail("only %s come before the first stage: the archive is sent whole", megabytes(size))
        return None
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for block in _first(archive.blocks(0), size):
        sha256.update(block)
        md5.update(block)
    return Prefix(size, sha256.hexdigest(), md5.hexdigest())


def beginning(content: Content, prefix: Prefix) -> Content:
    """Return the prefix of a content as a content of its own."""
    return Content(prefix.size, prefix.md5, lambda start: _first(content.blocks(start), prefix.size - start))


def _first(blocks: Iterator[bytes], size: int) -> Iterator[bytes]:
    left = size
    for block in blocks:
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return
