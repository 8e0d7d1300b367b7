"""The commands of API v3 and v4: their descriptors, their parameters, and what each does.

Descriptors (input, output, volatile, heavy) are those of the driver (yt/yt/client/driver/driver.cpp; README.md).
To add a command, write a function that takes a `Request` and gives its answer, and register it in `_TABLE`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from proxy.attributes import parse_time
from proxy.errors import ServerError
from proxy.formats import Value, is_entity
from proxy.locks import LockRequest
from proxy.mutations import part_id
from proxy.nodes import LockMode
from proxy.parameters import Parameters, RichPath, type_name
from proxy.security import PERMISSIONS
from proxy.transactions import NULL_ID
from proxy.tree import Call
from proxy.verbs import CopyOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.files import Upload
    from proxy.master import Master

DataType = Literal["null", "structured", "binary"]


@dataclasses.dataclass(frozen=True)
class Single:
    """An answer of one value: API v4 puts it into a map under its name, v3 gives it alone."""

    name: str
    value: Value


@dataclasses.dataclass(frozen=True)
class Download:
    """An answer that is streamed, and the parameters that go before it."""

    blocks: Iterator[bytes]
    parameters: dict[str, Value]


@dataclasses.dataclass
class Request:
    """One request, ready to be done."""

    master: Master
    user: str
    command: str
    parameters: Parameters
    version: str = "v4"
    input: Value = None
    transaction_id: str | None = None
    mutation_id: str | None = None
    retry: bool = False
    hosts: tuple[str, ...] = ()

    def call(self, path: str = "/", method: str = "Get") -> Call:
        """Give the call with the transaction of the request.

        Raises:
            ServerError: the transaction is not live.
        """
        return self.master.verbs.call(self.user, self.transaction_id, path, method)

    def plain_call(self) -> Call:
        """Give the call for what names its transaction and no path.

        Raises:
            ServerError: the transaction is not live.
        """
        return Call(self.user, self.master.tree.transaction(self.transaction_id))


@dataclasses.dataclass(frozen=True)
class Command:
    """A registered command."""

    name: str
    input_type: DataType
    output_type: DataType
    is_volatile: bool
    is_heavy: bool
    handler: Callable[[Request], Value | Single | Upload | Download]
    versions: tuple[str, ...] = ("v3", "v4")

    @property
    def method(self) -> str:
        """The HTTP method that the documentation gives for such a command."""
        if self.input_type != "null":
            return "PUT"
        return "POST" if self.is_volatile else "GET"

    def describe(self, version: str) -> dict[str, Value]:
        """Give the descriptor as `/api/v4` lists it."""
        empty = version == "v3" and self.name in _EMPTY_IN_V3
        return {
            "name": self.name,
            "input_type": self.input_type,
            "output_type": "null" if empty else self.output_type,
            "is_volatile": self.is_volatile,
            "is_heavy": self.is_heavy,
        }


# Cypress.


def _get(request: Request) -> Single | Value:
    parameters = request.parameters
    path = parameters.path("path").text
    names = parameters.attribute_filter()
    parameters.optional_integer("max_size")
    only_value = parameters.boolean("return_only_value")
    parameters.finish()
    value = request.master.verbs.get(path, request.call(path), attributes=names)
    return value if only_value else Single("value", value)


def _list(request: Request) -> Single | Value:
    parameters = request.parameters
    path = parameters.path("path").text
    names = parameters.attribute_filter() or []
    max_size = parameters.optional_integer("max_size")
    only_value = parameters.boolean("return_only_value")
    parameters.finish()
    value = request.master.verbs.list(path, request.call(path, "List"), attributes=names, max_size=max_size)
    return value if only_value else Single("value", value)


def _exists(request: Request) -> Single:
    path = request.parameters.path("path").text
    request.parameters.finish()
    return Single("value", request.master.verbs.exists(path, request.call(path, "Exists")))


def _set(request: Request) -> Value:
    parameters = request.parameters
    path = parameters.path("path").text
    recursive, force = parameters.boolean("recursive"), parameters.boolean("force")
    parameters.finish()
    request.master.verbs.set(path, request.input, request.call(path, "Set"), recursive=recursive, force=force)
    return {}


def _multiset_attributes(request: Request) -> Value:
    path = request.parameters.path("path").text
    request.parameters.finish()
    if not path.endswith("/@") or not isinstance(request.input, dict):
        raise ServerError("multiset_attributes takes a path that ends with /@ and a map")
    call = request.call(path, "Multiset")
    for name, value in request.input.items():
        request.master.verbs.set(f"{path}{name}", value, call)
    return {}


def _create(request: Request) -> Single:
    parameters = request.parameters
    kind = parameters.string("type")
    path = parameters.path("path").text
    attributes = parameters.map("attributes")
    flags = {
        name: parameters.boolean(name)
        for name in ("recursive", "ignore_existing", "lock_existing", "force", "ignore_type_mismatch")
    }
    parameters.finish()
    node_id = request.master.verbs.create(kind, path, request.call(path, "Create"), attributes=attributes, **flags)
    return Single("node_id", node_id)


def _remove(request: Request) -> Value:
    parameters = request.parameters
    path = parameters.path("path").text
    recursive, force = parameters.boolean("recursive"), parameters.boolean("force")
    parameters.finish()
    request.master.verbs.remove(path, request.call(path, "Remove"), recursive=recursive, force=force)
    return {}


def _copy(request: Request) -> Single:
    return _copy_or_move(request, move=False)


def _move(request: Request) -> Single:
    return _copy_or_move(request, move=True)


def _copy_or_move(request: Request, *, move: bool) -> Single:
    parameters = request.parameters
    source, destination = parameters.path("source_path").text, parameters.path("destination_path").text
    fields = [field.name for field in dataclasses.fields(CopyOptions)]
    if move:
        fields = [name for name in fields if name not in ("ignore_existing", "lock_existing")]
    options = CopyOptions(**{name: parameters.boolean(name) for name in fields})
    parameters.boolean("pessimistic_quota_check")
    parameters.boolean("enable_cross_cell_copying", default=True)
    parameters.finish()
    call = request.call(destination, "Copy")
    return Single("node_id", request.master.verbs.copy(source, destination, call, options, move=move))


def _link(request: Request) -> Single:
    parameters = request.parameters
    target, path = parameters.path("target_path").text, parameters.path("link_path").text
    attributes = parameters.map("attributes")
    flags = {name: parameters.boolean(name) for name in ("recursive", "ignore_existing", "lock_existing", "force")}
    parameters.finish()
    node_id = request.master.verbs.link(target, path, request.call(path, "Create"), attributes=attributes, **flags)
    return Single("node_id", node_id)


def _lock(request: Request) -> Value:
    parameters = request.parameters
    path = parameters.path("path").text
    mode = parameters.optional_string("mode") or "exclusive"
    child_key, attribute_key = parameters.optional_string("child_key"), parameters.optional_string("attribute_key")
    waitable = parameters.boolean("waitable")
    parameters.finish()
    if mode not in ("exclusive", "shared", "snapshot"):
        raise ServerError(f'Error parsing ELockMode value "{mode}"')
    for name, key in (("child_key", child_key), ("attribute_key", attribute_key)):
        if key is not None and mode != "shared":
            raise ServerError(f'"{name}" can only be specified for shared locks')
    if child_key is not None and attribute_key is not None:
        raise ServerError('Cannot specify both "child_key" and "attribute_key"')
    call = request.call(path, "Lock")
    wanted = LockRequest(LockMode[mode.upper()], child_key, attribute_key)
    lock = request.master.verbs.lock(path, call, wanted, waitable=waitable)
    if request.version == "v3":
        return lock.id
    node = lock.node
    revision = max(node.content_revision(None), node.attribute_revision(None)) if lock.acquired else 0
    return {"lock_id": lock.id, "node_id": node.id, "revision": revision}


def _unlock(request: Request) -> Value:
    path = request.parameters.path("path").text
    request.parameters.finish()
    request.master.verbs.unlock(path, request.call(path, "Unlock"))
    return {}


def _check_permission(request: Request) -> Value:
    parameters = request.parameters
    user, permission = parameters.string("user"), parameters.string("permission")
    path = parameters.path("path").text
    parameters.finish()
    if permission not in PERMISSIONS:
        raise ServerError(f'Error parsing EPermission value "{permission}"')
    call = request.call(path, "CheckPermission")
    tree = request.master.tree
    node = tree.existing(path, call, "CheckPermission")
    rule = tree.rules.denying(tree.path_of(node, call.transaction), permission, user)
    return {"action": "allow" if rule is None else "deny"}


# Transactions.


def _start_transaction(request: Request) -> Single:
    parameters = request.parameters
    kind = parameters.optional_string("type") or "master"
    timeout = parameters.optional_integer("timeout", minimum=1)
    deadline = parameters.anything("deadline")
    attributes = parameters.map("attributes")
    sticky = parameters.boolean("sticky")
    prerequisites = parameters.strings("prerequisite_transaction_ids") or []
    parameters.finish()
    if kind != "master" or sticky:
        raise ServerError(f'Transactions of type "{kind}" and sticky ones are not implemented by this proxy')
    transaction = request.master.transacting.start(
        request.plain_call(),
        timeout_ms=timeout,
        deadline=None if is_entity(deadline) else parse_time(deadline),
        attributes=attributes,
        prerequisites=prerequisites,
    )
    return Single("transaction_id", transaction.id)


def _required_transaction(request: Request) -> str:
    if request.transaction_id is None:
        raise ServerError("Missing required parameter /transaction_id")
    return request.transaction_id


def _ping_transaction(request: Request) -> Value:
    ancestors = request.parameters.boolean("ping_ancestor_transactions")
    request.parameters.finish()
    if request.transaction_id is not None:
        request.master.transacting.ping(request.transaction_id, ancestors=ancestors)
    return {}


def _commit_transaction(request: Request) -> Value:
    request.parameters.finish()
    request.master.transacting.commit(_required_transaction(request))
    return {}


def _abort_transaction(request: Request) -> Value:
    request.parameters.boolean("force")
    request.parameters.finish()
    request.master.transacting.abort(_required_transaction(request))
    return {}


# Files.


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


# Operations.


def _start_operation(request: Request) -> Single:
    parameters = request.parameters
    kind = parameters.string("operation_type")
    spec = parameters.map("spec") or {}
    parameters.finish()
    transaction = request.plain_call().transaction
    operation_id = request.master.operations.start(kind, spec, request.user, transaction.id if transaction else None)
    return Single("operation_id", operation_id)


def _get_operation(request: Request) -> Value:
    parameters = request.parameters
    operation_id = parameters.string("operation_id")
    names = parameters.attribute_filter()
    parameters.boolean("include_scheduler")
    parameters.boolean("include_runtime")
    parameters.finish()
    return request.master.operations.describe(operation_id, names)


def _list_jobs(request: Request) -> Value:
    parameters = request.parameters
    request.master.operations.find(parameters.string("operation_id"))
    for name in ("limit", "offset"):
        parameters.optional_integer(name)
    for name in ("include_cypress", "include_runtime", "include_archive", "with_stderr", "with_fail_context"):
        parameters.anything(name)
    for name in (
        "job_state",
        "state",
        "job_type",
        "type",
        "address",
        "sort_field",
        "sort_order",
        "data_source",
        "attributes",
    ):
        parameters.anything(name)
    parameters.finish()
    return {"jobs": [], "state_counts": {}, "type_counts": {}}


# The rest.


def _get_current_user(request: Request) -> Single:
    request.parameters.finish()
    return Single("user", request.user)


def _get_supported_features(request: Request) -> Single:
    request.parameters.finish()
    features = {"compression_codecs": ["none", "lz4", "zlib_6"], "erasure_codecs": ["none"], "primitive_types": []}
    return Single("features", features)


def _discover_proxies(request: Request) -> Single:
    for name in ("type", "role", "address_type", "network_name"):
        request.parameters.optional_string(name)
    request.parameters.finish()
    return Single("proxies", list(request.hosts))


def _execute_batch(request: Request) -> Single:
    parts = request.parameters.sequence("requests")
    request.parameters.optional_integer("concurrency", minimum=1)
    # As the server, which gives a batch no transaction: its parts name their own.
    request.parameters.optional_string("transaction_id")
    request.parameters.finish()
    prepared = [_batch_part(request, part, index) for index, part in enumerate(parts)]
    results: list[Value] = []
    refused: ServerError | None = None
    for part, input_value in prepared:
        command = find(part.command, request.version)
        if command is None or {command.input_type, command.output_type} & {"binary"}:
            # As the server: the answers are lost, the other parts are done all the same.
            refused = refused or ServerError(f'Unknown command "{part.command}"')
            continue
        part.input = input_value
        try:
            results.append({"output": execute(command, part)})
        except ServerError as error:
            results.append({"error": error.as_value()})
    if refused is not None:
        raise refused
    return Single("results", results)


def _batch_part(request: Request, part: Value, index: int) -> tuple[Request, Value]:
    if not isinstance(part, dict):
        raise ServerError(
            "Error loading parameter /requests", inner=[ServerError(f"Expected a map, got {type_name(part)}")]
        )
    fields = Parameters(part)
    try:
        name = fields.string("command")
        values = fields.map("parameters") or {}
        input_value = fields.anything("input")
        fields.finish()
    except ServerError as error:
        raise ServerError("Error loading parameter /requests", inner=[error]) from None
    mutation_id = part_id(request.mutation_id, index) if request.mutation_id else None
    inner = prepare(
        Request(request.master, request.user, name, Parameters(values), request.version, hosts=request.hosts)
    )
    command = find(name, request.version)
    if command is not None and command.is_volatile:
        inner.mutation_id, inner.retry = mutation_id, request.retry
    return inner, input_value


_TABLE = (
    Command("get", "null", "structured", is_volatile=False, is_heavy=False, handler=_get),
    Command("list", "null", "structured", is_volatile=False, is_heavy=False, handler=_list),
    Command("exists", "null", "structured", is_volatile=False, is_heavy=False, handler=_exists),
    Command("set", "structured", "structured", is_volatile=True, is_heavy=False, handler=_set),
    Command(
        "multiset_attributes",
        "structured",
        "structured",
        is_volatile=True,
        is_heavy=False,
        handler=_multiset_attributes,
        versions=("v4",),
    ),
    Command("create", "null", "structured", is_volatile=True, is_heavy=False, handler=_create),
    Command("remove", "null", "structured", is_volatile=True, is_heavy=False, handler=_remove),
    Command("copy", "null", "structured", is_volatile=True, is_heavy=False, handler=_copy),
    Command("move", "null", "structured", is_volatile=True, is_heavy=False, handler=_move),
    Command("link", "null", "structured", is_volatile=True, is_heavy=False, handler=_link),
    Command("lock", "null", "structured", is_volatile=True, is_heavy=False, handler=_lock),
    Command("unlock", "null", "structured", is_volatile=True, is_heavy=False, handler=_unlock),
    Command("concatenate", "null", "structured", is_volatile=True, is_heavy=False, handler=_concatenate),
    Command("check_permission", "null", "structured", is_volatile=False, is_heavy=False, handler=_check_permission),
    *(
        Command(name, "null", "structured", is_volatile=True, is_heavy=False, handler=handler, versions=(version,))
        for version, suffix in (("v3", "tx"), ("v4", "transaction"))
        for name, handler in (
            (f"start_{suffix}", _start_transaction),
            (f"ping_{suffix}", _ping_transaction),
            (f"commit_{suffix}", _commit_transaction),
            (f"abort_{suffix}", _abort_transaction),
        )
    ),
    Command("write_file", "binary", "structured", is_volatile=True, is_heavy=True, handler=_write_file),
    Command("read_file", "null", "binary", is_volatile=False, is_heavy=True, handler=_read_file),
    Command(
        "get_file_from_cache", "null", "structured", is_volatile=False, is_heavy=False, handler=_get_file_from_cache
    ),
    Command("put_file_to_cache", "null", "structured", is_volatile=True, is_heavy=False, handler=_put_file_to_cache),
    Command(
        "start_op", "null", "structured", is_volatile=True, is_heavy=False, handler=_start_operation, versions=("v3",)
    ),
    Command(
        "start_operation",
        "null",
        "structured",
        is_volatile=True,
        is_heavy=False,
        handler=_start_operation,
        versions=("v4",),
    ),
    Command("get_operation", "null", "structured", is_volatile=False, is_heavy=False, handler=_get_operation),
    Command("list_jobs", "null", "structured", is_volatile=False, is_heavy=False, handler=_list_jobs),
    Command("get_current_user", "null", "structured", is_volatile=False, is_heavy=False, handler=_get_current_user),
    Command(
        "get_supported_features",
        "null",
        "structured",
        is_volatile=False,
        is_heavy=False,
        handler=_get_supported_features,
    ),
    Command("discover_proxies", "null", "structured", is_volatile=False, is_heavy=False, handler=_discover_proxies),
    Command("execute_batch", "null", "structured", is_volatile=True, is_heavy=False, handler=_execute_batch),
)
_EMPTY_IN_V3 = frozenset(
    {"set", "remove", "unlock", "concatenate", "ping_tx", "commit_tx", "abort_tx", "write_file"}
)  # fmt: skip
_WITHOUT_TRANSACTION = frozenset({"execute_batch", "get_current_user", "get_supported_features", "discover_proxies"})
_BY_NAME = {(version, command.name): command for command in _TABLE for version in command.versions}


def find(name: str, version: str) -> Command | None:
    """Find a command."""
    return _BY_NAME.get((version, name))


def describe_all(version: str) -> list[dict[str, Value]]:
    """Give the descriptors of all commands of a version."""
    return [command.describe(version) for command in _TABLE if version in command.versions]


def prepare(request: Request) -> Request:
    """Take the parameters that many commands share.

    Raises:
        ServerError: one is of the wrong type.
    """
    parameters = request.parameters
    if request.command not in _WITHOUT_TRANSACTION and parameters.has("transaction_id"):
        transaction_id = parameters.string("transaction_id")
        request.transaction_id = None if transaction_id == NULL_ID else _checked_id(transaction_id)
    if request.command not in ("ping_transaction", "ping_tx"):
        parameters.boolean("ping_ancestor_transactions")
    for name in ("suppress_transaction_coordinator_sync", "suppress_upstream_sync"):
        parameters.boolean(name)
    command = find(request.command, request.version)
    if command is not None and command.is_volatile and not command.is_heavy:
        mutation_id = parameters.optional_string("mutation_id")
        request.mutation_id = None if mutation_id is None else _checked_id(mutation_id)
        request.retry = parameters.boolean("retry")
    elif command is not None and not command.is_volatile:
        parameters.optional_string("read_from")
        parameters.optional_integer("cache_sticky_group_size")
    return request


def _checked_id(text: str) -> str:
    groups = text.split("-")
    try:
        numbers = [int(group, 16) for group in groups]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or any(number >= 2**32 for number in numbers):
        raise ServerError(f'Error parsing GUID "{text}"')
    return text


def execute(command: Command, request: Request) -> Value:
    """Do a command whose answer is a value, under the lock of the tree.

    Raises:
        ServerError: it failed.
    """
    master = request.master

    def action() -> Value:
        if command.name not in ("start_transaction", "start_tx"):
            master.transacting.require(request.parameters.strings("prerequisite_transaction_ids") or [])
        answer = command.handler(request)
        if isinstance(answer, Single):
            return {answer.name: answer.value} if request.version == "v4" else answer.value
        return answer

    with master.tree.lock:
        master.expire()
        try:
            if command.is_volatile:
                return master.keeper.run(command.name, request.mutation_id, action, retry=request.retry)
            return action()
        finally:
            master.tree.changed.notify_all()


def begin(command: Command, request: Request) -> Upload | Download:
    """Begin a command whose body or answer is streamed.

    Raises:
        ServerError: it failed.
    """
    master = request.master
    with master.tree.lock:
        master.expire()
        master.transacting.require(request.parameters.strings("prerequisite_transaction_ids") or [])
        answer = command.handler(request)
        master.tree.changed.notify_all()
    if isinstance(answer, Download) or hasattr(answer, "writer"):
        return answer  # type: ignore[return-value]
    raise TypeError(f"{command.name} is not streamed")
