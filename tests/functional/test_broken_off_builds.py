"""Builds that are interrupted, killed, without space or in each other's way, and sources that move meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from checkout import FRONT_ENDS, HATCHLING, run, tree_state
from pipelines import Pipeline, clean_environment, contents, make_pipeline
from privileges import bound_by_permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.functional

BUNDLE = "demo-1.0.ytarchive"
SRC = "stages/first/src"
# Nobody packs it to its end: even zeros take minutes. On the disk it takes no room.
ENDLESS = 1 << 40
# What takes half a second or more to be packed.
LONG = 1 << 28
PATIENCE_SECONDS = 120

# Stands in for a git that answers late: a build waits for it after packing, so the moment can be held.
LATE_GIT = """#!/bin/sh
touch {directory}/asked.$$
while [ ! -e {directory}/go ]; do sleep 0.02; done
exit 1
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a pipeline with a bundle, whose sources have changed since."""
    pipeline = make_pipeline(tmp_path / "demo")
    # A repository as far as it matters for git to be asked.
    (pipeline.root / ".git").mkdir()
    pipeline.build()
    return pipeline.write({f"{SRC}/mapper.py": "# changed since\n"})


@pytest.fixture
def late_git(tmp_path: Path) -> Iterator[Path]:
    """Return a directory with the git that answers late, and signs of when it was asked."""
    directory = tmp_path / "late-git"
    directory.mkdir()
    git = directory / "git"
    git.write_text(LATE_GIT.format(directory=directory))
    git.chmod(0o755)
    yield directory
    # It has a session of its own, so that it outlives a build that is killed.
    (directory / "go").touch()


@contextmanager
def running(
    command: Sequence[str], pipeline: Pipeline, path: Path | None = None, **environ: str
) -> Iterator[subprocess.Popen[str]]:
    """Start a build in a process group of its own; whatever is left of that ends with the block."""
    found = clean_environment(**environ)
    if path is not None:
        found["PATH"] = f"{path}{os.pathsep}{found['PATH']}"
    with subprocess.Popen(
        command,
        cwd=pipeline.root,
        env=found,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with_all_its_children(process, signal.SIGKILL)


def with_all_its_children(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a process group, as a terminal does; there may be nobody left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for something that a running build does."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)


def unfinished(pipeline: Pipeline) -> list[Path]:
    """Return the archives that are being written."""
    return [path for path in pipeline.root.glob(f"dist/.{BUNDLE}.*/source.tar.gz") if path.stat().st_size]


def endless(pipeline: Pipeline, size: int = ENDLESS) -> Path:
    """Put a very long file among the sources, which is packed in the middle of them."""
    path = pipeline.root / SRC / "data.bin"
    with path.open("wb") as file:
        file.truncate(size)
    return path


MOMENTS = ("planning", "packing", "packed")


@contextmanager
def reached(moment: str, front_end: str, pipeline: Pipeline, late_git: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a build and wait for a moment of it: as soon as git is asked, in the middle of a file, before the end."""
    if moment == "packing":
        endless(pipeline)
    with running(FRONT_ENDS[front_end], pipeline, late_git) as process:
        if moment == "planning":
            wait_until(lambda: list(late_git.glob("asked.*")), process)
        else:
            wait_until(lambda: unfinished(pipeline), process)
        yield process


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_ctrl_c_leaves_the_bundle_and_nothing_else(
    pipeline: Pipeline, late_git: Path, front_end: str, moment: str
) -> None:
    """One line, status 130, and not even a hidden directory."""
    before = tree_state(pipeline.root / "dist")
    with reached(moment, front_end, pipeline, late_git) as process:
        with_all_its_children(process, signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, output) == (130, "")
    assert errors.removeprefix("Error: ") == "interrupted\n"
    assert tree_state(pipeline.root / "dist") == before


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_leaves_the_bundle_and_a_hidden_directory(pipeline: Pipeline, late_git: Path, moment: str) -> None:
    """A later build removes the directory, but not one that may belong to a build that has only just begun."""
    dist = pipeline.root / "dist"
    before = tree_state(dist)
    with reached(moment, "target", pipeline, late_git) as process:
        process.kill()
        process.wait()
    left = [path for path in dist.iterdir() if path.name != BUNDLE]
    assert len(left) == {"planning": 0, "packing": 1, "packed": 1}[moment] or (moment, len(left)) == ("planning", 1)
    assert all(path.name.startswith(f".{BUNDLE}.") for path in left)
    assert tree_state(dist / BUNDLE).items() == {
        (name.removeprefix(f"{BUNDLE}/"), content) for name, content in before.items() if name != BUNDLE
    }

    (pipeline.root / SRC / "data.bin").unlink(missing_ok=True)
    run(*FRONT_ENDS["target"], cwd=pipeline.root)
    assert contents(pipeline.archive())[f"{SRC}/mapper.py"] == b"# changed since\n"
    assert all(path.exists() for path in left)
    for path in left:
        os.utime(path, (0, 0))
    run(*FRONT_ENDS["target"], cwd=pipeline.root)
    assert [path.name for path in dist.iterdir()] == [BUNDLE]


