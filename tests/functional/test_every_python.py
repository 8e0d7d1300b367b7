"""The wheel on every Python of this machine that we support: the same bytes of the same content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from checkout import make_environment, requirement, run, sha256
from interpreters import VERSIONS, python_or_skip
from pipelines import clean_environment
from rich_pipeline import make_rich_pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.functional, pytest.mark.slow]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_do_not_depend_on_the_python(version: str, wheel: Path, tmp_path: Path) -> None:
    """By the target and by the command, against what the Python of the tests makes."""
    python = make_environment(tmp_path / "env", requirement(wheel), python=python_or_skip(version))
    pipeline = make_rich_pipeline(tmp_path / "demo")
    expected = pipeline.build(tmp_path / "here").sha256

    run(python, "-m", "hatchling", "build", "-t", "ytarchive", cwd=pipeline.root, environ=clean_environment())
    assert sha256(pipeline.archive()) == expected

    command = python.with_name("hatch-ytupload")
    done = run(command, "--json", "build", "-d", "by-command", cwd=pipeline.root, environ=clean_environment())
    assert json.loads(done.stdout)["sha256"] == expected
    assert sha256(pipeline.root / "by-command" / "demo-1.0.ytarchive" / "source.tar.gz") == expected
