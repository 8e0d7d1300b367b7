"""Finding nodes by path, and paths of nodes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from proxy import ypath
from proxy.errors import Code, ServerError, resolve_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.nodes import Node
    from proxy.transactions import Transaction

CELL_TAG = 1
MAX_LINK_DEPTH = 256
SUPPRESSIBLE = frozenset({"access_tracking", "modification_tracking", "expiration_timeout_renewal"})
_TOLERANT = frozenset({"Exists", "Remove", "Set", "Create", "Copy"})
"""Methods that may be asked of a path whose end does not exist."""
_INTO_DOCUMENTS = frozenset({"Get", "List", "Exists", "Set", "Remove"})
"""Methods whose path may go on into the value of a document."""
_ON_LINK_ITSELF = frozenset({"Remove", "Create", "Copy"})
"""Methods that take a link at the end of the path for what it is."""


@dataclasses.dataclass(frozen=True)
class Call:
    """On whose behalf, and in which transaction, something is done."""

    user: str
    transaction: Transaction | None = None
    suppressed: frozenset[str] = frozenset()
    """What the call does not leave on the nodes: of `SUPPRESSIBLE`."""

    def within(self, transaction: Transaction) -> Call:
        """Give the same call in another transaction."""
        return dataclasses.replace(self, transaction=transaction)


@dataclasses.dataclass(frozen=True)
class Target:
    """Where a path leads: the last node that exists, and the keys that do not."""

    node: Node
    missing: tuple[str, ...]
    path: ypath.Path
    inner: tuple[str, ...] = ()
    """The keys that go on into the value of a document."""


class Resolving:
    """The nodes by id, and the ways between them."""

    nodes: dict[str, Node]
    root: Node
    clock: Callable[[], float]

    def resolve(self, text: str, call: Call, method: str) -> Target:
        """Find the node that a path leads to.

        Raises:
            ServerError: the path is not one, or leads to nothing and the method needs something.
        """
        try:
            path = ypath.parse(text)
            target = self._walk(path, call, method, depth=0)
        except ServerError as error:
            raise resolve_error(text, method, error) from None
        if not target.missing and "expiration_timeout_renewal" not in call.suppressed:
            target.node.renewed = self.clock()
        return target

    def existing(self, text: str, call: Call, method: str) -> Node:
        """Find a node that has to exist; the path must not name attributes.

        Raises:
            ServerError: there is no such node.
        """
        target = self.resolve(text, call, method)
        if target.path.is_attribute or target.path.everything or target.inner:
            raise ServerError(f'"{method}" method is not supported', code=Code.NO_SUCH_METHOD)
        if target.missing:
            raise resolve_error(text, method, self.no_child(target.node, target.missing[0], call))
        return target.node

    def _walk(self, path: ypath.Path, call: Call, method: str, *, depth: int) -> Target:
        if depth > MAX_LINK_DEPTH:
            raise ServerError(
                f"Path {path.text} exceeds resolve depth limit",
                code=Code.RESOLVE,
                attributes={"limit": MAX_LINK_DEPTH},
            )
        node = self.root if path.root_id is None else self._object(path.root_id)
        beyond = path.is_attribute or path.everything
        suppressed = path.root_suppressed
        for index in range(len(path.steps) + 1):
            rest = path.steps[index:]
            if node.type == "link" and not suppressed and (rest or beyond or method not in _ON_LINK_ITSELF):
                aim = ypath.parse(str(node.value(call.transaction)))
                followed = dataclasses.replace(path, root_id=aim.root_id, steps=aim.steps + rest)
                return self._walk(followed, call, method, depth=depth + 1)
            if not rest:
                break
            if node.type == "document" and not beyond and method in _INTO_DOCUMENTS:
                return Target(node, (), path, inner=tuple(step.key for step in rest))
            if not node.is_map:
                if method == "Exists":
                    return Target(node, tuple(step.key for step in rest), path)
                raise ServerError(f"Node {self.path_of(node, call.transaction)} cannot have children")
            child = self.nodes.get(node.child(rest[0].key, call.transaction) or "")
            if child is None:
                if method in _TOLERANT:
                    return Target(node, tuple(step.key for step in rest), path)
                raise self.no_child(node, rest[0].key, call)
            node, suppressed = child, rest[0].suppressed
        return Target(node, (), path)

    def leads_through(self, text: str, place: Target, call: Call) -> bool:
        """Tell whether a path leads to or through the place where a link to it is to be put."""
        parent, keys = place.node, place.missing
        if not keys:
            above = self.parent_of(place.node, call)
            if above is None:
                return False
            parent, keys = above, (self.key_of(place.node, above, call.transaction) or "",)
        for _ in range(MAX_LINK_DEPTH):
            path = ypath.parse(text)
            node = self.nodes.get(path.root_id or self.root.id)
            for index in range(len(path.steps) + 1):
                rest = path.steps[index:]
                if node is parent and tuple(step.key for step in rest[: len(keys)]) == keys:
                    return True
                if node is None or node.type == "link" or not rest:
                    break
                node = self.nodes.get(node.child(rest[0].key, call.transaction) or "")
            if node is None or node.type != "link":
                return False
            text = str(node.value(call.transaction)) + "".join(f"/{ypath.literal(step.key)}" for step in rest)
        return True

    def _object(self, object_id: str) -> Node:
        parts = object_id.split("-")
        try:
            numbers = [int(part, 16) for part in parts]
        except ValueError:
            numbers = []
        if len(numbers) != 4:
            raise ServerError(f'Error parsing object id "{object_id}"')
        if object_id in self.nodes:
            return self.nodes[object_id]
        if numbers[2] >> 16 != CELL_TAG:
            raise ServerError(f"Unknown cell tag {numbers[2] >> 16}")
        raise ServerError(f"No such object {object_id}", code=Code.RESOLVE)

    def no_child(self, node: Node, key: str, call: Call) -> ServerError:
        """Give the error for a key that the node does not have."""
        path = self.path_of(node, call.transaction)
        return ServerError(f'Node {path} has no child with key "{ypath.literal(key)}"', code=Code.RESOLVE)

    def path_of(self, node: Node, transaction: Transaction | None) -> str:
        """Give the path of a node as the transaction sees it."""
        if node is self.root:
            return "/"
        keys: list[str] = []
        current = node
        while current is not self.root:
            parent = self._parent(current, transaction)
            key = self.key_of(current, parent, transaction) if parent else None
            if parent is None or key is None:
                return "#" + node.id if not keys else "#" + current.id + "".join(f"/{k}" for k in reversed(keys))
            keys.append(ypath.literal(key))
            current = parent
        return "/" + "".join(f"/{key}" for key in reversed(keys))

    def key_of(self, node: Node, parent: Node | None, transaction: Transaction | None) -> str | None:
        """Find the key under which the parent has the node."""
        if parent is not None:
            for key, child in parent.children(transaction).items():
                if child == node.id:
                    return key
        return None

    def parent_of(self, node: Node, call: Call) -> Node | None:
        """Find the parent that the transaction sees."""
        return self._parent(node, call.transaction)

    def _parent(self, node: Node, transaction: Transaction | None) -> Node | None:
        parent_id = node.parent(transaction)
        if parent_id is not None:
            return self.nodes.get(parent_id)
        for each in [transaction, *transaction.ancestors()] if transaction is not None else ():
            if found := self.snapshot_parent(node, each):
                return found
        return None

    def snapshot_parent(self, node: Node, transaction: Transaction) -> Node | None:
        """Find the map node whose snapshot, taken by this transaction, has the node among its children."""
        for parent in transaction.branched:
            branch = parent.branches[transaction.id]
            if branch.is_snapshot and node.id in branch.children.values():
                return parent
        return None

    def subtree(self, node: Node, call: Call) -> Iterator[Node]:
        """Give the node and everything below it."""
        yield node
        for child in self.children(node, call).values():
            yield from self.subtree(child, call)

    def children(self, node: Node, call: Call) -> dict[str, Node]:
        """Give the children that the transaction sees; those that a snapshot lock outlived are not among them."""
        found = {key: self.nodes.get(child) for key, child in node.children(call.transaction).items()}
        return {key: child for key, child in found.items() if child is not None}
