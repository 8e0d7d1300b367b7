"""The members of a tar stream that we did not write: formats of GNU, POSIX (pax) and older ones, read with suspicion.

Python's tarfile takes headers of any size into memory and lets links and devices pass, which are no part of an archive
of code. Jobs extract with GNU tar: a header that it may read in another way than we do is refused, not interpreted.
Formats: the manual of GNU tar, "Basic Tar Format"; POSIX.1-2017, `pax`, "ustar Interchange Format".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.packing.tar_format import BLOCK, LATEST_TIME
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.reading.gzip_members import Unpacked

_REGULAR = (b"0", b"\0", b"7")
_DIRECTORY = b"5"
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"K": "a link with a long name",
    b"S": "a sparse file",
}
_LONG_NAME, _PAX, _PAX_GLOBAL = b"L", b"x", b"g"
# The numbers that GNU tar looks for in a pax header; signs, blanks and the like it reads in its own way.
_PAX_NUMBERS = {
    "size": re.compile(rb"[0-9]{1,18}"),
    **dict.fromkeys(("uid", "gid"), re.compile(rb"[0-9]{1,10}")),
    **dict.fromkeys(("mtime", "atime", "ctime"), re.compile(rb"[0-9]{1,18}(\.[0-9]{1,18})?")),
}
_PAX_KEY = re.compile(rb"[!-<>-~]([ -<>-~]*[!-<>-~])?")
# What a header for all members may say: `git archive` writes the commit there.
_PAX_FOR_ALL = {"comment"}
# PATH_MAX and NAME_MAX of Linux; the names of a million members of an archive are far below the last one.
_LONGEST_PATH = 4096
_LONGEST_NAME = 255
_LARGEST_HEADER = 1 << 20
_MOST_NAMES = 256 << 20
_COST_OF_NAME = 64
_MOST_PADDING = 1 << 20
_CHUNK = 1 << 20


class Member(NamedTuple):
    """The header of a regular file."""

    path: str
    """Inside the archive: names with `/` between them, none of which is empty, `.` or `..`."""
    size: int
    mode: int
    """Permission bits."""
    mtime: float
    """Seconds since 1970."""
    uid: int
    gid: int
    owner: str
    group: str


class Members:
    """The regular files of a tar stream, in its order; iterate over it once.

    What is iterated over is a header and the chunks of its content; those that nobody reads are passed over.

    Args:
        stream: the uncompressed bytes.
        whole: the stream is a whole archive, which has an end mark, not a run of members out of one.
    """

    def __init__(self, stream: Unpacked, *, whole: bool = True) -> None:
        self._stream = stream
        self._whole = whole
        self._names: set[str] = set()
        self._directories: set[str] = set()
        self._cost = 0

    def __iter__(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Yield header and content.

        Raises:
            ArtifactError: the archive is damaged, or holds what no archive of code does: anything but regular files and
                directories, two members of one name, a name that leads out of it.
        """
        name: bytes | None = None
        pax: dict[str, bytes] | None = None
        while (fields := self._next_header()) is not None:
            if fields.kind == _LONG_NAME and name is None and pax is None:
                name = self._long_name(self._header_content(fields.size))
                continue
            if fields.kind == _PAX and name is None and pax is None:
                pax = self._records(self._header_content(fields.size))
                continue
            if fields.kind == _PAX_GLOBAL and name is None and pax is None:
                self._refuse_global(self._records(self._header_content(fields.size)))
                continue
            if fields.kind in (_LONG_NAME, _PAX, _PAX_GLOBAL):
                raise self._stream.damaged("a member in it is announced more than once")
            member = self._member(fields, name, pax or {})
            name, pax = None, None
            if member is None:
                continue
            content = _Content(self._stream, member)
            yield member, iter(content)
            content.skip()
        if name is not None or pax is not None:
            raise self._stream.damaged("it ends where a member is announced")
        self._refuse_files_as_directories()

    def _next_header(self) -> Fields | None:
        block = self._stream.read(BLOCK)
        if not block and not self._whole:
            return None
        if len(block) < BLOCK:
            raise self._stream.damaged("it ends without the mark that ends an archive")
        if not block.strip(b"\0"):
            self._end()
            return None
        try:
            return parse_header(block)
        except ValueError:
            place = self._stream.position - BLOCK
            raise self._stream.damaged(f"byte {place} of its content begins no header") from None

    def _end(self) -> None:
        """Read what follows the end mark: nothing but empty blocks."""
        padding = BLOCK
        while chunk := self._stream.some(_CHUNK):
            padding += len(chunk)
            if padding > _MOST_PADDING or chunk.strip(b"\0"):
                raise self._stream.damaged("it goes on after the mark that ends an archive")
        if padding < 2 * BLOCK or padding % BLOCK:
            raise self._stream.damaged("it ends without the whole mark that ends an archive")

    def _header_content(self, size: int) -> bytes:
        """Read the content of a member that only announces another one."""
        if size > _LARGEST_HEADER:
            raise self._stream.refused(f"holds a header of {size} bytes, which no archive of code needs")
        content = self._stream.read(size + -size % BLOCK)
        if len(content) < size + -size % BLOCK:
            raise self._stream.damaged("it ends within a header")
        return content[:size]

    def _long_name(self, content: bytes) -> bytes:
        """Return the name of GNU's header for long ones, which ends at its first NUL; without one tar reads on."""
        name = content.rstrip(b"\0")
        if name == content or b"\0" in name:
            raise self._stream.damaged("a long name in it is broken")
        return name

    def _records(self, content: bytes) -> dict[str, bytes]:
        """Parse the records of a pax header: length, space, key, `=`, value, line feed."""
        broken = self._stream.damaged("an extended header in it is broken")
        records = {}
        while content:
            length, space, _ = content.partition(b" ")
            if not space or not length.isdigit() or len(length) > len(str(_LARGEST_HEADER)):
                raise broken
            size = int(length)
            key, equals, value = content[len(length) + 1 : size].partition(b"=")
            if not equals or size > len(content) or not value.endswith(b"\n") or not _PAX_KEY.fullmatch(key):
                raise broken
            records[key.decode("ascii")] = value[:-1]
            content = content[size:]
        if any(key in records and not number.fullmatch(records[key]) for key, number in _PAX_NUMBERS.items()):
            raise broken
        if any(int(records.get(key, b"0")) > _LARGEST_ID for key in ("uid", "gid")):
            raise broken
        if any(key.startswith("GNU.") for key in records):
            raise self._stream.refused("holds a sparse file, and only regular files belong into an archive of code")
        return records

    def _refuse_global(self, records: dict[str, bytes]) -> None:
        if set(records) - _PAX_FOR_ALL:
            raise self._stream.refused("holds a header that changes all that follow, and is not read any further")

    def _member(self, fields: Fields, long_name: bytes | None, pax: dict[str, bytes]) -> Member | None:
        """Return a regular file, None for a directory."""
        written = pax.get("path", long_name if long_name is not None else fields.name)
        shown = f"`{one_line(written[:_LONGEST_PATH].decode('utf-8', 'backslashreplace'))}`"
        if fields.kind not in (*_REGULAR, _DIRECTORY):
            kind = _REFUSED.get(fields.kind, "a member of an unknown kind")
            raise self._stream.refused(f"holds {shown}, {kind}, and only regular files belong into an archive of code")
        path = self._path(written, shown)
        size = int(pax["size"]) if "size" in pax else fields.size
        mtime = float(pax["mtime"]) if "mtime" in pax else fields.mtime
        if mtime > LATEST_TIME:
            raise self._stream.refused(f"holds {shown} with a time that not every reader takes")
        if fields.kind == _DIRECTORY or (fields.kind == b"\0" and written.endswith(b"/")):
            if size:
                raise self._stream.damaged(f"the directory {shown} has a content")
            self._add_name(self._directories, path, shown, again=True)
            return None
        if not path or path.rpartition("/")[2].encode() != written.rpartition(b"/")[2]:
            raise self._stream.refused(f"holds a file with the name {shown}, which is none")
        self._stream.expect(size, shown)
        self._add_name(self._names, path, shown)
        return Member(path, size, fields.mode, mtime, fields.uid, fields.gid, fields.owner, fields.group)

    def _path(self, written: bytes, shown: str) -> str:
        longest = max(map(len, written.split(b"/")))
        if len(written) > _LONGEST_PATH or longest > _LONGEST_NAME:
            most = f"{_LONGEST_PATH} are the most, {_LONGEST_NAME} for each part of it"
            raise self._stream.refused(f"holds a name of {len(written)} bytes; {most}")
        try:
            names = written.decode("utf-8").split("/")
        except UnicodeDecodeError:
            raise self._stream.refused(f"holds the name {shown}, which is not UTF-8") from None
        if written.startswith(b"/"):
            raise self._stream.refused(f"holds the absolute path {shown}, which leads out of it")
        if ".." in names:
            raise self._stream.refused(f"holds the path {shown}, which leads out of it")
        if b"\0" in written:
            raise self._stream.refused(f"holds the name {shown}, which no file can have")
        return "/".join(name for name in names if name not in ("", "."))

    def _add_name(self, known: set[str], path: str, shown: str, *, again: bool = False) -> None:
        if path in known:
            if again:
                return
            raise self._stream.refused(f"holds {shown} twice: which of the two a job would see is not certain")
        known.add(path)
        self._cost += len(path) + _COST_OF_NAME
        if self._cost > _MOST_NAMES:
            raise self._stream.refused("holds more names than any archive of code, and is not read any further")

    def _refuse_files_as_directories(self) -> None:
        """Refuse a file that is a directory too: extracting one of them would remove the other, or fail."""
        # NUL sorts before everything, so that what is below a path follows it at once.
        above = ""
        for path in sorted(self._names, key=lambda path: path.replace("/", "\0")):
            if path in self._directories or (above and path.startswith(f"{above}/")):
                both = above if above and path.startswith(f"{above}/") else path
                raise self._stream.refused(f"holds `{one_line(both)}` as a file and as a directory")
            above = path


