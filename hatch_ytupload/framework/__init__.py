"""The helpers of YT Framework 1.4 that its manual names under "Programmatic API", over our own build.

A program that imports them from `yt_framework.operations.upload` and `yt_framework.operations.dependencies` changes
the import and nothing else: signatures, return values, lines of log and kinds of errors are the same. What they pack
differs where `docs/yt-framework.md` says so.
"""

from __future__ import annotations

from hatch_ytupload.framework.dependencies import (
    add_checkpoint,
    build_map_dependencies,
    build_stage_dependencies,
    build_ytjobs_dependencies,
)
from hatch_ytupload.framework.upload import (
    FileUploader,
    build_code_locally,
    create_code_archive,
    upload_all_code,
    upload_code_archive,
)

__all__ = [
    "FileUploader",
    "add_checkpoint",
    "build_code_locally",
    "build_map_dependencies",
    "build_stage_dependencies",
    "build_ytjobs_dependencies",
    "create_code_archive",
    "upload_all_code",
    "upload_code_archive",
]
