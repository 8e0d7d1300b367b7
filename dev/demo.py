"""Build the sample pipeline, publish it to its build folder on disk, roll back, and run jobs from what is current.

`python3 dev/demo.py`: real `hatch`, no cluster; needs Python 3.11 or newer, as YT Framework does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import ROOT, environment, run, say

SAMPLE = ROOT / "sample_pipeline"
BUILD_FOLDER = SAMPLE / ".dev" / "cypress" / "home" / "sample_pipeline" / "build"
STAGE = "parse_requests"
LOCKED_STAGE = "check_networks"
LOCKED_PYTHON = (3, 11)
OLDEST_PYTHON = (3, 11)


def main() -> None:
    """Do what a user does, step by step."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            "The sample pipeline uses YT Framework, which needs Python 3.11 or newer: run this with a newer python3."
        )
    # Hatch, and the publisher beside it.
    python = environment("demo", "hatch>=1.16.5", fresh="--fresh" in sys.argv)
    shutil.rmtree(BUILD_FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as directory:
        # A data directory of its own: Hatch would keep an older copy of the plugin in its build environment.
        env = {**os.environ, "HATCH_DATA_DIR": directory, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
        hatch: list[str | Path] = [python, "-m", "hatch"]
        step([*hatch, "build", "-t", "ytarchive"], env)
        step([*hatch, "publish", "-p", "ytupload"], env)
        step([*hatch, "publish", "-p", "ytupload"], env)
        # Another release to go back from.
        note = SAMPLE / "stages" / STAGE / "src" / "note.txt"
        note.write_text("Only the demo packs this.\n", encoding="utf-8")
        try:
            step([*hatch, "build", "-t", "ytarchive"], env)
            step([*hatch, "publish", "-p", "ytupload"], env)
        finally:
            note.unlink()
        ours: list[str | Path] = [python, "-m", "hatch_ytupload"]
        step([*ours, "rollback"], env)
        step([*ours, "history"], env)
        sandbox = Path(directory) / "sandbox"
        sandbox.mkdir()
        shutil.copy(BUILD_FOLDER / "source.tar.gz", sandbox)
        command = f"set -e; tar -xzf source.tar.gz; ./operation_wrapper_{STAGE}_map.sh"
        rows = SAMPLE / "data" / "requests.jsonl"
        say(f"in an empty directory that holds only the published source.tar.gz: bash -c '{command}' < {rows.name}")
        output = job(command, rows, sandbox, env)
        print(output, end="")
        expected = (SAMPLE / "data" / "expected_hits.jsonl").read_text(encoding="utf-8")
        if output != expected:
            sys.exit("the rows differ from data/expected_hits.jsonl")
        say(f"{len(output.splitlines())} rows, as expected")
        locked_job(sandbox, env)


def step(command: list[str | Path], env: dict[str, str]) -> None:
    """Show and run a command in the sample pipeline."""
    program = str(command[2]).replace("_", "-")
    say(f"sample_pipeline$ {' '.join([program, *map(str, command[3:])])}")
    run(command, cwd=SAMPLE, env=env)


def locked_job(sandbox: Path, env: dict[str, str]) -> None:
    """Start the job of the stage whose requirements are locked, where no network answers."""
    command = f"./operation_wrapper_{LOCKED_STAGE}_vanilla.sh"
    if sys.version_info[:2] != LOCKED_PYTHON:
        say(f"the wheels of the locked stage are for Python 3.11, so {command} is left out on this one")
        return
    nowhere = "http://127.0.0.1:9"
    variables = {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "PIP_INDEX_URL": nowhere}
    say(f"the job of the locked stage, where no network answers: {command}")
    job(command, Path(os.devnull), sandbox, {**env, **variables})
    say("started with the wheels of the archive: no pip, no network")


def job(command: str, rows: Path, sandbox: Path, env: dict[str, str]) -> str:
    """Run a job as the cluster does; return its rows."""
    with open(rows, "rb") as stdin:
        process = subprocess.run(
            ["bash", "-c", command], cwd=sandbox, env=env, stdin=stdin, stdout=subprocess.PIPE, check=False
        )
    if process.returncode:
        sys.exit(f"the job failed with status {process.returncode}")
    return process.stdout.decode()


if __name__ == "__main__":
    main()
