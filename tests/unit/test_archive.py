"""A plan becomes the bytes of `source.tar.gz`, the same everywhere, or a clear error."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import socket
import subprocess
import sys
import tarfile
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pipelines import (
    CHECKOUT,
    Pipeline,
    clean_environment,
    contents,
    make_pipeline,
    refusal,
    refused_line,
    run_command_line,
    unprivileged,
)

from hatch_ytupload.errors import SourceError
from hatch_ytupload.packing.archive import Packed, pack
from hatch_ytupload.packing.compression import BLOCK_SIZE
from hatch_ytupload.packing.manifest import FileInfo, content_digest
from hatch_ytupload.planning.plan import Generated, Part
from hatch_ytupload.sources.planned_files import read_at_once, read_unchanged
from hatch_ytupload.sources.tree import SourceFile, single_file

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = 1580601600
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMII\n"


def source_file(path: Path, name: str = "a.bin", *, own: bool = True) -> SourceFile:
    """Plan one file."""
    return single_file(str(path), name, str(path.parent), own=own, shown=path.name)


def written(directory: Path, content: bytes, name: str = "a.bin") -> SourceFile:
    """Write one file and plan it."""
    (directory / name).write_bytes(content)
    return source_file(directory / name)


def packed(*parts: Part, keep_times: bool = False, threads: int | None = None) -> tuple[Packed, bytes]:
    """Pack parts; return what is known and the bytes."""
    output = io.BytesIO()
    result = pack(parts, output, epoch=EPOCH, keep_times=keep_times, threads=threads)
    return result, output.getvalue()


def members(archive: bytes) -> list[tarfile.TarInfo]:
    """Return the members as Python's tarfile sees them."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz", errors="strict", encoding="utf-8") as tar:
        return tar.getmembers()


# A pipeline with everything that could make a difference.
CONTENT = {
    "stages/стадия/src/mapper.py": b"print(1)\n",
    "stages/first/src/vanilla.py": b"",
    "stages/first/requirements.txt": b"numpy\n",
    "lib/данные/é.txt": b"1",
    "lib/данные/e\u0301.txt": b"2",
    "lib/" + "long" * 40 + "/new\nline": b"3",
    "lib/Z": b"",
    "lib/a": b"",
    "lib/_": b"",
    "lib/big.bin": random.Random(2).randbytes(BLOCK_SIZE + 1),
    "путь/x": b"x",
}
TABLE = 'upload_paths = [{ source = "lib" }, { source = "путь", target = "куда/то" }]\nstages = ["стадия", "first"]'


