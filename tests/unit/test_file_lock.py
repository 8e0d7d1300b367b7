"""Locks on files and directories: for one at a time, and never on what a link leads to."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from hatch_ytupload.file_lock import locked_directory, locked_file, open_lock_file, try_lock

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_is_held_by_one(tmp_path: Path) -> None:
    """And free again afterwards."""
    with locked_directory(str(tmp_path)), pytest.raises(BlockingIOError), locked_directory(str(tmp_path)):
        pass
    with locked_directory(str(tmp_path)):
        pass


def test_a_file_is_waited_for(tmp_path: Path) -> None:
    """However long it takes."""
    path = str(tmp_path / "lock")
    order: list[str] = []

    def second() -> None:
        with locked_file(path):
            order.append("second")

    with locked_file(path):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert os.path.exists(path)


def test_some_may_share(tmp_path: Path) -> None:
    """With others who share, and nobody else."""
    descriptors = [open_lock_file(str(tmp_path / "lock")) for _ in range(3)]
    assert [try_lock(descriptor, shared=index < 2) for index, descriptor in enumerate(descriptors)] == [
        True,
        True,
        False,
    ]
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("kind", ["link", "broken link", "pipe"])
def test_what_is_no_lock_is_left_alone(tmp_path: Path, kind: str) -> None:
    """What a link leads to is neither made nor touched; a pipe keeps nobody waiting."""
    path, aim = tmp_path / "lock", tmp_path / "aim"
    if kind == "link":
        aim.write_text("mine")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(aim)
    with pytest.raises(OSError, match="where a lock is expected"):
        open_lock_file(str(path))
    assert aim.exists() == (kind == "link")
