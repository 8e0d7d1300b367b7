"""What the jobs of a stage with a lock get, by `wheels.txt` and the wheels' own lists of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import WHEEL_LIST, WHEELS, stage_file

if TYPE_CHECKING:
    from hatch_ytupload.checks.packed_code import PackedCode


class PackedLock(NamedTuple):
    """What `wheels.txt` of a stage says."""

    python: str
    """The version that the wheels are for, such as `3.11`."""
    members: tuple[str, ...]
    """Of all wheels of the stage."""


def packed_lock(code: PackedCode, stage: str) -> PackedLock | None:
    """Return what the jobs of a stage get; None: it has no lock.

    Raises:
        SourceError: the list cannot be read.
    """
    path = stage_file(stage, WHEEL_LIST)
    if path not in code.files:
        return None
    words = [line.split(" ") for line in code.read(path).decode("utf-8", "replace").splitlines() if line[:1] != "#"]
    python = next((value for key, value, *_ in words if key == "python"), "3.11")
    wheels = [rest[-1] for _, *rest in words if rest and rest[-1].endswith(".whl")]
    return PackedLock(python, tuple(name for file in wheels for name in code.wheel_members(f"{WHEELS}/{file}")))
