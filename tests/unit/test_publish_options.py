"""The publisher's options: three places, one result, all problems at once."""

from __future__ import annotations

from typing import Any

import pytest
from pipelines import refusal

from hatch_ytupload.errors import SettingsError
from hatch_ytupload.plugin.publish_options import OPTIONS, PublishOptions, read_options

ALWAYS = {"no_prompt": False, "initialize_auth": False}
EXAMPLE = "the path of a Cypress folder such as `//home/project/build`"


def read(
    given: dict[str, object] | None = None,
    project: dict[str, object] | None = None,
    user: dict[str, object] | None = None,
    **environ: str,
) -> PublishOptions:
    """Read options as Hatch passes them."""
    return read_options({**ALWAYS, **(given or {})}, project or {}, user or {}, environ)


def test_without_options_nothing_is_set() -> None:
    """What Hatch always passes is none of ours."""
    assert read() == PublishOptions({}, dry_run=False, dist=None)


def test_what_is_given_wins_over_the_project_which_wins_over_the_user() -> None:
    """Each option by itself."""
    user = {"proxy": "users", "build_folder": "//users", "mode": "dev", "disable": True}
    project = {"proxy": "projects", "build_folder": "//projects", "disable": False}
    options = read({"proxy": "given"}, project, user)
    assert options.settings == {"proxy": "given", "build_folder": "//projects", "mode": "dev"}


def test_a_variable_of_the_environment_wins_over_the_tables_and_not_over_what_is_given() -> None:
    """So one pipeline can be published for several environments."""
    project: dict[str, object] = {"build_folder": "//projects", "proxy": "projects"}
    assert read(None, project, YTUPLOAD_BUILD_FOLDER="//other").settings == {"proxy": "projects"}
    assert read({"build_folder": "//given"}, project, YTUPLOAD_BUILD_FOLDER="//other").settings == {
        "build_folder": "//given",
        "proxy": "projects",
    }
    assert read(None, project, YTUPLOAD_BUILD_FOLDER="").settings == project


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


def test_a_switch_can_be_taken_back() -> None:
    """What the table says is not the last word."""
    assert read(None, {"dry_run": True}).dry_run
    assert not read({"dry_run": "false"}, {"dry_run": True}).dry_run


@pytest.mark.parametrize("value", [False, "false"])
def test_no_config_can_be_asked_for(value: object) -> None:
    """As `config = false` in the settings."""
    assert read(
        {"config": value} if isinstance(value, str) else None, None if value else {"config": value}
    ).settings == {"config": False}


def test_the_build_directory() -> None:
    """No setting, so it stands by itself."""
    assert read({"dist": "out"}).dist == "out"


def test_every_mistake_is_told_at_once() -> None:
    """With its place and the near miss; in the order of the places."""
    given: dict[str, Any] = {"dryrun": "", "mode": "production", "build_folder": "", "proxy": "", "dist": " "}
    with pytest.raises(SettingsError) as error:
        read(given, {"dry_run": "yes", "colour": 1}, {"mode": 7})
    assert error.value.problems == (
        '`publish.ytupload.mode` of Hatch\'s configuration must be "prod" or "dev", found the integer 7',
        '`tool.hatch.publish.ytupload.dry_run` must be true or false, found the string "yes"',
        f"`tool.hatch.publish.ytupload.colour` is not known; known options: {', '.join(OPTIONS)}",
        "option `dryrun` is not known; did you mean `dry_run`?",
        'option `mode` must be "prod" or "dev", found the string "production"',
        f'option `build_folder` must be {EXAMPLE}, found the string ""',
        'option `proxy` must be a value, as in `name=value`, found the string ""',
        'option `dist` must be a value, as in `name=value`, found the string " "',
    )


def test_hatchs_own_names_are_options_of_nobody_else() -> None:
    """In the tables they are unknown; `disable` is known there, and not on the command line."""
    assert "`tool.hatch.publish.ytupload.no_prompt` is not known" in refusal(lambda: read(None, {"no_prompt": True}))
    assert "option `disable` is not known" in refusal(lambda: read({"disable": "true"}))


def test_a_name_of_control_characters_stays_on_its_line() -> None:
    """Whoever calls the program may write anything."""
    assert "option `a\\nb`" in refusal(lambda: read({"a\nb": ""}))


def test_the_inputs_are_left_alone() -> None:
    """Hatch may use them again."""
    given, project = {"dry_run": "", **ALWAYS}, {"mode": "dev", "disable": False}
    read_options(given, project, {"proxy": "x"}, {})
    assert given == {"dry_run": "", **ALWAYS}
    assert project == {"mode": "dev", "disable": False}


def test_all_options_are_read() -> None:
    """Each name that is documented has a reader."""
    given: dict[str, object] = {
        "build_folder": "//home/x",
        "proxy": "cluster",
        "mode": "dev",
        "config": "configs/prod.yaml",
        "dry_run": "",
        "dist": "out",
    }
    assert set(given) == set(OPTIONS)
    options = read(given)
    assert set(options.settings) | {"dry_run", "dist"} == set(OPTIONS)
