"""Unified diffs of the text files that differ between two archives."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from hatch_ytupload.archives.reading import LARGEST_FILE, read_files
from hatch_ytupload.archives.unpacking import no_progress
from hatch_ytupload.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.archives.artifacts import Artifact
    from hatch_ytupload.archives.differences import FileChange
    from hatch_ytupload.archives.unpacking import Progress

# The time to compare grows with the product of the lines.
_MOST_BYTES = 1 << 20
_NEVER = "/dev/null"


def text_diffs(
    old: Artifact, new: Artifact, changes: list[FileChange], *, progress: Progress = no_progress
) -> Iterator[tuple[str, str]]:
    """Yield path and unified diff of each file whose content differs.

    Args:
        old: where the old contents are; only what holds such files is read.
        new: where the new ones are.
        changes: between the two.
        progress: is told how many bytes of how many have been read.

    Raises:
        ArtifactError: an archive is damaged, or not what its manifest says.
        BuildFolderError: it cannot be read.
    """
    wanted = [change for change in changes if change.content_changed]
    before = _contents(old, [change.path for change in wanted if change.old is not None], progress)
    after = _contents(new, [change.path for change in wanted if change.new is not None], progress)
    for change in wanted:
        yield change.path, _diff(change, before.get(change.path), after.get(change.path))


def _contents(artifact: Artifact, paths: list[str], progress: Progress) -> dict[str, bytes]:
    if not paths or artifact.open is None:
        return {}
    with artifact.open() as archive:
        return read_files(archive, artifact.manifest, set(paths), artifact.shown, progress=progress)


def _diff(change: FileChange, old: bytes | None, new: bytes | None) -> str:
    shown = one_line(change.path)
    if (change.old is not None and old is None) or (change.new is not None and new is None):
        large = change.present.size > LARGEST_FILE
        return f"{shown}: {'too large to compare' if large else 'only its manifest is here, not its content'}"
    before, after = _lines(old), _lines(new)
    if before is None or after is None:
        return f"{shown}: no text, or too large to compare"
    lines = unified_diff(
        before,
        after,
        f"a/{shown}" if old is not None else _NEVER,
        f"b/{shown}" if new is not None else _NEVER,
        lineterm="",
    )
    return "\n".join(lines) or f"{shown}: differs in the ends of its lines"


def _lines(data: bytes | None) -> list[str] | None:
    """Return the lines of a text, None where it is none; nothing in them can write to a terminal."""
    if data is None:
        return []
    if len(data) > _MOST_BYTES or b"\0" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = ["\t".join(map(one_line, line.split("\t"))) for line in text.split("\n")]
    if lines[-1]:
        lines.append("\\ no line feed at the end of the file")
    else:
        lines.pop()
    return lines
