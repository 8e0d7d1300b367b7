"""Whether a real server does what the test proxy assumes; `--report FILE` writes down what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cluster_rules import RULES, Report

if TYPE_CHECKING:
    from cluster_rules import Rule
    from yt.wrapper import YtClient

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("rule", RULES, ids=[name for name, _, _ in RULES])
def test_the_server_does_as_the_test_proxy(
    rule: Rule, client: YtClient, top: str, request: pytest.FixtureRequest
) -> None:
    """One question each."""
    name, ask, expected = rule
    found = ask(client, top)
    report = request.config.pluginmanager.get_plugin("cluster-report")
    if isinstance(report, Report):
        report.about = {"address": client.config["proxy"]["url"]}
        report.add(name, expected, found)
    assert found == expected
