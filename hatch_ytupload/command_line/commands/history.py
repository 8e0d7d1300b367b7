"""`hatch-ytupload history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.destination_flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@destination_flags
@click.pass_obj
def command(console: Console, /, **overrides: str | None) -> None:
    """Show the releases of the build folder, newest first; a star marks the current one."""
    from hatch_ytupload.build_folders.destination import open_build_folder
    from hatch_ytupload.build_folders.release_records import read_state
    from hatch_ytupload.command_line.release_report import history_data, history_text

    folder = open_build_folder(console.settings(console.project(), **overrides), notice=console.info)
    state = read_state(folder)
    console.result(history_data(state, folder), history_text(state, folder))
