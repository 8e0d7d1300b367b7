"""Putting new nodes into the tree: what create, set, copy and link have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError, resolve_error
from proxy.locks import EXCLUSIVE
from proxy.reading import Reading, not_supported

if TYPE_CHECKING:
    from proxy.formats import Value
    from proxy.nodes import Node
    from proxy.resolving import Call, Target


class Placing(Reading):
    """Checks and steps for new nodes."""

    def _place(self, path: str, call: Call, method: str) -> Target:
        target = self.tree.resolve(path, call, method)
        if target.path.is_attribute and target.missing:
            raise ServerError('Expected "literal" in YPath but found "at" token "@"', attributes={"ypath": path})
        if target.path.is_attribute or target.path.everything:
            raise resolve_error(path, method, not_supported(method))
        return target

    def _prepare(self, target: Target, call: Call, account: Value, *, recursive: bool) -> str:
        """Check everything that could forbid to put a node there; give the account that it would belong to."""
        parent = target.node
        if not target.missing:
            above = self.tree.parent_of(target.node, call)
            if above is None:
                raise ServerError(f"Node {self.tree.path_of(target.node, call.transaction)} cannot be replaced")
            for each in self.tree.subtree(target.node, call):
                self.tree.permit(each, "remove", call)
                if error := self.tree.locks.check(each, call.transaction, EXCLUSIVE):
                    raise error
            parent = above
            key = self.tree.key_of(target.node, parent, call.transaction) or ""
        else:
            self._check_missing(target, call, recursive=recursive)
            key = target.missing[0]
        self.tree.permit_children(parent, call)
        self.tree.check_child_lock(parent, key, call)
        return str(account) if account is not None else parent.account

    def _check_missing(self, target: Target, call: Call, *, recursive: bool) -> None:
        if not target.node.is_map:
            raise ServerError(f"Node {self.tree.path_of(target.node, call.transaction)} cannot have children")
        if len(target.missing) > 1 and not recursive:
            raise self.tree.no_child(target.node, target.missing[0], call)
        for key in target.missing:
            self.tree.check_key(target.node, key, call)

    def _put(self, target: Target, node: Node, call: Call, account: str | None = None) -> None:
        if target.missing:
            self._attach_new(target, node, call, account)
            return
        parent = self.tree.parent_of(target.node, call)
        if parent is None:
            raise ServerError("The root cannot be replaced")
        self.tree.replace(call, parent, target.node, node)

    def _attach_new(self, target: Target, node: Node, call: Call, account: str | None = None) -> None:
        """Attach a node below the last one that exists, with map nodes in between; the last step makes all visible.

        The map nodes belong to the account that was asked for, else to that of the last one that exists.
        """
        for key in reversed(target.missing[1:]):
            between = self.tree.make("map_node", call, account or target.node.account)
            self.tree.attach(call, between, key, node)
            node = between
        self.tree.attach(call, target.node, target.missing[0], node)

    def _forget(self, node: Node, call: Call) -> None:
        """Undo the making of a node that could not be put anywhere."""
        if call.transaction is not None:
            call.transaction.staged.remove(node)
            for holder in [call.transaction, *call.transaction.ancestors()]:
                if node.branches.pop(holder.id, None) is not None:
                    holder.branched.remove(node)
        self.tree.locks.orphan(node)
        self.tree.collect(node)

    def _already_exists(self, node: Node, call: Call) -> ServerError:
        path = self.tree.path_of(node, call.transaction)
        return ServerError(f"Node {path} already exists", code=Code.ALREADY_EXISTS)


def check_options(
    *, ignore_existing: bool, lock_existing: bool, force: bool, ignore_type_mismatch: bool = False
) -> None:
    """Refuse options that contradict each other.

    Raises:
        ServerError: they do.
    """
    if ignore_existing and force:
        raise ServerError('Cannot specify both "ignore_existing" and "force" options simultaneously')
    if not ignore_existing and lock_existing:
        raise ServerError('Cannot specify "lock_existing" without "ignore_existing"')
    if not ignore_existing and ignore_type_mismatch:
        raise ServerError('Cannot specify "ignore_type_mismatch" without "ignore_existing"')
