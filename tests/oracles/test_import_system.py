"""What we find without importing, against what Python finds: its own finders, its metadata and real imports."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
from archives import Bytes, archive_of
from installations import write
from pipelines import make_pipeline

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.checks.checking import check
from hatch_ytupload.checks.packed_code import code_of_archive
from hatch_ytupload.errors import ModuleNotFoundInEnvironmentError
from hatch_ytupload.sources.modules import ModuleMissingError, find_module

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("unmeasured")]

# Prints, for every top-level name in the given directories, where `importlib.util.find_spec` places it.
ASK_FIND_SPEC = """
import importlib.metadata, importlib.util, json, os, pkgutil, sys
sites = sys.argv[1:]
names = {module.name for module in pkgutil.iter_modules(sites)}
names |= {name for site in sites for name in os.listdir(site) if os.path.isdir(os.path.join(site, name))}
owners = {}
for distribution in importlib.metadata.distributions():
    for file in distribution.files or ():
        owners.setdefault(str(distribution.locate_file(file)), set()).add(distribution.metadata["Name"])
answers = {}
for name in sorted(filter(str.isidentifier, names - {"__pycache__"})):
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin in ("built-in", "frozen"):
        continue
    locations = spec.submodule_search_locations
    answers[name] = {
        "places": [spec.origin] if locations is None else list(locations),
        "namespace": spec.origin is None,
        "distributions": sorted(owners.get(spec.origin, ())),
    }
json.dump(answers, sys.stdout)
"""

# For every directory of layouts: imports `thing` with the layout's parts on the path and prints where it came from.
IMPORT_EACH = """
import importlib, json, os, sys
answers = {}
for layout in sorted(os.listdir(sys.argv[1])):
    base = os.path.join(sys.argv[1], layout)
    parts = [os.path.join(base, part) for part in "abc"]
    sys.path[:0] = parts
    try:
        module = importlib.import_module("thing")
    except ModuleNotFoundError:
        answers[layout] = None
    else:
        answers[layout] = list(module.__path__) if hasattr(module, "__path__") else [module.__file__]
    for name in [name for name in sys.modules if name.partition(".")[0] == "thing"]:
        del sys.modules[name]
    del sys.path[:3]
json.dump(answers, sys.stdout)
"""

KINDS = {"absent": [], "package": ["thing/__init__.py"], "file": ["thing.py"], "portion": ["thing/part.py"]}


def ask_python(script: str, *arguments: str) -> dict[str, object]:
    """Run a script in a fresh interpreter and return the object that it prints."""
    answer = subprocess.run(
        [sys.executable, "-I", "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    result: dict[str, object] = json.loads(answer.stdout)
    return result


def test_every_installed_module_is_found_where_python_finds_it() -> None:
    """For all that is importable in this environment: the same places, and a distribution that provides it."""
    sites = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    answers = ask_python(ASK_FIND_SPEC, *sites)
    assert {"pytest", "hypothesis", "yaml", "hatchling"} <= answers.keys()
    for name, answer in answers.items():
        assert isinstance(answer, dict)
        try:
            module = find_module(name, [])
        except ModuleNotFoundInEnvironmentError as error:
            # Directories of data or type stubs are namespace packages for Python, and without code for us.
            if not answer["namespace"] or "no Python file" not in str(error):
                raise
            continue
        own_target = [root.source for root in module.roots if root.target.partition(".")[0] == name]
        assert own_target[: len(answer["places"])] == answer["places"], name
        # A package that grows on import may belong to several distributions.
        init = Path(answer["places"][0], "__init__.py")
        grows = init.is_file() and any(word in init.read_bytes() for word in (b"extend_path", b"declare_namespace"))
        if not answer["namespace"] and not grows:
            assert module.distribution in (answer["distributions"] or [None]), name


@pytest.mark.parametrize("own_parts", range(4))
def test_every_layout_gives_what_a_real_import_takes(tmp_path: Path, own_parts: int) -> None:
    """Three path entries with a package, a file, a directory without `__init__.py`, or nothing: all 64 layouts.

    How many of the entries are own directories and how many belong to the environment makes no difference.
    """
    for kinds in itertools.product(KINDS, repeat=3):
        base = tmp_path / "-".join(kinds)
        for part, kind in zip("abc", kinds, strict=True):
            write(base / part, "./", *KINDS[kind], text="")
    for layout, expected in ask_python(IMPORT_EACH, str(tmp_path)).items():
        parts = [os.path.join(tmp_path, layout, part) for part in "abc"]
        try:
            module = find_module("thing", parts[:own_parts], search_path=parts[own_parts:])
        except ModuleMissingError:
            assert expected is None, layout
        else:
            assert [root.source for root in module.roots] == expected, layout


@pytest.mark.parametrize("name", ["yaml", "six", "sortedcontainers", "duckdb", "numpy", "cffi"])
def test_what_is_found_is_enough_to_import(tmp_path: Path, name: str) -> None:
    """The roots alone, copied into an empty directory, are importable by a Python without any installed package."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed here")
    for root in find_module(name, []).roots:
        if os.path.isdir(root.source):
            shutil.copytree(root.source, tmp_path / root.target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / root.target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root.source, tmp_path / root.target)
    script = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1]); print(importlib.import_module(sys.argv[2]).__file__)"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", script, str(tmp_path), name]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.stdout.startswith(str(tmp_path)), answer.stderr


