"""`hatch-ytupload pin` and `unpin`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.command_line.completion import releases
from hatch_ytupload.command_line.flags import destination_flags, yes_flag
from hatch_ytupload.output.releases import folder_data

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.releases.retention import Pinning


@click.command()
@click.argument("release", shell_complete=releases)
@yes_flag
@destination_flags
@click.pass_obj
def command(console: Console, /, release: str, *, yes: bool, **flags: object) -> None:
    r"""Keep a release from being pruned and deleted; pinned ones do not count for `keep_releases`.

    RELEASE is a name that `history` shows, its version, or its beginning.

    \b
    Example:
      hatch-ytupload pin 1.3.0
    """
    _set_pin(console, release, flags, yes=yes, pinned=True)


@click.command()
@click.argument("release", shell_complete=releases)
@yes_flag
@destination_flags
@click.pass_obj
def unpin(console: Console, /, release: str, *, yes: bool, **flags: object) -> None:
    r"""Let a release be pruned again.

    RELEASE is a name that `history` shows, its version, or its beginning.

    \b
    Example:
      hatch-ytupload unpin 1.3.0
    """
    _set_pin(console, release, flags, yes=yes, pinned=False)


def _set_pin(console: Console, release: str, flags: dict[str, object], *, yes: bool, pinned: bool) -> None:
    """Pin a release or give it free again, and tell."""
    from hatch_ytupload.releases.retention import pin

    settings = console.settings(flags)
    folder = console.build_folder(settings)
    done = pin(folder, release, console.conditions(settings, yes=yes), pinned=pinned)
    console.result(pin_data(done, folder), pin_text(done))


def pin_text(done: Pinning) -> str:
    """Tell what was done about a release."""
    state = "pinned" if done.pinned else "not pinned"
    return f"{done.release} is {state}{'' if done.changed else ' already; nothing to do'}"


def pin_data(done: Pinning, folder: BuildFolder) -> dict[str, Any]:
    """Return the same for programs."""
    return {**folder_data(folder), "release": done.release, "pinned": done.pinned, "changed": done.changed}
