"""Sizes as people read them, and the warning about an archive that is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.planning.plan import entry_size
from hatch_ytupload.wording import MEGABYTE, megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.planning.plan import Plan

_SHOWN = 5


def size_warning(size: int, plan: Plan, limit: float) -> list[str]:
    """Return a warning that names the largest files, or nothing.

    Args:
        size: of the archive, in bytes.
        plan: what it was made of.
        limit: in MB; 0: none.
    """
    if not limit or size <= limit * MEGABYTE:
        return []
    largest = sorted((-entry_size(entry), entry.path) for entry in plan.entries())[:_SHOWN]
    shown = ", ".join(f"`{one_line(path)}` ({megabytes(-negative)})" for negative, path in largest)
    problem = f"the archive has {megabytes(size)}, more than `max_archive_mb = {limit:g}`; its largest files: {shown}"
    return [f"{problem}; leave out what jobs do not need with a line in `.ytignore`, or raise the limit"]
