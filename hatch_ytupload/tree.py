"""The files below one source directory, as the archive will hold them: ignoring, links and what is no regular file."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.credentials import is_credential_name
from hatch_ytupload.errors import SourceError, one_line
from hatch_ytupload.ignoring import IGNORE_FILE_NAME, IgnoreRules

if TYPE_CHECKING:
    from hatch_ytupload.ignoring import Rule

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
    inode: int
    own: bool
    """Belongs to the pipeline, not to an installed package: credentials in it are refused."""


class Tree(NamedTuple):
    """What a walk found."""

    files: list[SourceFile]
    ignored: list[tuple[str, Rule]]
    """Ignored files and directories (these without what is below), as paths of the source, with the deciding rule."""


def walk(source: str, target: str, rules: IgnoreRules, boundary: str, *, own: bool, shown: str) -> Tree:
    """List what of a source directory goes into the archive.

    Args:
        source: absolute path of the directory.
        target: its path in the archive.
        rules: the rules in force in that directory, its own `.ytignore` included.
        boundary: absolute path of the directory that symbolic links must not lead out of.
        own: the source belongs to the pipeline.
        shown: how messages call the directory.

    Raises:
        SourceError: something in it can neither be packed nor is ignored.
    """
    walker = _Walker(os.path.realpath(boundary), own=own)
    real = os.path.realpath(source)
    pending = [_Directory(real, shown, target, rules, ((_identity(_stat(real, shown)), shown),))]
    while pending:
        # The first of the directories found comes next: of several problems every machine reports the same one.
        pending.extend(reversed(walker.entries_of(pending.pop())))
    return Tree(walker.files, walker.ignored)


def single_file(source: str, target: str, boundary: str, *, own: bool, shown: str) -> SourceFile:
    """Describe one file that is a source of its own.

    Raises:
        SourceError: it is missing, no regular file, or leads out of the boundary.
    """
    walker = _Walker(os.path.realpath(boundary), own=own)
    real = walker.followed(source, shown) if os.path.islink(source) else source
    walker.file(real, shown, target, _stat(real, shown))
    return walker.files[0]


def rules_in(directory: str, top: str) -> IgnoreRules:
    """Return the rules in force in a directory: those of the ignore files from `top` down to it.

    Both are absolute; `directory` is `top` or lies below it.

    Raises:
        SourceError: a directory on the way, or the last one, is ignored; or an ignore file cannot be read.
    """
    rules = IgnoreRules.root(read_ignore_file(top, os.curdir), IGNORE_FILE_NAME)
    relative = os.path.relpath(directory, top)
    shown = os.curdir
    for name in [] if relative == os.curdir else relative.split(os.sep):
        rule = rules.decide(name, is_dir=True)
        shown = _join(shown, name)
        if rule is not None and not rule.negated:
            raise SourceError(f"`{one_line(relative)}` is ignored: {describe_rule(rule)} excludes `{one_line(shown)}`")
        rules = rules.child(name, read_ignore_file(os.path.join(top, shown), shown), _join(shown, IGNORE_FILE_NAME))
    return rules


def read_ignore_file(directory: str, shown: str) -> bytes | None:
    """Return the content of a directory's ignore file, None where there is none.

    Raises:
        SourceError: it exists and is no readable file.
    """
    try:
        with open(os.path.join(directory, IGNORE_FILE_NAME), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"cannot read `{one_line(_join(shown, IGNORE_FILE_NAME))}`: {error.strerror}") from None


def describe_rule(rule: Rule) -> str:
    """Say which rule it is: pattern, file and line."""
    where = f"line {rule.line} of `{one_line(rule.file)}`" if rule.file else "a built-in rule"
    return f"`{one_line(rule.pattern)}` ({where})"


class _Directory(NamedTuple):
    """A directory that is still to be listed."""

    real: str
    """Its path without symbolic links."""
    shown: str
    """Its path as the user knows it."""
    target: str
    """Its path in the archive."""
    rules: IgnoreRules
    branch: tuple[tuple[tuple[int, int], str], ...]
    """Identity and shown path of every directory from the source down to it."""


class _Walker:
    """Sorts what it is shown into files, ignored paths and errors; one for each source."""

    def __init__(self, boundary: str, *, own: bool) -> None:
        self.boundary = boundary
        self.own = own
        self.files: list[SourceFile] = []
        self.ignored: list[tuple[str, Rule]] = []

    def entries_of(self, directory: _Directory) -> list[_Directory]:
        """Take the files of a directory; return its subdirectories."""
        below = []
        rules = directory.rules
        for entry in _scan(directory):
            name = entry.name
            is_link = entry.is_symlink()
            # Git takes a link for a file, whatever it leads to: a pattern `name/` does not match it.
            is_directory = not is_link and entry.is_dir(follow_symlinks=False)
            shown = _join(directory.shown, name)
            if rules.is_ignored(name, is_dir=is_directory):
                rule = rules.decide(name, is_dir=is_directory)
                if rule is not None:
                    self.ignored.append((shown, rule))
                continue
            target = f"{directory.target}/{_archive_name(name, shown)}"
            if is_directory:
                below.append(_below(directory, f"{directory.real}{os.sep}{name}", shown, target, name))
                continue
            source = self.followed(entry.path, shown) if is_link else entry.path
            status = _stat(source, shown)
            if stat.S_ISDIR(status.st_mode):
                below.append(_below(directory, source, shown, target, name))
            else:
                self.file(source, shown, target, status)
        return below

    def followed(self, path: str, shown: str) -> str:
        """Return what a symbolic link leads to.

        Raises:
            SourceError: nothing, itself, or something outside the boundary.
        """
        try:
            real = os.path.realpath(path, strict=True)
        except OSError as error:
            leads_to = one_line(os.readlink(path))
            raise SourceError(
                f"cannot follow the symbolic link `{one_line(shown)}` to `{leads_to}`: {error.strerror}; {_WAY_OUT}"
            ) from None
        if os.path.commonpath([self.boundary, real]) != self.boundary:
            raise SourceError(
                f"the symbolic link `{one_line(shown)}` leads to `{one_line(real)}`, out of "
                f"`{one_line(self.boundary)}`; replace it by a copy, {_WAY_OUT}"
            )
        if self.own and is_credential_name(os.path.basename(real)):
            raise _credential_error(shown, f" (a symbolic link to `{one_line(real)}`)")
        return real

    def file(self, source: str, shown: str, path: str, status: os.stat_result) -> None:
        """Take a file, or say why it cannot be taken."""
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
            raise SourceError(f"`{one_line(shown)}` is {kind}, and only regular files can be packed; {_WAY_OUT}")
        if self.own and is_credential_name(os.path.basename(shown)):
            raise _credential_error(shown)
        mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        self.files.append(SourceFile(path, source, status.st_size, mode, status.st_mtime_ns, status.st_ino, self.own))


def _below(parent: _Directory, real: str, shown: str, target: str, name: str) -> _Directory:
    identity = _identity(_stat(real, shown))
    above = [known for known, _ in parent.branch]
    if identity in above:
        chain = [place for _, place in parent.branch[above.index(identity) :]]
        links = " -> ".join(f"`{one_line(place)}`" for place in [*chain, shown])
        raise SourceError(f"a symbolic link leads back to a directory above it: {links}; {_WAY_OUT}")
    rules = parent.rules.child(name, read_ignore_file(real, shown), _join(shown, IGNORE_FILE_NAME))
    return _Directory(real, shown, target, rules, (*parent.branch, (identity, shown)))


def _scan(directory: _Directory) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory.real) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"cannot list `{one_line(directory.shown)}`: {error.strerror}; {_WAY_OUT}") from None


def _join(shown: str, name: str) -> str:
    return name if shown == os.curdir else f"{shown}/{name}"


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
        raise SourceError(f"cannot read `{one_line(shown)}`: {error.strerror}; {_WAY_OUT}") from None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _archive_name(name: str, shown: str) -> str:
    """Return a file name as the archive spells it: UTF-8, whatever the locale's encoding."""
    if name.isascii():
        return name
    try:
        return os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError:
        raise SourceError(f"the file name `{one_line(shown)}` is not UTF-8; rename it or {_WAY_OUT}") from None
