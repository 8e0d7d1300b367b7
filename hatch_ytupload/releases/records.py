"""What a build folder says about its releases, in the attribute `ytupload` of its nodes, and what really lies there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME
from hatch_ytupload.build_folders.build_folder import FILE, FOLDER, RELEASES, md5_of
from hatch_ytupload.errors import ArtifactError, BuildFolderError
from hatch_ytupload.json_values import JsonValueError, read_item
from hatch_ytupload.packing.manifest import load_manifest, manifest_bytes
from hatch_ytupload.wording import listed, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Look, Node
    from hatch_ytupload.packing.manifest import Manifest

Kind = TypeVar("Kind")

_DIGITS = 12
# Of a record, what only those need who change the folder.
_OF_FOLDER = frozenset({"number", "prefix", "manifest_md5"})


@dataclass(frozen=True)
class Release:
    """The attribute `ytupload` of an archive."""

    project: str
    version: str
    content_sha256: str
    archive_sha256: str
    release: str
    """Its name."""
    git_commit: str | None
    git_dirty: bool | None
    published_by: str
    tool_version: str

    def attribute(self) -> dict[str, Any]:
        """Return it as the value of the attribute."""
        return {field.name: getattr(self, field.name) for field in fields(Release)}


@dataclass(frozen=True)
class Record(Release):
    """The attribute `ytupload` of a release's directory: the release, its archive, its place in the history."""

    size: int
    """Of the archive that the release holds, in bytes."""
    md5: str
    """Of that archive."""
    published_at: str
    """UTC, as ISO 8601. For people: clocks of different machines do not make an order."""
    previous: str | None
    """The release that was current when this one was published."""
    number: int
    """Counts the publishes of the build folder: the order of the history."""
    # What releases of earlier versions of this plugin do not have:
    made_current_by: str | None = None
    """Who published it again, promoted it or rolled back to it last; None: nobody since it was published."""
    made_current_at: str | None = None
    """When, as `published_at`."""
    pinned: bool = False
    """It is never pruned."""
    prefix: str | None = None
    """The SHA-256 of what its archive begins with, where the build folder keeps that; see `prefixes.py`."""
    promoted_from: dict[str, Any] | None = None
    """`build_folder`, `cluster` and `release` that it was copied from; None: it was published here."""
    signed_by: str | None = None
    """Who signed it, as its publisher saw it: for people, and no proof."""
    manifest_md5: str | None = None
    """Of the manifest: the digest that a build folder knows of each file, so that comparing it costs no request."""

    def record(self) -> dict[str, Any]:
        """Return it as the value of the attribute."""
        return asdict(self)

    def public(self) -> dict[str, Any]:
        """Return what is of interest outside of the build folder."""
        return {name: value for name, value in self.record().items() if name not in _OF_FOLDER}

    def made_current(self, user: str, now: datetime | None) -> Record:
        """Return it after somebody has made it current again; who published it first stays."""
        return replace(self, made_current_by=user, made_current_at=timestamp(now))


@dataclass(frozen=True)
class State:
    """A build folder at one moment."""

    nodes: Mapping[str, Node]
    """What lies directly in it."""
    history: tuple[Record, ...]
    """The releases, newest first."""
    missing: bool
    """There is no build folder yet."""

    @property
    def claimed(self) -> Release | None:
        """The release that the current archive says it is, whether it is or not."""
        node = self.nodes.get(ARCHIVE_NAME)
        return _parse(Release, node.attribute) if node is not None else None

    @property
    def current(self) -> Record | None:
        """The kept release whose archive really is the current one."""
        claimed = self.claimed
        record = self.find(claimed.release) if claimed is not None else None
        if claimed is None or record is None or record.content_sha256 != claimed.content_sha256:
            return None
        return record if holds(self.nodes[ARCHIVE_NAME], record) else None

    def find(self, name: str) -> Record | None:
        """Return a kept release."""
        return next((record for record in self.history if record.release == name), None)


