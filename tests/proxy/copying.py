"""Copying and moving subtrees."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

from proxy.errors import ServerError
from proxy.locks import EXCLUSIVE
from proxy.placing import Placing, check_options
from proxy.system_attributes import EXPIRATIONS, VERSIONED

if TYPE_CHECKING:
    from proxy.nodes import Node
    from proxy.resolving import Call, Target


@dataclasses.dataclass(frozen=True)
class CopyOptions:
    """Options that copy and move share."""

    recursive: bool = False
    force: bool = False
    ignore_existing: bool = False
    lock_existing: bool = False
    preserve_account: bool = False
    preserve_owner: bool = False
    preserve_acl: bool = False
    preserve_creation_time: bool = False
    preserve_modification_time: bool = False
    preserve_expiration_time: bool = False
    preserve_expiration_timeout: bool = False


class Copying(Placing):
    """The verbs that copy and move."""

    def copy(self, source: str, destination: str, call: Call, options: CopyOptions, *, move: bool = False) -> str:
        """Copy or move a subtree; give the id of the new node.

        Raises:
            ServerError: the source is missing, the destination exists, or something is locked.
        """
        check_options(ignore_existing=options.ignore_existing, lock_existing=options.lock_existing, force=options.force)
        if move and options.ignore_existing:
            raise ServerError('Cannot specify "ignore_existing" for move operation')
        target = self._place(destination, call, "Copy")
        # The source of a copy is the node that a link at the end of the path leads to.
        node = self.tree.existing(source, call, "Get")
        if not target.missing and node is target.node:
            raise ServerError("Cannot copy or move a node to itself")
        if self._is_ancestor(node, target.node, call, strict=not target.missing):
            raise ServerError(f"Cannot copy or move a node to {'itself' if node is target.node else 'its descendant'}")
        if not target.missing and not options.force:
            if not options.ignore_existing:
                raise self._already_exists(target.node, call)
            if options.lock_existing:
                self.tree.lock_node(target.node, call)
            return target.node.id
        parent = self._check_source(node, call, move=move)
        account = self._prepare(target, call, None, recursive=options.recursive)
        self._permit_copy(node, target, account, options, call)
        nodes = list(self.tree.subtree(node, call))
        if not (move and options.preserve_account):
            self.tree.check_node_count(account, len(nodes) + max(0, len(target.missing) - 1))
        clone = self._clone(node, call, account, options, move=move)
        if move and parent is not None:
            self._drop_source(target, parent, node, clone, call)
        else:
            self._put(target, clone, call)
        return clone.id

    def _drop_source(self, target: Target, parent: Node, node: Node, clone: Node, call: Call) -> None:
        self._put(target, clone, call)
        # The replaced node may have been above the source.
        if self.tree.parent_of(node, call) is parent:
            self.tree.detach(call, parent, node)

    def _permit_copy(self, node: Node, target: Target, account: str, options: CopyOptions, call: Call) -> None:
        if options.preserve_acl:
            above = target.node if target.missing else self.tree.parent_of(target.node, call)
            self.tree.permit(above or target.node, "administer", call)
        used = {each.account for each in self.tree.subtree(node, call)} if options.preserve_account else {account}
        for name in used:
            self.tree.permit_use(name, call)

    def _check_source(self, node: Node, call: Call, *, move: bool) -> Node | None:
        for each in self.tree.subtree(node, call):
            self.tree.permit(each, "read", call)
            if move:
                self.tree.permit(each, "remove", call)
                if error := self.tree.locks.check(each, call.transaction, EXCLUSIVE):
                    raise error
        if not move:
            self.tree.accessed(node, call)
            return None
        parent = self.tree.parent_of(node, call)
        if parent is None:
            raise ServerError(f"Node {self.tree.path_of(node, call.transaction)} cannot be removed")
        self.tree.permit_children(parent, call)
        self.tree.check_child_lock(parent, self.tree.key_of(node, parent, call.transaction) or "", call)
        return parent

    def _is_ancestor(self, node: Node, of: Node, call: Call, *, strict: bool) -> bool:
        current = self.tree.parent_of(of, call) if strict else of
        while current is not None:
            if current is node:
                return True
            current = self.tree.parent_of(current, call)
        return False

    def _clone(self, node: Node, call: Call, account: str, options: CopyOptions, *, move: bool) -> Node:
        transaction = call.transaction
        clone = self.tree.make(node.type, call, node.account if options.preserve_account else account)
        version = self.tree.version(clone, call)
        custom = node.custom(transaction)
        for name in VERSIONED & set(custom):
            keep = {
                "expiration_time": options.preserve_expiration_time,
                "expiration_timeout": options.preserve_expiration_timeout,
            }.get(name, True)
            if not keep:
                del custom[name]
        clone.trunk.attributes = copy.deepcopy(dict(custom))
        if EXPIRATIONS & set(custom):
            self.tree.expiring.add(clone.id)
        clone.storage = dict(node.storage)
        if move or options.preserve_acl:
            clone.acl, clone.inherits_acl = node.acl, node.inherits_acl
        clone.opaque = node.opaque
        if options.preserve_owner:
            clone.owner = node.owner
        if options.preserve_creation_time or move:
            clone.creation_time = node.creation_time
        if node.type in ("file", "table"):
            version.content = node.content(transaction)
        elif not node.is_map:
            version.value = copy.deepcopy(node.value(transaction))
        for key, child in self.tree.children(node, call).items():
            self.tree.attach(call, clone, key, self._clone(child, call, account, options, move=move))
        clone.trunk.modification_time = (
            node.modification_time(transaction) if options.preserve_modification_time else self.tree.now()
        )
        return clone
