"""Releases that somebody has signed: whether what lies in a build folder is what was signed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME, SBOM_NAME, SIGNATURE_NAME
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.releases.outgoing import read_sbom
from hatch_ytupload.releases.records import archive_of, directory_of, manifest_of, read_manifest
from hatch_ytupload.releases.signatures import read_signature, sign, signer_of, signing_key_of

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder, Look
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.releases.conditions import Conditions
    from hatch_ytupload.releases.outgoing import Outgoing
    from hatch_ytupload.releases.records import Record
    from hatch_ytupload.releases.signatures import Signers


def sign_outgoing(outgoing: Outgoing, conditions: Conditions) -> Outgoing:
    """Return what is to be published with its signature, and see that it counts where it goes.

    A bundle is signed by whoever publishes it. A release that is promoted keeps the signature that it has; one is added
    where there is none and none is asked for.

    Args:
        outgoing: what.
        conditions: of the folder that it goes to.

    Raises:
        ArtifactError: nobody whose signature counts there has signed it.
        SettingsError: it cannot be signed with the key of the settings, or OpenSSH is not here.
    """
    manifest = outgoing.beside[MANIFEST_NAME]
    signature = outgoing.beside.get(SIGNATURE_NAME)
    name = f"{outgoing.manifest.project.name} {outgoing.release}"
    is_kept = outgoing.promoted_from is not None and (signature is not None or conditions.signers is not None)
    if conditions.signing_key is not None and not is_kept:
        signature = sign(manifest, conditions.signing_key)
    signed_by = outgoing.signed_by
    if conditions.signers is not None:
        signed_by = signer_of(manifest, signature, conditions.signers, name)
    elif signature is not None and not is_kept:
        signed_by = signing_key_of(manifest, signature, name)
    if signature is None:
        return outgoing
    return replace(outgoing, beside={**outgoing.beside, SIGNATURE_NAME: signature}, signed_by=signed_by)


def require_signed(look: Look, folder: BuildFolder, record: Record, signers: Signers) -> str:
    """Refuse a release that is not, whole, what somebody has signed; return who did.

    Args:
        look: the folder, or a change of it.
        folder: for messages.
        record: of the release; it proves nothing, for whoever writes there can write it, too.
        signers: whose signatures count.

    Raises:
        ArtifactError: it is not.
        SettingsError: the files of signers, or OpenSSH, are not here.
        BuildFolderError: it cannot be read.
    """
    (files,) = look.look(directory_of(record.release))
    manifest, beside = read_beside(look, folder, record)
    name = folder.path(manifest_of(record.release))
    who = signer_of(beside[MANIFEST_NAME], beside.get(SIGNATURE_NAME), signers, name)
    archive = (files or {}).get(ARCHIVE_NAME)
    if archive is None or (archive.size, archive.md5()) != (manifest.archive.size, manifest.archive.md5):
        place = folder.path(archive_of(record.release))
        raise ArtifactError(f"`{place}` is not what `{who}` has signed; publish it again, or use another release")
    return who


def read_beside(look: Look, folder: BuildFolder, record: Record) -> tuple[Manifest, dict[str, bytes]]:
    """Read what lies beside the archive of a release, by name: manifest, bill of materials, signature if there is one.

    Args:
        look: the folder, or a change of it.
        folder: for messages.
        record: of the release.

    Raises:
        ArtifactError: manifest or bill of materials is not that of the release, or what should be a signature is none.
        BuildFolderError: it cannot be read.
    """
    (files,) = look.look(directory_of(record.release))
    manifest, data = read_manifest(look, folder, record)
    beside = {MANIFEST_NAME: data}
    for name in (SBOM_NAME, SIGNATURE_NAME):
        path = f"{directory_of(record.release)}/{name}"
        shown = folder.path(path)
        if name in (files or {}):
            with look.open(path) as file:
                is_sbom = name == SBOM_NAME
                beside[name] = read_sbom(file, manifest, shown) if is_sbom else read_signature(file, shown)
        elif name == SBOM_NAME:
            raise ArtifactError(f"there is no `{shown}`; publish the release again, or use another")
    return manifest, beside
