"""A build folder in Cypress: everything a publisher does there is one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, FILE, FOLDER, Node
from hatch_ytupload.build_folders.cypress.errors import LOST, CypressError
from hatch_ytupload.build_folders.cypress.files import CypressReader, upload
from hatch_ytupload.build_folders.cypress.lock import FolderLock
from hatch_ytupload.build_folders.cypress.nodes import look_at, open_file
from hatch_ytupload.build_folders.cypress.transaction import transaction
from hatch_ytupload.build_folders.folder_lock import user_name
from hatch_ytupload.byte_reader import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hatch_ytupload.build_folders.build_folder import Changes, Content, Plain, Result
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.byte_reader import Progress

_ATTRIBUTES = ["type", "uncompressed_data_size", "md5", "executable", ATTRIBUTE]
_POLL_SECONDS = 0.5


class CypressFolder:
    """A build folder on a cluster.

    Args:
        cluster: which one.
        path: of the folder, beginning with `//`.
        wait_seconds: how long to wait while another publisher is at work.
        notice: is told when there is something to wait for.
        progress: is told how many bytes of how many have been sent.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        *,
        wait_seconds: float = 0,
        notice: Callable[[str], None] = lambda _text: None,
        progress: Progress = no_progress,
    ) -> None:
        self.location = path
        self._cluster = cluster
        self._wait_seconds = wait_seconds
        self._notice = notice
        self._progress = progress

    @property
    def host(self) -> str | None:
        """The cluster."""
        return self._cluster.address

    def path(self, name: str) -> str:
        """Return the path of a file in it."""
        return f"{self.location}/{name}"

    def user(self) -> str:
        """Return our name on the cluster, or on this machine where the cluster cannot be asked for it.

        Raises:
            CypressError: the cluster does not answer.
        """
        try:
            return str(self._cluster.read("get_current_user", "ask for the user's name"))
        except CypressError as error:
            if error.passing:
                raise
            return user_name()

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories, in one request.

        Raises:
            CypressError: they cannot be read.
        """
        return look_at(self._cluster, self.location, directories)

    @contextmanager
    def open(self, path: str) -> Iterator[CypressReader]:
        """Open a file; what is read is what it was then.

        Raises:
            CypressError: there is none, or it cannot be read.
        """
        place = self.path(path)
        with transaction(self._cluster, f"reading {place}") as opened:
            lock = self._cluster.change(
                "lock", f"read `{place}`", path=place, mode="snapshot", transaction_id=opened.id
            )
            yield open_file(self._cluster, f"#{lock['node_id']}", opened.id, place)

    def change(self, purpose: str, action: Callable[[Changes], Result]) -> Result:
        """Run `action` in a transaction that holds the folder; once more, when the transaction was lost on the way.

        Raises:
            BuildFolderError: somebody else holds the folder for too long, or the changes cannot be made.
        """
        try:
            return self._change(purpose, action)
        except CypressError as error:
            if error.kind != LOST:
                raise
            self._notice(f"{error}; beginning again")
        return self._change(purpose, action)

    def _change(self, purpose: str, action: Callable[[Changes], Result]) -> Result:
        with transaction(self._cluster, purpose) as opened:
            FolderLock(self._cluster, self.location, opened, self._wait_seconds, self._notice).acquire()
            result = action(_CypressChanges(self._cluster, self.location, opened.id, self._progress))
            opened.commit(f"commit the changes of `{self.location}`")
        return result


class _CypressChanges:
    """The changes of one publisher, in his transaction."""

    def __init__(self, cluster: Cluster, location: str, transaction_id: str, progress: Progress) -> None:
        self._cluster = cluster
        self._location = location
        self._transaction_id = transaction_id
        self._progress = progress

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories."""
        return look_at(self._cluster, self._location, directories, self._transaction_id)

    @contextmanager
    def open(self, path: str) -> Iterator[CypressReader]:
        """Open a file."""
        place = self._place(path)
        yield open_file(self._cluster, place, self._transaction_id, place)

    def make_directory(self, path: str, attribute: Plain) -> None:
        """Make an empty directory in place of whatever lies there, and the directories above it."""
        place = self._place(path)
        attributes = {ATTRIBUTE: attribute}
        self._change(
            "create", f"make `{place}`", type=FOLDER, path=place, recursive=True, force=True, attributes=attributes
        )

    def write(self, path: str, content: Content, *, attribute: Plain = None, executable: bool = False) -> None:
        """Write a file in place of whatever lies there."""
        place = self._place(path)
        attributes: dict[str, Plain] = {} if attribute is None else {ATTRIBUTE: attribute}
        if executable:
            attributes["executable"] = True
        self._change("create", f"make `{place}`", type=FILE, path=place, force=True, attributes=attributes)
        upload(self._cluster, place, self._transaction_id, content, self._progress)

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its attribute: only its name is new, no data is moved."""
        place = self._place(target)
        self._change("copy", f"replace `{place}`", source_path=self._place(source), destination_path=place, force=True)

    def set_attribute(self, path: str, value: Plain) -> None:
        """Set the attribute of a node."""
        place = f"{self._place(path)}/@{ATTRIBUTE}"
        self._change("set", f"set `{place}`", path=place, value=value)

    def remove(self, path: str) -> None:
        """Remove a node and all below it."""
        place = self._place(path)
        self._change("remove", f"remove `{place}`", path=place, recursive=True, force=True)

    def _place(self, path: str) -> str:
        return f"{self._location}/{path}"

    def _change(self, command: str, action: str, **parameters: Plain) -> None:
        self._cluster.change(command, action, **parameters, transaction_id=self._transaction_id)
