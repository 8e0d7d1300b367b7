"""The examples in docstrings are what happens."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest
from pipelines import CHECKOUT

FILES = sorted((CHECKOUT / "hatch_ytupload").rglob("*.py"))
NAMES = [".".join(path.relative_to(CHECKOUT).with_suffix("").parts) for path in FILES if ">>>" in path.read_text()]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    """Each gives what stands below it."""
    failed, tried = doctest.testmod(import_module(name))
    assert tried
    assert not failed
