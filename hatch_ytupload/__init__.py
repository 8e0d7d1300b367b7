"""Reproducible code archives of YT Framework pipelines, built and published with Hatch.

`__all__` is the Python API; `docs/api.md` describes it. A name is loaded when it is used for the first time, so
importing this package costs nothing: neither Hatch nor YT nor YAML are loaded by names that do not need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.__about__ import __version__

if TYPE_CHECKING:
    from hatch_ytupload.archives.archive_copy import ArchiveCopy, copy_of
    from hatch_ytupload.archives.artifacts import Artifact, Described, Whereabouts, described, find_artifact
    from hatch_ytupload.archives.differences import Differences, compare
    from hatch_ytupload.archives.explaining import Explainer
    from hatch_ytupload.archives.explanation import Explanation
    from hatch_ytupload.archives.verifying import Verification, verify
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.build_folders.destination import open_build_folder
    from hatch_ytupload.build_folders.published_code import PublishedRelease, find_published
    from hatch_ytupload.build_folders.publishing import Published, default_artifact, publish_bundle
    from hatch_ytupload.build_folders.release_records import Record, Release, State, read_state
    from hatch_ytupload.build_folders.releases import Outcome
    from hatch_ytupload.build_folders.rolling_back import rollback
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.project_finding import find_project
    from hatch_ytupload.configuration.settings import Settings, load_settings
    from hatch_ytupload.errors import (
        ArtifactError,
        BuildFolderError,
        MissingSourceError,
        ModuleNotFoundInEnvironmentError,
        NoStagesError,
        SettingsError,
        SourceError,
        YtUploadError,
    )
    from hatch_ytupload.framework_uploads.code_upload import FileUploader, upload_all_code, upload_code_archive
    from hatch_ytupload.framework_uploads.job_files import (
        add_checkpoint,
        build_map_dependencies,
        build_stage_dependencies,
        build_ytjobs_dependencies,
    )
    from hatch_ytupload.framework_uploads.local_build import build_code_locally, create_code_archive
    from hatch_ytupload.jobs.running import Ran, Run, run_operation
    from hatch_ytupload.operations import OPERATIONS, operation_command, operation_files
    from hatch_ytupload.packing.build import Built, build_bundle
    from hatch_ytupload.packing.bundle import Bundle, read_bundle
    from hatch_ytupload.packing.manifest import Manifest, load_manifest
    from hatch_ytupload.planning.plan import Plan, make_plan

__all__ = [
    "OPERATIONS",
    "ArchiveCopy",
    "Artifact",
    "ArtifactError",
    "BuildFolder",
    "BuildFolderError",
    "Built",
    "Bundle",
    "Described",
    "Differences",
    "Explainer",
    "Explanation",
    "FileUploader",
    "Manifest",
    "MissingSourceError",
    "ModuleNotFoundInEnvironmentError",
    "NoStagesError",
    "Outcome",
    "Plan",
    "Project",
    "Published",
    "PublishedRelease",
    "Ran",
    "Record",
    "Release",
    "Run",
    "Settings",
    "SettingsError",
    "SourceError",
    "State",
    "Verification",
    "Whereabouts",
    "YtUploadError",
    "__version__",
    "add_checkpoint",
    "build_bundle",
    "build_code_locally",
    "build_map_dependencies",
    "build_stage_dependencies",
    "build_ytjobs_dependencies",
    "compare",
    "copy_of",
    "create_code_archive",
    "default_artifact",
    "described",
    "find_artifact",
    "find_project",
    "find_published",
    "load_manifest",
    "load_settings",
    "make_plan",
    "open_build_folder",
    "operation_command",
    "operation_files",
    "publish_bundle",
    "read_bundle",
    "read_state",
    "rollback",
    "run_operation",
    "upload_all_code",
    "upload_code_archive",
    "verify",
]

_PLACES = {
    "archives.archive_copy": ("ArchiveCopy", "copy_of"),
    "archives.artifacts": ("Artifact", "Described", "Whereabouts", "described", "find_artifact"),
    "archives.differences": ("Differences", "compare"),
    "archives.explaining": ("Explainer",),
    "archives.explanation": ("Explanation",),
    "archives.verifying": ("Verification", "verify"),
    "build_folders.build_folder": ("BuildFolder",),
    "build_folders.destination": ("open_build_folder",),
    "build_folders.published_code": ("PublishedRelease", "find_published"),
    "build_folders.publishing": ("Published", "default_artifact", "publish_bundle"),
    "build_folders.release_records": ("Record", "Release", "State", "read_state"),
    "build_folders.releases": ("Outcome",),
    "build_folders.rolling_back": ("rollback",),
    "configuration.project": ("Project",),
    "configuration.project_finding": ("find_project",),
    "configuration.settings": ("Settings", "load_settings"),
    "errors": (
        "ArtifactError",
        "BuildFolderError",
        "MissingSourceError",
        "ModuleNotFoundInEnvironmentError",
        "NoStagesError",
        "SettingsError",
        "SourceError",
        "YtUploadError",
    ),
    "framework_uploads.code_upload": ("FileUploader", "upload_all_code", "upload_code_archive"),
    "framework_uploads.job_files": (
        "add_checkpoint",
        "build_map_dependencies",
        "build_stage_dependencies",
        "build_ytjobs_dependencies",
    ),
    "framework_uploads.local_build": ("build_code_locally", "create_code_archive"),
    "jobs.running": ("Ran", "Run", "run_operation"),
    "operations": ("OPERATIONS", "operation_command", "operation_files"),
    "packing.build": ("Built", "build_bundle"),
    "packing.bundle": ("Bundle", "read_bundle"),
    "packing.manifest": ("Manifest", "load_manifest"),
    "planning.plan": ("Plan", "make_plan"),
}
"""Where each name is defined, by module; a test holds it against `__all__`."""

if not TYPE_CHECKING:  # for type checkers there are the names above and no others

    def __getattr__(name: str) -> object:
        """Load a name of the API."""
        from importlib import import_module

        for module, names in _PLACES.items():
            if name in names:
                value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the API."""
    return sorted({*globals(), *__all__})
