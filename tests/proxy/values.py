"""Values inside attributes and documents, addressed by the rest of a path."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError
from proxy.ypath import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.formats import Value


def get(value: Value, keys: Sequence[str], where: str) -> Value:
    """Give the part of the value that the keys lead to.

    Raises:
        ServerError: they lead nowhere.
    """
    for key in keys:
        value = _child(value, key, where)
        where = f"{where}/{literal(key)}"
    return value


def changed(value: Value, keys: Sequence[str], new: Value, where: str, *, recursive: bool) -> Value:
    """Give the value with one part of it replaced.

    Raises:
        ServerError: the parent of that part is missing or has no parts.
    """
    if not keys:
        return new
    result = copy.deepcopy(value)
    if isinstance(result, dict):
        if keys[0] not in result:
            if len(keys) > 1 and not recursive:
                raise _no_child(where, keys[0])
            old: Value = {}
        else:
            old = result[keys[0]]
        result[keys[0]] = changed(old, keys[1:], new, f"{where}/{literal(keys[0])}", recursive=recursive)
    elif isinstance(result, list):
        if keys[0] == "end" and len(keys) == 1:
            result.append(new)
        elif keys[0] == "begin" and len(keys) == 1:
            result.insert(0, new)
        else:
            index = _index(result, keys[0], where)
            result[index] = changed(result[index], keys[1:], new, f"{where}/{keys[0]}", recursive=recursive)
    else:
        raise _no_children(where)
    return result


def removed(value: Value, keys: Sequence[str], where: str, *, force: bool) -> Value:
    """Give the value without one part of it.

    Raises:
        ServerError: the part is missing and `force` is not given.
    """
    result = copy.deepcopy(value)
    try:
        parent = get(result, keys[:-1], where)
        if isinstance(parent, dict):
            if keys[-1] not in parent:
                raise _no_child(where, keys[-1])
            del parent[keys[-1]]
        elif isinstance(parent, list):
            del parent[_index(parent, keys[-1], where)]
        else:
            raise _no_children(where)
    except ServerError as error:
        if not force or not error.contains(Code.RESOLVE):
            raise
    return result


def _child(value: Value, key: str, where: str) -> Value:
    if isinstance(value, dict):
        if key not in value:
            raise _no_child(where, key)
        return value[key]
    if isinstance(value, list):
        return value[_index(value, key, where)]
    raise _no_children(where)


def _index(value: list[Value], key: str, where: str) -> int:
    try:
        index = int(key)
    except ValueError:
        raise ServerError(f"Error parsing list index {key}", code=Code.RESOLVE) from None
    if not -len(value) <= index < len(value):
        raise ServerError(f"Node {where} has no child with index {index}", code=Code.RESOLVE)
    return index


def _no_child(where: str, key: str) -> ServerError:
    node = f"Node {where}" if where else "Root node"
    return ServerError(f'{node} has no child with key "{literal(key)}"', code=Code.RESOLVE)


def _no_children(where: str) -> ServerError:
    return ServerError(f"Node {where} cannot have children")
