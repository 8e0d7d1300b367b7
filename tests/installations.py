"""Installed distributions and search paths made by hand, as pip, uv and setuptools leave them."""

from __future__ import annotations

import json
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# A module's body that no build may ever run.
FATAL = "raise SystemExit('this module was run')\n"

# The text of a finder as setuptools 84 writes it for an editable install, shortened to what answers questions.
SETUPTOOLS_FINDER = """\
import sys
from importlib.machinery import ModuleSpec, PathFinder, all_suffixes
from importlib.util import spec_from_file_location
from pathlib import Path

MAPPING = {mapping!r}
NAMESPACES = {namespaces!r}
PATH_PLACEHOLDER = {name!r} + ".__path_hook__"


class _EditableFinder:
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in MAPPING:
            place = Path(MAPPING[fullname])
            for candidate in (place / "__init__.py", *(place.with_suffix(suffix) for suffix in all_suffixes())):
                if candidate.exists():
                    return spec_from_file_location(fullname, candidate)
        return None


class _EditableNamespaceFinder:
    @classmethod
    def _path_hook(cls, path):
        if path == PATH_PLACEHOLDER:
            return cls
        raise ImportError

    @classmethod
    def find_spec(cls, fullname, target=None):
        if fullname in NAMESPACES:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [*NAMESPACES[fullname], PATH_PLACEHOLDER]
            return spec
        return None
"""


def write(root: Path, *paths: str, text: str = FATAL) -> Path:
    """Write files below `root`, and the directories above them; a path that ends in `/` is an empty directory."""
    for path in paths:
        place = root / path
        if path.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    return root


def extension(name: str) -> str:
    """Return the file name of an extension module for the running interpreter."""
    return name + EXTENSION_SUFFIXES[0]


def install(
    site: Path, name: str, version: str, *files: str, record: Iterable[str] = (), editable: Path | None = None
) -> Path:
    """Install a distribution: its files, METADATA, and a RECORD that lists them and what `record` adds."""
    write(site, *files)
    info = site / f"{name.replace('-', '_').lower()}-{version}.dist-info"
    write(info, "METADATA", text=f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: of the text\n")
    if editable is not None:
        origin = {"url": editable.as_uri(), "dir_info": {"editable": True}}
        write(info, "direct_url.json", text=json.dumps(origin))
    lines = [f"{path},sha256=AAAA,1" for path in (*files, *record)]
    write(info, "RECORD", text="\n".join([*lines, f"{info.name}/METADATA,,", f"{info.name}/RECORD,,", ""]))
    return info


def install_with_finder(
    site: Path, name: str, project: Path, mapping: Mapping[str, str], namespaces: Mapping[str, list[str]] | None = None
) -> str:
    """Install a project editable as setuptools does with a finder; return the name of the finder's module."""
    module = f"__editable___{name}_1_0_finder"
    text = SETUPTOOLS_FINDER.format(mapping=dict(mapping), namespaces=namespaces or {}, name=f"__editable__.{name}-1.0")
    write(site, f"{module}.py", text=text)
    install(site, name, "1.0", record=[f"__editable__.{name}-1.0.pth", f"{module}.py"], editable=project)
    write(site, f"__editable__.{name}-1.0.pth", text=f"import {module}; {module}.install()")
    return module
