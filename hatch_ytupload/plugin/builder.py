"""The build target `ytarchive`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.constants import BuildEnvVars
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.plugin.manager import PluginManager

from hatch_ytupload.errors import SettingsError
from hatch_ytupload.packing.bundle import make_build_directory
from hatch_ytupload.plugin.hatch_glue import clean, errors_end_the_build, project_of, run_build
from hatch_ytupload.wording import listed, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class YtArchiveBuilderConfig(BuilderConfig):
    """The options of the target that are Hatch's own; everything else stands in `[tool.ytupload]`."""


class YtArchiveBuilder(BuilderInterface[YtArchiveBuilderConfig, PluginManager]):
    """Builds `<directory>/<name>-<version>.ytarchive/source.tar.gz`."""

    PLUGIN_NAME = "ytarchive"

    def get_version_api(self) -> dict[str, Callable[..., str]]:
        """Offer one version of the target."""
        return {"standard": self.build_standard}

    def build(
        self,
        *,
        directory: str | None = None,
        versions: list[str] | None = None,
        **options: Any,  # noqa: ANN401 - Hatch's interface
    ) -> Generator[str, None, None]:
        """Clean and build; what the user can mend ends it with one line."""
        with errors_end_the_build(self.app):
            self._check(versions or [])
            # Hatchling would make the directory itself, with a traceback where it cannot.
            place = directory or os.environ.get(BuildEnvVars.LOCATION) or self.config.directory
            make_build_directory(self.config.normalize_build_directory(place))
            yield from super().build(directory=directory, versions=versions, **options)

    def _check(self, versions: list[str]) -> None:
        """Read early what Hatch would read in the middle of a build: its errors are lines for the user as well.

        Raises:
            SettingsError: Hatch's own settings or the project's metadata are wrong.
        """
        try:
            self.metadata.validate_fields()
            unknown = set(versions) - set(self.get_version_api())
            # Each of them is checked when it is first read.
            _ = self.metadata.version, self.config.directory, self.config.reproducible, self.config.versions
        except (OSError, TypeError, ValueError) as error:
            raise SettingsError([one_line(error)]) from None
        if unknown:
            names = listed(sorted(unknown))
            raise SettingsError([f"the target `{self.PLUGIN_NAME}` has no version {names}; its only one is `standard`"])

    def build_standard(self, directory: str, **_build_data: Any) -> str:  # noqa: ANN401 - Hatch's interface
        """Build the bundle and return the path of its archive."""
        project = project_of(self.root, self.metadata, directory)
        return run_build(project, self.app, reproducible=self.config.reproducible)

    def clean(self, directory: str, versions: list[str]) -> None:  # noqa: ARG002 - Hatch's interface
        """Remove the bundle of the project's current version, and nothing else."""
        clean(project_of(self.root, self.metadata, directory))

    @classmethod
    def get_config_class(cls) -> type[YtArchiveBuilderConfig]:
        """Return the class of the target's options."""
        return YtArchiveBuilderConfig
