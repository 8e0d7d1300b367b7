"""The options that pip knows in a requirements file."""

from __future__ import annotations

import shlex
from functools import cache
from optparse import OptionParser, OptionValueError
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from optparse import Option

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
