"""What a command is asked to look at: an archive on disk, in a build folder, or as its manifest alone."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME
from hatch_ytupload.build_folders.build_folder import FILE
from hatch_ytupload.byte_reader import blocks, no_progress, opened
from hatch_ytupload.configuration.values import UnexpectedValueError, cypress_path
from hatch_ytupload.errors import ArtifactError, BuildFolderError, SettingsError
from hatch_ytupload.file_names import as_text, shorter
from hatch_ytupload.packing.bundle import BUILD_IT, no_bundle
from hatch_ytupload.packing.manifest import load_manifest, manifest_bytes
from hatch_ytupload.reading.contents import ArchiveCopy, read_contents
from hatch_ytupload.releases.published import CURRENT
from hatch_ytupload.releases.records import (
    archive_of,
    directory_of,
    find_release,
    folder_and_release,
    read_manifest,
    read_state,
    read_state_and,
    release_name,
)
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Node
    from hatch_ytupload.byte_reader import Progress, Reader
    from hatch_ytupload.packing.manifest import FileInfo, Manifest
    from hatch_ytupload.releases.records import Record
    from hatch_ytupload.releases.signatures import Signers

_CHUNK = 4 << 20
_ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")


@dataclass(frozen=True)
class Artifact:
    """An archive, its manifest, or both; nothing of the archive has been read yet."""

    shown: str
    """Its name in messages, on one line."""
    manifest: Manifest | None
    open: Callable[[], AbstractContextManager[Reader]] | None
    """Opens the archive; None where there is a manifest alone."""
    size: int | None = None
    """Of the archive, in bytes, if that is known without opening it."""
    directory: str | None = None
    """Where it lies, if that is on disk and no build folder."""
    stored_md5: Callable[[], str | None] = lambda: None
    """Gives the MD5 as the build folder knows it."""
    manifest_data: bytes = b""
    """The manifest as it was read, byte by byte."""
    beside: Callable[[str], AbstractContextManager[Reader | None]] = lambda _name: nullcontext()
    """Opens what lies beside the manifest, by name; gives None where there is no such file."""
    is_published: bool = False
    """It lies in a build folder."""
    record: Record | None = None
    """Of the release that it is, where a build folder keeps it."""

    @contextmanager
    def opened(self) -> Iterator[Reader]:
        """Open the archive.

        Raises:
            ArtifactError: there is a manifest alone, or the archive cannot be opened.
            BuildFolderError: it cannot be read.
        """
        if self.open is None:
            raise ArtifactError(f"`{self.shown}` has no `{ARCHIVE_NAME}` beside it; build again")
        with self.open() as reader:
            yield reader

    @property
    def release(self) -> str | None:
        """The name of the release that it is, or would become."""
        return release_name(self.manifest) if self.manifest is not None else None


class Described(NamedTuple):
    """What is known about an artifact without looking at the content of files."""

    shown: str
    manifest: Manifest | None
    files: tuple[FileInfo, ...]
    """In the order of the archive."""
    content_sha256: str
    size: int
    """Of the archive, in bytes."""
    record: Record | None = None
    """Of the release that it is, where a build folder keeps it."""

    @property
    def unpacked(self) -> int:
        """The size of all files together, in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Whereabouts:
    """Where to look for artifacts; both are asked only when they are needed."""

    local: Callable[[], str]
    """Gives the place of the bundle of the project's current version."""
    folder: Callable[[str | None], BuildFolder]
    """Gives the build folder at a Cypress path; None: the project's own."""
    signers: Callable[[], Signers | None] = lambda: None
    """Gives whose signatures count; None: nobody is asked."""


def find_artifact(text: str | None, places: Whereabouts) -> Artifact:
    """Find what the user means.

    Args:
        text: path of an archive, of a bundle's directory or of a manifest; `//path` in Cypress of an archive or of a
            build folder; `current`; the name of a release. None: the local bundle.
        places: where to look.

    Raises:
        ArtifactError: there is none, or its manifest is damaged.
        BuildFolderError: there is no such release, or the build folder cannot be read.
        SettingsError: the build folder is not known.
    """
    if text is None:
        return _local(places.local())
    if text == CURRENT:
        return _current(places.folder(None))
    if text.startswith("//"):
        return _remote(text, places)
    if os.path.lexists(text):
        return _local(text)
    if "/" in text or text.endswith((*_ARCHIVE_SUFFIXES, ".json", ".ytarchive")):
        raise ArtifactError(f"there is no `{one_line(text)}`; {BUILD_IT}, or name another archive")
    return release_in(places.folder(None), text)


