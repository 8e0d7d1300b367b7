"""`hatch-ytupload diff`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.destination_flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option("--text", is_flag=True, help="Show what changed inside text files.")
@click.option("--exit-code", is_flag=True, help="End with status 1 if a file differs.")
@destination_flags
@click.pass_obj
def command(
    console: Console, /, a: str | None, b: str | None, *, text: bool, exit_code: bool, **overrides: str | None
) -> None:
    r"""Show what differs between two archives, from A to B.

    Without B, from the current release to A; without A too, from the current release to the local bundle: what a
    publish would change. Each is named by its path, its bundle's directory or its manifest; by a `//path` of an archive
    or a build folder; by the name of a release; or as `current`.

    \b
    Example:
      hatch-ytupload diff
      hatch-ytupload diff --text 1.3.0 1.4.0
      hatch-ytupload diff //home/ads/testing/build //home/ads/build
    """
    from hatch_ytupload.archives.artifacts import CURRENT, described, find_artifact
    from hatch_ytupload.archives.differences import compare, differences_data, differences_text
    from hatch_ytupload.archives.text_diffs import text_diffs
    from hatch_ytupload.command_line.commands.archive_places import whereabouts

    places = whereabouts(console, **overrides)
    before = find_artifact(CURRENT if b is None else a, places)
    after = find_artifact(a if b is None else b, places)
    with console.progress() as progress:
        differences = compare(described(before, progress=progress), described(after, progress=progress))
        diffs = dict(text_diffs(before, after, differences.files, progress=progress)) if text else {}
    data = differences_data(differences)
    if text:
        for file in data["files"]:
            file["text"] = diffs.get(file["path"])
    console.result(data, console.differences("\n\n".join([differences_text(differences), *diffs.values()])))
    if exit_code and differences.any:
        sys.exit(1)
