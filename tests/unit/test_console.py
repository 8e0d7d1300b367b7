"""What is said where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest

from hatch_ytupload.command_line.console import Console, use_colour
from hatch_ytupload.details import detail

if TYPE_CHECKING:
    from pipelines import Pipeline


def test_results_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """As text, or as JSON where that is asked for; an empty text prints nothing."""
    Console().result({"a": 1}, "one")
    Console().result({"a": 1}, "")
    assert capsys.readouterr() == ("one\n", "")
    Console(as_json=True).result({"a": "é"}, "one")
    said, errors = capsys.readouterr()
    assert (json.loads(said), errors) == ({"a": "é"}, "")
    assert "é" in said


@pytest.mark.parametrize(
    ("verbosity", "heard"),
    [
        (-1, ["Error: e"]),
        (0, ["i", "Warning: w", "Error: e"]),
        (1, ["i", "d", "Warning: w", "Error: e"]),
    ],
)
def test_everything_else_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str], verbosity: int, heard: list[str]
) -> None:
    """As much of it as is wanted; errors always. Details are what any room logs."""
    console = Console()
    console.louder(verbosity)
    console.info("i")
    detail("%s", "d")
    console.warning("w")
    console.error("e")
    console.close()
    said, errors = capsys.readouterr()
    assert said == ""
    assert errors.splitlines() == heard
    detail("nobody listens any more")
    assert capsys.readouterr() == ("", "")


def test_errors_in_json_are_all_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads standard error as a whole; warnings are in there with them, or follow at the end as lines."""
    console = Console(as_json=True)
    console.warning("w")
    console.error("e")
    console.warning("late")
    assert json.loads(capsys.readouterr().err) == {"errors": ["e"], "warnings": ["w"]}
    console.close()
    assert capsys.readouterr() == ("", "Warning: late\n")


def test_each_problem_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Several are told one below the other; as JSON, together."""
    Console().error("one", "two")
    assert capsys.readouterr().err == "Error: one\nError: two\n"
    Console(as_json=True).error("one", "\x1b[31mtwo")
    said = capsys.readouterr().err
    assert said == '{"errors": ["one", "\\u001b[31mtwo"]}\n'


def test_settings_bring_their_warnings(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, on standard error."""
    pipeline.write({"configs/config.yaml": "pipeline: {mode: dev}\n"})
    monkeypatch.chdir(pipeline.root)
    console = Console()
    assert console.project().root == str(pipeline.root)
    settings = console.settings({"mode": "prod", "config": None})
    assert settings.mode == "prod"
    assert capsys.readouterr().err == ""
    pipeline.write({"pyproject.toml": '[project]\nname = "a"\nversion = "1"\n[tool.ytupload]\nmode = "prod"\n'})
    console.settings({})
    assert capsys.readouterr().err.startswith("Warning: `tool.ytupload.mode` in `pyproject.toml` and `pipeline.mode`")


@pytest.mark.parametrize(
    ("environ", "colour"),
    [
        ({}, None),
        ({"NO_COLOR": "", "FORCE_COLOR": ""}, None),
        ({"NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "xterm"}, None),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_follows_the_usual_variables(environ: dict[str, str], colour: bool | None) -> None:  # noqa: FBT001 - a table
    """An empty variable says nothing."""
    assert use_colour(environ) is colour


def test_what_is_said_follows_them_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors and warnings, also before and after the command itself."""
    for variable, coloured in (("FORCE_COLOR", True), ("NO_COLOR", False)):
        monkeypatch.setenv(variable, "1")
        console = Console()
        console.error("a")
        console.warning("b")
        lines = capsys.readouterr().err.splitlines()
        assert ["\x1b" in line for line in lines] == [coloured, coloured]


def test_colour_only_underlines(capsys: pytest.CaptureFixture[str]) -> None:
    """It is given to lines after what is not printable was taken from them, and shown on terminals."""
    seen: list[str] = []

    def colour(line: str) -> str:
        seen.append(line)
        return click.style(line, fg="red")

    Console().result({}, "+ a\x1b[31m\n- b", colour=colour)
    assert seen == ["+ a\\x1b[31m", "- b"]
    assert capsys.readouterr().out == "+ a\\x1b[31m\n- b\n"


def test_progress_is_quiet_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """Bars are for terminals."""
    with Console().progress() as progress:
        progress(0, 100)
        progress(100, 100)
    assert capsys.readouterr() == ("", "")
