"""The locks of a pipeline's stages: making them, and whether they still fit."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import LOCK, REQUIREMENTS, STAGES, WHEELS, stage_file
from hatch_ytupload.atomic_rename import replacing_file
from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.locking.asked_for import AskedFor, refuse_stale
from hatch_ytupload.locking.image import Image
from hatch_ytupload.locking.lock_file import LockError, load_lock
from hatch_ytupload.locking.locked_stage import NO_TARGET
from hatch_ytupload.locking.make import make_locks
from hatch_ytupload.planning.plan import make_plan
from hatch_ytupload.requirements.reading import read_requirements
from hatch_ytupload.wording import cannot, did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.configuration.settings import Settings


class StageLock(NamedTuple):
    """What became of a stage's lock."""

    stage: str
    path: str
    """Relative to the pipeline directory."""
    wheels: int
    size: int
    """Of all its wheels, in bytes."""
    changed: bool


def lock_stages(
    settings: Settings,
    stages: Sequence[str],
    *,
    upgrade: bool = False,
    packages: Sequence[str] = (),
    cache_directory: str | None,
    environ: Mapping[str, str],
    notice: Callable[[str], None] = lambda _text: None,
    progress: Progress = no_progress,
) -> list[StageLock]:
    """Write the locks of stages; what is not different is left alone.

    Args:
        settings: of the pipeline.
        stages: names; none: all that have requirements or a lock.
        upgrade: take the newest versions.
        packages: take the newest versions of these.
        cache_directory: where wheels are kept; None: nowhere.
        environ: the environment.
        notice: called with a line that says what the user may want to know.
        progress: called with how much of each wheel is fetched.

    Raises:
        LockError: a stage cannot be locked; nothing is written then.
        SettingsError: there is no such stage, or no target.
        SourceError: the sources cannot be packed.
    """
    asked = _asked(settings, stages)
    if not asked:
        raise SettingsError(
            ["no stage has requirements, so there is nothing to lock; name the stages to lock all the same"]
        )
    existing = _existing(settings, asked)
    with tempfile.TemporaryDirectory() as temporary:
        directory = os.path.join(cache_directory or temporary, WHEELS)
        made = make_locks(
            asked,
            existing,
            directory,
            upgrade=upgrade,
            packages=packages,
            environ=environ,
            notice=notice,
            progress=progress,
        )
    results = []
    for lock in made:
        changed = existing.get(lock.stage) != lock.text
        if changed:
            _write(_place(settings, lock.stage), lock.text, stage_file(lock.stage, LOCK))
        size = sum(wheel.size or 0 for wheel in lock.lock.wheels)
        results.append(StageLock(lock.stage, stage_file(lock.stage, LOCK), len(lock.lock.wheels), size, changed))
    return results


def stale_locks(settings: Settings, stages: Sequence[str]) -> list[str]:
    """Return a line for each lock that is missing or does not fit what is there now; nothing is asked of a network.

    Args:
        settings: of the pipeline.
        stages: names; none: all that have requirements or a lock.

    Raises:
        SettingsError: there is no such stage, or no target.
        SourceError: the sources cannot be packed.
    """
    asked = _asked(settings, stages)
    existing = _existing(settings, asked)
    problems = []
    for one in asked:
        shown = stage_file(one.stage, LOCK)
        if one.stage not in existing:
            problems.append(f"`{shown}` is missing; run `hatch-ytupload lock {one.stage}`")
            continue
        try:
            refuse_stale(load_lock(existing[one.stage], shown, one.image), one, shown)
        except LockError as error:
            problems.append(str(error))
    return problems


def _asked(settings: Settings, stages: Sequence[str]) -> list[AskedFor]:
    from hatch_ytupload.checks.framework_needs import framework_needs
    from hatch_ytupload.checks.packed_code import code_of_plan

    code = code_of_plan(make_plan(settings, with_locks=False))
    asked = []
    for stage in _chosen(stages, code):
        target = settings.target_of(stage)
        if target is None:
            raise SettingsError([f"stage `{one_line(stage)}`: {NO_TARGET}"])
        image = Image(target)
        requirements = read_requirements(stage_file(stage, REQUIREMENTS), code.contents)
        for problem in requirements.problems:
            if image.applies(problem.marker):
                line = f", line {problem.line}" if problem.line else ""
                raise LockError(f"`{one_line(problem.file)}`{line}: {problem.message}")
        needs = framework_needs(code, stage, settings.provided_modules, target.python)
        asked.append(AskedFor(stage, image, requirements, code.contents, needs))
    return asked


def _chosen(stages: Sequence[str], code: PackedCode) -> list[str]:
    known = code.stages()
    for stage in stages:
        if stage not in known:
            hint = did_you_mean(stage, known, f"stages there: {', '.join(map(one_line, known))}")
            raise SettingsError([f"there is no stage `{one_line(stage)}` with code to run; {hint}"])
    if stages:
        return list(dict.fromkeys(stages))
    return [stage for stage in known if _wants_lock(stage, code)]


def _wants_lock(stage: str, code: PackedCode) -> bool:
    requirements = read_requirements(stage_file(stage, REQUIREMENTS), code.contents)
    return stage_file(stage, LOCK) in code.files or not requirements.installs_nothing


def _existing(settings: Settings, asked: Sequence[AskedFor]) -> dict[str, str]:
    places = {one.stage: _place(settings, one.stage) for one in asked}
    return {stage: _text(place, stage_file(stage, LOCK)) for stage, place in places.items() if os.path.lexists(place)}


def _text(path: str, shown: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"cannot read `{one_line(shown)}`: {one_line(error)}") from None


def _place(settings: Settings, stage: str) -> str:
    return os.path.join(settings.pipeline_dir, STAGES, as_system_spells(stage), LOCK)


def _write(path: str, text: str, shown: str) -> None:
    try:
        with replacing_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise LockError(cannot("write", shown, error)) from None
