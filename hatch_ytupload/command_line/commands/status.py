"""`hatch-ytupload status`."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.command_line.flags import destination_flags, directory_flag
from hatch_ytupload.errors import NoProjectError
from hatch_ytupload.output.layout import fields
from hatch_ytupload.output.releases import folder_data, origin_text, shown_on_cluster, story_of
from hatch_ytupload.releases.records import State, read_state, release_name
from hatch_ytupload.wording import counted, megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.packing.bundle import Bundle


@click.command()
@directory_flag
@destination_flags
@click.pass_obj
def command(console: Console, /, directory: str | None, **flags: object) -> None:
    r"""Show the local bundle, the current release, and whether they are the same.

    Outside of a project, there is no local bundle to show.

    \b
    Example:
      hatch-ytupload status
      hatch-ytupload status --build-folder //home/ads/build --proxy prod
    """
    from hatch_ytupload.packing.bundle import read_bundle
    from hatch_ytupload.releases.publish_bundle import default_artifact, stale_warning

    settings = console.settings(flags)
    folder = console.build_folder(settings)
    bundle, shown = None, None
    with suppress(NoProjectError):
        artifact = default_artifact(console.project(), directory)
        bundle = read_bundle(artifact) if os.path.lexists(artifact) else None
        shown = os.path.relpath(artifact)
    state = read_state(folder)
    if bundle is not None and (stale := stale_warning(settings, bundle.manifest, bundle.directory)):
        console.warning(stale)
    console.result(status_data(state, bundle, shown, folder), status_text(state, bundle, shown, folder))


def status_text(state: State, bundle: Bundle | None, artifact: str | None, folder: BuildFolder) -> str:
    """Show the local bundle, the current release, and whether they are the same."""
    if artifact is None:
        local = ""
    elif bundle is None:
        local = f"none at `{one_line(artifact)}`: build it first"
    else:
        local = f"{release_name(bundle.manifest)} ({megabytes(bundle.manifest.archive.size)})"
    return fields(
        shown_on_cluster(folder, folder.location),
        ("local", local),
        ("current", _current_text(state)),
        ("same", "" if bundle is None else "yes" if _is_same(state, bundle) else "no: publish to make them so"),
        ("kept", counted(len(state.history), "release")),
    )


def status_data(state: State, bundle: Bundle | None, artifact: str | None, folder: BuildFolder) -> dict[str, Any]:
    """Return the same for programs."""
    local = None
    if bundle is not None:
        manifest = bundle.manifest
        local = {
            "artifact": artifact,
            "project": manifest.project.name,
            "version": manifest.project.version,
            "release": release_name(manifest),
            "content_sha256": manifest.content_sha256,
            "size": manifest.archive.size,
        }
    current = state.current
    return {
        **folder_data(folder),
        "local": local,
        "current": None if current is None else current.public(),
        "archive": _archive_state(state),
        "same": bundle is not None and _is_same(state, bundle),
        "releases": len(state.history),
    }


def _current_text(state: State) -> str:
    current = state.current
    if current is not None:
        text = f"{current.release} ({megabytes(current.size)})"
        return "\n".join([text, f"published {origin_text(current)}", *story_of(current)])
    if state.missing:
        return "nothing is published: there is no such folder"
    claimed = state.claimed
    return {
        "missing": "nothing is published",
        "changed": f"`{ARCHIVE_NAME}` was {claimed.release if claimed else '?'}, and something else has changed it",
        "foreign": f"`{ARCHIVE_NAME}` is there, and is no release",
    }[_archive_state(state)]


def _archive_state(state: State) -> str:
    """Return what lies at the current archive's name: `release`, `changed`, `foreign` or `missing`."""
    if state.current is not None:
        return "release"
    if ARCHIVE_NAME not in state.nodes:
        return "missing"
    return "changed" if state.claimed is not None else "foreign"


def _is_same(state: State, bundle: Bundle) -> bool:
    current = state.current
    return current is not None and current.content_sha256 == bundle.manifest.content_sha256
