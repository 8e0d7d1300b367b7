"""`hatch-ytupload publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.flags import destination_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("artifact", required=False)
@click.option("-n", "--dry-run", is_flag=True, help="Only tell what would be uploaded, replaced and pruned.")
@click.option("--dist", metavar="DIR", help="Where builds go, relative to here [default: dist].")
@destination_flags
@click.pass_obj
def command(
    console: Console, /, artifact: str | None, dist: str | None, *, dry_run: bool, **overrides: str | None
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

    project = console.project()
    settings = console.settings(project, **overrides)
    with console.progress(at_once=True) as progress:
        published = publish_bundle(
            settings,
            artifact or default_artifact(project, dist),
            project=None if artifact else project.name,
            dry_run=dry_run,
            notice=console.info,
            progress=progress,
        )
    for warning in published.warnings:
        console.warning(warning)
    console.result(published_data(published), published_text(published))
