"""The project that is built: where it lies, what it is called, what its `pyproject.toml` says to us."""

from __future__ import annotations

import re
from typing import Any, NamedTuple


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
