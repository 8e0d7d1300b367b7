"""`hatch-ytupload rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.destination_flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("release", required=False)
@destination_flags
@click.pass_obj
def command(console: Console, /, release: str | None, **overrides: str | None) -> None:
    r"""Make a kept release current; no data is moved.

    RELEASE is a name that `history` shows, or the beginning of one; without it, the release before the current one.

    \b
    Example:
      hatch-ytupload rollback
      hatch-ytupload rollback 1.3.0
    """
    from hatch_ytupload.build_folders.destination import open_build_folder
    from hatch_ytupload.build_folders.rolling_back import rollback
    from hatch_ytupload.command_line.release_report import rollback_data, rollback_text

    settings = console.settings(console.project(), **overrides)
    folder = open_build_folder(settings, notice=console.info)
    outcome = rollback(folder, release, standalone_wrappers=settings.standalone_wrappers)
    console.result(rollback_data(outcome, folder), rollback_text(outcome, folder))
