"""What leads out where a stage cannot be locked: uv says why, and what to do depends on that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import REQUIREMENTS, stage_file
from hatch_ytupload.locking.download import DownloadError
from hatch_ytupload.locking.lock_file import LockError, describe_target
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.locking.asked_for import AskedFor
    from hatch_ytupload.locking.download import Downloads

INTO_THE_IMAGE = (
    "take what requires it out of the requirements, put that into the image and its modules into `provided_modules`"
)
OTHER_WHEELS = f"require a version that has one, change `target`, or {INTO_THE_IMAGE}"

_MOST_TARGETS = 12
_NOT_REACHED = re.compile(r"Failed to fetch|Request failed|dns error")
_UNKNOWN = re.compile(r"(\S+) was not found in the package registry")
_NO_WHEEL = re.compile(r"([\w.-]+)(?:\[\S*\])?==(\S+) has no (?:usable )?wheels")
_OTHER_PYTHON = re.compile(r"requires Python")
_NOT_BUILT = re.compile(r"Failed to (?:download and )?build")
_CONFLICT = re.compile(r"we can conclude")
_YANKED = re.compile(r"(\S+==\S+) was yanked")


def unresolved(asked: AskedFor, reason: str, downloads: Downloads) -> LockError:
    """Return the error for a stage that there are no versions for.

    Args:
        asked: for by the stage.
        reason: why there are none, as uv says it.
        downloads: from where uv has looked.
    """
    shown = f"stage `{one_line(asked.stage)}` cannot be locked for {describe_target(asked.image.target)}"
    way = _way_out(asked, reason, downloads)
    return LockError(f"{shown}: {reason}" + (f"; {way}" if way else ""))


def asks_elsewhere(reason: str) -> bool:
    """Tell whether uv gave up for want of a network or an index, and not of versions."""
    return _NOT_REACHED.search(reason) is not None


def wheels_there(name: str, version: str, downloads: Downloads) -> str:
    """Return what the wheels of a version are for, as messages list it; empty: there are none, or nobody knows.

    Args:
        name: normalized, of a distribution.
        version: of it.
        downloads: where to look.
    """
    found = set()
    try:
        for file in downloads.files_of(name):
            parts = file.name.removesuffix(".whl").split("-")
            if file.name.endswith(".whl") and parts[1] == version:
                found.add(f"{parts[-3]}-{parts[-1]}")
    except DownloadError:
        return ""
    return ", ".join(sorted(found)[:_MOST_TARGETS]) + (", …" if len(found) > _MOST_TARGETS else "")


def _way_out(asked: AskedFor, reason: str, downloads: Downloads) -> str:
    if unknown := _UNKNOWN.search(reason):
        return _of_unknown(unknown[1], downloads)
    if lacking := _NO_WHEEL.search(reason):
        there = wheels_there(lacking[1], lacking[2], downloads)
        return (f"wheels of {lacking[1]} {lacking[2]} are there for {there}: " if there else "") + OTHER_WHEELS
    if yanked := _YANKED.search(reason):
        return f"require `{yanked[1]}` to have it all the same"
    requirements = one_line(stage_file(asked.stage, REQUIREMENTS))
    ways = {
        _NOT_REACHED: "see that it can be reached, or name another index in `PIP_INDEX_URL` or pip's configuration",
        _OTHER_PYTHON: "require another version, or change `target`",
        _NOT_BUILT: f"require a version that has a wheel, or {INTO_THE_IMAGE}",
        _CONFLICT: f"change what `{requirements}` asks for",
    }
    return next((way for pattern, way in ways.items() if pattern.search(reason)), "")


def _of_unknown(name: str, downloads: Downloads) -> str:
    """Say why an index does not have a distribution: uv takes one that wants credentials for one that has nothing."""
    try:
        known = any(True for _ in downloads.files_of(name))
    except DownloadError as error:
        return str(error)
    if known:
        return f"no file of {name} there can be used"
    return (
        f"correct the name `{name}`, or name the index that has it, in `PIP_EXTRA_INDEX_URL`, pip's configuration, or "
        "by `--extra-index-url` in the requirements"
    )
