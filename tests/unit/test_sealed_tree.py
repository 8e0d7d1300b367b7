"""An environment of `run` is used only as it was left, whatever times and sizes somebody gives its files."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from hatch_ytupload.jobs.environment import Wanted, job_python
from hatch_ytupload.jobs.sealed_tree import SealedTree
from hatch_ytupload.packing.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "environments/0123"
MODULE = "lib/site/one.py"
BYTECODE = "lib/site/__pycache__/one.pyc"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with a module, its bytecode, a program and links, all of them old."""
    directory = tmp_path / NAME
    for path in (MODULE, BYTECODE, "bin/tool", "lib/name\udcff"):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(f"# {path!a}\n")
    (directory / "bin/tool").chmod(0o755)
    (directory / "bin/python").symlink_to("/usr/bin/python3")
    (directory / "lib64").symlink_to("lib")
    return directory


@pytest.fixture
def tree(tmp_path: Path, directory: Path) -> SealedTree:
    """Return it sealed, as a cache would have it some time later."""
    tree = tree_in(tmp_path)
    tree.seal()
    assert tree.holds()
    return tree


def tree_in(cache: Path, name: str = NAME, key: bytes = b"key") -> SealedTree:
    return SealedTree(Cache(str(cache), key), name, ".complete")


def exchange(path: Path) -> None:
    """Give a file another content, and the size and times that it had."""
    status = path.stat()
    path.write_text(path.read_text().replace("#", "!"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def retarget(link: Path) -> None:
    link.unlink()
    link.symlink_to("/tmp")


def become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def let_the_clock_tick(path: Path) -> None:
    """Wait until a change gets another time than those before it."""
    path.touch()
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.touch()


CHANGES: dict[str, Callable[[Path], object]] = {
    "another content": lambda place: exchange(place / MODULE),
    "one more": lambda place: (place / "lib/site/sitecustomize.py").write_text(""),
    "one less": lambda place: (place / MODULE).unlink(),
    "other permissions": lambda place: (place / "bin/tool").chmod(0o644),
    "a link that leads elsewhere": lambda place: retarget(place / "bin/python"),
    "a link for a directory": lambda place: (place / "lib/two").symlink_to("/tmp"),
    "a FIFO": lambda place: os.mkfifo(place / "lib/fifo"),
    "a FIFO for a file": lambda place: become_fifo(place / MODULE),
    "a list of somebody else": lambda place: (place / ".complete").write_text("{}"),
    "no list": lambda place: (place / ".complete").unlink(),
}


@pytest.mark.parametrize("settled", [False, True], ids=["just sealed", "settled"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_is_noticed(
    tree: SealedTree,
    directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    change: Callable[[Path], object],
    settled: bool,
) -> None:
    """Where files are read again, and where their times are believed."""
    if settled:
        monkeypatch.setattr("hatch_ytupload.jobs.sealed_tree.UNSETTLED_NS", -1)
        assert tree.holds()
        let_the_clock_tick(tmp_path / "clock")
    change(directory)
    assert not tree.holds()


def test_what_did_not_change_is_not_read(tree: SealedTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hatch_ytupload.jobs.sealed_tree.UNSETTLED_NS", -1)
    assert tree.holds()
    monkeypatch.setattr("hatch_ytupload.jobs.sealed_tree._digest", lambda path: pytest.fail(f"read {path}"))
    assert tree.holds()


@pytest.mark.parametrize("path", [BYTECODE, "lib/site/__pycache__/other.pyc"])
def test_bytecode_of_nobody_knows_whom_is_removed(tree: SealedTree, directory: Path, path: str) -> None:
    """Python makes it again; nothing else has to be."""
    (directory / path).write_text("evil")
    assert tree.holds()
    assert not (directory / path).exists()
    assert tree.holds()


def test_bytecode_that_another_job_is_just_writing_disturbs_nobody(
    tree: SealedTree, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed under a name that it has no more when it is looked at."""
    passing = f"{BYTECODE}.140234"
    files = [MODULE, BYTECODE, "bin/tool", "bin/python", "lib64", "lib/name\udcff"]
    monkeypatch.setattr("hatch_ytupload.jobs.sealed_tree._files", lambda _: [*files, passing])
    assert tree.holds()
    files.remove(MODULE)
    assert not tree.holds()
    assert not (directory / passing).exists()


def test_what_jobs_leave_is_taken_over(tree: SealedTree, directory: Path) -> None:
    """Bytecode, and what packages write beside their modules; where something is gone, nothing is."""
    (directory / "lib/site/__pycache__/other.pyc").write_text("bytecode")
    (directory / "lib/site/data").write_text("fetched")
    tree.renew()
    assert tree.holds()
    assert (directory / "lib/site/__pycache__/other.pyc").exists()
    (directory / MODULE).unlink()
    tree.renew()
    assert not tree.holds()


def test_a_directory_that_is_no_more_is_not_sealed_again(tree: SealedTree, directory: Path) -> None:
    (directory / ".complete").unlink()
    tree.renew()
    assert not (directory / ".complete").exists()


def test_a_restored_copy_holds_with_the_key_that_sealed_it_only(tree: SealedTree, tmp_path: Path) -> None:
    """Under its own name."""
    assert tree.holds()
    shutil.copytree(tmp_path / "environments", tmp_path / "copy/environments", symlinks=True)
    assert tree_in(tmp_path / "copy").holds()
    shutil.copytree(tmp_path / NAME, tmp_path / "copy/environments/4567", symlinks=True)
    assert not tree_in(tmp_path / "copy", "environments/4567").holds()
    assert not tree_in(tmp_path / "copy", key=b"another").holds()


def test_an_environment_that_cannot_be_believed_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever runs a job would wait for it each time, and not know why."""

    def make(_making: object, directory: str, *, purpose: str) -> None:
        assert purpose
        os.makedirs(directory)

    def full(_path: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hatch_ytupload.jobs.environment._Making.make", make)
    monkeypatch.setattr("hatch_ytupload.packing.cache.open_new", full)
    environ = {"YTUPLOAD_CACHE_DIR": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    told: list[str] = []
    with job_python(Wanted("x.tar.gz", "first", {}, None, environ, {}), told.append):
        pass
    (line,) = told
    assert line.startswith(
        f"Warning: cannot write the cache `{tmp_path}/cache/hatch-ytupload`: No space left on device"
    )
