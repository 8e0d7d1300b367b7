"""What can be asked of the tree: the verbs that change it; reading, placing and copying are modules of their own."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING

from yt import yson

from proxy import values, ypath
from proxy.attributes import parse_time
from proxy.copying import Copying
from proxy.errors import Code, ServerError, no_such_transaction, resolve_error
from proxy.formats import attributes_of, is_boolean, is_entity
from proxy.nodes import CREATABLE_TYPES, PORTAL_EXIT, SCALAR_TYPES, LockMode, Node, Version
from proxy.placing import check_options
from proxy.reading import not_supported
from proxy.resolving import Call, Target
from proxy.system_attributes import EXPIRATIONS

if TYPE_CHECKING:
    import datetime as dt

    from proxy.formats import Value
    from proxy.locks import Lock, LockRequest


class Verbs(Copying):
    """All verbs; the caller holds the lock of the tree."""

    def set(self, path: str, value: Value, call: Call, *, recursive: bool = False, force: bool = False) -> None:
        """Set an attribute, a document, or a value node.

        Raises:
            ServerError: it cannot be set.
        """
        if path.startswith(("#", "//sys/")) and (found := self.objects.find(ypath.parse(path), "Set")):
            self.objects.set(found, value, call)
            return
        target = self.tree.resolve(path, call, "Set")
        if target.path.attribute is not None:
            if target.missing:
                raise resolve_error(path, "Set", self.tree.no_child(target.node, target.missing[0], call))
            self.attributes.set(target.node, target.path.attribute, value, call, recursive=recursive)
        elif target.missing:
            self._set_new(target, value, call, recursive=recursive)
        elif target.inner:
            old = target.node.value(call.transaction)
            whole = values.changed(old, target.inner, value, "", recursive=recursive)
            self._set_existing(target.node, whole, call, force=force)
        else:
            self._set_existing(target.node, value, call, force=force)

    def _set_new(self, target: Target, value: Value, call: Call, *, recursive: bool) -> None:
        self.tree.permit_children(target.node, call)
        self._check_missing(target, call, recursive=recursive)
        self.tree.check_child_lock(target.node, target.missing[0], call)
        account = target.node.account
        self.tree.permit_use(account, call)
        if {"acl", "inherit_acl"} & set(attributes_of(value)):
            self.tree.permit(target.node, "administer", call)
        self.tree.check_node_count(account, len(target.missing) - 1 + _count(value))
        self._attach_new(target, self._build(value, call, account), call)

    def _build(self, value: Value, call: Call, account: str) -> Node:
        """Make nodes of a value, as `set` does."""
        node = self.tree.make(_node_type(value), call, account)
        version = self.tree.version(node, call)
        self.attributes.fill(node, attributes_of(value), call)
        if isinstance(value, dict):
            for key, each in value.items():
                self.tree.attach(call, node, str(key), self._build(each, call, account))
        else:
            version.value = _plain(value)
        return node

    def _set_existing(self, node: Node, value: Value, call: Call, *, force: bool) -> None:
        self.tree.permit(node, "write", call)
        path = self.tree.path_of(node, call.transaction)
        if node.type == "document":
            self.tree.lock_node(node, call)
            self.tree.version(node, call).value = copy.deepcopy(value)
            self.tree.touch(node, call)
            return
        if node.is_map:
            if not force:
                raise ServerError('"set" command without "force" flag is forbidden; use "create" instead')
            if not isinstance(value, dict):
                raise _wrong_type(path, "map", _node_type(value))
            for child in self.tree.children(node, call).values():
                self._permit_removal(child, call)
            account = node.account
            self.tree.check_node_count(account, _count(value) - 1)
            self._clear(node, call)
            for key, each in value.items():
                self.tree.attach(call, node, str(key), self._build(each, call, account))
            return
        if node.type not in SCALAR_TYPES or _node_type(value) != node.type:
            raise _wrong_type(path, node.type, _node_type(value))
        self.tree.lock_node(node, call)
        self.tree.version(node, call).value = _plain(value)
        self.tree.touch(node, call)

    def _clear(self, node: Node, call: Call) -> None:
        for child in list(self.tree.children(node, call).values()):
            self.tree.detach(call, node, child)

    def create(
        self,
        kind: str,
        path: str,
        call: Call,
        *,
        attributes: dict[str, Value] | None = None,
        recursive: bool = False,
        ignore_existing: bool = False,
        lock_existing: bool = False,
        force: bool = False,
        ignore_type_mismatch: bool = False,
    ) -> str:
        """Create a node; give its id, or that of the one that is there with `ignore_existing`.

        Raises:
            ServerError: it exists, its parent does not, or the options contradict each other.
        """
        check_options(
            ignore_existing=ignore_existing,
            lock_existing=lock_existing,
            force=force,
            ignore_type_mismatch=ignore_type_mismatch,
        )
        if kind not in CREATABLE_TYPES and not (kind == PORTAL_EXIT and call.user == "root"):
            raise ServerError(f'Nodes of type "{kind}" are not implemented by this proxy')
        target = self._place(path, call, "Create")
        if not target.missing and not force:
            if not ignore_existing:
                raise self._already_exists(target.node, call)
            if target.node.type != kind and not ignore_type_mismatch:
                where = self.tree.path_of(target.node, call.transaction)
                raise ServerError(
                    f'Node {where} already exists and has type "{target.node.type}" '
                    f'while node of "{kind}" type is about to be created',
                    code=Code.ALREADY_EXISTS,
                )
            if lock_existing:
                self.tree.permit(target.node, "write", call)
                self.tree.lock_node(target.node, call)
            return target.node.id
        given = dict(attributes or {})
        explicit = given.pop("account", None)
        account = self._prepare(target, call, explicit, recursive=recursive)
        self.tree.permit_use(account, call)
        above = target.node if target.missing else self.tree.parent_of(target.node, call)
        if above is not None and {"acl", "inherit_acl"} & set(given):
            self.tree.permit(above, "administer", call)
        self.tree.check_node_count(account, max(1, len(target.missing)))
        target_path = given.pop("target_path", None) if kind == "link" else None
        if isinstance(target_path, str) and self.tree.leads_through(target_path, target, call):
            raise ServerError("Failed to create link: link is cyclic")
        node = self.tree.make(kind, call, account)
        try:
            self.attributes.fill(node, {**self.attributes.inherited(above, kind, call), **given}, call)
            self._first_value(node, self.tree.version(node, call), target_path)
            self._put(target, node, call, account if explicit is not None else None)
        except ServerError:
            self._forget(node, call)
            raise
        return node.id

    def _first_value(self, node: Node, version: Version, target_path: Value) -> None:
        if node.type == "link":
            if not isinstance(target_path, str):
                raise ServerError('Attribute "target_path" is not found')
            version.value = str(target_path)
        elif node.type in SCALAR_TYPES:
            version.value = {"string_node": "", "double_node": 0.0, "boolean_node": False}.get(node.type, 0)

    def remove(self, path: str, call: Call, *, recursive: bool = True, force: bool = False) -> None:
        """Remove a node, its children (`*`) or an attribute.

        Raises:
            ServerError: it is missing, not empty, or locked.
        """
        target = self.tree.resolve(path, call, "Remove")
        if target.missing:
            if force:
                return
            raise self.tree.no_child(target.node, target.missing[0], call)
        node = target.node
        if target.path.attribute is not None:
            self.attributes.remove(node, target.path.attribute, call, force=force)
            return
        if target.inner:
            whole = values.removed(node.value(call.transaction), target.inner, "", force=force)
            self._set_existing(node, whole, call, force=False)
            return
        if target.path.everything:
            if not node.is_map:
                raise not_supported("Remove")
            self.tree.permit_children(node, call)
            for child in list(self.tree.children(node, call).values()):
                self._permit_removal(child, call)
            self._clear(node, call)
            return
        parent = self.tree.parent_of(node, call)
        if parent is None:
            raise ServerError(f"Node {self.tree.path_of(node, call.transaction)} cannot be removed")
        self._permit_removal(node, call)
        self.tree.permit_children(parent, call)
        if not recursive and self.tree.children(node, call):
            raise ServerError("Cannot remove non-empty composite node")
        self.tree.detach(call, parent, node)

    def _permit_removal(self, node: Node, call: Call) -> None:
        for each in self.tree.subtree(node, call):
            self.tree.permit(each, "remove", call)

    def link(
        self,
        target_path: str,
        link_path: str,
        call: Call,
        *,
        attributes: dict[str, Value] | None = None,
        recursive: bool = False,
        ignore_existing: bool = False,
        lock_existing: bool = False,
        force: bool = False,
    ) -> str:
        """Create a link; without `force` its target has to exist, as the native client checks.

        Raises:
            ServerError: the target does not exist, the link does, or it would lead through itself.
        """
        if not force and not self.exists(target_path, call):
            raise ServerError(f"Link target {target_path} does not exist", code=Code.RESOLVE)
        return self.create(
            "link",
            link_path,
            call,
            attributes={**(attributes or {}), "target_path": target_path},
            recursive=recursive,
            ignore_existing=ignore_existing,
            lock_existing=lock_existing,
            force=force,
        )

    def lock(self, path: str, call: Call, request: LockRequest, *, waitable: bool) -> Lock:
        """Lock a node on request.

        Raises:
            ServerError: it conflicts and is not waitable, or there is no transaction.
        """
        if call.transaction is None:
            raise ServerError("A valid master transaction is required")
        node = self.tree.existing(path, call, "Lock")
        self.tree.permit(node, "read" if request.mode is LockMode.SNAPSHOT else "write", call)
        self.tree.accessed(node, call)
        return self.tree.locks.acquire(node, call.transaction, request, waitable=waitable)

    def unlock(self, path: str, call: Call) -> None:
        """Release explicit locks.

        Raises:
            ServerError: the transaction changed the node, or there is none.
        """
        if call.transaction is None:
            raise ServerError("A valid master transaction is required")
        node = self.tree.existing(path, call, "Unlock")
        self.tree.permit(node, "read", call)
        self.tree.locks.unlock(node, call.transaction)
        self.tree.collect(node)

    def remove_expired(self, node_id: str, call: Call, now: dt.datetime) -> None:
        """Remove a node whose time has come, unless somebody holds it; what a transaction set counts once committed."""
        node = self.tree.nodes.get(node_id)
        if node is None or not any(
            EXPIRATIONS & set(each.attributes) for each in (node.trunk, *node.branches.values())
        ):
            self.tree.expiring.discard(node_id)
            return
        parent = self.tree.parent_of(node, call)
        if parent is not None and self._is_expired(node, now):
            with contextlib.suppress(ServerError):
                self.tree.detach(call, parent, node)

    def _is_expired(self, node: Node, now: dt.datetime) -> bool:
        moment, timeout = (node.trunk.attributes.get(name) for name in ("expiration_time", "expiration_timeout"))
        if isinstance(moment, str) and parse_time(moment) <= now:
            return True
        if not isinstance(timeout, int) or node.acquired:
            return False
        return self.tree.clock() - node.renewed >= timeout / 1000

    def call(
        self,
        user: str,
        transaction_id: str | None,
        path: str,
        method: str,
        suppressed: frozenset[str] = frozenset(),
    ) -> Call:
        """Give the call of a request that names its transaction.

        Raises:
            ServerError: the transaction is not live.
        """
        try:
            return Call(user, self.tree.transaction(transaction_id), suppressed)
        except ServerError:
            raise resolve_error(path, method, no_such_transaction(str(transaction_id))) from None


def _wrong_type(path: str, expected: str, actual: str) -> ServerError:
    return ServerError(f'Node {path} has invalid type: expected "{expected}", actual "{actual}"', code=Code.RESOLVE)


def _node_type(value: Value) -> str:
    if is_entity(value):
        raise ServerError("Entity nodes cannot be created inside Cypress")
    if isinstance(value, dict):
        return "map_node"
    if isinstance(value, list):
        raise ServerError("List nodes are not implemented by this proxy")
    if is_boolean(value):
        return "boolean_node"
    if isinstance(value, yson.YsonUint64):
        return "uint64_node"
    if isinstance(value, int):
        return "int64_node"
    return "double_node" if isinstance(value, float) else "string_node"


def _plain(value: Value) -> Value:
    """Give a value without its attributes, which became the node's."""
    return yson.to_yson_type(value, attributes={}) if attributes_of(value) else value


def _count(value: Value) -> int:
    """Count the nodes that a value makes; refuse it before any is made."""
    _node_type(value)
    return 1 + sum(_count(each) for each in value.values()) if isinstance(value, dict) else 1
