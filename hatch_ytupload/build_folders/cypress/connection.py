"""One request to a cluster, through the lowest layer of ytsaurus-client: proxies, tokens, formats and TLS are its own.

The client's repetitions are switched off: they wait for minutes, pass over `Retry-After`, and give up on answers that
are cut off. `cypress_client` repeats.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import json
import logging
import os
import socket
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hatch_ytupload.build_folders.cypress.redaction import Redaction
from hatch_ytupload.details import detail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.build_folders.build_folder import Plain
    from hatch_ytupload.build_folders.cypress.transport import Transport

# An upload is answered when the data is safe on several machines.
HEAVY_FACTOR = 3
"""How much longer than others a request may take that moves data."""

# What moves data has so much more time, whatever its size: 32 MiB, the largest piece, at 100 kB a second.
_SLOWEST_SECONDS = 320.0

_redaction: contextvars.ContextVar[Redaction | None] = contextvars.ContextVar("redaction", default=None)


class Connection:
    """A client of a cluster, for one thread; nothing is sent before the first request.

    Its methods raise what ytsaurus-client raises.

    Args:
        proxy: name or URL of the cluster.
        token: None: ytsaurus-client looks for one.
        timeout_seconds: how long a request may take that moves no data.
        config: of ytsaurus-client; None: the user's own, of environment and files.
    """

    def __init__(self, proxy: str, token: str | None, timeout_seconds: float, config: Any = None) -> None:  # noqa: ANN401 - of an untyped module
        self._proxy = proxy
        self._timeout_seconds = timeout_seconds
        self._config = config
        self._client: Any = None
        self._transport: Any = None
        self.token = token
        self.redact = Redaction(token)
        self.answer = LastAnswer()

    @property
    def address(self) -> str:
        """The proxy as messages may show it: without the user and password that somebody may have written there."""
        return self.redact(self._proxy.rpartition("@")[2])

    def another(self, timeout_seconds: float | None = None) -> Connection:
        """Return one for another thread, which knows what this one has found out already."""
        from yt.wrapper.config import get_option, set_option

        seconds = self._timeout_seconds if timeout_seconds is None else min(timeout_seconds, self._timeout_seconds)
        other = Connection(self._proxy, self.token, seconds, self._config)
        for name in ("_commands", "_api_version"):
            set_option(name, get_option(name, self._connected()), other._connected())
        return other

    def place(self) -> str:
        """Return the host and port of the proxy, as the client makes them of a name, an alias, or an URL."""
        from urllib.parse import urlsplit

        from yt.wrapper.http_helpers import get_proxy_address_url

        return urlsplit(str(get_proxy_address_url(client=self._connected()))).netloc.lower()

    def close(self) -> None:
        """Close the sockets that are open; the next request opens new ones."""
        if self._client is not None:
            _session(self._client).close()

    def structured(self, command: str, parameters: dict[str, Plain], value: Plain = None) -> Plain:
        """Do a command that takes a value or nothing, and return its answer."""
        from yt import yson

        # Of JSON a value with attributes is a map of `$attributes` and `$value`.
        parameters = {**parameters, "output_format": "json"}
        data = None
        if value is not None:
            parameters["input_format"] = "yson"
            data = yson.dumps(value)
        return unwrapped(_decoded(json.loads(self._request(command, parameters, data=data) or b"{}")))

    def current_user(self) -> Plain:
        """Return our name on the cluster."""
        return self.structured("get_current_user", {})

    def owner_of_token(self) -> Plain:
        """Return the same, of proxies that do not know the command."""
        from yt.wrapper.http_helpers import get_user_name

        with self._watched("who am I", self._timeout_seconds) as client:
            return get_user_name(client=client)

    def write_file(self, path: str, blocks: Iterator[bytes], *, append: bool, transaction_id: str) -> None:
        """Send a file, with its MD5 to be computed by the cluster."""
        from yt import yson

        rich_path = yson.to_yson_type(path, attributes={"append": append})
        parameters = {"path": rich_path, "compute_md5": True, "transaction_id": transaction_id}
        self._request("write_file", parameters, data=blocks, heavy=True)

    def read_file(self, **parameters: Plain) -> bytes:
        """Return a range of a file."""
        data: bytes = self._request("read_file", parameters, heavy=True)
        return data

    def _request(self, command: str, parameters: dict[str, Plain], *, data: Plain = None, heavy: bool = False) -> Any:  # noqa: ANN401 - of an untyped module
        from yt.wrapper.driver import make_request

        seconds = self._timeout_seconds * HEAVY_FACTOR + _SLOWEST_SECONDS if heavy else self._timeout_seconds
        with self._watched(_described(command, parameters), seconds) as client:
            try:
                return make_request(
                    command,
                    parameters,
                    data=data,
                    use_heavy_proxy=heavy,
                    allow_retries=False,
                    response_format=None if heavy else "json",
                    client=client,
                )
            except Exception:
                if self.answer.for_files is not None:
                    _avoid_proxy(client)
                raise

    @contextlib.contextmanager
    def _watched(self, described: str, seconds: float) -> Iterator[Any]:
        """Give the client, bound a request, remember its answer, and keep the token out of what goes to the log."""
        self.answer.forget()
        reset = _redaction.set(self.redact)
        start = time.monotonic()
        try:
            client = self._connected()
            self._transport.seconds = seconds
            yield client
        finally:
            _redaction.reset(reset)
            detail(
                "request to %s: %s, status %s, %.0f ms",
                self.address,
                self.redact(described),
                self.answer.status or "unknown",
                1000 * (time.monotonic() - start),
            )

    def _connected(self) -> Any:  # noqa: ANN401 - a YtClient
        if self._client is None:
            from yt.wrapper import YtClient
            from yt.wrapper.http_helpers import get_token

            logging.getLogger("Yt").addFilter(_log_filter)
            client = YtClient(config=self._configuration())
            # We read answers as they are; frames would tell only that a proxy is still at work. An empty list in a
            # configuration counts for nothing, so it is set here.
            client.config["proxy"]["commands_with_framing"] = []
            self.token = get_token(client=client)
            self.redact = Redaction(self.token)
            self._transport = _transport(client, self.answer)
            self._client = client
        return self._client

    def _configuration(self) -> Any:  # noqa: ANN401 - of an untyped module
        """Return the user's own configuration of ytsaurus-client, with what we need otherwise."""
        from yt.wrapper.default_config import get_config_from_env

        if self._config is None:
            config = get_config_from_env()
            config["allow_receive_token_by_current_ssh_session"] = False
        else:
            config = copy.deepcopy(self._config)
        milliseconds = int(self._timeout_seconds * 1000)
        config["backend"] = "http"
        config["api_version"] = "v4"
        config["apply_remote_patch_at_start"] = None
        if self.token is not None:
            config["token"] = self.token
        proxy = config["proxy"]
        proxy["url"] = self._proxy
        proxy["retries"]["enable"] = False
        proxy["connect_timeout"] = proxy["request_timeout"] = milliseconds
        proxy["heavy_request_timeout"] = milliseconds * HEAVY_FACTOR
        # Archives are compressed already.
        proxy["content_encoding"] = proxy["accept_encoding"] = "identity"
        # Answers are read once, by us.
        proxy["check_response_format"] = False
        return config


