"""The rules in force in a directory, and which of them decides."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ignore_cases import decide_all

from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME, IgnoreRules, Rule

ALWAYS = [
    (".ytignore", False, ".ytignore"),
    (".ytignore", True, ".ytignore"),
    ("__pycache__", True, "__pycache__/"),
    ("module.pyc", False, "*.py[co]"),
    ("module.pyo", False, "*.py[co]"),
    (".pyc", False, "*.py[co]"),
    ("directory.pyc", True, "*.py[co]"),
    (".git", True, ".git/"),
    (".git", False, ".git"),
    (".hg", True, ".hg/"),
    (".svn", True, ".svn/"),
    (".DS_Store", False, ".DS_Store"),
    (".DS_Store", True, ".DS_Store"),
]
NOT_ALWAYS = [
    ("__pycache__", False),
    (".hg", False),
    (".svn", False),
    (".gitignore", False),
    ("module.py", False),
    ("module.pyd", False),
    ("module.PYC", False),
    ("pyc", False),
    ("ytignore", False),
]


@pytest.mark.parametrize(("name", "is_dir", "pattern"), ALWAYS)
@pytest.mark.parametrize("text", [None, b"!*\n!.*\n!*/\n", b"*\n"])
def test_some_names_are_left_out_whatever_is_written(
    text: bytes | None, name: str, *, is_dir: bool, pattern: str
) -> None:
    """No ignore file can keep a built-in name, and the built-in rule is the one that is named."""
    rules = IgnoreRules.root(text, IGNORE_FILE_NAME)
    for inside in (rules, rules.child("below", text, "below/.ytignore")):
        assert inside.decide(name, is_dir=is_dir) == Rule("", 0, pattern, negated=False)
        assert inside.is_ignored(name, is_dir=is_dir)


@pytest.mark.parametrize(("name", "is_dir"), NOT_ALWAYS)
def test_names_that_only_look_built_in_are_kept(name: str, *, is_dir: bool) -> None:
    """A file that is named like a directory, another case or another suffix is no built-in name."""
    rules = IgnoreRules.root(None)
    assert rules.decide(name, is_dir=is_dir) is None
    assert not rules.is_ignored(name, is_dir=is_dir)


def test_the_last_matching_line_of_a_file_decides() -> None:
    """Lines about names and lines about paths count in the order in which they are written."""
    rules = IgnoreRules.root(b"*.log\n!/keep.log\nkeep.*\n!keep.log\n/keep.log\n")
    assert rules.decide("keep.log", is_dir=False) == Rule("", 5, "/keep.log", negated=False)
    assert rules.decide("keep.txt", is_dir=False) == Rule("", 3, "keep.*", negated=False)
    assert rules.decide("other.log", is_dir=False) == Rule("", 1, "*.log", negated=False)


def test_a_negated_rule_decides_that_an_entry_stays() -> None:
    """The rule is told, though nothing is ignored."""
    rules = IgnoreRules.root(b"*\n!*.py\n", "pipeline/.ytignore")
    assert rules.decide("mapper.py", is_dir=False) == Rule("pipeline/.ytignore", 2, "!*.py", negated=True)
    assert not rules.is_ignored("mapper.py", is_dir=False)
    assert rules.is_ignored("mapper.txt", is_dir=False)


def test_the_innermost_file_with_a_matching_rule_decides() -> None:
    """A file further in wins over one further out, which still decides where the inner one has nothing to say."""
    top = IgnoreRules.root(b"*.csv\n*.log\n", "top")
    middle = top.child("a", None)
    inner = middle.child("b", b"!*.csv\n", "inner")
    assert inner.decide("x.csv", is_dir=False) == Rule("inner", 1, "!*.csv", negated=True)
    assert inner.decide("x.log", is_dir=False) == Rule("top", 2, "*.log", negated=False)
    assert middle.decide("x.csv", is_dir=False) == Rule("top", 1, "*.csv", negated=False)


def test_rules_of_a_directory_do_not_reach_its_siblings() -> None:
    """Making the rules of one directory changes neither those of its parent nor those of another child."""
    top = IgnoreRules.root(b"/a/x\n/b/y\n")
    first, second = top.child("a", b"*\n"), top.child("b", None)
    assert first.is_ignored("z", is_dir=False)
    assert not second.is_ignored("z", is_dir=False)
    assert not top.is_ignored("z", is_dir=False)
    assert not second.is_ignored("x", is_dir=False)
    assert second.is_ignored("y", is_dir=False)


def test_a_rule_with_a_slash_counts_from_the_directory_of_its_file() -> None:
    """`data/raw` of a nested file is about the directory beside that file, not about one at the top."""
    files = {"": b"/out\n", "a/": b"data/raw\nout\n!b/**/c\n", "a/b/": b"c\n"}
    entries = ["a/", "a/b/", "a/b/c", "a/b/d/", "a/b/d/c", "a/data/", "a/data/raw/", "a/data/raw/f", "a/out", "data/"]
    entries += ["data/raw", "out"]
    decided = decide_all(entries, files, IGNORE_FILE_NAME)
    assert {entry: (rule.file, rule.line) for entry, rule in decided.items() if rule} == {
        "a/b/c": ("a/b/.ytignore", 1),
        "a/b/d/c": ("a/b/.ytignore", 1),
        "a/data/raw/": ("a/.ytignore", 1),
        "a/data/raw/f": ("a/.ytignore", 1),
        "a/out": ("a/.ytignore", 2),
        "out": (".ytignore", 1),
    }


def test_nothing_below_an_ignored_directory_can_be_kept() -> None:
    """A walk does not enter an ignored directory, so that its ignore file is not even read."""
    decided = decide_all(["a/", "a/b/", "a/b/c"], {"": b"a/\n!c\n", "a/": b"!*\n"}, "")
    assert [rule and rule.pattern for rule in decided.values()] == ["a/", "a/", "a/"]


def test_a_slash_at_the_end_means_directories() -> None:
    """`data/` is about a directory; a file or a symbolic link of that name stays."""
    rules = IgnoreRules.root(b"data/\n*.d/\nx/y/\n")
    assert rules.is_ignored("data", is_dir=True)
    assert rules.is_ignored("conf.d", is_dir=True)
    assert not rules.is_ignored("data", is_dir=False)
    assert not rules.is_ignored("conf.d", is_dir=False)
    assert rules.child("x", None).is_ignored("y", is_dir=True)
    assert not rules.child("x", None).is_ignored("y", is_dir=False)


def test_lines_are_counted_and_told_as_they_are_written() -> None:
    """Comments and blank lines count; the answer has spaces, slashes and `!`, no line end, no byte-order mark."""
    rules = IgnoreRules.root(b"\xef\xbb\xbf!one/ \r\n# two\r\n\r\n  four\nf\xc3\xadve\n\xe9\\ \nlast")
    assert rules.decide("one", is_dir=True) == Rule("", 1, "!one/ ", negated=True)
    assert rules.decide("  four", is_dir=False) == Rule("", 4, "  four", negated=False)
    assert rules.decide("fíve", is_dir=False) == Rule("", 5, "fíve", negated=False)
    assert rules.decide("\udce9 ", is_dir=False) == Rule("", 6, "\udce9\\ ", negated=False)
    assert rules.decide("last", is_dir=False) == Rule("", 7, "last", negated=False)


@pytest.mark.parametrize("text", [None, b"", b"\n", b"\xef\xbb\xbf", b"# nothing\n\n   \n!\n[\n"])
def test_an_ignore_file_may_say_nothing(text: bytes | None) -> None:
    """No file, an empty one, and one without a usable rule are the same."""
    rules = IgnoreRules.root(text).child("a", text)
    for name in ("a", "[", "!", "# nothing", " "):
        assert rules.decide(name, is_dir=True) is None
        assert rules.decide(name, is_dir=False) is None


@pytest.mark.skipif(sys.platform != "linux", reason="names may be any bytes on Linux alone")
def test_names_come_as_the_system_lists_them(tmp_path: Path) -> None:
    """A name that is no UTF-8 is compared by its bytes."""
    os.close(os.open(os.fsencode(tmp_path) + b"/\xe9t\xe9", os.O_CREAT))
    (name,) = os.listdir(tmp_path)
    assert IgnoreRules.root(b"?t?").is_ignored(name, is_dir=False)
    assert not IgnoreRules.root("été".encode()).is_ignored(name, is_dir=False)


def test_rules_cannot_be_given_attributes() -> None:
    """An instance has no place for anything but what it was made of."""
    assert not hasattr(IgnoreRules.root(b"a"), "__dict__")


def test_thousands_of_rules_decide_together() -> None:
    """There is no limit on how many lines an ignore file has, and the last one still wins."""
    text = b"".join(b"name%d\n/path%d/*.x\n*.%d.*.end\n" % (number, number, number) for number in range(1500))
    rules = IgnoreRules.root(text + b"!name7\n")
    assert rules.decide("name1499", is_dir=False) == Rule("", 4498, "name1499", negated=False)
    assert rules.decide("a.77.b.end", is_dir=False) == Rule("", 234, "*.77.*.end", negated=False)
    assert rules.decide("name7", is_dir=False) == Rule("", 4501, "!name7", negated=True)
    assert rules.child("path9", None).decide("f.x", is_dir=False) == Rule("", 29, "/path9/*.x", negated=False)


def test_only_what_may_match_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten thousand lines no expression is made for a name that holds nothing of them, few for one that does."""
    compiled: list[bytes] = []
    compile_expression = re.compile

    def noted(expression: bytes, flags: int) -> re.Pattern[bytes]:
        compiled.append(expression)
        return compile_expression(expression, flags)

    rules = IgnoreRules.root(b"".join(b"*a*a*b%05d*\n" % number for number in range(10_000)))
    assert rules.decide("a.py", is_dir=False) is None  # reads the lines
    monkeypatch.setattr(re, "compile", noted)
    assert rules.decide("mapper.py", is_dir=False) is None
    assert not compiled
    assert rules.decide("xaab07341.py", is_dir=False) == Rule("", 7342, "*a*a*b07341*", negated=False)
    assert rules.decide("xaab07341.csv", is_dir=True) == Rule("", 7342, "*a*a*b07341*", negated=False)
    assert len(compiled) == 1
    assert len(compiled[0]) < 5000


