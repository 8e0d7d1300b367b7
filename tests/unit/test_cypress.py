"""Publishing to a cluster: what is sent, who is waited for, what is refused, and what nobody may see."""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from build_folders import (
    PATH,
    Bundle,
    current,
    make_bundle,
    names,
    on_cluster,
    publish_to,
    read_current,
    roll_back,
    watched,
)
from pipelines import make_pipeline, refusal
from proxy import Answer, Drop, ProxyServer, Run
from proxy.fixtures import connect

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.build_folder import content_of
from hatch_ytupload.build_folders.cypress import folder as cypress
from hatch_ytupload.build_folders.cypress import nodes as cypress_nodes
from hatch_ytupload.build_folders.cypress import transaction as cypress_transaction
from hatch_ytupload.build_folders.cypress import transport
from hatch_ytupload.build_folders.cypress.client import Cluster
from hatch_ytupload.build_folders.cypress.redaction import MASK
from hatch_ytupload.build_folders.cypress.shapes import listing
from hatch_ytupload.build_folders.cypress.shapes import text as text_shape
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.releases.records import read_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy import Record

    from hatch_ytupload.build_folders.build_folder import Changes

pytestmark = pytest.mark.usefixtures("hasty")

CURRENT = f"{PATH}/{ARCHIVE_NAME}"


