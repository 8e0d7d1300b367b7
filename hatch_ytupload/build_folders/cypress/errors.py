"""What ytsaurus-client raises becomes one line that says what to do, here and nowhere else."""

from __future__ import annotations

import errno
import socket
import ssl
import traceback
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatch_ytupload.build_folders.cypress.redaction import Redaction

MISSING = "missing"
EXISTS = "exists"
NO_FOLDER = "no folder"
CONFLICT = "conflict"
LOST = "lost"
TOO_LARGE = "too large"
OTHER = "other"

# Numbers of the server's error codes: `yt.common.YtError`, and `yt/yt/core/ytree/public.h` and others of its sources.
_KINDS = {
    11000: LOST,  # no such transaction
    103: NO_FOLDER,  # no such method: a file cannot be listed
    501: EXISTS,
    500: MISSING,
    402: CONFLICT,
    401: CONFLICT,
    400: CONFLICT,
}
_ACCESS_DENIED = 901
_ACCOUNT_LIMIT = 902
_BAD_TOKEN = (900, 111)
# Timeout, transport, unavailable, queues that are full, a server that is banned or overloaded, pressure of memory,
# storage nodes that all failed, masters that cannot be reached, a banned proxy.
_PASSING_CODES = frozenset({3, 100, 105, 108, 115, 116, 118, 120, 122, 700, 712, 716, 904, 2100})
_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_TOO_LARGE_REQUEST = 413
_LONGEST = 400
_LONGEST_WAIT_SECONDS = 60.0


