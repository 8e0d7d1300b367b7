"""The directory that a job runs in: made fresh, named as YT Framework's dev mode names its own, removed afterwards."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.configuration.project import DEV_DIRECTORY
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.file_lock import lock_directory
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

# The prefixes of yt-framework 1.4.4 (`yt/clients/_client_split/_client_dev_*`).
_PREFIXES = {"map": "sandbox_", "reduce": "sandbox_reduce_"}
_MAP_REDUCE_PREFIX = "sandbox_mr_"
_LONGEST_NAME = 80


class SandboxError(YtUploadError):
    """The directory for a job cannot be made."""


def sandbox_name(stage: str, operation: str, source: str, target: str) -> str:
    """Return the name of a sandbox.

    Args:
        stage: whose job it is.
        operation: what it runs.
        source: name of the table, or of the file, that the job reads.
        target: name of the one that it writes.

    >>> sandbox_name("parse", "map", "requests", "hits")
    'sandbox_requests->hits'
    """
    if operation == "vanilla":
        return f"{stage}_sandbox"
    prefix = _PREFIXES.get(operation, _MAP_REDUCE_PREFIX)
    return f"{prefix}{source[:_LONGEST_NAME]}->{target[:_LONGEST_NAME]}"


class Sandbox:
    """A directory that belongs to one run.

    Attributes:
        directory: its absolute path.
        keep: leave it there when the run is over.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.keep = False


@contextmanager
def fresh_sandbox(pipeline_dir: str, name: str, archive: str) -> Iterator[Sandbox]:
    """Give a directory that holds a copy of the archive and nothing else; remove it afterwards unless it is to stay.

    What an earlier run left under the name goes away.

    Args:
        pipeline_dir: absolute path of the pipeline directory.
        name: of the sandbox.
        archive: path of the archive.

    Raises:
        SandboxError: it cannot be made, or another run is in it.
    """
    directory = os.path.join(pipeline_dir, DEV_DIRECTORY, name)
    try:
        lock = _locked(directory)
    except BlockingIOError:
        raise SandboxError(
            f"another run is using the sandbox `{one_line(directory)}`: wait for it, "
            "or give `--input` or `--output` another name"
        ) from None
    except OSError as error:
        raise _cannot_make(directory, error) from None
    sandbox = Sandbox(directory)
    try:
        try:
            _empty(directory)
            shutil.copyfile(archive, os.path.join(directory, ARCHIVE_NAME))
        except OSError as error:
            raise _cannot_make(directory, error) from None
        yield sandbox
    finally:
        if not sandbox.keep:
            with suppress(OSError):
                _empty(directory)
                os.rmdir(directory)
        os.close(lock)


def _cannot_make(directory: str, error: OSError) -> SandboxError:
    return SandboxError(f"{cannot('make the sandbox', directory, error)}; remove it")


def _locked(directory: str) -> int:
    """Make a directory if it is missing and lock it; return the descriptor that holds the lock."""
    while True:
        with suppress(FileExistsError):
            os.makedirs(directory)
        descriptor = lock_directory(directory)
        # The run that held it may have removed it since.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.lstat(directory)):
                return descriptor
        os.close(descriptor)


def _empty(directory: str) -> None:
    """Remove what is in a directory, however deep, and though a job may have taken its own permissions away."""
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(top, stat.S_IRWXU)
        numbers = count()
        while names := os.listdir(top):
            for name in names:
                _remove(name, top, numbers)
    finally:
        os.close(top)


def _remove(name: str, top: int, numbers: Iterator[int]) -> None:
    """Remove an entry of a directory; what lies in it, if it is one itself, moves up: paths never get too long."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
        os.unlink(name, dir_fd=top)
        return
    os.chmod(name, stat.S_IRWXU, dir_fd=top)
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for inner in os.listdir(below):
            if stat.S_ISDIR(os.lstat(inner, dir_fd=below).st_mode):
                os.chmod(inner, stat.S_IRWXU, dir_fd=below)
                os.rename(inner, f".removed-{next(numbers)}", src_dir_fd=below, dst_dir_fd=top)
            else:
                os.unlink(inner, dir_fd=below)
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=top)
