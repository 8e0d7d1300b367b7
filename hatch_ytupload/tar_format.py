"""Headers of tar members, in the GNU format.

GNU's own extensions for long names and large sizes are what GNU tar, Python's tarfile, libarchive and busybox all read;
busybox passes over the names in pax headers. Format: the manual of GNU tar, "Basic Tar Format".
"""

from __future__ import annotations

BLOCK = 512
"""Bytes of a header, and what contents are padded to."""

END = bytes(20 * BLOCK)
"""Two empty blocks end an archive; GNU tar writes whole records of 20."""

# A name of exactly 100 bytes would fit without a terminator, which not every reader expects.
_LONGEST_NAME = 99
LATEST_TIME = _LARGEST_OCTAL = 8**11 - 1
_LONG_NAME = b"././@LongLink"
_BLANK_CHECKSUM = b" " * 8


def member_header(name: bytes, size: int, mode: int, mtime: int) -> bytes:
    """Return the header of a regular file, preceded by a member that holds the name where that is long.

    Args:
        name: path in the archive.
        size: of the content, in bytes.
        mode: permission bits.
        mtime: seconds since 1970; earlier times are stored as 0.
    """
    header = _header(name[:100], size, mode, mtime, b"0")
    if len(name) <= _LONGEST_NAME:
        return header
    return _header(_LONG_NAME, len(name) + 1, 0o644, 0, b"L") + name + bytes(1 + padding(len(name) + 1)) + header


def padding(size: int) -> int:
    """Return how many zero bytes follow a content of this size."""
    return -size % BLOCK


def _header(name: bytes, size: int, mode: int, mtime: int, kind: bytes) -> bytes:
    octal_size = b"%011o\0" % size if size <= _LARGEST_OCTAL else b"\x80" + size.to_bytes(11, "big")
    before = b"%b%07o\x000000000\x000000000\0%b%011o\0" % (
        name.ljust(100, b"\0"),
        mode,
        octal_size,
        min(max(mtime, 0), _LARGEST_OCTAL),
    )
    after = kind + bytes(100) + b"ustar  \0" + bytes(247)
    checksum = sum(before) + sum(_BLANK_CHECKSUM) + sum(after)
    return before + b"%06o\0 " % checksum + after
