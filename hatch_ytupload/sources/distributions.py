"""What the metadata of installed distributions says about a module: who installed it, and what belongs to it.

The layout read here: `<name>-<version>.dist-info/` with METADATA, RECORD and direct_url.json
(packaging.python.org: "Recording installed projects", "Recording the Direct URL Origin of installed distributions"),
`*.egg-info/` with PKG-INFO and top_level.txt, and the `*.egg-link` files of `setup.py develop`.
Metadata that is damaged counts as absent: it describes a module, it does not decide whether there is one.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import small_file
from hatch_ytupload.errors import ModuleNotFoundInEnvironmentError
from hatch_ytupload.file_names import is_inside
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SITE_DIRECTORIES = frozenset({"site-packages", "dist-packages"})
_METADATA_DIRECTORIES = (".dist-info", ".egg-info")
_EXTENSION_MODULES = (".so", ".pyd", ".dylib")
# The lines of RECORD that can be companions: parsing all lines of a large distribution takes milliseconds.
_BESIDE_PACKAGES = rb"(?m)^[^/\n]*\.(?:(?:so|pyd|dylib)(?:[,\"\s].*)?|libs/.*)$"
# What importlib.metadata answers from about a distribution that is packed.
_PACKED_METADATA = ("METADATA", "PKG-INFO", "entry_points.txt")


class Distribution(NamedTuple):
    """An installed distribution, as its metadata directory tells.

    Attributes:
        name: As the metadata spells it.
        version: None where the metadata has none.
        site: The directory that the metadata lies in, which the paths in RECORD are relative to.
        info: The metadata directory itself.
        project: The directory that an editable install refers to, else None.
    """

    name: str
    version: str | None
    site: str
    info: str
    project: str | None


def installed_owners(site: str, wanted: str) -> Iterator[Distribution]:
    """Yield the distributions in the directory `site` that installed `wanted`: a file, or anything below `directory/`.

    Where a distribution has no RECORD (as Debian installs them), its name or its top_level.txt decides. Distributions
    named like the module come first, then those that begin like it, so that with hundreds of them few RECORD files are
    read.
    """
    module = wanted.partition("/")[0].partition(".")[0]
    alike = _normalized(module)

    def likeness(entry: str) -> tuple[bool, bool, bool, str]:
        name = _normalized(_stem(entry))
        return name != alike, alike not in name, not name.startswith(alike[:2]), entry

    entries = _metadata_directories(site)
    if os.path.basename(site) not in SITE_DIRECTORIES:
        # Beside sources it is left by a build and says nothing about what is installed.
        entries = [entry for entry in entries if not entry.endswith(".egg-info")]
    starts = [f"\n{wanted}", f'\n"{wanted}'] if wanted.endswith("/") else [f"\n{wanted},", f'\n"{wanted}",']
    for entry in sorted(entries, key=likeness):
        info = os.path.join(site, entry)
        record = _read(info, "RECORD")
        if record is not None:
            # Searched as bytes: parsing the lines of all distributions would take longer than everything else.
            owns = any(start.encode() in b"\n" + record for start in starts)
        else:
            owns = _normalized(_stem(entry)) == alike or module in _text(info, "top_level.txt").split()
        if owns:
            yield _distribution(site, entry, local_project(info, editable=True))


def editable_owner(module: str, source: str, search_path: Sequence[str]) -> Distribution | None:
    """Return the editable install that makes the file or directory `source` importable as (a part of) `module`.

    Of several, the one whose project directory holds `source` most closely: parts of a namespace are told apart so.
    """
    real = os.path.realpath(source)

    def closeness(distribution: Distribution) -> int:
        project = os.path.realpath(distribution.project or "")
        return len(project) if is_inside(real, project) else 0

    return max(
        (found for found in _editables(search_path) if _exposes(found, module, real)), key=closeness, default=None
    )


def companions(distribution: Distribution) -> list[str]:
    """Return what a distribution needs to be imported and keeps beside its packages, as names in its `site` directory.

    That is: `<distribution>.libs/`, where auditwheel puts shared libraries, and top-level extension modules.
    Entries of RECORD that are absolute or leave the directory are never followed.

    Raises:
        ModuleNotFoundInEnvironmentError: RECORD lists one that is not there.
    """
    found = set()
    lines = b"\n".join(re.findall(_BESIDE_PACKAGES, _read(distribution.info, "RECORD") or b""))
    for path in _paths(lines):
        first, *rest = path.split("/")
        is_library_directory = bool(rest) and first.endswith(".libs") and ".." not in rest
        is_extension_module = not rest and first.endswith(_EXTENSION_MODULES)
        if (is_library_directory or is_extension_module) and not set(path) & {"\\", "\0"}:
            found.add(first)
    for name in sorted(found):
        if not os.path.exists(os.path.join(distribution.site, name)):
            raise ModuleNotFoundInEnvironmentError(
                f"`{one_line(os.path.join(distribution.site, name))}` is missing, though the RECORD of "
                f"`{one_line(distribution.name)}` {one_line(distribution.version)} lists it: "
                "install this distribution again"
            )
    return sorted(found)


def metadata(distribution: Distribution) -> list[str]:
    """Return the files that tell a job the version and the entry points of a distribution, as names in its `site`."""
    name = os.path.basename(distribution.info)
    if os.path.isfile(distribution.info):
        return [name]
    return [f"{name}/{file}" for file in _PACKED_METADATA if os.path.isfile(os.path.join(distribution.info, file))]


def modules_of(name: str, search_path: Sequence[str]) -> list[str]:
    """Return the importable top-level names of the installed distribution `name`; none where it is not installed."""
    found = set()
    alike = _normalized(name)
    for site in search_path:
        for entry in _metadata_directories(site):
            info = os.path.join(site, entry)
            if _normalized(_stem(entry)) != alike or local_project(info, editable=True) is not None:
                continue
            for path in _paths(_read(info, "RECORD") or b""):
                first, _, rest = path.partition("/")
                if rest.endswith(".py") or (not rest and first.endswith((".py", *_EXTENSION_MODULES))):
                    found.add(first.partition(".")[0])
    return sorted(filter(str.isidentifier, found), key=lambda module: (module.startswith("_"), module))


def _editables(search_path: Sequence[str]) -> Iterator[Distribution]:
    for site in search_path:
        for entry in _metadata_directories(site):
            project = local_project(os.path.join(site, entry), editable=True)
            if project is not None:
                yield _distribution(site, entry, project)
        for entry in _entries(site):
            if entry.endswith(".egg-link"):
                project = _text(site, entry).partition("\n")[0].strip()
                info = entry[: -len(".egg-link")] + ".egg-info"
                if os.path.isdir(os.path.join(project, info)):
                    yield _distribution(project, info, project)


def _exposes(distribution: Distribution, module: str, real: str) -> bool:
    """Tell whether an editable install reaches the real path `real`: by a line of its `.pth`, or by an import hook.

    The hooks that setuptools (seen in 84) and editables (0.6) write spell the module's name in their text. Flit makes
    a link to the module itself.
    """
    project = os.path.realpath(distribution.project or "")
    record = _read(distribution.info, "RECORD")
    if record is None:  # `setup.py develop` puts the project directory itself on the path.
        return os.path.dirname(real) == project
    for path in _paths(record):
        if "/" in path or "\0" in path:
            continue
        if os.path.realpath(os.path.join(distribution.site, path)) == real:
            return True
        if not path.endswith((".pth", ".py")):
            continue
        text = _text(distribution.site, path).replace("\0", "")
        if path.endswith(".pth"):
            lines = {os.path.realpath(os.path.join(distribution.site, line.strip())) for line in text.splitlines()}
            if os.path.dirname(real) in lines:
                return True
        elif is_inside(real, project) and re.search(f"['\"]{re.escape(module)}['\".]", text):
            return True
    return False


def local_project(info: str, *, editable: bool = False) -> str | None:
    """Return the directory that a distribution was installed from, None where that was something else.

    Args:
        info: its metadata directory.
        editable: only if its modules are still those of that directory.
    """
    text = _text(info, "direct_url.json")
    if not text:
        return None
    from urllib.parse import unquote, urlsplit

    try:
        origin = json.loads(text)
        url = urlsplit(origin["url"])
        is_editable = origin["dir_info"].get("editable") is True
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    project = unquote(url.path)
    is_local = url.scheme == "file" and os.path.isabs(project) and "\0" not in project
    return project if is_local and (is_editable or not editable) else None


def _distribution(site: str, entry: str, project: str | None) -> Distribution:
    info = os.path.join(site, entry)
    fields: dict[str, str] = {}
    # An `.egg-info` that is a file is a PKG-INFO itself.
    for line in (_text(info, "METADATA") or _text(info, "PKG-INFO") or _text(site, entry)).splitlines():
        if not line:
            break
        key, _, value = line.partition(":")
        fields.setdefault(key.lower(), value.strip())
    version = entry.rpartition(".")[0].partition("-")[2].partition("-")[0]
    return Distribution(
        name=fields.get("name") or _stem(entry),
        version=fields.get("version") or version or None,
        site=site,
        info=info,
        project=project,
    )


def _metadata_directories(site: str) -> list[str]:
    # pip renames what it is removing to a name that starts with a tilde, and leaves it there when it is killed.
    return [entry for entry in _entries(site) if entry.endswith(_METADATA_DIRECTORIES) and not entry.startswith("~")]


def _entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _stem(entry: str) -> str:
    return entry.rpartition(".")[0].partition("-")[0]


def _normalized(name: str) -> str:
    return name.replace("-", "_").replace(".", "_").lower()


def _read(directory: str, name: str) -> bytes | None:
    try:
        return small_file(os.path.join(directory, name))
    except OSError:
        return None


def _text(directory: str, name: str) -> str:
    return (_read(directory, name) or b"").decode("utf-8", "replace")


def _paths(record: bytes) -> Iterator[str]:
    if not record:
        return
    import csv
    import io

    try:
        rows = csv.reader(io.StringIO(record.decode("utf-8", "surrogateescape"), newline=""))
        yield from (row[0] for row in rows if row)
    except csv.Error:
        return
