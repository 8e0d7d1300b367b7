"""Whether an archive is what its manifest says, file by file: everything that is wrong, not the first thing alone."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import SBOM_NAME, SIGNATURE_NAME
from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.reading.integrity import compare_archive
from hatch_ytupload.releases.outgoing import read_sbom
from hatch_ytupload.releases.records import release_name
from hatch_ytupload.releases.signatures import read_signature, signer_of
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.answers.artifacts import Artifact
    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.releases.signatures import Signers


class Verification(NamedTuple):
    """What verifying found out."""

    shown: str
    size: int
    """Of the archive, in bytes."""
    file_count: int
    """How many files the archive holds; 0 if it cannot be read."""
    problems: tuple[str, ...]
    """One line each; none: the archive is sound."""
    signed_by: str | None
    """Who signed it; None: nobody, or nobody whose signature is asked for."""


def verify(artifact: Artifact, signers: Signers | None = None, *, progress: Progress = no_progress) -> Verification:
    """Compare an archive with everything that its manifest says about it.

    Args:
        artifact: which.
        signers: whose signatures count; None: nobody is asked.
        progress: called with how many bytes of how many have been read.

    Raises:
        ArtifactError: there is no archive, or no manifest to compare it with.
        SettingsError: signatures cannot be checked.
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
    problems = [*found.problems, *_wrong_scripts(artifact, manifest)]
    signed_by = None
    with _noted(problems):
        require_sbom(artifact, manifest)
    with _noted(problems):
        signed_by = signer(artifact, manifest, signers) if signers is not None else None
    return Verification(artifact.shown, found.digests.size, file_count, tuple(problems), signed_by)


@contextmanager
def _noted(problems: list[str]) -> Iterator[None]:
    """Add what is wrong to a list instead of stopping."""
    try:
        yield
    except ArtifactError as error:
        problems.append(str(error))


def require_signed(artifact: Artifact, signers: Signers) -> str | None:
    """Refuse what lies in a build folder unless somebody has signed it; return who did.

    A bundle that was not published has a signature only if somebody has put it there; then it has to count.

    Args:
        artifact: which.
        signers: whose signatures count.

    Returns:
        Who; None: it is a bundle without a signature.

    Raises:
        ArtifactError: nobody has, or its bill of materials is not what the manifest says. The archive is not read.
        SettingsError: signatures cannot be checked.
        BuildFolderError: it cannot be read.
    """
    if artifact.manifest is not None:
        require_sbom(artifact, artifact.manifest)
        return signer(artifact, artifact.manifest, signers)
    if artifact.is_published:
        raise ArtifactError(
            f"`{artifact.shown}` is no release, so nobody can have signed it, and `allowed_signers` is set; publish one"
        )
    return None


def signer(artifact: Artifact, manifest: Manifest, signers: Signers) -> str | None:
    """Return who signed a manifest; None: it is that of a bundle without a signature. Raises as `require_signed`."""
    with artifact.beside(SIGNATURE_NAME) as file:
        signature = None if file is None else read_signature(file, f"{artifact.shown}: {SIGNATURE_NAME}")
    if signature is None and not artifact.is_published:
        return None
    name = f"{manifest.project.name} {release_name(manifest)}"
    return signer_of(artifact.manifest_data, signature, signers, name)


def require_sbom(artifact: Artifact, manifest: Manifest) -> bytes | None:
    """Return the bill of materials; None: it does not lie beside an archive on disk.

    Raises:
        ArtifactError: it is not what the manifest says.
        BuildFolderError: it cannot be read.
    """
    with artifact.beside(SBOM_NAME) as file:
        if file is not None:
            return read_sbom(file, manifest, SBOM_NAME)
    if artifact.is_published:
        raise ArtifactError(f"`{artifact.shown}` has no `{SBOM_NAME}`; publish it again")
    return None


def _wrong_scripts(artifact: Artifact, manifest: Manifest) -> list[str]:
    """Compare the wrapper scripts that lie beside an archive on disk."""
    problems = []
    for file in manifest.files:
        if artifact.directory is None or "/" in file.path or not file.path.endswith(".sh"):
            continue
        place = os.path.join(artifact.directory, as_system_spells(file.path))
        try:
            with open(place, "rb") as script:
                content = script.read(file.size + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(cannot("read", place, error))
            continue
        if hashlib.sha256(content).hexdigest() != file.sha256:
            problems.append(f"`{one_line(file.path)}` beside the archive is not the one that the manifest says")
    return problems
