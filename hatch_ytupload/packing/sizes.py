"""What is said about an archive that is too large, and which of its files are to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import WHEELS
from hatch_ytupload.wording import MEGABYTE, megabytes, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_LISTED = 5
# What is smaller than a hundredth of all files together is not what makes them large.
_LARGE_SHARE = 100


def size_warning(size: int, files: Iterable[tuple[str, int]], limit: float) -> list[str]:
    """Return a warning that names the largest files, or nothing.

    Args:
        size: of the archive, in bytes.
        files: path and size in bytes of each of its files.
        limit: in MB; 0: none.
    """
    if not limit or size <= limit * MEGABYTE:
        return []
    found = list(files)
    sizes = {True: 0, False: 0}
    for path, length in found:
        sizes[path.startswith(f"{WHEELS}/")] += length
    way = "leave out what jobs do not need with a line in `.ytignore`"
    if sizes[True] > sizes[False]:
        way = "put packages of large wheels into the image and take them out of the requirements"
    problem = f"the archive has {megabytes(size)}, more than `max_archive_mb = {limit:g}`"
    return [f"{problem}; its largest files: {largest_files(found)}; {way}, or raise the limit"]


def largest_files(files: Iterable[tuple[str, int]]) -> str:
    """List the largest of some files, each with its size: at most five, the first one in any case.

    Args:
        files: path and size in bytes of each.
    """
    found = list(files)
    least = sum(size for _, size in found) / _LARGE_SHARE
    largest = sorted(found, key=lambda item: (-item[1], item[0]))[:_MOST_LISTED]
    listed = [(path, size) for number, (path, size) in enumerate(largest) if size >= least or number == 0]
    return ", ".join(f"`{one_line(path)}` ({megabytes(size)})" for path, size in listed)
