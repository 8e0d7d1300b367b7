"""`manifest.json`: what an archive is, what it holds and what it was made from."""

from __future__ import annotations

import hashlib
import json
import posixpath
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hatch_ytupload.archive_layout import MANIFEST_NAME
from hatch_ytupload.byte_reader import blocks, regular_file
from hatch_ytupload.configuration.values import UploadPath
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.json_values import JsonValueError, field_of, read_item, read_items, value_of
from hatch_ytupload.wording import describe, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_ytupload.byte_reader import Reader

Item = TypeVar("Item")

SCHEMA = 2
_quoted = json.encoder.encode_basestring
LARGEST = 32 << 20
"""In bytes: enough for two hundred thousand files; a larger manifest is not read into memory."""

# What is short as text may be large in memory: empty lists, for one. A file of an archive is five values.
_MOST_VALUES = 1_500_000
_MARKS = (b",", b"[", b"{")
_BATCH = 1000
# In bytes: the selection stands before all lists.
_HEAD = 1 << 16
_SELECTING = ("upload_modules", "upload_paths", "stages")


class ProjectInfo(NamedTuple):
    """The project that was built."""

    name: str
    version: str


class ArchiveInfo(NamedTuple):
    """The archive as a file; size in bytes."""

    name: str
    size: int
    sha256: str
    md5: str


class SbomInfo(NamedTuple):
    """The bill of materials beside the archive; size in bytes."""

    size: int
    sha256: str


class FileInfo(NamedTuple):
    """One member of the archive: size in bytes, mode as octal digits."""

    path: str
    size: int
    mode: str
    sha256: str


class StageInfo(NamedTuple):
    """One stage: its operations, and the lines of its requirements (None: it has no such file)."""

    name: str
    operations: tuple[str, ...]
    requirements: tuple[str, ...] | None


class ModuleInfo(NamedTuple):
    """One uploaded module and the installed distribution that it came from, if any."""

    name: str
    distribution: str | None
    version: str | None


class PartInfo(NamedTuple):
    """A run of whole gzip members: its sizes in bytes and the digest of the compressed bytes."""

    name: str
    size: int
    content_size: int
    sha256: str


class WheelInfo(NamedTuple):
    """One wheel in the archive: its size in bytes, the licence that its metadata tells, the stages that need it."""

    file: str
    name: str
    version: str
    sha256: str
    size: int
    licence: str | None
    stages: tuple[str, ...]


class TargetInfo(NamedTuple):
    """The Python and the platform that wheels were chosen for."""

    python: str
    platform: str


class Selection(NamedTuple):
    """What was asked for: settings that decide what is packed."""

    environment: str | None
    config: str | None
    """The pipeline's config, relative to the pipeline directory; None: none was read."""
    upload_modules: tuple[str, ...]
    upload_paths: tuple[UploadPath, ...]
    """Sources relative to the pipeline directory."""
    stages: str | tuple[str, ...]
    """`all` or names."""

    def differing(self, other: Selection) -> list[str]:
        """Return the keys that ask for something else in another selection, whatever the order."""
        return [key for key in _SELECTING if self._selected(key) != other._selected(key)]

    def listed(self, key: str) -> str:
        """Return what one of these keys asks for, with the key, for messages."""
        selected = self._selected(key)
        return f"`{key}` {one_line(selected if isinstance(selected, str) else ', '.join(selected) or 'none')}"

    def _selected(self, key: str) -> str | list[str]:
        value = getattr(self, key)
        if isinstance(value, str):
            return value
        return sorted(each if isinstance(each, str) else _path_and_place(each) for each in value)


def _path_and_place(path: UploadPath) -> str:
    """Write a path with its place in the archive, unless that is where it goes without saying."""
    source = posixpath.normpath(path.source)
    target = posixpath.normpath(path.target or posixpath.basename(source))
    return source if target == posixpath.basename(source) else f"{source} as {target}"


class GitInfo(NamedTuple):
    """The commit that was checked out, and whether the sources differed from it."""

    commit: str
    dirty: bool


class ToolInfo(NamedTuple):
    """What built the archive."""

    name: str
    version: str


class Manifest(NamedTuple):
    """Everything that is known about an archive."""

    schema: int
    project: ProjectInfo
    archive: ArchiveInfo
    content_sha256: str
    """The identity of a release, see `content_digest`."""
    files: tuple[FileInfo, ...]
    stages: tuple[StageInfo, ...]
    modules: tuple[ModuleInfo, ...]
    parts: tuple[PartInfo, ...]
    selection: Selection
    git: GitInfo | None
    source_date_epoch: int
    tool: ToolInfo
    wheels: tuple[WheelInfo, ...] = ()
    target: TargetInfo | None = None
    sbom: SbomInfo = SbomInfo(0, "")

    def dump(self) -> bytes:
        """Return the manifest as JSON text; the same manifest is always the same bytes."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Yield the same text piece by piece."""
        selection = {
            **self.selection._asdict(),
            "upload_paths": [path._asdict() for path in self.selection.upload_paths],
        }
        objects = {
            "schema": self.schema,
            "project": self.project._asdict(),
            "archive": self.archive._asdict(),
            "git": self.git and self.git._asdict(),
            "tool": self.tool._asdict(),
            "content_sha256": self.content_sha256,
            "source_date_epoch": self.source_date_epoch,
            "sbom": self.sbom._asdict(),
            "target": self.target and self.target._asdict(),
            "selection": selection,
        }
        lines = [f'"{name}": {_json(value)}' for name, value in objects.items()]
        lines += [f'"{name}": {_list(getattr(self, name))}' for name in ("stages", "modules", "wheels", "parts")]
        yield ("{\n" + ",\n".join(lines) + ',\n"files": [').encode()
        separator = b"\n"
        for batch in batches(self.files):
            yield separator + ",\n".join(map(_file_line, batch)).encode()
            separator = b",\n"
        yield b"\n]\n}\n" if self.files else b"]\n}\n"


