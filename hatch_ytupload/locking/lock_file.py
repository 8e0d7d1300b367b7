"""`pylock.toml`: which wheels a stage's jobs get (PEP 751), written by us, by uv or by pip."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from hatch_ytupload.configuration.project import parsed_toml
from hatch_ytupload.configuration.values import Target, UnexpectedValueError
from hatch_ytupload.configuration.values import target as read_target
from hatch_ytupload.errors import SourceError
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.pylock import Package

    from hatch_ytupload.locking.image import Image

TOOL = "hatch-ytupload"
DISTRIBUTIONS = (".whl", ".tar.gz", ".zip")
HEAD = f"""\
# Made by `{TOOL} lock` from requirements.txt and `target`, to be committed. Run that again when one of them
# changes, and `{TOOL} lock --upgrade` for newer versions.
"""


class LockError(SourceError):
    """A lock that cannot be made, is not whole, or does not fit; `str()` of it names stage, requirement and way out."""


class SourceDistribution(NamedTuple):
    """What a wheel was built from."""

    file: str
    url: str | None
    sha256: str
    path: str | None = None
    """Relative to the lock, where it lies in the pipeline."""


class LockedWheel(NamedTuple):
    """A wheel that jobs get."""

    name: str
    version: str
    file: str
    sha256: str
    size: int | None
    """In bytes; None: the lock does not tell."""
    url: str | None
    """None: only an index that a machine's configuration names has it."""
    path: str | None = None
    """Relative to the lock, where it lies in the pipeline."""
    built_from: SourceDistribution | None = None
    """None: it is on an index as it is."""

    def of_stage(self, stage: str) -> str:
        """Return how messages about a wheel begin."""
        return f"stage `{one_line(stage)}`: {self.name} {self.version}"


class Lock(NamedTuple):
    """What a stage's jobs get."""

    wheels: tuple[LockedWheel, ...]
    """Sorted by name."""
    target: Target | None = None
    """What it was made for; None: it does not say."""
    requirements: tuple[str, ...] | None = None
    """What it was made from, sorted; None: it does not say."""
    framework: tuple[str, ...] = ()
    """What was added to that for `ytjobs`."""

    def dump(self, image: Image) -> str:
        """Return the text of the file; the same lock is always the same text."""
        lines = [
            'lock-version = "1.0"',
            f'created-by = "{TOOL}"',
            f'requires-python = "=={image.target.python}.*"',
        ]
        lines += [] if self.wheels else ["packages = []"]
        for wheel in self.wheels:
            lines += ["", "[[packages]]", f"name = {_text(wheel.name)}", f"version = {_text(wheel.version)}"]
            if wheel.built_from is not None:
                source = wheel.built_from
                place = ("url", source.url) if source.url else ("path", source.path or source.file)
                lines.append(f"sdist = {_table(('name', source.file), place, ('sha256', source.sha256))}")
                built = _table(("file", wheel.file), ("size", wheel.size), ("sha256", wheel.sha256))
                lines.append(f"tool.{TOOL}.built = {built}")
            else:
                place = ("url", wheel.url) if wheel.url else ("path", wheel.path or wheel.file)
                entry = _table(("name", wheel.file), place, ("size", wheel.size), ("sha256", wheel.sha256))
                lines += ["wheels = [", f"    {entry},", "]"]
        lines += ["", f"[tool.{TOOL}]", f"target = {_table(*image.target._asdict().items())}"]
        lines += _array("requirements", self.requirements or ())
        if self.framework:
            lines += _array("framework", self.framework)
        return HEAD + "\n".join(lines) + "\n"


