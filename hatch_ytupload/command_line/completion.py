"""What a shell offers for the values of arguments and flags: names from the project and from the build folder.

Nothing here may fail or say anything: whoever presses a key has asked for no errors.
"""

from __future__ import annotations

import dataclasses
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import CONFIG, MAP_REDUCE, SRC, STAGES
from hatch_ytupload.errors import YtUploadError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click
    from click.shell_completion import CompletionItem

    from hatch_ytupload.configuration.settings import Settings

# Longer nobody waits for an answer to a key.
_REQUEST_SECONDS = 3.0


def environments(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the environments of the settings."""
    found: object = None
    with suppress(YtUploadError, OSError):
        from hatch_ytupload.configuration.keys import ENVIRONMENTS
        from hatch_ytupload.configuration.project import find_pyproject

        table = find_pyproject(_directory(ctx)).table
        found = table.get(ENVIRONMENTS) if isinstance(table, dict) else None
    return _beginning(found if isinstance(found, dict) else (), incomplete)


def modes(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the values of `mode`."""
    return _beginning(("prod", "dev"), incomplete)


def stages(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the stages of the pipeline that have code."""
    found: list[str] = []
    with suppress(YtUploadError, OSError):
        directory = os.path.join(_settings(ctx).pipeline_dir, STAGES)
        found = [name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name, SRC))]
    return _beginning(sorted(found), incomplete)


def operations(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the operations of the stage that is named already."""
    found: list[str] = []
    with suppress(YtUploadError, OSError):
        from hatch_ytupload.planning.stages import read_operations

        stage = str(ctx.params.get("stage"))
        directory = os.path.join(_settings(ctx).pipeline_dir, STAGES, stage)
        config = os.path.isfile(os.path.join(directory, CONFIG))
        scripts = os.listdir(os.path.join(directory, SRC))
        found = [operation.name for operation in read_operations(stage, directory, scripts, config=config)]
        if any(name.startswith(MAP_REDUCE) for name in found):
            found.insert(0, MAP_REDUCE)
    return _beginning(found, incomplete)


def releases(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the releases that the build folder keeps, newest first."""
    found: list[str] = []
    with suppress(YtUploadError, OSError):
        from hatch_ytupload.build_folders.destination import open_build_folder
        from hatch_ytupload.releases.records import read_state

        impatient = dataclasses.replace(_settings(ctx), request_attempts=1, request_timeout_seconds=_REQUEST_SECONDS)
        found = [record.release for record in read_state(open_build_folder(impatient)).history]
    return _beginning(found, incomplete)


def archives(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer files, `current` and releases."""
    if incomplete.startswith((".", "/")):
        return files(ctx, parameter, incomplete)
    names = [*_beginning(["current"], incomplete), *releases(ctx, parameter, incomplete)]
    return [*names, *files(ctx, parameter, incomplete)]


def files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Have the shell offer files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    # A shell ends a name at the end of a line.
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and name.isprintable()]


def _directory(ctx: click.Context) -> str:
    return ctx.find_root().params.get("directory") or os.curdir


def _settings(ctx: click.Context) -> Settings:
    """Load the settings as the command would."""
    from hatch_ytupload.configuration.keys import KEYS
    from hatch_ytupload.configuration.project import find_pyproject
    from hatch_ytupload.configuration.settings import load_settings

    pyproject = find_pyproject(_directory(ctx))
    overrides = {key: ctx.params.get(key) for key in KEYS}
    return load_settings(
        pyproject.root, pyproject.table, environment=ctx.params.get("environment"), overrides=overrides
    )
