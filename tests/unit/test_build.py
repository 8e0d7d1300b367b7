"""One build: the bundle, what is told about it, and what stays when it fails."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pipelines import (
    CHECKOUT,
    PYPROJECT,
    Pipeline,
    clean_environment,
    contents,
    make_pipeline,
    refusal,
    run_command_line,
)

from hatch_ytupload.packing.build import DEFAULT_EPOCH, source_date_epoch
from hatch_ytupload.packing.bundle import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "demo-1.0.ytarchive"


class TestBundle:
    """What a build leaves."""

    def test_archive_and_manifest_are_left(self, pipeline: Pipeline) -> None:
        """In a directory of their own, and nothing beside it."""
        built = pipeline.build()
        assert os.listdir(pipeline.root / "dist") == [NAME]
        assert sorted(os.listdir(pipeline.root / "dist" / NAME)) == ["manifest.json", "sbom.cdx.json", "source.tar.gz"]
        assert built.archive == str(pipeline.archive())
        assert set(contents(built.archive)) == {
            "operation_wrapper_first_map.sh", "stages/first/src/mapper.py", "ytjobs/__init__.py",
        }  # fmt: skip

    def test_everything_about_it_is_told(self, pipeline: Pipeline) -> None:
        """Size, digests, number of files, and a line for people."""
        pipeline.write({".ytignore": "*.log\n", "stages/first/src/a.log": "", "stages/first/src/b.log": ""})
        built = pipeline.build()
        data = Path(built.archive).read_bytes()
        assert (built.size, built.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert built.content_sha256 == read_bundle(built.archive).manifest.content_sha256
        assert (built.files, built.changed, built.warnings) == (3, True, ())
        size = sum(map(len, contents(built.archive).values()))
        assert built.summary == f"packed 3 files ({size} B, {len(data)} B compressed), left out 2 by `.ytignore`"

    def test_wrappers_lie_beside_it_on_request(self, pipeline: Pipeline) -> None:
        """The same bytes as in the archive, executable."""
        pipeline.write({"stages/first/src/reducer.py": ""})
        built = pipeline.build(table={"standalone_wrappers": True})
        packed = {name: data for name, data in contents(built.archive).items() if name.endswith(".sh")}
        assert len(packed) == 4
        for name, data in packed.items():
            beside = Path(built.archive).parent / name
            assert beside.read_bytes() == data
            assert os.access(beside, os.X_OK)

    def test_the_next_build_replaces_all_of_it(self, pipeline: Pipeline) -> None:
        """Files that are no longer made go."""
        pipeline.build(table={"standalone_wrappers": True})
        pipeline.build()
        assert sorted(os.listdir(pipeline.root / "dist" / NAME)) == ["manifest.json", "sbom.cdx.json", "source.tar.gz"]

    def test_other_files_in_the_build_directory_stay(self, pipeline: Pipeline) -> None:
        """It belongs to many builds."""
        others = {"dist/demo-1.0.tar.gz": "a", "dist/demo-0.9.ytarchive/x": "b", "dist/.hidden": "c"}
        pipeline.write({**others})
        pipeline.build()
        assert {name: (pipeline.root / name).read_text() for name in others} == others

    def test_the_sources_stay_as_they_are(self, pipeline: Pipeline) -> None:
        """A build writes into its build directory alone."""
        before = {path: path.stat().st_mtime_ns for path in pipeline.root.rglob("*")}
        pipeline.build(pipeline.root.parent / "out")
        assert {path: path.stat().st_mtime_ns for path in pipeline.root.rglob("*")} == before


class TestTimes:
    """`SOURCE_DATE_EPOCH`, and times that are kept."""

    def times(self, archive: str) -> set[int | float]:
        """Return the times of all members."""
        with tarfile.open(archive) as tar:
            return {member.mtime for member in tar}

    @pytest.mark.parametrize(
        ("value", "expected"), [(None, DEFAULT_EPOCH), ("", DEFAULT_EPOCH), ("0", 0), ("8589934591", 8**11 - 1)]
    )
    def test_all_members_have_one_time(self, pipeline: Pipeline, value: str | None, expected: int) -> None:
        """That of the variable, or Hatch's default."""
        built = pipeline.build(environ={} if value is None else {"SOURCE_DATE_EPOCH": value})
        assert self.times(built.archive) == {expected}
        assert read_bundle(built.archive).manifest.source_date_epoch == expected

    def test_the_default_is_that_of_hatch(self) -> None:
        """So that all artifacts of a project have one time."""
        from hatchling.builders.utils import get_reproducible_timestamp

        assert source_date_epoch({}) == get_reproducible_timestamp()

    @pytest.mark.parametrize("value", ["abc", "-1", "1.5", "8589934592", "٣", "1e9", " 1", "1\n", "9" * 5000])
    def test_what_is_no_time_is_an_error(self, value: str) -> None:
        """One line, before anything is built."""
        line = refusal(lambda: source_date_epoch({"SOURCE_DATE_EPOCH": value}))
        assert line.startswith("`SOURCE_DATE_EPOCH` must be whole seconds since 1970, at most 8589934591, found `")

    def test_times_of_files_are_kept_on_request(self, pipeline: Pipeline) -> None:
        """That is what `reproducible = false` means."""
        for path in ("stages/first/src/mapper.py", "ytjobs/__init__.py"):
            os.utime(pipeline.root / path, (1_600_000_000, 1_600_000_000))
        built = pipeline.build(reproducible=False)
        assert self.times(built.archive) == {1_600_000_000, DEFAULT_EPOCH}


