"""The changes of one publisher in Cypress, in his transaction."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, FILE, FOLDER, Node, content_of
from hatch_ytupload.build_folders.cypress.client import Command
from hatch_ytupload.build_folders.cypress.errors import CONFLICT, CypressError
from hatch_ytupload.build_folders.cypress.files import CypressReader, Written, arrival_of, compare_written, upload
from hatch_ytupload.build_folders.cypress.means import Means
from hatch_ytupload.build_folders.cypress.nodes import ACCESS, look_at, open_file
from hatch_ytupload.byte_reader import Tally
from hatch_ytupload.details import detail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from hatch_ytupload.build_folders.build_folder import Base, Content, Plain
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.build_folders.cypress.folder import CypressFolder
    from hatch_ytupload.build_folders.cypress.lock import Waiting
    from hatch_ytupload.byte_reader import Progress


# What a node may have of its own, and a copy has not.
_RIGHTS = ("acl", "inherit_acl")


class CypressChanges:
    """What a publisher does, and nobody sees before it is committed.

    Args:
        cluster: where.
        folder: that changes.
        transaction_id: of the transaction that holds it.
        waiting: for what others hold.
        warn: called with what could not be done beside what was.
        progress: called with how many bytes of how many have been sent.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: CypressFolder,
        transaction_id: str,
        waiting: Waiting,
        *,
        warn: Callable[[str], None],
        progress: Progress,
    ) -> None:
        self._cluster = cluster
        self._folder = folder
        self._location = folder.location
        self._transaction_id = transaction_id
        self._waiting = waiting
        self._warn = warn
        self._sending = Tally(progress)
        self._written: dict[str, Written] = {}
        """What was sent to which path."""
        self._wanted: dict[str, dict[str, Plain]] = {}
        """What copies shall have besides, by their paths: no transaction may change it."""

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories."""
        return look_at(self._cluster, self._location, directories, self._folder.node_attributes, self._transaction_id)

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

    def write(self, path: str, content: Content, attribute: Plain = None) -> None:
        """Write a file in place of whatever lies there."""
        if content.node is not None:
            self._copy(content.node, path)
            self.set_attribute(path, attribute)
        else:
            place = self._place(path)
            self._change("create", f"make `{place}`", place, **self._new(path, attribute))
            self._upload(path, content)

    def write_after(self, base: Base, path: str, content: Content, attribute: Plain = None) -> bool:
        """Write a file, and send only what comes after what it begins with.

        What was copied is compared, not what it was copied from: nobody but us can change it any more. With it comes
        the state of its MD5.
        """
        source, place, inside = self._place(base.path), self._place(path), {"transaction_id": self._transaction_id}
        paths = {"source_path": source, "destination_path": place}
        commands = [
            Command("copy", {**paths, "force": True, **self._accounting(), **inside}),
            Command("set", {"path": f"{place}/@{ATTRIBUTE}", **inside}, value=attribute),
            *arrival_of([place], self._transaction_id),
        ]
        *done, size, md5 = self._cluster.change_many(f"make `{place}`", commands)
        problem = next((answer for answer in done if isinstance(answer, CypressError)), None)
        if problem is not None or (size, md5) != (base.size, base.md5):
            why = problem or "it was changed just now"
            detail("`%s` cannot be used (%s): the archive is sent whole", source, why)
            return False
        self._forget(path)
        self.settle(path)
        self._upload(path, content, there=base.size)
        return True

    def write_all(self, files: Mapping[str, bytes], *, attribute: Plain = None, executable: bool = False) -> None:
        """Write small files, by path: they are made in one request."""
        inside = {"transaction_id": self._transaction_id}
        new = [self._new(path, attribute, executable=executable) for path in files]
        commands = [Command("create", {**parameters, **inside}) for parameters in new]
        answers = (
            self._cluster.change_many(f"make {len(files)} files in `{self._location}`", commands) if commands else []
        )
        for parameters, answer in zip(new, answers, strict=True):
            # By itself it is waited for, or says what is wrong.
            if isinstance(answer, CypressError):
                self._change("create", f"make `{parameters['path']}`", parameters["path"], **parameters)
        for path, data in files.items():
            self._upload(path, content_of(data))

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its attribute: only its name is new, no data is moved."""
        # A copy is everything that its source is, but belongs to the account of the folder unless told otherwise.
        self._copy(self._place(source), target, **self._accounting())

    def set_attribute(self, path: str, value: Plain) -> None:
        """Set the attribute of a node."""
        self._set(self._place(path), ATTRIBUTE, value)

    def settle(self, path: str) -> None:
        """Give a file all that files of the folder shall have, as soon as the changes are visible."""
        self._wanted[path] = dict(self._folder.node_attributes)

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

    def require_means(self, replaced: Collection[str], size: int, nodes: int) -> None:
        """Find out whether all that comes will be allowed."""
        self._sending.expected = size
        means = Means(self._cluster, self._location, self._transaction_id, self._folder.node_attributes)
        means.require(self._folder.user(), [self._place(path) for path in replaced], size, nodes)

    def require_arrival(self) -> None:
        """Compare what has arrived with what was sent.

        Raises:
            BuildFolderError: it is something else.
        """
        written = {self._place(path): known for path, known in self._written.items()}
        compared = arrival_of(written, self._transaction_id)
        # Outside of the transaction lies what a copy takes the place of, with rights of its own perhaps; those of what
        # lies deeper went with its directory.
        copied = [path for path in self._wanted if "/" not in path]
        names = (*_RIGHTS, ACCESS)
        rights = [Command("get", {"path": f"{self._place(path)}/@{name}"}) for path in copied for name in names]
        if compared or rights:
            answers = self._cluster.read_many("compare what has arrived", [*compared, *rights])
            compare_written(written, answers[: len(compared)])
            self._keep_rights(copied, answers[len(compared) :])

    def _accounting(self) -> dict[str, Plain]:
        """Have a copy belong to the account of what it is copied from, where that is not the folder's."""
        return {"preserve_account": True} if "account" in self._folder.node_attributes else {}

    def _copy(self, source: str, target: str, **how: Plain) -> None:
        place = self._place(target)
        self._change("copy", f"replace `{place}`", place, source_path=source, destination_path=place, force=True, **how)
        self._forget(target)
        self.settle(target)

    def _new(self, path: str, attribute: Plain, *, executable: bool = False) -> dict[str, Plain]:
        """Return the parameters with which a file is made."""
        attributes = dict(self._folder.node_attributes)
        if attribute is not None:
            attributes[ATTRIBUTE] = attribute
        if executable:
            attributes["executable"] = True
        return {"type": FILE, "path": self._place(path), "recursive": True, "force": True, "attributes": attributes}

    def _upload(self, path: str, content: Content, *, there: int = 0) -> None:
        progress = self._sending.next(content.size - there)
        place = self._place(path)
        self._written[path] = upload(self._cluster, place, self._transaction_id, content, progress, there=there)

    def _keep_rights(self, copied: list[str], answers: list[Plain | CypressError]) -> None:
        """Note the rights of what copies take the place of, where these are not those of the folder.

        They are noted there, too: when we are killed in between, whoever comes next sets them.
        """
        found = [None if isinstance(answer, CypressError) else answer for answer in answers]
        for path, acl, inherits, noted in zip(copied, found[::3], found[1::3], found[2::3], strict=True):
            rights = noted if isinstance(noted, dict) else {}
            if not rights and (acl or inherits is False):
                rights = {"acl": acl or [], "inherit_acl": inherits is not False}
            if rights:
                self._wanted[path].update({name: rights[name] for name in _RIGHTS if name in rights})
                self._set(self._place(path), ACCESS, rights)

    def settle_all(self) -> None:
        """Give copies, once they are visible, what no copy in a transaction can have; what fails is a warning."""
        wanted = [(path, name, value) for path, known in self._wanted.items() for name, value in known.items()]
        commands = [Command("get", {"path": f"{self._place(path)}/@{name}"}) for path, name, _ in wanted]
        found: list[Plain | CypressError] = [None] * len(commands)
        with suppress(CypressError):
            found = self._cluster.read_many(f"look at the copies in `{self._location}`", commands) if commands else []
        missing = [each for each, known in zip(wanted, found, strict=True) if known != each[-1]]
        failed = {path for path, name, value in missing if not self._is_done("set", path, name, value=value)}
        for path, known in self._wanted.items():
            if known.keys() & _RIGHTS and path not in failed:
                self._is_done("remove", path, ACCESS)

    def _is_done(self, command: str, path: str, name: str, **value: Plain) -> bool:
        """Change an attribute of a file that is visible already; what fails is a warning."""
        place = self._place(path)
        try:
            self._cluster.change(command, f"{command} `{place}/@{name}`", path=f"{place}/@{name}", **value)
        except CypressError as error:
            self._warn(f"{error}; `{place}` is published all the same")
            return False
        return True

    def _set(self, place: str, name: str, value: Plain) -> None:
        self._change("set", f"set `{place}/@{name}`", place, path=f"{place}/@{name}", value=value)

    def _forget(self, path: str) -> None:
        """What was written here is no longer there."""
        for known in [known for known in self._written if known == path or known.startswith(f"{path}/")]:
            del self._written[known]
        for known in [known for known in self._wanted if known == path or known.startswith(f"{path}/")]:
            del self._wanted[known]

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
