"""Faults on demand: each kind, met by the real client and by raw requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from typing import TYPE_CHECKING

import pytest
import yt.wrapper.errors as yt_errors
from proxy import (
    AbortTransaction,
    Answer,
    Code,
    Corrupt,
    Delay,
    Drop,
    Hang,
    ProxyServer,
    Record,
    Refuse,
    Run,
    Truncate,
)
from proxy.fixtures import NO_RETRIES, connect
from yt.common import YtError, YtResponseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yt.wrapper import YtClient


@pytest.fixture
def client(proxy: ProxyServer) -> Iterator[YtClient]:
    with connect(proxy) as connected:
        connected.get("//home")
        yield connected


@pytest.fixture
def hasty(proxy: ProxyServer) -> Iterator[YtClient]:
    """A client that tries once."""
    with connect(proxy, retries=NO_RETRIES) as connected:
        connected.get("//home")
        yield connected


class TestChoice:
    def test_by_command_and_number(self, proxy: ProxyServer, hasty: YtClient) -> None:
        """The nth request of a command meets the fault, and no other."""
        fault = proxy.faults.add(Answer(500), command="get", nth=3, times=2)
        outcomes = []
        for _ in range(6):
            hasty.exists("//home")
            try:
                hasty.get("//home")
                outcomes.append("ok")
            except YtError:
                outcomes.append("bad")
        assert outcomes == ["ok", "ok", "bad", "bad", "ok", "ok"]
        assert fault.seen == 6
        assert len(fault.hits) == 2

    def test_of_any_request_leaves_pings_out(self, proxy: ProxyServer, client: YtClient) -> None:
        """Pings come when they like, so a count does not count them."""
        transaction_id = client.start_transaction()
        fault = proxy.faults.add(Drop(), nth=2)
        for _ in range(5):
            client.ping_transaction(transaction_id)
        client.get("//home")
        assert fault.hits == []
        client.get("//home")
        assert len(fault.hits) == 1
        pinged = proxy.faults.add(Drop(), command="ping_transaction")
        client.ping_transaction(transaction_id)
        assert len(pinged.hits) == 1

    def test_by_what_is_asked(self, proxy: ProxyServer, hasty: YtClient) -> None:
        """A predicate sees path, transaction and user."""
        proxy.faults.add(Answer(500), where=lambda record: record.path == "//tmp", times=None)
        hasty.get("//home")
        for _ in range(3):
            with pytest.raises(YtError):
                hasty.get("//tmp")
        proxy.faults.clear()
        hasty.get("//tmp")

    def test_counts_from_one(self, proxy: ProxyServer) -> None:
        """A zeroth request is a mistake in the test."""
        with pytest.raises(ValueError, match="count from 1"):
            proxy.faults.add(Drop(), nth=0)

    def test_meets_endpoints_beside_the_api(self, proxy: ProxyServer) -> None:
        """The list of heavy proxies can fail like a command."""
        fault = proxy.faults.add(Answer(503), command="hosts")
        proxy.cypress.create("file", "//home/f")
        with connect(proxy) as client:
            client.write_file("//home/f", b"x")
        assert len(fault.hits) == 1
        assert proxy.cypress.read("//home/f") == b"x"


class TestKinds:
    def test_a_drop_before_does_nothing(self, proxy: ProxyServer, hasty: YtClient) -> None:
        """Nothing was done, and the client sees a lost connection."""
        proxy.faults.add(Drop(), command="create")
        with pytest.raises(OSError, match=r"Connection|Remote"):
            hasty.create("map_node", "//home/a")
        assert not proxy.cypress.exists("//home/a")
        (record,) = proxy.log.of("create")
        assert (record.status, record.applied) == (None, False)

    def test_a_drop_after_has_done_it(self, proxy: ProxyServer, hasty: YtClient) -> None:
        """All was done, and the client sees the same lost connection."""
        proxy.faults.add(Drop(when="after"), command="create")
        with pytest.raises(OSError, match=r"Connection|Remote"):
            hasty.create("map_node", "//home/a")
        assert proxy.cypress.exists("//home/a")
        proxy.log.wait_idle()
        (record,) = proxy.log.of("create")
        assert (record.status, record.applied) == (None, True)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_an_answer_in_place_of_the_true_one_is_retried(
        self, proxy: ProxyServer, client: YtClient, status: int, when: str
    ) -> None:
        """The client tries again, and a mutation is done once."""
        body = "json" if status != 502 else "html"
        fault = proxy.faults.add(
            Answer(status, when="before" if when == "before" else "after", body="html" if body == "html" else "json"),
            command="create",
        )
        client.create("map_node", "//home/a")
        assert len(fault.hits) == 1
        assert [record.status for record in proxy.log.of("create")] == [status, 200]

    def test_too_many_requests_carry_their_advice(self, proxy: ProxyServer) -> None:
        """429 with `Retry-After`, as a JSON error, a page or nothing."""
        for kind in ("json", "html", "empty"):
            proxy.faults.add(Answer(429, retry_after=2, body=kind, code=Code.REQUEST_QUEUE_SIZE_LIMIT))
            connection = http.client.HTTPConnection("localhost", proxy.port)
            connection.request("GET", "/api/v4/get?path=//home", headers={"Authorization": f"OAuth {proxy.token}"})
            response = connection.getresponse()
            body = response.read()
            connection.close()
            assert response.status == 429
            assert response.headers["Retry-After"] == "2"
            if kind == "json":
                assert json.loads(body)["code"] == 108
                assert response.headers["X-YT-Response-Code"] == "108"
            else:
                assert "X-YT-Error" not in response.headers

    @pytest.mark.parametrize("framing", ["broken", "whole"])
    def test_a_truncated_answer_is_short(self, proxy: ProxyServer, framing: str) -> None:
        """`broken` promises more than comes, `whole` passes for complete."""
        proxy.faults.add(Truncate(keep=5, framing="broken" if framing == "broken" else "whole"), command="get")
        connection = http.client.HTTPConnection("localhost", proxy.port)
        connection.request("GET", "/api/v4/get?path=//home", headers={"Authorization": f"OAuth {proxy.token}"})
        response = connection.getresponse()
        if framing == "broken":
            with pytest.raises(http.client.IncompleteRead) as error:
                response.read()
            assert len(error.value.partial) == 5
        else:
            assert len(response.read()) == 5
        connection.close()

    @pytest.mark.parametrize("framing", ["broken", "whole"])
    def test_a_truncated_download_is_short(self, proxy: ProxyServer, framing: str) -> None:
        """A streamed answer can break off as well, or end too early without a sign."""
        proxy.cypress.write("//home/f", bytes(range(256)) * 40)
        proxy.faults.add(Truncate(keep=1000, framing="broken" if framing == "broken" else "whole"), command="read_file")
        connection = http.client.HTTPConnection("localhost", proxy.port)
        headers = {"Authorization": f"OAuth {proxy.token}"}
        connection.request("GET", "/api/v4/read_file?path=//home/f", headers=headers)
        response = connection.getresponse()
        if framing == "broken":
            with pytest.raises(http.client.IncompleteRead):
                response.read()
        else:
            assert response.read() == (bytes(range(256)) * 40)[:1000]
        connection.close()

    def test_a_broken_download_is_continued_by_the_client(self, proxy: ProxyServer, client: YtClient) -> None:
        """The client reads on from where the answer broke off."""
        data = bytes(range(256)) * 4000
        proxy.cypress.write("//home/f", data)
        proxy.faults.add(Truncate(keep=100_000), command="read_file")
        client.config["proxy"]["accept_encoding"] = "identity"
        assert client.read_file("//home/f").read() == data
        assert len(proxy.log.of("read_file")) == 2

    def test_a_delay_makes_the_client_wait(self, proxy: ProxyServer, client: YtClient) -> None:
        """The request takes so much longer, and is done."""
        proxy.faults.add(Delay(0.3, when="after"), command="create")
        started = time.monotonic()
        client.create("map_node", "//home/a")
        assert time.monotonic() - started >= 0.3

    def test_a_hang_lasts_until_it_is_released(self, proxy: ProxyServer) -> None:
        """A request that hangs ends with its connection, when the test says so."""
        fault = proxy.faults.add(Hang(), command="get")
        done = threading.Event()

        def ask() -> None:
            with connect(proxy, retries=NO_RETRIES) as client, pytest.raises(OSError, match=r"Connection|Remote"):
                client.get("//home")
            done.set()

        thread = threading.Thread(target=ask)
        thread.start()
        proxy.faults.wait_hit(fault)
        assert not done.is_set()
        fault.release()
        thread.join(30)
        assert done.is_set()

    def test_a_hang_makes_the_client_time_out(self, proxy: ProxyServer) -> None:
        """A client with little patience gives up by itself."""
        proxy.faults.add(Hang(), command="get", times=None)
        with connect(proxy, retries=NO_RETRIES) as client:
            client.config["proxy"]["request_timeout"] = 200
            with pytest.raises(OSError, match="timed out"):
                client.get("//home")

    def test_an_aborted_transaction_is_gone(self, proxy: ProxyServer, client: YtClient) -> None:
        """The outermost transaction ends under the request, with all that is in it."""
        proxy.faults.add(AbortTransaction(), command="set")
        outer = client.start_transaction()
        with client.Transaction(transaction_id=outer):
            client.create("map_node", "//home/a")
            inner = client.start_transaction()
        with client.Transaction(transaction_id=inner), pytest.raises(yt_errors.YtNoSuchTransaction):
            client.set("//home/a/@x", 1)
        assert proxy.cypress.transactions == []
        assert not proxy.cypress.exists("//home/a")

    def test_an_aborted_transaction_ends_an_upload(self, proxy: ProxyServer, hasty: YtClient) -> None:
        """An upload whose transaction is gone fails and leaves the old file."""
        proxy.cypress.write("//home/f", b"old")
        proxy.faults.add(AbortTransaction(when="after"), command="write_file")
        with pytest.raises(YtResponseError), hasty.Transaction(ping=False):
            hasty.write_file("//home/f", b"new")
        assert proxy.cypress.read("//home/f") == b"old"

    def test_a_transaction_lost_in_an_upload_is_a_plain_error(self, proxy: ProxyServer, hasty: YtClient) -> None:
        """What listens to the transaction only says that it was aborted: code 1, and nothing inside."""
        proxy.cypress.write("//home/f", b"old")
        lost = hasty.start_transaction()
        proxy.faults.add(AbortTransaction(when="body", after_bytes=100_000), command="write_file")
        with hasty.Transaction(transaction_id=lost), pytest.raises(YtResponseError):
            hasty.write_file("//home/f", b"x" * 1_000_000)
        (record,) = proxy.log.of("write_file")
        assert record.error is not None
        assert (record.error["code"], record.error["message"]) == (1, f"Transaction {lost} aborted")
        assert record.error["inner_errors"] == []
        assert proxy.cypress.read("//home/f") == b"old"

    @pytest.mark.parametrize("code", [Code.ALL_TARGET_NODES_FAILED, Code.MEMORY_PRESSURE])
    def test_an_upload_can_fail_in_its_midst(self, proxy: ProxyServer, client: YtClient, code: Code) -> None:
        """Data nodes and memory run out in the midst of a body: nothing is written, and the next try may succeed."""
        proxy.cypress.write("//home/f", b"old")
        action = Answer(400, when="body", code=code, message="Too few", after_bytes=100_000)
        fault = proxy.faults.add(action, command="write_file")
        with contextlib.suppress(YtResponseError):
            client.write_file("//home/f", b"x" * 1_000_000)
        assert len(fault.hits) == 1
        proxy.log.wait_idle()
        (first, *_) = proxy.log.of("write_file")
        assert (first.status, first.applied) == (400, False)
        proxy.cypress.wait_for(lambda cypress: not cypress.get("//home/f/@locks"))
        client.write_file("//home/f", b"new")
        assert proxy.cypress.read("//home/f") == b"new"

    def test_a_corrupted_upload_has_another_md5(self, proxy: ProxyServer, client: YtClient) -> None:
        """The cluster's MD5 is of what it has, and that is not what was sent."""
        proxy.faults.add(Corrupt(offset=3), command="write_file")
        client.write_file("//home/f", b"abcdef", compute_md5=True)
        assert client.read_file("//home/f").read() == b"abceef"
        assert client.get("//home/f/@uncompressed_data_size") == 6

    def test_a_refusal_closes_the_port_for_a_while(self, proxy: ProxyServer, client: YtClient) -> None:
        """New connections are refused, then served again; patience gets through."""
        proxy.faults.add(Refuse(seconds=0.2), command="get")
        client.config["proxy"]["retries"]["count"] = 100
        client.get("//home")
        assert len(proxy.log.of("get")) == 3

    def test_a_refusal_can_last(self, proxy: ProxyServer, client: YtClient) -> None:
        """A dead proxy stays dead until it is started again."""
        proxy.refuse()
        with pytest.raises(OSError, match="refused"):
            client.get("//home")
        proxy.accept()
        client.get("//home")

    def test_a_function_of_the_test_can_step_in(self, proxy: ProxyServer, client: YtClient) -> None:
        """Anything can happen at an exact moment, and the function knows which."""
        seen: list[Record] = []
        proxy.faults.add(Run(seen.append, when="after"), command="create")
        proxy.faults.add(Run(lambda _: proxy.cypress.set("//home/@x", 1)), command="create")
        client.create("map_node", "//home/a")
        assert [record.path for record in seen] == ["//home/a"]
        assert proxy.cypress.get("//home/@x") == 1


def test_a_failing_function_is_heard_of() -> None:
    """What a function of the test raises closes the connection, and comes out when the proxy is closed."""
    proxy = ProxyServer()
    proxy.faults.add(Run(lambda record: record.parameters["absent"]), command="get")
    with connect(proxy, retries=NO_RETRIES) as client, pytest.raises(OSError, match=r"Connection|Remote"):
        client.get("//home")
    with pytest.raises(RuntimeError) as error:
        proxy.close()
    assert isinstance(error.value.__cause__, KeyError)


def test_closing_the_proxy_ends_what_hangs(proxy: ProxyServer) -> None:
    """No request keeps a proxy from stopping."""
    with ProxyServer() as short_lived:
        fault = short_lived.faults.add(Hang(), command="get")
        connection = http.client.HTTPConnection("localhost", short_lived.port)
        headers = {"Authorization": f"OAuth {short_lived.token}"}
        connection.request("GET", "/api/v4/get?path=//home", headers=headers)
        short_lived.faults.wait_hit(fault)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.getresponse()
    connection.close()
    with pytest.raises(ConnectionError):
        http.client.HTTPConnection("localhost", short_lived.port).connect()
