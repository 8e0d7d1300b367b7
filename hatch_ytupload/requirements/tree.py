"""Where in an archive the paths of requirements lead."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


class Files(Mapping[str, bytes]):
    """The files of an archive, each read when its content is asked for.

    Args:
        paths: of all files.
        read: returns the content of one.
    """

    def __init__(self, paths: Collection[str], read: Callable[[str], bytes]) -> None:
        self._paths = paths
        self._read = read

    def __getitem__(self, path: str) -> bytes:
        if path not in self._paths:
            raise KeyError(path)
        return self._read(path)

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class Tree:
    """The files of an archive.

    Args:
        files: their content by path.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.files)

    def below(self, directory: str) -> list[str]:
        """Return the files in a directory and below; the archive's own is the empty path."""
        prefix = f"{directory}/" if directory else ""
        start = bisect_left(self._sorted, prefix)
        end = start
        while end < len(self._sorted) and self._sorted[end].startswith(prefix):
            end += 1
        return self._sorted[start:end]

    def has_directory(self, directory: str) -> bool:
        """Tell whether there is a file in a directory or below."""
        prefix = f"{directory}/" if directory else ""
        start = bisect_left(self._sorted, prefix)
        return start < len(self._sorted) and self._sorted[start].startswith(prefix)

    def has_project(self, directory: str) -> bool:
        """Tell whether pip can install a directory."""
        return any(posixpath.join(directory, name) in self.files for name in ("pyproject.toml", "setup.py"))


def in_archive(path: str, directory: str = "") -> str | None:
    """Return where in the archive a path leads; None: out of it.

    Args:
        path: as a requirements file has it.
        directory: of the archive, that it is relative to.

    >>> in_archive("../common.txt", "stages/parse")
    'stages/common.txt'
    >>> in_archive("/etc/x.txt")
    """
    whole = posixpath.normpath(posixpath.join(directory, path))
    if whole.startswith("/") or whole.split("/")[0] == "..":
        return None
    return "" if whole == "." else whole


def scheme_of(text: str) -> str:
    """Return the scheme of a URL in small letters; empty: it is none."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(text).scheme
    except ValueError:
        return ""


def path_of_file_url(url: str) -> str:
    """Return the path that a `file:` URL names.

    Raises:
        ValueError: it names another machine.
    """
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ValueError("a `file:` URL of another machine")
    return unquote(parts.path)
