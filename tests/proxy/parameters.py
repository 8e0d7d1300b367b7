"""Parameters of commands, taken one by one with their types; what is left over at the end is an error.

The real server keeps what it does not know and says nothing: a misspelled option there is an option that does not work.
Here it is refused, so that a test finds it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from yt import ypath as client_ypath
from yt import yson

from proxy.errors import ServerError
from proxy.formats import attributes_of, is_boolean, is_entity

if TYPE_CHECKING:
    from proxy.formats import Value

ALWAYS = frozenset({"input_format", "output_format", "dump_error_into_response"})
_PATH_ATTRIBUTES = frozenset({"append"})


@dataclasses.dataclass(frozen=True)
class RichPath:
    """A path with its attributes."""

    text: str
    append: bool = False


class Parameters:
    """The parameters of one request."""

    def __init__(self, values: dict[str, Value]) -> None:
        self._values = {str(name): value for name, value in values.items()}

    def has(self, name: str) -> bool:
        """Tell whether a parameter is given."""
        return name in self._values

    def finish(self) -> None:
        """Make sure that every parameter was asked for.

        Raises:
            ServerError: one was not.
        """
        unknown = sorted(set(self._values) - ALWAYS)
        if unknown:
            raise ServerError(f"Unrecognized parameters {unknown}")

    def _take(self, name: str) -> Value:
        return self._values.pop(name, None)

    def _required(self, name: str) -> Value:
        if name not in self._values:
            raise ServerError(f"Missing required parameter /{name}")
        return self._take(name)

    def path(self, name: str) -> RichPath:
        """Take a path.

        Raises:
            ServerError: it is missing, is not a path, or has attributes that mean nothing here.
        """
        return rich_path(name, self._required(name))

    def paths(self, name: str) -> list[RichPath]:
        """Take a list of paths.

        Raises:
            ServerError: it is missing or something else.
        """
        value = self._required(name)
        if not isinstance(value, list):
            raise _wrong(name, "list", value)
        return [rich_path(f"{name}/{index}", item) for index, item in enumerate(value)]

    def string(self, name: str) -> str:
        """Take a string.

        Raises:
            ServerError: it is missing or something else.
        """
        value = self._required(name)
        if not isinstance(value, str) or attributes_of(value):
            raise _wrong(name, "string", value)
        return str(value)

    def optional_string(self, name: str) -> str | None:
        """Take a string that may be missing or an entity.

        Raises:
            ServerError: it is something else.
        """
        if is_entity(self._values.get(name)):
            self._take(name)
            return None
        return self.string(name)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """Take a boolean.

        Raises:
            ServerError: it is something else.
        """
        if name not in self._values:
            return default
        value = self._take(name)
        if isinstance(value, str) and value in ("true", "false"):
            return value == "true"
        if not is_boolean(value):
            raise _wrong(name, "boolean", value)
        return bool(value)

    def optional_integer(self, name: str, *, minimum: int = 0) -> int | None:
        """Take an integer that may be missing or an entity.

        Raises:
            ServerError: it is something else, or too small.
        """
        value = self._take(name)
        if is_entity(value):
            return None
        if not isinstance(value, int) or is_boolean(value):
            raise _wrong(name, "int64", value)
        if value < minimum:
            raise ServerError(
                f"Validation failed at /{name}",
                inner=[ServerError(f"Expected >= {minimum}, found {int(value)}")],
            )
        return int(value)

    def map(self, name: str) -> dict[str, Value] | None:
        """Take a map that may be missing or an entity.

        Raises:
            ServerError: it is something else.
        """
        value = self._take(name)
        if is_entity(value):
            return None
        if not isinstance(value, dict):
            raise _wrong(name, "map", value)
        return cast("dict[str, Value]", value)

    def sequence(self, name: str) -> list[Value]:
        """Take a list.

        Raises:
            ServerError: it is missing or something else.
        """
        value = self._required(name)
        if not isinstance(value, list):
            raise _wrong(name, "list", value)
        return list(value)

    def strings(self, name: str) -> list[str] | None:
        """Take a list of strings that may be missing.

        Raises:
            ServerError: it is something else.
        """
        if is_entity(self._values.get(name)):
            self._take(name)
            return None
        return [_element(name, value) for value in self.sequence(name)]

    def attribute_filter(self) -> list[str] | None:
        """Take `attributes` of a reading command: a list of names, or `{keys=[...]}`.

        Raises:
            ServerError: it is something else.
        """
        value = self._values.get("attributes")
        if isinstance(value, dict):
            self._take("attributes")
            inner = Parameters(cast("dict[str, Value]", value))
            keys = inner.strings("keys")
            inner.finish()
            return keys
        return self.strings("attributes")

    def anything(self, name: str) -> Value:
        """Take a parameter whatever it is; None where it is missing."""
        return self._take(name)


def rich_path(name: str, value: Value) -> RichPath:
    """Read a path with attributes before or beside its text.

    Raises:
        ServerError: it is not a path, or has attributes that mean nothing here.
    """
    if not isinstance(value, str):
        raise _wrong(name, "string", value)
    try:
        parsed = client_ypath.parse_ypath(value)
    except (client_ypath.YPathError, yson.YsonError) as error:
        raise ServerError(f"Error reading parameter /{name}", inner=[ServerError(str(error))]) from None
    attributes = attributes_of(parsed)
    if unknown := sorted(set(attributes) - _PATH_ATTRIBUTES):
        raise ServerError(f"Error reading parameter /{name}: path attributes {unknown} are not implemented")
    append = attributes.get("append", False)
    if append in ("true", "false"):
        append = append == "true"
    if not is_boolean(append):
        raise _wrong(f"{name}/@append", "boolean", append)
    return RichPath(str(parsed), append=bool(append))


def _element(name: str, value: Value) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "string", value)
    return str(value)


def type_name(value: Value) -> str:
    """Name the YSON type of a value."""
    if is_entity(value):
        return "entity"
    if is_boolean(value):
        return "boolean"
    for kind, name in (
        (int, "int64"),
        (float, "double"),
        (str, "string"),
        (bytes, "string"),
        (dict, "map"),
        (list, "list"),
    ):
        if isinstance(value, kind):
            return name
    return "unknown"


def _wrong(name: str, expected: str, value: Value) -> ServerError:
    return ServerError(
        f"Error loading parameter /{name}",
        inner=[ServerError(f'Cannot parse "{expected}" value from "{type_name(value)}"')],
    )
