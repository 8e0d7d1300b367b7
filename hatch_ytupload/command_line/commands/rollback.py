"""`hatch-ytupload rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.command_line.completion import releases
from hatch_ytupload.command_line.flags import destination_flags, yes_flag
from hatch_ytupload.output.layout import fields
from hatch_ytupload.output.releases import folder_data, origin_data, origin_text, shown_archive
from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.releases.current import Outcome


@click.command()
@click.argument("release", required=False, shell_complete=releases)
@click.option("-n", "--dry-run", is_flag=True, help="Only tell what would become current.")
@yes_flag
@destination_flags
@click.pass_obj
def command(console: Console, /, release: str | None, *, dry_run: bool, yes: bool, **flags: object) -> None:
    r"""Make a kept release current; no data is moved.

    RELEASE is a name that `history` shows, its version, or its beginning; without it, the release before the
    current one.

    \b
    Example:
      hatch-ytupload rollback
      hatch-ytupload rollback 1.3.0
    """
    from hatch_ytupload.releases.rollback import rollback

    settings = console.settings(flags)
    folder = console.build_folder(settings)
    outcome = rollback(folder, release, console.conditions(settings, yes=yes), dry_run=dry_run)
    console.result(rollback_data(outcome, folder, dry_run=dry_run), rollback_text(outcome, folder, dry_run=dry_run))


def rollback_text(outcome: Outcome, folder: BuildFolder, *, dry_run: bool = False) -> str:
    """Tell what a rollback did, or would do."""
    if not outcome.changed:
        return f"{shown_archive(folder)} is `{outcome.release}` already; nothing to do"
    size = megabytes(outcome.size)
    return fields(
        shown_archive(folder) + (" would become" if dry_run else ""),
        ("release", f"{outcome.release} ({size})"),
        ("published", origin_text(outcome.record)),
        ("replaced", outcome.replaced or ""),
    )


def rollback_data(outcome: Outcome, folder: BuildFolder, *, dry_run: bool = False) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        **folder_data(folder),
        "path": folder.path(ARCHIVE_NAME),
        "release": outcome.release,
        "size": outcome.size,
        "changed": outcome.changed,
        "replaced": outcome.replaced,
        **origin_data(outcome.record),
        "dry_run": dry_run,
    }
