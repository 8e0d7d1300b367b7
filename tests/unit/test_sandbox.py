"""A sandbox is fresh, belongs to one run, and goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pipelines import refusal

from hatch_ytupload.jobs.interpreter import find_interpreter
from hatch_ytupload.jobs.process import JobProcess
from hatch_ytupload.jobs.sandbox import fresh_sandbox, sandbox_name

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def archive(tmp_path: Path) -> str:
    """An archive, as far as a sandbox knows."""
    file = tmp_path / "some.tar.gz"
    file.write_bytes(b"bytes")
    return str(file)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("map", "sandbox_in->out"),
        ("reduce", "sandbox_reduce_in->out"),
        ("map_reduce_mapper", "sandbox_mr_in->out"),
        ("map_reduce_reducer", "sandbox_mr_in->out"),
        ("vanilla", "stage_sandbox"),
    ],
)
def test_a_sandbox_is_named_as_dev_mode_names_it(operation: str, name: str) -> None:
    """The names are those of yt-framework 1.4.4."""
    assert sandbox_name("stage", operation, "in", "out") == name


def test_a_sandbox_holds_the_archive_alone_and_is_removed(tmp_path: Path, archive: str) -> None:
    """What an earlier run left under its name is gone, though it took its own permissions away."""
    left = tmp_path / ".dev" / "a->b" / "sub"
    left.mkdir(parents=True)
    (left / "file").write_text("old")
    (left.parent / "link").symlink_to(tmp_path)
    left.chmod(0o500)
    with fresh_sandbox(str(tmp_path), "a->b", archive) as sandbox:
        assert os.listdir(sandbox.directory) == ["source.tar.gz"]
        assert (left.parent / "source.tar.gz").read_bytes() == b"bytes"
        (left.parent / "closed").mkdir(mode=0o000)
    assert os.listdir(tmp_path / ".dev") == []
    assert (tmp_path / "some.tar.gz").exists()


def test_a_sandbox_of_any_depth_is_removed(tmp_path: Path, archive: str) -> None:
    """Deeper than a path can be long, with a directory on the way that is closed."""
    with fresh_sandbox(str(tmp_path), "a", archive) as sandbox:
        here = os.open(sandbox.directory, os.O_RDONLY)
        for number in range(3000):
            os.mkdir("deep", dir_fd=here)
            below = os.open("deep", os.O_RDONLY, dir_fd=here)
            if number in (10, 2000):
                os.fchmod(here, 0o500)
            os.close(here)
            here = below
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
        os.close(here)
    assert os.listdir(tmp_path / ".dev") == []


def test_a_sandbox_that_is_to_stay_stays(tmp_path: Path, archive: str) -> None:
    """It is left as the job left it."""
    with fresh_sandbox(str(tmp_path), "a", archive) as sandbox:
        sandbox.keep = True
    assert os.listdir(tmp_path / ".dev" / "a") == ["source.tar.gz"]


def test_two_runs_are_never_in_one_sandbox(tmp_path: Path, archive: str) -> None:
    """The second one is told so, and the first keeps its files."""
    with fresh_sandbox(str(tmp_path), "a", archive) as sandbox:
        line = refusal(lambda: fresh_sandbox(str(tmp_path), "a", archive).__enter__())
        assert "another run is using the sandbox" in line
        assert os.listdir(sandbox.directory) == ["source.tar.gz"]


def test_a_link_in_the_place_of_a_sandbox_is_not_followed(tmp_path: Path, archive: str) -> None:
    """What it leads to is not emptied."""
    (tmp_path / ".dev").mkdir()
    (tmp_path / ".dev" / "a").symlink_to(tmp_path)
    line = refusal(lambda: fresh_sandbox(str(tmp_path), "a", archive).__enter__())
    assert line.startswith("cannot make the sandbox")
    assert os.path.exists(archive)


def test_a_job_that_nobody_can_listen_to_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be no room for the thread that reads what it says."""

    def fail(_thread: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", fail)
    job = JobProcess(["sleep", "1000"], str(tmp_path), {"PATH": os.defpath})
    with pytest.raises(RuntimeError):
        job.run(subprocess.DEVNULL, subprocess.DEVNULL)
    assert job._process is not None
    assert job._process.stderr is not None
    job._process.stderr.close()
    assert job._process.wait() == -signal.SIGKILL


def test_a_python_is_asked_without_what_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's own modules may have the names of those of the library."""
    (tmp_path / "json.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert find_interpreter(sys.executable, os.environ).version == sys.version
