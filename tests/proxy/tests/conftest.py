"""What most tests of the proxy need: a proxy on a clock of the test, and two clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from proxy import ProxyServer
from proxy.fixtures import Clock, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yt.wrapper import YtClient


@pytest.fixture(autouse=True)
def _unmeasured(unmeasured: None) -> None:
    """Nothing of ours is tested here."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def proxy(clock: Clock) -> Iterator[ProxyServer]:
    with ProxyServer(clock=clock) as server:
        yield server


@pytest.fixture
def client(proxy: ProxyServer) -> Iterator[YtClient]:
    with connect(proxy) as connected:
        yield connected


@pytest.fixture
def other(proxy: ProxyServer) -> Iterator[YtClient]:
    with connect(proxy) as connected:
        yield connected
