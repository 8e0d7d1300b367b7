"""`dist/<name>-<version>.ytarchive/`: replaced as a whole, found again, removed alone."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pipelines import CHECKOUT, Pipeline, clean_environment, refusal, refused_line, run_command_line, unprivileged

from hatch_ytupload.packing.bundle import bundle_directory, read_bundle, remove_bundle, replacing, write_file

NAME = "demo-1.0.ytarchive"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Return a build directory that is not there yet."""
    return tmp_path / "out/dist"


def fill(directory: str, content: str) -> None:
    """Write an archive and the digest of it, as a build does."""
    write_file(os.path.join(directory, "source.tar.gz"), [content.encode()])
    write_file(os.path.join(directory, "manifest.json"), [hashlib.sha256(content.encode()).hexdigest().encode()])


def put(dist: Path, content: str) -> Path:
    """Put a bundle into its place and return it."""
    with replacing(str(dist / NAME)) as temporary:
        fill(temporary, content)
    return dist / NAME


def state(dist: Path) -> dict[str, str]:
    """Return all files of a build directory."""
    return {str(path.relative_to(dist)): path.read_text() for path in sorted(dist.rglob("*")) if path.is_file()}


def bundle_of(content: str) -> dict[str, str]:
    """Return what a build directory holds that has one bundle and nothing else."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {f"{NAME}/manifest.json": digest, f"{NAME}/source.tar.gz": content}


class Interrupted(BaseException):
    """Something like Ctrl-C."""


class TestReplacing:
    """`replacing`."""

    def test_the_first_bundle_takes_its_place(self, dist: Path) -> None:
        """Directories above it are made."""
        put(dist, "one")
        assert state(dist) == bundle_of("one")

    def test_the_next_one_replaces_it(self, dist: Path) -> None:
        """With all its files: nothing of the old one is left."""
        put(dist, "one").joinpath("operation_wrapper_a_map.sh").touch()
        put(dist, "two")
        assert state(dist) == bundle_of("two")

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Interrupted])
    def test_whatever_goes_wrong_the_old_one_stays(self, dist: Path, error: type[BaseException]) -> None:
        """And no trace of the attempt."""
        put(dist, "one")

        def build() -> None:
            with replacing(str(dist / NAME)) as temporary:
                fill(temporary, "half")
                raise error

        with pytest.raises(error):
            build()
        assert state(dist) == bundle_of("one")
        assert os.listdir(dist) == [NAME]

    def test_nobody_sees_it_before_it_is_whole(self, dist: Path) -> None:
        """While it is made it is beside its place, hidden."""
        put(dist, "one")
        with replacing(str(dist / NAME)) as temporary:
            fill(temporary, "two")
            assert os.path.dirname(temporary) == str(dist)
            assert os.path.basename(temporary).startswith(f".{NAME}.")
            assert (dist / NAME / "source.tar.gz").read_text() == "one"

    @pytest.mark.parametrize(
        ("mask", "directory", "file"), [(0o022, 0o755, 0o644), (0o077, 0o700, 0o600), (0, 0o777, 0o644)]
    )
    def test_modes_follow_the_umask(self, dist: Path, mask: int, directory: int, file: int) -> None:
        """Whoever may read what is built may read this."""
        before = os.umask(mask)
        try:
            bundle = put(dist, "one")
        finally:
            os.umask(before)
        assert bundle.stat().st_mode & 0o777 == directory
        assert (bundle / "manifest.json").stat().st_mode & 0o777 == file

    def test_executables_stay_executable(self, tmp_path: Path) -> None:
        """Wrapper scripts beside the archive can be started."""
        write_file(str(tmp_path / "wrapper.sh"), [], 0o755)
        assert os.access(tmp_path / "wrapper.sh", os.X_OK)

    def test_a_file_in_the_way_of_the_directory_is_named(self, dist: Path) -> None:
        """`dist` itself may be a file."""
        dist.parent.mkdir()
        dist.touch()
        assert refusal(lambda: put(dist, "one")) == f"cannot write `{dist}`: File exists"
        (dist.parent / "below").touch()
        below = dist.parent / "below/dist"
        assert refusal(lambda: put(below, "one")) == f"cannot write `{below}`: Not a directory"

    @pytest.mark.parametrize("kind", ["file", "link"])
    def test_what_has_the_name_of_the_bundle_is_replaced(self, dist: Path, kind: str) -> None:
        """The name is ours; what a link leads to is not."""
        dist.mkdir(parents=True)
        elsewhere = dist.parent / "elsewhere"
        elsewhere.mkdir()
        if kind == "file":
            (dist / NAME).touch()
        else:
            (dist / NAME).symlink_to(elsewhere)
        put(dist, "one")
        assert state(dist) == bundle_of("one")
        assert os.listdir(dist) == [NAME]
        assert elsewhere.is_dir()

    def test_an_error_of_the_disk_is_one_line(self, dist: Path) -> None:
        """Whatever is written when it happens."""
        put(dist, "one")

        def build() -> None:
            with replacing(str(dist / NAME)):
                raise OSError(28, "No space left on device")

        assert refusal(build) == f"cannot write `{dist / NAME}`: No space left on device"
        assert state(dist) == bundle_of("one")


class TestTwoAtOnce:
    """Builds that run at the same time."""

    def test_they_never_mix(self, dist: Path) -> None:
        """Whoever opens the directory finds the archive that its manifest tells of, at every moment."""
        put(dist, "start")
        done = threading.Event()
        seen: set[str] = set()
        mixed: list[tuple[str, str]] = []

        def read() -> None:
            while not done.is_set():
                directory = os.open(dist / NAME, os.O_RDONLY)
                try:
                    archive, manifest = (open_below(directory, name) for name in ("source.tar.gz", "manifest.json"))
                finally:
                    os.close(directory)
                # An old bundle may be on its way out, and one of its files be gone already.
                if archive is not None and manifest is not None:
                    seen.add(archive)
                    if hashlib.sha256(archive.encode()).hexdigest() != manifest:
                        mixed.append((archive, manifest))

        def build(writer: int) -> None:
            for number in range(60):
                put(dist, f"{writer} {number}")

        reader = threading.Thread(target=read)
        writers = [threading.Thread(target=build, args=(writer,)) for writer in range(3)]
        reader.start()
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        done.set()
        reader.join()
        assert mixed == []
        assert seen
        assert os.listdir(dist) == [NAME]
        assert state(dist) in [bundle_of(f"{writer} 59") for writer in range(3)]

    def test_processes_do_not_mix_either(self, pipeline: Pipeline) -> None:
        """Several command lines at once all end well, and leave one whole bundle."""
        pipeline.write({"stages/first/src/data.bin": os.urandom(300_000)})
        command = [sys.executable, "-m", "hatch_ytupload", "build"]
        environ = clean_environment(PYTHONPATH=str(CHECKOUT))
        variants = [{**environ, "SOURCE_DATE_EPOCH": str(number)} for number in range(4)]
        running = [
            subprocess.Popen(command, cwd=pipeline.root, env=variant, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for variant in variants
        ]
        for process in running:
            assert process.communicate()[1].startswith(b"packed "), process.args
        bundle = read_bundle(str(pipeline.root / "dist" / NAME))
        assert hashlib.sha256(Path(bundle.archive).read_bytes()).hexdigest() == bundle.manifest.archive.sha256
        assert os.listdir(pipeline.root / "dist") == [NAME]


def open_below(directory: int, name: str) -> str | None:
    """Return the content of a file of an open directory, None where it is gone."""
    try:
        descriptor = os.open(name, os.O_RDONLY, dir_fd=directory)
    except FileNotFoundError:
        return None
    with open(descriptor, encoding="utf-8") as file:
        return file.read()


class TestKilled:
    """Builds that end without a chance to clean up."""

    @pytest.fixture
    def left(self, dist: Path) -> Path:
        """Return what a build left that was killed in the middle, over an old bundle."""
        put(dist, "old")
        code = (
            "import sys, time\n"
            "from hatch_ytupload.packing.bundle import replacing\n"
            "with replacing(sys.argv[1]) as temporary:\n"
            "    open(temporary + '/source.tar.gz', 'w').write('half')\n"
            "    print(temporary, flush=True)\n"
            "    time.sleep(600)\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(dist / NAME)],
            env=clean_environment(PYTHONPATH=str(CHECKOUT)),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        temporary = process.stdout.readline().strip()
        # Old enough, but its build is alive: nobody takes it away.
        os.utime(temporary, (0, 0))
        put(dist, "between")
        assert os.path.isdir(temporary)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return Path(temporary)

    def test_the_bundle_is_whole(self, dist: Path, left: Path) -> None:
        """The last one that was finished."""
        assert (dist / NAME / "source.tar.gz").read_text() == "between"
        assert left.is_dir()

    def test_the_next_build_removes_what_is_old(self, dist: Path, left: Path) -> None:
        """Once it is certain that nobody works there."""
        os.utime(left, (time.time() - 61, time.time() - 61))
        put(dist, "new")
        assert state(dist) == bundle_of("new")
        assert os.listdir(dist) == [NAME]

    def test_what_is_young_stays(self, dist: Path, left: Path) -> None:
        """A build makes its directory a moment before it locks it."""
        os.utime(left)
        put(dist, "new")
        assert left.is_dir()

    def test_cleaning_removes_it_too(self, dist: Path, left: Path) -> None:
        """With the bundle."""
        os.utime(left, (0, 0))
        remove_bundle(str(dist / NAME))
        assert os.listdir(dist) == []


@pytest.mark.parametrize("with_new", [True, False])
def test_a_bundle_that_was_moved_aside_is_put_back(dist: Path, *, with_new: bool) -> None:
    """Where a system cannot exchange two names, a kill between the two steps leaves it under another name."""
    bundle = put(dist, "first")
    new = dist / f".{NAME}.0a1b2c3d"
    if with_new:
        new.mkdir()
    bundle.rename(f"{new}.old")
    with pytest.raises(Interrupted), replacing(str(bundle)):
        raise Interrupted
    assert state(dist) == bundle_of("first")


class TestRemoving:
    """`remove_bundle`."""

    def test_only_the_bundle_goes(self, dist: Path) -> None:
        """Not what is called nearly so, nor leftovers of another project."""
        put(dist, "one")
        others = [
            "demo-1.0.tar.gz", "demo-1.0.ytarchive2/x", "demo-1.0.1.ytarchive/x", "Demo-1.0.ytarchive/x",
            f".{NAME}.short/x", f".{NAME}.abcdefghi/x", ".other-1.0.ytarchive.abcdef01/x", f".{NAME}/x",
        ]  # fmt: skip
        Pipeline(dist).write(dict.fromkeys(others, ""))
        for path in dist.iterdir():
            os.utime(path, (0, 0))
        remove_bundle(str(dist / NAME))
        assert sorted(state(dist)) == sorted(others)

    def test_nothing_to_remove_is_no_error(self, dist: Path) -> None:
        """Neither without the bundle nor without the directory."""
        remove_bundle(str(dist / NAME))
        dist.mkdir(parents=True)
        remove_bundle(str(dist / NAME))
        assert os.listdir(dist) == []

    def test_a_link_is_removed_and_not_followed(self, dist: Path, tmp_path: Path) -> None:
        """What it leads to is none of ours."""
        Pipeline(tmp_path).write({"elsewhere/file": "x"})
        dist.mkdir(parents=True)
        (dist / NAME).symlink_to(tmp_path / "elsewhere")
        remove_bundle(str(dist / NAME))
        assert os.listdir(dist) == []
        assert (tmp_path / "elsewhere/file").exists()


class TestNoRights:
    """Directories that cannot be written, and disks that are full."""

    def test_a_read_only_directory_is_named(self, pipeline: Pipeline) -> None:
        """The bundle in it stays as it is."""
        pipeline.build()
        before = pipeline.archive().read_bytes()
        pipeline.write({"stages/first/src/mapper.py": "print()\n"})
        (pipeline.root / "dist").chmod(0o555)
        try:
            process = run_command_line("build", cwd=pipeline.root, command=unprivileged("-m", "hatch_ytupload"))
        finally:
            (pipeline.root / "dist").chmod(0o755)
        assert refused_line(process) == f"cannot write `{pipeline.root}/dist`: Permission denied"
        assert pipeline.archive().read_bytes() == before
        assert os.listdir(pipeline.root / "dist") == [NAME]

    def test_a_bundle_that_cannot_be_removed_is_named(self, dist: Path) -> None:
        """It is still there."""
        put(dist, "one")
        dist.chmod(0o555)
        code = (
            "import sys\n"
            "from hatch_ytupload.packing.bundle import remove_bundle\n"
            "try:\n"
            "    remove_bundle(sys.argv[1])\n"
            "except Exception as error:\n"
            "    print(error)\n"
        )
        command = unprivileged("-c", code, str(dist / NAME))
        environ = clean_environment(PYTHONPATH=str(CHECKOUT))
        process = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        dist.chmod(0o755)
        assert process.stdout == f"cannot remove `{dist / NAME}`: Permission denied\n"
        assert state(dist) == bundle_of("one")

    def test_a_full_disk_is_one_line(self, pipeline: Pipeline) -> None:
        """Here a limit on the size of files stands for it: the old bundle stays, and nothing else."""
        pipeline.build()
        before = pipeline.archive().read_bytes()
        pipeline.write({"stages/first/src/data.bin": os.urandom(3_000_000)})
        code = (
            "import resource, runpy, sys\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
            "sys.argv[0] = 'hatch-ytupload'\n"
            "runpy.run_module('hatch_ytupload', run_name='__main__', alter_sys=True)\n"
        )
        process = run_command_line("build", cwd=pipeline.root, command=[sys.executable, "-c", code])
        assert refused_line(process) == f"cannot write `{pipeline.root}/dist/{NAME}`: File too large"
        assert pipeline.archive().read_bytes() == before
        assert os.listdir(pipeline.root / "dist") == [NAME]


class TestReading:
    """`read_bundle`."""

    def test_a_missing_bundle_is_named(self, dist: Path) -> None:
        """With what to do."""
        path = dist / NAME
        assert refusal(lambda: read_bundle(str(path))) == (
            f"there is no bundle at `{path}`; build it: `hatch build -t ytarchive` or `hatch-ytupload build`"
        )

    def test_a_directory_of_bundles_is_told_from_one(self, pipeline: Pipeline, dist: Path) -> None:
        """Which of them is meant must be said."""
        pipeline.build(dist)
        assert refusal(lambda: read_bundle(str(dist))) == (
            f"`{dist}` is no bundle; name one that lies in it, such as `{dist / NAME}`"
        )

    def test_a_bundle_without_archive_is_named(self, pipeline: Pipeline) -> None:
        """Somebody has taken it away."""
        pipeline.build()
        pipeline.archive().unlink()
        directory = pipeline.archive().parent
        assert refusal(lambda: read_bundle(str(directory))) == f"`{directory}` has no `source.tar.gz`; build again"

    def test_a_damaged_manifest_is_named(self, pipeline: Pipeline) -> None:
        """By its path."""
        pipeline.build()
        manifest = pipeline.archive().parent / "manifest.json"
        manifest.write_text("{}")
        assert refusal(lambda: read_bundle(str(manifest))).startswith(f"`{manifest}` is no manifest of schema 2")

    def test_what_is_no_file_is_named(self, pipeline: Pipeline) -> None:
        """A directory in place of the manifest."""
        pipeline.write({f"dist/{NAME}/manifest.json/": ""})
        path = pipeline.root / "dist" / NAME
        assert refusal(lambda: read_bundle(str(path))) == f"cannot read `{path}/manifest.json`: Is a directory"


def test_the_directory_is_named_after_name_and_version() -> None:
    """As the contract has it."""
    assert bundle_directory("/x/dist", "demo-1.0") == "/x/dist/demo-1.0.ytarchive"
