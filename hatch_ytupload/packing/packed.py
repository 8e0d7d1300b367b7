"""What packing finds out about an archive."""

from __future__ import annotations

from typing import NamedTuple


class PackedFile(NamedTuple):
    """A member of the archive."""

    path: str
    size: int
    mode: int
    sha256: str


class PackedPart(NamedTuple):
    """A run of whole gzip members that one source has become."""

    name: str
    size: int
    """Compressed, in bytes."""
    content_size: int
    """Of its tar stream, in bytes."""
    sha256: str
    """Of the compressed bytes."""


class Packed(NamedTuple):
    """What an archive turned out to be."""

    size: int
    sha256: str
    md5: str
    content_sha256: str
    files: list[PackedFile]
    parts: list[PackedPart]
