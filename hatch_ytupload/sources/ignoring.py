"""What `.ytignore` files leave out, decided as `git check-ignore` decides it for `.gitignore` files.

Rules without wildcards are looked up. Those with wildcards are joined into regular expressions of limited length, the
last rule first, so that a single match tells by which rule a name is decided; most names never come that far, and what
no name comes to is never compiled. What a single line means is the subject of ignore_patterns.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.sources.ignore_patterns import DIRECTORY_MARK, Pattern, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IGNORE_FILE_NAME = ".ytignore"


class Rule(NamedTuple):
    """One line of an ignore file, or a built-in rule."""

    file: str
    """Path of the ignore file as the caller named it; empty for built-in rules."""
    line: int
    """Number of the line, from 1; 0 for built-in rules."""
    pattern: str
    """The line as written, without its end; bytes that are not UTF-8 are surrogate escapes."""
    negated: bool
    """Whether the rule keeps what it matches."""


def _built_in(*patterns: str) -> dict[str, Rule]:
    return {pattern.rstrip("/"): Rule("", 0, pattern, negated=False) for pattern in patterns}


# `.git` as a plain file too, as git itself has it: in a worktree or a submodule it holds a path of the machine.
_BUILT_IN_FILES = _built_in(IGNORE_FILE_NAME, ".DS_Store", ".git")
_BUILT_IN_DIRECTORIES = _built_in(IGNORE_FILE_NAME, ".DS_Store", ".git/", ".hg/", ".svn/", "__pycache__/")
_BYTECODE = Rule("", 0, "*.py[co]", negated=False)
_BYTECODE_SUFFIXES = (".pyc", ".pyo")

# What os.fsencode does, without its call: this runs once for every path.
_ENCODING = sys.getfilesystemencoding()
_ENCODING_ERRORS = sys.getfilesystemencodeerrors()


_UNION_LENGTH = 4096
"""So many bytes of expressions are compiled together at most, but for a longer one, which is compiled by itself.

