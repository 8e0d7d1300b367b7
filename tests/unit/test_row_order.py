"""Rows are sorted as a cluster sorts them, or the line that cannot be sorted is named."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipelines import refusal

from hatch_ytupload.jobs.rows import sort_rows

KEYS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text()


def ordered(lines: list[bytes], *columns: str) -> list[bytes]:
    """Sort lines and return them."""
    target = io.BytesIO()
    assert sort_rows(lines, columns, target, shown="`rows`") == len([line for line in lines if line.strip()])
    return target.getvalue().splitlines(keepends=True)


def test_types_come_in_the_order_of_the_cluster() -> None:
    """Null and missing first, then integers, unsigned ones, doubles, booleans, strings."""
    keys = ['"a"', "true", "1.5", "18446744073709551615", "-3", "null", "false", '""', "7"]
    rows = [b'{"k": %b}\n' % key.encode() for key in keys] + [b'{"other": 1}\n']
    expected = ["null", None, "-3", "7", "18446744073709551615", "1.5", "false", "true", '""', '"a"']
    assert ordered(rows, "k") == [
        b'{"other": 1}\n' if key is None else b'{"k": %b}\n' % key.encode() for key in expected
    ]


def test_strings_are_compared_byte_by_byte() -> None:
    """A character beyond 16 bits comes after one below, unlike in UTF-16, and case decides before the alphabet."""
    rows = [json.dumps({"k": text}).encode() + b"\n" for text in ("\U0001f600", "\uffee", "a", "B")]
    assert ordered(rows, "k") == [rows[3], rows[2], rows[1], rows[0]]


def test_rows_with_equal_keys_stay_in_their_order_and_are_not_written_anew() -> None:
    """Each line comes out byte by byte as it went in; only a missing newline is added."""
    rows = [b'{"k":1,  "n":"\\u00e9"}\n', b"\n", '{"k":0,"n":"é"}\n'.encode(), b'{ "k":1}']
    assert ordered(rows, "k") == [rows[2], rows[0], rows[3] + b"\n"]


def test_the_second_column_decides_where_the_first_is_equal() -> None:
    """Columns count in the order in which they are named."""
    rows = [b'{"a":1,"b":2}\n', b'{"a":1,"b":1}\n', b'{"a":0,"b":9}\n']
    assert ordered(rows, "a", "b") == [rows[2], rows[1], rows[0]]


@given(st.lists(st.tuples(KEYS, KEYS)))
def test_every_kind_of_key_can_be_sorted(keys: list[tuple[object, object]]) -> None:
    """No mixture of values fails, nothing is lost, and sorting again changes nothing."""
    rows = [json.dumps({"a": a, "b": b, "n": number}).encode() + b"\n" for number, (a, b) in enumerate(keys)]
    once = ordered(rows, "a", "b")
    assert sorted(once) == sorted(rows)
    assert ordered(once, "a", "b") == once


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"no json\n", "line 2 of `rows` is no JSON: "),
        (b"[1]\n", "line 2 of `rows` is no row: a JSON object is expected, found `[1]`"),
        (b'{"k": [1]}\n', "line 2 of `rows` cannot be sorted by `k`: `[[1]]` holds a list"),
        (b'{"k": {}}\n', "line 2 of `rows` cannot be sorted by `k`"),
        (b'{"k": NaN}\n', "holds a list, a map or no number"),
        (b"\xff\xfe\n", "line 2 of `rows` is no JSON"),
        (b"[" * 100_000 + b"\n", "line 2 of `rows` is no JSON: it nests too deep"),
        (b'{"k": ' + b"9" * 5000 + b"}\n", "line 2 of `rows` is no JSON"),
    ],
)
def test_a_line_that_cannot_be_sorted_is_named(line: bytes, said: str) -> None:
    """The message has the number of the line and what is wrong with it."""
    assert said in refusal(lambda: sort_rows([b'{"k": 1}\n', line], ["k"], io.BytesIO(), shown="`rows`"))
