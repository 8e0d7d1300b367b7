"""The files below one source directory, as the archive will hold them: ignoring, links and what is no regular file."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.sources.credentials import is_credential_name
from hatch_ytupload.sources.ignore_scope import join_shown
from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.sources.ignore_scope import IgnoreScope
    from hatch_ytupload.sources.ignoring import Rule
    from hatch_ytupload.sources.listings import Listing, Listings

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
_WAY_OUT = f"exclude it in `{IGNORE_FILE_NAME}` or remove it"


class SourceFile(NamedTuple):
    """A regular file that goes into the archive, as it was when the plan was made."""

    path: str
    """Where in the archive."""
    source: str
    """What to open; no symbolic link."""
    size: int
    mode: int
    """0o644 or 0o755."""
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int
    own: bool
    """Belongs to the pipeline, not to an installed package: credentials in it are refused."""


class Tree(NamedTuple):
    """What a walk found."""

    files: list[SourceFile]
    ignored: int
    """How many entries the user's rules keep out; a directory counts as one, whatever is below it."""
    excluded: tuple[str, Rule] | None
    """One of these, as shown, with the rule that decided, if the walk saw it for itself."""


def walk(
    source: str, target: str, scope: IgnoreScope, boundary: str, listings: Listings, *, own: bool, shown: str
) -> Tree:
    """List what of a source directory goes into the archive.

    Args:
        source: absolute path of the directory.
        target: its path in the archive.
        scope: the ignore rules in force in that directory, its own included.
        boundary: absolute path of the directory that symbolic links must not lead out of.
        listings: what lists directories.
        own: the source belongs to the pipeline.
        shown: its name in messages.

    Raises:
        SourceError: something in it can neither be packed nor is ignored.
    """
    walker = _Walker(os.path.realpath(boundary), own=own)
    real = os.path.realpath(source)
    # It need not be a link itself: one of the directories above it may be.
    walker.check_boundary(real, f"`{one_line(shown)}`, through a symbolic link,")
    status = _stat(real, shown)
    pending = [_Directory(real, shown, target, scope, status, ((_identity(status), shown),))]
    ignored = 0
    excluded = None
    while pending:
        directory = pending.pop()
        listing = listings.of(directory.real, directory.shown, directory.status, directory.scope)
        ignored += listing.ignored
        excluded = excluded or listing.excluded
        # The first of the directories found comes next: of several problems every machine reports the same one.
        pending.extend(reversed(walker.take(directory, listing)))
    return Tree(walker.files, ignored, excluded)


def single_file(source: str, target: str, boundary: str, *, own: bool, shown: str) -> SourceFile:
    """Describe one file that is a source of its own.

    Raises:
        SourceError: it is missing, no regular file, or leads out of the boundary.
    """
    walker = _Walker(os.path.realpath(boundary), own=own)
    real = walker.followed(source, shown) if os.path.islink(source) else source
    above, name = os.path.split(shown)
    walker.file(real, target, _stat(real, shown), above or os.curdir, name)
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
    status: os.stat_result
    branch: tuple[tuple[tuple[int, int], str], ...]
    """Identity and shown path of every directory from the source down to it."""


