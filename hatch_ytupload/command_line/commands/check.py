"""`hatch-ytupload check`."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.checks.findings import ERROR, NOTE, WARNING, Finding
from hatch_ytupload.command_line.flags import destination_flags
from hatch_ytupload.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.command_line.console import Console

_OLDEST = 7


def _version(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if value is None:
        return ".".join(map(str, sys.version_info[:3]))
    match = re.fullmatch(r"3\.(\d{1,2})(?:\.\d+)?", value)
    if match is None or int(match[1]) < _OLDEST:
        raise click.BadParameter("expected is a version such as 3.11")
    return value


@click.command()
@click.option("--strict", is_flag=True, help="Exit with status 1 if there are errors or warnings.")
@click.option("--python", metavar="VERSION", callback=_version, help="Python of the jobs [default: the one that runs].")
@click.option("--archive", metavar="ARCHIVE", help="Check an archive instead of what a build would pack now.")
@destination_flags
@click.pass_obj
def command(console: Console, /, *, strict: bool, python: str, archive: str | None, **overrides: str | None) -> None:
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
    from hatch_ytupload.answers.artifacts import find_artifact
    from hatch_ytupload.checks.checking import check
    from hatch_ytupload.checks.findings import NOTE
    from hatch_ytupload.checks.packed_code import code_of_archive, code_of_plan
    from hatch_ytupload.command_line.flags import whereabouts
    from hatch_ytupload.planning.plan import make_plan

    settings = console.settings(console.project(), **overrides)
    if archive is None:
        code = code_of_plan(make_plan(settings))
    else:
        artifact = find_artifact(archive, whereabouts(console, **overrides))
        with artifact.opened() as reader, console.progress() as progress:
            code = code_of_archive(reader, artifact.manifest, artifact.shown, progress=progress)
    notes = console.verbosity > 0
    found = check(code, settings, python, sources=archive is None, notes=notes or console.as_json)
    console.result(check_data(found, python), check_text(found, code, notes=notes))
    if strict and any(finding.severity != NOTE for finding in found):
        sys.exit(1)


_COLOURS = {ERROR: "red", WARNING: "yellow", NOTE: "cyan"}


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
            }
            for finding in found
        ],
    }


def _line(finding: Finding, code: PackedCode) -> str:
    file = code.files.get(finding.path)
    place = finding.path
    if file is not None and file.own and file.source is not None:
        # As it lies on disk, so that terminals and editors find it.
        place = min(os.path.relpath(file.source), file.source, key=len)
    where = f"{one_line(place)}:{finding.line}" if finding.line else one_line(place)
    severity = click.style(finding.severity, fg=_COLOURS[finding.severity], bold=finding.severity == ERROR)
    stages = f", {'stage' if len(finding.stages) == 1 else 'stages'} {', '.join(finding.stages)}"
    tail = f"[{finding.rule}{stages if finding.stages else ''}]"
    return f"{where + ': ' if where else ''}{severity}: {finding.message} {tail}"
