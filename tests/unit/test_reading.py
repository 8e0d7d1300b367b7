"""Reading archives that others wrote: what is whole is read, what is not is refused in one line."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from typing import TYPE_CHECKING

import archives
import pytest
from archives import Bytes, archive_of, member, tar, tar_gz
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pipelines import contents, refusal

from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.packing.manifest import FileInfo, load_manifest
from hatch_ytupload.reading.contents import places, read_contents, read_files, read_members
from hatch_ytupload.reading.gzip_members import Unpacked
from hatch_ytupload.reading.tar_members import Members

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines import Pipeline

    from hatch_ytupload.packing.manifest import Manifest

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def read(data: bytes, limit: int = 1 << 30) -> dict[str, bytes]:
    """Return the files of an archive by path."""
    return {header.path: b"".join(chunks) for header, chunks in read_members(Bytes(data), "x.tar.gz", limit=limit)}


def refused(data: bytes, limit: int = 1 << 30) -> str:
    """Return why an archive is not read."""
    return refusal(lambda: read(data, limit))


def read_or_refused(data: bytes) -> dict[str, bytes] | None:
    """Return the files of an archive, None where it was refused; any other exception is a failure."""
    try:
        return read(data, limit=1 << 20)
    except ArtifactError as error:
        refusal = str(error)
    assert refusal.isprintable()
    return None


def bundle(pipeline: Pipeline) -> tuple[bytes, Manifest]:
    """Build a pipeline; return the archive and its manifest."""
    pipeline.build()
    archive = pipeline.archive()
    return archive.read_bytes(), load_manifest(archive.with_name("manifest.json").read_bytes())


class TestWhole:
    @pytest.mark.parametrize("format_", FORMATS)
    def test_files_of_every_format_are_read(self, format_: int) -> None:
        """What Python's tarfile writes is what we read, in the three formats that it knows."""
        files = {"a.py": b"a", "long/" + "n" * 90 + "/" + "m" * 90 + ".py": b"b" * 1000, "empty": b""}
        assert read(archive_of(files, format_)) == files

    @pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_a_name_of_any_length_and_language_is_read(self, format_: int) -> None:
        """Long names and those that are not ASCII stand in headers of their own."""
        name = "каталог/" * 60 + "файл.py"
        assert read(archive_of({name: b"x"}, format_)) == {name: b"x"}

    def test_what_we_build_is_read_as_tarfile_reads_it(self, pipeline: Pipeline) -> None:
        """Our own archives consist of many gzip members."""
        pipeline.write({"stages/first/src/" + "d" * 120 + "/x.py": "x", "stages/first/src/big.bin": bytes(3 << 20)})
        data, manifest = bundle(pipeline)
        assert read(data) == contents(pipeline.archive())
        assert read_contents(Bytes(data), "x") == (manifest.files, manifest.content_sha256)

    def test_directories_are_passed_over_and_names_are_normal(self) -> None:
        """`tar -czf x ./dir` writes directories, and names that begin with `./`."""
        data = tar_gz(
            member("./", kind=archives.DIRECTORY), member("./a/", kind=archives.DIRECTORY), member("./a//b.py", b"1")
        )
        assert read(data) == {"a/b.py": b"1"}

    def test_owner_mode_and_time_are_told(self) -> None:
        """The header holds all that can make two archives of the same files differ."""
        info, content = member("a", b"1", mode=0o4755)
        info.mtime, info.uid, info.gid, info.uname, info.gname = 12.5, 1, 2, "me", "us"
        ((header, _),) = read_members(Bytes(tar_gz((info, content), format_=tarfile.PAX_FORMAT)), "x")
        assert header == ("a", 1, 0o4755, 12.5, 1, 2, "me", "us")

    def test_a_content_that_nobody_reads_is_passed_over(self) -> None:
        """The next header is found all the same."""
        data = archive_of({"a": b"1" * 3000, "b": b"2"})
        assert [header.path for header, _ in read_members(Bytes(data), "x")] == ["a", "b"]

    def test_an_archive_without_members_is_read(self) -> None:
        """It holds nothing, and nothing is wrong with it."""
        assert read(tar_gz()) == {}