def load_lock(text: str, shown: str, image: Image) -> Lock:
    """Read a lock, and choose the wheels that fit the image of the jobs.

    Args:
        text: of the file.
        shown: its name in messages.
        image: what the jobs run on.

    Raises:
        LockError: it is no lock, or has no wheel of a package for this image.
    """
    content, chosen = _read(text, shown, image)
    try:
        own = content.get("tool", {}).get(TOOL, {})
        asked, target = own.get("requirements"), own.get("target")
        return Lock(
            tuple(sorted(_locked(package, origin, shown, image) for package, origin in chosen)),
            None if target is None else read_target(target),
            None if asked is None else tuple(map(str, asked)),
            tuple(map(str, own.get("framework", ()))),
        )
    except (UnexpectedValueError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unusable(shown, error) from None


def load_packages(text: str, shown: str, image: Image) -> list[tuple[Package, Origin]]:
    """Read a lock, and choose the file of each package that fits the image of the jobs best: a wheel, or else sources.

    Args:
        text: of the file.
        shown: its name in messages.
        image: what the jobs run on.

    Raises:
        LockError: it is no lock, or has nothing of a package for this image.
    """
    return _read(text, shown, image)[1]


def _read(text: str, shown: str, image: Image) -> tuple[dict[str, Any], list[tuple[Package, Origin]]]:
    from packaging.pylock import Pylock, PylockSelectError, PylockValidationError

    # Older uv writes no list that is empty.
    content = {"packages": [], **_parsed(text, shown)}
    try:
        chosen = Pylock.from_dict(content).select(environment=image.environment, tags=image.tags)
        return content, [(package, _origin(package.name, origin)) for package, origin in chosen]
    except (PylockValidationError, TypeError) as error:
        raise _unusable(shown, error) from None
    except PylockSelectError as error:
        fits = f"does not fit {describe_target(image.target)}"
        raise LockError(f"`{shown}` {fits}: {one_line(error)}; run `{TOOL} lock`") from None


def _unusable(shown: str, error: Exception) -> LockError:
    return LockError(f"`{shown}` is no lock that can be used: {one_line(error)}; run `{TOOL} lock`")


def target_of(text: str, shown: str) -> Target | None:
    """Return what a lock says that it was made for; None: it does not.

    Raises:
        LockError: it is no lock.
    """
    try:
        found = _parsed(text, shown).get("tool", {}).get(TOOL, {}).get("target")
        return None if found is None else read_target(found)
    except (UnexpectedValueError, AttributeError) as error:
        raise _unusable(shown, error) from None


def describe_target(target: Target) -> str:
    """Return a target as messages name it."""
    return f"Python {target.python} on {target.platform}"


def without_credentials(url: str) -> str:
    """Return a URL without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def pins_of(text: str) -> dict[str, str]:
    """Return the versions that a lock holds, by name; none where it cannot be read."""
    try:
        packages = _parsed(text, "").get("packages", [])
        return {str(package["name"]): str(package["version"]) for package in packages if "version" in package}
    except (LockError, KeyError, TypeError, AttributeError):
        return {}


def _parsed(text: str, shown: str) -> dict[str, Any]:
    try:
        return parsed_toml(text.encode())
    except (ValueError, RecursionError) as error:
        raise LockError(f"`{shown}` is not valid TOML: {one_line(error)}; run `{TOOL} lock`") from None


class Origin(NamedTuple):
    """A file of a package: a wheel, or sources."""

    file: str
    sha256: str
    size: int | None
    url: str | None
    path: str | None


def _origin(package: str, found: object) -> Origin:
    from packaging.pylock import PackageDirectory, PackageVcs

    if isinstance(found, (PackageVcs, PackageDirectory)):
        where = getattr(found, "url", None) or getattr(found, "path", None)
        raise TypeError(
            f"{package} is the directory or repository `{where}`, which no job can be given: leave it out "
            "(`uv export --no-emit-project`) and name its packages in `upload_modules`"
        )
    hashes, url, path = (getattr(found, name) for name in ("hashes", "url", "path"))
    name = getattr(found, "name", None) or unquote(urlsplit(url or "").path or path or "").rpartition("/")[2]
    return Origin(_checked_name(name), _checked_digest(hashes), found.size, url, path)  # type: ignore[attr-defined]


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+!-]*\.(whl|tar\.gz|zip)", name, re.ASCII):
        raise TypeError(f"`{name}` is no file name of a distribution")
    return name


def _checked_digest(hashes: Mapping[str, object]) -> str:
    sha256 = hashes.get("sha256")
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise TypeError("a file without SHA-256")
    return sha256


def _locked(package: Package, origin: Origin, shown: str, image: Image) -> LockedWheel:
    name, version = package.name, str(package.version or origin.file.split("-")[1])
    built = ((package.tool or {}).get(TOOL) or {}).get("built")
    if built is not None:
        source = SourceDistribution(origin.file, origin.url, origin.sha256, origin.path)
        file, digest = _checked_name(built["file"]), _checked_digest(built["hashes"])
        return LockedWheel(name, version, file, digest, int(built["size"]), None, None, source)
    if not origin.file.endswith(".whl"):
        there = ", ".join(f"`{wheel.filename}`" for wheel in package.wheels or ()) or "only sources"
        needed = f"no wheel of {name} {version} for {describe_target(image.target)}"
        raise LockError(f"`{shown}` has {needed}, {there}; run `{TOOL} lock`")
    return LockedWheel(name, version, origin.file, origin.sha256, origin.size, origin.url, origin.path)


def _text(value: object) -> str:
    # A basic string of TOML escapes as JSON does.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(*items: tuple[str, object]) -> str:
    written = ", ".join(
        f"hashes = {{ sha256 = {_text(value)} }}" if key == "sha256" else f"{key} = {_text(value)}"
        for key, value in items
        if value is not None
    )
    return f"{{ {written} }}"


def _array(name: str, items: Iterable[str]) -> list[str]:
    items = list(items)
    return [f"{name} = [", *(f"    {_text(item)}," for item in items), "]"] if items else [f"{name} = []"]
