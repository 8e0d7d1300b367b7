"""`manifest.json`: what an archive is, what it holds and what it was made from."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hatch_ytupload.archive_layout import MANIFEST_NAME
from hatch_ytupload.configuration.values import describe
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.wording import one_line

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
        name: how messages call it.

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
        return Manifest(
            schema=SCHEMA,
            project=_one(ProjectInfo, content, "project"),
            archive=_one(ArchiveInfo, content, "archive"),
            content_sha256=_value(content, "content_sha256", (str,)),
            files=_many(FileInfo, content, "files"),
            stages=tuple(_stage(item) for item in _value(content, "stages", (list,))),
            modules=_many(ModuleInfo, content, "modules"),
            parts=_many(PartInfo, content, "parts") if "parts" in content else (),
            git=None if _value(content, "git", (dict, type(None))) is None else _one(GitInfo, content, "git"),
            source_date_epoch=_value(content, "source_date_epoch", (int,)),
            tool=_one(ToolInfo, content, "tool"),
        )
    except _DamageError as error:
        raise ArtifactError(f"`{name}` is damaged: {error}; build again") from None


class _DamageError(Exception):
    """What is wrong with one value."""


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "str | None": (str, type(None)),
}


def _value(item: Any, key: str, kinds: tuple[type, ...]) -> Any:  # noqa: ANN401 - the type is checked right here
    """Return a value of a JSON object that has one of these types; no number is negative."""
    if not isinstance(item, dict):
        raise _DamageError(f"an object with `{key}` is expected, found {describe(item)}")
    if key not in item:
        raise _DamageError(f"`{key}` is missing")
    value = item[key]
    # `type` rather than isinstance: true is no size.
    if type(value) not in kinds or (type(value) is int and value < 0):
        raise _DamageError(f"`{key}` is {describe(value)}")
    return value


def _one(cls: Any, content: Any, key: str) -> Any:  # noqa: ANN401 - a named tuple of the class that is asked for
    return _read(cls, [_value(content, key, (dict,))])[0]


def _many(cls: Any, content: Any, key: str) -> tuple[Any, ...]:  # noqa: ANN401 - JSON
    return tuple(_read(cls, _value(content, key, (list,))))


def _read(cls: Any, items: list[Any]) -> list[Any]:  # noqa: ANN401 - JSON
    """Return the named tuples that objects stand for."""
    types = [(name, _TYPES[str(kind.__forward_arg__)]) for name, kind in cls.__annotations__.items()]
    return [cls(*[_value(item, name, kinds) for name, kinds in types]) for item in items]


def _stage(item: Any) -> StageInfo:  # noqa: ANN401 - JSON
    requirements = _value(item, "requirements", (list, type(None)))
    return StageInfo(
        _value(item, "name", (str,)),
        _texts(_value(item, "operations", (list,)), "operations"),
        None if requirements is None else _texts(requirements, "requirements"),
    )


def _texts(items: list[Any], name: str) -> tuple[str, ...]:
    wrong = next((item for item in items if not isinstance(item, str)), "")
    if wrong != "":
        raise _DamageError(f"`{name}` holds {describe(wrong)}")
    return tuple(items)
