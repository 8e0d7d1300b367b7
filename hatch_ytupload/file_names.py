"""Names of files: as the system spells them, as text, and which lies inside of which.

Python decodes names by the locale; archives, pyproject.toml and YAML hold UTF-8. The two differ only under a locale of
another encoding, and a build under one must find and pack the same files.
"""

from __future__ import annotations

import os


def as_system_spells(text: str) -> str:
    """Return the path whose bytes are the UTF-8 of a text, as functions of `os` want it.

    Raises:
        UnicodeEncodeError: the text holds half of a surrogate pair.
    """
    return text if text.isascii() else os.fsdecode(text.encode("utf-8", "surrogateescape"))


def is_inside(path: str, directory: str) -> bool:
    """Tell whether a path is a directory or lies below it, by whole components; both are absolute and normal.

    >>> is_inside("/a/b", "/a"), is_inside("/ab", "/a"), is_inside("/a", "/a"), is_inside("/a", "/")
    (True, False, True, True)
    """
    return path == directory or path.startswith(os.path.join(directory, ""))


def shorter(path: str) -> str:
    """Return an absolute path as its user may write it: relative to the working directory, where that is shorter."""
    return min(os.path.relpath(path), path, key=len)


def as_text(path: str) -> str:
    """Return a path that functions of `os` gave as text; bytes that are not UTF-8 are surrogate escapes."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "surrogateescape")
