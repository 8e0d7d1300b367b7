"""A YTsaurus HTTP proxy for tests, with a small cluster behind it: see README.md."""

from proxy.errors import Code, ServerError
from proxy.faults import (
    AbortTransaction,
    Answer,
    Between,
    Corrupt,
    Delay,
    Drop,
    Fault,
    Faults,
    Hang,
    Refuse,
    Rewrite,
    Run,
    Truncate,
)
from proxy.log import Record, RequestLog
from proxy.server import TOKEN, USER, ProxyServer

__all__ = [
    "TOKEN",
    "USER",
    "AbortTransaction",
    "Answer",
    "Between",
    "Code",
    "Corrupt",
    "Delay",
    "Drop",
    "Fault",
    "Faults",
    "Hang",
    "ProxyServer",
    "Record",
    "Refuse",
    "RequestLog",
    "Rewrite",
    "Run",
    "ServerError",
    "Truncate",
]
