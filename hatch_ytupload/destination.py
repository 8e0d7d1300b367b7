"""Where a publish goes: settings become a build folder, on the cluster or on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_ytupload.build_folder import BuildFolder
    from hatch_ytupload.settings import Settings

_NO_BUILD_FOLDER = (
    "no build folder is set: write `build_folder` under `[tool.ytupload]` or `pipeline.build_folder` in the pipeline's "
    "config, set `YTUPLOAD_BUILD_FOLDER`, or give the option `build_folder`"
)
_NO_PROXY = (
    "no cluster is set: write `proxy` under `[tool.ytupload]` or `YT_PROXY` in `configs/secrets.env`, set `YT_PROXY`, "
    'or give the option `proxy`; `mode = "dev"` needs none'
)


def open_build_folder(
    settings: Settings,
    *,
    notice: Callable[[str], None] = lambda _text: None,
    progress: Callable[[int, int], None] = lambda _sent, _size: None,  # noqa: ARG001 - for clusters
) -> BuildFolder:
    """Return the build folder that the settings name; nothing is read or sent yet.

    Args:
        settings: of the pipeline.
        notice: is told, in a line, what we wait for.
        progress: is told how many bytes of how many have been sent.

    Raises:
        SettingsError: something is missing, or what publishing needs is wrong.
    """
    if settings.deferred_problems and (settings.mode == "prod" or settings.build_folder is None):
        raise SettingsError(settings.deferred_problems)
    if settings.build_folder is None:
        raise SettingsError([_NO_BUILD_FOLDER])
    if settings.mode == "dev":
        from hatch_ytupload.local_folder import LocalFolder

        return LocalFolder(
            settings.pipeline_dir, settings.build_folder, wait_seconds=settings.lock_wait_seconds, notice=notice
        )
    if settings.proxy is None:
        raise SettingsError([_NO_PROXY])
    raise SettingsError(['publishing to a cluster is not possible in this version yet; use `mode = "dev"`'])
