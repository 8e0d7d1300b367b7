"""The Python of a local job: a virtual environment that holds the stage's requirements and nothing of the user's.

It is kept between runs in the user's cache, under a name made of everything that the requirements refer to and of the
Python itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME, REQUIREMENTS, stage_file
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.file_lock import locked_file
from hatch_ytupload.packing.user_cache import ENVIRONMENTS, cache_directory
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_COMPLETE = ".complete"
_STANDARD_ERROR = 2
# An environment that nobody used for so long is removed when another one is made.
_UNUSED_SECONDS = 30 * 24 * 3600
# The wheel of pip that comes with Python works as soon as it is unpacked; installing it takes ten times as long.
_UNPACK_PIP = """
import ensurepip, glob, os, sysconfig, zipfile
wheels = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
zipfile.ZipFile(wheels[0]).extractall(sysconfig.get_path("purelib"))
"""
_IDENTITY = "import sys; print(sys.version); print(sys.base_prefix)"
# How pip reaches an index; nothing else of the user's environment gets to an installer or a job.
_INSTALLER_PREFIXES = ("PIP_", "SSL_CERT_")
_INSTALLER_NAMES = frozenset({"REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})


class JobPythonError(YtUploadError):
    """The environment for a job cannot be made."""


def find_python(named: str | None) -> str:
    """Return the Python that a job's environment is made from.

    Args:
        named: a path, a command or a version such as `3.12`; None: the Python that runs this program.

    Raises:
        JobPythonError: there is none of that name.
    """
    if named is None:
        return sys.executable
    command = f"python{named}" if named[:1].isdigit() else named
    found = shutil.which(command)
    if found is None:
        raise JobPythonError(f"there is no Python `{one_line(command)}` on this machine; install it or name another")
    return found


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
    python: str,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    notice: Callable[[str], None],
) -> Iterator[str]:
    """Give the directory of an environment that is ready for a stage's jobs; nobody removes it meanwhile.

    Args:
        archive: path of the archive.
        stage: whose requirements are installed.
        requirements: SHA-256 of its `requirements.txt` and of all files of the archive that decide what pip installs,
            by path; empty: nothing is to be installed.
        python: the Python to make it from.
        environ: our own environment.
        variables: those that the job is given; requirements may refer to them.
        notice: is told what takes long.

    Raises:
        JobPythonError: it cannot be made, or the requirements cannot be installed.
    """
    root = cache_directory(environ, notice)
    if root is not None and os.pathsep in root:
        notice(f"the environment is not kept: `{one_line(root)}` has a `{os.pathsep}`, which no `PATH` can hold")
        root = None
    temporary = None if root is not None else tempfile.mkdtemp(prefix="hatch-ytupload-")
    base = os.path.join(root or temporary or "", ENVIRONMENTS)
    try:
        try:
            directory = os.path.join(base, _key(python, requirements, environ))
            os.makedirs(base, mode=0o700, exist_ok=True)
            with locked_file(f"{directory}.lock"):
                if os.path.exists(os.path.join(directory, _COMPLETE)):
                    os.utime(os.path.join(directory, _COMPLETE))
                else:
                    _remove_unused(base)
                    _make(
                        directory,
                        archive,
                        stage,
                        python=python,
                        environ=environ,
                        variables=variables,
                        notice=notice,
                        install=bool(requirements),
                    )
        except OSError as error:
            problem = error.strerror or error
            raise JobPythonError(f"cannot make an environment in `{one_line(base)}`: {problem}") from None
        yield directory
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _key(python: str, requirements: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return the name of an environment: equal ones may be shared."""
    try:
        identity = _run([python, "-I", "-c", _IDENTITY], environ, capture=True)
    except OSError as error:
        raise JobPythonError(f"cannot start `{one_line(python)}`: {error.strerror}") from None
    if identity.returncode != 0 or not identity.stdout:
        raise JobPythonError(f"`{one_line(python)}` is no Python that works")
    digest = hashlib.sha256(identity.stdout)
    for path, content in sorted(requirements.items()):
        digest.update(f"{content} {path}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:24]


def _make(
    directory: str,
    archive: str,
    stage: str,
    *,
    python: str,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    notice: Callable[[str], None],
    install: bool,
) -> None:
    # One that a killed run left has no mark of being complete.
    shutil.rmtree(directory, ignore_errors=True)
    made = _run([python, "-I", "-m", "venv", "--without-pip", directory], environ, capture=True)
    own = [os.path.join(directory, "bin", "python3"), "-I"]
    if made.returncode == 0 and install and _run([*own, "-c", _UNPACK_PIP], environ, capture=True).returncode != 0:
        made = _run([*own, "-m", "ensurepip"], environ, capture=True)
    if made.returncode != 0:
        reason = (made.stderr or made.stdout).decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise JobPythonError(
            f"`{one_line(python)}` cannot make a virtual environment: {one_line(reason)}; "
            "install its `venv` and `ensurepip`, or name another Python with `--python`"
        )
    if install:
        notice(f"installing the requirements of the stage `{stage}` for this and later runs")
        _install(directory, archive, stage, environ, variables)
    with open(os.path.join(directory, _COMPLETE), "wb"):
        pass


def _install(
    directory: str, archive: str, stage: str, environ: Mapping[str, str], variables: Mapping[str, str]
) -> None:
    """Install as the wrapper script does: in an extracted archive, which the requirements may refer to."""
    file = stage_file(stage, REQUIREMENTS)
    with tempfile.TemporaryDirectory() as tree:
        shutil.copyfile(archive, os.path.join(tree, ARCHIVE_NAME))
        status = _run(["tar", "-xzf", ARCHIVE_NAME], environ, directory=tree).returncode
        if status == 0:
            pip = [os.path.join(directory, "bin", "python3"), "-I", "-m", "pip"]
            options = ["--quiet", "--disable-pip-version-check", "--no-input"]
            status = _run([*pip, "install", *options, "-r", file], environ, variables, directory=tree).returncode
    if status != 0:
        shutil.rmtree(directory, ignore_errors=True)
        raise JobPythonError(f"cannot install `{one_line(file)}`: a job would fail here, too; see what pip says above")


def _run(
    command: list[str],
    environ: Mapping[str, str],
    variables: Mapping[str, str] | None = None,
    *,
    directory: str | None = None,
    capture: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output, if it is not captured, goes to standard error."""
    kept = {name: environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL") if name in environ}
    return subprocess.run(
        command,
        cwd=directory,
        env={**(variables or {}), **kept, **installer_environment(environ)},
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
