"""The way of a release on a real cluster, which `YT_PROXY` names; everything happens below `//tmp`."""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING

import pytest
from pipelines import Pipeline, make_pipeline

if TYPE_CHECKING:
    from pathlib import Path

PROXY = os.environ.get("YT_PROXY", "")
TOKEN = os.environ.get("YT_TOKEN", "")

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(not PROXY, reason="YT_PROXY names no cluster")]


def run(pipeline: Pipeline, *arguments: str, folder: str) -> str:
    """Run a command against the cluster and return what it printed."""
    environ = {"YT_PROXY": PROXY, "YTUPLOAD_BUILD_FOLDER": folder, **({"YT_TOKEN": TOKEN} if TOKEN else {})}
    process = pipeline.run(*arguments, environ=environ)
    assert process.returncode == 0, process.stderr
    if TOKEN:
        assert TOKEN not in process.stdout + process.stderr
    return process.stdout


def test_a_release_is_published_replaced_and_rolled_back_to(tmp_path: Path) -> None:
    """Each step is visible to the next: what is current, what is kept, what an archive in Cypress holds."""
    pipeline = make_pipeline(tmp_path / "demo", settings="standalone_wrappers = true")
    folder = f"//tmp/hatch-ytupload-{uuid.uuid4()}/build"
    releases = []
    for text in ("print(1)\n", "print(2)\n"):
        pipeline.write({"stages/first/src/mapper.py": text})
        run(pipeline, "build", folder=folder)
        run(pipeline, "publish", folder=folder)
        assert "nothing to upload" in run(pipeline, "publish", folder=folder)
        status = json.loads(run(pipeline, "--json", "status", folder=folder))
        assert status["same"] is True
        releases.append(status["current"]["release"])
    assert run(pipeline, "verify", folder, folder=folder)
    run(pipeline, "rollback", folder=folder)
    assert json.loads(run(pipeline, "--json", "status", folder=folder))["current"]["release"] == releases[0]
    assert run(pipeline, "verify", folder, folder=folder)
