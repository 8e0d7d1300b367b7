"""What cannot be packed: one line, status 1, no traceback, the previous bundle as it was; by either way to build."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from bad_input import GROUPS, UNREADABLE, Case
from checkout import FRONT_ENDS, run, tree_state
from examples import IS_LONG
from pipelines import Pipeline, make_pipeline
from privileges import bound_by_permissions

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a pipeline that was built, and things outside of it."""
    top = tmp_path_factory.mktemp("good")
    make_pipeline(top / "demo").build()
    make_pipeline(top / "outside")
    make_pipeline(top / "demo-too")
    return top


@pytest.mark.parametrize(
    ("case", "front_end"),
    [
        pytest.param(case, front_end, id=f"{group}-{case}-{front_end}")
        for group, cases in GROUPS.items()
        for number, case in enumerate(cases)
        # By one way and the other in turn.
        for front_end in (case.front_ends if IS_LONG else [case.front_ends[number % len(case.front_ends)]])
    ],
)
def test_bad_input_is_refused_in_one_line(built: Path, tmp_path: Path, case: Case, front_end: str) -> None:
    """Whatever is wrong: the line names it, the status is 1, nothing in `dist` has changed."""
    top = shutil.copytree(built, tmp_path / "top")
    pipeline = Pipeline(top / "demo").write(case.files)
    for path, to in case.links.items():
        pipeline.link(path, to)
    with (pipeline.root / "pyproject.toml").open("a") as file:
        file.write(f"{case.settings}\n")
    case.spoil(pipeline.root)
    before = tree_state(pipeline.root / "dist")
    rights = bound_by_permissions() if case in UNREADABLE else ()

    done = run(*rights, *FRONT_ENDS[front_end], cwd=pipeline.root, status=1)

    assert done.stdout == ""
    assert done.stderr.endswith("\n")
    line = done.stderr[:-1]
    assert line.isprintable(), f"not one printable line: {done.stderr}"
    line = line.removeprefix("Error: ")
    assert re.search(case.said, line), line
    assert tree_state(pipeline.root / "dist") == before


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_all_that_is_wrong_with_the_settings_is_said_at_once(tmp_path: Path, front_end: str) -> None:
    """A line for each problem, wherever it stands."""
    settings = 'modules = "x"\nkeep_releases = -1\nstages = "enabled"'
    pipeline = make_pipeline(
        tmp_path, {"configs/config.yaml": "pipeline: {upload_paths: [{target: x}]}"}, settings=settings
    )
    done = run(*FRONT_ENDS[front_end], cwd=pipeline.root, status=1)
    lines = [line.removeprefix("Error: ") for line in done.stderr.splitlines()]
    assert len(lines) == 4, done.stderr
    for beginning in (
        "`tool.ytupload.modules` is not a known setting",
        "`tool.ytupload.keep_releases` must be a whole number, 0 or more, found the integer -1",
        "`pipeline.upload_paths` in `configs/config.yaml` must be a list of `{ source, target }` tables",
        '`tool.ytupload.stages` is "enabled", and `configs/config.yaml` has no list `stages.enabled_stages`',
    ):
        assert [line for line in lines if line.startswith(beginning)], lines


HATCHS_OWN = {
    "version": ('[project]\nname = "demo"\nversion = "one"\n', "Invalid version `one` from field `project.version`"),
    "version-file": (
        '[project]\nname = "demo"\ndynamic = ["version"]\n[tool.hatch.version]\npath = "gone.py"\n',
        "Error getting the version from source `regex`: file does not exist: gone.py",
    ),
    "no-name": ('[project]\nversion = "1"\n', "project.name"),
    "directory": (
        '[project]\nname = "demo"\nversion = "1"\n[tool.hatch.build.targets.ytarchive]\ndirectory = 3\n',
        "Field `tool.hatch.build.targets.ytarchive.directory` must be a string",
    ),
    "reproducible": (
        '[project]\nname = "demo"\nversion = "1"\n[tool.hatch.build]\nreproducible = "yes"\n',
        "Field `tool.hatch.build.reproducible` must be a boolean",
    ),
    "versions": (
        '[project]\nname = "demo"\nversion = "1"\n[tool.hatch.build.targets.ytarchive]\nversions = ["other"]\n',
        "Unknown versions in field `tool.hatch.build.targets.ytarchive.versions`: other",
    ),
}


@pytest.mark.parametrize("problem", HATCHS_OWN)
def test_what_hatch_itself_refuses_is_one_line_too(tmp_path: Path, problem: str) -> None:
    """Its own errors would be tracebacks."""
    pyproject, said = HATCHS_OWN[problem]
    pipeline = make_pipeline(tmp_path, pyproject=pyproject)
    done = run(*FRONT_ENDS["target"], cwd=pipeline.root, status=1)
    (line,) = done.stderr.splitlines()
    assert said in line
