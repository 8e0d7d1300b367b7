"""A copy of an archive for a while, on this machine's disk, whatever becomes of the archive itself meanwhile."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archives.archive_check import FileReader
from hatch_ytupload.errors import ArtifactError, one_line
from hatch_ytupload.planning.wrappers import ARCHIVE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.archives.artifacts import Artifact
    from hatch_ytupload.archives.unpacking import Progress

_CHUNK = 4 << 20


class ArchiveCopy(NamedTuple):
    """An archive on this machine's disk."""

    path: str
    shown: str
    """How messages call the archive that was copied, on one line."""

    @contextmanager
    def reader(self) -> Iterator[FileReader]:
        """Open it for reading."""
        with open(self.path, "rb") as file:
            yield FileReader(file.fileno())


@contextmanager
def copy_of(artifact: Artifact, *, progress: Progress) -> Iterator[ArchiveCopy]:
    """Copy an archive, and remove the copy afterwards.

    Args:
        artifact: the archive.
        progress: is told how many bytes of how many have been copied.

    Raises:
        ArtifactError: there is a manifest alone, or the archive cannot be copied.
        BuildFolderError: it cannot be read.
    """
    if artifact.open is None:
        raise ArtifactError(f"`{artifact.shown}` has no `{ARCHIVE_NAME}` beside it; build it first")
    with tempfile.TemporaryDirectory(prefix="hatch-ytupload-") as directory:
        path = os.path.join(directory, ARCHIVE_NAME)
        try:
            with artifact.open() as reader, open(path, "wb") as file:
                offset = 0
                while offset < reader.size:
                    data = reader.read(offset, min(_CHUNK, reader.size - offset))
                    if not data:
                        raise ArtifactError(f"`{artifact.shown}` ends after {offset} of {reader.size} bytes")
                    file.write(data)
                    offset += len(data)
                    progress(offset, reader.size)
        except OSError as error:
            reason = error.strerror or error
            raise ArtifactError(f"cannot copy `{artifact.shown}`: {one_line(reason)}") from None
        yield ArchiveCopy(path, artifact.shown)
