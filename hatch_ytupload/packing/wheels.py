"""The wheels of locked stages in an archive: found on this machine or fetched, each packed once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import WHEELS
from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import SourceError
from hatch_ytupload.packing.manifest import TargetInfo, WheelInfo
from hatch_ytupload.planning.plan import Generated, Part, Plan
from hatch_ytupload.sources.core_metadata import metadata_in, parse_core_metadata
from hatch_ytupload.sources.planned_files import read_at_once
from hatch_ytupload.sources.tree import single_file
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.configuration.settings import Settings


@contextmanager
def plan_with_wheels(
    plan: Plan, cache_directory: str | None, environ: Mapping[str, str], progress: Progress = no_progress
) -> Iterator[Plan]:
    """Give a plan whose first part are the wheels of all locked stages; they stay where they are during the context.

    Args:
        plan: of an archive.
        cache_directory: where wheels are kept; None: nowhere.
        environ: the environment.
        progress: called with how much of each wheel is fetched.

    Raises:
        LockError: a wheel cannot be had, is not what was locked, or does not work in jobs.
        SourceError: two stages have different ones of one name.
    """
    locked = [stage.locked for stage in plan.stages if stage.locked is not None]
    if not any(stage.wheels for stage in locked):
        yield plan
        return
    import tempfile

    from hatch_ytupload.locking.locked_stage import wheel_paths
    from hatch_ytupload.locking.wheel_files import WheelFiles

    entries = {entry.path: entry for entry in plan.entries()}

    def read(path: str) -> bytes | None:
        entry = entries.get(path)
        if entry is None:
            return None
        return entry.data if isinstance(entry, Generated) else read_at_once(entry)

    with tempfile.TemporaryDirectory() as temporary:
        files = WheelFiles(os.path.join(cache_directory or temporary, WHEELS), environ, progress)
        found: dict[str, str] = {}
        for stage in locked:
            for path, source in wheel_paths(stage, files, read, environ).items():
                if found.setdefault(path, source) != source:
                    raise SourceError(
                        f"two stages have locked different files of the name `{path}`, one of them "
                        f"`{one_line(stage.stage)}`: run `hatch-ytupload lock` for both"
                    )
        wheels = [
            single_file(source, path, os.path.dirname(source), own=False, shown=path)._replace(mode=0o644)
            for path, source in sorted(found.items())
        ]
        yield plan._replace(parts=(Part(WHEELS, tuple(wheels)), *plan.parts))


def wheel_infos(plan: Plan) -> tuple[WheelInfo, ...]:
    """Return what the manifest says about the wheels of a plan that has them, sorted by file."""
    stages: dict[str, set[str]] = {}
    known = {}
    for stage in plan.stages:
        for wheel in stage.locked.wheels if stage.locked else ():
            stages.setdefault(wheel.file, set()).add(stage.name)
            known[wheel.file] = wheel
    sources = {entry.path: entry for entry in plan.parts[0].entries} if known else {}
    found = []
    for file, wheel in sorted(known.items()):
        entry = sources[f"{WHEELS}/{file}"]
        size = 0 if isinstance(entry, Generated) else entry.size
        licence = None if isinstance(entry, Generated) else _licence(entry.source)
        found.append(
            WheelInfo(file, wheel.name, wheel.version, wheel.sha256, size, licence, tuple(sorted(stages[file])))
        )
    return tuple(found)


def target_info(plan: Plan, settings: Settings) -> TargetInfo | None:
    """Return what the manifest says that the wheels were chosen for: the target of the settings, else of the locks."""
    targets = [stage.locked.target for stage in plan.stages if stage.locked]
    if not targets:
        return None
    return TargetInfo(*(settings.target or targets[0]))


def wheel_sizes(plan: Plan) -> dict[str, int]:
    """Return the sizes of the wheels of locked stages in bytes, by path, as far as the locks tell."""
    wheels = (wheel for stage in plan.stages if stage.locked for wheel in stage.locked.wheels)
    return {f"{WHEELS}/{wheel.file}": wheel.size or 0 for wheel in wheels}


def _licence(path: str) -> str | None:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        metadata = parse_core_metadata(metadata_in(archive) or b"")
    return metadata.licence_expression or metadata.licence or None