INITS = [
    "",
    "from .gone import gone",
    "from .gone import *",
    "from .rows import *",
    "from .rows import A as gone",
    "if (gone := 1): pass",
    "gone = None",
    "def __getattr__(name): return name",
    "import sys\nsys.modules[__name__ + '.gone'] = sys",
    "__path__.append(__path__[0] + '/deep')",
]
IMPORTS = ["import pkg", "import pkg.gone", "from pkg import gone", "from pkg.gone import path", "from pkg import A"]


class Case(NamedTuple):
    """A job, and what lies around it."""

    text: str
    init: str = "HERE = 1"
    script: str = "mapper.py"
    beside: str = "nothing.txt"
    """A file in `src`."""


@pytest.mark.parametrize(
    "cases",
    [
        [Case(f"{line}\n", init) for init in INITS for line in IMPORTS],
        [
            Case(f"import {name}\nfrom pkg import HERE\nimport random; random.random\n", script=script, beside=place)
            for script in ("mapper.py", "code/map.py")
            for name in ("near", "random", "os", "pkg")
            for place in (f"code/{name}.py", f"{name}.py")
        ],
    ],
    ids=["packages", "files"],
)
def test_check_finds_what_stops_a_job(tmp_path: Path, cases: list[Case]) -> None:
    """Packages whose `__init__` does this and that, files beside the script that hide others: Python decides."""
    settings = make_pipeline(tmp_path / "settings").settings()
    for number, case in enumerate(cases):
        script = f"stages/s/src/{case.script}"
        files = {
            "operation_wrapper_s_map.sh": f"exec python3 {script}\n",
            script: case.text,
            "pkg/__init__.py": case.init,
            "pkg/rows.py": "A = 1\n",
            "pkg/deep/gone.py": "path = 1\n",
            f"stages/s/src/{case.beside}": "",
        }
        tree = tmp_path / str(number)
        write(tree, "./", *files)
        for path, content in files.items():
            (tree / path).write_text(content)
        environ = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        job = subprocess.run([sys.executable, "-S", script], cwd=tree, env=environ, capture_output=True, check=False)
        reader = Bytes(archive_of({path: content.encode() for path, content in files.items()}))
        code = code_of_archive(reader, None, "x", progress=no_progress)
        found = check(code, settings, ".".join(map(str, sys.version_info[:3])), sources=False)
        errors = [finding for finding in found if finding.severity in ("error", "warning")]
        if "__" not in case.init:
            assert (job.returncode != 0) == bool(errors), (case, job.stderr.decode(), errors)
        elif errors:  # of modules that are made while it runs nobody knows; but there is no false alarm
            assert job.returncode != 0, (case, errors)