class TestWarnings:
    """What the user should know, though the build went well."""

    def test_a_large_archive_is_told(self, pipeline: Pipeline) -> None:
        """With its largest files."""
        pipeline.write({"stages/first/src/big.bin": os.urandom(2_000_000)})
        (warning,) = pipeline.build(table={"max_archive_mb": 1}).warnings
        assert warning.startswith("the archive has 2.0 MB, more than `max_archive_mb = 1`; its largest files: ")
        assert "`stages/first/src/big.bin` (2.0 MB)" in warning
        assert pipeline.build(table={"max_archive_mb": 0}).warnings == ()


class TestFailures:
    """Builds that fail leave what was there."""

    @pytest.mark.parametrize(
        "damage",
        [
            lambda root: (root / "stages/first/src/mapper.py").unlink(),
            lambda root: os.mkfifo(root / "stages/first/src/fifo"),
            lambda root: (root / "stages/first/src/leak").symlink_to("/etc/hostname"),
            lambda root: (root / "stages/first/src/key").write_text("-----BEGIN PRIVATE KEY-----\n"),
            lambda root: (root / "stages/first/src/.env").touch(),
            lambda root: (root / "stages/first/config.yaml").write_text("a: [\n"),
            lambda root: (root / "pyproject.toml").write_text(f"{PYPROJECT}[tool.ytupload]\nx = 1\n"),
        ],
        ids=["no entry point", "FIFO", "escaping link", "private key", "credentials", "config", "settings"],
    )
    def test_the_old_bundle_stays(self, pipeline: Pipeline, damage: Callable[[Path], object]) -> None:
        """Whole, and nothing else is left."""
        pipeline.build()
        before = {path.name: path.read_bytes() for path in pipeline.archive().parent.iterdir()}
        damage(pipeline.root)
        assert pipeline.refusal(build=True)
        assert {path.name: path.read_bytes() for path in pipeline.archive().parent.iterdir()} == before
        assert os.listdir(pipeline.root / "dist") == [NAME]

    def test_nothing_is_made_where_nothing_can_be_built(self, pipeline: Pipeline) -> None:
        """Not even the build directory."""
        pipeline.remove("stages")
        assert pipeline.refusal(build=True).startswith("no stage with code to run")
        assert not (pipeline.root / "dist").exists()


