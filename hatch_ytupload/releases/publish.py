"""The rules of a publish: what it changes, when it changes nothing, and what the build folder keeps."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.build_folder import BuildFolder, content_of
from hatch_ytupload.build_folders.destination import open_build_folder
from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.packing.bundle import bundle_directory
from hatch_ytupload.releases.current import make_current, scripts_are_right
from hatch_ytupload.releases.outgoing import Outgoing, open_outgoing
from hatch_ytupload.releases.records import (
    Record,
    archive_of,
    directory_of,
    is_whole,
    manifest_of,
    read_state_and,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Changes, Node
    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.releases.records import State


@dataclass(frozen=True)
class Outcome:
    """What a publish or a rollback did, or would do."""

    release: str
    changed: bool
    """Something was done; else all of it lay there already."""
    uploaded: int = 0
    """Bytes of the archive that were sent; 0: the build folder had it."""
    size: int = 0
    """Of the archive, in bytes."""
    replaced: str | None = None
    """The release that was current."""
    replaced_project: str | None = None
    """Whose release that was."""
    pruned: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    """What should have been pruned and is held by somebody else, and who that is."""


def publish(folder: BuildFolder, outgoing: Outgoing, *, keep: int, now: datetime, dry_run: bool = False) -> Outcome:
    """Make an archive the current one, as a release.

    Args:
        folder: where to.
        outgoing: what.
        keep: how many releases stay; 0: all.
        now: the time, in UTC.
        dry_run: only tell what would be done.

    Raises:
        BuildFolderError: it cannot be done; nothing has changed.
    """
    publishing = _Publishing(folder, outgoing, keep, now)
    outcome = publishing.expected()
    if dry_run or not outcome.changed:
        return outcome
    publishing.user = folder.user()
    name = f"{outgoing.manifest.project.name} {outgoing.release}"
    # What was true a moment ago may have changed while others were at work, so it is asked again inside.
    return folder.change(f"publishing {name}", publishing.apply)


def pruned(history: tuple[Record, ...], current: str, keep: int) -> tuple[str, ...]:
    """Return the releases that a build folder no longer keeps, oldest first.

    Args:
        history: newest first.
        current: the current release, which always stays, as does, where there is room, the one it goes back to.
        keep: how many stay; 0: all.
    """
    if not keep:
        return ()
    names = [record.release for record in history]
    previous = next((record.previous for record in history if record.release == current), None)
    wanted = [current, *([previous] if previous in names else []), *names]
    kept = list(dict.fromkeys(wanted))[:keep]
    return tuple(name for name in reversed(names) if name not in kept)


class _Publishing:
    """One publish; `apply` may run more than once."""

    def __init__(self, folder: BuildFolder, outgoing: Outgoing, keep: int, now: datetime) -> None:
        self.folder = folder
        self.outgoing = outgoing
        self.keep = keep
        self.now = now
        self.user = ""

    def expected(self) -> Outcome:
        """Tell what `apply` would do."""
        state, files = read_state_and(self.folder, self.outgoing.release)
        kept = self._kept(state, files)
        if kept is not None and self._is_done(state, kept):
            return self._nothing(kept)
        return self._outcome(state, self._record(state, kept), upload=kept is None)

    def apply(self, changes: Changes) -> Outcome:
        """Publish."""
        state, files = read_state_and(changes, self.outgoing.release)
        kept = self._kept(state, files)
        if kept is not None and self._is_done(state, kept):
            return self._nothing(kept)
        record = self._record(state, kept)
        outcome = self._outcome(state, record, upload=kept is None)
        if kept is None:
            replaced = {ARCHIVE_NAME, *self.outgoing.scripts} & set(state.nodes)
            changes.require_means([*sorted(replaced), *map(directory_of, outcome.pruned)], record.size)
            self._upload(changes, record)
        else:
            changes.set_attribute(directory_of(record.release), record.record())
        carried = record.attribute() if kept is None else files[ARCHIVE_NAME].attribute
        make_current(changes, record, state, self.outgoing.scripts, carried)
        holders = {name: changes.remove_unless_held(directory_of(name)) for name in outcome.pruned}
        return replace(
            outcome,
            pruned=tuple(name for name, holder in holders.items() if holder is None),
            held=tuple((name, holder) for name, holder in holders.items() if holder is not None),
        )

    def _kept(self, state: State, files: Mapping[str, Node]) -> Record | None:
        """Return the release as the build folder has it; None: it has it not, or not whole."""
        record = state.find(self.outgoing.release)
        if record is None or record.content_sha256 != self.outgoing.manifest.content_sha256:
            return None
        # The same content may have been compressed differently: what counts is that it is what was published then.
        return record if is_whole(files, record) else None

    def _is_done(self, state: State, kept: Record) -> bool:
        return state.current == kept and scripts_are_right(state, self.outgoing.scripts)

    def _nothing(self, kept: Record) -> Outcome:
        return Outcome(kept.release, changed=False, size=kept.size, replaced=kept.release)

    def _record(self, state: State, kept: Record | None) -> Record:
        """Describe the release as it will be; what is published again becomes the newest."""
        manifest = self.outgoing.manifest
        name = self.outgoing.release
        claimed = state.claimed
        before = claimed.release if claimed is not None and state.find(claimed.release) is not None else None
        if before == name:
            known = state.find(name)
            before = known.previous if known is not None else None
        return Record(
            project=manifest.project.name,
            version=manifest.project.version,
            content_sha256=manifest.content_sha256,
            archive_sha256=manifest.archive.sha256 if kept is None else kept.archive_sha256,
            release=name,
            git_commit=manifest.git.commit if manifest.git is not None else None,
            git_dirty=manifest.git.dirty if manifest.git is not None else None,
            published_by=self.user,
            tool_version=__version__,
            size=manifest.archive.size if kept is None else kept.size,
            md5=manifest.archive.md5 if kept is None else kept.md5,
            published_at=self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            previous=before,
            number=1 + max((record.number for record in state.history), default=0),
        )

    def _upload(self, changes: Changes, record: Record) -> None:
        changes.make_directory(directory_of(record.release), record.record())
        changes.write(archive_of(record.release), self.outgoing.archive, attribute=record.attribute())
        changes.write(manifest_of(record.release), content_of(self.outgoing.manifest_data))

    def _outcome(self, state: State, record: Record, *, upload: bool) -> Outcome:
        claimed = state.claimed
        history = (record, *(known for known in state.history if known.release != record.release))
        return Outcome(
            record.release,
            changed=True,
            uploaded=record.size if upload else 0,
            size=record.size,
            replaced=claimed.release if claimed is not None else None,
            replaced_project=claimed.project if claimed is not None else None,
            pruned=pruned(history, record.release, self.keep),
        )


@dataclass(frozen=True)
class Published:
    """A finished publish, or what one would do."""

    outcome: Outcome
    project: str
    version: str
    folder: BuildFolder
    seconds: float
    dry_run: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        warnings = [
            f"the release `{name}` is held by {holder}, and was not removed; the next publish will try again"
            for name, holder in self.outcome.held
        ]
        other = self.outcome.replaced_project
        if other is not None and other != self.project:
            problem = f"`{self.folder.location}` held a release of the project `{other}`"
            warnings.append(f"{problem}; give each project a build folder of its own")
        return tuple(warnings)


def publish_bundle(
    settings: Settings,
    artifact: str,
    *,
    project: str | None = None,
    dry_run: bool = False,
    notice: Callable[[str], None] = lambda _text: None,
    progress: Progress = no_progress,
) -> Published:
    """Publish a bundle to the build folder of the settings.

    Args:
        settings: of the pipeline.
        artifact: path of the bundle's directory, or of the archive or manifest in it.
        project: whose bundle it has to be; None: anybody's.
        dry_run: only tell what would be done.
        notice: is told, in a line, what we wait for.
        progress: is told how many bytes of how many have been sent.

    Raises:
        SettingsError: something that publishing needs is missing or wrong.
        ArtifactError: there is no such bundle, or it is not what its manifest says.
        BuildFolderError: it cannot be published; nothing has changed.
    """
    start = time.monotonic()
    folder = open_build_folder(settings, notice=notice, progress=progress)
    with open_outgoing(artifact, project=project, standalone_wrappers=settings.standalone_wrappers) as outgoing:
        now = datetime.now(timezone.utc)
        outcome = publish(folder, outgoing, keep=settings.keep_releases, now=now, dry_run=dry_run)
        info = outgoing.manifest.project
    seconds = time.monotonic() - start
    return Published(outcome, info.name, info.version, folder, seconds, dry_run)


def default_artifact(project: Project, dist: str | None = None) -> str:
    """Return where the bundle of the project's current version lies.

    Args:
        project: whose.
        dist: the build directory; None: the project's own.
    """
    return bundle_directory(os.path.abspath(dist) if dist else project.build_directory, project.file_name)
