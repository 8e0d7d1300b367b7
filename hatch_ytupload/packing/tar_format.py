"""Headers of tar members, in the GNU format.

GNU's own extensions for long names and large sizes are what GNU tar, Python's tarfile, libarchive and busybox all read;
busybox passes over the names in pax headers. Format: the manual of GNU tar, "Basic Tar Format".
"""

from __future__ import annotations

from functools import lru_cache

BLOCK = 512
"""Bytes of a header, and what contents are padded to."""

END = bytes(20 * BLOCK)
"""Two empty blocks end an archive; GNU tar writes whole records of 20."""

# A name of exactly 100 bytes would fit without a terminator, which not every reader expects.
_LONGEST_NAME = 99
LATEST_TIME = 8**11 - 1
"""The largest number that a field of 11 octal digits can hold: of seconds since 1970, and of bytes."""
_LONG_NAME = b"././@LongLink"
_WITHIN_A_LETTER = range(0x80, 0xC0)
_ZEROS = bytes(BLOCK)
# No link name, GNU's magic, no names of owners, no devices.
_AFTER_KIND = bytes(100) + b"ustar  \0" + bytes(247)
_CHECKSUM_REST = sum(b" " * 8) + sum(_AFTER_KIND)


def member_header(name: bytes, size: int, mode: int, mtime: int) -> bytes:
    """Return the header of a regular file, preceded by a member that holds the name where that is long.

    Args:
        name: path in the archive.
        size: of the content, in bytes.
        mode: permission bits.
        mtime: seconds since 1970; earlier times are stored as 0.
    """
    if len(name) <= _LONGEST_NAME:
        return _header(name, size, mode, mtime, b"0")
    # Some readers decode the shortened name too, though they do not use it: it must not end within a letter of UTF-8.
    cut = _LONGEST_NAME
    while cut and name[cut] in _WITHIN_A_LETTER:
        cut -= 1
    header = _header(name[:cut], size, mode, mtime, b"0")
    long_name = name + b"\0"
    return _header(_LONG_NAME, len(long_name), 0o644, 0, b"L") + long_name + padding(len(long_name)) + header


def padding(size: int) -> bytes:
    """Return the zero bytes that follow a content of this size."""
    return _ZEROS[: -size % BLOCK]


def _header(name: bytes, size: int, mode: int, mtime: int, kind: bytes) -> bytes:
    octal_size = b"%011o\0" % size if size <= LATEST_TIME else b"\x80" + size.to_bytes(11, "big")
    fixed_mode, fixed_time, fixed_sum = _fixed(mode, mtime, kind)
    # The checksum counts itself as blanks.
    checksum = b"%06o\0 " % (sum(name) + sum(octal_size) + fixed_sum)
    return b"".join((name, _ZEROS[: 100 - len(name)], fixed_mode, octal_size, fixed_time, checksum, kind, _AFTER_KIND))


@lru_cache(maxsize=64)
def _fixed(mode: int, mtime: int, kind: bytes) -> tuple[bytes, bytes, int]:
    """Return what most headers share: mode, uid 0 and gid 0; the time; the sum of these and of all that follows."""
    mode_and_owner = b"%07o\x000000000\x000000000\0" % mode
    time = b"%011o\0" % min(max(mtime, 0), LATEST_TIME)
    return mode_and_owner, time, sum(mode_and_owner) + sum(time) + kind[0] + _CHECKSUM_REST
