"""The rules of a build folder: what a publish changes and when nothing, what is kept, what a rollback restores."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.build_folders.build_folder import FILE, content_of
from hatch_ytupload.build_folders.packed_wrappers import is_wrapper, read_wrappers
from hatch_ytupload.build_folders.release_records import (
    Record,
    archive_of,
    directory_of,
    find_release,
    holds,
    is_whole,
    manifest_of,
    read_state,
    read_state_and,
    release_name,
)
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.packing.manifest import load_manifest
from hatch_ytupload.planning.wrappers import ARCHIVE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Changes, Content, Node
    from hatch_ytupload.build_folders.release_records import State
    from hatch_ytupload.packing.manifest import Manifest

# The attribute of a wrapper script that lies beside the archive: it is ours, and we may remove it.
_OUR_SCRIPT = True


@dataclass(frozen=True)
class Outgoing:
    """What is to be published."""

    manifest: Manifest
    manifest_data: bytes
    """The manifest as it was built, byte by byte."""
    archive: Content
    scripts: Mapping[str, bytes]
    """The wrapper scripts that shall lie beside the archive, by name."""

    @property
    def release(self) -> str:
        """The name of the release."""
        return release_name(self.manifest)


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


def rollback(folder: BuildFolder, release: str | None, *, standalone_wrappers: bool) -> Outcome:
    """Make a kept release current.

    Args:
        folder: where.
        release: its name or the beginning of it; None: the one before the current one.
        standalone_wrappers: its wrapper scripts shall lie beside the archive.

    Raises:
        BuildFolderError: there is no such release, it is damaged, or it cannot be done; nothing has changed.
    """

    def apply(changes: Changes) -> Outcome:
        state = read_state(changes)
        record = find_release(folder, state, release) if release is not None else _release_before(folder, state)
        state, files = read_state_and(changes, record.release)
        if not is_whole(files, record):
            raise BuildFolderError(
                f"the release `{record.release}` in `{folder.location}` is damaged: its files are not what was "
                "published; publish it again, or roll back to another"
            )
        current = state.current
        scripts: Mapping[str, bytes] = {}
        if standalone_wrappers:
            with changes.open(manifest_of(record.release)) as file:
                manifest = load_manifest(file.read(0, file.size), folder.path(manifest_of(record.release)))
            with changes.open(archive_of(record.release)) as file:
                scripts = read_wrappers(file, manifest, folder.path(archive_of(record.release)))
        if current == record and _scripts_are_right(state, scripts):
            return Outcome(record.release, changed=False, size=record.size, replaced=record.release)
        _make_current(changes, record, state, scripts, files[ARCHIVE_NAME].attribute)
        return Outcome(
            record.release, changed=True, size=record.size, replaced=current.release if current is not None else None
        )

    return folder.change(f"rolling back to {release or 'the release before'}", apply)


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
        if kept is None:
            self._upload(changes, record)
        else:
            changes.set_attribute(directory_of(record.release), record.record())
        carried = record.attribute() if kept is None else files[ARCHIVE_NAME].attribute
        _make_current(changes, record, state, self.outgoing.scripts, carried)
        outcome = self._outcome(state, record, upload=kept is None)
        for name in outcome.pruned:
            changes.remove(directory_of(name))
        return outcome

    def _kept(self, state: State, files: Mapping[str, Node]) -> Record | None:
        """Return the release as the build folder has it; None: it has it not, or not whole."""
        record = state.find(self.outgoing.release)
        if record is None or record.content_sha256 != self.outgoing.manifest.content_sha256:
            return None
        # The same content may have been compressed differently: what counts is that it is what was published then.
        return record if is_whole(files, record) else None

    def _is_done(self, state: State, kept: Record) -> bool:
        return state.current == kept and _scripts_are_right(state, self.outgoing.scripts)

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
        """Send the archive, and compare size and MD5 as the build folder computed them from what it received."""
        changes.make_directory(directory_of(record.release), record.record())
        archive = archive_of(record.release)
        changes.write(archive, self.outgoing.archive, attribute=record.attribute())
        changes.write(manifest_of(record.release), content_of(self.outgoing.manifest_data))
        (files,) = changes.look(directory_of(record.release))
        node = (files or {}).get(ARCHIVE_NAME)
        if not holds(node, record):
            found = f"{node.size} bytes with the MD5 {node.md5()}" if node is not None else "nothing"
            raise BuildFolderError(
                f"what arrived at `{self.folder.path(archive)}` is not what was sent: {found} instead of "
                f"{record.size} bytes with the MD5 {record.md5}; nothing was published, try again"
            )

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


def _make_current(
    changes: Changes, record: Record, state: State, scripts: Mapping[str, bytes], carried: object
) -> None:
    """Put a release's archive, which carries this attribute, and its scripts where jobs take them from."""
    changes.copy(archive_of(record.release), ARCHIVE_NAME)
    # The archive of a release that was published again still says who published it the first time.
    if carried != record.attribute():
        changes.set_attribute(ARCHIVE_NAME, record.attribute())
    for name, data in scripts.items():
        if not _is_script(state.nodes.get(name), data):
            changes.write(name, content_of(data), attribute=_OUR_SCRIPT, executable=True)
    for name in _our_scripts(state):
        if name not in scripts:
            changes.remove(name)


def _scripts_are_right(state: State, scripts: Mapping[str, bytes]) -> bool:
    """Tell whether exactly these scripts of ours lie beside the archive."""
    right = all(_is_script(state.nodes.get(name), data) for name, data in scripts.items())
    return right and all(name in scripts for name in _our_scripts(state))


def _is_script(node: Node | None, data: bytes) -> bool:
    return (
        node is not None
        and node.kind == FILE
        and node.attribute is _OUR_SCRIPT
        and node.executable
        and node.size == len(data)
        and node.md5() == hashlib.md5(data, usedforsecurity=False).hexdigest()
    )


def _our_scripts(state: State) -> list[str]:
    return [name for name, node in state.nodes.items() if is_wrapper(name) and node.attribute is _OUR_SCRIPT]


def _release_before(folder: BuildFolder, state: State) -> Record:
    """Return what a rollback without a name goes to."""
    claimed = state.claimed
    names = [record.release for record in state.history]
    current = state.current
    if current is None:
        # The current archive is none of ours, or was damaged: back to the release that it should be, or the newest.
        index = names.index(claimed.release) if claimed is not None and claimed.release in names else 0
        if index < len(names):
            return state.history[index]
    elif current.previous in names:
        return state.history[names.index(current.previous)]
    elif current.release != names[-1]:
        return state.history[names.index(current.release) + 1]
    else:
        raise BuildFolderError(
            f"`{folder.location}` keeps no release before `{current.release}`; "
            "`hatch-ytupload history` lists those it keeps"
        )
    raise BuildFolderError(f"`{folder.location}` keeps no release to go back to; publish one")
