"""The Python that a local job's environment is made from: which one, what it is, how its commands are run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_STANDARD_ERROR = 2
# Says what a Python is, and where what is installed for it lies.
_LOOK = """
import json, os, sys, sysconfig
from importlib.util import find_spec
library = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
library |= {os.path.join(place, "lib-dynload") for place in library}
sites = [place for place in sys.path if place not in library and os.path.isdir(place)]
json.dump([sys.version, sys.base_prefix, sys.executable, sites, find_spec("pip") is not None], sys.stdout)
"""
# How pip reaches an index; nothing else of the user's environment gets to an installer or a job.
_INSTALLER_PREFIXES = ("PIP_", "SSL_CERT_")
_INSTALLER_NAMES = frozenset({"REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
# What a Python needs to start: among it what tells pyenv, asdf and mise which one is meant.
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")
_KEPT_PREFIXES = ("PYENV_", "ASDF_", "MISE_", "RTX_")


class JobPythonError(YtUploadError):
    """The environment for a job cannot be made."""


class Interpreter(NamedTuple):
    """What an environment is made from."""

    version: str
    base: str
    executable: str
    """Itself, not what starts it in its place."""
    sites: list[str]
    """Where what is installed for it lies, if that is to be used."""
    has_pip: bool


def find_interpreter(named: str | None, environ: Mapping[str, str]) -> Interpreter:
    """Ask a Python what it is.

    Args:
        named: a path, a command or a version such as `3.12`; None: the Python that runs this program.
        environ: our own environment.

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
        done = run_command([path, "-I", "-c", _LOOK], environ, capture=True)
    except OSError as error:
        raise JobPythonError(cannot("start", path, error)) from None
    try:
        version, base, executable, sites, has_pip = json.loads(done.stdout)
    except ValueError:
        # A program that chooses among several has its own words for why not.
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        reason = f" that works: {one_line(said)}" if said else " that works"
        raise JobPythonError(f"`{one_line(path)}` is no Python{reason}") from None
    return Interpreter(version, base, executable or path, sites if named is not None else [], bool(has_pip))


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


def run_command(
    command: list[str],
    environ: Mapping[str, str],
    variables: Mapping[str, str] | None = None,
    *,
    directory: str | None = None,
    capture: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command with as little of our environment as a Python and pip need.

    Args:
        command: with its arguments.
        environ: our own environment.
        variables: that it gets besides.
        directory: to run in; None: this one.
        capture: keep its output, which otherwise goes to standard error as it comes, without credentials in URLs.
    """
    kept = {name: value for name, value in environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    own = {name: as_system_spells(value) for name, value in (variables or {}).items()}
    env = {**own, **kept, **installer_environment(environ)}
    if capture:
        return subprocess.run(
            command, cwd=directory, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    with subprocess.Popen(
        command, cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in process.stdout or ():
                text = masked(line.decode("utf-8", "surrogateescape"))
                os.write(_STANDARD_ERROR, text.encode("utf-8", "surrogateescape"))
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode)
