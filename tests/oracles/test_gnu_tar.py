"""Our archives as other programs read them: GNU tar, gzip, busybox, libarchive."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from archives import Bytes
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.packing.archive import pack
from hatch_ytupload.packing.tar_format import END, member_header, padding
from hatch_ytupload.planning.plan import Generated, Part
from hatch_ytupload.reading.contents import read_members

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("unmeasured")]

EPOCH = 1580601600
MEGABYTE = 1 << 20
CONTENT = {
    **{"n" * length: b"%d" % length for length in (99, 100, 101, 255)},
    **{"d/" * 60 + "n" * length: b"" for length in (1, 200)},
    **{
        f"sizes/{size}": random.Random(size).randbytes(size)
        for size in (0, 1, 511, 512, 513, MEGABYTE - 1, MEGABYTE + 1)
    },
    "a b/new\nline": b"1",
    "-rf": b"2",
    "--checkpoint=1": b"3",
    "стадия/é": b"4",
    "стадия/e\u0301": b"5",
    "x" * 98 + "é" * 20: b"6",
    "back\\slash\t'\"": b"7",
    "operation_wrapper_a_map.sh": b"#!/bin/bash\n",
}

TAR = shutil.which("tar") or ""
IS_GNU = bool(TAR) and b"GNU tar" in subprocess.run([TAR, "--version"], capture_output=True, check=False).stdout
needs_gnu_tar = pytest.mark.skipif(not IS_GNU, reason="`tar` is not GNU tar")
READERS = [
    pytest.param([TAR, "-xpzf"], id="GNU tar", marks=needs_gnu_tar),
    pytest.param(
        ["busybox", "tar", "-xpzf"],
        id="busybox",
        marks=pytest.mark.skipif(not shutil.which("busybox"), reason="there is no busybox"),
    ),
    pytest.param(
        ["bsdtar", "-xpzf"],
        id="libarchive",
        marks=pytest.mark.skipif(not shutil.which("bsdtar"), reason="there is no bsdtar"),
    ),
]


def mode_of(name: str) -> int:
    """Return the mode that a member gets here."""
    return 0o755 if name.endswith(".sh") else 0o644


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive of files with all kinds of names and sizes."""
    names = sorted(CONTENT, key=str.encode)
    half = len(names) // 2
    parts = tuple(
        Part(str(number), tuple(Generated(name, CONTENT[name], mode_of(name)) for name in part))
        for number, part in enumerate((names[:half], names[half:]))
    )
    path = tmp_path_factory.mktemp("oracle") / "source.tar.gz"
    with path.open("wb") as file:
        pack(parts, file, epoch=EPOCH)
    return path


@pytest.mark.parametrize("command", READERS)
def test_it_extracts_as_it_was_packed(archive: Path, tmp_path: Path, command: list[str]) -> None:
    """Names, contents, modes and times; owners where root extracts. Nothing is complained about."""
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    process = subprocess.run([*command, archive], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")
    extracted = {}
    for directory, _, names in os.walk(tmp_path):
        for name in names:
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, tmp_path)
            status = os.lstat(path)
            with open(path, "rb") as file:
                extracted[relative] = file.read()
            assert (status.st_mode & 0o7777, int(status.st_mtime)) == (mode_of(relative), EPOCH), relative
            if os.geteuid() == 0:
                assert (status.st_uid, status.st_gid) == (0, 0)
    assert extracted == CONTENT


