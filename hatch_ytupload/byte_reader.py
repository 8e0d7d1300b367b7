"""Files as ranges of bytes, wherever they lie, the digests of them, and how far a reading or writing is."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from types import TracebackType

    from typing_extensions import Self

BLOCK_SIZE = 1 << 20
"""How much is read at once where nothing else decides it, in bytes."""

LARGEST_FILE = 16 << 20
"""How many bytes of a file are read into memory at most."""


class Reader(Protocol):
    """A file that is open for reading; what it gives belongs to one state of the file, whoever replaces it."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the content; shorter than asked for only at its end.

        Raises:
            BuildFolderError: it cannot be read.
        """


class Progress(Protocol):
    """Called with how far something is that may take long: a build, a transfer, a reading."""

    def __call__(self, done: int, size: int, /, counted: str = "") -> None:
        """Note how far it is.

        Args:
            done: bytes that are done.
            size: bytes there are.
            counted: what else is counted, such as `3 of 20 files`.
        """


def no_progress(_done: int, _size: int, /, counted: str = "") -> None:
    """Note nothing."""


class Tally:
    """The progress of several files, which go one after the other, as that of one transfer.

    Args:
        progress: called with how many bytes of how many are done of all that was announced.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._begun = 0
        self.expected = 0
        """How many bytes there will be in all, as far as anybody knows."""

    def next(self, size: int) -> Progress:
        """Return the progress of the next file, of so many bytes."""
        before, self._begun = self._begun, self._begun + size
        whole = max(self.expected, self._begun)
        return lambda done, _size, /, counted="": self._progress(before + done, whole, counted)


class FileReader:
    """A file on disk.

    Args:
        descriptor: of the file; closing it is up to whoever opened it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the content; shorter than asked for only at its end."""
        data = os.pread(self._descriptor, length, offset)
        # The system gives no more than 2 GiB at once.
        while len(data) < length and (more := os.pread(self._descriptor, length - len(data), offset + len(data))):
            data += more
        return data


def is_there(path: str) -> bool:
    """Tell whether there is something at a path, a link that leads nowhere included.

    What `os.path.lexists` cannot look at is not there for it, and would be overwritten.

    Raises:
        OSError: it cannot be told.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def regular_file(path: str, flags: int) -> int:
    """Open a file that somebody else has put there, as `opener` of `open`; nobody waits for the end of a FIFO.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind == stat.S_IFREG:
        return descriptor
    os.close(descriptor)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "it is no regular file", path)


def small_file(path: str) -> bytes:
    """Return the content of a file that somebody wrote by hand, or that describes others.

    Raises:
        OSError: it cannot be read, is no regular file, or so large that it is none of these.
    """
    with open(path, "rb", opener=regular_file) as file:
        if os.fstat(file.fileno()).st_size > LARGEST_FILE:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST_FILE >> 20} MiB", path)
        return file.read()


@contextmanager
def opened(path: str) -> Iterator[FileReader]:
    """Open a file on disk for reading.

    Raises:
        OSError: it cannot be opened, or is no regular file. That it cannot be closed is no error: what was read has
            been read.
    """
    descriptor = regular_file(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield FileReader(descriptor)
    finally:
        with suppress(OSError):
            os.close(descriptor)


def blocks(reader: Reader, start: int = 0, end: int | None = None, *, size: int = BLOCK_SIZE) -> Iterator[bytes]:
    """Read a range of a file block by block; it ends early where the file does.

    Args:
        reader: the file.
        start: where the range begins, in bytes.
        end: where it ends; None: where the file ends, even if that grows.
        size: of a block, in bytes.
    """
    while (length := size if end is None else min(size, end - start)) and (block := reader.read(start, length)):
        yield block
        start += len(block)


class Digests(NamedTuple):
    """Of a file's bytes."""

    size: int
    sha256: str
    md5: str


class DigestingReader:
    """A file that is digested while it is read from its start to its end, so that nothing is fetched twice.

    The digests are computed beside whoever reads, one block behind; a context manager, which waits for them.

    Args:
        reader: the file.
    """

    def __init__(self, reader: Reader) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._reader = reader
        self.size = reader.size
        self._position = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digests")
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the content; shorter than asked for only at its end."""
        data = self._reader.read(offset, length)
        if offset == self._position and data:
            self._wait()
            self._pending = self._pool.submit(self._update, data)
            self._position += len(data)
        return data

    def digests(self) -> Digests:
        """Read what nobody has read yet, and return the digests of all."""
        for _ in blocks(self, self._position):
            pass
        self._wait()
        return Digests(self._position, self._sha256.hexdigest(), self._md5.hexdigest())

    def _update(self, data: bytes) -> None:
        self._sha256.update(data)
        self._md5.update(data)

    def _wait(self) -> None:
        """Wait for the block before: no more than one is kept in memory."""
        if self._pending is not None:
            self._pending.result()


def sha256_of(data: Iterable[bytes]) -> str:
    """Return the SHA-256 of blocks, in hexadecimal digits."""
    digest = hashlib.sha256()
    for block in data:
        digest.update(block)
    return digest.hexdigest()
