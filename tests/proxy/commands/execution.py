"""Finding commands by name, and doing them; `execute_batch`, which does several, is here as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.commands import cypress, files, other, transactions
from proxy.commands.command import Command, Download, Request, Single, changing
from proxy.errors import ServerError
from proxy.files import Upload
from proxy.mutations import part_id
from proxy.parameters import Parameters, type_name
from proxy.resolving import SUPPRESSIBLE
from proxy.transactions import NULL_ID

if TYPE_CHECKING:
    from proxy.formats import Value


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
    request.suppressed = frozenset(name for name in SUPPRESSIBLE if parameters.boolean(f"suppress_{name}"))
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
            _require(request)
        answer = command.handler(request)
        if isinstance(answer, Single):
            return {answer.name: answer.value} if request.version == "v4" else answer.value
        return answer

    if command.name == "execute_batch":
        # Its parts are requests of their own: each takes the lock of the tree and is kept for itself.
        return action()
    with master.tree.lock:
        master.expire()
        try:
            if command.is_volatile:
                return master.keeper.run(command.name, request.mutation_id, action, retry=request.retry)
            return action()
        finally:
            master.tree.changed.notify_all()


def _require(request: Request) -> None:
    """Make sure that the prerequisite transactions are live; a commit that lacks one ends its own transaction."""
    transacting = request.master.transacting
    try:
        transacting.require(request.parameters.strings("prerequisite_transaction_ids") or [])
    except ServerError:
        if request.command in ("commit_transaction", "commit_tx") and request.transaction_id is not None:
            transacting.abort(request.transaction_id)
        raise


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
    if isinstance(answer, (Download, Upload)):
        return answer
    raise TypeError(f"{command.name} is not streamed")


def _execute_batch(request: Request) -> Single:
    parts = request.parameters.sequence("requests")
    request.parameters.optional_integer("concurrency", minimum=1)
    # As the server, which gives a batch no transaction: its parts name their own.
    request.parameters.optional_string("transaction_id")
    request.parameters.finish()
    prepared = [_batch_part(request, part, index) for index, part in enumerate(parts)]
    results: list[Value] = []
    refused: ServerError | None = None
    for index, (part, input_value) in enumerate(prepared):
        if index and request.between is not None:
            request.between(index)
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


_WITHOUT_TRANSACTION = frozenset({"execute_batch", "get_current_user", "get_supported_features", "discover_proxies"})
_TABLE = (
    *cypress.COMMANDS,
    *transactions.COMMANDS,
    *files.COMMANDS,
    *other.COMMANDS,
    changing("execute_batch", _execute_batch),
)
_BY_NAME = {(version, command.name): command for command in _TABLE for version in command.versions}


def find(name: str, version: str) -> Command | None:
    """Find a command."""
    return _BY_NAME.get((version, name))


def describe_all(version: str) -> list[dict[str, Value]]:
    """Give the descriptors of all commands of a version."""
    return [command.describe(version) for command in _TABLE if version in command.versions]