class _Walker:
    """Turns listings into files, or errors; one for each source."""

    def __init__(self, boundary: str, *, own: bool) -> None:
        self.boundary = boundary
        self.own = own
        self.files: list[SourceFile] = []

    def take(self, directory: _Directory, listing: Listing) -> list[_Directory]:
        """Take the files of a directory; return its subdirectories."""
        below = []
        real, shown, target, *_ = directory
        for name in listing.files:
            # There may be a hundred thousand: what only an error needs is made when there is one.
            path = f"{real}/{name}"
            try:
                status = os.lstat(path)
            except OSError as error:
                raise _unreadable(join_shown(shown, name), error) from None
            packed = name if name.isascii() else archive_name(name, join_shown(shown, name))
            self.file(path, f"{target}/{packed}", status, shown, name)
        for name in listing.links:
            place = join_shown(shown, name)
            path = self.followed(f"{real}/{name}", place)
            status = _stat(path, place)
            if stat.S_ISDIR(status.st_mode):
                below.append(_below(directory, path, name, status))
            else:
                self.file(path, f"{target}/{archive_name(name, place)}", status, shown, name)
        for name in listing.directories:
            path = f"{real}/{name}"
            below.append(_below(directory, path, name, _stat(path, join_shown(shown, name))))
        return below

    def followed(self, path: str, shown: str) -> str:
        """Return what a symbolic link leads to.

        Raises:
            SourceError: nothing, itself, or something outside the boundary.
        """
        try:
            real = os.path.realpath(path, strict=True)
        except OSError as error:
            if error.errno == errno.ELOOP and (ring := self._ring(path)):
                raise SourceError(
                    f"the symbolic link `{one_line(shown)}` leads back to itself: {ring}; {_WAY_OUT}"
                ) from None
            leads_to = one_line(os.readlink(path))
            raise SourceError(
                f"cannot follow the symbolic link `{one_line(shown)}` to `{leads_to}`: {error.strerror}; {_WAY_OUT}"
            ) from None
        self.check_boundary(real, f"the symbolic link `{one_line(shown)}`")
        if self.own and is_credential_name(os.path.basename(real)):
            raise _credential_error(shown, f" (a symbolic link to `{one_line(real)}`)")
        return real

    def check_boundary(self, real: str, subject: str) -> None:
        """Check that a path without symbolic links is inside the boundary.

        Raises:
            SourceError: it is not; `subject` is what leads there.
        """
        if os.path.commonpath([self.boundary, real]) != self.boundary:
            raise SourceError(
                f"{subject} leads to `{one_line(real)}`, out of `{one_line(self.boundary)}`; "
                f"replace it by a copy, {_WAY_OUT}"
            )

    def _ring(self, path: str) -> str:
        """Return the links that lead from one to the next and back, if that is what they do."""
        places: list[str] = []
        while path not in places:
            places.append(path)
            if not os.path.islink(path):
                return ""  # the ring is among the directories on the way
            path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        return " -> ".join(f"`{one_line(os.path.relpath(place, self.boundary))}`" for place in [*places, path])

    def file(self, source: str, path: str, status: os.stat_result, above: str, name: str) -> None:
        """Take a file, or say why it cannot be taken.

        Args:
            source: what to open.
            path: its path in the archive.
            status: of the source.
            above: the name of its directory in messages.
            name: its name there.

        Raises:
            SourceError: it is no regular file, or holds credentials.
        """
        bits = status.st_mode
        if not stat.S_ISREG(bits):
            kind = _KINDS.get(stat.S_IFMT(bits), "no regular file")
            shown = one_line(join_shown(above, name))
            raise SourceError(f"`{shown}` is {kind}, and only regular files can be packed; {_WAY_OUT}")
        if self.own and is_credential_name(name):
            raise _credential_error(join_shown(above, name))
        self.files.append(
            SourceFile(
                path,
                source,
                status.st_size,
                0o755 if bits & stat.S_IXUSR else 0o644,
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_dev,
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
        raise SourceError(f"a symbolic link leads back to a directory above it: {links}; {_WAY_OUT}")
    target = f"{parent.target}/{archive_name(name, shown)}"
    return _Directory(
        real, shown, target, parent.scope.child(name, real, shown), status, (*parent.branch, (identity, shown))
    )


def _credential_error(shown: str, remark: str = "") -> SourceError:
    return SourceError(
        f"`{one_line(shown)}`{remark} looks like a file of credentials, which must not get into an archive; "
        f"move it out of the sources or exclude it in `{IGNORE_FILE_NAME}`"
    )


def _stat(real: str, shown: str) -> os.stat_result:
    """Return the status of a path that holds no symbolic links."""
    try:
        return os.lstat(real)
    except OSError as error:
        raise _unreadable(shown, error) from None


def _unreadable(shown: str, error: OSError) -> SourceError:
    return SourceError(f"cannot read `{one_line(shown)}`: {error.strerror}; {_WAY_OUT}")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def archive_name(name: str, shown: str) -> str:
    """Return a file name as the archive spells it: UTF-8, whatever the locale's encoding.

    Raises:
        SourceError: it is not UTF-8.
    """
    text = as_text(name)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise SourceError(f"the file name `{one_line(shown)}` is not UTF-8; rename it or {_WAY_OUT}")
    return text
