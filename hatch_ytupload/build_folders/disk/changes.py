"""A change of a build folder on disk: made beside it out of hard links, then put in its place in one step."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hatch_ytupload import atomic_rename
from hatch_ytupload.build_folders.build_folder import content_of
from hatch_ytupload.build_folders.disk.nodes import ATTRIBUTES_FILE, look_into, open_file, read_attributes
from hatch_ytupload.byte_reader import DigestingReader, Tally, is_there
from hatch_ytupload.details import detail
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.file_names import as_system_spells, as_text
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager

    from hatch_ytupload.build_folders.build_folder import Base, Content, Node, Plain
    from hatch_ytupload.byte_reader import FileReader, Progress


_RANDOM = r"\.[0-9a-f]{16}"
_SAVED = ".saved"


class Staging:
    """The changes of one publisher, which nobody sees before `commit`.

    All methods raise OSError where the disk refuses.

    Args:
        folder: the build folder, which may not exist yet; no link.
        prefix: a path on the same file system; staging directories are named so, with a random end.
        warn: called with what failed after everything was visible.
        progress: called with how many bytes of a file have been written.
    """

    def __init__(self, folder: str, prefix: str, warn: Callable[[str], None], progress: Progress) -> None:
        self._folder = folder
        self._tree = f"{prefix}.{secrets.token_hex(8)}"
        self._warn = warn
        self._sending = Tally(progress)
        self._begun = False
        self._attributes: dict[str, Plain] = {}
        # What the folder held, and what tells it from something that was put in its place.
        self._cloned: dict[str, tuple[int, ...]] = {}
        self._changed = {ATTRIBUTES_FILE}
        self._old: str | None = None

    def look(self, *directories: str) -> list[Mapping[str, Node] | None]:
        """List directories as they are with the changes."""
        if not self._begun:
            return look_into(self._folder, directories)
        return look_into(self._tree, directories, self._attributes)

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

    def write(self, path: str, content: Content, attribute: Plain = None, *, executable: bool = False) -> None:
        """Write a file in place of whatever lies there, and compare what has arrived."""
        detail("write %s in %s", path, self._folder)
        self.remove(path)
        # Never into a file that is there: it may be the same as one that others see.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        digest = hashlib.md5(usedforsecurity=False)
        progress = self._sending.next(content.size)
        size = 0
        with open(os.open(self._place(path), flags, 0o777 if executable else 0o666), "wb") as file:
            for block in content.blocks(0):
                file.write(block)
                digest.update(block)
                size += len(block)
                progress(size, content.size)
            file.flush()
            os.fsync(file.fileno())
        with self.open(path) as reader:
            found = DigestingReader(reader).digests()
        if (found.size, found.md5) != (size, digest.hexdigest()):
            raise BuildFolderError(
                f"what arrived at `{one_line(os.path.join(self._folder, path))}` is not what was sent: {found.size} "
                f"bytes with the MD5 {found.md5} instead of {size} bytes with the MD5 {digest.hexdigest()}; nothing "
                "was published, try again"
            )
        self.set_attribute(path, attribute)

    def write_after(self, base: Base, path: str, content: Content, attribute: Plain = None) -> bool:  # noqa: ARG002
        """Write nothing: a copy of what a file begins with is as dear as its bytes."""
        return False

    def write_all(self, files: Mapping[str, bytes], *, attribute: Plain = None, executable: bool = False) -> None:
        """Write small files, by path."""
        for path, data in files.items():
            self.write(path, content_of(data), attribute, executable=executable)

    def copy(self, source: str, target: str) -> None:
        """Copy a file with its attribute.

        It is no hard link: who writes into the current archive by hand must not change the release.
        """
        detail("copy %s to %s in %s", source, target, self._folder)
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

    def settle(self, path: str) -> None:
        """Do nothing: a file on disk has all that it shall have."""

    def remove(self, path: str) -> None:
        """Remove a node and all below it."""
        place = self._place(path)
        self._changed.add(as_system_spells(path))
        self._attributes.pop(path, None)
        with suppress(FileNotFoundError, NotADirectoryError):
            is_directory = stat.S_ISDIR(os.lstat(place).st_mode)
            detail("remove %s from %s", path, self._folder)
            if not is_directory:
                os.unlink(place)
                return
            for directory, names, files in os.walk(place):
                below = path + as_text(directory.removeprefix(place))
                for name in names + files:
                    self._attributes.pop(f"{below}/{as_text(name)}", None)
            shutil.rmtree(place)

    def remove_unless_held(self, path: str) -> None:
        """Remove a node and all below it: nobody holds a part of a folder on disk."""
        self.remove(path)

    def require_means(self, replaced: Collection[str], size: int, nodes: int) -> None:  # noqa: ARG002 - of a cluster
        """Note how much will be sent; a disk tells when it is full."""
        self._sending.expected = size

    def commit(self) -> None:
        """Make everything visible in one step, once it has reached the disk."""
        if not self._begun:
            return
        self._save_attributes()
        for directory, _, _ in os.walk(self._tree, topdown=False):
            _sync(directory)
        above = os.path.dirname(self._folder)
        detail("put all changes into %s in one step", self._folder)
        os.makedirs(above, exist_ok=True)
        self._old = atomic_rename.replace_directory(self._tree, self._folder)
        with self._afterwards("it may not survive a crash of this machine"):
            _sync(above)
        if self._old is not None:
            self._keep_what_others_did(self._old)

    def discard(self) -> None:
        """Remove what is left beside the folder: after `commit` the old one, else the changes."""
        with suppress(OSError):  # which some calls of `rmtree` raise all the same
            shutil.rmtree(self._old or self._tree, ignore_errors=True)

    @contextmanager
    def _afterwards(self, consequence: str) -> Iterator[None]:
        """Go on after an error: what we did is visible already, so it has not failed."""
        try:
            yield
        except OSError as error:
            self._warn(f"`{one_line(self._folder)}` was changed, but {consequence}: {error.strerror or error}")

    def _place(self, path: str) -> str:
        if not self._begun:
            self._begin()
        return os.path.join(self._tree, as_system_spells(path))

    def _begin(self) -> None:
        os.mkdir(self._tree)
        if is_there(self._folder):
            if not os.path.isdir(self._folder):
                raise BuildFolderError(f"the build folder `{one_line(self._folder)}` is a file; remove or rename it")
            root = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                attributes = read_attributes(root)
            finally:
                os.close(root)
            self._clone("")
            self._attributes = {
                path: value for path, value in attributes.items() if as_system_spells(path) in self._cloned
            }
        self._begun = True

    def _clone(self, directory: str) -> None:
        source, target = os.path.join(self._folder, directory), os.path.join(self._tree, directory)
        for entry in list(os.scandir(source)):
            path = os.path.join(directory, entry.name)
            # First what it is, then its content: what somebody changes in between is seen as changed.
            self._cloned[path] = _identity(entry.path)
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(os.path.join(self._tree, path))
                self._clone(path)
            else:
                _link(entry.path, os.path.join(self._tree, path))
        shutil.copystat(source, target)

    def _keep_what_others_did(self, old: str) -> None:
        """Move to the folder what somebody put into it, or changed there, while we were at work."""
        saved = f"{old}{_SAVED}"
        with self._afterwards(f"what others did there meanwhile could not be kept and lies in `{one_line(saved)}`"):
            try:
                self._move_along(old, "")
            except OSError:
                # Not where it would be removed.
                os.rename(old, saved)
                raise

    def _move_along(self, old: str, directory: str) -> None:
        for entry in list(os.scandir(os.path.join(old, directory))):
            path = os.path.join(directory, entry.name)
            place = os.path.join(self._folder, path)
            if path not in self._cloned:
                is_ours = is_there(place)
            elif entry.is_dir(follow_symlinks=False):
                self._move_along(old, path)
                continue
            else:
                is_ours = self._cloned[path] == _identity(entry.path) or self._is_changed(path)
            if not is_ours:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.replace(entry.path, place)

    def _is_changed(self, path: str) -> bool:
        """Tell whether we have changed what lies here, or a directory that holds it."""
        while path and path not in self._changed:
            path = os.path.dirname(path)
        return bool(path)

    def _save_attributes(self) -> None:
        place = os.path.join(self._tree, ATTRIBUTES_FILE)
        with suppress(FileNotFoundError):
            os.unlink(place)
        with open(place, "x", encoding="utf-8") as file:
            json.dump(self._attributes, file, indent=1, ensure_ascii=False, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())


def remove_abandoned(folder: str, prefix: str) -> None:
    """Remove what killed publishers of a folder left, while nobody else is at work there, and put back the folder.

    Args:
        folder: the build folder; no link.
        prefix: as `Staging` was given it.

    Raises:
        OSError: the disk refuses.
    """
    directory, name = os.path.split(prefix)
    pattern = re.compile(re.escape(name) + _RANDOM + f"({re.escape(atomic_rename.ASIDE)})?")
    for entry in list(os.scandir(directory)):
        match = pattern.fullmatch(entry.name)
        if match is None:
            continue
        if match[1] and not is_there(folder):
            # Killed between the two steps: this is the folder.
            os.rename(entry.path, folder)
        elif entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _identity(path: str) -> tuple[int, ...]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


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
