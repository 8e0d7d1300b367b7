"""What a request says: parameters and formats, gathered from the query, the headers and the body."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from proxy import formats
from proxy.errors import ServerError
from proxy.formats import Format, Value

if TYPE_CHECKING:
    from email.message import Message

    from proxy.body import Body

_SECRETS = frozenset({"secure_vault", "token", "password", "password_sha256", "new_password_sha256"})


class Incoming:
    """The headers and the body of a request.

    Later sources have the last word: the query, `X-YT-Parameters`, the body of a POST.
    """

    def __init__(self, headers: Message, body: Body, query: str) -> None:
        self._headers = headers
        self._body = body
        self._query = query
        self.header_format = formats.header_format(self._header("X-YT-Header-Format"))

    def _header(self, name: str) -> bytes | None:
        value = self._headers.get(name)
        return None if value is None else str(value).encode("latin-1")

    def _gathered(self, name: str) -> bytes | None:
        """Give a header that may be split: whole as it is, or in numbered parts, in base64."""
        if (whole := self._header(name)) is not None:
            return whole
        parts: list[bytes] = []
        while (part := self._header(f"{name}{len(parts)}") or self._header(f"{name}-{len(parts)}")) is not None:
            parts.append(part)
        if not parts:
            return None
        try:
            return base64.b64decode(b"".join(parts), validate=True)
        except ValueError:
            raise ServerError(f"Unable to parse {name} header: it is not base64") from None

    def parameters(self, *, in_body: bool) -> dict[str, Value]:
        """Give the parameters.

        Raises:
            ServerError: one of the sources cannot be read.
        """
        values = self._from_query()
        header = self._gathered("X-YT-Parameters")
        if header is not None:
            values |= _parameter_map(header, self.header_format, "headers")
        if in_body:
            if self._body.encoding != "identity" and not self._body.at_end:
                raise ServerError("Content-Encoding not supported in POST body")
            if data := self._body.read_all():
                values |= _parameter_map(data, self.input_format({}), "body")
        return values

    def _from_query(self) -> dict[str, Value]:
        values: dict[str, Value] = {}
        try:
            pairs = parse_qsl(self._query, keep_blank_values=True, strict_parsing=bool(self._query))
        except ValueError as error:
            raise ServerError(f"Unable to parse parameters from query string: {error}") from None
        for name, text in pairs:
            if "[" in name:
                raise ServerError("Nested parameters in the query string are not implemented by this proxy")
            values[name] = int(text) if text.lstrip("-").isdigit() else text
        return values

    def input_format(self, values: dict[str, Value]) -> Format:
        """Give the format of the body.

        Raises:
            ServerError: it is unknown.
        """
        return self._format("input_format", "X-YT-Input-Format", "Content-Type", values)

    def output_format(self, values: dict[str, Value]) -> Format:
        """Give the format of the answer.

        Raises:
            ServerError: it is unknown.
        """
        return self._format("output_format", "X-YT-Output-Format", "Accept", values)

    def _format(self, parameter: str, header: str, mime_header: str, values: dict[str, Value]) -> Format:
        if parameter in values:
            return Format.from_value(values[parameter])
        if (given := self._gathered(header)) is not None:
            return Format.from_value(self.header_format.loads(given))
        return formats.from_mime(self._headers.get(mime_header)) or formats.JSON


def without_secrets(value: Value) -> Value:
    """Give parameters as they may be shown."""
    if isinstance(value, dict):
        return {key: "***" if str(key) in _SECRETS else without_secrets(each) for key, each in value.items()}
    return value


def _parameter_map(data: bytes, chosen: Format, where: str) -> dict[str, Value]:
    try:
        value = chosen.loads(data)
    except ServerError as error:
        raise ServerError(f"Unable to parse parameters from {where}", inner=[error]) from None
    if not isinstance(value, dict):
        raise ServerError(f"Unable to parse parameters from {where}: expected a map")
    return {str(name): each for name, each in value.items()}
