"""The command line as a whole: options, exit status, what is imported."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pipelines import CHECKOUT, Pipeline, clean_environment, refused_line, run_command_line

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.command_line.cli import COMMANDS, hatch_ytupload

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def called(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return what calls the command line in this process, in the directory of a pipeline."""
    monkeypatch.chdir(pipeline.root)
    return Call(capsys)


class Call:
    """Calls the command line."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return status, standard output and standard error."""
        with pytest.raises(SystemExit) as end:
            hatch_ytupload(list(arguments), prog_name="hatch-ytupload")
        assert isinstance(end.value.code, int)
        return end.value.code, *self.capsys.readouterr()


class TestHelp:
    """`--help` and `--version`."""

    @pytest.mark.parametrize("option", ["-h", "--help"])
    def test_all_commands_are_listed(self, called: Call, option: str) -> None:
        """In their order, with what they do."""
        status, said, errors = called(option)
        assert (status, errors) == (0, "")
        places = [said.index(f"  {name} ") for name in COMMANDS]
        assert places == sorted(places)
        unwrapped = " ".join(said.split())
        assert all(text in unwrapped for text in COMMANDS.values())

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_has_help(self, called: Call, name: str) -> None:
        """That begins with its usage, and says what is in the list of all."""
        status, said, errors = called(name, "--help")
        assert (status, errors) == (0, "")
        assert said.startswith(f"Usage: hatch-ytupload {name} ")
        assert "\b" not in said

    def test_the_version_is_told(self, called: Call) -> None:
        """That of the package."""
        assert called("--version") == (0, f"hatch-ytupload {__version__}\n", "")


class TestUsage:
    """Exit status 2: the call itself is wrong."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ["no-such-command"],
            ["--no-such-option"],
            ["build", "--no-such-option"],
            ["build", "extra"],
            ["-C", "missing", "build"],
        ],
    )
    def test_a_wrong_call_is_explained(self, called: Call, arguments: list[str]) -> None:
        """On standard error."""
        status, said, errors = called(*arguments)
        assert (status, said) == (2, "")
        assert errors.startswith("Usage: ")

    def test_a_file_is_no_directory_to_work_in(self, called: Call) -> None:
        """`-C` takes a directory."""
        assert called("-C", "pyproject.toml", "build")[0] == 2


class TestStatus:
    """Exit status 0, 1 and 130."""

    def test_a_build_ends_well(self, called: Call) -> None:
        """The path on standard output, everything else on standard error."""
        status, said, errors = called("build")
        assert (status, said) == (0, "dist/demo-1.0.ytarchive/source.tar.gz\n")
        assert errors.startswith("packed 3 files")

    def test_every_problem_is_a_line(self, called: Call, pipeline: Pipeline) -> None:
        """And the status is 1."""
        pipeline.write({"pyproject.toml": '[project]\nname = "a"\nversion = "1"\n[tool.ytupload]\nx = 1\nmode = 5\n'})
        status, said, errors = called("build")
        assert (status, said) == (1, "")
        assert [line.partition(" ")[0] for line in errors.splitlines()] == ["Error:", "Error:"]

    def test_quiet_and_verbose_take_each_other_away(self, called: Call) -> None:
        """Each step counts."""
        assert called("-q", "build")[2] == ""
        assert called("-q", "-v", "build")[2] != ""

    def test_another_directory_is_worked_in(self, called: Call, pipeline: Pipeline, tmp_path: Path) -> None:
        """As if started there."""
        Pipeline(tmp_path / "other").write({"x": ""})
        pipeline.root.rename(tmp_path / "other/demo")
        status, said, _ = called("-C", str(tmp_path / "other/demo"), "build")
        assert (status, said) == (0, "dist/demo-1.0.ytarchive/source.tar.gz\n")

    def test_an_interruption_is_one_line(self, pipeline: Pipeline) -> None:
        """Ctrl-C in the middle: status 130, as a shell has it, no traceback, and nothing left behind."""
        pipeline.write({"stages/first/src/data.bin": bytes(1000)})
        code = (
            "import os, signal, sys\n"
            "from hatch_ytupload.packing import build\n"
            "write = build.write_file\n"
            "def interrupted(*arguments):\n"
            "    os.kill(os.getpid(), signal.SIGINT)\n"
            "    write(*arguments)\n"
            "build.write_file = interrupted\n"
            "from hatch_ytupload.command_line.cli import hatch_ytupload\n"
            "hatch_ytupload(['build'])\n"
        )
        process = run_command_line(cwd=pipeline.root, command=[sys.executable, "-c", code])
        assert (process.returncode, process.stdout, process.stderr) == (130, "", "Error: interrupted\n")
        assert list((pipeline.root / "dist").iterdir()) == []


class TestImports:
    """What is slow to import is imported by what uses it."""

    def imported(self, code: str) -> set[str]:
        """Return the top-level modules that are imported after some code has run."""
        process = subprocess.run(
            [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
            env=clean_environment(PYTHONPATH=str(CHECKOUT)),
            capture_output=True,
            text=True,
            check=True,
        )
        return {name.partition(".")[0] for name in process.stdout.split()}

    def test_the_command_line_starts_light(self) -> None:
        """Neither YT, nor YAML, nor Hatch."""
        unwanted = {"yt", "yaml", "hatch", "hatchling", "omegaconf"}
        assert self.imported("import hatch_ytupload.command_line.cli").isdisjoint(unwanted)

    def test_the_core_knows_no_front_end(self) -> None:
        """A build needs neither click, nor Hatch, nor YT."""
        unwanted = {"yt", "click", "hatch", "hatchling", "omegaconf", "yt_framework"}
        assert self.imported("import hatch_ytupload.packing.build").isdisjoint(unwanted)

    def test_what_hatch_loads_is_light(self) -> None:
        """Hatch imports it for every command, of every project."""
        unwanted = {"yt", "click", "hatch", "yaml", "deflate", "omegaconf"}
        assert self.imported("import hatch_ytupload.hooks").isdisjoint(unwanted)


def test_the_module_can_be_run(tmp_path: Path) -> None:
    """As `python -m hatch_ytupload`; outside of a project there is one line."""
    line = refused_line(run_command_line("build", cwd=tmp_path))
    assert line.startswith(f"no `pyproject.toml` in `{tmp_path}` or above it; ")
