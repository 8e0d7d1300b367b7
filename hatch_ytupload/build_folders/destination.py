"""Where a publish goes: settings become a build folder, on the cluster or on disk."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.wording import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.configuration.settings import Settings

_NO_BUILD_FOLDER = (
    "no build folder is set: write `build_folder` under `[tool.ytupload]` or `pipeline.build_folder` in the pipeline's "
    "config, set `YTUPLOAD_BUILD_FOLDER`, or give the option {}"
)
_NO_PROXY = (
    "no cluster is set: write `proxy` under `[tool.ytupload]` or `YT_PROXY` in `configs/secrets.env`, set `YT_PROXY`, "
    'or give the option {}; `mode = "dev"` needs none'
)

_BAD_PROXY = "`proxy` must be the name of a cluster, or an address such as `https://proxy.example.com:8443`, found {}"


def open_build_folder(
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    notice: Callable[[str], None] = lambda _text: None,
    warn: Callable[[str], None] = lambda _text: None,
    progress: Progress = no_progress,
) -> BuildFolder:
    """Return the build folder that the settings name; nothing is read or sent yet.

    Args:
        settings: of the pipeline.
        environ: the environment; the process's own where None.
        notice: called with a line that says what we wait for.
        warn: called with what could not be done beside what was, and why.
        progress: called with how many bytes of how many have been sent.

    Raises:
        SettingsError: something is missing, or what publishing needs is wrong.
    """
    if settings.deferred_problems and (settings.mode == "prod" or settings.build_folder is None):
        raise SettingsError(settings.deferred_problems)
    if settings.build_folder is None:
        raise SettingsError([_NO_BUILD_FOLDER.format(settings.spelling("build_folder"))])
    if settings.mode == "dev":
        from hatch_ytupload.build_folders.disk.folder import LocalFolder

        return LocalFolder(
            settings.pipeline_dir,
            settings.build_folder,
            wait_seconds=settings.lock_wait_seconds,
            notice=notice,
            warn=warn,
            progress=progress,
        )
    if settings.proxy is None:
        raise SettingsError([_NO_PROXY.format(settings.spelling("proxy"))])
    if not _is_address(settings.proxy):
        raise SettingsError([_BAD_PROXY.format(describe(settings.proxy.rpartition("@")[2]))])
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.build_folders.cypress.folder import CypressFolder

    environ = os.environ if environ is None else environ
    cluster = Cluster(
        settings.proxy,
        # None: ytsaurus-client looks for one itself.
        token=environ.get("YT_TOKEN") or settings.secrets.get("YT_TOKEN"),
        timeout_seconds=settings.request_timeout_seconds,
        attempts=settings.request_attempts,
        notice=notice,
    )
    return CypressFolder(
        cluster,
        settings.build_folder,
        wait_seconds=settings.lock_wait_seconds,
        notice=notice,
        warn=warn,
        progress=progress,
        node_attributes=dict(settings.node_attributes),
    )


def _is_address(proxy: str) -> bool:
    """Tell whether requests can be sent there: what cannot be an address would be tried again and again."""
    from urllib.parse import urlsplit

    scheme, _, place = proxy.rpartition("://")
    try:
        # Of a port that is none, asking for it raises.
        parts = urlsplit(f"//{place}")
        port = parts.port
    except ValueError:
        return False
    is_host = re.fullmatch(r"[\w.:-]+", parts.hostname or "") is not None
    return scheme in ("", "http", "https") and is_host and port != 0
