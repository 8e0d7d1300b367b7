"""The build hook `ytarchive`: the bundle beside another target's artifact, and `ytjobs` for the target of that name."""

from __future__ import annotations

import os
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from hatch_ytupload.errors import NoStagesError
from hatch_ytupload.file_names import is_inside
from hatch_ytupload.plugin.hatch_glue import clean, errors_end_the_build, project_of, run_build, say, warn
from hatch_ytupload.sources.ytjobs import framework_requirements


class YtArchiveBuildHook(BuildHookInterface[BuilderConfig]):
    """Leaves the same bundle as the target; for the target itself it only provides `ytjobs`."""

    PLUGIN_NAME = "ytarchive"

    def dependencies(self) -> list[str]:
        """Return what brings `ytjobs` into the build environment."""
        return framework_requirements(self.metadata.core.dependencies)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - Hatch's interface
        """Build the bundle before the target's artifact, so that what is wrong shows early."""
        if self.target_name == self.PLUGIN_NAME or version == "editable":
            return
        with errors_end_the_build(self.app):
            try:
                archive = run_build(
                    project_of(self.root, self.metadata, self.directory),
                    self.app,
                    reproducible=self.build_config.reproducible,
                )
            except NoStagesError as error:
                warn(self.app, f"no code archive was built: {error}")
            else:
                say(self.app, os.path.relpath(archive, self.root) if is_inside(archive, self.root) else archive)

    def clean(self, versions: list[str]) -> None:  # noqa: ARG002 - Hatch's interface
        """Remove the bundle that `initialize` builds."""
        if self.target_name != self.PLUGIN_NAME:
            with errors_end_the_build(self.app):
                clean(project_of(self.root, self.metadata, self.directory))
