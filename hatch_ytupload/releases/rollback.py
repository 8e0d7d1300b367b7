"""The rules of a rollback: which release it goes to, and what it restores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.packing.manifest import load_manifest, manifest_bytes
from hatch_ytupload.releases.current import make_current, scripts_are_right
from hatch_ytupload.releases.outgoing import read_wrappers
from hatch_ytupload.releases.publish import Outcome
from hatch_ytupload.releases.records import archive_of, find_release, is_whole, manifest_of, read_state, read_state_and

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Changes
    from hatch_ytupload.releases.records import Record, State


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
            name = folder.path(manifest_of(record.release))
            with changes.open(manifest_of(record.release)) as file:
                manifest = load_manifest(manifest_bytes(file, name), name)
            with changes.open(archive_of(record.release)) as file:
                scripts = read_wrappers(file, manifest, folder.path(archive_of(record.release)))
        if current == record and scripts_are_right(state, scripts):
            return Outcome(record.release, changed=False, size=record.size, replaced=record.release)
        make_current(changes, record, state, scripts, files[ARCHIVE_NAME].attribute)
        return Outcome(
            record.release, changed=True, size=record.size, replaced=current.release if current is not None else None
        )

    return folder.change(f"rolling back to {release or 'the release before'}", apply)


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
