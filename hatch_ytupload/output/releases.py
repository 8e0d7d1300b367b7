"""What publishes, rollbacks, the status and the history look like, as text of 80 columns and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.output.layout import fields
from hatch_ytupload.wording import megabytes, one_line, short_commit

if TYPE_CHECKING:
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.releases.current import Outcome
    from hatch_ytupload.releases.publish_bundle import Published
    from hatch_ytupload.releases.records import Record


def published_text(published: Published) -> str:
    """Tell what a publish did, or would do."""
    outcome = published.outcome
    if not outcome.changed:
        return f"{shown_archive(published.folder)} is `{outcome.release}` already; nothing to upload"
    release = _release(outcome, "kept there: nothing to upload", dry_run=published.dry_run)
    took = "" if published.dry_run else f"{published.seconds:.1f} s"
    return _outcome_text(outcome, published.folder, release, took=took, dry_run=published.dry_run)


def published_data(published: Published) -> dict[str, Any]:
    """Return the same for programs."""
    outcome = published.outcome
    return {
        **folder_data(published.folder),
        "path": published.folder.path(ARCHIVE_NAME),
        "project": published.project,
        "version": published.version,
        **_outcome_data(outcome),
        "seconds": round(published.seconds, 3),
        "dry_run": published.dry_run,
    }


def promoted_text(outcome: Outcome, source: BuildFolder, target: BuildFolder, *, dry_run: bool) -> str:
    """Tell what a promotion did, or would do."""
    if not outcome.changed:
        return f"{shown_archive(target)} is `{outcome.release}` already; nothing to do"
    release = _release(outcome, "nothing to send", dry_run=dry_run)
    where = shown_on_cluster(source, source.location)
    return _outcome_text(outcome, target, release, source=where, commit=commit_text(outcome.record), dry_run=dry_run)


def promoted_data(outcome: Outcome, source: BuildFolder, target: BuildFolder, *, dry_run: bool) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        **folder_data(target),
        "path": target.path(ARCHIVE_NAME),
        **_outcome_data(outcome),
        "from": folder_data(source),
        **{key: value for key, value in origin_data(outcome.record).items() if key.startswith("git")},
        "dry_run": dry_run,
    }


def _outcome_text(
    outcome: Outcome,
    folder: BuildFolder,
    release: str,
    *,
    source: str = "",
    commit: str = "",
    took: str = "",
    dry_run: bool,
) -> str:
    replaced = outcome.replaced if outcome.replaced != outcome.release else None
    return fields(
        shown_archive(folder) + (" would become" if dry_run else ""),
        ("release", release),
        ("from", source),
        ("commit", commit),
        ("replaced", replaced or ""),
        ("pruned", "\n".join(outcome.pruned)),
        ("took", took),
    )


def _outcome_data(outcome: Outcome) -> dict[str, Any]:
    return {
        "release": outcome.release,
        "size": outcome.size,
        "changed": outcome.changed,
        "uploaded": outcome.uploaded,
        "replaced": outcome.replaced,
        "pruned": list(outcome.pruned),
    }


def _release(outcome: Outcome, nothing: str, *, dry_run: bool) -> str:
    """Name a release, and say how large it is and how much of that is sent, in these words where it is nothing."""
    size = megabytes(outcome.size)
    if not outcome.uploaded:
        size += f", {nothing}"
    elif outcome.uploaded < outcome.size:
        size = f"{'sends' if dry_run else 'sent'} {megabytes(outcome.uploaded)} of {size}"
    return f"{outcome.release} ({size})"


def origin_text(record: Record | None) -> str:
    """Say who published a release first, when, and from which commit; nothing where that is not known."""
    if record is None:
        return ""
    commit = commit_text(record)
    who = f"{short_time(record.published_at)} UTC by {one_line(record.published_by)}"
    return f"{who} from {commit}" if commit else who


def origin_data(record: Record | None) -> dict[str, Any]:
    """Return the same for programs."""
    keys = ("published_by", "published_at", "git_commit", "git_dirty")
    return {key: getattr(record, key) if record is not None else None for key in keys}


def published_by(record: Record | None) -> dict[str, Any]:
    """Return the same for programs that look at an archive, which may be no release."""
    return {"published": None if record is None else origin_data(record)}


def story_of(record: Record) -> list[str]:
    """Say, in a line each, what became of a release since it was published, and whose it is."""
    lines = ["pinned"] if record.pinned else []
    if record.promoted_from is not None:
        place, cluster = (record.promoted_from.get(key) for key in ("build_folder", "cluster"))
        lines.append(f"promoted from {place} on {'disk' if cluster is None else cluster}")
    if record.made_current_at is not None:
        lines.append(f"made current {short_time(record.made_current_at)} UTC by {record.made_current_by}")
    if record.signed_by is not None:
        lines.append(f"signed by {record.signed_by}")
    return [one_line(line) for line in lines]


def short_time(time: str) -> str:
    """Return a time of a record to the minute."""
    return one_line(time).replace("T", " ")[:16]


def commit_text(record: Record | None) -> str:
    """Return the commit of a release, with a plus where there were changes beside it; nothing where there is none."""
    if record is None or record.git_commit is None:
        return ""
    return short_commit(record.git_commit) + ("+" if record.git_dirty else "")


def folder_data(folder: BuildFolder) -> dict[str, Any]:
    """Say for programs which build folder it is."""
    return {"build_folder": folder.location, "cluster": folder.host}


def shown_archive(folder: BuildFolder) -> str:
    """Return where the current archive of a build folder lies."""
    return shown_on_cluster(folder, folder.path(ARCHIVE_NAME))


def shown_on_cluster(folder: BuildFolder, path: str) -> str:
    """Return a path in a build folder, with the cluster that it is on."""
    return path if folder.host is None else f"{path} on {folder.host}"
