"""The tree seen past the proxy: what tests use to prepare it, to look at it, and to disturb it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, cast

from proxy.errors import Code, ServerError
from proxy.resolving import Call
from proxy.security import USERS
from proxy.system_attributes import users as users_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from proxy.formats import Value
    from proxy.master import Master
    from proxy.operations import Operation
    from proxy.security import AccessRules, Account

_ROOT = "root"
_UNNOTICED = frozenset({"access_tracking", "expiration_timeout_renewal"})


class Cypress:
    """Direct access, as the user `root`; nothing here is a request, and nothing is logged."""

    def __init__(self, master: Master) -> None:
        self._master = master

    def _call(self, transaction_id: str | None = None) -> Call:
        self._master.expire()
        return Call(_ROOT, self._master.tree.transaction(transaction_id), _UNNOTICED)

    def exists(self, path: str, *, transaction_id: str | None = None) -> bool:
        """Tell whether a path leads to something."""
        with self._master.tree.lock:
            return self._master.verbs.exists(path, self._call(transaction_id))

    def get(self, path: str, *, transaction_id: str | None = None) -> Value:
        """Give a subtree, a value or an attribute.

        Raises:
            ServerError: there is none.
        """
        with self._master.tree.lock:
            return self._master.verbs.get(path, self._call(transaction_id))

    def keys(self, path: str, *, transaction_id: str | None = None) -> list[str]:
        """Give the keys of a map node, sorted.

        Raises:
            ServerError: there is none.
        """
        with self._master.tree.lock:
            keys = cast("Iterable[Value]", self._master.verbs.list(path, self._call(transaction_id)))
            return sorted(str(key) for key in keys)

    def read(self, path: str, *, transaction_id: str | None = None) -> bytes:
        """Give the contents of a file.

        Raises:
            ServerError: there is none.
        """
        with self._master.tree.lock:
            call = self._call(transaction_id)
            content = self._master.files.find(path, call, "read").content(call.transaction)
        return b"".join(content.read(0, None))

    def set(self, path: str, value: Value, *, force: bool = False) -> None:
        """Set an attribute, a document or a value node.

        Raises:
            ServerError: it cannot be set.
        """
        with self._master.tree.lock:
            self._master.verbs.set(path, value, self._call(), force=force)
            self._master.tree.changed.notify_all()

    def create(self, kind: str, path: str, *, attributes: dict[str, Value] | None = None) -> str:
        """Create a node with all that is missing above it; one that exists is left alone.

        Raises:
            ServerError: it cannot be created.
        """
        with self._master.tree.lock:
            return self._master.verbs.create(
                kind, path, self._call(), attributes=attributes, recursive=True, ignore_existing=True
            )

    def link(self, target_path: str, path: str) -> str:
        """Make a link, to something or to nothing, or replace one.

        Raises:
            ServerError: it cannot be made.
        """
        with self._master.tree.lock:
            return self._master.verbs.link(target_path, path, self._call(), recursive=True, force=True)

    def write(self, path: str, data: bytes, *, compute_md5: bool = True) -> None:
        """Make a file with these contents, or overwrite one.

        Raises:
            ServerError: it cannot be written.
        """
        self.create("file", path)
        files = self._master.files
        with self._master.tree.lock:
            upload = files.begin(path, self._call(), append=False, compute_md5=compute_md5)
            files.receive(upload, data)
            files.finish(upload)
            self._master.tree.changed.notify_all()

    def remove(self, path: str) -> None:
        """Remove a node and everything below it, if it is there.

        Raises:
            ServerError: it is locked.
        """
        with self._master.tree.lock:
            self._master.verbs.remove(path, self._call(), recursive=True, force=True)

    def snapshot(self, path: str) -> Value:
        """Give everything below a path as committed: types, contents of files as bytes, custom attributes.

        Raises:
            ServerError: there is none.
        """
        with self._master.tree.lock:
            call = self._call()
            node = self._master.tree.existing(path, call, "Get")
            return self._describe(node.id, call)

    def _describe(self, node_id: str, call: Call) -> dict[str, Value]:
        tree = self._master.tree
        node = tree.nodes[node_id]
        result: dict[str, Value] = {"type": node.type, "attributes": users_attributes(node, call)}
        if node.is_map:
            result["children"] = {
                key: self._describe(child.id, call) for key, child in tree.children(node, call).items()
            }
        elif node.type == "file":
            result["content"] = b"".join(node.content(None).read(0, None))
        else:
            result["value"] = node.value(None)
        return result

    def start_transaction(
        self,
        *,
        user: str = _ROOT,
        timeout_ms: int = 3_600_000,
        title: str | None = None,
        attributes: dict[str, Value] | None = None,
    ) -> str:
        """Start a transaction as somebody else would."""
        with self._master.tree.lock:
            given = {**(attributes or {}), **({} if title is None else {"title": title})}
            call = Call(user, self._call().transaction)
            return self._master.transacting.start(call, timeout_ms=timeout_ms, attributes=given).id

    @contextlib.contextmanager
    def held(
        self, path: str, *, mode: str = "exclusive", user: str = "stranger", title: str | None = None
    ) -> Iterator[str]:
        """Hold a lock on one node as a stranger would; give the id of his transaction, which ends with the block.

        Raises:
            ServerError: it conflicts.
        """
        transaction_id = self.start_transaction(user=user, title=title)
        try:
            self.lock(path, transaction_id, mode=mode)
            yield transaction_id
        finally:
            self.abort_transaction(transaction_id)

    def lock(self, path: str, transaction_id: str, *, mode: str = "exclusive") -> str:
        """Lock a node in a transaction as somebody else would.

        Raises:
            ServerError: it conflicts.
        """
        from proxy.locks import LockRequest
        from proxy.nodes import LockMode

        with self._master.tree.lock:
            call = self._call(transaction_id)
            return self._master.verbs.lock(path, call, LockRequest(LockMode[mode.upper()]), waitable=False).id

    def commit_transaction(self, transaction_id: str) -> None:
        """Commit a transaction.

        Raises:
            ServerError: it is not live.
        """
        with self._master.tree.lock:
            self._call()
            self._master.transacting.commit(transaction_id)
            self._master.tree.changed.notify_all()

    def abort_transaction(self, transaction_id: str) -> None:
        """Abort a transaction."""
        with self._master.tree.lock:
            self._call()
            self._master.transacting.abort(transaction_id)
            self._master.tree.changed.notify_all()

    @property
    def transactions(self) -> list[dict[str, Value]]:
        """The live transactions: attributes as `#id/@` would give them, uploads included."""
        with self._master.tree.lock:
            self._master.expire()
            attributes = self._master.verbs.attributes
            return [attributes.of_transaction(each) for each in self._master.tree.transactions.values()]

    def wait_for(self, condition: Callable[[Cypress], bool], timeout: float = 30.0) -> None:
        """Wait until a condition holds; it is asked after every request to the master.

        Raises:
            TimeoutError: it does not come to hold.
        """
        with self._master.tree.changed:
            if not self._master.tree.changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError("the condition does not hold")

    def expire_transactions(self) -> None:
        """Abort every live transaction, as if no ping had come for too long."""
        with self._master.tree.lock:
            for transaction_id in list(self._master.tree.transactions):
                self._master.transacting.abort(transaction_id)
            self._master.tree.changed.notify_all()

    @property
    def operations(self) -> list[Operation]:
        """The operations that were submitted, in order."""
        with self._master.tree.lock:
            return list(self._master.operations.submitted)

    @property
    def rules(self) -> AccessRules:
        """Permissions by path."""
        return self._master.tree.rules

    def add_account(
        self,
        name: str,
        *,
        disk_space_limit: int | None = None,
        node_count_limit: int | None = None,
        users: Iterable[str] = (USERS,),
    ) -> Account:
        """Create an account that these users and groups may use, or replace one.

        Nodes get it by `@account`, or from their parent.
        """
        with self._master.tree.lock:
            return self._master.tree.accounts.add(
                name, disk_space_limit=disk_space_limit, node_count_limit=node_count_limit, users=users
            )

    def add_medium(self, name: str) -> None:
        """Create a medium that files may lie on."""
        with self._master.tree.lock:
            self._master.tree.media.names.add(name)

    def node_count(self) -> int:
        """How many nodes exist, attached or only held by transactions."""
        with self._master.tree.lock:
            return len(self._master.tree.nodes)


def is_missing(error: ServerError) -> bool:
    """Tell whether an error says that a path leads to nothing."""
    return error.contains(Code.RESOLVE)
