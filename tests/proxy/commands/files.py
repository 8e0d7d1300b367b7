"""Commands on files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.commands.command import Command, Download, Request, changing, reading
from proxy.parameters import Parameters, RichPath

if TYPE_CHECKING:
    from proxy.files import Upload
    from proxy.formats import Value


def _write_file(request: Request) -> Upload:
    parameters = request.parameters
    path = parameters.path("path")
    compute_md5 = parameters.boolean("compute_md5")
    writer = parameters.map("file_writer") or {}
    parameters.finish()
    chunk_size = _writer_chunk_size(writer)
    call = request.call(path.text, "GetBasicAttributes")
    return request.master.files.begin(
        path.text, call, append=path.append, compute_md5=compute_md5, chunk_size=chunk_size
    )


def _writer_chunk_size(writer: dict[str, Value]) -> int | None:
    inner = Parameters(writer)
    chunk_size = inner.optional_integer("desired_chunk_size", minimum=1)
    for name in ("upload_replication_factor", "min_upload_replication_factor"):
        inner.optional_integer(name, minimum=1)
    inner.boolean("enable_early_finish")
    inner.finish()
    return chunk_size


def _read_file(request: Request) -> Download:
    parameters = request.parameters
    path = parameters.path("path").text
    offset, length = parameters.optional_integer("offset") or 0, parameters.optional_integer("length")
    parameters.map("file_reader")
    parameters.finish()
    call = request.call(path, "GetBasicAttributes")
    node = request.master.files.find(path, call, "read")
    revision = max(node.content_revision(call.transaction), node.attribute_revision(call.transaction))
    content = node.content(call.transaction)
    return Download(content.read(offset, length), {"id": node.id, "revision": revision})


def _concatenate(request: Request) -> Value:
    parameters = request.parameters
    sources: list[RichPath] = parameters.paths("source_paths")
    destination = parameters.path("destination_path")
    parameters.finish()
    call = request.call(destination.text, "GetBasicAttributes")
    request.master.files.concatenate([path.text for path in sources], destination.text, call, append=destination.append)
    return {}


def _get_file_from_cache(request: Request) -> Value:
    parameters = request.parameters
    md5, cache_path = parameters.string("md5"), parameters.path("cache_path").text
    parameters.finish()
    return request.master.files.cached(md5, cache_path, request.call(cache_path))


def _put_file_to_cache(request: Request) -> Value:
    parameters = request.parameters
    path, md5 = parameters.path("path").text, parameters.string("md5")
    cache_path = parameters.path("cache_path").text
    parameters.finish()
    return request.master.files.put_to_cache(path, md5, cache_path, request.call(path))


COMMANDS = (
    Command("write_file", "binary", "structured", is_volatile=True, is_heavy=True, handler=_write_file),
    Command("read_file", "null", "binary", is_volatile=False, is_heavy=True, handler=_read_file),
    changing("concatenate", _concatenate),
    reading("get_file_from_cache", _get_file_from_cache),
    changing("put_file_to_cache", _put_file_to_cache),
)
