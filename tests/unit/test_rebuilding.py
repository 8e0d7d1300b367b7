"""Builds that remember earlier ones: the same bytes with a cold cache, a warm one or none, and never a stale part."""

from __future__ import annotations

import io
import os
import random
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import Pipeline, contents, make_pipeline

from hatch_ytupload.archive_layout import WHEELS
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.packing import compression
from hatch_ytupload.packing.archive import pack
from hatch_ytupload.packing.build import Built, build_bundle
from hatch_ytupload.packing.cache import Cache
from hatch_ytupload.packing.memory import BuildMemory, PartMemory
from hatch_ytupload.planning.plan import Generated, Part
from hatch_ytupload.sources.tree import single_file

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = {
    "configs/config.yaml": "pipeline:\n  upload_modules: [tools]\n  upload_paths: [{source: lib/geo}]\n",
    "stages/first/config.yaml": "job: {}\n",
    "stages/first/src/rows.py": "ROWS = 1\n",
    "stages/second/src/vanilla.py": "print('second')\n",
    "tools/__init__.py": "",
    "tools/deep/below/module.py": "VALUE = 'a'\n",
    "tools/empty_so_far/": "",
    "lib/geo/data.tsv": "a\tb\n",
    ".ytignore": "*.log\n",
}


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a pipeline with several parts."""
    return make_pipeline(tmp_path / "demo", FILES)


def made_cache(directory: Path, **options: int) -> Cache:
    """Return a cache in a directory, which is made."""
    directory.mkdir(exist_ok=True)
    return Cache(str(directory), b"key", **options)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Return an empty cache."""
    return made_cache(tmp_path / "cache")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let builds believe that everything on disk has been at rest for a minute."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)


def build(pipeline: Pipeline, cache: Cache | None, **settings: object) -> Built:
    """Build into `dist`."""
    return build_bundle(pipeline.project(), pipeline.settings(settings), str(pipeline.root / "dist"), cache=cache)


def built_bytes(pipeline: Pipeline, cache: Cache | None) -> bytes:
    """Build and return the archive's bytes."""
    return Path(build(pipeline, cache).archive).read_bytes()


