"""How the value of each setting is checked: readers are given what a file or flag holds, and return typed values."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeGuard

from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.wording import describe, one_line


class UnexpectedValueError(ValueError):
    """A setting cannot have this value; `str()` continues a sentence that began with the setting's place."""

    def __init__(self, expected: str, found: object) -> None:
        super().__init__(f"must be {expected}, found {describe(found)}")


class UploadPath(NamedTuple):
    """One entry of `upload_paths`: a directory of the pipeline and its place in the archive."""

    source: str
    """As the system spells it."""
    target: str | None


_PYTHON = r"3\.\d{1,2}"
# The names that uv has for Linux, as `--python-platform`.
_GLIBC = "2014|_2_17|_2_28|_2_3[1-9]|_2_40"
_PLATFORM = rf"linux|riscv64-unknown-linux|(x86_64|aarch64)-(unknown-linux-(gnu|musl)|manylinux({_GLIBC}))"


class Target(NamedTuple):
    """What the jobs of a stage run on."""

    python: str
    """The version of Python, such as `3.11`."""
    platform: str
    """As uv names it, such as `x86_64-manylinux_2_28`."""


def text(value: object) -> str | None:
    """Read a string; an empty one counts as absent."""
    if not isinstance(value, str):
        raise UnexpectedValueError("a string", value)
    return value.strip() or None


