"""The wheels of locks as files on this machine: kept by their SHA-256, fetched or built where they are missing."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import zipfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from hatch_ytupload.byte_reader import BLOCK_SIZE, blocks, no_progress, opened, regular_file
from hatch_ytupload.locking.download import DownloadError, Downloads, received
from hatch_ytupload.locking.lock_file import TOOL, LockError, without_credentials
from hatch_ytupload.locking.ways_out import INTO_THE_IMAGE
from hatch_ytupload.wording import cannot, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.locking.indexes import Indexes
    from hatch_ytupload.locking.lock_file import LockedWheel

_UNFINISHED = ".new-"
_UNUSED_SECONDS = 90 * 24 * 3600
_LONGEST_BUILD_SECONDS = 3600


class WheelFiles:
    """A directory of wheels, which several builds may use at once and anybody may delete.

    What is in it is named by its SHA-256, and nothing there is believed without.

    Args:
        directory: where; made when it is missing.
        environ: the environment.
        progress: called with how many bytes of how many have been fetched.
    """

    def __init__(self, directory: str, environ: Mapping[str, str], progress: Progress = no_progress) -> None:
        self.directory = directory
        self._environ = environ
        self._progress = progress

    def get(
        self, wheel: LockedWheel, indexes: Indexes, stage: str, build: Callable[[str, str], str] | None = None
    ) -> str:
        """Return the path of a wheel, which is fetched or built if it is not there.

        Args:
            wheel: of a lock.
            indexes: where it may be.
            stage: that needs it, for messages.
            build: makes a wheel from a source distribution, given its path and its name; returns the path.

        Raises:
            LockError: it cannot be had, or is not what was locked.
        """
        place = self.find(wheel.sha256)
        if place is not None:
            return place
        shown = wheel.of_stage(stage)
        try:
            if wheel.built_from is None or build is None:
                return self._fetch(wheel, Downloads(indexes, self._environ))
            source = wheel.built_from
            sdist = wheel._replace(file=source.file, url=source.url, sha256=source.sha256, size=None, built_from=None)
            return self.keep_built(build(self.get(sdist, indexes, stage), source.file), wheel)
        except DownloadError as error:
            raise LockError(f"{shown}: {error}") from None
        except OSError as error:
            raise LockError(f"{shown}: {cannot('write to', self.directory, error)}") from None

    def find(self, sha256: str) -> str | None:
        """Return the path of a file that is there and is what its name says; None: there is none."""
        place = os.path.join(self.directory, sha256)
        try:
            descriptor = regular_file(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        with open(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.sha256()
            while block := file.read(BLOCK_SIZE):
                digest.update(block)
        if digest.hexdigest() != sha256:
            with suppress(OSError):
                os.unlink(place)
            return None
        with suppress(OSError):  # used now; the time of its content stays
            os.utime(place, ns=(time.time_ns(), status.st_mtime_ns))
        return place

    def keep(self, content: Iterator[bytes], expected: str | None = None) -> tuple[str, str]:
        """Keep a file; return its path and SHA-256.

        Raises:
            DownloadError: it is not what is expected.
            OSError: it cannot be written.
        """
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=self.directory)
        try:
            digest = hashlib.sha256()
            with open(descriptor, "wb") as file:
                for block in content:
                    digest.update(block)
                    file.write(block)
            found = digest.hexdigest()
            if expected is not None and found != expected:
                raise DownloadError(  # noqa: TRY301 - what was written is removed below
                    f"its SHA-256 is {found[:12]}…, and {expected[:12]}… was locked: it was exchanged on the index, so "
                    f"ask its owner, or require another version and run `{TOOL} lock`"
                )
            place = os.path.join(self.directory, found)
            try:
                os.link(temporary, place)
            except OSError:
                # Another build may be packing the one that is there; and not every file system has links.
                if self.find(found) is None:
                    os.replace(temporary, place)
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._remove_unused()
        return place, found

    def keep_built(self, path: str, wheel: LockedWheel) -> str:
        """Keep a wheel that was built here, if it is the one that was locked.

        Raises:
            LockError: it has other bytes.
        """
        with opened(path) as reader:
            place, sha256 = self.keep(blocks(reader))
        if sha256 != wheel.sha256:
            raise LockError(
                f"`{wheel.file}`, built here from its sources, has other bytes than the one that was locked: "
                f"put that one on an index of yours and require it from there, or run `{TOOL} lock`"
            )
        return place

    def _fetch(self, wheel: LockedWheel, downloads: Downloads) -> str:
        """Fetch a file from where the machine's configuration leads, else from the URL in the lock."""
        problem: DownloadError | None = None
        try:
            for url in _places(wheel, downloads):
                with downloads.open(url) as answer:
                    return self.keep(self._blocks(answer, url, wheel), wheel.sha256)[0]
        except DownloadError as error:
            problem = error
        if wheel.url is not None and downloads.looks_elsewhere:
            with suppress(DownloadError), downloads.open(wheel.url) as answer:
                return self.keep(self._blocks(answer, wheel.url, wheel), wheel.sha256)[0]
        raise problem or _gone(wheel, downloads)

    def _blocks(self, answer: IO[bytes], url: str, wheel: LockedWheel) -> Iterator[bytes]:
        done = 0
        for block in received(answer, url):
            done += len(block)
            self._progress(done, wheel.size or done, wheel.file)
            yield block

    def _remove_unused(self) -> None:
        now = time.time()
        with suppress(OSError), os.scandir(self.directory) as entries:
            for entry in entries:
                limit = _LONGEST_BUILD_SECONDS if entry.name.startswith(_UNFINISHED) else _UNUSED_SECONDS
                with suppress(OSError):
                    if now - entry.stat(follow_symlinks=False).st_atime > limit:
                        os.unlink(entry.path)


