"""Fetching a release: its archive with what lies beside it, or its content, checked and put into a new directory."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.byte_reader import FileReader, blocks
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.reading.contents import read_members
from hatch_ytupload.reading.integrity import check_archive
from hatch_ytupload.releases.published import CURRENT, find_kept, write_archive
from hatch_ytupload.releases.records import archive_of
from hatch_ytupload.releases.signed import read_beside
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.releases.records import Record


class Fetched(NamedTuple):
    """A release that was fetched."""

    record: Record
    directory: str
    """Where it lies now, absolute."""


def fetch(
    folder: BuildFolder,
    release: str | None = None,
    directory: str | None = None,
    *,
    extract: bool = False,
    progress: Progress | None = None,
) -> Fetched:
    """Put a release into a directory of its own; nothing that exists is overwritten.

    Args:
        folder: where it is.
        release: its name or the beginning of it; None: the current one.
        directory: where to, absent or empty; None: a directory in this one that is named after the release.
        extract: put the files of the archive there instead of the archive and what lies beside it.
        progress: called with how many bytes of how many have come.

    Raises:
        ArtifactError: the release is damaged, or the directory cannot be written.
        BuildFolderError: there is no such release, or it cannot be read.
    """
    with find_kept(folder, CURRENT if release is None else release) as record:
        place = os.path.abspath(directory or record.release)
        temporary = f"{place}.{secrets.token_hex(8)}"
        missing = list(_missing(os.path.dirname(place)))
        try:
            if os.path.lexists(place) and (not os.path.isdir(place) or os.listdir(place)):
                raise ArtifactError(f"`{one_line(place)}` exists; name another directory with `--directory`")
            os.makedirs(temporary)
            _download(folder, record, temporary, extract=extract, progress=progress)
            # Where somebody has put something there meanwhile, this fails.
            os.rename(temporary, place)
        except OSError as error:
            raise ArtifactError(cannot("write", place, error)) from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            for parent in missing:
                # Those that hold something now stay.
                with suppress(OSError):
                    os.rmdir(parent)
    return Fetched(record, place)


def _missing(directory: str) -> Iterator[str]:
    """Yield a directory and those that it lies in, as far as they are not there, from the innermost on."""
    while not os.path.lexists(directory):
        yield directory
        directory = os.path.dirname(directory)


def _download(folder: BuildFolder, record: Record, directory: str, *, extract: bool, progress: Progress | None) -> None:
    manifest, beside = read_beside(folder, folder, record)
    path = os.path.join(directory, ARCHIVE_NAME)
    name = folder.path(archive_of(record.release))

    def counted() -> Iterator[bytes]:
        done = 0
        with folder.open(archive_of(record.release)) as reader:
            for block in blocks(reader):
                done += len(block)
                if progress is not None:
                    progress(done, reader.size)
                yield block

    write_archive(counted(), record.archive_sha256, path, name)
    with open(path, "rb") as file:
        reader = FileReader(file.fileno())
        check_archive(reader, manifest, name)
        if extract:
            _extract(reader, directory, name)
    if extract:
        os.unlink(path)
        return
    for name, content in beside.items():
        with open(os.path.join(directory, name), "xb") as target:
            target.write(content)


def _extract(archive: FileReader, directory: str, name: str) -> None:
    """Write the files of an archive, none of which leads out of it, into a directory that holds nothing else."""
    for member, chunks in read_members(archive, name):
        if member.path == ARCHIVE_NAME:
            raise ArtifactError(f"`{name}` holds a `{ARCHIVE_NAME}` itself; fetch it without `--extract`")
        path = os.path.join(directory, as_system_spells(member.path))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(path, flags, member.mode & 0o777), "wb") as file:
            file.writelines(chunks)