def timestamp(time: datetime | None) -> str:
    """Return a time in UTC as records have it; None: this moment."""
    return (time or datetime.now(timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ")


def release_name(manifest: Manifest) -> str:
    """Return the name of the release that an archive becomes."""
    return f"{manifest.project.version}-{manifest.content_sha256[:_DIGITS]}"


def directory_of(release: str) -> str:
    """Return the directory of a release, relative to the build folder."""
    return f"{RELEASES}/{release}"


def archive_of(release: str) -> str:
    """Return the archive of a release, relative to the build folder."""
    return f"{RELEASES}/{release}/{ARCHIVE_NAME}"


def manifest_of(release: str) -> str:
    """Return the manifest of a release, relative to the build folder."""
    return f"{RELEASES}/{release}/{MANIFEST_NAME}"


def folder_and_release(path: str) -> tuple[str, str | None]:
    """Return the build folder of a path in Cypress, and the release that it names there; None: the current one."""
    path = path.rstrip("/").removesuffix(f"/{ARCHIVE_NAME}").removesuffix(f"/{MANIFEST_NAME}")
    above, _, name = path.rpartition("/")
    return (above.removesuffix(f"/{RELEASES}"), name) if above.endswith(f"/{RELEASES}") else (path, None)


def read_state(folder: Look) -> State:
    """Read what the build folder says about itself.

    Raises:
        BuildFolderError: it cannot be read.
    """
    return read_state_with(folder)[0]


def read_state_and(folder: Look, release: str) -> tuple[State, Mapping[str, Node]]:
    """Read the same, and list the files of a release, if there is one of that name.

    Raises:
        BuildFolderError: it cannot be read.
    """
    state, (files,) = read_state_with(folder, directory_of(release))
    return state, files or {}


def read_state_with(folder: Look, *directories: str) -> tuple[State, list[Mapping[str, Node] | None]]:
    """Read the same, and list directories of the build folder as they were then; None: there is no such directory.

    Raises:
        BuildFolderError: it cannot be read.
    """
    nodes, releases, *rest = folder.look("", RELEASES, *directories)
    records = [
        record
        for name, node in (releases or {}).items()
        # What is not ours has no attribute, and is no release.
        if node.kind == FOLDER and (record := _parse(Record, node.attribute)) is not None and record.release == name
    ]
    records.sort(key=lambda record: (-record.number, record.release))
    return State(nodes or {}, tuple(records), nodes is None), rest


def holds(node: Node | None, record: Record) -> bool:
    """Tell whether a file is the archive of a release, by its kind, size and MD5."""
    return node is not None and node.kind == FILE and node.size == record.size and node.md5() == record.md5


def is_whole(files: Mapping[str, Node], record: Record) -> bool:
    """Tell whether the files of a release are what its record says."""
    manifest = files.get(MANIFEST_NAME)
    if manifest is None or manifest.kind != FILE or not holds(files.get(ARCHIVE_NAME), record):
        return False
    return record.manifest_md5 in (None, manifest.md5())


def require_whole(folder: BuildFolder, files: Mapping[str, Node], record: Record) -> None:
    """Refuse a release whose files are not what its record says.

    Raises:
        BuildFolderError: they are not.
    """
    if not is_whole(files, record):
        raise BuildFolderError(
            f"the release `{record.release}` in `{folder.location}` is damaged: its files are not what was published; "
            "publish it again, or use another"
        )


def read_manifest(look: Look, folder: BuildFolder, record: Record) -> tuple[Manifest, bytes]:
    """Read the manifest of a release, parsed and as it is.

    Args:
        look: the folder, or a change of it.
        folder: for messages.
        record: of the release.

    Raises:
        ArtifactError: it is damaged, or of something else.
        BuildFolderError: it cannot be read.
    """
    name = folder.path(manifest_of(record.release))
    with look.open(manifest_of(record.release)) as file:
        data = manifest_bytes(file, name)
    manifest = load_manifest(data, name)
    found = (release_name(manifest), manifest.content_sha256, manifest.archive.sha256)
    # The name as well: an older release that somebody has signed is none under the name of a newer one.
    is_of_release = found == (record.release, record.content_sha256, record.archive_sha256)
    if not is_of_release or record.manifest_md5 not in (None, md5_of(data)):
        raise ArtifactError(f"`{name}` is not the manifest of this release; publish it again")
    return manifest, data


def find_release(folder: BuildFolder, state: State, name: str) -> Record:
    """Return a kept release by its name, by its version, or by what its name begins with.

    Raises:
        BuildFolderError: there is none, or more than one.
    """
    if not name:
        # As of a variable that is not set: it names nothing, and the beginning of every name.
        raise BuildFolderError("a release must have a name, found an empty one; `hatch-ytupload history` shows names")
    found = [record for record in state.history if record.release == name]
    # A version before those that begin alike: 1.0 is not 1.0rc1.
    found = found or [record for record in state.history if record.version == name]
    found = found or [record for record in state.history if record.release.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        names = listed(record.release for record in found)
        raise BuildFolderError(f"`{one_line(name)}` may be any of the releases {names}; write more of its name")
    raise BuildFolderError(
        f"`{folder.location}` keeps no release `{one_line(name)}`; `hatch-ytupload history` lists those it keeps"
    )


def _parse(kind: type[Kind], value: object) -> Kind | None:
    """Read an attribute that anybody may have written; None: it is no such thing."""
    try:
        return read_item(kind, value)
    except JsonValueError:
        return None
