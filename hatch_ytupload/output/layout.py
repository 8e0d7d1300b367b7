"""Text in columns and fields, readable without colour and through a pipe."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

COLUMNS = 80
"""What text is made to fit."""

_WIDEST = 60


def table(rows: Sequence[tuple[str, ...]], *, right: Collection[int] = ()) -> str:
    """Return rows as lines; the last column may be of any length.

    A cell of more than 60 columns moves what follows it to the right, in its own row and in no other: one long name
    among a hundred thousand short ones would make all of them as long.

    Args:
        rows: all of one length; cells on one line.
        right: numbers of the columns whose cells end below each other.
    """
    widths = [
        max((width for row in rows if (width := width_of(row[column])) <= _WIDEST), default=0)
        for column in range(len(rows[0]))
    ]
    return "\n".join(
        "  ".join(
            _padding(cell, width) + cell if column in right else cell + _padding(cell, width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def fields(title: str, *named: tuple[str, str]) -> str:
    """Return a title and, below it, named values, which may have several lines; empty ones are left out."""
    width = max((width_of(name) for name, value in named if value), default=0)
    lines = [title]
    for name, value in named:
        for label, line in zip_longest([name], value.splitlines(), fillvalue=""):
            if line:
                lines.append(f"  {label}{_padding(label, width)}  {line}")
    return "\n".join(lines)


def wrapped(text: str) -> list[str]:
    """Return a sentence as indented lines of 80 columns; names in it are not broken, however long."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(lines[-1]) + 1 + width_of(word) <= COLUMNS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}")
    return lines


def cut(line: str) -> str:
    """Shorten a line to 80 columns.

    >>> cut("x" * 100) == "x" * 77 + "..."
    True
    """
    if width_of(line) <= COLUMNS:
        return line
    while width_of(line) > COLUMNS - 3:
        line = line[:-1]
    return f"{line}..."


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    >>> width_of("abc"), width_of("\u65e5\u672c"), width_of("e\u0301")
    (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in ("W", "F")
        else 1
        for char in text
    )


def _padding(cell: str, width: int) -> str:
    return " " * (width - width_of(cell))
