r"""One line of an ignore file as a regular expression, so that it matches what git takes the line to match.

The expressions are over bytes, because git compares bytes: `?` is one byte, not one letter.

The engine is our own. pathspec 1.1 departs from git in everything from `[[:alpha:]]`, `[\]]` and `a/**` to a lone
`!` and a tab at the end, also when it is fed with bytes: of its patterns nothing but a base class would be left in use.
`tests/ignore_cases.py` lists such lines, `tests/oracles/test_ignore_git.py` compares with git itself. What the comments
say of git is what its documentation (gitignore(5), glob(7)) says or what 2.55 was seen to do.

A line is read in time that grows with its length alone, however it is made.
"""

from __future__ import annotations

import re
import string
from functools import cache
from typing import NamedTuple

DIRECTORY_MARK = b"\0"
"""Ends the name of a directory where it is matched; no name holds that byte."""


class Pattern(NamedTuple):
    """What a line matches. A negated line matches the same as one without its `!`."""

    expression: bytes
    """For a full match, with re.DOTALL; it ends in an empty group that has the name which the caller chose."""
    whole_path: bool
    """To be matched with the path from the ignore file's directory on, not with the name alone."""
    directories_only: bool
    """Whether only what ends in DIRECTORY_MARK can match."""
    start: bytes
    """What every match starts with: the text before the first wildcard."""
    tail: bytes
    """What every match ends with, but for the mark: the text after the last wildcard."""
    has_wildcards: bool
    """Whether a match can be more than `start`."""
    literal: bytes
    """The longest plain text of the pattern: in every match."""
    shortest: int
    """No match has fewer bytes."""


def translate(line: bytes, group: str) -> Pattern | None:
    """Translate a line (without its end) into an expression that ends in the group `group`.

    Returns:
        None if the line can match nothing: a comment, or a pattern that is not well-formed.
    """
    # After a backslash or a space, `#` is a plain letter.
    if line.startswith(b"#"):
        return None
    # NUL ends the pattern. Spaces at the end do not count, except one that is escaped; tabs do.
    written = line.partition(b"\0")[0]
    pattern = written.rstrip(b" ")
    backslashes = len(pattern) - len(pattern.rstrip(b"\\"))
    pattern = written[: len(pattern) + backslashes % 2]
    # One `!` negates, a second one is a letter. One `/` at the end means: directories only.
    pattern = pattern.removeprefix(b"!")
    directories_only = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    # Another `/`, even within brackets, ties the pattern to the directory of its file; at the start it does only that.
    whole_path = b"/" in pattern
    pattern = pattern.removeprefix(b"/")
    # `**/` before a single name only says what such a name says by itself: at any depth.
    anywhere = re.fullmatch(_ANYWHERE, pattern)
    if anywhere:
        pattern, whole_path = anywhere[1], False
    start = re.split(_SPECIAL, pattern, maxsplit=1)[0]
    read = _read(pattern, len(start))
    if read is None or not pattern:
        return None
    end = b"%b%b(?P<%b>)" % (re.escape(DIRECTORY_MARK), b"" if directories_only else b"?", group.encode())
    return Pattern(
        expression=re.escape(start) + _joined(read.parts, group) + end,
        whole_path=whole_path,
        directories_only=directories_only,
        start=start,
        tail=read.tail,
        has_wildcards=len(start) < len(pattern),
        literal=max(start, read.literal, key=len),
        shortest=len(start) + read.shortest,
    )


_ANYWHERE = rb"\*\*+/([^/]+)"
_SPECIAL = rb"[*?[\\]"

# Compiled when the first pattern is read.
_TOKEN = (
    # Two stars or more are special as a whole component of the path, and only there.
    rb"(?P<levels>(?<![^/])\*\*+/)"
    rb"|(?P<anything>(?<![^/])\*\*+(?=\\/|\Z))"
    rb"|(?P<star>\*+)"
    rb"|(?P<one>\?)"
    rb"|(?P<bracket>\[)"
    rb"|\\(?P<escaped>.)"
    rb"|(?P<plain>[^*?[\\]+)"
)


@cache
def _tokens() -> re.Pattern[bytes]:
    return re.compile(_TOKEN, re.DOTALL)


_STAR = b"[^/]*"
_UNLIMITED = {"levels": b"(?:|.*?/)", "anything": b".*?", "star": _STAR}


class _Part(NamedTuple):
    wildcard: bytes
    """Of unlimited length; empty in the first part."""
    pieces: list[bytes]
    """Expressions of what stands between it and the next one."""


class _Read(NamedTuple):
    parts: list[_Part]
    literal: bytes
    tail: bytes
    shortest: int


