"""Packed files that Git LFS has left as pointers: the job would read a few lines of text in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.checks.findings import WARNING, Finding

if TYPE_CHECKING:
    from hatch_ytupload.checks.packed_code import PackedCode

# Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md (the pointer, and the names of the tool before)
_BEGINNINGS = (b"version https://git-lfs.github.com/spec/v1\n", b"version https://hawser.github.com/spec/v1\n")
_LONGEST = 1024


def check_lfs_pointers(code: PackedCode) -> list[Finding]:
    """Report pointers; a pointer has fewer than 1024 bytes."""
    message = "is a pointer of Git LFS, not the file that it stands for: run `git lfs pull` and build again"
    return [
        Finding(WARNING, "lfs-pointer", path, None, message)
        for path, file in code.files.items()
        if file.own and file.size < _LONGEST and code.read(path).startswith(_BEGINNINGS)
    ]