def _gone(wheel: LockedWheel, downloads: Downloads) -> DownloadError:
    """Return the error for a file that no index has any more, or has with other bytes."""
    is_exchanged = any(found.name == wheel.file for found in downloads.files_of(wheel.name))
    what = "has another SHA-256 there than was locked" if is_exchanged else "is there no more"
    return DownloadError(
        f"`{wheel.file}` was looked for in {downloads.shown} and {what}: ask the owner of that index, name the one "
        f"that has it, or run `{TOOL} lock --upgrade-package {wheel.name}`"
    )


def _places(wheel: LockedWheel, downloads: Downloads) -> Iterator[str]:
    if wheel.url is not None and not downloads.looks_elsewhere:
        yield wheel.url
        return
    for found in downloads.files_of(wheel.name):
        if found.name == wheel.file and found.sha256 in (None, wheel.sha256):
            yield found.url


def refuse_path_files(path: str, wheel: LockedWheel, stage: str) -> None:
    """Check that a wheel works on PYTHONPATH.

    Raises:
        LockError: a `.pth` file at its top would not be obeyed, or it is no wheel.
    """
    shown = wheel.of_stage(stage)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise LockError(f"{shown}: `{wheel.file}` is no wheel: {one_line(error)}") from None
    for name in names:
        parts = name.split("/")
        in_data = parts[0].endswith(".data") and parts[1:2] in (["purelib"], ["platlib"])
        if parts[-1].endswith(".pth") and len(parts) == (3 if in_data else 1):
            raise LockError(
                f"{shown} has `{one_line(parts[-1])}` at its top, which Python obeys in a site directory only: require "
                f"another version, or {INTO_THE_IMAGE}"
            )


def url_for_all(url: str | None, path: str, *, is_shown: bool) -> str | None:
    """Return the URL that every machine may write into a lock; None: there is none.

    Mirrors of PyPI keep its paths, which hold a digest of the file: such a file is on PyPI.

    Args:
        url: where it was found; None: on disk.
        path: of the file.
        is_shown: others would write the host of another index there, too.
    """
    if url is None:
        return None
    with open(path, "rb") as file:
        digest = hashlib.blake2b(digest_size=32)
        while block := file.read(BLOCK_SIZE):
            digest.update(block)
    known = digest.hexdigest()
    place = f"/packages/{known[:2]}/{known[2:4]}/{known[4:]}/"
    bare = without_credentials(url)
    if place in bare:
        return f"https://files.pythonhosted.org{bare[bare.index(place) :]}"
    return bare if is_shown else None
