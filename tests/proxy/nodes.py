"""Nodes of the Cypress tree and their versions.

A node has a trunk version and, for each transaction with a lock on it, a branch. A branch of a shared or exclusive
lock holds only what the transaction changed; that is how two transactions with shared locks on different children or
attributes of a node can both commit. A branch of a snapshot lock holds everything as it was when the lock was taken.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from proxy.blobs import Content

if TYPE_CHECKING:
    import datetime as dt

    from proxy.blobs import Blob
    from proxy.formats import Value
    from proxy.locks import Lock
    from proxy.security import Ace
    from proxy.transactions import Transaction


class Unset(enum.Enum):
    """The version says nothing of it; an older version does."""

    UNSET = 0


UNSET = Unset.UNSET


class LockMode(enum.IntEnum):
    """Modes of locks, weakest first."""

    NONE = 0
    SNAPSHOT = 1
    SHARED = 2
    EXCLUSIVE = 3

    @property
    def label(self) -> str:
        """The name that stands in requests and answers."""
        return self.name.lower()


TYPE_NUMBERS = {
    "transaction": 1,
    "nested_transaction": 4,
    "lock": 6,
    "string_node": 300,
    "int64_node": 301,
    "double_node": 302,
    "map_node": 303,
    "boolean_node": 305,
    "uint64_node": 306,
    "file": 400,
    "table": 401,
    "link": 417,
    "portal_exit": 11001,
    "document": 421,
    "operation": 1000,
    "account": 500,
    "user": 501,
    "group": 502,
    "domestic_medium": 408,
}
SCALAR_TYPES = frozenset({"string_node", "int64_node", "uint64_node", "double_node", "boolean_node"})
PORTAL_EXIT = "portal_exit"
"""What a folder is called that lies in another cell; only the door of the tests makes one."""
CREATABLE_TYPES = SCALAR_TYPES | {"map_node", "file", "table", "document", "link"}


@dataclasses.dataclass
class Version:
    """One version of a node: the trunk's, or a transaction's branch."""

    transaction: Transaction | None
    lock_mode: LockMode = LockMode.NONE
    parent: str | Unset | None = UNSET
    children: dict[str, str | None] = dataclasses.field(default_factory=dict)
    attributes: dict[str, Value | Unset] = dataclasses.field(default_factory=dict)
    """Custom attributes and those system attributes that are set under transactions; UNSET marks a removed one."""
    content: Content | Unset = UNSET
    appended: tuple[Blob, ...] = ()
    value: Value | Unset = UNSET
    modification_time: dt.datetime | Unset = UNSET
    attribute_revision: int = 0
    content_revision: int = 0

    @property
    def is_snapshot(self) -> bool:
        """Tell whether this version is complete and nothing older shows through."""
        return self.lock_mode == LockMode.SNAPSHOT

    @property
    def has_changes(self) -> bool:
        """Tell whether the branch differs from what it was branched from."""
        return bool(
            self.parent is not UNSET
            or self.children
            or self.attributes
            or self.content is not UNSET
            or self.appended
            or self.value is not UNSET
            or self.modification_time is not UNSET
        )


@dataclasses.dataclass(eq=False)
class Node:
    """A node with all its versions; what is here and not in a version is not changed under transactions."""

    id: str
    type: str
    creation_time: dt.datetime
    account: str
    owner: str
    trunk: Version
    branches: dict[str, Version] = dataclasses.field(default_factory=dict)
    """By transaction id."""
    acquired: list[Lock] = dataclasses.field(default_factory=list)
    pending: list[Lock] = dataclasses.field(default_factory=list)
    storage: dict[str, Value] = dataclasses.field(default_factory=dict)
    """System attributes that are set outside of transactions only, such as `compression_codec`."""
    acl: tuple[Ace, ...] = ()
    inherits_acl: bool = True
    opaque: bool = False
    alive: bool = True
    renewed: float = 0.0
    """When, on the clock of the proxy, the node was last asked for: its `expiration_timeout` runs from then on."""
    access_time: dt.datetime | None = None
    access_counter: int = 0

    @property
    def is_map(self) -> bool:
        """Tell whether the node has children."""
        return self.type in ("map_node", PORTAL_EXIT)

    def versions(self, transaction: Transaction | None) -> list[Version]:
        """Give the versions that the transaction sees, newest first."""
        result = []
        current = transaction
        while current is not None:
            if branch := self.branches.get(current.id):
                result.append(branch)
                if branch.is_snapshot:
                    return result
            current = current.parent
        result.append(self.trunk)
        return result

    def children(self, transaction: Transaction | None) -> dict[str, str]:
        """Give the children that the transaction sees, as ids by key."""
        merged: dict[str, str | None] = {}
        for version in reversed(self.versions(transaction)):
            merged.update(version.children)
        return {key: child for key, child in merged.items() if child is not None}

    def child(self, key: str, transaction: Transaction | None) -> str | None:
        """Find one child."""
        for version in self.versions(transaction):
            if key in version.children:
                return version.children[key]
        return None

    def parent(self, transaction: Transaction | None) -> str | None:
        """Find the parent that the transaction sees."""
        for version in self.versions(transaction):
            if version.parent is not UNSET:
                return version.parent
        return None

    def custom(self, transaction: Transaction | None) -> dict[str, Value]:
        """Give the attributes kept in versions that the transaction sees."""
        merged: dict[str, Value | Unset] = {}
        for version in reversed(self.versions(transaction)):
            merged.update(version.attributes)
        return {key: value for key, value in merged.items() if value is not UNSET}

    def content(self, transaction: Transaction | None) -> Content:
        """Give the contents of the file that the transaction sees."""
        appended: tuple[Blob, ...] = ()
        for version in self.versions(transaction):
            appended = version.appended + appended
            if version.content is not UNSET:
                # An append without MD5 leaves the file without one.
                md5 = None if appended else version.content.md5
                return Content(version.content.blobs + appended, md5)
        return Content(appended)

    def value(self, transaction: Transaction | None) -> Value:
        """Give the value of the document or scalar node that the transaction sees."""
        for version in self.versions(transaction):
            if version.value is not UNSET:
                return version.value
        return None

    def modification_time(self, transaction: Transaction | None) -> dt.datetime:
        """Give the time of the last change that the transaction sees."""
        for version in self.versions(transaction):
            if version.modification_time is not UNSET:
                return version.modification_time
        return self.creation_time

    def content_revision(self, transaction: Transaction | None) -> int:
        """Give the revision of the last change of the contents that the transaction sees."""
        return max(version.content_revision for version in self.versions(transaction))

    def attribute_revision(self, transaction: Transaction | None) -> int:
        """Give the revision of the last change of the attributes that the transaction sees."""
        return max(version.attribute_revision for version in self.versions(transaction))

    def lock_mode(self, transaction: Transaction | None) -> LockMode:
        """Give the mode of the version that the transaction sees."""
        return self.versions(transaction)[0].lock_mode

    def snapshot(self, transaction: Transaction) -> Version:
        """Make a complete version of what the transaction sees."""
        return Version(
            transaction=transaction,
            lock_mode=LockMode.SNAPSHOT,
            parent=self.parent(transaction),
            children=dict(self.children(transaction)),
            attributes=dict(self.custom(transaction)),
            content=self.content(transaction),
            value=self.value(transaction),
            modification_time=self.modification_time(transaction),
            attribute_revision=self.attribute_revision(transaction),
            content_revision=self.content_revision(transaction),
        )

    def merge(self, branch: Version, into: Version, *, now: dt.datetime, revision: int) -> None:
        """Bring the changes of a finished branch into the version it was branched from."""
        if not branch.has_changes:
            return
        if branch.parent is not UNSET:
            into.parent = branch.parent
        if into is self.trunk:
            _merge_into_trunk(self, branch)
        else:
            into.children.update(branch.children)
            into.attributes.update(branch.attributes)
            if branch.content is not UNSET:
                into.content, into.appended = branch.content, ()
            into.appended += branch.appended
        if branch.value is not UNSET:
            into.value = branch.value
        into.modification_time = now
        if branch.attribute_revision:
            into.attribute_revision = revision
        if branch.content_revision:
            into.content_revision = revision


def _merge_into_trunk(node: Node, branch: Version) -> None:
    trunk = node.trunk
    for key, child in branch.children.items():
        if child is None:
            trunk.children.pop(key, None)
        else:
            trunk.children[key] = child
    for name, value in branch.attributes.items():
        if value is UNSET:
            trunk.attributes.pop(name, None)
        else:
            trunk.attributes[name] = value
    if branch.content is not UNSET:
        trunk.content = branch.content
    if branch.appended:
        base = trunk.content if trunk.content is not UNSET else Content()
        trunk.content = Content(base.blobs + branch.appended)
