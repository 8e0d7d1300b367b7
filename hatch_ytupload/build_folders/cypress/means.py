"""Whether a publish may do what comes at its end: found out before anything is sent, as far as the cluster tells."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.build_folders.cypress.client import Command
from hatch_ytupload.build_folders.cypress.errors import CypressError, no_permission, no_quota
from hatch_ytupload.build_folders.cypress.shapes import anything, is_whole_number, mapping, text
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.wording import counted, megabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hatch_ytupload.build_folders.build_folder import Plain
    from hatch_ytupload.build_folders.cypress.client import Cluster

_ACCOUNTS = "//sys/accounts"
# What a cluster takes where a folder does not say.
_MEDIUM = "default"
_REPLICAS = 3


class Means:
    """What a publisher has, to change a build folder with. What the cluster does not tell is left to the end.

    Args:
        cluster: where.
        location: of the build folder.
        transaction_id: in which it was made, perhaps.
        wanted: what files shall have that is not the folder's own.
    """

    def __init__(self, cluster: Cluster, location: str, transaction_id: str, wanted: Mapping[str, Plain]) -> None:
        self._cluster = cluster
        self._location = location
        self._transaction_id = transaction_id
        self._wanted = wanted

    def require(self, user: str, replaced: Collection[str], size: int, nodes: int) -> None:
        """Refuse a change that would fail at its end.

        Args:
            user: who we are.
            replaced: paths of what will be replaced or removed.
            size: of what will be sent, in bytes.
            nodes: how many will be made.

        Raises:
            BuildFolderError: a right, or room, is missing.
        """
        names = ("account", "primary_medium", "replication_factor", "erasure_codec")
        known = self._ask([self._command("get", anything, f"{self._location}/@{name}") for name in names])
        account, *storage = (self._wanted.get(name, value) for name, value in zip(names, known, strict=True))
        of_account = f"{_ACCOUNTS}/{account}"
        # `modify_children` would do to make nodes, and not to lock the folder or to fill files.
        rights = [("write", self._location), ("use", of_account)]
        rights += [("remove", path) for path in replaced]
        commands = [
            self._command("check_permission", _verdict, path, user=user, permission=right) for right, path in rights
        ]
        commands += [self._command("get", mapping, f"{of_account}/@resource_{name}") for name in ("limits", "usage")]
        *answers, limits, usage = self._ask(commands)
        denied = [right for right, answer in zip(rights, answers, strict=True) if answer == "deny"]
        if denied:
            permission, path = denied[0]
            problem = no_permission(user, [permission], path)
        else:
            problem = self._unknown() or _lack(str(account), limits or {}, usage or {}, _Needs(size, nodes, *storage))
        if problem:
            raise BuildFolderError(f"cannot change `{self._location}`: {problem}; nothing was sent")

    def _unknown(self) -> str:
        """Say which account or medium there is not; an empty text: none that we know of."""
        for name, kind in (("account", "accounts"), ("primary_medium", "media")):
            if name not in self._wanted:
                continue
            directory, wanted = f"//sys/{kind}", self._wanted[name]
            commands = [self._command("exists", anything, path) for path in (directory, f"{directory}/{wanted}")]
            if self._ask(commands) == [True, False]:
                return f"there is no {name.replace('_', ' ')} `{wanted}`; check `node_attributes`"
        return ""

    def _command(self, command: str, shape: Callable[[Plain], Plain], path: str, **parameters: Plain) -> Command:
        return Command(command, {**parameters, "path": path, "transaction_id": self._transaction_id}, shape)

    def _ask(self, commands: list[Command]) -> list[Any]:
        """Return the answers; None: the cluster does not tell."""
        with suppress(CypressError):
            answers = self._cluster.read_many(f"ask what may be done with `{self._location}`", commands)
            return [None if isinstance(answer, CypressError) else answer for answer in answers]
        return [None] * len(commands)


def _verdict(answer: Plain) -> str:
    """Return `allow` or `deny`; newer clusters tell more beside it."""
    return text(answer.get("action") if isinstance(answer, dict) else answer)


class _Needs(NamedTuple):
    """What a publish needs, and how its folder has files kept, in the words of the cluster."""

    size: int
    nodes: int
    medium: Plain
    replicas: Plain
    erasure_codec: Plain


def _lack(account: str, limits: Mapping[str, Plain], usage: Mapping[str, Plain], needs: _Needs) -> str:
    """Say of what an account has not enough; an empty text: of nothing that we know of."""
    size, nodes = needs.size, needs.nodes
    medium = needs.medium if isinstance(needs.medium, str) else _MEDIUM
    if needs.erasure_codec in (None, "none"):
        size *= needs.replicas if is_whole_number(needs.replicas) else _REPLICAS
    left = _left(limits.get("disk_space_per_medium"), usage.get("disk_space_per_medium"), medium)
    if left is not None and size > left:
        rest = f"{megabytes(left)} left on `{medium}`"
        return no_quota(f"the account `{account}` has {rest}, and {megabytes(size)} are needed")
    left = _left(limits, usage, "node_count")
    if left is not None and left < nodes:
        return no_quota(f"the account `{account}` has room for {counted(left, 'node')}, and {nodes} are needed")
    return ""


def _left(limits: Plain, usage: Plain, name: str) -> int | None:
    """Return how much of something there is; None: nobody says."""
    limit, used = (each.get(name) if isinstance(each, dict) else None for each in (limits, usage))
    if limit is None or used is None or not (is_whole_number(limit) and is_whole_number(used)):
        return None
    return max(int(limit) - int(used), 0)