def _read(pattern: bytes, at: int) -> _Read | None:
    """Read a pattern from a place on; None if it can match nothing, as with an open bracket or a lone backslash."""
    parts = [_Part(b"", [])]
    literals = [bytearray()]
    shortest = 0
    while at < len(pattern):
        token = _tokens().match(pattern, at)
        if token is None:
            return None
        at = token.end()
        kind = token.lastgroup or ""
        if kind in ("plain", "escaped"):
            parts[-1].pieces.append(re.escape(token[kind]))
            literals[-1] += token[kind]
            shortest += len(token[kind])
            continue
        literals.append(bytearray())
        if kind in _UNLIMITED:
            # Once more the same says nothing new: `**/**/`.
            if parts[-1] != (_UNLIMITED[kind], []):
                parts.append(_Part(_UNLIMITED[kind], []))
            continue
        shortest += 1
        if kind == "one":
            parts[-1].pieces.append(rb"[^/\0]")
            continue
        bracket = _bracket(pattern, at)
        if bracket is None:
            return None
        expression, at = bracket
        parts[-1].pieces.append(expression)
    return _Read(parts, bytes(max(literals, key=len)), bytes(literals[-1]), shortest)


def _joined(parts: list[_Part], group: str) -> bytes:
    """Join wildcards and the texts between them so that the time to match does not grow with a power of the length.

    Where the text after a wildcard is found for the first time, that is as good as any later place if another wildcard
    of the same reach follows, because that one takes up the difference. So the first place is kept: a lookahead is not
    tried again. (Atomic groups say the same, but Python has them from 3.11 on.)
    """
    held = 0

    def hold(expression: bytes) -> bytes:
        nonlocal held
        held += 1
        name = b"%b_%d" % (group.encode(), held)
        return b"(?=(?P<%b>%b))(?P=%b)" % (name, expression, name)

    blocks: list[list[bytes]] = []
    for remaining, (wildcard, pieces) in zip(reversed(range(len(parts))), parts, strict=True):
        text = b"".join(pieces)
        if wildcard != _STAR:
            blocks.append([wildcard, text])
        elif remaining:
            blocks[-1].append(hold(wildcard + b"?" + text))
        else:
            blocks[-1] += [wildcard, text]
    first, *others = (b"".join(block) for block in blocks)
    return first + b"".join(hold(block) for block in others[:-1]) + b"".join(others[-1:])


_LETTERS, _DIGITS = string.ascii_letters.encode(), string.digits.encode()
_PUNCTUATION = string.punctuation.encode()
# ASCII alone; vertical tab and form feed are no space to git. Other names make the pattern match nothing.
_CLASSES = {
    b"alnum": _LETTERS + _DIGITS,
    b"alpha": _LETTERS,
    b"blank": b"\t ",
    b"cntrl": bytes(range(32)) + b"\x7f",
    b"digit": _DIGITS,
    b"graph": _LETTERS + _DIGITS + _PUNCTUATION,
    b"lower": string.ascii_lowercase.encode(),
    b"print": _LETTERS + _DIGITS + _PUNCTUATION + b" ",
    b"punct": _PUNCTUATION,
    b"space": b"\t\n\r ",
    b"upper": string.ascii_uppercase.encode(),
    b"xdigit": string.hexdigits.encode(),
}


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int] | None:
    """Read from behind a `[` to behind its `]`.

    Returns:
        The expression and the place; None if there is no end, or an unknown class in it.
    """
    negated = pattern[at : at + 1] in (b"!", b"^")
    first = at = at + negated
    members: set[int] = set()
    low = None  # what a range could begin with
    end = 0  # the nearest `]` that a class could have: looked for once, not for every `[:` before it
    # A `]` that comes first is a member.
    while at == first or pattern[at : at + 1] != b"]":
        if pattern.startswith(b"[:", at) and end < at + 2:
            end = pattern.find(b"]", at + 2)
            if end < 0:
                return None
        if pattern.startswith(b"[:", at) and end > at + 2 and pattern.startswith(b":", end - 1):
            named = _CLASSES.get(pattern[at + 2 : end - 1])
            if named is None:
                return None
            members.update(named)
            low, at = None, end + 1
            continue
        is_range = low is not None and pattern.startswith(b"-", at) and pattern[at + 1 : at + 2] not in (b"", b"]")
        at += is_range
        at += pattern.startswith(b"\\", at)
        if at >= len(pattern):
            return None
        member = pattern[at]
        # The first byte of a range is a member even where the range is empty, as in `[z-a]`.
        members.update(range(low, member + 1) if is_range and low is not None else (member,))
        low = None if is_range else member
        at += 1
    # No bracket matches `/`.
    members = members | set(b"/\0") if negated else members - set(b"/\0")
    lows = sorted(member for member in members if member - 1 not in members)
    highs = sorted(member for member in members if member + 1 not in members)
    listed = b"".join(b"\\x%02x-\\x%02x" % limits for limits in zip(lows, highs, strict=True))
    return (b"[%b%b]" % (b"^" if negated else b"", listed) if listed else b"(?!)"), at + 1
