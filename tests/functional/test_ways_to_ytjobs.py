"""The ways in which `ytjobs` reaches the build environment, each in a fresh environment of real Hatch."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from checkout import pyproject, requirement
from interpreters import python_or_skip
from packaging.utils import canonicalize_name
from pipelines import contents, make_pipeline

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from checkout import Hatch

pytestmark = pytest.mark.functional

NEWER_PYTHON = pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11")

TARGET = "[tool.hatch.build.targets.ytarchive]"
HOOK = "[tool.hatch.build.targets.ytarchive.hooks.ytarchive]"
ON_OWN_FRAMEWORK = 'dependencies = ["other; sys_platform == \'none\'", "YT_Framework==1.4.3"]\n'


class Bare:
    """A project without a `ytjobs` of its own, and the Hatch that builds it."""

    def __init__(self, root: Path, hatch: Hatch, wheel: Path) -> None:
        self.root = root
        self._hatch = hatch
        self._wheel = wheel

    def build(
        self, more: str = "", *, extra: str = "", settings: str = "", status: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Build with more lines in `pyproject.toml`, an extra of the plugin, settings of ours."""
        content = pyproject(requirement(self._wheel, extra), more)
        make_pipeline(self.root, pyproject=content, settings=settings, framework=False)
        return self._hatch.run("build", "-t", "ytarchive", cwd=self.root, environ=environ, status=status)


@pytest.fixture
def project(tmp_path: Path, hatch: Hatch, wheel: Path) -> Bare:
    """Return a project that nobody has built."""
    return Bare(tmp_path, hatch, wheel)


def packed_framework(root: Path) -> tuple[int, ...]:
    """Return the version of yt-framework that was packed, having checked that its `ytjobs` is really there."""
    bundle = root / "dist" / "demo-1.0.ytarchive"
    packed = contents(bundle / "source.tar.gz")
    assert len([path for path in packed if path.startswith("ytjobs/") and path.endswith(".py")]) > 10
    module, *_ = json.loads((bundle / "manifest.json").read_bytes())["modules"]
    assert (module["name"], canonicalize_name(module["distribution"])) == ("ytjobs", "yt-framework")
    return tuple(map(int, module["version"].split(".")))


@NEWER_PYTHON
def test_by_the_extra(project: Bare) -> None:
    """`hatch-ytupload[framework]` in `build-system.requires`, and nothing else."""
    project.build(extra="framework")
    assert packed_framework(project.root) > (1, 4, 3)


@NEWER_PYTHON
def test_by_the_hook(project: Bare) -> None:
    """Without a requirement of the project the newest comes; the hook itself packs nothing, so it is packed once."""
    done = project.build(HOOK)
    assert packed_framework(project.root) > (1, 4, 3)
    assert done.stderr.count("packed ") == 1


@NEWER_PYTHON
def test_by_the_hook_and_the_requirement_of_the_project(project: Bare) -> None:
    """What the project runs with is what its jobs get."""
    project.build(ON_OWN_FRAMEWORK + HOOK)
    assert packed_framework(project.root) == (1, 4, 3)


@NEWER_PYTHON
def test_by_the_dependencies_of_the_target(project: Bare) -> None:
    """Hatch's own option."""
    project.build(f'{TARGET}\ndependencies = ["yt-framework==1.4.3"]')
    assert packed_framework(project.root) == (1, 4, 3)


@NEWER_PYTHON
def test_by_the_runtime_dependencies(project: Bare) -> None:
    """Hatch's own option to build with all that the project runs with; it needs the hook to be seen by Hatch."""
    dependencies = 'dependencies = ["yt-framework==1.4.3", "iniconfig"]'
    project.build(
        f"{dependencies}\n{TARGET}\nrequire-runtime-dependencies = true\n{HOOK}",
        settings='upload_modules = "iniconfig"',
    )
    assert packed_framework(project.root) == (1, 4, 3)


def test_without_any_the_error_shows_them_all(project: Bare) -> None:
    """One line, with each line of the documentation in it."""
    done = project.build(status=1)
    line = done.stderr.splitlines()[-1]
    assert line.startswith("the package `ytjobs` of yt-framework is not installed in this environment")
    for way in (
        '`requires = ["hatchling", "hatch-ytupload[framework]"]` under `[build-system]`',
        f"`{HOOK}`",
        '`dependencies = ["yt-framework"]`',
        "`require-runtime-dependencies = true`",
        f"`{TARGET}`",
    ):
        assert way in line
    assert "Traceback" not in done.stderr
    assert "pip install" not in line
    assert not list((project.root / "dist").iterdir())


@pytest.mark.parametrize("way", ["extra", "hook"])
def test_an_older_python_is_the_reason_that_is_told(project: Bare, way: str) -> None:
    """YT Framework cannot be installed there: no resolver gets to say it, we do."""
    python = python_or_skip("3.10")
    done = project.build(HOOK if way == "hook" else "", extra="framework", status=1, HATCH_PYTHON=str(python))
    assert "yt-framework needs Python 3.11 or newer and this is 3.10" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
