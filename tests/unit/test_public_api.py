"""What `hatch_ytupload` exports: all of it there, documented, typed, and nothing heavy loaded by it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from pipelines import CHECKOUT, clean_environment

import hatch_ytupload

INIT = CHECKOUT / "hatch_ytupload" / "__init__.py"
DOCS = CHECKOUT / "docs" / "api.md"
HEAVY = ("yt", "yaml", "click", "hatch", "hatchling", "omegaconf", "yt_framework", "ytjobs", "pip")

# Each name in a fork of an interpreter that has loaded nothing but what starts it.
_IMPORT = """
import os, sys
for name in sys.argv[1:]:
    if os.fork() == 0:
        package = __import__("hatch_ytupload")
        if name != "-":
            getattr(package, name)
        os.write(1, " ".join([name, *sorted({module.partition(".")[0] for module in sys.modules})]).encode() + b"\\n")
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


@pytest.mark.slow
def test_no_name_loads_what_is_heavy() -> None:
    """Of the package, and of each of its names by itself."""
    wanted = ["-", *sorted(hatch_ytupload.__all__)]
    process = subprocess.run(
        [sys.executable, "-c", _IMPORT, *wanted],
        env=clean_environment(PYTHONPATH=str(CHECKOUT)),
        capture_output=True,
        text=True,
        check=True,
    )
    found = {line.split()[0]: set(line.split()[1:]) for line in process.stdout.splitlines()}
    assert list(found) == wanted
    assert not {name: loaded.intersection(HEAVY) for name, loaded in found.items() if loaded.intersection(HEAVY)}


def test_the_package_alone_loads_none_of_its_modules() -> None:
    """A build environment that only asks for the version pays nothing."""
    process = subprocess.run(
        [sys.executable, "-c", "import sys, hatch_ytupload; print(*[m for m in sys.modules if 'ytupload' in m])"],
        env=clean_environment(PYTHONPATH=str(CHECKOUT)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(process.stdout.split()) == ["hatch_ytupload", "hatch_ytupload.__about__"]


def test_every_name_is_there_and_documented() -> None:
    """Whatever `__all__` lists can be had, is listed by `dir`, and says what it is."""
    for name in hatch_ytupload.__all__:
        value = getattr(hatch_ytupload, name)
        assert name in dir(hatch_ytupload)
        if callable(value):
            assert value.__doc__, name


def test_types_and_values_come_from_the_same_places() -> None:
    """What type checkers read and what is loaded is one list, and it is `__all__`."""
    typed: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(ast.parse(INIT.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hatch_ytupload."):
            names = tuple(alias.name for alias in node.names)
            if names != ("__version__",):
                typed[node.module.removeprefix("hatch_ytupload.")] = names
    assert typed == hatch_ytupload._PLACES
    assert sorted([*(name for names in typed.values() for name in names), "__version__"]) == sorted(
        hatch_ytupload.__all__
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'upload_everything'"):
        _ = hatch_ytupload.upload_everything  # type: ignore[attr-defined] # that is the point


def test_the_documentation_is_what_the_docstrings_say() -> None:
    """`docs/api.md` is written by `dev/api_reference.py`."""
    written = subprocess.run(
        [sys.executable, str(CHECKOUT / "dev" / "api_reference.py"), "--print"],
        env=clean_environment(PYTHONPATH=str(CHECKOUT)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert written.stdout == Path(DOCS).read_text(), "run `python dev/api_reference.py`"
