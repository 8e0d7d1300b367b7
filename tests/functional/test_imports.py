"""What is loaded, and when: a build environment holds hatchling alone, and a build loads no client of the cluster."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
from checkout import FRONT_ENDS, install_into, make_environment, run
from pipelines import clean_environment, make_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines import Pipeline

pytestmark = pytest.mark.functional

LOADED = "import sys, {module}; print('\\n'.join(sys.modules))"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Return the Python of an environment that holds hatchling and our wheel, without anything that it requires."""
    python = make_environment(tmp_path_factory.mktemp("bare") / "env", "hatchling")
    install_into(python, "--no-deps", wheel)
    return python


def ours(modules: list[str]) -> set[str]:
    """Return the modules that are ours."""
    return {module for module in modules if module.partition(".")[0] == "hatch_ytupload"}


def test_the_hooks_load_where_only_hatchling_is(bare: Path) -> None:
    """And load nothing else of ours, nor anything of others but what hatchling's plugins need."""
    loaded = run(bare, "-c", LOADED.format(module="hatch_ytupload.hooks")).stdout.split()
    # The package itself knows its version.
    assert ours(loaded) <= {"hatch_ytupload", "hatch_ytupload.hooks", "hatch_ytupload.__about__"}
    assert not {"yaml", "click", "hatch", "yt", "deflate"} & set(loaded)


@pytest.mark.parametrize("name", ["builder", "build_hook"])
def test_what_the_hooks_register_loads_there_as_well(bare: Path, name: str) -> None:
    """Hatchling asks every plugin for its classes, whatever is built."""
    program = f"from hatch_ytupload import hooks; print(hooks.hatch_register_{name}().PLUGIN_NAME)"
    assert run(bare, "-c", program).stdout == "ytarchive\n"


def test_other_targets_build_where_only_hatchling_is(bare: Path, tmp_path: Path) -> None:
    """The plugin is no burden for those who do not use it."""
    pipeline = make_pipeline(tmp_path).write({"demo/__init__.py": ""})
    run(bare, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", cwd=pipeline.root)
    assert len(list((pipeline.root / "dist").iterdir())) == 2


def imported(pipeline: Pipeline, *command: str) -> set[str]:
    """Return the names of all modules that a command loads."""
    # Every import is a line on standard error: `import time:  self [us] | cumulative | name`.
    done = run(*command, cwd=pipeline.root, environ=clean_environment(PYTHONPROFILEIMPORTTIME="1"))
    return {match[1] for match in re.finditer(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)}


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_build_loads_no_client_and_no_framework(pipeline: Pipeline, front_end: str) -> None:
    """Nor the packages that it packs; the target does without the command line's."""
    pipeline.write(
        {"configs/config.yaml": "pipeline: {upload_modules: [own]}", "own/__init__.py": "raise SystemExit(3)"}
    )
    modules = imported(pipeline, *FRONT_ENDS[front_end])
    assert "hatch_ytupload.packing.archive" in modules
    assert "yaml" in modules
    unwanted = {"yt", "yt_framework", "ytjobs", "own", "hatch", "omegaconf", "requests"}
    if front_end == "target":
        unwanted |= {"click", "hatch_ytupload.command_line.cli", "hatch_ytupload.plugin.publisher"}
    assert not {module for module in modules if module in unwanted or module.partition(".")[0] in unwanted}


def test_a_build_of_another_target_loads_no_build_of_ours(pipeline: Pipeline) -> None:
    """Only the two classes that hatchling asks for, and what they are made of."""
    pipeline.write({"demo/__init__.py": ""})
    modules = imported(pipeline, sys.executable, "-m", "hatchling", "build", "-t", "wheel")
    assert (
        not {
            "hatch_ytupload.packing.build",
            "hatch_ytupload.planning.plan",
            "hatch_ytupload.packing.archive",
            "yaml",
            "deflate",
        }
        & modules
    )


def test_help_and_version_load_no_command(pipeline: Pipeline) -> None:
    """The command line answers at once."""
    for option in ("--help", "--version"):
        modules = imported(pipeline, sys.executable, "-m", "hatch_ytupload", option)
        assert "click" in modules
        assert not {
            module for module in modules if module.startswith(("hatch_ytupload.command_line.commands.", "yaml", "yt."))
        }
