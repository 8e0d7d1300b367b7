"""What differs between two lists of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_ytupload.packing.manifest import FileInfo


class FileChange(NamedTuple):
    """One file: None where it is not there."""

    old: FileInfo | None
    new: FileInfo | None

    @property
    def path(self) -> str:
        """Its path in the archive."""
        return self.present.path

    @property
    def present(self) -> FileInfo:
        """The newest there is of it."""
        file = self.new if self.new is not None else self.old
        if file is None:
            raise ValueError("a change without a file")
        return file

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"

    @property
    def content_changed(self) -> bool:
        """The content differs; otherwise only the mode does."""
        return self.old is None or self.new is None or self.old.sha256 != self.new.sha256


def compare_files(old: Iterable[FileInfo], new: Iterable[FileInfo]) -> list[FileChange]:
    """Return what was added, removed and changed, sorted by path."""
    before = {file.path: file for file in old}
    after = {file.path: file for file in new}
    return [
        FileChange(before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
