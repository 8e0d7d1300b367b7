"""A command as a whole process: how long it takes and how much memory it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Measured(NamedTuple):
    """What a command took."""

    seconds: float
    """That passed."""
    processor_seconds: float
    """Of the command and of all that it waited for."""
    peak_kb: int
    """Of its memory."""


def measured(command: Sequence[str | Path], directory: Path, environ: Mapping[str, str]) -> Measured:
    """Run a command; a failure ends this program.

    Args:
        command: what to run.
        directory: where.
        environ: variables that it gets beside our own, of which those that change Python are left out.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=directory, env={**env, **environ}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}:\n{errors.decode()}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
