"""The rules of a publish: what it changes, when it changes nothing, and what the build folder keeps."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME, SIGNATURE_NAME
from hatch_ytupload.build_folders.build_folder import md5_of
from hatch_ytupload.details import detail
from hatch_ytupload.errors import ArtifactError, BuildFolderError
from hatch_ytupload.releases.conditions import RefusedError, find_conflicts
from hatch_ytupload.releases.current import Outcome, changed_scripts, is_current, make_current
from hatch_ytupload.releases.prefixes import PREFIXES, Prefixes, beginning, prefix_of
from hatch_ytupload.releases.records import (
    Record,
    archive_of,
    directory_of,
    is_whole,
    read_state_with,
    timestamp,
)
from hatch_ytupload.releases.signed import require_signed, sign_outgoing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from hatch_ytupload.build_folders.build_folder import Base, BuildFolder, Changes, Look, Node
    from hatch_ytupload.releases.conditions import Conditions, Objections
    from hatch_ytupload.releases.outgoing import Outgoing
    from hatch_ytupload.releases.prefixes import Prefix
    from hatch_ytupload.releases.records import State


def publish(
    folder: BuildFolder,
    outgoing: Outgoing,
    conditions: Conditions,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    found: Objections | None = None,
) -> Outcome:
    """Make an archive the current one, as a release.

    Args:
        folder: where to.
        outgoing: what.
        conditions: of the folder.
        now: the time, in UTC; None: this moment.
        dry_run: only tell what would be done.
        found: what speaks against it besides what the build folder holds.

    Raises:
        RefusedError: it must not be done, or nobody has agreed.
        ArtifactError: nobody whose signature counts there has signed it.
        SettingsError: it cannot be signed with the key of the settings.
        BuildFolderError: it cannot be done; nothing has changed.
    """
    publishing = _Publishing(folder, outgoing, conditions, now)
    outcome, conflicts = publishing.expected()
    if not outcome.changed:
        # Whoever has forgotten to build has nothing to publish.
        for warning in found.warnings if found is not None else ():
            conditions.warn(warning)
        return outcome
    publishing.outgoing = sign_outgoing(outgoing, conditions)
    if found is not None:
        conflicts.add(found)
    name = f"{outgoing.manifest.project.name} {outgoing.release}"
    verb = "promoting" if outgoing.promoted_from else "publishing"
    conflicts.require(conditions, folder, f"{verb} {name}", dry_run=dry_run)
    if dry_run:
        return outcome
    publishing.user = folder.user()
    # What was true a moment ago may have changed while others were at work, so it is asked again inside.
    outcome = folder.change(f"{verb} {name}", publishing.apply)
    for release, holder in outcome.held:
        conditions.warn(f"the release `{release}` is held by {holder}, and stays; the next publish tries again")
    return outcome


def pruned(history: tuple[Record, ...], current: str, keep: int) -> tuple[str, ...]:
    """Return the releases that a build folder no longer keeps, oldest first.

    Args:
        history: newest first.
        current: the current release, which always stays, as does, where there is room, the one it goes back to.
        keep: how many stay, those that are pinned not counted; 0: all.
    """
    if not keep:
        return ()
    names = [record.release for record in history if not record.pinned or record.release == current]
    previous = next((record.previous for record in history if record.release == current), None)
    wanted = [current, *([previous] if previous in names else []), *names]
    kept = list(dict.fromkeys(wanted))[:keep]
    return tuple(name for name in reversed(names) if name not in kept)


class _Publishing:
    """One publish; `apply` may run more than once."""

    def __init__(self, folder: BuildFolder, outgoing: Outgoing, conditions: Conditions, now: datetime | None) -> None:
        self.folder = folder
        self.outgoing = outgoing
        self.conditions = conditions
        self.now = now
        self.user = ""
        self.told: str | None = None
        """Why the archive is sent whole, as it was told already."""

    @cached_property
    def prefix(self) -> Prefix | None:
        """What the archive begins with, where that may be kept: on a disk a copy is as dear as the bytes themselves."""
        return prefix_of(self.outgoing.manifest, self.outgoing.archive) if self.folder.host is not None else None

    def expected(self) -> tuple[Outcome, Objections]:
        """Tell what `apply` would do, and what the build folder has against it."""
        state, files, prefixes = self._read(self.folder)
        kept = self._kept(self.folder, state, files)
        conflicts = self._conflicts(state)
        if kept is not None and is_current(state, kept, files, self.outgoing.scripts):
            return self._nothing(kept), conflicts
        base = self._base(prefixes) if kept is None else None
        return self._outcome(state, self._record(state, kept), self._to_send(kept, base)), conflicts

    def apply(self, changes: Changes) -> Outcome:
        """Publish."""
        state, files, prefixes = self._read(changes)
        kept = self._kept(changes, state, files)
        if kept is not None and is_current(state, kept, files, self.outgoing.scripts):
            return self._nothing(kept)
        if refusals := self._conflicts(state).refusals(self.conditions):
            raise RefusedError(refusals)
        record = self._record(state, kept)
        base = self._base(prefixes) if kept is None else None
        outcome = self._outcome(state, record, self._to_send(kept, base))
        unused = prefixes.unused(_history(state, record, outcome.pruned))
        self._require_means(changes, state, outcome, unused, kept)
        if kept is None:
            outcome = replace(outcome, uploaded=self._send(changes, record, base))
        else:
            changes.set_attribute(directory_of(record.release), record.record())
        make_current(changes, record, state, self.outgoing.scripts, files[ARCHIVE_NAME] if kept is not None else None)
        holders = {name: changes.remove_unless_held(directory_of(name)) for name in outcome.pruned}
        for path in prefixes.unused(_history(state, record, [name for name in holders if holders[name] is None])):
            # One that somebody holds stays, as a release does.
            changes.remove_unless_held(path)
        return replace(
            outcome,
            pruned=tuple(name for name, holder in holders.items() if holder is None),
            held=tuple((name, holder) for name, holder in holders.items() if holder is not None),
        )

    def _read(self, look: Look) -> tuple[State, Mapping[str, Node], Prefixes]:
        """Read the build folder, the release as it is there, and the prefixes."""
        state, (files, prefixes) = read_state_with(look, directory_of(self.outgoing.release), PREFIXES)
        return state, files or {}, Prefixes(prefixes)

    def _base(self, prefixes: Prefixes) -> Base | None:
        """Return what the archive can be made from; None: it has to be sent whole, and why is told once."""
        found = prefixes.base(self.prefix) if self.prefix is not None else None
        if not isinstance(found, str):
            return found
        if found != self.told:
            detail("%s: the archive is sent whole", found)
            self.told = found
        return None

    def _to_send(self, kept: Record | None, base: Base | None) -> int:
        """Return how many bytes of the archive have to be sent."""
        if kept is not None or self.outgoing.archive.node is not None:
            return 0
        return self.outgoing.archive.size - (base.size if base is not None else 0)

    def _conflicts(self, state: State) -> Objections:
        return find_conflicts(self.folder, state, self.outgoing.manifest, self.conditions)

    def _kept(self, look: Look, state: State, files: Mapping[str, Node]) -> Record | None:
        """Return the release as the build folder has it; None: it has it not, or not whole."""
        record = state.find(self.outgoing.release)
        manifest = self.outgoing.manifest
        wanted = (manifest.project.name, manifest.content_sha256)
        if record is None or (record.project, record.content_sha256) != wanted:
            return None
        # The same content may have been compressed differently: what counts is that it is what was published then.
        if self.outgoing.promoted_from and not self._is_the_very_same(files, record):
            return None
        return record if is_whole(files, record) and self._is_signed(look, files, record) else None

    def _is_the_very_same(self, files: Mapping[str, Node], record: Record) -> bool:
        """Tell whether archive and manifest of a kept release are, byte by byte, those that are promoted."""
        manifest = files.get(MANIFEST_NAME)
        return (
            manifest is not None
            and manifest.md5() == md5_of(self.outgoing.beside[MANIFEST_NAME])
            and record.archive_sha256 == self.outgoing.manifest.archive.sha256
        )

    def _is_signed(self, look: Look, files: Mapping[str, Node], record: Record) -> bool:
        """Tell whether a kept release is signed as this one will be; if not, it is sent again."""
        signers = self.conditions.signers
        if signers is None:
            is_to_be = self.conditions.signing_key is not None or SIGNATURE_NAME in self.outgoing.beside
            return not is_to_be or SIGNATURE_NAME in files
        try:
            require_signed(look, self.folder, record, signers)
        except ArtifactError:
            return False
        return True

    def _nothing(self, kept: Record) -> Outcome:
        return Outcome(kept.release, changed=False, size=kept.size, replaced=kept.release, record=kept)

    def _record(self, state: State, kept: Record | None) -> Record:
        """Describe the release as it will be; what is published again becomes the newest."""
        manifest = self.outgoing.manifest
        name = self.outgoing.release
        number = 1 + max((record.number for record in state.history), default=0)
        claimed = state.claimed
        known = state.find(name)
        before = claimed.release if claimed is not None and state.find(claimed.release) is not None else None
        if before == name:
            before = known.previous if known is not None else None
        promoted_from = self.outgoing.promoted_from
        if kept is not None:
            again = kept.made_current(self.user, self.now)
            return replace(again, previous=before, number=number, promoted_from=promoted_from or kept.promoted_from)
        return Record(
            project=manifest.project.name,
            version=manifest.project.version,
            content_sha256=manifest.content_sha256,
            archive_sha256=manifest.archive.sha256,
            release=name,
            git_commit=manifest.git.commit if manifest.git is not None else None,
            git_dirty=manifest.git.dirty if manifest.git is not None else None,
            published_by=self.user,
            tool_version=__version__,
            size=manifest.archive.size,
            md5=manifest.archive.md5,
            published_at=timestamp(self.now),
            previous=before,
            number=number,
            pinned=known is not None and known.pinned,
            prefix=self.prefix.sha256 if self.prefix is not None else None,
            promoted_from=promoted_from,
            signed_by=self.outgoing.signed_by,
            manifest_md5=md5_of(self.outgoing.beside[MANIFEST_NAME]),
        )

    def _require_means(
        self, changes: Changes, state: State, outcome: Outcome, unused: list[str], kept: Record | None
    ) -> None:
        replaced = sorted({ARCHIVE_NAME, *self.outgoing.scripts} & set(state.nodes))
        removed = [*map(directory_of, outcome.pruned), *unused]
        written = changed_scripts(state, self.outgoing.scripts)
        # The current archive; of a new release its directory and archive; perhaps a prefix in its directory.
        nodes = 1
        if kept is None:
            written |= self.outgoing.beside
            nodes += 4 if self.prefix is not None and outcome.uploaded == outcome.size else 2
        nodes += len(written)
        size = outcome.uploaded + sum(map(len, written.values()))
        changes.require_means([*replaced, *removed], size, nodes)

    def _send(self, changes: Changes, record: Record, found: Base | None) -> int:
        """Write a release; return how many bytes of its archive were sent."""
        directory = directory_of(record.release)
        changes.make_directory(directory, record.record())
        sent = self._send_archive(changes, record, found)
        changes.write_all({f"{directory}/{name}": data for name, data in self.outgoing.beside.items()})
        if self.outgoing.archive.node:
            # Nothing was sent that could be compared with what has arrived.
            (files,) = changes.look(directory)
            if not is_whole(files or {}, record):
                where = f"`{self.folder.path(archive_of(record.release))}`"
                raise BuildFolderError(f"what was copied to {where} is not what its record says; try again")
        return sent

    def _send_archive(self, changes: Changes, record: Record, found: Base | None) -> int:
        """Write the archive of a release; return how many bytes were sent."""
        path, archive, attribute = archive_of(record.release), self.outgoing.archive, record.attribute()
        if found is not None and changes.write_after(found, path, archive, attribute):
            return self._to_send(None, found)
        if self.prefix is not None:
            # For the next publish.
            base = self.prefix.base
            changes.write(base.path, beginning(archive, self.prefix))
            if changes.write_after(base, path, archive, attribute):
                return archive.size
        changes.write(path, archive, attribute)
        return self._to_send(None, None)

    def _outcome(self, state: State, record: Record, uploaded: int) -> Outcome:
        claimed = state.claimed
        history = _history(state, record)
        return Outcome(
            record.release,
            changed=True,
            uploaded=uploaded,
            size=record.size,
            replaced=claimed.release if claimed is not None else None,
            pruned=pruned(history, record.release, self.conditions.keep_releases),
            record=record,
        )


def _history(state: State, record: Record, gone: Collection[str] = ()) -> tuple[Record, ...]:
    """Return the releases as they will be, newest first: a new record before all, and without those that go."""
    return (record, *(known for known in state.history if known.release not in {record.release, *gone}))
