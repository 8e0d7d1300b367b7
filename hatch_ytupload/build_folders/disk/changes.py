"""A change of a build folder on disk: made beside it out of hard links, then put in its place in one step."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from hatch_ytupload import atomic_rename
from hatch_ytupload.build_folders.disk.nodes import ATTRIBUTES_FILE, look_into, open_file, read_attributes
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from hatch_ytupload.build_folders.build_folder import Content, Node, Plain
    from hatch_ytupload.byte_reader import FileReader

_RANDOM = r"\.[0-9a-f]{16}"
_OLD = ".old"
"""What `atomic_rename` adds to the name, where it needs two steps."""


class Staging:
    """The changes of one publisher, which nobody sees before `commit`.

    All methods raise OSError where the disk refuses.

    Args:
        folder: the build folder, which may not exist yet.
        prefix: a path on the same file system; staging directories are called so, with a random end.
    """

    def __init__(self, folder: str, prefix: str) -> None:
        self._folder = os.path.realpath(folder)
        self._tree = f"{prefix}.{secrets.token_hex(8)}"
        self._begun = False
        self._attributes: dict[str, Plain] = {}
        self._cloned: set[str] = set()

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories as they are with the changes."""
        return look_into(self._tree if self._begun else self._folder, directories)

    def open(self, path: str) -> AbstractContextManager[FileReader]:
        """Open a file as it is with the changes."""
        return open_file(self._tree if self._begun else self._folder, path)

    def make_directory(self, path: str, attribute: Plain) -> None:
        """Make an empty directory in place of whatever lies there, and the directories above it."""
        self.remove(path)
        try:
            os.makedirs(self._place(path))
        except (FileExistsError, NotADirectoryError):
            place = one_line(os.path.join(self._folder, os.path.dirname(path)))
            raise BuildFolderError(
                f"`{place}` is a file, and a directory is expected there; remove or rename it"
            ) from None
        self.set_attribute(path, attribute)

    def write(self, path: str, content: Content, *, attribute: Plain = None, executable: bool = False) -> None:
        """Write a file in place of whatever lies there."""
        self.remove(path)
        # Never into a file that is there: it may be the same as one that others see.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(self._place(path), flags, 0o777 if executable else 0o666), "wb") as file:
            file.writelines(content.blocks())
            file.flush()
            os.fsync(file.fileno())
        self.set_attribute(path, attribute)

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its attribute.

        It is no hard link: who writes into the current archive by hand must not change the release.
        """
        self.remove(target)
        place = self._place(target)
        shutil.copy2(self._place(source), place)
        _sync(place)
        self.set_attribute(target, self._attributes.get(source))

    def set_attribute(self, path: str, value: Plain) -> None:
        """Set the attribute of a node."""
        os.lstat(self._place(path))
        if value is None:
            self._attributes.pop(path, None)
        else:
            self._attributes[path] = value
        self._save_attributes()

    def remove(self, path: str) -> None:
        """Remove a node and all below it."""
        place = self._place(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            if stat.S_ISDIR(os.lstat(place).st_mode):
                shutil.rmtree(place)
            else:
                os.unlink(place)
        for known in [known for known in self._attributes if known == path or known.startswith(f"{path}/")]:
            del self._attributes[known]
        self._save_attributes()

    def commit(self) -> None:
        """Make everything visible in one step, once it has reached the disk."""
        if not self._begun:
            return
        for directory, _, _ in os.walk(self._tree, topdown=False):
            _sync(directory)
        above = os.path.dirname(self._folder)
        os.makedirs(above, exist_ok=True)
        atomic_rename.replace_directory(self._tree, self._folder)
        _sync(above)
        # What is at the old name now is what the folder was, with what others put there meanwhile.
        with suppress(OSError):
            self._take_along("")

    def discard(self) -> None:
        """Remove what is left beside the folder: after `commit` the old one, else the changes."""
        shutil.rmtree(self._tree, ignore_errors=True)

    def _place(self, path: str) -> str:
        if not self._begun:
            self._begin()
        return os.path.join(self._tree, *path.split("/"))

    def _begin(self) -> None:
        os.mkdir(self._tree)
        if os.path.lexists(self._folder):
            if not os.path.isdir(self._folder):
                raise BuildFolderError(f"the build folder `{one_line(self._folder)}` is a file; remove or rename it")
            root = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._attributes = read_attributes(root)
            finally:
                os.close(root)
            self._clone("")
        self._begun = True

    def _clone(self, directory: str) -> None:
        source, target = os.path.join(self._folder, directory), os.path.join(self._tree, directory)
        for entry in list(os.scandir(source)):
            path = os.path.join(directory, entry.name)
            self._cloned.add(path)
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(os.path.join(self._tree, path))
                self._clone(path)
            else:
                _link(entry.path, os.path.join(self._tree, path))
        shutil.copystat(source, target)

    def _take_along(self, directory: str) -> None:
        """Move to the folder what somebody put into it while we were at work."""
        for entry in list(os.scandir(os.path.join(self._tree, directory))):
            path = os.path.join(directory, entry.name)
            place = os.path.join(self._folder, path)
            if path not in self._cloned:
                if not os.path.lexists(place) and os.path.isdir(os.path.dirname(place)):
                    os.rename(entry.path, place)
            elif entry.is_dir(follow_symlinks=False):
                self._take_along(path)

    def _save_attributes(self) -> None:
        place = os.path.join(self._tree, ATTRIBUTES_FILE)
        with suppress(FileNotFoundError):
            os.unlink(place)
        with open(place, "x", encoding="utf-8") as file:
            json.dump(self._attributes, file, indent=1, ensure_ascii=False, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())


def remove_abandoned(folder: str, prefix: str) -> None:
    """Remove what killed publishers of a folder left; called while nobody else is at work there.

    Args:
        folder: the build folder.
        prefix: as `Staging` was given it.

    Raises:
        OSError: the disk refuses.
    """
    directory, name = os.path.split(prefix)
    pattern = re.compile(re.escape(name) + _RANDOM + f"({re.escape(_OLD)})?")
    for entry in list(os.scandir(directory)):
        if not pattern.fullmatch(entry.name):
            continue
        if entry.name.endswith(_OLD) and not os.path.lexists(folder):
            # Killed between the two steps: this is the folder.
            os.rename(entry.path, folder)
        else:
            shutil.rmtree(entry.path)


def _link(source: str, target: str) -> None:
    """Make a hard link, or a copy where the file system has none."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
