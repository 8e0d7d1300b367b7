"""Packed files that another checkout would not have, or not have like this: ignored by git, or pointers of Git LFS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_ytupload.checks.findings import WARNING, Finding
from hatch_ytupload.programs import Git, git_reason, work_tree
from hatch_ytupload.wording import counted, one_line

if TYPE_CHECKING:
    from hatch_ytupload.checks.packed_code import PackedCode

# Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md (the pointer, and the names of the tool before)
_POINTERS = (b"version https://git-lfs.github.com/spec/v1\n", b"version https://hawser.github.com/spec/v1\n")
_LONGEST_POINTER = 1024
_FIELDS = 4
_NONE_IGNORED = 1


def check_git_ignored(code: PackedCode, project_root: str) -> list[Finding]:
    """Report packed files that git ignores, one finding for each rule; nothing outside a repository or without git.

    Args:
        code: what a build would pack.
        project_root: absolute path.
    """
    trees: dict[str | None, dict[str, str]] = {}
    known: dict[str, str | None] = {}
    for path, file in code.files.items():
        if file.own and file.source is not None and file.source.startswith(os.path.join(project_root, "")):
            directory = os.path.dirname(file.source)
            if directory not in known:
                known[directory] = work_tree(directory)
            trees.setdefault(known[directory], {})[file.source] = path
    # A submodule is a repository of its own, and git refuses to say anything about its files in another one.
    return [finding for top, paths in trees.items() if top for finding in _ignored(top, paths, project_root)]


def _ignored(top: str, paths: dict[str, str], project_root: str) -> list[Finding]:
    """Ask git about files of one work tree, whose paths in the archive are known by those on disk."""
    given = b"".join(os.fsencode(source) + b"\0" for source in paths)
    try:
        done = Git(top, "check-ignore", "--stdin", "-z", "--verbose").answer(given)
    except OSError:  # there is no git on this machine
        return []
    if done.returncode not in (0, _NONE_IGNORED):
        files = counted(len(paths), "packed file")
        message = f"git could not be asked whether it ignores {files}: {git_reason(done.stderr)}"
        return [Finding(WARNING, "git", "", None, message)]
    fields = done.stdout.split(b"\0")
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for start in range(0, len(fields) - _FIELDS + 1, _FIELDS):
        rules, line, pattern, source = (os.fsdecode(field) for field in fields[start : start + _FIELDS])
        if not pattern.startswith("!"):
            # Git names its files from the top of the work tree, which may be a submodule, or lie above the project.
            place = rules if os.path.isabs(rules) else os.path.relpath(os.path.join(top, rules), project_root)
            grouped.setdefault((place, line, pattern), []).append(paths[source])
    return [_finding(rule, sorted(packed)) for rule, packed in grouped.items()]


def _finding(rule: tuple[str, str, str], paths: list[str]) -> Finding:
    file, line, pattern = rule
    what = "is packed" if len(paths) == 1 else f"and {len(paths) - 1} more are packed"
    message = (
        f"{what} though git ignores it: `{one_line(pattern)}` (line {line} of `{one_line(file)}`); "
        "a build of another checkout has other content"
    )
    return Finding(WARNING, "git-ignored", paths[0], None, message)


def check_lfs_pointers(code: PackedCode) -> list[Finding]:
    """Report pointers; a pointer has fewer than 1024 bytes."""
    message = "is a pointer of Git LFS, not the file that it stands for: run `git lfs pull` and build again"
    return [
        Finding(WARNING, "lfs-pointer", path, None, message)
        for path, file in code.files.items()
        if file.own and file.size < _LONGEST_POINTER and code.read(path).startswith(_POINTERS)
    ]
