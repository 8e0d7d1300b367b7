"""`hatch-ytupload unpin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.pin import set_pin
from hatch_ytupload.command_line.completion import releases
from hatch_ytupload.command_line.flags import destination_flags, yes_flag

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("release", shell_complete=releases)
@yes_flag
@destination_flags
@click.pass_obj
def command(console: Console, /, release: str, *, yes: bool, **flags: object) -> None:
    r"""Let a release be pruned again.

    RELEASE is a name that `history` shows, or the beginning of one.

    \b
    Example:
      hatch-ytupload unpin 1.3.0
    """
    set_pin(console, release, flags, yes=yes, pinned=False)
