"""What jobs get from a build folder: the current archive and the wrapper scripts beside it; how that was changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME, is_wrapper
from hatch_ytupload.build_folders.build_folder import FILE, md5_of
from hatch_ytupload.releases.records import archive_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.build_folders.build_folder import Changes, Node
    from hatch_ytupload.releases.records import Record, State


@dataclass(frozen=True)
class Outcome:
    """What a publish, a promotion or a rollback did, or would do."""

    release: str
    changed: bool
    """Something was done; else all of it lay there already."""
    uploaded: int = 0
    """Bytes of the archive that were sent; 0: the build folder, or its cluster, had it."""
    size: int = 0
    """Of the archive, in bytes."""
    replaced: str | None = None
    """The release that was current."""
    pruned: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    """What should have been pruned and is held by somebody else, and who that is."""
    record: Record | None = field(default=None, compare=False)
    """Who published the release, when, and from which commit."""


# The attribute of a wrapper script that lies beside the archive: it is ours, and we may remove it.
_OUR_SCRIPT = True


def make_current(
    changes: Changes, record: Record, state: State, scripts: Mapping[str, bytes], kept: Node | None
) -> None:
    """Put a release's archive and its scripts where jobs get them from.

    Args:
        changes: of the build folder.
        record: of the release.
        state: of the build folder before.
        scripts: the wrapper scripts that shall lie beside the archive, by name.
        kept: the archive of the release; None: it was written just now.
    """
    changes.copy(archive_of(record.release), ARCHIVE_NAME)
    if kept is not None:
        # It still says who published it the first time.
        if kept.attribute != record.attribute():
            changes.set_attribute(ARCHIVE_NAME, record.attribute())
        if not kept.settled:
            changes.settle(archive_of(record.release))
    changes.write_all(changed_scripts(state, scripts), attribute=_OUR_SCRIPT, executable=True)
    for name in _our_scripts(state):
        if name not in scripts:
            changes.remove(name)


def is_current(state: State, kept: Record, files: Mapping[str, Node], scripts: Mapping[str, bytes]) -> bool:
    """Tell whether nothing is left to do to make a release current.

    Args:
        state: of the build folder.
        kept: the release.
        files: of the release.
        scripts: that shall lie beside the archive, by name.
    """
    return (
        state.current == kept
        and all(nodes[ARCHIVE_NAME].settled for nodes in (state.nodes, files))
        and not changed_scripts(state, scripts)
        and all(name in scripts for name in _our_scripts(state))
    )


def changed_scripts(state: State, scripts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those of these scripts that do not lie beside the archive."""
    return {name: data for name, data in scripts.items() if not _is_script(state.nodes.get(name), data)}


def _is_script(node: Node | None, data: bytes) -> bool:
    return (
        node is not None
        and node.kind == FILE
        and node.attribute is _OUR_SCRIPT
        and node.executable
        and node.size == len(data)
        and node.md5() == md5_of(data)
    )


def _our_scripts(state: State) -> list[str]:
    return [name for name, node in state.nodes.items() if is_wrapper(name) and node.attribute is _OUR_SCRIPT]
