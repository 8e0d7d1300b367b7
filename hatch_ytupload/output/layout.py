"""Text in columns and fields, readable without colour and through a pipe."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def table(rows: Sequence[tuple[str, ...]], *, right: Collection[int] = ()) -> str:
    """Return rows as lines; the last column may be of any length.

    Args:
        rows: all of one length; cells on one line.
        right: numbers of the columns whose cells end below each other.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def fields(title: str, *named: tuple[str, str]) -> str:
    """Return a title and, below it, named values, which may have several lines; empty ones are left out."""
    width = max((len(name) for name, value in named if value), default=0)
    lines = [title]
    for name, value in named:
        for label, line in zip_longest([name], value.splitlines(), fillvalue=""):
            if line:
                lines.append(f"  {label:<{width}}  {line}")
    return "\n".join(lines)


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Return a sentence as lines of 80 columns; names in it are not broken, however long."""
    return textwrap.wrap(
        text, 80, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
