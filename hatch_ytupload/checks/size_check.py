"""Files that are too large to be code, with what leaves each out, and archives that are too large."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hatch_ytupload.checks.findings import WARNING, Finding
from hatch_ytupload.file_names import is_inside
from hatch_ytupload.packing.sizes import size_warning
from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME
from hatch_ytupload.wording import MEGABYTE, megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.checks.packed_code import PackedCode

LARGE_FILE_MB = 10
"""A file of the pipeline's own above this size is reported."""

_SPECIAL = re.compile(r"([\\*?\[\]]| +$)")
# More than a member takes beside its content.
_OVERHEAD = 4096


def check_sizes(code: PackedCode, limit: float, pipeline_dir: str) -> list[Finding]:
    """Report large files, and a large archive as a build does.

    Args:
        code: the archive.
        limit: `max_archive_mb`; 0: none.
        pipeline_dir: absolute path of the pipeline directory.
    """
    found = []
    for path, file in code.files.items():
        if file.own and file.size > LARGE_FILE_MB * MEGABYTE:
            where = "by a line in a `.ytignore`"
            if file.source is not None:
                ignore_file, line = ignoring(path, file.source, pipeline_dir)
                where = f"with `{line}` in `{one_line(ignore_file)}`"
            message = f"has {megabytes(file.size)}; if no job needs it, leave it out {where}"
            found.append(Finding(WARNING, "large-file", path, None, message))
    sizes = {path: file.size for path, file in code.files.items()}
    # What has no more before it is compressed needs no look at how much that saves.
    if limit and sum(sizes.values()) + len(sizes) * _OVERHEAD > limit * MEGABYTE:
        messages = size_warning(code.total(), sizes.items(), limit)
        found += [Finding(WARNING, "large-archive", "", None, message) for message in messages]
    return found


def ignoring(path: str, source: str, pipeline_dir: str) -> tuple[str, str]:
    """Return a `.ytignore` and the line that leaves out a file when it stands at the end of it.

    That is the nearest one there is, so that no other one decides after it; else one at the top of what is packed.

    Args:
        path: of the file in the archive.
        source: where it lies on disk.
        pipeline_dir: absolute path.
    """
    place = os.path.join(pipeline_dir, path)
    if not os.path.lexists(place) or not os.path.samefile(place, source):
        place = source
    inside = is_inside(place, pipeline_dir)
    top = directory = os.path.dirname(place)
    below = f"/{path.partition('/')[2]}"
    if inside:
        top = pipeline_dir
    elif "/" in path and place.endswith(below):
        top = place[: -len(below)]  # a package that lies elsewhere in the project
    while directory != top and not _is_file(os.path.join(directory, IGNORE_FILE_NAME)):
        directory = os.path.dirname(directory)
    line = "/" + _SPECIAL.sub(_escaped, os.path.relpath(place, directory))
    file = os.path.join(directory, IGNORE_FILE_NAME)
    return os.path.relpath(file, pipeline_dir) if inside else file, one_line(line)


def _is_file(path: str) -> bool:
    """Tell whether it is a file and no link, which would say nothing."""
    return os.path.isfile(path) and not os.path.islink(path)


def _escaped(special: re.Match[str]) -> str:
    return "".join(f"\\{character}" for character in special[0])
