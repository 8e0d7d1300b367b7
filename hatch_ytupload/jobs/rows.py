"""Where the rows of a local job come from and go to: bytes as they are, one JSON object in each line."""

from __future__ import annotations

import json
import math
import os
import secrets
import sys
import tempfile
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.wording import cannot, listed, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


# The types of YSON in the order in which the cluster sorts them.
_NULL, _INT64, _UINT64, _DOUBLE, _BOOLEAN, _STRING = range(6)
_LARGEST_INT64 = 2**63 - 1


class RowsFileError(YtUploadError):
    """A file of rows cannot be opened or written."""


class RowError(YtUploadError):
    """A line is no row, or has no key that could be sorted by."""


@contextmanager
def source_of_rows(path: str | None) -> Iterator[IO[bytes] | None]:
    """Open what a job reads; None, which is our standard input, stays None.

    Raises:
        RowsFileError: it cannot be opened.
    """
    if path is None:
        yield None
        return
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below, apart from errors of those who read
    except OSError as error:
        raise RowsFileError(cannot("read", path, error)) from None
    with file:
        yield file


@contextmanager
def target_of_rows(path: str | None) -> Iterator[Target]:
    """Give what a job writes to; a file gets its name only when `finish` is called, and whole.

    Raises:
        RowsFileError: it cannot be opened.
    """
    if path is None:
        yield Target(None, None, None)
        return
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a device or a FIFO
            target = Target(open(path, "wb"), None, path)  # noqa: SIM115 - closed below
        else:
            real = os.path.realpath(path)
            directory, name = os.path.split(real)
            temporary = os.path.join(directory, f".{name[:100]}.{secrets.token_hex(8)}")
            target = Target(open(temporary, "xb"), temporary, real)  # noqa: SIM115 - it is closed below
    except OSError as error:
        raise RowsFileError(cannot("write", path, error)) from None
    try:
        yield target
    finally:
        target.discard()


class Target:
    """What a job writes to.

    Args:
        file: open for writing; None: our standard output.
        temporary: its name so far; None: it has its own.
        path: the name that it is to have.
    """

    def __init__(self, file: IO[bytes] | None, temporary: str | None, path: str | None) -> None:
        self.file = file
        self._temporary = temporary
        self._path = path

    def finish(self) -> None:
        """Put what was written under its name.

        Raises:
            RowsFileError: that is not possible.
        """
        if self.file is None or self._path is None:
            return
        try:
            self.file.close()
            if self._temporary is not None:
                os.replace(self._temporary, self._path)
                self._temporary = None
        except OSError as error:
            raise RowsFileError(cannot("write", self._path, error)) from None

    def discard(self) -> None:
        """Remove what has no name yet."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
        if self._temporary is not None:
            with suppress(OSError):
                os.unlink(self._temporary)


def sorted_rows(rows: IO[bytes] | None, columns: Sequence[str], shown: str) -> IO[bytes]:
    """Return the rows in the order of their keys, as an open file without a name.

    Args:
        rows: where they come from; None: our standard input.
        columns: the key.
        shown: the name in messages of where they come from.

    Raises:
        RowError: a line is no row, or cannot be sorted.
    """
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        sort_rows(sys.stdin.buffer if rows is None else rows, columns, target, shown=shown)
        target.seek(0)
    except BaseException:
        target.close()
        raise
    return target


def sort_rows(lines: Iterable[bytes], columns: Sequence[str], target: IO[bytes], *, shown: str) -> int:
    """Write rows in the order of their keys, each as it came; rows with equal keys stay in their order.

    All rows are held in memory.

    Args:
        lines: a JSON object in each; blank ones are passed over.
        columns: the key.
        target: where the rows go.
        shown: the name in messages of where the rows came from.

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
                f"line {number} of {shown} cannot be sorted by {listed(columns)}: "
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
