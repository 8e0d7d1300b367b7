"""The command line as a whole: options, exit status, what is imported."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import click
import pytest
from pipelines import CHECKOUT, Pipeline, clean_environment, refused_line, run_command_line
from proxy.server import ProxyServer

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.build_folders.disk import changes
from hatch_ytupload.command_line.cli import COMMANDS, hatch_ytupload, main
from hatch_ytupload.plugin.hatch_glue import errors_end_the_build

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
            main(list(arguments))
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

    @pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids=str)
    def test_help_fits_and_has_an_example(
        self, called: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ) -> None:
        """80 columns, however wide the terminal is; the example is a call of the command."""
        monkeypatch.setenv("COLUMNS", "200")
        said = called(*arguments, "--help")[1]
        assert max(map(len, said.splitlines())) <= 80
        example = said.partition("Example:\n")[2].partition("\n\n")[0].splitlines()
        assert example
        assert all(line.startswith("    hatch-ytupload ") for line in example)
        assert all(not arguments or arguments[0] in line.split() for line in example)

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
            ["--json", "run", "first", "map", "-o", "-"],
        ],
    )
    def test_a_wrong_call_is_explained(self, called: Call, arguments: list[str]) -> None:
        """On standard error."""
        status, said, errors = called(*arguments)
        assert (status, said) == (2, "")
        assert errors.startswith("Usage: ")

    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            (["statsu"], "there is no command `statsu`; did you mean `status`?"),
            (["hist"], "there is no command `hist`; did you mean `history`?"),
            (["help", "build"], "there is no command `help`; did you mean `--help`?"),
            (["version"], "did you mean `--version`?"),
            (["x\x1b"], "there is no command `x\\x1b`; commands: init, build, "),
            (["check", "--stric"], "--strict"),
        ],
    )
    def test_what_was_meant_is_guessed(self, called: Call, arguments: list[str], hint: str) -> None:
        """Commands and flags."""
        status, _, errors = called(*arguments)
        assert status == 2
        assert hint in errors
        assert errors.replace("\n", "").isprintable()

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["history", "--mode", "test"], '"prod" or "dev", found the string "test"'),
            (["publish", "--build-folder", "home"], "the path of a Cypress folder"),
            (["build", "--config", ""], "a file relative to the pipeline directory"),
            (["inspect", "--largest", "0"], "x>=1"),
            (["check", "--python", "2.7"], "expected is a version such as 3.11"),
        ],
    )
    def test_a_value_that_a_flag_cannot_have(self, called: Call, arguments: list[str], expected: str) -> None:
        """Is a wrong call as well, and stays text with `--json`."""
        for more in ([], ["--json"]):
            status, said, errors = called(*arguments, *more)
            assert (status, said) == (2, "")
            assert f"Invalid value for '{arguments[1]}'" in errors
            assert expected in errors

    def test_no_flag_means_two_things(self) -> None:
        """And no thing has two flags: each spelling belongs to one destination in all commands."""
        meanings: dict[str, set[str | None]] = {}
        for name in COMMANDS:
            command = hatch_ytupload.get_command(click.Context(hatch_ytupload), name)
            assert command is not None
            for option in command.params:
                if isinstance(option, click.Option):
                    for spelling in option.opts:
                        meanings.setdefault(spelling, set()).add(option.name)
        assert {spelling: names for spelling, names in meanings.items() if len(names) > 1} == {}
        assert not set(meanings) & {"--release", "--reduce-by", "--archive", "--dist"}

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

    @pytest.mark.parametrize("arguments", [["--json", "build"], ["build", "--json"]])
    def test_problems_as_json(self, called: Call, pipeline: Pipeline, arguments: list[str]) -> None:
        """One entry for each, on standard error."""
        pipeline.write({"pyproject.toml": '[project]\nname = "a"\nversion = "1"\n[tool.ytupload]\nx = 1\nmode = 5\n'})
        status, said, errors = called(*arguments)
        assert (status, said) == (1, "")
        first, second = json.loads(errors)["errors"]
        assert first.startswith("`tool.ytupload.x` is not a known setting")
        assert second.startswith("`tool.ytupload.mode` must be")

    def test_what_failed_after_all_was_visible_is_a_warning(
        self, called: Call, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Beside JSON as well; with `-q` alone it is not said."""
        with (pipeline.root / "pyproject.toml").open("a") as file:
            file.write('build_folder = "//home/demo/build"\nmode = "dev"\n')
        called("build")
        sync = changes._sync

        def full(path: str) -> None:
            if path.endswith(".dev/cypress/home/demo"):
                raise OSError(28, "No space left on device")
            sync(path)

        monkeypatch.setattr(changes, "_sync", full)
        status, said, errors = called("publish", "--json")
        assert (status, json.loads(said)["changed"]) == (0, True)
        assert errors.startswith("Warning: `")
        assert errors.endswith("was changed, but it may not survive a crash of this machine: No space left on device\n")
        pipeline.write({"stages/first/src/mapper.py": "print(2)\n"})
        called("build")
        assert called("publish", "-q")[::2] == (0, "")

    @pytest.mark.parametrize("end", ["--from", "--to"])
    def test_an_environment_that_there_is_not(self, called: Call, pipeline: Pipeline, end: str) -> None:
        """Named with the flag that meant it."""
        with (pipeline.root / "pyproject.toml").open("a") as file:
            file.write('build_folder = "//home/x"\nmode = "dev"\n[tool.ytupload.environments.prod]\n')
        status, said, errors = called("promote", "--to", "prod", end, "prd")
        assert (status, said) == (1, "")
        assert errors == (
            f"Error: option `{end}` names no environment, `prd`: there are `prod`; did you mean `prod`?\n"
        )

    @pytest.mark.parametrize(
        "arguments", [["-q", "--json", "build"], ["build", "-q", "--json"], ["--json", "build", "-q"]]
    )
    def test_global_flags_are_taken_in_both_places(self, called: Call, arguments: list[str]) -> None:
        """Before the command and after it."""
        status, said, errors = called(*arguments)
        assert (status, errors) == (0, "")
        assert json.loads(said)["files"] == 3

    def test_details_say_what_decided(self, called: Call, pipeline: Pipeline) -> None:
        """Settings with their places, and the rules that keep files out."""
        pipeline.write({".ytignore": "*.log\n", "stages/first/src/x.log": ""})
        pipeline.write({"configs/config.yaml": "pipeline: {mode: dev, build_folder: //home/x}\n"})
        errors = called("build", "-v")[2]
        assert "`stages/first/src/x.log` stays out: `*.log` (line 1 of `.ytignore`)\n" in errors
        assert 'setting `mode`: `pipeline.mode` in `configs/config.yaml` says the string "dev"\n' in errors
        assert "put all changes into" in called("publish", "--verbose")[2]
        assert "stays out" not in called("build")[2]

    def test_details_do_not_depend_on_earlier_builds(
        self, called: Call, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is remembered of a directory holds no rules; whoever asks for them has it listed anew."""
        pipeline.write({".ytignore": "*.log\n", "stages/first/src/x.log": ""})
        for place in (pipeline.root, *pipeline.root.rglob("*")):
            os.utime(place, (1, 1))
        monkeypatch.setattr("hatch_ytupload.sources.listings.UNSETTLED_NS", -(10**12))
        monkeypatch.setenv("YTUPLOAD_NO_CACHE", "")
        monkeypatch.setenv("YTUPLOAD_CACHE_DIR", str(tmp_path / "cache"))
        assert called("build")[0] == 0
        for _ in range(2):
            assert "`stages/first/src/x.log` stays out: `*.log`" in called("build", "-v")[2]

    @pytest.mark.parametrize("arguments", [["cache"], ["inspect"], ["status"], ["-q", "cache"], ["cache", "-q"]])
    def test_a_variable_that_means_nothing_is_told_once(
        self, called: Call, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ) -> None:
        """By every command, whether or not it reads settings; never when results alone are wanted."""
        pipeline.write({"configs/config.yaml": "pipeline: {mode: dev, build_folder: //home/x}\n"}).build()
        monkeypatch.setenv("YTUPLOAD_CACHE_DIRECTORY", "/x")
        status, _, errors = called(*arguments)
        assert status == 0
        assert errors.count("did you mean `YTUPLOAD_CACHE_DIR`?") == ("-q" not in arguments)

    def test_the_pipeline_of_another_environment_is_refused(self, called: Call, pipeline: Pipeline) -> None:
        """Of two in one project, though both ask for the same modules, paths and stages."""
        lines = "".join(
            f"[tool.ytupload.environments.{name}]\npipeline_dir = '{name}'\nbuild_folder = '//home/{name}'\n"
            for name in ("ads", "logs")
        )
        pipeline.write(
            {
                "pyproject.toml": f'[project]\nname = "demo"\nversion = "1.0"\n[tool.ytupload]\nmode = "dev"\n{lines}',
                "ads/stages/first/src/mapper.py": "",
                "logs/stages/first/src/mapper.py": "print()\n",
            }
        )
        assert called("build", "-e", "logs")[0] == 0
        assert called("publish", "-e", "ads")[2].splitlines()[-1] == (
            "Error: the bundle was built of the pipeline in `logs`, and that of this build folder lies in `ads`; "
            "build it for where it goes, or `--force`"
        )
        assert called("publish", "-e", "logs")[0] == 0
        assert called("publish", "-e", "ads", "--force")[0] == 0

    def test_an_environment_that_is_named_must_be_there(self, called: Call, pipeline: Pipeline) -> None:
        """Also where nothing of it is needed, as for an archive on this disk."""
        pipeline.build()
        status, _, errors = called("inspect", "-e", "nope")
        assert (status, errors.count("names no environment, `nope`")) == (1, 1)

    @pytest.mark.parametrize("arguments", [["build"], ["lock", "--check"], ["history"]])
    def test_settings_of_the_publisher_have_one_place(
        self, called: Call, pipeline: Pipeline, arguments: list[str]
    ) -> None:
        """What Hatch would pass to the publisher counts for nothing; every command that reads settings says so."""
        pipeline.write({"hatch.toml": "[publish.ytupload]\nbuild_folder = '//home/x'\ndisable = true\n"})
        status, _, errors = called(*arguments)
        assert status == 1
        assert "`tool.hatch.publish.ytupload.build_folder` means nothing there" in errors
        assert "write `tool.ytupload.build_folder`" in errors

    def test_quiet_and_verbose_take_each_other_away(self, called: Call) -> None:
        """Each step counts, in any order."""
        assert called("-q", "build")[2] == ""
        for arguments in (("-q", "-v", "build"), ("-q", "build", "-v"), ("build", "-v", "-q"), ("build", "-vq")):
            assert len(called(*arguments)[2].splitlines()) == 1

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
            "from hatch_ytupload.command_line.cli import main\n"
            "main(['build'])\n"
        )
        process = run_command_line(cwd=pipeline.root, command=[sys.executable, "-c", code])
        assert (process.returncode, process.stdout, process.stderr) == (130, "", "Error: interrupted\n")
        assert list((pipeline.root / "dist").iterdir()) == []


def test_a_flag_of_a_command_that_stands_before_it_is_told_where_it_belongs(called: Call) -> None:
    """A mistyped flag of the whole program is told the near one instead."""
    status, _, errors = called("--build-folder=//home/x", "history")
    assert status == 2
    assert errors.endswith("flags of a command stand after it: `hatch-ytupload COMMAND --build-folder ...`\n")
    status, _, errors = called("--jsno", "history")
    assert (status, errors.splitlines()[-1]) == (2, "Error: No such option '--jsno'. Did you mean '--json'?")


class TestOutsideOfAProject:
    """Commands about a build folder."""

    @pytest.fixture
    def outside(self, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: Call) -> Call:
        """Stand in an empty directory."""
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        for name in ("YT_PROXY", "YTUPLOAD_BUILD_FOLDER", "YTUPLOAD_MODE"):
            monkeypatch.delenv(name, raising=False)
        return called

    @pytest.mark.parametrize("command", ["history", "status", "rollback", "diff", "publish"])
    def test_nothing_names_a_folder(self, outside: Call, command: str) -> None:
        """The message says both ways out."""
        status, _, errors = outside(command)
        assert status == 1
        assert "`hatch-ytupload init`" in errors
        assert "`--build-folder //PATH`" in errors or command == "publish"

    @pytest.mark.parametrize(
        "arguments",
        [
            *(["history"], ["status"], ["rollback"], ["inspect"], ["verify"], ["check"], ["inspect", "current"]),
            *(["verify", "1.0"], ["diff", "1.0", "current"]),
        ],
    )
    def test_a_folder_is_named(self, outside: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
        """By flag or variable: then only the cluster is missing."""
        for more, value in (["--build-folder", "//home/x"], None), ([], "//home/x"):
            if value:
                monkeypatch.setenv("YTUPLOAD_BUILD_FOLDER", value)
            status, _, errors = outside(*arguments, *more)
            assert status == 1
            assert errors.startswith("Error: no cluster is set: ")
            assert "or give the option `--proxy`" in errors

    @pytest.mark.parametrize(
        "arguments",
        [
            *(["history"], ["status"], ["rollback"], ["pin", "1"], ["unpin", "1"], ["delete", "1"], ["fetch"]),
            *(["inspect", "current"], ["verify", "1.0"], ["diff"], ["check", "current"], ["promote", "--to", "//y"]),
            *(["run", "first", "map"], ["check"], ["publish"], ["inspect"], ["verify", "--rebuild"]),
        ],
    )
    def test_a_folder_on_disk_lies_in_a_project(
        self, outside: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ) -> None:
        """Nothing is looked for, and nothing made, at the root of the file system; one line says what is missing."""
        monkeypatch.setenv("YTUPLOAD_MODE", "dev")
        folder = ["--from", "//home/x"] if arguments[0] == "promote" else ["--build-folder", "//home/x"]
        status, said, errors = outside(*arguments, *folder)
        assert (status, said) == (1, "")
        assert errors.startswith(f"Error: no `pyproject.toml` in `{os.getcwd()}` or above it; ")
        assert len(errors.splitlines()) == 1
        alone = arguments == ["run", "first", "map"]
        assert "`-C DIR`" in errors or "or name " in errors or alone

    def test_each_flag_that_is_advised_is_one_of_the_command(self, outside: Call) -> None:
        """Those of `promote` have names of their own."""
        assert "or name a build folder: `--from //PATH`" in outside("promote", "--to", "//home/y")[2]
        errors = outside("promote", "--from", "//home/x", "--to", "//home/y")[2]
        assert errors == "Error: no cluster is set: set `YT_PROXY`, or give the option `--from-proxy`\n"
        assert "name a build folder: `--build-folder //PATH`" in outside("inspect")[2]
        assert "name the bundle" in outside("publish", "--build-folder", "//home/x", "--proxy", "p")[2]

    def test_an_archive_on_disk_is_checked_without_any(self, pipeline: Pipeline, outside: Call) -> None:
        """Like `inspect` and `verify`; then the defaults count."""
        pipeline.write({"stages/first/src/mapper.py": "import numpy\n"})
        status, said, errors = outside("check", pipeline.build().archive)
        assert (status, errors) == (1, "")
        assert "imports `numpy`" in said

    def test_a_config_is_that_of_a_project(self, outside: Call) -> None:
        """It would be looked for at the root of the file system."""
        folder = ("--build-folder", "//home/x", "--proxy", "p")
        assert outside("history", *folder, "--config", "x.yaml")[2].startswith("Error: no `pyproject.toml` in ")

    def test_a_path_names_the_folder(self, outside: Call) -> None:
        """Of an archive or a build folder in Cypress."""
        assert "no cluster is set" in outside("inspect", "//home/x/build")[2]

    def test_a_release_from_publish_to_rollback(self, pipeline: Pipeline, outside: Call) -> None:
        """On a cluster, with nothing but flags, the token of the environment, and a bundle from elsewhere."""
        bundle = pipeline.build().archive
        with ProxyServer() as proxy, pytest.MonkeyPatch.context() as patch:
            patch.setenv("YT_TOKEN", proxy.token)
            folder = ("--build-folder", "//home/elsewhere/build", "--proxy", proxy.address)
            assert outside("publish", bundle, *folder)[0] == 0
            status, said, errors = outside("--json", "promote", *folder, "--to", "//home/next/build")
            assert (status, errors) == (0, "")
            assert json.loads(said)["from"]["build_folder"] == "//home/elsewhere/build"
            assert proxy.cypress.exists("//home/next/build/source.tar.gz")
            status, said, errors = outside("history", "--json", *folder)
            (release,) = json.loads(said)["releases"]
            assert (status, errors, release["current"]) == (0, "", True)
            details = outside("history", "-v", *folder)[2]
            assert f"request to {proxy.address}: " in details
            assert "//home/elsewhere/build" in details
            assert proxy.token not in details
            status, said, errors = outside("status", *folder)
            assert (status, errors) == (0, "")
            assert "  local " not in said
            for arguments in (["inspect", "current"], ["verify", release["release"]], ["rollback", release["release"]]):
                assert outside(*arguments, *folder)[0] == 0
            for command in ("inspect", "verify", "check"):  # where there is no bundle, they are about the current one
                assert outside(command, *folder) == outside(command, "current", *folder)
                assert outside(command, *folder)[0] == 0
            assert outside("inspect", "//home/elsewhere/build", *folder[2:])[0] == 0

    @pytest.mark.slow
    def test_who_is_on_call_needs_no_project(self, pipeline: Pipeline, outside: Call, tmp_path: Path) -> None:
        """Every command, with flags alone and with `-C` to a checkout; answers say who, when and from which commit."""
        with (pipeline.root / "pyproject.toml").open("a") as file:
            file.write('build_folder = "//home/demo/build"\nrequest_attempts = 2\n')
        commit = pipeline.commit()
        with ProxyServer() as proxy, pytest.MonkeyPatch.context() as patch:
            patch.setenv("YT_TOKEN", proxy.token)
            flags = ("--build-folder", "//home/demo/build", "--proxy", proxy.address)
            for text in ("one", "two"):
                pipeline.write({"stages/first/src/text.txt": text})
                assert outside("publish", pipeline.build().archive, *flags)[0] == 0
            new, old = (each["release"] for each in json.loads(outside("history", "--json", *flags)[1])["releases"])
            told = rf"20\d\d-\d\d-\d\d \d\d:\d\d UTC by tester from {commit[:12]}\+\n"
            for number, where in enumerate((flags, ("--proxy", proxy.address))):
                start = () if where is flags else ("-C", str(pipeline.root))
                target = f"//home/demo/next{number}"
                fetched = str(tmp_path / f"fetched{number}")
                for arguments, expected in (
                    (["history"], rf"\n {{3}}{old} .* {commit[:12]}\+ +tester"),
                    (["status"], f"published {told}"),
                    (["rollback", "--dry-run"], f"published  {told}"),
                    (["rollback"], f"published  {told}"),
                    (["rollback", new], f"published  {told}"),
                    (["promote", old, "--to", target], rf"commit +{commit[:12]}\+?\n"),
                    (["fetch", old, "-d", fetched], f"published  {told}"),
                    (["inspect", old], f"published  {told}"),
                    (["diff", old, "current"], rf"published {told}\n~  stages/first/src/text\.txt"),
                    (["verify"] if number == 0 else ["verify", "current"], f"published {told}"),
                ):
                    status, said, errors = outside(*start, *arguments, *where)
                    assert status == 0, (arguments, errors)
                    assert re.search(expected, said), (arguments, said)

    def test_what_is_built_needs_a_project(self, outside: Call) -> None:
        """The flag does not help there."""
        status, _, errors = outside("build")
        assert status == 1
        assert "--build-folder" not in errors


class TestPromotion:
    """`promote` between environments on disk."""

    def test_a_dry_run_says_how_what_is_there_differs(self, called: Call, pipeline: Pipeline) -> None:
        """As `diff` does; where nothing is there, or nothing would change, there is nothing to compare."""
        with (pipeline.root / "pyproject.toml").open("a") as file:
            file.write(
                'mode = "dev"\n[tool.ytupload.environments.testing]\nbuild_folder = "//home/testing"\n'
                '[tool.ytupload.environments.prod]\nbuild_folder = "//home/prod"\n'
            )
        ends = ("--from", "testing", "--to", "prod")
        called("build")
        called("publish", "-e", "testing")
        assert json.loads(called("promote", *ends, "-n", "--json")[1])["differences"] is None
        called("promote", *ends)
        assert called("promote", *ends, "-n")[1].endswith("already; nothing to do\n")
        first = json.loads(called("status", "-e", "prod", "--json")[1])["current"]["release"]
        pipeline.write({"stages/first/src/mapper.py": "print(2)\n", "stages/first/src/new.py": ""})
        called("build")
        called("publish", "-e", "testing")
        status, said, _ = called("promote", *ends, "--dry-run")
        assert status == 0
        head, counts = said.rstrip().split("\n\n")
        assert head.endswith(f"\n  replaced  {first}")
        assert counts.startswith("1 added, 1 changed, 2 the same; unpacked ")
        tried = json.loads(called("promote", *ends, "--dry-run", "--json")[1])
        current, local = (f".dev/cypress/home/{place}" for place in ("prod", "testing"))
        assert [file["path"] for file in tried["differences"]["files"]] == [
            "stages/first/src/mapper.py",
            "stages/first/src/new.py",
        ]
        assert tried["differences"]["from"]["archive"].startswith(current)
        assert tried["differences"]["to"]["archive"].startswith(local)
        assert json.loads(called("promote", *ends, "--json")[1]) == {**tried, "dry_run": False, "differences": None}

    def test_a_dry_run_compares_releases_whatever_else_there_is(self, called: Call, pipeline: Pipeline) -> None:
        """Files with the name of a release, which `fetch` writes, and a current release that cannot be read."""
        place = ("--mode", "dev", "--build-folder", "//home/testing")
        promotion = ("promote", *place, "--to", "//home/prod", "--json", "--dry-run")
        called("build")
        called("publish", *place)
        called(*promotion[:-1])
        pipeline.write({"stages/first/src/mapper.py": "print(2)\n"})
        called("build")
        called("publish", *place)
        assert called("fetch", *place, "--extract")[0] == 0
        status, said, errors = called(*promotion)
        assert (status, "cannot be told" in errors) == (0, False)
        assert len(json.loads(said)["differences"]["files"]) == 1
        (manifest,) = (pipeline.root / ".dev/cypress/home/prod/releases").glob("*/manifest.json")
        manifest.write_text("{}", encoding="utf-8")
        status, said, errors = called(*promotion)
        assert (status, json.loads(said)["differences"]) == (0, None)
        assert errors.splitlines()[-1].startswith("Warning: what would change cannot be told: ")
        assert called(*promotion[:-1])[0] == 0

    def test_a_cluster_that_is_named_is_no_folder_on_disk(
        self, called: Call, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever `mode` is set."""
        with (pipeline.root / "pyproject.toml").open("a") as file:
            file.write('mode = "dev"\nbuild_folder = "//home/testing"\n')
        called("build")
        called("publish")
        with ProxyServer() as proxy:
            monkeypatch.setenv("YT_TOKEN", proxy.token)
            assert called("promote", "--to", "//home/prod", "--to-proxy", proxy.address)[0] == 0
            assert proxy.cypress.exists("//home/prod/source.tar.gz")
            source = ("--from", "//home/prod", "--from-proxy", proxy.address)
            assert called("promote", *source, "--to", "//home/next")[0] == 0
            assert proxy.cypress.exists("//home/next/source.tar.gz")
            flags = ("--build-folder", "//home/next", "--proxy", proxy.address)
            assert called("status", *flags)[1].startswith(f"//home/next on {proxy.address}\n")


def test_a_lock_that_is_only_checked_is_not_upgraded(called: Call) -> None:
    """Which is said, and changes no answer."""
    status, said, errors = called("lock", "--check", "--upgrade")
    assert (status, said) == (0, "all locks fit\n")
    assert errors.startswith("Warning: `--check` asks for no newer versions")


class TestOutput:
    """Standard output that cannot be written."""

    @pytest.mark.parametrize("arguments", [["explain", "stages"], ["explain", "stages", "--json"]])
    @pytest.mark.parametrize(
        ("redirection", "reason"),
        [("> /dev/full", "No space left on device"), (">&-", "it is closed"), ("| sleep 0", "Broken pipe")],
    )
    def test_is_one_line_and_a_status(
        self, pipeline: Pipeline, arguments: list[str], redirection: str, reason: str
    ) -> None:
        """No traceback, and nothing that the interpreter says at its end."""
        words = shlex.join([sys.executable, "-m", "hatch_ytupload", *arguments])
        # Whoever reads has gone before anything is written.
        call = (
            f"set -o pipefail; {{ sleep 1; {words}; }} {redirection}"
            if "|" in redirection
            else f"{words} {redirection}"
        )
        done = run_command_line(cwd=pipeline.root, command=["bash", "-c", call])
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert reason in line
        assert line.startswith(('{"errors": ["cannot write', "Error: cannot "))

    def test_help_that_cannot_be_written(self, pipeline: Pipeline) -> None:
        """Click prints it."""
        words = shlex.join([sys.executable, "-m", "hatch_ytupload", "--help"])
        done = run_command_line(cwd=pipeline.root, command=["bash", "-c", f"{words} > /dev/full"])
        assert (done.returncode, done.stderr) == (1, "Error: cannot use the output: No space left on device\n")

    @pytest.mark.parametrize(
        ("error", "line"),
        [
            (MemoryError(), "there is not enough memory, or no room for another thread: "),
            (RuntimeError("can't start new thread"), "there is not enough memory, or no room for another thread: "),
            (OSError(24, "Too many open files", "x"), "cannot use `x`: Too many open files"),
        ],
    )
    def test_what_the_system_has_no_more_of_is_one_line(
        self, error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Wherever it is missed, also inside Hatch."""

        def fail(*_arguments: object, **_options: object) -> None:
            raise error

        monkeypatch.setattr("hatch_ytupload.command_line.cli.hatch_ytupload.main", fail)
        with pytest.raises(SystemExit) as end:
            main(["status"])
        assert end.value.code == 1
        assert capsys.readouterr().err.startswith(f"Error: {line}")
        aborted: list[str] = []
        app = SimpleNamespace(verbosity=0, abort=aborted.append)
        with pytest.raises(type(error)), errors_end_the_build(app):
            raise error
        assert aborted[0].startswith(line)

    def test_messages_that_cannot_be_written_change_nothing(self, pipeline: Pipeline) -> None:
        """There is nobody to tell."""
        words = shlex.join([sys.executable, "-m", "hatch_ytupload"])
        for redirection in ("2> /dev/full", "2>&-"):
            for arguments, status in (("build", 0), ("inspect nowhere", 1), ("nonsense", 2)):
                command = ["bash", "-c", f"{words} {arguments} {redirection}"]
                done = run_command_line(cwd=pipeline.root, command=command)
                assert (done.returncode, done.stderr) == (status, "")


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

    def test_a_small_build_starts_light(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """No threads, no subprocess, nothing of what answers other questions; and it ends without a search."""
        environ = {"XDG_CACHE_HOME": f"{tmp_path}/1", "XDG_STATE_HOME": f"{tmp_path}/2", "YTUPLOAD_NO_CACHE": ""}
        code = (
            "import atexit, gc, os, sys\n"
            "atexit.register(lambda: print('frozen' if gc.get_freeze_count() else 'searched'))\n"
            f"os.environ.update({environ!r})\n"
            f"os.chdir({str(pipeline.root)!r})\n"
            "sys.argv = ['hatch-ytupload', '-q', 'build']\n"
            "from hatch_ytupload.__main__ import main\n"
            "try: main()\n"
            "except SystemExit as end: assert not end.code\n"
        )
        unwanted = {"tempfile", "subprocess", "concurrent", "pathlib", "email", "shutil", "packaging"}
        if sys.version_info < (3, 11):
            unwanted.remove("subprocess")  # which its `uuid` loads
        # How the tests are run may load some before us.
        found = self.imported(code) - self.imported("pass")
        assert not found & unwanted
        assert "frozen" in found

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
