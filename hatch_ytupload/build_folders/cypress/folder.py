"""A build folder in Cypress: everything a publisher does there is one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.cypress.changes import CypressChanges
from hatch_ytupload.build_folders.cypress.errors import LOST, MISSING, OTHER, CypressError
from hatch_ytupload.build_folders.cypress.lock import FolderLock, Waiting
from hatch_ytupload.build_folders.cypress.nodes import look_at, open_file
from hatch_ytupload.build_folders.cypress.shapes import text, value_of
from hatch_ytupload.build_folders.cypress.transaction import transaction
from hatch_ytupload.build_folders.folder_lock import user_name
from hatch_ytupload.byte_reader import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hatch_ytupload.build_folders.build_folder import Changes, Node, Plain, Result
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.build_folders.cypress.files import CypressReader
    from hatch_ytupload.byte_reader import Progress


class CypressFolder:
    """A build folder on a cluster.

    Args:
        cluster: which one.
        path: of the folder, beginning with `//`.
        wait_seconds: how long to wait while another publisher is at work.
        notice: called when there is something to wait for.
        warn: called with what could not be done beside what was.
        progress: called with how many bytes of how many have been sent.
        node_attributes: of the files that are written, in the words of Cypress: `account`, `primary_medium` and
            `replication_factor`, as far as they are not to be the folder's own.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        *,
        wait_seconds: float = 0,
        notice: Callable[[str], None] = lambda _text: None,
        warn: Callable[[str], None] = lambda _text: None,
        progress: Progress = no_progress,
        node_attributes: Mapping[str, Plain] | None = None,
    ) -> None:
        self.location = self.cypress_path = path
        self.node_attributes = dict(node_attributes or {})
        self._cluster = cluster
        self._wait_seconds = wait_seconds
        self._notice = notice
        self._warn = warn
        self._progress = progress
        self._user: str | None = None

    @property
    def host(self) -> str | None:
        """The cluster."""
        return self._cluster.address

    def cluster(self) -> str | None:
        """Return what all folders of its cluster have in common.

        Raises:
            CypressError: the address cannot be understood.
        """
        return self._cluster.place()

    def path(self, name: str) -> str:
        """Return the path of a file in it."""
        return f"{self.location}/{name}"

    def user(self) -> str:
        """Return our name on the cluster, or on this machine where the cluster cannot be asked for it.

        Raises:
            CypressError: the cluster does not answer.
        """
        if self._user is None:
            self._user = self._cluster.user() or user_name()
        return self._user

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories, all of one state of the folder.

        Raises:
            CypressError: they cannot be read.
        """
        return look_at(self._cluster, self.location, directories, self.node_attributes)

    @contextmanager
    def open(self, path: str) -> Iterator[CypressReader]:
        """Open a file; what is read is what it was then.

        Raises:
            CypressError: there is none, or it cannot be read.
        """
        place = self.path(path)
        with transaction(self._cluster, f"reading {place}") as opened:
            node_id = self._cluster.change(
                "lock",
                f"read `{place}`",
                value_of("node_id", text),
                path=place,
                mode="snapshot",
                transaction_id=opened.id,
            )
            yield open_file(self._cluster, f"#{node_id}", opened.id, place)

    @contextmanager
    def hold(self, path: str) -> Iterator[None]:
        """See to it that nobody removes a directory, or replaces it, while the block runs.

        Whoever may read it but not lock it uses it all the same, without being sure of it.

        Raises:
            CypressError: the cluster does not answer.
        """
        place = self.path(path)
        with transaction(self._cluster, f"using {place}") as opened:
            try:
                self._cluster.change("lock", f"hold `{place}`", path=place, mode="shared", transaction_id=opened.id)
            except CypressError as error:
                if error.passing:
                    raise
                if error.kind != MISSING:
                    self._warn(f"{error}; a publish may prune it meanwhile")
            yield

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
            waiting = Waiting(self._cluster, self._wait_seconds, self._notice)
            try:
                FolderLock(self._cluster, self.location, opened, waiting).acquire()
                changes = CypressChanges(
                    self._cluster, self, opened.id, waiting, warn=self._warn, progress=self._progress
                )
                result = action(changes)
                changes.require_arrival()
                opened.commit(f"commit the changes of `{self.location}`")
            except CypressError as error:
                # An upload that loses its transaction ends in an error which does not say so.
                if error.kind in (OTHER, MISSING) and not error.passing:
                    opened.require()
                raise
        changes.settle_all()
        return result
