"""JSON that anybody may have written, read into named tuples and dataclasses whose types are checked."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hatch_ytupload.wording import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

Item = TypeVar("Item")

_NONE = type(None)
# By the annotation of a field: what its value may be in JSON.
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "str | None": (str, _NONE),
    "bool | None": (bool, _NONE),
    "tuple[str, ...]": (list,),
    "tuple[str, ...] | None": (list, _NONE),
    "dict[str, Any] | None": (dict, _NONE),
}


class JsonValueError(ValueError):
    """A value is missing, or is not of the type that is expected; `str()` says which and what was found."""


def value_of(item: object, name: str, *kinds: type) -> Any:  # noqa: ANN401 - the type is checked right here
    """Return a value of a JSON object.

    Args:
        item: the object.
        name: the key.
        kinds: the types that it may have, as JSON is read: a boolean is no number, and no number may be negative.

    Raises:
        JsonValueError: there is none, it is of another type, or `item` is no object.
    """
    if not isinstance(item, dict):
        raise JsonValueError(f"an object with `{name}` is expected, found {describe(item)}")
    if name not in item:
        raise JsonValueError(f"`{name}` is missing")
    value = item[name]
    # `type` rather than isinstance: true is no size.
    if type(value) not in kinds or (type(value) is int and value < 0):
        raise JsonValueError(f"`{name}` is {describe(value)}")
    return value


def read_item(cls: type[Item], item: object) -> Item:
    """Return the named tuple or dataclass that a JSON object stands for; keys that it does not have are passed over.

    Args:
        cls: a class whose fields are texts, whole numbers, booleans, lists of texts, objects, or null. Those that a
            dataclass has a default for may be missing.
        item: the object.

    Raises:
        JsonValueError: it is none.
    """
    return read_items(cls, [item])[0]


def read_items(cls: type[Item], items: Iterable[object]) -> tuple[Item, ...]:
    """Return what each JSON object of a list stands for, as `read_item` does.

    Raises:
        JsonValueError: one of them is none.
    """
    from inspect import get_annotations

    # Fields of a class that this one extends come first, as in its constructor.
    annotations: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        annotations.update(get_annotations(base))
    fields = [(name, _KINDS[getattr(kind, "__forward_arg__", kind)]) for name, kind in annotations.items()]
    defaults = {name: getattr(cls, name) for name in annotations if is_dataclass(cls) and hasattr(cls, name)}
    if defaults:
        items = [{**defaults, **item} if isinstance(item, dict) else item for item in items]
    return tuple(cls(*[field_of(item, name, *kinds) for name, kinds in fields]) for item in items)


def field_of(item: object, name: str, *kinds: type) -> Any:  # noqa: ANN401 - as of `value_of`
    """Return a value as `value_of` does, a list as a tuple of texts.

    Raises:
        JsonValueError: as there; the list holds something else.
    """
    if type(item) is dict and type(value := item.get(name)) is str and str in kinds:
        return value  # most of a manifest
    value = value_of(item, name, *kinds)
    if type(value) is not list:
        return value
    for text in value:
        if not isinstance(text, str):
            raise JsonValueError(f"`{name}` holds {describe(text)}")
    return tuple(value)
