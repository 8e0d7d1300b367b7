"""Modules of really installed editable projects: what setuptools, hatchling and editables leave in an environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from installations import write
from uv import find_uv_bin

pytestmark = pytest.mark.functional

CHECKOUT = Path(__file__).parents[2]

ASK = """
import json, sys
from hatch_ytupload.sources.modules import find_module
loaded = set(sys.modules)
modules = {name: find_module(name, []) for name in sys.argv[1:]}
own = {*sys.stdlib_module_names, "hatch_ytupload"}
foreign = sorted(name for name in set(sys.modules) - loaded if name.partition(".")[0] not in own)
assert not foreign, foreign
roots = {
    name: [root._asdict() for root in module.roots if ".dist-info/" not in root.target]
    for name, module in modules.items()
}
metadata = {
    name: [root.target for root in module.roots if ".dist-info/" in root.target] for name, module in modules.items()
}
found = {
    name: {**module._asdict(), "roots": roots[name], "metadata": metadata[name]} for name, module in modules.items()
}
json.dump(found, sys.stdout)
"""

SETUPTOOLS = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1.2"
{more}
"""
HATCHLING = SETUPTOOLS.replace("setuptools.build_meta", "hatchling.build").replace("setuptools", "hatchling")

MOVED_DIRECTORIES = 'package-dir = {"moved" = "code", "moved.sub" = "elsewhere"}'
PROJECTS: dict[str, tuple[str, str, list[str]]] = {
    "src-layout": (SETUPTOOLS, "", ["src/srcpkg/__init__.py", "src/srcfile.py"]),
    "flat-layout": (SETUPTOOLS, '[tool.setuptools]\npackages = ["flatpkg"]', ["flatpkg/__init__.py", "tests/x.py"]),
    "moved": (
        SETUPTOOLS,
        '[tool.setuptools]\npackages = ["moved", "moved.sub"]\npy-modules = ["movedfile"]\n' + MOVED_DIRECTORIES,
        ["code/__init__.py", "elsewhere/__init__.py", "movedfile.py"],
    ),
    "space-src": (SETUPTOOLS, '[tool.setuptools.packages.find]\nwhere = ["lib"]', ["lib/space/alpha/__init__.py"]),
    "space-flat": (SETUPTOOLS, '[tool.setuptools]\npackages = ["space.beta"]', ["space/beta/__init__.py"]),
    "strict": (SETUPTOOLS, "", ["src/strictpkg/__init__.py"]),
    "hatch-path": (HATCHLING, "", ["src/hatch_path/__init__.py"]),
    "hatch-exact": (
        HATCHLING,
        "[tool.hatch.build.targets.wheel]\ndev-mode-exact = true",
        ["src/hatch_exact/__init__.py", "hatch_exact.txt"],
    ),
}


def run(*command: str | Path, **variables: str) -> str:
    """Run a command and return what it printed; a failure shows everything."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the projects, every module of which ends the process when it is run, and install them editable."""
    root = tmp_path_factory.mktemp("editable")
    uv = find_uv_bin()
    python = root / "env" / "bin" / "python"
    run(uv, "venv", "--quiet", "--python", sys.executable, root / "env")
    run(uv, "pip", "install", "--quiet", "--python", python, "setuptools", "hatchling", "editables")
    for name, (template, more, files) in PROJECTS.items():
        write(root / name, "pyproject.toml", text=template.format(name=name, more=more))
        write(root / name, *files)
        options = ["--config-settings", "editable_mode=strict"] if name == "strict" else []
        install = (uv, "pip", "install", "--quiet", "--python", python, "--no-build-isolation")
        run(*install, *options, "--editable", root / name)
    return root


def ask(projects: Path, *names: str) -> dict[str, Any]:
    """Ask for modules in the environment of the projects; `PYTHONPATH` brings our own package there."""
    python = projects / "env" / "bin" / "python"
    found: dict[str, Any] = json.loads(run(python, "-c", ASK, *names, PYTHONPATH=str(CHECKOUT)))
    return found


@pytest.mark.parametrize(
    ("name", "project", "roots"),
    [
        ("srcpkg", "src-layout", {"srcpkg": "src/srcpkg"}),
        ("srcfile", "src-layout", {"srcfile.py": "src/srcfile.py"}),
        ("flatpkg", "flat-layout", {"flatpkg": "flatpkg"}),
        ("moved.sub", "moved", {"moved": "code", "moved/sub": "elsewhere"}),
        ("movedfile", "moved", {"movedfile.py": "movedfile.py"}),
        ("strictpkg", "strict", {"strictpkg": "build/__editable__.strict-1.2-py3-none-any/strictpkg"}),
        ("hatch_path", "hatch-path", {"hatch_path": "src/hatch_path"}),
        ("hatch_exact", "hatch-exact", {"hatch_exact": "src/hatch_exact"}),
    ],
)
def test_a_module_is_found_in_its_project(projects: Path, name: str, project: str, roots: dict[str, str]) -> None:
    """Whatever the way of the install: place, distribution, version and metadata; links may lead anywhere."""
    module = ask(projects, name)[name]
    assert {root["target"]: root["source"] for root in module["roots"]} == {
        target: str(projects / project / source) for target, source in roots.items()
    }
    assert {root["boundary"] for root in module["roots"]} == {"/"}
    assert module["metadata"] == [f"{project.replace('-', '_')}-1.2.dist-info/METADATA"]
    assert (module["distribution"], module["version"]) == (project, "1.2")


def test_a_namespace_of_two_projects_is_put_together(projects: Path) -> None:
    """One is on the path, the other known to an import hook alone."""
    module = ask(projects, "space.alpha", "space.beta")["space.beta"]
    assert [(root["target"], root["source"]) for root in module["roots"]] == [
        ("space", str(projects / "space-src/lib/space")),
        ("space/beta", str(projects / "space-flat/space/beta")),
    ]
    assert module["distribution"] is None


def test_strict_installs_hold_links_into_the_project(projects: Path) -> None:
    """The reason why links of installed packages are followed anywhere, and those of own ones into their project."""
    (root,) = ask(projects, "strictpkg")["strictpkg"]["roots"]
    link = Path(root["source"], "__init__.py")
    assert link.is_symlink()
    assert link.resolve() == (projects / "strict/src/strictpkg/__init__.py").resolve()


def test_installed_tools_are_found_beside_the_projects(projects: Path) -> None:
    """Ordinary packages of the same environment are not taken for editable ones."""
    found = ask(projects, "setuptools", "editables", "pathspec")
    assert [module["distribution"] for module in found.values()] == ["setuptools", "editables", "pathspec"]