@pytest.mark.usefixtures("later")
class TestSameBytes:
    """Whatever is remembered, the archive is the same."""

    def test_cold_warm_and_none(self, pipeline: Pipeline, cache: Cache) -> None:
        """A build without cache, one that fills it and one that lives from it make one archive."""
        none = built_bytes(pipeline, None)
        cold = built_bytes(pipeline, cache)
        shutil.rmtree(pipeline.root / "dist")
        assert built_bytes(pipeline, cache) == cold == none

    @pytest.mark.parametrize("size", [0, 100_000, 200_000, 2**20, 2**21 - 1024, 3_500_001])
    def test_kept_parts_are_used(
        self, pipeline: Pipeline, cache: Cache, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        """With a warm cache only the end of the archive is compressed again, whatever the size of a file."""
        pipeline.write({"lib/geo/model.bin": random.Random(1).randbytes(size)})
        expected = built_bytes(pipeline, cache)
        shutil.rmtree(pipeline.root / "dist")
        compressed = []
        real = compression.compress

        def compress(block: bytes) -> bytes:
            compressed.append(len(block))
            return real(block)

        monkeypatch.setattr(compression, "compress", compress)
        assert built_bytes(pipeline, cache) == expected
        assert compressed == [10240]

    def test_with_wheels(self, cache: Cache, tmp_path: Path) -> None:
        """Wheels are packed as they are; what comes after kept parts is compressed as ever."""
        wheel = tmp_path / "a.whl"
        wheel.write_bytes(random.Random(1).randbytes(2**19))
        file = single_file(str(wheel), "wheels/a.whl", str(tmp_path), own=False, shown="a.whl")
        script = Generated("operation_wrapper_first_map.sh", b"#!/bin/bash\n", 0o755)
        parts = Part(WHEELS, (file,)), Part("wrappers", (script,))
        outputs = io.BytesIO(), io.BytesIO(), io.BytesIO()
        for output in outputs:
            memory = None if output is outputs[0] else PartMemory(cache, time.time_ns(), 0, keep_times=False)
            pack(parts, output, epoch=0, memory=memory)
        assert len({output.getvalue() for output in outputs}) == 1

    def test_an_edit_packs_its_part_only(self, pipeline: Pipeline, cache: Cache, tmp_path: Path) -> None:
        """The parts of all other sources stay as they are in the cache."""
        build(pipeline, cache)
        before = {path.name for path in (tmp_path / "cache").glob("part-*")}
        pipeline.write({"stages/first/src/rows.py": "ROWS = 2000\n"})
        build(pipeline, cache)
        assert len({path.name for path in (tmp_path / "cache").glob("part-*")} - before) == 1

    def test_other_builds_do_not_share_what_differs(self, pipeline: Pipeline, cache: Cache) -> None:
        """Another `SOURCE_DATE_EPOCH`, times of files, another compressor: nothing kept is used."""
        build(pipeline, cache)
        for environ in ({"SOURCE_DATE_EPOCH": "1"}, {}):
            for reproducible in (True, False):
                archives = [
                    Path(
                        build_bundle(
                            pipeline.project(),
                            pipeline.settings({}),
                            str(pipeline.root / "dist"),
                            cache=kept,
                            environ=environ,
                            reproducible=reproducible,
                        ).archive
                    ).read_bytes()
                    for kept in (cache, None)
                ]
                assert archives[0] == archives[1]

    def test_another_compressor(self, pipeline: Pipeline, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
        """Parts that another compressor made are not mixed in."""
        first = built_bytes(pipeline, cache)
        monkeypatch.setattr(compression, "SMALL_LEVEL", 1)
        second = built_bytes(pipeline, cache)
        assert second != first
        assert second == built_bytes(pipeline, None)


def outcome(pipeline: Pipeline, cache: Cache | None) -> bytes:
    """Build and return the archive's bytes, or the message of the error that it ended with."""
    try:
        return built_bytes(pipeline, cache)
    except YtUploadError as error:
        return str(error).encode()


MUTATIONS: dict[str, Callable[[Pipeline], object]] = {
    "an edit": lambda p: p.write({"tools/deep/below/module.py": "VALUE = 'abc'\n"}),
    "an edit of the same size": lambda p: p.write({"tools/deep/below/module.py": "VALUE = 'b'\n"}),
    "a file in a directory that held none": lambda p: p.write({"tools/empty_so_far/new.py": "NEW = 1\n"}),
    "a new directory": lambda p: p.write({"tools/fresh/new.py": "NEW = 1\n"}),
    "a removed file": lambda p: p.remove("stages/first/src/rows.py"),
    "a removed directory": lambda p: p.remove("tools/deep"),
    "a renamed file": lambda p: (p.root / "lib/geo/data.tsv").rename(p.root / "lib/geo/other.tsv"),
    "the executable bit": lambda p: (p.root / "lib/geo/data.tsv").chmod(0o755),
    "an ignore file above": lambda p: p.write({".ytignore": "*.tsv2\nmodule.py\n"}),
    "an ignore file half way": lambda p: p.write({"tools/.ytignore": "deep/\n!deep/\n*.py\n!__init__.py\n"}),
    "an ignore file beside": lambda p: p.write({"lib/geo/.ytignore": "!*.log\n", "lib/geo/kept.log": "kept\n"}),
    "a removed ignore file": lambda p: (p.write({"lib/geo/x.log": "x\n"}), p.remove(".ytignore")),
    "a stage config": lambda p: p.write({"stages/first/config.yaml": "job: {a: 1}\n"}),
    "a new requirements file": lambda p: p.write({"stages/second/requirements.txt": "six\n"}),
    "a new stage": lambda p: p.write({"stages/third/src/mapper.py": "print(3)\n"}),
    "a new operation": lambda p: p.write({"stages/second/src/mapper.py": "print(2)\n"}),
    "the framework": lambda p: p.write({"ytjobs/__init__.py": "STAND_IN = 1234\n"}),
    "the version": lambda p: p.write({"pyproject.toml": '[project]\nname = "demo"\nversion = "1.0"\n[tool.x]\n'}),
}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", MUTATIONS)
def test_every_change_gets_into_the_archive(pipeline: Pipeline, cache: Cache, change: str) -> None:
    """After a change the build with a warm cache makes what a build without one makes."""
    before = contents(build(pipeline, cache).archive)
    MUTATIONS[change](pipeline)
    warm = build(pipeline, cache)
    warm_bytes = Path(warm.archive).read_bytes()
    after = contents(warm.archive)
    assert warm_bytes == built_bytes(pipeline, None)
    if change not in ("the version", "the executable bit"):
        assert after != before


@pytest.mark.usefixtures("later")
def test_restored_times_do_not_deceive(pipeline: Pipeline, cache: Cache) -> None:
    """An edit of the same size with the old time of modification put back is seen by the time of status change."""
    build(pipeline, cache)
    file = pipeline.root / "tools/deep/below/module.py"
    status = file.stat()
    file.write_text("VALUE = 'z'\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert contents(build(pipeline, cache).archive)["tools/deep/below/module.py"] == b"VALUE = 'z'\n"


@pytest.mark.usefixtures("later")
def test_a_file_put_in_place_of_another(pipeline: Pipeline, cache: Cache, tmp_path: Path) -> None:
    """A rename over a file, with size and time of modification the same, is seen by the inode."""
    build(pipeline, cache)
    file = pipeline.root / "tools/deep/below/module.py"
    other = tmp_path / "other.py"
    other.write_text("VALUE = 'q'\n")
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)
    assert contents(build(pipeline, cache).archive)["tools/deep/below/module.py"] == b"VALUE = 'q'\n"


@pytest.mark.usefixtures("later")
def test_a_link_that_leads_elsewhere_now(pipeline: Pipeline, cache: Cache) -> None:
    """What a link leads to is part of what is known about a part, for files and for directories."""
    pipeline.write({"shared/a.py": "A = 1\n", "shared/b.py": "B = 2\n", "shared/c/x.py": "X\n", "shared/d/x.py": "Y\n"})
    for name, first, second in (("link.py", "a.py", "b.py"), ("links", "c", "d")):
        link = pipeline.root / "tools" / name
        link.symlink_to(f"../shared/{first}")
        build(pipeline, cache)
        link.unlink()
        link.symlink_to(f"../shared/{second}")
    found = contents(build(pipeline, cache).archive)
    assert (found["tools/link.py"], found["tools/links/x.py"]) == (b"B = 2\n", b"Y\n")


def test_changes_within_one_tick_of_the_clock(pipeline: Pipeline, cache: Cache) -> None:
    """A file that was written a moment ago may change again without a trace, so its part is not kept."""
    file = pipeline.root / "tools/deep/below/module.py"
    for number in range(50):
        text = f"VALUE = {number:03}\n"
        file.write_text(text)
        assert contents(build(pipeline, cache).archive)["tools/deep/below/module.py"] == text.encode()


def test_what_changed_a_moment_ago_is_not_kept(pipeline: Pipeline, cache: Cache, tmp_path: Path) -> None:
    """Files this young prove nothing by their times; only the wrapper scripts are known by their content."""
    build(pipeline, cache)
    assert [path.name.partition("-")[0] for path in (tmp_path / "cache").iterdir()] == ["part"]
    assert build(pipeline, cache).changed


@pytest.mark.slow
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.sampled_from(sorted(MUTATIONS)), min_size=1, max_size=6))
def test_any_sequence_of_changes(changes: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Random changes one after the other, each built with the same cache: always what a build without one makes."""
    directory = tmp_path_factory.mktemp("sequence")
    pipeline = make_pipeline(directory / "demo", FILES)
    cache = made_cache(directory / "cache")
    with pytest.MonkeyPatch.context() as patch:
        now = time.time_ns
        patch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)
        for change in changes:
            try:
                MUTATIONS[change](pipeline)
            except FileNotFoundError:
                continue  # removed by an earlier change
            # The clock that the changes are told apart by ticks every few milliseconds.
            time.sleep(0.005)
            assert outcome(pipeline, cache) == outcome(pipeline, None)


@pytest.mark.usefixtures("later")
class TestNothingChanged:
    """A build that would change nothing leaves the bundle alone and says so."""

    def test_it_is_left_alone(self, pipeline: Pipeline, cache: Cache) -> None:
        """Not even the directory is written."""
        first = build(pipeline, cache)
        bundle = Path(first.archive).parent
        # Without the time of the last access: to look at a directory is not to write it.
        before = [(status.st_ino, status.st_ctime_ns) for status in (bundle.stat(), Path(first.archive).stat())]
        second = build(pipeline, cache)
        assert [(status.st_ino, status.st_ctime_ns) for status in (bundle.stat(), Path(first.archive).stat())] == before
        assert (first.changed, second.changed) == (True, False)
        assert second.summary.startswith("nothing changed: ")
        assert (second.size, second.sha256, second.content_sha256, second.files) == (
            first.size,
            first.sha256,
            first.content_sha256,
            first.files,
        )

    @pytest.mark.parametrize("file", ["source.tar.gz", "manifest.json"])
    def test_a_bundle_that_somebody_touched_is_built_again(self, pipeline: Pipeline, cache: Cache, file: str) -> None:
        """A truncated, removed or overwritten file of the bundle is noticed."""
        first = build(pipeline, cache)
        place = Path(first.archive).parent / file
        good = place.read_bytes()
        for spoil in (lambda: place.write_bytes(good[:-1]), place.unlink, lambda: place.write_bytes(good[::-1])):
            spoil()
            assert build(pipeline, cache).changed
            assert place.read_bytes() == good

    def test_a_bundle_that_another_build_replaced_at_once(
        self, pipeline: Pipeline, cache: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A build remembers the bundle that it made, not the one that it finds in its place a moment later."""
        close = BuildMemory.close

        def another_first(*arguments: Any, **options: Any) -> None:
            monkeypatch.setattr(BuildMemory, "close", close)
            build(pipeline, None, standalone_wrappers=True)
            close(*arguments, **options)

        monkeypatch.setattr(BuildMemory, "close", another_first)
        build(pipeline, cache)
        assert build(pipeline, cache).changed
        assert not build(pipeline, cache).changed

    def test_settings_that_change_the_bundle(self, pipeline: Pipeline, cache: Cache) -> None:
        """Wrapper scripts beside the archive appear and disappear with their setting."""
        build(pipeline, cache)
        built = build(pipeline, cache, standalone_wrappers=True)
        scripts = Path(built.archive).parent / "operation_wrapper_first_map.sh"
        assert built.changed
        assert os.access(scripts, os.X_OK)
        assert build(pipeline, cache).changed
        assert not scripts.exists()

    def test_a_commit_shows_in_the_manifest(self, pipeline: Pipeline, cache: Cache) -> None:
        """The same content of another commit is the same archive with another manifest."""
        pipeline.commit()
        first = build(pipeline, cache)
        commit = pipeline.commit()
        second = build(pipeline, cache)
        assert second.changed
        assert second.sha256 == first.sha256
        assert commit in (Path(second.archive).parent / "manifest.json").read_text()


@pytest.mark.usefixtures("later")
class TestDamage:
    """A cache may be damaged, deleted or unusable at any time."""

    @pytest.mark.parametrize("kind", ["part", "listings", "bundle"])
    @pytest.mark.parametrize("how", ["flip", "truncate", "empty", "extend", "directory", "swap"])
    def test_damaged_files_are_as_good_as_none(
        self, pipeline: Pipeline, cache: Cache, tmp_path: Path, kind: str, how: str
    ) -> None:
        """What is damaged is noticed and made again."""
        good = built_bytes(pipeline, cache)
        files = sorted((tmp_path / "cache").glob(f"{kind}-*"))
        assert files
        others = [path.read_bytes() for path in files[1:] + files[:1]]
        for path, other in zip(files, others, strict=True):
            data = path.read_bytes()
            middle = len(data) // 2
            if how == "directory":
                path.unlink()
                path.mkdir()
                continue
            path.write_bytes(
                {
                    "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
                    "truncate": data[:-1],
                    "empty": b"",
                    "extend": data + b"\0",
                    "swap": other[:-1] + data[-1:],
                }[how]
            )
        shutil.rmtree(pipeline.root / "dist")
        assert built_bytes(pipeline, cache) == good

    def test_damaged_parts_that_cannot_be_removed(
        self, pipeline: Pipeline, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each is tried once, and then packed."""
        good = built_bytes(pipeline, cache)
        parts = [*(tmp_path / "cache").glob("part-*")]
        for path in parts:
            data = path.read_bytes()
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        kept = []

        def keep(_cache: Cache, name: str) -> None:
            kept.append(name)
            assert len(kept) <= len(parts)

        monkeypatch.setattr(Cache, "remove", keep)
        shutil.rmtree(pipeline.root / "dist")
        assert built_bytes(pipeline, cache) == good
        assert sorted(kept) == sorted(path.name for path in parts)

    @pytest.mark.slow
    def test_a_cache_deleted_while_it_is_in_use(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """Other processes may clean up in the middle of a build."""
        good = built_bytes(pipeline, None)
        cache = made_cache(tmp_path / "cache")
        with ThreadPoolExecutor(2) as pool:
            running = pool.submit(lambda: [built_bytes(pipeline, cache) for _ in range(30)])
            while not running.done():
                shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        assert set(running.result()) == {good}

    def test_a_cache_that_cannot_be_written(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """A file in place of its directory keeps nothing and hurts nobody."""
        (tmp_path / "cache").write_text("in the way")
        cache = Cache(str(tmp_path / "cache" / "below"), b"key")
        assert built_bytes(pipeline, cache) == built_bytes(pipeline, None)

    def test_several_builds_at_once(self, pipeline: Pipeline, cache: Cache, tmp_path: Path) -> None:
        """Builds that fill and trim one cache at the same time all make the same archive."""
        good = built_bytes(pipeline, None)

        def one(number: int) -> bytes:
            small = made_cache(tmp_path / "cache", limit=2000 if number % 2 else 10**9)
            dist = str(tmp_path / f"dist{number % 4}")
            built = build_bundle(pipeline.project(), pipeline.settings({}), dist, cache=small)
            return Path(built.archive).read_bytes() if number % 4 == number else good

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(one, range(24))) == {good}


class TestSize:
    """The cache stays within its limit."""

    def test_the_least_recently_used_goes_first(self, tmp_path: Path) -> None:
        """What was read lately stays."""
        cache = Cache(str(tmp_path), b"key", limit=500)
        names = [f"part-{letter * 64}" for letter in "abcd"]
        for number, name in enumerate(names):
            cache.write(name, bytes(120))
            os.utime(tmp_path / name, (number, number))
        assert cache.read(names[0]) == bytes(120)
        cache.trim()
        assert {path.name for path in tmp_path.iterdir()} == {names[0], names[2], names[3]}

    def test_what_others_put_there_stays(self, tmp_path: Path) -> None:
        """Whatever the size and the age of files that no build writes; what killed builds left goes in time."""
        names = ["thesis.txt", "part-1", "part-" + "g" * 64, ".new-", "xpart-" + "a" * 64, "CACHEDIR.TAG"]
        for name in names:
            (tmp_path / name).write_bytes(bytes(1000))
            os.utime(tmp_path / name, (0, 0))
        (tmp_path / f"part-{'d' * 64}").mkdir()
        cache = Cache(str(tmp_path), b"key", limit=100)
        cache.write("part-" + "b" * 64, bytes(200))
        (tmp_path / ".new-abcdefgh").write_bytes(b"1")
        cache.trim()
        assert {path.name for path in tmp_path.iterdir()} == {*names, f"part-{'d' * 64}", ".new-abcdefgh"}
        os.utime(tmp_path / ".new-abcdefgh", (0, 0))
        cache.trim()
        assert {path.name for path in tmp_path.iterdir()} == {*names, f"part-{'d' * 64}"}

    @pytest.mark.usefixtures("later")
    def test_builds_trim(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """A build that kept something removes what is too much."""
        build(pipeline, made_cache(tmp_path / "cache", limit=2500))
        assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 2500


@pytest.mark.usefixtures("later")
def test_the_command_line_has_a_way_around_the_cache(pipeline: Pipeline, tmp_path: Path) -> None:
    """`--no-cache` and `YTUPLOAD_NO_CACHE` keep nothing; without them the cache is where the variable says."""
    environ = {"YTUPLOAD_CACHE_DIR": str(tmp_path / "cache"), "YTUPLOAD_NO_CACHE": ""}
    assert pipeline.run("build", "--no-cache", environ=environ).returncode == 0
    assert not (tmp_path / "cache").exists()
    assert pipeline.run("build", environ={**environ, "YTUPLOAD_NO_CACHE": "1"}).returncode == 0
    assert not (tmp_path / "cache").exists()
    assert pipeline.run("build", environ=environ).returncode == 0
    assert any((tmp_path / "cache").iterdir())


@pytest.mark.usefixtures("later")
def test_another_interpreter_does_not_see_these_listings(
    pipeline: Pipeline, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listings are kept for each environment."""
    build(pipeline, cache)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    build(pipeline, cache)
    assert len(list((tmp_path / "cache").glob("listings-*"))) == 2