def flag(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise UnexpectedValueError("true or false", value)
    return value


def _whole_number(expected: str, *, least: int) -> Callable[[object], int]:
    """Return the reader of a whole number that is not too small."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UnexpectedValueError(expected, value)
        return value

    return read


def _number(expected: str, *, least: float, most: float = sys.float_info.max) -> Callable[[object], float]:
    """Return the reader of a number within limits."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise UnexpectedValueError(expected, value)
        return value

    return read


count = _whole_number("a whole number, 0 or more", least=0)
positive_count = _whole_number("a whole number, 1 or more", least=1)
size_in_mb = _number("a number of megabytes, 0 or more", least=0)
_YEAR = 365 * 86400  # which is for ever
seconds = _number("a number of seconds, 0 or more", least=0, most=_YEAR)
positive_seconds = _number("a number of seconds, more than 0", least=sys.float_info.min, most=_YEAR)


_MOST_REPLICAS = 20


def node_attributes(value: object) -> tuple[tuple[str, str | int], ...]:
    """Read a table of what published files get on a cluster; pairs of names and values."""
    table = _table(value, f"a table of {', '.join(_NODE_ATTRIBUTES)}", _NODE_ATTRIBUTES)
    for name, each in table.items():
        if not _NODE_ATTRIBUTES[name](each):
            expected = f"a whole number from 1 to {_MOST_REPLICAS}" if name == "replication_factor" else "a name"
            raise UnexpectedValueError(f"a table whose `{name}` is {expected}", each)
    return tuple(table.items())


_NODE_ATTRIBUTES: dict[str, Callable[[object], bool]] = {
    "replication_factor": lambda value: type(value) is int and 1 <= value <= _MOST_REPLICAS,
    "primary_medium": lambda value: isinstance(value, str) and bool(value.strip()),
    "account": lambda value: isinstance(value, str) and bool(value.strip()),
}


def mode(value: object) -> str:
    """Read `prod` or `dev`, in any case, as YT Framework does."""
    lowered = value.strip().lower() if isinstance(value, str) else value
    if lowered not in ("prod", "dev"):
        raise UnexpectedValueError('"prod" or "dev"', value)
    return str(lowered)


def relative_directory(value: object) -> str:
    """Read a directory relative to the project root."""
    if not _is_path(value) or not value or os.path.isabs(value):
        raise UnexpectedValueError("a directory relative to the project root", value)
    return as_system_spells(value)


def file_or_false(value: object) -> str | bool:
    """Read a file name, or false for none."""
    if value is False:
        return False
    if not _is_path(value) or not value:
        raise UnexpectedValueError("a file relative to the pipeline directory, or false", value)
    return as_system_spells(value)


def file_path(value: object) -> str:
    """Read the path of a file, wherever it lies."""
    if not _is_path(value) or not value.strip():
        raise UnexpectedValueError("the path of a file", value)
    return as_system_spells(value)


def cypress_path(value: object) -> str:
    """Read the path of a Cypress folder; slashes at its end are dropped."""
    if isinstance(value, str):
        path = value.strip().rstrip("/")
        # No `.` and `..`: to Cypress they are names; the build folder on disk would climb.
        names = path[2:].split("/")
        plain = all(name not in ("", ".", "..") and name.isprintable() for name in names)
        if path.startswith("//") and plain and not any(char in path for char in "@&*{}[]<>\\"):
            return path
    raise UnexpectedValueError("the path of a Cypress folder such as `//home/project/build`", value)


def module_names(value: object) -> tuple[str, ...]:
    """Read a list of module names or a single one."""
    return _strings(value, "a list of module names")


def stage_names(value: object) -> tuple[str, ...]:
    """Read a list of stage names or a single one."""
    return _strings(value, "a list of stage names")


def stage_selection(value: object) -> str | tuple[str, ...]:
    """Read `"all"`, `"enabled"` or a list of stage names."""
    if value in ("all", "enabled"):
        return str(value)
    if not isinstance(value, list):
        raise UnexpectedValueError('"all", "enabled" or a list of stage names', value)
    return stage_names(value)


def upload_paths(value: object) -> tuple[UploadPath, ...]:
    """Read the list of `{ source, target? }`."""
    if not isinstance(value, list):
        raise UnexpectedValueError("a list of `{ source, target }` tables", value)
    return tuple(_upload_path(number, entry) for number, entry in enumerate(value, 1))


def _upload_path(number: int, entry: object) -> UploadPath:
    ordinal = f"a list of `{{ source, target }}` tables; in entry #{number}"
    if not isinstance(entry, Mapping):
        raise UnexpectedValueError(f"{ordinal} expected is a table with `source`", entry)
    unknown = [key for key in entry if key not in ("source", "target")]
    if unknown:
        raise UnexpectedValueError(f"{ordinal} known keys are `source` and `target`", unknown[0])
    source, target = entry.get("source"), entry.get("target")
    if not _is_path(source) or not source.strip():
        raise UnexpectedValueError(f"{ordinal} `source` must be a directory", source)
    if target is not None and not _is_path(target):
        raise UnexpectedValueError(f"{ordinal} `target` must be a path inside the archive", target)
    return UploadPath(as_system_spells(source.strip()), target.strip() or None if target else None)


def target(value: object) -> Target:
    """Read what jobs run on."""
    expected = 'a table such as `{ python = "3.11", platform = "x86_64-manylinux_2_28" }`'
    table = _table(value, expected, Target._fields)
    if len(table) < len(Target._fields):
        raise UnexpectedValueError(expected, value)
    python, platform = table["python"], table["platform"]
    if not isinstance(python, str) or not re.fullmatch(_PYTHON, python):
        raise UnexpectedValueError(f'{expected}, with a `python` such as "3.11"', python)
    if not isinstance(platform, str) or not re.fullmatch(_PLATFORM, platform, re.ASCII):
        raise UnexpectedValueError(f"{expected}, with a `platform` of Linux as uv names it", platform)
    return Target(python, platform)


def stage_targets(value: object) -> tuple[tuple[str, Target], ...]:
    """Read what the jobs of single stages run on."""
    if not isinstance(value, Mapping) or not all(isinstance(item, Mapping) for item in value.values()):
        raise UnexpectedValueError("a table with a `target` for each stage that has its own", value)
    return tuple((str(stage), target(item)) for stage, item in value.items())


def _table(value: object, expected: str, known: Collection[str]) -> Mapping[str, Any]:
    """Return a table that holds known keys alone."""
    if not isinstance(value, Mapping):
        raise UnexpectedValueError(expected, value)
    for key in value:
        if key not in known:
            raise UnexpectedValueError(f"{expected}, which has no key `{one_line(str(key))}`", value)
    return value


def _is_path(value: object) -> TypeGuard[str]:
    """Tell whether a value is text that a path can be: no NUL, and no half of a surrogate pair, as YAML can hold."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def _strings(value: object, expected: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        raise UnexpectedValueError(expected, value)
    for item in items:
        if not isinstance(item, str):
            raise UnexpectedValueError(f"{expected}, all strings", item)
        if not item.strip():
            raise UnexpectedValueError(f"{expected}, none of them empty", item)
    # A name written twice is packed once.
    return tuple(dict.fromkeys(item.strip() for item in items))