def made(directory: Path, *, reverse: bool = False) -> Pipeline:
    """Write that pipeline."""
    files = dict(reversed(CONTENT.items()) if reverse else CONTENT.items())
    pipeline = make_pipeline(directory, {**files}, settings=TABLE, stage=False)
    (pipeline.root / "lib/a").chmod(0o755)
    return pipeline


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the digest of its archive as it is made here and now."""
    return made(tmp_path_factory.mktemp("same") / "demo").build().sha256


class TestContent:
    """What is in the archive."""

    def test_members_are_plain_files_of_nobody(self, tmp_path: Path) -> None:
        """Type, owner, mode and time are the same whatever the file has."""
        file = written(tmp_path, b"x")
        (tmp_path / "a.bin").chmod(0o4777)
        (one, two) = members(packed(Part("p", (file, Generated("b.sh", b"#!/bin/sh\n", 0o755))))[1])
        for member in (one, two):
            assert member.type == tarfile.REGTYPE
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", EPOCH)
            assert not member.pax_headers
        assert [(member.name, member.mode) for member in (one, two)] == [("a.bin", 0o644), ("b.sh", 0o755)]

    @pytest.mark.parametrize(
        "size",
        [0, 1, 511, 512, 513, BLOCK_SIZE - 512, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE + 700],
    )
    def test_contents_of_any_size_come_out(self, tmp_path: Path, size: int) -> None:
        """Around blocks of tar, of compression and of reading; what follows them too."""
        content = random.Random(size).randbytes(size)
        (tmp_path / "out.tar.gz").write_bytes(
            packed(Part("p", (written(tmp_path, content), Generated("b", b"z", 0o644))))[1]
        )
        assert contents(tmp_path / "out.tar.gz") == {"a.bin": content, "b": b"z"}

    def test_everything_about_it_is_told(self, tmp_path: Path) -> None:
        """Sizes and digests are those of the bytes."""
        content = os.urandom(BLOCK_SIZE + 9)
        file = written(tmp_path, content)
        result, archive = packed(Part("one", (file,)), Part("two", (Generated("b", b"zz", 0o755),)))
        stream = gzip.decompress(archive)
        assert result.size == len(archive)
        assert result.sha256 == hashlib.sha256(archive).hexdigest()
        assert result.md5 == hashlib.md5(archive).hexdigest()
        assert result.files == [
            FileInfo("a.bin", len(content), "644", hashlib.sha256(content).hexdigest()),
            FileInfo("b", 2, "755", hashlib.sha256(b"zz").hexdigest()),
        ]
        start = content_start = 0
        for part in result.parts:
            compressed = archive[start : start + part.size]
            assert hashlib.sha256(compressed).hexdigest() == part.sha256
            plain = stream[content_start : content_start + part.content_size]
            assert gzip.decompress(compressed) == plain
            start += part.size
            content_start += part.content_size
        assert [part.name for part in result.parts] == ["one", "two"]
        assert stream[content_start:] == bytes(10240)

    def test_names_survive(self, tmp_path: Path) -> None:
        """Long ones, and those that shells and terminals stumble over."""
        names = sorted(
            [
                *("n" * length for length in (99, 100, 101, 255)),
                *("d/" * 127 + "n" * length for length in (1, 2, 3, 200)),
                " ", "a b", "new\nline", "tab\t", "-rf", "--help", "é", "e\u0301", "日本語/😀", "back\\slash", "'\"",
            ],
            key=str.encode,
        )  # fmt: skip
        _, archive = packed(Part("p", tuple(Generated(name, name.encode(), 0o644) for name in names)))
        (tmp_path / "out.tar.gz").write_bytes(archive)
        assert contents(tmp_path / "out.tar.gz") == {name: name.encode() for name in names}

    def test_times_may_be_kept(self, tmp_path: Path) -> None:
        """Those of files, in whole seconds; what we write ourselves has the fixed one."""
        (tmp_path / "a.bin").touch()
        os.utime(tmp_path / "a.bin", ns=(0, 1_234_567_890_999_999_999))
        _, archive = packed(Part("p", (source_file(tmp_path / "a.bin"), Generated("b", b"", 0o644))), keep_times=True)
        assert [member.mtime for member in members(archive)] == [1_234_567_890, EPOCH]

    def test_the_first_member_holds_one_byte(self, tmp_path: Path) -> None:
        """So a reader that stops at the end of a gzip member fails at once, however long the first name is."""
        for name in ("a", "n" * 200):
            _, archive = packed(Part("p", (Generated(name, b"x" * 2000, 0o644), written(tmp_path, b"y" * BLOCK_SIZE))))
            unpacked = zlib.decompressobj(31)
            assert unpacked.decompress(archive) == gzip.decompress(archive)[:1]
            assert unpacked.eof
            with pytest.raises(tarfile.ReadError), tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as tar:
                tar.getnames()

    def test_no_parts_make_an_empty_archive(self) -> None:
        """Still one that readers take."""
        result, archive = packed()
        assert members(archive) == []
        assert (result.files, result.parts) == ([], [])


class TestSameBytes:
    """The same content is the same bytes."""

    def test_a_known_plan_is_a_known_archive(self, tmp_path: Path) -> None:
        """These digests are what releases are known by: they change only with a new format."""
        parts = (
            Part("wrappers", (Generated("operation_wrapper_a_map.sh", b"#!/bin/bash\n", 0o755),)),
            Part("stages/a", (Generated("stages/a/src/" + "long" * 30 + ".py", b"print(1)\n" * 100, 0o644),)),
            Part("данные", (written(tmp_path, bytes(range(256)) * 9000), Generated("данные/пусто", b"", 0o644))),
        )
        result, _ = packed(*parts)
        assert content_digest(result.files) == "87bae3796494de58f9678cf78aadb4637ad56f874e2d57079c1e8449563175b2"
        assert result.sha256 == "91b0ad9e44c57f0cf7606b8833fe5e012fb30a9206e4dc1c64366a93104ebf63"

    def test_neither_threads_nor_neighbours_matter(self, tmp_path: Path) -> None:
        """A part is the same bytes, whatever comes before it and however many cores there are; the first one begins
        with a member for the first byte.
        """
        file = written(tmp_path, random.Random(1).randbytes(5 * BLOCK_SIZE))
        part = Part("p", (file,))
        _, alone = packed(part, threads=1)
        for threads in (2, 5):
            assert packed(part, threads=threads)[1] == alone
        other = Generated("0", b"0" * 999, 0o644)
        result, beside = packed(Part("o", (other,)), part)
        result_later, later = packed(Part("o", (other, other._replace(path="1"))), part)
        assert beside[result.parts[0].size :] == later[result_later.parts[0].size :]
        assert gzip.decompress(alone) == gzip.decompress(beside[result.parts[0].size :])

    def test_hard_links_are_files(self, tmp_path: Path) -> None:
        """Installers link files; the archive must not tell."""
        one = written(tmp_path, b"same", "one")
        os.link(tmp_path / "one", tmp_path / "two")
        two = source_file(tmp_path / "two")
        archive = packed(Part("p", (one._replace(path="one"), two._replace(path="two"))))[1]
        assert [(member.type, member.size) for member in members(archive)] == [(tarfile.REGTYPE, 4)] * 2

    def test_the_place_does_not_matter(self, tmp_path: Path, expected: str) -> None:
        """Another directory, deeper and with another name, behind a link."""
        pipeline = made(tmp_path / "other name/ё/x")
        (tmp_path / "link").symlink_to("other name/ё")
        assert Pipeline(tmp_path / "link/x").build().sha256 == expected
        assert pipeline.build(tmp_path / "out").sha256 == expected

    def test_order_time_mode_and_owner_do_not_matter(self, tmp_path: Path, expected: str) -> None:
        """Files made in another order, at another time, under another umask, by another user."""
        mask = os.umask(0o077)
        try:
            pipeline = made(tmp_path / "demo", reverse=True)
        finally:
            os.umask(mask)
        (pipeline.root / "lib/a").chmod(0o700)
        for number, path in enumerate(pipeline.root.rglob("*")):
            os.utime(path, (number, number))
            if os.geteuid() == 0:
                os.chown(path, 1234, 5678)
        assert pipeline.build().sha256 == expected

    def test_hard_links_do_not_matter(self, tmp_path: Path, expected: str) -> None:
        """A tree of hard links packs as the tree that it is linked to."""
        original = made(tmp_path / "one").root
        linked = tmp_path / "two"
        for path in sorted(original.rglob("*")):
            target = linked / path.relative_to(original)
            if path.is_dir():
                target.mkdir(parents=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
        assert Pipeline(linked).build().sha256 == expected

    @pytest.mark.parametrize(
        "environ",
        [
            {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "1"},
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "2"},
            {"LC_ALL": "C", "PYTHONUTF8": "1"},
        ],
        ids=["time zone", "ASCII", "UTF-8 mode"],
    )
    def test_the_environment_does_not_matter(self, tmp_path: Path, expected: str, environ: dict[str, str]) -> None:
        """Another time zone, hash seed, or encoding of file names."""
        process = made(tmp_path / "demo").run("build", "-d", str(tmp_path / "out"), environ=environ)
        assert process.returncode == 0, process.stderr
        archive = tmp_path / "out/demo-1.0.ytarchive/source.tar.gz"
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == expected


def linked_and(path: Path, original: Path, change: Callable[[], None]) -> None:
    """Put the file itself back under its name, and change it."""
    os.link(original, path)
    change()


def bound(path: Path) -> None:
    """Make a socket; as names of sockets are short, it is bound by another name of its directory."""
    directory = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)


def constant_change(path: Path, size: int, stop: threading.Event) -> None:
    """Write one value after the other over a file until told to stop."""
    value = 0
    while not stop.is_set():
        value = (value + 1) % 256
        path.write_bytes(bytes([value]) * size)


class TestChanges:
    """Files that change between planning and packing, or while they are read."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> SourceFile:
        """Return a planned file of several chunks."""
        return written(tmp_path, bytes(3 * BLOCK_SIZE))

    def changed(self, file: SourceFile) -> str:
        """Return the line that says that the file changed."""
        return f"`{file.source}` changed while it was being packed; build again when it is at rest"

    def test_a_file_at_rest_is_read(self, file: SourceFile) -> None:
        """All of it."""
        assert b"".join(read_unchanged(file)) == read_at_once(file) == bytes(3 * BLOCK_SIZE)

    def test_every_change_before_reading_is_seen(self, file: SourceFile) -> None:
        """Grown, shortened, touched, replaced by a file, a link, a directory, a FIFO, a socket, or by nothing."""
        path = Path(file.source)
        aside = path.with_name("aside")
        path.rename(aside)
        changes: list[Callable[[], object]] = [
            lambda: path.write_bytes(aside.read_bytes()),
            lambda: None,
            lambda: path.symlink_to(aside),
            path.mkdir,
            lambda: os.mkfifo(path),
            lambda: bound(path),
            lambda: linked_and(path, aside, lambda: os.utime(path, ns=(0, file.mtime_ns + 1))),
            lambda: linked_and(path, aside, lambda: os.truncate(path, 5)),
        ]
        for change in changes:
            change()
            assert refusal(lambda: list(read_unchanged(file))) == self.changed(file), change
            assert refusal(lambda: read_at_once(file)) == self.changed(file), change
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)

    def test_a_directory_above_that_is_gone_is_seen(self, tmp_path: Path) -> None:
        """Nothing is read from what has taken its place."""
        (tmp_path / "sub").mkdir()
        file = written(tmp_path / "sub", b"x")
        (tmp_path / "sub").rename(tmp_path / "moved")
        (tmp_path / "sub").write_text("a file")
        assert refusal(lambda: list(read_unchanged(file))) == self.changed(file)

    @pytest.mark.parametrize("change", ["grow", "shorten", "touch", "overwrite"])
    def test_every_change_while_reading_is_seen(self, file: SourceFile, change: str) -> None:
        """After the first chunk, in the middle of a file."""
        chunks = read_unchanged(file)
        assert 0 < len(next(chunks)) <= BLOCK_SIZE
        with open(file.source, "r+b") as stream:
            if change == "grow":
                stream.seek(0, io.SEEK_END)
                stream.write(b"x")
            elif change == "shorten":
                stream.truncate(BLOCK_SIZE)
            elif change == "overwrite":
                stream.write(b"x")
        if change == "touch":
            os.utime(file.source)
        assert refusal(lambda: list(chunks)) == self.changed(file)

    def test_a_file_that_is_replaced_while_reading_is_read_to_its_end(self, file: SourceFile) -> None:
        """Replacing a file leaves the old one whole for whoever has it open."""
        chunks = read_unchanged(file)
        first = next(chunks)
        Path(file.source).unlink()
        Path(file.source).write_bytes(b"new")
        assert first + b"".join(chunks) == bytes(3 * BLOCK_SIZE)

    def test_a_file_under_constant_change_is_packed_whole_or_not_at_all(self, tmp_path: Path) -> None:
        """A writer that never rests cannot make the archive hold half of one state and half of another."""
        path = tmp_path / "a.bin"
        path.write_bytes(bytes(4 * BLOCK_SIZE))
        stop = threading.Event()
        writer = threading.Thread(target=constant_change, args=(path, 4 * BLOCK_SIZE, stop))
        writer.start()
        try:
            outcomes = [self.outcome(path) for _ in range(30)]
        finally:
            stop.set()
            writer.join()
        assert set(outcomes) <= {"changed", "whole"}

    def outcome(self, path: Path) -> str:
        """Plan and pack a file; tell what came of it."""
        try:
            _, archive = packed(Part("p", (source_file(path),)))
        except SourceError as error:
            return "changed" if "changed while it was being packed" in str(error) else str(error)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            stream = tar.extractfile("a.bin")
            assert stream is not None
            return "whole" if len(set(stream.read())) <= 1 else "mixed"

    def test_an_unreadable_file_is_named(self, tmp_path: Path) -> None:
        """With the way out."""
        pipeline = make_pipeline(tmp_path / "demo")
        script = pipeline.root / "stages/first/src/mapper.py"
        script.chmod(0)
        line = f"cannot read `{script}`: Permission denied; make it readable or exclude it in `.ytignore`"
        command = unprivileged("-m", "hatch_ytupload")
        assert refused_line(run_command_line("build", cwd=pipeline.root, command=command)) == line