def test_cleaning_removes_what_a_killed_build_left(pipeline: Pipeline, late_git: Path) -> None:
    """With the bundle."""
    with reached("packed", "target", pipeline, late_git) as process:
        process.kill()
        process.wait()
    (left,) = pipeline.root.glob(f"dist/.{BUNDLE}.*")
    os.utime(left, (0, 0))
    run(*HATCHLING, "build", "-t", "ytarchive", "--clean-only", cwd=pipeline.root)
    assert list((pipeline.root / "dist").iterdir()) == []


def test_a_later_build_leaves_a_running_one_alone(pipeline: Pipeline, late_git: Path) -> None:
    """However long that has been running; and the one that ends last wins."""
    with reached("packed", "target", pipeline, late_git) as process:
        (temporary,) = pipeline.root.glob(f"dist/.{BUNDLE}.*")
        os.utime(temporary, (0, 0))
        pipeline.write({f"{SRC}/mapper.py": "# changed again\n"})
        run(*FRONT_ENDS["target"], cwd=pipeline.root)
        assert contents(pipeline.archive())[f"{SRC}/mapper.py"] == b"# changed again\n"
        (late_git / "go").touch()
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert contents(pipeline.archive())[f"{SRC}/mapper.py"] == b"# changed since\n"
    assert [path.name for path in (pipeline.root / "dist").iterdir()] == [BUNDLE]


def test_builds_at_once_do_not_mix(pipeline: Pipeline, late_git: Path) -> None:
    """Four builds with different content finish at the same time: each whole, one wins, the place is never empty."""
    dist = pipeline.root / "dist"
    expected = set()
    for epoch in range(4):
        run(*FRONT_ENDS["target"], cwd=pipeline.root, environ=clean_environment(SOURCE_DATE_EPOCH=str(epoch)))
        expected.add(sha256(pipeline.archive().read_bytes()).hexdigest())
    assert len(expected) == 4
    missing = []
    finished = threading.Event()

    def watch() -> None:
        while not finished.is_set():
            if not pipeline.archive().exists():
                missing.append(os.listdir(dist))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        builds = [running(FRONT_ENDS["target"], pipeline, late_git, SOURCE_DATE_EPOCH=str(epoch)) for epoch in range(4)]
        with builds[0] as one, builds[1] as two, builds[2] as three, builds[3] as four:
            for process in (one, two, three, four):
                wait_until(lambda: len(unfinished(pipeline)) == 4, process)
            (late_git / "go").touch()
            for process in (one, two, three, four):
                process.communicate(timeout=PATIENCE_SECONDS)
                assert process.returncode == 0
    finally:
        finished.set()
        watcher.join()
    assert not missing
    archive = pipeline.archive().read_bytes()
    assert sha256(archive).hexdigest() in expected
    manifest = json.loads((dist / BUNDLE / "manifest.json").read_bytes())
    assert manifest["archive"]["sha256"] == sha256(archive).hexdigest()
    assert [path.name for path in dist.iterdir()] == [BUNDLE]


def refused(pipeline: Pipeline, command: Sequence[str], **environ: str) -> str:
    """Return the one line of a build that fails, having checked that `dist` is as it was."""
    before = tree_state(pipeline.root / "dist")
    done = run(*command, cwd=pipeline.root, environ=clean_environment(**environ), status=1)
    assert done.stdout == ""
    assert done.stderr.endswith("\n")
    assert done.stderr[:-1].isprintable(), done.stderr
    assert tree_state(pipeline.root / "dist") == before
    return done.stderr[:-1].removeprefix("Error: ")


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_file_that_may_not_grow_further_is_reported(pipeline: Pipeline, front_end: str) -> None:
    """A limit on the size of files, as `ulimit -f` sets it, takes the part of a full disk for whoever is not root."""
    pipeline.write({f"{SRC}/noise.bin": os.urandom(3_000_000)})
    limited = ["bash", "-c", 'ulimit -f 1000; exec "$@"', "bash", *FRONT_ENDS[front_end]]
    assert refused(pipeline, limited) == f"cannot write `{pipeline.root}/dist/{BUNDLE}`: File too large"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"only root can mount a small file system: {mounted.stderr.strip()}")
    yield place
    run("umount", place)