class TestCommand:
    """`hatch-ytupload build`."""

    def test_it_is_the_same_build(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """The same bundle, file by file."""
        built = pipeline.build(tmp_path / "out")
        process = pipeline.run("build")
        assert (process.returncode, process.stdout) == (0, f"dist/{NAME}/source.tar.gz\n")
        assert process.stderr == f"{built.summary}\n"
        for name in ("source.tar.gz", "manifest.json"):
            assert (pipeline.archive().parent / name).read_bytes() == (tmp_path / "out" / NAME / name).read_bytes()

    def test_its_result_can_be_json(self, pipeline: Pipeline) -> None:
        """All on standard output, with the warnings."""
        import json

        pipeline.write({"configs/config.yaml": "pipeline: {mode: dev}\n"})
        make_pipeline(pipeline.root, settings='mode = "prod"')
        process = pipeline.run("--json", "build", "-d", "out")
        told = json.loads(process.stdout)
        archive = pipeline.root / "out" / NAME / "source.tar.gz"
        manifest = read_bundle(str(archive)).manifest
        warning = told.pop("warnings")
        assert told == {
            "archive": str(archive),
            "size": archive.stat().st_size,
            "sha256": manifest.archive.sha256,
            "content_sha256": manifest.content_sha256,
            "files": 3,
            "changed": True,
        }
        assert len(warning) == 1
        assert f"Warning: {warning[0]}\n" in process.stderr

    def test_paths_are_relative_to_where_it_is_called(self, pipeline: Pipeline) -> None:
        """From a directory below the project, and with `-C` to the one that it names."""
        below = pipeline.root / "stages/first"
        process = pipeline.run("build", "-d", "out", cwd=below)
        assert process.stdout == f"out/{NAME}/source.tar.gz\n"
        assert (below / "out" / NAME).is_dir()
        process = run_command_line("-C", "demo", "build", cwd=pipeline.root.parent)
        assert process.stdout == f"dist/{NAME}/source.tar.gz\n"
        assert pipeline.archive().is_file()

    def test_a_bundle_of_another_environment_is_replaced_with_a_warning(
        self, pipeline: Pipeline, tmp_path: Path
    ) -> None:
        """Where that asks for something else; a directory of its own keeps both."""
        pipeline.write({"lib/data": "1"})
        paths = {"upload_paths": [{"source": "lib", "target": "data"}]}
        table = {"environments": {"one": paths, "two": {}, "three": {}}}

        def build(environment: str, dist: str = "dist") -> list[str]:
            place = tmp_path / dist
            environ = {"YTUPLOAD_ENVIRONMENT": environment}
            return [line for line in pipeline.build(place, table, environ=environ).warnings if "replaced" in line]

        assert build("one") == build("one") == []
        (line,) = build("two")
        shown = os.path.relpath(tmp_path / "dist" / NAME)
        shown = min(shown, str(tmp_path / "dist" / NAME), key=len)
        assert line == (
            f"`{shown}` was built for the environment `one` with `upload_paths` lib as data, and is replaced; "
            "`hatch-ytupload build -d DIR` keeps both"
        )
        assert build("three") == []
        assert build("one", "other") == []
        assert len(build("one")) == 1
        (tmp_path / "dist" / NAME / "manifest.json").write_bytes(b'"selection": {"environment": "two"},\n')
        assert build("one") == []

    def test_another_config_can_be_named(self, pipeline: Pipeline) -> None:
        """For another environment."""
        pipeline.write({"configs/prod.yaml": "pipeline: {upload_modules: [geo]}\n", "geo/__init__.py": ""})
        assert pipeline.run("build", "--config", "configs/prod.yaml").returncode == 0
        assert "geo/__init__.py" in contents(pipeline.archive())

    def test_hatch_says_where_builds_go(self, pipeline: Pipeline) -> None:
        """Unless told otherwise."""
        make_pipeline(
            pipeline.root,
            pyproject='[project]\nname = "demo"\nversion = "1.0"\n[tool.hatch.build]\ndirectory = "out"\n',
        )
        assert pipeline.run("build").stdout == f"out/{NAME}/source.tar.gz\n"

    def test_it_does_not_stop_at_letters_that_cannot_be_shown(self, tmp_path: Path) -> None:
        """Under a locale without them, the path is written as the bytes that it is."""
        pipeline = make_pipeline(tmp_path / "путь")
        process = subprocess.run(
            [sys.executable, "-m", "hatch_ytupload", "build", "-d", "выход"],
            cwd=pipeline.root,
            env=clean_environment(PYTHONPATH=str(CHECKOUT), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
            capture_output=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        assert process.stdout.decode() == f"выход/{NAME}/source.tar.gz\n"
