"""The release that a pipeline shall run: found in a build folder, and checked to be whole."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.atomic_rename import replacing_file
from hatch_ytupload.errors import ArtifactError, BuildFolderError
from hatch_ytupload.reading.integrity import as_published
from hatch_ytupload.releases.records import (
    directory_of,
    find_release,
    read_manifest,
    read_state,
    read_state_and,
    release_name,
    require_whole,
)
from hatch_ytupload.releases.signed import require_signed
from hatch_ytupload.wording import listed, megabytes, named_commit, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.releases.records import Record, State
    from hatch_ytupload.releases.signatures import Signers

CURRENT = "current"
"""Names the release that is current, whichever that is."""

BUNDLE = "bundle"
"""Names, for a pipeline, the release that the bundle in the project's build directory would become."""

# Each time somebody has published between two requests.
_ROUNDS = 20
_PUBLISH = "publish it: `hatch publish -p ytupload` or `hatch-ytupload publish`"


class PublishedRelease(NamedTuple):
    """A release that was found whole."""

    record: Record
    manifest: Manifest
    is_current: bool

    def describe(self) -> str:
        """Say in a line which release it is."""
        record = self.record
        commit = f", {named_commit(record.git_commit, dirty=record.git_dirty)}" if record.git_commit else ""
        return one_line(
            f"Release {record.release} of {record.project} ({megabytes(record.size)}), "
            f"published {record.published_at} by {record.published_by}{commit}"
        )


def find_published(
    folder: BuildFolder,
    wanted: str,
    bundle: Callable[[], Manifest],
    *,
    held: ExitStack | None = None,
    signers: Signers | None = None,
) -> PublishedRelease:
    """Find the release that is asked for.

    Args:
        folder: where to look.
        wanted: `current`, `bundle`, or the name of a kept release, or what only its name begins with.
        bundle: gives the manifest of the local bundle; called only where that is asked for.
        held: until it is closed, nobody removes the release; None: until it was found.
        signers: whose signatures count; None: nobody is asked.

    Raises:
        BuildFolderError: there is no such release, it is not whole, or the build folder cannot be read.
        ArtifactError: there is no local bundle, a manifest is damaged, or nobody whose signature counts has signed it.
        SettingsError: signatures cannot be checked.
    """
    with ExitStack() as mine:
        record = (held or mine).enter_context(find_kept(folder, wanted, bundle))
        manifest, _ = read_manifest(folder, folder, record)
        if signers is not None:
            require_signed(folder, folder, record, signers)
        return PublishedRelease(record, manifest, read_state(folder).current == record)


@contextmanager
def find_kept(folder: BuildFolder, wanted: str, bundle: Callable[[], Manifest] | None = None) -> Iterator[Record]:
    """Find a release, and see to it that nobody removes it while the block runs.

    Args:
        folder: where to look.
        wanted: as `find_published` has it.
        bundle: as there; None: `bundle` has no meaning of its own.

    Raises:
        BuildFolderError: there is no such release, it is not whole, or the build folder cannot be read.
        ArtifactError: there is no local bundle, or its manifest is damaged.
    """
    for _ in range(_ROUNDS):
        record = _wanted(folder, read_state(folder), wanted, bundle)
        with folder.hold(directory_of(record.release)):
            state, files = read_state_and(folder, record.release)
            # Somebody may have published and pruned before we held it: then look again for what is meant.
            if state.find(record.release) == record:
                require_whole(folder, files, record)
                yield record
                return
    raise BuildFolderError(f"`{folder.location}` changes all the time; try again")


def _wanted(folder: BuildFolder, state: State, wanted: str, bundle: Callable[[], Manifest] | None) -> Record:
    if state.missing:
        raise BuildFolderError(f"there is no build folder `{folder.location}`; build the code and {_PUBLISH}")
    if wanted == CURRENT:
        return _current(folder, state)
    if wanted == BUNDLE and bundle is not None:
        return _of_bundle(folder, state, bundle())
    return find_release(folder, state, wanted)


def require_stages(manifest: Manifest, stages: Iterable[str], name: str) -> None:
    """Check that an archive has the code of stages.

    Args:
        manifest: of the archive.
        stages: their names.
        name: of the archive, for messages.

    Raises:
        ArtifactError: it lacks one.
    """
    packed = {stage.name for stage in manifest.stages}
    missing = [stage for stage in stages if stage not in packed]
    if missing:
        raise ArtifactError(
            f"{name} has no code of the enabled stage{'s' if len(missing) > 1 else ''} {listed(missing)}; "
            "build and publish again, or take them out of `stages.enabled_stages`"
        )


def write_archive(blocks: Iterable[bytes], sha256: str, path: str, name: str) -> None:
    """Write an archive, whole or not at all.

    Args:
        blocks: its bytes.
        sha256: what they have to be.
        path: where to.
        name: of where they come from, for messages.

    Raises:
        ArtifactError: they are something else.
        OSError: the file cannot be written.
    """
    with replacing_file(path) as file:
        file.writelines(as_published(blocks, sha256, name))


def _current(folder: BuildFolder, state: State) -> Record:
    record, claimed = state.current, state.claimed
    if record is not None:
        return record
    shown = f"`{folder.path(ARCHIVE_NAME)}`"
    if ARCHIVE_NAME not in state.nodes:
        raise BuildFolderError(f"there is no {shown}; build the code and {_PUBLISH}")
    if claimed is None:
        raise BuildFolderError(
            f"{shown} is no release: something else than this publisher has put it there; build the code and {_PUBLISH}"
        )
    raise BuildFolderError(
        f"{shown} says that it is the release `{one_line(claimed.release)}`, and is not what was published under that "
        "name; publish it again, or roll back to another"
    )


def _of_bundle(folder: BuildFolder, state: State, manifest: Manifest) -> Record:
    name = release_name(manifest)
    record = state.find(name)
    if record is None or record.content_sha256 != manifest.content_sha256:
        raise BuildFolderError(f"`{folder.location}` does not keep the local bundle's release `{name}`; {_PUBLISH}")
    return record
