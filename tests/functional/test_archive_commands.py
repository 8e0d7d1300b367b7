"""inspect, diff, verify and explain through the command line: on disk, in a build folder, and through a pipe."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from archives import archive_of, member, tar_gz
from pipelines import CHECKOUT, Pipeline, make_pipeline, refused_line, run_command_line

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

pytestmark = pytest.mark.functional

SETTINGS = """
upload_modules = ["tools"]
build_folder = "//home/demo/build"
mode = "dev"
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a built pipeline with a build folder on disk."""
    made = make_pipeline(
        tmp_path / "demo",
        {"tools/__init__.py": "", "tools/a.py": "A = 1\n", "tools/x_test.py": "", ".ytignore": "*_test.py\n"},
        settings=SETTINGS,
    )
    run(made, "build")
    return made


@pytest.fixture
def published(pipeline: Pipeline) -> Pipeline:
    """Return one whose first build is published, and whose second build differs."""
    run(pipeline, "publish")
    pipeline.write({"tools/a.py": "A = 2\n", "tools/b.py": "B = 1\n"})
    run(pipeline, "build")
    return pipeline


def run(pipeline: Pipeline, *arguments: str, status: int = 0, **environ: str) -> CompletedProcess[str]:
    """Run the command line, without a cache of the user's."""
    done = pipeline.run(*arguments, environ={"YTUPLOAD_NO_CACHE": "1", **environ})
    assert done.returncode == status, done
    assert "Traceback" not in done.stderr
    return done


def data(pipeline: Pipeline, *arguments: str, status: int = 0) -> dict[str, Any]:
    """Return what a command prints with `--json`."""
    found: dict[str, Any] = json.loads(run(pipeline, "--json", *arguments, status=status).stdout)
    return found


class TestInspect:
    def test_the_local_bundle_is_shown(self, pipeline: Pipeline) -> None:
        """Without an argument; results on standard output, without colour, nothing else."""
        done = run(pipeline, "inspect")
        assert done.stdout.startswith("demo 1.0-")
        assert "  tools/\n" in done.stdout
        assert "\x1b" not in done.stdout
        assert done.stderr == ""

    def test_every_way_to_name_it_shows_the_same(self, published: Pipeline) -> None:
        """The current release by word, path, archive, folder of the release, and name."""
        shown = data(published, "inspect", "current")
        release = shown["release"]
        for name in (
            ["//home/demo/build"],
            ["//home/demo/build/source.tar.gz"],
            [f"//home/demo/build/releases/{release}"],
            [release],
            [release[:8]],
        ):
            found = data(published, "inspect", *name)
            assert {**found, "archive": ""} == {**shown, "archive": ""}
        assert data(published, "inspect")["release"] != release

    def test_the_largest_files_are_listed(self, pipeline: Pipeline) -> None:
        """So many, largest first."""
        sizes = [file["size"] for file in data(pipeline, "inspect", "--largest", "2")["files"]]
        assert len(sizes) == 2
        assert sizes == sorted(sizes, reverse=True)

    def test_a_foreign_archive_needs_no_project(self, tmp_path: Path) -> None:
        """Any file can be looked at, anywhere."""
        (tmp_path / "x.tar.gz").write_bytes(archive_of({"a/b.py": b"1"}))
        done = run_command_line("inspect", "x.tar.gz", "--files", cwd=tmp_path)
        assert done.returncode == 0, done
        assert "b.py" in done.stdout

    def test_a_hostile_archive_is_one_line(self, tmp_path: Path) -> None:
        """Its name, what is wrong, no traceback."""
        (tmp_path / "x.tar.gz").write_bytes(tar_gz(member("../x", b"1")))
        line = refused_line(run_command_line("inspect", "x.tar.gz", cwd=tmp_path))
        assert line == "`x.tar.gz` holds the path `../x`, which leads out of it"

    def test_what_is_not_published_is_said(self, pipeline: Pipeline) -> None:
        """There is no build folder yet."""
        assert "there is no build folder" in refused_line(pipeline.run("inspect", "current"))
        assert "there is no build folder" in refused_line(pipeline.run("inspect", "//home/nowhere"))
        assert "keeps no release `9.9`" in refused_line(pipeline.run("inspect", "9.9"))

    def test_a_current_archive_that_is_no_release_is_read(self, published: Pipeline) -> None:
        """Somebody else put it there; it has no manifest."""
        place = published.root / ".dev/cypress/home/demo/build/source.tar.gz"
        place.write_bytes(archive_of({"foreign.py": b"1"}))
        found = data(published, "inspect", "current")
        assert found["project"] is None
        assert [file["path"] for file in found["files"]] == ["foreign.py"]


