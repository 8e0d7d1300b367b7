"""Whether an archive is what its manifest says, file by file: everything that is wrong, not the first thing alone."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.reading.integrity import compare_archive
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.answers.artifacts import Artifact
    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.packing.manifest import Manifest


class Verification(NamedTuple):
    """What verifying found out."""

    shown: str
    size: int
    """Of the archive, in bytes."""
    file_count: int
    """How many files the archive holds; 0 if it cannot be read."""
    problems: tuple[str, ...]
    """One line each; none: the archive is sound."""


def verify(artifact: Artifact, *, progress: Progress = no_progress) -> Verification:
    """Compare an archive with everything that its manifest says about it.

    Args:
        artifact: which.
        progress: is told how many bytes of how many have been read.

    Raises:
        ArtifactError: there is no archive, or no manifest to compare it with.
        BuildFolderError: it cannot be read.
    """
    manifest = artifact.manifest
    with artifact.opened() as archive:
        if manifest is None:
            raise ArtifactError(
                f"`{artifact.shown}` has no manifest to compare it with; `hatch-ytupload diff` compares it with "
                "another archive"
            )
        found = compare_archive(archive, manifest, artifact.shown, stored_md5=artifact.stored_md5(), progress=progress)
    file_count = len(found.contents.files) if found.contents is not None else 0
    problems = (*found.problems, *_wrong_scripts(artifact, manifest))
    return Verification(artifact.shown, found.digests.size, file_count, problems)


def _wrong_scripts(artifact: Artifact, manifest: Manifest) -> list[str]:
    """Compare the wrapper scripts that lie beside an archive on disk."""
    problems = []
    for file in manifest.files:
        if artifact.directory is None or "/" in file.path or not file.path.endswith(".sh"):
            continue
        place = os.path.join(artifact.directory, file.path)
        try:
            with open(place, "rb") as script:
                content = script.read(file.size + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"cannot read `{one_line(place)}`: {error.strerror}")
            continue
        if hashlib.sha256(content).hexdigest() != file.sha256:
            problems.append(f"`{one_line(file.path)}` beside the archive is not the one that the manifest says")
    return problems
