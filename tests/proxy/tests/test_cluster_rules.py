"""The questions that a real cluster is asked, asked of the test proxy: what it assumes is what they expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cluster_rules import RULES
from proxy import ProxyServer
from proxy.fixtures import connect

if TYPE_CHECKING:
    from cluster_rules import Rule


@pytest.mark.parametrize("rule", RULES, ids=[name for name, _, _ in RULES])
def test_the_test_proxy_does_as_the_questions_expect(rule: Rule) -> None:
    """So whatever a cluster answers differently, the test proxy does wrongly."""
    _, ask, expected = rule
    with ProxyServer() as server, connect(server) as client:
        client.create("map_node", "//tmp/folder")
        assert ask(client, "//tmp/folder") == expected
