"""The project that is built: where it lies, what it is called, what its `pyproject.toml` says to us."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.byte_reader import small_file
from hatch_ytupload.configuration.keys import KEYS, PROJECT_TABLE, TABLE, misplaced
from hatch_ytupload.errors import NoProjectError, SettingsError
from hatch_ytupload.wording import cannot, describe, mistyped, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator


DEV_DIRECTORY, BUILD_DIRECTORY = ".dev", ".build"
"""What YT Framework's dev mode and we write to, and where it assembles code and looks for archives: at the top of a
pipeline."""
PYPROJECT = "pyproject.toml"
HATCH_TOML = "hatch.toml"


class Project(NamedTuple):
    """A project as far as a build needs to know it."""

    root: str
    name: str
    """Normalized, as package indexes spell it."""
    version: str
    table: Any
    """What stands under `[tool.ytupload]`, unchecked."""
    build_directory: str
    """Absolute path of where builds go unless told otherwise."""
    reproducible: bool = True
    """Whether members of the archive get one fixed time, as Hatch's option of this name says."""

    @property
    def file_name(self) -> str:
        """Name and version as they appear in the names of artifacts; the same as Hatch's."""
        return f"{file_name_component(self.name)}-{self.version}"


def file_name_component(name: str) -> str:
    """Return a project's name as Hatch writes it into file names (`BuilderInterface.normalize_file_name_component`)."""
    return re.sub(r"[^\w.]+", "_", name)


def normalize_name(name: str) -> str:
    """Return a project's name as package indexes spell it.

    Source: https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return re.sub(r"[-_.]+", "-", name).lower()


class Pyproject(NamedTuple):
    """A `pyproject.toml`, with what `hatch.toml` beside it says in its place."""

    root: str
    """The directory, absolute and resolved."""
    content: dict[str, Any]
    build_file: str = PYPROJECT
    """Which of the two files holds the options of Hatch's builds."""

    @property
    def table(self) -> Any:  # noqa: ANN401 - unchecked TOML
        """What stands under `[tool.ytupload]`, unchecked."""
        return _table(self.content, "tool").get("ytupload", {})


class HatchBuild(NamedTuple):
    """The options of our target that are Hatch's own, as far as they are of the right type."""

    directory: str
    """Absolute path of where builds go."""
    reproducible: bool
    exclude: tuple[str, ...] = ()
    """Patterns of the pipeline's own files that stay out."""
    file: str = PYPROJECT
    """Where they stand."""


def find_project(start: str) -> Project:
    """Load the project of a directory, or of the nearest one above it that has a `pyproject.toml`.

    Raises:
        SettingsError: there is none, it cannot be parsed, or has no name and version.
    """
    return load_project(find_pyproject(start))


def find_pyproject(start: str) -> Pyproject:
    """Read the `pyproject.toml` of a directory, or of the nearest one above it that has one.

    Raises:
        NoProjectError: there is none.
        SettingsError: it cannot be parsed.
    """
    root = os.path.realpath(start)
    while not os.path.isfile(os.path.join(root, PYPROJECT)):
        above = os.path.dirname(root)
        if above == root:
            where = one_line(os.path.abspath(start))
            way_out = "`hatch-ytupload init` in the pipeline's directory makes one"
            raise NoProjectError([f"no `{PYPROJECT}` in `{where}` or above it; {way_out}"])
        root = above
    return _read_pyproject(root)


def _read_pyproject(root: str) -> Pyproject:
    content = _read_toml(os.path.join(root, PYPROJECT))
    build_file = PYPROJECT
    hatch_file = os.path.join(root, HATCH_TOML)
    if os.path.isfile(hatch_file):
        # As Hatch has it: a table of the file stands in the place of the whole table of that name.
        tool = _table(content, "tool")
        of_pyproject, of_file = tool.get("hatch", {}), _read_toml(hatch_file)
        tool["hatch"] = {**(of_pyproject if isinstance(of_pyproject, dict) else {}), **of_file}
        content["tool"] = tool
        if "build" in of_file:
            build_file = HATCH_TOML
    return Pyproject(root, content, build_file)


def load_project(pyproject: Pyproject) -> Project:
    """Return the project that a `pyproject.toml` describes.

    Raises:
        SettingsError: it has no name and version, or they cannot be found out.
    """
    root, content, _ = pyproject
    table = pyproject.table
    metadata = _table(content, "project")
    name, version = text_in(metadata, "name", "project."), text_in(metadata, "version", "project.")
    where = f"in `{PYPROJECT}`"
    if name is None or version is None:
        from hatch_ytupload.configuration.build_backend import ask_build_backend

        name, version = ask_build_backend(root, _table(content, "build-system"))
        where = "of the build backend"
    return Project(
        root,
        _valid_name(name, where),
        _valid_version(version, where),
        table,
        *hatch_build(pyproject)[:2],
    )


def hatch_build_of(root: str) -> HatchBuild:
    """Return how Hatch would build our target of the project in a directory; Hatch's defaults if there is none.

    Raises:
        SettingsError: its files cannot be parsed, or hold what means nothing for our target.
    """
    exists = os.path.isfile(os.path.join(root, PYPROJECT))
    return hatch_build(_read_pyproject(root) if exists else Pyproject(root, {}))


