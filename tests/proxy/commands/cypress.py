"""Commands on the tree: nodes, attributes, locks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from proxy import ypath
from proxy.commands.command import Command, Request, Single, changing, reading
from proxy.copying import CopyOptions
from proxy.errors import ServerError
from proxy.locks import LockRequest
from proxy.nodes import LockMode
from proxy.objects import OBJECT_TYPES
from proxy.security import PERMISSIONS, Guarded, parse_acl

if TYPE_CHECKING:
    from proxy.formats import Value
    from proxy.security import Decision


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
    attributes = parameters.map("attributes")
    if kind in OBJECT_TYPES:
        ignore_existing = parameters.boolean("ignore_existing")
        parameters.finish()
        return Single(
            "object_id", request.master.verbs.objects.create(kind, attributes or {}, ignore_existing=ignore_existing)
        )
    path = parameters.path("path").text
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
    recursive, force = parameters.boolean("recursive", default=True), parameters.boolean("force")
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
    if mode == "none":
        raise ServerError('Invalid lock mode "none"')
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
    node, seen = lock.node, lock.transaction
    revision = max(node.content_revision(seen), node.attribute_revision(seen)) if lock.acquired else 0
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
    guarded = request.master.verbs.objects.guarded(ypath.parse(path), "CheckPermission")
    if guarded is not None:
        return _decision(tree.subjects.decide(user, (permission,), [guarded]))
    node = tree.existing(path, call, "CheckPermission")
    return _decision(tree.decide(node, (permission,), call, user))


def _check_permission_by_acl(request: Request) -> Value:
    parameters = request.parameters
    user, permission = parameters.optional_string("user"), parameters.string("permission")
    acl = parse_acl(parameters.anything("acl"))
    parameters.finish()
    if permission not in PERMISSIONS:
        raise ServerError(f'Error parsing EPermission value "{permission}"')
    subjects = request.master.tree.subjects
    decision = subjects.decide(user or request.user, (permission,), [Guarded("", "", str, acl, inherits=False)])
    return {**_decision(decision), "missing_subjects": []}


def _decision(decision: Decision) -> dict[str, Value]:
    found: dict[str, Value] = {"action": "allow" if decision.allowed else "deny"}
    if decision.by is not None:
        found |= {"object_id": decision.by.id, "object_name": decision.by.name, "subject_name": decision.subject}
    return found


def _add_member(request: Request) -> Value:
    return _change_membership(request, belongs=True)


def _remove_member(request: Request) -> Value:
    return _change_membership(request, belongs=False)


def _change_membership(request: Request, *, belongs: bool) -> Value:
    group, member = request.parameters.string("group"), request.parameters.string("member")
    request.parameters.finish()
    members = request.master.tree.subjects.group(group)
    if (member in members) == belongs:
        raise ServerError(f'Member "{member}" is {"already" if belongs else "not"} present in group "{group}"')
    members.symmetric_difference_update({member})
    return {}


COMMANDS = (
    reading("get", _get),
    reading("list", _list),
    reading("exists", _exists),
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
    changing("create", _create),
    changing("remove", _remove),
    changing("copy", _copy),
    changing("move", _move),
    changing("link", _link),
    changing("lock", _lock),
    changing("unlock", _unlock),
    reading("check_permission", _check_permission),
    reading("check_permission_by_acl", _check_permission_by_acl),
    changing("add_member", _add_member),
    changing("remove_member", _remove_member),
)
