"""A disk that fails at any call: a build, a publish and a rollback end in one line, and nothing is half done."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from examples import EXAMPLES
from pipelines import CHECKOUT, clean_environment, make_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines import Pipeline

pytestmark = pytest.mark.slow


@pytest.fixture
def released(tmp_path: Path) -> Pipeline:
    """Return a pipeline with two releases in its build folder, and a bundle that is a third."""
    pipeline = make_pipeline(tmp_path / "demo", settings='build_folder = "//home/demo/build"\nmode = "dev"')
    for text in ("one", "two", "three"):
        pipeline.write({"stages/first/src/text.txt": text})
        pipeline.build()
        if text != "three":
            assert pipeline.run("publish").returncode == 0
    return pipeline


def runs(pipeline: Pipeline, command: str) -> list[dict[str, Any]]:
    """Run the command with a fault at each place that calls the system."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", CHECKOUT / "tests/disk_faults.py", pipeline.root, command],
        env=clean_environment(YTUPLOAD_FUZZ_EXAMPLES=str(EXAMPLES)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    found = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(found) > 30
    return found


@pytest.mark.parametrize("command", ["publish", "rollback"])
def test_what_is_reported_is_what_is_current(released: Pipeline, command: str) -> None:
    """Status 0 and the new release, or one line and the old one; the same command works when the disk does."""
    for run in runs(released, command):
        assert run["status"] in (0, 1), run
        assert "Traceback" not in run["said"], run
        assert run["status"] == 0 or run["said"].count("\n") == 1, run
        current, sound, again, then = run["found"]
        assert current == (run["after"] if run["status"] == 0 else run["before"]), run
        assert sound == 0, run
        # Nothing is left to roll back to once it has been done.
        assert run["status"] == 0 or (again, then) == (0, run["after"]), run


def test_a_bundle_is_the_old_one_or_the_new_one(released: Pipeline) -> None:
    """Whatever fails; the next build makes it whole."""
    released.write({"stages/first/src/text.txt": "four"})
    for run in runs(released, "build"):
        assert run["status"] in (0, 1), run
        assert "Traceback" not in run["said"], run
        assert run["status"] == 0 or run["said"].count("\n") == 1, run
        assert run["found"][1:3] == [0, 0], run
