"""Whether an archive is what its manifest says, and what a new build gives."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from archives import archive_of, member, tar, tar_gz
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import contents, make_pipeline, refusal

from hatch_ytupload.answers.artifacts import Whereabouts, find_artifact
from hatch_ytupload.answers.second_build import Agreement, build_again
from hatch_ytupload.answers.verification import Verification, verify
from hatch_ytupload.command_line.commands.verify import agreement_text, verification_data, verification_text
from hatch_ytupload.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines import Pipeline

    from hatch_ytupload.answers.artifacts import Artifact
    from hatch_ytupload.build_folders.build_folder import BuildFolder


def no_folder(path: str | None) -> BuildFolder:
    """Fail: no test here needs a build folder."""
    raise AssertionError(path)


@pytest.fixture
def built(tmp_path: Path) -> Pipeline:
    """Return a built pipeline with several parts and scripts beside the archive."""
    pipeline = make_pipeline(
        tmp_path / "demo",
        {"tools/__init__.py": "", "tools/a.py": "A = 1\nB = 2\n"},
        settings='upload_modules = ["tools"]\nstandalone_wrappers = true',
    )
    pipeline.build()
    return pipeline


def artifact(pipeline: Pipeline) -> Artifact:
    """Return the bundle."""
    return find_artifact(None, Whereabouts(lambda: str(pipeline.archive().parent), no_folder))


def checked(pipeline: Pipeline) -> Verification:
    """Verify the bundle."""
    return verify(artifact(pipeline))


def problems(pipeline: Pipeline) -> str:
    """Return all problems of the bundle, a line each."""
    found = checked(pipeline).problems
    assert all(line.isprintable() for line in found)
    return "\n".join(found)


def said(pipeline: Pipeline) -> str:
    """Return the first problem, or why the bundle could not be looked at."""
    try:
        return next(iter(checked(pipeline).problems), "")
    except ArtifactError as error:
        return str(error)


def change_manifest(pipeline: Pipeline, **changes: object) -> None:
    """Change keys of the manifest."""
    path = pipeline.archive().with_name("manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def repack(pipeline: Pipeline, files: dict[str, bytes]) -> None:
    """Put an archive of other files into the bundle."""
    pipeline.archive().write_bytes(archive_of(files))


class TestAgainstTheManifest:
    def test_a_fresh_build_is_sound(self, built: Pipeline) -> None:
        """Silence, and how much was looked at."""
        found = checked(built)
        assert found.problems == ()
        assert found.file_count == len(contents(built.archive()))
        assert "is what its manifest says" in verification_text(found)

    def test_a_flipped_bit_is_found_and_placed(self, built: Pipeline) -> None:
        """The part in which the damage is is named, with its bytes."""
        manifest = artifact(built).manifest
        assert manifest is not None
        data = bytearray(built.archive().read_bytes())
        data[manifest.parts[0].size + 30] ^= 1
        built.archive().write_bytes(data)
        text = problems(built)
        assert "the SHA-256 of the archive is " in text
        assert "the MD5 of the archive is " in text
        start = manifest.parts[0].size
        end = start + manifest.parts[1].size
        assert text.endswith(f"the damage is in the part `{manifest.parts[1].name}`, bytes {start} to {end}")

    def test_a_cut_archive_is_found(self, built: Pipeline) -> None:
        """Wherever it was cut."""
        built.archive().write_bytes(built.archive().read_bytes()[:-40])
        assert "the size in bytes of the archive is" in problems(built)
        assert "ends" in problems(built)

    def test_every_changed_file_is_named(self, built: Pipeline) -> None:
        """Missing, added, of another size, content or mode: each in its own words."""
        files = contents(built.archive())
        script = files.pop("operation_wrapper_first_map.sh")
        del files["tools/__init__.py"]
        files |= {"tools/a.py": b"A = 1\nB = 3\n", "extra": b"", "ytjobs/__init__.py": b"longer than before"}
        members = [member(path, content) for path, content in sorted(files.items())]
        built.archive().write_bytes(tar_gz(member("operation_wrapper_first_map.sh", script), *members))
        text = problems(built)
        assert "`tools/__init__.py` is missing in the archive" in text
        assert "`extra` is in the archive, and not in the manifest" in text
        assert "`tools/a.py` has another content than the manifest says" in text
        assert "`ytjobs/__init__.py` has 18 bytes, the manifest says 16" in text
        assert "`operation_wrapper_first_map.sh` has the mode 644, the manifest says 755" in text
        assert "`stages/first/src/mapper.py`" not in text

    def test_another_order_is_found(self, built: Pipeline) -> None:
        """The files are the same, their order is not."""
        files = contents(built.archive())
        members = [
            member(path, content, mode=0o755 if path.endswith(".sh") else 0o644) for path, content in files.items()
        ]
        built.archive().write_bytes(tar_gz(*reversed(members)))
        assert "the files are in another order than the manifest says" in problems(built)

    def test_a_hostile_archive_is_one_line(self, built: Pipeline) -> None:
        """It is not read any further."""
        built.archive().write_bytes(tar_gz(member("../../evil", b"1")))
        assert "holds the path `../../evil`, which leads out of it" in problems(built)

    def test_other_compression_is_found_though_the_content_is_the_same(self, built: Pipeline) -> None:
        """Size and digests of the archive belong to the manifest."""
        data = gzip.decompress(built.archive().read_bytes())
        built.archive().write_bytes(gzip.compress(data, 1, mtime=0))
        text = problems(built)
        assert "the SHA-256 of the archive" in text
        assert "another content" not in text

    def test_a_wrong_identity_is_found(self, built: Pipeline) -> None:
        """The digest of the content is the name of the release."""
        change_manifest(built, content_sha256="0" * 64)
        assert "the manifest says " + "0" * 64 in problems(built)

    def test_a_script_beside_the_archive_is_compared_too(self, built: Pipeline) -> None:
        """Jobs that mount it would run it."""
        built.archive().with_name("operation_wrapper_first_map.sh").write_text("#!/bin/sh\n")
        assert problems(built) == (
            "`operation_wrapper_first_map.sh` beside the archive is not the one that the manifest says"
        )

    def test_without_a_manifest_there_is_nothing_to_compare(self, built: Pipeline) -> None:
        """An archive alone proves nothing."""
        built.archive().with_name("manifest.json").unlink()
        assert "has no manifest to compare it with" in refusal(lambda: checked(built))

    def test_without_an_archive_there_is_nothing_to_compare_either(self, built: Pipeline) -> None:
        """A manifest alone is a claim."""
        built.archive().unlink()
        assert "has no `source.tar.gz` beside it" in refusal(lambda: checked(built))

    def test_the_data_has_the_documented_shape(self, built: Pipeline) -> None:
        """Programs rely on these keys."""
        assert verification_data(checked(built)) == {
            "archive": checked(built).shown,
            "sound": True,
            "size": built.archive().stat().st_size,
            "file_count": len(contents(built.archive())),
            "problems": [],
            "signed_by": None,
        }

    @settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_no_change_of_the_archive_goes_unnoticed(self, built: Pipeline, data: st.DataObject) -> None:
        """Bytes changed, cut out or put in: there is always a problem, and never a traceback."""
        whole = built.archive().read_bytes()
        try:
            start = data.draw(st.integers(0, len(whole) - 1))
            length = data.draw(st.integers(0, 20))
            instead = data.draw(st.binary(max_size=20).filter(lambda new: new != whole[start : start + length]))
            built.archive().write_bytes(whole[:start] + instead + whole[start + length :])
            assert problems(built)
        finally:
            built.archive().write_bytes(whole)

    @settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_no_change_of_the_manifest_ends_in_a_traceback(self, built: Pipeline, data: st.DataObject) -> None:
        """A manifest comes from anywhere, too."""
        path = built.archive().with_name("manifest.json")
        whole = path.read_bytes()
        try:
            start = data.draw(st.integers(0, len(whole) - 1))
            instead = data.draw(st.binary(max_size=6) | st.sampled_from([b"0", b"-1", b"null", b'"', b"9" * 30]))
            path.write_bytes(whole[:start] + instead + whole[start + data.draw(st.integers(0, 6)) :])
            assert "\n" not in said(built)
        finally:
            path.write_bytes(whole)


class TestAgainstANewBuild:
    def again(self, pipeline: Pipeline, **environ: str) -> Agreement:
        """Build again and compare."""
        return build_again(artifact(pipeline), pipeline.project(), pipeline.settings(), environ=environ)

    def test_the_same_sources_give_the_same_bytes(self, built: Pipeline) -> None:
        """Nothing is left behind, and nothing else is said."""
        before = sorted(path for path in built.root.rglob("*"))
        assert self.again(built) == ("bytes", None, 0, None)
        assert sorted(path for path in built.root.rglob("*")) == before

    def test_the_time_of_the_archive_is_taken(self, built: Pipeline) -> None:
        """Whatever the environment says now."""
        built.build(environ={"SOURCE_DATE_EPOCH": "1000"})
        assert self.again(built, SOURCE_DATE_EPOCH="2000").agrees == "bytes"

    def test_a_changed_line_is_named(self, built: Pipeline) -> None:
        """File, line and sizes."""
        built.write({"tools/a.py": "A = 1\nB = 33\n"})
        found = self.again(built)
        assert (found.agrees, found.files_differing) == ("neither", 1)
        assert found.first_difference == (
            "the content of `tools/a.py`, from line 2 on: 12 bytes in the archive, 13 in the sources"
        )
        assert agreement_text(found).startswith("built again: another archive; 1 file differs\n")

    def test_a_file_that_came_or_went_is_named(self, built: Pipeline) -> None:
        """The first one in the order of the archive."""
        built.write({"tools/b.py": ""})
        assert self.again(built).first_difference == "`tools/b.py` is in the sources, and not in the archive"
        built.remove("tools/a.py")
        found = self.again(built)
        assert found.first_difference == "`tools/a.py` is in the archive, and not in the sources"
        assert found.files_differing == 2

    def test_a_changed_mode_is_named(self, built: Pipeline) -> None:
        """The attribute, before and after."""
        (built.root / "tools/a.py").chmod(0o755)
        assert self.again(built).first_difference == "the mode of `tools/a.py`: 644 in the archive, 755 in the sources"

    def test_other_compression_is_told_from_other_content(self, built: Pipeline) -> None:
        """The release is the same, its bytes are not."""
        data = gzip.decompress(built.archive().read_bytes())
        built.archive().write_bytes(gzip.compress(data, 1, mtime=0))
        found = self.again(built)
        assert found.agrees == "content"
        assert found.first_difference is not None
        assert found.first_difference.startswith("the compressed bytes")

    def test_other_times_are_named(self, built: Pipeline) -> None:
        """As after a build that keeps the times of files."""
        files = contents(built.archive())
        members = []
        for path, content in files.items():
            info, data = member(path, content, mode=0o755 if path.endswith(".sh") else 0o644)
            info.mtime = 86400 if path == "tools/a.py" else 1580601600
            members.append((info, data))
        built.archive().write_bytes(gzip.compress(tar(members)))
        found = self.again(built)
        assert (found.agrees, found.files_differing) == ("content", 0)
        assert found.first_difference == (
            "the time of `tools/a.py`: 1970-01-02 00:00:00 UTC in the archive, 2020-02-02 00:00:00 UTC now"
        )

    def test_an_owner_in_the_archive_is_named(self, built: Pipeline) -> None:
        """Archives of other tools have them."""
        members = []
        for path, content in contents(built.archive()).items():
            info, data = member(path, content, mode=0o755 if path.endswith(".sh") else 0o644)
            info.mtime, info.uname = 1580601600, "me"
            members.append((info, data))
        built.archive().write_bytes(gzip.compress(tar(members)))
        assert self.again(built).first_difference == (
            "the owner of `tools/__init__.py`: me:0 in the archive, nobody now"
        )

    def test_the_commit_is_told_when_the_sources_are_at_another_one(self, built: Pipeline) -> None:
        """It is the likeliest reason."""
        built.write({".gitignore": "dist/\n"})
        first = built.commit()
        built.build()
        built.write({"tools/a.py": "A = 2\n"})
        second = built.commit()
        sources = self.again(built).sources
        assert (
            sources == f"the archive was built from commit {first[:12]}; the sources here are at commit {second[:12]}"
        )

    def test_an_archive_of_another_project_is_refused(self, built: Pipeline) -> None:
        """It would differ in everything, and say nothing."""
        change_manifest(built, project={"name": "other", "version": "1"})
        assert "is of the project `other`, and this is `demo`" in refusal(lambda: self.again(built))
