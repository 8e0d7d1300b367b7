"""Where things lie in an archive, and what they are called: one grammar, made and parsed here."""

from __future__ import annotations

import re
from typing import NamedTuple

ARCHIVE_NAME = "source.tar.gz"
MANIFEST_NAME = "manifest.json"
SBOM_NAME = "sbom.cdx.json"
SIGNATURE_NAME = "manifest.json.sig"
"""Beside the archive; the last in releases that were signed."""
BUNDLE_SUFFIX = ".ytarchive"
"""Of the directory that a build leaves."""

YTJOBS = "ytjobs"
"""The package that every job imports."""
STAGES = "stages"
CONFIG = "config.yaml"
REQUIREMENTS = "requirements.txt"
LOCK = "pylock.toml"
WHEEL_LIST = "wheels.txt"
SRC = "src"
"""The directory of a stage, the files that lie in it, and its code."""

WHEELS = "wheels"
"""The directory of the wheels of stages with a lock."""
BOOTSTRAP = "operation_bootstrap.py"
"""What unpacks them in a job."""

OPERATIONS = ("map", "vanilla", "map_reduce_mapper", "map_reduce_reducer", "reduce")
"""The operations that a stage can have; see `docs/archive.md` for what makes each of them."""

MAP_REDUCE = "map_reduce"
"""Two of these together, with the sort between them."""

WRAPPERS = "operation_wrapper_*.sh"
"""The pattern that the names of wrapper scripts match."""
# The longest names come first: a stage may be called `x_map_reduce`, no operation is called `mapper`.
_WRAPPER = rf"operation_wrapper_(.+)_({'|'.join(sorted(OPERATIONS, key=len, reverse=True))})\.sh"


class PackedOperation(NamedTuple):
    """A wrapper script in an archive."""

    stage: str
    name: str
    wrapper: str
    """Its path in the archive."""


def stage_directory(stage: str) -> str:
    """Return the directory of a stage."""
    return f"{STAGES}/{stage}"


def stage_file(stage: str, *names: str) -> str:
    """Return the path of what lies in the directory of a stage.

    >>> stage_file("parse", SRC, "mapper.py")
    'stages/parse/src/mapper.py'
    """
    return "/".join([STAGES, stage, *names])


def wrapper_name(stage: str, operation: str) -> str:
    """Return the name under which YT Framework's operations look for the script of an operation."""
    return f"operation_wrapper_{stage}_{operation}.sh"


def is_wrapper(path: str) -> bool:
    """Tell whether a path is the name of a wrapper script, and safe to become a node's."""
    return path.startswith("operation_wrapper_") and path.endswith(".sh") and "/" not in path and path.isprintable()


def packed_operation(path: str) -> PackedOperation | None:
    """Return the operation that a file of an archive starts; None: it is no wrapper script."""
    match = re.fullmatch(_WRAPPER, path, re.DOTALL)
    return None if match is None else PackedOperation(match[1], match[2], path)
