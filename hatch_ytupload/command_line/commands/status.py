"""`hatch-ytupload status`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.destination_flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.option("--dist", metavar="DIR", help="Where builds go, relative to here [default: dist].")
@destination_flags
@click.pass_obj
def command(console: Console, /, dist: str | None, **overrides: str | None) -> None:
    """Show the local bundle, the current release, and whether they are the same."""
    from hatch_ytupload.build_folders.destination import open_build_folder
    from hatch_ytupload.build_folders.publishing import default_artifact
    from hatch_ytupload.build_folders.release_records import read_state
    from hatch_ytupload.command_line.release_report import status_data, status_text
    from hatch_ytupload.packing.bundle import read_bundle

    project = console.project()
    folder = open_build_folder(console.settings(project, **overrides), notice=console.info)
    artifact = default_artifact(project, dist)
    bundle = read_bundle(artifact) if os.path.lexists(artifact) else None
    state = read_state(folder)
    shown = os.path.relpath(artifact)
    console.result(status_data(state, bundle, shown, folder), status_text(state, bundle, shown, folder))
