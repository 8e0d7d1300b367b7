"""Which commit the sources were, asked of git."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import BUNDLE_SUFFIX
from hatch_ytupload.packing.manifest import GitInfo
from hatch_ytupload.programs import Git, git_reason, work_tree

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self


class GitQuestion:
    """Asks git in the background, while the archive is being packed.

    Args:
        directory: the project root; changes outside of it do not count.
        outputs: directories whose content does not count: where builds and runs write. Nor do bundles anywhere.
    """

    def __init__(self, directory: str, outputs: Sequence[str]) -> None:
        exclude = [f":(exclude,glob)**/*{BUNDLE_SUFFIX}/**"]
        for output in outputs:
            relative = os.path.relpath(os.path.realpath(output), os.path.realpath(directory))
            if relative not in (os.curdir, os.pardir) and not relative.startswith(os.pardir + os.sep):
                exclude.append(f":(exclude,literal){relative}")
        self._git: Git | None = None
        self._answer: subprocess.CompletedProcess[bytes] | None = None
        self.problem: str | None = None
        """Why git had no answer though there is a repository, once it was asked for."""
        if work_tree(directory) is None:
            return
        asked = ["status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", ".", *exclude]
        with suppress(OSError):  # there may be no git on this machine
            self._git = Git(directory, *asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._git is not None and self._answer is None:
            self._git.stop()

    def answer(self) -> GitInfo | None:
        """Return what git said, None outside a repository, before its first commit, or without git."""
        if self._git is None:
            return None
        if self._answer is None:
            self._answer = self._git.answer()
            if self._answer.returncode != 0:
                reason = git_reason(self._answer.stderr)
                self.problem = f"the manifest names no commit: git could not be asked: {reason}"
        if self._answer.returncode != 0:
            return None
        commit, dirty = "", False
        for line in self._answer.stdout.decode("utf-8", "replace").splitlines():
            if line.startswith("# branch.oid "):
                commit = line.removeprefix("# branch.oid ")
            elif not line.startswith("#"):
                dirty = True
        return GitInfo(commit, dirty) if commit and commit != "(initial)" else None
