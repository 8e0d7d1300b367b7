"""A stage with a lock: what its jobs get, and where that is looked for."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import LOCK, REQUIREMENTS, WHEELS, stage_directory, stage_file
from hatch_ytupload.configuration.keys import TABLE
from hatch_ytupload.locking.asked_for import AskedFor, refuse_stale
from hatch_ytupload.locking.image import Image
from hatch_ytupload.locking.indexes import find_indexes
from hatch_ytupload.locking.lock_file import LockError, load_lock, target_of, without_credentials
from hatch_ytupload.locking.resolution import ResolutionError, Resolver
from hatch_ytupload.locking.wheel_files import refuse_path_files
from hatch_ytupload.requirements.reading import read_requirements
from hatch_ytupload.requirements.tree import in_archive
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hatch_ytupload.configuration.values import Target
    from hatch_ytupload.locking.indexes import Indexes
    from hatch_ytupload.locking.lock_file import LockedWheel
    from hatch_ytupload.locking.wheel_files import WheelFiles
    from hatch_ytupload.requirements.reading import Requirements

NO_TARGET = (
    f"nothing says what the jobs run on: write, for Python 3.11 on a Debian 12 of x86-64, "
    f'`target = {{ python = "3.11", platform = "x86_64-manylinux_2_28" }}` under `[{TABLE}]`'
)


class LockedStage(NamedTuple):
    """What the jobs of a stage with a lock get."""

    stage: str
    target: Target
    wheels: tuple[LockedWheel, ...]
    requirements: Requirements
    """Where wheels are looked for."""

    @property
    def wheel_list(self) -> str:
        """The text of `wheels.txt`, which `operation_bootstrap.py` reads."""
        image = Image(self.target)
        lines = [
            "# What the wheels of this stage are for, and which of `wheels/` are its: SHA-256, size, name.",
            f"python {self.target.python}",
            f"processor {image.processor}",
            f"libc {image.c_library}",
            *(f"{wheel.sha256} {wheel.size or 0} {wheel.file}" for wheel in self.wheels),
        ]
        return "\n".join(lines) + "\n"


def locked_stage(stage: str, files: Mapping[str, bytes], target: Target | None) -> LockedStage:
    """Read the lock of a stage, and check that it fits what is there now.

    Args:
        stage: its name.
        files: all files of the archive, by path.
        target: what the settings say that jobs run on; None: the lock may say it.

    Raises:
        LockError: it cannot be used, or does not fit.
    """
    shown = stage_file(stage, LOCK)
    try:
        text = files[shown].decode()
    except UnicodeDecodeError:
        raise LockError(f"`{one_line(shown)}` is not UTF-8; run `hatch-ytupload lock`") from None
    target = target or target_of(text, shown)
    if target is None:
        raise LockError(f"`{one_line(shown)}`: {NO_TARGET}")
    requirements = read_requirements(stage_file(stage, REQUIREMENTS), files)
    image = Image(target)
    lock = load_lock(text, shown, image)
    refuse_stale(lock, AskedFor(stage, image, requirements, files), shown)
    return LockedStage(stage, target, lock.wheels, requirements)


def bootstrap() -> bytes:
    """Return the content of `operation_bootstrap.py`."""
    with open(os.path.join(os.path.dirname(__file__), "operation_bootstrap.py"), "rb") as file:
        return file.read()


def place_of(wheel: LockedWheel) -> str:
    """Return the path of a wheel in the archive."""
    return f"{WHEELS}/{wheel.file}"


def wheel_paths(
    stage: LockedStage,
    files: WheelFiles,
    read: Callable[[str], bytes | None],
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return where on this machine the wheels of a stage lie, by their paths in the archive.

    What is missing is fetched.

    Args:
        stage: which.
        files: of this machine.
        read: returns the content of a file of the archive; None: there is none.
        environ: the environment.

    Raises:
        LockError: one cannot be had, is not what was locked, or does not work in jobs.
    """
    indexes = find_indexes(stage.requirements.options, environ)
    urls = stage.requirements.urls(environ)
    found = {}
    for wheel in stage.wheels:
        path = files.find(wheel.sha256)
        if path is None:
            place = (wheel.built_from or wheel).path
            local = None if place is None else in_archive(place, stage_directory(stage.stage))
            content = None if local is None else read(local)
            if content is not None:
                files.keep(iter([content]))
            path = _obtain(_with_credentials(wheel, urls), files, indexes, stage.stage, environ)
        refuse_path_files(path, wheel, stage.stage)
        found[place_of(wheel)] = path
    return found


def _with_credentials(wheel: LockedWheel, urls: Collection[str]) -> LockedWheel:
    """Return a wheel with the URL that requirements have for it."""
    known = {without_credentials(url): url for url in urls}
    source = wheel.built_from
    if source is None:
        return wheel._replace(url=known.get(wheel.url or "", wheel.url))
    return wheel._replace(built_from=source._replace(url=known.get(source.url or "", source.url)))


def _obtain(wheel: LockedWheel, files: WheelFiles, indexes: Indexes, stage: str, environ: Mapping[str, str]) -> str:
    with ExitStack() as stack:

        def build(sdist: str, name: str) -> str:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            try:
                return Resolver(indexes, environ).build(sdist, name, directory)
            except ResolutionError as error:
                raise LockError(f"{wheel.of_stage(stage)} has to be built, and that fails: {error}") from None

        return files.get(wheel, indexes, stage, build)
