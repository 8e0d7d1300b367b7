"""What the test proxy assumes of a real server, as questions that one can ask it, and a report of the answers.

Each rule is a function of a client and of a folder that is its own; what it returns is compared with what the test
proxy does. `python3 dev/test.py -m cluster --report FILE` writes all answers of the cluster that `YT_PROXY` names.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from yt.wrapper import YtClient

# Read here: tests run without such variables.
PROXY = os.environ.get("YT_PROXY")
CLIENT = {name: value for name, value in os.environ.items() if name.startswith("YT_") and name != "YT_PROXY"}

Rule = tuple[str, "Callable[[YtClient, str], object]", object]


def md5(data: bytes) -> str:
    """Return the MD5 of a content."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def write(client: YtClient, path: str, data: bytes, *, append: bool = False) -> None:
    """Write a file with its MD5."""
    from yt.wrapper.ypath import FilePath

    client.write_file(FilePath(path, append=append), io.BytesIO(data), compute_md5=True)


def error_of(action: Callable[[], object]) -> object:
    """Return the codes of an error, innermost last; None: there is none."""
    from yt.wrapper import YtError

    def codes(error: dict[str, Any]) -> list[int]:
        found = [int(error.get("code", 0))]
        for inner in error.get("inner_errors") or []:
            found += codes(inner)
        return found

    try:
        action()
    except YtError as error:
        # What the client puts around the server's error has the code 1.
        return sorted(set(codes(error.simplify())) - {1}) or [1]
    return None


def somebody_else(client: YtClient) -> YtClient:
    """Return another client of the same cluster, in no transaction."""
    import yt.wrapper

    return yt.wrapper.YtClient(config=copy.deepcopy(client.config))


def md5_in_transaction(client: YtClient, top: str) -> object:
    """Return the MD5 right after writing, in the same transaction."""
    with client.Transaction():
        write(client, f"{top}/f", b"content")
        return str(client.get(f"{top}/f/@md5"))


def md5_of_a_copy(client: YtClient, top: str) -> object:
    """Return the MD5 of a copy made in the transaction that wrote the file."""
    with client.Transaction():
        write(client, f"{top}/f", b"content")
        client.copy(f"{top}/f", f"{top}/g")
    return str(client.get(f"{top}/g/@md5"))


def md5_after_an_append_to_a_copy(client: YtClient, top: str) -> object:
    """Return the MD5 of a copy that something was appended to."""
    write(client, f"{top}/f", b"begin")
    with client.Transaction():
        client.copy(f"{top}/f", f"{top}/g")
        write(client, f"{top}/g", b"end", append=True)
    return str(client.get(f"{top}/g/@md5"))


def md5_of_nothing(client: YtClient, top: str) -> object:
    """Return the MD5 of an empty file."""
    write(client, f"{top}/f", b"")
    return str(client.get(f"{top}/f/@md5"))


def attributes_follow_a_copy(client: YtClient, top: str) -> object:
    """Return a user attribute of a copy, and whether `executable` came along."""
    write(client, f"{top}/f", b"")
    client.set(f"{top}/f/@ytupload", {"release": "x"})
    client.set(f"{top}/f/@executable", value=True)
    client.copy(f"{top}/f", f"{top}/g")
    return json.loads(json.dumps([client.get(f"{top}/g/@ytupload"), client.get(f"{top}/g/@executable")], default=str))


def lists_of_a_copy(client: YtClient, top: str) -> object:
    """Return how many entries of its access list a copy takes along."""
    write(client, f"{top}/f", b"")
    entry = {"action": "allow", "subjects": ["users"], "permissions": ["read"]}
    client.set(f"{top}/f/@acl", [entry])
    client.copy(f"{top}/f", f"{top}/g")
    return len(client.get(f"{top}/g/@acl"))


def second_lock(client: YtClient, top: str) -> object:
    """Return the codes with which a second exclusive lock is refused."""
    with client.Transaction():
        client.lock(top)
        other = somebody_else(client)
        with other.Transaction():
            return error_of(lambda: other.lock(top))


def nothing_seen_before_the_commit(client: YtClient, top: str) -> object:
    """Return whether others see what a transaction has written."""
    with client.Transaction():
        write(client, f"{top}/f", b"")
        return somebody_else(client).exists(f"{top}/f")


