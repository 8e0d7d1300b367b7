"""Sizes as people read them, and the warning about an archive that is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.errors import one_line
from hatch_ytupload.planning.plan import entry_size

if TYPE_CHECKING:
    from hatch_ytupload.planning.plan import Plan

_MEGA = 1_000_000
_STEP = 1000
_UNITS = ("kB", "MB", "GB", "TB")
_SHOWN = 5


def megabytes(size: int) -> str:
    """Return a size in bytes as text, in the unit that suits it (1 MB is a million bytes).

    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    if size < _STEP:
        return f"{size} B"
    value, unit = size / _STEP, 0
    # What is rounded to 1000.0 belongs to the next unit.
    while round(value, 1) >= _STEP and unit + 1 < len(_UNITS):
        value, unit = value / _STEP, unit + 1
    return f"{value:.1f} {_UNITS[unit]}"


def size_warning(size: int, plan: Plan, limit: float) -> list[str]:
    """Return a warning that names the largest files, or nothing.

    Args:
        size: of the archive, in bytes.
        plan: what it was made of.
        limit: in MB; 0: none.
    """
    if not limit or size <= limit * _MEGA:
        return []
    largest = sorted((-entry_size(entry), entry.path) for entry in plan.entries())[:_SHOWN]
    shown = ", ".join(f"`{one_line(path)}` ({megabytes(-negative)})" for negative, path in largest)
    problem = f"the archive has {megabytes(size)}, more than `max_archive_mb = {limit:g}`; its largest files: {shown}"
    return [f"{problem}; leave out what jobs do not need with a line in `.ytignore`, or raise the limit"]
