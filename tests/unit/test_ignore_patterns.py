"""What a single line of an ignore file matches."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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


def test_a_bracket_without_end_is_read_once() -> None:
    """A long line that could be read as ranges in very many ways is given up at once."""
    assert translate(b"[" + b"a-" * 5000, "group") is None
