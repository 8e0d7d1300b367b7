"""Publishing the bundle of a project to the build folder of its settings: what Hatch and the command line call."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.destination import open_build_folder
from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.configuration.settings import pipeline_dir_of
from hatch_ytupload.packing.build import selection_of
from hatch_ytupload.packing.bundle import bundle_directory
from hatch_ytupload.releases.changed_sources import changed_source
from hatch_ytupload.releases.conditions import Conditions, Objections, conditions_of, find_other_selection
from hatch_ytupload.releases.outgoing import open_outgoing
from hatch_ytupload.releases.publish import publish
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.releases.current import Outcome
    from hatch_ytupload.releases.outgoing import Outgoing


@dataclass(frozen=True)
class Published:
    """A finished publish, or what one would do."""

    outcome: Outcome
    project: str
    version: str
    folder: BuildFolder
    seconds: float
    dry_run: bool


def publish_bundle(
    settings: Settings,
    artifact: str,
    *,
    project: Project | None = None,
    is_own: bool = False,
    conditions: Conditions | None = None,
    dry_run: bool = False,
    notice: Callable[[str], None] = lambda _text: None,
    progress: Progress = no_progress,
) -> Published:
    """Publish a bundle to the build folder of the settings.

    Args:
        settings: of the pipeline.
        artifact: path of the bundle's directory, or of the archive or manifest in it.
        project: the project that the settings belong to. A bundle of it is compared with its sources and settings.
        is_own: the bundle has to be that project's.
        conditions: of the build folder, and what its user says; None: those of the settings, and nobody to ask.
        dry_run: only tell what would be done.
        notice: called with a line that says what we wait for.
        progress: called with how many bytes of how many have been sent.

    Raises:
        SettingsError: something that publishing needs is missing or wrong.
        ArtifactError: there is no such bundle, or it is not what its manifest says.
        RefusedError: it must not be published there, or nobody has agreed.
        BuildFolderError: it cannot be published; nothing has changed.
    """
    start = time.monotonic()
    conditions = conditions or conditions_of(settings)
    folder = open_build_folder(settings, notice=notice, warn=conditions.warn, progress=progress)
    name = project.name if project is not None else None
    with open_outgoing(
        artifact, project=name if is_own else None, standalone_wrappers=conditions.standalone_wrappers
    ) as outgoing:
        info = outgoing.manifest.project
        found = _objections(settings, project, outgoing) if project is not None and info.name == name else None
        outcome = publish(folder, outgoing, conditions, dry_run=dry_run, found=found)
    return Published(outcome, info.name, info.version, folder, time.monotonic() - start, dry_run)


def default_artifact(project: Project, dist: str | None = None) -> str:
    """Return where the bundle of the project's current version lies.

    Args:
        project: whose.
        dist: the build directory; None: the project's own.
    """
    return bundle_directory(os.path.abspath(dist) if dist else project.build_directory, project.file_name)


def stale_warning(settings: Settings, manifest: Manifest, bundle: str) -> str | None:
    """Say which source of the pipeline has changed since a bundle was built; None: none has.

    Args:
        settings: of the pipeline.
        manifest: of the bundle.
        bundle: path of its directory.

    Raises:
        SettingsError: Hatch's own options are wrong.
    """
    changed = changed_source(settings, manifest, os.path.abspath(bundle))
    return None if changed is None else f"{changed} since the bundle was built; build again to have that in it"


def _objections(settings: Settings, project: Project, outgoing: Outgoing) -> Objections:
    """Compare a bundle of the project with its settings and its sources."""
    found = Objections()
    selection = outgoing.manifest.selection
    packed = pipeline_dir_of(project.root, project.table, selection.environment)
    if packed != settings.pipeline_dir:
        built, asked = (one_line(os.path.relpath(path, project.root)) for path in (packed, settings.pipeline_dir))
        found.forcible.append(
            f"the bundle was built of the pipeline in `{built}`, and that of this build folder lies in `{asked}`; "
            "build it for where it goes"
        )
    found.forcible.extend(find_other_selection(selection, selection_of(settings)))
    changed = stale_warning(settings, outgoing.manifest, str(outgoing.bundle))
    if changed is not None:
        found.warnings.append(changed)
    return found
