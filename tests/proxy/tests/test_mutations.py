"""Repeated requests: mutation ids, the retry flag, and batches."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest
from proxy import Between, Drop, ProxyServer
from proxy.fixtures import connect
from proxy.mutations import part_id

if TYPE_CHECKING:
    from proxy.fixtures import Clock

ID = "1-2-3-4"


def post(proxy: ProxyServer, command: str, **parameters: object) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("localhost", proxy.port)
    headers = {"Authorization": f"OAuth {proxy.token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", f"/api/v4/{command}", json.dumps(parameters), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_repeated_mutation_is_answered_and_not_done_again(proxy: ProxyServer) -> None:
    """With the retry flag the answer of the first time comes back, whatever happened in between."""
    first = post(proxy, "create", type="map_node", path="//home/a", mutation_id=ID, retry=False)
    assert first[0] == 200
    proxy.cypress.remove("//home/a")
    assert post(proxy, "create", type="map_node", path="//home/a", mutation_id=ID, retry=True) == first
    assert not proxy.cypress.exists("//home/a")


def test_a_duplicate_without_the_flag_is_refused(proxy: ProxyServer) -> None:
    """The same id once more has to admit that it is a retry."""
    post(proxy, "create", type="map_node", path="//home/a", mutation_id=ID)
    status, error = post(proxy, "create", type="map_node", path="//home/b", mutation_id=ID)
    assert status == 400
    assert error["message"] == 'Duplicate request is not marked as "retry"'
    assert not proxy.cypress.exists("//home/b")


def test_a_failed_mutation_fails_again(proxy: ProxyServer) -> None:
    """The answer that is kept may be an error."""
    status, error = post(proxy, "remove", path="//home/a", mutation_id=ID)
    assert status == 400
    proxy.cypress.create("map_node", "//home/a")
    status, again = post(proxy, "remove", path="//home/a", mutation_id=ID, retry=True)
    assert (status, again["message"]) == (400, error["message"])
    assert proxy.cypress.exists("//home/a")


def test_a_retry_that_never_arrived_is_done(proxy: ProxyServer) -> None:
    """The flag alone proves nothing: an unknown id is a first time."""
    assert post(proxy, "create", type="map_node", path="//home/a", mutation_id=ID, retry=True)[0] == 200
    assert proxy.cypress.exists("//home/a")


def test_a_retry_needs_an_id(proxy: ProxyServer) -> None:
    """A retry of nothing in particular is refused, and so are ids that are none."""
    assert post(proxy, "create", type="map_node", path="//home/a", retry=True)[0] == 400
    for wrong in ("1-2-3", "x-y-z-w", "123456789-0-0-0", 5):
        assert post(proxy, "create", type="map_node", path="//home/a", mutation_id=wrong)[0] == 400
    assert not proxy.cypress.exists("//home/a")


def test_an_id_belongs_to_one_command(proxy: ProxyServer) -> None:
    """An id cannot fetch the answer of another command."""
    post(proxy, "create", type="map_node", path="//home/a", mutation_id=ID)
    assert post(proxy, "remove", path="//home/a", mutation_id=ID, retry=True)[0] == 400
    assert proxy.cypress.exists("//home/a")


def test_answers_are_kept_for_some_minutes(proxy: ProxyServer, clock: Clock) -> None:
    """After five minutes the id is forgotten, and the request is done."""
    post(proxy, "create", type="map_node", path="//home/a", mutation_id=ID)
    proxy.cypress.remove("//home/a")
    clock.now += 301
    assert post(proxy, "create", type="map_node", path="//home/a", mutation_id=ID, retry=True)[0] == 200
    assert proxy.cypress.exists("//home/a")


@pytest.mark.parametrize(
    "command", ["create", "start_transaction", "commit_transaction", "copy", "move", "lock", "remove"]
)
def test_a_lost_answer_does_no_harm_through_the_client(proxy: ProxyServer, command: str) -> None:
    """The client repeats what was done already and gets the true answer."""
    proxy.cypress.set("//home/a", {"x": 1})
    fault = proxy.faults.add(Drop(when="after"), command=command)
    with connect(proxy) as client:
        with client.Transaction(ping=False):
            client.create("map_node", "//home/b")
            client.lock("//home/a/x")
            client.copy("//home/a/x", "//home/b/x")
            client.move("//home/b/x", "//home/b/y")
            client.remove("//home/a/x")
        assert client.get("//home") == {"a": {}, "b": {"y": 1}}
    assert len(fault.hits) == 1
    records = [record for record in proxy.log.of(command) if record.mutation_id == proxy.log.of(command)[0].mutation_id]
    assert [record.retry for record in records] == [False, True]
    assert proxy.cypress.transactions == []


class TestBatch:
    def test_does_its_parts_one_by_one(self, proxy: ProxyServer) -> None:
        """Each part succeeds or fails for itself."""
        with connect(proxy) as client:
            batch = client.create_batch_client()
            created = batch.create("map_node", "//home/a")
            failed = batch.get("//home/zzz")
            written = batch.set("//home/@x", {"y": "й"})
            asked = batch.exists("//home/a")
            batch.commit_batch()
            assert client.get("//home/a/@id") == created.get_result()
            assert failed.get_error()["code"] == 500
            assert written.is_ok()
            assert asked.get_result()
            assert client.get("//home/@x/y") == "й"

    def test_is_no_snapshot(self, proxy: ProxyServer) -> None:
        """What somebody commits between two parts of a batch, the later part sees."""
        proxy.cypress.set("//home/name", "old")
        proxy.cypress.set("//home/what", "old")

        def commit() -> None:
            proxy.cypress.set("//home/name", "new")
            proxy.cypress.set("//home/what", "new")

        fault = proxy.faults.add(Between(commit), command="execute_batch")
        with connect(proxy) as client:
            batch = client.create_batch_client()
            parts = [batch.get(f"//home/{name}") for name in ("name", "what", "what")]
            batch.commit_batch()
        assert [part.get_result() for part in parts] == ["old", "new", "new"]
        assert len(fault.hits) == 1

    def test_repeated_is_answered_part_by_part(self, proxy: ProxyServer) -> None:
        """The parts have ids derived from the batch's: a repeated batch does nothing twice."""
        parts = [{"command": "create", "parameters": {"type": "map_node", "path": f"//home/{name}"}} for name in "ab"]
        first = post(proxy, "execute_batch", requests=parts, mutation_id=ID)
        again = post(proxy, "execute_batch", requests=parts, mutation_id=ID, retry=True)
        assert first == again
        fresh = post(proxy, "execute_batch", requests=parts, mutation_id="1-2-3-99")
        results = fresh[1]["results"]
        assert isinstance(results, list)
        assert [each["error"]["code"] for each in results] == [501, 501]

    def test_with_an_unknown_command_loses_the_answers_but_does_the_rest(self, proxy: ProxyServer) -> None:
        """One unknown name fails the whole request; the other parts are done all the same."""
        parts = [
            {"command": "frobnicate", "parameters": {}},
            {"command": "create", "parameters": {"type": "map_node", "path": "//home/a"}},
        ]
        status, error = post(proxy, "execute_batch", requests=parts)
        assert status == 400
        assert error["message"] == 'Unknown command "frobnicate"'
        assert proxy.cypress.exists("//home/a")

    @pytest.mark.parametrize(
        "requests",
        ["many", [5], [{"parameters": {}}], [{"command": "get", "parameters": []}], [{"command": "get", "extra": 1}]],
    )
    def test_that_is_malformed_does_nothing(self, proxy: ProxyServer, requests: object) -> None:
        """Parts are read before any is done."""
        parts = requests
        if isinstance(requests, list):
            parts = [{"command": "create", "parameters": {"type": "map_node", "path": "//home/a"}}, *requests]
        assert post(proxy, "execute_batch", requests=parts)[0] == 400
        assert post(proxy, "execute_batch", requests=[], concurrency=0)[0] == 400
        assert not proxy.cypress.exists("//home/a")


def test_ids_of_parts_count_up_in_the_last_group() -> None:
    """The first 32 bits of an id are spelled last."""
    assert part_id("1-2-3-ff", 0) == "1-2-3-ff"
    assert part_id("1-2-3-ff", 1) == "1-2-3-100"
    assert part_id("1-2-3-ffffffff", 1) == "1-2-3-0"
