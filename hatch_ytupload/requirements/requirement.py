"""One requirement: what it asks for, which file, directory or URL it names, and whether it counts in a job."""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.requirements.tree import in_archive, path_of_file_url, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.requirements import Requirement as PackagingRequirement

    from hatch_ytupload.requirements.tree import Tree

Kind = Literal["include", "constraint", "distribution", "directory", "find-links", "index"]

_VCS = {
    "git": ("http", "https", "ssh", "git", "file"),
    "hg": ("file", "http", "https", "ssh", "static-http"),
    "svn": ("ssh", "http", "https", "svn", "file"),
    "bzr": ("http", "https", "ssh", "sftp", "ftp", "lp", "file"),
}
_VCS_SCHEMES = frozenset(f"{vcs}+{scheme}" for vcs, schemes in _VCS.items() for scheme in schemes)
_SCHEMES = _VCS_SCHEMES | {"http", "https", "ftp", "file"}
_SUFFIXES = (
    *(".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz"),
    *(".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"),
)
_EGG = re.compile(r"[#&]egg=([^&]*)")
_SUBDIRECTORY = re.compile(r"[#&]subdirectory=([^&]*)")


class Reference(NamedTuple):
    """What a line names by a path or a URL."""

    kind: Kind
    written: str
    """As the line has it, credentials masked."""
    path: str | None
    """In the archive; None: it lies elsewhere."""
    present: bool
    """The archive has it."""

    @property
    def is_absolute(self) -> bool:
        """Tell whether it is a path that may exist where jobs run, though no archive can have it."""
        return self.path is None and self.written.removeprefix("file:").startswith("/")


class Requirement(NamedTuple):
    """What a job needs, or for a constraint: which version, if it does."""

    file: str
    line: int
    text: str
    """Without the options for this requirement, with variables as they are written, credentials masked."""
    name: str | None
    """Normalized; None: only who builds it learns it."""
    extras: frozenset[str]
    specifier: str
    """Such as `>=1,<2`; empty: any version."""
    marker: str | None
    url: str | None
    """With credentials, so not to be shown."""
    reference: Reference | None
    """The local file or directory that it names."""
    editable: bool
    hashes: tuple[str, ...]


class Asked(NamedTuple):
    """What the text of a requirement says."""

    name: str | None
    extras: frozenset[str]
    specifier: str = ""
    marker: str | None = None
    url: str | None = None
    reference: Reference | None = None


class InvalidRequirementError(Exception):
    """A requirement that pip refuses; `str()` of it is the reason."""


def asked(text: str, tree: Tree) -> Asked:
    """Read a requirement as pip does, with the archive as the current directory.

    Args:
        text: of a line, without options.
        tree: the archive's files; what exists tells paths from names.

    Raises:
        InvalidRequirementError: pip refuses it.
    """
    is_url = scheme_of(text) in _SCHEMES
    text, separator, marker = text.partition("; " if is_url else ";")
    text, marker = text.strip(), marker.strip()
    if separator and marker:
        _check_marker(marker)
    if is_url:
        found = _of_url(text, tree)
    else:
        path, extras = _without_extras(posixpath.normpath(text))
        reference = _local(text, path, tree)
        if reference is None:
            found = _of_name(text, tree)
        else:
            name, version = _of_wheel(path) if path.endswith(".whl") else (None, "")
            found = Asked(name, extras, version, reference=reference)
    if found.reference is not None and not is_url and "://" in found.reference.written and found.url is None:
        raise InvalidRequirementError("that is no URL that pip takes")
    return found._replace(marker=marker or found.marker)


def asked_editable(text: str, tree: Tree) -> Asked:
    """Read what follows `-e`.

    Raises:
        InvalidRequirementError: pip refuses it.
    """
    path, extras = _without_extras(text)
    place = in_archive(path)
    if place is not None and tree.has_directory(place):
        return Asked(None, extras, reference=_directory(text, place, tree))
    if _names_url(text):
        return _editable(_of_name(text, tree))
    if path.lower().startswith("file:"):
        return _editable(_of_url(path, tree))._replace(extras=extras)
    vcs = next((vcs for vcs in _VCS if text.lower().startswith(f"{vcs}:")), None)
    url = text if vcs is None else f"{vcs}+{text}"
    if "://" in url or vcs is not None:
        found = _editable(_of_url(url, tree))
        if found.name is None:
            raise InvalidRequirementError("pip needs its name: end it with `#egg=NAME`")
        return found
    return Asked(None, extras, reference=Reference("directory", masked(text), place, present=False))


def _names_url(text: str) -> bool:
    try:
        return _parsed(text).url is not None
    except InvalidRequirementError:
        return False


def _editable(found: Asked) -> Asked:
    is_directory = found.reference is not None and found.reference.kind == "directory"
    if not is_directory and scheme_of(found.url or "") not in _VCS_SCHEMES:
        raise InvalidRequirementError("only a directory or the URL of a repository can be editable")
    return found


