"""What a directory holds when ignored entries are left out, and a memory of it for directories that stay the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.details import detail
from hatch_ytupload.details import wanted as details_wanted
from hatch_ytupload.errors import SourceError
from hatch_ytupload.sources.ignore_scope import describe_rule, join_shown
from hatch_ytupload.wording import cannot

if TYPE_CHECKING:
    from hatch_ytupload.sources.ignore_scope import IgnoreScope
    from hatch_ytupload.sources.ignoring import Rule


# A directory may be changed again within one tick of the file system's clock without a trace in its times, so what is
# this close to the moment of looking is not remembered. The coarsest clock in use ticks every two seconds (FAT).
UNSETTLED_NS = 2 * 10**9


class Listing(NamedTuple):
    """The entries of a directory that are not ignored: names, sorted."""

    files: list[str]
    """Everything that is neither a link nor a directory."""
    links: list[str]
    directories: list[str]
    ignored: int
    """How many entries the user's rules keep out."""
    excluded: tuple[str, Rule] | None = None
    """One of them, as shown, with the rule that decided. Not remembered."""


def list_directory(place: str | int, shown: str, scope: IgnoreScope) -> Listing:
    """List a directory.

    Args:
        place: its path, or a descriptor of it.
        shown: its name in messages.
        scope: the ignore rules in force in it.

    Raises:
        SourceError: it cannot be listed.
    """
    listing = Listing([], [], [], 0)
    ignored = 0
    excluded = None
    try:
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                # Git takes a link for a file, whatever it leads to: a pattern `name/` does not match it.
                is_link = entry.is_symlink()
                is_directory = not is_link and entry.is_dir(follow_symlinks=False)
                rule = scope.excluding(entry.name, is_dir=is_directory)
                if rule is not None and details_wanted():
                    detail("`%s` stays out: %s", join_shown(shown, entry.name), describe_rule(rule))
                if rule is None:
                    kind = listing.links if is_link else listing.directories if is_directory else listing.files
                    kind.append(entry.name)
                elif rule.file:
                    ignored += 1
                    excluded = excluded or (join_shown(shown, entry.name), rule)
    except OSError as error:
        raise cannot_list(shown, error) from None
    return listing._replace(ignored=ignored, excluded=excluded)


def cannot_list(shown: str, error: OSError) -> SourceError:
    """Make the error for a directory that cannot be listed."""
    return SourceError(f"{cannot('list', shown, error)}; exclude it in `.ytignore` or remove it")


class Listings:
    """Lists directories, and remembers the listings of those that have not changed since.

    A directory's own times change whenever an entry appears, disappears or is renamed. While they do not, and the
    rules in force are the same, so is the listing. The files themselves are looked at anew each time.

    Args:
        remembered: what `state` returned in an earlier process.
        now_ns: the time at which looking began; at 0 nothing is remembered.
    """

    def __init__(self, remembered: dict[str, Any] | None = None, now_ns: int = 0) -> None:
        self._old = remembered or {}
        self._new: dict[str, Any] = {}
        self._settled_before = now_ns - UNSETTLED_NS

    def of(self, descriptor: int, real: str, shown: str, scope: IgnoreScope) -> Listing:
        """Return the listing of a directory.

        Args:
            descriptor: of the directory.
            real: its path without symbolic links.
            shown: its name in messages.
            scope: the ignore rules in force in it.

        Raises:
            SourceError: it cannot be listed.
        """
        try:
            status = os.fstat(descriptor)
        except OSError as error:
            raise cannot_list(shown, error) from None
        seen = [status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, scope.identity.hex()]
        kept = self._old.get(real)
        # Whoever wants details is told which rule decides, and that is not remembered.
        if kept is not None and kept[0] == seen and not details_wanted():
            self._new[real] = kept
            return Listing(*kept[1:])
        listing = list_directory(descriptor, shown, scope)
        if max(status.st_mtime_ns, status.st_ctime_ns) < self._settled_before:
            self._new[real] = [seen, *listing[:4]]
        return listing

    def state(self) -> dict[str, Any] | None:
        """Return what to remember, as JSON can hold it; None if it is what was remembered before."""
        return self._new if self._new != self._old else None
