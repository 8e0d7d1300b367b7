"""The environment of a local job: the stage's requirements, and nothing of what the user has installed.

It is kept between runs in the user's cache, under a name made of everything that the requirements refer to and of the
Python itself.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import ARCHIVE_NAME, REQUIREMENTS, stage_file
from hatch_ytupload.file_lock import locked_file
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.jobs.interpreter import Interpreter, JobPythonError, find_interpreter, run_command
from hatch_ytupload.jobs.sealed_tree import SealedTree
from hatch_ytupload.packing.cache import DIRECTORY_VARIABLE
from hatch_ytupload.packing.user_cache import ENVIRONMENTS, user_cache
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from hatch_ytupload.packing.cache import Cache

_COMPLETE = ".complete"
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
# Says what an environment is.
_LOOK_AT_ENVIRONMENT = "import json, sys; json.dump([sys.version, sys.prefix], sys.stdout)"
_OF_IMAGE = "of_the_image.pth"


class JobPython(NamedTuple):
    """The Python of a job."""

    environment: str
    """Directory of its virtual environment."""
    programs: str | None
    """Directory of the programs that are installed for the Python that was named; None: none was."""


@dataclass(frozen=True)
class Wanted:
    """What the environment of a stage's jobs is made of."""

    archive: str
    """Path of the archive."""
    stage: str
    requirements: Mapping[str, str]
    """SHA-256 of its `requirements.txt` and of all files of the archive that decide what pip installs, by path; empty:
    nothing is to be installed."""
    named: str | None
    """The Python to make it from, with all that is installed for it: a path, a command or a version such as `3.12`;
    None: the Python that runs this program, with nothing of what is installed."""
    environ: Mapping[str, str]
    """Our own environment."""
    variables: Mapping[str, str]
    """Those that the job is given; requirements may refer to them."""


@contextmanager
def job_python(wanted: Wanted, notice: Callable[[str], None]) -> Iterator[JobPython]:
    """Give an environment that is ready for a stage's jobs; nobody removes it meanwhile.

    Args:
        wanted: what it is made of.
        notice: called with what takes long, and what could not be kept.

    Raises:
        JobPythonError: it cannot be made, or the requirements cannot be installed.
    """
    interpreter = find_interpreter(wanted.named, wanted.environ)
    if wanted.named is not None and wanted.requirements and not interpreter.has_pip:
        raise JobPythonError(
            f"`{one_line(interpreter.executable)}` has no pip, and the stage `{one_line(wanted.stage)}` has "
            "requirements: a job in an image like that stops, too; install pip there, or name another Python"
        )
    making = _Making(interpreter, wanted, notice)
    programs = os.path.dirname(interpreter.executable) if wanted.named is not None else None
    cache = user_cache(wanted.environ, lambda problem: notice(f"Warning: {problem}"))
    kept = making.kept(cache) if cache is not None else None
    if kept is not None:
        try:
            yield JobPython(kept.directory, programs)
        finally:
            kept.let_go()
        return
    temporary = tempfile.mkdtemp(prefix="hatch-ytupload-")
    try:
        try:
            directory = os.path.join(temporary, making.key())
            making.make(directory, purpose="this run")
        except OSError as error:
            problem = cannot("make an environment in", temporary, error)
            raise JobPythonError(f"{problem}; name another place with `TMPDIR`") from None
        yield JobPython(directory, programs)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@dataclass(frozen=True)
