"""What a Python file imports and defines, read from its syntax; nothing is run."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.checks.static_conditions import truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OPTIONAL, LATER, ALWAYS = range(3)
"""How surely an import is carried out: a failure is caught; only when something is called or true; on import."""

# A megabyte of what people write; each may cost a parser two kilobytes.
_MOST_TOKENS = 300_000
_TOKEN = re.compile(rb"\w+|[^\s\w]")
# A file that does any of these may define names that its syntax does not show.
_DYNAMIC = re.compile(rb"\b(?:globals|locals|vars|exec|setattr)\s*\(|sys\s*\.\s*modules|__dict__|__getattr__")
_MAY_MAKE_MODULES = re.compile(rb"__path__|\b(?:modules|meta_path|path_hooks)\b")
_OF_IMPORT_SYSTEM = frozenset({"modules", "meta_path", "path_hooks"})
_MAY_CALL_IMPORT = re.compile(rb"import_module|__import__")
_MAY_ASK_METADATA = re.compile(rb"\bimportlib[._]metadata\b|\bmetadata\b|\bpkg_resources\b")
_METADATA_MODULES = frozenset({"importlib.metadata", "importlib_metadata", "pkg_resources"})
_METADATA_FUNCTIONS = frozenset({"version", "metadata", "distribution", "requires", "files", "get_distribution"})
_CATCHING_METADATA = frozenset({"PackageNotFoundError", "DistributionNotFound"})
_IMPORT_FUNCTIONS = frozenset({"import_module", "__import__"})
_CATCHING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class Import(NamedTuple):
    """One `import a.b` or `from .a import b, c`."""

    module: str
    """Dotted name, without the leading dots."""
    names: tuple[str, ...]
    """What is imported from it; none for `import a.b`."""
    level: int
    """How many dots lead."""
    line: int
    kind: int
    """OPTIONAL, LATER or ALWAYS."""


class MetadataUse(NamedTuple):
    """A question for the metadata of a distribution, such as `importlib.metadata.version("name")`."""

    name: str | None
    """Of the distribution; None: that of the module that asks."""
    line: int
    kind: int
    """OPTIONAL, LATER or ALWAYS."""


class FileFacts(NamedTuple):
    """What is known of a file."""

    imports: tuple[Import, ...] = ()
    names: frozenset[str] | None = None
    """What it defines at its top, apart from what `stars` bring; None: that cannot be told."""
    stars: tuple[Import, ...] = ()
    """`from module import *` at its top."""
    makes_modules: bool = False
    """It may make modules appear that have no file where one would look: by `__path__` or `sys.modules`."""
    metadata: tuple[MetadataUse, ...] = ()
    problem: tuple[int, str] | None = None
    """Line and reason, if it cannot be parsed."""


def read_facts(source: bytes, python: tuple[int, int], *, script: bool) -> FileFacts:
    """Read a file.

    Args:
        source: its content.
        python: the version that it is for. Only syntax that this Python knows can be read; newer syntax than that of
            `python` is found as far as `ast.parse` tells versions apart.
        script: it is started, so `if __name__ == "__main__"` is true.

    Returns:
        What is found out; nothing about one that would take minutes and gigabytes, as no code that people write does.
    """
    if len(source) > _MOST_TOKENS and next(islice(_TOKEN.finditer(source), _MOST_TOKENS, None), None) is not None:
        return FileFacts(makes_modules=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, feature_version=min(python, sys.version_info[:2]))
        return _facts(tree, source, python, script=script)
    except SyntaxError as error:
        return FileFacts(problem=(error.lineno or 1, error.msg))
    except (ValueError, RecursionError, MemoryError) as error:
        reason = "it nests too deep" if isinstance(error, RecursionError) else str(error)
        return FileFacts(problem=(1, reason or "it nests too deep"))


def _facts(tree: ast.Module, source: bytes, python: tuple[int, int], *, script: bool) -> FileFacts:
    reading = _Reading(python, script=script)
    reading.read(tree.body)
    if _MAY_CALL_IMPORT.search(source):
        reading.imports.extend(_called(tree))
    if b"global" in source:
        reading.names.update(name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names)
    if b":=" in source:
        reading.names.update(node.target.id for node in ast.walk(tree) if isinstance(node, ast.NamedExpr))
    names = None if _DYNAMIC.search(source) else frozenset(reading.names)
    makes_modules = _MAY_MAKE_MODULES.search(source) is not None and any(map(_makes_modules, ast.walk(tree)))
    metadata = tuple(_metadata_uses(tree)) if _MAY_ASK_METADATA.search(source) else ()
    return FileFacts(
        tuple(reading.imports), names, tuple(reading.stars), makes_modules=makes_modules, metadata=metadata
    )


class _Reading:
    """One pass over the statements of a file."""

    def __init__(self, python: tuple[int, int], *, script: bool) -> None:
        self.imports: list[Import] = []
        self.names: set[str] = set()
        self.stars: list[Import] = []
        self._python = python
        self._script = script
        self._pending: list[tuple[list[ast.stmt], int, bool]] = []

    def read(self, body: list[ast.stmt]) -> None:
        """Read statements and all below them; not by recursion, as a long `elif` chain nests deep."""
        self._pending.append((body, ALWAYS, True))
        while self._pending:
            statements, kind, top = self._pending.pop()
            for statement in statements:
                self._statement(statement, kind, top=top)
        self.imports.sort(key=lambda found: found.line)

    def _statement(self, node: ast.stmt, kind: int, *, top: bool) -> None:
        if top:
            self.names.update(_bound(node))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node, kind, top=top)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._add(node.body, min(kind, LATER), top=False)
        elif isinstance(node, ast.ClassDef):
            self._add(node.body, kind, top=False)
        elif isinstance(node, ast.If):
            self._if(node, kind, top=top)
        elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            self._try(node, kind, top=top)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            self._add(node.body, OPTIONAL if any(map(_suppresses, node.items)) else kind, top=top)
        else:
            for case in getattr(node, "cases", []):
                self._add(case.body, min(kind, LATER), top=top)
            # Of loops.
            self._add([*getattr(node, "body", []), *getattr(node, "orelse", [])], kind, top=top)

    def _import(self, node: ast.Import | ast.ImportFrom, kind: int, *, top: bool) -> None:
        if isinstance(node, ast.Import):
            self.imports += [Import(alias.name, (), 0, node.lineno, kind) for alias in node.names]
            return
        names = tuple(alias.name for alias in node.names)
        found = Import(node.module or "", names, node.level, node.lineno, kind)
        self.imports.append(found)
        if top and "*" in names:
            self.stars.append(found)

    def _if(self, node: ast.If, kind: int, *, top: bool) -> None:
        known = truth(node.test, self._python, script=self._script)
        unsure = min(kind, LATER)
        if known is not False:
            self._add(node.body, kind if known else unsure, top=top)
        else:
            # Names that only a type checker sees are still no surprise to whoever reads them from here.
            self.names.update(name for statement in node.body if top for name in _bound(statement))
        if known is not True:
            self._add(node.orelse, kind if known is False else unsure, top=top)

    def _try(self, node: ast.stmt, kind: int, *, top: bool) -> None:
        # `except*`, which is no ast.Try, came with Python 3.11.
        handlers: list[ast.ExceptHandler] = getattr(node, "handlers", [])
        catching = [handler for handler in handlers if _catches(handler)]
        # Who catches an ImportError to raise another error needs the module all the same.
        optional = any(not isinstance(handler.body[-1], ast.Raise) for handler in catching)
        inner = OPTIONAL if optional else kind
        self._add([*getattr(node, "body", []), *getattr(node, "orelse", [])], inner, top=top)
        for handler in handlers:
            self._add(handler.body, OPTIONAL if handler in catching else min(kind, LATER), top=top)
        self._add(getattr(node, "finalbody", []), kind, top=top)

    def _add(self, statements: list[ast.stmt], kind: int, *, top: bool) -> None:
        self._pending.append((statements, kind, top))


def _catches(handler: ast.ExceptHandler, names: frozenset[str] = _CATCHING) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(_last_name(kind) in names for kind in kinds)


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    return (
        isinstance(call, ast.Call)
        and _last_name(call.func) == "suppress"
        and any(_last_name(kind) in _CATCHING for kind in call.args)
    )


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _bound(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement itself binds, those of statements inside it left out."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, ast.Match):
        for child in ast.walk(node):
            yield from filter(None, (getattr(child, "name", None), getattr(child, "rest", None)))
    else:
        yield from _targets(node)


def _targets(node: ast.stmt) -> Iterator[str]:
    targets: Iterable[ast.expr | None] = ()
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For, ast.AsyncFor)):
        targets = (node.target,)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        targets = (item.optional_vars for item in node.items)
    elif type(node).__name__ == "TypeAlias":  # Python 3.12
        targets = (getattr(node, "name", None),)
    for target in targets:
        for child in ast.walk(target) if target is not None else ():
            if isinstance(child, ast.Name):
                yield child.id


def _metadata_uses(tree: ast.Module) -> Iterator[MetadataUse]:
    """Yield the questions for metadata whose distribution is written out."""
    functions, modules = _ways_to_metadata(tree)
    pending: list[tuple[ast.AST, int]] = [(tree, ALWAYS)]
    while pending:
        node, kind = pending.pop()
        if isinstance(node, ast.Call) and node.args and _asks_metadata(node.func, functions, modules):
            asked = node.args[0]
            if isinstance(asked, ast.Constant) and isinstance(asked.value, str):
                yield MetadataUse(asked.value, node.lineno, kind)
            elif isinstance(asked, ast.Name) and asked.id in ("__name__", "__package__"):
                yield MetadataUse(None, node.lineno, kind)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.If)):
            kind = min(kind, LATER)
        guarded: list[ast.stmt] = []
        if isinstance(node, ast.Try) and any(_catches(each, _CATCHING | _CATCHING_METADATA) for each in node.handlers):
            guarded = node.body
        pending += [(child, OPTIONAL if child in guarded else kind) for child in ast.iter_child_nodes(node)]


def _ways_to_metadata(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names in a file of functions and of modules that answer questions for metadata."""
    functions: set[str] = set()
    modules = {"metadata", "importlib_metadata", "pkg_resources"}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                whole = f"{above}{alias.name}"
                if whole in _METADATA_MODULES and alias.asname is not None:
                    modules.add(alias.asname)
                elif above[:-1] in _METADATA_MODULES and alias.name in _METADATA_FUNCTIONS:
                    functions.add(alias.asname or alias.name)
    return functions, modules


def _asks_metadata(function: ast.expr, functions: set[str], modules: set[str]) -> bool:
    if isinstance(function, ast.Name):
        return function.id in functions
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _METADATA_FUNCTIONS
        and _last_name(function.value) in modules
    )


def _makes_modules(node: ast.AST) -> bool:
    """Tell whether a part of a file has to do with where modules come from."""
    if isinstance(node, ast.Name):
        return node.id == "__path__"
    if isinstance(node, ast.Constant):
        return node.value == "__path__"
    if isinstance(node, ast.Attribute):
        return node.attr == "__path__" or (node.attr in _OF_IMPORT_SYSTEM and _last_name(node.value) == "sys")
    if isinstance(node, ast.ImportFrom):
        return node.module == "sys" and any(alias.name in _OF_IMPORT_SYSTEM for alias in node.names)
    return False


def _called(tree: ast.Module) -> Iterator[Import]:
    """Yield the imports that are function calls with a name written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _last_name(node.func) in _IMPORT_FUNCTIONS:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value[:1] not in ("", "."):
                yield Import(name.value, (), 0, node.lineno, LATER)
