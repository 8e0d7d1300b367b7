"""Reading and setting attributes: the cluster's and the users' own."""

from __future__ import annotations

import copy
import datetime as dt
from typing import TYPE_CHECKING

from proxy import values
from proxy.errors import Code, ServerError, wrapped
from proxy.formats import attributes_of, is_boolean, is_entity
from proxy.locks import LockRequest
from proxy.nodes import UNSET, LockMode, Node
from proxy.parameters import type_name
from proxy.security import parse_acl
from proxy.system_attributes import (
    CODECS,
    EXPIRATIONS,
    NOT_MODELLED,
    OPAQUE,
    PLACEMENT,
    STORAGE,
    UNVERSIONED,
    VERSIONED,
    SystemAttributes,
    storage_names,
    users,
)
from proxy.transactions import timestamp
from proxy.ypath import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.formats import Value
    from proxy.resolving import Call


MAX_REPLICATION_FACTOR = 20


class Attributes(SystemAttributes):
    """Reading and writing of all attributes; the caller holds the lock of the tree."""

    # Reading.

    def find(self, node: Node, name: str, call: Call) -> tuple[bool, Value]:
        """Look one attribute up: whether the node has it, and its value."""
        custom = users(node, call)
        if name in custom:
            return True, copy.deepcopy(custom[name])
        compute = self.system(node, call).get(name)
        return (True, compute()) if compute is not None else (False, None)

    def all(self, node: Node, call: Call) -> dict[str, Value]:
        """Give all attributes, opaque ones as entities."""
        system = {name: None if name in OPAQUE else compute() for name, compute in self.system(node, call).items()}
        return system | copy.deepcopy(users(node, call))

    def some(self, node: Node, names: Sequence[str], call: Call) -> dict[str, Value]:
        """Give those of the named attributes that the node has."""
        found = {name: self.find(node, name, call) for name in names}
        return {name: value for name, (present, value) in found.items() if present}

    def get(self, node: Node, keys: Sequence[str], call: Call) -> Value:
        """Give what an attribute path leads to; no keys: all attributes.

        Raises:
            ServerError: it leads to nothing.
        """
        self.tree.permit(node, "read", call)
        if not keys:
            return self.all(node, call)
        present, value = self.find(node, keys[0], call)
        if not present:
            raise ServerError(f'Attribute "{literal(keys[0])}" is not found', code=Code.RESOLVE)
        return values.get(value, keys[1:], "/" + literal(keys[0]))

    def exists(self, node: Node, keys: Sequence[str], call: Call) -> bool:
        """Tell whether an attribute path leads to something."""
        try:
            self.get(node, keys, call)
        except ServerError as error:
            if error.contains(Code.AUTHORIZATION):
                raise
            return False
        return True

    # Writing.

    def set(self, node: Node, keys: Sequence[str], value: Value, call: Call, *, recursive: bool = False) -> None:
        """Set an attribute or a part of it; no keys: exactly these custom attributes.

        Raises:
            ServerError: it cannot be set.
        """
        if not keys:
            self._set_all(node, value, call)
            return
        name = keys[0]
        if not name:
            raise ServerError("Attribute key cannot be empty")
        self._check_settable(node, name, call)
        if len(keys) > 1:
            present, old = self.find(node, name, call)
            if not present:
                raise ServerError(f'Custom attribute "{literal(name)}" is not found', code=Code.RESOLVE)
            value = values.changed(old, keys[1:], value, "/" + literal(name), recursive=recursive)
        self._store(node, name, value, call)

    def _set_all(self, node: Node, value: Value, call: Call) -> None:
        if not isinstance(value, dict):
            raise ServerError("Attributes can only be set from a map")
        self.tree.permit(node, "write", call)
        for name in [*users(node, call), *(EXPIRATIONS & set(node.custom(call.transaction)))]:
            if name not in value:
                self.remove(node, [name], call, force=False)
        if node.opaque and call.transaction is None:
            node.opaque = False
        for name, each in value.items():
            self.set(node, [str(name)], each, call)

    def remove(self, node: Node, keys: Sequence[str], call: Call, *, force: bool) -> None:
        """Remove an attribute or a part of it; no keys, as `@*`: all custom ones.

        Raises:
            ServerError: it cannot be removed, or is missing and `force` is not given.
        """
        if not keys:
            for name in users(node, call):
                self.remove(node, [name], call, force=force)
            return
        name = keys[0]
        own = node.custom(call.transaction)
        if name == "acl" and len(keys) > 1:
            self._check_settable(node, name, call)
            self._store(node, name, values.removed(self.find(node, name, call)[1], keys[1:], "/acl", force=force), call)
            return
        if name not in own:
            if node.is_map and name in STORAGE - PLACEMENT:
                return
            if name in self.system(node, call) or name in UNVERSIONED:
                raise ServerError(f'Attribute "{literal(name)}" cannot be removed')
            if force:
                return
            raise ServerError(f'Attribute "{literal(name)}" is not found', code=Code.RESOLVE)
        self.tree.permit(node, "write", call)
        if len(keys) > 1:
            self._store(node, name, values.removed(own[name], keys[1:], "/" + literal(name), force=force), call)
            return
        self.tree.lock_node(node, call, LockRequest(LockMode.SHARED, attribute_key=name))
        version = self.tree.version(node, call)
        if call.transaction is None:
            del version.attributes[name]
        else:
            version.attributes[name] = UNSET
        self.tree.touch(node, call, attributes=True)

    def fill(self, node: Node, attributes: dict[str, Value], call: Call) -> None:
        """Give a new node its attributes, before anybody can see it.

        Raises:
            ServerError: one of them cannot be set.
        """
        for name, value in attributes.items():
            check_modelled(node, name)
            if name in UNVERSIONED:
                self._set_unversioned(node, name, value, call)
            elif name not in VERSIONED and (name in self.system(node, call) or name in OPAQUE):
                raise ServerError(f'Builtin attribute "{literal(name)}" cannot be set')
            else:
                node.trunk.attributes[name] = self._checked(node, name, value)
                self._note_expiration(node, name)

    def _check_settable(self, node: Node, name: str, call: Call) -> None:
        check_modelled(node, name)
        if name in UNVERSIONED:
            self.tree.permit(node, "administer" if name in {"owner", "acl", "inherit_acl"} else "write", call)
            return
        if name not in VERSIONED and name not in users(node, call) and name in self.system(node, call):
            raise ServerError(f'Builtin attribute "{literal(name)}" cannot be set')
        self.tree.permit(node, "remove" if name in EXPIRATIONS else "write", call)

    def _store(self, node: Node, name: str, value: Value, call: Call) -> None:
        if name in UNVERSIONED:
            if call.transaction is not None:
                raise ServerError("Operation cannot be performed in transaction")
            self.tree.lock_node(node, call)
            self._set_unversioned(node, name, value, call)
            self.tree.touch(node, call, attributes=True)
            return
        value = self._checked(node, name, value)
        self.tree.lock_node(node, call, LockRequest(LockMode.SHARED, attribute_key=name))
        self.tree.version(node, call).attributes[name] = value
        self._note_expiration(node, name)
        self.tree.touch(node, call, attributes=True)

    def _set_unversioned(self, node: Node, name: str, value: Value, call: Call) -> None:
        if name == "account":
            account = _string(name, value)
            self.tree.permit_use(account, call)
            node.account = account
        elif name == "acl":
            node.acl = parse_acl(value)
        elif name == "inherit_acl":
            node.inherits_acl = _boolean(name, value)
        elif name == "owner":
            node.owner = _string(name, value)
        elif name == "opaque":
            node.opaque = _boolean(name, value)
        elif name in PLACEMENT:
            node.storage[name] = self._checked_placement(node, name, value)

    def _checked_placement(self, node: Node, name: str, value: Value) -> Value:
        if name not in storage_names(node.type):
            raise ServerError(f'Builtin attribute "{name}" cannot be set')
        if name == "vital":
            return _boolean(name, value)
        if name == "primary_medium":
            return self.tree.media.get(_string(name, value))
        if not isinstance(value, int) or is_boolean(value):
            raise ServerError(f'Cannot parse "int64" value of attribute "{name}"')
        if not 1 <= value <= MAX_REPLICATION_FACTOR:
            raise ServerError(f"Replication factor {int(value)} is out of range [1,{MAX_REPLICATION_FACTOR}]")
        return int(value)

    def _checked(self, node: Node, name: str, value: Value) -> Value:
        if node.type == "file" and name == "executable":
            _boolean(name, value)
        if node.type == "file" and name == "file_name":
            _string(name, value)
        if name in EXPIRATIONS:
            return self._checked_expiration(node, name, value)
        if name in CODECS:
            return _checked_codec(node, name, value)
        return copy.deepcopy(value)

    def _checked_expiration(self, node: Node, name: str, value: Value) -> Value:
        if node is self.tree.root:
            raise ServerError(f'Cannot set "{name}" for the root')
        try:
            return timestamp(parse_time(value)) if name == "expiration_time" else _milliseconds(value)
        except ServerError as error:
            raise wrapped(f'Error setting builtin attribute "{name}"', error) from None

    def _note_expiration(self, node: Node, name: str) -> None:
        if name in EXPIRATIONS:
            self.tree.expiring.add(node.id)