class TestHostile:
    @pytest.mark.parametrize(
        ("kind", "called"),
        [
            (archives.SYMLINK, "a symbolic link"),
            (archives.HARD_LINK, "a hard link"),
            (archives.FIFO, "a FIFO"),
            (archives.CHARACTER_DEVICE, "a character device"),
            (archives.BLOCK_DEVICE, "a block device"),
        ],
    )
    def test_links_and_devices_are_refused(self, kind: bytes, called: str) -> None:
        """No archive of code holds any."""
        line = refused(tar_gz(member("a.py", b"1"), member("evil", kind=kind, link="/etc/passwd")))
        assert line.startswith(f"`x.tar.gz` holds `evil`, {called}, and only regular files")

    @pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", ".."])
    def test_a_path_that_climbs_is_refused(self, name: str) -> None:
        """Whoever extracted it would write elsewhere."""
        assert refused(tar_gz(member(name))) == f"`x.tar.gz` holds the path `{name}`, which leads out of it"

    def test_an_absolute_path_is_refused(self) -> None:
        """It says where to write, whatever the directory."""
        assert "the absolute path `/etc/x`, which leads out of it" in refused(tar_gz(member("/etc/x")))

    def test_a_directory_that_climbs_is_refused_too(self) -> None:
        """Directories are passed over, not believed."""
        assert "leads out of it" in refused(tar_gz(member("../x", kind=archives.DIRECTORY)))

    @pytest.mark.parametrize("second", ["a/b", "./a/b", "a//b"])
    def test_a_name_that_comes_twice_is_refused(self, second: str) -> None:
        """Which of the two would be seen depends on the reader."""
        assert "twice" in refused(tar_gz(member("a/b", b"1"), member(second, b"2")))

    @pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a-b", "a.b", "a/b")])
    def test_a_file_that_is_a_directory_too_is_refused(self, names: tuple[str, ...]) -> None:
        """It could not be extracted."""
        assert refused(archive_of(dict.fromkeys(names, b""))) == "`x.tar.gz` holds `a` as a file and as a directory"

    def test_a_file_with_the_name_of_an_empty_directory_is_refused(self) -> None:
        """A directory counts even where nothing is in it."""
        assert "as a file and as a directory" in refused(tar_gz(member("a", kind=archives.DIRECTORY), member("a")))

    def test_names_that_only_begin_alike_are_fine(self) -> None:
        """`a-b` lies beside `a`, whatever the order of their letters."""
        assert set(read(archive_of({"a-b": b"", "a": b"", "a.b": b""}))) == {"a-b", "a", "a.b"}

    @pytest.mark.parametrize("name", ["\udcff.py", "caf\udce9"])
    def test_a_name_that_is_not_utf8_is_refused(self, name: str) -> None:
        """It would be another file on every machine."""
        assert "which is not UTF-8" in refused(tar_gz(member(name)))

    def test_names_with_control_characters_stay_on_one_line(self) -> None:
        """A name cannot write to the terminal."""
        line = refused(tar_gz(member("a\n\x1b[31mb", kind=archives.SYMLINK)))
        assert "`a\\n\\x1b[31mb`" in line

    def test_a_sparse_file_is_refused(self) -> None:
        """Its size in the archive says nothing about its size on disk."""
        info, content = member("a", b"1")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.size": "99999999"}
        assert "holds a sparse file" in refused(tar_gz((info, content), format_=tarfile.PAX_FORMAT))

    def test_a_huge_header_is_not_read(self) -> None:
        """A header that announces gigabytes of name does not get the memory for them."""
        info = tarfile.TarInfo("././@LongLink")
        info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
        assert f"holds a header of {1 << 33} bytes" in refused(gzip.compress(info.tobuf(tarfile.GNU_FORMAT)))

    def test_a_name_longer_than_any_file_system_takes_is_refused(self) -> None:
        """A name of a megabyte is a way to fill memory."""
        assert "holds a name of 5001 bytes" in refused(archive_of({"a/" * 2500 + "b": b""}))

    @pytest.mark.parametrize("header", [{"path": "evil"}, {"size": "1"}, {"mtime": "1"}, {"GNU.dumpdir": "x"}])
    def test_a_global_header_that_changes_members_is_refused(self, header: dict[str, str]) -> None:
        """It would give every member one name, or one size."""
        data = tarfile.TarInfo.create_pax_global_header(header)
        assert "`x.tar.gz` holds a" in refused(gzip.compress(data + tar([member("a")])))

    def test_a_global_header_of_git_archive_is_passed_over(self) -> None:
        """`git archive` writes the commit there."""
        data = tarfile.TarInfo.create_pax_global_header({"comment": "c" * 40})
        assert read(gzip.compress(data + tar([member("a", b"1")]))) == {"a": b"1"}


