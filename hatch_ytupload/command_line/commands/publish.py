"""`hatch-ytupload publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.completion import files
from hatch_ytupload.command_line.flags import destination_flags, directory_flag, force_flag, yes_flag
from hatch_ytupload.errors import NoProjectError, SettingsError

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.configuration.project import Project


@click.command()
@click.argument("artifact", required=False, shell_complete=files)
@click.option("-n", "--dry-run", is_flag=True, help="Only tell what would be uploaded, replaced and pruned.")
@force_flag
@yes_flag
@directory_flag
@destination_flags
@click.pass_obj
def command(
    console: Console,
    /,
    artifact: str | None,
    directory: str | None,
    *,
    dry_run: bool,
    force: bool,
    yes: bool,
    **flags: object,
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
    from hatch_ytupload.releases.publish_bundle import default_artifact, publish_bundle

    settings = console.settings(flags)
    project = _project(console, required=artifact is None)
    with console.progress(at_once=True) as progress:
        published = publish_bundle(
            settings,
            default_artifact(project, directory) if artifact is None and project else str(artifact),
            project=project,
            is_own=artifact is None,
            conditions=console.conditions(settings, force=force, yes=yes),
            dry_run=dry_run,
            notice=console.info,
            progress=progress,
        )
    console.result(published_data(published), published_text(published))


def _project(console: Console, *, required: bool) -> Project | None:
    """Return the project here; None: there is none, and an artifact was named."""
    try:
        return console.project()
    except NoProjectError as error:
        if required:
            raise NoProjectError([f"{error}, or name the bundle to publish"]) from None
    except SettingsError:
        if required:
            raise
    return None
