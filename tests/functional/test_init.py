"""A pipeline's directory that `init` has made a project, with the tools that people use."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from checkout import Hatch, installing_environment, run
from pipelines import MAPPER, Pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.functional, pytest.mark.slow]


@pytest.fixture
def project(tmp_path: Path) -> Pipeline:
    """Return a pipeline that was made a project."""
    pipeline = Pipeline(tmp_path / "ads").write(
        {"stages/count/src/mapper.py": MAPPER, "configs/config.yaml": "pipeline: {mode: dev, build_folder: //home/x}\n"}
    )
    done = pipeline.run("init")
    assert (done.returncode, done.stderr) == (0, "")
    assert "pyproject.toml\n+ [build-system]\n" in done.stdout
    return pipeline


@pytest.fixture
def finds_wheel(wheel: Path) -> dict[str, str]:
    """Return variables with which front ends find the wheel of the checkout, as if it were on the index."""
    return {
        "PIP_FIND_LINKS": str(wheel.parent),
        "UV_FIND_LINKS": str(wheel.parent),
        "PIP_PRE": "1",
        "UV_PRERELEASE": "allow",
    }


def test_the_command_builds_and_publishes(project: Pipeline) -> None:
    """At once."""
    assert project.run("build").stdout == "dist/ads-0.1.0.ytarchive/source.tar.gz\n"
    assert project.run("publish").returncode == 0
    assert json.loads(project.run("init", "--json").stdout) == {"written": [], "hints": []}


def test_hatch_builds_and_runs(project: Pipeline, hatch: Hatch, finds_wheel: dict[str, str]) -> None:
    """The archive with its target; sdist and wheel without; programs in its environment."""
    hatch.run("build", "-t", "ytarchive", cwd=project.root, environ=finds_wheel)
    assert (project.root / "dist/ads-0.1.0.ytarchive/source.tar.gz").exists()
    hatch.run("build", cwd=project.root, environ=finds_wheel)
    assert (project.root / "dist/ads-0.1.0-py3-none-any.whl").exists()
    done = hatch.run("run", "python", "-c", "import ytjobs; print('runs')", cwd=project.root, environ=finds_wheel)
    assert "runs" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-m", "build"],
        ["uv", "build"],
        ["python", "-m", "pip", "wheel", ".", "--no-deps", "-w", "dist"],
        ["uv", "sync"],
    ],
    ids=" ".join,
)
def test_other_front_ends_work(project: Pipeline, command: list[str], finds_wheel: dict[str, str]) -> None:
    """With nothing of ours in their environments."""
    environ = installing_environment(**finds_wheel)
    environ.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, cwd=project.root, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if command == ["uv", "sync"]:
        python = project.root / ".venv/bin/python"
        found = run(python, "-c", "import ytjobs, importlib.metadata as m; print(m.version('ads'))")
        assert found.stdout == "0.1.0\n"
    else:
        assert (project.root / "dist/ads-0.1.0-py3-none-any.whl").exists()
