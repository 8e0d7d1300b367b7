"""Runs of the tests that nobody watches: what they ignore is not handed down, and what hangs ends."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pipelines import CHECKOUT, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

TESTS = CHECKOUT / "tests"

IGNORES_AND_BLOCKS = """
import signal, subprocess, sys
numbers = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]
for number in numbers:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
import unattended
unattended.reset_inherited_signals()
for number in numbers:
    signal.raise_signal(number)
for number in numbers:
    print(subprocess.run(["sh", "-c", f"kill -{int(number)} $$"]).returncode == -number)
"""

HANGS = """
import subprocess

def test_hangs():
    with subprocess.Popen(["sleep", "1000"], close_fds=False):
        pass

def test_passes():
    pass
"""


def test_what_is_ignored_is_not_handed_down() -> None:
    """What tests start ends by a signal; the tests themselves go on, as `nohup` promises."""
    environ = clean_environment(PYTHONPATH=str(TESTS))
    command = [sys.executable, "-c", IGNORES_AND_BLOCKS]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n" * 4, "")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_test_that_hangs_is_ended(tmp_path: Path, workers: int) -> None:
    """With the stacks of all threads, and with the process that it waits for; others run all the same."""
    path = tmp_path / "test_hanging.py"
    path.write_text(HANGS, encoding="utf-8")
    options = ["-p", "conftest", "-c", str(CHECKOUT / "pyproject.toml"), "--rootdir", str(tmp_path), "-n", str(workers)]
    options += ["--timeout", "2", "-o", "timeout_func_only=true"]
    reading, writing = os.pipe()
    with open(reading, "rb") as held:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, path],
            env=clean_environment(PYTHONPATH=str(TESTS)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=[writing],
        )
        os.close(writing)
        # It ends when nobody holds the other end any more.
        assert held.read() == b""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_hangs has reached its time limit" in done.stderr
    assert "in test_hangs\n" in done.stderr
    assert "most recent call first" in done.stderr
    if workers:
        assert "crashed while running 'test_hanging.py::test_hangs'" in done.stdout
        assert "1 failed, 1 passed" in done.stdout
