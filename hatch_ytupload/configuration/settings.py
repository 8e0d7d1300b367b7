"""`[tool.ytupload]`, the pipeline's config and the variables, read in one pass into one frozen value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hatch_ytupload.configuration import values
from hatch_ytupload.configuration.keys import (
    CONFIRM,
    DEFAULT_ENVIRONMENT,
    ENVIRONMENTS,
    KEYS,
    TABLE,
    VARIABLE_ENVIRONMENT,
    from_text,
    publisher_option,
    unknown_key,
    unknown_variables,
)
from hatch_ytupload.configuration.pipeline_config import (
    DEFAULT_CONFIG,
    InterpolationError,
    PipelineConfig,
    Secrets,
    load_pipeline_config,
    load_secrets,
)
from hatch_ytupload.details import detail
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.file_names import as_text, is_inside
from hatch_ytupload.wording import describe, listed, nearest, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_ytupload.configuration.keys import Spelling
    from hatch_ytupload.configuration.values import Target, UploadPath

_BEFORE_THE_REST = ("pipeline_dir", "config")
_OF_SIGNATURES = ("signing_key", "allowed_signers", "revoked_keys")
_IN_CONFIG = (*(key.config_key for key in KEYS.values() if key.config_key), "stages.enabled_stages")
_NEEDED_FOR_PUBLISHING = frozenset({"build_folder", "mode", "proxy"})


@dataclass(frozen=True)
class Settings:
    """All settings of a pipeline, checked. Paths are absolute and resolved."""

    project_root: str
    pipeline_dir: str
    upload_modules: tuple[str, ...]
    upload_paths: tuple[UploadPath, ...]
    build_folder: str | None
    mode: str
    proxy: str | None
    stages: str | tuple[str, ...]
    """`"all"` or the names of the stages to pack."""
    stages_are_enabled_ones: bool
    """The names are the config's `stages.enabled_stages`; some of them may have no code."""
    standalone_wrappers: bool
    keep_releases: int
    unique_versions: bool
    node_attributes: tuple[tuple[str, str | int], ...]
    """What published files get on a cluster."""
    provided_modules: tuple[str, ...]
    max_archive_mb: float
    target: Target | None
    """What jobs run on, for locked requirements."""
    stage_targets: tuple[tuple[str, Target], ...]
    """By name of the stage, where that is something else."""
    signing_key: str | None
    """What publishes sign with: a private key, or a public one whose private half the agent holds."""
    allowed_signers: str | None
    revoked_keys: str | None
    """Whose signatures count, in files of OpenSSH; None: nobody is asked."""
    lock_wait_seconds: float
    request_timeout_seconds: float
    request_attempts: int
    config_name: str | None
    """The config that was read, relative to `pipeline_dir`; None: none."""
    environment: str | None = None
    """Whose table of `environments` counts; None: no one's."""
    confirm: bool = False
    """Ask before anything in the build folder changes."""
    warnings: tuple[str, ...] = ()
    deferred_problems: tuple[str, ...] = ()
    """What is wrong with the settings that only publishing needs."""
    secrets: Secrets = field(default_factory=lambda: Secrets({}), compare=False)
    spelling: Spelling = field(default=publisher_option, compare=False)

    def target_of(self, stage: str) -> Target | None:
        """Return what the jobs of a stage run on; None: nobody says."""
        return dict(self.stage_targets).get(stage, self.target)


def load_settings(
    project_root: str,
    table: object,
    *,
    environment: str | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    spelling: Spelling = publisher_option,
) -> Settings:
    """Read all settings.

    Args:
        project_root: the directory of `pyproject.toml`.
        table: what stands under `[tool.ytupload]`, as parsed.
        environment: whose table of `environments` counts; None: that of `YTUPLOAD_ENVIRONMENT`, else of
            `default_environment`.
        environ: the environment; the process's own where None.
        overrides: values of command-line flags or publisher options, which win over all else.
        spelling: how messages write such a flag.

    Raises:
        SettingsError: with every problem that was found.
    """
    return _Reading(
        os.path.realpath(project_root),
        table,
        os.environ if environ is None else environ,
        {key: value for key, value in (overrides or {}).items() if value is not None},
        spelling,
    ).settings(environment)