class _Making:
    """An environment that is made where it is missing or damaged."""

    interpreter: Interpreter
    wanted: Wanted
    notice: Callable[[str], None]

    def kept(self, cache: Cache) -> _Kept | None:
        """Return the environment in a cache, ready; None: it cannot be there, which is said.

        Args:
            cache: of this user.

        Raises:
            JobPythonError: it cannot be made wherever that is tried.
        """
        problem = f"it has a `{os.pathsep}`, which no `PATH` can hold"
        if os.pathsep not in cache.directory:
            kept = _Kept(cache, self.key())
            try:
                kept.get_ready(self)
            except OSError as error:
                problem = error.strerror or str(error)
            else:
                if cache.problem is not None:  # it cannot be believed the next time
                    self.notice(f"Warning: {cache.problem}")
                return kept
        self.notice(
            f"cannot keep an environment in the cache `{one_line(cache.directory)}`: {problem}; "
            f"it is made for this run alone (name another place with `{DIRECTORY_VARIABLE}`)"
        )
        return None

    def make(self, directory: str, *, purpose: str) -> None:
        """Make the environment.

        Args:
            directory: where; what is there is removed.
            purpose: which runs it is made for, as the notice says it.

        Raises:
            JobPythonError: it cannot be made wherever that is tried.
            OSError: it cannot be made here.
        """
        shutil.rmtree(directory, ignore_errors=True)
        self._make(directory)
        if self.wanted.requirements:
            self.notice(f"installing the requirements of the stage `{one_line(self.wanted.stage)}` for {purpose}")
            self._install(directory)

    def key(self) -> str:
        """Return the name of the environment: equal ones may be shared."""
        found = self.interpreter
        about = [found.version, found.base, found.sites, self.wanted.named is None]
        digest = hashlib.sha256(json.dumps(about).encode())
        for path, content in sorted(self.wanted.requirements.items()):
            digest.update(f"{content} {path}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:24]

    def starts(self, directory: str) -> bool:
        """Tell whether the Python of an environment starts, and is the one that it should be."""
        try:
            command = [_python_of(directory), "-I", "-c", _LOOK_AT_ENVIRONMENT]
            version, prefix = json.loads(run_command(command, self.wanted.environ, capture=True).stdout)
            return bool(version == self.interpreter.version and os.path.samefile(prefix, directory))
        except (OSError, ValueError):
            return False

    def _make(self, directory: str) -> None:
        python, environ = self.interpreter.executable, self.wanted.environ
        made = run_command([python, "-I", "-m", "venv", "--without-pip", directory], environ, capture=True)
        own = [_python_of(directory), "-I"]
        if made.returncode == 0 and self.interpreter.sites:
            _add_sites(directory, self.interpreter.sites)
        elif made.returncode == 0 and self.wanted.requirements and self.wanted.named is None:
            unpacked = run_command([*own, "-c", _UNPACK_PIP], environ, capture=True)
            if unpacked.returncode != 0:
                made = run_command([*own, "-m", "ensurepip"], environ, capture=True)
        if made.returncode != 0:
            _refuse_full_disk(directory)
            reason = (made.stderr or made.stdout).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise JobPythonError(
                f"`{one_line(python)}` cannot make a virtual environment: {one_line(reason)}; "
                "install its `venv` and `ensurepip`, or name another Python with `--python`"
            )

    def _install(self, directory: str) -> None:
        """Install as the wrapper script does: in an extracted archive, which the requirements may refer to."""
        environ = self.wanted.environ
        shown = stage_file(self.wanted.stage, REQUIREMENTS)
        with tempfile.TemporaryDirectory() as tree:
            shutil.copyfile(self.wanted.archive, os.path.join(tree, ARCHIVE_NAME))
            status = run_command(["tar", "-xzf", ARCHIVE_NAME], environ, directory=tree).returncode
            if status == 0:
                pip = [_python_of(directory), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                command = [*pip, "--no-input", "-r", as_system_spells(shown)]
                status = run_command(command, environ, self.wanted.variables, directory=tree).returncode
            if status != 0:
                _refuse_full_disk(tree)
        if status != 0:
            _refuse_full_disk(directory)
            shutil.rmtree(directory, ignore_errors=True)
            raise JobPythonError(
                f"cannot install `{one_line(shown)}`: a job would fail here, too; see what pip says above"
            )


class _Kept:
    """An environment that is kept between runs, as what it was when the last of them ended.

    Args:
        cache: in which it lies.
        key: its name.
    """

    def __init__(self, cache: Cache, key: str) -> None:
        self.directory = os.path.join(cache.directory, ENVIRONMENTS, key)
        self._tree = SealedTree(cache, f"{ENVIRONMENTS}/{key}", _COMPLETE)

    def get_ready(self, making: _Making) -> None:
        """Make it where it is missing, damaged, or changed by somebody else than its jobs.

        Raises:
            JobPythonError: it cannot be made wherever that is tried.
            OSError: it cannot be made here.
        """
        base = os.path.dirname(self.directory)
        os.makedirs(base, mode=0o700, exist_ok=True)
        with self._locked():
            if not (self._tree.holds() and making.starts(self.directory)):
                _remove_unused(base)
                making.make(self.directory, purpose="this and later runs")
                self._tree.seal()

    def let_go(self) -> None:
        """Take what jobs have left in it for its own: most of all the bytecode of what they imported."""
        with suppress(OSError), self._locked():
            self._tree.renew()

    def _locked(self) -> AbstractContextManager[None]:
        return locked_file(f"{self.directory}.lock")


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


def _remove_unused(base: str) -> None:
    with os.scandir(base) as entries:
        for entry in list(entries):
            with suppress(OSError):
                mark = os.path.join(entry.path, _COMPLETE)
                if time.time() - os.stat(mark).st_mtime > _UNUSED_SECONDS:
                    os.unlink(mark)
                    shutil.rmtree(entry.path, ignore_errors=True)
