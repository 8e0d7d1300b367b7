"""Header blocks of tar streams that we did not write: formats of GNU, POSIX and older ones."""

from __future__ import annotations

from typing import NamedTuple

_BINARY, _NEGATIVE = b"\x80", b"\xff"


class Fields(NamedTuple):
    """What a block says before extensions change it."""

    name: bytes
    size: int
    kind: bytes
    mode: int
    mtime: float
    uid: int
    gid: int
    owner: str
    group: str


def parse_header(block: bytes) -> Fields:
    """Parse a header block.

    Raises:
        ValueError: it is none.
    """
    if _octal(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError
    size = _number(block[124:136])
    if size < 0:
        raise ValueError
    name = _text(block[:100])
    # GNU's own format has other things where POSIX has the first part of a long name.
    if block[257:263] == b"ustar\0" and block[345] != 0:
        name = _text(block[345:500]) + b"/" + name
    owners = block[257:262] == b"ustar"
    return Fields(
        name=name,
        size=size,
        kind=block[156:157],
        mode=_number(block[100:108]) & 0o7777,
        mtime=_number(block[136:148]),
        uid=_number(block[108:116]),
        gid=_number(block[116:124]),
        owner=_text(block[265:297]).decode("utf-8", "backslashreplace") if owners else "",
        group=_text(block[297:329]).decode("utf-8", "backslashreplace") if owners else "",
    )


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    # The first bit says: not octal digits but a binary number, which GNU tar writes where those do not suffice.
    if field[:1] in (_BINARY, _NEGATIVE):
        return int.from_bytes(field[1:], "big", signed=field[:1] == _NEGATIVE)
    return _octal(field)


def _octal(field: bytes) -> int:
    digits = field.partition(b"\0")[0].strip()
    if not digits:
        return 0
    if not digits.isdigit():
        raise ValueError
    return int(digits, 8)