def parse_time(value: Value) -> dt.datetime:
    """Read a time: a string in ISO form, or milliseconds since 1970.

    Raises:
        ServerError: it is neither.
    """
    if isinstance(value, int) and not is_boolean(value):
        return dt.datetime.fromtimestamp(value / 1000, dt.timezone.utc)
    try:
        parsed = dt.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise ServerError(f"Error parsing date-time {value!r}") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.timezone.utc)


def check_modelled(node: Node, name: str) -> None:
    """Refuse what the real server minds and this proxy does not.

    Raises:
        ServerError: the attribute is such.
    """
    if name in NOT_MODELLED and storage_names(node.type):
        raise ServerError(f'Attribute "{name}" is not modelled by this proxy')


def _checked_codec(node: Node, name: str, value: Value) -> Value:
    if name not in storage_names(node.type):
        raise ServerError(f'Builtin attribute "{name}" cannot be set')
    if name in {"enable_skynet_sharing", "enable_striped_erasure"}:
        return _boolean(name, value)
    if not isinstance(value, str) or attributes_of(value):
        raise ServerError(f'Cannot parse "enum"; expected "string_value", actual "{type_name(value)}_value"')
    return str(value)


def _milliseconds(value: Value) -> int:
    if not isinstance(value, int) or is_boolean(value) or value < 0:
        raise ServerError('Cannot parse "duration" value: expected milliseconds')
    return int(value)


def _string(name: str, value: Value) -> str:
    if not isinstance(value, str) or attributes_of(value):
        raise ServerError(f'Cannot parse "string" value of attribute "{name}"')
    return str(value)


def _boolean(name: str, value: Value) -> bool:
    if is_entity(value) or not (is_boolean(value) or value in ("true", "false")):
        raise ServerError(f'Cannot parse "boolean" value of attribute "{name}"')
    return value == "true" if isinstance(value, str) else bool(value)
