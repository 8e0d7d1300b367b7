"""The Python of a local job: a virtual environment that holds the stage's requirements and nothing of the user's.

It is kept between runs in the user's cache, under a name made of everything that the requirements refer to and of the
Python itself.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import ARCHIVE_NAME, REQUIREMENTS, stage_file
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.file_lock import locked_file
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.packing.cache import DIRECTORY_VARIABLE
from hatch_ytupload.packing.user_cache import ENVIRONMENTS, cache_directory
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_COMPLETE = ".complete"
_STANDARD_ERROR = 2
# An environment that nobody used for so long is removed when another one is made.
_UNUSED_SECONDS = 30 * 24 * 3600
# What is less is no space.
_LEAST_SPACE = 1 << 20
# The wheel of pip that comes with Python works as soon as it is unpacked; installing it takes ten times as long.
_UNPACK_PIP = """
import ensurepip, glob, os, sysconfig, zipfile
wheels = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
zipfile.ZipFile(wheels[0]).extractall(sysconfig.get_path("purelib"))
"""
# Says what a Python is, and where what is installed for it lies.
_LOOK = """
import json, os, sys, sysconfig
from importlib.util import find_spec
library = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
library |= {os.path.join(place, "lib-dynload") for place in library}
sites = [place for place in sys.path[1:] if place not in library and os.path.isdir(place)]
json.dump([sys.version, sys.base_prefix, sys.executable, sites, find_spec("pip") is not None], sys.stdout)
"""
# Says what an environment is, if the files of all that is installed in it are there.
_LOOK_AT_ENVIRONMENT = """
import csv, json, os, sys, sysconfig
site = sysconfig.get_path("purelib")
for name in os.listdir(site):
    if name.endswith(".dist-info"):
        with open(os.path.join(site, name, "RECORD"), encoding="utf-8", newline="") as record:
            for path, _, size in csv.reader(record):
                found = os.path.getsize(os.path.join(site, path)) if not path.endswith(".pyc") else None
                assert found is None or not size or int(size) == found, path
json.dump([sys.version, sys.prefix], sys.stdout)
"""
_OF_IMAGE = "of_the_image.pth"
# How pip reaches an index; nothing else of the user's environment gets to an installer or a job.
_INSTALLER_PREFIXES = ("PIP_", "SSL_CERT_")
_INSTALLER_NAMES = frozenset({"REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
# What a Python needs to start: among it what tells pyenv, asdf and mise which one is meant.
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")
_KEPT_PREFIXES = ("PYENV_", "ASDF_", "MISE_", "RTX_")


class JobPythonError(YtUploadError):
    """The environment for a job cannot be made."""


class JobPython(NamedTuple):
    """The Python of a job."""

    environment: str
    """Directory of its virtual environment."""
    programs: str | None
    """Directory of the programs that are installed for the Python that was named; None: none was."""


class _Interpreter(NamedTuple):
    """What an environment is made from."""

    version: str
    base: str
    executable: str
    """Itself, not what starts it in its place."""
    sites: list[str]
    """Where what is installed for it lies."""
    has_pip: bool


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell pip how to reach an index, and the place of the user's pip configuration."""
    kept = {
        name: value
        for name, value in environ.items()
        if name.startswith(_INSTALLER_PREFIXES) or name.upper() in _INSTALLER_NAMES
    }
    # Where packages go is ours to say.
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON"):
        kept.pop(name, None)
    config = os.path.join(environ.get("HOME", ""), ".config", "pip", "pip.conf")
    if os.path.isfile(config):
        kept.setdefault("PIP_CONFIG_FILE", config)
    return kept