class TestDiff:
    def test_what_a_publish_would_change_is_shown(self, published: Pipeline) -> None:
        """From the current release to the local bundle."""
        found = data(published, "diff")
        assert [(file["change"], file["path"]) for file in found["files"]] == [
            ("changed", "tools/a.py"),
            ("added", "tools/b.py"),
        ]
        assert found["from"]["archive"] == ".dev/cypress/home/demo/build/source.tar.gz"

    def test_nothing_to_publish_is_said(self, pipeline: Pipeline) -> None:
        """The same content, status 0 with and without `--exit-code`."""
        run(pipeline, "publish")
        assert "the same content" in run(pipeline, "diff", "--exit-code").stdout

    def test_differences_end_with_status_1_on_request(self, published: Pipeline) -> None:
        """For scripts."""
        run(published, "diff")
        run(published, "diff", "--exit-code", status=1)

    def test_two_releases_are_compared(self, published: Pipeline) -> None:
        """Both are in the build folder; the order is the user's."""
        run(published, "publish")
        newest, oldest = (release["release"] for release in data(published, "history")["releases"])
        assert [file["change"] for file in data(published, "diff", oldest, newest)["files"]] == ["changed", "added"]
        assert [file["change"] for file in data(published, "diff", newest, oldest)["files"]] == ["changed", "removed"]
        assert [file["change"] for file in data(published, "diff", oldest)["files"]] == ["changed", "removed"]

    def test_changed_lines_are_shown(self, published: Pipeline) -> None:
        """In text and in data."""
        assert "\n-A = 1\n+A = 2\n" in run(published, "diff", "--text").stdout
        file = data(published, "diff", "--text")["files"][0]
        assert file["text"].endswith("-A = 1\n+A = 2")

    def test_colour_comes_on_request_alone(self, published: Pipeline) -> None:
        """Through a pipe there is none, unless FORCE_COLOR says so; NO_COLOR wins."""
        assert "\x1b" not in run(published, "diff").stdout
        assert "\x1b[32m+  tools/b.py" in run(published, "diff", FORCE_COLOR="1").stdout
        assert "\x1b" not in run(published, "diff", FORCE_COLOR="1", NO_COLOR="1").stdout

    def test_a_damaged_archive_is_one_line(self, published: Pipeline) -> None:
        """Its part is read for the text, and is not what it should be."""
        data_ = bytearray(published.archive().read_bytes())
        data_[-40:-20] = bytes(20)
        published.archive().write_bytes(data_)
        done = published.run("diff", "--text", str(published.archive()))
        assert done.returncode in (0, 1)
        assert "Traceback" not in done.stderr


