"""The rules of a rollback: which release it goes to, and what it restores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.current import Outcome, is_current, make_current
from hatch_ytupload.releases.outgoing import read_wrappers
from hatch_ytupload.releases.records import (
    archive_of,
    directory_of,
    find_release,
    read_manifest,
    read_state,
    read_state_and,
    require_whole,
)
from hatch_ytupload.releases.signed import require_signed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Changes, Look
    from hatch_ytupload.releases.records import Record, State


def rollback(
    folder: BuildFolder,
    release: str | None = None,
    conditions: Conditions | None = None,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Make a kept release current.

    Args:
        folder: where.
        release: its name or the beginning of it; None: the one before the current one.
        conditions: of the folder; None: nothing speaks against it.
        now: the time, in UTC; None: this moment.
        dry_run: only tell what would be done.

    Raises:
        RefusedError: nobody has agreed.
        ArtifactError: nobody whose signature counts has signed it.
        BuildFolderError: there is no such release, it is damaged, or it cannot be done; nothing has changed.
    """
    conditions = conditions or Conditions()
    outcome = _RollingBack(folder, folder, release, conditions).outcome
    if dry_run or not outcome.changed:
        return outcome
    conditions.require_consent(folder, f"rolling back to {outcome.release}")
    user = folder.user()

    def apply(changes: Changes) -> Outcome:
        # Others may have been at work: it goes where its user was told that it goes.
        step = _RollingBack(changes, folder, outcome.release, conditions)
        if step.outcome.changed:
            record = step.record.made_current(user, now)
            changes.set_attribute(directory_of(record.release), record.record())
            make_current(changes, record, step.state, step.scripts, step.files[ARCHIVE_NAME])
        return step.outcome

    return folder.change(f"rolling back to {outcome.release}", apply)


class _RollingBack:
    """What a rollback does with a build folder as it is."""

    def __init__(self, look: Look, folder: BuildFolder, release: str | None, conditions: Conditions) -> None:
        state = read_state(look)
        self.record = find_release(folder, state, release) if release is not None else _release_before(folder, state)
        self.state, self.files = read_state_and(look, self.record.release)
        require_whole(folder, self.files, self.record)
        if conditions.signers is not None:
            require_signed(look, folder, self.record, conditions.signers)
        self.scripts: Mapping[str, bytes] = {}
        # Of the others the record says that the manifest is what we write today; it may be one that we no longer read.
        is_older = self.record.manifest_md5 is None
        manifest = read_manifest(look, folder, self.record)[0] if conditions.standalone_wrappers or is_older else None
        if manifest is not None and conditions.standalone_wrappers:
            with look.open(archive_of(self.record.release)) as file:
                self.scripts = read_wrappers(file, manifest, folder.path(archive_of(self.record.release)))
        current = self.state.current
        self.outcome = Outcome(
            self.record.release,
            changed=not is_current(self.state, self.record, self.files, self.scripts),
            size=self.record.size,
            replaced=current.release if current is not None else None,
            record=self.record,
        )


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
