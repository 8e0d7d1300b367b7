"""Commands on operations, and those that tell about the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.commands.command import Request, Single, changing, reading

if TYPE_CHECKING:
    from proxy.formats import Value


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


COMMANDS = (
    changing("start_op", _start_operation, versions=("v3",)),
    changing("start_operation", _start_operation, versions=("v4",)),
    reading("get_operation", _get_operation),
    reading("list_jobs", _list_jobs),
    reading("get_current_user", _get_current_user),
    reading("get_supported_features", _get_supported_features),
    reading("discover_proxies", _discover_proxies),
)
