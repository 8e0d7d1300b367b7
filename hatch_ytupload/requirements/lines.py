"""The lines of a requirements file as pip sees them: decoded, put together, without comments, variables filled in."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The mark of UTF-16 in little order begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


class Line(NamedTuple):
    """One line, with those that continue it."""

    number: int
    """Of the first of them, from 1."""
    written: str
    """Without comment; with variables as they are written."""
    text: str
    """With variables filled in."""
    whole: str
    """With comment, too."""


class DecodingError(Exception):
    """A file that pip cannot decode in a job; `str()` of it is the reason."""


def decoded(content: bytes) -> str:
    """Decode a requirements file.

    pip decodes what is neither marked nor UTF-8 by the locale. That of a job is UTF-8, whatever it is here.

    Raises:
        DecodingError: it is in no encoding that it names.
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    if not mark:
        comments = (line for line in content.split(b"\n", 2)[:2] if line.startswith(b"#"))
        named = next(filter(None, map(_CODING.search, comments)), None)
        encoding = named[1].decode("ascii") if named else encoding
    try:
        return content[len(mark) :].decode(encoding)
    except LookupError:
        raise DecodingError(f"it names the encoding `{one_line(encoding)}`, which Python does not know") from None
    except UnicodeError:
        hint = "" if encoding != "utf-8" else "; save it as UTF-8, or begin it with `# -*- coding: NAME -*-`"
        raise DecodingError(f"it is not {encoding.upper()}{hint}") from None


def lines_of(text: str, environ: Mapping[str, str]) -> Iterator[Line]:
    r"""Yield the lines that say something.

    >>> [line.text for line in lines_of("six==1 \\\n  --hash=x  # why\n\n# nothing\n", {})]
    ['six==1   --hash=x']
    """
    first, parts = 0, []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        first = first or number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line.strip("\\"))
            if number < len(lines):
                continue
        else:
            # A comment ends a continued line, which must not swallow its sign.
            parts.append(f" {line}" if is_comment else line)
        whole = "".join(parts)
        written = without_comment(whole).strip()
        if written or is_comment:
            yield Line(first, written, with_variables(written, environ), whole)
        first, parts = 0, []


def without_comment(line: str) -> str:
    """Return a line up to a `#` that stands at its beginning or after white space."""
    position = line.find("#")
    while position > 0 and not line[position - 1].isspace():
        position = line.find("#", position + 1)
    return line if position < 0 else line[:position]


def with_variables(line: str, environ: Mapping[str, str]) -> str:
    """Fill in `${NAME}`, as far as the variables are set.

    >>> with_variables("${A}${b}${C}", {"A": "1", "b": "2"})
    '1${b}${C}'
    """
    for name in _VARIABLE.findall(line):
        line = line.replace(f"${{{name}}}", environ.get(name) or f"${{{name}}}")
    return line


def has_variables(text: str) -> bool:
    """Tell whether a text holds variables that nobody filled in."""
    return _VARIABLE.search(text) is not None