class _Content:
    """The content of a member, to be read before the next one."""

    def __init__(self, stream: Unpacked, member: Member) -> None:
        self._stream = stream
        self._shown = one_line(member.path)
        self._left = member.size
        self._padding = -member.size % BLOCK

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            chunk = self._stream.some(min(self._left, _CHUNK))
            if not chunk:
                raise self._stream.damaged(f"it ends within `{self._shown}`")
            self._left -= len(chunk)
            yield chunk

    def skip(self) -> None:
        """Pass over what was not read, and the padding."""
        for _ in self:
            pass
        if len(self._stream.read(self._padding)) < self._padding:
            raise self._stream.damaged(f"it ends after `{self._shown}`")


# Octal digits, blanks before them and an end after them: what every writer writes and every reader reads alike.
_OCTAL = re.compile(rb" *([0-7]+)[ \0]+")
# The first byte says: no octal digits but a binary number, which GNU tar writes where those do not suffice.
_BINARY = b"\x80"
# Of Linux; the last one of 32 bits says that there is none.
_LARGEST_ID = (1 << 32) - 2


class Fields(NamedTuple):
    """What a block says before extensions change it."""

    name: bytes
    size: int
    kind: bytes
    mode: int
    mtime: float
    uid: int
    gid: int
    owner: str
    group: str