# Options of Hatch's that count for our target.
_OPTIONS = ("dependencies", "directory", "exclude", "hooks", "reproducible", "require-runtime-dependencies", "versions")
# What selects files in other targets, and what says here what it says there.
_SELECTION = {
    "include": "`upload_paths` and `upload_modules`",
    "only-include": "`upload_paths` and `upload_modules`",
    "packages": "`upload_modules`",
    "force-include": "`upload_paths`",
    "sources": "`target` of an entry of `upload_paths`",
    "artifacts": "a line with `!` in `.ytignore`; `.gitignore` plays no part",
}


def hatch_build(pyproject: Pyproject) -> HatchBuild:
    """Return how Hatch would build our target, so that both ways leave the same files.

    Raises:
        SettingsError: an option means nothing for our target or publisher, or is of the wrong type.
    """
    tool = _table(pyproject.content, "tool")
    hatch = tool.get("hatch", {})
    build = _inner(hatch, "build")
    target = _inner(_inner(build, "targets"), "ytarchive")
    directory = target.get("directory", build.get("directory"))
    reproducible = target.get("reproducible", build.get("reproducible"))
    exclude = target.get("exclude", build.get("exclude", []))
    problems = [
        *_mistyped_table(tool),
        *_misplaced(build, target, exclude, pyproject.build_file),
        *misplaced(PROJECT_TABLE, _inner(_inner(hatch, "publish"), "ytupload")),
    ]
    if problems:
        raise SettingsError(problems)
    return HatchBuild(
        os.path.normpath(
            os.path.join(pyproject.root, directory if isinstance(directory, str) and directory else "dist")
        ),
        reproducible is not False,
        tuple(exclude),
        pyproject.build_file,
    )


def _misplaced(build: dict[str, Any], target: dict[str, Any], exclude: object, file: str) -> Iterator[str]:
    """Say what Hatch's tables for builds hold that means nothing for our target, or is of the wrong type."""
    above = "build." if file == HATCH_TOML else "tool.hatch.build."
    for option, instead in _SELECTION.items():
        if option in target:
            yield f"`{above}targets.ytarchive.{option}` in `{file}` has no meaning for this target: use {instead}"
    for option in _OPTIONS:
        if option not in target and (slip := mistyped(option, target)):
            place = f"`{above}targets.ytarchive.{one_line(slip)}` in `{file}`"
            yield f"{place} is read by nobody; did you mean `{option}`?"
    for key, way_out in _settings(build):
        yield f"`{above}{key}` in `{file}` means nothing there; write `{way_out}`"
    if not isinstance(exclude, list) or not all(isinstance(pattern, str) and pattern for pattern in exclude):
        key = "targets.ytarchive.exclude" if "exclude" in target else "exclude"
        yield f"`{above}{key}` in `{file}` must be an array of patterns, found {describe(exclude)}"


def _settings(build: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield settings of ours that stand in the tables of the target and the hook, and where they belong."""
    targets = _inner(build, "targets")
    hooks = {f"targets.{name}.hooks.ytarchive": _inner(_inner(targets, name), "hooks") for name in targets}
    hooks["hooks.ytarchive"] = _inner(build, "hooks")
    tables = {place: _inner(table, "ytarchive") for place, table in hooks.items()}
    tables["targets.ytarchive"] = _inner(targets, "ytarchive")
    for place, table in tables.items():
        for key in table:
            if key in KEYS:
                yield f"{place}.{key}", f"{TABLE}.{key}"


def _mistyped_table(tool: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong where our table can only be meant by another one, which nobody would read."""
    plain = {re.sub(r"^hatch[-_]|[-_]", "", name): name for name in tool}
    if "ytupload" not in tool and (slip := mistyped("ytupload", plain)):
        yield f"`[tool.{one_line(plain[slip])}]` in `{PYPROJECT}` is read by nobody; settings stand in `[{TABLE}]`"


def _inner(table: object, key: str) -> dict[str, Any]:
    found = table.get(key) if isinstance(table, dict) else None
    return found if isinstance(found, dict) else {}


def _table(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a table, empty where it is missing."""
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise SettingsError([f"`{key}` in `{PYPROJECT}` must be a table, found {describe(value)}"])
    return value


def text_in(table: dict[str, Any], key: str, above: str) -> str | None:
    """Return a string of `pyproject.toml`, None where it is missing.

    Args:
        table: that holds it.
        key: in it.
        above: the dotted name of the table, with a dot at its end.

    Raises:
        SettingsError: it is something else.
    """
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise SettingsError([f"`{above}{key}` in `{PYPROJECT}` must be a string, found {describe(value)}"])
    return value


def _valid_name(name: str, where: str) -> str:
    # Source: https://packaging.python.org/en/latest/specifications/name-normalization/#name-format
    if not re.fullmatch(r"[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?", name, re.IGNORECASE | re.ASCII):
        raise SettingsError([f"`project.name` {where} is not a valid name: `{one_line(name)}`"])
    return normalize_name(name)


def _valid_version(version: str, where: str) -> str:
    if version.isascii() and all(part == "0" or (part.isdigit() and part[0] != "0") for part in version.split(".")):
        return version  # as it is, without a module that takes a good part of a small build
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(version))
    except InvalidVersion:
        raise SettingsError([f"`project.version` {where} is not a valid version: `{one_line(version)}`"]) from None


def parsed_toml(content: bytes) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none.
        RecursionError: it nests too deep.
    """
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    parsed: dict[str, Any] = toml.loads(content.decode())
    return parsed


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return parsed_toml(small_file(path))
    except OSError as error:
        raise SettingsError([cannot("read", path, error)]) from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are both the former
        raise SettingsError([f"`{one_line(path)}` is not valid TOML: {one_line(error)}"]) from None
