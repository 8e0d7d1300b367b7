"""Where things lie in an archive, and what they are called: one grammar, made and parsed here."""

from __future__ import annotations

from fnmatch import fnmatchcase

ARCHIVE_NAME = "source.tar.gz"


def wrapper_name(stage: str, operation: str) -> str:
    """Return the file name under which YT Framework's operations look for the script."""
    return f"operation_wrapper_{stage}_{operation}.sh"


STAGES = "stages"


CONFIG = "config.yaml"


REQUIREMENTS = "requirements.txt"


YTJOBS = "ytjobs"


WRAPPERS = "operation_wrapper_*.sh"


MANIFEST_NAME = "manifest.json"


def is_wrapper(path: str) -> bool:
    """Tell whether a path is the name of a wrapper script, and safe to become a node's."""
    return fnmatchcase(path, WRAPPERS) and "/" not in path and path.isprintable()
