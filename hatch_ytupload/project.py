"""The project that is built: where it lies, what it is called, what its `pyproject.toml` says to us."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hatch_ytupload.errors import SettingsError, one_line

PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Project:
    """A project as far as a build needs to know it."""

    root: str
    name: str
    """Normalized, as package indexes spell it."""
    version: str
    table: Any
    """What stands under `[tool.ytupload]`, unchecked."""
    build_directory: str
    """Absolute path of where builds go unless told otherwise."""

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


def find_project(start: str) -> Project:
    """Load the project of a directory, or of the nearest one above it that has a `pyproject.toml`.

    Raises:
        SettingsError: there is none, it cannot be parsed, or has no name and version.
    """
    root = os.path.realpath(start)
    while not os.path.isfile(os.path.join(root, PYPROJECT)):
        above = os.path.dirname(root)
        if above == root:
            raise SettingsError([f"no `{PYPROJECT}` in `{one_line(os.path.abspath(start))}` or above it"])
        root = above
    content = _read_toml(os.path.join(root, PYPROJECT))
    metadata = content.get("project", {})
    if not isinstance(metadata, dict):
        raise SettingsError([f"`project` in `{PYPROJECT}` must be a table"])
    name, version = metadata.get("name"), metadata.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        name, version = _ask_build_backend(root, content)
    tool = content.get("tool", {})
    if not isinstance(tool, dict):
        raise SettingsError([f"`tool` in `{PYPROJECT}` must be a table"])
    return Project(
        root, normalize_name(name), _normalize_version(version), tool.get("ytupload", {}), _build_directory(root, tool)
    )


def _normalize_version(version: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(version))
    except InvalidVersion:
        raise SettingsError([f"`project.version` is not a valid version: `{one_line(version)}`"]) from None


def _read_toml(path: str) -> dict[str, Any]:
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with open(path, "rb") as file:
            content: dict[str, Any] = toml.load(file)
    except OSError as error:
        raise SettingsError([f"cannot read `{one_line(path)}`: {error.strerror}"]) from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are both one
        raise SettingsError([f"`{one_line(path)}` is not valid TOML: {one_line(error)}"]) from None
    return content


def _build_directory(root: str, tool: Any) -> str:  # noqa: ANN401 - unchecked TOML
    """Return where Hatch would build our target, so that both ways leave the same files."""
    value: Any = None
    try:
        build = tool["hatch"]["build"]
        value = build.get("targets", {}).get("ytarchive", {}).get("directory", build.get("directory"))
    except (KeyError, TypeError, AttributeError):
        pass
    return os.path.normpath(os.path.join(root, value if isinstance(value, str) and value else "dist"))


_ASK = """
import json, os, sys, tempfile
from email.parser import BytesHeaderParser
from importlib import import_module
sys.path[:0] = json.loads(sys.argv[2])
name, _, attribute = sys.argv[1].partition(":")
backend = import_module(name)
for part in filter(None, attribute.split(".")):
    backend = getattr(backend, part)
answer = os.dup(1)
os.dup2(2, 1)  # backends print
with tempfile.TemporaryDirectory() as directory:
    info = backend.prepare_metadata_for_build_wheel(directory)
    with open(os.path.join(directory, info, "METADATA"), "rb") as file:
        headers = BytesHeaderParser().parse(file)
os.write(answer, json.dumps([str(headers["Name"]), str(headers["Version"])]).encode())
"""


def _ask_build_backend(root: str, content: dict[str, Any]) -> tuple[str, str]:
    """Have the project's build backend say name and version (PEP 517), in a process of its own."""
    system = content.get("build-system", {})
    backend = system.get("build-backend", "setuptools.build_meta:__legacy__")
    paths = [os.path.join(root, path) for path in system.get("backend-path", [])]
    process = subprocess.run(
        [sys.executable, "-c", _ASK, backend, json.dumps(paths)], cwd=root, capture_output=True, check=False
    )
    if process.returncode == 0:
        name, version = json.loads(process.stdout)
        return name, version
    lines = process.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = one_line(lines[-1]) if lines else f"it ended with status {process.returncode}"
    problem = f"the build backend `{one_line(backend)}` cannot be asked for the project's name and version: {reason}"
    raise SettingsError([f"{problem}; install the backend, or write both under `[project]` in `{PYPROJECT}`"])
