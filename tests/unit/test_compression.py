"""Blocks become gzip members, in order, whatever compresses them."""

from __future__ import annotations

import decimal
import gzip
import hashlib
import random
import threading
from contextlib import closing
from pathlib import Path

import deflate
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_ytupload.packing import compression
from hatch_ytupload.packing.compression import BLOCK_SIZE, BlockCompressor


class Recorder:
    """A sink that remembers everything."""

    def __init__(self, failing_at: int | None = None) -> None:
        self.members: list[bytes] = []
        self.blocks: list[bytes] = []
        self.ended = 0
        self.threads: set[int] = set()
        self.failing_at = failing_at

    def put(self, packed: bytes, size: int) -> None:
        """Remember a member."""
        if len(self.members) == self.failing_at:
            raise OSError(28, "No space left on device")
        self.members.append(packed)
        self.blocks.append(gzip.decompress(packed))
        assert len(self.blocks[-1]) == size
        self.threads.add(threading.get_ident())

    def end(self) -> None:
        """Note the end."""
        self.ended += 1


def compressed(*writes: bytes, threads: int | None = None) -> Recorder:
    """Compress what is written as one part."""
    sink = Recorder()
    compressor = BlockCompressor(threads)
    try:
        for data in writes:
            compressor.write(data, sink)
        compressor.end_part(sink)
        compressor.flush()
    finally:
        compressor.close()
    assert sink.ended == 1
    return sink


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not compress, always the same."""
    return random.Random(seed).randbytes(size)


class TestBlocks:
    """Where members begin and end."""

    @pytest.mark.parametrize(
        ("size", "blocks"),
        [
            (0, []),
            (1, [1]),
            (BLOCK_SIZE - 1, [BLOCK_SIZE - 1]),
            (BLOCK_SIZE, [BLOCK_SIZE]),
            (BLOCK_SIZE + 1, [BLOCK_SIZE, 1]),
            (3 * BLOCK_SIZE, [BLOCK_SIZE] * 3),
        ],
    )
    def test_a_block_has_a_fixed_size(self, size: int, blocks: list[int]) -> None:
        """All but the last of a part."""
        assert [len(block) for block in compressed(bytes(size)).blocks] == blocks

    def test_it_does_not_matter_how_it_is_written(self) -> None:
        """In one piece, in many, in pieces that cross blocks."""
        data = noise(2 * BLOCK_SIZE + 77_777)
        whole = compressed(data).members
        for step in (1_000, 65_536, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1):
            assert compressed(*(data[start : start + step] for start in range(0, len(data), step))).members == whole
        assert compressed(b"", data, b"").members == whole

    def test_the_number_of_threads_does_not_matter(self) -> None:
        """One, two or seven: the same members in the same order."""
        data = b"".join(bytes([number]) * 100_000 for number in range(100)) + noise(300_000)
        members = compressed(data, threads=1).members
        assert len(members) > 4
        for threads in (2, 7, None):
            assert compressed(data, threads=threads).members == members

    def test_members_are_one_gzip_stream(self) -> None:
        """Readers see the members one after the other."""
        data = noise(BLOCK_SIZE + 5) + b"text " * 500_000
        sink = compressed(data)
        assert gzip.decompress(b"".join(sink.members)) == data
        assert b"".join(sink.blocks) == data

    def test_parts_begin_new_members(self) -> None:
        """What a part becomes does not depend on the parts before it, and goes to its own sink."""
        first, second = Recorder(), Recorder()
        compressor = BlockCompressor(2)
        compressor.write(b"a" * 10, first)
        compressor.end_part(first)
        compressor.write(b"b" * BLOCK_SIZE, second)
        compressor.write(b"c", second)
        compressor.end_part(second)
        compressor.flush()
        compressor.close()
        assert first.members == compressed(b"a" * 10).members
        assert second.members == compressed(b"b" * BLOCK_SIZE + b"c").members
        assert (first.ended, second.ended) == (1, 1)

    def test_an_empty_part_has_no_member(self) -> None:
        """But its end is told."""
        assert compressed().members == []

    def test_members_that_exist_pass_through(self) -> None:
        """Members of an earlier build keep their bytes and their place in the order."""
        sink = Recorder()
        kept = gzip.compress(b"kept " * 1000, mtime=0) + gzip.compress(b"more", mtime=0)
        with closing(BlockCompressor(2)) as compressor:
            compressor.write(b"before" * BLOCK_SIZE, sink)
            compressor.end_part(sink)
            compressor.pass_on(kept, 5004, sink)
            compressor.end_part(sink)
            compressor.write(b"after", sink)
            compressor.end_part(sink)
            compressor.flush()
        assert b"".join(sink.blocks) == b"before" * BLOCK_SIZE + b"kept " * 1000 + b"more" + b"after"
        assert sink.members[-2] == kept

    def test_a_member_can_end_early(self) -> None:
        """What comes next begins a new one; where nothing was written, nothing ends."""
        sink = Recorder()
        with closing(BlockCompressor(2)) as compressor:
            compressor.end_member(sink)
            compressor.write(b"a", sink)
            compressor.end_member(sink)
            compressor.write(b"b" * BLOCK_SIZE, sink)
            compressor.end_member(sink)
            compressor.end_part(sink)
            compressor.flush()
        assert [len(block) for block in sink.blocks] == [1, BLOCK_SIZE]

    @settings(max_examples=examples(20))
    @given(st.lists(st.binary(max_size=50) | st.integers(0, BLOCK_SIZE * 2).map(bytes), max_size=5))
    def test_any_writes_are_read_back(self, writes: list[bytes]) -> None:
        """Whatever is written, in whatever pieces."""
        sink = compressed(*writes, threads=2)
        assert b"".join(map(gzip.decompress, sink.members)) == b"".join(writes)


class TestSinks:
    """Who takes the members."""

    def test_sinks_are_called_by_the_writing_thread(self) -> None:
        """So they need no locks."""
        assert compressed(noise(5 * BLOCK_SIZE), threads=4).threads == {threading.get_ident()}

    def test_an_error_of_a_sink_comes_out(self) -> None:
        """As it is, from where it is written; closing then ends all threads."""
        sink = Recorder(failing_at=2)
        compressor = BlockCompressor(2)

        def write_all() -> None:
            for _ in range(20):
                compressor.write(noise(BLOCK_SIZE), sink)
            compressor.flush()

        with pytest.raises(OSError, match="No space left"):
            write_all()
        compressor.close()
        assert len(sink.members) == 2
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("compress")]

    def test_what_waits_is_bounded(self) -> None:
        """However slow the sink, only a few blocks are in memory."""
        sink = Recorder()
        compressor = BlockCompressor(2)
        for number in range(1, 30):
            compressor.write(bytes(BLOCK_SIZE), sink)
            assert number - len(sink.members) <= 4
        compressor.close()


class TestMembers:
    """What libdeflate makes of a block."""

    @pytest.mark.parametrize("block", [b"", b"x", b"text " * 1000, bytes(BLOCK_SIZE), noise(BLOCK_SIZE)], ids=len)
    def test_members_are_whole_gzip_files(self, block: bytes) -> None:
        """Any reader takes them; they tell neither name, nor time, nor system."""
        member = compression.compress(block)
        assert gzip.decompress(member) == block
        assert member[:8] == b"\x1f\x8b\x08\0\0\0\0\0"
        assert member[9] == 255

    def test_libdeflate_gives_known_bytes(self) -> None:
        """The same on every machine and with every version that the metadata allows: archives are known by them."""
        digests = [hashlib.md5(b"%d" % number).hexdigest().encode() for number in range(97)]
        text = b"".join(b"%d %s\n" % (number, digests[number % 97]) for number in range(9000))
        assert [
            hashlib.sha256(compression.compress(block)).hexdigest() for block in (text, bytes(2**20), noise(10**5))
        ] == [
            "7902e6279d2e4f179d014face00d348c1e7c57f0122d7e23604f6f60da029da9",
            "d9b4df95db0f3a4333def68344722574086b3be47ea6483b82d688b7d595fc36",
            "8a3da66e7377eeea84df3c7ea6d00f00a4d2c56ce4319c09b12d6b0944819864",
        ]

    def test_identity_tells_what_bytes_depend_on(self) -> None:
        """Codec, library, level and size of blocks, and of small ones."""
        name, *_, level, size, small_level, small_size = compression.identity().split(" ")
        assert (name, level, size, small_level, small_size) == ("libdeflate", "6", str(2 << 20), "7", str(512 << 10))

    def test_small_blocks_are_compressed_more(self) -> None:
        """They are parts of their own, which cost a pipeline of many stages what they cannot refer to."""
        text = Path(decimal.__file__).with_name("_pydecimal.py").read_bytes() * 4
        for size, level in ((compression.SMALL_SIZE, 7), (compression.SMALL_SIZE + 1, 6)):
            assert compression.compress(text[:size]) == bytes(deflate.gzip_compress(text[:size], level))
