"""The two structured formats, YSON and JSON, and how a request chooses between them.

JSON as the server writes it differs from plain JSON in two points
(https://ytsaurus.tech/docs/en/user-guide/storage/formats#json): a value with attributes is
`{"$value": ..., "$attributes": ...}`, and, with `encode_utf8` (the default), a string is a sequence of bytes of which
each stands as the character of the same number.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TypeAlias, cast

from yt import yson

from proxy.errors import ServerError

Value: TypeAlias = object
"""Anything that YSON can say: `yt.yson` types and the plain Python ones."""

_MIME = {
    "application/json": ("json", None),
    "application/x-yt-yson-binary": ("yson", "binary"),
    "application/x-yt-yson-text": ("yson", "text"),
    "application/x-yt-yson-pretty": ("yson", "pretty"),
}
_MIME_OF = {pair: mime for mime, pair in _MIME.items()}


def attributes_of(value: Value) -> dict[str, Value]:
    """Give the YSON attributes of a value, an empty map where there are none."""
    return cast("dict[str, Value]", getattr(value, "attributes", None) or {})


def with_attributes(value: Value, attributes: dict[str, Value]) -> Value:
    """Give the value those YSON attributes."""
    return yson.to_yson_type(value, attributes=attributes) if attributes else value


def is_boolean(value: Value) -> bool:
    """Tell whether this is a boolean; the client's own boolean type is not a `bool`."""
    return isinstance(value, (bool, yson.YsonBoolean))


def is_entity(value: Value) -> bool:
    """Tell whether this is the YSON entity `#`."""
    return value is None or isinstance(value, yson.YsonEntity)


@dataclasses.dataclass(frozen=True)
class Format:
    """A structured format: `json` with its encoding, `yson` with its representation."""

    name: str
    representation: str | None = None
    encode_utf8: bool = True

    @classmethod
    def from_value(cls, value: Value) -> Format:
        """Read a format specification such as `<format=text>yson`.

        Raises:
            ServerError: the format is unknown, or an attribute of it is.
        """
        if not isinstance(value, str):
            raise ServerError("Cannot parse format: expected a string")
        attributes = attributes_of(value)
        if str(value) == "json":
            encode = attributes.pop("encode_utf8", True)
            if attributes:
                raise ServerError(f"Format json: attributes {sorted(attributes)} are not implemented")
            return cls("json", encode_utf8=bool(encode))
        if str(value) == "yson":
            representation = attributes.pop("format", "binary")
            # What the client's own writer and parser add for themselves.
            for name in ("ignore_inner_attributes", "always_create_attributes", "lazy", "sort_keys", "encoding"):
                attributes.pop(name, None)
            if attributes or representation not in ("text", "binary", "pretty"):
                raise ServerError(f"Format yson: attributes {sorted(attributes)} are not implemented")
            return cls("yson", representation=str(representation))
        raise ServerError(f'Unknown structured format "{value}"')

    @property
    def mime(self) -> str:
        """The media type of a body in this format."""
        return _MIME_OF[(self.name, self.representation)]

    def loads(self, data: bytes) -> Value:
        """Parse one value.

        Raises:
            ServerError: the bytes are not a value in this format.
        """
        if self.name == "yson":
            return load_yson(data)
        try:
            parsed = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        except ValueError as error:
            raise ServerError(f"Error parsing JSON: {error}") from None
        return _from_json(parsed, encode_utf8=self.encode_utf8)

    def dumps(self, value: Value) -> bytes:
        """Write one value."""
        if self.name == "yson":
            return cast("bytes", yson.dumps(_with_bytes(value), yson_format=self.representation))
        # As the server: characters beyond ASCII stand as they are; a header has to be ASCII.
        return json.dumps(_to_json(value, encode_utf8=self.encode_utf8), ensure_ascii=False).encode("utf-8")

    def as_value(self) -> Value:
        """Give the specification of this format."""
        return with_attributes(self.name, {"format": self.representation} if self.representation else {})


JSON = Format("json")
YSON = Format("yson", "binary")
YSON_TEXT = Format("yson", "text")


def load_yson(data: bytes) -> Value:
    """Parse one YSON value.

    Raises:
        ServerError: the bytes are not YSON.
    """
    if not data.strip():
        raise ServerError("Error parsing YSON: unexpected end of stream")
    try:
        value: Value = _with_text(yson.loads(data))
    except (yson.YsonError, ValueError, TypeError, IndexError, OverflowError, RecursionError) as error:
        text = getattr(error, "message", None) or str(error)
        raise ServerError(f"Error parsing YSON: {text}") from None
    return value


def _with_text(value: Value) -> Value:
    """Give a value with texts for all strings; bytes that are not UTF-8 stand for themselves in them."""
    if isinstance(value, dict):
        result: Value = {_text(key): _with_text(each) for key, each in value.items()}
    elif isinstance(value, list):
        result = [_with_text(each) for each in value]
    elif isinstance(value, (bytes, yson.YsonStringProxy)):
        result = _text(value)
    else:
        return value
    return with_attributes(result, {_text(key): _with_text(each) for key, each in attributes_of(value).items()})


