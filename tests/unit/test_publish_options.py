"""The publisher's options: one place, all problems at once."""

from __future__ import annotations

from typing import Any

import pytest
from pipelines import refusal

from hatch_ytupload.configuration.keys import PUBLISHER_OPTIONS
from hatch_ytupload.configuration.project import Pyproject, hatch_build
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.plugin.publish_options import PublishOptions, read_options

ALWAYS = {"no_prompt": False, "initialize_auth": False}
EXAMPLE = "the path of a Cypress folder such as `//home/project/build`"


def read(given: dict[str, object] | None = None, user: dict[str, object] | None = None) -> PublishOptions:
    """Read options as Hatch passes them."""
    return read_options({**ALWAYS, **(given or {})}, user or {})


def test_without_options_nothing_is_set() -> None:
    """What Hatch always passes is none of ours."""
    assert read() == PublishOptions({}, None, dry_run=False, dist=None)


def test_what_is_given_is_read() -> None:
    """Settings by key, the others by themselves."""
    options = read({"proxy": "given", "environment": "prod", "dist": "out", "build_folder": "//a/b/"})
    assert options == PublishOptions({"proxy": "given", "build_folder": "//a/b"}, "prod", dry_run=False, dist="out")


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("build_folder", "write `tool.ytupload.build_folder`"),
        ("keep_releases", "write `tool.ytupload.keep_releases`"),
        ("buildfolder", "write `tool.ytupload.build_folder`"),
        ("dry_run", "give it when you publish: `-o dry_run=...`"),
        ("environment", "give it when you publish: `-o environment=...`"),
        ("\x1b", "settings stand in `[tool.ytupload]`"),
    ],
)
def test_hatchs_own_tables_hold_no_settings(name: str, way_out: str) -> None:
    """Each key but `disable` is an error that says where it belongs."""
    shown = name if name.isprintable() else "\\x1b"
    table: dict[str, object] = {name: "x", "disable": False}
    way_out = f"means nothing there, where only `disable` does; {way_out}"
    of_project = Pyproject("/", {"tool": {"hatch": {"publish": {"ytupload": table}}}})
    assert refusal(lambda: hatch_build(of_project)) == f"`tool.hatch.publish.ytupload.{shown}` {way_out}"
    assert refusal(lambda: read(user=table)) == f"`publish.ytupload.{shown}` of Hatch's configuration {way_out}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", True),
        ("true", True),
        ("1", True),
        ("YES", True),
        ("on", True),
        ("false", False),
        ("0", False),
        ("No", False),
    ],
)
def test_a_switch_on_the_command_line(text: str, value: bool) -> None:  # noqa: FBT001 - of parametrize
    """`-o dry_run` alone means yes."""
    assert read({"dry_run": text}).dry_run is value


def test_no_config_can_be_asked_for() -> None:
    """As `config = false` in the settings."""
    assert read({"config": "false"}).settings == {"config": False}


def test_every_mistake_is_told_at_once() -> None:
    """With its place and the near miss; in the order of the places."""
    given: dict[str, Any] = {"dryrun": "", "mode": "production", "build_folder": "", "proxy": "", "dist": " "}
    with pytest.raises(SettingsError) as error:
        read(given, {"mode": 7})
    assert [problem.partition(";")[0] for problem in error.value.problems] == [
        "`publish.ytupload.mode` of Hatch's configuration means nothing there, where only `disable` does",
        "option `-o dryrun` is not known",
        'option `-o mode` must be "prod" or "dev", found the string "production"',
        f'option `-o build_folder` must be {EXAMPLE}, found the string ""',
        'option `-o proxy` must be a value, as in `name=value`, found the string ""',
        'option `-o dist` must be a value, as in `name=value`, found the string " "',
    ]


def test_hatchs_own_names_are_options_of_nobody_else() -> None:
    """In the tables they are unknown; `disable` is known there, and not on the command line."""
    assert "`publish.ytupload.no_prompt` of Hatch's configuration" in refusal(lambda: read(None, {"no_prompt": True}))
    assert "option `-o disable` is not known" in refusal(lambda: read({"disable": "true"}))


def test_a_name_of_control_characters_stays_on_its_line() -> None:
    """Whoever calls the program may write anything."""
    assert "option `-o a\\nb`" in refusal(lambda: read({"a\nb": ""}))


def test_the_inputs_are_left_alone() -> None:
    """Hatch may use them again."""
    given, user = {"dry_run": "", **ALWAYS}, {"disable": False}
    read_options(given, user)
    assert given == {"dry_run": "", **ALWAYS}
    assert user == {"disable": False}


def test_all_options_are_read() -> None:
    """Each name that is documented has a reader."""
    given: dict[str, object] = {
        "environment": "prod",
        "build_folder": "//home/x",
        "proxy": "cluster",
        "mode": "dev",
        "config": "configs/prod.yaml",
        "dry_run": "",
        "dist": "out",
        "yes": "",
        "force": "",
    }
    assert set(given) == set(PUBLISHER_OPTIONS)
    options = read(given)
    assert set(options.settings) | {"environment", "dry_run", "dist", "yes", "force"} == set(PUBLISHER_OPTIONS)
