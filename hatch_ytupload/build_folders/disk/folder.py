"""A build folder on disk, for `mode = "dev"`: the layout and the guarantees of one in Cypress, without a cluster."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.disk.changes import Staging, remove_abandoned
from hatch_ytupload.build_folders.disk.nodes import look_into, open_file
from hatch_ytupload.build_folders.folder_lock import exclusive, user_name
from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.configuration.project import DEV_DIRECTORY
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.file_names import as_system_spells, shorter
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from hatch_ytupload.build_folders.build_folder import Changes, Node, Result
    from hatch_ytupload.byte_reader import FileReader, Progress

ROOT = os.path.join(DEV_DIRECTORY, "cypress")
"""Where the folders are, relative to the pipeline directory."""

_WORKPLACE = ".ytupload"


class LocalFolder:
    """A build folder on disk.

    Args:
        pipeline_dir: absolute path of the pipeline directory.
        cypress_path: of the build folder, beginning with `//`.
        wait_seconds: how long to wait while another publisher is at work.
        notice: called when there is something to wait for.
        warn: called with what failed after everything was visible.
        progress: called with how many bytes of how many have been written.
    """

    def __init__(
        self,
        pipeline_dir: str,
        cypress_path: str,
        *,
        wait_seconds: float = 0,
        notice: Callable[[str], None] = lambda _text: None,
        warn: Callable[[str], None] = lambda _text: None,
        progress: Progress = no_progress,
    ) -> None:
        self.cypress_path = cypress_path
        self._root = os.path.join(pipeline_dir, ROOT)
        self.directory = os.path.join(self._root, as_system_spells(cypress_path.removeprefix("//")))
        # Not in the folder, whose place another directory takes, nor beside it, where other folders may be.
        self._workplace = os.path.join(self._root, _WORKPLACE)
        self._wait_seconds = wait_seconds
        self._notice = notice
        self._warn = warn
        self._progress = progress

    @property
    def location(self) -> str:
        """Its path, relative to the working directory where that is shorter."""
        return one_line(shorter(self.directory))

    @property
    def host(self) -> str | None:
        """None: it is on this machine."""
        return None

    def cluster(self) -> str | None:
        """Return None: it is on this machine."""
        return None

    def path(self, name: str) -> str:
        """Return the name of a file in it, for messages."""
        return one_line(os.path.join(self.location, *name.split("/")))

    def user(self) -> str:
        """Return the name of this process's user."""
        return user_name()

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories, all of one state of the folder.

        Raises:
            BuildFolderError: they cannot be read.
        """
        with self._errors():
            return look_into(self.directory, directories)

    @contextmanager
    def open(self, path: str) -> Iterator[FileReader]:
        """Open a file.

        Raises:
            BuildFolderError: there is none, or it cannot be read.
        """
        with self._errors(), open_file(self.directory, path) as reader:
            yield reader

    def hold(self, path: str) -> AbstractContextManager[None]:  # noqa: ARG002 - as a cluster has it
        """Do nothing: who uses a folder on disk has its files open, or a copy of them."""
        return nullcontext()

    def change(self, purpose: str, action: Callable[[Changes], Result]) -> Result:
        """Run `action` while no other publisher is at work, and make what it did visible in one step.

        Raises:
            BuildFolderError: somebody else holds the folder for too long, or the changes cannot be made.
        """
        with self._errors():
            self._make_workplace()
            folder = os.path.realpath(self.directory)
            *above, prefix = self._prefixes(folder)
            with exclusive(
                f"{prefix}.lock",
                self.location,
                purpose,
                self._wait_seconds,
                self._notice,
                above=[f"{each}.lock" for each in above],
            ):
                remove_abandoned(folder, prefix)
                staging = Staging(folder, prefix, self._warn, self._progress)
                try:
                    result = action(staging)
                    staging.commit()
                finally:
                    staging.discard()
            return result

    def _make_workplace(self) -> None:
        os.makedirs(self._workplace, exist_ok=True)
        if os.path.islink(self._workplace):
            place = one_line(self._workplace)
            raise BuildFolderError(f"`{place}` is a link, and a directory is expected there; remove it")

    def _prefixes(self, folder: str) -> list[str]:
        """Return how what belongs to a folder is named in the workplace, after the same for each folder that holds it.

        A change of a folder is one of all that is in it, so folders in one another wait for one another.
        """
        relative = os.path.relpath(folder, os.path.realpath(self._root))
        # Out of the root it lies by itself.
        names = relative.split(os.sep) if not relative.startswith(os.pardir) else [folder]
        paths = ["//" + "/".join(names[:end]) for end in range(1, len(names) + 1)]
        return [os.path.join(self._workplace, hashlib.sha256(os.fsencode(path)).hexdigest()[:16]) for path in paths]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            place = f" (`{one_line(error.filename)}`)" if error.filename else ""
            raise BuildFolderError(
                f"cannot use the build folder `{self.location}`: {error.strerror or error}{place}"
            ) from None
