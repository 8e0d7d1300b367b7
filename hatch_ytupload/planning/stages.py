"""Stages of a pipeline and the operations that each of them offers."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.archive_layout import CONFIG, SRC, STAGES
from hatch_ytupload.configuration.pipeline_config import InterpolationError, PipelineConfig, load_yaml_mapping
from hatch_ytupload.errors import NoStagesError, SettingsError, SourceError
from hatch_ytupload.file_names import as_system_spells, as_text
from hatch_ytupload.sources.ignore_scope import describe_rule
from hatch_ytupload.wording import cannot, describe, nearest, one_line

if TYPE_CHECKING:
    from collections.abc import Collection

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.locking.locked_stage import LockedStage
    from hatch_ytupload.requirements.reading import Credential
    from hatch_ytupload.sources.exclusions import Exclusions
    from hatch_ytupload.sources.ignore_scope import IgnoreScope
    from hatch_ytupload.sources.ignoring import Rule


# The order in which YT Framework looks for a reducer; it differs between the two kinds of operation.
_MAP_REDUCE_REDUCERS = ("reducer.py", "reducer_mds.py", "reducer_main.py", "reducer_index.py")
_REDUCE_REDUCERS = ("reducer.py", "reducer_index.py", "reducer_mds.py", "reducer_main.py")
# In bytes; a file name has at most 255.
_LONGEST_NAME = 200
ENTRY_POINTS = ("mapper.py", "vanilla.py", *_MAP_REDUCE_REDUCERS)


class Operation(NamedTuple):
    """One thing that a stage can run on the cluster."""

    name: str
    script: str
    """Path of the Python file below the stage's `src`."""


class Stage(NamedTuple):
    """A stage as the archive holds it."""

    name: str
    operations: tuple[Operation, ...]
    requirements: tuple[str, ...] | None
    """What its `requirements.txt` requires, with all that it includes; None where it has none."""
    credentials: tuple[Credential, ...] = ()
    """The lines of it that hold some."""
    locked: LockedStage | None = None
    """What its jobs get in place of installing; None: it has no lock."""


def stage_names(settings: Settings, scope: IgnoreScope, exclusions: Exclusions) -> list[str]:
    """List the selected stages that have a `src` directory, sorted.

    Args:
        settings: of the pipeline.
        scope: the ignore rules in force in its `stages` directory.
        exclusions: what stays out besides what is ignored.

    Raises:
        NoStagesError: there is none.
        SettingsError: a selected stage does not exist.
        SourceError: a stage's name cannot be part of a file name, or the directory cannot be listed.
    """
    directory = os.path.join(settings.pipeline_dir, STAGES)
    try:
        with os.scandir(directory) as entries:
            all_names = sorted(as_text(entry.name) for entry in entries if _is_directory(entry))
    except (FileNotFoundError, NotADirectoryError):
        raise NoStagesError(no_stages_message(settings, [])) from None
    except OSError as error:
        raise SourceError(cannot("list", directory, error)) from None
    rules = {
        name: scope.excluding(as_system_spells(name), is_dir=True)
        or exclusions.rule(f"{as_text(directory)}/{name}", is_dir=True)
        for name in all_names
    }
    with_code = [name for name in all_names if rules[name] is None and _has_source(directory, name)]
    _refuse_unknown(settings, with_code, rules)
    selected = [name for name in with_code if settings.stages == "all" or name in settings.stages]
    for name in selected:
        if not _is_safe(name):
            raise SourceError(
                f"the stage name `{one_line(name)}` in `{one_line(directory)}` cannot be part of the name of a wrapper "
                "script: use letters, digits, `_`, `-` and `.`, a letter, digit or `_` first, "
                f"at most {_LONGEST_NAME} bytes"
            )
    if with_code and not selected:
        raise NoStagesError(
            f"no stage with code to run: `stages` selects none of {', '.join(map(one_line, with_code))}"
        )
    if not selected:
        seen = [name if rule is None else f"{name}, ignored by {describe_rule(rule)}" for name, rule in rules.items()]
        raise NoStagesError(no_stages_message(settings, seen))
    return selected


