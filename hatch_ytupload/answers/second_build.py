"""Whether building again gives the same archive, and if not, what differs first."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from datetime import datetime, timezone
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.answers.artifacts import Artifact, open_archive
from hatch_ytupload.byte_reader import DigestingReader, no_progress
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.packing.build import build_bundle
from hatch_ytupload.packing.bundle import read_bundle
from hatch_ytupload.packing.compression import COMPRESSOR
from hatch_ytupload.packing.user_cache import cache_directory
from hatch_ytupload.reading.contents import places, read_contents, read_files, read_members
from hatch_ytupload.reading.file_changes import compare_files
from hatch_ytupload.wording import named_commit, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.byte_reader import Progress, Reader
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.bundle import Bundle
    from hatch_ytupload.reading.file_changes import FileChange
    from hatch_ytupload.reading.tar_members import Member

BYTES, CONTENT, NEITHER = "bytes", "content", "neither"
"""What of two archives agrees: every byte; the content of every file; not even that."""


class Agreement(NamedTuple):
    """How an archive compares with one that was built just now."""

    agrees: str
    """`bytes`, `content` or `neither`."""
    first_difference: str | None
    """In words."""
    files_differing: int
    sources: str | None
    """A remark if the sources are of another commit than the archive."""


def build_again(
    artifact: Artifact,
    project: Project,
    settings: Settings,
    *,
    environ: Mapping[str, str] | None = None,
    progress: Progress = no_progress,
) -> Agreement:
    """Build in a temporary directory, without a cache, and compare.

    Args:
        artifact: what to compare with; the files of the new one get its time.
        project: what to build.
        settings: of the pipeline.
        environ: the environment; the process's own where None.
        progress: called with how many bytes of how many have been read.

    Raises:
        ArtifactError: the artifact is damaged, has no archive, or is of another project.
        SourceError: the sources cannot be packed.
        SettingsError: something is wrong with the settings.
        BuildFolderError: the archive cannot be read.
    """
    manifest = artifact.manifest
    if manifest is not None and manifest.project.name != project.name:
        raise ArtifactError(
            f"`{artifact.shown}` is of the project `{one_line(manifest.project.name)}`, and this is "
            f"`{project.name}`; go to the other project's directory"
        )
    environ = dict(os.environ if environ is None else environ)
    if manifest is not None:
        environ["SOURCE_DATE_EPOCH"] = str(manifest.source_date_epoch)
    with ExitStack() as stack:
        old = stack.enter_context(artifact.opened())
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="hatch-ytupload-"))
        # Built without what earlier builds left; wheels are what their digests say.
        wheels = cache_directory(environ, lambda _text: None)
        built = build_bundle(project, settings, directory, wheels=wheels, environ=environ)
        bundle = read_bundle(built.archive)
        new = stack.enter_context(open_archive(built.archive))
        return _compare(artifact, old, bundle, new, progress)


def _compare(artifact: Artifact, old: Reader, bundle: Bundle, new: Reader, progress: Progress) -> Agreement:
    sources = _sources(artifact, bundle)
    with DigestingReader(old) as watched:
        contents = read_contents(watched, artifact.shown, progress=progress)
        digests = watched.digests()
    if digests.sha256 == bundle.manifest.archive.sha256:
        return Agreement(BYTES, None, 0, sources)
    changes = compare_files(contents.files, bundle.manifest.files)
    if changes:
        first = _other_file(changes[0], artifact, old, bundle, new)
        return Agreement(NEITHER, first, len(changes), sources)
    return Agreement(CONTENT, _other_header(artifact, old, new) or _other_compression(artifact, bundle), 0, sources)


def _sources(artifact: Artifact, bundle: Bundle) -> str | None:
    """Say that the archive was built from another state of the sources, where git knows."""
    then = artifact.manifest.git if artifact.manifest is not None else None
    now = bundle.manifest.git
    if then is None or now is None or then == now:
        return None
    built, here = (named_commit(git.commit, dirty=git.dirty) for git in (then, now))
    return f"the archive was built from {built}; the sources here are at {here}"


def _other_compression(artifact: Artifact, bundle: Bundle) -> str:
    """Say in which part the compressed bytes differ first."""
    here = f"this machine compresses with {COMPRESSOR}"
    if artifact.manifest is None:
        return f"the compressed bytes; {here}"
    before = {(place.part.name, place.part.sha256) for place in places(artifact.manifest) or ()}
    for part in bundle.manifest.parts:
        if (part.name, part.sha256) not in before:
            return f"the compressed bytes of the part `{one_line(part.name)}`; {here}"
    return f"the compressed bytes around the parts; {here}"


def _other_file(change: FileChange, artifact: Artifact, old: Reader, bundle: Bundle, new: Reader) -> str:
    shown = f"`{one_line(change.path)}`"
    if change.old is None:
        return f"{shown} is in the sources, and not in the archive"
    if change.new is None:
        return f"{shown} is in the archive, and not in the sources"
    if not change.content_changed:
        return f"the mode of {shown}: {one_line(change.old.mode)} in the archive, {change.new.mode} in the sources"
    wanted = {change.path}
    # Of the old archive everything is read: it is not what its manifest says, or is without one.
    before = read_files(old, None, wanted, artifact.shown).get(change.path)
    after = read_files(new, bundle.manifest, wanted, bundle.archive).get(change.path)
    sizes = f"{change.old.size} bytes in the archive, {change.new.size} in the sources"
    if before is None or after is None or b"\0" in before + after:
        return f"the content of {shown}: {sizes}"
    lines = zip_longest(before.split(b"\n"), after.split(b"\n"))
    number = next(number for number, (one, other) in enumerate(lines, 1) if one != other)
    return f"the content of {shown}, from line {number} on: {sizes}"


def _other_header(artifact: Artifact, old: Reader, new: Reader) -> str | None:
    """Say what differs first between archives that hold the same files."""
    pairs = zip(read_members(old, artifact.shown), read_members(new, "the new archive"), strict=True)
    for (before, _), (after, _) in pairs:
        difference = _header_difference(before, after)
        if difference:
            return difference
    return None


def _header_difference(before: Member, after: Member) -> str | None:
    shown = f"`{one_line(before.path)}`"
    if before.path != after.path:
        return f"the order: {shown} in the archive where `{one_line(after.path)}` comes now"
    if before.mtime != after.mtime:
        return f"the time of {shown}: {_time(before.mtime)} in the archive, {_time(after.mtime)} now"
    if (before.uid, before.gid, before.owner, before.group) != (after.uid, after.gid, after.owner, after.group):
        owner = one_line(f"{before.owner or before.uid}:{before.group or before.gid}")
        return f"the owner of {shown}: {owner} in the archive, nobody now"
    return None


def _time(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s"
