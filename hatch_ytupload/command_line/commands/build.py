"""`hatch-ytupload build`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.flags import directory_flag, settings_flags

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@directory_flag
@click.option("--no-cache", is_flag=True, help="Pack everything again, and keep nothing for later builds.")
@settings_flags
@click.pass_obj
def command(console: Console, /, directory: str | None, *, no_cache: bool, **flags: object) -> None:
    r"""Build the code archive of the pipeline, as the Hatch target `ytarchive` does.

    Works in the current environment, whatever the project's build backend is.

    \b
    Example:
      hatch-ytupload build
      hatch-ytupload -C pipelines/ads build -d /tmp/out
    """
    project = console.project()
    settings = console.settings(flags)
    # Only now: whoever has to mend the settings need not wait for it.
    from hatch_ytupload.packing.build import build_bundle
    from hatch_ytupload.packing.user_cache import user_cache

    target = os.path.abspath(directory) if directory else project.build_directory
    cache = None if no_cache else user_cache(os.environ, console.warning)
    with console.progress() as progress:
        built = build_bundle(
            project, settings, target, reproducible=project.reproducible, cache=cache, progress=progress
        )
    for warning in built.warnings:
        console.warning(warning)
    console.info(built.summary)
    data = {
        "archive": built.archive,
        "size": built.size,
        "sha256": built.sha256,
        "content_sha256": built.content_sha256,
        "files": built.files,
        "changed": built.changed,
        "warnings": [*settings.warnings, *built.warnings],
    }
    console.result(data, os.path.relpath(built.archive))
