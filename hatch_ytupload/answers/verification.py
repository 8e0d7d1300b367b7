"""Whether an archive is what its manifest says, file by file: everything that is wrong, not the first thing alone."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.answers.differences import compare_files
from hatch_ytupload.byte_reader import DigestingReader, blocks, no_progress, sha256_of
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.reading.contents import places, read_contents
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.answers.artifacts import Artifact
    from hatch_ytupload.answers.differences import FileChange
    from hatch_ytupload.byte_reader import Digests, Progress, Reader
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.reading.contents import Contents


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
    if artifact.open is None:
        raise ArtifactError(f"`{artifact.shown}` has no archive beside it; build again")
    if manifest is None:
        raise ArtifactError(
            f"`{artifact.shown}` has no manifest to compare it with; `hatch-ytupload diff` compares it with another "
            "archive"
        )
    with artifact.open() as archive:
        watched = DigestingReader(archive)
        contents: Contents | None = None
        damage = []
        try:
            contents = read_contents(watched, artifact.shown, progress=progress)
        except ArtifactError as error:
            damage.append(str(error))
        digests = watched.digests()
        problems = [*_wrong_bytes(manifest, digests, artifact.stored_md5()), *damage]
        problems += _wrong_parts(archive, manifest) if problems else []
    if contents is not None:
        problems += [_wrong_file(change) for change in compare_files(manifest.files, contents.files)]
        problems += _wrong_content(manifest, contents)
    problems += _wrong_scripts(artifact, manifest)
    return Verification(artifact.shown, digests.size, len(contents.files) if contents else 0, tuple(problems))


def _wrong_bytes(manifest: Manifest, found: Digests, stored_md5: str | None) -> list[str]:
    """Compare size and digests of the archive."""
    said = manifest.archive
    pairs = [
        ("size in bytes", str(said.size), str(found.size)),
        ("SHA-256", said.sha256, found.sha256),
        ("MD5", said.md5, found.md5),
    ]
    problems = [
        f"the {name} of the archive is {value}, its manifest says {one_line(expected)}"
        for name, expected, value in pairs
        if expected != value
    ]
    if stored_md5 is not None and stored_md5 != found.md5:
        problems.append(f"the build folder gives the MD5 {one_line(stored_md5)}, and the bytes have {found.md5}")
    return problems


def _wrong_parts(archive: Reader, manifest: Manifest) -> list[str]:
    """Say which parts are not what was packed, to tell where in an archive the damage is."""
    problems = []
    for place in places(manifest) or ():
        end = place.start + place.part.size
        if sha256_of(blocks(archive, place.start, end)) != place.part.sha256:
            where = f"bytes {place.start} to {end}"
            problems.append(f"the damage is in the part `{one_line(place.part.name)}`, {where}")
    return problems


def _wrong_file(change: FileChange) -> str:
    shown = f"`{one_line(change.path)}`"
    said, found = change.old, change.new
    if said is None:
        return f"{shown} is in the archive, and not in the manifest"
    if found is None:
        return f"{shown} is missing in the archive"
    if said.size != found.size:
        return f"{shown} has {found.size} bytes, the manifest says {said.size}"
    if said.sha256 != found.sha256:
        return f"{shown} has another content than the manifest says (SHA-256 {found.sha256})"
    return f"{shown} has the mode {found.mode}, the manifest says {one_line(said.mode)}"


def _wrong_content(manifest: Manifest, contents: Contents) -> list[str]:
    problems = []
    said, found = [file.path for file in manifest.files], [file.path for file in contents.files]
    if said != found and sorted(said) == sorted(found):
        problems.append("the files are in another order than the manifest says")
    if manifest.content_sha256 != contents.content_sha256:
        problems.append(
            f"the SHA-256 of the content is {contents.content_sha256}, "
            f"the manifest says {one_line(manifest.content_sha256)}"
        )
    return problems


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
