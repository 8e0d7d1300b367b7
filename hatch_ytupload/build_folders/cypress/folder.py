"""A build folder in Cypress: everything a publisher does there is one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, FILE, FOLDER, Node
from hatch_ytupload.build_folders.cypress.client import Part
from hatch_ytupload.build_folders.cypress.errors import CONFLICT, LOST, MISSING, OTHER, CypressError
from hatch_ytupload.build_folders.cypress.files import CypressReader, Written, compare_written, upload
from hatch_ytupload.build_folders.cypress.lock import FolderLock, Waiting
from hatch_ytupload.build_folders.cypress.means import Means
from hatch_ytupload.build_folders.cypress.nodes import look_at, open_file
from hatch_ytupload.build_folders.cypress.shapes import anything, text, value_of
from hatch_ytupload.build_folders.cypress.transaction import transaction
from hatch_ytupload.build_folders.folder_lock import user_name
from hatch_ytupload.byte_reader import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from hatch_ytupload.build_folders.build_folder import Base, Changes, Content, Plain, Result
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.byte_reader import Progress


class CypressFolder:
    """A build folder on a cluster.

    Args:
        cluster: which one.
        path: of the folder, beginning with `//`.
        wait_seconds: how long to wait while another publisher is at work.
        notice: is told when there is something to wait for.
        progress: is told how many bytes of how many have been sent.
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
        progress: Progress = no_progress,
        node_attributes: Mapping[str, Plain] | None = None,
    ) -> None:
        self.location = path
        self.node_attributes = dict(node_attributes or {})
        self._cluster = cluster
        self._wait_seconds = wait_seconds
        self._notice = notice
        self._progress = progress
        self._user: str | None = None

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
        if self._user is None:
            self._user = self._cluster.user() or user_name()
        return self._user

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories, all of one state of the folder.

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
                    self._notice(f"{error}; a publish may prune it meanwhile")
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
                changes = _CypressChanges(
                    self._cluster, self, opened.id, waiting, notice=self._notice, progress=self._progress
                )
                result = action(changes)
                changes.require_arrival()
                opened.commit(f"commit the changes of `{self.location}`")
            except CypressError as error:
                # An upload that loses its transaction ends in an error which does not say so.
                if error.kind in (OTHER, MISSING) and not error.passing:
                    opened.require()
                raise
        changes.adjust_copies()
        return result


