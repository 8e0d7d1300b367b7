"""Where `ytjobs`, the package that every job imports, comes from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import YTJOBS
from hatch_ytupload.errors import MissingFrameworkError
from hatch_ytupload.sources.modules import ModuleMissingError, find_module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_ytupload.sources.modules import Module

FRAMEWORK = "yt-framework"
# `Requires-Python` of yt-framework 1.4.
FRAMEWORK_PYTHON = (3, 11)


def find_ytjobs(own_directories: Sequence[str]) -> Module:
    """Find the package `ytjobs` of the installed YT Framework.

    Raises:
        MissingFrameworkError: it is not there.
    """
    try:
        found = find_module(YTJOBS, own_directories)
    except ModuleMissingError:
        raise MissingFrameworkError(_lacking()) from None
    # One that the pipeline carries itself is not the framework's, whatever else is installed here.
    return found._replace(roots=tuple(root for root in found.roots if root.own)) if found.own else found


def framework_requirements(requirements: Sequence[str]) -> list[str]:
    """Return the requirements that bring `ytjobs`: the project's own on the framework if it has any.

    Args:
        requirements: the project's dependencies, valid requirement strings.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    # There may be one for each platform or Python.
    own = [text for text in requirements if canonicalize_name(Requirement(text).name) == FRAMEWORK]
    # Older Pythons get our explanation instead of a resolver's.
    return own or [f"{FRAMEWORK}; python_version >= '{FRAMEWORK_PYTHON[0]}.{FRAMEWORK_PYTHON[1]}'"]


def _lacking() -> str:
    version = sys.version_info[:2]
    reason = ""
    if version < FRAMEWORK_PYTHON:
        reason = (
            f": {FRAMEWORK} needs Python {FRAMEWORK_PYTHON[0]}.{FRAMEWORK_PYTHON[1]} or newer and this is "
            f"{version[0]}.{version[1]}, so build with a newer Python; then"
        )
    return f"the package `ytjobs` of {FRAMEWORK} is not installed in this environment{reason or ';'}"
