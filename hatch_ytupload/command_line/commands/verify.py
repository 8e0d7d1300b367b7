"""`hatch-ytupload verify`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.destination_flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("archive", required=False)
@click.option("--release", metavar="NAME", help="A release of the build folder, instead of ARCHIVE.")
@click.option("--rebuild", is_flag=True, help="Build again from the sources, and compare.")
@destination_flags
@click.pass_obj
def command(
    console: Console, /, archive: str | None, release: str | None, *, rebuild: bool, **overrides: str | None
) -> None:
    r"""Compare an archive with its manifest, file by file.

    ARCHIVE is the path of an archive, of a bundle's directory or of a manifest; a `//path` of an archive or a build
    folder; the name of a release; or `current`. Without it, the bundle of the project's current version.

    With --rebuild, the pipeline is built once more, in a temporary directory and without a cache: are all bytes the
    same, the content alone, or neither? What does not agree ends the command with status 1; other bytes of the same
    content do not.

    \b
    Example:
      hatch-ytupload verify
      hatch-ytupload verify --rebuild current
    """
    from hatch_ytupload.archives.artifacts import find_artifact
    from hatch_ytupload.archives.second_build import NEITHER, agreement_data, agreement_text, build_again
    from hatch_ytupload.archives.verifying import verification_data, verification_text, verify
    from hatch_ytupload.command_line.commands.archive_places import whereabouts

    if archive is not None and release is not None:
        raise click.UsageError("give ARCHIVE or --release, not both")
    artifact = find_artifact(archive, whereabouts(console, **overrides), release=release)
    with console.progress() as progress:
        found = verify(artifact, progress=progress)
    data, text = verification_data(found), verification_text(found)
    for problem in found.problems:
        console.error(problem)
    agrees = True
    if rebuild and not found.problems:
        project = console.project()
        settings = console.settings(project, **overrides)
        with console.progress() as progress:
            agreement = build_again(artifact, project, settings, progress=progress)
        data["rebuild"] = agreement_data(agreement)
        text = f"{text}\n{agreement_text(agreement)}"
        agrees = agreement.agrees != NEITHER
    console.result(data, text)
    if found.problems or not agrees:
        sys.exit(1)