@contextmanager
def job_python(
    archive: str,
    stage: str,
    requirements: Mapping[str, str],
    *,
    named: str | None,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    notice: Callable[[str], None],
) -> Iterator[JobPython]:
    """Give an environment that is ready for a stage's jobs; nobody removes it meanwhile.

    Args:
        archive: path of the archive.
        stage: whose requirements are installed.
        requirements: SHA-256 of its `requirements.txt` and of all files of the archive that decide what pip installs,
            by path; empty: nothing is to be installed.
        named: the Python to make it from, with all that is installed for it: a path, a command or a version such as
            `3.12`; None: the Python that runs this program, with nothing of what is installed.
        environ: our own environment.
        variables: those that the job is given; requirements may refer to them.
        notice: is told what takes long, and what could not be kept.

    Raises:
        JobPythonError: it cannot be made, or the requirements cannot be installed.
    """
    interpreter = _interpreter(named, environ)
    if named is not None and requirements and not interpreter.has_pip:
        raise JobPythonError(
            f"`{one_line(interpreter.executable)}` has no pip, and the stage `{one_line(stage)}` has requirements: "
            "a job in an image like that stops, too; install pip there, or name another Python"
        )
    making = _Making(interpreter, archive, stage, requirements, named=named, environ=environ, variables=variables)
    programs = os.path.dirname(interpreter.executable) if named is not None else None
    root = cache_directory(environ, notice)
    kept = making.kept(root, notice) if root is not None else None
    if kept is not None:
        yield JobPython(kept, programs)
        return
    temporary = tempfile.mkdtemp(prefix="hatch-ytupload-")
    try:
        try:
            directory = making.ready(temporary, notice, purpose="this run")
        except OSError as error:
            problem = f"cannot make an environment in `{one_line(temporary)}`: {error.strerror or error}"
            raise JobPythonError(f"{problem}; name another place with `TMPDIR`") from None
        yield JobPython(directory, programs)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _interpreter(named: str | None, environ: Mapping[str, str]) -> _Interpreter:
    """Ask a Python what it is.

    Raises:
        JobPythonError: there is none of that name, or it does not start.
    """
    path: str | None = sys.executable
    if named is not None:
        command = f"python{named}" if named[:1].isdigit() else named
        path = shutil.which(command, path=environ.get("PATH"))
    if not path:
        shown = "that runs this program" if named is None else f"`{one_line(command)}`"
        raise JobPythonError(f"there is no Python {shown} on this machine; install it or name another")
    try:
        done = _run([path, "-s", "-c", _LOOK], environ, capture=True)
    except OSError as error:
        raise JobPythonError(f"cannot start `{one_line(path)}`: {error.strerror}") from None
    try:
        version, base, executable, sites, has_pip = json.loads(done.stdout)
    except ValueError:
        # A program that chooses among several has its own words for why not.
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        reason = f" that works: {one_line(said)}" if said else " that works"
        raise JobPythonError(f"`{one_line(path)}` is no Python{reason}") from None
    return _Interpreter(version, base, executable or path, sites if named is not None else [], bool(has_pip))


