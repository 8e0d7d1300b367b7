"""Where the commands that look at archives find them; the project is loaded only when it is needed."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING

from hatch_ytupload.archives.artifacts import Whereabouts

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.configuration.settings import Settings


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
        from hatch_ytupload.build_folders.publishing import default_artifact

        return default_artifact(console.project())

    return Whereabouts(local, folder)