class _CypressChanges:
    """The changes of one publisher, in his transaction."""

    def __init__(
        self,
        cluster: Cluster,
        folder: CypressFolder,
        transaction_id: str,
        waiting: Waiting,
        *,
        notice: Callable[[str], None],
        progress: Progress,
    ) -> None:
        self._cluster = cluster
        self._folder = folder
        self._location = folder.location
        self._transaction_id = transaction_id
        self._waiting = waiting
        self._notice = notice
        self._progress = progress
        self._written: dict[str, Written] = {}
        """What was sent to which path."""
        self._wanted: dict[str, dict[str, Plain]] = {}
        """What copies shall have besides."""

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
        how = {"type": FOLDER, "recursive": True, "force": True, "attributes": {ATTRIBUTE: attribute}}
        self._change("create", f"make `{place}`", place, path=place, **how)
        self._forget(path)

    def write(
        self,
        path: str,
        content: Content,
        *,
        attribute: Plain = None,
        executable: bool = False,
        base: Base | None = None,
    ) -> None:
        """Write a file in place of whatever lies there."""
        place = self._place(path)
        if base is not None:
            # A copy goes on with the MD5 of what it was copied from.
            paths = {"source_path": self._place(base.path), "destination_path": place}
            self._change("copy", f"make `{place}`", place, **paths, force=True, **self._accounting())
            self.set_attribute(path, attribute)
            self._written[path] = upload(
                self._cluster, place, self._transaction_id, content, self._progress, there=base.size
            )
            return
        if content.node is not None:
            self._copy(content.node, path)
            self.set_attribute(path, attribute)
            return
        attributes = dict(self._folder.node_attributes)
        if attribute is not None:
            attributes[ATTRIBUTE] = attribute
        if executable:
            attributes["executable"] = True
        self._change("create", f"make `{place}`", place, type=FILE, path=place, force=True, attributes=attributes)
        self._written[path] = upload(self._cluster, place, self._transaction_id, content, self._progress)

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its attribute: only its name is new, no data is moved."""
        # A copy is everything that its source is, but belongs to the account of the folder unless told otherwise.
        self._copy(self._place(source), target, **self._accounting())

    def set_attribute(self, path: str, value: Plain) -> None:
        """Set the attribute of a node."""
        self._set(self._place(path), ATTRIBUTE, value)

    def remove(self, path: str) -> None:
        """Remove a node and all below it."""
        place = self._place(path)
        self._waiting.until_free(place, lambda: self._remove(place))
        self._forget(path)

    def remove_unless_held(self, path: str) -> str | None:
        """Remove a node and all below it, unless somebody else holds something there: then return who."""
        place = self._place(path)
        try:
            self._remove(place)
        except CypressError as error:
            if error.kind != CONFLICT:
                raise
            return self._waiting.holder(place, error)
        self._forget(path)
        return None

    def require_means(self, replaced: Collection[str], size: int) -> None:
        """Find out whether all that comes will be allowed."""
        means = Means(self._cluster, self._location, self._transaction_id, self._folder.node_attributes)
        means.require(self._folder.user(), [self._place(path) for path in replaced], size)

    def require_arrival(self) -> None:
        """Compare what has arrived with what was sent.

        Raises:
            BuildFolderError: it is something else.
        """
        sent = {self._place(path): written for path, written in self._written.items()}
        compare_written(self._cluster, sent, self._transaction_id)

    def _accounting(self) -> dict[str, Plain]:
        """Have a copy belong to the account of what it is copied from, where that is not the folder's."""
        return {"preserve_account": True} if "account" in self._folder.node_attributes else {}

    def _copy(self, source: str, target: str, **how: Plain) -> None:
        """Copy a file; one that has rights of its own at the place keeps them."""
        place = self._place(target)
        names = ("acl", "inherit_acl")
        rights = self._ask(place, names, f"replace `{place}`", transaction_id=self._transaction_id)
        self._change("copy", f"replace `{place}`", place, source_path=source, destination_path=place, force=True, **how)
        self._forget(target)
        wanted = dict(self._folder.node_attributes)
        if rights.get("acl") or rights.get("inherit_acl") is False:
            wanted.update(rights)
        # No transaction may change these, see `adjust_copies`.
        self._wanted[place] = wanted

    def adjust_copies(self) -> None:
        """Give copies, once they are visible, what a copy in a transaction cannot have; what fails is told."""
        for place, wanted in self._wanted.items():
            self._adjust(place, wanted)

    def _adjust(self, place: str, wanted: Mapping[str, Plain]) -> None:
        try:
            found = self._ask(place, tuple(wanted), f"look at `{place}`")
            for name, value in wanted.items():
                if found.get(name) != value:
                    self._cluster.change("set", f"set `{place}/@{name}`", path=f"{place}/@{name}", value=value)
        except CypressError as error:
            self._notice(f"{error}; `{place}` is published all the same")

    def _ask(self, place: str, names: tuple[str, ...], action: str, **inside: Plain) -> dict[str, Plain]:
        """Return attributes of a node, as far as it has them."""
        if not names:
            return {}
        parts = [Part("get", {"path": f"{place}/@{name}", **inside}, anything) for name in names]
        answers = zip(names, self._cluster.read_many(action, parts), strict=True)
        return {name: answer for name, answer in answers if not isinstance(answer, CypressError)}

    def _set(self, place: str, name: str, value: Plain) -> None:
        self._change("set", f"set `{place}/@{name}`", place, path=f"{place}/@{name}", value=value)

    def _forget(self, path: str) -> None:
        """What was written here is no longer there."""
        for known in [known for known in self._written if known == path or known.startswith(f"{path}/")]:
            del self._written[known]

    def _place(self, path: str) -> str:
        return f"{self._location}/{path}"

    def _remove(self, place: str) -> None:
        self._cluster.change(
            "remove",
            f"remove `{place}`",
            path=place,
            recursive=True,
            force=True,
            transaction_id=self._transaction_id,
        )

    def _change(self, command: str, action: str, place: str, **parameters: Plain) -> None:
        """Do a command, as soon as nobody else holds what it changes."""
        self._waiting.until_free(
            place,
            lambda: self._cluster.change(command, action, **parameters, transaction_id=self._transaction_id),
        )
