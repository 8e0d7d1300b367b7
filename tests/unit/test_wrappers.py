"""The wrapper scripts, run for real: by bash, and started without any shell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pipelines import clean_environment, make_pipeline

from hatch_ytupload.archive_layout import wrapper_name
from hatch_ytupload.planning.wrappers import wrapper_text

# What YT Framework 1.4 starts; the name of the script stands in it unquoted.
FRAMEWORK = "set -e; tar -xzf source.tar.gz; ./{script}"

COPY = "import shutil, sys\nshutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)\n"
TELL = """\
import json, os, sys
told = {
    "PYTHONPATH": os.environ["PYTHONPATH"],
    "JOB_CONFIG_PATH": os.environ["JOB_CONFIG_PATH"],
    "path": sys.path,
    "cwd": os.getcwd(),
    "stdin": sys.stdin.read(),
}
print(json.dumps(told))
"""
JUNK = bytes(range(256)) * 4000 + b"\r\n\0\xff no newline at the end"


@dataclass
class Sandbox:
    """A directory in which a job starts, and the Python that it finds."""

    directory: Path
    script: str
    python: Path = field(default_factory=lambda: Path(sys.executable))

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the environment of a job."""
        environ = clean_environment(**extra)
        # The job's `python3`, with no more than the standard library in the way of surprises.
        environ["PATH"] = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return environ

    def run(
        self, command: list[str] | None = None, stdin: bytes = b"", **environ: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command; without one, start the script itself, with no shell in between."""
        return subprocess.run(
            command or [f"./{self.script}"],
            cwd=self.directory,
            env=self.environment(**environ),
            input=stdin,
            capture_output=True,
            check=False,
        )

    def framework(self, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        """Start it as YT Framework's operations do."""
        return self.run(["bash", "-c", FRAMEWORK.format(script=self.script)], stdin, **environ)

    def told(self, process: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
        """Return what the job told about its environment."""
        assert process.returncode == 0, process.stderr
        told: dict[str, Any] = json.loads(process.stdout)
        return told


def sandbox(
    directory: Path,
    script: str = TELL,
    *,
    stage: str = "first",
    name: str = "sandbox",
    files: dict[str, str | bytes] | None = None,
    extracted: bool = False,
    python: Path | None = None,
) -> Sandbox:
    """Build a pipeline of one stage with a mapper, and put what a job gets into an empty directory."""
    content: dict[str, str | bytes] = {f"stages/{stage}/src/mapper.py": script, **(files or {})}
    pipeline = make_pipeline(directory / "pipeline", content, stage=False, settings="standalone_wrappers = true")
    built = Path(pipeline.build().archive)
    place = directory / name
    place.mkdir()
    shutil.copy(built, place)
    wrapper = wrapper_name(stage, "map")
    if extracted:
        subprocess.run(["tar", "-xzf", "source.tar.gz"], cwd=place, check=True)
    else:
        shutil.copy(built.parent / wrapper, place)
    return Sandbox(place, wrapper, python or Path(sys.executable))


class TestStarting:
    """The ways in which a job starts."""

    def test_the_framework_starts_it(self, tmp_path: Path) -> None:
        """In an empty directory with the archive, through bash; the job's bytes come through untouched."""
        box = sandbox(tmp_path, COPY)
        (box.directory / box.script).unlink()
        process = box.framework(JUNK)
        assert (process.returncode, process.stdout, process.stderr) == (0, JUNK, b"")

    def test_it_starts_without_a_shell(self, tmp_path: Path) -> None:
        """Its first line names the interpreter, so that a plain `exec` works; it finds the archive still packed."""
        box = sandbox(tmp_path, COPY)
        process = box.run(stdin=JUNK)
        assert (process.returncode, process.stdout, process.stderr) == (0, JUNK, b"")
        assert (box.directory / "stages/first/src/mapper.py").exists()

    def test_it_starts_by_its_path_from_the_sandbox(self, tmp_path: Path) -> None:
        """The working directory is the sandbox, wherever the script is called from."""
        box = sandbox(tmp_path, extracted=True)
        told = box.told(box.run([str(box.directory / box.script)]))
        assert told["cwd"] == str(box.directory)

    def test_what_is_extracted_is_not_extracted_again(self, tmp_path: Path) -> None:
        """Changes that were made since stay."""
        box = sandbox(tmp_path, extracted=True)
        (box.directory / "stages/first/src/mapper.py").write_text("print('changed')")
        assert box.run().stdout == b"changed\n"

    def test_it_needs_no_archive_once_extracted(self, tmp_path: Path) -> None:
        """The cluster may have unpacked it elsewhere."""
        box = sandbox(tmp_path, COPY, extracted=True)
        (box.directory / "source.tar.gz").unlink()
        assert box.run(stdin=b"row\n").stdout == b"row\n"

    @pytest.mark.parametrize(
        "name", ["with space", "it's", '"quoted"', "$HOME", "`id`", "日本語", "-dash", "new\nline", "*"]
    )
    def test_the_sandbox_may_be_called_anything(self, tmp_path: Path, name: str) -> None:
        """Its name is never split or expanded."""
        box = sandbox(tmp_path, name=name)
        told = box.told(box.run())
        assert told["JOB_CONFIG_PATH"] == f"{box.directory}/stages/first/config.yaml"

    @pytest.mark.parametrize("stage", ["a", "A-b.c_9", "_x", "стадия", "処理", "x" * 200, "a..b", "1"])
    def test_stages_of_every_allowed_name_run(self, tmp_path: Path, stage: str) -> None:
        """Both ways of starting."""
        box = sandbox(tmp_path, stage=stage)
        config = f"{box.directory}/stages/{stage}/config.yaml"
        assert box.told(box.run())["JOB_CONFIG_PATH"] == config
        assert box.told(box.framework())["JOB_CONFIG_PATH"] == config

    def test_every_operation_runs_its_script(self, tmp_path: Path) -> None:
        """Each wrapper of a stage starts the file that it is for."""
        scripts = {
            name: f"print({name!r})\n" for name in ("mapper.py", "vanilla.py", "sub dir/my 'reducer'.py", "reducer.py")
        }
        files: dict[str, str | bytes] = {f"stages/first/src/{name}": text for name, text in scripts.items()}
        config = "job: {map_reduce_command: {reducer_script: \"sub dir/my 'reducer'.py\"}}\n"
        box = sandbox(tmp_path, files={**files, "stages/first/config.yaml": config}, extracted=True)
        said = {}
        for path in sorted(box.directory.glob("operation_wrapper_*.sh")):
            operation = path.stem.removeprefix("operation_wrapper_first_")
            said[operation] = box.run([f"./{path.name}"]).stdout.decode().strip()
        assert said == {
            "map": "mapper.py",
            "map_reduce_mapper": "mapper.py",
            "map_reduce_reducer": "sub dir/my 'reducer'.py",
            "reduce": "reducer.py",
            "vanilla": "vanilla.py",
        }


class TestEnvironment:
    """What a job finds around it."""

    @pytest.mark.parametrize(
        ("given", "expected"), [(None, "{box}"), ("", "{box}"), ("/a/b", "/a/b:{box}"), ("/a:/b c", "/a:/b c:{box}")]
    )
    def test_the_sandbox_is_on_pythonpath(self, tmp_path: Path, given: str | None, expected: str) -> None:
        """Behind what was there, and without an empty entry, which would mean the working directory."""
        box = sandbox(tmp_path)
        environ: dict[str, Any] = {} if given is None else {"PYTHONPATH": given}
        told = box.told(box.run(**environ))
        assert told["PYTHONPATH"] == expected.format(box=box.directory)
        assert "" not in told["path"]

    def test_packed_modules_can_be_imported(self, tmp_path: Path) -> None:
        """The framework's package, and those beside the script."""
        script = "import ytjobs, beside\nprint(ytjobs.STAND_IN, beside.X)\n"
        box = sandbox(tmp_path, script, files={"stages/first/src/beside.py": "X = 1\n"})
        assert box.run().stdout == b"True 1\n"

    @pytest.mark.parametrize("config", [None, "key: value\n"])
    def test_the_config_is_named_whether_there_is_one_or_not(self, tmp_path: Path, config: str | None) -> None:
        """Always the absolute path of where it would be."""
        box = sandbox(tmp_path, files={"stages/first/config.yaml": config} if config else {})
        path = Path(box.told(box.run())["JOB_CONFIG_PATH"])
        assert path == box.directory / "stages/first/config.yaml"
        assert path.exists() == bool(config)

    def test_a_wrong_pwd_does_no_harm(self, tmp_path: Path) -> None:
        """The variable may be left over from somewhere else."""
        box = sandbox(tmp_path)
        assert box.told(box.run(PWD="/"))["PYTHONPATH"] == str(box.directory)

    def test_arguments_are_not_needed_and_not_passed(self, tmp_path: Path) -> None:
        """A job gets none."""
        box = sandbox(tmp_path, "import sys\nprint(len(sys.argv))\n")
        assert box.run([f"./{box.script}", "x", "y"]).stdout == b"1\n"


class TestEnding:
    """Exit status and signals."""

    @pytest.mark.parametrize("status", [0, 1, 3, 255])
    def test_the_exit_status_is_that_of_the_job(self, tmp_path: Path, status: int) -> None:
        """Through the framework's bash as well."""
        box = sandbox(tmp_path, f"raise SystemExit({status})\n")
        assert box.run().returncode == status
        assert box.framework().returncode == status

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
    def test_a_job_that_a_signal_ends_is_seen_so(self, tmp_path: Path, number: signal.Signals) -> None:
        """The script has become the job: whoever waits for it sees the signal."""
        reset = f"signal.signal({number}, signal.SIG_DFL)\n" if number != signal.SIGKILL else ""
        box = sandbox(tmp_path, f"import os, signal\n{reset}os.kill(os.getpid(), {int(number)})\n")
        assert box.run().returncode == -number

    def test_a_signal_to_the_script_reaches_the_job(self, tmp_path: Path) -> None:
        """The job can end in its own way."""
        script = (
            "import os, signal, sys\n"
            "def end(number, frame):\n"
            "    os.write(1, b'ending\\n')\n"
            "    sys.exit(7)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('ready', flush=True)\n"
            "sys.stdin.read()\n"
        )
        box = sandbox(tmp_path, script)
        process = subprocess.Popen(
            [f"./{box.script}"], cwd=box.directory, env=box.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        said, _ = process.communicate()
        assert (process.returncode, said) == (7, b"ending\n")

    def test_standard_error_is_the_jobs_too(self, tmp_path: Path) -> None:
        """What it says there comes through."""
        box = sandbox(tmp_path, "import sys\nsys.stderr.write('said')\n")
        process = box.run()
        assert (process.stdout, process.stderr) == (b"", b"said")


class TestBadSandbox:
    """What can be wrong before the job runs."""

    def test_a_broken_archive_fails_the_job(self, tmp_path: Path) -> None:
        """Nothing on standard output, and the reason on standard error."""
        box = sandbox(tmp_path)
        (box.directory / "source.tar.gz").write_bytes(b"no archive")
        process = box.run(stdin=b"row")
        assert (process.returncode, process.stdout) == (1, b"")
        assert process.stderr.endswith(b"operation_wrapper_first_map.sh: cannot extract source.tar.gz\n")

    def test_a_missing_archive_fails_the_job(self, tmp_path: Path) -> None:
        """Python says which script it cannot find."""
        box = sandbox(tmp_path)
        (box.directory / "source.tar.gz").unlink()
        process = box.run()
        assert process.returncode == 2
        assert process.stdout == b""
        assert b"stages/first/src/mapper.py" in process.stderr

    def test_a_talkative_tar_says_nothing_to_the_reader(self, tmp_path: Path) -> None:
        """Standard output belongs to the job, whatever the environment makes of tar."""
        box = sandbox(tmp_path, COPY)
        process = box.run(stdin=b"row\n", TAR_OPTIONS="--verbose")
        assert process.stdout == b"row\n"


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the pip that comes with every Python."""
    import ensurepip

    wheel = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"), None)
    if wheel is None:
        pytest.skip("this Python comes without pip")
    directory = tmp_path_factory.mktemp("pip")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    return directory


@pytest.mark.slow
class TestRequirements:
    """`requirements.txt` of the stage."""

    @pytest.fixture
    def python(self, tmp_path: Path, pip: Path) -> Path:
        """Return a Python of its own with pip."""
        venv.create(tmp_path / "venv", symlinks=True)
        site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
        (site / "pip.pth").write_text(f"{pip}\n")
        return tmp_path / "venv/bin/python3"

    @pytest.fixture
    def wheels(self, tmp_path: Path) -> Path:
        """Return a directory with one wheel, of a package that talks while it is imported."""
        directory = tmp_path / "wheels of ours"
        directory.mkdir()
        with zipfile.ZipFile(directory / "greet-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("greet.py", "HELLO = 'hello'\n")
            wheel.writestr("greet-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n")
            tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr("greet-1.0.dist-info/WHEEL", tag)
            wheel.writestr("greet-1.0.dist-info/RECORD", "greet.py,,\n")
        return directory

    def run(self, box: Sandbox, wheels: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run the job with what it can install, and nothing else."""
        # pip splits its variable at spaces.
        return box.run(stdin=stdin, PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels.as_uri())

    def test_they_are_installed_before_the_job(self, tmp_path: Path, python: Path, wheels: Path) -> None:
        """All of standard input is left for the job, and all of standard output is its own."""
        script = f"import greet\nassert greet.HELLO == 'hello'\n{COPY}"
        box = sandbox(tmp_path, script, files={"stages/first/requirements.txt": "# one\ngreet==1.0\n"}, python=python)
        process = self.run(box, wheels, JUNK)
        assert process.returncode == 0, process.stderr
        assert process.stdout == JUNK

    @pytest.mark.parametrize("line", ["greet==2.0", "no such line!"])
    def test_a_failed_install_fails_the_job(self, tmp_path: Path, python: Path, wheels: Path, line: str) -> None:
        """The job does not start; why is said on standard error."""
        script = "open('started', 'w').close()\nprint('row')\n"
        box = sandbox(tmp_path, script, files={"stages/first/requirements.txt": f"{line}\n"}, python=python)
        process = self.run(box, wheels, b"row")
        assert (process.returncode, process.stdout) == (1, b"")
        assert process.stderr.endswith(
            b"operation_wrapper_first_map.sh: cannot install stages/first/requirements.txt\n"
        )
        assert not (box.directory / "started").exists()

    def test_an_empty_file_installs_nothing(self, tmp_path: Path, python: Path, wheels: Path) -> None:
        """And does no harm."""
        box = sandbox(tmp_path, COPY, files={"stages/first/requirements.txt": "# none\n"}, python=python)
        process = self.run(box, wheels, b"row\n")
        assert (process.returncode, process.stdout) == (0, b"row\n")

    def test_what_pip_prints_goes_to_standard_error(self, tmp_path: Path, python: Path, wheels: Path) -> None:
        """However much that is."""
        box = sandbox(tmp_path, COPY, files={"stages/first/requirements.txt": "greet\n"}, python=python)
        process = box.run(stdin=b"row\n", PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels.as_uri(), PIP_VERBOSE="3")
        assert process.stdout == b"row\n"
        assert b"greet" in process.stderr

    def test_without_pip_the_job_fails(self, tmp_path: Path) -> None:
        """A Python that cannot install is as bad as a package that cannot be installed."""
        venv.create(tmp_path / "venv", symlinks=True)
        python = tmp_path / "venv/bin/python3"
        box = sandbox(tmp_path, COPY, files={"stages/first/requirements.txt": "greet\n"}, python=python)
        process = box.run(stdin=b"row")
        assert (process.returncode, process.stdout) == (1, b"")
        assert b"No module named pip" in process.stderr

    def test_of_another_stage_they_do_not_matter(self, tmp_path: Path) -> None:
        """Each stage has its own."""
        files: dict[str, str | bytes] = {
            "stages/second/src/vanilla.py": "",
            "stages/second/requirements.txt": "no-such\n",
        }
        assert sandbox(tmp_path, COPY, files=files).run(stdin=b"row\n").stdout == b"row\n"


class TestText:
    """The scripts as text."""

    def test_the_first_line_names_bash(self) -> None:
        """Nothing comes before it: the kernel looks at the first two bytes."""
        lines = wrapper_text("first", "map", "mapper.py").splitlines()
        assert lines[:2] == ["#!/bin/bash", "set -e"]
        assert lines[-1] == "exec python3 stages/first/src/mapper.py"

    def test_names_are_quoted(self) -> None:
        """Whatever a config calls a script."""
        text = wrapper_text("a", "reduce", "it's $HOME;`id`.py")
        assert text.splitlines()[-1] == "exec python3 'stages/a/src/it'\"'\"'s $HOME;`id`.py'"
        assert subprocess.run(["bash", "-n"], input=text.encode(), check=False).returncode == 0
