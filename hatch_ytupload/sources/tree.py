"""The files below one source directory, as the archive will hold them: ignoring, links and what is no regular file."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.sources.boundary import (
    OPEN_DIRECTORY,
    REPLACED,
    WAY_OUT,
    Boundary,
    credential_error,
    moved,
    unreadable,
)
from hatch_ytupload.sources.credentials import HEAD_SIZE, holds_private_key, is_credential_file
from hatch_ytupload.sources.ignore_scope import join_shown
from hatch_ytupload.sources.listings import cannot_list
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.sources.exclusions import Exclusions
    from hatch_ytupload.sources.ignore_scope import IgnoreScope
    from hatch_ytupload.sources.ignoring import Rule
    from hatch_ytupload.sources.listings import Listing, Listings

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


class SourceFile(NamedTuple):
    """A regular file that goes into the archive, as it was when the plan was made."""

    path: str
    """Where in the archive."""
    place: str
    """The directory that it lies in, which files share; no symbolic link."""
    name: str
    """What it is called there."""
    size: int
    mode: int
    """0o644 or 0o755."""
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int
    own: bool
    """Belongs to the pipeline, not to an installed package: credentials in it are refused."""

    @property
    def source(self) -> str:
        """What to open."""
        return f"{self.place}/{self.name}"


class Tree(NamedTuple):
    """What a walk found."""

    files: list[SourceFile]
    ignored: int
    """How many entries the user's rules keep out; a directory counts as one, whatever is below it."""
    excluded: tuple[str, Rule] | None
    """One of these, as shown, with the rule that decided, if the walk saw it for itself."""


def walk(
    source: str,
    target: str,
    scope: IgnoreScope,
    boundary: str,
    listings: Listings,
    *,
    own: bool,
    shown: str,
    exclusions: Exclusions | None = None,
) -> Tree:
    """List what of a source directory goes into the archive.

    Args:
        source: absolute path of the directory.
        target: its path in the archive.
        scope: the ignore rules in force in that directory, its own included.
        boundary: absolute path of the directory that symbolic links must not lead out of; `/`: they may lead anywhere.
        listings: what lists directories.
        own: the source belongs to the pipeline.
        shown: its name in messages.
        exclusions: what stays out besides what is ignored.

    Raises:
        SourceError: something in it can neither be packed nor is ignored.
    """
    walker = _Walker(boundary, own=own)
    walker.exclusions = exclusions
    walker.place, walker.target = as_text(source), target
    real = os.path.realpath(source)
    # It need not be a link itself: one of the directories above it may be.
    walker.boundary.check(real, f"`{one_line(shown)}`, through a symbolic link,")
    identity = _identity(walker.boundary.status(real, shown))
    pending = [_Directory(real, shown, target, scope, ((identity, shown),))]
    ignored = 0
    excluded = None
    while pending:
        directory = pending.pop()
        descriptor = _entered(directory)
        try:
            listing = listings.of(descriptor, directory.real, directory.shown, directory.scope)
            below = walker.add(directory, descriptor, listing)
        finally:
            os.close(descriptor)
        ignored += listing.ignored
        excluded = excluded or listing.excluded or walker.excluded
        # The first of the directories found comes next: of several problems every machine reports the same one.
        pending.extend(reversed(below))
    if walker.credentials:
        # Only now: whoever has to move one file moves all of them.
        found = [f"{shown}{file.path[len(target) :]}" for file in walker.files if _holds_private_key(file)]
        raise credential_error([*walker.credentials, *found])
    return Tree(walker.files, ignored, excluded)


def single_file(source: str, target: str, boundary: str, *, own: bool, shown: str) -> SourceFile:
    """Describe one file that is a source of its own.

    Raises:
        SourceError: it is missing, no regular file, or leads out of the boundary.
    """
    walker = _Walker(boundary, own=own)
    if os.path.islink(source):
        real = walker.boundary.followed(source, shown)
    else:
        real = os.path.join(os.path.realpath(os.path.dirname(source)), os.path.basename(source))
        walker.boundary.check(real, f"`{one_line(shown)}`, through a symbolic link,")
    above, name = os.path.split(shown)
    walker.file(os.path.split(real), target, walker.boundary.status(real, shown), above or os.curdir, name)
    if walker.credentials:
        raise credential_error(walker.credentials)
    return walker.files[0]


class _Directory(NamedTuple):
    """A directory that is still to be walked."""

    real: str
    """Its path without symbolic links."""
    shown: str
    """Its path as the user knows it."""
    target: str
    """Its path in the archive."""
    scope: IgnoreScope
    branch: tuple[tuple[tuple[int, int], str], ...]
    """Identity and shown path of every directory from the source down to it."""


