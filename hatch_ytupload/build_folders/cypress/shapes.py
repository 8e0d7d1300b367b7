"""What the answers of a cluster have to look like: each is held against one of these before anybody uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_ytupload.build_folders.build_folder import Plain

Shape = TypeVar("Shape")

_LARGEST = 2**63


class ShapeError(ValueError):
    """An answer is not what was asked for. It is not shown: it may be long."""


def anything(answer: Plain) -> Plain:
    """Return an answer that nobody relies on."""
    return answer


def text(answer: Plain) -> str:
    """Return a text.

    Raises:
        ShapeError: it is something else.
    """
    if not isinstance(answer, str):
        raise ShapeError
    return answer


def is_whole_number(value: Plain) -> bool:
    """Tell whether a value is the size or the number of something."""
    return type(value) is int and 0 <= value < _LARGEST


def whole_number(answer: Plain) -> int:
    """Return the size or the number of something.

    Raises:
        ShapeError: it is something else.
    """
    if not is_whole_number(answer):
        raise ShapeError
    return int(answer)


def items(answer: Plain) -> list[Plain]:
    """Return a list.

    Raises:
        ShapeError: it is something else.
    """
    if not isinstance(answer, list):
        raise ShapeError
    return answer


def mapping(answer: Plain) -> dict[str, Plain]:
    """Return a map.

    Raises:
        ShapeError: it is something else.
    """
    if not isinstance(answer, dict):
        raise ShapeError
    return answer


def value_of(name: str, shape: Callable[[Plain], Shape]) -> Callable[[Plain], Shape]:
    """Return the shape of a map of which one value counts: the value."""
    return lambda answer: shape(mapping(answer).get(name))


def listing(answer: Plain) -> Mapping[str, Mapping[str, Plain]] | None:
    """Return what a folder holds, attributes by name; None: the server has more than it lists.

    Raises:
        ShapeError: it is something else.
    """
    if isinstance(answer, dict):
        items(answer.get("$value"))
        return None
    return dict(map(_item, items(answer)))


def _item(item: Plain) -> tuple[str, Mapping[str, Plain]]:
    if isinstance(item, dict):
        return text(item.get("$value")), mapping(item.get("$attributes"))
    return text(item), {}
