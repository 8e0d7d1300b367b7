"""Paths, values and formats of the test proxy, without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yt.wrapper
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from proxy import ServerError, formats, values, ypath
from proxy.fixtures import connect
from proxy.formats import JSON, YSON, YSON_TEXT, Format, attributes_of, with_attributes

if TYPE_CHECKING:
    from proxy import ProxyServer

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none(), st.text(st.characters(exclude_categories=["Cs"]))
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


unhurried = settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plain(value: object) -> object:
    """Take the YSON types off a value."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if formats.is_entity(value):
        return None
    if formats.is_boolean(value):
        return bool(value)
    return str(value) if isinstance(value, str) else value


@given(keys, keys)
@unhurried
def test_every_key_can_be_spelled_in_a_path(first: str, second: str) -> None:
    """A key that is spelled as a token is read back."""
    parsed = ypath.parse(f"//{ypath.literal(first)}/{ypath.literal(second)}/@{ypath.literal(first)}")
    assert [step.key for step in parsed.steps] == [first, second]
    assert parsed.attribute == (first,)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "home",
        "//",
        "//home/",
        "///home",
        "//a//b",
        "//a/@@",
        "//a/@x@y",
        "//a[",
        "//a\\",
        "//a\\x4",
        "//a\\n",
        "/a",
        "//a/*b",
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    """Empty tokens, wrong escapes and stray signs are errors."""
    with pytest.raises(ServerError):
        ypath.parse(path)


def test_paths_have_roots_suppressed_links_and_stars() -> None:
    """The parts of a path that are no keys."""
    assert ypath.parse("/").steps == ()
    assert ypath.parse("#1-2-3-4/a&/@").root_id == "1-2-3-4"
    assert ypath.parse("#1-2-3-4/a&/@").steps == (ypath.Step("a", suppressed=True),)
    assert ypath.parse("#1-2-3-4/a&/@").attribute == ()
    assert ypath.parse("//a/*").everything


@given(trees)
@unhurried
@pytest.mark.parametrize("chosen", [JSON, YSON, YSON_TEXT, Format("json", encode_utf8=False)])
def test_every_value_survives_both_formats(chosen: Format, value: object) -> None:
    """What is written is read back, with all its letters."""
    assert plain(chosen.loads(chosen.dumps(value))) == value


@pytest.mark.parametrize("chosen", [JSON, YSON_TEXT])
def test_attributes_of_values_survive_too(chosen: Format) -> None:
    """A value with attributes keeps them."""
    value = with_attributes({"$a": with_attributes("й", {"b": 1})}, {"c": [True]})
    found = chosen.loads(chosen.dumps(value))
    assert isinstance(found, dict)
    assert attributes_of(found) == {"c": [True]}
    assert str(found["$a"]) == "й"
    assert attributes_of(found["$a"]) == {"b": 1}


def test_json_spells_bytes_as_letters() -> None:
    """With `encode_utf8` each byte of a string is a character of JSON, without it a letter is a letter."""
    assert json.loads(JSON.dumps("й")) == "Ð¹"
    assert json.loads(Format("json", encode_utf8=False).dumps("й")) == "й"


def test_bytes_that_are_no_text_stay_bytes() -> None:
    """A string need not be UTF-8."""
    for chosen in (JSON, YSON, YSON_TEXT):
        for value in (b"\xff\x00", {b"\xee": [b"\xff"]}):
            once = chosen.loads(chosen.dumps(value))
            assert chosen.dumps(once) == chosen.dumps(value)
            assert chosen.loads(chosen.dumps(once)) == once
    assert JSON.dumps({b"\xee": b"\xff"}) == b'{"\xc3\xae": "\xc3\xbf"}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"$x": 1}',
        b'{"$value": 1, "other": 2}',
        b'{"$value": 1, "$attributes": 5}',
        b"NaN",
        b'"\xe2\x98\x83"',
    ],
)
def test_broken_json_is_refused(data: bytes) -> None:
    """Half a value, stray dollars and letters that are no bytes are errors."""
    with pytest.raises(ServerError):
        JSON.loads(data)


@pytest.mark.parametrize("data", [b"", b"  ", b"{", b"{a=}", b"<a=1>", b"[1;2", b"\x01\xff", b'"abc'])
def test_broken_yson_is_refused(data: bytes) -> None:
    """Half a value is an error."""
    with pytest.raises(ServerError):
        YSON.loads(data)


@pytest.mark.parametrize(
    "specification", [5, "xml", with_attributes("yson", {"format": "morse"}), with_attributes("json", {"x": 1})]
)
def test_unknown_formats_are_refused(specification: object) -> None:
    """Only what is implemented is accepted, attributes included."""
    with pytest.raises(ServerError):
        Format.from_value(specification)


def test_parts_of_values_are_changed_in_copies() -> None:
    """A change gives a new value and leaves the old one alone."""
    old = {"a": [1, {"b": 2}]}
    assert values.changed(old, ["a", "1", "b"], 3, "", recursive=False) == {"a": [1, {"b": 3}]}
    assert values.changed(old, ["a", "end"], 4, "", recursive=False) == {"a": [1, {"b": 2}, 4]}
    assert values.changed(old, ["x", "y"], 5, "", recursive=True) == {"a": [1, {"b": 2}], "x": {"y": 5}}
    assert values.removed(old, ["a", "0"], "", force=False) == {"a": [{"b": 2}]}
    assert values.removed(old, ["zzz"], "", force=True) == old
    assert old == {"a": [1, {"b": 2}]}
    for keys_to_nowhere in (["x", "y"], ["a", "9"], ["a", "word"], ["a", "0", "deeper"]):
        with pytest.raises(ServerError):
            values.changed(old, keys_to_nowhere, 0, "", recursive=False)


def test_keys_and_values_need_not_be_utf8(proxy: ProxyServer) -> None:
    """A key of any bytes is a node whose path is escaped, and comes back as it was."""
    value = {b"\xee": b"\xff"}
    with connect(proxy, structured_data_format=yt.wrapper.YsonFormat(encoding=None)) as client:
        client.set("//home/a", value, force=True)
        assert client.get("//home/a") == value
        assert client.get("//home/a/\\xee/@path") == b"//home/a/\\xee"
        client.remove("//home/a/\\xee")
        assert client.get("//home/a") == {}
