"""Reproducible code archives of YT Framework pipelines, built and published with Hatch.

`__all__` is the Python API; `docs/api.md` describes it. A name is loaded when it is used for the first time, so
importing this package costs nothing: neither Hatch nor YT nor YAML are loaded by names that do not need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.__about__ import __version__

if TYPE_CHECKING:
    from hatch_ytupload.answers.artifacts import Artifact, Described, Whereabouts, copy_of, described, find_artifact
    from hatch_ytupload.answers.differences import Differences, compare
    from hatch_ytupload.answers.explanation import Explainer, Explanation
    from hatch_ytupload.answers.locks import StageLock, lock_stages, stale_locks
    from hatch_ytupload.answers.second_build import Agreement, build_again
    from hatch_ytupload.answers.verification import Verification, verify
    from hatch_ytupload.archive_layout import OPERATIONS
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.build_folders.destination import open_build_folder
    from hatch_ytupload.checks.checking import check
    from hatch_ytupload.checks.findings import Finding
    from hatch_ytupload.checks.packed_code import PackedCode, code_of_archive, code_of_plan
    from hatch_ytupload.configuration.project import Project, find_project
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
    from hatch_ytupload.jobs.run import Ran, Run, run_operation
    from hatch_ytupload.operations import operation_command, operation_files
    from hatch_ytupload.packing.build import Built, build_bundle
    from hatch_ytupload.packing.bundle import Bundle, read_bundle
    from hatch_ytupload.packing.manifest import Manifest, load_manifest
    from hatch_ytupload.planning.plan import Plan, make_plan
    from hatch_ytupload.reading.contents import ArchiveCopy
    from hatch_ytupload.releases.conditions import Conditions, RefusedError, conditions_of
    from hatch_ytupload.releases.current import Outcome
    from hatch_ytupload.releases.fetch import Fetched, fetch
    from hatch_ytupload.releases.promote import promote
    from hatch_ytupload.releases.publish_bundle import Published, default_artifact, publish_bundle
    from hatch_ytupload.releases.published import PublishedRelease, find_published
    from hatch_ytupload.releases.records import Record, Release, State, read_state
    from hatch_ytupload.releases.retention import delete, pin
    from hatch_ytupload.releases.rollback import rollback

__all__ = [
    "OPERATIONS",
    "Agreement",
    "ArchiveCopy",
    "Artifact",
    "ArtifactError",
    "BuildFolder",
    "BuildFolderError",
    "Built",
    "Bundle",
    "Conditions",
    "Described",
    "Differences",
    "Explainer",
    "Explanation",
    "Fetched",
    "FileUploader",
    "Finding",
    "Manifest",
    "MissingSourceError",
    "ModuleNotFoundInEnvironmentError",
    "NoStagesError",
    "Outcome",
    "PackedCode",
    "Plan",
    "Project",
    "Published",
    "PublishedRelease",
    "Ran",
    "Record",
    "RefusedError",
    "Release",
    "Run",
    "Settings",
    "SettingsError",
    "SourceError",
    "StageLock",
    "State",
    "Verification",
    "Whereabouts",
    "YtUploadError",
    "__version__",
    "add_checkpoint",
    "build_again",
    "build_bundle",
    "build_code_locally",
    "build_map_dependencies",
    "build_stage_dependencies",
    "build_ytjobs_dependencies",
    "check",
    "code_of_archive",
    "code_of_plan",
    "compare",
    "conditions_of",
    "copy_of",
    "create_code_archive",
    "default_artifact",
    "delete",
    "described",
    "fetch",
    "find_artifact",
    "find_project",
    "find_published",
    "load_manifest",
    "load_settings",
    "lock_stages",
    "make_plan",
    "open_build_folder",
    "operation_command",
    "operation_files",
    "pin",
    "promote",
    "publish_bundle",
    "read_bundle",
    "read_state",
    "rollback",
    "run_operation",
    "stale_locks",
    "upload_all_code",
    "upload_code_archive",
    "verify",
]

_PLACES = {
    "answers.artifacts": ("Artifact", "Described", "Whereabouts", "copy_of", "described", "find_artifact"),
    "answers.differences": ("Differences", "compare"),
    "answers.explanation": ("Explainer", "Explanation"),
    "answers.locks": ("StageLock", "lock_stages", "stale_locks"),
    "answers.second_build": ("Agreement", "build_again"),
    "answers.verification": ("Verification", "verify"),
    "archive_layout": ("OPERATIONS",),
    "build_folders.build_folder": ("BuildFolder",),
    "build_folders.destination": ("open_build_folder",),
    "checks.checking": ("check",),
    "checks.findings": ("Finding",),
    "checks.packed_code": ("PackedCode", "code_of_archive", "code_of_plan"),
    "configuration.project": ("Project", "find_project"),
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
    "framework.dependencies": (
        "add_checkpoint",
        "build_map_dependencies",
        "build_stage_dependencies",
        "build_ytjobs_dependencies",
    ),
    "framework.upload": (
        "FileUploader",
        "build_code_locally",
        "create_code_archive",
        "upload_all_code",
        "upload_code_archive",
    ),
    "jobs.run": ("Ran", "Run", "run_operation"),
    "operations": ("operation_command", "operation_files"),
    "packing.build": ("Built", "build_bundle"),
    "packing.bundle": ("Bundle", "read_bundle"),
    "packing.manifest": ("Manifest", "load_manifest"),
    "planning.plan": ("Plan", "make_plan"),
    "reading.contents": ("ArchiveCopy",),
    "releases.conditions": ("Conditions", "RefusedError", "conditions_of"),
    "releases.current": ("Outcome",),
    "releases.fetch": ("Fetched", "fetch"),
    "releases.promote": ("promote",),
    "releases.publish_bundle": ("Published", "default_artifact", "publish_bundle"),
    "releases.published": ("PublishedRelease", "find_published"),
    "releases.records": ("Record", "Release", "State", "read_state"),
    "releases.retention": ("delete", "pin"),
    "releases.rollback": ("rollback",),
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
