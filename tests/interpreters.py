"""The Pythons of this machine that we support."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

VERSIONS = ("3.10", "3.11", "3.12", "3.13")


@cache
def find_python(version: str) -> Path | None:
    """Return an interpreter of a version such as `3.12`, from the PATH or pyenv; None where there is none."""
    candidates = [Path(found)] if (found := shutil.which(f"python{version}")) else []
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python"), key=_patch, reverse=True)
    return next((candidate for candidate in candidates if _is(version, candidate)), None)


def python_or_skip(version: str) -> Path:
    """Return an interpreter of a version; a machine without it skips the test."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    return python


def _patch(python: Path) -> int:
    patch = python.parts[-3].rpartition(".")[2]
    return int(patch) if patch.isdigit() else -1


def _is(version: str, python: Path) -> bool:
    """Ask it: a shim of pyenv is there for versions that are not in use, too."""
    program = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version
