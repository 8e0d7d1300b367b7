"""What a stage's lock is made from: its requirements and those of what they include, in a form that can be compared."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import sha256_of
from hatch_ytupload.locking.lock_file import DISTRIBUTIONS, TOOL, LockError, describe_target
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.locking.image import Image
    from hatch_ytupload.locking.lock_file import Lock
    from hatch_ytupload.requirements.reading import Requirements
    from hatch_ytupload.requirements.requirement import Requirement


class AskedFor(NamedTuple):
    """What the jobs of a stage ask for."""

    stage: str
    image: Image
    requirements: Requirements
    files: Mapping[str, bytes]
    """All files of the archive, by path."""
    framework: tuple[str, ...] = ()
    """What is added for `ytjobs`."""

    def lines(self) -> tuple[str, ...]:
        """Return what decides about a lock, sorted; comments, the order and credentials do not."""
        found = [requirement_text(item, with_hashes=True) for item in self.requirements.required]
        found += [f"-c {requirement_text(item, with_hashes=True)}" for item in self.requirements.constraints]
        found += [f"{item.name} {masked(item.value or '')}".strip() for item in self.requirements.options]
        found += [f"{path} {sha256_of([self.files[path]])}" for path in self.local_files()]
        return tuple(sorted(set(found)))

    def local_files(self) -> list[str]:
        """Return the paths of distributions in the archive that are required, or looked through for what is."""
        return [path for path in self.requirements.contents(self.files) if path.endswith(DISTRIBUTIONS)]


def requirement_text(item: Requirement, *, with_hashes: bool = False) -> str:
    """Return a requirement as a lock shows it, without credentials."""
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as PackagingRequirement

    text = " ".join(item.text.split())
    with suppress(InvalidRequirement):
        text = str(PackagingRequirement(text))
    return " ".join([text, *(f"--hash={found}" for found in sorted(item.hashes))]) if with_hashes else text


def refuse_stale(lock: Lock, asked: AskedFor, shown: str) -> None:
    """Check that a lock fits what is there now.

    Args:
        lock: of the stage.
        asked: what there is.
        shown: the lock's name in messages.

    Raises:
        LockError: it does not; the message names the first difference.
    """
    again = f"run `{TOOL} lock {one_line(asked.stage)}`"
    target = asked.image.target
    if lock.target is not None and lock.target != target:
        made_for = f"was made for {describe_target(lock.target)}"
        raise LockError(f"`{shown}` {made_for}, and the jobs have {describe_target(target)}; {again}")
    if lock.requirements is not None:
        old, new = set(lock.requirements), set(asked.lines())
        if old != new:
            added, removed = sorted(new - old), sorted(old - new)
            what = f"`{added[0]}` is new" if added else f"`{removed[0]}` is gone"
            raise LockError(f"`{shown}` was made from other requirements ({one_line(what)}); {again}")
        return
    _refuse_unsatisfied(lock, asked, shown, again)


def _refuse_unsatisfied(lock: Lock, asked: AskedFor, shown: str, again: str) -> None:
    """Check that a lock that does not say what it was made from has what is required, in allowed versions."""
    from packaging.specifiers import SpecifierSet

    versions = {wheel.name: wheel.version for wheel in lock.wheels}
    for item in (*asked.requirements.required, *asked.requirements.constraints):
        is_required = item in asked.requirements.required
        if item.name is None or not asked.image.applies(item.marker):
            continue
        found = versions.get(item.name)
        if found is None and is_required:
            raise LockError(f"`{shown}` lacks `{one_line(item.text)}`; lock again, with what made it, or {again}")
        if found is not None and not SpecifierSet(item.specifier).contains(found, prereleases=True):
            raise LockError(f"`{shown}` has {item.name} {found}, and required is `{one_line(item.text)}`; {again}")
