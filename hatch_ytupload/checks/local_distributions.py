"""Wheels and projects that lie in an archive: what installing them brings."""

from __future__ import annotations

import io
import re
import zipfile
from email.parser import HeaderParser
from typing import IO, TYPE_CHECKING, NamedTuple

from hatch_ytupload.configuration.project import PYPROJECT, normalize_name, parsed_toml
from hatch_ytupload.sources.core_metadata import metadata_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SUFFIXES = (".py", ".so", ".pyd")
_INFO = ".dist-info"
_DATA = ".data"
_METADATA = re.compile(r"([^/]+?)-[^/-]+\.dist-info/METADATA$|([^/]+?)(?:-[^/]+)?\.egg-info/PKG-INFO$")
# What lies beside the packages of a project and is not installed.
_NO_MODULES = frozenset({"setup", "conftest", "noxfile", "tests", "test", "docs", "examples", "build", "dist", "src"})


class LocalDistribution(NamedTuple):
    """What installing a packed distribution brings."""

    modules: frozenset[str]
    """Names of its top-level modules; none: that cannot be told."""
    requires: tuple[str, ...] = ()
    """What it requires itself."""


def wheel_content(content: bytes) -> LocalDistribution:
    """Read a wheel; one that is damaged brings nothing.

    Args:
        content: its bytes, all of them.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            text = (metadata_in(archive) or b"").decode("utf-8", "replace")
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError):
        return LocalDistribution(frozenset())
    requires = HeaderParser().parsestr(text).get_all("Requires-Dist", [])
    return LocalDistribution(_top_level(map(_installed_path, names)), tuple(map(str, requires)))


def member_names(wheel: str | IO[bytes]) -> list[str]:
    """Return the names of the members of a wheel; none where it is damaged or missing."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return []


def wheel_modules(names: Iterable[str]) -> frozenset[str]:
    """Return the dotted names of the modules and packages of a wheel, each package without what lies in it.

    A namespace package is none of them, since other wheels and the archive may have portions of it.

    Args:
        names: of its members.
    """
    paths = {path for path in map(_installed_path, names) if path.endswith(_SUFFIXES)}
    packages = {path.rpartition("/")[0] for path in paths if path.rpartition("/")[2].partition(".")[0] == "__init__"}
    found = set()
    for path in paths:
        directory, _, name = path.rpartition("/")
        parts = [*filter(None, directory.split("/")), name.partition(".")[0]]
        above = next((count for count in range(1, len(parts)) if "/".join(parts[:count]) in packages), len(parts))
        found.add(".".join(parts[:above]))
    return frozenset(found)


def distributions_in(paths: Iterable[str]) -> frozenset[str]:
    """Return the normalized names of the distributions whose metadata is among files of an archive or wheel."""
    return frozenset(normalize_name(found[1] or found[2]) for found in map(_METADATA.match, paths) if found)


def project_content(files: Mapping[str, bytes], below: Iterable[str], directory: str) -> LocalDistribution:
    """Look into the directory of a project: its packages lie in it or in its `src`.

    Args:
        files: of the archive.
        below: the paths of those in the directory.
        directory: its path.
    """
    paths = [path[len(directory) :].lstrip("/") for path in below]
    inside = [path[len("src/") :] for path in paths if path.startswith("src/")]
    modules = _top_level(inside or paths)
    return LocalDistribution(modules if inside else modules - _NO_MODULES, _dependencies(files, directory))


def _installed_path(name: str) -> str:
    """Return where in `site-packages` a member of a wheel goes."""
    first, _, rest = name.partition("/")
    if first.endswith(_DATA):
        kind, _, inner = rest.partition("/")
        return inner if kind in ("purelib", "platlib") else ""
    return "" if first.endswith(_INFO) else name


def _top_level(paths: Iterable[str]) -> frozenset[str]:
    names = {path.partition("/")[0].partition(".")[0] for path in paths if path.endswith(_SUFFIXES)}
    return frozenset(filter(str.isidentifier, names))


def _dependencies(files: Mapping[str, bytes], directory: str) -> tuple[str, ...]:
    try:
        project = parsed_toml(files[f"{directory}/{PYPROJECT}".lstrip("/")]).get("project")
    except (KeyError, ValueError, RecursionError):
        return ()
    listed = project.get("dependencies") if isinstance(project, dict) else None
    return tuple(item for item in listed if isinstance(item, str)) if isinstance(listed, list) else ()
