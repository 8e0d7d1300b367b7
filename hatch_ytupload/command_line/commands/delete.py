"""`hatch-ytupload delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.completion import releases
from hatch_ytupload.command_line.flags import destination_flags, yes_flag
from hatch_ytupload.output.layout import fields
from hatch_ytupload.output.releases import folder_data, shown_on_cluster
from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("names", metavar="RELEASE...", nargs=-1, required=True, shell_complete=releases)
@yes_flag
@destination_flags
@click.pass_obj
def command(console: Console, /, names: tuple[str, ...], *, yes: bool, **flags: object) -> None:
    r"""Remove releases that are neither current nor pinned: all of those that are named, or none.

    RELEASE is a name that `history` shows, its version, or its beginning.

    \b
    Example:
      hatch-ytupload delete 1.2.0 1.2.1
    """
    from hatch_ytupload.releases.retention import delete

    settings = console.settings(flags)
    folder = console.build_folder(settings)
    removed = delete(folder, names, console.conditions(settings, yes=yes))
    console.result(
        {
            **folder_data(folder),
            "deleted": [record.release for record in removed],
            "size": sum(record.size for record in removed),
        },
        fields(
            shown_on_cluster(folder, folder.location),
            ("deleted", "\n".join(f"{record.release} ({megabytes(record.size)})" for record in removed)),
        ),
    )
