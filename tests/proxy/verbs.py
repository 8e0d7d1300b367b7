"""What can be asked of the tree: get, list, set, create, remove, copy, move, link, lock."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
from typing import TYPE_CHECKING

from yt import yson

from proxy import values
from proxy.attributes import STORAGE, VERSIONED, Attributes, parse_time
from proxy.errors import Code, ServerError, no_such_transaction, resolve_error
from proxy.formats import attributes_of, is_boolean, is_entity, with_attributes
from proxy.locks import EXCLUSIVE, LockRequest
from proxy.nodes import CREATABLE_TYPES, SCALAR_TYPES, LockMode, Node, Version
from proxy.tree import Call, Target, Tree
from proxy.ypath import literal

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from proxy.formats import Value
    from proxy.locks import Lock


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


class Verbs:
    """The verbs; the caller holds the lock of the tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.attributes = Attributes(tree)

    # Reading.

    def get(self, path: str, call: Call, *, attributes: Sequence[str] | None = None) -> Value:
        """Give a subtree, a value or an attribute.

        Raises:
            ServerError: there is none, or the caller may not read it.
        """
        if (found := self._special(path, call, "Get")) is not None:
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

    def _is_hidden(self, node: Node, call: Call) -> bool:
        return self.tree.rules.denying(self.tree.path_of(node, call.transaction), "read", call.user) is not None

    def _children(self, node: Node, call: Call) -> list[tuple[str, Node]]:
        # The server keeps children in a hash map: nobody may rely on their order.
        found = self.tree.children(node, call)
        return sorted(found.items(), key=lambda item: hashlib.sha1(item[0].encode("utf-8", "replace")).digest())

    def list(self, path: str, call: Call, *, attributes: Sequence[str] = (), max_size: int | None = None) -> Value:
        """Give the keys of a map node, in no particular order; `incomplete` marks a truncated list.

        Raises:
            ServerError: it is no map node, or the caller may not read it.
        """
        if (found := self._special(path, call, "List")) is not None:
            if not isinstance(found[0], dict):
                raise _not_supported("List")
            return [*found[0]]
        target = self.tree.resolve(path, call, "List")
        node = target.node
        if target.path.attribute is not None:
            value = self.attributes.get(node, target.path.attribute, call)
            if not isinstance(value, dict):
                raise _not_supported("List")
            return [*value]
        if not node.is_map:
            raise _not_supported("List")
        self.tree.permit(node, "read", call)
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
            if self._special(path, call, "Exists") is not None:
                return True
            target = self.tree.resolve(path, call, "Exists")
        except ServerError as error:
            if _is_missing_object(error):
                return False
            raise
        if target.missing or target.path.everything:
            return False
        if target.path.attribute is not None:
            return self.attributes.exists(target.node, target.path.attribute, call)
        return True

    # Transactions and locks as objects: `#id/@attribute`.

    def _special(self, path: str, call: Call, method: str) -> tuple[Value] | None:
        if path.startswith("#"):
            object_id, slash, rest = path[1:].partition("/@")
            found: dict[str, Value] | None = None
            if object_id in self.tree.transactions:
                found = self.attributes.of_transaction(self.tree.transactions[object_id])
            elif object_id in self.tree.locks.locks:
                found = self.attributes.of_lock(self.tree.locks.locks[object_id])
            if found is None:
                return None
            if not slash:
                if method == "List":
                    raise _not_supported(method)
                return (None,)
            keys = [key for key in rest.split("/") if key]
            if keys and keys[0] not in found:
                missing = ServerError(f'Attribute "{literal(keys[0])}" is not found', code=Code.RESOLVE)
                raise resolve_error(path, method, missing) if method == "Exists" else missing
            return (values.get(found, keys, path),)
        return None

    # Writing.

    def set(self, path: str, value: Value, call: Call, *, recursive: bool = False, force: bool = False) -> None:
        """Set an attribute, a document, or a value node.

        Raises:
            ServerError: it cannot be set.
        """
        target = self.tree.resolve(path, call, "Set")
        if target.path.attribute is not None:
            if target.missing:
                raise resolve_error(path, "Set", self.tree.no_child(target.node, target.missing[0], call))
            self.attributes.set(target.node, target.path.attribute, value, call, recursive=recursive)
        elif target.missing:
            self._set_new(target, value, call, recursive=recursive)
        else:
            self._set_existing(target.node, value, call, force=force)

    def _set_new(self, target: Target, value: Value, call: Call, *, recursive: bool) -> None:
        self.tree.permit_children(target.node, call)
        self._check_missing(target, call, recursive=recursive)
        self.tree.check_child_lock(target.node, target.missing[0], call)
        account = target.node.account
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
            if not isinstance(value, dict):
                raise _wrong_type(path, "map", _node_type(value))
            if not force:
                raise ServerError(f'Node {path} is composite: "set" replaces its children only with "force"')
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
        _check_options(
            ignore_existing=ignore_existing,
            lock_existing=lock_existing,
            force=force,
            ignore_type_mismatch=ignore_type_mismatch,
        )
        if kind not in CREATABLE_TYPES:
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
        account = self._prepare(target, call, given.pop("account", None), recursive=recursive)
        self.tree.check_node_count(account, max(1, len(target.missing)))
        target_path = given.pop("target_path", None) if kind == "link" else None
        node = self.tree.make(kind, call, account)
        try:
            self.attributes.fill(node, given, call)
            self._first_value(node, self.tree.version(node, call), target_path)
            self._put(target, node, call)
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

    def _place(self, path: str, call: Call, method: str) -> Target:
        target = self.tree.resolve(path, call, method)
        if target.path.is_attribute or target.path.everything:
            raise resolve_error(path, method, _not_supported(method))
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
        return self.tree.accounts.get(str(account)).name if account is not None else parent.account

    def _check_missing(self, target: Target, call: Call, *, recursive: bool) -> None:
        if not target.node.is_map:
            raise ServerError(f"Node {self.tree.path_of(target.node, call.transaction)} cannot have children")
        if len(target.missing) > 1 and not recursive:
            raise self.tree.no_child(target.node, target.missing[0], call)
        for key in target.missing:
            self.tree.check_key(target.node, key, call)

    def _put(self, target: Target, node: Node, call: Call) -> None:
        if target.missing:
            self._attach_new(target, node, call)
            return
        parent = self.tree.parent_of(target.node, call)
        if parent is None:
            raise ServerError("The root cannot be replaced")
        self.tree.replace(call, parent, target.node, node)

    def _attach_new(self, target: Target, node: Node, call: Call) -> None:
        """Attach a node below the last one that exists, with map nodes in between; the last step makes all visible."""
        for key in reversed(target.missing[1:]):
            between = self.tree.make("map_node", call, target.node.account)
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
        if target.path.everything:
            if not node.is_map:
                raise _not_supported("Remove")
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

    def copy(self, source: str, destination: str, call: Call, options: CopyOptions, *, move: bool = False) -> str:
        """Copy or move a subtree; give the id of the new node.

        Raises:
            ServerError: the source is missing, the destination exists, or something is locked.
        """
        _check_options(
            ignore_existing=options.ignore_existing, lock_existing=options.lock_existing, force=options.force
        )
        if move and options.ignore_existing:
            raise ServerError('Cannot specify "ignore_existing" for move operation')
        target = self._place(destination, call, "Copy")
        # The source of a copy is the node that a link at the end of the path leads to.
        node = self.tree.existing(source, call, "Get")
        if not target.missing and node is target.node:
            raise ServerError("Cannot copy or move a node to itself")
        if self._is_ancestor(node, target.node, call, strict=not target.missing):
            raise ServerError("Cannot copy or move a node to its descendant")
        if not target.missing and not options.force:
            if not options.ignore_existing:
                raise self._already_exists(target.node, call)
            if options.lock_existing:
                self.tree.lock_node(target.node, call)
            return target.node.id
        parent = self._check_source(node, call, move=move)
        account = self._prepare(target, call, None, recursive=options.recursive)
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

    def _check_source(self, node: Node, call: Call, *, move: bool) -> Node | None:
        for each in self.tree.subtree(node, call):
            self.tree.permit(each, "read", call)
            if move:
                self.tree.permit(each, "remove", call)
                if error := self.tree.locks.check(each, call.transaction, EXCLUSIVE):
                    raise error
        if not move:
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
        clone.storage = {name: value for name, value in node.storage.items() if name in STORAGE or options.preserve_acl}
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
        """Create a link; its target has to exist, as the native client checks.

        Raises:
            ServerError: the target does not exist, or the link does.
        """
        self.tree.existing(target_path, call, "Get")
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

    def remove_expired(self, node_id: str, call: Call, now: dt.datetime) -> None:
        """Remove a node whose `expiration_time` has come, unless somebody holds it."""
        node = self.tree.nodes.get(node_id)
        expires = node.trunk.attributes.get("expiration_time") if node else None
        parent = self.tree.parent_of(node, call) if node else None
        if node is None or parent is None or not isinstance(expires, str):
            self.tree.expiring.discard(node_id)
        elif parse_time(expires) <= now:
            with contextlib.suppress(ServerError):
                self.tree.detach(call, parent, node)

    def call(self, user: str, transaction_id: str | None, path: str, method: str) -> Call:
        """Give the call of a request that names its transaction.

        Raises:
            ServerError: the transaction is not live.
        """
        try:
            return Call(user, self.tree.transaction(transaction_id))
        except ServerError:
            raise resolve_error(path, method, no_such_transaction(str(transaction_id))) from None