class TestVerify:
    def test_a_fresh_build_is_sound_and_can_be_built_again(self, pipeline: Pipeline) -> None:
        """Every file, then every byte."""
        done = run(pipeline, "verify", "--rebuild")
        assert "is what its manifest says" in done.stdout
        assert done.stdout.endswith("built again: the same bytes\n")
        assert done.stderr == ""

    def test_a_release_is_verified_where_it_lies(self, published: Pipeline) -> None:
        """By word, path and name."""
        for name in ("current", "//home/demo/build", "1.0"):
            assert data(published, "verify", name)["sound"]

    def test_a_damaged_archive_ends_with_status_1(self, pipeline: Pipeline) -> None:
        """A line for each problem on standard error."""
        content = bytearray(pipeline.archive().read_bytes())
        content[100] ^= 255
        pipeline.archive().write_bytes(content)
        done = run(pipeline, "verify", status=1)
        assert done.stdout == ""
        assert all(line.startswith("Error: ") for line in done.stderr.splitlines())
        found = data(pipeline, "verify", status=1)
        assert not found["sound"]
        assert found["problems"]

    def test_damage_in_a_build_folder_is_found(self, published: Pipeline) -> None:
        """A release is checked against the manifest that was published with it."""
        (place,) = (published.root / ".dev/cypress/home/demo/build/releases").glob("*/source.tar.gz")
        content = bytearray(place.read_bytes())
        content[100] ^= 255
        place.write_bytes(content)
        assert not data(published, "verify", "1.0", status=1)["sound"]

    def test_changed_sources_end_with_status_1(self, pipeline: Pipeline) -> None:
        """The first difference in words."""
        pipeline.write({"tools/a.py": "A = 3\n"})
        done = run(pipeline, "verify", "--rebuild", status=1)
        assert "first difference: the content of `tools/a.py`, from line 1 on" in " ".join(done.stdout.split())
        found = data(pipeline, "verify", "--rebuild", status=1)["rebuild"]
        assert list(found) == ["agrees", "first_difference", "files_differing", "sources"]
        assert found["agrees"] == "neither"


class TestExplain:
    def test_each_path_gets_its_answer(self, pipeline: Pipeline) -> None:
        """In, out, not there, and from where."""
        done = run(pipeline, "explain", "tools/a.py", "tools/x_test.py", "operation_wrapper_first_map.sh", "no.py")
        assert done.stdout.splitlines() == [
            "tools/a.py: in",
            "  it belongs to `tools` of `upload_modules`",
            "tools/x_test.py: out",
            "  `*_test.py` (line 1 of `.ytignore`) excludes it",
            "operation_wrapper_first_map.sh: in",
            "  it is written by the build: it starts `stages/first/src/mapper.py`, for the",
            "  operation `map`",
            "no.py: does not exist; it would stay out",
            "  no stage holds it, nor do `upload_modules` and `upload_paths`",
        ]
        assert done.stderr == ""

    def test_what_stops_the_build_is_a_warning(self, pipeline: Pipeline) -> None:
        """The answers come all the same."""
        pipeline.write({"tools/.env": "x"})
        done = run(pipeline, "explain", "tools/a.py")
        assert "as it is, no archive can be built" in done.stderr
        assert done.stdout.startswith("tools/a.py: in")

    def test_the_data_tells_problems_and_paths(self, pipeline: Pipeline) -> None:
        """For programs."""
        found = data(pipeline, "explain", "tools/x_test.py", "tools")
        assert found["problems"] == []
        assert [path["packed"] for path in found["paths"]] == [False, True]
        assert found["paths"][0]["rule"] == {"pattern": "*_test.py", "file": ".ytignore", "line": 1, "negated": False}

    def test_a_path_is_needed(self, pipeline: Pipeline) -> None:
        """Status 2."""
        run(pipeline, "explain", status=2)


@pytest.mark.parametrize("command", ["inspect", "diff", "verify", "explain"])
def test_help_has_an_example(tmp_path: Path, command: str) -> None:
    """Each command shows how it is called, a line for each example."""
    done = run_command_line(command, "--help", cwd=tmp_path)
    assert "\n  Example:\n    hatch-ytupload " in done.stdout
    assert f"\n    hatch-ytupload {command}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.skipif(sys.version_info < (3, 11), reason="YT Framework needs Python 3.11")
def test_the_sample_pipeline_is_sound(tmp_path: Path) -> None:
    """Nothing is found where nothing is wrong."""
    ignored = shutil.ignore_patterns("dist", ".dev", "__pycache__")
    sample = Pipeline(shutil.copytree(CHECKOUT / "sample_pipeline", tmp_path / "sample", ignore=ignored))
    run(sample, "build")
    run(sample, "publish")
    assert run(sample, "verify", "--rebuild").stdout.endswith("built again: the same bytes\n")
    assert run(sample, "verify", "current").stderr == ""
    assert data(sample, "diff") == {**data(sample, "diff"), "same_content": True, "files": [], "facts": []}
    paths = [file["path"] for file in data(sample, "inspect")["files"]]
    found = data(sample, "explain", *paths)
    assert found["problems"] == []
    assert all(path["packed"] for path in found["paths"])