def release_in(folder: BuildFolder, name: str) -> Artifact:
    """Find a release in a build folder by its name, or by what its name begins with, whatever lies on disk.

    Raises:
        ArtifactError: its manifest is damaged.
        BuildFolderError: there is no such release, or it cannot be read.
    """
    record = find_release(folder, read_state(folder), name)
    node = read_state_and(folder, record.release)[1].get(ARCHIVE_NAME)
    if node is None or node.kind != FILE:
        raise BuildFolderError(f"`{record.release}` in `{folder.location}` has no archive; publish it again")
    return _kept(folder, archive_of(record.release), node, record)


def described(artifact: Artifact, *, progress: Progress = no_progress) -> Described:
    """Tell what an artifact holds: from its manifest if there is one, else by reading it.

    Args:
        artifact: what to look at.
        progress: called with how many bytes of how many have been read.

    Raises:
        ArtifactError: the archive is damaged, or plainly not that of its manifest.
        BuildFolderError: it cannot be read.
    """
    manifest = artifact.manifest
    if manifest is not None:
        size = manifest.archive.size if artifact.size is None else artifact.size
        if size != manifest.archive.size:
            raise ArtifactError(
                f"`{artifact.shown}` has {size} bytes, its manifest says {manifest.archive.size}; "
                "`hatch-ytupload verify` says more"
            )
        return Described(artifact.shown, manifest, manifest.files, manifest.content_sha256, size, artifact.record)
    with artifact.opened() as archive:
        contents = read_contents(archive, artifact.shown, progress=progress)
        return Described(artifact.shown, None, contents.files, contents.content_sha256, archive.size)


def _local(path: str) -> Artifact:
    if os.path.isdir(path):
        archive, manifest = os.path.join(path, ARCHIVE_NAME), os.path.join(path, MANIFEST_NAME)
    elif path.endswith(".json"):
        archive, manifest = os.path.join(os.path.dirname(path), ARCHIVE_NAME), path
    else:
        archive, manifest = path, os.path.join(os.path.dirname(path), MANIFEST_NAME)
    if not (os.path.isfile(archive) or os.path.isfile(manifest)):
        raise no_bundle(shorter(path))
    found, data = _read_manifest(manifest)
    if found is not None and archive == path and found.archive.name != os.path.basename(path):
        found = None  # of the archive beside this one
    beside = partial(_on_disk, os.path.dirname(manifest))
    if not os.path.isfile(archive):
        return Artifact(one_line(shorter(manifest)), found, None, manifest_data=data, beside=beside)
    directory = os.path.dirname(os.path.abspath(archive))
    opened = partial(open_archive, archive)
    return Artifact(
        one_line(shorter(archive)),
        found,
        opened,
        os.path.getsize(archive),
        directory,
        manifest_data=data,
        beside=beside,
    )


@contextmanager
def _on_disk(directory: str, name: str) -> Iterator[Reader | None]:
    path = os.path.join(directory, name)
    if not os.path.lexists(path):
        yield None
        return
    with open_archive(path) as reader:
        yield reader


def _read_manifest(path: str) -> tuple[Manifest | None, bytes]:
    try:
        with opened(path) as reader:
            name = one_line(shorter(path))
            data = manifest_bytes(reader, name)
            return load_manifest(data, name), data
    except FileNotFoundError:
        return None, b""
    except OSError as error:
        raise ArtifactError(cannot("read", path, error)) from None


@contextmanager
def open_archive(path: str) -> Iterator[Reader]:
    """Open an archive on disk.

    Raises:
        ArtifactError: it cannot be opened.
    """
    with ExitStack() as files:
        try:
            reader = files.enter_context(opened(path))
        except OSError as error:
            raise ArtifactError(cannot("read", path, error)) from None
        yield reader


