"""`hatch-ytupload inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.destination_flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("archive", required=False)
@click.option("--release", metavar="NAME", help="A release of the build folder, instead of ARCHIVE.")
@click.option("-n", "--largest", metavar="N", type=click.IntRange(1), help="Show the N largest files, largest first.")
@click.option("--by-size", is_flag=True, help="Sort what lies in a directory by size, largest first.")
@click.option("--files", is_flag=True, help="Show every file, not directories alone.")
@click.option("--depth", metavar="N", type=click.IntRange(0), help="How many levels of directories; 0: all.")
@destination_flags
@click.pass_obj
def command(
    console: Console,
    /,
    archive: str | None,
    release: str | None,
    largest: int | None,
    depth: int | None,
    *,
    by_size: bool,
    files: bool,
    **overrides: str | None,
) -> None:
    r"""Show what an archive holds: sizes of its parts, directories and files.

    ARCHIVE is the path of an archive, of a bundle's directory or of a manifest; a `//path` of an archive or a build
    folder; the name of a release; or `current`. Without it, the bundle of the project's current version. Of an archive
    with a manifest, only the manifest is read.

    \b
    Example:
      hatch-ytupload inspect --largest 10
      hatch-ytupload inspect //home/ads/build
    """
    from hatch_ytupload.archives.artifacts import described, find_artifact
    from hatch_ytupload.archives.inspecting import DEPTH, inspect_data, inspect_text
    from hatch_ytupload.command_line.commands.archive_places import whereabouts

    if archive is not None and release is not None:
        raise click.UsageError("give ARCHIVE or --release, not both")
    artifact = find_artifact(archive, whereabouts(console, **overrides), release=release)
    with console.progress() as progress:
        found = described(artifact, progress=progress)
    if depth is None:
        depth = 0 if files else DEPTH
    if console.as_json:
        console.result(inspect_data(found, largest=largest or 0), "")
    else:
        text = inspect_text(found, depth=depth, with_files=files, by_size=by_size, largest=largest or 0)
        console.result(None, text)
