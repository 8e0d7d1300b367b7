"""One connection: reading requests, serving them, and answering, with the faults that were asked for in between.

What is answered follows the HTTP proxy (context.cpp, formats.cpp, helpers.cpp in yt/yt/server/http_proxy; README.md):
400 with the error in `X-YT-Error` and in the body for a command that failed, 401 for a wrong or missing token, 404 for
an unknown command, 415 for an encoding that is not supported, 503 for what only a heavy proxy does; an error in the
middle of a streamed answer goes into trailers.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.server
import json
import socket
import time
import zlib
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlsplit

from proxy import commands, faults, formats
from proxy.body import ENCODINGS, Body, DisconnectedError
from proxy.errors import Code, ServerError
from proxy.formats import Format, Value
from proxy.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.files import Upload
    from proxy.log import Record
    from proxy.server import ProxyServer

_SECRETS = frozenset({"secure_vault", "token", "password", "password_sha256", "new_password_sha256"})
_DRAIN_LIMIT = 64 * 1024 * 1024
_DRAIN_SECONDS = 5.0
_STREAM_TYPE = "application/octet-stream"


@dataclasses.dataclass
class Reply:
    """An answer that is not streamed."""

    status: int
    body: bytes
    headers: dict[str, str]


class AnsweredError(Exception):
    """Answer this and do no more."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Exchange(http.server.BaseHTTPRequestHandler):
    """Serves the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "TestProxy"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = None

    proxy: ProxyServer
    connection_index: int
    record: Record
    body: Body
    met: list[faults.Fault]

    def __init__(self, request: socket.socket, address: object, proxy: ProxyServer, connection_index: int) -> None:
        self.proxy = proxy
        self.connection_index = connection_index
        super().__init__(request, address, None)  # type: ignore[arg-type]

    def log_message(self, text: str, *args: object) -> None:
        """Print nothing: there is a log of its own."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Serve every HTTP method: the base class looks for `do_GET` and the like."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    # The course of a request.

    def _serve(self) -> None:
        url = urlsplit(self.path)
        command = _command_of(url.path)
        self.record = self.proxy.log.begin(self.command, url.path, command, self.connection_index)
        self.record.correlation_id = self.headers.get("X-YT-Correlation-Id")
        try:
            self.body = Body(cast("formats.Value", self.rfile), self.headers)  # type: ignore[arg-type]
            self._answer(url.path, url.query)
        except (DisconnectedError, ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            if hasattr(self, "body"):
                self.record.wire_bytes, self.record.body_bytes = self.body.wire_bytes, self.body.body_bytes
            self.proxy.log.end(self.record)

    def _answer(self, path: str, query: str) -> None:
        try:
            reply = self._route(path, query)
        except AnsweredError as now:
            reply = now.reply
        except ServerError as error:
            reply = self._failure(error)
        if reply is not None:
            self._send(reply)
        self._finish_body()

    def _route(self, path: str, query: str) -> Reply | None:
        if path.rstrip("/").startswith("/api/"):
            return self._api(path, query)
        self.met = self.proxy.faults.meeting(self.record)
        self._strike("before")
        reply = self._endpoint(path)
        self._strike("after")
        return reply

    def _endpoint(self, path: str) -> Reply:
        name = self.record.command
        if name == "api":
            return _json(["v3", "v4"])
        if name == "hosts" and path.rstrip("/") == "/hosts":
            return _json(list(self.proxy.hosts))
        if name == "ping":
            return Reply(200, b"", {})
        if name == "version":
            return Reply(200, b"24.1.0-test-proxy", {"Content-Type": "text/plain"})
        if name == "whoami":
            user = self._authenticate()
            return _json({"login": user, "realm": "test", "csrf_token": "none"})
        raise ServerError(f"There is nothing at {path}", http_status=404)

    def _authenticate(self) -> str:
        header = self.headers.get("Authorization")
        token = ""
        if header is not None:
            if not header.startswith("OAuth "):
                raise ServerError("Malformed Authorization header", code=Code.INVALID_CREDENTIALS, http_status=401)
            token = header[len("OAuth ") :]
        if not token:
            raise ServerError("Client is missing credentials", code=Code.INVALID_CREDENTIALS, http_status=401)
        user = self.proxy.tokens.user(token)
        if user is None:
            raise ServerError("Authentication failed", code=Code.AUTHENTICATION, http_status=401)
        self.record.user = user
        return user

    # Commands.

    def _api(self, path: str, query: str) -> Reply | None:
        parts = path.rstrip("/").split("/")
        version = parts[2]
        if version not in ("v3", "v4"):
            raise ServerError(f'Unsupported API version "{version}"')
        if len(parts) == 3:
            self.met = self.proxy.faults.meeting(self.record)
            self._strike("before")
            self._strike("after")
            return _json(cast("Value", commands.describe_all(version)))
        try:
            request, command, output = self._understand(parts, version, query)
        except ServerError as error:
            # Faults meet also what is refused.
            self.met = self.proxy.faults.meeting(self.record)
            self._strike("before")
            raise error from None
        self.met = self.proxy.faults.meeting(self.record)
        self._strike("before")
        return self._do(request, command, output)

    def _understand(
        self, parts: list[str], version: str, query: str
    ) -> tuple[commands.Request, commands.Command, Format]:
        name = parts[3].lower() if len(parts) == 4 else ""
        if not name.replace("_", "").isalpha():
            raise ServerError("Malformed command name", http_status=404)
        user = self._authenticate()
        command = commands.find(name, version)
        if command is None:
            raise ServerError(f'Command "{name}" is not registered', http_status=404)
        if self.command != command.method:
            raise ServerError(f'Command "{name}" takes {command.method}, not {self.command}', http_status=405)
        if command.is_heavy and not self.proxy.serves_heavy:
            raise ServerError("Control proxy may not serve heavy requests with input data", http_status=503)
        if self.body.encoding not in ENCODINGS:
            raise ServerError("Unsupported Content-Encoding", http_status=415)
        self.record.content_encoding = self.body.encoding
        header_format = formats.header_format(self._header("X-YT-Header-Format"))
        values = self._parameters(command, header_format, query)
        self._note(values)
        request = commands.prepare(
            commands.Request(self.proxy.master, user, name, Parameters(values), version, hosts=tuple(self.proxy.hosts))
        )
        self.record.transaction_id, self.record.mutation_id = request.transaction_id, request.mutation_id
        self.record.retry = request.retry
        if command.input_type == "structured":
            chosen = self._format("input_format", "X-YT-Input-Format", "Content-Type", values, header_format)
            request.input = chosen.loads(self.body.read_all())
        output = self._format("output_format", "X-YT-Output-Format", "Accept", values, header_format)
        return request, command, output

    def _do(self, request: commands.Request, command: commands.Command, output: Format) -> Reply | None:
        if command.is_heavy:
            started = commands.begin(command, request)
            if isinstance(started, commands.Download):
                self._strike("after")
                self._stream(started)
                return None
            self._receive(started)
            value: Value = {}
        else:
            value = commands.execute(command, request)
        self.record.applied = True
        self._strike("after")
        data = output.dumps(value)
        return self._compressed(Reply(200, data, {"Content-Type": output.mime}))

    def _receive(self, upload: Upload) -> None:
        files = self.proxy.master.files
        try:
            while data := self.body.read():
                files.receive(upload, self._strike_body(data))
                self._check_alive(upload)
            with self.proxy.master.tree.lock:
                self.proxy.master.expire()
                files.finish(upload)
                self.proxy.master.tree.changed.notify_all()
        except BaseException:
            with self.proxy.master.tree.lock:
                files.give_up(upload)
                self.proxy.master.tree.changed.notify_all()
            raise

    def _check_alive(self, upload: Upload) -> None:
        # The real proxy pings the upload transaction and stops when that fails; the end of the upload tells as well.
        if upload.transaction.id not in self.proxy.master.tree.transactions:
            with self.proxy.master.tree.lock:
                self.proxy.master.files.finish(upload)

    # Parameters and formats.

    def _header(self, name: str) -> bytes | None:
        value = self.headers.get(name)
        return None if value is None else value.encode("latin-1")

    def _gathered(self, name: str) -> bytes | None:
        """Give a header that may be split: whole as it is, or in numbered parts, in base64."""
        if (whole := self._header(name)) is not None:
            return whole
        parts: list[bytes] = []
        while (part := self._header(f"{name}{len(parts)}") or self._header(f"{name}-{len(parts)}")) is not None:
            parts.append(part)
        if not parts:
            return None
        try:
            return base64.b64decode(b"".join(parts), validate=True)
        except ValueError:
            raise ServerError(f"Unable to parse {name} header: it is not base64") from None

    def _parameters(self, command: commands.Command, header_format: Format, query: str) -> dict[str, Value]:
        values: dict[str, Value] = {}
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        except ValueError as error:
            raise ServerError(f"Unable to parse parameters from query string: {error}") from None
        for name, text in pairs:
            if "[" in name:
                raise ServerError("Nested parameters in the query string are not implemented by this proxy")
            values[name] = int(text) if text.lstrip("-").isdigit() else text
        header = self._gathered("X-YT-Parameters")
        if header is not None:
            values |= self._parameter_map(header, header_format, "headers")
        if command.method == "POST":
            data = self._post_body()
            if data:
                chosen = self._format("", "X-YT-Input-Format", "Content-Type", {}, header_format)
                values |= self._parameter_map(data, chosen, "body")
        return values

    def _post_body(self) -> bytes:
        if self.body.encoding != "identity" and not self.body.at_end:
            raise ServerError("Content-Encoding not supported in POST body")
        return self.body.read_all()

    def _parameter_map(self, data: bytes, chosen: Format, where: str) -> dict[str, Value]:
        try:
            value = chosen.loads(data)
        except ServerError as error:
            raise ServerError(f"Unable to parse parameters from {where}", inner=[error]) from None
        if not isinstance(value, dict):
            raise ServerError(f"Unable to parse parameters from {where}: expected a map")
        return {str(name): each for name, each in value.items()}

    def _format(
        self, parameter: str, header: str, mime_header: str, values: dict[str, Value], header_format: Format
    ) -> Format:
        if parameter and parameter in values:
            return Format.from_value(values[parameter])
        if (given := self._gathered(header)) is not None:
            return Format.from_value(header_format.loads(given))
        return formats.from_mime(self.headers.get(mime_header)) or formats.JSON

    def _note(self, values: dict[str, Value]) -> None:
        self.record.parameters = cast("dict[str, Value]", _without_secrets(values))

    # Answers.

    def _failure(self, error: ServerError) -> Reply:
        if self.record.parameters.get("path") is not None:
            error.with_attribute("path", str(self.record.parameters["path"]))
        self.record.error = error.as_value()
        text = formats.error_json(self.record.error)
        headers = {
            "Content-Type": "application/json",
            "X-YT-Error": text,
            "X-YT-Error-Content-Type": "application/json",
            "X-YT-Response-Code": str(error.code),
            "X-YT-Response-Message": json.dumps(error.message)[1:-1],
        }
        if error.http_status == 503:
            headers["Retry-After"] = "60"
        if error.http_status == 405:
            headers["Allow"] = "GET, POST, PUT"
        return Reply(error.http_status, text.encode("ascii"), headers)

    def _compressed(self, reply: Reply) -> Reply:
        if not self._accepts_gzip():
            reply.headers["Content-Encoding"] = "identity"
            return reply
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        reply.body = packer.compress(reply.body) + packer.flush()
        reply.headers |= {"Content-Encoding": "gzip", "Vary": "Content-Encoding"}
        return reply

    def _accepts_gzip(self) -> bool:
        accepted = [part.partition(";")[0].strip() for part in (self.headers.get("Accept-Encoding") or "").split(",")]
        for encoding in accepted:
            if encoding in ("gzip", "identity"):
                return encoding == "gzip"
        return False

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self.record.status = status
        self.send_response(status)
        self.send_header("X-YT-Request-Id", f"{self.record.index:x}-0-0-1")
        self.send_header("X-YT-Proxy", self.proxy.address)
        self.send_header("Cache-Control", "no-store")
        for name, value in headers.items():
            self.send_header(name, value)
        if not self.body.at_end:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, reply: Reply) -> None:
        body = reply.body if self.command != "HEAD" else b""
        cut = self._truncation()
        if cut is not None and cut.framing == "whole":
            body = body[: cut.keep]
        self._start(reply.status, {**reply.headers, "Content-Length": str(len(body))})
        if cut is not None and cut.framing == "broken":
            body = body[: cut.keep]
            self.close_connection = True
        self.wfile.write(body)
        self.record.response_bytes += len(body)

    def _stream(self, download: commands.Download) -> None:
        """Send a download: chunked, with trailers for an error that comes too late for the headers."""
        gzip = self._accepts_gzip()
        headers = {
            "Content-Type": _STREAM_TYPE,
            "Content-Encoding": "gzip" if gzip else "identity",
            "Transfer-Encoding": "chunked",
            "Trailer": "X-YT-Error, X-YT-Response-Code, X-YT-Response-Message",
            "X-YT-Response-Parameters": formats.header_format(self._header("X-YT-Header-Format"))
            .dumps(download.parameters)
            .decode("latin-1"),
        }
        self._start(200, headers)
        cut = self._truncation()
        trailers: dict[str, str] = {}
        try:
            for block in _packed(download.blocks, gzip=gzip):
                if not self._send_chunk(block, cut):
                    return
        except (ServerError, OSError) as error:
            if isinstance(error, ConnectionError):
                raise
            failure = error if isinstance(error, ServerError) else ServerError(f"Error reading the file: {error}")
            trailers = {k: v for k, v in self._failure(failure).headers.items() if k.startswith("X-YT-")}
        self.record.applied = True
        self.wfile.write(b"0\r\n" + b"".join(f"{k}: {v}\r\n".encode("latin-1") for k, v in trailers.items()) + b"\r\n")

    def _send_chunk(self, block: bytes, cut: faults.Truncate | None) -> bool:
        room = len(block) if cut is None else min(len(block), max(0, cut.keep - self.record.response_bytes))
        broken = cut is not None and room < len(block)
        if room or broken:
            promised = len(block) if broken and cut is not None and cut.framing == "broken" else room
            if promised:
                self.wfile.write(f"{promised:x}\r\n".encode("ascii") + block[:room])
            self.record.response_bytes += room
        if not broken:
            self.wfile.write(b"\r\n")
            return True
        if cut is not None and cut.framing == "whole":
            self.wfile.write((b"\r\n" if room else b"") + b"0\r\n\r\n")
        else:
            self.close_connection = True
        return False

    def _finish_body(self) -> None:
        """Give the client the chance to read an answer that it did not wait for."""
        if self.body.at_end or not self.close_connection:
            return
        with contextlib.suppress(OSError, DisconnectedError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_DRAIN_SECONDS)
            self.body.skip(_DRAIN_LIMIT)

    # Faults.

    def _strike(self, when: faults.When) -> None:
        for fault in self.met:
            action = fault.action
            if getattr(action, "when", None) == when:
                self._act(fault, action)

    def _act(self, fault: faults.Fault, action: faults.Action) -> None:
        if isinstance(action, faults.Drop):
            raise DisconnectedError
        if isinstance(action, faults.Answer):
            raise AnsweredError(_injected(action))
        if isinstance(action, faults.Delay):
            self._sleep(fault, action.seconds)
        elif isinstance(action, faults.Hang):
            self._sleep(fault, None)
            raise DisconnectedError
        elif isinstance(action, faults.AbortTransaction):
            self._abort_transaction(topmost=action.topmost)
        elif isinstance(action, faults.Refuse):
            self.proxy.refuse(action.seconds)
            raise DisconnectedError
        elif isinstance(action, faults.Run):
            action.function(self.record)

    def _sleep(self, fault: faults.Fault, seconds: float | None) -> None:
        deadline = None if seconds is None else time.monotonic() + seconds
        while not fault.released.is_set() and not self.proxy.stopping.is_set():
            left = 0.05 if deadline is None else min(0.05, deadline - time.monotonic())
            if left <= 0:
                return
            fault.released.wait(left)

    def _abort_transaction(self, *, topmost: bool) -> None:
        master = self.proxy.master
        with master.tree.lock:
            transaction = master.tree.transactions.get(self.record.transaction_id or "")
            if transaction is None:
                return
            chosen = [transaction, *transaction.ancestors()][-1] if topmost else transaction
            master.transacting.abort(chosen.id)
            master.tree.changed.notify_all()

    def _strike_body(self, data: bytes) -> bytes:
        start = self.body.body_bytes - len(data)
        for fault in self.met:
            action = fault.action
            if isinstance(action, faults.Drop) and action.when == "body" and self.body.body_bytes >= action.after_bytes:
                raise DisconnectedError
            if isinstance(action, faults.Corrupt) and start <= action.offset < start + len(data):
                changed = bytearray(data)
                changed[action.offset - start] ^= 1
                data = bytes(changed)
        return data

    def _truncation(self) -> faults.Truncate | None:
        for fault in getattr(self, "met", []):
            if isinstance(fault.action, faults.Truncate):
                return fault.action
        return None


