"""What shells offer: names from the project and from the build folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete
from pipelines import Pipeline, make_pipeline, run_command_line

from hatch_ytupload.command_line.cli import COMMANDS, hatch_ytupload

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
build_folder = "//home/demo/build"
mode = "dev"
[tool.ytupload.environments.testing]
[tool.ytupload.environments.production]
build_folder = "//home/production/build"
"""
REDUCER: dict[str, str | bytes] = {
    "stages/sum/src/mapper.py": "",
    "stages/sum/src/reducer.py": "",
    "stages/empty/src/": b"",
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Return a pipeline with two stages and a release, and stand in its directory."""
    made = make_pipeline(tmp_path / "demo", REDUCER, settings=SETTINGS)
    monkeypatch.chdir(made.root)
    assert made.run("build").returncode == made.run("publish").returncode == 0
    return made


def offered(*words: str) -> list[str]:
    """Return what is offered for the last word."""
    completion = ShellComplete(hatch_ytupload, {}, "hatch-ytupload", "_HATCH_YTUPLOAD_COMPLETE")
    return [item.value for item in completion.get_completions(list(words[:-1]), words[-1])]


def release(pipeline: Pipeline) -> str:
    """Return the name of the only release."""
    (directory,) = (pipeline.root / ".dev/cypress/home/demo/build/releases").iterdir()
    return directory.name


def test_commands_and_flags(published: Pipeline) -> None:
    """All of them; flags of a command with those that are taken everywhere."""
    assert offered("") == list(COMMANDS)
    assert offered("ro") == ["rollback"]
    assert {"--json", "--environment", "--build-folder", "--strict"} <= set(offered("check", "--"))


def test_stages_and_operations(published: Pipeline) -> None:
    """Stages with code, and what the named one can run."""
    assert offered("run", "") == ["empty", "first", "sum"]
    assert offered("run", "fi") == ["first"]
    assert offered("run", "first", "") == ["map"]
    assert offered("run", "sum", "") == ["map_reduce", "map", "map_reduce_mapper", "map_reduce_reducer", "reduce"]


def test_environments(published: Pipeline) -> None:
    """Of the settings."""
    assert offered("build", "-e", "") == ["testing", "production"]
    assert offered("history", "--environment", "p") == ["production"]


@pytest.mark.parametrize("command", ["inspect", "verify", "diff"])
def test_archives(published: Pipeline, command: str) -> None:
    """`current`, releases, and files, which the shell knows."""
    assert offered(command, "") == ["current", release(published), ""]
    assert offered(command, "1") == [release(published), "1"]
    assert offered(command, "./d") == ["./d"]
    assert offered("run", "first", "map", "c") == ["current", "c"]


def test_releases(published: Pipeline) -> None:
    """Of the build folder that the flags name."""
    assert offered("rollback", "") == [release(published)]
    assert offered("rollback", "-e", "production", "") == []


def test_another_directory(published: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `-C` names it."""
    monkeypatch.chdir(tmp_path)
    assert offered("run", "") == []
    assert offered("-C", "demo", "run", "f") == ["first"]


def test_nothing_is_said_of_what_is_wrong(published: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong settings, no cluster, names with line ends: there is nothing to offer."""
    text = published.root / "pyproject.toml"
    text.write_text(text.read_text() + '[tool.ytupload.environments."a\\nb"]\n')
    assert offered("build", "-e", "a") == []
    published.write({"pyproject.toml": "[tool.ytupload]\nmode = 5\nenvironments = 7\n"})
    assert [offered(*words) for words in (("run", ""), ("rollback", ""), ("run", "first", ""))] == [[], [], []]
    assert offered("build", "-e", "") == []
    published.write({"pyproject.toml": "[tool.ytupload]\nbuild_folder = '//home/x'\nproxy = 'localhost:1'\n"})
    assert offered("rollback", "") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_answered(published: Pipeline, shell: str) -> None:
    """In the form that the script for each of them reads."""
    environ = {
        "_HATCH_YTUPLOAD_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "hatch-ytupload run fi",
        "COMP_CWORD": "fi" if shell == "fish" else "2",
    }
    done = run_command_line(cwd=published.root, environ=environ)
    assert "first" in done.stdout.replace(",", "\n").split("\n")
    script = run_command_line(cwd=published.root, environ={"_HATCH_YTUPLOAD_COMPLETE": f"{shell}_source"}).stdout
    assert "hatch-ytupload" in script
