"""`hatch-ytupload history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.command_line.flags import destination_flags
from hatch_ytupload.output.layout import cut, table
from hatch_ytupload.output.releases import commit_text, folder_data, short_time, shown_on_cluster, story_of
from hatch_ytupload.wording import megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.releases.records import State


@click.command()
@destination_flags
@click.pass_obj
def command(console: Console, /, **flags: object) -> None:
    r"""Show the releases of the build folder, newest first; a star marks the current one.

    \b
    Example:
      hatch-ytupload history
      hatch-ytupload --json history --build-folder //home/ads/build --proxy prod
    """
    from hatch_ytupload.releases.records import read_state

    folder = console.build_folder(console.settings(flags))
    state = read_state(folder)
    console.result(history_data(state, folder), history_text(state, folder))


def history_text(state: State, folder: BuildFolder) -> str:
    """Show the releases of a build folder, newest first; a star marks the current one."""
    if not state.history:
        place = shown_on_cluster(folder, folder.location)
        return f"there is no build folder {place}" if state.missing else f"{place} keeps no releases"
    current = state.current
    rows = [("", "RELEASE", "PUBLISHED (UTC)", "SIZE", "COMMIT", "BY")]
    rows += [
        (
            "*" if record == current else "",
            record.release,
            short_time(record.published_at),
            megabytes(record.size),
            commit_text(record) or "-",
            record.published_by,
        )
        for record in state.history
    ]
    # Only the last column may be of any length.
    head, *lines = table([tuple(map(one_line, row)) for row in rows]).splitlines()
    shown = [head]
    for record, line in zip(state.history, lines, strict=True):
        shown += [line, *(f"     {each}" for each in story_of(record))]
    return "\n".join(map(cut, shown))


def history_data(state: State, folder: BuildFolder) -> dict[str, Any]:
    """Return the same for programs."""
    current = state.current
    releases = [{**record.public(), "current": record == current} for record in state.history]
    return {**folder_data(folder), "releases": releases}
