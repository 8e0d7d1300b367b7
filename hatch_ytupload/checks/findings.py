"""What a check finds: where, how bad, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING, NOTE = "error", "warning", "note"
"""A job fails; a job may fail, or a later build may differ; good to know. Notes are no findings for `--strict`."""

_ORDER = {ERROR: 0, WARNING: 1, NOTE: 2}


class Finding(NamedTuple):
    """One thing that a check found."""

    severity: str
    rule: str
    """The name of what was looked for."""
    path: str
    """In the archive; empty: it concerns the whole archive."""
    line: int | None
    message: str
    stages: tuple[str, ...] = ()
    """The stages whose jobs it concerns; none: no particular one."""
    via: tuple[str, ...] = ()
    """The imports that lead there, `path:line` of each from the script on; none: it is the script's own."""

    def sort_key(self) -> tuple[int, str, int, str]:
        """Return what findings are ordered by."""
        return _ORDER[self.severity], self.path, self.line or 0, self.message


def merged(found: list[Finding]) -> list[Finding]:
    """Return each finding once, with all stages that it concerns and the worst severity of any."""
    known: dict[tuple[str, str, int | None, str], Finding] = {}
    for finding in sorted(found, key=Finding.sort_key):
        key = finding.rule, finding.path, finding.line, finding.message
        first = known.get(key, finding)
        known[key] = first._replace(stages=tuple(sorted({*first.stages, *finding.stages})))
    return sorted(known.values(), key=Finding.sort_key)
