"""`hatch-ytupload check`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.destination_flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console

_OLDEST = (3, 7)


def _version(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int]:
    if value is None:
        return sys.version_info[:2]
    match = re.fullmatch(r"(3)\.(\d{1,2})(?:\.\d+)?", value)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < _OLDEST:
        raise click.BadParameter("expected is a version such as 3.11")
    return version


@click.command()
@click.option("--strict", is_flag=True, help="Exit with status 1 if there are errors or warnings.")
@click.option("--python", metavar="VERSION", callback=_version, help="Python of the jobs [default: the one that runs].")
@click.option("--archive", metavar="ARCHIVE", help="Check an archive instead of what a build would pack now.")
@destination_flags
@click.pass_obj
def command(
    console: Console, /, *, strict: bool, python: tuple[int, int], archive: str | None, **overrides: str | None
) -> None:
    r"""Look for what would stop a job on the cluster, without running anything.

    Follows the imports of every job from its script through the packed files: what neither the archive, nor the
    stage's requirements, nor the standard library, nor `provided_modules` provides is reported. Also: requirements,
    syntax, configs, compiled modules, sizes, and packed files that git ignores. Notes are shown with -v.

    ARCHIVE is a bundle or an archive on disk, `current` or the name of a release, or a path in Cypress.

    \b
    Example:
      hatch-ytupload check
      hatch-ytupload check --strict --python 3.10
      hatch-ytupload --json check --archive current
    """
    from hatch_ytupload.archives.artifacts import find_artifact
    from hatch_ytupload.checks.check_report import check_data, check_text
    from hatch_ytupload.checks.checking import check
    from hatch_ytupload.checks.findings import NOTE
    from hatch_ytupload.checks.packed_code import code_of_archive, code_of_plan
    from hatch_ytupload.command_line.commands.archive_places import whereabouts
    from hatch_ytupload.errors import ArtifactError
    from hatch_ytupload.planning.plan import make_plan

    settings = console.settings(console.project(), **overrides)
    if archive is None:
        code = code_of_plan(make_plan(settings))
    else:
        artifact = find_artifact(archive, whereabouts(console, **overrides))
        if artifact.open is None:
            raise ArtifactError(f"there is no archive to read beside `{artifact.shown}`; build it first")
        with artifact.open() as reader, console.progress() as progress:
            code = code_of_archive(reader, artifact.manifest, artifact.shown, progress=progress)
    notes = console.verbosity > 0
    found = check(code, settings, python, sources=archive is None, notes=notes or console.as_json)
    console.result(check_data(found, python), check_text(found, code, notes=notes))
    if strict and any(finding.severity != NOTE for finding in found):
        sys.exit(1)
