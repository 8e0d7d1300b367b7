"""Mutation ids: a request that is repeated after its response was lost is answered and not done again.

The keeper of the master (persistent_response_keeper.cpp; README.md) remembers the answer of every mutation; the same
id once more without `retry` is an error, with it the answer of the first time. Answers are kept for five minutes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from proxy.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.formats import Value

KEPT_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class _Kept:
    time: float
    command: str
    value: Value
    error: ServerError | None


class ResponseKeeper:
    """Remembers the answers of mutations; used under the lock of the tree."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def run(self, command: str, mutation_id: str | None, action: Callable[[], Value], *, retry: bool) -> Value:
        """Do the action, or give what it gave the first time.

        Raises:
            ServerError: what the action raises or raised, or the id is used again without `retry`.
        """
        if mutation_id is None:
            if retry:
                raise ServerError("Cannot execute retry without mutation id")
            return action()
        self._evict()
        if kept := self._kept.get(mutation_id):
            if not retry:
                raise ServerError('Duplicate request is not marked as "retry"', attributes={"mutation_id": mutation_id})
            if kept.command != command:
                raise ServerError(f'Mutation {mutation_id} belongs to the command "{kept.command}", not to "{command}"')
            if kept.error is not None:
                raise kept.error
            return kept.value
        try:
            value = action()
        except ServerError as error:
            self._kept[mutation_id] = _Kept(self._clock(), command, None, error)
            raise
        self._kept[mutation_id] = _Kept(self._clock(), command, value, None)
        return value

    def _evict(self) -> None:
        limit = self._clock() - KEPT_SECONDS
        for mutation_id, kept in list(self._kept.items()):
            if kept.time >= limit:
                break
            del self._kept[mutation_id]


def part_id(mutation_id: str, index: int) -> str:
    """Give the id that a part of a batch gets: the first group counts up."""
    groups = mutation_id.split("-")
    # Ids are spelled with the first 32 bits last.
    groups[-1] = f"{(int(groups[-1], 16) + index) & 0xFFFFFFFF:x}"
    return "-".join(groups)
