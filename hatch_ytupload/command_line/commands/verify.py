"""`hatch-ytupload verify`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.answers.second_build import BYTES, CONTENT, NEITHER, Agreement, build_again
from hatch_ytupload.command_line.completion import archives
from hatch_ytupload.command_line.flags import archive_or_current, destination_flags, whereabouts
from hatch_ytupload.output.layout import wrapped
from hatch_ytupload.output.releases import origin_text, published_by
from hatch_ytupload.wording import counted

if TYPE_CHECKING:
    from hatch_ytupload.answers.verification import Verification
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("archive", required=False, shell_complete=archives)
@click.option("--rebuild", is_flag=True, help="Build again from the sources, and compare.")
@destination_flags
@click.pass_obj
def command(console: Console, /, archive: str | None, *, rebuild: bool, **flags: object) -> None:
    r"""Compare an archive with its manifest, file by file, and tell who signed it where `allowed_signers` is set.

    ARCHIVE is the path of an archive, of a bundle's directory or of a manifest; a `//path` of an archive or a build
    folder; the name of a release; or `current`. Without it, the bundle of the project's current version; outside of a
    project, or with `--build-folder`, the current release.

    With --rebuild, the pipeline is built once more, in a temporary directory and without a cache: are all bytes the
    same, the content alone, or neither? What does not agree ends the command with status 1; other bytes of the same
    content do not.

    \b
    Example:
      hatch-ytupload verify
      hatch-ytupload verify --rebuild current
    """
    from hatch_ytupload.answers.artifacts import find_artifact
    from hatch_ytupload.answers.verification import verify

    places = whereabouts(console, flags)
    artifact = find_artifact(archive_or_current(console, archive, flags), places)
    signers = places.signers()
    with console.progress() as progress:
        found = verify(artifact, signers, progress=progress)
    data, text = verification_data(found), verification_text(found)
    data |= published_by(artifact.record)
    if artifact.record is not None and not found.problems:
        text += f"\npublished {origin_text(artifact.record)}"
    if signers is not None and not found.problems:
        text += f"\nsigned by {found.signed_by}" if found.signed_by else "\nnot signed yet: a publish does that"
    if found.problems:
        console.error(*found.problems)
    agrees = True
    if rebuild and not found.problems:
        project = console.project()
        settings = console.settings(flags)
        with console.progress() as progress:
            agreement = build_again(artifact, project, settings, progress=progress)
        data["rebuild"] = agreement_data(agreement)
        text = f"{text}\n{agreement_text(agreement)}"
        agrees = agreement.agrees != NEITHER
    console.result(data, text)
    if found.problems or not agrees:
        sys.exit(1)


def verification_text(found: Verification) -> str:
    """Say what was found out in a line; the problems are errors, and stand elsewhere."""
    if found.problems:
        return ""
    return f"{found.shown} is what its manifest says: {counted(found.file_count, 'file')}, {found.size} bytes"


def verification_data(found: Verification) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "archive": found.shown,
        "sound": not found.problems,
        "size": found.size,
        "file_count": found.file_count,
        "problems": list(found.problems),
        "signed_by": found.signed_by,
    }


def agreement_text(found: Agreement) -> str:
    """Say in a line or two what agrees."""
    if found.agrees == BYTES:
        return "built again: the same bytes"
    number = found.files_differing
    what = (
        "built again: the same content in other bytes"
        if found.agrees == CONTENT
        else f"built again: another archive; {number} file{' differs' if number == 1 else 's differ'}"
    )
    lines = [what, *wrapped(f"first difference: {found.first_difference}")]
    return "\n".join([*lines, *wrapped(found.sources)] if found.sources else lines)


def agreement_data(found: Agreement) -> dict[str, Any]:
    """Return it for programs."""
    return found._asdict()
