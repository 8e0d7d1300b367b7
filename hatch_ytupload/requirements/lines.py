"""The lines of a requirements file as pip sees them: put together, without comments, variables filled in; options."""

from __future__ import annotations

import codecs
import re
import shlex
from functools import cache
from optparse import OptionParser, OptionValueError
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from optparse import Option

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
# Of pip 23 to 26: what one of them knows is nobody's error here. Those that stand alone, those with a value.
_FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre")
_OF_FILE = (
    ("-r", "--requirement"),
    ("-c", "--constraint"),
    ("-e", "--editable"),
    ("-i", "--index-url", "--pypi-url"),
    ("--extra-index-url",),
    ("-f", "--find-links"),
    ("--no-binary",),
    ("--only-binary",),
    ("--all-releases",),
    ("--only-final",),
    ("--trusted-host",),
    ("--use-feature",),
)
_OF_REQUIREMENT = (("--global-option",), ("--install-option",))
_STRONG = ("sha256", "sha384", "sha512")


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
    r"""Yield the lines that are not blank, comments as empty ones.

    >>> [line.text for line in lines_of("six==1 \\\n  --hash=x  # why\n\n# nothing\n", {})]
    ['six==1   --hash=x', '']
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
    for name in dict.fromkeys(_VARIABLE.findall(line)):
        if value := environ.get(name):
            line = line.replace(f"${{{name}}}", value)
    return line


def has_variables(text: str) -> bool:
    """Tell whether a text holds variables that nobody filled in."""
    return _VARIABLE.search(text) is not None


class Given(NamedTuple):
    """An option of a line."""

    name: str
    """Its long form."""
    value: str | None
    """None: it takes none."""


class OptionError(Exception):
    """A line whose options pip refuses; `str()` of it is the reason."""


class _Parser(OptionParser):
    def error(self, msg: str) -> NoReturn:
        raise OptionError(msg)


def split_options(line: str) -> tuple[str, list[Given]]:
    """Split a line into what is required and options.

    Raises:
        OptionError: pip refuses them.
    """
    required = without_options(line)
    written = line[len(required) :]
    if not written:
        return required, []
    try:
        options = shlex.split(written)
    except ValueError as error:
        raise OptionError(f"{str(error).lower()} in its options") from None
    values, _ = _parser().parse_args(options)
    return required, list(values.ensure_value("given", []))


def without_options(line: str) -> str:
    """Return the part of a line before its options, which begin with a space and a `-`."""
    position = 0 if line.startswith("-") else line.find(" -")
    return line if position < 0 else line[:position]


@cache
def _parser() -> OptionParser:
    parser = _Parser(add_help_option=False)
    for name in _FLAGS:
        parser.add_option(name, action="callback", callback=_add, callback_args=(name,))
    for names in (*_OF_FILE, *_OF_REQUIREMENT):
        name = next(name for name in names if name.startswith("--"))
        parser.add_option(*names, action="callback", callback=_add, callback_args=(name,), type="str")
    parser.add_option("--hash", action="callback", callback=_add_hash, type="str")
    parser.add_option("-C", "--config-settings", action="callback", callback=_add_setting, type="str")
    return parser


def _add(_option: Option, _written: str, value: str | None, parser: OptionParser, name: str) -> None:
    if parser.values is not None:
        parser.values.ensure_value("given", []).append(Given(name, value))


def _add_hash(option: Option, written: str, value: str, parser: OptionParser) -> None:
    if value.partition(":")[0] not in _STRONG or ":" not in value:
        raise OptionValueError(f"`{written}` takes one of {', '.join(_STRONG)}, a colon and the digest")
    _add(option, written, value, parser, "--hash")


def _add_setting(option: Option, written: str, value: str, parser: OptionParser) -> None:
    if "=" not in value:
        raise OptionValueError(f"`{written}` takes KEY=VALUE")
    _add(option, written, value, parser, "--config-settings")
