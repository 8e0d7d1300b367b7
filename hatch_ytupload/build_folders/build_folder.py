"""What a build folder is to those who keep releases in it: a tree of files that changes all at once or not at all.

Paths are relative to the folder, with `/` between names; the empty one is the folder itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

    from hatch_ytupload.byte_reader import Reader

FILE = "file"
FOLDER = "map_node"
"""The kinds of nodes that we make, in the words of Cypress; others go by the name that Cypress gives them."""

RELEASES = "releases"
"""The directory of the releases."""

ATTRIBUTE = "ytupload"
"""The attribute that says what a node of ours is."""

Plain: TypeAlias = Any
"""A value that JSON could hold."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Node:
    """What lies under a name."""

    kind: str
    size: int = 0
    """In bytes, of a file."""
    executable: bool = False
    attribute: Plain = None
    """The value of the attribute `ytupload`; None: it has none."""
    md5: Callable[[], str | None] = field(default=lambda: None, compare=False)
    """Gives the MD5 of a file's content as the build folder knows it; None: it does not."""
    settled: bool = True
    """It has all that files of the folder shall have besides; False: who put it there ended before that was done."""


class Base(NamedTuple):
    """A file of the build folder that the content of another one begins with."""

    path: str
    size: int
    """In bytes."""
    md5: str


@dataclass(frozen=True)
class Content:
    """The content of a file that is to be written."""

    size: int
    """In bytes."""
    md5: str
    blocks: Callable[[int], Iterator[bytes]]
    """Gives the bytes from this position on, each time it is called."""
    node: str | None = None
    """The path of a file with this content on the cluster of the build folder, which is copied instead."""


class Look(Protocol):
    """Reading."""

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories, all as they were at one time; None: there is no such directory.

        Raises:
            BuildFolderError: they cannot be read.
        """

    def open(self, path: str) -> AbstractContextManager[Reader]:
        """Open a file.

        Raises:
            BuildFolderError: there is none, or it cannot be read.
        """


class Changes(Look, Protocol):
    """Reading and writing while nobody else does; nobody sees any of it before all of it is done."""

    def make_directory(self, path: str, attribute: Plain) -> None:
        """Make an empty directory in place of whatever lies there, and the directories above it.

        Raises:
            BuildFolderError: it cannot be made.
        """

    def write(self, path: str, content: Content, attribute: Plain = None) -> None:
        """Write a file in place of whatever lies there; what has arrived is compared before anybody sees it.

        Args:
            path: of the file.
            content: of it.
            attribute: the value of its attribute `ytupload`.

        Raises:
            BuildFolderError: it cannot be written.
        """

    def write_after(self, base: Base, path: str, content: Content, attribute: Plain = None) -> bool:
        """Write a file as `write` does, and send only what comes after what it begins with.

        Returns:
            False: the beginning is not there, or something else, and nothing was sent.

        Raises:
            BuildFolderError: it cannot be written.
        """

    def write_all(self, files: Mapping[str, bytes], *, attribute: Plain = None, executable: bool = False) -> None:
        """Write small files, by path, as `write` does, perhaps such as jobs may start.

        Raises:
            BuildFolderError: they cannot be written.
        """

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its attribute in place of whatever lies there.

        Raises:
            BuildFolderError: it cannot be copied.
        """

    def set_attribute(self, path: str, value: Plain) -> None:
        """Set the attribute `ytupload` of a node.

        Raises:
            BuildFolderError: it cannot be set.
        """

    def settle(self, path: str) -> None:
        """Give a file all that files of the folder shall have, as soon as the changes are visible."""

    def remove(self, path: str) -> None:
        """Remove a node and all below it.

        Raises:
            BuildFolderError: it cannot be removed.
        """

    def remove_unless_held(self, path: str) -> str | None:
        """Remove a node and all below it, unless somebody else holds something there: then return who.

        Raises:
            BuildFolderError: it cannot be removed for another reason.
        """

    def require_means(self, replaced: Collection[str], size: int, nodes: int) -> None:
        """Find out, before anything is sent, whether all that comes will be allowed, as far as can be known.

        Args:
            replaced: what will be replaced or removed.
            size: of what will be sent, in bytes; progress is about all of it.
            nodes: how many files and directories will be made.

        Raises:
            BuildFolderError: a right, or room, is missing.
        """


class BuildFolder(Look, Protocol):
    """A build folder, on a cluster or on disk."""

    @property
    def location(self) -> str:
        """Its name in messages."""

    @property
    def cypress_path(self) -> str:
        """Its path in Cypress, also where a directory on disk stands for it: what others know it by."""

    @property
    def host(self) -> str | None:
        """The cluster that it is on, as messages show it; None: this machine."""

    def cluster(self) -> str | None:
        """Return what all folders of its cluster have in common, however its address is written; None: this machine.

        Raises:
            BuildFolderError: the address cannot be understood.
        """

    def path(self, name: str) -> str:
        """Return the name of a file in it, for messages."""

    def user(self) -> str:
        """Return who we are to it.

        Raises:
            BuildFolderError: it cannot be asked.
        """

    def hold(self, path: str) -> AbstractContextManager[None]:
        """See to it that nobody removes a directory, or replaces it, while the block runs, if it is on a cluster.

        It ends with this process, whatever ends that.

        Raises:
            BuildFolderError: there is none, or it cannot be held.
        """

    def change(self, purpose: str, action: Callable[[Changes], Result]) -> Result:
        """Wait until no other publisher is at work, and run `action`: everything it does becomes visible in one step.

        It may run more than once: when a cluster lost the first attempt, that one has left nothing behind.

        Args:
            purpose: what is being done, for those who wait; in one line.
            action: does it. When it raises, nothing has changed.

        Raises:
            BuildFolderError: somebody else holds the folder for too long, or the changes cannot be made.
        """


def content_of(data: bytes) -> Content:
    """Return bytes as the content of a file."""
    return Content(len(data), md5_of(data), lambda start: iter((data[start:],)))


def md5_of(data: bytes) -> str:
    """Return the digest that build folders know of their files."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
