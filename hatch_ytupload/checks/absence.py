"""Why a module that a job imports is not in the archive: ignored, or lying where nothing packs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import LOCK, REQUIREMENTS, SRC, stage_file
from hatch_ytupload.checks.provided import distribution_with
from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_system_spells, is_inside
from hatch_ytupload.planning.plan import own_directories
from hatch_ytupload.sources.ignore_scope import IgnoreScope, IgnoreScopes, describe_rule
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.configuration.settings import Settings


class Absence:
    """Explains what is missing from what a build would pack.

    Args:
        code: what is packed, with its sources.
        settings: of the pipeline.
    """

    def __init__(self, code: PackedCode, settings: Settings) -> None:
        self._settings = settings
        self._sources = _source_directories(code)
        self._scopes = IgnoreScopes(settings.pipeline_dir)

    def explain(self, name: str, directories: Sequence[str]) -> str:
        """Return the end of a message: why it is missing and what to do; empty: nobody knows.

        Args:
            name: dotted name of the module.
            directories: of the archive, in which it is looked for.
        """
        last = name.rpartition(".")[2]
        for directory in directories:
            for path in _existing(self._sources.get(directory), last):
                rule = self._rule(path)
                if rule is not None:
                    return f": `{one_line(self._shown(path))}` is left out by {rule}"
        if "." not in name:
            for own in own_directories(self._settings):
                for path in _existing(own, last):
                    return (
                        f": `{one_line(self._shown(path))}` is not packed; add `{one_line(name)}` to `upload_modules`"
                    )
        return ""

    def _rule(self, path: str) -> str | None:
        directory, name = os.path.split(path)
        try:
            if is_inside(path, self._settings.pipeline_dir):
                scope = self._scopes.of(directory)
            else:
                scope = IgnoreScope.top(directory, directory)
        except SourceError:
            return None
        rule = scope.excluding(name, is_dir=os.path.isdir(path))
        return None if rule is None else describe_rule(rule)

    def _shown(self, path: str) -> str:
        relative = os.path.relpath(path, self._settings.pipeline_dir)
        return path if relative.startswith(os.pardir) else relative


def what_provides(module: str, stage: str, settings: Settings) -> str:
    """Say what gives a job the module that it stopped for want of.

    Args:
        module: its dotted name.
        stage: whose job it was.
        settings: of the pipeline.
    """
    top = module.partition(".")[0]
    name = one_line(top)
    packed = any(top == known or known.startswith(f"{top}.") for known in settings.upload_modules)
    if not packed and any(True for own in own_directories(settings) for _ in _existing(own, top)):
        return f"`{one_line(module)}` is not in the archive: add `{name}` to `upload_modules`, and build again"
    if packed or _is_of_stage(top, stage, settings):
        return f"`{one_line(module)}` is not in the archive: `hatch-ytupload check` says why"
    distribution = distribution_with(top) or name
    return (
        f"`{one_line(module)}` is in neither the archive nor the requirements: add `{distribution}` to "
        f"`{one_line(stage_file(stage, REQUIREMENTS))}`{_lock_again(stage, settings)} and build again, or name "
        "the image's Python with `--python`"
    )


def _lock_again(stage: str, settings: Settings) -> str:
    lock = os.path.join(settings.pipeline_dir, as_system_spells(stage_file(stage, LOCK)))
    return f", run `hatch-ytupload lock {one_line(stage)}`" if os.path.lexists(lock) else ""


def _is_of_stage(top: str, stage: str, settings: Settings) -> bool:
    src = os.path.join(settings.pipeline_dir, as_system_spells(stage_file(stage, SRC)))
    return any(_existing(src, top))


def _existing(directory: str | None, name: str) -> Iterator[str]:
    if directory is not None:
        for path in (os.path.join(directory, f"{name}.py"), os.path.join(directory, name)):
            if os.path.isfile(path) or os.path.isdir(path):
                yield path


def _source_directories(code: PackedCode) -> dict[str, str]:
    """Return where the directories of the archive come from, as far as one of their files tells."""
    found: dict[str, str] = {}
    for path, file in code.files.items():
        directory, source = os.path.dirname(path), os.path.dirname(file.source or "")
        while directory and source and directory not in found:
            found[directory] = source
            if os.path.basename(directory) != os.path.basename(source):
                break
            directory, source = os.path.dirname(directory), os.path.dirname(source)
    return found
