"""What README and docs promise exists, and what exists is in the docs: settings, variables, commands, options."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import click
import pytest
from pipelines import CHECKOUT

from hatch_ytupload.command_line.cli import COMMANDS, hatch_ytupload
from hatch_ytupload.configuration.keys import KEYS
from hatch_ytupload.packing.manifest import Manifest
from hatch_ytupload.requirements.reading import INVALID, MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.functional

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

SETTINGS = (CHECKOUT / "docs" / "settings.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(CHECKOUT.glob("docs/*.md"))}
PAGES["../README.md"] = (CHECKOUT / "README.md").read_text(encoding="utf-8")
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((CHECKOUT / "hatch_ytupload").rglob("*.py")))


def table(page: str, *beginning: str) -> dict[str, dict[str, str]]:
    """Return the rows of the table whose header begins with these columns, by the name in the first one."""
    rows: dict[str, dict[str, str]] = {}
    header: list[str] = []
    for line in page.splitlines():
        if not line.startswith("|"):
            header = []
            continue
        # A bar inside a cell is written `\|`.
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not header:
            header = cells
        elif header[: len(beginning)] == list(beginning) and not set(line) <= set("|-: "):
            rows[cells[0].strip("`")] = dict(zip(header, cells, strict=True))
    assert rows, f"no table that begins with {beginning}"
    return rows


def test_the_table_of_settings_holds_each_of_them() -> None:
    """No more, no less, and in the order of the code."""
    assert list(table(SETTINGS, "key")) == list(KEYS)


def test_the_defaults_are_the_ones_of_the_code() -> None:
    """Where a cell shows a value; other cells say in words what happens."""
    compared = 0
    for key, row in table(SETTINGS, "key").items():
        shown = row["when absent"]
        try:
            documented = tomllib.loads(f"x = {shown.strip('`')}")["x"]
        except tomllib.TOMLDecodeError:
            continue
        default: Any = KEYS[key].default
        assert documented == (list(default) if isinstance(default, tuple) else default), key
        compared += 1
    assert compared >= 6


def test_each_setting_has_its_places_and_its_paragraph() -> None:
    """The key of the pipeline's config, the environment variable, and a description below the table."""
    for key, row in table(SETTINGS, "key").items():
        assert row["in the config"].strip("`") == (KEYS[key].config_key or ""), key
        assert row["environment variable"].strip("`") == (KEYS[key].variable or ""), key
        assert re.search(rf"^`{key}`.*\n: ", SETTINGS, re.MULTILINE), f"no paragraph on `{key}`"


def test_the_variables_of_the_docs_are_those_of_the_code() -> None:
    """All that begin with `YTUPLOAD_`."""
    variable = re.compile(r"\bYTUPLOAD_[A-Z_]+\b")
    documented = {name for page in PAGES.values() for name in variable.findall(page)}
    known = set(re.findall(r'"(YTUPLOAD_[A-Z_]+)"', SOURCES))
    assert documented == known
    assert {key.variable for key in KEYS.values() if key.variable} <= known


def test_the_publisher_options_of_the_docs_are_those_of_the_code() -> None:
    """What `hatch publish -p ytupload -o name=value` takes."""
    from hatch_ytupload.configuration.keys import PUBLISHER_OPTIONS

    text = "\n".join(PAGES.values())
    calls = re.findall(r"hatch publish .*-p ytupload.*", text)
    used = {option for call in calls for option in re.findall(r" -o ([a-z_]+)", call)}
    assert used <= set(PUBLISHER_OPTIONS), f"documented and unknown: {used - set(PUBLISHER_OPTIONS)}"
    missing = [option for option in PUBLISHER_OPTIONS if f"`{option}`" not in text and f"-o {option}" not in text]
    assert not missing


def test_the_manifest_of_the_docs_is_that_of_builds() -> None:
    """Every key, and the fields of each."""
    rows = table(PAGES["building.md"], "key")
    assert sorted(rows) == sorted(Manifest._fields)
    for key, kind in get_type_hints(Manifest).items():
        inner = next((part for part in (kind, *get_args(kind)) if hasattr(part, "_fields")), None)
        for name in getattr(inner, "_fields", ()):
            assert f"`{name}`" in rows[key]["content"], f"{key}.{name}"


def test_the_rules_of_check_in_the_docs_are_those_of_the_code() -> None:
    """A row for each, and none for others."""
    code = "".join(path.read_text() for path in (CHECKOUT / "hatch_ytupload" / "checks").glob("*.py"))
    rules = set(re.findall(r'(?:Finding\(\w+|_report\(\w+), "([a-z-]+)"', code)) | {INVALID, MISSING}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGES["checking.md"], re.MULTILINE)) == rules


def commands() -> dict[str, click.Command]:
    """Return all commands by name."""
    context = click.Context(hatch_ytupload)
    found = {name: hatch_ytupload.get_command(context, name) for name in COMMANDS}
    return {name: command for name, command in found.items() if command is not None}


def flags(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command by each of their names."""
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {name: option for option in options for name in (*option.opts, *option.secondary_opts)}


CALL = re.compile(r"(?:[A-Z_]+=\S+ )*hatch-ytupload (.*)")


def shown_calls() -> Iterator[tuple[str, str, list[str]]]:
    """Yield every call of the command line in the docs: page, command (or the whole call, if it names none), flags."""
    for name, page in PAGES.items():
        lines = [line.strip().removeprefix("$ ") for line in page.replace("\\\n", " ").splitlines()]
        for text in [*lines, *re.findall(r"`([^`\n]+)`", page)]:
            match = CALL.fullmatch(text)
            if match is None:
                continue
            words = shlex.split(match[1], comments=True)
            words = list(takewhile(lambda word: word not in ("|", ">", "<", "&&", ";"), words))
            command = next((word for word in words if word in COMMANDS), text)
            yield name, command, [word.partition("=")[0] for word in words if re.match("--?[a-zA-Z]", word)]


def test_each_call_in_the_docs_is_one_that_works() -> None:
    """Every command that is shown exists, and has the flags that are shown with it."""
    seen = set()
    every = commands()
    general = {*flags(hatch_ytupload), "--help", "-h", "--version"}
    for page, command, used in shown_calls():
        if command not in every:
            assert not set(used) - general, f"{page}: `{command}`"
            continue
        seen.add(command)
        assert not set(used) - set(flags(every[command])) - general, f"{page}: `hatch-ytupload {command}`"
    assert seen == set(COMMANDS), "commands that no page shows"


def test_each_option_is_on_a_page_of_its_command() -> None:
    """A page that shows the command names the flag, in one of its spellings."""
    pages: dict[str, set[str]] = {}
    for page, called, _ in shown_calls():
        pages.setdefault(called, set()).add(page)
    missing = []
    for name, command in commands().items():
        text = "\n".join(PAGES[page] for page in sorted(pages.get(name, ())))
        missing += [f"hatch-ytupload {name} {flag}" for flag in unmentioned(command, text)]
    missing += [f"hatch-ytupload {flag}" for flag in unmentioned(hatch_ytupload, "\n".join(PAGES.values()))]
    assert not missing, f"in no page that shows the command: {missing}"


def unmentioned(command: click.Command, text: str) -> list[str]:
    """Return the options of a command that a text does not name."""
    return [
        "/".join(spellings)
        for spellings in dict.fromkeys((*option.opts, *option.secondary_opts) for option in flags(command).values())
        if not any(re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text) for flag in spellings)
    ]
