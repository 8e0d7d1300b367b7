"""Headers of tar members, read back by Python's tarfile."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_ytupload.packing.tar_format import BLOCK, END, LATEST_TIME, member_header, padding

if TYPE_CHECKING:
    from pathlib import Path

GIGABYTE = 1 << 30


def read_back(header: bytes) -> tarfile.TarInfo:
    """Return what tarfile makes of a header and what precedes it."""
    with tarfile.open(fileobj=io.BytesIO(header + END), mode="r:", errors="strict", encoding="utf-8") as tar:
        member = tar.next()
        assert member is not None
        return member


def test_a_header_says_what_it_was_told() -> None:
    """A regular file of root, without names of owners."""
    member = read_back(member_header(b"a/b.py", 0, 0o755, 1580601600))
    assert member.isreg()
    assert (member.name, member.size, member.mode, member.mtime) == ("a/b.py", 0, 0o755, 1580601600)
    assert (member.uid, member.gid, member.uname, member.gname, member.linkname) == (0, 0, "", "", "")


def test_a_short_header_is_one_block_of_fixed_bytes() -> None:
    """The bytes are what releases are known by, so they must never change."""
    header = member_header("стадия/a.py".encode(), 12345, 0o644, 1580601600)
    assert len(header) == BLOCK
    assert header[257:265] == b"ustar  \0"
    assert hashlib.sha256(header).hexdigest() == "99b4c0114eba3d6f35415a17d85c640646e3a829e5d9bc48620055863dabfca6"


def test_a_long_header_has_fixed_bytes_too() -> None:
    """The name goes before, in a member of its own."""
    header = member_header(b"x" * 300, 8**11, 0o755, 0)
    assert len(header) == 3 * BLOCK
    assert hashlib.sha256(header).hexdigest() == "2c95d566a22e965575b618c1873da738a4c9ca632dd85dc4b04b46ded53bffbe"


@pytest.mark.parametrize("length", [1, 98, 99, 100, 101, 154, 155, 156, 255, 256, 257, 511, 512, 513, 1023, 4095])
def test_names_of_any_length_survive(length: int) -> None:
    """As one component, and as a path of many."""
    for name in ("n" * length, ("d/" * length)[: length - 1] + "n"):
        assert read_back(member_header(name.encode(), 0, 0o644, 0)).name == name


@pytest.mark.parametrize(
    "name",
    [
        "-rf", " a ", "a\nb", "\t", "a\\b", "é", "e\u0301", "日本", "\u202e", "\x7f\x01", "~", "././@LongLink",
        "😀" * 60, *("a" * before + "😀é" for before in range(93, 101)),
    ],
)  # fmt: skip
def test_names_of_any_kind_survive(name: str) -> None:
    """Even where a long name is cut in the middle of a letter in the header itself."""
    assert read_back(member_header(name.encode(), 0, 0o644, 0)).name == name


@pytest.mark.parametrize("size", [0, 1, 8 * GIGABYTE - 1, 8 * GIGABYTE, 8 * GIGABYTE + 1, 1 << 40, (1 << 63) - 1])
def test_sizes_of_any_order_survive(size: int) -> None:
    """From 8 GiB on, in GNU's binary form."""
    header = member_header(b"big", size, 0o644, 0)
    assert len(header) == BLOCK
    assert tarfile.TarInfo.frombuf(header, "utf-8", "strict").size == size


@pytest.mark.parametrize(
    ("mtime", "stored"), [(-1, 0), (0, 0), (1, 1), (LATEST_TIME, LATEST_TIME), (LATEST_TIME + 1, LATEST_TIME)]
)
def test_times_are_kept_within_what_every_reader_knows(mtime: int, stored: int) -> None:
    """Files may have times from before 1970 and from a far future."""
    assert read_back(member_header(b"a", 0, 0o644, mtime)).mtime == stored


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (1 << 40, 0)])
def test_contents_are_padded_to_whole_blocks(size: int, expected: int) -> None:
    """With zeros."""
    assert padding(size) == bytes(expected)


def test_a_file_of_nine_gigabytes_is_read_back(tmp_path: Path) -> None:
    """A reader finds the member that follows it; the file is sparse, so nothing of that size is written."""
    size = 9 * GIGABYTE + 1
    path = tmp_path / "big.tar"
    with path.open("wb") as file:
        file.write(member_header(b"big", size, 0o644, 0))
        file.seek(size + len(padding(size)), io.SEEK_CUR)
        file.write(member_header(b"after", 0, 0o644, 0) + END)
    with tarfile.open(path, "r:") as tar:
        assert [(member.name, member.size) for member in tar] == [("big", size), ("after", 0)]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=120).filter(
    # tarfile drops slashes at the end, which no file's name has.
    lambda name: not name.endswith("/")
)


@given(NAMES, st.integers(0, 1 << 62), st.sampled_from([0o644, 0o755]), st.integers(0, LATEST_TIME))
def test_any_header_is_read_back(name: str, size: int, mode: int, mtime: int) -> None:
    """Whatever is written is what is read."""
    header = member_header(name.encode(), size, mode, mtime)
    assert len(header) % BLOCK == 0
    last = tarfile.TarInfo.frombuf(header[-BLOCK:], "utf-8", "surrogateescape")
    assert (last.size, last.mode, last.mtime) == (size, mode, mtime)
    assert read_back(member_header(name.encode(), 0, mode, mtime)).name == name