def reading_what_is_not_there(client: YtClient, top: str) -> object:
    """Return the codes of a missing node."""
    return error_of(lambda: client.get(f"{top}/none"))


def creating_what_is_there(client: YtClient, top: str) -> object:
    """Return the codes of a node that exists."""
    return error_of(lambda: client.create("map_node", top))


def a_broken_link(client: YtClient, top: str) -> object:
    """Return what `exists`, `create` and `lock` make of a link to nothing."""
    client.create("map_node", f"{top}/target")
    client.link(f"{top}/target", f"{top}/link")
    client.remove(f"{top}/target")
    with client.Transaction():
        locked = error_of(lambda: client.lock(f"{top}/link"))
    return [client.exists(f"{top}/link"), error_of(lambda: client.create("map_node", f"{top}/link")), locked]


def running_files_stay(client: YtClient, top: str) -> object:
    """Return whether a snapshot of a file keeps its bytes while another one takes its place."""
    write(client, f"{top}/f", b"old")
    with client.Transaction():
        node = client.lock(f"{top}/f", mode="snapshot")["node_id"]
        other = somebody_else(client)
        write(other, f"{top}/new", b"new")
        other.copy(f"{top}/new", f"{top}/f", force=True)
        return client.read_file(f"#{node}").read().decode()


def an_unknown_account(client: YtClient, top: str) -> object:
    """Return whether an account that does not exist is refused."""
    return (
        error_of(lambda: client.create("map_node", f"{top}/f", attributes={"account": "no-such-account-here"})) is None
    )


def an_unknown_medium(client: YtClient, top: str) -> object:
    """Return whether a medium that does not exist is refused."""
    attributes = {"primary_medium": "no_such_medium_here"}
    return error_of(lambda: client.create("file", f"{top}/f", attributes=attributes)) is None


def rights_can_be_asked(client: YtClient, top: str) -> object:
    """Return what `check_permission` says of a folder of one's own."""
    found = client.check_permission(str(client.get_user_name()), "write", top)
    return str(found["action"])


RULES: list[Rule] = [
    ("the MD5 is there in the transaction that wrote the file", md5_in_transaction, md5(b"content")),
    ("a copy keeps the MD5", md5_of_a_copy, md5(b"content")),
    ("an append to a copy goes on with the MD5", md5_after_an_append_to_a_copy, md5(b"beginend")),
    ("an empty file has the MD5 of nothing", md5_of_nothing, md5(b"")),
    ("a copy keeps attributes", attributes_follow_a_copy, [{"release": "x"}, True]),
    ("a copy drops the access list", lists_of_a_copy, 0),
    ("a second exclusive lock is refused with 402", second_lock, [402]),
    ("others see nothing before the commit", nothing_seen_before_the_commit, False),
    ("a missing node is error 500", reading_what_is_not_there, [500]),
    ("a node that exists is error 501", creating_what_is_there, [501]),
    ("a broken link does not exist, cannot be created and not be locked", a_broken_link, [False, [501], [500]]),
    ("a snapshot keeps the bytes of a file that is replaced", running_files_stay, "old"),
    ("an unknown account is refused", an_unknown_account, False),
    ("an unknown medium is refused", an_unknown_medium, False),
    ("one may ask what one may do", rights_can_be_asked, "allow"),
]


class Report:
    """Gathers the answers of a cluster, and writes them at the end.

    Args:
        path: where to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: list[dict[str, object]] = []
        self.about: dict[str, object] = {}
        """What is known about the cluster."""

    def add(self, rule: str, expected: object, found: object) -> None:
        """Remember an answer."""
        self._answers.append({"rule": rule, "holds": found == expected, "expected": expected, "found": found})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember how a test of the cluster ended."""
        if report.when == "call" and "test_server_rules" not in report.nodeid:
            self._answers.append({"test": report.nodeid, "holds": report.outcome == "passed"})

    def pytest_sessionfinish(self) -> None:
        """Write it."""
        self._path.write_text(json.dumps({"cluster": self.about, "answers": self._answers}, indent=1) + "\n")
