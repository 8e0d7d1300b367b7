"""The options of the publisher: what stands behind `-o`. The tables of Hatch's that name it hold `disable` only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.configuration.keys import (
    KEYS,
    PUBLISHER_OPTIONS,
    USER_TABLE,
    from_text,
    misplaced,
    publisher_option,
)
from hatch_ytupload.configuration.values import UnexpectedValueError, text
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.wording import did_you_mean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Hatch passes the first two with every call, and looks at the third itself.
_HATCHS_OWN = ("no_prompt", "initialize_auth")
_TRUE, _FALSE = ("", "1", "true", "yes", "on"), ("0", "false", "no", "off")


class PublishOptions(NamedTuple):
    """The options of one publish."""

    settings: dict[str, object]
    """Those that are settings, by key."""
    environment: str | None
    dry_run: bool
    dist: str | None
    yes: bool = False
    force: bool = False
    may_ask: bool = True
    """Hatch may ask its user something."""


def read_options(given: Mapping[str, object], user_table: Mapping[str, object]) -> PublishOptions:
    """Read the options, and refuse settings in the user's configuration of Hatch: there is one place for them.

    Args:
        given: behind `-o`; all strings, an empty one where there is no `=`.
        user_table: `[publish.ytupload]` of Hatch's own configuration.

    Raises:
        SettingsError: with every problem.
    """
    problems = [*misplaced(USER_TABLE, user_table)]
    found: dict[str, object] = {}
    for name, value in given.items():
        if name in _HATCHS_OWN:
            continue
        shown = f"option {publisher_option(one_line(name))}"
        if name not in PUBLISHER_OPTIONS:
            way_out = did_you_mean(name, PUBLISHER_OPTIONS, f"known options: {', '.join(PUBLISHER_OPTIONS)}")
            problems.append(f"{shown} is not known; {way_out}")
            continue
        try:
            found[name] = _READERS[name](as_text(value) if isinstance(value, str) else value)
        except UnexpectedValueError as error:
            problems.append(f"{shown} {error}")
    if problems:
        raise SettingsError(problems)
    environment, dist = found.pop("environment", None), found.pop("dist", None)
    return PublishOptions(
        dry_run=bool(found.pop("dry_run", False)),
        yes=bool(found.pop("yes", False)),
        force=bool(found.pop("force", False)),
        may_ask=not given.get("no_prompt"),
        environment=None if environment is None else str(environment),
        dist=None if dist is None else str(dist),
        settings=found,
    )


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


_READERS: dict[str, Callable[[Any], object]] = {
    "environment": _filled,
    "build_folder": KEYS["build_folder"].read,
    "proxy": _filled,
    "mode": KEYS["mode"].read,
    "config": partial(from_text, "config"),
    "dry_run": _switch,
    "yes": _switch,
    "force": _switch,
    "dist": _filled,
}
