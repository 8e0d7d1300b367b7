"""What tests of publishing share: bundles that are built once, and no patience."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pipelines import make_pipeline

if TYPE_CHECKING:
    from build_folders import Bundle


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Return ten bundles of one project, each another release; no test changes them."""
    from build_folders import make_bundle

    pipeline = make_pipeline(tmp_path_factory.mktemp("bundles") / "demo")
    return [make_bundle(pipeline, f"text {number}", wrappers=True) for number in range(10)]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat and look again at once."""
    from hatch_ytupload.build_folders.cypress import client, lock

    monkeypatch.setattr(client, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(lock, "_POLL_SECONDS", 0.01)