def header(name: bytes = b"a", kind: bytes = b"0", **fields: bytes) -> bytes:
    """Return a header block of GNU's format with some fields as they are given."""
    places = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136}
    block = bytearray(tarfile.TarInfo("").tobuf(tarfile.GNU_FORMAT))
    block[: len(name)] = name
    block[156:157] = kind
    for field, value in fields.items():
        block[places[field] : places[field] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    """Return a content with its padding."""
    return content + bytes(-len(content) % 512)


def pax(*records: bytes) -> bytes:
    """Return an extended header with these records, length included."""
    content = b"".join(records)
    return header(b"pax", b"x", size=b"%011o\0" % len(content)) + padded(content)


class TestReadDifferently:
    """What GNU tar, which jobs extract with, may read in another way is refused."""

    @pytest.mark.parametrize(
        "size",
        [
            b"\0" + b"0000001000\0",
            b"\0" * 12,
            b" " * 12,
            b"+0000000005\0",
            b"-0000000005\0",
            b"0x0000000005",
            b"0000000000 5",
            b"00000000_05\0",
            b"000000000009",
            b"000000000005",
            b"\xff" * 12,
            b"\t0000000005\0",
        ],
    )
    def test_a_size_in_any_but_the_usual_form(self, size: bytes) -> None:
        """Empty, signed, blank in the middle, without an end, negative."""
        assert "begins no header" in refused(gzip.compress(header(size=size) + padded(b"12345") + bytes(1024)))

    @pytest.mark.parametrize("stream", [header(b""), header(b"."), pax(b"8 path=\n") + header()])
    def test_a_file_without_a_name(self, stream: bytes) -> None:
        """GNU tar takes it for the directory that it extracts into, and fails."""
        assert "which is none" in refused(gzip.compress(stream + bytes(1024)))

    @pytest.mark.parametrize(
        "size", [b"00000000005\0", b"          5 ", b"\x80" + bytes(10) + b"\5", b"5 " + bytes(10)]
    )
    def test_sizes_that_all_readers_read_alike_are_read(self, size: bytes) -> None:
        """Octal digits after zeros or blanks, and the binary form."""
        assert read(gzip.compress(header(size=size) + padded(b"12345") + bytes(1024))) == {"a": b"12345"}

    @pytest.mark.parametrize("content", [b"name", b"na\0me\0", b""])
    def test_a_long_name_without_its_end(self, content: bytes) -> None:
        """GNU tar reads on to the next NUL."""
        long_name = header(b"././@LongLink", b"L", size=b"%011o\0" % len(content)) + padded(content)
        assert "a long name in it is broken" in refused(gzip.compress(long_name + header() + bytes(1024)))

    @pytest.mark.parametrize(
        "record", [b"10 size=+5\n", b"10 size= 5\n", b"10 size=-5\n", b"11 size=1_0\n", b"9 size=\xb2\n", b"9 mtime=\n"]
    )
    def test_numbers_of_extended_headers(self, record: bytes) -> None:
        """Signs, blanks and underscores are Python's business."""
        data = pax(record) + header(size=b"00000000005\0") + padded(b"12345") + bytes(1024)
        assert "an extended header in it is broken" in refused(gzip.compress(data))

    def test_a_member_that_is_announced_twice(self) -> None:
        """Which of the two counts is not the same everywhere."""
        data = pax(b"10 path=b\n") + pax(b"10 path=c\n") + header() + bytes(1024)
        assert "announced more than once" in refused(gzip.compress(data))

    @pytest.mark.parametrize("mtime", [b"\x80" + b"\xff" * 11, b"\x80" + bytes(6) + b"\xff" * 5])
    def test_a_time_that_tar_does_not_take(self, mtime: bytes) -> None:
        """It would extract, and end with an error."""
        assert "a time that not every reader takes" in refused(gzip.compress(header(mtime=mtime) + bytes(1024)))

    def test_a_name_that_no_file_system_takes(self) -> None:
        """Each part has at most 255 bytes."""
        assert "255 for each part" in refused(archive_of({"d/" + "n" * 256: b""}))


class TestBombs:
    def test_content_above_the_limit_is_not_read(self) -> None:
        """A few kilobytes unpack to a hundred megabytes; a small part of them is looked at."""
        data = archive_of({"a": bytes(100 << 20)})
        assert len(data) < 200_000
        line = refused(data, limit=10 << 20)
        assert line == f"`x.tar.gz` announces {100 << 20} bytes for `a`, more than the {10 << 20} that are read"

    def test_many_small_files_above_the_limit_are_not_read(self) -> None:
        """Each of them is below it."""
        line = refused(archive_of({f"{number}": bytes(1 << 20) for number in range(20)}), limit=10 << 20)
        assert line.startswith("`x.tar.gz` announces") or "unpacks to more than" in line

    def test_content_at_the_limit_is_read(self) -> None:
        """The limit itself is allowed."""
        data = tar([member("a", b"1")])
        assert read(gzip.compress(data), limit=len(data)) == {"a": b"1"}
        assert "unpacks to more than" in refused(gzip.compress(data), limit=len(data) - 1)

    def test_a_file_that_claims_to_be_huge_is_refused_at_its_header(self) -> None:
        """Nobody reads on to find out."""
        info = tarfile.TarInfo("a")
        info.size = 1 << 60
        data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
        assert refused(data) == f"`x.tar.gz` announces {1 << 60} bytes for `a`, more than the {1 << 30} that are read"

    def test_a_file_that_claims_to_be_larger_than_it_is_ends_early(self) -> None:
        """A size is a claim; memory is taken for what really comes."""
        info = tarfile.TarInfo("a")
        info.size = 1 << 29
        data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
        assert refused(data).endswith("it ends within `a`; build it again or take another copy")

    def test_zeros_after_the_end_are_not_read_for_ever(self) -> None:
        """Padding has an end too."""
        assert "goes on after" in refused(gzip.compress(tar([]) + bytes(2 << 20)))

    def test_ten_thousand_empty_members_are_read_in_no_time(self) -> None:
        """A gzip member of 20 bytes may hold nothing."""
        empty = gzip.compress(b"", mtime=0)
        assert read(empty * 10_000 + archive_of({"a": b"1"}) + empty * 10_000) == {"a": b"1"}

    def test_the_deepest_name_is_read(self) -> None:
        """A path of two thousand directories costs no more than its length."""
        name = "a/" * 2000 + "b"
        assert read(archive_of({name: b"1"})) == {name: b"1"}


class TestDamaged:
    def test_text_is_no_archive(self) -> None:
        """A file of another kind is called so."""
        assert refused(b"hello\n") == "`x.tar.gz` is no gzip file, so it cannot be an archive of code"

    def test_an_empty_file_is_no_archive(self) -> None:
        """Nothing was written yet, or it was lost."""
        assert "ends without the mark" in refused(b"")

    def test_a_gzip_file_without_a_tar_in_it_is_refused(self) -> None:
        """Compressed text is no archive."""
        assert "byte 0 of its content begins no header" in refused(gzip.compress(b"text" * 1000))

    def test_garbage_after_the_archive_is_refused(self) -> None:
        """Readers would disagree about it."""
        assert "its compressed data is broken" in refused(archive_of({"a": b"1"}) + b"garbage")

    def test_a_member_after_the_end_is_refused(self) -> None:
        """Some readers would see it, and others would not."""
        assert "goes on after the mark" in refused(gzip.compress(tar([member("a")]) + tar([member("b")])))

    def test_an_archive_cut_between_two_parts_is_damaged(self, pipeline: Pipeline) -> None:
        """Each part ends a gzip member, so the compressed data alone would not tell."""
        data, manifest = bundle(pipeline)
        cut = data[: manifest.parts[0].size + manifest.parts[1].size]
        assert gzip.decompress(cut)
        assert "ends without the mark that ends an archive" in refused(cut)

    def test_every_cut_is_noticed(self) -> None:
        """No beginning of an archive passes for an archive."""
        data = archive_of({"a": b"1" * 600, "b/c": b"2"})
        for length in range(len(data)):
            assert refused(data[:length])

    def test_every_flipped_bit_of_the_content_is_noticed(self) -> None:
        """The checksum of gzip sees each of them; bits that carry nothing may differ."""
        data = archive_of({"a": b"1" * 600, "b/c": b"2"})
        whole = read(data)
        unnoticed = 0
        for position in range(8 * len(data)):
            broken = bytearray(data)
            broken[position // 8] ^= 1 << position % 8
            found = read_or_refused(bytes(broken))
            assert found in (None, whole)
            unnoticed += found is not None
        # Time, flags and system in the header of gzip, and what fills the last byte of the compressed data.
        assert unnoticed < 8 * 10

    @settings(max_examples=examples(150))
    @given(st.data())
    def test_no_broken_tar_stream_ends_in_anything_but_one_line(self, data: st.DataObject) -> None:
        """Bytes changed before compression pass the checksums of gzip and reach our own parser."""
        format_ = data.draw(st.sampled_from(FORMATS))
        stream = bytearray(tar([member("a" * 60 + "/" + "b" * 60, b"1" * 700), member("c", b"2")], format_))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, 3000))
            stream[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        # Headers get their checksums back, so that the fields behind them are looked at.
        for start in range(0, len(stream) - 512, 512):
            block = stream[start : start + 512]
            total = sum(block) - sum(block[148:156]) + 256
            if data.draw(st.booleans()) and block[257:262] == b"ustar":
                stream[start + 148 : start + 156] = b"%06o\0 " % total
        for path in read_or_refused(gzip.compress(bytes(stream))) or {}:
            assert path
            assert not path.startswith("/")
            assert ".." not in path.split("/")

    @given(st.binary(max_size=2000))
    def test_any_bytes_end_in_one_line(self, data: bytes) -> None:
        """Random bytes, plain and behind a valid header of gzip."""
        for stream in (data, gzip.compress(data), b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + data):
            read_or_refused(stream)

    @settings(max_examples=examples(60))
    @given(
        st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=70).filter(
                lambda name: name not in (".", "..")
            ),
            st.binary(max_size=1500),
            max_size=6,
        ),
        st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    )
    def test_whatever_tarfile_writes_is_read_back(self, files: dict[str, bytes], format_: int) -> None:
        """Names of any letters, contents of any bytes."""
        assert read(archive_of(files, format_)) == files


