"""What an archive holds, and what is read to tell it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from archives import Bytes, archive_of
from pipelines import make_pipeline, refusal

from hatch_ytupload.answers.artifacts import Artifact, Described, Whereabouts, described, find_artifact
from hatch_ytupload.answers.inspection import branches, directories, largest_files
from hatch_ytupload.command_line.commands.inspect import inspect_data, inspect_text
from hatch_ytupload.packing.manifest import load_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelines import Pipeline

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.byte_reader import Reader


def no_folder(path: str | None) -> BuildFolder:
    """Fail: no test here needs a build folder."""
    raise AssertionError(path)


def nowhere() -> str:
    """Fail: the artifact is named."""
    raise AssertionError


NAMED = Whereabouts(nowhere, no_folder)


@pytest.fixture
def built(tmp_path: Path) -> Pipeline:
    """Return a built pipeline with several parts."""
    pipeline = make_pipeline(
        tmp_path / "demo",
        {"lib/a/x.py": "x" * 100, "lib/a/y.py": "y" * 10, "lib/b.py": "b", "stages/first/requirements.txt": "six\n"},
        settings='upload_paths = [{ source = "lib" }]',
    )
    pipeline.build()
    return pipeline


def look(pipeline: Pipeline) -> Described:
    """Describe the bundle."""
    return described(find_artifact(str(pipeline.archive()), NAMED))


def foreign(data: bytes) -> Artifact:
    """Return an archive without a manifest."""

    @contextmanager
    def opened() -> Iterator[Reader]:
        yield Bytes(data)

    return Artifact("x.tar.gz", None, opened)


class TestFinding:
    @pytest.mark.parametrize("name", ["", "source.tar.gz", "manifest.json"])
    def test_a_bundle_is_named_by_any_of_its_paths(self, built: Pipeline, name: str) -> None:
        """Directory, archive or manifest."""
        found = find_artifact(str(built.archive().parent / name), NAMED)
        assert found.release is not None
        assert found.release.startswith("1.0-")
        assert found.open is not None

    def test_a_manifest_alone_is_enough_to_look_at(self, built: Pipeline, tmp_path: Path) -> None:
        """It says all that inspecting needs."""
        manifest = tmp_path / "copy.json"
        manifest.write_bytes(built.archive().with_name("manifest.json").read_bytes())
        found = find_artifact(str(manifest), NAMED)
        assert found.open is None
        assert described(found).files == look(built).files

    def test_an_archive_beside_another_ones_manifest_is_read_itself(self, built: Pipeline) -> None:
        """The manifest names the archive that it is of."""
        other = built.archive().with_name("other.tar.gz")
        other.write_bytes(archive_of({"a": b"1"}))
        found = find_artifact(str(other), NAMED)
        assert found.manifest is None
        assert [file.path for file in described(found).files] == ["a"]

    @pytest.mark.parametrize("name", ["x/y", "x.tar.gz", "x.json", "x.ytarchive"])
    def test_a_path_is_not_taken_for_the_name_of_a_release(self, name: str) -> None:
        """Nobody asks a build folder for it."""
        assert "there is no `" in refusal(lambda: find_artifact(name, NAMED))

    def test_a_directory_without_a_bundle_is_said(self, tmp_path: Path) -> None:
        """It has to be built first."""
        (tmp_path / "empty").mkdir()
        assert "there is no bundle" in refusal(lambda: find_artifact(str(tmp_path / "empty"), NAMED))

    @pytest.mark.parametrize("path", ["//", "//home/../x", "//source.tar.gz"])
    def test_a_bad_cypress_path_is_refused(self, path: str) -> None:
        """Before anything is asked."""
        assert refusal(lambda: find_artifact(path, NAMED))

    def test_an_archive_of_another_size_is_not_described_by_its_manifest(self, built: Pipeline) -> None:
        """A cut archive does not look whole."""
        archive = built.archive()
        archive.write_bytes(archive.read_bytes()[:-1])
        assert "`hatch-ytupload verify` says more" in refusal(lambda: look(built))

    def test_a_damaged_manifest_is_one_line(self, built: Pipeline) -> None:
        """It is named."""
        built.archive().with_name("manifest.json").write_bytes(b"{")
        assert "is not valid JSON" in refusal(lambda: look(built))


class TestTree:
    def test_directories_have_the_sums_of_what_is_below(self, built: Pipeline) -> None:
        """Sizes and numbers of files, all the way up."""
        found = {branch.path: branch for branch in directories(look(built))}
        assert (found["lib"].size, found["lib"].files) == (111, 3)
        assert (found["lib/a"].size, found["lib/a"].files) == (110, 2)
        assert found["stages"].files == 2

    def test_packed_sizes_add_up_to_the_archive(self, built: Pipeline) -> None:
        """Parts are the unit of compression; what is left is the end mark."""
        found = look(built)
        tree = branches(found, depth=1)
        packed = [branch.packed for branch in tree]
        assert None not in packed
        total = sum(size for size in packed if size is not None)
        assert 0 < found.size - total < 200
        assert {branch.path for branch in tree} == {"lib", "operation_wrapper_*.sh", "stages", "ytjobs"}

    def test_a_directory_inside_a_part_has_no_packed_size(self, built: Pipeline) -> None:
        """It was not compressed by itself, so nobody knows."""
        found = {branch.path: branch.packed for branch in directories(look(built))}
        assert found["lib/a"] is None
        assert found["lib"] is not None
        assert found["stages/first"] == found["stages"]

    def test_files_are_shown_on_request_and_depth_cuts(self, built: Pipeline) -> None:
        """Without them the tree of a large archive stays short."""
        assert [branch.path for branch in branches(look(built), depth=2)][:2] == ["lib", "lib/a"]
        assert "lib/a/x.py" in [branch.path for branch in branches(look(built), depth=0, with_files=True)]
        assert "lib/a/x.py" not in [branch.path for branch in branches(look(built), depth=2, with_files=True)]

    def test_the_largest_files_come_first(self, built: Pipeline) -> None:
        """Of the same size, the names decide."""
        sizes = [file.size for file in largest_files(look(built), 3)]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) == 3
        assert len(largest_files(look(built), 10_000)) == len(look(built).files)

    def test_by_size_keeps_what_belongs_together(self, built: Pipeline) -> None:
        """A directory is followed by what is in it."""
        text = inspect_text(look(built), by_size=True, with_files=True, depth=0)
        lines = [line.split()[-1] for line in text.splitlines() if line]
        assert lines[lines.index("a/") :][:3] == ["a/", "x.py", "y.py"]


class TestText:
    def test_it_fits_into_80_columns(self, built: Pipeline) -> None:
        """Apart from paths, which nobody cuts."""
        text = inspect_text(look(built), depth=0)
        tree = text.split("\n\n")[1]
        assert max(map(len, tree.splitlines())) <= 80
        assert "\x1b" not in text

    def test_stages_modules_and_requirements_are_told(self, built: Pipeline) -> None:
        """What jobs can run, and what they install."""
        text = inspect_text(look(built))
        assert "first: map (1 requirement)" in text
        assert "ytjobs" in text

    def test_an_archive_without_a_manifest_is_read_and_says_so(self) -> None:
        """Its parts are not known."""
        found = described(foreign(archive_of({"a/b.py": b"1", "c": b"22"})))
        text = inspect_text(found)
        assert "manifest  none" in text
        assert inspect_data(found)["parts"] == []
        assert [branch.packed for branch in directories(found)] == [None]

    def test_an_empty_archive_is_shown(self) -> None:
        """Nothing is in it, and nothing breaks."""
        assert "in 0 files" in inspect_text(described(foreign(archive_of({}))))

    def test_hostile_names_stay_on_their_lines(self) -> None:
        """A name cannot write to the terminal."""
        text = inspect_text(described(foreign(archive_of({"a\x1b[2J/b\nc": b"1"}))), with_files=True)
        assert "\x1b" not in text
        assert "b\\nc" in text


def test_the_data_has_the_documented_shape(built: Pipeline) -> None:
    """Programs rely on these keys."""
    data = inspect_data(look(built))
    manifest = load_manifest(built.archive().with_name("manifest.json").read_bytes())
    assert list(data) == [
        "archive",
        "release",
        "project",
        "published",
        "content_sha256",
        "size",
        "unpacked",
        "file_count",
        "parts",
        "stages",
        "modules",
        "wheels",
        "directories",
        "files",
    ]
    assert data["project"] == {"name": "demo", "version": "1.0"}
    assert data["size"] == os.path.getsize(built.archive())
    assert data["parts"][1] == {"name": "lib", "size": manifest.parts[1].size, "unpacked": 111, "file_count": 3}
    assert data["directories"][0] == {
        "path": "lib",
        "size": manifest.parts[1].size,
        "unpacked": 111,
        "file_count": 3,
    }
    assert list(data["files"][0]) == ["path", "size", "mode", "sha256"]
    assert len(inspect_data(look(built), largest=2)["files"]) == 2
