"""Environments for the two commands of the README, made from nothing but Python, git and the package index."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"


def environment(name: str, *install: str, fresh: bool = False) -> Path:
    """Return the Python of a virtual environment with the checkout installed in it, editable: never a stale copy.

    An environment is made again when this Python, `pyproject.toml` or what to install has changed.

    Args:
        name: of the environment.
        install: further arguments of `uv pip install`.
        fresh: make it again in any case.
    """
    wanted = hashlib.sha256(
        "\n".join([sys.version, str(ROOT), *install, (ROOT / "pyproject.toml").read_text(encoding="utf-8")]).encode()
    ).hexdigest()
    directory = CACHE / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    stamp = directory / "made-of"
    python = directory / "bin" / "python"
    if not fresh and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    say(f"making the environment {directory.relative_to(ROOT)} (Python {sys.version.split()[0]})")
    shutil.rmtree(directory, ignore_errors=True)
    venv.create(directory, with_pip=True)
    run([*_uv(python), "pip", "install", "--quiet", "--python", python, "--editable", ".", *install])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _uv(python: Path) -> list[str | Path]:
    """Return the command of a uv: of an environment that was made before, else of this one, where pip installs it."""
    found = next(CACHE.glob("*/bin/uv"), None)
    if found is not None:
        return [found]
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv>=0.5.23"])
    return [python, "-m", "uv"]


def run(
    command: list[str | Path], *, cwd: Path = ROOT, env: dict[str, str] | None = None, stdin: Path | None = None
) -> None:
    """Run a command; a failure ends this program with the command's status."""
    with open(stdin or os.devnull, "rb") as source:
        status = subprocess.run(command, cwd=cwd, env=env, stdin=source, check=False).returncode
    if status:
        sys.exit(status if status > 0 else 128 - status)


def say(text: str) -> None:
    """Print a line that stands out from what the commands print."""
    print(f"\n==> {text}", flush=True)
