"""A bundle on its way out: whatever is wrong with it is found before a byte is sent."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME, SBOM_NAME, SIGNATURE_NAME, is_wrapper
from hatch_ytupload.build_folders.build_folder import Content
from hatch_ytupload.byte_reader import DigestingReader, FileReader, Reader, blocks, is_there, opened
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.packing.bundle import read_bundle
from hatch_ytupload.packing.manifest import Manifest, load_manifest, manifest_bytes
from hatch_ytupload.reading.contents import read_files
from hatch_ytupload.reading.integrity import check_archive
from hatch_ytupload.releases.records import release_name
from hatch_ytupload.releases.signatures import read_signature
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


# A version becomes a name in Cypress and on disk. What PEP 440 allows is all of this; `/`, spaces and the like are not.
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.!+_-]{0,127}")
_PROJECT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@contextmanager
def open_outgoing(
    path: str,
    *,
    project: str | None = None,
    standalone_wrappers: bool = False,
) -> Iterator[Outgoing]:
    """Open a bundle for publishing, and check it.

    Args:
        path: of the bundle's directory, or of the archive or manifest in it.
        project: whose bundle it has to be; None: anybody's.
        standalone_wrappers: its scripts shall lie beside the archive.

    Raises:
        ArtifactError: there is none, or it is not what its manifest says. Raised by reading the content, too: the
            archive may change after it was checked.
    """
    bundle = read_bundle(path)
    with ExitStack() as files:
        with _read_errors(path):
            name = os.path.join(bundle.directory, MANIFEST_NAME)
            with opened(name) as file:
                manifest_data = manifest_bytes(file, one_line(name))
            # Of these very bytes: another build may have put another bundle there.
            manifest = load_manifest(manifest_data, one_line(name))
            _check_names(manifest, bundle.directory, project)
            reader = files.enter_context(opened(bundle.archive))
            check_archive(reader, manifest, bundle.archive)
            scripts = read_wrappers(reader, manifest, bundle.archive) if standalone_wrappers else {}
            beside = {MANIFEST_NAME: manifest_data}
            sbom = os.path.join(bundle.directory, SBOM_NAME)
            with opened(sbom) as file:
                beside[SBOM_NAME] = read_sbom(file, manifest, sbom)
            signature = os.path.join(bundle.directory, SIGNATURE_NAME)
            if is_there(signature):
                with opened(signature) as file:
                    beside[SIGNATURE_NAME] = read_signature(file, one_line(signature))
        info = manifest.archive
        content = Content(info.size, info.md5, lambda start: _blocks(reader, manifest, bundle.archive, start))
        yield Outgoing(manifest, beside, content, scripts, bundle.directory)


def _check_names(manifest: Manifest, directory: str, project: str | None) -> None:
    """Refuse what must not become part of a path or an attribute."""
    shown = f"`{one_line(os.path.join(directory, MANIFEST_NAME))}`"
    commit = manifest.git.commit if manifest.git is not None else "0" * 40
    fields = {
        "project.name": (_PROJECT, manifest.project.name),
        "project.version": (_VERSION, manifest.project.version),
        "archive.name": (re.compile(re.escape(ARCHIVE_NAME)), manifest.archive.name),
        "archive.sha256": (_SHA256, manifest.archive.sha256),
        "archive.md5": (_MD5, manifest.archive.md5),
        "content_sha256": (_SHA256, manifest.content_sha256),
        "git.commit": (_COMMIT, commit),
    }
    for name, (pattern, value) in fields.items():
        if not pattern.fullmatch(value):
            raise ArtifactError(f"`{name}` in {shown} cannot be `{one_line(value[:80])}`; build again")
    if project is not None and manifest.project.name != project:
        raise ArtifactError(
            f"{shown} is of the project `{manifest.project.name}`, and this is `{one_line(project)}`; build again, or "
            "name the artifact to publish"
        )


def _blocks(reader: FileReader, manifest: Manifest, name: str, start: int) -> Iterator[bytes]:
    """Give the archive's bytes; when they are all of them, see to it that they are those that were checked."""
    with DigestingReader(reader) as watched:
        content = blocks(watched, start)
        while True:
            with _read_errors(name):
                block = next(content, None)
            if block is None:
                break
            yield block
        if start:
            return
        digests = watched.digests()
    if digests.sha256 != manifest.archive.sha256:
        raise ArtifactError(f"`{one_line(name)}` changed while it was being sent; nothing was published, try again")


@contextmanager
def _read_errors(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(f"there is no `{one_line(error.filename or path)}`; build again") from None
    except OSError as error:
        raise ArtifactError(cannot("read", error.filename or path, error)) from None


def read_sbom(file: Reader, manifest: Manifest, name: str) -> bytes:
    """Read the bill of materials that lies beside a manifest.

    Args:
        file: its bytes.
        manifest: what they should be.
        name: of the file, for messages.

    Raises:
        ArtifactError: it is not what the manifest says.
    """
    data = file.read(0, file.size) if file.size == manifest.sbom.size else b""
    if hashlib.sha256(data).hexdigest() != manifest.sbom.sha256:
        raise ArtifactError(f"`{one_line(name)}` is not what the manifest says; build and publish again")
    return data


def read_wrappers(archive: Reader, manifest: Manifest, name: str) -> dict[str, bytes]:
    """Return the wrapper scripts of an archive by name; only the part of it that holds them is read.

    Args:
        archive: its bytes.
        manifest: of that archive.
        name: of it, for messages.

    Raises:
        ArtifactError: they are not there, or not what the manifest says.
    """
    wanted = {file.path: file.sha256 for file in manifest.files if is_wrapper(file.path)}
    found = read_files(archive, manifest, wanted, name)
    for path, digest in wanted.items():
        if hashlib.sha256(found.get(path, b"")).hexdigest() != digest:
            raise ArtifactError(f"`{path}` in `{one_line(name)}` is not what the manifest says")
    return found


@dataclass(frozen=True)
class Outgoing:
    """What is to be published."""

    manifest: Manifest
    beside: Mapping[str, bytes]
    """What lies beside the archive in a release, by name: the manifest as it was built, byte by byte, and the rest."""
    archive: Content
    scripts: Mapping[str, bytes]
    """The wrapper scripts that shall lie beside the archive, by name."""
    bundle: str | None = None
    """Path of the bundle's directory; None: it is a kept release."""
    promoted_from: dict[str, str | None] | None = None
    """`build_folder`, `cluster` and `release` of a kept release; None: it is a bundle that was built."""
    signed_by: str | None = None
    """Who signed it, as far as that is known."""

    @property
    def release(self) -> str:
        """The name of the release."""
        return release_name(self.manifest)
