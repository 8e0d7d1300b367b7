"""Commands to a cluster, repeated in a way that suits a person who waits."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hatch_ytupload.build_folders.cypress.connection import HEAVY_FACTOR, Connection, unwrapped
from hatch_ytupload.build_folders.cypress.errors import Circumstances, CypressError, forget, translate
from hatch_ytupload.build_folders.cypress.shapes import anything, items, mapping, text
from hatch_ytupload.errors import YtUploadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hatch_ytupload.build_folders.build_folder import Plain

Result = TypeVar("Result")

_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 15.0
# All tries of a request together may take so many times as long as one.
_TOTAL_FACTOR = 3


class Command(NamedTuple):
    """One of several commands that are done in one request."""

    command: str
    parameters: dict[str, Plain]
    shape: Callable[[Plain], Plain] = anything
    """One of `shapes`, for the answer."""
    value: Plain = None
    """Its input, of a command that takes one."""

    def request(self) -> dict[str, Plain]:
        """Return it as the cluster wants it."""
        given = {} if self.value is None else {"input": self.value}
        return {"command": self.command, "parameters": self.parameters, **given}


class _Once:
    """What tells a repeated mutation from another one: the server gives the answer that it has kept, and does nothing.

    The commands of a batch get ids of their own, made of that of the batch.
    """

    def __init__(self) -> None:
        self._id = "-".join(f"{secrets.randbits(32):x}" for _ in range(4))

    def parameters(self, attempt: int) -> dict[str, Plain]:
        """Return what goes with the attempt of this number, from 1 on."""
        return {"mutation_id": self._id, "retry": attempt > 1}


class Cluster:
    """The connection to a cluster. It is for one thread; `another` gives one for another thread.

    Args:
        proxy: name or URL.
        token: None: ytsaurus-client looks for one.
        timeout_seconds: how long a request may take that moves no data.
        attempts: how often a request is tried.
        notice: called with a line that says that a request is tried again.
        connection: None: a new one is made.
    """

    def __init__(
        self,
        proxy: str,
        *,
        token: str | None,
        timeout_seconds: float,
        attempts: int,
        notice: Callable[[str], None] = lambda _text: None,
        connection: Connection | None = None,
    ) -> None:
        self._connection = connection or Connection(proxy, token, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._notice = notice

    @classmethod
    def of_client(
        cls,
        client: Any,  # noqa: ANN401 - a YtClient
        *,
        timeout_seconds: float,
        attempts: int,
        notice: Callable[[str], None] = lambda _text: None,
    ) -> Cluster:
        """Return the cluster that a client of somebody else's is configured for, with all of that configuration.

        Args:
            client: is left alone.
            timeout_seconds: how long a request may take that moves no data.
            attempts: how often a request is tried.
            notice: called with a line that says that a request is tried again.
        """
        proxy, token = client.config["proxy"]["url"], client.config["token"]
        connection = Connection(proxy, token, timeout_seconds, client.config)
        return cls(
            proxy,
            token=token,
            timeout_seconds=timeout_seconds,
            attempts=attempts,
            notice=notice,
            connection=connection,
        )

    def __repr__(self) -> str:
        return f"<Cluster {self.address}>"

    @property
    def address(self) -> str:
        """The proxy as messages show it."""
        return self._connection.address

    def place(self) -> str:
        """Return the host and port of the proxy, which are the same however its address is written.

        Raises:
            CypressError: the address cannot be understood.
        """
        return self._translated(f"understand the address `{self.address}`", self._connection.place)

    def another(self, *, timeout_seconds: float | None = None) -> Cluster:
        """Return a cluster for another thread, which does not repeat.

        Args:
            timeout_seconds: None: as patient as this one.
        """
        connection = self._connection.another(timeout_seconds)
        return Cluster(
            self.address,
            token=None,
            timeout_seconds=self._timeout_seconds,
            attempts=1,
            notice=self._notice,
            connection=connection,
        )

    def close(self) -> None:
        """Close the sockets that are open; the next request opens new ones."""
        self._connection.close()

    def read(self, command: str, action: str, shape: Callable[[Plain], Result], **parameters: Plain) -> Result:
        """Do a command that changes nothing.

        Args:
            command: its name in API v4.
            action: what it is for, as in "cannot ...".
            shape: one of `shapes`, for the answer.
            parameters: of the command.

        Raises:
            CypressError: it failed, and so did its repetitions.
        """
        return self._repeat(action, lambda _attempt: shape(self._connection.structured(command, parameters)))

    def user(self) -> str | None:
        """Return our name on the cluster; None: it does not tell.

        Raises:
            CypressError: it does not answer.
        """
        return self._name_by(self._connection.current_user) or self._name_by(self._connection.owner_of_token)

    def read_many(self, action: str, commands: list[Command]) -> list[Plain | CypressError]:
        """Do several commands that change nothing in one request; any of the answers may be an error.

        Each is done at a moment of its own, one after the other.

        Raises:
            CypressError: it failed, or one of them did for a reason that may pass, and so did the repetitions.
        """
        return self._repeat(action, lambda _attempt: self._batch(action, commands))

    def change_many(self, action: str, commands: list[Command]) -> list[Plain | CypressError]:
        """Do several commands in one request, one after the other, each of them once, as `change` does one.

        Any of the answers may be an error; those after it are done all the same.

        Raises:
            CypressError: it failed, or one of them did for a reason that may pass, and so did the repetitions.
        """
        once = _Once()
        return self._repeat(action, lambda attempt: self._batch(action, commands, **once.parameters(attempt)))

    def change(
        self,
        command: str,
        action: str,
        shape: Callable[[Plain], Result] = anything,
        *,
        value: Plain = None,
        attempts: int | None = None,
        **parameters: Plain,
    ) -> Result:
        """Do a command that changes something; it is done once, however often it has to be sent.

        Args:
            command: its name in API v4.
            action: what it is for, as in "cannot ...".
            shape: one of `shapes`, for the answer.
            value: its input, of a command that takes one.
            attempts: how often it is tried; None: as often as others.
            parameters: of the command.

        Raises:
            CypressError: it failed, and so did its repetitions.
        """
        once = _Once()

        def perform(attempt: int) -> Result:
            return shape(self._connection.structured(command, {**parameters, **once.parameters(attempt)}, value))

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
        self._translated(
            action,
            lambda: self._connection.write_file(path, iter(blocks), append=append, transaction_id=transaction_id),
        )

    def read_file(self, action: str, length: int, **parameters: Plain) -> bytes:
        """Return so many bytes of a file, which has them.

        Raises:
            CypressError: it failed, and so did its repetitions.
        """

        def perform(_attempt: int) -> bytes:
            data = self._connection.read_file(**parameters, length=length)
            if len(data) != length:
                raise ValueError("the answer was cut off")
            return data

        return self._repeat(action, perform)

    def patiently(self, step: Callable[[int], Result], attempts: int | None = None, *, heavy: bool = False) -> Result:
        """Call `step` until it works, it fails for good, or patience ends.

        Args:
            step: called with the number of the attempt, from 1 on.
            attempts: how many there are at most; None: as set.
            heavy: it sends a file.

        Raises:
            CypressError: the last one of `step`.
        """
        attempts = attempts or self._attempts
        end = time.monotonic() + self._timeout_seconds * _TOTAL_FACTOR * (HEAVY_FACTOR if heavy else 1)
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

    def _name_by(self, ask: Callable[[], Plain]) -> str | None:
        """Return our name; None: the cluster has no answer to this question."""
        try:
            return self._repeat("ask for the user's name", lambda _attempt: text(ask()))
        except CypressError as error:
            if error.passing:
                raise
            return None

    def _repeat(self, action: str, perform: Callable[[int], Result], attempts: int | None = None) -> Result:
        return self.patiently(lambda attempt: self._translated(action, lambda: perform(attempt)), attempts)

    def _translated(self, action: str, perform: Callable[[], Result]) -> Result:
        """Call `perform`; what it raises leaves no trace of the client's exceptions, which hold requests."""
        try:
            return perform()
        except (YtUploadError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - an answer may be anything, and the client may stumble over it anywhere
            problem = self._problem(error, action)
            forget(error)
        try:
            raise problem
        finally:
            # An error that a frame of its own traceback holds would keep the connection open.
            del problem

    def _problem(self, error: Exception, action: str) -> CypressError:
        circumstances = self._circumstances(action)
        try:
            return translate(error, circumstances)
        except Exception:  # noqa: BLE001 - the same holds for what it says of an error
            return translate(ValueError(), circumstances)

    def _batch(self, action: str, commands: list[Command], **parameters: Plain) -> list[Plain | CypressError]:
        requests = [command.request() for command in commands]
        parameters |= {"requests": requests, "concurrency": 1}
        answers = items(self._connection.structured("execute_batch", parameters))
        return [self._answer(answer, command, action) for answer, command in zip(answers, commands, strict=True)]

    def _answer(self, answer: Plain, command: Command, action: str) -> Plain | CypressError:
        from yt.wrapper.errors import create_response_error

        answer = mapping(answer)
        if "error" not in answer:
            return command.shape(unwrapped(answer.get("output")))
        problem = translate(create_response_error(mapping(answer["error"])), self._circumstances(action))
        if problem.passing:
            raise problem
        return problem

    def _circumstances(self, action: str) -> Circumstances:
        connection, answer = self._connection, self._connection.answer
        return Circumstances(
            action,
            self.address,
            connection.redact,
            connection.token is not None,
            answer.status,
            answer.retry_after,
            answer.for_files,
        )
