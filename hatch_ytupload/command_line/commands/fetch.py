"""`hatch-ytupload fetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.completion import archives
from hatch_ytupload.command_line.flags import destination_flags
from hatch_ytupload.file_names import shorter
from hatch_ytupload.output.layout import fields
from hatch_ytupload.output.releases import folder_data, origin_data, origin_text
from hatch_ytupload.releases.records import folder_and_release
from hatch_ytupload.wording import megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("archive", required=False, shell_complete=archives)
@click.option(
    "-d",
    "--directory",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="A new or empty directory [default: one named after the release].",
)
@click.option("--extract", is_flag=True, help="Put the files of the archive there.")
@destination_flags
@click.pass_obj
def command(console: Console, /, archive: str | None, directory: str | None, *, extract: bool, **flags: object) -> None:
    r"""Download a release with its manifest into a new directory, checked, or extract it; nothing is overwritten.

    ARCHIVE is a release, the beginning of its name, `current`, or the `//path` of a build folder or of a release in
    it; without it, the current release.

    \b
    Example:
      hatch-ytupload fetch
      hatch-ytupload fetch 1.3.0 --extract -d /tmp/ads-1.3.0
      hatch-ytupload fetch //home/ads/build/releases/1.3.0-0123456789ab
    """
    from hatch_ytupload.releases.fetch import fetch

    if archive is not None and archive.startswith("//"):
        flags["build_folder"], archive = folder_and_release(archive)
    folder = console.build_folder(console.settings(flags))
    with console.progress(at_once=True) as progress:
        fetched = fetch(folder, archive, directory, extract=extract, progress=progress)
    record = fetched.record
    console.result(
        {
            **folder_data(folder),
            "release": record.release,
            "size": record.size,
            "directory": fetched.directory,
            "extracted": extract,
            **origin_data(record),
        },
        fields(
            one_line(shorter(fetched.directory)),
            ("release", f"{record.release} ({megabytes(record.size)})"),
            ("published", origin_text(record)),
        ),
    )
