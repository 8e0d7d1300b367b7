"""Credentials in URLs, taken out of everything that is shown or written down."""

from __future__ import annotations

import re

MASK = "****"

# Up to the next URL: several may stand in one word. A slash may be missing, which programs say with the whole URL.
_URL_REST = re.compile(r"(://|(?<=http:)/|(?<=https:)/)((?:(?!://)\S)*)")
_VARIABLES = re.compile(r"(?:\$\{[A-Z0-9_]+\})+")
_PORT = re.compile(r"\d*")
_SECRET_FIELDS = re.compile(
    r"([?&](?:sig|[\w.-]*(?:token|secret|password|passwd|signature|credential|api[_-]?key))=)([^&\s#\"']+)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return a text with the credentials of all URLs in it masked.

    Variables that pip fills in are none, and neither is the bare user of an SSH address.

    >>> masked("--index-url https://bob:secret@pypi.example.com/simple")
    '--index-url https://****@pypi.example.com/simple'
    >>> masked("--index-url https://${USER}:${TOKEN}@pypi.example.com/simple")
    '--index-url https://${USER}:${TOKEN}@pypi.example.com/simple'
    """
    text = _URL_REST.sub(_without_user, text)
    return _SECRET_FIELDS.sub(lambda match: match[0] if _is_harmless(match[2]) else match[1] + MASK, text)


def _without_user(match: re.Match[str]) -> str:
    start, rest = match[1], match[2]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = host.rpartition("@")
    if not at:
        user = _broken_user(rest, host)
    name, _, password = user.partition(":")
    is_ssh = match.string[max(match.start() - 3, 0) : match.start()].lower() == "ssh"
    if not user or _is_harmless(password or name) or (is_ssh and not password):
        return f"{start}{rest}"
    return f"{start}{MASK}{rest[len(user) :]}"


def _broken_user(rest: str, host: str) -> str:
    """Return the user and password of an address whose password holds an unquoted `/`, `?` or `#`."""
    _, colon, port = host.partition(":")
    if not colon or host.startswith("[") or _PORT.fullmatch(port) or _is_harmless(port):
        return ""
    return rest.rpartition("@")[0]


def _is_harmless(secret: str) -> bool:
    return secret in ("", MASK) or _VARIABLES.fullmatch(secret) is not None
