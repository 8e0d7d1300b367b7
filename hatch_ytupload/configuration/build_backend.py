"""Name and version of a project whose `pyproject.toml` leaves them to its build backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from hatch_ytupload.configuration.project import PYPROJECT, text_in
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.programs import without_secrets
from hatch_ytupload.wording import describe, listed, one_line

_BEGIN = """
import sys
sys.path[:] = [place for place in sys.path if place]  # not the project's directory, whose modules are nobody's library
"""
_ASK_HATCH = f"""{_BEGIN}
import runpy
sys.argv[1:] = ["project", "metadata"]
runpy.run_module("hatch", run_name="__main__")
"""
_ASK = f"""{_BEGIN}
import json, os, tempfile
from email.parser import BytesHeaderParser
from importlib import import_module
answer = os.dup(1)
os.dup2(2, 1)  # backends print
sys.path[:0] = json.loads(sys.argv[2])
name, _, attribute = sys.argv[1].partition(":")
try:
    backend = import_module(name)
    for part in filter(None, attribute.split(".")):
        backend = getattr(backend, part)
    with tempfile.TemporaryDirectory() as directory:
        info = backend.prepare_metadata_for_build_wheel(directory)
        with open(os.path.join(directory, info, "METADATA"), "rb") as file:
            headers = BytesHeaderParser().parse(file)
    found = [str(headers["Name"]), str(headers["Version"])]
except BaseException as error:
    found = type(error).__name__ + ": " + str(error).strip().partition("\\n")[0]
os.write(answer, json.dumps(found).encode())
"""


def ask_build_backend(root: str, system: dict[str, Any]) -> tuple[str, str]:
    """Have the project's build backend say name and version (PEP 517), in a process of its own.

    What the backend requires may be installed in Hatch's build environment alone: there it is asked where it cannot
    answer here.

    Args:
        root: of the project.
        system: the table `build-system` of its `pyproject.toml`.

    Raises:
        SettingsError: the table is wrong, or the backend fails.
    """
    backend = text_in(system, "build-backend", "build-system.") or "setuptools.build_meta:__legacy__"
    paths = [os.path.join(root, path) for path in _texts_in(system, "backend-path")]
    requires = _texts_in(system, "requires")
    process = subprocess.run(
        [sys.executable, "-c", _ASK, backend, json.dumps(paths)],
        cwd=root,
        env=without_secrets(os.environ),
        capture_output=True,
        check=False,
    )
    try:
        answer = json.loads(process.stdout)
    except ValueError:
        answer = f"it ended with status {process.returncode}"
    if isinstance(answer, list):
        name, version = answer
        return name, version
    reason = one_line(answer)
    if requires and find_spec("hatch") is not None:
        found = _ask_hatch(root)
        if isinstance(found, tuple):
            return found
        reason += f"; in Hatch's build environment: {one_line(found)}"
    problem = f"the build backend `{one_line(backend)}` cannot be asked for the project's name and version: {reason}"
    way_out = "install the backend"
    if requires:
        way_out = f"see that what it requires is installed beside hatch-ytupload ({listed(requires)})"
    raise SettingsError([f"{problem}; {way_out}, or write both under `[project]` in `{PYPROJECT}`"])


def _ask_hatch(root: str) -> tuple[str, str] | str:
    """Have Hatch ask, which installs in its build environment what the backend requires; else return why it cannot."""
    process = subprocess.run(
        [sys.executable, "-c", _ASK_HATCH],
        cwd=root,
        env=without_secrets(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    try:
        answer = json.loads(process.stdout)
        return str(answer["name"]), str(answer["version"])
    except (ValueError, TypeError, LookupError):
        lines = process.stderr.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no answer")


def _texts_in(system: dict[str, Any], key: str) -> list[str]:
    found = system.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        place = f"`build-system.{key}` in `{PYPROJECT}`"
        raise SettingsError([f"{place} must be a list of strings, found {describe(found)}"])
    return found
