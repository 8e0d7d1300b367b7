"""What earlier builds left behind: compressed parts, listings of directories, and the finished bundle."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.archive_layout import WHEELS
from hatch_ytupload.packing import compression
from hatch_ytupload.packing.manifest import FileInfo, batches, octal_mode
from hatch_ytupload.planning.plan import entry_size
from hatch_ytupload.sources.listings import UNSETTLED_NS, Listings
from hatch_ytupload.sources.tree import SourceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.cache import Cache, NewFile
    from hatch_ytupload.packing.manifest import GitInfo, Selection
    from hatch_ytupload.planning.plan import Generated, Part, Plan

# Changes when the same input would become other bytes, or when what is kept takes another form.
_FORMAT = 4
# Of a SHA-256, in hexadecimal.
_DIGITS = 64


_FIELDS = "\0".join(["%s"] * len(SourceFile._fields)) + "\n"


class DamagedPartError(Exception):
    """The bytes of a part are not those that were kept; it has been removed, and is packed again."""


class KeptPart(NamedTuple):
    """A part as an earlier build left it."""

    file: IO[bytes]
    remove: Callable[[], None]
    """Lets nobody find it again."""
    sha256: str
    """Of all members."""
    sizes: list[tuple[int, int]]
    """Of each gzip member, and of what it unpacks to, in bytes."""
    files: list[FileInfo]

    def members(self) -> Iterator[tuple[bytes, int]]:
        """Yield the gzip members of the part, each with the size of what it unpacks to.

        Raises:
            DamagedPartError: what was yielded is not what was kept.
        """
        digest = hashlib.sha256()
        with self.file as file, suppress(OSError):
            for size, unpacked in self.sizes:
                member = file.read(size)
                digest.update(member)
                yield member, unpacked
        if digest.hexdigest() != self.sha256:
            self.remove()
            raise DamagedPartError


class PartMemory:
    """Finds parts that were packed before, and keeps those that are packed now.

    A part is known by everything that its bytes depend on: for each file its path, its place, size, mode, inode, and
    both its times. The time of the last status change cannot be set by a program, so an edit that restores size and
    time of modification shows. What changed within the last moments might change again within the same tick of the
    clock, so it is packed but not kept.

    Args:
        cache: where parts are kept.
        now_ns: the time at which planning began.
        epoch: the time of members, in seconds since 1970.
        keep_times: they have that of their files instead.
    """

    def __init__(self, cache: Cache, now_ns: int, epoch: int, *, keep_times: bool) -> None:
        self._cache = cache
        self._settled_before = now_ns - UNSETTLED_NS
        self._base = f"{_FORMAT} {compression.identity()} {epoch} {keep_times}".encode()
        self._keys: dict[int, str] = {}
        self._damaged: set[str] = set()
        self.grew = False

    def key(self, part: Part) -> str:
        """Return a digest of everything that the bytes of a part depend on, but its place in the archive."""
        known = self._keys.get(id(part))
        if known is None:
            digest = hashlib.sha256(self._base)
            for entries in batches(part.entries):
                digest.update("".join(map(_identity, entries)).encode("utf-8", "surrogateescape"))
            known = self._keys[id(part)] = digest.hexdigest()
        return known

    def is_settled(self, part: Part) -> bool:
        """Tell whether all files of a part have been at rest long enough for their times to prove it."""
        return all(
            max(entry.mtime_ns, entry.ctime_ns) < self._settled_before
            for entry in part.entries
            if isinstance(entry, SourceFile)
        )

    def find(self, part: Part, *, first: bool) -> KeptPart | None:
        """Return a part that was kept, None if there is none.

        Args:
            part: which.
            first: it is the first part of its archive, whose first byte has a gzip member of its own.
        """
        name = self._name(part, first=first)
        found = None if name in self._damaged else self._cache.open(name)
        if found is None:
            return None
        file, description = found
        with suppress(ValueError, TypeError, KeyError):
            index: dict[str, Any] = json.loads(description)
            digests = [index["files"][start : start + _DIGITS] for start in range(0, len(index["files"]), _DIGITS)]
            files = [
                FileInfo(entry.path, entry_size(entry), octal_mode(entry.mode), sha256)
                for entry, sha256 in zip(part.entries, digests, strict=True)
            ]
            return KeptPart(file, partial(self._remove, name), index["sha256"], index["members"], files)
        file.close()
        return None

    def recorder(self, part: Part, *, first: bool) -> Recorder | None:
        """Return what keeps a part while it is being packed, None if it must not be kept; arguments as in `find`."""
        # Wheels lie in the cache already, and packing them is no work.
        if part.name == WHEELS or not self.is_settled(part):
            return None
        self.grew = True
        return Recorder(self._cache.new_file(self._name(part, first=first)))

    def _remove(self, name: str) -> None:
        # It may be impossible to remove.
        self._damaged.add(name)
        self._cache.remove(name)

    def _name(self, part: Part, *, first: bool) -> str:
        return f"part-{_digest(self.key(part), str(first))}"


class Recorder:
    """Keeps the members of one part."""

    def __init__(self, file: NewFile) -> None:
        self._file = file
        self._sizes: list[tuple[int, int]] = []

    def member(self, member: bytes, unpacked: int) -> None:
        """Keep the next gzip member, and how many bytes it unpacks to."""
        self._file.write(member)
        self._sizes.append((len(member), unpacked))

    def finish(self, files: list[FileInfo]) -> str:
        """Keep the part with the digests of its files, and return the SHA-256 of its members."""
        sha256 = self._file.digest.hexdigest()
        # What else is known of the files is known of whoever finds the part again.
        digests = "".join([file.sha256 for file in files])
        self._file.keep(_dump({"sha256": sha256, "members": self._sizes, "files": digests}))
        return sha256

    def discard(self) -> None:
        """Keep nothing."""
        self._file.discard()


def _identity(entry: SourceFile | Generated) -> str:
    if isinstance(entry, SourceFile):
        return _FIELDS % entry
    return f"{entry.path}\0{entry.mode}\0{hashlib.sha256(entry.data).hexdigest()}\n"


class ArchiveIdentity(NamedTuple):
    """What is known of a finished archive without reading it."""

    size: int
    """In bytes."""
    sha256: str
    content_sha256: str


class BundleRecord(NamedTuple):
    """What a bundle was made of, and what it became."""

    inputs: str
    """As `BuildMemory.inputs` returns it."""
    statuses: dict[str, list[int]]
    """As `statuses_of` returns them."""
    git: GitInfo | None
    archive: ArchiveIdentity


class BuildMemory:
    """The memory of one build.

    Args:
        cache: where everything is kept.
        project_root: absolute path.
        epoch: the time of members, in seconds since 1970.
        keep_times: they have that of their files instead.
    """

    def __init__(self, cache: Cache, project_root: str, epoch: int, *, keep_times: bool) -> None:
        now_ns = time.time_ns()
        self._cache = cache
        self._listings_name = f"listings-{_digest(project_root, sys.prefix)}"
        self._inputs = [__version__, str(epoch), str(keep_times)]
        self.listings = Listings(self._json(self._listings_name), now_ns)
        self.parts = PartMemory(cache, now_ns, epoch, keep_times=keep_times)

    def inputs(self, project: Project, settings: Settings, selection: Selection, plan: Plan) -> str:
        """Return a digest of everything that the bundle is made of, but for what git says."""
        return _digest(
            *self._inputs,
            project.name,
            project.version,
            str(settings.standalone_wrappers),
            repr(selection),
            repr(plan.stages),
            repr([(module.name, module.distribution, module.version) for module in plan.modules]),
            *map(self.parts.key, plan.parts),
        )

    def unchanged(self, directory: str, inputs: str, git: Callable[[], GitInfo | None]) -> ArchiveIdentity | None:
        """Return the archive of a bundle if it was made of these inputs, and nobody has touched it since.

        Args:
            directory: of the bundle.
            inputs: what it would be made of now.
            git: waits for what git says; called only where nothing else has changed.
        """
        with suppress(ValueError, TypeError):
            known_inputs, statuses, known_git, archive = self._json(_bundle_name(directory)) or (None, None, None, ())
            if known_inputs == inputs and statuses == statuses_of(directory) and known_git == _listed(git()):
                return ArchiveIdentity(*archive)
        return None

    def close(self, plan: Plan, directory: str, made: BundleRecord | None) -> None:
        """Remember this build, and keep the cache within its limit.

        Args:
            plan: of the archive.
            directory: of the bundle.
            made: what this build has put there; None: it has left alone what was there.
        """
        listings = self.listings.state()
        if listings is not None:
            self._cache.write(self._listings_name, _dump(listings))
        # What may change without a trace is looked at again by the next build.
        if made is not None and all(map(self.parts.is_settled, plan.parts)):
            self._cache.write(_bundle_name(directory), _dump(made))
        if self.parts.grew:
            self._cache.trim()

    def _json(self, name: str) -> Any:  # noqa: ANN401 - whatever was kept
        with suppress(ValueError):
            return json.loads(self._cache.read(name) or b"null")
        return None


def _bundle_name(directory: str) -> str:
    return f"bundle-{_digest(directory)}"


def _listed(git: GitInfo | None) -> list[object] | None:
    """Return what JSON makes of it."""
    return None if git is None else [*git]


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def statuses_of(directory: str) -> dict[str, list[int]]:
    """Return what changes with the files of a bundle, by their names; nothing where it cannot be looked at."""
    found = {}
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            found[entry.name] = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
    return found
