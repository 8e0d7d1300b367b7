r"""Paths: `//home/a\/b/@attribute/key`, `#object-id/child`, `//link&`.

Syntax from https://ytsaurus.tech/docs/en/user-guide/storage/ypath: a root (`/` or `#id`), then `/key` tokens, at most
one `/@` that begins the attribute part, `&` after a token that is not to be followed as a link, `*` for all children.
The characters `\ / @ & * [ {` are escaped by a backslash, any byte by `\xNN`.
"""

from __future__ import annotations

import dataclasses

from proxy.errors import ServerError

_SPECIAL = "\\/@&*[{"
_TOKENS = {"/": "slash", "@": "at", "&": "ampersand", "*": "asterisk", "[": "left_bracket", "{": "left_brace"}


@dataclasses.dataclass(frozen=True)
class Step:
    """One key of the path; `suppressed`: the link that the key leads to is meant itself."""

    key: str
    suppressed: bool = False


@dataclasses.dataclass(frozen=True)
class Path:
    """A path taken apart."""

    text: str
    root_id: str | None
    steps: tuple[Step, ...]
    attribute: tuple[str, ...] | None = None
    everything: bool = False
    root_suppressed: bool = False

    @property
    def is_attribute(self) -> bool:
        """Tell whether the path names attributes and not a node."""
        return self.attribute is not None


def literal(key: str) -> str:
    """Spell a key as a path token.

    >>> literal("a/b")
    'a\\\\/b'
    """
    result = []
    for byte in key.encode("utf-8", "surrogateescape"):
        char = chr(byte)
        if char in _SPECIAL:
            result.append("\\" + char)
        elif byte < 32 or byte >= 127:
            result.append(f"\\x{byte:02x}")
        else:
            result.append(char)
    return "".join(result)


def parse(text: str) -> Path:
    """Take a path apart.

    Raises:
        ServerError: it is not a path.
    """
    if not text:
        raise ServerError("YPath cannot be empty")
    if text.startswith("#"):
        end = 1
        while end < len(text) and text[end] not in "/&":
            end += 1
        root_id: str | None = text[1:end]
        rest = text[end:]
    elif text.startswith("/"):
        root_id = None
        rest = text[1:]
    else:
        raise ServerError(f'Path "{text}" does not start with a valid root-designator')
    return _Parser(text, rest).parse(root_id)


class _Parser:
    def __init__(self, text: str, rest: str) -> None:
        self.text = text
        self.rest = rest
        self.at = 0

    def parse(self, root_id: str | None) -> Path:
        steps: list[Step] = []
        root_suppressed = self._skip("&")
        while not self._done():
            self._expect_slash()
            if self._skip("@"):
                return Path(
                    self.text, root_id, tuple(steps), attribute=self._attribute(), root_suppressed=root_suppressed
                )
            if self._skip("*"):
                if not self._done():
                    raise self._unexpected("end-of-string")
                return Path(self.text, root_id, tuple(steps), everything=True, root_suppressed=root_suppressed)
            key = self._literal()
            steps.append(Step(key, suppressed=self._skip("&")))
        return Path(self.text, root_id, tuple(steps), root_suppressed=root_suppressed)

    def _attribute(self) -> tuple[str, ...]:
        if self._done():
            return ()
        keys: list[str] = []
        # `@*` stands for all attributes, as `@` does.
        if self.rest[self.at :] == "*":
            return ()
        while not keys or not self._done():
            if keys:
                self._expect_slash()
            if keys and self._skip("@"):
                raise ServerError(
                    "Attributes of attributes are not modelled by this proxy", attributes={"ypath": self.text}
                )
            keys.append(self._literal())
        return tuple(keys)

    def _done(self) -> bool:
        return self.at >= len(self.rest)

    def _skip(self, char: str) -> bool:
        if not self._done() and self.rest[self.at] == char:
            self.at += 1
            return True
        return False

    def _expect_slash(self) -> None:
        if not self._skip("/"):
            raise self._unexpected("slash")

    def _unexpected(self, expected: str) -> ServerError:
        expects = f'Expected "{expected}" in YPath but found '
        if self._done():
            return ServerError(expects + "end-of-string", attributes={"ypath": self.text})
        token = self.rest[self.at]
        if token not in _TOKENS:
            token = self.rest[self.at :].partition("/")[0]
        return ServerError(
            f'{expects}"{_TOKENS.get(token, "literal")}" token "{token}"', attributes={"ypath": self.text}
        )

    def _literal(self) -> str:
        key = bytearray()
        start = self.at
        while not self._done() and self.rest[self.at] not in "/@&*[{":
            if self.rest[self.at] == "\\":
                key += self._escape()
            else:
                key += self.rest[self.at].encode("utf-8", "surrogateescape")
                self.at += 1
        if self.at == start:
            raise self._unexpected("literal")
        if not self._done() and self.rest[self.at] in "@*[{":
            raise self._unexpected("slash")
        return key.decode("utf-8", "surrogateescape")

    def _escape(self) -> bytes:
        escaped = self.rest[self.at + 1 : self.at + 2]
        if escaped and escaped in _SPECIAL:
            self.at += 2
            return escaped.encode("ascii")
        if escaped == "x":
            digits = self.rest[self.at + 2 : self.at + 4]
            try:
                byte = bytes.fromhex(digits)
            except ValueError:
                byte = b""
            if len(byte) == 1:
                self.at += 4
                return byte
        raise ServerError("Malformed escape sequence in YPath", attributes={"ypath": self.text})
