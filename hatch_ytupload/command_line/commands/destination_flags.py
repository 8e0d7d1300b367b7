"""The flags of all commands that work on a build folder: which one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
