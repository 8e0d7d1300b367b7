"""Answers that are not streamed: values, errors, and those that a fault puts in place of the true one."""

from __future__ import annotations

import dataclasses
import json
import zlib
from typing import TYPE_CHECKING

from proxy import formats
from proxy.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy import faults
    from proxy.formats import Value

_DATA, _ALIVE = b"\x01", b"\x02"
"""How frames begin."""


@dataclasses.dataclass
class Reply:
    """Status, headers and body of an answer."""

    status: int
    body: bytes
    headers: dict[str, str]


class AnsweredError(Exception):
    """Answer this and do no more."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def plain(value: Value) -> Reply:
    """Answer a value in plain JSON, as the endpoints beside the API do."""
    return Reply(200, json.dumps(value).encode("ascii"), {"Content-Type": "application/json"})


def failure(error: ServerError) -> Reply:
    """Answer an error: in headers, and once more in the body."""
    text = formats.error_json(error.as_value())
    headers = {"Content-Type": "application/json", **_error_headers(text, error.code, error.message)}
    if error.http_status == 503:
        headers["Retry-After"] = "60"
    if error.http_status == 405:
        headers["Allow"] = "GET, POST, PUT"
    return Reply(error.http_status, text.encode("ascii"), headers)


def trailers(error: ServerError) -> dict[str, str]:
    """Give the trailers of an answer that failed after its headers had gone."""
    return _error_headers(formats.error_json(error.as_value()), error.code, error.message)


def _error_headers(text: str, code: int, message: str) -> dict[str, str]:
    return {
        "X-YT-Error": text,
        "X-YT-Error-Content-Type": "application/json",
        "X-YT-Response-Code": str(int(code)),
        # A header is one line of ASCII, whatever a path holds.
        "X-YT-Response-Message": json.dumps(message)[1:-1],
    }


def injected(action: faults.Answer) -> Reply:
    """Answer what a fault asks for."""
    headers = {} if action.retry_after is None else {"Retry-After": f"{action.retry_after:g}"}
    if action.body == "empty":
        return Reply(action.status, b"", headers)
    if action.body == "html":
        page = f"<html><body><h1>{action.status}</h1></body></html>".encode("ascii")
        return Reply(action.status, page, {**headers, "Content-Type": "text/html"})
    reply = failure(ServerError(action.message, code=action.code, http_status=action.status))
    reply.headers.pop("Retry-After", None)
    reply.headers |= headers
    return reply


def accepts_gzip(accepted: str | None) -> bool:
    """Tell whether the first encoding that both sides know is gzip."""
    for part in (accepted or "").split(","):
        encoding = part.partition(";")[0].strip()
        if encoding in ("gzip", "identity"):
            return encoding == "gzip"
    return False


def compressed(reply: Reply, *, gzip: bool) -> Reply:
    """Compress the body, or say that it is not."""
    if not gzip:
        reply.headers["Content-Encoding"] = "identity"
        return reply
    reply.body = b"".join(packed(iter([reply.body]), gzip=True))
    reply.headers |= {"Content-Encoding": "gzip", "Vary": "Content-Encoding"}
    return reply


def framed(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Put a body into frames, as whoever can read them gets it; others say that the proxy is still at work."""
    for block in blocks:
        yield _ALIVE
        yield _DATA + len(block).to_bytes(4, "little") + block


def packed(blocks: Iterator[bytes], *, gzip: bool) -> Iterator[bytes]:
    """Compress a stream, or leave it as it is."""
    if not gzip:
        yield from blocks
        return
    packer = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS | 16)
    for block in blocks:
        if data := packer.compress(block):
            yield data
    yield packer.flush()
