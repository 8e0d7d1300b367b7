"""`hatch-ytupload rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.command_line.completion import releases
from hatch_ytupload.command_line.flags import destination_flags
from hatch_ytupload.output.layout import fields
from hatch_ytupload.output.releases import folder_data, shown_archive
from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.releases.current import Outcome


@click.command()
@click.argument("release", required=False, shell_complete=releases)
@destination_flags
@click.pass_obj
def command(console: Console, /, release: str | None, **flags: object) -> None:
    r"""Make a kept release current; no data is moved.

    RELEASE is a name that `history` shows, or the beginning of one; without it, the release before the current one.

    \b
    Example:
      hatch-ytupload rollback
      hatch-ytupload rollback 1.3.0
    """
    from hatch_ytupload.build_folders.destination import open_build_folder
    from hatch_ytupload.releases.conditions import conditions_of
    from hatch_ytupload.releases.rollback import rollback

    settings = console.settings(flags)
    folder = open_build_folder(settings, notice=console.info)
    outcome = rollback(folder, release, conditions_of(settings))
    console.result(rollback_data(outcome, folder), rollback_text(outcome, folder))


def rollback_text(outcome: Outcome, folder: BuildFolder) -> str:
    """Tell what a rollback did."""
    if not outcome.changed:
        return f"{shown_archive(folder)} is `{outcome.release}` already; nothing to do"
    size = megabytes(outcome.size)
    return fields(
        shown_archive(folder), ("release", f"{outcome.release} ({size})"), ("replaced", outcome.replaced or "")
    )


def rollback_data(outcome: Outcome, folder: BuildFolder) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        **folder_data(folder),
        "path": folder.path(ARCHIVE_NAME),
        "release": outcome.release,
        "size": outcome.size,
        "changed": outcome.changed,
        "replaced": outcome.replaced,
    }
