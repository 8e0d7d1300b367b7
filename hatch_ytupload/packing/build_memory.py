"""What builds remember from one to the next: listings of directories, compressed parts, and the bundle they left.

Nothing here decides what goes into an archive: with and without it the bytes are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.packing.part_memory import PartMemory
from hatch_ytupload.sources.listings import Listings

if TYPE_CHECKING:
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.cache import Cache
    from hatch_ytupload.packing.manifest import GitInfo
    from hatch_ytupload.planning.plan import Plan


class ArchiveIdentity(NamedTuple):
    """What is known of a finished archive without reading it."""

    size: int
    """In bytes."""
    sha256: str
    content_sha256: str


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
        self.listings = Listings(self._json(self._listings_name) or {}, now_ns)
        self.parts = PartMemory(cache, now_ns, epoch, keep_times=keep_times)

    def inputs(self, project: Project, settings: Settings, plan: Plan, git: GitInfo | None) -> str:
        """Return a digest of everything that the bundle is made of."""
        return _digest(
            *self._inputs,
            project.name,
            project.version,
            str(settings.standalone_wrappers),
            repr(git),
            repr(plan.stages),
            repr([(module.name, module.distribution, module.version) for module in plan.modules]),
            *map(self.parts.key, plan.parts),
        )

    def unchanged(self, directory: str, inputs: str) -> ArchiveIdentity | None:
        """Return the archive of a bundle if it was made of these inputs, and nobody has touched it since."""
        with suppress(ValueError, TypeError):
            known_inputs, statuses, archive = self._json(_bundle_name(directory)) or (None, None, ())
            if known_inputs == inputs and statuses == _statuses(directory):
                return ArchiveIdentity(*archive)
        return None

    def close(self, plan: Plan, directory: str, inputs: str, archive: ArchiveIdentity) -> None:
        """Remember this build, and keep the cache within its limit."""
        listings = self.listings.state()
        if listings is not None:
            self._cache.write(self._listings_name, _dump(listings))
        # What may change without a trace is looked at again by the next build.
        if all(map(self.parts.is_settled, plan.parts)) and self.unchanged(directory, inputs) is None:
            self._cache.write(_bundle_name(directory), _dump([inputs, _statuses(directory), archive]))
        if self.parts.grew:
            self._cache.trim()

    def _json(self, name: str) -> Any:  # noqa: ANN401 - whatever was kept
        with suppress(ValueError):
            return json.loads(self._cache.read(name) or b"null")
        return None


def _bundle_name(directory: str) -> str:
    return f"bundle-{_digest(directory)}"


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def _statuses(directory: str) -> dict[str, list[int]]:
    found = {}
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            found[entry.name] = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
    return found
