"""What `.ytignore` files leave out, decided as `git check-ignore` decides it for `.gitignore` files.

All rules of a file are joined into one regular expression, the last rule first, so that a single match tells by which
rule a name is decided; most names never come that far. What a single line means is the subject of ignore_patterns.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.sources.ignore_patterns import DIRECTORY_MARK, Pattern, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


class IgnoreRules:
    """The rules in force in one directory. Never changes."""

    __slots__ = ("_files",)

    def __init__(self, files: tuple[tuple[_RuleFile, bytes | None], ...] = ()) -> None:
        # The innermost ignore file first, each with the way from its directory to this one, such as `b"a/b/"`; None
        # where that does not matter any more.
        self._files = files

    @classmethod
    def root(cls, text: bytes | None, file: str = "") -> IgnoreRules:
        """Return the rules of the top directory.

        Args:
            text: the content of its ignore file, None where there is none.
            file: what answers call that file.
        """
        return cls(_own(text, file))

    def child(self, name: str, text: bytes | None, file: str = "") -> IgnoreRules:
        """Return the rules of the directory `name` in this one. It must not be ignored itself: such are not entered.

        Args:
            name: as os.scandir gives it.
            text: the content of its ignore file, None where there is none.
            file: what answers call that file.
        """
        step = name.encode(_ENCODING, _ENCODING_ERRORS) + b"/"
        outer = tuple((rules, way if way is None else rules.reach(way + step)) for rules, way in self._files)
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
            entry = name.encode(_ENCODING, _ENCODING_ERRORS)
            if is_dir:
                entry += DIRECTORY_MARK
            for file, way in self._files:
                rule = file.last_match(entry, way)
                if rule is not None:
                    break
        return rule

    def is_ignored(self, name: str, *, is_dir: bool) -> bool:
        """Tell whether an entry of this directory is left out. The arguments are those of `decide`."""
        rule = self.decide(name, is_dir=is_dir)
        return rule is not None and not rule.negated


def _own(text: bytes | None, file: str) -> tuple[tuple[_RuleFile, bytes], ...]:
    return ((_RuleFile(text, file), b""),) if text else ()


class _RuleFile:
    """The rules of one ignore file, compiled."""

    __slots__ = ("_decide_by_name", "_decide_by_path", "_exact", "_others", "_rules", "_starts", "_suffixes")

    def __init__(self, text: bytes, file: str) -> None:
        self._rules: dict[str | None, Rule] = {}
        names: list[Pattern] = []
        paths: list[Pattern] = []
        # Lines end with LF or CR LF. A byte-order mark counts for nothing at the very start, and only there.
        for number, ended in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            line = ended.removesuffix(b"\r")
            group = f"rule{number}"
            pattern = translate(line, group)
            if pattern is not None:
                (paths if pattern.whole_path else names).append(pattern)
                written = line.decode("utf-8", "surrogateescape")
                self._rules[group] = Rule(file, number, written, negated=line.startswith(b"!"))
        self._decide_by_name = _joined(names)
        self._decide_by_path = _joined(paths)
        # What tells fast that no rule matches, as is so for most names and below most directories.
        self._exact = _marked((pattern, pattern.start) for pattern in names if not pattern.has_wildcards)
        self._suffixes = tuple(_marked((pattern, pattern.suffix) for pattern in names if pattern.suffix is not None))
        self._others = _joined([pattern for pattern in names if pattern.has_wildcards and pattern.suffix is None])
        self._starts = {pattern.start for pattern in paths}

    def reach(self, way: bytes) -> bytes | None:
        """Return `way`, or None if rules about whole paths can match nothing in or below the directory it leads to."""
        return way if any(way.startswith(start[: len(way)]) for start in self._starts) else None

    def last_match(self, entry: bytes, way: bytes | None) -> Rule | None:
        """Return the last rule that matches `entry`, a marked name, where it lies `way` below this file's directory."""
        by_name = by_path = None
        if entry in self._exact or entry.endswith(self._suffixes) or (self._others and self._others(entry)):
            by_name = self._decide_by_name and self._decide_by_name(entry)
        if way is not None:
            by_path = self._decide_by_path and self._decide_by_path(way + entry)
        if by_name and by_path:
            return max(self._rules[by_name.lastgroup], self._rules[by_path.lastgroup], key=_line)
        found = by_name or by_path
        return self._rules[found.lastgroup] if found else None


def _line(rule: Rule) -> int:
    return rule.line


def _marked(texts: Iterable[tuple[Pattern, bytes]]) -> frozenset[bytes]:
    """Return the texts as they end the names that the patterns match: with the mark, and without it if files match."""
    return frozenset(
        text + mark
        for pattern, text in texts
        for mark in ((DIRECTORY_MARK,) if pattern.directories_only else (DIRECTORY_MARK, b""))
    )


def _joined(patterns: list[Pattern]) -> Callable[[bytes], re.Match[bytes] | None] | None:
    """Return what matches any of the patterns; the group of the match is named after the last one that does."""
    if not patterns:
        return None
    # Of alternatives the first that matches wins; of the rules of a file, the last.
    return re.compile(b"|".join(pattern.expression for pattern in reversed(patterns)), re.DOTALL).fullmatch
