"""What a single line of an ignore file matches."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import BuiltinFunctionType, FrameType

import pytest
from ignore_cases import AGREEMENTS, DEPARTURES, Case, decide_all

from hatch_ytupload.sources.ignore_patterns import DIRECTORY_MARK, translate

# Each of these takes hours or more if wildcards are tried at every place they could stand at.
HOPELESS = [
    ("*a" * 30 + "b", "a" * 250),
    ("*ab" * 30 + "c", "ab" * 125),
    ("?*" * 60 + "b", "a" * 250),
    ("[ab]*" * 60 + "c", "ab" * 125),
    ("**/x" + "*a" * 30 + "b", "x" + "a" * 250),
    ("d/" + "**/a/" * 60 + "b", "d/" + "a/" * 1500 + "c"),
    ("d/" + "**/*a*a*/" * 30 + "b", "d/" + "aaaaaaaa/" * 300 + "c"),
    ("d" + "**/" * 60 + "b", "d/" + "a/" * 1500 + "c"),
    ("d/" + "*/**/" * 30 + "b", "d/" + "a/" * 1500 + "c"),
]


@pytest.mark.parametrize("case", DEPARTURES + AGREEMENTS, ids=lambda case: repr(case.text))
def test_a_line_decides_as_git_was_seen_to(case: Case) -> None:
    """Every entry of the case is ignored or kept as the table says."""
    entries = sorted([*case.ignored, *case.kept])
    decided = decide_all(entries, {"": case.text}, "")
    ignored = {entry for entry, rule in decided.items() if rule is not None and not rule.negated}
    assert ignored == set(case.ignored)


@pytest.mark.parametrize(
    "line", [b"", b"   ", b"#a", b"!", b"/", b"!/", b"//", b"[a", b"a\\", b"[[:nothing:]]", b"\0a"]
)
def test_a_line_that_matches_nothing_has_no_expression(line: bytes) -> None:
    """Comments, blank lines and malformed patterns leave nothing to match with."""
    assert translate(line, "group") is None


def test_a_match_ends_in_the_group_of_the_caller() -> None:
    """The name of the group tells which of several joined lines matched, even when lookaheads have groups too."""
    first, second = translate(b"*a*b*c", "first"), translate(b"*a*b*d", "second")
    assert first
    assert second
    match = re.fullmatch(first.expression + b"|" + second.expression, b"xaxbxd", re.DOTALL)
    assert match
    assert match.lastgroup == "second"


def test_a_negated_line_matches_the_same_names() -> None:
    """The exclamation mark is no part of the pattern."""
    assert translate(b"!a*b/", "group") == translate(b"a*b/", "group")


@pytest.mark.parametrize("line", [b"a", b"a*", b"*a", b"?", b"a?", b"[!b]", b"**", b"a/**", b"/*"])
def test_the_mark_of_a_directory_is_never_part_of_its_name(line: bytes) -> None:
    """No wildcard takes the mark for a letter: with it and without it, the same names match."""
    pattern = translate(line, "group")
    assert pattern
    for name in (b"a", b"ab", b"a/b", b"b", b"a/"):
        plain = re.fullmatch(pattern.expression, name, re.DOTALL)
        marked = re.fullmatch(pattern.expression, name + DIRECTORY_MARK, re.DOTALL)
        assert bool(plain) == bool(marked)


def test_hopeless_patterns_come_to_an_end() -> None:
    """Patterns full of stars do not stop a build, however long the names are that they nearly match."""
    program = (
        "import re, sys\n"
        "from hatch_ytupload.sources.ignore_patterns import translate\n"
        "for pattern, path in eval(sys.stdin.read()):\n"
        "    translated = translate(pattern.encode(), 'group')\n"
        "    subject = path if translated.whole_path else path.rpartition('/')[2]\n"
        "    print(re.fullmatch(translated.expression, subject.encode(), re.DOTALL))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        input=repr(HOPELESS),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert run.stdout.split() == ["None"] * len(HOPELESS)


LENGTHENED = [
    (b"[", b"[:a", b"]"),
    (b"[", b"[:a", b""),
    (b"[", b"[:alpha:]", b"]"),
    (b"[", b"[:\\]", b"]"),
    (b"[", b"[:]", b"]"),
    (b"[[:", b":", b":]]"),
    (b"", b"[[:a]", b""),
    (b"[", b"[=a", b"]"),
    (b"[", b"[.a", b"]"),
    (b"", b"[", b""),
    (b"", b"[]", b"]"),
    (b"", b"[a]", b"["),
    (b"[", b"a-", b""),
    (b"[", b"-", b"]"),
    (b"[", b"\x01-\xff", b"]"),
    (b"[", b"\\]", b"]"),
    (b"", b"\\", b""),
    (b"", b"\\a", b"?"),
    (b"a", b"\\ ", b" "),
    (b"a", b" ", b"b"),
    (b"", b"*", b"b"),
    (b"a/", b"*", b"b/"),
    (b"", b"*a", b"b"),
    (b"", b"*?", b""),
    (b"", b"?", b""),
    (b"", b"**/", b"b"),
    (b"a", b"/**", b"/b"),
    (b"", b"**/a/", b"b"),
    (b"", b"*/", b"b"),
    (b"", b"**\\/", b"b"),
    (b"", b"!", b""),
    (b"", b"/", b"*"),
]


def _calls(line: bytes) -> Counter[str]:
    """Count what is called to translate a line."""
    counted: Counter[str] = Counter()

    def count(_frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call" and isinstance(argument, BuiltinFunctionType):
            counted[argument.__name__] += 1
        elif event == "call":
            counted["function"] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        translate(line, "group")
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize(("before", "repeated", "after"), LENGTHENED)
def test_a_line_is_read_in_time_that_grows_with_its_length(before: bytes, repeated: bytes, after: bytes) -> None:
    """A line of twice the length takes no more than twice the steps, and its expression is no longer than that."""
    short, long = (before + repeated * count + after for count in (400, 800))
    assert _calls(long).total() <= 2 * _calls(short).total() + 10
    first, second = translate(short, "group"), translate(long, "group")
    if first and second:
        # The numbers of groups get a digit more.
        assert len(second.expression) <= 2.1 * len(first.expression)


@pytest.mark.parametrize("after", [b"", b"]", b":]", b":]]"])
def test_the_end_of_a_bracket_is_not_looked_for_again(after: bytes) -> None:
    """However many classes are begun in it, each may end at the same place."""
    assert _calls(b"[" + b"[:a" * 1000 + after)["find"] == 1


def test_stars_that_say_nothing_new_are_left_out() -> None:
    """`**/` any number of times is `**/`."""
    assert translate(b"a/" + b"**/" * 1000 + b"b", "group") == translate(b"a/**/b", "group")