class CypressError(BuildFolderError):
    """The cluster refused or could not do what was asked.

    Args:
        message: the line to show.
        kind: one of the constants of this module.
        passing: the same may work a moment later.
        retry_after: how many seconds the proxy asks to wait.
        holder: id of the transaction that holds what we wanted to lock.
    """

    def __init__(
        self,
        message: str,
        kind: str = OTHER,
        *,
        passing: bool = False,
        retry_after: float | None = None,
        holder: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = message.partition(": ")[2] or message
        """The message without what was tried."""
        self.kind = kind
        self.passing = passing
        self.retry_after = retry_after
        self.holder = holder


class RefusedAnswerError(ValueError):
    """An answer that is not even looked at; `str()` of it says what the proxy does."""


class LargeAnswerError(RefusedAnswerError):
    """An answer with more in it than is read."""


@dataclass(frozen=True)
class Circumstances:
    """What an exception does not tell itself."""

    action: str
    """What was tried, as in "cannot ..."."""
    address: str
    """Of the proxy that was named to us."""
    redact: Redaction
    has_token: bool
    """We sent one."""
    status: int | None = None
    """Of the HTTP answer, where there was one."""
    retry_after: str | None = None
    """The header of that name."""
    for_files: str | None = None
    """The proxy that was asked instead, one that takes files, or the same when it was asked which ones these are."""

    @property
    def asked(self) -> str:
        """The proxy that was asked."""
        return self.for_files or self.address

    def way_out(self, usual: str) -> str:
        """Say what helps where it is about who was asked: those that take files may be known within a cluster only."""
        return usual if self.for_files is None else f"`YT_USE_HOSTS=0` sends files to `{self.address}` itself"


def translate(error: BaseException, tried: Circumstances) -> CypressError:
    """Turn an exception of ytsaurus-client into ours."""
    from yt.wrapper import YtError

    problem = _of_answer(error, tried) if isinstance(error, YtError) else None
    problem = problem or _of_connection(error, tried)
    text = tried.redact(one_line(f"cannot {tried.action}: {problem.reason}"))
    return CypressError(
        text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...",
        problem.kind,
        passing=problem.passing,
        retry_after=_seconds(tried.retry_after),
        holder=_holder(error) if isinstance(error, YtError) else None,
    )


def forget(error: BaseException) -> None:
    """Empty the frames that an exception came through: they hold requests, and open sockets in circles."""
    for each in _causes(error):
        traceback.clear_frames(each.__traceback__)


@dataclass(frozen=True)
class _Problem:
    reason: str
    kind: str = OTHER
    passing: bool = False


def _no_sense(tried: Circumstances) -> _Problem:
    way_out = tried.way_out("check that `proxy` is that of a cluster")
    return _Problem(f"`{tried.asked}` gave an answer that makes no sense; {way_out}", passing=True)


def _of_answer(error: Any, tried: Circumstances) -> _Problem | None:  # noqa: ANN401 - a YtError
    """Say why the cluster refused; None: it did not."""
    from yt.wrapper.errors import YtIncorrectResponse
    from yt.yson import YsonError

    tree = list(_tree(error))
    codes = [_code(each) for each in tree]
    known = _refusal(error, tree, tried)
    if known is not None:
        return known
    if tried.status == _TOO_LARGE_REQUEST:
        way_out = tried.way_out("write a proxy of the cluster itself in `proxy`")
        return _Problem(f"`{tried.asked}` takes no file of this size, as web servers in front of one may; {way_out}")
    if isinstance(error, (YtIncorrectResponse, YsonError)):
        return _no_sense(tried)
    if tried.status in _PASSING_STATUSES or any(code in _PASSING_CODES for code in codes):
        return _Problem(f"`{tried.asked}` cannot answer now ({_message(tree[-1])})", passing=True)
    kind = next((kind for code, kind in _KINDS.items() if code in codes), OTHER)
    if kind == LOST:
        reason = f"the transaction expired, as `{tried.address}` could not be reached for too long; try again"
        return _Problem(reason, kind)
    return _Problem(_message(tree[-1]), kind)


def _refusal(error: Any, tree: list[Mapping[str, Any]], tried: Circumstances) -> _Problem | None:  # noqa: ANN401 - a YtError
    """Say who would have to do something about it."""
    from yt.wrapper.errors import YtTokenError

    if isinstance(error, YtTokenError) and not error.inner_errors:  # nobody was asked
        return _Problem(f"{_message(tree[0])}; set the right one in `YT_TOKEN` or `configs/secrets.env`")
    if isinstance(error, YtTokenError) or any(_code(each) in _BAD_TOKEN for each in tree):
        wrong = "does not accept the token" if tried.has_token else "asks for a token"
        return _Problem(f"`{tried.asked}` {wrong}; set the right one in `YT_TOKEN` or `configs/secrets.env`")
    for each in tree:
        if _code(each) == _ACCOUNT_LIMIT:
            return _Problem(no_quota(_message(each)))
        if _code(each) == _ACCESS_DENIED:
            return _Problem(_denied(each))
    return None


def no_quota(reason: str) -> str:
    """Say what helps where an account is full: pruning comes too late, what it removes counts until the commit."""
    return f"there is no quota left ({reason}); remove old releases with `hatch-ytupload delete`, or ask for more"


def no_permission(user: object, permissions: Iterable[object], path: object) -> str:
    """Say who lacks which permission for what."""
    names = " or ".join(f"`{permission}`" for permission in permissions)
    return f"the user `{user}` has no permission {names} for `{path}`; ask its owner for it"


def _denied(error: Mapping[str, Any]) -> str:
    attributes = _attributes(error)
    permission, user, path = (attributes.get(name) for name in ("permission", "user", "path"))
    if not (permission and user and path):  # as older servers have it; the message names all three
        return f"{_message(error)}; ask its owner for it"
    # To the server it is a set of bits, of which any is missing.
    return no_permission(user, permission if isinstance(permission, list) else [permission], path)


def _of_connection(error: BaseException, tried: Circumstances) -> _Problem:
    """Say why there was no answer, or none of use."""
    from yt.packages.urllib3.exceptions import HTTPError

    if isinstance(error, RefusedAnswerError):
        return _Problem(f"`{tried.asked}` {error}", TOO_LARGE if isinstance(error, LargeAnswerError) else OTHER)

    for each in _causes(error):
        known = _of_cause(each, tried)
        if known is not None:
            return known
    if isinstance(error, (OSError, HTTPError, HTTPException)) and not isinstance(error, ValueError):
        return _Problem(f"the connection to `{tried.asked}` broke ({type(error).__name__})", passing=True)
    return _no_sense(tried)


def _of_cause(error: BaseException, tried: Circumstances) -> _Problem | None:
    name = type(error).__name__
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return _Problem(f"the host `{tried.asked}` cannot be looked up now", passing=True)
        way_out = tried.way_out("check `proxy`, or write the cluster's whole name")
        # Of those that take files another one may be asked.
        return _Problem(f"there is no host `{tried.asked}`; {way_out}", passing=tried.for_files is not None)
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return _Problem(f"`{tried.asked}` refuses the connection; {tried.way_out('check `proxy`')}", passing=True)
    if "Timeout" in name:
        return _Problem("; ".join(filter(None, [f"`{tried.asked}` does not answer", tried.way_out("")])), passing=True)
    if "SSL" in name:
        return _Problem(_of_tls(error, tried))
    return None


def _of_tls(error: BaseException, tried: Circumstances) -> str:
    """Say why a connection is not as safe as `https` promises; the innermost error knows best."""
    reason = next((each for each in reversed(list(_causes(error))) if isinstance(each, ssl.SSLError)), None)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"`{tried.asked}` cannot be trusted ({reason.verify_message}); name the certificate of its authority in "
            "`REQUESTS_CA_BUNDLE`"
        )
    said = getattr(reason, "reason", None) or error
    way_out = tried.way_out("write `http://` in `proxy`")
    return f"`{tried.asked}` cannot be trusted ({said}); if it speaks no TLS, {way_out}"


def _causes(error: object) -> Iterator[BaseException]:
    """Yield an exception and all that it was made from, in whatever way they are held."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _tree(error: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - a YtError or its simplified form
    """Yield an error and those within it, the innermost last."""
    node = error.simplify() if hasattr(error, "simplify") else error
    if isinstance(node, dict):
        yield node
        inner_errors = node.get("inner_errors")
        for inner in reversed(inner_errors if isinstance(inner_errors, list) else []):
            yield from _tree(inner)


def _attributes(error: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = error.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _code(error: Mapping[str, Any]) -> int:
    try:
        return int(error.get("code", 1))
    except (TypeError, ValueError):
        return 1


def _message(error: Mapping[str, Any]) -> str:
    return str(error.get("message") or "no reason was given").rstrip(".")


def _holder(error: Any) -> str | None:  # noqa: ANN401 - a YtError
    for each in _tree(error):
        winner = _attributes(each).get("winner_transaction")
        if isinstance(winner, dict) and winner.get("id"):
            return str(winner["id"])
    return None


def _seconds(header: str | None) -> float | None:
    """Read `Retry-After`; its other form, a date, is not worth a clock that may be wrong."""
    if header is None or not header.strip().isdigit():
        return None
    return min(float(header.strip()[:9]), _LONGEST_WAIT_SECONDS)
