"""The publisher `ytupload`. Hatch loads it from its own environment, which has `hatch.publish`."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from hatch.publish.plugin.interface import PublisherInterface

from hatch_ytupload.plugin.hatch_glue import errors_end_the_build, progress_bar, say, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.plugin.publish_options import PublishOptions


class YtUploadPublisher(PublisherInterface):
    """Publishes bundles to the pipeline's build folder."""

    PLUGIN_NAME = "ytupload"

    def publish(self, artifacts: list[str], options: dict[str, Any]) -> None:
        """Publish the named bundles, one after the other, or that of the project's current version."""
        from hatch_ytupload.configuration.project import find_project
        from hatch_ytupload.packing.bundle import read_bundle
        from hatch_ytupload.plugin.publish_options import read_options

        with errors_end_the_build(self.app):
            read = read_options(options, self.plugin_config)
            root = str(self.root)
            project = find_project(root)
            paths = [os.path.join(root, artifact) for artifact in artifacts]
            for path in paths:
                read_bundle(path)  # before anything is published: `dist/*` names others, too
            for path in paths:
                self._publish(project, read, path)
            if not artifacts:
                self._publish(project, read, None)

    def _publish(self, project: Project, options: PublishOptions, artifact: str | None) -> None:
        from hatch_ytupload.configuration.settings import load_settings
        from hatch_ytupload.output.releases import published_text
        from hatch_ytupload.releases.conditions import conditions_of
        from hatch_ytupload.releases.publish_bundle import default_artifact, publish_bundle

        settings = load_settings(
            project.root, project.table, environment=options.environment, overrides=options.settings
        )
        for warning in settings.warnings:
            warn(self.app, warning)
        with progress_bar(self.app, at_once=True) as progress:
            published = publish_bundle(
                settings,
                artifact or default_artifact(project, options.dist and os.path.join(project.root, options.dist)),
                project=project,
                is_own=not artifact,
                conditions=conditions_of(
                    settings, force=options.force, yes=options.yes, ask=self._ask(options), warn=partial(warn, self.app)
                ),
                dry_run=options.dry_run,
                notice=partial(say, self.app),
                progress=progress,
            )
        say(self.app, published_text(published))

    def _ask(self, options: PublishOptions) -> Callable[[str], bool] | None:
        """Return what asks a question; None: nobody would answer."""
        return self.app.confirm if options.may_ask and sys.stdin is not None and sys.stdin.isatty() else None
