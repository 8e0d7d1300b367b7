"""Reading and writing the files of a cluster in pieces, so that memory stays bounded and a lost piece is sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.build_folders.cypress.client import Command
from hatch_ytupload.build_folders.cypress.errors import CONFLICT, LOST, CypressError
from hatch_ytupload.build_folders.cypress.shapes import text, whole_number
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_ytupload.build_folders.build_folder import Content, Plain
    from hatch_ytupload.build_folders.cypress.client import Cluster
    from hatch_ytupload.byte_reader import Progress

_PIECE = 32 << 20
"""Bytes that are sent in one request, kept in memory until they have arrived."""

_RANGE = 8 << 20
"""Bytes that are read in one request."""


class CypressReader:
    """A file that is open for reading.

    Args:
        cluster: where.
        parameters: which file: path and transaction.
        shown: its name in messages.
        size: in bytes.
    """

    def __init__(self, cluster: Cluster, parameters: dict[str, Plain], shown: str, size: int) -> None:
        self._cluster = cluster
        self._parameters = parameters
        self._shown = shown
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Return a range of the content.

        Raises:
            CypressError: it cannot be read.
        """
        end = min(offset + length, self.size)
        pieces = []
        while offset < end:
            length = min(_RANGE, end - offset)
            pieces.append(
                self._cluster.read_file(f"read `{self._shown}`", length, **{**self._parameters, "offset": offset})
            )
            offset += length
        return b"".join(pieces)


class Written(NamedTuple):
    """What was sent to a file."""

    size: int
    """In bytes."""
    md5: str


def upload(
    cluster: Cluster, path: str, transaction_id: str, content: Content, progress: Progress, *, there: int = 0
) -> Written:
    """Write a file that exists, with its MD5.

    Args:
        cluster: where.
        path: of the file.
        transaction_id: whose lock on the file nobody else has.
        content: what to write.
        progress: called with how many bytes of how many have been sent.
        there: how many bytes the file has already, which are not sent.

    Raises:
        CypressError: it failed.
    """
    end = there
    for piece in _pieces(content.blocks(there), at_least=not there):
        _Piece(cluster, path, transaction_id, piece, end).send(progress, there, content.size)
        end += sum(map(len, piece))
    return Written(content.size, content.md5)


def arrival_of(paths: Iterable[str], transaction_id: str) -> list[Command]:
    """Return what asks for size and MD5 of files, as the cluster computed them from what it received.

    Args:
        paths: of the files.
        transaction_id: in which.
    """
    names = {"uncompressed_data_size": whole_number, "md5": text}
    return [
        Command("get", {"path": f"{path}/@{name}", "transaction_id": transaction_id}, shape)
        for path in paths
        for name, shape in names.items()
    ]


def compare_written(sent: Mapping[str, Written], answers: Sequence[Plain | CypressError]) -> None:
    """Compare what has arrived with what was sent.

    Args:
        sent: by path.
        answers: to `arrival_of` these paths.

    Raises:
        BuildFolderError: one of them is something else.
    """
    for answer in answers:
        if isinstance(answer, CypressError):
            raise answer
    for (path, written), size, md5 in zip(sent.items(), answers[::2], answers[1::2], strict=True):
        if (size, md5) != written:
            raise BuildFolderError(
                f"what arrived at `{path}` is not what was sent: {size} bytes with the MD5 {one_line(md5)} instead of "
                f"{written.size} bytes with the MD5 {written.md5}; nothing was published, try again"
            )


class _Piece:
    """A piece of a file, sent until it is there once."""

    def __init__(self, cluster: Cluster, path: str, transaction_id: str, blocks: list[bytes], offset: int) -> None:
        self._cluster = cluster
        self._path = path
        self._transaction_id = transaction_id
        self._blocks = blocks
        self._offset = offset
        self._action = f"write `{path}`"

    def send(self, progress: Progress, there: int, size: int) -> None:
        self._cluster.patiently(lambda attempt: self._try(attempt, self._counted(progress, there, size)), heavy=True)

    def _try(self, attempt: int, blocks: Iterator[bytes]) -> None:
        # The first piece replaces what is there, so it can be sent again. Whether a later one arrived, the size tells.
        if attempt > 1 and self._offset and self._has_arrived():
            return
        try:
            self._cluster.write(
                self._action,
                blocks,
                self._path,
                append=self._offset > 0,
                transaction_id=self._transaction_id,
            )
        except CypressError as error:
            # The last attempt, whose answer did not come, may be at work still and hold the file.
            if error.kind == CONFLICT and attempt > 1:
                error.passing = True
            raise

    def _has_arrived(self) -> bool:
        size = self._cluster.read(
            "get",
            self._action,
            whole_number,
            path=f"{self._path}/@uncompressed_data_size",
            transaction_id=self._transaction_id,
        )
        if size == self._offset + sum(map(len, self._blocks)):
            return True
        if size == self._offset:
            return False
        raise CypressError(f"cannot {self._action}: it has {size} bytes, which nobody sent; try again", LOST)

    def _counted(self, progress: Progress, there: int, size: int) -> Iterator[bytes]:
        """Give the blocks, and tell how much of what has to be sent is sent."""
        sent = self._offset - there
        for block in self._blocks:
            progress(sent, size - there)
            yield block
            sent += len(block)
        progress(sent, size - there)


def _pieces(blocks: Iterator[bytes], *, at_least: bool) -> Iterator[list[bytes]]:
    """Group blocks; no content is one piece without bytes where there has to be one."""
    piece: list[bytes] = []
    size = 0
    started = False
    for block in blocks:
        if piece and size + len(block) > _PIECE:
            yield piece
            started, piece, size = True, [], 0
        piece.append(block)
        size += len(block)
    if piece or (at_least and not started):
        yield piece
