"""Reading the tree: get, list, exists."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING

from proxy import values, ypath
from proxy.attributes import Attributes
from proxy.errors import Code, ServerError, resolve_error
from proxy.formats import attributes_of, with_attributes
from proxy.nodes import SCALAR_TYPES, Node
from proxy.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.formats import Value
    from proxy.resolving import Call, Target
    from proxy.tree import Tree


class Reading:
    """The verbs that change nothing; the caller holds the lock of the tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.attributes = Attributes(tree)
        self.objects = Objects(self.attributes)

    def get(self, path: str, call: Call, *, attributes: Sequence[str] | None = None) -> Value:
        """Give a subtree, a value or an attribute.

        Raises:
            ServerError: there is none, or the caller may not read it.
        """
        if (found := self._special(path, "Get")) is not None:
            return found[0]
        target = self.tree.resolve(path, call, "Get")
        if target.path.everything:
            raise resolve_error(path, "Get", ServerError('"*" is only allowed for Remove method'))
        if target.path.attribute is not None:
            if target.path.attribute == () and attributes is not None:
                self.tree.permit(target.node, "read", call)
                return self.attributes.some(target.node, attributes, call)
            return self.attributes.get(target.node, target.path.attribute, call)
        self.tree.permit(target.node, "read", call)
        self.tree.accessed(target.node, call)
        if target.inner:
            return self._inside(target, call)
        return self._dump(target.node, call, attributes, is_root=True)

    def _dump(self, node: Node, call: Call, names: Sequence[str] | None, *, is_root: bool) -> Value:
        if not is_root and self._is_hidden(node, call):
            return None
        attributes = self.attributes.some(node, names, call) if names is not None else {}
        value: Value
        if node.is_map and (is_root or not node.opaque):
            value = {key: self._dump(child, call, names, is_root=False) for key, child in self._children(node, call)}
        elif node.type in SCALAR_TYPES or (node.type == "document" and is_root):
            value = copy.deepcopy(node.value(call.transaction))
        else:
            value = None
        return with_attributes(value, {**attributes_of(value), **attributes})

    def _inside(self, target: Target, call: Call) -> Value:
        return values.get(copy.deepcopy(target.node.value(call.transaction)), target.inner, "")

    def _is_hidden(self, node: Node, call: Call) -> bool:
        return not self.tree.decide(node, ("read",), call, call.user).allowed

    def _children(self, node: Node, call: Call) -> list[tuple[str, Node]]:
        # The server keeps children in a hash map: nobody may rely on their order.
        found = self.tree.children(node, call)
        return sorted(found.items(), key=lambda item: hashlib.sha1(item[0].encode("utf-8", "replace")).digest())

    def list(self, path: str, call: Call, *, attributes: Sequence[str] = (), max_size: int | None = None) -> Value:
        """Give the keys of a map node, in no particular order; `incomplete` marks a truncated list.

        Raises:
            ServerError: it is no map node, or the caller may not read it.
        """
        if (found := self._special(path, "List")) is not None:
            if not isinstance(found[0], dict):
                raise not_supported("List")
            return [*found[0]]
        target = self.tree.resolve(path, call, "List")
        node = target.node
        if target.path.attribute is not None:
            value = self.attributes.get(node, target.path.attribute, call)
            if not isinstance(value, dict):
                raise not_supported("List")
            return [*value]
        if node.type == "document":
            self.tree.permit(node, "read", call)
            value = self._inside(target, call)
            if not isinstance(value, dict):
                raise not_supported("List")
            return [*value]
        if not node.is_map:
            raise not_supported("List")
        self.tree.permit(node, "read", call)
        self.tree.accessed(node, call)
        children = self._children(node, call)
        chosen = children if max_size is None else children[:max_size]
        result: list[Value] = []
        for key, child in chosen:
            shown = {} if self._is_hidden(child, call) else self.attributes.some(child, attributes, call)
            result.append(with_attributes(key, shown))
        return with_attributes(result, {"incomplete": True} if len(chosen) < len(children) else {})

    def exists(self, path: str, call: Call) -> bool:
        """Tell whether a path leads to something.

        Raises:
            ServerError: the path is not one, or its transaction is gone.
        """
        try:
            if self._special(path, "Exists") is not None:
                return True
            target = self.tree.resolve(path, call, "Exists")
        except ServerError as error:
            if _is_missing(error):
                return False
            raise
        if target.missing or target.path.everything:
            return False
        if target.path.attribute is not None:
            return self.attributes.exists(target.node, target.path.attribute, call)
        if target.inner:
            self.tree.permit(target.node, "read", call)
            try:
                self._inside(target, call)
            except ServerError:
                return False
        return True

    def _special(self, path: str, method: str) -> tuple[Value] | None:
        """Read what is no node."""
        if not path.startswith(("#", "//sys/")):
            return None
        found = self.objects.find(ypath.parse(path), method)
        if found is None:
            return None
        if found.path.attribute is not None:
            return (found.attribute(found.path.attribute),)
        if method == "List" and not isinstance(found.value, dict):
            raise not_supported(method)
        return (found.value,)


def not_supported(method: str) -> ServerError:
    """Give the error for a verb that makes no sense where the path leads."""
    return ServerError(f'"{method}" method is not supported', code=Code.NO_SUCH_METHOD)


def _is_missing(error: ServerError) -> bool:
    """Tell whether something is simply not there: a malformed path is more than that."""
    cause = error.inner[0] if error.inner else error
    return cause.code == Code.RESOLVE
