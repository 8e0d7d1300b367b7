"""What makes a pipeline's directory a project: a `pyproject.toml`, lines of `.gitignore`, a `.ytignore`."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.archive_layout import STAGES
from hatch_ytupload.byte_reader import small_file
from hatch_ytupload.configuration.pipeline_config import DEFAULT_CONFIG, SECRETS_FILE
from hatch_ytupload.configuration.project import (
    BUILD_DIRECTORY,
    DEV_DIRECTORY,
    HATCH_TOML,
    PYPROJECT,
    file_name_component,
    normalize_name,
    parsed_toml,
)
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.wording import cannot, listed, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_BACKEND = "hatchling.build"
_BUILD_SYSTEM = f"""\
[build-system]
requires = ["hatchling"]
build-backend = "{_BACKEND}"
"""
_PROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["hatch-ytupload", "yt-framework>=1.4,<2"]
"""
_TARGET = """\
# `hatch build -t ytarchive` builds the code archive.
[tool.hatch.build.targets.ytarchive]
dependencies = ["hatch-ytupload[framework]"]

# Where `hatch-ytupload lock` is to lock what jobs require, say what their image has:
# [tool.ytupload]
# target = { python = "3.11", platform = "x86_64-manylinux_2_28" }
"""
_WHEEL = """\
# Nothing installs a pipeline: a wheel of it holds metadata alone, unless there is a package of the project's name.
[tool.hatch.build.targets.wheel]
bypass-selection = true
"""
_GITIGNORE = ("/dist/", f"/{DEV_DIRECTORY}/", f"/{BUILD_DIRECTORY}/", f"/{SECRETS_FILE}", ".venv/", "__pycache__/")
_YTIGNORE = """\
# What jobs do not need, in the syntax of .gitignore.
tests/
test_*.py
*_test.py
*.ipynb
.ipynb_checkpoints/
.pytest_cache/
.mypy_cache/
.ruff_cache/
.venv/
"""
# Where another build backend is at work although no `build-system` says so.
_OTHER_BACKENDS = ("setup.py", "setup.cfg")


class Addition(NamedTuple):
    """Text for a file: all of a new one, or what is added at the end of one that is there."""

    path: str
    """Relative to the directory."""
    text: str
    new: bool


class NewProject(NamedTuple):
    """What is to be written, and what the user should know."""

    additions: tuple[Addition, ...]
    hints: tuple[str, ...]


def plan_project(directory: str) -> NewProject:
    """Find out what a pipeline's directory lacks to be a project; nothing is written, nothing there is changed.

    Args:
        directory: of the pipeline.

    Raises:
        SettingsError: it is no pipeline's, or a file there cannot be read or added to.
    """
    if not any(os.path.exists(os.path.join(directory, name)) for name in (STAGES, DEFAULT_CONFIG, "pipeline.py")):
        shown = one_line(os.path.abspath(directory))
        raise SettingsError(
            [f"`{shown}` has no `{STAGES}/`: go to the directory of the pipeline, or name it by `-C DIR`"]
        )
    old, content = _read_toml(directory, PYPROJECT)
    backend = _backend(directory, content)
    # Hatch reads what this file says in place of the tables of `pyproject.toml`.
    elsewhere = _read_toml(directory, HATCH_TOML)[1].get("build")
    blocks = list(_missing(directory, content, backend, with_target=elsewhere is None))
    additions = [_addition(PYPROJECT, old, "\n".join(blocks))] if blocks else []
    if old is not None and blocks:
        _refuse_clash(additions[0], old)
    additions += _ignore_files(directory)
    hints = []
    if backend != _BACKEND:
        hints.append(
            f"the project's build backend is `{one_line(backend)}`, which stays: the command `hatch-ytupload build` "
            "builds the archive, not `hatch build`"
        )
    elif elsewhere is not None and "ytarchive" not in str(elsewhere):
        hints.append(
            f"the options of builds stand in `{HATCH_TOML}`, which stays: add a table `[build.targets.ytarchive]` with "
            '`dependencies = ["hatch-ytupload[framework]"]` there'
        )
    if lacking := _lacking_dependencies(content):
        hints.append(
            f"the project does not depend on {listed(lacking)}, which a pipeline that runs releases imports: add to "
            "`dependencies` under `[project]`"
        )
    return NewProject(tuple(additions), tuple(hints))


def write_project(directory: str, additions: tuple[Addition, ...]) -> None:
    """Write what was planned.

    Raises:
        SettingsError: a file cannot be written, or has appeared meanwhile.
    """
    for addition in additions:
        path = os.path.join(directory, addition.path)
        flags = os.O_WRONLY | (os.O_CREAT | os.O_EXCL if addition.new else os.O_APPEND)
        try:
            _write_whole(os.open(path, flags, 0o666), path, addition)
        except OSError as error:
            raise SettingsError([cannot("write", addition.path, error)]) from None


