"""`hatch-ytupload publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.completion import files
from hatch_ytupload.command_line.flags import destination_flags, directory_flag

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("artifact", required=False, shell_complete=files)
@click.option("-n", "--dry-run", is_flag=True, help="Only tell what would be uploaded, replaced and pruned.")
@directory_flag
@destination_flags
@click.pass_obj
def command(
    console: Console, /, artifact: str | None, directory: str | None, *, dry_run: bool, **flags: object
) -> None:
    r"""Publish a built bundle to the build folder, as the Hatch publisher `ytupload` does.

    ARTIFACT is a bundle's directory, or the archive or manifest in it; without it, the bundle of the project's
    current version.

    \b
    Example:
      hatch-ytupload publish --dry-run
      hatch-ytupload publish --build-folder //home/ads/testing/build
    """
    from hatch_ytupload.output.releases import published_data, published_text
    from hatch_ytupload.releases.publish import default_artifact, publish_bundle

    settings = console.settings(flags)
    project = None if artifact else console.project()
    with console.progress(at_once=True) as progress:
        published = publish_bundle(
            settings,
            default_artifact(project, directory) if project else str(artifact),
            project=project and project.name,
            dry_run=dry_run,
            notice=console.info,
            progress=progress,
        )
    for warning in published.warnings:
        console.warning(warning)
    console.result(published_data(published), published_text(published))
