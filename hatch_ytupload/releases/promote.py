"""Promotion: the very bytes of a release in one build folder become the current release of another."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.build_folder import Content
from hatch_ytupload.byte_reader import blocks
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.reading.integrity import as_published
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.outgoing import Outgoing, read_wrappers
from hatch_ytupload.releases.publish import publish
from hatch_ytupload.releases.published import CURRENT, find_kept
from hatch_ytupload.releases.records import archive_of
from hatch_ytupload.releases.signed import read_beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.byte_reader import Reader
    from hatch_ytupload.releases.current import Outcome
    from hatch_ytupload.releases.records import Record


def promote(
    source: BuildFolder,
    target: BuildFolder,
    release: str | None = None,
    conditions: Conditions | None = None,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Make a release of one build folder the current one of another, the same bytes under the same name.

    Args:
        source: where it is.
        target: where to.
        release: its name or the beginning of it; None: the current one.
        conditions: of the target; None: nothing but its own content speaks against it.
        now: the time, in UTC; None: this moment.
        dry_run: only tell what would be done.

    Raises:
        RefusedError: it must not be done, or nobody has agreed.
        ArtifactError: the release is damaged, or nobody whose signature counts in the target has signed it.
        SettingsError: it cannot be signed with the key of the target.
        BuildFolderError: it cannot be done; nothing in the target has changed.
    """
    if (source.cluster(), source.location) == (target.cluster(), target.location):
        raise BuildFolderError(
            f"`{source.location}` cannot be promoted to itself; `hatch-ytupload rollback` makes a kept release current"
        )
    conditions = conditions or Conditions()
    with _open_kept(source, target, CURRENT if release is None else release, conditions) as outgoing:
        return publish(target, outgoing, conditions, now=now, dry_run=dry_run)


@contextmanager
def _open_kept(source: BuildFolder, target: BuildFolder, release: str, conditions: Conditions) -> Iterator[Outgoing]:
    """Open a release for being published elsewhere, and keep it there meanwhile."""
    with find_kept(source, release) as record, ExitStack() as files:
        manifest, beside = read_beside(source, source, record)
        name = source.path(archive_of(record.release))
        scripts: Mapping[str, bytes] = {}
        md5 = manifest.archive.md5
        # Within a cluster no data moves.
        is_copied = source.host is not None and source.cluster() == target.cluster()
        content = Content(record.size, md5, lambda _start: iter(()), node=name)
        if not is_copied or conditions.standalone_wrappers:
            reader = files.enter_context(source.open(archive_of(record.release)))
            if conditions.standalone_wrappers:
                scripts = read_wrappers(reader, manifest, name)
            if not is_copied:
                content = Content(reader.size, md5, lambda start: _blocks(reader, record, name, start))
        origin = _origin(source, record)
        yield Outgoing(manifest, beside, content, scripts, promoted_from=origin, signed_by=record.signed_by)


def _origin(source: BuildFolder, record: Record) -> dict[str, str | None]:
    return {"build_folder": source.cypress_path, "cluster": source.host, "release": record.release}


def _blocks(reader: Reader, record: Record, name: str, start: int) -> Iterator[bytes]:
    """Give an archive's bytes; when they are all of them, see to it that they are those that were published."""
    return blocks(reader, start) if start else as_published(blocks(reader), record.archive_sha256, name)
