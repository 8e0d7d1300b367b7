"""Rows as jobs see them: one JSON object in each line of standard input and standard output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]


def read_rows() -> Iterator[Row]:
    """Yield the rows of standard input."""
    for line in sys.stdin.buffer:
        if line.strip():
            yield json.loads(line)


def write_row(row: Row) -> None:
    """Write one row to standard output."""
    sys.stdout.write(json.dumps(row) + "\n")


def log(message: str) -> None:
    """Say something where it does not end up among the rows."""
    print(message, file=sys.stderr)