def parse_header(block: bytes) -> Fields:
    """Parse a header block.

    Raises:
        ValueError: it is none, or readers may read it differently.
    """
    if _octal(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError
    name = _text(block[:100])
    # GNU's own format has other things where POSIX has the first part of a long name.
    if block[257:263] == b"ustar\0" and block[345] != 0:
        name = _text(block[345:500]) + b"/" + name
    owners = block[257:262] == b"ustar"
    uid, gid = _number(block[108:116]), _number(block[116:124])
    if max(uid, gid) > _LARGEST_ID:
        raise ValueError
    return Fields(
        name=name,
        size=_number(block[124:136]),
        kind=block[156:157],
        mode=_octal(block[100:108]) & 0o7777,
        mtime=_number(block[136:148]),
        uid=uid,
        gid=gid,
        owner=_owner(block[265:297]) if owners else "",
        group=_owner(block[297:329]) if owners else "",
    )


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


# What these read stands in header after header.
@lru_cache(maxsize=256)
def _owner(field: bytes) -> str:
    return _text(field).decode("utf-8", "backslashreplace")


@lru_cache(maxsize=256)
def _number(field: bytes) -> int:
    return int.from_bytes(field[1:], "big") if field[:1] == _BINARY else _octal(field)


def _octal(field: bytes) -> int:
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise ValueError
    return int(match[1], 8)
