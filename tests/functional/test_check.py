"""`hatch-ytupload check`: what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pipelines import make_pipeline, refused_line

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines import Pipeline

pytestmark = pytest.mark.functional


@pytest.fixture
def broken(tmp_path: Path) -> Pipeline:
    """A pipeline with an error, a warning and a note."""
    mapper = "import nowhere\ntry:\n    import faster\nexcept ImportError:\n    pass\n"
    files = {"stages/first/src/mapper.py": mapper, "stages/first/requirements.txt": "click\n"}
    return make_pipeline(tmp_path / "demo", files)


def test_a_sound_pipeline_is_one_line(pipeline: Pipeline) -> None:
    """It needs no build, and `--strict` has nothing against it."""
    done = pipeline.run("check", "--strict")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no findings\n", "")


def test_findings_are_lines_with_their_places(broken: Pipeline) -> None:
    """Places are those on disk; notes come with `-v`; without a terminal there is no colour."""
    done = broken.run("check")
    assert done.returncode == 1
    first, second, last = done.stdout.splitlines()
    assert first.startswith("stages/first/src/mapper.py:1: error: imports `nowhere`, ")
    assert first.endswith(" [missing-import, stage first]")
    assert second.startswith("stages/first/requirements.txt:1: warning: `click` has no version")
    assert last == "1 error, 1 warning"
    done = broken.run("-v", "check", cwd=broken.root / "stages")
    assert "first/src/mapper.py:3: note: imports `faster`" in done.stdout
    assert done.stdout.endswith("1 error, 1 warning, 1 note\n")


def test_the_exit_status(broken: Pipeline) -> None:
    """1 for errors, with `--strict` for warnings, too, with `--exit-zero` for nothing; findings are printed."""
    for flags, status in ((), 1), (("--strict",), 1), (("--exit-zero",), 0), (("--strict", "--exit-zero"), 0):
        done = broken.run("check", *flags)
        assert (done.returncode, done.stderr) == (status, "")
        assert done.stdout.endswith("1 error, 1 warning\n")
    broken.write({"stages/first/src/mapper.py": "print(1)\n"})
    assert [broken.run("check", *flags).returncode for flags in ((), ("--strict",))] == [0, 1]
    broken.write({"stages/first/src/mapper.py": "try:\n    import faster\nexcept ImportError:\n    pass\n"})
    broken.remove("stages/first/requirements.txt")
    assert broken.run("check", "--strict").returncode == 0


def test_json_has_all_findings(broken: Pipeline) -> None:
    """In the shape that docs/checking.md shows."""
    done = broken.run("--json", "check", "--python", "3.12")
    content = json.loads(done.stdout)
    findings = content.pop("findings")
    assert content == {"python": "3.12", "errors": 1, "warnings": 1, "notes": 1}
    message = findings[0].pop("message")
    assert message.startswith("imports `nowhere`")
    assert findings[0] == {
        "severity": "error",
        "rule": "missing-import",
        "path": "stages/first/src/mapper.py",
        "line": 1,
        "stages": ["first"],
        "via": [],
    }
    assert [finding["severity"] for finding in findings] == ["error", "warning", "note"]


def test_a_built_archive_is_checked_as_it_is(broken: Pipeline) -> None:
    """What was mended since is not in it."""
    broken.build()
    broken.write({"stages/first/src/mapper.py": "", "stages/first/requirements.txt": "click==8.1\n"})
    assert broken.run("check").stdout == "no findings\n"
    done = broken.run("check", "dist/demo-1.0.ytarchive")
    assert done.stdout.endswith("1 error, 1 warning\n")
    assert done.stdout.startswith("stages/first/src/mapper.py:1: error: imports `nowhere`")


@pytest.mark.parametrize("version", ["3", "2.7", "3.x", "3.6", "4.0", ""])
def test_a_version_that_is_none_is_a_mistake_in_the_call(pipeline: Pipeline, version: str) -> None:
    """With status 2 and what is expected."""
    done = pipeline.run("check", "--python", version)
    assert done.returncode == 2
    assert "expected is a version such as 3.11" in done.stderr


def test_what_cannot_be_planned_is_one_line(pipeline: Pipeline) -> None:
    """A config that does not parse stops the build, and the check says the same."""
    pipeline.write({"stages/first/config.yaml": "a: [\n"})
    assert "`stages/first/config.yaml` is not valid YAML: line " in refused_line(pipeline.run("check"))
