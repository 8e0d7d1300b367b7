"""JSON that anybody may have written becomes named tuples and dataclasses, or a line that says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pytest

from hatch_ytupload.json_values import JsonValueError, read_item, read_items, value_of


class Point(NamedTuple):
    """One of every kind."""

    name: str
    size: int
    seen: bool
    note: str | None
    tags: tuple[str, ...]
    more: tuple[str, ...] | None


@dataclass(frozen=True)
class Above:
    """A class that another one extends."""

    first: str


@dataclass(frozen=True)
class Below(Above):
    """Its own fields come last."""

    second: bool | None


RIGHT = {"name": "a", "size": 0, "seen": False, "note": None, "tags": ["x"], "more": None}


def test_an_object_becomes_a_named_tuple() -> None:
    """Lists become tuples; keys that nobody asked for are passed over."""
    assert read_item(Point, {**RIGHT, "other": 1}) == Point("a", 0, seen=False, note=None, tags=("x",), more=None)
    assert read_items(Point, []) == ()


def test_an_object_becomes_a_dataclass() -> None:
    """Inherited fields included, in the order of the constructor."""
    assert read_item(Below, {"second": None, "first": "1"}) == Below("1", None)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("name", None, "`name` is null"),
        ("size", True, "`size` is the boolean True"),
        ("size", -1, "`size` is the integer -1"),
        ("size", 1.0, "`size` is the number 1.0"),
        ("seen", 1, "`seen` is the integer 1"),
        ("note", [], "`note` is the array []"),
        ("tags", "x", '`tags` is the string "x"'),
        ("tags", ["x", 5], "`tags` holds the integer 5"),
        ("more", [""], None),
    ],
)
def test_each_type_is_checked(key: str, value: object, problem: str | None) -> None:
    """Neither is a boolean a number nor a number a boolean."""
    if problem is None:
        assert read_item(Point, {**RIGHT, key: value})
        return
    with pytest.raises(JsonValueError) as caught:
        read_item(Point, {**RIGHT, key: value})
    assert str(caught.value) == problem


def test_what_is_missing_is_named() -> None:
    """A key, or the object itself."""
    with pytest.raises(JsonValueError, match=r"^`size` is missing$"):
        value_of({}, "size", int)
    with pytest.raises(JsonValueError, match=r"^an object with `size` is expected, found the array \[\]$"):
        value_of([], "size", int)
