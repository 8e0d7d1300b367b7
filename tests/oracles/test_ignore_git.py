"""`.ytignore` against git: `git check-ignore` judges the same trees, and names the same rule for every path."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import pytest
from examples import examples
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from ignore_cases import AGREEMENTS, DEPARTURES, Case, decide_all

from hatch_ytupload.sources.ignore_scope import IgnoreScopes
from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that tells case and takes any bytes"),
]


LETTERS = [b"a", b"b", b"c", b"x"]
# Bytes of names that patterns have a meaning for, that are not ASCII, or not even UTF-8.
ODD = [b"A", b".", b"-", b" ", b"!", b"#", b"[", b"]", b"^", b"\\", b"*", b"?", b":", b"{", b"\t", b"\r", b"\n", b"0"]
ODD += ["é".encode(), "日".encode(), b"\xc3", b"\xff", b"\x7f", b"\x0b"]
TOKENS = [
    b"*",
    b"**",
    b"***",
    b"?",
    b"/",
    b"/**/",
    b"**/",
    b"/**",
    b"**//",
    b"/*/",
    b"[ab]",
    b"[!a]",
    b"[^b]",
    b"[a-c]",
]
TOKENS += [
    b"[]a]",
    b"[!]b]",
    b"[^]]",
    b"[a-",
    b"[",
    b"[!]",
    b"[c-a]",
    b"[b-]",
    b"[--a]",
    b"[a-c-x]",
    rb"[\]]",
    rb"[\\]",
]
TOKENS += [rb"[a\-c]", rb"[\a-\c]", b"[/]", b"[a/]", b"[!/]", b"[\x80-\xff]", b"[\xc3-]", b"[!\xa9]", b"[[]", b"[a[]"]
TOKENS += [b"[[:alpha:]]", b"[![:alpha:]]", b"[[:punct:]b]", b"[[:space:]]", b"[[:upper:]-c]", b"[a-[:digit:]]", b"[[:"]
TOKENS += [
    b"[[:none:]a]",
    b"[[:alpha]",
    b"[[::]]",
    b"[[:]]",
    b"[[:a",
    b"[[=a=]]",
    b"[[.a.]]",
    rb"[[:\]",
    rb"\a",
    rb"\*",
    rb"\?",
    rb"\[",
    rb"\ ",
    rb"\/",
    rb"\!",
    b"\\",
    rb"\\",
]
TOKENS += [b"  ", b"\x00", b":]", b"]", b"!", b"#"]


class Repository:
    """An empty repository, in which directories with ignore files are made and judged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(path / "no-home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(path.parent),
        }
        # Without a template there is no .git/info/exclude.
        self._git("init", "--quiet", "--template=", str(path))

    def _git(self, *arguments: str, stdin: bytes = b"", allowed: tuple[int, ...] = (0,)) -> bytes:
        run = subprocess.run(
            ["git", "-c", "core.ignorecase=false", "-c", "core.excludesFile=/dev/null", *arguments],
            cwd=self.path if self.path.is_dir() else None,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert run.returncode in allowed, run.stderr
        return run.stdout

    @cached_property
    def old_stars(self) -> bool:
        """Whether this git reads `x**/a` as gits before 2.52 do: as if nothing stood before the stars."""
        version = re.search(rb"(\d+)\.(\d+)", self._git("version"))
        assert version
        return (int(version[1]), int(version[2])) < (2, 52)

    def judge(
        self, entries: Sequence[str], ignore_files: Mapping[str, bytes], *, linked: bool = False
    ) -> dict[str, tuple[str, int] | None]:
        """Return the ignore file and the line that git names for each entry; None for an entry that no line matches.

        Args:
            entries: as `decide_all` takes them.
            ignore_files: as `decide_all` takes them.
            linked: the ignore files are symbolic links to files with that content.
        """
        top = self.path / "top"
        try:
            for directory in ["", *(entry for entry in entries if entry.endswith("/"))]:
                os.mkdir(top / directory)
            for directory, text in ignore_files.items():
                written = top / directory / ("patterns" if linked else ".gitignore")
                written.write_bytes(text)
                if linked:
                    (top / directory / ".gitignore").symlink_to(written.name)
            # Paths that do not exist are no directories to git; the slash at the end must not be what tells it.
            asked = {f"top/{entry}".rstrip("/"): entry for entry in entries}
            stdin = b"".join(os.fsencode(path) + b"\0" for path in asked)
            answer = self._git("check-ignore", "--no-index", "--stdin", "-zvn", stdin=stdin, allowed=(0, 1))
        finally:
            shutil.rmtree(top)
        fields = [os.fsdecode(field) for field in answer.split(b"\0")[:-1]]
        judged: dict[str, tuple[str, int] | None] = {}
        for file, line, _pattern, path in zip(*[iter(fields)] * 4, strict=True):
            judged[asked[path]] = (file.removeprefix("top/"), int(line)) if file else None
        assert judged.keys() == set(entries)
        return judged


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository that no ignore file but those of the test has a say in."""
    return Repository(tmp_path_factory.mktemp("ignore") / "repository")


def assert_same(repository: Repository, entries: Sequence[str], ignore_files: Mapping[str, bytes]) -> None:
    """Compare the deciding file and line of every path, those below ignored directories too."""
    decided = decide_all(entries, ignore_files, ".gitignore")
    ours = {entry: rule and (rule.file, rule.line) for entry, rule in decided.items()}
    assert ours == repository.judge(entries, ignore_files)


def test_the_table_of_cases_says_what_git_says(repository: Repository) -> None:
    """The cases that the unit tests rest on are checked with the git that is here."""
    for case in [*DEPARTURES, *AGREEMENTS]:
        if repository.old_stars and has_stars_after_text(case.text):
            continue
        entries = sorted([*case.ignored, *case.kept])
        judged = repository.judge(entries, {"": case.text})
        lines = case.text.split(b"\n")
        ignored = {entry for entry, rule in judged.items() if rule and not lines[rule[1] - 1].startswith(b"!")}
        assert case == Case(
            case.text, [e for e in case.ignored if e in ignored], [e for e in case.kept if e not in ignored]
        )


# A path in which two stars follow plain text and end a component.
STARS_AFTER_TEXT = re.compile(rb"[^*?[\\]*[^*?[\\/]\*\*+(?:/|\\/|[ \r]*\Z|[ ]*\0)")


def has_stars_after_text(ignore_file: bytes) -> bool:
    """Tell whether a line is one that gits before 2.52 may read otherwise."""
    lines = ignore_file.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return any(b"/" in line and STARS_AFTER_TEXT.match(line.removeprefix(b"!")) for line in lines)


def test_an_ignore_file_that_is_a_link_says_nothing(repository: Repository, tmp_path: Path) -> None:
    """Git does not follow it, in whatever directory, and neither does a scope."""
    entries = ["a/", "a/x", "x"]
    assert set(repository.judge(entries, {"": b"*\n", "a/": b"x\n"}, linked=True).values()) == {None}
    (tmp_path / "patterns").write_bytes(b"*\n")
    (tmp_path / IGNORE_FILE_NAME).symlink_to("patterns")
    assert IgnoreScopes(str(tmp_path)).of(str(tmp_path)).excluding("x", is_dir=False) is None


CLASSES = [b"alnum", b"alpha", b"blank", b"cntrl", b"digit", b"graph", b"lower", b"print", b"punct", b"space", b"upper"]
CLASSES += [b"xdigit", b"word", b"ascii", b"Alpha"]
BRACKETS = [b"[:%b:]" % name for name in CLASSES]
BRACKETS += [b"!-~", b"\x01-\xff", b"\x80-\xbf", b".-0", b"z-a", b"-", b"[-]", rb"\[-\]", b"^!", b"]-a", b"a-z-9"]


@pytest.mark.parametrize("negation", [b"", b"!", b"^"])
@pytest.mark.parametrize("members", BRACKETS, ids=repr)
def test_a_bracket_matches_the_same_bytes(repository: Repository, members: bytes, negation: bytes) -> None:
    """Every byte that a name can hold is in a bracket for git and for us, or for neither."""
    entries = [os.fsdecode(b"_" + bytes([byte])) for byte in range(1, 256) if byte != ord("/")]
    assert_same(repository, entries, {"": b"_[" + negation + members + b"]"})


class Forest(NamedTuple):
    """A tree of names with ignore files in it."""

    entries: list[str]
    ignore_files: dict[str, bytes]


class Draft(NamedTuple):
    """What a line is made from, whatever the paths are that it is to be about."""

    before: bytes
    after: bytes
    path: int
    """Which path to take."""
    component: int
    """From which of its components on."""
    escaped: bool
    """Whether its special bytes are to lose their meaning."""
    edits: list[tuple[int, int, bytes]]
    """Where in the path how many bytes are to be replaced by what."""
    free: list[bytes]
    """If there are any: what stands in place of the path."""

    def line(self, paths: Sequence[bytes]) -> bytes:
        """Return the line that is meant for the given paths."""
        components = paths[self.path % len(paths)].split(b"/")
        pattern = b"/".join(components[self.component % len(components) :])
        if self.escaped:
            pattern = re.sub(rb"([*?[\\ !#])", rb"\\\1", pattern)
        for place, length, token in self.edits:
            at = place % (len(pattern) + 1)
            pattern = pattern[:at] + token + pattern[at + length :]
        return self.before + (b"".join(self.free) or pattern) + self.after


class DraftFile(NamedTuple):
    """What an ignore file is made from."""

    directory: int
    """In which directory it is, if it is not at the top."""
    mark: bytes
    drafts: list[tuple[Draft, bytes]]
    """The lines, each with its end."""
    has_last_end: bool

    def text(self, paths: Sequence[bytes]) -> bytes:
        """Return the content of an ignore file that is meant for the given paths."""
        text = self.mark + b"".join(draft.line(paths or [b"a"]) + end for draft, end in self.drafts)
        return text if self.has_last_end else text.removesuffix(b"\n")


def choice(*values: bytes) -> SearchStrategy[bytes]:
    """Choose one of the values; the plain one stands for half of all."""
    return st.sampled_from([values[0]] * len(values) + list(values))


# Short and mostly plain, so that patterns hit them.
NAMES = (
    st.lists(st.sampled_from(LETTERS * 3 + ODD), min_size=1, max_size=3)
    .map(b"".join)
    .filter(lambda name: name not in {b".", b".."})
)
DRAFTS = st.builds(
    Draft,
    before=choice(b"", b"/", b"!", b"!", b"!/", b"**/", b"*", b" ", b"#", b"\\", b"!!"),
    after=choice(b"", b"/", b"/", b"*", b"/*", b"/**", b" ", b"  ", rb"\ ", b"\t", b"\r", b"\\"),
    path=st.integers(0, 15),
    component=st.integers(0, 3),
    escaped=st.booleans(),
    edits=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 2), st.sampled_from(TOKENS + ODD + LETTERS)), max_size=2
    ),
    free=st.just([]) | st.just([]) | st.just([]) | st.lists(st.sampled_from(TOKENS + LETTERS + ODD), max_size=6),
)
DRAFT_FILES = st.builds(
    DraftFile,
    directory=st.integers(0, 15),
    mark=choice(b"", b"\xef\xbb\xbf"),
    drafts=st.lists(st.tuples(DRAFTS, choice(b"\n", b"\r\n")), min_size=2, max_size=10),
    has_last_end=st.booleans(),
)


def plant(pool: list[bytes], leaves: list[tuple[list[int], bool]], drafts: list[DraftFile]) -> Forest:
    """Make a tree whose leaves are paths of names from the pool, and which has ignore files, one of them at its top."""
    paths = [b"/".join(pool[index % len(pool)] for index in indexes) for indexes, _is_dir in leaves]
    directories = {path for path, (_indexes, is_dir) in zip(paths, leaves, strict=True) if is_dir}
    for path in paths:
        components = path.split(b"/")
        directories |= {b"/".join(components[:end]) for end in range(1, len(components))}
    entries = sorted([path + b"/" for path in directories] + list(set(paths) - directories))
    places = ["", *(os.fsdecode(path + b"/") for path in sorted(directories))]
    ignore_files: dict[str, bytes] = {}
    for draft in drafts:
        place = places[draft.directory % len(places)] if ignore_files else ""
        start = os.fsencode(place)
        ignore_files[place] = draft.text(
            [entry[len(start) :].rstrip(b"/") for entry in entries if entry.startswith(start) and entry != start]
        )
    return Forest([os.fsdecode(entry) for entry in entries], ignore_files)


FORESTS = st.builds(
    plant,
    pool=st.lists(NAMES, min_size=2, max_size=5),
    leaves=st.lists(
        st.tuples(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans()), min_size=4, max_size=12
    ),
    drafts=st.lists(DRAFT_FILES, min_size=1, max_size=3),
)


@given(forest=FORESTS)
@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
def test_git_decides_every_path_by_the_same_rule(repository: Repository, forest: Forest) -> None:
    """Whatever the names and the rules are, git names the same file and line, or none."""
    note(repr(forest))
    assume(not (repository.old_stars and any(map(has_stars_after_text, forest.ignore_files.values()))))
    assert_same(repository, forest.entries, forest.ignore_files)