def _write_whole(descriptor: int, path: str, addition: Addition) -> None:
    """Write what is added to a file that is open; where that fails the file is what it was.

    Raises:
        OSError: it cannot be written.
    """
    size = os.fstat(descriptor).st_size
    try:
        with open(descriptor, "wb") as file:
            file.write(addition.text.encode())
    except BaseException:
        with suppress(OSError):
            if addition.new:
                os.unlink(path)
            else:
                os.truncate(path, size)
        raise


def _read_toml(directory: str, name: str) -> tuple[str | None, dict[str, Any]]:
    """Return the text of a file and what it says, None and nothing where there is none."""
    text = _read(directory, name)
    try:
        return text, parsed_toml((text or "").encode())
    except (ValueError, RecursionError) as error:
        raise SettingsError([f"`{name}` is not valid TOML: {one_line(error)}"]) from None


def _missing(directory: str, content: dict[str, Any], backend: str, *, with_target: bool) -> Iterator[str]:
    """Yield the tables that `pyproject.toml` lacks."""
    tool = content.get("tool", {})
    if backend == _BACKEND and "build-system" not in content:
        yield _BUILD_SYSTEM
    if "project" not in content and "poetry" not in tool:
        yield _PROJECT.format(name=_name(directory))
    targets = tool.get("hatch", {}).get("build", {}).get("targets", {})
    if backend == _BACKEND and with_target:
        if "ytarchive" not in targets:
            yield _TARGET
        if "wheel" not in targets:
            yield _WHEEL


def _lacking_dependencies(content: dict[str, Any]) -> list[str]:
    """Name what a pipeline imports when it runs, and a project that is there does not require."""
    project = content.get("project")
    if not isinstance(project, dict):
        return []
    dynamic, dependencies = (
        found if isinstance(found := project.get(key), list) else [] for key in ("dynamic", "dependencies")
    )
    if "dependencies" in dynamic:
        return []
    required = {normalize_name(re.split(r"[^\w.-]", str(text), maxsplit=1)[0]) for text in dependencies}
    return [name for name in ("hatch-ytupload", "yt-framework") if name not in required]


def _backend(directory: str, content: dict[str, Any]) -> str:
    """Return the build backend of the project; Hatch's, where nothing speaks for another."""
    try:
        system, tool = content.get("build-system"), content.get("tool", {})
        if system is not None:
            return str(system.get("build-backend", "setuptools.build_meta"))
        _ = tool.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel")
        if "poetry" in tool:
            return "poetry.core.masonry.api"
    except AttributeError:
        raise SettingsError([f"`{PYPROJECT}` holds a value where a table is expected; correct it first"]) from None
    others = any(os.path.exists(os.path.join(directory, name)) for name in _OTHER_BACKENDS)
    return "setuptools.build_meta" if others or "setuptools" in tool else _BACKEND


def _name(directory: str) -> str:
    """Return a name for a project, made of that of its directory."""
    name = os.path.basename(os.path.realpath(directory))
    ascii_name = re.sub(r"[^A-Za-z0-9]+", "-", file_name_component(name)).strip("-")
    return normalize_name(ascii_name) or "pipeline"


def _ignore_files(directory: str) -> Iterator[Addition]:
    git, yt = _read(directory, ".gitignore"), _read(directory, ".ytignore")
    there = {line.strip().strip("/") for line in (git or "").splitlines()}
    missing = [line for line in _GITIGNORE if line.strip("/") not in there]
    if missing:
        yield _addition(".gitignore", git, "\n".join(missing) + "\n")
    if yt is None:
        yield Addition(".ytignore", _YTIGNORE, new=True)


def _addition(path: str, old: str | None, text: str) -> Addition:
    if old is None:
        return Addition(path, text, new=True)
    if "\r\n" in old:
        text = text.replace("\n", "\r\n")
    end = "\r\n" if "\r\n" in old else "\n"
    between = "" if not old or old.endswith("\n") else end
    return Addition(path, between + (end if path == PYPROJECT and old.strip() else "") + text, new=False)


def _refuse_clash(addition: Addition, old: str) -> None:
    """Check that the file is still TOML with what is added to it."""
    try:
        parsed_toml((old + addition.text).encode())
    except ValueError:
        lines = [line for line in addition.text.splitlines() if line and not line.startswith("#")]
        raise SettingsError(
            [f"`{PYPROJECT}` says some of this in another form; add it by hand: {one_line('; '.join(lines))}"]
        ) from None


def _read(directory: str, name: str) -> str | None:
    """Return the text of a file; None: there is none."""
    try:
        return small_file(os.path.join(directory, name)).decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError([f"cannot read `{name}`: {reason}"]) from None
