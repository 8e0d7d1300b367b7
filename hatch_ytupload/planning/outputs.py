"""What builds, publishes and runs write must not be what a build packs: each archive would hold the one before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_ytupload.configuration.project import hatch_build_of
from hatch_ytupload.sources.exclusions import Exclusions

if TYPE_CHECKING:
    from hatch_ytupload.configuration.settings import Settings

# Build folders on disk and sandboxes of `run`; what YT Framework builds in.
_NAMES = (".dev", ".build")


def exclusions_of(settings: Settings, build_directory: str | None = None) -> Exclusions:
    """Return what stays out of a pipeline's own sources whatever its ignore files say.

    Args:
        settings: of the pipeline.
        build_directory: absolute path of where this build goes, if not to where Hatch builds.

    Raises:
        SettingsError: Hatch's own options in `pyproject.toml` or `hatch.toml` are wrong.
    """
    hatch = hatch_build_of(settings.project_root)
    tops = list(dict.fromkeys([settings.pipeline_dir, settings.project_root]))
    outputs = [os.path.join(top, name) for top in tops for name in _NAMES]
    build_directories = [hatch.directory, *([build_directory] if build_directory else [])]
    # By the name of a link, and by that of what it leads to.
    places = [place for directory in build_directories for place in (directory, os.path.realpath(directory))]
    # One that holds the pipeline is no output; the bundle in it has a name that tells.
    outputs += [place for place in places if not any(os.path.commonpath([place, top]) == place for top in tops)]
    return Exclusions(settings.project_root, list(dict.fromkeys(outputs)), hatch.exclude, hatch.file)
