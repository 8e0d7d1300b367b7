"""Console blocks of Markdown pages, typed into a shell: what is printed is compared with what the page shows.

Before a block a comment may say `not run: WHY`, `run first: COMMAND` (what the reader has done, without a word on the
page), or, before a block of any language, `file: NAME`, which the reader is to write. A line `...` in a block stands
for any lines, `... ` before the rest of a line for its beginning. What differs from run to run (digests, sizes, times,
users, numbers of files) is compared by its kind.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_BLOCK = re.compile(r"((?:<!-- (?:(?!-->).)* -->\n)*)^```([a-z]+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NOTE = re.compile(r"<!-- (not run|run first|file): (.*?) -->", re.DOTALL)
_KINDS = (
    (r"\b[0-9a-f]{12}\b", "DIGEST"),
    (r"\b\d+(?:\.\d+)? (?:B|kB|MB|bytes)\b", "SIZE"),
    (r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d(?::\d\dZ)?", "TIME"),
    (r"\b\d+\.\d+ s\b", "SECONDS"),
    (r'"seconds": [\d.]+', "SECONDS"),
    (r"\b\d+ files\b", "FILES"),
    (r" by [\w-]+$", " by USER"),
    # The last column of `history`.
    (r"(SIZE +(?:-|[0-9a-f]{7,}\+?)) +[\w-]+(?=,|$)", r"\1 USER"),
)


class Step(NamedTuple):
    """A command of a page, and the lines that the page shows below it."""

    command: str
    shown: tuple[str, ...] | None
    """None: nobody says what it prints."""


def steps_of(page: str) -> Iterator[Step]:
    """Yield what a reader of a page types, in its order."""
    for notes, language, block in _BLOCK.findall(page):
        kinds = dict(_NOTE.findall(notes))
        if "file" in kinds:
            yield Step(f"cat > {kinds['file']} <<'END'\n{block}END", None)
        if language != "console" or "not run" in kinds:
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
        assert command, f"a block without `$ ` that no comment takes out:\n{block}"
        yield Step(command, tuple(shown))


class Shell:
    """A shell that somebody types into, one command after the other, standing where the last one left it."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._place = directory / ".place"
        self._place.write_text(str(directory))
        self._environ = dict(environ)

    def type(self, command: str) -> str:
        """Return what a command prints, in the order in which it appears."""
        where = self._place.read_text().rstrip()
        program = f'trap \'pwd > "{self._place}"\' EXIT\ncd "{where}"\n{command}'
        done = subprocess.run(
            ["bash", "-c", program],
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout


def as_shown(printed: str, shown: tuple[str, ...]) -> bool:
    """Tell whether a command printed what the page shows."""
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        elif line.startswith("... "):
            parts.append(r".*" + re.escape(_by_kind(line[4:])) + r"\n")
        else:
            parts.append(re.escape(_by_kind(line)) + r"\n")
    lines = "".join(f"{_by_kind(line)}\n" for line in printed.splitlines())
    return re.fullmatch("".join(parts), lines) is not None


def _by_kind(line: str) -> str:
    for pattern, kind in _KINDS:
        line = re.sub(pattern, kind, line.rstrip())
    return re.sub(r" {2,}", "  ", line)
