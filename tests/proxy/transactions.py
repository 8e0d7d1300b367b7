"""Transactions: their tree, their leases, and what they hold."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

    from proxy.formats import Value
    from proxy.locks import Lock
    from proxy.nodes import Node

NULL_ID = "0-0-0-0"
DEFAULT_TIMEOUT_MS = 30_000
MAX_TIMEOUT_MS = 3_600_000
MAX_DEPTH = 50


@dataclasses.dataclass(eq=False)
class Transaction:
    """A live transaction; a finished one is forgotten."""

    id: str
    parent: Transaction | None
    owner: str
    timeout_ms: int
    start_time: dt.datetime
    last_ping: float
    """On the clock of the proxy, in seconds."""
    last_ping_time: dt.datetime
    deadline: dt.datetime | None = None
    title: Value = None
    attributes: dict[str, Value] = dataclasses.field(default_factory=dict)
    is_upload: bool = False
    prerequisites: tuple[str, ...] = ()
    nested: list[Transaction] = dataclasses.field(default_factory=list)
    locks: list[Lock] = dataclasses.field(default_factory=list)
    branched: list[Node] = dataclasses.field(default_factory=list)
    staged: list[Node] = dataclasses.field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many ancestors it has."""
        return 0 if self.parent is None else self.parent.depth + 1

    def is_within(self, other: Transaction) -> bool:
        """Tell whether this is the other transaction or nested in it, at any depth."""
        current: Transaction | None = self
        while current is not None:
            if current is other:
                return True
            current = current.parent
        return False

    def ancestors(self) -> list[Transaction]:
        """Give the transactions that this one is nested in, nearest first."""
        return [] if self.parent is None else [self.parent, *self.parent.ancestors()]

    def expired(self, clock: float, now: dt.datetime) -> bool:
        """Tell whether it outlived its lease or its deadline."""
        return clock - self.last_ping > self.timeout_ms / 1000 or (self.deadline is not None and now > self.deadline)

    def describe(self, *, parents: bool = True) -> dict[str, Value]:
        """Give what an error says of it."""
        result: dict[str, Value] = {
            "id": self.id,
            "start_time": timestamp(self.start_time),
            "owner": self.owner,
            "timeout": self.timeout_ms,
        }
        if self.title is not None:
            result["title"] = self.title
        if parents:
            result["parents"] = [ancestor.describe(parents=False) for ancestor in self.ancestors()]
        return result


def timestamp(time: dt.datetime) -> str:
    """Spell a time as the server does: UTC with microseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
