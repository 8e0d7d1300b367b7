"""Packed files that git ignores: a build of another checkout would not have them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from hatch_ytupload.checks.findings import WARNING, Finding
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.checks.packed_code import PackedCode

_FIELDS = 4


def check_git_ignored(code: PackedCode, project_root: str) -> list[Finding]:
    """Report packed files that git ignores, one finding for each rule; nothing outside a repository or without git.

    Args:
        code: what a build would pack.
        project_root: absolute path.
    """
    paths = {}
    for path, file in code.files.items():
        if file.own and file.source is not None and file.source.startswith(os.path.join(project_root, "")):
            paths[file.source] = path
    if not paths:
        return []
    try:
        done = subprocess.run(
            ["git", "check-ignore", "--stdin", "-z", "--verbose"],
            cwd=project_root,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            input=b"".join(os.fsencode(source) + b"\0" for source in paths),
            capture_output=True,
            check=False,
        )
    except OSError:  # there is no git on this machine
        return []
    fields = done.stdout.split(b"\0")
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for start in range(0, len(fields) - _FIELDS + 1, _FIELDS):
        rules, line, pattern, source = (os.fsdecode(field) for field in fields[start : start + _FIELDS])
        if not pattern.startswith("!"):
            grouped.setdefault((rules, line, pattern), []).append(paths[source])
    return [_finding(rule, sorted(packed)) for rule, packed in grouped.items()]


def _finding(rule: tuple[str, str, str], paths: list[str]) -> Finding:
    file, line, pattern = rule
    what = "is packed" if len(paths) == 1 else f"and {len(paths) - 1} more are packed"
    message = (
        f"{what} though git ignores it: `{one_line(pattern)}` (line {line} of `{one_line(file)}`); "
        "a build of another checkout has other content"
    )
    return Finding(WARNING, "git-ignored", paths[0], None, message)
