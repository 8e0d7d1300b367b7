"""Conditions whose answer is known without running the code: the version of Python, the platform, type checking."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_PLATFORM = "linux"


def truth(test: ast.expr, python: tuple[int, int], *, script: bool) -> bool | None:
    """Tell whether a condition holds in a job on the cluster; None: that depends.

    Args:
        test: the condition.
        python: the version of Python that the job runs on.
        script: the file is the one that is started.
    """
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, (ast.Name, ast.Attribute)):
        return False if _dotted(test).rpartition(".")[2] == "TYPE_CHECKING" else None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        known = truth(test.operand, python, script=script)
        return None if known is None else not known
    if isinstance(test, ast.BoolOp):
        answers = [truth(value, python, script=script) for value in test.values]
        decisive = isinstance(test.op, ast.Or)
        return decisive if decisive in answers else None if None in answers else not decisive
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compare(test, python, script=script)
    return None


def _compare(test: ast.Compare, python: tuple[int, int], *, script: bool) -> bool | None:
    compare = _COMPARISONS.get(type(test.ops[0]))
    left = _dotted(test.left)
    right = _constant(test.comparators[0])
    if compare is None or right is None:
        return None
    if left == "__name__" and right == "__main__":
        return compare(script, True)  # noqa: FBT003 - an operator's operand
    known = {"sys.platform": _PLATFORM, "os.name": "posix"}.get(left)
    if known is not None and isinstance(right, str):
        return compare(known, right)
    if left == "sys.version_info" and isinstance(right, tuple) and all(isinstance(part, int) for part in right):
        # Which patch release it is, is not known; the newest.
        return compare((*python, 99), right)
    if left == "sys.version_info[0]" and isinstance(right, int):
        return compare(python[0], right)
    return None


def _constant(node: ast.expr) -> Any:  # noqa: ANN401 - whatever a constant holds
    if isinstance(node, ast.Tuple):
        return tuple(_constant(element) for element in node.elts)
    return node.value if isinstance(node, ast.Constant) else None


def _dotted(node: ast.expr) -> str:
    """Return a name such as `sys.version_info`, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _dotted(node.value)
        return f"{above}.{node.attr}" if above else ""
    if isinstance(node, ast.Subscript):
        return f"{_dotted(node.value)}[{_constant(node.slice)}]"
    return ""
