"""Which commit the sources were, asked of git."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import BUNDLE_SUFFIX
from hatch_ytupload.packing.manifest import GitInfo

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

# Git sets these for its hooks; a build that one of them starts is asked about its own directory.
_OF_ANOTHER = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"}
# Git must not write to the repository that it is asked about, nor speak another language.
_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


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
        self._process: subprocess.Popen[bytes] | None = None
        self._output: bytes | None = None
        if not _is_in_a_work_tree(directory):
            return
        import subprocess

        with suppress(OSError):  # there may be no git on this machine
            self._process = subprocess.Popen(
                ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", ".", *exclude],
                cwd=directory,
                env={name: value for name, value in os.environ.items() if name not in _OF_ANOTHER} | _ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._output is None:
            self._process.kill()
            self._process.communicate()

    def answer(self) -> GitInfo | None:
        """Return what git said, None outside a repository, before its first commit, or without git."""
        if self._process is None:
            return None
        if self._output is None:
            self._output, _ = self._process.communicate()
        if self._process.returncode != 0:
            return None
        commit, dirty = "", False
        for line in self._output.decode("utf-8", "replace").splitlines():
            if line.startswith("# branch.oid "):
                commit = line.removeprefix("# branch.oid ")
            elif not line.startswith("#"):
                dirty = True
        return GitInfo(commit, dirty) if commit and commit != "(initial)" else None


def _is_in_a_work_tree(directory: str) -> bool:
    """Tell whether git can find a work tree from a directory; where it cannot, it need not be started."""
    above = os.path.realpath(directory)
    while not os.path.lexists(os.path.join(above, ".git")):
        directory, above = above, os.path.dirname(above)
        if above == directory:
            return False
    return True
