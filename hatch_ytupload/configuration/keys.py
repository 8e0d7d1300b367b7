"""Every setting: how it is read, where it may stand, and its name in messages; what stands beside the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.configuration import values
from hatch_ytupload.wording import did_you_mean, nearest, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TABLE = "tool.ytupload"

Spelling = Callable[[str], str]
"""How messages write the option that is a setting: `--build-folder` for commands."""


def publisher_option(key: str) -> str:
    """Write a setting as an option of the publisher."""
    return f"`-o {key}`"


def command_flag(key: str) -> str:
    """Write a setting as a flag of commands."""
    return f"`--{key.replace('_', '-')}`"


class Key(NamedTuple):
    """How one setting is read, and where else than in `[tool.ytupload]` it may stand."""

    read: Callable[[object], Any]
    default: Any
    config_key: str | None = None
    variable: str | None = None


KEYS: dict[str, Key] = {
    "pipeline_dir": Key(values.relative_directory, "."),
    "config": Key(values.file_or_false, None, variable="YTUPLOAD_CONFIG"),
    "upload_modules": Key(values.module_names, (), "pipeline.upload_modules"),
    "upload_paths": Key(values.upload_paths, (), "pipeline.upload_paths"),
    "build_folder": Key(values.cypress_path, None, "pipeline.build_folder", "YTUPLOAD_BUILD_FOLDER"),
    "mode": Key(values.mode, "prod", "pipeline.mode", "YTUPLOAD_MODE"),
    "proxy": Key(values.text, None, variable="YTUPLOAD_PROXY"),
    "stages": Key(values.stage_selection, "all"),
    "standalone_wrappers": Key(values.flag, default=False),
    "keep_releases": Key(values.count, 10),
    "unique_versions": Key(values.flag, default=False),
    "node_attributes": Key(values.node_attributes, ()),
    "provided_modules": Key(values.module_names, ()),
    "max_archive_mb": Key(values.size_in_mb, 100),
    "target": Key(values.target, None),
    "stage_targets": Key(values.stage_targets, ()),
    "signing_key": Key(values.file_path, None),
    "allowed_signers": Key(values.file_path, None),
    "revoked_keys": Key(values.file_path, None),
    "lock_wait_seconds": Key(values.seconds, 300),
    "request_timeout_seconds": Key(values.positive_seconds, 20),
    "request_attempts": Key(values.positive_count, 5),
}
"""Every setting, in the order of the documentation; a test holds README and docs against it."""


PUBLISHER_OPTIONS = ("environment", "build_folder", "proxy", "mode", "config", "dry_run", "dist", "yes", "force")
"""What stands behind the publisher's `-o`, in the order of the documentation."""

PROJECT_TABLE = "`tool.hatch.publish.ytupload.{}`"
USER_TABLE = "`publish.ytupload.{}` of Hatch's configuration"
"""How messages write a key of Hatch's own tables for the publisher, which hold `disable` only."""


def from_text(key: str, value: str) -> object:
    """Read a setting from where everything is text: a flag, an option of the publisher, a variable.

    Raises:
        UnexpectedValueError: the setting cannot have this value.
    """
    return False if key == "config" and value == "false" else KEYS[key].read(value)


ENVIRONMENTS = "environments"
DEFAULT_ENVIRONMENT = "default_environment"
CONFIRM = "confirm"
"""What stands in `[tool.ytupload]` beside the settings: tables that override them, the one that counts when none is
named, and, in those tables only, whether to ask before anything changes there."""

VARIABLE_ENVIRONMENT = "YTUPLOAD_ENVIRONMENT"
_PREFIX = "YTUPLOAD_"
_OTHER_VARIABLES = (VARIABLE_ENVIRONMENT, "YTUPLOAD_CACHE_DIR", "YTUPLOAD_NO_CACHE", "YTUPLOAD_RELEASE")
"""Those of other rooms count as known as well."""


def unknown_key(table: str, key: str, beside: tuple[str, ...]) -> str:
    """Say that a table holds no such setting, and what may have been meant.

    Args:
        table: its dotted name.
        key: in it.
        beside: what may stand there beside settings.
    """
    if key == CONFIRM:
        return f"`{table}.{key}` belongs to an environment: `{table}.{ENVIRONMENTS}.NAME.{key}`"
    known = (*KEYS, *beside)
    way_out = did_you_mean(key, known, f"known keys: {', '.join(known)}")
    return f"`{table}.{one_line(key)}` is not a known setting; {way_out}"


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Warn about variables that look like ours and are not."""
    known = [*(key.variable for key in KEYS.values() if key.variable), *_OTHER_VARIABLES]
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in known:
            near = nearest(name.removeprefix(_PREFIX), [other.removeprefix(_PREFIX) for other in known])
            way_out = f"did you mean `{_PREFIX}{near}`?" if near else f"known ones: {', '.join(known)}"
            yield f"the environment variable `{one_line(name)}` means nothing here; {way_out}"


def misplaced(place: str, table: Mapping[str, object]) -> Iterator[str]:
    """Say of each key of one of Hatch's own tables, but `disable`, where it belongs: settings have one place.

    Args:
        place: how messages write a key.
        table: as parsed.
    """
    for name in table:
        if name == "disable":
            continue
        near = name if name in KEYS else nearest(name, KEYS)
        if name in PUBLISHER_OPTIONS and name not in KEYS:
            way_out = f"give it when you publish: `-o {name}=...`"
        elif near:
            way_out = f"write `{TABLE}.{near}`"
        else:
            way_out = f"settings stand in `[{TABLE}]`"
        yield f"{place.format(one_line(name))} means nothing there, where only `disable` does; {way_out}"