class LastAnswer:
    """Remembers of an answer what the client's exceptions do not tell.

    It does not know the connection that holds it: a circle would live, and its sockets, until the collector comes.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.retry_after: str | None = None
        self.for_files: str | None = None
        """The proxy for files that the request went to, or the proxy that was asked which ones these are."""

    def forget(self) -> None:
        """Know nothing of the next answer."""
        self.status = self.retry_after = self.for_files = None

    def note(self, response: Any) -> None:  # noqa: ANN401 - of an untyped module
        """Note an answer."""
        self.status = response.status_code
        self.retry_after = response.headers.get("Retry-After")


class _LogFilter(logging.Filter):
    """Keeps the client's log of our requests to those who asked for it, and the token from them."""

    def filter(self, record: logging.LogRecord) -> bool:
        redact = _redaction.get()
        if redact is None:  # somebody else's request
            return True
        record.msg, record.args, record.exc_info = redact(record.getMessage()), None, None
        return "YT_LOG_LEVEL" in os.environ


_log_filter = _LogFilter()


def _described(command: str, parameters: Plain) -> str:
    """Name a request, or all that are in a batch, with the paths they are about."""
    if command == "execute_batch":
        parts = (_described(part["command"], part["parameters"]) for part in parameters["requests"])
        return f"{command} ({', '.join(parts)})"
    paths = [str(parameters[name]) for name in ("path", "source_path", "destination_path") if name in parameters]
    return " ".join([command, *paths])


def unwrapped(answer: Plain) -> Plain:
    """Return the value of an answer: version 4 of the API puts a single one into a map."""
    return next(iter(answer.values())) if isinstance(answer, dict) and len(answer) == 1 else answer


def _avoid_proxy(client: Any) -> None:  # noqa: ANN401 - of an untyped module
    """Have the client choose another proxy for files for a while, as its own repetitions do when one has failed."""
    from yt.wrapper.config import get_option

    state = get_option("_heavy_proxy_provider_state", client)
    if state is not None and state.last_provided_proxy is not None:
        state.banned_proxies[state.last_provided_proxy] = datetime.now()  # noqa: DTZ005 - as the client has it


def _session(client: Any) -> Any:  # noqa: ANN401 - of an untyped module
    from yt.wrapper import http_helpers

    return http_helpers._get_session(client)  # noqa: SLF001 - there is no other way to what is below the client


def _transport(client: Any, answer: LastAnswer) -> Transport:  # noqa: ANN401 - of an untyped module
    """Put our own transport below a client."""
    from yt.wrapper.config import get_config
    from yt.wrapper.http_helpers import get_proxy_address_netloc, get_proxy_address_url

    from hatch_ytupload.build_folders.cypress.transport import Transport

    proxy = get_config(client)["proxy"]
    family = socket.AF_INET if proxy["force_ipv4"] else socket.AF_INET6 if proxy["force_ipv6"] else None
    secure = str(get_proxy_address_url(client=client)).startswith("https:")
    discovery = str(proxy["proxy_discovery_url"])
    control = str(get_proxy_address_netloc(client=client))
    transport = Transport(answer, control, secure=secure, family=family, discovery=discovery)
    session = _session(client)
    # The client says it of commands alone, and a web server in front of the cluster may compress the rest.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, transport)
    return transport


def _decoded(value: Plain) -> Plain:
    """Read what the server's JSON makes of strings: each byte of theirs is a character; names need not be UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("latin-1").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {_decoded(key): _decoded(value.pop(key)) for key in list(value)}
    if isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = _decoded(item)
    return value
