"""Console blocks of Markdown pages, typed into a shell: what is printed is compared with what the page shows.

Before a block a comment may say `run first: COMMAND` (what the reader has done, without a word on the page), or, before
a block of any language, `file: NAME`, which the reader is to write. A line `...` in a block stands for any lines, `...`
before the rest of a line for its beginning, after it for its end. What differs from run to run (digests, sizes, times,
users, numbers of files) is compared by its kind. What cannot be typed is no console block.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.command_line.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_BLOCK = re.compile(r"((?:^ *<!-- (?:(?!-->).)* -->\n)*)^ *```([a-z]+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_NOTE = re.compile(r"<!-- (run first|file): (.*?) -->", re.DOTALL)
_KINDS = (
    (r"\b(?:[0-9a-f]{12}|[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{64})\b", "DIGEST"),
    (r"\b[0-9a-f]+(?:-[0-9a-f]+){3}\b", "ID"),
    (r"\bbytes \d+ to \d+", "BYTES"),
    (r"\b\d+(?:\.\d+)? (?:B|kB|MB|bytes)\b", "SIZE"),
    (r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d(?::\d\dZ)?", "TIME"),
    (r"\b\d+\.\d+ s\b", "SECONDS"),
    (r'"seconds": [\d.]+', "SECONDS"),
    (r"\b\d+ files\b", "FILES"),
    (r" by [\w-]+(?= from DIGEST|$)", " by USER"),
    # The last column of `history`.
    (r"(SIZE +(?:-|[0-9a-f]{7,}\+?)) +[\w-]+(?=,|$)", r"\1 USER"),
)
# What a shell would do more with than to start a program.
_SHELL_SYNTAX = set("\n;&|<>$`(){}*?[]~#=!\\")
_OWN = "hatch-ytupload"


class Step(NamedTuple):
    """A command of a page, and the lines that the page shows below it."""

    command: str
    shown: tuple[str, ...] | None
    """None: nobody says what it prints."""


def steps_of(page: str) -> Iterator[Step]:
    """Yield what a reader of a page types, in its order."""
    for notes, language, indented in _BLOCK.findall(page):
        block = textwrap.dedent(indented)
        kinds = dict(_NOTE.findall(notes))
        if "file" in kinds:
            yield Step(f"cat > {kinds['file']} <<'END'\n{block}END", None)
        if language != "console":
            continue
        if "run first" in kinds:
            yield Step(kinds["run first"], None)
        command = ""
        shown: list[str] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield Step(command, tuple(shown))
                command, shown = line[2:], []
            elif command.endswith("\\"):
                command += f"\n{line}"
            else:
                shown.append(line)
        assert command, f"a block without `$ `:\n{block}"
        yield Step(command, tuple(shown))


class Shell:
    """A shell that somebody types into, one command after the other; directory and variables stay.

    Args:
        directory: where it stands at first.
        environ: its variables.
        names: what stands here for a name of a page, such as that of a cluster.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str], names: Mapping[str, str] | None = None) -> None:
        self._place = str(directory)
        self._environ = dict(environ)
        self._names = dict(names or {})
        self._left = directory / ".left"

    def type(self, command: str) -> str:
        """Return what a command prints, in the order in which it appears."""
        for shown, here in self._names.items():
            command = command.replace(shown, here)
        words = [] if _SHELL_SYNTAX & set(command) else shlex.split(command)
        # It is the same program, without the time that its start takes.
        printed = self._call(words[1:]) if words[:1] == [_OWN] else self._run(command)
        for shown, here in self._names.items():
            printed = printed.replace(here, shown)
        return printed

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"trap '{{ pwd; env -0; }} > \"{self._left}\"' EXIT\n{command}"],
            cwd=self._place,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self._place, _, variables = self._left.read_text().partition("\n")
        self._environ = dict(variable.split("=", 1) for variable in variables.split("\0") if variable)
        return done.stdout

    def _call(self, arguments: list[str]) -> str:
        printed = self._left.with_suffix(".printed")
        with (
            printed.open("w", buffering=1, encoding="utf-8") as file,
            _standing_in(self._place, self._environ, file.fileno()),
            redirect_stdout(file),
            redirect_stderr(file),
            suppress(SystemExit),
        ):
            main(arguments)
        return printed.read_text()


@contextmanager
def _standing_in(place: str, environ: Mapping[str, str], descriptor: int) -> Iterator[None]:
    """Have this process stand where the shell does, with its variables, and its programs print where it prints."""
    before = os.getcwd(), dict(os.environ), [os.dup(1), os.dup(2)]
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environ)
    sys.stdout.flush()
    sys.stderr.flush()
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    try:
        yield
    finally:
        for standard, copy in enumerate(before[2], start=1):
            os.dup2(copy, standard)
            os.close(copy)
        os.environ.clear()
        os.environ.update(before[1])
        os.chdir(before[0])


def as_shown(printed: str, shown: tuple[str, ...]) -> bool:
    """Tell whether a command printed what the page shows."""
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
            continue
        head = r".*" if line.startswith("... ") else ""
        tail = r".*" if line.endswith("...") else ""
        text = _by_kind(line.removeprefix("... ").removesuffix("..."))
        parts.append(head + re.escape(text) + tail + r"\n")
    lines = "".join(f"{_by_kind(line)}\n" for line in printed.splitlines())
    return re.fullmatch("".join(parts), lines) is not None


def _by_kind(line: str) -> str:
    for pattern, kind in _KINDS:
        line = re.sub(pattern, kind, line.rstrip())
    return re.sub(r" {2,}", "  ", line)
