"""The ignore rules in force in a directory, read from the ignore files on the way to it."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME, IgnoreRules
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from hatch_ytupload.sources.ignoring import Rule


_TOO_LARGE = 100 * 1024 * 1024
"""Bytes; git leaves such an ignore file unread with a warning, and what it was to keep out would be packed."""
# Nobody waits for the other end of a FIFO.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class IgnoreScope(NamedTuple):
    """The rules of one directory."""

    rules: IgnoreRules
    identity: bytes
    """Digest of all that the rules were made of: scopes with the same one decide the same."""
    follows_links: bool
    """Whether an ignore file may be a symbolic link; else such a link says nothing."""

    @classmethod
    def top(cls, directory: str, shown: str, *, follows_links: bool = True) -> IgnoreScope:
        """Return the scope of a directory above which nothing counts.

        Args:
            directory: its path.
            shown: its name in messages.
            follows_links: whether its ignore file, and those below it, may be symbolic links, as those of a package
                are where the installer links files from its cache.

        Raises:
            SourceError: its ignore file cannot be read.
        """
        text = _read(directory, shown, follows_links=follows_links)
        rules = IgnoreRules.root(text, join_shown(shown, IGNORE_FILE_NAME))
        return cls(rules, _digest(b"", "", text), follows_links)

    def child(self, name: str, directory: str, shown: str) -> IgnoreScope:
        """Return the scope of a directory in this one.

        Args:
            name: of the directory.
            directory: its path without symbolic links.
            shown: its name in messages.

        Raises:
            SourceError: its ignore file cannot be read.
        """
        text = _read(directory, shown, follows_links=self.follows_links)
        rules = self.rules.child(name, text, join_shown(shown, IGNORE_FILE_NAME))
        return IgnoreScope(rules, _digest(self.identity, name, text), self.follows_links)

    def excluding(self, name: str, *, is_dir: bool) -> Rule | None:
        """Return the rule that keeps an entry of the directory out, None where it goes in."""
        rule = self.rules.decide(name, is_dir=is_dir)
        return None if rule is None or rule.negated else rule


class IgnoreScopes:
    """The scopes below one directory, each ignore file read once. As for git, one that is a symbolic link says nothing.

    Args:
        top: absolute path; nothing above it counts.
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self._known = {os.curdir: IgnoreScope.top(top, os.curdir, follows_links=False)}

    def of(self, directory: str) -> IgnoreScope:
        """Return the scope of a directory at the top or below it.

        Raises:
            SourceError: it, or a directory on the way to it, is ignored; an ignore file cannot be read.
        """
        relative = os.path.relpath(directory, self._top)
        known = self._known.get(relative)
        if known is None:
            above, name = os.path.split(relative)
            outer = self.of(os.path.join(self._top, above))
            rule = outer.excluding(name, is_dir=True)
            if rule is not None:
                raise SourceError(f"`{one_line(relative)}` is ignored: {describe_rule(rule)}")
            known = self._known[relative] = outer.child(name, directory, relative)
        return known


def describe_rule(rule: Rule) -> str:
    """Say which rule it is: pattern, file and line; Hatch's have a file and no line."""
    where = f"line {rule.line} of `{one_line(rule.file)}`" if rule.line else f"`exclude` in `{one_line(rule.file)}`"
    if not rule.file:
        where = "a built-in rule"
    return f"`{one_line(rule.pattern)}` ({where})"


def join_shown(shown: str, name: str) -> str:
    """Return the name in messages of an entry of a directory, whatever the locale's encoding of file names."""
    return as_text(name) if shown == os.curdir else f"{shown}/{as_text(name)}"


def _read(directory: str, shown: str, *, follows_links: bool) -> bytes | None:
    path = f"{directory}/{IGNORE_FILE_NAME}"
    try:
        try:
            descriptor = os.open(path, _OPEN_FLAGS | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError:
            if not os.path.islink(path):
                raise
            if not follows_links:
                return None
            # One that leads nowhere would let through what it was meant to keep out: from here on that is an error.
            descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        if isinstance(error, PermissionError) and not os.access(directory, os.X_OK):
            problem = cannot("list", shown, error)
            raise SourceError(f"{problem}; make it readable or exclude it in `{IGNORE_FILE_NAME}`") from None
        raise _unreadable(shown, error.strerror) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(shown, "it is no regular file")
        if status.st_size >= _TOO_LARGE:
            raise _unreadable(shown, "it is larger than 100 MiB, more than git reads", "shorten it")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise _unreadable(shown, error.strerror) from None
    finally:
        os.close(descriptor)


def _unreadable(shown: str, reason: str | None, way_out: str = "make it a readable file") -> SourceError:
    return SourceError(f"cannot read `{one_line(join_shown(shown, IGNORE_FILE_NAME))}`: {reason}; {way_out}")


def _digest(above: bytes, name: str, text: bytes | None) -> bytes:
    encoded = os.fsencode(name)
    return hashlib.sha256(b"%b%d:%b%b" % (above, len(encoded), encoded, text or b"")).digest()
