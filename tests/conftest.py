"""What holds for every test: a clean environment, signals that work, a time limit, and no files of hypothesis."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from cluster_rules import Report
from examples import EXAMPLES
from pipelines import clean_environment, make_pipeline
from unattended import EndOfHangingTests, reset_inherited_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines import Pipeline
    from proxy import ProxyServer

hypothesis.settings.register_profile("suite", deadline=None, database=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("suite")
reset_inherited_signals()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `-m cluster` takes."""
    parser.addoption("--report", metavar="FILE", help="where to write what a real cluster answers, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """End what hangs, and write the report that is asked for."""
    config.pluginmanager.register(EndOfHangingTests())
    path = config.getoption("--report")
    if path is not None:
        config.pluginmanager.register(Report(Path(path)), "cluster-report")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the variables of the machine that could change a build, and the cache of the user's builds."""
    clean = clean_environment()
    for name in set(os.environ) - set(clean):
        # pytest and its plugins talk through variables of their own.
        if not name.startswith("PYTEST"):
            monkeypatch.delenv(name)
    for name, value in clean.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a small pipeline that builds."""
    return make_pipeline(tmp_path / "demo")


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    """Run a cluster with an empty tree."""
    from proxy import ProxyServer

    with ProxyServer() as server:
        yield server


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Measure no coverage in tests that repeat what others do once, or test nothing of ours: it doubles their time."""
    coverage = sys.modules.get("coverage")
    measuring = coverage.Coverage.current() if coverage is not None else None
    if measuring is None:
        yield
        return
    measuring.stop()
    yield
    measuring.start()
