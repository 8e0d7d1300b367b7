"""`dist/<name>-<version>.ytarchive/`: the directory that a build leaves, replaced as a whole or not at all."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload import atomic_rename
from hatch_ytupload.archive_layout import ARCHIVE_NAME, BUNDLE_SUFFIX, MANIFEST_NAME
from hatch_ytupload.byte_reader import is_there, opened
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.file_lock import locked_directory
from hatch_ytupload.packing.manifest import load_manifest, manifest_bytes
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_ytupload.packing.manifest import Manifest

# A build makes its directory and locks it a moment later; younger ones are left alone.
_GRACE_SECONDS = 60

BUILD_IT = "build it: `hatch build -t ytarchive` or `hatch-ytupload build`"
"""What helps where there is no bundle."""


class Bundle(NamedTuple):
    """A bundle on disk and what its manifest says."""

    directory: str
    manifest: Manifest

    @property
    def archive(self) -> str:
        """Path of the archive."""
        return os.path.join(self.directory, ARCHIVE_NAME)


def bundle_directory(build_directory: str, file_name: str) -> str:
    """Return where the bundle of a project's version lies.

    Args:
        build_directory: such as `dist`.
        file_name: name and version, as in `Project.file_name`.
    """
    return os.path.join(build_directory, file_name + BUNDLE_SUFFIX)


def read_bundle(path: str) -> Bundle:
    """Read a bundle.

    Args:
        path: its directory, or the archive or manifest in it.

    Raises:
        ArtifactError: there is none, or its manifest is damaged. The archive's bytes are not checked here.
    """
    directory = os.path.dirname(os.path.abspath(path)) if os.path.isfile(path) else os.path.abspath(path)
    name = os.path.join(directory, MANIFEST_NAME)
    try:
        with opened(name) as reader:
            manifest = load_manifest(manifest_bytes(reader, one_line(name)), one_line(name))
    except FileNotFoundError:
        raise no_bundle(path) from None
    except OSError as error:
        raise ArtifactError(cannot("read", name, error)) from None
    if not os.path.isfile(os.path.join(directory, ARCHIVE_NAME)):
        raise ArtifactError(f"`{one_line(directory)}` has no `{ARCHIVE_NAME}`; build again")
    return Bundle(directory, manifest)


def no_bundle(path: str) -> ArtifactError:
    """Return the error that says that a path is no bundle, and what is."""
    with suppress(OSError):
        inside = [name for name in os.listdir(path) if name.endswith(BUNDLE_SUFFIX) and not name.startswith(".")]
        if inside:
            first = one_line(os.path.join(path, min(inside)))
            return ArtifactError(f"`{one_line(path)}` is no bundle; name one that lies in it, such as `{first}`")
    return ArtifactError(f"there is no bundle at `{one_line(path)}`; {BUILD_IT}")


@contextmanager
def replacing(directory: str) -> Iterator[str]:
    """Give an empty directory to fill; when the block ends well, it takes the bundle's place in one step.

    Whatever happens, the bundle is the old one or the new one, whole: two builds at once do not mix, and one that is
    killed leaves only a hidden directory, which a later build removes.

    Raises:
        ArtifactError: the directory cannot be written.
    """
    parent, name = os.path.split(directory)
    make_build_directory(parent)
    # Named before it is made: whatever interrupts this at whatever moment, it is found and removed.
    temporary = os.path.join(parent, f".{name}.{os.urandom(4).hex()}")
    try:
        try:
            _remove_abandoned(parent, name)
            os.mkdir(temporary)
        except OSError as error:
            raise ArtifactError(cannot("write", parent, error)) from None
        with locked_directory(temporary):
            yield temporary
            temporary = atomic_rename.replace_directory(temporary, directory) or temporary
    except OSError as error:
        raise ArtifactError(cannot("write", directory, error)) from None
    finally:
        # After the exchange this is the old bundle, or whatever had its name; nothing if a rename was enough.
        with suppress(OSError):
            _remove(temporary)


def make_build_directory(directory: str) -> None:
    """Make the directory that bundles go to, if it is not there.

    Raises:
        ArtifactError: it cannot be made, or is no directory.
    """
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise ArtifactError(cannot("write", directory, error)) from None


def remove_bundle(directory: str) -> None:
    """Remove a bundle and what killed builds of it left; nothing else.

    Raises:
        ArtifactError: it cannot be removed.
    """
    parent, name = os.path.split(directory)
    try:
        _remove_abandoned(parent, name)
        with suppress(FileNotFoundError):
            temporary = os.path.join(parent, f".{name}.{os.urandom(4).hex()}")
            # First away from its name, so that nobody ever sees half of it.
            os.rename(directory, temporary)
            _remove(temporary)
    except OSError as error:
        raise ArtifactError(cannot("remove", directory, error)) from None


def write_file(path: str, pieces: Iterable[bytes], mode: int = 0o644) -> None:
    """Write a new file, whose mode the umask restricts as that of any other."""
    with open(path, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
        file.writelines(pieces)


def _remove(path: str) -> None:
    """Remove a directory with all that is in it, or a file, or a link, if there is one."""
    if not os.path.lexists(path):
        return
    import shutil

    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _remove_abandoned(parent: str, name: str) -> None:
    """Remove the directories of builds that were killed, whose lock nobody holds; put back what they moved away."""
    place = os.path.join(parent, name)
    with suppress(FileNotFoundError):
        found = [entry for entry in os.scandir(parent) if entry.name.startswith(f".{name}.")]
        if not found:
            return
        import re
        import shutil

        pattern = re.compile(re.escape(f".{name}.") + rf"[a-z0-9_]{{8}}({re.escape(atomic_rename.ASIDE)})?")
        for entry in found:
            match = pattern.fullmatch(entry.name)
            if match is None:
                continue
            made = entry.path.removesuffix(match[1] or "")
            with suppress(OSError):
                if match[1] and not is_there(place):
                    # Killed between the two steps: this is the bundle.
                    with locked_directory(made if os.path.isdir(made) else entry.path):
                        os.rename(entry.path, place)
                # The age comes first: nobody holds the lock of a build that is about to take it.
                elif time.time() - entry.stat(follow_symlinks=False).st_mtime > _GRACE_SECONDS:
                    with locked_directory(entry.path):
                        shutil.rmtree(entry.path, ignore_errors=True)
