"""Requests to a cluster through ytsaurus-client, repeated in a way that suits a person who waits.

The client's own repetitions are switched off: they wait for minutes, pass over `Retry-After`, and give up on answers
that are cut off. Its lowest layer, `yt.wrapper.driver.make_request`, does the rest: proxies, tokens, formats, TLS.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Any, TypeVar

from hatch_ytupload.build_folders.cypress_errors import Circumstances, CypressError, client_errors, forget, translate
from hatch_ytupload.build_folders.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hatch_ytupload.build_folders.build_folder import Plain

Result = TypeVar("Result")

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 15.0
# An upload is answered when the data is safe on several machines.
_HEAVY_FACTOR = 3
# All tries of a request together may take so many times as long as one.
_TOTAL_FACTOR = 3

_redaction: contextvars.ContextVar[Redaction | None] = contextvars.ContextVar("redaction", default=None)


class Cluster:
    """The connection to a cluster. It is for one thread; `another` gives one for another thread.

    Args:
        proxy: name or URL.
        token: None: ytsaurus-client looks for one.
        timeout_seconds: how long a proxy may be silent.
        attempts: how often a request is tried.
        notice: is told, in a line, that a request is tried again.
    """

    def __init__(
        self,
        proxy: str,
        *,
        token: str | None,
        timeout_seconds: float,
        attempts: int,
        notice: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._proxy = proxy
        self._token = token
        self._redact = Redaction(token)
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._notice = notice
        self._client: Any = None
        self._answer = _LastAnswer()
        # Without a user and password that somebody may have written there.
        self.address = self._redact(proxy.rpartition("@")[2])

    def __repr__(self) -> str:
        return f"<Cluster {self.address}>"

    def another(self, *, timeout_seconds: float | None = None) -> Cluster:
        """Return a connection for another thread, which knows what this one has found out already.

        Args:
            timeout_seconds: None: as patient as this one.
        """
        from yt.wrapper.config import get_option, set_option

        seconds = self._timeout_seconds if timeout_seconds is None else min(timeout_seconds, self._timeout_seconds)
        other = Cluster(self._proxy, token=self._token, timeout_seconds=seconds, attempts=1)
        known, new = self._connected(), other._connected()
        for name in ("_commands", "_api_version"):
            set_option(name, get_option(name, known), new)
        return other

    def close(self) -> None:
        """Close the connections that are open; the next request opens new ones."""
        if self._client is not None:
            _session(self._client).close()

    def read(self, command: str, action: str, **parameters: Plain) -> Plain:
        """Do a command that changes nothing.

        Args:
            command: its name in API v4.
            action: what it is for, as in "cannot ...".
            parameters: of the command.

        Raises:
            CypressError: it failed, and so did its repetitions.
        """
        return self._repeat(action, lambda _attempt: self._structured(command, parameters))

    def read_many(self, action: str, requests: list[dict[str, Plain]]) -> list[Plain | CypressError]:
        """Do several commands that change nothing in one request; any of the answers may be an error.

        Raises:
            CypressError: it failed, or a part of it did for a reason that may pass, and so did the repetitions.
        """

        def perform(_attempt: int) -> list[Plain | CypressError]:
            answers = self._structured("execute_batch", {"requests": requests})
            return [self._part(answer, action) for answer in answers]

        return self._repeat(action, perform)

    def change(
        self, command: str, action: str, *, value: Plain = None, attempts: int | None = None, **parameters: Plain
    ) -> Plain:
        """Do a command that changes something; it is done once, however often it has to be sent.

        Args:
            command: its name in API v4.
            action: what it is for, as in "cannot ...".
            value: its input, of a command that takes one.
            attempts: how often it is tried; None: as often as others.
            parameters: of the command.

        Raises:
            CypressError: it failed, and so did its repetitions.
        """
        # The server keeps the answer to a mutation, and gives it again when it is asked again.
        mutation_id = "-".join(f"{secrets.randbits(32):x}" for _ in range(4))

        def perform(attempt: int) -> Plain:
            return self._structured(command, {**parameters, "mutation_id": mutation_id, "retry": attempt > 1}, value)

        return self._repeat(action, perform, attempts)

    def write(self, action: str, blocks: Iterable[bytes], path: str, *, append: bool, transaction_id: str) -> None:
        """Send a file, or what comes after what it holds, in one request, which is not repeated.

        Args:
            action: what it is for, as in "cannot ...".
            blocks: the bytes.
            path: of the file, which exists.
            append: keep what it holds.
            transaction_id: the transaction to do it in.

        Raises:
            CypressError: it failed.
        """
        from yt import yson

        parameters = {
            "path": yson.to_yson_type(path, attributes={"append": append}),
            "compute_md5": True,
            "transaction_id": transaction_id,
        }
        self._translated(action, lambda: self._request("write_file", parameters, data=iter(blocks), heavy=True))

    def read_file(self, action: str, length: int, **parameters: Plain) -> bytes:
        """Return so many bytes of a file, which has them.

        Raises:
            CypressError: it failed, and so did its repetitions.
        """

        def perform(_attempt: int) -> bytes:
            data: bytes = self._request("read_file", {**parameters, "length": length}, heavy=True)
            if len(data) != length:
                raise ValueError("the answer was cut off")
            return data

        return self._repeat(action, perform)

    def patiently(self, step: Callable[[int], Result], attempts: int | None = None, *, heavy: bool = False) -> Result:
        """Call `step` until it works, it fails for good, or patience ends.

        Args:
            step: is told which attempt it is, from 1 on.
            attempts: how many there are at most; None: as set.
            heavy: it sends a file.

        Raises:
            CypressError: the last one of `step`.
        """
        attempts = attempts or self._attempts
        end = time.monotonic() + self._timeout_seconds * _TOTAL_FACTOR * (_HEAVY_FACTOR if heavy else 1)
        attempt = 1
        while True:
            try:
                return step(attempt)
            except CypressError as error:
                # Those who were sent away together shall not come back together.
                wait = min(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1), _LONGEST_WAIT_SECONDS)
                wait = max(wait * (1 + secrets.randbelow(256) / 1024), error.retry_after or 0)
                if not error.passing or attempt >= attempts or time.monotonic() + wait > end:
                    raise
                self._notice(f"{error.reason}; trying again in {wait:.0f} s ({attempt + 1} of {attempts})")
            time.sleep(wait)
            attempt += 1

    def _repeat(self, action: str, perform: Callable[[int], Result], attempts: int | None = None) -> Result:
        return self.patiently(lambda attempt: self._translated(action, lambda: perform(attempt)), attempts)

    def _translated(self, action: str, perform: Callable[[], Result]) -> Result:
        """Call `perform`; what it raises leaves no trace of the client's exceptions, which hold requests."""
        self._answer.forget()
        try:
            return perform()
        except CypressError:
            raise
        except client_errors() as error:
            problem = translate(error, self._circumstances(action))
            forget(error)
        try:
            raise problem
        finally:
            # An error that a frame of its own traceback holds would keep the connection open.
            del problem

    def _part(self, answer: Plain, action: str) -> Plain | CypressError:
        from yt.wrapper.errors import create_response_error

        if "error" not in answer:
            return _unwrapped(answer["output"])
        problem = translate(create_response_error(answer["error"]), self._circumstances(action))
        if problem.passing:
            raise problem
        return problem

    def _circumstances(self, action: str) -> Circumstances:
        return Circumstances(
            action, self.address, self._redact, self._token is not None, self._answer.status, self._answer.retry_after
        )

    def _structured(self, command: str, parameters: dict[str, Plain], value: Plain = None) -> Plain:
        from yt import yson

        # Of JSON a value with attributes is a map of `$attributes` and `$value`.
        parameters = {**parameters, "output_format": "json"}
        data = None
        if value is not None:
            parameters["input_format"] = "yson"
            data = yson.dumps(value)
        return _unwrapped(_decoded(json.loads(self._request(command, parameters, data=data) or b"{}")))

    def _request(self, command: str, parameters: dict[str, Plain], *, data: Plain = None, heavy: bool = False) -> Any:  # noqa: ANN401 - of an untyped module
        from yt.wrapper.driver import make_request

        reset = _redaction.set(self._redact)
        try:
            return make_request(
                command,
                parameters,
                data=data,
                use_heavy_proxy=heavy,
                allow_retries=False,
                response_format=None if heavy else "json",
                client=self._connected(),
            )
        finally:
            _redaction.reset(reset)

    def _connected(self) -> Any:  # noqa: ANN401 - a YtClient
        """Return the client; nothing is sent yet."""
        if self._client is None:
            from yt.wrapper import YtClient
            from yt.wrapper.http_helpers import get_token

            logging.getLogger("Yt").addFilter(_log_filter)
            client = YtClient(config=self._configuration())
            self._token = get_token(client=client)
            self._redact = Redaction(self._token)
            self.address = self._redact(self.address)
            _session(client).hooks["response"].append(self._answer.note)
            self._client = client
        return self._client

    def _configuration(self) -> Any:  # noqa: ANN401 - of an untyped module
        """Return the user's own configuration of ytsaurus-client, with what we need otherwise."""
        from yt.wrapper.default_config import get_config_from_env

        config = get_config_from_env()
        milliseconds = int(self._timeout_seconds * 1000)
        config["backend"] = "http"
        config["api_version"] = "v4"
        config["apply_remote_patch_at_start"] = None
        config["allow_receive_token_by_current_ssh_session"] = False
        if self._token is not None:
            config["token"] = self._token
        proxy = config["proxy"]
        proxy["url"] = self._proxy
        proxy["retries"]["enable"] = False
        proxy["connect_timeout"] = proxy["request_timeout"] = milliseconds
        proxy["heavy_request_timeout"] = milliseconds * _HEAVY_FACTOR
        # Archives are compressed already.
        proxy["content_encoding"] = proxy["accept_encoding"] = "identity"
        return config


class _LastAnswer:
    """Remembers of an answer what the client's exceptions do not tell.

    It does not know the connection that holds it: a circle would live, and its sockets, until the collector comes.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.retry_after: str | None = None

    def forget(self) -> None:
        self.status = self.retry_after = None

    def note(self, response: Any, *_: object, **__: object) -> None:  # noqa: ANN401 - of an untyped module
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


def _session(client: Any) -> Any:  # noqa: ANN401 - of an untyped module
    from yt.wrapper import http_helpers

    return http_helpers._get_session(client)  # noqa: SLF001 - there is no other way to see an answer's status


def _unwrapped(answer: Plain) -> Plain:
    """Version 4 of the API puts an answer of one value into a map."""
    return next(iter(answer.values())) if isinstance(answer, dict) and len(answer) == 1 else answer


def _decoded(value: Plain) -> Plain:
    """Read what the server's JSON makes of strings: each byte of theirs is a character; names need not be UTF-8."""
    if isinstance(value, str):
        return value.encode("latin-1").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {_decoded(key): _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value
