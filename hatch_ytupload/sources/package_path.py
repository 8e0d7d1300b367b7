"""Where the `__path__` of a package leads once it has been imported, read from its `__init__.py` without running it."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.file_names import is_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# They add the directories of the package's name in all of the search path: pkgutil's, pkg_resources', Twisted's.
_FROM_SEARCH_PATH = frozenset({"extend_path", "declare_namespace", "pluginPackagePaths"})
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Path": Path,
    "abspath": os.path.abspath,
    "dirname": os.path.dirname,
    "join": os.path.join,
    "list": list,
    "normpath": os.path.normpath,
    "realpath": os.path.realpath,
    "str": str,
}


class PackagePath(NamedTuple):
    """How the path of a package grows."""

    from_search_path: bool = False
    """By all directories of its name in the search path."""
    line: int | None = None
    """Of code that makes it lead elsewhere, or where nobody knows without running it; None: there is none."""


def package_path(text: bytes, init: str) -> PackagePath:
    """Return how the path of a package grows when it is imported; not at all where that would fail.

    Args:
        text: of its `__init__.py`.
        init: the absolute path of that.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return PackagePath()
    imported = (node for node in ast.walk(tree) if isinstance(node, ast.alias))
    known = _FROM_SEARCH_PATH | {name.asname for name in imported if name.asname and name.name in _FROM_SEARCH_PATH}
    statements = list(_run_on_import(tree))
    names = {
        node.targets[0].id: node.value
        for node in statements
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    line = None
    for node in statements:
        added = _added(node)
        if added is not None and not _calls(added, known) and not _stays_inside(added, init, names):
            line = line or added.lineno
    return PackagePath(_calls(tree, known), line)


def _run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that are run at once, not those of functions and classes."""
    for child in ast.iter_child_nodes(node):
        is_later = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if not is_later and isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield child
            yield from _run_on_import(child)


def _added(node: ast.AST) -> ast.expr | None:
    """Return what a statement puts into `__path__`."""
    match node:
        case ast.Assign(targets=[target], value=value) | ast.AugAssign(target=target, value=value):
            place = target.value if isinstance(target, ast.Subscript) else target
            return value if isinstance(place, ast.Name) and place.id == "__path__" else None
        case ast.Expr(ast.Call(ast.Attribute(ast.Name("__path__"), "append" | "extend" | "insert"), [*_, value])):
            return value
    return None


def _calls(node: ast.AST, functions: frozenset[str]) -> bool:
    calls = (found.func for found in ast.walk(node) if isinstance(found, ast.Call))
    return any(_name(call) in functions for call in calls)


def _name(node: ast.expr) -> str | None:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


def _stays_inside(node: ast.expr, init: str, names: dict[str, ast.expr]) -> bool:
    """Tell whether an expression surely is a path, or a list of paths, in the directory of a package.

    Or one that begins where jobs are started, which is the top of the archive.
    """
    directory = os.path.dirname(init)
    own = {"__file__": ast.Constant(init), "__path__": ast.List([ast.Constant(directory)])}
    try:
        found = _value(node, {**names, **own})
        places = [os.fspath(place) for place in ([found] if isinstance(found, (str, Path)) else found)]
        inside = (is_inside(os.path.realpath(place), os.path.realpath(directory)) for place in places)
        return all(is_own or not os.path.isabs(place) for is_own, place in zip(inside, places, strict=True))
    except (LookupError, TypeError, ValueError, OSError, RecursionError):
        return False


def _value(node: ast.expr, names: dict[str, ast.expr]) -> Any:  # noqa: ANN401 - of any type
    """Compute an expression of paths.

    Raises:
        LookupError: only running it can tell.
    """
    found: Any
    match node:
        case ast.Constant(value=value):
            found = value
        case ast.Name(id=name):
            found = _value(names[name], {key: value for key, value in names.items() if key != name})
        case ast.List(elts=items) | ast.Tuple(elts=items):
            found = [_value(item, names) for item in items]
        case ast.BinOp(left=left, op=ast.Add() | ast.Div() as operator, right=right):
            operands = _value(left, names), _value(right, names)
            found = operands[0] + operands[1] if isinstance(operator, ast.Add) else operands[0] / operands[1]
        case ast.Subscript(value=value, slice=position):
            found = _value(value, names)[_value(position, names)]
        case ast.Attribute(value=value, attr="parent" | "parents" as name):
            found = getattr(_value(value, names), name)
        case ast.Call(func=ast.Attribute(value=value, attr="resolve" | "absolute"), args=[]):
            found = _value(value, names)
        case ast.Call(func=function, args=arguments):
            called = _FUNCTIONS[(_name(function) or "").lstrip("_")]
            found = called(*(_value(argument, names) for argument in arguments))
        case _:
            raise LookupError(node)
    return found
