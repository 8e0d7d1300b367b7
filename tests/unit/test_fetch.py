"""Fetching releases: what ends where, and what stays when it fails."""

from __future__ import annotations

import tarfile
from functools import partial
from typing import TYPE_CHECKING

import pytest
from build_folders import Bundle, on_disk, publish_to
from pipelines import refusal

from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME
from hatch_ytupload.releases.fetch import fetch

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_ytupload.build_folders.disk.folder import LocalFolder


@pytest.fixture
def folder(tmp_path: Path, bundles: list[Bundle]) -> LocalFolder:
    """Return a build folder with two releases, the second of them current."""
    folder = on_disk(tmp_path / "home")
    for bundle in bundles[:2]:
        publish_to(folder, bundle)
    return folder


@pytest.mark.parametrize("there", [False, True], ids=["absent", "empty"])
def test_a_release_with_what_lies_beside_it(
    folder: LocalFolder, bundles: list[Bundle], tmp_path: Path, *, there: bool
) -> None:
    """In a directory that is made, with all that it lies in, or that is empty."""
    place = tmp_path / "a" / "b" / "got"
    if there:
        place.mkdir(parents=True)
    assert fetch(folder, bundles[0].release, str(place)).directory == str(place)
    assert (place / ARCHIVE_NAME).read_bytes() == bundles[0].data
    assert (place / MANIFEST_NAME).read_bytes() == (bundles[0].directory / MANIFEST_NAME).read_bytes()
    assert [path.name for path in place.parent.iterdir()] == ["got"]


def test_the_files_of_the_current_one(
    folder: LocalFolder, bundles: list[Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a name, in a directory of the release's name here; with the permissions that the archive says."""
    monkeypatch.chdir(tmp_path)
    fetched = fetch(folder, extract=True)
    assert fetched.directory == str(tmp_path / bundles[1].release)
    with tarfile.open(bundles[1].directory / ARCHIVE_NAME) as archive:
        for member in archive:
            path = tmp_path / bundles[1].release / member.name
            assert bool(path.stat().st_mode & 0o100) == bool(member.mode & 0o100)
    assert not (tmp_path / bundles[1].release / ARCHIVE_NAME).exists()


def test_nothing_is_overwritten(folder: LocalFolder, tmp_path: Path) -> None:
    """Neither a directory that holds something nor a file."""
    tmp_path.joinpath("full").mkdir()
    for name in ("full/notes", "file"):
        tmp_path.joinpath(name).write_text("mine")
    for name in ("full", "file"):
        assert "exists; name another directory" in refusal(partial(fetch, folder, None, str(tmp_path / name)))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes"]
    assert tmp_path.joinpath("file").read_text() == "mine"


def test_an_interruption_leaves_nothing(folder: LocalFolder, tmp_path: Path) -> None:
    """Of the directories that were made, either; one that was there stays."""

    def interrupt(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    tmp_path.joinpath("there").mkdir()
    with pytest.raises(KeyboardInterrupt):
        fetch(folder, None, str(tmp_path / "there/a/b"), progress=interrupt)
    assert list(tmp_path.joinpath("there").iterdir()) == []