class _Making:
    """An environment that is made where it is missing or damaged."""

    def __init__(
        self,
        interpreter: _Interpreter,
        archive: str,
        stage: str,
        requirements: Mapping[str, str],
        *,
        named: str | None,
        environ: Mapping[str, str],
        variables: Mapping[str, str],
    ) -> None:
        self._interpreter = interpreter
        self._archive = archive
        self._stage = stage
        self._requirements = requirements
        self._named = named
        self._environ = environ
        self._variables = variables

    def kept(self, root: str, notice: Callable[[str], None]) -> str | None:
        """Return the directory of the environment in a cache; None: it cannot be there, which is said.

        Args:
            root: of the cache.
            notice: is told.

        Raises:
            JobPythonError: it cannot be made wherever that is tried.
        """
        problem = f"it has a `{os.pathsep}`, which no `PATH` can hold"
        if os.pathsep not in root:
            try:
                return self.ready(os.path.join(root, ENVIRONMENTS), notice, purpose="this and later runs")
            except OSError as error:
                problem = error.strerror or str(error)
        notice(
            f"cannot keep an environment in the cache `{one_line(root)}`: {problem}; "
            f"it is made for this run alone (name another place with `{DIRECTORY_VARIABLE}`)"
        )
        return None

    def ready(self, base: str, notice: Callable[[str], None], *, purpose: str) -> str:
        """Return the directory of the environment.

        Args:
            base: where environments lie.
            notice: is told what takes long.
            purpose: which runs it is made for, as the notice says it.

        Raises:
            JobPythonError: it cannot be made wherever that is tried.
            OSError: it cannot be made here.
        """
        directory = os.path.join(base, self._key())
        mark = os.path.join(directory, _COMPLETE)
        os.makedirs(base, mode=0o700, exist_ok=True)
        with locked_file(f"{directory}.lock"):
            if os.path.exists(mark) and self._is_sound(directory):
                os.utime(mark)
            else:
                _remove_unused(base)
                # One that a killed run left has no mark of being complete.
                shutil.rmtree(directory, ignore_errors=True)
                self._make(directory)
                if self._requirements:
                    shown = one_line(self._stage)
                    notice(f"installing the requirements of the stage `{shown}` for {purpose}")
                    self._install(directory)
                with open(mark, "wb"):
                    pass
        return directory

    def _key(self) -> str:
        """Return the name of the environment: equal ones may be shared."""
        found = self._interpreter
        digest = hashlib.sha256(json.dumps([found.version, found.base, found.sites, self._named is None]).encode())
        for path, content in sorted(self._requirements.items()):
            digest.update(f"{content} {path}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:24]

    def _is_sound(self, directory: str) -> bool:
        """Tell whether an environment's Python starts, is the one it should be, and has all its files."""
        try:
            done = _run([_python_of(directory), "-I", "-c", _LOOK_AT_ENVIRONMENT], self._environ, capture=True)
            version, prefix = json.loads(done.stdout)
            return bool(version == self._interpreter.version and os.path.samefile(prefix, directory))
        except (OSError, ValueError):
            return False

    def _make(self, directory: str) -> None:
        python = self._interpreter.executable
        made = _run([python, "-I", "-m", "venv", "--without-pip", directory], self._environ, capture=True)
        own = [_python_of(directory), "-I"]
        if made.returncode == 0 and self._interpreter.sites:
            _add_sites(directory, self._interpreter.sites)
        elif made.returncode == 0 and self._requirements and self._named is None:
            unpacked = _run([*own, "-c", _UNPACK_PIP], self._environ, capture=True)
            if unpacked.returncode != 0:
                made = _run([*own, "-m", "ensurepip"], self._environ, capture=True)
        if made.returncode != 0:
            _refuse_full_disk(directory)
            reason = (made.stderr or made.stdout).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise JobPythonError(
                f"`{one_line(python)}` cannot make a virtual environment: {one_line(reason)}; "
                "install its `venv` and `ensurepip`, or name another Python with `--python`"
            )

    def _install(self, directory: str) -> None:
        """Install as the wrapper script does: in an extracted archive, which the requirements may refer to."""
        file = as_system_spells(stage_file(self._stage, REQUIREMENTS))
        with tempfile.TemporaryDirectory() as tree:
            shutil.copyfile(self._archive, os.path.join(tree, ARCHIVE_NAME))
            status = _run(["tar", "-xzf", ARCHIVE_NAME], self._environ, directory=tree).returncode
            if status == 0:
                pip = [_python_of(directory), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                command = [*pip, "--no-input", "-r", file]
                status = _run(command, self._environ, self._variables, directory=tree).returncode
            if status != 0:
                _refuse_full_disk(tree)
        if status != 0:
            _refuse_full_disk(directory)
            shutil.rmtree(directory, ignore_errors=True)
            shown = one_line(stage_file(self._stage, REQUIREMENTS))
            raise JobPythonError(f"cannot install `{shown}`: a job would fail here, too; see what pip says above")


def _python_of(directory: str) -> str:
    return os.path.join(directory, "bin", "python3")


def _add_sites(directory: str, sites: list[str]) -> None:
    """Give an environment what is installed for another Python, its own packages first."""
    for library in os.listdir(os.path.join(directory, "lib")):
        with open(os.path.join(directory, "lib", library, "site-packages", _OF_IMAGE), "w", encoding="ascii") as file:
            file.writelines(f"import site; site.addsitedir({site!a})\n" for site in sites)


def _refuse_full_disk(directory: str) -> None:
    """Say so where the disk of a directory is full.

    Raises:
        OSError: it is.
    """
    found = os.statvfs(os.path.dirname(directory))
    if found.f_bavail * found.f_frsize < _LEAST_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _run(
    command: list[str],
    environ: Mapping[str, str],
    variables: Mapping[str, str] | None = None,
    *,
    directory: str | None = None,
    capture: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output, if it is not captured, goes to standard error."""
    kept = {name: value for name, value in environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    return subprocess.run(
        command,
        cwd=directory,
        env={
            **{name: as_system_spells(value) for name, value in (variables or {}).items()},
            **kept,
            **installer_environment(environ),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else _STANDARD_ERROR,
        stderr=subprocess.PIPE if capture else None,
        check=False,
    )


def _remove_unused(base: str) -> None:
    with os.scandir(base) as entries:
        for entry in list(entries):
            with suppress(OSError):
                mark = os.path.join(entry.path, _COMPLETE)
                if time.time() - os.stat(mark).st_mtime > _UNUSED_SECONDS:
                    os.unlink(mark)
                    shutil.rmtree(entry.path, ignore_errors=True)