def content_digest(files: Iterable[FileInfo]) -> str:
    """Return the identity of a content: the SHA-256 of a line for each file, sorted by the bytes of its path.

    A line is `<sha256> <644 or 755> <path>` and a NUL. So compression, order and times do not count.
    """
    digest = hashlib.sha256()
    # Letters sort as the bytes of their UTF-8 do; no two files have one path.
    for batch in batches(sorted(files)):
        lines = [f"{file.sha256} {octal_mode(int(file.mode, 8))} {file.path}\0" for file in batch]
        digest.update("".join(lines).encode())
    return digest.hexdigest()


def batches(files: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Give files some at a time: the text of all of them would be a good part of a build's memory."""
    for start in range(0, len(files), _BATCH):
        yield files[start : start + _BATCH]


def octal_mode(mode: int) -> str:
    """Return the mode of a file in an archive as octal digits: what counts is whether its owner may execute it."""
    return "755" if mode & stat.S_IXUSR else "644"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _list(items: Iterable[Any]) -> str:
    return _lines(_json(item._asdict()) for item in items)


def _lines(texts: Iterable[str]) -> str:
    """Return a list of objects, each on a line of its own."""
    text = ",\n".join(texts)
    return f"[\n{text}\n]" if text else "[]"


def _file_line(file: FileInfo) -> str:
    """Return a file as JSON; fast for a hundred thousand of them."""
    return f'{{"path":{_quoted(file[0])},"size":{file[1]},"mode":{_quoted(file[2])},"sha256":{_quoted(file[3])}}}'


def manifest_bytes(file: Reader, name: str) -> bytes:
    """Read the text of a manifest; memory is used for what is there, whatever size is announced.

    Raises:
        ArtifactError: it is too large, or ends before its end.
        BuildFolderError: it cannot be read.
        OSError: as above, of a file on disk.
    """
    if file.size > LARGEST:
        raise ArtifactError(f"`{name}` is too large for a manifest (more than {LARGEST} bytes)")
    data = b"".join(blocks(file, end=LARGEST))
    if len(data) < file.size:
        raise ArtifactError(f"`{name}` cannot be read to its end; try again")
    return data


def load_manifest(data: bytes, name: str = MANIFEST_NAME) -> Manifest:
    """Parse a manifest; keys that a later version of the same schema may add are passed over.

    Args:
        data: the JSON text.
        name: its name in messages.

    Raises:
        ArtifactError: it is no manifest of a schema we know.
    """
    if sum(map(data.count, _MARKS)) > _MOST_VALUES:
        raise ArtifactError(f"`{name}` is too large for a manifest (more than {_MOST_VALUES} values)")
    try:
        content = json.loads(data.decode())
        if b"\\ud" in data.lower():
            json.dumps(content, ensure_ascii=False).encode()  # halves of surrogate pairs cannot be written again
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"`{name}` is not valid JSON: {one_line(error)}; build again") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is not int or schema != SCHEMA:
        raise ArtifactError(f"`{name}` is no manifest of schema {SCHEMA} (found {describe(schema)}); build again")
    try:
        git, target = (value_of(content, name, dict, type(None)) for name in ("git", "target"))
        return Manifest(
            schema=SCHEMA,
            project=read_item(ProjectInfo, value_of(content, "project", dict)),
            archive=read_item(ArchiveInfo, value_of(content, "archive", dict)),
            content_sha256=value_of(content, "content_sha256", str),
            files=read_items(FileInfo, value_of(content, "files", list)),
            stages=read_items(StageInfo, value_of(content, "stages", list)),
            modules=read_items(ModuleInfo, value_of(content, "modules", list)),
            parts=read_items(PartInfo, value_of(content, "parts", list)),
            selection=_selection(value_of(content, "selection", dict)),
            git=None if git is None else read_item(GitInfo, git),
            source_date_epoch=value_of(content, "source_date_epoch", int),
            tool=read_item(ToolInfo, value_of(content, "tool", dict)),
            sbom=read_item(SbomInfo, value_of(content, "sbom", dict)),
            wheels=read_items(WheelInfo, value_of(content, "wheels", list)),
            target=None if target is None else read_item(TargetInfo, target),
        )
    except JsonValueError as error:
        raise ArtifactError(f"`{name}` is damaged: {error}; build again") from None


def selection_at(path: str) -> Selection | None:
    """Read what a bundle was made for, without the rest of its manifest; None: there is none, or it is damaged.

    Args:
        path: of the manifest.
    """
    start = b'"selection": '
    with suppress(OSError, RecursionError, ValueError), open(path, "rb", opener=regular_file) as file:
        for line in file.read(_HEAD).splitlines():
            if line.startswith(start):
                return _selection(json.loads(line[len(start) :].rstrip(b",")))
    return None


def _selection(item: dict[str, Any]) -> Selection:
    return Selection(
        environment=value_of(item, "environment", str, type(None)),
        config=value_of(item, "config", str, type(None)),
        upload_modules=field_of(item, "upload_modules", list),
        upload_paths=read_items(UploadPath, value_of(item, "upload_paths", list)),
        stages=field_of(item, "stages", str, list),
    )
