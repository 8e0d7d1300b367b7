"""Columns and fields, by the width that terminals give to characters."""

from __future__ import annotations

import pytest

from hatch_ytupload.output.layout import COLUMNS, cut, fields, table, width_of, wrapped

WIDE = "日本語"
COMBINED = "e\u0301te\u0301"


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), (WIDE, 6), (COMBINED, 3), ("\uff46", 2), ("a\u200bb", 2)]
)
def test_the_width_of_a_text(text: str, width: int) -> None:
    """Wide characters take two columns, those that stand above another none."""
    assert width_of(text) == width


def test_columns_stand_below_each_other() -> None:
    """Whatever is in the cells, left and right."""
    lines = table([(WIDE, "1", "x"), ("abc", "22", "y"), (COMBINED, WIDE, "z")], right=(1,)).splitlines()
    assert {width_of(line) for line in lines} == {6 + 2 + 6 + 2 + 1}
    assert lines[1] == "abc         22  y"


def test_fields_stand_below_each_other() -> None:
    """Names of values may be wide; values of several lines are indented."""
    lines = fields("title", (WIDE, "a\nb"), ("n", "c"), ("none", "")).splitlines()
    assert lines == ["title", f"  {WIDE}  a", "          b", "  n       c"]


def test_sentences_are_wrapped_at_80_columns() -> None:
    """By width; what is longer by itself stays whole."""
    words = [WIDE] * 30 + ["x" * 100]
    lines = wrapped(" ".join(words))
    assert " ".join(line.strip() for line in lines).split() == words
    assert all(width_of(line) <= COLUMNS for line in lines[:-1])
    assert width_of(lines[0]) > COLUMNS - 7
    assert wrapped("") == []


@pytest.mark.parametrize("text", ["x" * 81, WIDE * 30, COMBINED * 100])
def test_a_long_line_is_cut(text: str) -> None:
    """To what fits."""
    assert COLUMNS - 1 <= width_of(cut(text)) <= COLUMNS
    assert cut(text).endswith("...")
    assert cut("short") == "short"


def test_one_long_cell_leaves_the_other_rows_as_they_are() -> None:
    """Else a table would take its rows times its longest name."""
    text = table([("a", "1"), ("n" * 2000, "2"), ("bb", "3")])
    assert text.splitlines() == ["a   1", f"{'n' * 2000}  2", "bb  3"]


def test_cells_up_to_the_widest_stand_below_each_other() -> None:
    """Sixty columns are not too much."""
    assert table([("a", "1"), ("n" * 60, "2")]).splitlines() == [f"a{' ' * 61}1", f"{'n' * 60}  2"]
