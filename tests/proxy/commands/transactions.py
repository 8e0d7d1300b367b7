"""Commands on transactions; API v3 calls them `tx`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.attributes import parse_time
from proxy.commands.command import Request, Single, changing
from proxy.errors import ServerError
from proxy.formats import is_entity

if TYPE_CHECKING:
    from proxy.formats import Value


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


COMMANDS = tuple(
    changing(name, handler, versions=(version,))
    for version, suffix in (("v3", "tx"), ("v4", "transaction"))
    for name, handler in (
        (f"start_{suffix}", _start_transaction),
        (f"ping_{suffix}", _ping_transaction),
        (f"commit_{suffix}", _commit_transaction),
        (f"abort_{suffix}", _abort_transaction),
    )
)