def test_a_line_longer_than_a_name_is_never_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it could match is longer, too."""
    lines = [b"?", b"*a", b"[ab]", b"a*", b"\\a?", b"**/a/", b"x/**/a*/"]
    rules = IgnoreRules.root(b"\n".join(line * 5000 for line in lines))
    assert rules.decide("a", is_dir=False) is None  # reads the lines
    monkeypatch.setattr(re, "compile", None)
    assert rules.decide("a" * 255, is_dir=False) is None
    assert rules.child("x", None).decide("a" * 255, is_dir=True) is None


def test_the_last_line_decides_among_thousands() -> None:
    """It does not matter how many lines lie between two that match, or of which sort they are."""
    between = b"".join(b"*a*a%d\n/p/*b%d\n" % (number, number) for number in range(1000))
    for first, last in (("*.py", "!m*"), ("/m.*", "!m.py"), ("m.py", "!/m.py"), ("?.py", "!/?.*")):
        start = first.encode() + b"\n" + between
        assert IgnoreRules.root(start).is_ignored("m.py", is_dir=False)
        rule = IgnoreRules.root(start + last.encode()).decide("m.py", is_dir=False)
        assert rule == Rule("", 2002, last, negated=True)


def test_a_rule_reaches_deep_directories() -> None:
    """Paths may be longer than what a system call would take."""
    rules = IgnoreRules.root(b"d/**/last\nd/*/other\n")
    for _ in range(1500):
        rules = rules.child("d", None)
    assert rules.decide("last", is_dir=False) == Rule("", 1, "d/**/last", negated=False)
    assert rules.decide("other", is_dir=False) is None


def test_importing_loads_no_pattern_library() -> None:
    """The engine is the standard library's `re`, so that a build does not wait for imports."""
    program = (
        "import sys; import hatch_ytupload.sources.ignoring; "
        "print(sorted({'pathspec', 'hatchling'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
