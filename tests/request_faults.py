"""Faults that strike the requests of what a test does again and again.

What is done is a row of requests of several commands. Each kind of fault strikes at least one request of every command,
and every request is struck; the whole matrix of kinds and requests is for `YTUPLOAD_FUZZ_EXAMPLES`.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

from examples import IS_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proxy import Fault, ProxyServer
    from proxy.faults import Action


def each_request(proxy: ProxyServer, action: Action, *, command: str | None = None, at_least: int) -> Iterator[Fault]:
    """Add a fault to the first request of what follows, then to the second, until there are no more requests.

    Args:
        proxy: that the requests go to.
        action: what happens to them.
        command: whose requests; None: all.
        at_least: so many requests there must be.
    """
    for number in count(1):
        proxy.faults.clear()
        fault = proxy.faults.add(action, nth=number, command=command)
        yield fault
        if not fault.hits:
            assert number > at_least
            return


def in_turn(proxy: ProxyServer, actions: Sequence[Action], commands: list[str]) -> Iterator[Fault]:
    """Add one of these faults to a request of what follows, then the next one to another, until all were struck.

    Args:
        proxy: that the requests go to.
        actions: what happens to them in turn; each happens to one request of every command.
        commands: of the requests of what follows.
    """
    for command, requests in Counter(commands).items():
        chosen = {(turn % len(actions), turn % requests) for turn in range(max(len(actions), requests))}
        every = {(kind, number) for kind in range(len(actions)) for number in range(requests)}
        for kind, number in sorted(every if IS_LONG else chosen):
            fault = proxy.faults.add(actions[kind], command=command, nth=1 + number)
            yield fault
            assert fault.hits, (command, number)
            proxy.faults.clear()


def one_of_each_command(proxy: ProxyServer, action: Action, commands: list[str], turn: int) -> Iterator[None]:
    """Add a fault that passes to one request of every command of what follows; or one after the other to all.

    Args:
        proxy: that the requests go to.
        action: what happens to them.
        commands: of the requests of what follows.
        turn: of several requests of a command, another one is struck in each turn.
    """
    if IS_LONG:
        for _ in in_turn(proxy, [action], commands):
            yield
        return
    faults = [
        proxy.faults.add(action, command=command, nth=1 + turn % requests)
        for command, requests in Counter(commands).items()
    ]
    yield
    assert all(fault.hits for fault in faults)
    proxy.faults.clear()
