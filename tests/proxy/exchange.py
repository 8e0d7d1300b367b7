"""One connection: reading requests, serving them, and answering, with the faults that were asked for in between.

What is answered follows the HTTP proxy (context.cpp, formats.cpp, helpers.cpp in yt/yt/server/http_proxy; README.md):
400 with the error in `X-YT-Error` and in the body for a command that failed, 401 for a wrong or missing token, 404 for
an unknown command, 415 for an encoding that is not supported, 503 for what only a heavy proxy does; an error in the
middle of a streamed answer goes into trailers.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from proxy import answers, commands, faults
from proxy.answers import AnsweredError, Reply
from proxy.body import ENCODINGS, Body, DisconnectedError
from proxy.errors import Code, ServerError
from proxy.incoming import Incoming, without_secrets
from proxy.parameters import Parameters
from proxy.strikes import Strikes

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.files import Upload
    from proxy.formats import Format, Value
    from proxy.log import Record
    from proxy.server import ProxyServer

_DRAIN_LIMIT = 64 * 1024 * 1024
_DRAIN_SECONDS = 5.0
_STREAM_TYPE = "application/octet-stream"
_VERSION = b"24.1.0-test-proxy"


class Exchange(http.server.BaseHTTPRequestHandler):
    """Serves the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "TestProxy"
    sys_version = ""
    disable_nagle_algorithm = True

    record: Record
    body: Body
    strikes: Strikes | None
    """None: the faults of the request have not been looked up yet."""

    def __init__(self, request: socket.socket, address: object, proxy: ProxyServer, connection_index: int) -> None:
        self.proxy = proxy
        self.connection_index = connection_index
        super().__init__(request, address, None)  # type: ignore[arg-type]  # it is only stored

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
        name = _name_of(url.path)
        self.strikes = None
        self.record = self.proxy.log.begin(self.command, url.path, name, self.connection_index)
        self.record.correlation_id = self.headers.get("X-YT-Correlation-Id")
        served = False
        with self.proxy.failures:
            try:
                self.body = Body(self.rfile, self.headers, self.record)
                self._answer(url.path, url.query)
                served = True
            except (DisconnectedError, ConnectionError, TimeoutError):
                pass  # There is nobody to answer any more.
        if not served:
            self.close_connection = True
        self.proxy.log.end(self.record)

    def _answer(self, path: str, query: str) -> None:
        try:
            reply = self._api(path, query) if path.rstrip("/").startswith("/api/") else self._endpoint(path)
        except AnsweredError as answered:
            reply = answered.reply
        except ServerError as error:
            reply = self._failure(error)
        if reply is not None:
            self._send(reply)
        self._finish_body()

    def _strike(self, when: faults.When) -> None:
        if self.strikes is None:
            self.strikes = Strikes(self.proxy, self.record)
        self.strikes.strike(when)

    def _between_parts(self, parts: int) -> None:
        if self.strikes is not None:
            self.strikes.between(parts)

    # Endpoints beside the API.

    def _endpoint(self, path: str) -> Reply:
        self._strike("before")
        reply = self._simple(path)
        self._strike("after")
        return reply

    def _simple(self, path: str) -> Reply:
        name = path.strip("/")
        if name == "api":
            return answers.plain(["v3", "v4"])
        if name == "hosts":
            return answers.plain(list(self.proxy.hosts))
        if name == "ping":
            return Reply(200, b"", {})
        if name == "version":
            return Reply(200, _VERSION, {"Content-Type": "text/plain"})
        if name == "auth/whoami":
            return answers.plain({"login": self._authenticate(), "realm": "test", "csrf_token": "none"})
        raise ServerError(f"There is nothing at {path}", http_status=404)

    def _authenticate(self) -> str:
        header = self.headers.get("Authorization")
        if header is not None and not header.startswith("OAuth "):
            raise ServerError("Malformed Authorization header", code=Code.INVALID_CREDENTIALS, http_status=401)
        token = (header or "")[len("OAuth ") :]
        if not token:
            raise ServerError("Client is missing credentials", code=Code.INVALID_CREDENTIALS, http_status=401)
        user = self.proxy.tokens.user(token)
        if user is None:
            raise ServerError("Authentication failed", code=Code.AUTHENTICATION, http_status=401)
        self.record.user = user
        return user

    # Commands.

    def _api(self, path: str, query: str) -> Reply | None:
        parts = path.rstrip("/").split("/")[2:]
        version = parts[0]
        try:
            _check_version(version)
            if len(parts) > 1:
                request, command, output = self._understand(parts[1:], version, query)
        except ServerError:
            # Faults meet also what is refused.
            self._strike("before")
            raise
        self._strike("before")
        if len(parts) > 1:
            return self._do(request, command, output)
        self._strike("after")
        known = commands.describe_all(version)
        return answers.plain([each for each in known if each["name"] not in self.proxy.missing_commands])

    def _understand(
        self, parts: list[str], version: str, query: str
    ) -> tuple[commands.Request, commands.Command, Format]:
        name = parts[0].lower() if len(parts) == 1 else ""
        if not name.replace("_", "").isalpha():
            raise ServerError("Malformed command name", http_status=404)
        # Whoever asks for proxies has no token yet.
        user = "root" if name == "discover_proxies" else self._authenticate()
        command = commands.find(name, version)
        if command is None or name in self.proxy.missing_commands:
            raise ServerError(f'Command "{name}" is not registered', http_status=404)
        self._check(command)
        incoming = Incoming(self.headers, self.body, query)
        values = incoming.parameters(in_body=command.method == "POST")
        self.record.parameters = cast("dict[str, Value]", without_secrets(values))
        request = commands.prepare(
            commands.Request(
                self.proxy.master,
                user,
                name,
                Parameters(values),
                version,
                hosts=tuple(self.proxy.hosts),
                between=self._between_parts,
            )
        )
        self.record.transaction_id, self.record.mutation_id = request.transaction_id, request.mutation_id
        self.record.retry = request.retry
        if command.input_type == "structured":
            request.input = incoming.input_format(values).loads(self.body.read_all())
        self._dump_parameters = incoming.header_format.dumps
        return request, command, incoming.output_format(values)

    def _check(self, command: commands.Command) -> None:
        self.record.content_encoding = self.body.encoding
        if self.command != command.method:
            text = f'Command "{command.name}" takes {command.method}, not {self.command}'
            raise ServerError(text, http_status=405)
        if command.is_heavy and not self.proxy.serves_heavy:
            if command.input_type == "null" and self.proxy.hosts:
                raise AnsweredError(Reply(307, b"", {"Location": f"http://{self.proxy.hosts[0]}{self.path}"}))
            raise ServerError("Control proxy may not serve heavy requests with input data", http_status=503)
        if self.body.encoding not in ENCODINGS:
            raise ServerError("Unsupported Content-Encoding", http_status=415)

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
        data = b"" if command.is_silent(request.version) else output.dumps(value)
        return answers.compressed(Reply(200, data, {"Content-Type": output.mime}), gzip=self._gzip)

    def _receive(self, upload: Upload) -> None:
        files, tree = self.proxy.master.files, self.proxy.master.tree
        try:
            while data := self.body.read():
                if self.strikes is not None:
                    data = self.strikes.on_body(data, self.record.body_bytes)
                files.receive(upload, data)
            with tree.lock:
                self.proxy.master.expire()
                files.finish(upload)
                tree.changed.notify_all()
        except BaseException:
            with tree.lock:
                files.give_up(upload)
                tree.changed.notify_all()
            raise

    # Answers.

    @property
    def _gzip(self) -> bool:
        return answers.accepts_gzip(self.headers.get("Accept-Encoding"))

    @property
    def _truncation(self) -> faults.Truncate | None:
        return self.strikes.truncation if self.strikes is not None else None

    def _failure(self, error: ServerError) -> Reply:
        if self.record.parameters.get("path") is not None:
            error.with_attribute("path", str(self.record.parameters["path"]))
        self.record.error = error.as_value()
        return answers.failure(error)

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
        body, cut = reply.body, self._truncation
        if self.strikes is not None:
            body = self.strikes.rewritten(body)
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
        gzip = self._gzip
        headers = {
            "Content-Type": _STREAM_TYPE,
            "Content-Encoding": "gzip" if gzip else "identity",
            "Transfer-Encoding": "chunked",
            "Trailer": "X-YT-Error, X-YT-Response-Code, X-YT-Response-Message",
            "X-YT-Response-Parameters": self._dump_parameters(download.parameters).decode("latin-1"),
        }
        blocks = download.blocks
        if self.headers.get("X-YT-Accept-Framing"):
            headers["X-YT-Framing"] = "1"
            blocks = answers.framed(blocks)
        self._start(200, headers)
        cut, blocks = self._truncation, answers.packed(blocks, gzip=gzip)
        trailers: dict[str, str] = {}
        while True:
            try:
                block = next(blocks, None)
            except OSError as error:
                late = ServerError(f"Error reading the file: {error.strerror}")
                self.record.error = late.as_value()
                trailers = answers.trailers(late)
                block = None
            if block is None:
                break
            if not self._send_chunk(block, cut):
                return
        self.record.applied = not trailers
        self.wfile.write(b"0\r\n" + b"".join(f"{k}: {v}\r\n".encode("latin-1") for k, v in trailers.items()) + b"\r\n")

    def _send_chunk(self, block: bytes, cut: faults.Truncate | None) -> bool:
        """Send a chunk, or so much of it as is to be sent; False: that was all."""
        room = len(block) if cut is None else min(len(block), cut.keep - self.record.response_bytes)
        self.record.response_bytes += room
        if cut is None or room == len(block):
            self.wfile.write(f"{len(block):x}\r\n".encode("ascii") + block + b"\r\n")
            return True
        if cut.framing == "whole":
            if room:
                self.wfile.write(f"{room:x}\r\n".encode("ascii") + block[:room] + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(f"{len(block):x}\r\n".encode("ascii") + block[:room])
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


def _check_version(version: str) -> None:
    if version not in ("v3", "v4"):
        raise ServerError(f'Unsupported API version "{version}"')


def _name_of(path: str) -> str:
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        return parts[2].lower() if len(parts) > 2 else "api"
    return parts[-1] or "root"
