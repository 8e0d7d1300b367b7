"""The flags that several commands have: which settings count, and where to look."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import click

from hatch_ytupload.command_line import completion
from hatch_ytupload.errors import NoProjectError
from hatch_ytupload.file_names import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from hatch_ytupload.answers.artifacts import Whereabouts
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.releases.signatures import Signers

Function = TypeVar("Function", bound="Callable[..., Any]")


def settings_flags(function: Function) -> Function:
    """Add the flags of commands that read settings; they are named as those that they win over."""
    return _with(
        function,
        click.option(
            "-e",
            "--environment",
            metavar="NAME",
            callback=lambda _ctx, _parameter, value: value and as_text(value),
            shell_complete=completion.environments,
            help="Which of the environments in the settings counts.",
        ),
        click.option(
            "--config",
            metavar="FILE",
            type=click.Path(),
            callback=_setting,
            help="The pipeline's YAML config, relative to its directory.",
        ),
    )


def destination_flags(function: Function) -> Function:
    """Add the flags of commands that work on a build folder."""
    return _with(
        settings_flags(function),
        click.option(
            "--build-folder", metavar="PATH", callback=_setting, help="The build folder, such as //home/ads/build."
        ),
        click.option("--proxy", metavar="CLUSTER", callback=_setting, help="Name or URL of the cluster."),
        click.option(
            "--mode",
            metavar="MODE",
            callback=_setting,
            shell_complete=completion.modes,
            help="prod: a cluster; dev: a build folder on disk.",
        ),
    )


directory_flag = click.option(
    "-d",
    "--directory",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Where bundles are built, relative to here [default: dist].",
)
"""The flag of commands that work on the local bundle."""


yes_flag = click.option("-y", "--yes", is_flag=True, help="Answer yes where the environment says `confirm`.")
"""The flag of commands that change a build folder."""

force_flag = click.option("--force", is_flag=True, help="Replace another project's release; publish another selection.")
"""The flag of commands that make something else current."""


def _with(function: Function, *options: Callable[[Function], Function]) -> Function:
    for option in reversed(options):
        function = option(function)
    return function


def _setting(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> object:
    """Check the value of a setting, so that a wrong one is a wrong call."""
    from hatch_ytupload.configuration.keys import from_text
    from hatch_ytupload.configuration.values import UnexpectedValueError

    if value is None:
        return None
    try:
        return from_text(str(parameter.name), as_text(value))
    except UnexpectedValueError as error:
        raise click.BadParameter(str(error)) from None


def archive_or_current(console: Console, archive: str | None, flags: Mapping[str, object]) -> str | None:
    """Return what to look at: the current release where a build folder is named alone, or outside of any project.

    Args:
        console: of the call.
        archive: as it was named; None: it was not.
        flags: their values, by key.
    """
    from hatch_ytupload.releases.published import CURRENT

    is_elsewhere = flags.get("build_folder") is not None or not console.in_project()
    return CURRENT if archive is None and is_elsewhere else archive


def whereabouts(console: Console, flags: Mapping[str, object]) -> Whereabouts:
    """Return where to look.

    Args:
        console: of the call.
        flags: their values, by key.
    """
    from hatch_ytupload.answers.artifacts import Whereabouts

    @cache
    def settings(path: str | None) -> Settings:
        return console.settings({**flags, "build_folder": path or flags.get("build_folder")})

    @cache
    def folder(path: str | None) -> BuildFolder:
        chosen = settings(path)
        return console.build_folder(chosen if path is None else dataclasses.replace(chosen, build_folder=path))

    def local() -> str:
        from hatch_ytupload.releases.publish_bundle import default_artifact

        try:
            return default_artifact(console.project())
        except NoProjectError as error:
            raise NoProjectError([f"{error}, or name an archive: a file, `current`, a release or a `//PATH`"]) from None

    def signers() -> Signers | None:
        from hatch_ytupload.releases.signatures import signers_of

        try:
            return signers_of(settings(None))
        except NoProjectError:
            return None

    if flags.get("environment") is not None:
        settings(None)  # what is named must be there, also where nothing of it is needed
    return Whereabouts(local, folder, signers)
