"""The token is taken out of texts, whole and in parts."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_ytupload.build_folders.cypress.redaction import MASK, Redaction

SECRET = "AQAD-qJSJpcj/AAADmZ+secret="
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing here", "nothing here"),
        (SECRET, MASK),
        (f"OAuth {SECRET}.", f"OAuth {MASK}."),
        (f"{SECRET}{SECRET}", f"{MASK}{MASK}"),
        (f"OAuth {SECRET[:12]}...", f"OAuth {MASK}..."),
        (f"...{SECRET[-8:]}", f"...{MASK}"),
        (f"?token={quote(SECRET, safe='')}&x", f"?token={MASK}&x"),
        ("", ""),
    ],
)
def test_what_is_left(text: str, expected: str) -> None:
    """The rest of the text stays as it is."""
    assert Redaction(SECRET)(text) == expected


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_taken_out(secret: str | None) -> None:
    """Not even nothing."""
    assert Redaction(secret)("any text") == "any text"


def test_a_short_secret_is_taken_out_as_a_whole() -> None:
    """Its parts may be words of any text."""
    assert Redaction("abc")("abc ab abcabc") == f"{MASK} ab {MASK}{MASK}"


def test_a_representation_tells_nothing() -> None:
    """It may be printed by anybody who prints what holds it."""
    assert repr(Redaction(SECRET)) == "<Redaction>"


@given(TOKENS, st.text(max_size=20), st.text(max_size=20), st.data())
def test_no_eight_characters_of_a_secret_survive(secret: str, before: str, after: str, data: st.DataObject) -> None:
    """Wherever they stand; also percent-encoded."""
    form = data.draw(st.sampled_from([secret, quote(secret, safe=""), quote(secret)]))
    start = data.draw(st.integers(0, len(form) - 8))
    end = data.draw(st.integers(start + 8, len(form)))
    text = Redaction(secret)(before + form[start:end] + after)
    for index in range(len(form) - 7):
        assert form[index : index + 8] not in text.replace(MASK, "\0")


@given(TOKENS, st.text(max_size=60))
def test_a_text_that_has_nothing_of_a_secret_stays_as_it_is(secret: str, text: str) -> None:
    """And what is taken out once is not taken out again."""
    forms = (secret, quote(secret, safe=""), quote(secret))
    pieces = {form[index : index + 8] for form in forms for index in range(len(form) - 7)}
    if not any(piece in text for piece in pieces):
        assert Redaction(secret)(text) == text
