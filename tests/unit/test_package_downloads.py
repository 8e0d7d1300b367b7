"""Who is shown credentials when files of an index are fetched, and where they come from; `lock` has uv do the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from package_index import PackageIndex, package_index, write_keyring, write_netrc
from wheels import make_wheel

from hatch_ytupload.locking.download import DownloadError, Downloads
from hatch_ytupload.locking.indexes import find_indexes
from hatch_ytupload.locking.lock_file import LockedWheel, LockError
from hatch_ytupload.locking.wheel_files import WheelFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

BOB = "Basic Ym9iOnNlY3JldA=="


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    """Return an index that wants credentials."""
    with package_index() as index:
        index.credentials = "bob:secret"
        index.add(make_wheel("app"))
        yield index


@pytest.fixture
def other() -> Iterator[PackageIndex]:
    """Return an index that wants none."""
    with package_index() as other:
        other.add(make_wheel("app"))
        yield other


def fetch(url: str, directory: Path, **environ: str) -> bytes:
    """Return the wheel of `app`, from the page of an index to its end."""
    environ = {"HOME": str(directory), "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": url, **environ}
    downloads = Downloads(find_indexes((), environ), environ)
    (file,) = downloads.files_of("app")
    with downloads.open(file.url) as answer:
        return answer.read()


def test_those_of_the_url(index: PackageIndex, tmp_path: Path) -> None:
    assert fetch(index.url_with_credentials, tmp_path) == make_wheel("app").data
    assert set(index.authorizations) == {BOB}


@pytest.mark.parametrize("user", ["", "bob@"])
def test_those_of_netrc(index: PackageIndex, tmp_path: Path, user: str) -> None:
    """Also where the URL has a user alone."""
    write_netrc(tmp_path, "127.0.0.1")
    assert fetch(index.url.replace("//", f"//{user}"), tmp_path) == make_wheel("app").data


def test_those_of_a_keyring_which_is_asked_when_nothing_else_helps(index: PackageIndex, tmp_path: Path) -> None:
    """For the user in the URL, once."""
    path = write_keyring(tmp_path)
    assert fetch(index.url.replace("//", "//bob@"), tmp_path, PATH=path) == make_wheel("app").data
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"get {index.url}/app/ bob"]


def test_a_keyring_is_not_asked_for_nobody_nor_where_the_index_wants_nothing(
    index: PackageIndex, other: PackageIndex, tmp_path: Path
) -> None:
    path = write_keyring(tmp_path)
    with pytest.raises(DownloadError, match="wants other credentials"):
        fetch(index.url, tmp_path, PATH=path)
    fetch(other.url.replace("//", "//bob@"), tmp_path, PATH=path)
    assert not (tmp_path / "asked").exists()


def test_wrong_ones_are_said_and_not_shown(index: PackageIndex, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(index.url_with_credentials.replace("secret", "wrong-word"), tmp_path)
    assert str(caught.value) == (
        f"`{index.url}/app/` wants other credentials (status 401): give them in `PIP_INDEX_URL`, pip's configuration, "
        "`.netrc` or a keyring"
    )


def test_a_redirect_on_the_same_host_keeps_them(index: PackageIndex, tmp_path: Path) -> None:
    index.redirect = f"http://127.0.0.1:{index.port}/store"
    assert fetch(index.url_with_credentials, tmp_path) == make_wheel("app").data
    assert [path for path in index.requests if path.startswith("/store/files/")]
    assert set(index.authorizations) == {BOB}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_redirect_to_another_host_or_port_takes_nothing_along(
    index: PackageIndex, other: PackageIndex, host: str, tmp_path: Path
) -> None:
    index.redirect = f"http://{host}:{other.port}"
    assert fetch(index.url_with_credentials, tmp_path) == make_wheel("app").data
    assert other.authorizations == [None]


def test_a_redirect_to_a_host_of_netrc_gets_what_is_its(
    index: PackageIndex, other: PackageIndex, tmp_path: Path
) -> None:
    write_netrc(tmp_path, "localhost")
    index.redirect, index.credentials = f"http://localhost:{other.port}", None
    other.credentials = "bob:secret"
    assert fetch(index.url, tmp_path) == make_wheel("app").data
    assert (set(index.authorizations), other.authorizations) == ({None}, [BOB])


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_leads_to_the_web_only(index: PackageIndex, target: str, tmp_path: Path) -> None:
    index.redirect = target
    with pytest.raises(DownloadError, match="app"):
        fetch(index.url_with_credentials, tmp_path)


@pytest.mark.parametrize("how", ["length", "chunk", "reset"])
def test_answers_that_break_off(other: PackageIndex, tmp_path: Path, how: str) -> None:
    """Pages and files are whole, or are said to have broken off: nothing was exchanged, and no disk is full."""
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": other.url}
    indexes, made = find_indexes((), environ), make_wheel("app")
    wheel = LockedWheel("app", "1.0", made.file, made.sha256, None, None)
    files = WheelFiles(str(tmp_path / "wheels"), environ)
    for end in ("/app/", ".whl"):
        other.breaks_off = how, end
        with pytest.raises(LockError, match=r"broke off.*; try again$"):
            files.get(wheel, indexes, "first")
        assert [*(tmp_path / "wheels").glob("*")] == []
    other.breaks_off = None
    assert Path(files.get(wheel, indexes, "first")).read_bytes() == made.data
