"""A build folder in Cypress: everything a publisher does there is one transaction."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, FILE, FOLDER, Node
from hatch_ytupload.build_folders.cypress_errors import CONFLICT, EXISTS, LOST, MISSING, NO_FOLDER, CypressError
from hatch_ytupload.build_folders.cypress_files import CypressReader, upload
from hatch_ytupload.build_folders.cypress_transaction import transaction
from hatch_ytupload.build_folders.folder_lock import describe_holder, user_name, waited_too_long, waiting
from hatch_ytupload.errors import BuildFolderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hatch_ytupload.build_folders.build_folder import Changes, Content, Plain, Result
    from hatch_ytupload.build_folders.cypress_client import Cluster
    from hatch_ytupload.build_folders.cypress_transaction import Transaction

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
        progress: Callable[[int, int], None] = lambda _sent, _size: None,
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
            _FolderLock(self._cluster, self.location, opened, self._wait_seconds, self._notice).acquire()
            result = action(_CypressChanges(self._cluster, self.location, opened.id, self._progress))
            opened.commit(f"commit the changes of `{self.location}`")
        return result


class _FolderLock:
    """The exclusive lock on a build folder, which is made where it is missing."""

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        opened: Transaction,
        wait_seconds: float,
        notice: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._path = path
        self._transaction_id = opened.id
        self._wait_seconds = wait_seconds
        self._notice = notice
        self._end = time.monotonic() + wait_seconds
        self._told = False

    def acquire(self) -> None:
        while not (self._lock() or self._create()):
            pass

    def _lock(self) -> bool:
        """Lock the folder; tell whether there is one."""
        try:
            self._request(waitable=False)
        except CypressError as error:
            if error.kind == MISSING:
                return False
            if error.kind != CONFLICT:
                raise
            # A request that queues comes next, however many ask.
            lock = self._request(waitable=True)
            while self._state(lock["lock_id"]) != "acquired":
                self._wait(error)
        return True

    def _create(self) -> bool:
        """Make the folder, and those above it; tell whether it was us who made it, which is as good as a lock."""
        try:
            self._cluster.change(
                "create",
                f"make the build folder `{self._path}`",
                type=FOLDER,
                path=self._path,
                recursive=True,
                transaction_id=self._transaction_id,
            )
        except CypressError as error:
            if error.kind == CONFLICT:
                # Somebody else makes it, or one above it.
                self._wait(error)
            elif error.kind != EXISTS:
                raise
            return False
        return True

    def _request(self, *, waitable: bool) -> Any:  # noqa: ANN401 - a map
        return self._cluster.change(
            "lock",
            f"lock the build folder `{self._path}`",
            path=self._path,
            mode="exclusive",
            waitable=waitable,
            transaction_id=self._transaction_id,
        )

    def _state(self, lock_id: str) -> Plain:
        return self._cluster.read("get", f"wait for the build folder `{self._path}`", path=f"#{lock_id}/@state")

    def _wait(self, error: CypressError) -> None:
        now = time.monotonic()
        if now >= self._end:
            raise waited_too_long(self._path, self._holder(error), self._wait_seconds)
        if not self._told:
            self._notice(waiting(self._path, self._holder(error)))
            self._told = True
        time.sleep(min(_POLL_SECONDS, self._end - now))

    def _holder(self, error: CypressError) -> str:
        """Say who holds the folder, of the attributes that publishers give their transactions."""
        holder: object = None
        with suppress(CypressError):
            locks = self._cluster.read("get", "ask who holds the build folder", path=f"{self._path}/@locks")
            held = [lock for lock in locks if lock["state"] == "acquired" and lock["mode"] != "snapshot"]
            if held:
                holder = self._about(held[0]["transaction_id"])
        if holder is None and error.holder is not None:
            with suppress(CypressError):
                holder = self._about(error.holder)
        return describe_holder(holder)

    def _about(self, transaction_id: str) -> object:
        action = "ask who holds the build folder"
        answers = self._cluster.read_many(
            action,
            [
                {"command": "get", "parameters": {"path": f"#{transaction_id}/@{name}"}}
                for name in (ATTRIBUTE, "title", "owner", "start_time")
            ],
        )
        ours, title, owner, start = (None if isinstance(answer, CypressError) else answer for answer in answers)
        if isinstance(ours, dict):
            return ours
        return owner and {"user": owner, "host": self._cluster.address, "pid": "?", "purpose": title, "since": start}


class _CypressChanges:
    """The changes of one publisher, in his transaction."""

    def __init__(
        self, cluster: Cluster, location: str, transaction_id: str, progress: Callable[[int, int], None]
    ) -> None:
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


def look_at(
    cluster: Cluster, location: str, directories: tuple[str, ...], transaction_id: str | None = None
) -> list[Mapping[str, Node] | None]:
    """List directories of a build folder in one request.

    Raises:
        BuildFolderError: they cannot be read.
    """
    places = [f"{location}/{directory}" if directory else location for directory in directories]
    inside = {} if transaction_id is None else {"transaction_id": transaction_id}
    answers = cluster.read_many(
        f"read the build folder `{location}`",
        [{"command": "list", "parameters": {"path": place, "attributes": _ATTRIBUTES, **inside}} for place in places],
    )
    return [_listed(answer, place) for answer, place in zip(answers, places, strict=True)]


def open_file(cluster: Cluster, path: str, transaction_id: str, shown: str) -> CypressReader:
    """Open a file of a transaction.

    Raises:
        CypressError: there is none, or it cannot be read.
    """
    parameters = {"path": path, "transaction_id": transaction_id}
    size = cluster.read("get", f"read `{shown}`", **{**parameters, "path": f"{path}/@uncompressed_data_size"})
    return CypressReader(cluster, parameters, shown, int(size))


def _listed(answer: Plain, place: str) -> Mapping[str, Node] | None:
    if isinstance(answer, CypressError):
        if answer.kind == MISSING:
            return None
        if answer.kind == NO_FOLDER:
            raise BuildFolderError(f"`{place}` is no folder, and one is expected there; remove or rename it")
        raise answer
    if isinstance(answer, dict):  # the server has more than it lists
        raise BuildFolderError(f"`{place}` holds more nodes than the cluster lists; move other files elsewhere")
    return {name: _node(attributes) for name, attributes in map(_item, answer)}


def _item(item: Plain) -> tuple[str, Mapping[str, Plain]]:
    return (item["$value"], item["$attributes"]) if isinstance(item, dict) else (item, {})


def _node(attributes: Mapping[str, Plain]) -> Node:
    md5 = attributes.get("md5")
    return Node(
        kind=str(attributes.get("type", "node")),
        size=int(attributes.get("uncompressed_data_size", 0)),
        executable=attributes.get("executable") is True,
        attribute=attributes.get(ATTRIBUTE),
        md5=lambda: md5 if isinstance(md5, str) else None,
    )
