"""Rows in the order in which a reducer gets them on the cluster.

YTsaurus compares keys column by column: null, which a missing column counts as, comes before integers, integers before
floating point numbers, these before booleans, booleans before strings; strings are compared byte by byte. (The order of
`EValueType` in the cluster's sources.) Lists and maps are no keys.
"""

from __future__ import annotations

import json
import math
from typing import IO, TYPE_CHECKING, Any

from hatch_ytupload.errors import YtUploadError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NULL, _INT64, _UINT64, _DOUBLE, _BOOLEAN, _STRING = range(6)
_LARGEST_INT64 = 2**63 - 1


class RowError(YtUploadError):
    """A line is no row, or has no key that could be sorted by."""


def sort_rows(lines: Iterable[bytes], columns: Sequence[str], target: IO[bytes], *, shown: str) -> int:
    """Write rows in the order of their keys, each as it came; rows with equal keys stay in their order.

    All rows are held in memory.

    Args:
        lines: a JSON object in each; blank ones are passed over.
        columns: the key.
        target: where the rows go.
        shown: how messages call where the rows came from.

    Returns:
        How many rows there were.

    Raises:
        RowError: a line is no JSON object, or its key cannot be sorted by.
    """
    keyed = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = "it nests too deep" if isinstance(error, RecursionError) else one_line(error)
            raise RowError(f"line {number} of {shown} is no JSON: {reason}") from None
        if not isinstance(row, dict):
            raise RowError(f"line {number} of {shown} is no row: a JSON object is expected, found {_cut(row)}")
        try:
            keyed.append((tuple(_rank(row.get(column)) for column in columns), line))
        except ValueError:
            raise RowError(
                f"line {number} of {shown} cannot be sorted by {', '.join(f'`{one_line(name)}`' for name in columns)}: "
                f"{_cut([row.get(column) for column in columns])} holds a list, a map or no number"
            ) from None
    keyed.sort(key=lambda item: item[0])
    for _, line in keyed:
        target.write(line if line.endswith(b"\n") else line + b"\n")
    return len(keyed)


def _rank(value: object) -> tuple[int, Any]:
    """Return what a value is compared by: its type, then itself."""
    if value is None:
        return _NULL, 0
    if isinstance(value, bool):
        return _BOOLEAN, value
    if isinstance(value, int):
        return (_INT64 if value <= _LARGEST_INT64 else _UINT64), value
    if isinstance(value, float) and not math.isnan(value):
        return _DOUBLE, value
    if isinstance(value, str):
        # A lone surrogate, which JSON can spell, stands for a byte that is no UTF-8.
        return _STRING, value.encode("utf-8", "surrogatepass")
    raise ValueError(value)


def _cut(value: object) -> str:
    longest = 60
    text = json.dumps(value, ensure_ascii=False)
    return f"`{one_line(text if len(text) <= longest else text[:longest] + '...')}`"
