"""A package index on 127.0.0.1 with the pages of PEP 503, credentials, and what a test wants to be wrong."""

from __future__ import annotations

import base64
import os
import socket
import stat
import struct
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheels import MadeWheel


class Entry(NamedTuple):
    """A file of the index."""

    name: str
    data: bytes
    sha256: str
    yanked: bool


class PackageIndex:
    """An index and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, list[Entry]] = {}
        self.requests: list[str] = []
        self.authorizations: list[str | None] = []
        """What each request brought."""
        self.redirect: str | None = None
        """URL that requests for files are sent on to, in front of their path."""
        self.credentials: str | None = None
        """`user:password` that every request must bring."""
        self.status: int | None = None
        """What every request is answered with."""
        self.breaks_off: tuple[str, str] | None = None
        """How answers stop in the middle (`length`, `chunk`, `reset`), and how their paths end."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/simple"

    @property
    def url_with_credentials(self) -> str:
        return f"http://{self.credentials}@127.0.0.1:{self.port}/simple"

    def add(self, *wheels: MadeWheel, yanked: bool = False) -> None:
        for wheel in wheels:
            self.add_file(wheel.file, wheel.data, wheel.sha256, yanked=yanked)

    def add_file(self, name: str, data: bytes, sha256: str, *, yanked: bool = False) -> None:
        project = name.split("-", maxsplit=1)[0].replace("_", "-").lower()
        self.files.setdefault(project, []).append(Entry(name, data, sha256, yanked))

    def answer(self, path: str, authorization: str | None) -> tuple[int, str, bytes]:
        self.requests.append(path)
        self.authorizations.append(authorization)
        if self.status is not None:
            return self.status, "text/plain", b""
        if self.credentials is not None:
            wanted = "Basic " + base64.b64encode(self.credentials.encode()).decode()
            if authorization != wanted:
                return 401, "text/plain", b""
        parts = path.strip("/").split("/")
        if parts[0] == "files" and self.redirect is not None:
            return 302, f"{self.redirect}{path}", b""
        if "files" in parts[:2]:
            found = next(
                (entry for entries in self.files.values() for entry in entries if entry.name == parts[-1]), None
            )
            return (404, "text/plain", b"") if found is None else (200, "application/octet-stream", found.data)
        entries = self.files.get(parts[-1], [])
        if not entries:
            return 404, "text/plain", b""
        anchors = [
            f'<a href="/files/{entry.name}#sha256={entry.sha256}"{" data-yanked=broken" if entry.yanked else ""}>'
            f"{entry.name}</a>"
            for entry in entries
        ]
        return 200, "text/html", f"<!DOCTYPE html><html><body>{''.join(anchors)}</body></html>".encode()


@contextmanager
def package_index() -> Iterator[PackageIndex]:
    """Serve an index while the context lasts."""
    index = PackageIndex()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, data = index.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Location" if status == 302 else "Content-Type", kind)
            how, end = index.breaks_off or ("", "")
            if how == "chunk" and self.path.endswith(end):
                self.send_header("Transfer-Encoding", "chunked")
                data = b"%x\r\n%b" % (len(data) + 1, data)
            else:
                self.send_header("Content-Length", str(len(data) + bool(how and self.path.endswith(end))))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)
            if how == "reset" and self.path.endswith(end):
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_netrc(directory: Path, machine: str) -> None:
    """Write a `.netrc` that knows bob's password."""
    netrc = directory / ".netrc"
    netrc.write_text(f"machine {machine} login bob password secret\n")
    netrc.chmod(0o600)


def write_keyring(directory: Path) -> str:
    """Write a command that knows bob's password and keeps a list of what it was asked for; return its PATH."""
    keyring = directory / "bin" / "keyring"
    keyring.parent.mkdir()
    keyring.write_text(
        f'#!/bin/sh\necho "$@" >> "{directory}/asked"\n[ "$1 $3" = "get bob" ] && echo secret\n', encoding="utf-8"
    )
    keyring.chmod(keyring.stat().st_mode | stat.S_IXUSR)
    return os.pathsep.join([str(keyring.parent), os.environ["PATH"]])