class TestWhatIsSent:
    """Requests and bytes."""

    def test_a_first_publish(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """One transaction around everything; the archive goes over the wire once, as it is."""
        publish_to(on_cluster(proxy), bundles[0])
        assert proxy.log.commands() == [
            "api",
            "execute_batch",
            "get_current_user",
            "start_transaction",
            "lock",
            "create",
            "execute_batch",
            "execute_batch",
            "execute_batch",
            "create",
            "create",
            "hosts",
            "write_file",
            "execute_batch",
            "write_file",
            "write_file",
            "copy",
            "execute_batch",
            "commit_transaction",
        ]
        archive, manifest, _ = proxy.log.of("write_file")
        assert archive.wire_bytes - len(bundles[0].data) < 100
        assert (archive.content_encoding, archive.parameters["compute_md5"]) == ("identity", True)
        assert archive.transaction_id == manifest.transaction_id == proxy.log.of("commit_transaction")[0].transaction_id

    def test_the_same_content_again(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Two light requests."""
        publish_to(on_cluster(proxy), bundles[0], wrappers=True)
        proxy.log.clear()
        assert not publish_to(on_cluster(proxy), bundles[0], wrappers=True).changed
        assert proxy.log.commands() == ["api", "execute_batch"]

    def test_status_and_history_and_a_dry_run(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """One request each: what is read twice alike in it was so at one time."""
        publish_to(on_cluster(proxy), bundles[0])
        proxy.log.clear()
        folder = on_cluster(proxy)
        read_state(folder)
        publish_to(folder, bundles[1], dry_run=True)
        assert proxy.log.commands() == ["api", *["execute_batch"] * 2]

    def test_a_rollback_moves_no_data(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Only a name is changed."""
        for bundle in bundles[:2]:
            publish_to(on_cluster(proxy), bundle)
        proxy.log.clear()
        roll_back(on_cluster(proxy))
        assert sum(record.wire_bytes for record in proxy.log.requests()) < 10_000
        assert not {"write_file", "read_file"} & set(proxy.log.commands())

    def test_scripts_that_are_the_same_are_not_sent_again(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """They seldom change from release to release."""
        publish_to(on_cluster(proxy), bundles[0], wrappers=True)
        proxy.log.clear()
        publish_to(on_cluster(proxy), bundles[1], wrappers=True)
        assert [str(record.path).rpartition("/")[2] for record in proxy.log.of("write_file")] == [
            ARCHIVE_NAME,
            "manifest.json",
            "sbom.cdx.json",
        ]

    def test_a_rollback_reads_only_the_part_with_the_scripts(self, proxy: ProxyServer, tmp_path: Path) -> None:
        """Out of the middle of the release's archive."""
        pipeline = make_pipeline(tmp_path / "demo")
        pipeline.write({"stages/first/src/large.bin": os.urandom(500_000)})
        for text in ("one", "two"):
            publish_to(on_cluster(proxy), make_bundle(pipeline, text, wrappers=True), wrappers=True)
        proxy.log.clear()
        roll_back(on_cluster(proxy), wrappers=True)
        reads = [record for record in proxy.log.of("read_file") if str(record.path).endswith(ARCHIVE_NAME)]
        assert 0 < sum(record.response_bytes for record in reads) < 5000

    def test_nothing_is_left_in_places_of_the_client(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """No scratch files, no transactions."""
        publish_to(on_cluster(proxy), bundles[0])
        with on_cluster(proxy).open(ARCHIVE_NAME) as file:
            file.read(0, file.size)
        assert proxy.cypress.keys("//tmp") == []
        assert proxy.cypress.transactions == []


class TestWaiting:
    """One publisher at a time."""

    def test_the_same_content_from_two_publishers_is_uploaded_once(
        self, proxy: ProxyServer, bundles: list[Bundle]
    ) -> None:
        """The second one decides when it holds the folder."""
        publish_to(on_cluster(proxy), bundles[0])

        def meanwhile(record: Record) -> None:
            publish_to(on_cluster(proxy), bundles[1])

        proxy.log.clear()
        proxy.faults.add(Run(meanwhile), command="start_transaction")
        assert not publish_to(on_cluster(proxy), bundles[1]).changed
        archives = [record for record in proxy.log.of("write_file") if str(record.path).endswith(ARCHIVE_NAME)]
        assert len(archives) == 1

    def test_a_folder_that_somebody_holds_is_waited_for(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """The notice says who it is."""
        publish_to(on_cluster(proxy), bundles[0])
        notices: queue.Queue[str] = queue.Queue()

        def publish(_changes: Changes) -> tuple[threading.Thread, str]:
            folder = on_cluster(proxy, wait_seconds=600, notice=notices.put)
            thread = threading.Thread(target=publish_to, args=(folder, bundles[1]))
            thread.start()
            return thread, notices.get()

        thread, notice = on_cluster(proxy).change("holding it", publish)
        thread.join()
        assert notices.empty()
        assert notice.startswith(f"waiting: `{PATH}` is held by `")
        assert "), holding it, since 20" in notice
        assert current(on_cluster(proxy)) == bundles[1].release

    def test_waiting_ends(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """With who holds the folder; nothing has changed, and nothing is left to hold it."""
        publish_to(on_cluster(proxy), bundles[0])
        line = on_cluster(proxy).change(
            "holding it", lambda _: refusal(lambda: publish_to(on_cluster(proxy, wait_seconds=0.05), bundles[1]))
        )
        assert line.startswith(f"`{PATH}` is held by `")
        assert f"(process {os.getpid()}), holding it, since" in line
        assert "waited 0.05 s, nothing was changed" in line
        assert proxy.cypress.transactions == []
        assert current(on_cluster(proxy)) == bundles[0].release

    def test_another_program_that_holds_the_folder_is_named_as_the_cluster_knows_it(
        self, proxy: ProxyServer, bundles: list[Bundle]
    ) -> None:
        """By its user and the title of its transaction."""
        publish_to(on_cluster(proxy), bundles[0])
        other = proxy.cypress.start_transaction(user="anna", title="nightly cleaning")
        proxy.cypress.lock(PATH, other)
        line = refusal(lambda: publish_to(on_cluster(proxy), bundles[1]))
        assert f"is held by `anna@{proxy.address}`, nightly cleaning, since 20" in line

    def test_a_folder_that_somebody_else_makes_is_waited_for(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """And so is one above it; the winner of the conflict is named."""
        proxy.cypress.create("map_node", "//home")
        with connect(proxy) as client:
            other = client.start_transaction(attributes={"title": "making room"})
            with client.Transaction(transaction_id=other):
                client.create("map_node", "//home/demo")
            line = refusal(lambda: publish_to(on_cluster(proxy), bundles[0]))
            assert "making room" in line

            def commit(_record: Record) -> None:
                proxy.cypress.commit_transaction(other)

            proxy.faults.add(Run(commit), command="create", nth=2)
            publish_to(on_cluster(proxy, wait_seconds=600), bundles[0])
        assert current(on_cluster(proxy)) == bundles[0].release

    def test_a_publisher_that_died_is_in_the_way_until_its_transaction_expires(self, bundles: list[Bundle]) -> None:
        """Not longer: its transaction lives for a minute after the last ping."""
        now = [0.0]
        with ProxyServer(clock=lambda: now[0]) as proxy:
            publish_to(on_cluster(proxy), bundles[0])
            cluster = Cluster(proxy.address, token=proxy.token, timeout_seconds=10, attempts=1)
            dead = cluster.change(
                "start_transaction",
                "start",
                text_shape,
                timeout=cypress_transaction.TIMEOUT_SECONDS * 1000,
                attributes={},
            )
            cluster.change("lock", "lock", path=PATH, mode="exclusive", transaction_id=dead)
            refusal(lambda: publish_to(on_cluster(proxy), bundles[1]))
            now[0] += cypress_transaction.TIMEOUT_SECONDS + 1
            publish_to(on_cluster(proxy), bundles[1])
            assert current(on_cluster(proxy)) == bundles[1].release
            cluster.close()

    def test_a_transaction_is_kept_alive(
        self, proxy: ProxyServer, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For as long as the publish takes, and in spite of pings that fail."""
        monkeypatch.setattr(cypress_transaction, "_PING_SECONDS", 0.02)
        proxy.faults.add(Answer(503), command="ping_transaction", nth=2, times=2)
        proxy.faults.add(Drop("before"), command="ping_transaction", nth=5)

        def slow(_changes: Changes) -> None:
            proxy.log.wait_for("ping_transaction", 8)

        on_cluster(proxy).change("being slow", slow)
        count = len(proxy.log.of("ping_transaction"))
        assert count >= 8

    def test_pings_end_when_the_transaction_is_lost(
        self, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch, bundles: list[Bundle]
    ) -> None:
        """And nothing interrupts the process: the next request says what happened, and all begins again."""
        monkeypatch.setattr(cypress_transaction, "_PING_SECONDS", 0.02)
        runs: list[int] = []

        def lose(changes: Changes) -> None:
            runs.append(1)
            if len(runs) == 1:
                proxy.cypress.expire_transactions()
                proxy.log.wait_for("ping_transaction", 1)
            changes.write("file", content_of(b"content"))

        on_cluster(proxy).change("losing it", lose)
        assert len(runs) == 2
        assert proxy.cypress.read(f"{PATH}/file") == b"content"


class TestJobs:
    """Others use the archive meanwhile."""

    def test_a_running_job_keeps_its_archive(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Its lock on what it mounted is neither in our way nor disturbed."""
        publish_to(on_cluster(proxy), bundles[0], keep=1)
        with connect(proxy) as client, client.Transaction():
            node = client.lock(CURRENT, mode="snapshot")["node_id"]
            publish_to(on_cluster(proxy), bundles[1], keep=1)
            assert client.read_file(f"#{node}").read() == bundles[0].data
        assert proxy.cypress.read(CURRENT) == bundles[1].data

    @pytest.mark.slow
    @pytest.mark.usefixtures("unmeasured")
    def test_a_reader_sees_whole_archives_only(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Through the API, over publishes, failures and rollbacks."""
        folder = on_cluster(proxy, attempts=1)
        publish_to(folder, bundles[0], keep=3)
        with connect(
            proxy, read_retries={"enable": False, "create_transaction_and_take_snapshot_lock": False}
        ) as client:

            def read() -> bytes:
                data: bytes = client.read_file(CURRENT).read()
                return data

            with watched(read) as seen:
                for number in range(1, 16):
                    if number % 7 == 0:
                        proxy.faults.add(Drop("before"), command="copy", times=None)
                        refusal(lambda number=number: publish_to(folder, bundles[number % 5], keep=3))  # type: ignore[misc]
                        proxy.faults.clear()
                    elif number % 5 == 0:
                        with suppress(YtUploadError):
                            roll_back(folder)
                    else:
                        publish_to(folder, bundles[number % 5], keep=3)
        assert seen <= {bundle.data for bundle in bundles[:5]}
        assert len(seen) > 1

    def test_an_open_file_stays_what_it_was(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Although it was replaced and its release pruned."""
        publish_to(on_cluster(proxy), bundles[0], keep=1)
        with on_cluster(proxy).open(ARCHIVE_NAME) as file:
            publish_to(on_cluster(proxy), bundles[1], keep=1)
            assert file.read(0, file.size) == bundles[0].data
            assert file.read(3, 5) == bundles[0].data[3:8]
            assert file.read(file.size, 5) == b""


class TestRefusals:
    """One line each, that says what to do."""

    def test_a_wrong_token(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """At once."""
        line = refusal(lambda: publish_to(on_cluster(proxy, token="nonsense-nonsense"), bundles[0]))
        assert line == (
            f"cannot read the build folder `{PATH}`: `{proxy.address}` does not accept the token; "
            "set the right one in `YT_TOKEN` or `configs/secrets.env`"
        )
        assert proxy.log.commands().count("execute_batch") == 1

    def test_a_token_that_cannot_be_one(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """As secrets of a CI often have it; nobody is asked."""
        line = refusal(lambda: publish_to(on_cluster(proxy, token=f"{proxy.token}\n"), bundles[0]))
        assert re.search("token contains .* whitespace.*; set the right one in `YT_TOKEN`", line)
        assert proxy.log.requests() == []

    def test_no_token(self, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Neither given nor at the client's own places."""
        monkeypatch.setenv("HOME", str(tmp_path))
        cluster = Cluster(proxy.address, token=None, timeout_seconds=10, attempts=2)
        line = refusal(lambda: cypress.CypressFolder(cluster, PATH).look(""))
        assert f"`{proxy.address}` asks for a token; set the right one" in line

    def test_the_token_of_the_client_will_do(
        self, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """From `~/.yt/token`, as for every other program."""
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".yt").mkdir()
        (tmp_path / ".yt/token").write_text(f"{proxy.token}\n")
        (tmp_path / ".yt/token").chmod(0o600)
        cluster = Cluster(proxy.address, token=None, timeout_seconds=10, attempts=2)
        assert cypress.CypressFolder(cluster, PATH).look("") == [None]

    @pytest.mark.parametrize("permission", ["write", "modify_children", "remove"])
    def test_a_permission_that_is_missing(self, proxy: ProxyServer, bundles: list[Bundle], permission: str) -> None:
        """Which, for whom and where."""
        publish_to(on_cluster(proxy), bundles[0])
        proxy.cypress.rules.deny(PATH, [permission])
        line = refusal(lambda: publish_to(on_cluster(proxy), bundles[1], keep=1))
        assert "the user `tester` has no permission `" in line
        assert f"`{permission}` for `{PATH}" in line
        assert "; ask its owner for it" in line
        assert proxy.cypress.read(CURRENT) == bundles[0].data

    def test_a_permission_that_older_clusters_miss(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """They name the node in their message alone."""
        said = 'Access denied for user "tester": "write" permission for node //home is not allowed by any matching ACE'
        proxy.faults.add(Answer(400, code=901, message=said), command="create")
        assert refusal(lambda: publish_to(on_cluster(proxy), bundles[0])).endswith(f"{said}; ask its owner for it")

    def test_a_quota_that_is_exceeded(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """With the account's name."""
        proxy.cypress.create("map_node", PATH)
        proxy.cypress.add_account("poor", disk_space_limit=0)
        proxy.cypress.set(f"{PATH}/@account", "poor")
        line = refusal(lambda: publish_to(on_cluster(proxy), bundles[0]))
        assert "there is no quota left (the account `poor` has 0 B left on `default`" in line
        assert "remove old releases with `hatch-ytupload delete`, or ask for more" in line
        assert proxy.cypress.keys(PATH) == []

    def test_a_build_folder_that_is_a_file(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """It is left as it is."""
        proxy.cypress.create("map_node", "//home/demo")
        proxy.cypress.write(PATH, b"mine")
        line = refusal(lambda: publish_to(on_cluster(proxy), bundles[0]))
        assert line == f"`{PATH}` is no folder, and one is expected there; remove or rename it"
        assert proxy.cypress.read(PATH) == b"mine"

    def test_a_folder_below_a_file(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """It cannot be made."""
        proxy.cypress.create("map_node", "//home")
        proxy.cypress.write("//home/demo", b"mine")
        assert refusal(lambda: publish_to(on_cluster(proxy), bundles[0])).startswith("cannot ")
        assert proxy.cypress.read("//home/demo") == b"mine"

    @pytest.mark.parametrize(
        ("address", "problem"),
        [
            ("nowhere.invalid", "there is no host `nowhere.invalid`; check `proxy`"),
            ("localhost:1", "`localhost:1` refuses the connection; check `proxy`"),
            ("user:password@localhost:1", "`localhost:1` refuses the connection"),
        ],
    )
    def test_a_proxy_that_is_not_there(self, address: str, problem: str) -> None:
        """And a password in its address stays secret."""
        cluster = Cluster(address, token="test-token", timeout_seconds=5, attempts=2)
        line = refusal(lambda: cypress.CypressFolder(cluster, PATH).look(""))
        # Without a name server the answer may be that there is none now.
        assert problem in line or "cannot be looked up now" in line
        assert "password" not in line

    def test_a_server_that_is_none(self, tmp_path: Path) -> None:
        """It answers, but not as a cluster does."""
        import http.server

        handler = type("Quiet", (http.server.BaseHTTPRequestHandler,), {"log_message": lambda *_: None})
        with http.server.HTTPServer(("localhost", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"localhost:{server.server_port}"
            cluster = Cluster(address, token="test-token", timeout_seconds=5, attempts=1)
            line = refusal(lambda: cypress.CypressFolder(cluster, PATH).look(""))
            server.shutdown()
        assert f"`{address}`" in line

    def test_a_configuration_of_the_client_that_is_broken(
        self, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The user's own; the line says where."""
        monkeypatch.setenv("YT_CONFIG_PATCHES", "{proxy=")
        line = refusal(lambda: on_cluster(proxy).look(""))
        assert "YT_CONFIG_PATCHES" in line

    def test_more_releases_than_an_answer_holds(
        self, proxy: ProxyServer, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the line says helps."""
        folder = on_cluster(proxy)
        for bundle in bundles[:2]:
            publish_to(folder, bundle)
        proxy.log.clear()
        read_state(folder)
        proxy.log.wait_idle()
        monkeypatch.setattr(transport, "_MOST_BYTES", proxy.log.of("execute_batch")[0].response_bytes - 1)
        line = refusal(lambda: read_state(folder))
        advice = re.search(
            "gives an answer of more than .*B; where thousands of releases are kept, remove old ones, each with "
            f"`yt remove --recursive ({PATH}/releases/)NAME`, and set `keep_releases`$",
            line,
        )
        assert advice
        with connect(proxy) as client:
            client.remove(f"{advice[1]}{bundles[0].release}", recursive=True)
        assert names(read_state(folder)) == [bundles[1].release]

    def test_more_nodes_than_the_cluster_lists(self, proxy: ProxyServer) -> None:
        """A listing that is not complete decides nothing."""
        answer = listing({"$attributes": {"incomplete": True}, "$value": ["a"]})
        assert "holds more nodes than the cluster lists" in refusal(lambda: cypress_nodes._listed(answer, PATH))


class TestUnicode:
    """Names and attributes in any language."""

    def test_paths_and_attributes(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """They come back as they were."""
        path = "//home/Проект/сборка"
        folder = on_cluster(proxy, path)
        publish_to(folder, bundles[0])
        assert proxy.cypress.read(f"{path}/{ARCHIVE_NAME}") == bundles[0].data
        folder.change("writing", lambda changes: changes.write("Ünï", content_of(b"1"), attribute={"ключ": "値"}))
        assert read_state(folder).nodes["Ünï"].attribute == {"ключ": "値"}
        assert read_current(folder) == bundles[0].data


class TestSecrecy:
    """The token is nowhere."""

    TOKEN = "AQAD-qJSJpcjAAADmZ/secret+token="  # with characters that are percent-encoded

    @pytest.fixture
    def proxy(self) -> Iterator[ProxyServer]:
        """Return a proxy that knows this token."""
        with ProxyServer(tokens={self.TOKEN: "tester"}) as server:
            yield server

    def pieces(self) -> set[str]:
        """Return what must not be seen: any eight characters in a row."""
        return {self.TOKEN[start : start + 8] for start in range(len(self.TOKEN) - 7)}

    def test_not_in_the_tree(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Nor in the attributes of transactions, nor in what is logged."""
        seen: list[str] = []
        proxy.faults.add(Run(lambda _: seen.append(repr(proxy.cypress.transactions))), command="copy", times=None)
        publish_to(on_cluster(proxy, token=self.TOKEN), bundles[0])
        seen.append(repr(proxy.cypress.snapshot("/")))
        assert len(seen) == 2
        assert not [piece for piece in self.pieces() if any(piece in text for text in seen)]

    @pytest.mark.parametrize(
        "echo",
        [
            "the token {0} is not good",
            "the token {0:.12}... is not good",
            "http://proxy/?token={1}",
            "x{0}{0}y",
        ],
    )
    def test_not_in_errors(
        self,
        proxy: ProxyServer,
        bundles: list[Bundle],
        echo: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Even when the server sends it back: not in messages, tracebacks, causes, notices nor debug logs."""
        from urllib.parse import quote

        monkeypatch.setenv("YT_LOG_LEVEL", "debug")
        lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(f"{record.getMessage()} {record.args} {record.exc_info}")  # type: ignore[method-assign]
        logger = logging.getLogger("Yt")
        level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
        notices: list[str] = []
        message = echo.format(self.TOKEN, quote(self.TOKEN, safe=""))
        proxy.faults.add(Answer(400, message=message), command="copy", times=None)
        proxy.faults.add(Answer(503, message=message), command="lock")
        with pytest.raises(YtUploadError) as error:
            publish_to(on_cluster(proxy, token=self.TOKEN, notice=notices.append), bundles[0])
        logger.removeHandler(handler)
        logger.setLevel(level)
        assert MASK in str(error.value)
        assert error.value.__cause__ is None
        assert error.value.__context__ is None
        assert lines
        everything = "\n".join(
            [*traceback.format_exception(error.value), *notices, *lines, *capsys.readouterr(), repr(vars(error.value))]
        )
        assert not [piece for piece in self.pieces() if piece in everything]

    def test_the_log_of_the_client_is_quiet_unless_asked_for(
        self, proxy: ProxyServer, bundles: list[Bundle], capfd: pytest.CaptureFixture[str]
    ) -> None:
        """What goes wrong and is repeated, we tell ourselves."""
        proxy.faults.add(Answer(502, body="html"), command="copy")
        publish_to(on_cluster(proxy, token=self.TOKEN), bundles[0])
        assert capfd.readouterr() == ("", "")

    def test_not_in_representations(self, proxy: ProxyServer) -> None:
        """Of the objects that hold it."""
        folder = on_cluster(proxy, token=self.TOKEN)
        folder.look("")
        assert self.TOKEN not in f"{folder._cluster!r} {folder._cluster._connection.redact!r}"
