"""One publish from settings to outcome: what the publisher and the command line both call."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.destination import open_build_folder
from hatch_ytupload.build_folders.outgoing import open_outgoing
from hatch_ytupload.build_folders.releases import Outcome, publish
from hatch_ytupload.packing.bundle import bundle_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings


@dataclass(frozen=True)
class Published:
    """A finished publish, or what one would do."""

    outcome: Outcome
    project: str
    version: str
    folder: BuildFolder
    seconds: float
    dry_run: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        other = self.outcome.replaced_project
        if other is None or other == self.project:
            return ()
        problem = f"`{self.folder.location}` held a release of the project `{other}`"
        return (f"{problem}; give each project a build folder of its own",)


def publish_bundle(
    settings: Settings,
    artifact: str,
    *,
    project: str | None = None,
    dry_run: bool = False,
    notice: Callable[[str], None] = lambda _text: None,
    progress: Callable[[int, int], None] = lambda _sent, _size: None,
) -> Published:
    """Publish a bundle to the build folder of the settings.

    Args:
        settings: of the pipeline.
        artifact: path of the bundle's directory, or of the archive or manifest in it.
        project: whose bundle it has to be; None: anybody's.
        dry_run: only tell what would be done.
        notice: is told, in a line, what we wait for.
        progress: is told how many bytes of how many have been sent.

    Raises:
        SettingsError: something that publishing needs is missing or wrong.
        ArtifactError: there is no such bundle, or it is not what its manifest says.
        BuildFolderError: it cannot be published; nothing has changed.
    """
    start = time.monotonic()
    folder = open_build_folder(settings, notice=notice, progress=progress)
    with open_outgoing(artifact, project=project, standalone_wrappers=settings.standalone_wrappers) as outgoing:
        now = datetime.now(timezone.utc)
        outcome = publish(folder, outgoing, keep=settings.keep_releases, now=now, dry_run=dry_run)
        info = outgoing.manifest.project
    seconds = time.monotonic() - start
    return Published(outcome, info.name, info.version, folder, seconds, dry_run)


def default_artifact(project: Project, dist: str | None = None) -> str:
    """Return where the bundle of the project's current version lies.

    Args:
        project: whose.
        dist: the build directory; None: the project's own.
    """
    return bundle_directory(os.path.abspath(dist) if dist else project.build_directory, project.file_name)