def _check_options(
    *, ignore_existing: bool, lock_existing: bool, force: bool, ignore_type_mismatch: bool = False
) -> None:
    if ignore_existing and force:
        raise ServerError('Cannot specify both "ignore_existing" and "force" options simultaneously')
    if not ignore_existing and lock_existing:
        raise ServerError('Cannot specify "lock_existing" without "ignore_existing"')
    if not ignore_existing and ignore_type_mismatch:
        raise ServerError('Cannot specify "ignore_type_mismatch" without "ignore_existing"')


def _not_supported(method: str) -> ServerError:
    return ServerError(f'"{method}" method is not supported', code=Code.NO_SUCH_METHOD)


def _wrong_type(path: str, expected: str, actual: str) -> ServerError:
    return ServerError(f'Node {path} has invalid type: expected "{expected}", actual "{actual}"', code=Code.RESOLVE)


def _is_missing_object(error: ServerError) -> bool:
    if error.contains(Code.NO_SUCH_TRANSACTION):
        return False
    return any(inner.code == Code.RESOLVE for inner in error.inner)


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
    result = copy.copy(value)
    if attributes_of(result):
        result.attributes = {}  # type: ignore[attr-defined]
    return result


def _count(value: Value) -> int:
    """Count the nodes that a value makes; refuse it before any is made."""
    _node_type(value)
    return 1 + sum(_count(each) for each in value.values()) if isinstance(value, dict) else 1
