"""Errors as the server reports them: a code, a message, attributes and the errors that caused it."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Code(enum.IntEnum):
    """Numeric error codes that clients look at."""

    GENERIC = 1
    TIMEOUT = 3
    TRANSPORT = 100
    PROTOCOL = 101
    NO_SUCH_METHOD = 103
    UNAVAILABLE = 105
    REQUEST_QUEUE_SIZE_LIMIT = 108
    INVALID_CREDENTIALS = 111
    MEMORY_PRESSURE = 122
    SAME_TRANSACTION_LOCK_CONFLICT = 400
    DESCENDANT_TRANSACTION_LOCK_CONFLICT = 401
    CONCURRENT_TRANSACTION_LOCK_CONFLICT = 402
    PENDING_LOCK_CONFLICT = 403
    RESOLVE = 500
    ALREADY_EXISTS = 501
    MAX_KEY_LENGTH = 505
    ALL_TARGET_NODES_FAILED = 700
    MASTER_COMMUNICATION = 712
    NO_SUCH_MEDIUM = 719
    AUTHENTICATION = 900
    AUTHORIZATION = 901
    ACCOUNT_LIMIT = 902
    NO_SUCH_ACCOUNT = 905
    PREREQUISITE_CHECK = 1000
    NO_SUCH_OPERATION = 1915
    PROXY_BANNED = 2100
    NO_SUCH_TRANSACTION = 11000


class ServerError(Exception):
    """An error that a command ends with; `http_status` is what the HTTP proxy answers."""

    def __init__(
        self,
        message: str,
        *,
        code: int = Code.GENERIC,
        attributes: Mapping[str, object] | None = None,
        inner: Iterable[ServerError] = (),
        http_status: int = 400,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = int(code)
        self.attributes: dict[str, object] = dict(attributes or {})
        self.inner = tuple(inner)
        self.http_status = http_status
        self.time = dt.datetime.now(dt.timezone.utc)

    def with_attribute(self, name: str, value: object) -> ServerError:
        """Add an attribute unless the error has it already."""
        self.attributes.setdefault(name, value)
        return self

    def as_value(self) -> dict[str, object]:
        """Give the error as the map that is sent."""
        standard = {
            "host": "localhost",
            "pid": 1,
            "tid": 1,
            "datetime": self.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return {
            "code": self.code,
            "message": self.message,
            "attributes": {**standard, **self.attributes},
            "inner_errors": [error.as_value() for error in self.inner],
        }

    def contains(self, code: int) -> bool:
        """Tell whether this error or one that it wraps has the code."""
        return self.code == code or any(error.contains(code) for error in self.inner)


def wrapped(message: str, cause: ServerError, *, code: int = Code.GENERIC, http_status: int = 400) -> ServerError:
    """Put an error around another, as the layers of the server do."""
    return ServerError(message, code=code, inner=[cause], http_status=http_status)


def resolve_error(path: str, method: str, cause: ServerError) -> ServerError:
    """Give the error of a path that does not lead to an object."""
    return ServerError(
        f"Error resolving path {path}", code=Code.RESOLVE, attributes={"method": method, "path": path}, inner=[cause]
    )


def no_such_transaction(transaction_id: str) -> ServerError:
    """Give the error for a transaction that never was, has expired or is finished."""
    return ServerError(f"No such transaction {transaction_id}", code=Code.NO_SUCH_TRANSACTION)


def cumulative(cause: ServerError) -> ServerError:
    """Give the error that a batch of requests to the master ends with."""
    return wrapped("Error communicating with master", cause)
