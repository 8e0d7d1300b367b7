"""Files that are too large to be code, and the line of `.ytignore` that would leave each out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import STAGES
from hatch_ytupload.checks.findings import WARNING, Finding
from hatch_ytupload.packing.sizes import largest_files
from hatch_ytupload.wording import MEGABYTE, megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.checks.packed_code import PackedCode

LARGE_FILE_MB = 10
"""A file of the pipeline's own above this size is reported."""

_SPECIAL = re.compile(r"([\\*?\[\]])")


def check_sizes(code: PackedCode, limit: float) -> list[Finding]:
    """Report large files, and a large archive with its largest files.

    Args:
        code: the archive.
        limit: `max_archive_mb`; 0: none. Before there is an archive, its files must together have three times as much:
            code shrinks to a third.
    """
    found = []
    for path, file in code.files.items():
        if file.own and file.size > LARGE_FILE_MB * MEGABYTE:
            message = f"has {megabytes(file.size)}; if no job needs it, leave it out with `{ignore_line(path)}`"
            found.append(Finding(WARNING, "large-file", path, None, f"{message} in `.ytignore`"))
    unpacked = sum(file.size for file in code.files.values())
    size, allowed = (code.total, limit) if code.total is not None else (unpacked, 3 * limit)
    if limit and size > allowed * MEGABYTE:
        largest = largest_files({path: file.size for path, file in code.files.items()})
        what = "the archive has" if code.total is not None else "the files have, before they are compressed,"
        message = f"{what} {megabytes(size)}, and `max_archive_mb` is {limit:g}; the largest: {largest}"
        found.append(Finding(WARNING, "large-archive", "", None, message))
    return found


def ignore_line(path: str) -> str:
    r"""Return the line for a `.ytignore` in the top directory of a source that leaves out one file of it.

    >>> ignore_line("stages/parse/src/models/big[1].bin")
    '/src/models/big\\[1\\].bin'
    """
    parts = path.split("/")
    below = parts[2:] if parts[0] == STAGES else parts[1:]
    return one_line("/" + _SPECIAL.sub(r"\\\1", "/".join(below or parts)))