def no_stages_message(settings: Settings, stages: Collection[str]) -> str:
    """Say that there is nothing to run, and where it was looked for."""
    directory = one_line(os.path.join(settings.pipeline_dir, STAGES))
    seen = f" (stages there: {', '.join(map(one_line, stages))})" if stages else ""
    if stages:
        way_out = "; a pipeline that runs no code of its own in jobs needs no archive"
    elif settings.pipeline_dir == settings.project_root:
        way_out = "; set `pipeline_dir` if the pipeline lies elsewhere"
    else:
        way_out = ""
    return (
        f"no stage with code to run: looked for {', '.join(f'`{name}`' for name in ENTRY_POINTS)} "
        f"in `{directory}/<stage>/src`{seen}{way_out}"
    )


def read_operations(stage: str, directory: str, scripts: Collection[str], *, config: bool) -> tuple[Operation, ...]:
    """Find what a stage can run.

    Args:
        stage: its name.
        directory: its path.
        scripts: the files that are packed from its `src`, relative to that.
        config: its `config.yaml` is packed.

    Raises:
        SettingsError: the config cannot be parsed, or names a script that is not packed.
    """
    shown = f"{STAGES}/{stage}/{CONFIG}"
    content = load_yaml_mapping(os.path.join(directory, CONFIG), shown) if config else {}
    job = PipelineConfig(shown, content)
    found = []
    if "mapper.py" in scripts:
        found.append(Operation("map", "mapper.py"))
    if "vanilla.py" in scripts:
        found.append(Operation("vanilla", "vanilla.py"))
    mapper = _script(job, "job.map_reduce_command.mapper_script", ("mapper.py",), scripts)
    reducer = _script(job, "job.map_reduce_command.reducer_script", _MAP_REDUCE_REDUCERS, scripts)
    if mapper and reducer:
        found += [Operation("map_reduce_mapper", mapper), Operation("map_reduce_reducer", reducer)]
    reducer = _script(job, "job.reduce_command.reducer_script", _REDUCE_REDUCERS, scripts)
    if reducer:
        found.append(Operation("reduce", reducer))
    return tuple(found)


def _script(config: PipelineConfig, key: str, usual: tuple[str, ...], scripts: Collection[str]) -> str | None:
    try:
        named: Any = config.get(key)
    except InterpolationError as error:
        raise SettingsError([str(error)]) from None
    if named is None or named == "":
        return next((name for name in usual if name in scripts), None)
    normal = posixpath.normpath(named) if isinstance(named, str) else None
    if normal not in scripts:
        shown = f"`{one_line(named)}`" if isinstance(named, str) else describe(named)
        problem = f"`{key}` in `{config.name}` names {shown}, and no such file is packed from the stage's `src`"
        raise SettingsError([f"{problem}: correct it, or look into `.ytignore`"])
    return normal


def _refuse_unknown(settings: Settings, with_code: list[str], rules: dict[str, Rule | None]) -> None:
    """Report every selected stage that cannot be packed, and targets of none; an enabled one may be without code."""
    selected: Collection[str] = () if settings.stages == "all" else settings.stages
    named = [(name, "stages") for name in selected] + [(name, "stage_targets") for name, _ in settings.stage_targets]
    problems = []
    for name, key in named:
        if name not in rules:
            near = nearest(name, rules)
            hint = f"; did you mean `{one_line(near)}`?" if near else ""
            problems.append(f"stage `{one_line(name)}` of `{key}` has no directory `{STAGES}/{one_line(name)}`{hint}")
        elif name in with_code or key == "stage_targets":
            continue
        elif (rule := rules[name]) is not None:
            problems.append(f"stage `{one_line(name)}` of `stages` is ignored by {describe_rule(rule)}")
        elif not settings.stages_are_enabled_ones:
            problems.append(f"stage `{one_line(name)}` of `stages` has no directory `{STAGES}/{one_line(name)}/src`")
    if problems:
        raise SettingsError(problems)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a ring of links
        return False


def _has_source(stages: str, name: str) -> bool:
    return os.path.isdir(os.path.join(stages, as_system_spells(name), SRC))


def _is_safe(name: str) -> bool:
    """Tell whether a name survives unquoted in a shell command, as YT Framework writes it, and fits a file name."""
    return (
        (name[0].isalnum() or name[0] == "_")
        and all(char.isalnum() or char in "_-." for char in name)
        and len(name.encode("utf-8", "surrogateescape")) <= _LONGEST_NAME
    )