class _Walker:
    """Turns listings into files, or errors; one for each source."""

    def __init__(self, boundary: str, *, own: bool) -> None:
        self.boundary = Boundary(boundary, own=own)
        self.own = own
        self.files: list[SourceFile] = []
        self.exclusions: Exclusions | None = None
        self.place = self.target = ""
        """What exclusions know the source by, as text, and its path in the archive."""
        self.excluded: tuple[str, Rule] | None = None
        """The first that these keep out, as shown."""
        self.credentials: list[str] = []
        """Names in messages of own files that hold credentials by their name."""
        self.device = 0
        """Of the last file."""

    def add(self, directory: _Directory, descriptor: int, listing: Listing) -> list[_Directory]:
        """Add the files of a directory that is open; return its subdirectories."""
        below = []
        real, shown, target, *_ = directory
        if self.exclusions is not None:
            listing = self._without_excluded(directory, listing)
        for name in listing.files:
            # There may be a hundred thousand: what only an error needs is made when there is one.
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError as error:
                raise unreadable(join_shown(shown, name), error) from None
            packed = name if name.isascii() else archive_name(name, join_shown(shown, name))
            self.file((real, name), f"{target}/{packed}", status, shown, name)
        for name in listing.links:
            place = join_shown(shown, name)
            path = self.boundary.followed(f"{real}/{name}", place)
            status = self.boundary.status(path, place)
            if stat.S_ISDIR(status.st_mode):
                below.append(_below(directory, path, name, status))
            else:
                self.file(os.path.split(path), f"{target}/{archive_name(name, place)}", status, shown, name)
        for name in listing.directories:
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError as error:
                raise unreadable(join_shown(shown, name), error) from None
            below.append(_below(directory, f"{real}/{name}", name, status))
        return below

    def _without_excluded(self, directory: _Directory, listing: Listing) -> Listing:
        """Leave out what exclusions keep out."""
        if not (listing.directories or listing.links or (self.exclusions and self.exclusions.concern_files)):
            return listing
        exclusions, above = self.exclusions, self.place + directory.target[len(self.target) :]

        def stays(name: str, *, is_dir: bool) -> bool:
            rule = exclusions.rule(f"{above}/{as_text(name)}", is_dir=is_dir) if exclusions else None
            if rule is not None and self.excluded is None:
                self.excluded = join_shown(directory.shown, name), rule
            return rule is None

        files = listing.files
        if exclusions and exclusions.concern_files:
            files = [name for name in files if stays(name, is_dir=False)]
        return listing._replace(
            files=files,
            links=[name for name in listing.links if stays(name, is_dir=os.path.isdir(f"{directory.real}/{name}"))],
            directories=[name for name in listing.directories if stays(name, is_dir=True)],
        )

    def file(self, source: tuple[str, str], path: str, status: os.stat_result, above: str, name: str) -> None:
        """Add a file, or say why it cannot be packed.

        Args:
            source: the directory that it lies in, and what it is called there.
            path: its path in the archive.
            status: of the source.
            above: the name of its directory in messages.
            name: its name there.

        Raises:
            SourceError: it is no regular file.
        """
        bits = status.st_mode
        if not stat.S_ISREG(bits):
            kind = _KINDS.get(stat.S_IFMT(bits), "no regular file")
            shown = one_line(join_shown(above, name))
            raise SourceError(f"`{shown}` is {kind}, and only regular files can be packed; {WAY_OUT}")
        if self.exclusions is not None and (rule := self.exclusions.rule_of_file(status)):
            self.excluded = self.excluded or (join_shown(above, name), rule)
            return
        if self.own and is_credential_file(f"{above}/{name}"):
            self.credentials.append(join_shown(above, name))
            return
        # Of numbers that are the same one object is kept: there may be hundreds of thousands of files.
        if status.st_dev != self.device:
            self.device = status.st_dev
        modified, changed = status.st_mtime_ns, status.st_ctime_ns
        self.files.append(
            SourceFile(
                path,
                *source,
                status.st_size,
                0o755 if bits & stat.S_IXUSR else 0o644,
                modified,
                modified if changed == modified else changed,
                self.device,
                status.st_ino,
                self.own,
            )
        )


def _below(parent: _Directory, real: str, name: str, status: os.stat_result) -> _Directory:
    shown = join_shown(parent.shown, name)
    identity = _identity(status)
    above = [known for known, _ in parent.branch]
    if identity in above:
        chain = [place for _, place in parent.branch[above.index(identity) :]]
        links = " -> ".join(f"`{one_line(place)}`" for place in [*chain, shown])
        raise SourceError(f"a symbolic link leads back to a directory above it: {links}; {WAY_OUT}")
    target = f"{parent.target}/{archive_name(name, shown)}"
    return _Directory(real, shown, target, parent.scope.child(name, real, shown), (*parent.branch, (identity, shown)))


def _entered(directory: _Directory) -> int:
    """Open a directory, which must be the one that was seen before.

    The identity tells it also where it is a directory above that has become a link.
    """
    identity, _ = directory.branch[-1]
    try:
        descriptor = os.open(directory.real, OPEN_DIRECTORY)
        try:
            is_same = _identity(os.fstat(descriptor)) == identity
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        raise (moved(directory.shown) if error.errno in REPLACED else cannot_list(directory.shown, error)) from None
    if not is_same:
        os.close(descriptor)
        raise moved(directory.shown)
    return descriptor


def _holds_private_key(file: SourceFile) -> bool:
    """Look into a file for a private key; what cannot be read is reported where it is packed."""
    try:
        descriptor = os.open(file.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with suppress(OSError), open(descriptor, "rb") as opened:
        return holds_private_key(opened.read(HEAD_SIZE), file.name)
    return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def archive_name(name: str, shown: str) -> str:
    """Return a file name as the archive spells it: UTF-8, whatever the locale's encoding.

    Raises:
        SourceError: it is not UTF-8.
    """
    text = as_text(name)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise SourceError(f"the file name `{one_line(shown)}` is not UTF-8; rename it or {WAY_OUT}")
    return text
