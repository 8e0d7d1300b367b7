"""Reading a build folder on disk: its files, and their attributes, which stand in a hidden file."""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from hatch_ytupload.build_folders.build_folder import FILE, FOLDER, Node
from hatch_ytupload.byte_reader import DigestingReader, FileReader
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.file_names import as_system_spells, as_text
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ATTRIBUTES_FILE = ".ytupload.json"
"""Holds the attributes of a folder's nodes by path."""

# Somebody who publishes while we read makes us read again; who never lets us would publish hundreds of times a second.
_ATTEMPTS = 100


def look_into(
    folder: str, directories: tuple[str, ...], attributes: Mapping[str, Any] | None = None
) -> list[Mapping[str, Node] | None]:
    """List directories of a build folder, all of one state.

    Args:
        folder: path of the build folder.
        directories: relative to it.
        attributes: of its nodes; None: those that stand in its file.

    Raises:
        OSError: they cannot be read.
        BuildFolderError: one of them is no directory.
    """
    for _ in range(_ATTEMPTS):
        try:
            root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return [None] * len(directories)
        except NotADirectoryError:
            if not os.path.lexists(folder):  # one above it is no directory
                raise
            raise BuildFolderError(f"the build folder `{one_line(folder)}` is a file; remove or rename it") from None
        try:
            known = read_attributes(root) if attributes is None else attributes
            found = [_list(root, folder, directory, known) for directory in directories]
            # Another directory in its place: what we saw may have been half removed already.
            if os.path.samestat(os.fstat(root), os.stat(folder)):
                return found
        except FileNotFoundError:
            pass
        finally:
            os.close(root)
    raise BuildFolderError(f"the build folder `{one_line(folder)}` changes all the time; try again")


@contextmanager
def open_file(folder: str, path: str) -> Iterator[FileReader]:
    """Open a file of a build folder.

    Raises:
        OSError: it cannot be read.
        BuildFolderError: there is none, or it is no file.
    """
    place = os.path.join(folder, as_system_spells(path))
    try:
        descriptor = _open_regular(place)
    except FileNotFoundError:
        raise BuildFolderError(f"there is no `{one_line(place)}`") from None
    if descriptor is None:
        raise BuildFolderError(f"`{one_line(place)}` is no file; remove or rename it")
    try:
        yield FileReader(descriptor)
    finally:
        os.close(descriptor)


def _open_regular(path: str, directory: int | None = None) -> int | None:
    """Open a file; None: it is a link, or something that would keep us waiting."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def read_attributes(root: int) -> dict[str, Any]:
    """Read the attributes of a folder, given as a descriptor; what is damaged counts as missing."""
    try:
        descriptor = _open_regular(ATTRIBUTES_FILE, root)
    except FileNotFoundError:
        return {}
    if descriptor is None:
        return {}
    with open(descriptor, "rb") as file:
        try:
            content = json.load(file)
        except (ValueError, RecursionError):
            return {}
    return content if isinstance(content, dict) else {}


def _list(root: int, folder: str, directory: str, attributes: Mapping[str, Any]) -> Mapping[str, Node] | None:
    try:
        descriptor = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        place = one_line(os.path.join(folder, directory))
        raise BuildFolderError(f"`{place}` is a file, and a directory is expected there; remove or rename it") from None
    try:
        nodes = {}
        for name in os.listdir(descriptor):
            path = f"{directory}/{name}" if directory else name
            if path != ATTRIBUTES_FILE:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                nodes[as_text(name)] = _node(status, os.path.join(folder, path), attributes.get(as_text(path)))
        return nodes
    finally:
        os.close(descriptor)


def _node(status: os.stat_result, place: str, attribute: object) -> Node:
    if stat.S_ISDIR(status.st_mode):
        return Node(FOLDER, attribute=attribute)
    if not stat.S_ISREG(status.st_mode):
        return Node("link" if stat.S_ISLNK(status.st_mode) else "special file")
    return Node(FILE, status.st_size, bool(status.st_mode & stat.S_IXUSR), attribute, partial(_md5, place))


def _md5(place: str) -> str | None:
    try:
        descriptor = _open_regular(place)
    except FileNotFoundError:  # replaced in between
        return None
    if descriptor is None:
        return None
    with open(descriptor, "rb") as file:
        return DigestingReader(FileReader(file.fileno())).digests().md5