def pipeline_dir_of(project_root: str, table: Mapping[str, Any], environment: str | None) -> str:
    """Return where the pipeline of an environment lies, by a table of settings that was read without a problem."""
    overriding = table.get(ENVIRONMENTS, {}).get(environment, {})
    return os.path.realpath(os.path.join(project_root, {**table, **overriding}.get("pipeline_dir", ".")))


class _Reading:
    """One pass over all the places where settings stand; gathers problems instead of stopping at the first."""

    def __init__(
        self, root: str, table: object, environ: Mapping[str, str], overrides: Mapping[str, object], spelling: Spelling
    ) -> None:
        self.root = root
        self.environ = environ
        self.overrides = overrides
        self.spelling = spelling
        self.problems: list[str] = []
        self.deferred: list[str] = []
        self.warnings: list[str] = []
        self.table: Mapping[str, Any] = {}
        if isinstance(table, dict):
            self.table = table
        else:
            self.problems.append(f"`{TABLE}` must be a table, found {describe(table)}")
        self.environment: str | None = None
        self.of_environment: Mapping[str, Any] = {}
        self.config: PipelineConfig | None = None

    def settings(self, environment: str | None) -> Settings:
        beside = (ENVIRONMENTS, DEFAULT_ENVIRONMENT)
        self.problems.extend(unknown_key(TABLE, key, beside) for key in self.table if key not in (*KEYS, *beside))
        self._choose(environment)
        self.warnings.extend(unknown_variables(self.environ))
        pipeline_dir = self._pipeline_dir()
        self.config = self._read_config(pipeline_dir) if pipeline_dir is not None else None
        found = {key: self._value(key) for key in KEYS if key not in _BEFORE_THE_REST}
        self._check_what_does_not_count()
        if pipeline_dir is None:
            raise SettingsError(self.problems)
        secrets = self._secrets(pipeline_dir)
        # YT_PROXY is everybody's variable, so it stands after what was written for this project.
        found["proxy"] = found["proxy"] or self.environ.get("YT_PROXY") or secrets.get("YT_PROXY")
        for key in _OF_SIGNATURES:
            found[key] = found[key] and os.path.join(self.root, os.path.expanduser(found[key]))
        if found["revoked_keys"] and not found["allowed_signers"]:
            self.warnings.append(
                f"`{self._place('revoked_keys')}` counts for nothing without `allowed_signers`: nobody's signature is "
                "asked for"
            )
        enabled = found["stages"] == "enabled"
        if enabled:
            found["stages"] = self._enabled_stages()
        self._look_for_idle_proxy(found["mode"])
        confirm = self._confirm()
        if self.problems:
            raise SettingsError(self.problems)
        return Settings(
            project_root=self.root,
            pipeline_dir=pipeline_dir,
            stages_are_enabled_ones=enabled,
            config_name=self.config.name if self.config else None,
            environment=self.environment,
            confirm=confirm,
            warnings=tuple(self.warnings),
            deferred_problems=tuple(self.deferred),
            secrets=secrets,
            spelling=self.spelling,
            **found,
        )

    def _choose(self, named: str | None) -> None:
        """Find the environment that counts, and check the tables of all."""
        tables = self.table.get(ENVIRONMENTS, {})
        if not isinstance(tables, dict):
            self.problems.append(f"`{TABLE}.{ENVIRONMENTS}` must be a table, found {describe(tables)}")
            tables = {}
        for name, table in tables.items():
            place = f"{TABLE}.{ENVIRONMENTS}.{one_line(name)}"
            if isinstance(table, dict):
                unknown = (key for key in table if key not in (*KEYS, CONFIRM))
                self.problems.extend(unknown_key(place, key, (CONFIRM,)) for key in unknown)
            else:
                self.problems.append(f"`{place}` must be a table, found {describe(table)}")
        found = self._named(named)
        if found is None:
            return
        name, place = found
        if isinstance(tables.get(name), dict):
            self.environment, self.of_environment = name, tables[name]
        elif name not in tables:
            there = (
                f"there are {listed(tables)}" if tables else f"write a table `{TABLE}.{ENVIRONMENTS}.{one_line(name)}`"
            )
            near = nearest(name, tables)
            hint = f"; did you mean `{one_line(near)}`?" if near else ""
            self.problems.append(f"{place} names no environment, `{one_line(name)}`: {there}{hint}")

    def _check_what_does_not_count(self) -> None:
        """Find wrong types in all tables, also where something else wins: nobody should learn of them later."""
        tables = {TABLE: self.table}
        environments = self.table.get(ENVIRONMENTS)
        if isinstance(environments, dict):
            tables.update((f"{TABLE}.{ENVIRONMENTS}.{one_line(name)}", table) for name, table in environments.items())
        readers = {key: known.read for key, known in KEYS.items()}
        for place, table in tables.items():
            for key, value in table.items() if isinstance(table, dict) else ():
                if key in readers:
                    self._read(f"`{place}.{key}`", readers[key], value)
            readers[CONFIRM] = values.flag  # which stands in the tables of environments alone

    def _named(self, named: str | None) -> tuple[str, str] | None:
        """Return the name of the environment that counts, and who says so."""
        if named is not None:
            return named, f"option {self.spelling('environment')}"
        if from_variable := self.environ.get(VARIABLE_ENVIRONMENT):
            return as_text(from_variable), f"environment variable `{VARIABLE_ENVIRONMENT}`"
        default = self.table.get(DEFAULT_ENVIRONMENT)
        if default is None:
            return None
        place = f"`{TABLE}.{DEFAULT_ENVIRONMENT}`"
        if isinstance(default, str):
            return default, place
        self.problems.append(f"{place} must be the name of an environment, found {describe(default)}")
        return None

    def _look_for_idle_proxy(self, mode: str) -> None:
        """Warn where an environment names a cluster, and a mode that was written for something else leaves it out."""
        said_for_it = "mode" in self.overrides or "mode" in self.of_environment or self.environ.get("YTUPLOAD_MODE")
        if mode == "dev" and "proxy" in self.of_environment and not said_for_it:
            place = f"{TABLE}.{ENVIRONMENTS}.{one_line(self.environment or '')}"
            self.warnings.append(
                f'`{place}` names a cluster, and `mode` is "dev", which needs none: nothing goes there; '
                f'write `mode = "prod"` in that table'
            )

    def _confirm(self) -> bool:
        if CONFIRM not in self.of_environment:
            return False
        confirm: bool = self._parsed(CONFIRM, f"`{self._place(CONFIRM)}`", values.flag, self.of_environment[CONFIRM])
        return confirm

    def _place(self, key: str) -> str:
        """Return the dotted name of what the tables say about a key."""
        return (
            f"{TABLE}.{ENVIRONMENTS}.{one_line(self.environment)}.{key}"
            if key in self.of_environment
            else f"{TABLE}.{key}"
        )

    def _pipeline_dir(self) -> str | None:
        relative = self._value("pipeline_dir")
        path = os.path.realpath(os.path.join(self.root, relative))
        shown = one_line(relative)
        if not is_inside(path, self.root):
            place = f"`{self._place('pipeline_dir')}` must stay inside the project root"
            self.problems.append(f"{place}, and `{shown}` leads out of it, to `{path}`")
        elif not os.path.isdir(path):
            self.problems.append(f"`{self._place('pipeline_dir')}` must be a directory, and `{shown}` is none")
        else:
            return path
        return None

    def _read_config(self, pipeline_dir: str) -> PipelineConfig | None:
        name = self._value("config")
        if name is False:
            return None
        try:
            config = load_pipeline_config(pipeline_dir, name)
        except SettingsError as error:
            self.problems.extend(error.problems)
            return None
        if config is not None:
            self.warnings.extend(config.mistyped(_IN_CONFIG))
        return config

    def _secrets(self, pipeline_dir: str) -> Secrets:
        try:
            return load_secrets(pipeline_dir)
        except SettingsError as error:
            self.deferred.extend(error.problems)
            return Secrets({})

    def _enabled_stages(self) -> tuple[str, ...]:
        known_problems = len(self.problems)
        names: tuple[str, ...] | None = self._from_config("stages", "stages.enabled_stages", values.stage_names)
        if names is None and len(self.problems) == known_problems:
            if self.config:
                reason = f"`{one_line(self.config.name)}` has no list `stages.enabled_stages`"
            else:
                reason = "`config` is false" if self._value("config") is False else f"there is no `{DEFAULT_CONFIG}`"
            self.problems.append(f'`{self._place("stages")}` is "enabled", and {reason}')
        return names or ()

    def _value(self, key: str) -> Any:  # noqa: ANN401 - one reader per key gives it its type
        """Return the value of a key from the first place that has it: flag, variable, pyproject, config, default."""
        known = KEYS[key]
        if key in self.overrides:
            return self._parsed(key, f"option {self.spelling(key)}", known.read, self.overrides[key])
        if key == "mode" and "proxy" in self.overrides:
            # Whoever names a cluster for one call means no folder on disk, whatever is set elsewhere.
            detail("setting `mode`: prod, as option %s names a cluster", self.spelling("proxy"))
            return "prod"
        from_environment = self.environ.get(known.variable) if known.variable else None
        if from_environment:
            read = partial(from_text, key)
            return self._parsed(key, f"environment variable `{known.variable}`", read, as_text(from_environment))
        in_config = self._from_config(key, known.config_key, known.read) if known.config_key else None
        table = self.of_environment if key in self.of_environment else self.table
        if key not in table:
            return known.default if in_config is None else in_config
        value = self._parsed(key, f"`{self._place(key)}`", known.read, table[key])
        if table is self.table and in_config is not None and self.config and value not in (None, in_config):
            self.warnings.append(
                f"`{TABLE}.{key}` in `pyproject.toml` and `{known.config_key}` in `{one_line(self.config.name)}` "
                "differ: the first is used; remove one of them"
            )
        return value

    def _from_config(self, key: str, config_key: str, read: Callable[[object], Any]) -> Any:  # noqa: ANN401
        """Return what the pipeline's config says, None where it is silent."""
        if self.config is None:
            return None
        try:
            raw = self.config.get(config_key)
        except InterpolationError as error:
            # What pyproject sets is not needed from the config; what only publishing needs must not fail a build.
            if key not in (*self.table, *self.of_environment) or key == "stages":
                (self.deferred if key in _NEEDED_FOR_PUBLISHING else self.problems).append(str(error))
            return None
        if raw is None:
            return None
        return self._parsed(key, f"`{config_key}` in `{one_line(self.config.name)}`", read, raw)

    def _parsed(self, key: str, place: str, read: Callable[[object], Any], raw: object) -> Any:  # noqa: ANN401
        found = self._read(place, read, raw)
        if found is None:
            return KEYS[key].default if key in KEYS else None
        (value,) = found
        shown = describe(_without_password(raw) if key == "proxy" else raw)
        detail("setting `%s`: %s says %s", key, place, shown)
        return value

    def _read(self, place: str, read: Callable[[object], Any], raw: object) -> tuple[Any] | None:
        """Return a value, or None with its problem noted, once."""
        try:
            return (read(raw),)
        except values.UnexpectedValueError as error:
            problem = f"{place} {error}"
            if problem not in self.problems:
                self.problems.append(problem)
            return None


def _without_password(proxy: object) -> object:
    return str(proxy).rpartition("@")[2]