class TestPrivateKeys:
    """Private keys by their content."""

    def test_one_among_own_sources_is_refused(self, pipeline: Pipeline) -> None:
        """Whatever it is called."""
        pipeline.write({"stages/first/src/notes.txt": PRIVATE_KEY})
        assert pipeline.refusal(build=True) == (
            f"`{pipeline.root}/stages/first/src/notes.txt` holds a private key, which must not get into an archive; "
            "move it out of the sources or exclude it in `.ytignore`"
        )
        pipeline.write({".ytignore": "notes.txt\n"}).build()

    def test_one_in_an_installed_package_is_packed(self, tmp_path: Path) -> None:
        """Tests of other people's packages hold keys that open nothing."""
        (tmp_path / "key.pem").write_text(PRIVATE_KEY)
        file = source_file(tmp_path / "key.pem", "pkg/tests/key.pem", own=False)
        assert len(members(packed(Part("pkg", (file,)))[1])) == 1

    def test_text_about_keys_is_packed(self, pipeline: Pipeline) -> None:
        """A module that quotes the header of one."""
        pipeline.write({"stages/first/src/keys.py": f'EXAMPLE = """\n{PRIVATE_KEY}"""\n'}).build()


class TestOutput:
    """Where the bytes go."""

    def test_an_error_of_the_output_comes_out(self, tmp_path: Path) -> None:
        """And all threads end."""
        file = written(tmp_path, random.Random(3).randbytes(8 * BLOCK_SIZE))
        with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left on device"):
            pack((Part("p", (file,)),), full, epoch=EPOCH)
        left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("compress", "digest"))]
        assert left == []

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_archive(self, tmp_path: Path) -> None:
        """300 MB, of which 120 MB do not compress, are packed in less than 150 MB: neither side is held."""
        pipeline = make_pipeline(tmp_path / "demo")
        block = random.Random(4).randbytes(10_000_000)
        with (pipeline.root / "stages/first/src/big.bin").open("wb") as file:
            for _ in range(12):
                file.write(block)
            file.truncate(300_000_000)
        code = (
            "import re, resource\n"
            "from pathlib import Path\n"
            "from hatch_ytupload.packing.build import build_bundle\n"
            "from hatch_ytupload.configuration.project import find_project\n"
            "from hatch_ytupload.configuration.settings import load_settings\n"
            "project = find_project('.')\n"
            "built = build_bundle(project, load_settings(project.root, project.table), project.build_directory)\n"
            "try:\n"
            "    peak = int(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]) * 1024\n"
            "except FileNotFoundError:\n"
            "    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS\n"
            "print(peak, built.size)\n"
        )
        process = subprocess.run(
            [sys.executable, "-c", code],
            cwd=pipeline.root, env=clean_environment(PYTHONPATH=str(CHECKOUT)), capture_output=True, check=True,
        )  # fmt: skip
        peak, size = map(int, process.stdout.split())
        assert size > 120_000_000
        assert peak < 150_000_000
