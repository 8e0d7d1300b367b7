"""What goes over the wire, and what comes back, below ytsaurus-client: its copy of requests, which trusts nobody here.

The token goes to the proxy and those that it names, and nowhere else; over TLS it stays on TLS, and certificates are
checked. An answer is bounded in bytes, values and time, whatever it says of itself, and is what was asked for.

Importing this module imports ytsaurus-client.
"""

from __future__ import annotations

import contextvars
import http.client
import io
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yt.packages.requests.adapters import HTTPAdapter
from yt.packages.urllib3.connection import HTTPConnection, HTTPSConnection
from yt.packages.urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from hatch_ytupload.build_folders.cypress.errors import LargeAnswerError, RefusedAnswerError
from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    import socket

    from hatch_ytupload.build_folders.cypress.connection import LastAnswer

_MOST_BYTES = 16 << 20
_MOST_VALUES = 500_000
"""In an answer; each may take 250 bytes of memory."""

_KEPT_SECONDS = 60.0
"""How long the proxies that take files are not asked for again: they come in the order of their load."""

_OF_FILES = ("/read_file", "/write_file")

_end: contextvars.ContextVar[float | None] = contextvars.ContextVar("end", default=None)


class Transport(HTTPAdapter):  # type: ignore[misc]  # of an untyped module
    """Sends the requests of one client.

    Args:
        answer: is told of each request and its answer.
        control: host and port of the proxy that tells which proxies take files.
        secure: the proxy was named with TLS, so nobody else is spoken to without.
        family: `socket.AF_INET` or the like; None: any.
        discovery: end of the address that tells which proxies take files; it is asked for each of them.
    """

    def __init__(self, answer: LastAnswer, control: str, *, secure: bool, family: int | None, discovery: str) -> None:
        self._answer = answer
        self._control = control
        self._discovery = f"/{discovery.partition('?')[0]}"
        self._proxies: tuple[float, str, Any] = (0, "", None)
        """When and what was asked about proxies, and the answer."""
        self._is_proven = False
        """One of those proxies has taken or given a file since, and no request has failed."""
        self._secure = secure
        self._family = family
        self.seconds = 0.0
        """How long the next request may take, from its first byte to the last one of its answer."""
        super().__init__()

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:  # noqa: ANN401 - of an untyped module
        """Make the pools of connections."""
        if self._family is not None:
            options["socket_af"] = self._family
        super().init_poolmanager(*sizes, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:  # noqa: ANN401
        """Make the pools of connections that go through an HTTP proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: Any, *, verify: Any = True, **options: Any) -> Any:  # noqa: ANN401
        """Send a request, and return its answer, which has arrived as a whole."""
        if self._secure and request.url.lower().startswith("http:"):
            request.url = f"https:{request.url[len('http:') :]}"
        now = time.monotonic()
        path = request.url.partition("?")[0]
        is_discovery = path.endswith(self._discovery)
        asked, url, proxies = self._proxies
        if is_discovery and self._is_proven and url == request.url and now - asked < _KEPT_SECONDS:
            return proxies
        host = urlsplit(request.url).netloc
        self._answer.for_files = host if is_discovery or host != self._control else None
        was_proven, self._is_proven = self._is_proven, False
        reset = _end.set(now + self.seconds)
        try:
            # An empty `CURL_CA_BUNDLE` would be taken for the wish to check nothing.
            answer = super().send(request, verify=verify or True, **options)
        finally:
            _end.reset(reset)
        if is_discovery:
            self._proxies = (now, request.url, answer)
        else:
            self._is_proven = answer.ok and (was_proven or path.endswith(_OF_FILES))
        return answer

    def build_response(self, req: Any, resp: Any) -> Any:  # noqa: ANN401
        """Return an answer that can be used."""
        response = super().build_response(req, resp)
        self._answer.note(response)
        try:
            _check_headers(response)
            data: bytes = response.content
            if not req.url.endswith("/read_file"):
                _check_values(data)
        except BaseException:
            response.close()
            raise
        return response


def _check_headers(response: Any) -> None:  # noqa: ANN401
    if response.is_redirect:
        place = response.headers["Location"]
        raise RefusedAnswerError(
            f"redirects to `{place}`, where the token does not go; set `proxy` to the right address"
        )
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise RefusedAnswerError(f"sends data that is encoded as `{encoding}`, and was asked not to")


def _check_values(data: bytes) -> None:
    """Refuse what would fill the memory once it is read."""
    if sum(map(data.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise LargeAnswerError(f"gives an answer of more than {_MOST_VALUES} values")


def _check_time() -> None:
    end = _end.get()
    if end is not None and time.monotonic() >= end:
        raise TimeoutError("the request takes too long")


class _Incoming(io.RawIOBase):
    """The bytes of one answer, headers and all."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._left = _MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        _check_time()
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise LargeAnswerError(f"gives an answer of more than {megabytes(_MOST_BYTES)}")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Incoming(self.fp.detach()))


class _Watched:
    """A connection whose requests have an end."""

    response_class = _Response

    def send(self, data: Any) -> None:  # noqa: ANN401
        """Send a part of a request."""
        _check_time()
        super().send(data)  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_Watched, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
