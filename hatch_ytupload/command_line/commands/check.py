"""`hatch-ytupload check`."""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.checks.findings import ERROR, NOTE, WARNING, Finding
from hatch_ytupload.command_line.completion import archives
from hatch_ytupload.command_line.flags import archive_or_current, destination_flags, whereabouts
from hatch_ytupload.file_names import shorter
from hatch_ytupload.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.command_line.console import Console

_COLOURS = {ERROR: "red", WARNING: "yellow", NOTE: "cyan"}
_OLDEST = 7


def _version(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        return ".".join(map(str, sys.version_info[:3]))
    match = re.fullmatch(r"3\.(\d{1,2})(?:\.\d+)?", value)
    if match is None or int(match[1]) < _OLDEST:
        raise click.BadParameter("expected is a version such as 3.11")
    return value


@click.command()
@click.argument("archive", required=False, shell_complete=archives)
@click.option("--strict", is_flag=True, help="Exit with status 1 for warnings, too.")
@click.option("--exit-zero", is_flag=True, help="Exit with status 0 whatever is found.")
@click.option("--python", metavar="VERSION", callback=_version, help="Python of the jobs [default: the one that runs].")
@destination_flags
@click.pass_obj
def command(
    console: Console,
    /,
    archive: str | None,
    *,
    strict: bool,
    exit_zero: bool,
    python: str,
    **flags: object,
) -> None:
    r"""Look for what would stop a job on the cluster, without running anything.

    Follows the imports of every job from its script through the packed files: what neither the archive, nor the
    stage's requirements, nor the standard library, nor `provided_modules` provides is reported. Also: requirements,
    syntax, configs, compiled modules, sizes, and packed files that git ignores. Notes are shown with -v.

    ARCHIVE is a bundle or an archive on disk, `current` or the name of a release, or a path in Cypress; without it,
    what a build would pack now is checked; outside of a project, or with `--build-folder`, the current release. The
    exit status is 1 if there are errors.

    \b
    Example:
      hatch-ytupload check
      hatch-ytupload check --strict --python 3.10
      hatch-ytupload check current --json
    """
    from hatch_ytupload.answers.artifacts import find_artifact
    from hatch_ytupload.checks.checking import check
    from hatch_ytupload.checks.packed_code import code_of_archive, code_of_plan
    from hatch_ytupload.packing.user_cache import cache_directory
    from hatch_ytupload.packing.wheels import plan_with_wheels
    from hatch_ytupload.planning.plan import make_plan

    is_here = archive is not None and os.path.lexists(archive)
    archive = archive_or_current(console, archive, flags)
    settings = console.settings(flags, needs_folder=not is_here)
    notes = console.verbosity > 0
    with ExitStack() as stack:
        if archive is None:
            directory = cache_directory(os.environ, console.warning)
            code = code_of_plan(stack.enter_context(plan_with_wheels(make_plan(settings), directory, os.environ)))
        else:
            artifact = find_artifact(archive, whereabouts(console, flags))
            with artifact.opened() as reader, console.progress() as progress:
                code = code_of_archive(reader, artifact.manifest, artifact.shown, progress=progress)
        found = check(code, settings, python, sources=archive is None, notes=notes or console.as_json)
    console.result(check_data(found, python), check_text(found, code, notes=notes), colour=_coloured)
    failing = {ERROR, WARNING} if strict else {ERROR}
    if not exit_zero and any(finding.severity in failing for finding in found):
        sys.exit(1)


def _coloured(line: str) -> str:
    """Colour the severity of a finding; without colour the line says the same."""
    match = re.search(r"(?:^|: )(error|warning|note)(?=: )", line)
    if match is None:
        return line
    severity = click.style(match[1], fg=_COLOURS[match[1]], bold=match[1] == ERROR)
    return line[: match.start(1)] + severity + line[match.end(1) :]


def check_text(found: Sequence[Finding], code: PackedCode, *, notes: bool) -> str:
    """Return the findings as text: place, severity, message, rule, stages.

    Args:
        found: in the order in which they are shown.
        code: that was checked.
        notes: with those that are no findings.
    """
    lines = [_line(finding, code) for finding in found if notes or finding.severity != NOTE]
    counts = {severity: sum(finding.severity == severity for finding in found) for severity in _COLOURS}
    shown = ", ".join(
        counted(count, severity) for severity, count in counts.items() if count and (notes or severity != NOTE)
    )
    return "\n".join([*lines, shown or "no findings"])


def check_data(found: Sequence[Finding], python: str) -> dict[str, Any]:
    """Return the findings, notes included, as what `--json` prints."""
    return {
        "python": ".".join(python.split(".")[:2]),
        "errors": sum(finding.severity == ERROR for finding in found),
        "warnings": sum(finding.severity == WARNING for finding in found),
        "notes": sum(finding.severity == NOTE for finding in found),
        "findings": [
            {
                "severity": finding.severity,
                "rule": finding.rule,
                "path": finding.path or None,
                "line": finding.line,
                "message": finding.message,
                "stages": list(finding.stages),
                "via": list(finding.via),
            }
            for finding in found
        ],
    }


def _line(finding: Finding, code: PackedCode) -> str:
    file = code.files.get(finding.path)
    place = finding.path
    if file is not None and file.own and file.source is not None:
        # As it lies on disk, so that terminals and editors find it.
        place = shorter(file.source)
    where = f"{one_line(place)}:{finding.line}" if finding.line else one_line(place)
    stages = f", {'stage' if len(finding.stages) == 1 else 'stages'} {', '.join(finding.stages)}"
    via = f" (by way of {' -> '.join(finding.via)})" if finding.via else ""
    tail = f"[{finding.rule}{stages if finding.stages else ''}]"
    return f"{where + ': ' if where else ''}{finding.severity}: {finding.message}{via} {tail}"
