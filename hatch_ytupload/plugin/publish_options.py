"""The options of the publisher: what stands behind `-o`, in the project's table and in the user's own configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.configuration.settings import KEYS
from hatch_ytupload.configuration.values import UnexpectedValueError, flag, text
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.wording import nearest, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPTIONS = ("build_folder", "proxy", "mode", "config", "dry_run", "dist")
"""The options, in the order of the documentation."""

# Hatch passes these with every call; it looks at `disable` itself.
_HATCHS_OWN = ("no_prompt", "initialize_auth")
_IN_TABLES_ONLY = ("disable",)
_TRUE, _FALSE = ("", "1", "true", "yes", "on"), ("0", "false", "no", "off")


class PublishOptions(NamedTuple):
    """The options of one publish."""

    settings: dict[str, object]
    """Those that are settings, by key."""
    dry_run: bool
    dist: str | None


def read_options(
    given: Mapping[str, object],
    project_table: Mapping[str, object],
    user_table: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
) -> PublishOptions:
    """Read the options from the three places they may stand in, the first of which is the strongest.

    Args:
        given: behind `-o`; all strings, an empty one where there is no `=`.
        project_table: `[tool.hatch.publish.ytupload]`.
        user_table: `[publish.ytupload]` of Hatch's own configuration.
        environ: the environment; the process's own where None. Its variables are stronger than the two tables.

    Raises:
        SettingsError: with every problem.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, object] = {}
    problems: list[str] = []
    for table, place, readers in (
        (user_table, "`publish.ytupload.{}` of Hatch's configuration", _IN_TABLES),
        (project_table, "`tool.hatch.publish.ytupload.{}`", _IN_TABLES),
        (given, "option `{}`", _GIVEN),
    ):
        for name, value in table.items():
            if name in _HATCHS_OWN if table is given else name in _IN_TABLES_ONLY:
                continue
            shown = place.format(one_line(name))
            if name not in OPTIONS:
                problems.append(_unknown(shown, name))
                continue
            try:
                read = readers[name](value)
            except UnexpectedValueError as error:
                problems.append(f"{shown} {error}")
                continue
            variable = KEYS[name].variable if name in KEYS else None
            if table is given or not (variable and environ.get(variable)):
                found[name] = read
    if problems:
        raise SettingsError(problems)
    dist = found.pop("dist", None)
    return PublishOptions(dry_run=bool(found.pop("dry_run", False)), dist=str(dist) if dist else None, settings=found)


def _unknown(shown: str, name: str) -> str:
    near = nearest(name, OPTIONS)
    way_out = f"did you mean `{near}`?" if near else f"known options: {', '.join(OPTIONS)}"
    return f"{shown} is not known; {way_out}"


def _switch(value: object) -> bool:
    """Read what a switch may be given as on a command line: `-o dry_run` is true."""
    lowered = value.strip().lower() if isinstance(value, str) else value
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise UnexpectedValueError("true or false", value)


def _filled(value: object) -> str:
    found = text(value)
    if found is None:
        raise UnexpectedValueError("a value, as in `name=value`", value)
    return found


def _config(value: object) -> object:
    """Read a file name, or what `config = false` is on a command line."""
    return False if value == "false" else KEYS["config"].read(value)


_IN_TABLES: dict[str, Callable[[object], object]] = {
    "build_folder": KEYS["build_folder"].read,
    "proxy": text,
    "mode": KEYS["mode"].read,
    "config": KEYS["config"].read,
    "dry_run": flag,
    "dist": text,
}
_GIVEN: dict[str, Callable[[object], object]] = {
    **_IN_TABLES,
    "proxy": _filled,
    "config": _config,
    "dry_run": _switch,
    "dist": _filled,
}
