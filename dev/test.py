"""Run all tests: `python3 dev/test.py`.

`--quick` runs the unit and oracle tests without the slow ones, and draws fewer examples. `--fresh` makes the
environment new first, `--coverage` measures branches and holds them to the limit in `pyproject.toml`; all other
arguments go to pytest.
"""

from __future__ import annotations

import os
import sys

from environment import ROOT, environment, run, say

OWN_FLAGS = ("--fresh", "--coverage", "--quick")


def main() -> None:
    """Make the environment and run pytest in it."""
    arguments = [argument for argument in sys.argv[1:] if argument not in OWN_FLAGS]
    python = environment("test", "--group", "test", fresh="--fresh" in sys.argv)
    tests = ["pytest", *(arguments or ["-n", str(min(os.cpu_count() or 1, 4))])]
    # Hatch, hatchling and the command line are looked up on PATH by what the tests start.
    env = {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(python.parent.parent),
    }
    # Each of the processes that tests run in would compile all modules again.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    if "--quick" in sys.argv:
        others = [f"--ignore=tests/{name}" for name in ("cluster", "functional", "proxy")]
        tests[1:1] = ["-m", "not slow", *others]
        env = {"YTUPLOAD_FUZZ_EXAMPLES": "50", **env}
    say("on two quiet cores all tests take 6 minutes (7 with --coverage), the unit and oracle tests of --quick one")
    if "--coverage" not in sys.argv:
        run([python, "-m", *tests], env=env)
        return
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    run([python, "-m", "coverage", "run", "-m", *tests], env=env)
    run([python, "-m", "coverage", "combine", "--quiet"])
    run([python, "-m", "coverage", "report"])


if __name__ == "__main__":
    main()
