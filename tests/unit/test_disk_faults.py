"""A disk that fails at any call: a build, a publish and a rollback end in one line, and nothing is half done."""

from __future__ import annotations

import json
import os
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


def runs(pipeline: Pipeline, *commands: str, environ: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Run commands with a fault at each place that calls the system."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", CHECKOUT / "tests/disk_faults.py", pipeline.root, *commands],
        env=clean_environment(YTUPLOAD_FUZZ_EXAMPLES=str(EXAMPLES), **(environ or {})),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_what_is_reported_is_what_was_done(released: Pipeline, tmp_path: Path) -> None:
    """Status 0 and all of it, or one line and nothing; then the same command works when the disk does."""
    oldest = min((released.root / ".dev/cypress/home/demo/build/releases").glob("1.0-*"), key=os.path.getmtime).name
    environ = {
        "YTUPLOAD_NO_CACHE": "",
        "YTUPLOAD_CACHE_DIR": "kept",  # of each copy
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    released.run("build", environ=environ)
    # Nothing is left to roll back to, to delete or to fetch once it has been done.
    once = ("rollback", f"delete {oldest}", "fetch -d out", "fetch --extract -d out")
    others = ("publish", "promote --to //home/demo/other", f"pin {oldest}", f"unpin {oldest}", "cache", "cache clean")
    for run in runs(released, *others[:1], *once, *others[1:], environ=environ):
        done = run["status"] == 0
        assert run["status"] in (0, 1), run
        assert "Traceback" not in run["said"], run
        assert done or run["said"].count("\n") == 1, run
        count, current, sound, again, then = run["found"]
        assert count == 2 + {"publish": done, once[1]: -done}.get(run["command"], 0), run
        assert current == (run["after"] if done else run["before"]), run
        assert sound == 0, run
        assert again == (done and run["command"] in once), run
        assert then == run["after"], run


def test_a_bundle_is_the_old_one_or_the_new_one(released: Pipeline) -> None:
    """Whatever fails; the next build makes it whole."""
    released.write({"stages/first/src/text.txt": "four"})
    for run in runs(released, "build"):
        assert run["status"] in (0, 1), run
        assert "Traceback" not in run["said"], run
        assert run["status"] == 0 or run["said"].count("\n") == 1, run
        assert run["found"][2:4] == [0, 0], run


def test_init_leaves_no_half_files(tmp_path: Path) -> None:
    """What was there, and what is whole; the rest comes the next time."""
    bare = make_pipeline(tmp_path / "demo").write({".gitignore": "mine\n"}).remove("pyproject.toml")
    for run in runs(bare, "init"):
        assert run["status"] in (0, 1), run
        assert "Traceback" not in run["said"], run
        assert run["status"] == 0 or run["said"].count("\n") == 1, run
        assert run["found"][3] == 0, run
