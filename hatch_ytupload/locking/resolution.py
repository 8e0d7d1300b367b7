"""Which versions go together: asked of uv, for the target and never for this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.locking.download import Downloads
from hatch_ytupload.locking.lock_file import TOOL, LockError
from hatch_ytupload.locking.ways_out import asks_elsewhere
from hatch_ytupload.programs import without_secrets
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_ytupload.locking.asked_for import AskedFor
    from hatch_ytupload.locking.image import Image
    from hatch_ytupload.locking.indexes import Indexes
    from hatch_ytupload.requirements.requirement import Requirement

# Bytes of wheels that are built depend on it, as far as builders respect it.
_BUILD_TIME = "315532800"
_LONGEST_REASON = 700
_REPOSITORIES = ("git+", "hg+", "svn+", "bzr+")


class ResolutionError(Exception):
    """There are no such versions, or uv cannot tell; `str()` of it is the reason, without credentials."""


class Resolved(NamedTuple):
    """What uv answers."""

    text: str
    """A lock, or a line with a version for each distribution."""
    warnings: tuple[str, ...]


class Resolver:
    """Asks uv.

    Args:
        indexes: where distributions are looked for.
        environ: the environment.

    Raises:
        LockError: there is no uv.
    """

    def __init__(self, indexes: Indexes, environ: Mapping[str, str]) -> None:
        self._indexes = indexes
        self.downloads = Downloads(indexes, environ)
        """From where uv is told to look."""
        self._uv = _find_uv(environ)
        own = {name: value for name, value in environ.items() if name.startswith("UV_")}
        kept = {**without_secrets(environ), **own}
        for name in (
            "VIRTUAL_ENV",
            "UV_DEFAULT_INDEX",
            "UV_INDEX",
            "UV_INDEX_URL",
            "UV_EXTRA_INDEX_URL",
            "UV_FIND_LINKS",
        ):
            kept.pop(name, None)
        self._environ = {**kept, **indexes.uv_variables(), "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}

    def pins(
        self,
        asked: Sequence[AskedFor],
        preferred: Mapping[str, str],
        *,
        upgrade: bool = False,
        packages: Sequence[str] = (),
    ) -> str:
        """Return versions that suit several stages with one image.

        Args:
            asked: for by the stages.
            preferred: versions to keep where they suit.
            upgrade: keep none.
            packages: keep none of these.

        Raises:
            ResolutionError: there are none.
        """
        with tempfile.TemporaryDirectory() as directory:
            output = os.path.join(directory, "pins.txt")
            _write(output, "".join(f"{name}=={version}\n" for name, version in preferred.items()))
            options = ["--upgrade", "--refresh"] if upgrade else []
            for name in packages:
                options += ["--upgrade-package", name, "--refresh-package", name]
            return self._compile(asked, output, [*options, "--no-strip-extras", "--no-annotate"]).text

    def lock(self, asked: AskedFor, pins: str) -> Resolved:
        """Return the lock of a stage, as uv writes it.

        Args:
            asked: for by the stage.
            pins: versions to take.

        Raises:
            ResolutionError: they do not suit.
        """
        with tempfile.TemporaryDirectory() as directory:
            constraints = os.path.join(directory, "pins.in")
            _write(constraints, re.sub(r"\[[^\]]*\](?===)", "", "\n".join(_plain_pins(pins))) + "\n")
            output = os.path.join(directory, "pylock.toml")
            return self._compile([asked], output, ["--format", "pylock.toml", "--constraints", constraints])

    def build(self, sdist: str, file: str, directory: str) -> str:
        """Build a wheel; return its path.

        Args:
            sdist: path of the source distribution.
            file: its name.
            directory: to build in.

        Raises:
            ResolutionError: it cannot be built.
        """
        source = os.path.join(directory, file)
        shutil.copyfile(sdist, source)
        output = os.path.join(directory, "built")
        options = ["--wheel", "--out-dir", output, "--python", sys.executable, *self._indexes.uv_options(), source]
        self._run(["build", *options], directory, {"SOURCE_DATE_EPOCH": _BUILD_TIME, "PYTHONHASHSEED": "0"})
        built = [name for name in os.listdir(output) if name.endswith(".whl")]
        if len(built) != 1:
            raise ResolutionError(f"building `{file}` gave {len(built)} wheels")
        return os.path.join(output, built[0])

    def _compile(self, asked: Sequence[AskedFor], output: str, options: list[str]) -> Resolved:
        directory = os.path.dirname(output)
        image = asked[0].image
        required = [line for item in asked for line in _lines(item, directory)]
        _write(os.path.join(directory, "requirements.in"), "\n".join(dict.fromkeys(required)) + "\n")
        constraints = [_uv_line(item) for one in asked for item in one.requirements.constraints]
        if constraints:
            _write(os.path.join(directory, "constraints.in"), "\n".join(constraints) + "\n")
            options = [*options, "--constraints", "constraints.in"]
        arguments = ["pip", "compile", "--no-header", "--python", sys.executable, "--no-python-downloads"]
        arguments += _target(image) + self._indexes.uv_options() + options
        arguments += ["--output-file", output, "requirements.in"]
        try:
            # A version with wheels is better than a newer one without.
            warnings = self._run([*arguments, "--only-binary", ":all:"], directory)
        except ResolutionError as error:
            if asks_elsewhere(str(error)):
                raise
            warnings = self._run(arguments, directory)
        with open(output, encoding="utf-8") as file:
            return Resolved(file.read(), warnings)

    def _run(self, arguments: list[str], directory: str, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Run uv; return its warnings."""
        done = subprocess.run(
            [self._uv, *arguments],
            cwd=directory,
            env={**self._environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        said = masked(done.stderr.decode("utf-8", "replace")).replace(f"{directory}/", "")
        if done.returncode != 0:
            raise ResolutionError(_shortened(said))
        lines = (line.removeprefix("warning: ") for line in said.splitlines() if line.startswith("warning: "))
        return tuple(one_line(line) for line in lines)


def _find_uv(environ: Mapping[str, str]) -> str:
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv", path=environ.get("PATH"))
    if found is None:
        raise LockError(f"there is no uv, which resolves requirements: install `{TOOL}[lock]`")
    return found


def _target(image: Image) -> list[str]:
    return ["--python-version", image.target.python, "--python-platform", image.target.platform]


def _lines(asked: AskedFor, directory: str) -> Iterable[str]:
    """Yield what a stage requires as uv wants it; local wheels are copied into a directory."""
    for item in asked.requirements.required:
        reference = item.reference
        path = None if reference is None else reference.path
        if path is not None and path in asked.files:
            name = path.rpartition("/")[2]
            with open(os.path.join(directory, name), "wb") as file:
                file.write(asked.files[path])
            yield _uv_line(item, f"./{name}")
        elif reference is not None or item.editable or (item.url or "").startswith(_REPOSITORIES):
            raise ResolutionError(
                f"`{one_line(item.text)}` is a directory or a repository, which no lock can hold: require a wheel, "
                "or name its packages in `upload_modules`"
            )
        else:
            yield _uv_line(item)
    yield from asked.framework


def _uv_line(item: Requirement, local: str | None = None) -> str:
    """Return a requirement as uv wants it; `local`: the wheel that it names."""
    extras = f"[{','.join(sorted(item.extras))}]" if item.extras else ""
    what = f"{local or item.name}{extras}"
    if item.name is None and local is None:
        what = item.url or ""
    elif local is None:
        what += item.specifier if item.url is None else f" @ {item.url}"
    return what + (f" ; {item.marker}" if item.marker else "")


def _plain_pins(pins: str) -> list[str]:
    return [line for line in pins.splitlines() if re.match(r"[^#\s@]+==", line)]


def _shortened(said: str) -> str:
    """Return why uv gave up, on one line, in a bounded length."""
    text = re.sub(r"[\u2500-\u257f\u25b6\u00d7]", " ", said)
    text = re.split(r"\n\s*hint:", text, maxsplit=1)[0]
    reasons = re.split(r"(?:^|\s)(?:error|cause|Caused by):\s*", text)
    found = [" ".join(reason.split()) for reason in reasons if reason.strip()]
    found = [reason for reason in found if not reason.startswith("warning:")]
    if found[:1] == ["No solution found when resolving dependencies"] or "No solution found" in found[0]:
        found = found[1:] or [found[0].partition(":")[2]]
    text = ": ".join(reason.rstrip(".") for reason in found) or "uv failed without a word"
    return one_line(text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
