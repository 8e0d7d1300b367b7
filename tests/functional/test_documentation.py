"""The pages are complete, and right where somebody follows them: tables, links, and console blocks."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any

import click
import pytest
from pipelines import CHECKOUT

from hatch_ytupload.command_line.cli import COMMANDS, hatch_ytupload

pytestmark = pytest.mark.functional

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

PACKAGE = CHECKOUT / "hatch_ytupload"
ARCHITECTURE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
REFERENCE = (CHECKOUT / "docs" / "commands.md").read_text(encoding="utf-8")


def test_the_table_of_rooms_holds_each_of_them() -> None:
    """Those of import-linter, in their order."""
    pyproject: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = pyproject["tool"]["importlinter"]["contracts"][0]["layers"]
    table = ARCHITECTURE[ARCHITECTURE.index("| room |") : ARCHITECTURE.index("## Two walks")]
    places = [
        [re.search(rf"`{name}(?:\.py)?`", table) for name in layer.split(" | ") if name != "__about__"]
        for layer in layers
    ]
    assert all(all(layer) for layer in places), places
    starts = [min(found.start() for found in layer if found) for layer in places]
    assert starts == sorted(starts)


def test_the_walks_pass_by_files_that_exist() -> None:
    """Each file that is named with its room."""
    names = set(re.findall(r"`((?!stages/)[a-z_]+/[a-z_/]+\.py)`", ARCHITECTURE))
    assert len(names) > 15
    missing = [name for name in names if not any((place / name).exists() for place in (PACKAGE, CHECKOUT))]
    assert not missing


def test_the_reference_has_all_commands_with_all_their_flags() -> None:
    """One row for each command; flags that several have stand above the table."""
    rows = dict(re.findall(r"^\| `hatch-ytupload ([a-z]+)[^`]*` \|(.*)$", REFERENCE, re.MULTILINE))
    assert set(rows) == set(COMMANDS)
    before = REFERENCE[: REFERENCE.index("| `hatch-ytupload init")]
    context = click.Context(hatch_ytupload)
    for name, row in rows.items():
        command = hatch_ytupload.get_command(context, name)
        assert command is not None
        for option in (found for found in command.params if isinstance(found, click.Option)):
            for flag in (*option.opts, *option.secondary_opts):
                assert f"`{flag}" in row or f"`{flag}" in before, f"{name} {flag}"
