"""A real cluster, named by `YT_PROXY`, and a folder on it that is removed at the end."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from cluster_rules import CLIENT, PROXY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yt.wrapper import YtClient


@pytest.fixture(autouse=True)
def _client_environment(_clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give back what ytsaurus-client was configured with."""
    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def client(_client_environment: None) -> YtClient:
    """Return a plain client of the cluster; without one, the test is skipped."""
    import yt.wrapper
    from yt.wrapper.default_config import get_config_from_env

    if PROXY is None:
        pytest.skip("`YT_PROXY` names no cluster")
    return yt.wrapper.YtClient(proxy=PROXY, config=get_config_from_env())


@pytest.fixture
def top(client: YtClient) -> Iterator[str]:
    """Return a folder that is removed at the end."""
    path = f"//tmp/hatch-ytupload-tests-{uuid.uuid4()}"
    client.create("map_node", path)
    yield path
    client.remove(path, recursive=True, force=True)
