"""Pipelines of YT Framework that run what was published, instead of packing what lies on the disk.

```python
from yt_framework.core.pipeline import DefaultPipeline

from hatch_ytupload.yt_framework import PublishedCode


class Pipeline(PublishedCode, DefaultPipeline):
    pass


if __name__ == "__main__":
    Pipeline.main()
```

YT Framework itself is not imported here.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from hatch_ytupload.archive_layout import ARCHIVE_NAME, SRC, STAGES
from hatch_ytupload.byte_reader import blocks
from hatch_ytupload.configuration.keys import KEYS, unknown_variables
from hatch_ytupload.configuration.project import find_project, find_pyproject
from hatch_ytupload.configuration.settings import load_settings
from hatch_ytupload.configuration.values import UnexpectedValueError, cypress_path
from hatch_ytupload.errors import NoProjectError, SettingsError, YtUploadError
from hatch_ytupload.framework.edge import log_header, log_success
from hatch_ytupload.framework.upload import clean_build_directory
from hatch_ytupload.releases.outgoing import open_outgoing
from hatch_ytupload.releases.publish_bundle import default_artifact
from hatch_ytupload.releases.published import BUNDLE, CURRENT, find_published, require_stages, write_archive
from hatch_ytupload.releases.records import archive_of, directory_of
from hatch_ytupload.wording import describe, one_line

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.releases.published import PublishedRelease
    from hatch_ytupload.releases.signatures import Signers

RELEASE_VARIABLE = "YTUPLOAD_RELEASE"
"""The environment variable that says which release to run."""


if TYPE_CHECKING:

    class _Pipeline:
        """What BasePipeline has."""

        config: Any
        pipeline_dir: Path
        logger: logging.Logger
        yt: Any

        def run(self) -> None:
            """Run the enabled stages."""

else:
    _Pipeline = object


class PublishedCode(_Pipeline):
    """Makes a pipeline run a published release: `class Pipeline(PublishedCode, DefaultPipeline)`.

    In place of `upload_code`, which packs and uploads what lies on the disk, the release that is asked for is looked up
    in the pipeline's build folder, and the run fails where it is not there or not whole. All operations of the run then
    mount the archive of that release itself, so that what others publish in the meantime changes nothing; nor is it
    pruned while the run lasts. What its user can mend ends `run` with a line on the pipeline's log and status 1.

    Which release: the environment variable `YTUPLOAD_RELEASE`, else `pipeline.release` of the pipeline's config, else
    the attribute `release` of the class. Each may be

    - `current`: the release that is current when the run begins;
    - `bundle`: the one that the bundle in the project's build directory was published as;
    - the name of a kept release, or as much of it as no other name begins with.

    With `mode: dev` the archive comes from the build folder on disk (`.dev/cypress/`), or for `bundle` from the bundle
    itself, which need not be published, and goes to `.build/source.tar.gz`, where dev mode looks for it.
    """

    release: ClassVar[str] = CURRENT
    """The release to run where neither the environment nor the config says so."""

    _published_in: str | None = None
    """The build folder, once the run has been pointed at one release in it."""

    _held: ExitStack | None = None
    """What is held until the run has ended."""

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - anybody's
        """Refuse a class that would pack and upload by itself all the same.

        Raises:
            TypeError: the framework's own class stands before this one among the bases.
        """
        super().__init_subclass__(**options)
        for base in cls.__mro__[: cls.__mro__.index(PublishedCode)]:
            if base.__module__.startswith("yt_framework.") and "upload_code" in vars(base):
                raise TypeError(
                    f"the first base of `{cls.__name__}` must be `PublishedCode`: behind `{base.__name__}` it counts "
                    "for nothing, and each run overwrites the release"
                )

    def run(self) -> None:
        """Run the pipeline."""
        with ExitStack() as held:
            self._held = held
            held.callback(setattr, self, "_held", None)
            try:
                super().run()
            except YtUploadError as error:
                for line in error.lines:
                    self.logger.error(line)  # noqa: TRY400 - the trace tells its user nothing
                sys.exit(1)

    def upload_code(self, build_folder: str | None = None) -> None:
        """Find the release, and have the operations of this run use it.

        Args:
            build_folder: None: `pipeline.build_folder` of the config.

        Raises:
            SettingsError: no build folder, or no cluster, is set.
            BuildFolderError: the build folder has no such release, or cannot be read.
            ArtifactError: the release or the bundle is damaged, or has no code of an enabled stage.
        """
        stages = self._enabled_stages_with_code()
        if not stages:
            self.logger.debug("No enabled stage has code to run on YT: no release is needed")
            return
        path = self._build_folder(build_folder)
        wanted = self._wanted()
        for warning in unknown_variables(os.environ):
            self.logger.warning(warning)
        log_header(self.logger, "Published Code", f"Build folder: {path} | Release: {wanted}")
        if not self._is_dev():
            self._use_release(path, wanted, stages)
        elif wanted == BUNDLE:
            self._serve_bundle(stages)
        else:
            self._serve_release(path, wanted, stages)

    def _use_release(self, path: str, wanted: str, stages: list[str]) -> None:
        """Let operations on the cluster mount the archive of the release."""
        folder = self._folder_on_cluster(path)
        found = self._find(folder, wanted, stages)
        self._published_in = path
        self.config.pipeline.build_folder = folder.path(directory_of(found.record.release))
        log_success(self.logger, f"Jobs run {folder.path(archive_of(found.record.release))}")

    def _serve_release(self, path: str, wanted: str, stages: list[str]) -> None:
        """Give dev mode the archive of a release on disk."""
        from hatch_ytupload.build_folders.disk.folder import LocalFolder

        folder = LocalFolder(str(self.pipeline_dir), path)
        found = self._find(folder, wanted, stages)
        place = archive_of(found.record.release)
        with folder.open(place) as reader:
            self._serve(blocks(reader), found.manifest, folder.path(place))

    def _serve_bundle(self, stages: list[str]) -> None:
        """Give dev mode the archive of the local bundle."""
        project = find_project(str(self.pipeline_dir))
        bundle = default_artifact(project)
        with open_outgoing(bundle, project=project.name) as outgoing:
            require_stages(outgoing.manifest, stages, f"the bundle `{one_line(bundle)}`")
            log_success(self.logger, f"Bundle of {project.name}, as release it is {outgoing.release}")
            self._serve(outgoing.archive.blocks(0), outgoing.manifest, os.path.join(bundle, ARCHIVE_NAME))

    def _serve(self, blocks: Iterable[bytes], manifest: Manifest, name: str) -> None:
        """Put an archive where dev mode looks for it."""
        target = clean_build_directory(self.pipeline_dir, self.logger) / ARCHIVE_NAME
        write_archive(blocks, manifest.archive.sha256, str(target), name)
        log_success(self.logger, f"Jobs run {one_line(name)}")

    def _find(self, folder: BuildFolder, wanted: str, stages: list[str]) -> PublishedRelease:
        if self._held is None:
            # Called without `run`, as by a program that runs stages itself: until that has ended.
            self._held = ExitStack()
            atexit.register(self._held.close)
        found = find_published(folder, wanted, self._manifest_of_bundle, held=self._held, signers=self._signers())
        require_stages(found.manifest, stages, f"the release `{found.record.release}`")
        log_success(self.logger, found.describe())
        if not found.is_current:
            self.logger.info("  It is not the current release of the build folder")
        return found

    def _signers(self) -> Signers | None:
        """Return whose signatures count by the settings of the project, if the pipeline lies in one."""
        from hatch_ytupload.releases.signatures import signers_of

        try:
            pyproject = find_pyproject(str(self.pipeline_dir))
        except NoProjectError:
            return None
        # The config of this run is the framework's to read.
        overrides = {"config": False, "stages": "all"}
        return signers_of(load_settings(pyproject.root, pyproject.table, overrides=overrides))

    def _manifest_of_bundle(self) -> Manifest:
        project = find_project(str(self.pipeline_dir))
        with open_outgoing(default_artifact(project), project=project.name) as outgoing:
            return outgoing.manifest

    def _folder_on_cluster(self, path: str) -> BuildFolder:
        """Return the build folder on the cluster that the pipeline itself talks to."""
        from hatch_ytupload.build_folders.cypress.client import Cluster
        from hatch_ytupload.build_folders.cypress.folder import CypressFolder

        client = getattr(self.yt, "client", None)
        if client is None:
            raise SettingsError([f"`{type(self.yt).__name__}`, the pipeline's YT client, has no `client` to ask"])
        cluster = Cluster.of_client(
            client,
            timeout_seconds=KEYS["request_timeout_seconds"].default,
            attempts=KEYS["request_attempts"].default,
            notice=self.logger.warning,
        )
        return CypressFolder(cluster, path, warn=self.logger.warning)

    def _wanted(self) -> str:
        named = os.environ.get(RELEASE_VARIABLE) or self.config.pipeline.get("release") or self.release
        if not isinstance(named, str):
            # YAML reads `1.0` as a number; the name of a release is longer.
            raise SettingsError([f"`pipeline.release` must be a string, found {describe(named)}"])
        return named.strip()

    def _build_folder(self, given: str | None) -> str:
        raw = given or self._published_in or self.config.pipeline.get("build_folder")
        if not raw:
            raise SettingsError(["no build folder is set: write `build_folder` under `pipeline` in the config"])
        try:
            return cypress_path(raw)
        except UnexpectedValueError as error:
            raise SettingsError([f"`pipeline.build_folder` {error}"]) from None

    def _is_dev(self) -> bool:
        # YT Framework's own default.
        return str(self.config.pipeline.get("mode") or "dev").strip().lower() != "prod"

    def _enabled_stages_with_code(self) -> list[str]:
        enabled = self.config.stages.enabled_stages
        names = [enabled] if isinstance(enabled, str) else [str(name) for name in enabled or ()]
        return [name for name in names if os.path.isdir(os.path.join(self.pipeline_dir, STAGES, name, SRC))]
