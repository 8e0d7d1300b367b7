"""Many clients of the test proxy at once: nothing is lost, nothing is seen half."""

from __future__ import annotations

import concurrent.futures
import random
import threading
from typing import TYPE_CHECKING

import yt.wrapper.errors as yt_errors
from proxy import Drop, ProxyServer
from proxy.fixtures import connect

if TYPE_CHECKING:
    from yt.wrapper import YtClient

CLIENTS = 6
ROUNDS = 8


def together(count: int, action: object) -> list[object]:
    """Do something in so many threads and give what they gave."""
    assert callable(action)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(action, index) for index in range(count)]]


def test_every_client_gets_its_changes_in(proxy: ProxyServer) -> None:
    """Transactions on different children of one directory never conflict and all arrive."""

    def work(index: int) -> None:
        with connect(proxy) as client:
            for number in range(ROUNDS):
                with client.Transaction(ping=False):
                    client.set(f"//home/c{index}_{number}", number)
                    client.set(f"//home/@c{index}", number)

    together(CLIENTS, work)
    assert len(proxy.cypress.keys("//home")) == CLIENTS * ROUNDS
    assert proxy.cypress.transactions == []
    assert proxy.cypress.get("//home/@lock_count") == 0


def test_of_many_writers_of_one_node_one_wins_at_a_time(proxy: ProxyServer) -> None:
    """A counter that is read and written under a lock counts every success and no failure."""
    proxy.cypress.set("//home/counter", 0)

    def count(client: YtClient) -> bool:
        try:
            with client.Transaction(ping=False):
                client.lock("//home/counter")
                client.set("//home/counter", client.get("//home/counter") + 1)
        except yt_errors.YtCypressTransactionLockConflict:
            return False
        return True

    def work(index: int) -> int:
        with connect(proxy) as client:
            return sum(count(client) for _ in range(ROUNDS))

    results = together(CLIENTS, work)
    assert proxy.cypress.get("//home/counter") == sum(int(str(each)) for each in results) > 0


def test_readers_see_whole_versions_only(proxy: ProxyServer) -> None:
    """While files are replaced in transactions, every download is one version, byte for byte."""
    versions = {bytes([index]) * size for index, size in enumerate((10, 70_000, 300_000, 1))}
    proxy.cypress.write("//home/f", next(iter(versions)))
    stop = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        with connect(proxy) as client:
            while not stop.is_set():
                data = client.read_file("//home/f").read()
                assert data in versions
                seen.add(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with connect(proxy) as client:
            for data in random.Random(0).choices(sorted(versions), k=10):
                with client.Transaction(ping=False):
                    client.write_file("//home/new", data)
                    client.move("//home/new", "//home/f", force=True)
    finally:
        stop.set()
        reader.join(60)
    assert seen <= versions
    assert seen


def test_lost_answers_everywhere_still_end_well(proxy: ProxyServer) -> None:
    """With every other answer lost, clients that retry get everything done exactly once."""
    counter = iter(range(10**9))
    guard = threading.Lock()

    def every_other(_: object) -> bool:
        with guard:
            return next(counter) % 2 == 0

    proxy.faults.add(Drop(when="after"), where=every_other, times=None)

    def work(index: int) -> None:
        with connect(proxy) as client:
            client.config["proxy"]["retries"]["count"] = 40
            for number in range(4):
                client.create("map_node", f"//home/c{index}_{number}")

    together(4, work)
    proxy.faults.clear()
    assert len(proxy.cypress.keys("//home")) == 16
    assert len(proxy.log.of("create")) > 16
