r"""One line of an ignore file as a regular expression, so that it matches what git takes the line to match.

The expressions are over bytes, because git compares bytes: `?` is one byte, not one letter.

The engine is our own. pathspec 1.1 departs from git 2.39 in everything from `[[:alpha:]]`, `[\]]` and `a/**` to a lone
`!` and a tab at the end, also when it is fed with bytes: of its patterns nothing but a base class would be left in use.
`tests/ignore_cases.py` lists such lines, `tests/oracles/test_ignore_git.py` compares with git itself. What the comments
say of git is what its documentation (gitignore(5), glob(7)) says or what 2.39.5 was seen to do.
"""

from __future__ import annotations

import re
import string
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
    has_wildcards: bool
    """Whether a match can be more than `start`."""
    suffix: bytes | None
    """The text after the star, if the pattern is one star and plain text."""


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
    anywhere = _ANYWHERE.fullmatch(pattern)
    if anywhere:
        pattern, whole_path = anywhere[1], False
    # What precedes the first special byte is compared by itself, and the rest is matched as if it stood alone: the `**`
    # of `a/b**/c` is at a start then and stands for directories, so that `a/bc`, `a/b/c` and `a/bx/y/c` match.
    start = _SPECIAL.split(pattern, maxsplit=1)[0]
    wild = pattern.removeprefix(start)
    expression = _wildcards(wild, group)
    if expression is None or not pattern:
        return None
    end = b"%b%b(?P<%b>)" % (re.escape(DIRECTORY_MARK), b"" if directories_only else b"?", group.encode())
    suffix = wild[1:] if not start and wild.startswith(b"*") and not _SPECIAL.search(wild, 1) else None
    return Pattern(re.escape(start) + expression + end, whole_path, directories_only, start, bool(wild), suffix)


_ANYWHERE = re.compile(rb"\*\*+/([^/]+)")
_SPECIAL = re.compile(rb"[*?[\\]")

_CLASS = rb"\[:[^]]*:\]"
_MEMBER = rb"(?:\\.|[^]\\])"
# Where a range can be, it is one: there is a single way to read a bracket.
_RANGE = rb"(?:-%b|(?!-%b))" % (_MEMBER, _MEMBER)
_ITEM = rb"(?:%b|(?!%b)%b%b)" % (_CLASS, _CLASS, _MEMBER, _RANGE)
_TOKEN = re.compile(
    # Two stars or more are special as a whole component of the path, and only there.
    rb"(?P<levels>(?<![^/])\*\*+/)"
    rb"|(?P<anything>(?<![^/])\*\*+(?=\\/|\Z))"
    rb"|(?P<star>\*+)"
    rb"|(?P<one>\?)"
    # A `]` that comes first is a member; `^` negates as `!` does.
    rb"|\[(?P<negation>[!^]|(?![!^]))(?P<items>(?:\]%b|%b)%b*)\]"
    rb"|\\(?P<escaped>.)"
    rb"|(?P<plain>[^*?[\\]+)" % (_RANGE, _ITEM, _ITEM),
    re.DOTALL,
)
_STAR = b"[^/]*"
_UNLIMITED = {"levels": b"(?:|.*?/)", "anything": b".*?", "star": _STAR}


def _wildcards(pattern: bytes, group: str) -> bytes | None:
    """Translate a pattern; None if it can match nothing, as with an open bracket or one backslash at the end."""
    parts = [(b"", b"")]  # a wildcard of unlimited length, and what stands between it and the next one
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return None
        at = token.end()
        kind = token.lastgroup or ""
        if kind in _UNLIMITED:
            parts.append((_UNLIMITED[kind], b""))
            continue
        if kind == "one":
            piece: bytes | None = rb"[^/\0]"
        elif kind == "items":
            piece = _bracket(token["items"], negated=bool(token["negation"]))
        else:
            piece = re.escape(token[kind])
        if piece is None:
            return None
        wildcard, text = parts[-1]
        parts[-1] = (wildcard, text + piece)
    return _join(parts, group)


def _join(parts: list[tuple[bytes, bytes]], group: str) -> bytes:
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

    blocks: list[bytes] = []
    for remaining, (wildcard, text) in zip(reversed(range(len(parts))), parts, strict=True):
        if wildcard != _STAR:
            blocks.append(wildcard + text)
        elif remaining:
            blocks[-1] += hold(wildcard + b"?" + text)
        else:
            blocks[-1] += wildcard + text
    return blocks[0] + b"".join(hold(block) for block in blocks[1:-1]) + b"".join(blocks[1:][-1:])


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
_READ_ITEM = re.compile(rb"\[:(?P<name>[^]]*):\]|\\?(?P<first>.)(?:-\\?(?P<last>.))?", re.DOTALL)


def _bracket(items: bytes, *, negated: bool) -> bytes | None:
    """Translate what is between brackets; None if it names an unknown class."""
    members: set[int] = set()
    for item in _READ_ITEM.finditer(items):
        name, first, last = item.groups()
        if name is None:
            # The first byte of a range is a member even where the range is empty, as in `[z-a]`.
            members.update(first, range(ord(first), ord(last or first) + 1))
        elif name in _CLASSES:
            members.update(_CLASSES[name])
        else:
            return None
    # No bracket matches `/`.
    members = members | set(b"/\0") if negated else members - set(b"/\0")
    listed = b"".join(b"\\x%02x" % member for member in sorted(members))
    return b"[%b%b]" % (b"^" if negated else b"", listed) if listed else b"(?!)"
