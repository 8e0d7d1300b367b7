"""The flags of all commands that work on a build folder: which one."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import click

from hatch_ytupload.answers.artifacts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.configuration.settings import Settings

Function = TypeVar("Function", bound="Callable[..., Any]")


def destination_flags(function: Function) -> Function:
    """Add the flags; they are named as the settings that they win over."""
    for option in reversed(
        [
            click.option("--build-folder", metavar="PATH", help="The build folder, such as //home/ads/build."),
            click.option("--proxy", metavar="CLUSTER", help="Name or URL of the cluster."),
            click.option("--mode", metavar="MODE", help="prod: a cluster; dev: a build folder on disk."),
            click.option("--config", metavar="FILE", help="The pipeline's YAML config, relative to its directory."),
        ]
    ):
        function = option(function)
    return function


def whereabouts(console: Console, **overrides: str | None) -> Whereabouts:
    """Return where to look.

    Args:
        console: of the call.
        overrides: values of the flags that choose the build folder.
    """

    @cache
    def settings() -> Settings:
        return console.settings(console.project(), **overrides)

    @cache
    def folder(path: str | None) -> BuildFolder:
        from hatch_ytupload.build_folders.destination import open_build_folder

        chosen = settings() if path is None else dataclasses.replace(settings(), build_folder=path)
        return open_build_folder(chosen, notice=console.info)

    def local() -> str:
        from hatch_ytupload.releases.publish import default_artifact

        return default_artifact(console.project())

    return Whereabouts(local, folder)
