"""What publishes, rollbacks, the status and the history look like, as text of 80 columns and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_ytupload.build_folders.release_records import release_name
from hatch_ytupload.command_line.tables import fields, table
from hatch_ytupload.errors import one_line
from hatch_ytupload.packing.sizes import megabytes
from hatch_ytupload.planning.wrappers import ARCHIVE_NAME

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.build_folders.publishing import Published
    from hatch_ytupload.build_folders.release_records import Record, State
    from hatch_ytupload.build_folders.releases import Outcome
    from hatch_ytupload.packing.bundle import Bundle

_COMMIT_DIGITS = 10
_COLUMNS = 80


def published_text(published: Published) -> str:
    """Tell what a publish did, or would do."""
    outcome = published.outcome
    if not outcome.changed:
        return f"{_archive(published.folder)} is `{outcome.release}` already; nothing to upload"
    replaced = outcome.replaced if outcome.replaced != outcome.release else None
    size = megabytes(outcome.size)
    if not outcome.uploaded:
        size += ", kept there: nothing to upload"
    return fields(
        _archive(published.folder) + (" would become" if published.dry_run else ""),
        ("release", f"{outcome.release} ({size})"),
        ("replaced", replaced or ""),
        ("pruned", "\n".join(outcome.pruned)),
        ("took", "" if published.dry_run else f"{published.seconds:.1f} s"),
    )


def published_data(published: Published) -> dict[str, Any]:
    """Return the same for programs."""
    outcome = published.outcome
    return {
        **_place(published.folder),
        "path": published.folder.path(ARCHIVE_NAME),
        "project": published.project,
        "version": published.version,
        "release": outcome.release,
        "size": outcome.size,
        "changed": outcome.changed,
        "uploaded": outcome.uploaded,
        "replaced": outcome.replaced,
        "pruned": list(outcome.pruned),
        "seconds": round(published.seconds, 3),
        "dry_run": published.dry_run,
    }


def rollback_text(outcome: Outcome, folder: BuildFolder) -> str:
    """Tell what a rollback did."""
    if not outcome.changed:
        return f"{_archive(folder)} is `{outcome.release}` already; nothing to do"
    size = megabytes(outcome.size)
    return fields(_archive(folder), ("release", f"{outcome.release} ({size})"), ("replaced", outcome.replaced or ""))


def rollback_data(outcome: Outcome, folder: BuildFolder) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        **_place(folder),
        "path": folder.path(ARCHIVE_NAME),
        "release": outcome.release,
        "size": outcome.size,
        "changed": outcome.changed,
        "replaced": outcome.replaced,
    }


def history_text(state: State, folder: BuildFolder) -> str:
    """Show the releases of a build folder, newest first; a star marks the current one."""
    if not state.history:
        return f"{_shown(folder, folder.location)} keeps no releases"
    current = state.current
    rows = [("", "RELEASE", "PUBLISHED (UTC)", "SIZE", "COMMIT", "BY")]
    rows += [
        (
            "*" if record == current else "",
            record.release,
            _short_time(record),
            megabytes(record.size),
            _commit(record),
            record.published_by,
        )
        for record in state.history
    ]
    # Only the last column may be of any length: who published.
    return "\n".join(_cut(line) for line in table([tuple(map(one_line, row)) for row in rows]).splitlines())


def history_data(state: State, folder: BuildFolder) -> dict[str, Any]:
    """Return the same for programs."""
    current = state.current
    releases = [{**record.record(), "current": record == current} for record in state.history]
    for release in releases:
        del release["number"]
    return {**_place(folder), "releases": releases}


def status_text(state: State, bundle: Bundle | None, artifact: str, folder: BuildFolder) -> str:
    """Show the local bundle, the current release, and whether they are the same."""
    if bundle is None:
        local = f"none at `{one_line(artifact)}`: build it first"
    else:
        local = f"{release_name(bundle.manifest)} ({megabytes(bundle.manifest.archive.size)})"
    return fields(
        _shown(folder, folder.location),
        ("local", local),
        ("current", _current_text(state)),
        ("same", "" if bundle is None else "yes" if _is_same(state, bundle) else "no: publish to make them so"),
        ("kept", f"{len(state.history)} release{'' if len(state.history) == 1 else 's'}"),
    )


def status_data(state: State, bundle: Bundle | None, artifact: str, folder: BuildFolder) -> dict[str, Any]:
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
        **_place(folder),
        "local": local,
        "current": None if current is None else {**current.attribute(), "published_at": current.published_at},
        "archive": _archive_state(state),
        "same": bundle is not None and _is_same(state, bundle),
        "releases": len(state.history),
    }


def _place(folder: BuildFolder) -> dict[str, Any]:
    return {"build_folder": folder.location, "cluster": folder.host}


def _archive(folder: BuildFolder) -> str:
    return _shown(folder, folder.path(ARCHIVE_NAME))


def _shown(folder: BuildFolder, path: str) -> str:
    return path if folder.host is None else f"{path} on {folder.host}"


def _current_text(state: State) -> str:
    current = state.current
    if current is not None:
        text = f"{current.release} ({megabytes(current.size)})"
        return f"{text}\npublished {_short_time(current)} UTC by {current.published_by}"
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


def _cut(line: str) -> str:
    return line if len(line) <= _COLUMNS else line[: _COLUMNS - 3] + "..."


def _short_time(record: Record) -> str:
    return one_line(record.published_at).replace("T", " ")[:16]


def _commit(record: Record) -> str:
    if record.git_commit is None:
        return "-"
    return one_line(record.git_commit)[:_COMMIT_DIGITS] + ("+" if record.git_dirty else "")
