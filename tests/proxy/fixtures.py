"""Clients for the proxy, with short waits between retries and everything closed at the end; a clock; access lists."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

import yt.wrapper
import yt.wrapper.driver
from yt.wrapper.config import get_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy.server import ProxyServer

QUICK_RETRIES = {
    "enable": True,
    "count": 4,
    "total_timeout": 20_000,
    "backoff": {"policy": "constant_time", "constant_time": 10},
}
NO_RETRIES = {**QUICK_RETRIES, "enable": False}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def ace(action: str, subject: str, *permissions: str, inheritance: str = "object_and_descendants") -> dict[str, object]:
    """Give an entry for `@acl`."""
    return {
        "action": action,
        "subjects": [subject],
        "permissions": sorted(permissions),
        "inheritance_mode": inheritance,
    }


def client_config(*, retries: dict[str, object] | None = None) -> dict[str, object]:
    """Give the configuration of a client that waits 10 ms between its four attempts."""
    chosen = QUICK_RETRIES if retries is None else retries
    return {
        "proxy": {
            "retries": copy.deepcopy(chosen),
            "request_timeout": 10_000,
            "connect_timeout": 2_000,
            "heavy_request_timeout": 10_000,
            "enable_proxy_discovery": True,
            "content_encoding": "identity",
        },
        "write_retries": copy.deepcopy(chosen),
        "read_retries": copy.deepcopy(chosen),
        # A pinger looks so often, in ms, whether it may end; each commit waits for it.
        "transaction_sleep_period": 2,
        "ping_failed_mode": "pass",
        "apply_remote_patch_at_start": None,
    }


def request(command: str, parameters: Mapping[str, object], client: yt.wrapper.YtClient) -> Any:
    """Send a command, or parameters of one, that the client has no function for, and give the answer."""
    return yt.wrapper.driver.make_formatted_request(command, dict(parameters), format=None, client=client)


@contextlib.contextmanager
def connect(
    proxy: ProxyServer, *, token: str | None = None, retries: dict[str, object] | None = None, **config: object
) -> Iterator[yt.wrapper.YtClient]:
    """Give a client of the proxy; its connections are closed at the end."""
    settings = {**client_config(retries=retries), **config}
    client = yt.wrapper.YtClient(proxy=proxy.address, token=token or proxy.token, config=settings)
    try:
        yield client
    finally:
        session = get_option("_requests_session", client)
        if session is not None:
            session.close()
