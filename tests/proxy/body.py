"""The body of a request: chunked or with a length, compressed or not, read in pieces."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from proxy.errors import ServerError

if TYPE_CHECKING:
    from email.message import Message
    from io import BufferedIOBase

    from proxy.log import Record

_PIECE = 256 * 1024
_LINE = 1024
ENCODINGS = frozenset({"identity", "gzip", "deflate"})


class DisconnectedError(Exception):
    """The client is gone, or talks something that is not HTTP."""


class Body:
    """The body as it comes over the wire; the record counts its bytes."""

    def __init__(self, stream: BufferedIOBase, headers: Message, record: Record) -> None:
        self._stream = stream
        self._record = record
        self.encoding = (headers.get("Content-Encoding") or "identity").strip().lower()
        self._chunked = (headers.get("Transfer-Encoding") or "").strip().lower() == "chunked"
        length = headers.get("Content-Length")
        if length is not None and not length.strip().isdigit():
            raise DisconnectedError("malformed Content-Length")
        self._remaining = int(length) if length is not None and not self._chunked else 0
        self._ended = not self._chunked and self._remaining == 0
        # The client's "gzip" is a zlib stream without gzip's header; as the server, take both.
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32) if self.encoding != "identity" else None
        self._fresh = True

    @property
    def at_end(self) -> bool:
        """Whether all of it has been read."""
        return self._ended

    def read(self) -> bytes:
        """Give the next decompressed piece, empty at the end.

        Raises:
            DisconnectedError: the body breaks off.
            ServerError: it does not decompress.
        """
        while True:
            raw = self._read_raw()
            if self._inflate is None:
                self._record.body_bytes += len(raw)
                return raw
            if not raw:
                if not self._fresh and not self._inflate.eof:
                    raise ServerError("Error decompressing the body: unexpected end of stream")
                return b""
            data = self._decompress(raw)
            self._record.body_bytes += len(data)
            if data:
                return data

    def read_all(self) -> bytes:
        """Give all of it.

        Raises:
            DisconnectedError: the body breaks off.
            ServerError: it does not decompress.
        """
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def skip(self, limit: int) -> None:
        """Read and forget at most so many bytes."""
        while not self._ended and limit > 0:
            limit -= len(self._read_raw())

    def _decompress(self, raw: bytes) -> bytes:
        result = []
        try:
            while raw:
                if self._inflate is None or self._inflate.eof:
                    self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
                self._fresh = False
                result.append(self._inflate.decompress(raw))
                raw = self._inflate.unused_data
        except zlib.error as error:
            raise ServerError(f"Error decompressing the body: {error}") from None
        return b"".join(result)

    def _read_raw(self) -> bytes:
        if self._ended:
            return b""
        if self._remaining == 0:
            self._remaining = self._next_chunk()
            if self._remaining == 0:
                self._ended = True
                return b""
        data = self._stream.read1(min(_PIECE, self._remaining))
        if not data:
            raise DisconnectedError("the body breaks off")
        self._remaining -= len(data)
        self._record.wire_bytes += len(data)
        if self._remaining == 0:
            if self._chunked:
                self._line()
            else:
                self._ended = True
        return bytes(data)

    def _next_chunk(self) -> int:
        line = self._line().partition(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            raise DisconnectedError("malformed chunk") from None
        if size == 0:
            while self._line().strip():
                pass
        return size

    def _line(self) -> bytes:
        line = self._stream.readline(_LINE)
        if not line.endswith(b"\n"):
            raise DisconnectedError("the body breaks off")
        return line