@needs_gnu_tar
def test_gnu_tar_lists_owner_mode_size_and_time(archive: Path) -> None:
    """Without names of owners; the time in UTC."""
    command = [TAR, "--utc", "--full-time", "--quoting-style=escape", "-tvzf", str(archive)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stderr == ""
    lines = process.stdout.splitlines()
    assert len(lines) == len(CONTENT)
    names = sorted(CONTENT, key=str.encode)
    for name, line in zip(names, lines, strict=True):
        permissions = "-rwxr-xr-x" if mode_of(name) == 0o755 else "-rw-r--r--"
        assert line.split()[:5] == [permissions, "0/0", str(len(CONTENT[name])), "2020-02-02", "00:00:00"], line


@needs_gnu_tar
def test_gnu_tar_finds_no_difference(archive: Path, tmp_path: Path) -> None:
    """`tar --compare` agrees after extraction."""
    subprocess.run([TAR, "-xpzf", archive], cwd=tmp_path, check=True)
    process = subprocess.run([TAR, "-dzf", archive], cwd=tmp_path, capture_output=True, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")


@pytest.mark.skipif(not shutil.which("gzip"), reason="there is no gzip")
def test_gzip_finds_it_whole(archive: Path) -> None:
    """`gzip -t` and `gzip -dc`, over all members."""
    assert subprocess.run(["gzip", "-t", archive], capture_output=True, check=True).stderr == b""
    stream = subprocess.run(["gzip", "-dc", archive], capture_output=True, check=True).stdout
    assert len(stream) % 512 == 0
    assert stream.endswith(END)


@needs_gnu_tar
def test_gnu_tar_reads_a_file_of_nine_gigabytes(tmp_path: Path) -> None:
    """A sparse archive, of which nothing but two headers is written."""
    size = 9 << 30
    path = tmp_path / "big.tar"
    with path.open("wb") as file:
        file.write(member_header(b"big", size, 0o644, EPOCH))
        file.seek(size + len(padding(size)), io.SEEK_CUR)
        file.write(member_header(b"after", 0, 0o644, EPOCH) + END)
    listed = subprocess.run([TAR, "-tvf", path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [(line.split()[2], line.split()[-1]) for line in listed] == [(str(size), "big"), ("0", "after")]


FORMS = st.one_of(
    st.integers(0, 600).map(lambda number: b"%o" % number),
    st.sampled_from([b"", b"8", b"1_0", b"+5", b"-5", b"0x5", b"5 5", b"77777777777", b"5\0\x37"]),
)


@st.composite
def number(draw: st.DrawFn, width: int) -> bytes:
    """Return what a field for a number may hold."""
    form = draw(st.sampled_from(["octal", "octal", "octal", "blanks", "odd", "binary"]))
    if form == "binary":
        head = draw(st.sampled_from([b"\x80", b"\x81", b"\xff"]))
        value = draw(st.sampled_from([0, 5, 512, 1 << 31, 1 << 33, 1 << 47]))
        return head + (value % (1 << 8 * (width - 1))).to_bytes(width - 1, "big")
    digits = draw(FORMS)
    if form == "octal":
        digits = digits.rjust(width - 1, b"0")
    elif form == "blanks":
        digits = digits.rjust(width - 1, b" ")
    else:
        digits = draw(st.sampled_from([b"", b"\0", b" ", b"\t", b"\0\0"])) + digits
    return (digits + draw(st.sampled_from([b"\0", b" ", b"\0 ", b"", b"\0x"]))).ljust(width, b"\0")[:width]


NAMES = [b"a", b"b", b"c/d", b"./e", b"f/.", b"g/", b"h//i", b"", b"long" * 25]


@st.composite
def odd_header(draw: st.DrawFn) -> bytes:
    """Return a header block, most of whose fields are as they should be."""
    fields = {
        "name": draw(st.sampled_from(NAMES)).ljust(100, b"\0"),
        "mode": b"0000644\0",
        "uid": b"0000000\0",
        "gid": b"0000000\0",
        "size": b"%011o\0" % draw(st.sampled_from([0, 0, 5, 512, 600])),
        "mtime": b"%011o\0" % EPOCH,
    }
    for name in draw(st.sampled_from([[], [], ["mode"], ["uid"], ["gid"], ["size"], ["mtime"]])):
        fields[name] = draw(number(len(fields[name])))
    magic = draw(st.sampled_from([b"ustar  \0", b"ustar\x0000", bytes(8), b"ustar\0  "]))
    kind = draw(st.sampled_from([*[b"0"] * 9, b"\0", b"7", b"5", b"L", b"x", b"x", b"g", b"K", b"S"]))
    prefix = draw(st.sampled_from([b"", b"", b"pre", b"/abs"]))
    block = b"".join(fields.values()) + b" " * 8 + kind + bytes(100) + magic + bytes(80)
    block = (block + prefix).ljust(512, b"\0")
    checksum = draw(st.sampled_from([b"%06o\0 ", b"%06o\0 ", b"%07o\0", b"%6o \0", b"%o\0\0\0"])) % sum(block)
    return block[:148] + checksum.ljust(8, b"\0")[:8] + block[156:]


CONTENTS = st.sampled_from(
    [
        b"",
        b"12345",
        b"name\0",
        b"name",
        b"10 path=p\n",
        b"8 path=\n",
        b"10 size=5\n",
        b"11 size=+5\n",
        b"12 path=q/r\n10 size=5\n",
        b"010 path=p\n",
        b"20 comment=something\n",
        b"30 mtime=1580601600.123456789\n",
        b"12 mtime=-1\n",
        b"9 gid=abc\n",
        b"x" * 600,
    ]
)


@needs_gnu_tar
@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(odd_header(), CONTENTS), min_size=1, max_size=4))
def test_what_we_read_gnu_tar_extracts_alike(members: list[tuple[bytes, bytes]]) -> None:
    """Whatever is accepted extracts with status 0 to the same files."""
    stream = b"".join(header + content + bytes(-len(content) % 512) for header, content in members) + END
    packed = gzip.compress(stream, 1)
    try:
        found = {header.path: b"".join(chunks) for header, chunks in read_members(Bytes(packed), "x", limit=1 << 20)}
    except ArtifactError:
        return
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.run([TAR, "-xzf", "-"], input=packed, cwd=directory, capture_output=True, check=False)
        assert process.returncode == 0, process.stderr
        extracted = {
            os.path.relpath(os.path.join(place, name), directory): Path(place, name).read_bytes()
            for place, _, names in os.walk(directory)
            for name in names
        }
    assert extracted == found
