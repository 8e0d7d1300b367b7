"""Operations: their specifications are kept for tests to look at; every one is completed as soon as it has started."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

from proxy.errors import Code, ServerError
from proxy.transactions import timestamp

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from proxy.formats import Value
    from proxy.tree import Tree

TYPES = frozenset({"map", "merge", "erase", "sort", "reduce", "map_reduce", "remote_copy", "vanilla", "join_reduce"})


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation that was submitted."""

    id: str
    type: str
    spec: dict[str, Value]
    user: str
    transaction_id: str | None
    time: dt.datetime


class Operations:
    """The operations in the order in which they were submitted; used under the lock of the tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.submitted: list[Operation] = []

    def start(self, kind: str, spec: dict[str, Value], user: str, transaction_id: str | None) -> str:
        """Take an operation and give its id.

        Raises:
            ServerError: there is no such type.
        """
        if kind not in TYPES:
            raise ServerError(f'Error parsing EOperationType value "{kind}"')
        operation = Operation(
            self._tree.new_id("operation"), kind, copy.deepcopy(spec), user, transaction_id, self._tree.now()
        )
        self.submitted.append(operation)
        return operation.id

    def find(self, operation_id: str) -> Operation:
        """Find an operation.

        Raises:
            ServerError: there is none of that id.
        """
        for operation in self.submitted:
            if operation.id == operation_id:
                return operation
        raise ServerError(f"No such operation {operation_id}", code=Code.NO_SUCH_OPERATION)

    def describe(self, operation_id: str, names: Sequence[str] | None) -> dict[str, Value]:
        """Give what `get_operation` says.

        Raises:
            ServerError: there is no such operation.
        """
        operation = self.find(operation_id)
        time = timestamp(operation.time)
        found: dict[str, Value] = {
            "id": operation.id,
            "type": operation.type,
            "operation_type": operation.type,
            "state": "completed",
            "authenticated_user": operation.user,
            "start_time": time,
            "finish_time": time,
            "spec": operation.spec,
            "provided_spec": operation.spec,
            "full_spec": operation.spec,
            "unrecognized_spec": {},
            "brief_spec": {},
            "progress": {},
            "brief_progress": {},
            "result": {"error": {"code": 0, "message": "", "attributes": {}}},
            "suspended": False,
            "alerts": {},
            "events": [],
        }
        return found if names is None else {name: found[name] for name in names if name in found}
