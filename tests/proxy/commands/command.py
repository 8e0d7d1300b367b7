"""What a command is: its descriptor, its function, and what goes in and out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, TypeAlias

from proxy.resolving import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.files import Upload
    from proxy.formats import Value
    from proxy.master import Master
    from proxy.parameters import Parameters

DataType = Literal["null", "structured", "binary"]
_SILENT_IN_V3 = frozenset({"set", "remove", "unlock", "concatenate", "ping_tx", "commit_tx", "abort_tx", "write_file"})


@dataclasses.dataclass(frozen=True)
class Single:
    """An answer of one value: API v4 puts it into a map under its name, v3 gives it alone."""

    name: str
    value: Value


@dataclasses.dataclass(frozen=True)
class Download:
    """An answer that is streamed, and the parameters that go before it."""

    blocks: Iterator[bytes]
    parameters: dict[str, Value]


@dataclasses.dataclass
class Request:
    """One request, ready to be done."""

    master: Master
    user: str
    command: str
    parameters: Parameters
    version: str = "v4"
    input: Value = None
    transaction_id: str | None = None
    mutation_id: str | None = None
    retry: bool = False
    hosts: tuple[str, ...] = ()
    suppressed: frozenset[str] = frozenset()
    between: Callable[[int], None] | None = None
    """Called after each part of a batch with the number of parts that are done."""

    def call(self, path: str = "/", method: str = "Get") -> Call:
        """Give the call with the transaction of the request.

        Raises:
            ServerError: the transaction is not live.
        """
        return self.master.verbs.call(self.user, self.transaction_id, path, method, self.suppressed)

    def plain_call(self) -> Call:
        """Give the call for what names its transaction and no path.

        Raises:
            ServerError: the transaction is not live.
        """
        return Call(self.user, self.master.tree.transaction(self.transaction_id))


Handler: TypeAlias = "Callable[[Request], Value | Single | Upload | Download]"


@dataclasses.dataclass(frozen=True)
class Command:
    """A registered command."""

    name: str
    input_type: DataType
    output_type: DataType
    is_volatile: bool
    is_heavy: bool
    handler: Handler
    versions: tuple[str, ...] = ("v3", "v4")

    @property
    def method(self) -> str:
        """The HTTP method that the documentation gives for such a command."""
        if self.input_type != "null":
            return "PUT"
        return "POST" if self.is_volatile else "GET"

    def is_silent(self, version: str) -> bool:
        """Tell whether the command answers nothing: API v3 has such, v4 answers an empty map instead."""
        return version == "v3" and self.name in _SILENT_IN_V3

    def describe(self, version: str) -> dict[str, Value]:
        """Give the descriptor as `/api/v4` lists it."""
        return {
            "name": self.name,
            "input_type": self.input_type,
            "output_type": "null" if self.is_silent(version) else self.output_type,
            "is_volatile": self.is_volatile,
            "is_heavy": self.is_heavy,
        }


def reading(name: str, handler: Handler) -> Command:
    """Register a light command that changes nothing: no input, structured output."""
    return Command(name, "null", "structured", is_volatile=False, is_heavy=False, handler=handler)


def changing(name: str, handler: Handler, *, versions: tuple[str, ...] = ("v3", "v4")) -> Command:
    """Register a light command that changes something: no input, structured output."""
    return Command(name, "null", "structured", is_volatile=True, is_heavy=False, handler=handler, versions=versions)
