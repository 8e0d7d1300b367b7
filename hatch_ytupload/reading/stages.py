"""Which operations an archive offers, read from the wrapper scripts in it, whoever built it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import REQUIREMENTS, stage_file

if TYPE_CHECKING:
    from collections.abc import Mapping

_START = re.compile(r"(?m)^(?:exec )?python3? (.+)$")
_INCLUDED = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)")


def started_script(wrapper: bytes) -> str | None:
    r"""Return the path of the Python file that a wrapper script starts; None: it cannot be told.

    >>> started_script(b"#!/bin/bash\nset -e\nexec python3 stages/parse/src/mapper.py\n")
    'stages/parse/src/mapper.py'
    """
    match = _START.search(wrapper.decode("utf-8", "replace"))
    try:
        words = shlex.split(match[1]) if match else []
    except ValueError:
        return None
    return words[0] if words and words[0].endswith(".py") else None


def requirement_files(files: Mapping[str, bytes], stage: str) -> dict[str, bytes]:
    """Return the requirements file of a stage and those that it includes (`-r`, `-c`), as far as they are packed.

    Args:
        files: content by path; all text files of the archive that could be meant.
        stage: its name.
    """
    found: dict[str, bytes] = {}
    pending = [stage_file(stage, REQUIREMENTS)]
    while pending:
        path = pending.pop()
        if path in found or path not in files:
            continue
        found[path] = files[path]
        pending.extend(included for included, _ in included_files(path, files[path]))
    return found


def included_files(path: str, content: bytes) -> list[tuple[str, int]]:
    """Return the files that a requirements file includes, relative to the archive, each with its line."""
    found = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        match = _INCLUDED.match(line.strip())
        if match is not None and "://" not in match[1]:
            found.append((joined(path.rpartition("/")[0], match[1]), number))
    return found


def joined(directory: str, path: str) -> str:
    """Return a path that is written relative to a directory of the archive, without `.` and `..`.

    >>> joined("stages/parse", "../common.txt")
    'stages/common.txt'
    """
    names: list[str] = []
    for name in [*directory.split("/"), *path.split("/")]:
        if name == ".." and names and names[-1] != "..":
            names.pop()
        elif name not in ("", "."):
            names.append(name)
    return "/".join(names)
