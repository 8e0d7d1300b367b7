"""How far symbolic links of a source may lead, and what they lead to."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import is_inside
from hatch_ytupload.sources.credentials import is_credential_file
from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

# A directory is opened only as what it was when its name was looked at: never through a link that took its place.
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# On the way to something a directory need not be readable. macOS has no O_PATH.
_PASS_DIRECTORY = OPEN_DIRECTORY | getattr(os, "O_PATH", 0)
REPLACED = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENOENT}
# So many files of credentials are named in one error.
_MOST_NAMES = 5
WAY_OUT = f"exclude it in `{IGNORE_FILE_NAME}` or remove it"
"""How messages about what cannot be packed end."""


class Boundary:
    """The directory that symbolic links of a source must not lead out of.

    Args:
        path: of the directory; `/`: they may lead anywhere.
        own: the source belongs to the pipeline: links to credentials are refused.
    """

    def __init__(self, path: str, *, own: bool) -> None:
        self._path = os.path.realpath(path)
        self._own = own

    def status(self, real: str, shown: str) -> os.stat_result:
        """Return the status of a path inside the boundary that held no symbolic links when it was resolved.

        Raises:
            SourceError: it holds one now, or cannot be looked at.
        """
        *above, name = os.path.relpath(real, self._path).split(os.sep)
        descriptors = []
        try:
            descriptors.append(os.open(self._path, _PASS_DIRECTORY))
            for step in above:
                descriptors.append(os.open(step, _PASS_DIRECTORY, dir_fd=descriptors[-1]))
            status = os.stat(name, dir_fd=descriptors[-1], follow_symlinks=False)
        except OSError as error:
            if descriptors and error.errno in REPLACED and os.path.lexists(real):
                raise moved(shown) from None
            raise unreadable(shown, error) from None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if stat.S_ISLNK(status.st_mode):
            raise moved(shown)
        return status

    def followed(self, path: str, shown: str) -> str:
        """Return what a symbolic link leads to.

        Raises:
            SourceError: nothing, itself, or something outside the boundary.
        """
        try:
            real = os.path.realpath(path, strict=True)
        except OSError as error:
            if error.errno == errno.ELOOP and (ring := self._ring(path)):
                raise SourceError(
                    f"the symbolic link `{one_line(shown)}` leads back to itself: {ring}; {WAY_OUT}"
                ) from None
            raise SourceError(
                f"cannot follow the symbolic link `{one_line(shown)}` to `{one_line(_link(path))}`: {error.strerror}; "
                f"{WAY_OUT}"
            ) from None
        self.check(real, f"the symbolic link `{one_line(shown)}`")
        if self._own and is_credential_file(real):
            raise credential_error([shown], f" (a symbolic link to `{one_line(real)}`)")
        return real

    def check(self, real: str, subject: str) -> None:
        """Check that a path without symbolic links is inside the boundary.

        Raises:
            SourceError: it is not; `subject` is what leads there.
        """
        if not is_inside(real, self._path):
            raise SourceError(
                f"{subject} leads to `{one_line(real)}`, out of `{one_line(self._path)}`; "
                f"replace it by a copy, {WAY_OUT}"
            )

    def _ring(self, path: str) -> str:
        """Return the links that lead from one to the next and back, if that is what they do."""
        places: list[str] = []
        while path not in places:
            places.append(path)
            if not os.path.islink(path):
                return ""  # the ring is among the directories on the way
            path = os.path.normpath(os.path.join(os.path.dirname(path), _link(path)))
        return " -> ".join(f"`{one_line(os.path.relpath(place, self._path))}`" for place in [*places, path])


def credential_error(files: Sequence[str], remark: str = "") -> SourceError:
    """Return the error for files of credentials.

    Args:
        files: their names in messages.
        remark: what is to be said of them, after their names.
    """
    shown = [f"`{one_line(file)}`" for file in files[:_MOST_NAMES]]
    if len(files) > len(shown):
        shown.append(f"{len(files) - len(shown)} more")
    names = f"{', '.join(shown[:-1])} and {shown[-1]}" if shown[1:] else shown[0]
    looks, them = ("looks like a file", "it") if len(files) == 1 else ("look like files", "them")
    return SourceError(
        f"{names}{remark} {looks} of credentials, which must not get into an archive; "
        f"move {them} out of the sources or exclude {them} in `{IGNORE_FILE_NAME}`"
    )


def moved(shown: str) -> SourceError:
    """Return the error for what is no longer what it was a moment ago."""
    return SourceError(f"`{one_line(shown)}` was replaced while it was being read; build again when it is at rest")


def _link(path: str) -> str:
    """Return what a symbolic link holds; nothing where that cannot be read any more."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def unreadable(shown: str, error: OSError) -> SourceError:
    """Return the error for what cannot be looked at."""
    return SourceError(f"{cannot('read', shown, error)}; {WAY_OUT}")