def _of_url(url: str, tree: Tree) -> Asked:
    place = url.partition("#")[0].partition("?")[0].rstrip("/")
    if place.endswith(".whl"):
        name, version = _of_wheel(place)
        return Asked(name, frozenset(), version, url=url, reference=_of_file_url(url, tree))
    egg = _EGG.search(url)
    if egg is None:
        return Asked(None, frozenset(), url=url, reference=_of_file_url(url, tree))
    named = _parsed(egg[1])
    return Asked(
        _normalized(named.name), _normalized_all(named.extras), str(named.specifier), None, url, _of_file_url(url, tree)
    )


def _of_name(text: str, tree: Tree) -> Asked:
    try:
        requirement = _parsed(text)
    except InvalidRequirementError:
        if not _looks_like_path(text):
            raise
        path, extras = _without_extras(text)
        return Asked(None, extras, reference=Reference("directory", masked(text), in_archive(path), present=False))
    reference = None
    if requirement.url is not None:
        if scheme_of(requirement.url) not in _SCHEMES:
            raise InvalidRequirementError("what follows `@` is no URL; pip takes a path without `NAME @`, as `./path`")
        reference = _of_file_url(requirement.url, tree)
    return Asked(
        _normalized(requirement.name),
        _normalized_all(requirement.extras),
        str(requirement.specifier),
        None if requirement.marker is None else str(requirement.marker),
        requirement.url,
        reference,
    )


def _local(text: str, path: str, tree: Tree) -> Reference | None:
    """Return the file or directory that a requirement names; None: it is no path."""
    place = in_archive(path)
    if _looks_like_path(text) and place is not None and tree.has_directory(place):
        return _directory(text, place, tree)
    if not path.rpartition("/")[2].lstrip(".").lower().endswith(_SUFFIXES):
        return None
    present = place is not None and place in tree.files
    before, at, _ = text.partition("@")
    if not present and at and not _looks_like_path(before):
        return None
    return Reference("distribution", masked(text), place, present)


def _of_file_url(url: str, tree: Tree) -> Reference | None:
    if scheme_of(url) != "file":
        return None
    try:
        path = path_of_file_url(url)
    except ValueError as error:
        raise InvalidRequirementError(str(error)) from None
    place = in_archive(path)
    if place is not None and tree.has_directory(place):
        subdirectory = _SUBDIRECTORY.search(url)
        return _directory(url, in_archive(subdirectory[1], place) if subdirectory else place, tree)
    present = place is not None and place in tree.files
    is_file = path.lower().endswith(_SUFFIXES)
    return Reference("distribution" if is_file else "directory", masked(url), place, present)


def _directory(text: str, place: str | None, tree: Tree) -> Reference:
    if place is None or not tree.has_project(place):
        raise InvalidRequirementError("the directory has neither `pyproject.toml` nor `setup.py`")
    return Reference("directory", masked(text), place, present=True)


def _of_wheel(path: str) -> tuple[str, str]:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name, version, *_ = parse_wheel_filename(_unquoted_name(path))
    except InvalidWheelFilename:
        raise InvalidRequirementError("that is no file name of a wheel") from None
    return name, f"=={version}"


def _unquoted_name(path: str) -> str:
    from urllib.parse import unquote

    name = path.rpartition("/")[2]
    return unquote(name) if scheme_of(path) else name


def _parsed(text: str) -> PackagingRequirement:
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as PackagingRequirement

    try:
        return PackagingRequirement(text)
    except InvalidRequirement as error:
        hint = "; did you mean `==`?" if "=" in text and not re.search(r"[=~!<>]=|[<>]", text) else ""
        raise InvalidRequirementError(masked(str(error).partition("\n")[0]) + hint) from None


def _check_marker(marker: str) -> None:
    from packaging.markers import InvalidMarker, Marker

    try:
        Marker(marker)
    except InvalidMarker as error:
        raise InvalidRequirementError(masked(str(error).partition("\n")[0])) from None


def _without_extras(path: str) -> tuple[str, frozenset[str]]:
    before, bracket, extras = path.rpartition("[")
    if before and extras.find("]") == len(extras) - 1 > 0:
        with suppress(InvalidRequirementError):
            return before.rstrip(), _normalized_all(_parsed(f"name{bracket}{extras.lower()}").extras)
    return path, frozenset()


def _looks_like_path(text: str) -> bool:
    return "/" in text or text.startswith(".")


def _normalized_all(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(_normalized, names))


def _normalized(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def applies(marker: str | None, python: str, extra: str = "") -> bool:
    """Tell whether a marker holds in a job.

    What cannot be told holds: a marker that pip will refuse, and one about `python_full_version` that holds for some
    of the versions meant.

    Args:
        marker: None: there is none.
        python: the version of Python of the job, full (`3.11.4`) where it is known, else like `3.11`.
        extra: the extra that brings the requirement.
    """
    if marker is None:
        return True
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
    from packaging.version import InvalidVersion

    parts = python.split(".")
    versions = [python] if python.count(".") > 1 else [f"{python}.0", f"{python}.99"]
    environment = {
        "python_version": ".".join(parts[:2]),
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": extra,
    }
    try:
        parsed = Marker(marker)
        return any(
            parsed.evaluate({**environment, "python_full_version": version, "implementation_version": version})
            for version in versions
        )
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return True