def _remote(text: str, places: Whereabouts) -> Artifact:
    """Find an archive or a build folder at a Cypress path; an archive is what is named like one."""
    try:
        path = cypress_path(as_text(text))
    except UnexpectedValueError as error:
        raise SettingsError([f"the archive {error}"]) from None
    above, release = folder_and_release(path)
    if release is not None and read_state(places.folder(above)).find(release) is not None:
        return release_in(places.folder(above), release)
    if not path.endswith(_ARCHIVE_SUFFIXES):
        return _current(places.folder(path))
    above, _, name = path.rpartition("/")
    if above.count("/") <= 1:
        raise ArtifactError(f"`{one_line(path)}` lies in no build folder")
    return _current(places.folder(above), name)


def _current(folder: BuildFolder, name: str = ARCHIVE_NAME) -> Artifact:
    """Find the archive of a build folder, or of the directory of a release, with its manifest if one is there."""
    state = read_state(folder)
    node = state.nodes.get(name)
    shown = folder.path(name)
    if node is None or node.kind != FILE:
        if state.missing:
            raise ArtifactError(f"there is no build folder `{folder.location}`; publish first, or name another one")
        raise ArtifactError(f"there is no archive `{shown}`; publish first, or name another one")
    if MANIFEST_NAME in state.nodes:
        return _published(folder, name, node, "", _fetch_manifest(folder, MANIFEST_NAME))
    if name == ARCHIVE_NAME and state.current is not None:
        return _kept(folder, name, node, state.current)
    return _published(folder, name, node, None, (None, b""))


def _kept(folder: BuildFolder, path: str, node: Node, record: Record) -> Artifact:
    """Return an archive that is a release, or the copy of one."""
    manifest = read_manifest(folder, folder, record)
    return replace(_published(folder, path, node, directory_of(record.release), manifest), record=record)


def _published(
    folder: BuildFolder, path: str, node: Node, directory: str | None, manifest: tuple[Manifest | None, bytes]
) -> Artifact:
    """Return an archive in a build folder, with its manifest.

    Args:
        folder: where it lies.
        path: of it.
        node: what lies there.
        directory: where its manifest lies; None: it has none.
        manifest: parsed, and as it is.
    """
    found, data = manifest
    return Artifact(
        folder.path(path),
        found,
        partial(folder.open, path),
        node.size,
        stored_md5=node.md5,
        manifest_data=data,
        beside=Artifact.beside if directory is None else partial(_in_folder, folder, directory),
        is_published=True,
    )


@contextmanager
def _in_folder(folder: BuildFolder, directory: str, name: str) -> Iterator[Reader | None]:
    (nodes,) = folder.look(directory)
    if name not in (nodes or {}):
        yield None
        return
    with folder.open(_join(directory, name)) as reader:
        yield reader


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _fetch_manifest(folder: BuildFolder, path: str) -> tuple[Manifest, bytes]:
    with folder.open(path) as file:
        data = manifest_bytes(file, folder.path(path))
    return load_manifest(data, folder.path(path)), data


@contextmanager
def copy_of(artifact: Artifact, *, sha256: str | None = None, progress: Progress) -> Iterator[ArchiveCopy]:
    """Copy an archive, and remove the copy afterwards.

    Args:
        artifact: the archive.
        sha256: what it has to be; None: anything.
        progress: called with how many bytes of how many have been copied.

    Raises:
        ArtifactError: there is a manifest alone, the archive is something else, or it cannot be copied.
        BuildFolderError: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="hatch-ytupload-") as directory:
        path = os.path.join(directory, ARCHIVE_NAME)
        digest = hashlib.sha256()
        try:
            with artifact.opened() as reader, open(path, "wb") as file:
                for data in blocks(reader, end=reader.size, size=_CHUNK):
                    file.write(data)
                    digest.update(data)
                    progress(file.tell(), reader.size)
                if file.tell() < reader.size:
                    raise ArtifactError(f"`{artifact.shown}` ends after {file.tell()} of {reader.size} bytes")
        except OSError as error:
            raise ArtifactError(cannot("copy", artifact.shown, error)) from None
        if sha256 not in (None, digest.hexdigest()):
            raise ArtifactError(f"`{artifact.shown}` is not what its manifest says; publish it again")
        yield ArchiveCopy(path, artifact.shown)