The time to match grows faster than the number of groups in an expression."""


class IgnoreRules:
    """The rules in force in one directory. They never change; files are parsed when something is to be decided."""

    __slots__ = ("_files", "_reached")

    def __init__(self, files: tuple[tuple[_RuleFile, bytes | None], ...] = ()) -> None:
        # The innermost ignore file first, each with the way from its directory to this one, such as `b"a/b/"`; None
        # where that does not matter any more.
        self._files = files
        self._reached = not files

    @classmethod
    def root(cls, text: bytes | None, file: str = "") -> IgnoreRules:
        """Return the rules of the top directory.

        Args:
            text: the content of its ignore file, None where there is none.
            file: the name of that file in answers.
        """
        return cls(_own(text, file))

    def child(self, name: str, text: bytes | None, file: str = "") -> IgnoreRules:
        """Return the rules of the directory `name` in this one. It must not be ignored itself: such are not entered.

        Args:
            name: as os.scandir gives it.
            text: the content of its ignore file, None where there is none.
            file: the name of that file in answers.
        """
        step = name.encode(_ENCODING, _ENCODING_ERRORS) + b"/"
        outer = tuple((rules, None if way is None else way + step) for rules, way in self._files)
        return IgnoreRules(_own(text, file) + outer)

    def decide(self, name: str, *, is_dir: bool) -> Rule | None:
        """Return the rule that decides about an entry of this directory; a negated one keeps it. None: it is kept.

        The built-in rules come first. Then the innermost file that has a matching rule decides, and in it the last
        matching line.

        Args:
            name: as os.scandir gives it.
            is_dir: whether it is a directory; a symbolic link is not one, whatever it leads to.
        """
        rule = (_BUILT_IN_DIRECTORIES if is_dir else _BUILT_IN_FILES).get(name)
        if rule is None and name.endswith(_BYTECODE_SUFFIXES):
            rule = _BYTECODE
        if rule is None and self._files:
            if not self._reached:
                self._files = tuple((file, None if way is None else file.rules.reach(way)) for file, way in self._files)
                self._reached = True
            entry = name.encode(_ENCODING, _ENCODING_ERRORS)
            if is_dir:
                entry += DIRECTORY_MARK
            for file, way in self._files:
                number = file.rules.last_match(entry, way)
                if number:
                    return file.rule(number)
        return rule

    def is_ignored(self, name: str, *, is_dir: bool) -> bool:
        """Tell whether an entry of this directory is left out; the arguments are those of `decide`.

        The question of `git check-ignore`, for programs that hold these rules against git.
        """
        rule = self.decide(name, is_dir=is_dir)
        return rule is not None and not rule.negated


def _own(text: bytes | None, file: str) -> tuple[tuple[_RuleFile, bytes], ...]:
    return ((_RuleFile(text, file), b""),) if text else ()


class _RuleFile:
    """One ignore file."""

    __slots__ = ("_name", "_rules", "_text")

    def __init__(self, text: bytes, name: str) -> None:
        self._text, self._name = text, name
        self._rules: _Rules | None = None

    @property
    def rules(self) -> _Rules:
        """What it says."""
        if self._rules is None:
            self._rules = _rules_of(self._text)
        return self._rules

    def rule(self, number: int) -> Rule:
        """Return the rule that a line holds."""
        line = self.rules.lines[number]
        return Rule(self._name, number, line.decode("utf-8", "surrogateescape"), negated=line.startswith(b"!"))


class _Rules:
    """The rules of one ignore file, whatever its name."""

    __slots__ = ("_names", "_paths", "_starts", "_unions", "lines")

    def __init__(self, text: bytes) -> None:
        self.lines: dict[int, bytes] = {}
        """Those that are rules, by their numbers."""
        # Patterns without wildcards are looked up.
        self._names: dict[bytes, int] = {}
        self._paths: dict[bytes, int] = {}
        self._starts: set[bytes] = set()
        wild: tuple[dict[int, Pattern], dict[int, Pattern]] = ({}, {})
        # Lines end with LF or CR LF. A byte-order mark counts for nothing at the very start, and only there.
        for number, ended in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            line = ended.removesuffix(b"\r")
            pattern = translate(line, _group(number))
            if pattern is None:
                continue
            self.lines[number] = line
            if pattern.whole_path:
                self._starts.add(pattern.start)
            if pattern.has_wildcards:
                wild[pattern.whole_path][number] = pattern
            else:
                exact = self._paths if pattern.whole_path else self._names
                exact.update(dict.fromkeys(_marked(pattern, pattern.start), number))
        self._unions = [
            (whole_path, union.tails, union.starts, union.literals, union)
            for whole_path, patterns in enumerate(wild)
            for union in _unions(patterns)
        ]

    def reach(self, way: bytes) -> bytes | None:
        """Return `way`, or None if rules about whole paths can match nothing in or below the directory it leads to."""
        return way if any(way.startswith(start[: len(way)]) for start in self._starts) else None

    def last_match(self, entry: bytes, way: bytes | None) -> int:
        """Return the number of the last rule that matches `entry`, a marked name, or 0.

        Args:
            entry: the name.
            way: from the directory of the file to that of the entry.
        """
        path = None if way is None else way + entry
        last = self._names.get(entry, 0)
        if path in self._paths:
            last = max(last, self._paths[path])
        for whole_path, tails, starts, literals, union in self._unions:
            text = path if whole_path else entry
            if text is not None and (
                text.startswith(starts)
                or text.endswith(tails)
                or (literals and any(literal in text for literal in literals))
            ):
                match = union.fullmatch(text)
                if match:
                    last = max(last, union.numbers[match.lastgroup])
        return last


# The same lines stand in many a stage.
_rules_of = lru_cache(maxsize=64)(_Rules)


class _Union:
    """Patterns with wildcards that are matched together.

    Args:
        patterns: by the numbers of their lines, the last line first.
    """

    def __init__(self, patterns: dict[int, Pattern]) -> None:
        # What tells fast that none of them matches: every match ends with, starts with or holds one of these texts.
        tailed = [pattern for pattern in patterns.values() if len(pattern.tail) > len(pattern.start)]
        others = [pattern for pattern in patterns.values() if len(pattern.tail) <= len(pattern.start)]
        self.tails = tuple({text for pattern in tailed for text in _marked(pattern, pattern.tail)})
        self.starts = tuple({pattern.start for pattern in others if pattern.start})
        self.literals = {pattern.literal for pattern in others if not pattern.start}
        self._shortest = min(pattern.shortest for pattern in patterns.values())
        self.numbers: dict[str | None, int] = {_group(number): number for number in patterns}
        # Of alternatives the first that matches wins; of the rules of a file, the last.
        self._expression = b"|".join(pattern.expression for pattern in patterns.values())

        self.fullmatch: Callable[[bytes], re.Match[bytes] | None] = self._first_fullmatch

    def _first_fullmatch(self, text: bytes) -> re.Match[bytes] | None:
        # What a longer line could match is longer than any name: it is never compiled.
        if len(text) < self._shortest:
            return None
        self.fullmatch = re.compile(self._expression, re.DOTALL).fullmatch
        return self.fullmatch(text)


def _unions(patterns: dict[int, Pattern]) -> Iterator[_Union]:
    """Join patterns, the last ones first."""
    joined: dict[int, Pattern] = {}
    length = 0
    for number, pattern in reversed(patterns.items()):
        length += len(pattern.expression)
        if joined and length > _UNION_LENGTH:
            yield _Union(joined)
            joined, length = {}, len(pattern.expression)
        joined[number] = pattern
    if joined:
        yield _Union(joined)


def _group(number: int) -> str:
    return f"rule{number}"


def _marked(pattern: Pattern, text: bytes) -> tuple[bytes, ...]:
    """Return a text as it ends the names that the pattern matches: with the mark, and without it if files match."""
    return (text + DIRECTORY_MARK,) if pattern.directories_only else (text + DIRECTORY_MARK, text)