def _text(value: Value) -> str:
    data = yson.get_bytes(value) if isinstance(value, (bytes, yson.YsonStringProxy)) else None
    return str(value) if data is None else cast("bytes", data).decode("utf-8", "surrogateescape")


def _with_bytes(value: Value) -> Value:
    """Give a value with bytes for the strings that are no text."""
    if isinstance(value, dict):
        result: Value = {_bytes(key): _with_bytes(each) for key, each in value.items()}
    elif isinstance(value, (list, tuple)):
        result = [_with_bytes(each) for each in value]
    elif isinstance(value, str):
        result = _bytes(value)
    else:
        return value
    return with_attributes(result, {_text(key): _with_bytes(each) for key, each in attributes_of(value).items()})


def _bytes(text: Value) -> str | bytes:
    data = str(text).encode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def header_format(header: bytes | None) -> Format:
    """Read `X-YT-Header-Format`: the format of the headers; JSON when absent, YSON always in text."""
    if header is None:
        return JSON
    try:
        chosen = Format.from_value(load_yson(header.strip()))
    except ServerError as error:
        raise ServerError("Unable to parse X-YT-Header-Format header", inner=[error]) from None
    return YSON_TEXT if chosen.name == "yson" else chosen


def from_mime(mime: str | None) -> Format | None:
    """Find the format that a media type names, if it names one."""
    pair = _MIME.get((mime or "").strip())
    return Format(pair[0], pair[1]) if pair else None


def error_json(value: Value) -> str:
    """Write an error for a header or a body: JSON, ASCII only."""
    return json.dumps(_to_json(value, encode_utf8=True), ensure_ascii=True)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _text_from_json(text: str, *, encode_utf8: bool) -> Value:
    if not encode_utf8:
        return text
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ServerError(f"Unicode symbols with codes greater than 255 are not supported: {text!r}") from None
    return data.decode("utf-8", "surrogateescape")


def _key_from_json(text: str, *, encode_utf8: bool) -> str:
    if text.startswith("$"):
        if not text.startswith("$$"):
            raise ServerError(
                f'Key "{text}" starts with single "$"; use "$${text[1:]}" to encode this key in JSON format'
            )
        text = text[1:]
    return cast("str", _text_from_json(text, encode_utf8=encode_utf8))


def _from_json(value: object, *, encode_utf8: bool) -> Value:
    if isinstance(value, str):
        return _text_from_json(value, encode_utf8=encode_utf8)
    if isinstance(value, list):
        return [_from_json(item, encode_utf8=encode_utf8) for item in value]
    if isinstance(value, dict):
        if "$value" in value:
            if extra := set(value) - {"$value", "$attributes"}:
                raise ServerError(f"Unexpected keys beside $value: {sorted(extra)}")
            attributes = _from_json(value.get("$attributes", {}), encode_utf8=encode_utf8)
            if not isinstance(attributes, dict):
                raise ServerError("Value of $attributes must be a map")
            return with_attributes(_from_json(value["$value"], encode_utf8=encode_utf8), attributes)
        return {
            _key_from_json(k, encode_utf8=encode_utf8): _from_json(v, encode_utf8=encode_utf8) for k, v in value.items()
        }
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**63:
        return yson.YsonUint64(value)
    return value


def _text_to_json(value: Value, *, encode_utf8: bool) -> str:
    if isinstance(value, str):
        data = str(value).encode("utf-8", "surrogateescape")
    elif isinstance(value, bytes):
        data = bytes(value)
    else:
        data = cast("bytes", yson.get_bytes(value))
    return data.decode("latin-1") if encode_utf8 else data.decode("utf-8")


def _to_json(value: Value, *, encode_utf8: bool) -> object:
    if attributes := attributes_of(value):
        return {
            "$attributes": {
                _key_to_json(k, encode_utf8=encode_utf8): _to_json(v, encode_utf8=encode_utf8)
                for k, v in attributes.items()
            },
            "$value": _plain_to_json(value, encode_utf8=encode_utf8),
        }
    return _plain_to_json(value, encode_utf8=encode_utf8)


def _key_to_json(key: Value, *, encode_utf8: bool) -> str:
    text = _text_to_json(key, encode_utf8=encode_utf8)
    return "$" + text if text.startswith("$") else text


def _plain_to_json(value: Value, *, encode_utf8: bool) -> object:
    if is_entity(value) or is_boolean(value):
        return None if is_entity(value) else bool(value)
    if isinstance(value, (int, float)):
        return float(value) if isinstance(value, float) else int(value)
    if isinstance(value, dict):
        return {
            _key_to_json(k, encode_utf8=encode_utf8): _to_json(v, encode_utf8=encode_utf8) for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_to_json(item, encode_utf8=encode_utf8) for item in value]
    return _text_to_json(value, encode_utf8=encode_utf8)