def _command_of(path: str) -> str:
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        return parts[2].lower() if len(parts) > 2 else "api"
    return parts[-1] or "root"


def _json(value: Value) -> Reply:
    return Reply(200, json.dumps(value).encode("ascii"), {"Content-Type": "application/json"})


def _injected(action: faults.Answer) -> Reply:
    headers = {} if action.retry_after is None else {"Retry-After": f"{action.retry_after:g}"}
    if action.body == "empty":
        return Reply(action.status, b"", headers)
    if action.body == "html":
        page = f"<html><body><h1>{action.status}</h1></body></html>".encode("ascii")
        return Reply(action.status, page, {**headers, "Content-Type": "text/html"})
    text = formats.error_json(ServerError(action.message, code=action.code).as_value())
    headers |= {
        "Content-Type": "application/json",
        "X-YT-Error": text,
        "X-YT-Response-Code": str(int(action.code)),
        "X-YT-Response-Message": json.dumps(action.message)[1:-1],
    }
    return Reply(action.status, text.encode("ascii"), headers)


def _packed(blocks: Iterator[bytes], *, gzip: bool) -> Iterator[bytes]:
    if not gzip:
        yield from blocks
        return
    packer = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS | 16)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()


def _without_secrets(value: Value) -> Value:
    if isinstance(value, dict):
        return {key: "***" if str(key) in _SECRETS else _without_secrets(each) for key, each in value.items()}
    return value
