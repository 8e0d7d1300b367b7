"""The checkout as its users get it: a wheel made in this run, and environments that build with real front ends.

An installer's cache may hand out an older wheel of the same version. So the wheel's version says what it was made of:
`0.1.0+t<digest of the sources>`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pipelines import CHECKOUT, SAMPLE, clean_environment
from uv import find_uv_bin
from warm_start import as_text, run_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# How this machine reaches its package index. Taken here: the tests themselves run without these variables.
_INSTALLERS = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}

UV = find_uv_bin()
HATCHLING = (sys.executable, "-m", "hatchling")
COMMAND_LINE = (sys.executable, "-m", "hatch_ytupload")
FRONT_ENDS = {"target": (*HATCHLING, "build", "-t", "ytarchive"), "command": (*COMMAND_LINE, "build")}
"""The two ways to build in the environment of the tests, in which the checkout is installed editable."""


def installing_environment(**extra: str) -> dict[str, str]:
    """Return a clean environment in which installers work as they do on this machine."""
    return clean_environment(**{**_INSTALLERS, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **extra})


def run(
    *command: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; another exit status than the expected one fails the test with all that was printed.

    The front ends of the checkout run in forks, see `warm_start`, where the variables allow that.

    Args:
        command: with its arguments.
        cwd: working directory.
        environ: the whole environment; a clean one where None.
        status: the expected exit status; -1: any but 0.
    """
    complete = dict(environ) if environ is not None else clean_environment()
    done = as_text(run_command(command, cwd=cwd or ".", environ=complete))
    as_expected = done.returncode == status if status >= 0 else done.returncode != 0
    assert as_expected, f"{list(map(str, command))}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a directory of this test run, the same one in every process of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "shared"
    directory.mkdir(exist_ok=True)
    return directory


@contextmanager
def only_one(directory: Path, name: str) -> Iterator[Path]:
    """Give the place that `name` has in a shared directory, to one process at a time."""
    with open(directory / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory / name


@pytest.fixture(scope="session")
def wheel(shared_directory: Path) -> Path:
    """Return a wheel of the checkout as it is now."""
    with only_one(shared_directory, "wheel") as directory:
        if not directory.exists():
            _build_wheel(directory)
        (wheel,) = directory.glob("*.whl")
        return wheel


def _build_wheel(directory: Path) -> None:
    sources = directory.with_name("sources")
    for name in ("hatch_ytupload", "pyproject.toml", "README.md", "LICENSE"):
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, sources / name)
    digest = hashlib.sha256()
    for path in sorted(path for path in sources.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(sources)}\n{len(content)}\n".encode() + content)
    about = sources / "hatch_ytupload" / "__about__.py"
    scope: dict[str, str] = {}
    exec(about.read_text(), scope)
    version = scope["__version__"]
    about.write_text(about.read_text().replace(f'"{version}"', f'"{version}+t{digest.hexdigest()[:16]}"'))
    run(*HATCHLING, "build", "-t", "wheel", "-d", directory, cwd=sources)


def make_environment(directory: Path, *install: str | Path, python: str | Path = sys.executable) -> Path:
    """Make a virtual environment, and return its Python.

    Args:
        directory: where.
        install: arguments of `uv pip install`; none: the environment stays empty.
        python: of which Python.
    """
    run(UV, "venv", "--quiet", "--python", python, directory, environ=installing_environment())
    interpreter = directory / "bin" / "python"
    if install:
        install_into(interpreter, *install)
    return interpreter


def install_into(python: Path, *install: str | Path) -> None:
    """Install into an environment."""
    run(UV, "pip", "install", "--quiet", "--python", python, *install, environ=installing_environment())


class Hatch:
    """A real Hatch with a data directory and a configuration of its own.

    Args:
        directory: for what it keeps.
        python: of the environment that Hatch is installed in.
    """

    def __init__(self, directory: Path, python: str | Path = sys.executable) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "config.toml"
        config.touch()
        self.python = python
        self.environ = {
            "HATCH_CONFIG": str(config),
            "HATCH_DATA_DIR": str(directory / "data"),
            "HATCH_CACHE_DIR": str(directory / "cache"),
            # One uv for all, instead of one that Hatch would install first.
            "HATCH_ENV_TYPE_VIRTUAL_UV_PATH": UV,
        }

    def run(
        self, *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run Hatch to its end, see `run`; `environ` comes on top of what it needs."""
        complete = installing_environment(**self.environ, **(environ or {}))
        return run(self.python, "-m", "hatch", "--no-color", *arguments, cwd=cwd, environ=complete, status=status)


@pytest.fixture(scope="session")
def hatch(shared_directory: Path) -> Hatch:
    """Return the Hatch of the environment of the tests."""
    return Hatch(shared_directory / "hatch")


@pytest.fixture(scope="session")
def requirements(shared_directory: Path) -> Path:
    """What the map stage of the sample requires, really installed; YT Framework does not pack its requirements.txt."""
    with only_one(shared_directory, "requirements") as directory:
        if not directory.exists():
            wanted = SAMPLE / "stages/parse_requests/requirements.txt"
            into = ["--python", sys.executable, "--target", str(directory)]
            subprocess.run([sys.executable, "-m", "uv", "pip", "install", *into, "-r", wanted], check=True)
        return directory


def requirement(wheel: Path, extra: str = "") -> str:
    """Return the requirement on the wheel of the checkout, with an extra or without."""
    return f"hatch-ytupload{f'[{extra}]' if extra else ''} @ {wheel.as_uri()}"


def pyproject(plugin: str, more: str = "", *, name: str = "demo", hatchling: str = "hatchling") -> str:
    """Return the `pyproject.toml` of a project that hatchling builds.

    Args:
        plugin: the requirement on the checkout.
        more: lines at its end; they begin in the table `project`.
        name: of the project.
        hatchling: the requirement on it.
    """
    return f"""\
[build-system]
requires = ["{hatchling}", "{plugin}"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
bypass-selection = true

[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.10"
{more}
"""


def tree_state(directory: Path) -> dict[str, bytes | str | None]:
    """Return all that lies below a directory: content of files, target of links, None for directories."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
