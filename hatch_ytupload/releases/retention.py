"""Which releases stay: pinned ones are never pruned, others can be deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.releases.conditions import Conditions, RefusedError
from hatch_ytupload.releases.prefixes import PREFIXES, Prefixes
from hatch_ytupload.releases.records import directory_of, find_release, read_state
from hatch_ytupload.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Changes
    from hatch_ytupload.releases.records import Record, State


class Pinning(NamedTuple):
    """What was done about a release."""

    release: str
    changed: bool
    """False: it was so already."""
    pinned: bool


def pin(folder: BuildFolder, release: str, conditions: Conditions | None = None, *, pinned: bool = True) -> Pinning:
    """Keep a release from being pruned and deleted, or give it free again.

    Args:
        folder: where.
        release: its name or the beginning of it.
        conditions: of the folder; None: nothing speaks against it.
        pinned: whether it is to be pinned afterwards.

    Raises:
        RefusedError: nobody has agreed.
        BuildFolderError: there is no such release, or it cannot be done; nothing has changed.
    """
    record = find_release(folder, read_state(folder), release)
    if record.pinned == pinned:
        return Pinning(record.release, changed=False, pinned=pinned)
    purpose = f"{'pinning' if pinned else 'unpinning'} {record.release}"
    (conditions or Conditions()).require_consent(folder, purpose)

    def apply(changes: Changes) -> Pinning:
        found = find_release(folder, read_state(changes), record.release)
        changes.set_attribute(directory_of(found.release), replace(found, pinned=pinned).record())
        return Pinning(found.release, changed=found.pinned != pinned, pinned=pinned)

    return folder.change(purpose, apply)


def delete(folder: BuildFolder, releases: Iterable[str], conditions: Conditions | None = None) -> tuple[Record, ...]:
    """Remove releases that are neither current nor pinned: all of them, or none.

    Args:
        folder: where.
        releases: their names or what these begin with.
        conditions: of the folder; None: nothing speaks against it.

    Returns:
        What was removed, in the order of `releases`.

    Raises:
        RefusedError: one of them has to stay, or nobody has agreed.
        BuildFolderError: there is no such release, or it cannot be done; nothing has changed.
    """
    found = _removable(folder, read_state(folder), releases)
    names = [record.release for record in found]
    purpose = f"deleting {names[0] if len(names) == 1 else counted(len(names), 'release')}"
    (conditions or Conditions()).require_consent(folder, purpose)

    def apply(changes: Changes) -> tuple[Record, ...]:
        state = read_state(changes)
        removed = _removable(folder, state, names)
        holders = {record.release: changes.remove_unless_held(directory_of(record.release)) for record in removed}
        held = [(name, holder) for name, holder in holders.items() if holder is not None]
        if held:
            raise RefusedError(f"the release `{name}` is held by {holder}; try again later" for name, holder in held)
        if any(record.prefix is not None for record in removed):
            kept = (record for record in state.history if record not in removed)
            for path in Prefixes(changes.look(PREFIXES)[0]).unused(kept):
                changes.remove_unless_held(path)
        return removed

    return folder.change(purpose, apply)


def _removable(folder: BuildFolder, state: State, releases: Iterable[str]) -> tuple[Record, ...]:
    """Return releases by their names, unless one of them has to stay."""
    found = {record.release: record for record in (find_release(folder, state, name) for name in releases)}
    claimed = state.claimed
    reasons = [
        f"the release `{name}` is the current one of `{folder.location}`; roll back or publish another first"
        for name in found
        if claimed is not None and claimed.release == name
    ]
    reasons += [f"the release `{name}` is pinned; `unpin` it first" for name, record in found.items() if record.pinned]
    if reasons:
        raise RefusedError(reasons)
    return tuple(found.values())
