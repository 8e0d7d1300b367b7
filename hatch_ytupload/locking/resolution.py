"""Which versions go together: asked of uv, for the target and never for this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import blocks, opened, sha256_of
from hatch_ytupload.locking.download import Downloads
from hatch_ytupload.locking.lock_file import TOOL, LockError
from hatch_ytupload.locking.ways_out import asks_elsewhere
from hatch_ytupload.programs import without_secrets
from hatch_ytupload.requirements.lines import with_variables
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.requirements.tree import path_of_file_url
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
        self._variables = environ
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
        self._environ = {**kept, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}

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
            return self._compile(asked, output, [*options, "--no-strip-extras"]).text

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
            _write(constraints, "".join(f"{pin}\n" for pin in _plain_pins(pins)))
            output = os.path.join(directory, "pylock.toml")
            found = self._compile([asked], output, ["--format", "pylock.toml", "--constraints", constraints])
            return found._replace(text=with_digests(found.text))

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
        environ = {**self._indexes.uv_variables(), "SOURCE_DATE_EPOCH": _BUILD_TIME, "PYTHONHASHSEED": "0"}
        self._run(["build", *options], directory, environ)
        built = [name for name in os.listdir(output) if name.endswith(".whl")]
        if len(built) != 1:
            raise ResolutionError(f"building `{file}` gave {len(built)} wheels")
        return os.path.join(output, built[0])

    def _compile(self, asked: Sequence[AskedFor], output: str, options: list[str]) -> Resolved:
        directory = os.path.dirname(output)
        archive, requirements = (os.path.join(directory, name) for name in ("archive", "requirements.in"))
        for one in asked:
            _write_local(one, archive)
        required = [line for one in asked for line in self._lines(one)]
        _write(requirements, "\n".join(dict.fromkeys(required)) + "\n")
        constraints = [self._line(item) for one in asked for item in one.requirements.constraints]
        if constraints:
            path = os.path.join(directory, "constraints.in")
            _write(path, "\n".join(constraints) + "\n")
            options = [*options, "--constraints", path]
        arguments = ["pip", "compile", "--no-header", "--python", sys.executable, "--no-python-downloads"]
        arguments += [*_target(asked[0].image), *self._indexes.uv_options(), *self._indexes.flags, *options]
        arguments += ["--output-file", output, requirements]
        places = self._indexes.uv_variables(in_archive=True)
        try:
            # A version with wheels is better than a newer one without.
            warnings = self._run([*arguments, "--only-binary", ":all:"], archive, places)
        except ResolutionError as error:
            if asks_elsewhere(str(error)):
                raise
            warnings = self._run(arguments, archive, places)
        with open(output, encoding="utf-8") as file:
            return Resolved(file.read(), warnings)

    def _lines(self, asked: AskedFor) -> Iterator[str]:
        """Yield what a stage requires as uv wants it."""
        for item in asked.requirements.required:
            if not asked.image.applies(item.marker):
                continue
            reference = item.reference
            is_file = reference is not None and reference.path in asked.files
            if not is_file and (reference is not None or item.editable or (item.url or "").startswith(_REPOSITORIES)):
                raise ResolutionError(
                    f"`{one_line(item.text)}` is a directory or a repository, which no lock can hold: require a wheel, "
                    "or name its packages in `upload_modules`"
                )
            yield self._line(item)
        yield from asked.framework

    def _line(self, item: Requirement) -> str:
        extras = f"[{','.join(sorted(item.extras))}]" if item.extras else ""
        url = None if item.url is None else with_variables(item.url, self._variables)
        if item.reference is not None and item.reference.present:
            what = f"./{item.reference.path}{extras}"
        elif item.name is None:
            what = url or ""
        else:
            what = f"{item.name}{extras}" + (item.specifier if url is None else f" @ {url}")
        return what + (f" ; {item.marker}" if item.marker else "")

    def _run(self, arguments: list[str], directory: str, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Run uv; return its warnings."""
        done = subprocess.run(
            [self._uv, *arguments],
            cwd=directory,
            env={**self._environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        said = masked(done.stderr.decode("utf-8", "replace")).replace(f"{directory}/", "")
        if done.returncode != 0:
            raise ResolutionError(_shortened(said))
        lines = (line.removeprefix("warning: ") for line in said.splitlines() if line.startswith("warning: "))
        # The files are ours, and may well be empty.
        return tuple(one_line(line) for line in lines if "does not contain any dependencies" not in line)


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


def _write_local(asked: AskedFor, directory: str) -> None:
    """Write what requirements of a stage name in the archive: jobs would find it there."""
    os.makedirs(directory, exist_ok=True)
    for path in asked.local_files():
        place = os.path.join(directory, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(asked.files[path])


def with_digests(text: str) -> str:
    """Return a lock of uv with the digests of files on disk, which uv before 0.13 leaves out."""

    def with_digest(match: re.Match[str]) -> str:
        with opened(path_of_file_url(match[1])) as reader:
            sha256 = sha256_of(blocks(reader))
        return f'url = "{match[1]}", hashes = {{ sha256 = "{sha256}" }}'

    return re.sub(r'url = "(file:[^"\\]*)", hashes = \{\}', with_digest, text)


def _plain_pins(pins: str) -> list[str]:
    """Return the versions among pins, without extras, which constraints cannot have."""
    return [re.sub(r"\[[^\]]*\]", "", line) for line in pins.splitlines() if re.match(r"[^#\s@]+==", line)]


def _shortened(said: str) -> str:
    """Return why uv gave up, on one line, in a bounded length."""
    text = re.sub(r"(?m)^\s*\u00d7\s", "error: ", said)  # before uv 0.12
    text = re.sub(r"[\u2500-\u257f\u25b6]", " ", text)
    text = re.split(r"\n\s*hint:", text, maxsplit=1)[0]
    printed, _, text = f"\n{text}".rpartition("\nerror: ")
    text, *more = re.split(r"\n\s*\[std(?:out|err)\]\n", text)
    found = [" ".join(reason.split()) for reason in re.split(r"(?:^|\s)(?:cause|Caused by):\s*", text)]
    found = [reason for reason in found if reason and not reason.startswith("warning:")]
    if "No solution found" in found[0]:
        found = found[1:] or [found[0].partition(":")[2]]
    # Of what a program prints before it fails, the last line is the reason.
    lines = (line for line in "\n".join([printed, *more]).splitlines() if line.strip())
    found += [line for line in lines if not line.startswith(("warning:", "Building "))][-1:]
    text = ": ".join(reason.strip().rstrip(".") for reason in found) or "uv failed without a word"
    return one_line(text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