def test_a_full_disk_is_reported(pipeline: Pipeline, small_disk: Path) -> None:
    """The room that the broken build took is free again."""
    shutil.copytree(pipeline.root / "dist", small_disk, dirs_exist_ok=True)
    shutil.rmtree(pipeline.root / "dist")
    (pipeline.root / "dist").symlink_to(small_disk)
    free = shutil.disk_usage(small_disk).free
    pipeline.write({f"{SRC}/noise.bin": os.urandom(3_000_000)})
    line = refused(pipeline, FRONT_ENDS["target"])
    assert line == f"cannot write `{pipeline.root}/dist/{BUNDLE}`: No space left on device"
    assert shutil.disk_usage(small_disk).free == free


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_read_only_dist_is_reported(pipeline: Pipeline, front_end: str) -> None:
    """The directory is named, not what a temporary file in it would have been called."""
    (pipeline.root / "dist").chmod(0o555)
    command = [*bound_by_permissions(), *FRONT_ENDS[front_end]]
    assert refused(pipeline, command) == f"cannot write `{pipeline.root}/dist`: Permission denied"


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_dist_that_cannot_be_made_is_reported(pipeline: Pipeline, front_end: str) -> None:
    """Because a file has its name, or because the directory that it would be in may not be written."""
    dist = pipeline.root / "dist"
    shutil.rmtree(dist)
    pipeline.root.chmod(0o555)
    assert refused(pipeline, [*bound_by_permissions(), *FRONT_ENDS[front_end]]) == (
        f"cannot write `{dist}`: Permission denied"
    )
    pipeline.root.chmod(0o755)
    dist.write_text("not a directory")
    assert refused(pipeline, FRONT_ENDS[front_end]).startswith(f"cannot write `{dist}`: ")
    assert dist.read_text() == "not a directory"


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_no_bundle_gives_way_to_one(pipeline: Pipeline, what: str, tmp_path: Path) -> None:
    """A file or a link in the place of the bundle is replaced; what the link led to stays."""
    place = pipeline.root / "dist" / BUNDLE
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    shutil.rmtree(place)
    if what == "file":
        place.touch()
    else:
        place.symlink_to(tmp_path / "elsewhere")
    run(*FRONT_ENDS["target"], cwd=pipeline.root)
    assert not place.is_symlink()
    assert contents(pipeline.archive())
    assert os.listdir(pipeline.root / "dist") == [BUNDLE]
    assert os.listdir(tmp_path / "elsewhere") == ["kept"]


def appended(path: Path) -> None:
    """Let a file grow."""
    with path.open("ab") as file:
        file.write(b"more")


def shortened(path: Path) -> None:
    """Cut a file."""
    os.truncate(path, 10)


def replaced(path: Path) -> None:
    """Put another file of the same size into the place of one."""
    new = path.with_name("new")
    with new.open("wb") as file:
        file.truncate(LONG)
    new.rename(path)


def turned_into_a_fifo(path: Path) -> None:
    """Put a FIFO into the place of a file."""
    path.unlink()
    os.mkfifo(path)


def turned_into_a_link(path: Path) -> None:
    """Put a symbolic link into the place of a file."""
    path.unlink()
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("change", [appended, shortened])
def test_a_file_that_changes_while_it_is_read_is_refused(pipeline: Pipeline, change: Callable[[Path], None]) -> None:
    """The build stands still while the file changes, having read a part of it."""
    path = endless(pipeline, LONG)
    line = refused_while(pipeline, lambda: change(path))
    assert line == f"`{path}` changed while it was being packed; build again when it is at rest"


@pytest.mark.parametrize("change", [appended, shortened, replaced])
def test_a_file_that_changes_before_it_is_read_is_refused(pipeline: Pipeline, change: Callable[[Path], None]) -> None:
    """It was there when the plan was made, and is another one when its turn comes."""
    endless(pipeline, LONG)
    path = pipeline.root / SRC / "later.bin"
    with path.open("wb") as file:
        file.truncate(LONG)
    line = refused_while(pipeline, lambda: change(path))
    assert line == f"`{path}` changed while it was being packed; build again when it is at rest"


@pytest.mark.parametrize("change", [turned_into_a_fifo, turned_into_a_link, os.unlink])
def test_a_file_that_is_no_file_any_more_is_refused(pipeline: Pipeline, change: Callable[[Path], None]) -> None:
    """Nobody waits for a FIFO or follows a link that was not there when the plan was made."""
    endless(pipeline, LONG)
    path = pipeline.root / SRC / "later.bin"
    path.touch()
    assert f"`{path}`" in refused_while(pipeline, lambda: change(path))


def refused_while(pipeline: Pipeline, change: Callable[[], object]) -> str:
    """Return the line of a build that fails because something happens while it packs the long file."""
    before = tree_state(pipeline.root / "dist")
    with running(FRONT_ENDS["target"], pipeline) as process:
        wait_until(lambda: unfinished(pipeline), process)
        process.send_signal(signal.SIGSTOP)
        change()
        process.send_signal(signal.SIGCONT)
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, output) == (1, ""), errors
    assert errors.endswith("\n")
    assert errors[:-1].isprintable(), errors
    assert tree_state(pipeline.root / "dist") == before
    return errors[:-1]
