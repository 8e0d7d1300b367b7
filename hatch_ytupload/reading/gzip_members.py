"""The uncompressed bytes of a gzip file, in bounded memory: many members, truncated and hostile ones."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.byte_reader import Progress, Reader

LIMIT = 16 << 30
"""How many bytes an archive may unpack to; one of more is thought to be made to fill memory or disk."""

_GZIP = 16 + zlib.MAX_WBITS
_RANGE = 4 << 20
"""How much is asked for at once, in bytes: on a cluster each range is a request."""
# What is left of an input is copied at the end of every gzip member, and a member may be of 20 bytes.
_PIECE = 16 << 10
_CHUNK = 1 << 20
_MAGIC = b"\x1f\x8b"


class Unpacked:
    """What a range of an archive unpacks to, read from its start to its end.

    Args:
        archive: the compressed bytes.
        name: of the archive, for messages.
        start: of the range, in bytes.
        size: of the range; None: all that follows.
        limit: the most that it may unpack to, in bytes.
        progress: called with how many compressed bytes of how many have been read.
    """

    def __init__(
        self,
        archive: Reader,
        name: str,
        *,
        start: int = 0,
        size: int | None = None,
        limit: int = LIMIT,
        progress: Progress = no_progress,
    ) -> None:
        self._archive = archive
        self._shown = f"`{one_line(name)}`"
        self._limit = limit
        self._progress = progress
        self._start = start
        self._end = archive.size if size is None else start + size
        # Empty ones mean nothing: the end is where there are no more.
        self._chunks = filter(None, self._unpack())
        self._chunk = b""
        self._used = 0
        self.position = 0
        """How many uncompressed bytes have been read."""

    def read(self, size: int) -> bytes:
        """Return so many bytes; fewer only at the end.

        Raises:
            ArtifactError: the archive is damaged, or unpacks to more than the limit.
        """
        end = self._used + size
        if end <= len(self._chunk):  # nearly always: headers and small files
            piece = self._chunk[self._used : end]
            self._used = end
            self.position += size
            return piece
        pieces = []
        missing = size
        while missing and (piece := self.some(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def some(self, most: int) -> bytes:
        """Return one byte or more, at most so many; none at the end.

        Raises:
            ArtifactError: the archive is damaged, or unpacks to more than the limit.
        """
        if self._used == len(self._chunk):
            self._chunk, self._used = next(self._chunks, b""), 0
        # What is left is not copied: one chunk may hold the headers of hundreds of empty files.
        piece = self._chunk[self._used : self._used + most]
        self._used += len(piece)
        self.position += len(piece)
        return piece

    def expect(self, size: int, what: str) -> None:
        """Refuse what announces more bytes than may follow, before any of them is read.

        Raises:
            ArtifactError: the archive would unpack to more than the limit.
        """
        if size > self._limit - self.position:
            raise self.refused(f"announces {size} bytes for {what}, more than the {self._limit} that are read")

    def damaged(self, reason: str) -> ArtifactError:
        """Return the error that says what is wrong with the archive."""
        return ArtifactError(f"{self._shown} is damaged: {reason}; build it again or take another copy")

    def refused(self, reason: str) -> ArtifactError:
        """Return the error that says what the archive holds that we do not read."""
        return ArtifactError(f"{self._shown} {reason}")

    def _unpack(self) -> Iterator[bytes]:
        """Yield the uncompressed bytes, up to the limit."""
        unpacked = 0
        for data in self._decompressed():
            unpacked += len(data)
            if unpacked > self._limit:
                raise self.refused(f"unpacks to more than {self._limit} bytes, and is not read any further")
            yield data

    def _decompressed(self) -> Iterator[bytes]:
        unpack = zlib.decompressobj(_GZIP)
        begun = False
        for piece in self._pieces():
            packed: bytes | memoryview = piece
            while packed:
                begun = True
                yield self._step(unpack, packed)
                packed = unpack.unconsumed_tail
                if unpack.eof:
                    packed, unpack, begun = unpack.unused_data, zlib.decompressobj(_GZIP), False
        # All has been given to the decompressor, which may still hold back what was more than a chunk.
        while begun and not unpack.eof:
            data = self._step(unpack, b"")
            if not data and not unpack.eof:
                raise self.damaged("it ends in the middle of its compressed data")
            yield data

    def _step(self, unpack: zlib._Decompress, packed: bytes | memoryview) -> bytes:
        try:
            return unpack.decompress(packed, _CHUNK)
        except zlib.error as error:
            if self._start == 0 and self._archive.read(0, len(_MAGIC)) != _MAGIC:
                raise self.refused("is no gzip file, so it cannot be an archive of code") from None
            reason = str(error).partition(": ")[2] or str(error)
            raise self.damaged(f"its compressed data is broken ({one_line(reason)})") from None

    def _pieces(self) -> Iterator[memoryview]:
        offset = self._start
        while offset < self._end:
            try:
                data = self._archive.read(offset, min(_RANGE, self._end - offset))
            except OSError as error:
                raise ArtifactError(f"cannot read {self._shown}: {error.strerror or error}") from None
            if not data:
                raise self.damaged(f"it has {offset} bytes, and {self._end} are expected")
            view = memoryview(data)
            for start in range(0, len(data), _PIECE):
                yield view[start : start + _PIECE]
            offset += len(data)
            self._progress(offset - self._start, self._end - self._start)
