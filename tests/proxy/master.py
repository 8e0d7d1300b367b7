"""The cluster behind the proxy: tree, transactions, files, users and kept responses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy.blobs import BlobStore
from proxy.files import Files
from proxy.mutations import ResponseKeeper
from proxy.operations import Operations
from proxy.resolving import Call
from proxy.transacting import Transacting
from proxy.tree import Tree
from proxy.verbs import Verbs

if TYPE_CHECKING:
    from collections.abc import Callable


class Master:
    """All state, and the operations on it."""

    def __init__(self, directory: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.tree = Tree(BlobStore(directory), clock=clock)
        self.verbs = Verbs(self.tree)
        self.transacting = Transacting(self.tree)
        self.files = Files(self.tree, self.verbs, self.transacting)
        self.keeper = ResponseKeeper(clock)
        self.operations = Operations(self.tree)

    def expire(self) -> None:
        """Let time pass: abort and remove what has outlived its lease."""
        self.transacting.expire()
        now = self.tree.now()
        for node_id in list(self.tree.expiring):
            self.verbs.remove_expired(node_id, Call("root"), now)
