"""How the findings of a check are shown: a line each, or as data."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.checks.findings import ERROR, NOTE, WARNING
from hatch_ytupload.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_ytupload.checks.findings import Finding
    from hatch_ytupload.checks.packed_code import PackedCode

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
        f"{count} {severity}{'' if count == 1 else 's'}"
        for severity, count in counts.items()
        if count and (notes or severity != NOTE)
    )
    return "\n".join([*lines, shown or "no findings"])


def check_data(found: Sequence[Finding], python: tuple[int, int]) -> dict[str, Any]:
    """Return the findings, notes included, as what `--json` prints."""
    return {
        "python": f"{python[0]}.{python[1]}",
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
