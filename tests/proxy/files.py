"""Files: uploads, downloads, concatenation, and the cache of uploaded files.

An upload is a transaction of its own, nested in that of the request: it begins with a lock on the file (exclusive to
overwrite, shared to append, exclusive to append with MD5), the body goes to a new blob, and the end of it commits. So a
file is never seen half written, and an upload that breaks off leaves nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from proxy.blobs import BlobWriter, Content, Md5
from proxy.copying import CopyOptions
from proxy.errors import Code, ServerError, cumulative, wrapped
from proxy.locks import EXCLUSIVE, LockRequest
from proxy.nodes import LockMode, Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.resolving import Call
    from proxy.transacting import Transacting
    from proxy.transactions import Transaction
    from proxy.tree import Tree
    from proxy.verbs import Verbs

DESIRED_CHUNK_SIZE = 512 * 1024 * 1024
CACHE_USER = "root"
"""Who writes into the cache of files, on behalf of everyone who may use it."""
LINGER_MS = 15_000
"""The timeout of upload transactions, which the real proxy pings as long as it lives."""


@dataclasses.dataclass
class Upload:
    """An upload that has begun."""

    path: str
    node: Node
    transaction: Transaction
    call: Call
    append: bool
    base: Content
    md5: Md5 | None
    writer: BlobWriter
    chunk_size: int
    chunk_room: int = 0


class Files:
    """Operations on files; the methods take the lock of the tree themselves, for the moments that need it."""

    def __init__(self, tree: Tree, verbs: Verbs, transacting: Transacting) -> None:
        self._tree = tree
        self._verbs = verbs
        self._transacting = transacting
        self.lingering = False
        """Whether a broken upload keeps its transaction, and so its lock, until that expires or its parent ends."""

    def find(self, path: str, call: Call, permission: str) -> Node:
        """Find a file that may be read or written.

        Raises:
            ServerError: there is none, it is not a file, or the caller lacks the permission.
        """
        try:
            node = self._tree.existing(path, call, "GetBasicAttributes")
            self._tree.permit(node, permission, call)
        except ServerError as error:
            raise wrapped("Error getting basic attributes of user objects", cumulative(error)) from None
        if permission == "read":
            self._tree.accessed(node, call)
        if node.type != "file":
            raise ServerError(f'Invalid type of {path}: expected "file", actual "{node.type}"')
        return node

    def begin(self, path: str, call: Call, *, append: bool, compute_md5: bool, chunk_size: int | None = None) -> Upload:
        """Begin an upload.

        Raises:
            ServerError: the file is missing or locked, or its MD5 cannot be continued.
        """
        node = self.find(path, call, "write")
        mode = LockMode.SHARED if append and not compute_md5 else LockMode.EXCLUSIVE
        transaction = self._transacting.start(call, attributes={"title": f"Upload to {path}"}, upload=True)
        upload_call = call.within(transaction)
        try:
            self._tree.lock_node(node, upload_call, LockRequest(mode))
        except ServerError as error:
            self._transacting.abort(transaction.id)
            raise wrapped(f"Error starting upload to file {path}", cumulative(error)) from None
        base = node.content(transaction) if append else Content()
        md5 = None
        if compute_md5:
            if base.blobs and base.md5 is None:
                self._transacting.abort(transaction.id)
                raise ServerError(
                    f"Non-empty file {path} has no computed MD5 hash thus cannot append data "
                    "and update the hash simultaneously"
                )
            md5 = base.md5.copy() if base.md5 else Md5()
        return Upload(
            path,
            node,
            transaction,
            upload_call,
            append,
            base,
            md5,
            self._tree.blobs.writer(),
            chunk_size or DESIRED_CHUNK_SIZE,
        )

    def receive(self, upload: Upload, data: bytes) -> None:
        """Take a part of the body.

        Raises:
            ServerError: the account has no room for another chunk, or the transaction around the upload is gone.
        """
        self._check_transaction(upload)
        if not data:
            return
        if upload.chunk_room <= 0:
            with self._tree.lock:
                self._new_chunk(upload)
            upload.chunk_room = upload.chunk_size
        upload.chunk_room -= len(data)
        if upload.md5 is not None:
            upload.md5.update(data)
        upload.writer.write(data)

    def _new_chunk(self, upload: Upload) -> None:
        account = self._tree.accounts.get(upload.node.account)
        if account.disk_space_limit is None:
            return
        usage = self._tree.usage(account.name)
        usage.disk_space += upload.writer.size * 3
        try:
            self._tree.accounts.check_chunk(account.name, usage)
        except ServerError as error:
            raise wrapped("Error creating chunk", cumulative(error), code=Code.MASTER_COMMUNICATION) from None

    def finish(self, upload: Upload) -> None:
        """Make what was received the contents of the file.

        Raises:
            ServerError: the transaction around the upload is gone.
        """
        self._check_transaction(upload)
        blob = upload.writer.finish()
        added = (blob,) if blob.size else ()
        version = self._tree.version(upload.node, upload.call)
        if upload.append and upload.md5 is None:
            version.appended += added
        else:
            version.content = Content(upload.base.blobs + added, upload.md5)
        self._tree.touch(upload.node, upload.call)
        self._transacting.commit(upload.transaction.id)

    def _check_transaction(self, upload: Upload) -> None:
        """Make sure that nothing around the upload has ended, as whoever listens to transactions finds out."""
        for each in [*reversed(upload.transaction.ancestors()), upload.transaction]:
            if each.id not in self._tree.transactions:
                raise ServerError(f"Transaction {each.id} aborted")

    def give_up(self, upload: Upload) -> None:
        """Forget an upload that did not come to its end; with `lingering`, its lock stays for a while."""
        upload.writer.discard()
        if self.lingering and upload.transaction.id in self._tree.transactions:
            self._transacting.leave(upload.transaction, LINGER_MS)
        else:
            self._transacting.abort(upload.transaction.id)

    def concatenate(self, sources: Sequence[str], destination: str, call: Call, *, append: bool) -> None:
        """Make a file of the contents of others; no data moves, and the MD5 is lost.

        Raises:
            ServerError: one of them is missing or not a file, or the destination is locked.
        """
        if not sources:
            raise ServerError("Source paths must be non-empty")
        blobs = tuple(
            blob for path in sources for blob in self.find(path, call, "read").content(call.transaction).blobs
        )
        node = self.find(destination, call, "write")
        self._tree.lock_node(node, call, LockRequest(LockMode.SHARED) if append else EXCLUSIVE)
        version = self._tree.version(node, call)
        if append and call.transaction is not None:
            version.appended += blobs
        else:
            version.content = Content((node.content(None).blobs if append else ()) + blobs)
        self._tree.touch(node, call)

    # The cache of files, by MD5.

    def cached(self, md5: str, cache_path: str, call: Call) -> str:
        """Give the path of a file in the cache, "" if it is not there."""
        path = _cached_path(md5, cache_path)
        try:
            node = self.find(path, call, "read")
        except ServerError as error:
            if error.contains(Code.AUTHORIZATION) or error.contains(Code.NO_SUCH_TRANSACTION):
                raise
            return ""
        found = node.content(call.transaction).md5
        if found is None or found.hexdigest() != md5:
            return ""
        self._touch_cached(path, call)
        return path

    def _touch_cached(self, path: str, call: Call) -> None:
        """Note that a file of the cache is in use, as whoever cleans the cache looks at."""
        self._verbs.set(f"{path}/@touched", value=True, call=dataclasses.replace(call, user=CACHE_USER))

    def put_to_cache(self, path: str, md5: str, cache_path: str, call: Call) -> str:
        """Copy a file to the cache and give its path there.

        Raises:
            ServerError: the file has no MD5 or another one, or the cache does not exist or may not be used.
        """
        cache = self._tree.existing(cache_path, call, "Get")
        self._tree.permit(cache, "use", call, "write")
        found = self.find(path, call, "read").content(call.transaction).md5
        if found is None:
            raise ServerError(f"File {path} has no computed MD5 hash")
        if found.hexdigest() != md5:
            raise ServerError(f"MD5 mismatch: expected {md5}, got {found.hexdigest()}")
        destination = _cached_path(md5, cache_path)
        if not self.cached(md5, cache_path, call):
            keeper = dataclasses.replace(call, user=CACHE_USER)
            self._verbs.copy(path, destination, keeper, CopyOptions(recursive=True, force=True))
            self._touch_cached(destination, call)
        return destination


def _cached_path(md5: str, cache_path: str) -> str:
    return f"{cache_path}/{md5[-2:]}/{md5}"
