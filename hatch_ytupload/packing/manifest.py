"""`manifest.json`: what an archive is, what it holds and what it was made from."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hatch_ytupload.archive_layout import MANIFEST_NAME
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.json_values import JsonValueError, read_item, read_items, value_of
from hatch_ytupload.wording import describe, one_line

SCHEMA = 1
_OBJECTS = ("project", "archive", "git", "tool")
_LISTS = ("stages", "modules", "parts", "files")
LARGEST = 256 << 20
"""Bytes that no real manifest has; a larger file is not read into memory."""


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
    """Of the uncompressed tar stream: the identity of a release, whatever compressed it."""
    files: tuple[FileInfo, ...]
    stages: tuple[StageInfo, ...]
    modules: tuple[ModuleInfo, ...]
    parts: tuple[PartInfo, ...]
    git: GitInfo | None
    source_date_epoch: int
    tool: ToolInfo

    def dump(self) -> bytes:
        """Return the manifest as JSON text; the same manifest is always the same bytes."""
        lines = [f'"schema": {self.schema}']
        for name in _OBJECTS:
            value = getattr(self, name)
            lines.append(f'"{name}": {_json(None if value is None else value._asdict())}')
        lines += [f'"content_sha256": {_json(self.content_sha256)}', f'"source_date_epoch": {self.source_date_epoch}']
        lines += [f'"{name}": {_list(getattr(self, name))}' for name in _LISTS]
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _list(items: tuple[Any, ...]) -> str:
    """Return a list of objects, each on a line of its own; fast for a hundred thousand of them."""
    if not items:
        return "[]"
    first = items[0]._fields[0]
    text = _json([dict(zip(item._fields, item, strict=True)) for item in items])
    # A quote inside a string is escaped, so this is found between two objects only.
    return "[\n" + text[1:-1].replace(f'}},{{"{first}":', f'}},\n{{"{first}":') + "\n]"


def load_manifest(data: bytes, name: str = MANIFEST_NAME) -> Manifest:
    """Parse a manifest; keys that a later version of the same schema may add are passed over.

    Args:
        data: the JSON text.
        name: its name in messages.

    Raises:
        ArtifactError: it is no manifest of a schema we know.
    """
    if len(data) > LARGEST:
        raise ArtifactError(f"`{name}` is too large for a manifest (more than {LARGEST} bytes)")
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
        git = value_of(content, "git", dict, type(None))
        return Manifest(
            schema=SCHEMA,
            project=read_item(ProjectInfo, value_of(content, "project", dict)),
            archive=read_item(ArchiveInfo, value_of(content, "archive", dict)),
            content_sha256=value_of(content, "content_sha256", str),
            files=read_items(FileInfo, value_of(content, "files", list)),
            stages=read_items(StageInfo, value_of(content, "stages", list)),
            modules=read_items(ModuleInfo, value_of(content, "modules", list)),
            parts=read_items(PartInfo, value_of(content, "parts", list)) if "parts" in content else (),
            git=None if git is None else read_item(GitInfo, git),
            source_date_epoch=value_of(content, "source_date_epoch", int),
            tool=read_item(ToolInfo, value_of(content, "tool", dict)),
        )
    except JsonValueError as error:
        raise ArtifactError(f"`{name}` is damaged: {error}; build again") from None
