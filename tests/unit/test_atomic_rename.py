"""One directory takes the place of another."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_ytupload import atomic_rename
from hatch_ytupload.atomic_rename import replace_directory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Return a directory with a file that says `new`."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new/file").write_text("new")
    return tmp_path / "new"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return another place beside it, where nothing is."""
    return tmp_path / "place"


def old(place: Path) -> None:
    """Fill the place."""
    place.mkdir()
    (place / "file").write_text("old")


def cannot_exchange(first: str, second: str) -> None:
    """Answer as a file system does that cannot exchange names."""
    raise NotImplementedError


def test_where_nothing_is_it_is_a_rename(new: Path, place: Path) -> None:
    """Nothing is left at the other name."""
    replace_directory(str(new), str(place))
    assert (place / "file").read_text() == "new"
    assert not new.exists()


def test_an_empty_directory_is_nothing(new: Path, place: Path) -> None:
    """It simply goes."""
    place.mkdir()
    replace_directory(str(new), str(place))
    assert (place / "file").read_text() == "new"
    assert not new.exists()


@pytest.mark.parametrize("can_exchange", [True, False])
def test_what_was_there_is_then_at_the_other_name(
    new: Path, place: Path, monkeypatch: pytest.MonkeyPatch, *, can_exchange: bool
) -> None:
    """In one step where the system can do that, in two where it cannot."""
    if not can_exchange:
        monkeypatch.setattr(atomic_rename, "_exchange", cannot_exchange)
    old(place)
    replace_directory(str(new), str(place))
    assert (place / "file").read_text() == "new"
    assert (new / "file").read_text() == "old"
    assert sorted(os.listdir(place.parent)) == ["new", "place"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_something_else_is_replaced_too(new: Path, place: Path, kind: str) -> None:
    """A file or a link; what the link leads to is left alone."""
    target = place.parent / "target"
    old(target)
    if kind == "file":
        place.write_text("old")
    else:
        place.symlink_to(target)
    replace_directory(str(new), str(place))
    assert (place / "file").read_text() == "new"
    assert not place.is_symlink()
    assert (target / "file").read_text() == "old"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems may need two steps")
def test_linux_exchanges_in_one_step(new: Path, place: Path) -> None:
    """The same directories as before, under each other's names."""
    old(place)
    inodes = new.stat().st_ino, place.stat().st_ino
    atomic_rename._exchange(str(new), str(place))
    assert (place.stat().st_ino, new.stat().st_ino) == inodes


def test_a_missing_directory_is_an_error(new: Path, tmp_path: Path) -> None:
    """And nothing has changed."""
    with pytest.raises(FileNotFoundError):
        replace_directory(str(new), str(tmp_path / "missing/place"))
    assert (new / "file").read_text() == "new"


def test_a_place_that_cannot_be_left_is_an_error(new: Path) -> None:
    """A mount point, for example, can be neither renamed nor exchanged."""
    with pytest.raises(OSError, match=r".+"):
        replace_directory(str(new), "/proc")
    assert (new / "file").read_text() == "new"


def test_two_steps_go_back_when_the_second_fails(new: Path, place: Path, tmp_path: Path) -> None:
    """What was there is there again."""
    old(place)
    with pytest.raises(FileNotFoundError):
        atomic_rename._exchange_in_two_steps(str(tmp_path / "gone"), str(place))
    assert (place / "file").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["new", "place"]