class TestParts:
    def test_each_part_has_its_place(self, pipeline: Pipeline) -> None:
        """The manifest says which bytes of the archive hold which files."""
        pipeline.write({"lib/" + "n" * 120 + ".py": "x", "lib/b.py": "y" * 512})
        pipeline.write(
            {"pyproject.toml": '[project]\nname="demo"\nversion="1.0"\n[tool.ytupload]\nupload_paths=[{source="lib"}]'}
        )
        data, manifest = bundle(pipeline)
        found = places(manifest)
        assert found is not None
        assert [place.part.name for place in found] == ["ytjobs", "lib", "stages/first", "operation_wrapper_*.sh"]
        for place in found:
            stream = Unpacked(Bytes(data), "x", start=place.start, size=place.part.size)
            assert [header.path for header, _ in Members(stream, whole=False)] == [file.path for file in place.files]

    def test_only_the_part_of_a_file_is_read(self, pipeline: Pipeline) -> None:
        """One file out of a large archive costs one small range."""
        pipeline.write({"stages/first/src/big.bin": hashlib.shake_128(b"").digest(1 << 20), "ytjobs/a.py": "A"})
        data, manifest = bundle(pipeline)
        reader = Bytes(data)
        assert read_files(reader, manifest, {"ytjobs/a.py"}, "x") == {"ytjobs/a.py": b"A"}
        assert reader.asked == [(0, manifest.parts[0].size)]

    def test_without_parts_all_is_read(self, pipeline: Pipeline) -> None:
        """A foreign archive has no manifest."""
        data, _ = bundle(pipeline)
        assert read_files(Bytes(data), None, {"ytjobs/__init__.py"}, "x") == {
            "ytjobs/__init__.py": b"STAND_IN = True\n"
        }

    def test_parts_that_do_not_fit_the_files_are_not_believed(self, pipeline: Pipeline) -> None:
        """Then everything is read, and the file is found all the same."""
        data, manifest = bundle(pipeline)
        for part in (
            manifest.parts[0]._replace(content_size=manifest.parts[0].content_size + 512),
            manifest.parts[0]._replace(size=-1),
            manifest.parts[0]._replace(size=1 << 40),
        ):
            wrong = manifest._replace(parts=(part, *manifest.parts[1:]))
            assert places(wrong) is None
            assert "ytjobs/__init__.py" in read_files(Bytes(data), wrong, {"ytjobs/__init__.py"}, "x")

    def test_a_part_that_holds_another_content_is_refused(self, pipeline: Pipeline) -> None:
        """The digest of the manifest decides, even though the part itself is whole."""
        data, manifest = bundle(pipeline)
        files = tuple(
            FileInfo(file.path, file.size, file.mode, "0" * 64) if file.path.startswith("ytjobs") else file
            for file in manifest.files
        )
        wrong = manifest._replace(files=files)
        line = refusal(lambda: read_files(Bytes(data), wrong, {"ytjobs/__init__.py"}, "x"))
        assert line == "`ytjobs/__init__.py` in `x` is not what the manifest says"

    def test_progress_ends_at_the_size(self) -> None:
        """Who watches sees how far it is."""
        seen: list[tuple[int, int]] = []
        data = archive_of({"a": b"1"})
        for _ in read_members(Bytes(data), "x", progress=lambda done, size, counted="": seen.append((done, size))):
            pass
        assert seen[-1] == (len(data), len(data))

    def test_a_file_that_shrinks_while_it_is_read_is_reported(self) -> None:
        """The size was told before the bytes."""
        reader = Bytes(archive_of({"a": zlib.compress(b"1")}))
        reader.size += 10
        assert "bytes, and" in refusal(lambda: list(read_members(reader, "x")))

    def test_a_reader_that_fails_is_named(self, tmp_path: Path) -> None:
        """An error of the disk becomes one line."""

        class Broken(Bytes):
            def read(self, offset: int, length: int) -> bytes:
                raise OSError(5, "Input/output error")

        assert refusal(lambda: list(read_members(Broken(b"1"), "x"))) == "cannot read `x`: Input/output error"
