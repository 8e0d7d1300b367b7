"""Hatch's own tables for the publisher: they hold `disable` only, since settings have one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.configuration.keys import KEYS, TABLE
from hatch_ytupload.wording import nearest, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPTIONS = ("environment", "build_folder", "proxy", "mode", "config", "dry_run", "dist", "yes", "force")
"""What stands behind the publisher's `-o`, in the order of the documentation."""

PROJECT_TABLE = "`tool.hatch.publish.ytupload.{}`"
USER_TABLE = "`publish.ytupload.{}` of Hatch's configuration"
"""How messages write a key of such a table."""


def misplaced(place: str, table: Mapping[str, object]) -> Iterator[str]:
    """Say of each key but `disable` where it belongs.

    Args:
        place: how messages write a key.
        table: as parsed.
    """
    for name in table:
        if name == "disable":
            continue
        near = name if name in KEYS else nearest(name, KEYS)
        if name in OPTIONS and name not in KEYS:
            way_out = f"give it when you publish: `-o {name}=...`"
        elif near:
            way_out = f"write `{TABLE}.{near}`"
        else:
            way_out = f"settings stand in `[{TABLE}]`"
        yield f"{place.format(one_line(name))} means nothing there, where only `disable` does; {way_out}"
