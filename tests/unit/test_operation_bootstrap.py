"""`operation_bootstrap.py` on the Pythons of images: what it checks, where wheels end, what a script gets to see."""

from __future__ import annotations

import glob
import json
import os
import platform
import runpy
import shutil
import stat
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from interpreters import python_or_skip
from wheels import MadeWheel, make_wheel

import hatch_ytupload.locking

pytestmark = pytest.mark.slow

BOOTSTRAP = Path(hatch_ytupload.locking.__file__).with_name("operation_bootstrap.py")
MACHINE = f"processor {platform.machine()}\nlibc glibc 2.17"
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
SHOW = "import os, sys, json; print(json.dumps([sys.path, dict(os.environ), sys.argv, sys.stdin.read()]))"


class Sandbox:
    """An extracted archive with one locked stage."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.script = directory / "stages/s/src/vanilla.py"
        self.script.parent.mkdir(parents=True)
        shutil.copy(BOOTSTRAP, directory)
        self.lock()

    def lock(self, *wheels: MadeWheel, python: str = HERE, machine: str = MACHINE) -> None:
        lines = [f"python {python}", machine]
        for wheel in wheels:
            wheel.write(self.directory / "wheels")
            lines.append(f"{wheel.sha256} {len(wheel.data)} {wheel.file}")
        self.directory.joinpath("stages/s/wheels.txt").write_text("# made by a build\n" + "\n".join(lines) + "\n")

    def run(self, code: str, python: Path | str = sys.executable, **environ: str) -> subprocess.CompletedProcess[str]:
        self.script.write_text(code)
        return subprocess.run(
            [python, "-I", "operation_bootstrap.py", "s", "stages/s/src/vanilla.py"],
            cwd=self.directory,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", **environ},
            input="rows",
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, code: str, python: Path | str = sys.executable, **environ: str) -> str:
        done = self.run(code, python, **environ)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def problem(self, code: str = "raise SystemExit('was started')", python: Path | str = sys.executable) -> str:
        """Return the one line of a start that is refused before the script runs; nothing is left half unpacked."""
        done = self.run(code, python)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("operation_bootstrap.py: stage `s`: ")
        assert done.stderr.count("\n") == 1
        wheels = self.directory / "wheels"
        assert [path.name for path in wheels.glob("*unpack*")] == []
        return done.stderr.removeprefix("operation_bootstrap.py: stage `s`: ").rstrip("\n")

    @property
    def place(self) -> Path:
        (found,) = self.directory.glob("wheels/unpacked-*")
        return found

    @property
    def site(self) -> Path:
        return self.place / "lib" / f"python{HERE}" / "site-packages"


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "sand box")


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_a_script_finds_its_wheels_on_every_python(sandbox: Sandbox, version: str) -> None:
    sandbox.lock(make_wheel("six-two", files={"six_two.py": "NAME = 'six'"}), python=version)
    assert sandbox.output("import six_two; print(six_two.NAME)", python_or_skip(version)) == "six\n"


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.12"])
def test_another_python_is_refused_in_one_line(sandbox: Sandbox, version: str) -> None:
    sandbox.lock(make_wheel("six-two"), python="3.11")
    python = python_or_skip(version)
    assert sandbox.problem(python=python) == (
        f"its wheels are for Python 3.11, the job has CPython {version} ({python}): use another `docker_image`, "
        "or change `target` in pyproject.toml, run `hatch-ytupload lock` and build again"
    )


@pytest.mark.parametrize(
    ("processor", "libc", "wanted"),
    [
        ("riscv64", "glibc 2.17", "processors of riscv64, the job has one of "),
        (platform.machine(), "glibc 2.99", "glibc 2.99 and newer, the job has glibc 2."),
        (platform.machine(), "musl 1.2", "musl 1.2 and newer, the job has glibc 2."),
    ],
)
def test_another_machine_is_refused_in_one_line(sandbox: Sandbox, processor: str, libc: str, wanted: str) -> None:
    sandbox.lock(make_wheel("six-two"), machine=f"processor {processor}\nlibc {libc}")
    assert f"its wheels are for {wanted}" in sandbox.problem()


@pytest.mark.parametrize(
    ("loaders", "said", "expected"),
    [
        (1, "musl libc (x86_64)\nVersion 1.2.4\nDynamic Program Loader", ("musl", "1.2.4")),
        (1, "", ("musl", "")),
        (0, "", ("an unknown C library", "")),
    ],
)
def test_the_loader_of_musl_tells_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaders: int, said: str, expected: tuple[str, str]
) -> None:
    """As on Alpine, where the system knows no name for the C library."""
    program = runpy.run_path(str(BOOTSTRAP))
    loader = tmp_path / "ld-musl-x86_64.so.1"
    loader.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    loader.chmod(0o755)
    monkeypatch.setattr(glob, "glob", lambda _pattern: [str(loader)][:loaders])
    monkeypatch.setattr(os, "confstr", lambda _name: None)
    assert program["c_library"]() == expected


def test_what_a_script_gets_to_see(sandbox: Sandbox) -> None:
    sandbox.lock(make_wheel("six-two"))
    path, environ, argv, rows = json.loads(sandbox.output(SHOW, PYTHONPATH="/own/one:/own/two", PATH="/usr/bin"))
    root = str(sandbox.directory)
    assert path[1:5] == [root, str(sandbox.site), "/own/one", "/own/two"]
    assert environ["PYTHONPATH"] == f"{root}:{sandbox.site}:/own/one:/own/two"
    assert environ["PATH"] == f"{sandbox.place}/bin:/usr/bin"
    assert argv == ["stages/s/src/vanilla.py"]
    assert rows == "rows"


def test_there_is_no_empty_entry_where_the_job_has_no_path(sandbox: Sandbox) -> None:
    _, environ, _, _ = json.loads(sandbox.output(SHOW))
    assert environ["PYTHONPATH"] == f"{sandbox.directory}:{sandbox.site}"


def test_a_job_without_a_path_of_programs_finds_them_where_systems_have_them(sandbox: Sandbox) -> None:
    """Nor does its Python know then where it lies itself, unless it is started by a path."""
    sandbox.lock(
        make_wheel("tool", files={"tool.py": "def run(): pass"}, entry_points="[console_scripts]\nt = tool:run")
    )
    sandbox.script.write_text("import subprocess; print(subprocess.call('t') + subprocess.call('true'))")
    start = "exec python3 -I operation_bootstrap.py s stages/s/src/vanilla.py"
    command = ["/bin/bash", "-c", f"PATH='{Path(sys.executable).parent}'; export -n PATH; {start}"]
    done = subprocess.run(command, cwd=sandbox.directory, env={}, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n", "", 0)


def test_modules_of_the_archive_hide_those_of_wheels_and_none_of_the_standard_library(sandbox: Sandbox) -> None:
    sandbox.lock(make_wheel("shared", files={"shared.py": "FROM = 'wheel'"}))
    sandbox.directory.joinpath("shared.py").write_text("FROM = 'archive'")
    sandbox.directory.joinpath("zipfile.py").write_text("raise SystemExit('hidden')")
    assert sandbox.output("import shared; print(shared.FROM)") == "archive\n"


def test_wheels_end_where_pip_puts_them(sandbox: Sandbox) -> None:
    """The same wheel, installed by pip into an environment, leaves the same files with the same modes."""
    data = "Odd_Name-1.0.data"
    wheel = make_wheel(
        "Odd_Name",
        files={
            "odd/__init__.py": "",
            "odd/tool": "#!/bin/sh\n",
            "odd.libs/lib.so": b"\0" * 5_000_000,
            "ns/part/__init__.py": "",
            f"{data}/purelib/pure.py": "",
            f"{data}/platlib/plat.py": "",
            f"{data}/scripts/hello": "#!python\nprint('hello')\n",
            f"{data}/scripts/hello.sh": "#!/bin/sh\necho hello\n",
            f"{data}/scripts/quiet": "#!pythonw -E\nprint('quiet')\n",
            f"{data}/scripts/third": "#!python3\nprint('third')\n",
            f"{data}/scripts/half": "#!python\n",
            f"{data}/headers/odd/odd.h": "",
            f"{data}/data/share/odd/data.txt": "",
            f"{data}/data/etc/odd.conf": "",
        },
        modes={
            **{f"{data}/scripts/{name}": 0o100755 for name in ("hello", "hello.sh", "quiet", "third")},
            "odd/tool": 0o100755,
            f"{data}/scripts/half": 0o755,
        },
        entry_points="[console_scripts]\nodd = odd:main\nOdd-Run=odd.deep:Class.run [extra]\n"
        "[gui_scripts]\nwindow = odd:gui\n[other]\nx = y:z\n",
    )
    venv = sandbox.directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    before = _files(venv)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python")]
    options = ["--quiet", "--no-index", "--no-compile", "--no-deps"]
    subprocess.run([*pip, "install", *options, wheel.write(sandbox.directory)], check=True)
    installed = {
        path: mode
        for path, mode in _files(venv).items()
        if path not in before and not path.endswith(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"))
    }
    sandbox.lock(wheel)
    sandbox.output("pass")
    unpacked = {path: mode for path, mode in _files(sandbox.place).items() if not path.endswith("RECORD")}
    assert sorted(set(unpacked.items()) ^ set(installed.items())) == []
    (listed,) = metadata.distributions(path=[str(sandbox.site)])
    assert all(Path(path.locate()).is_file() for path in listed.files or ())
    (by_pip,) = metadata.distributions(path=[str(venv / "lib" / f"python{HERE}" / "site-packages")])
    assert {*map(str, listed.files or ())} == {*map(str, by_pip.files or ())} - {
        f"Odd_Name-1.0.dist-info/{name}" for name in ("INSTALLER", "REQUESTED", "direct_url.json")
    }
    for name in ("hello", "hello.sh", "quiet", "third"):
        said = subprocess.run([sandbox.place / "bin" / name], capture_output=True, text=True, check=True).stdout
        assert said == name.removesuffix(".sh") + "\n"


def test_commands_run_what_entry_points_name(sandbox: Sandbox) -> None:
    code = "class Tool:\n    @staticmethod\n    def run():\n        import sys; print(sys.argv[1:]); return 3\n"
    wheel = make_wheel("tool", files={"tool.py": code}, entry_points="[console_scripts]\nthe-tool = tool:Tool.run\n")
    sandbox.lock(wheel)
    code = "import subprocess; status = subprocess.call(['the-tool', 'x']); print(status)"
    assert sandbox.output(code) == "['x']\n3\n"


def test_a_python_of_a_long_path_gets_into_scripts(sandbox: Sandbox, tmp_path: Path) -> None:
    directory = tmp_path / ("long " * 40)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    wheel = make_wheel(
        "tool", files={"tool.py": "def run(): print('ran')"}, entry_points="[console_scripts]\nrun-it = tool:run\n"
    )
    sandbox.lock(wheel)
    assert sandbox.output("import os; os.execvp('run-it', ['run-it'])", directory / "bin/python3") == "ran\n"


def test_portions_of_a_namespace_package_and_metadata_are_found(sandbox: Sandbox) -> None:
    sandbox.lock(make_wheel("ns-a", files={"ns/a.py": ""}), make_wheel("ns-b", "2.0", files={"ns/b.py": ""}))
    sandbox.directory.joinpath("ns").mkdir()
    sandbox.directory.joinpath("ns/c.py").write_text("")
    code = "import ns.a, ns.b, ns.c; from importlib.metadata import version; print(version('ns-b'))"
    assert sandbox.output(code) == "2.0\n"


def test_of_two_files_for_one_place_the_later_stays(sandbox: Sandbox) -> None:
    sandbox.lock(make_wheel("a", files={"same.py": "A = 1"}), make_wheel("b", files={"same.py": "A = 2"}))
    assert sandbox.output("import same; print(same.A)") == "2\n"


def test_large_wheels_are_unpacked_whole_by_several_processes(sandbox: Sandbox) -> None:
    blocks = {f"big/{number}.bin": os.urandom(1 << 16) * 40 for number in range(8)}
    sandbox.lock(make_wheel("big", files={"big/__init__.py": "", **blocks}), make_wheel("small"))
    sandbox.output("import big, small")
    assert {name: (sandbox.site / name).read_bytes() for name in blocks} == blocks


def test_nothing_is_unpacked_twice(sandbox: Sandbox) -> None:
    sandbox.lock(make_wheel("six-two"))
    sandbox.output("import six_two")
    before = sandbox.place.stat()
    sandbox.directory.joinpath("wheels", make_wheel("six-two").file).unlink()
    sandbox.output("import six_two")
    assert sandbox.place.stat().st_ino == before.st_ino


def test_jobs_that_share_a_sandbox_share_what_is_unpacked(sandbox: Sandbox) -> None:
    blocks = {f"big/{number}.bin": os.urandom(1 << 16) for number in range(40)}
    sandbox.lock(make_wheel("big", files={"big/__init__.py": "", **blocks}))
    sandbox.script.write_text("import big, os; print(len(os.listdir(os.path.dirname(big.__file__))))")
    command = [sys.executable, "-I", "operation_bootstrap.py", "s", "stages/s/src/vanilla.py"]
    environ = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    jobs = [
        subprocess.Popen(command, cwd=sandbox.directory, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [job.communicate() for job in jobs] == [(b"41\n", b"")] * 4
    assert len(list(sandbox.directory.glob("wheels/*unpack*"))) == 1
    assert list(sandbox.directory.glob("wheels/.*")) == []


def test_a_wheel_that_was_cut_or_changed_is_refused(sandbox: Sandbox) -> None:
    wheel = make_wheel("six-two")
    sandbox.lock(wheel)
    place = sandbox.directory / "wheels" / wheel.file
    place.write_bytes(wheel.data[:-1])
    size = len(wheel.data)
    assert sandbox.problem() == f"`wheels/{wheel.file}` has {size - 1} bytes, not {size}: it was not extracted whole"
    place.write_bytes(wheel.data[:-1] + b"\1")
    assert sandbox.problem() == f"`wheels/{wheel.file}` is not what was locked: its SHA-256 differs"


def test_a_wheel_that_is_missing_or_no_zip_file_is_refused(sandbox: Sandbox) -> None:
    wheel = MadeWheel("bad-1-py3-none-any.whl", b"no zip file")
    sandbox.lock(wheel)
    assert "`wheels/bad-1-py3-none-any.whl` is damaged: " in sandbox.problem()
    sandbox.directory.joinpath("wheels", wheel.file).unlink()
    assert "cannot unpack its wheels: " in sandbox.problem()


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../../../../out.py", "x-1.0.data/data/../../out.py"])
def test_a_file_that_leads_out_is_refused(sandbox: Sandbox, name: str) -> None:
    sandbox.lock(make_wheel("x", files={name: "x = 1"}))
    assert "which leads out of it" in sandbox.problem()
    assert not list(sandbox.directory.parent.glob("out.py"))


def test_a_scheme_that_nobody_knows_is_refused(sandbox: Sandbox) -> None:
    sandbox.lock(make_wheel("x", files={"x-1.0.data/other/x.py": ""}))
    assert sandbox.problem() == "`wheels/x-1.0-py3-none-any.whl` holds `'x-1.0.data/other/x.py'`, which has no place"


def test_a_file_where_another_wheel_has_a_directory_is_refused(sandbox: Sandbox) -> None:
    sandbox.lock(make_wheel("x", files={"same/x.py": ""}), make_wheel("y", files={"same": ""}))
    assert "cannot unpack its wheels: " in sandbox.problem()


def test_a_process_that_fails_says_why(sandbox: Sandbox) -> None:
    blocks = {f"big/{number}.bin": os.urandom(1 << 16) * 40 for number in range(8)}
    sandbox.lock(make_wheel("big", files={**blocks, "same/x": ""}), make_wheel("y", files={"same": b"x" * 9_000_000}))
    assert "cannot unpack its wheels: " in sandbox.problem()


def test_a_list_that_is_missing_or_no_list_is_refused(sandbox: Sandbox) -> None:
    place = sandbox.directory / "stages/s/wheels.txt"
    place.write_text("0123 many x.whl\n")
    assert sandbox.problem().startswith(f"cannot read `{place}`: ")
    place.unlink()
    assert sandbox.problem().startswith(f"cannot read `{place}`: ")


def test_the_status_of_a_script_is_that_of_the_job(sandbox: Sandbox) -> None:
    assert sandbox.run("raise SystemExit(7)").returncode == 7


def _files(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): stat.filemode(path.stat().st_mode)
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
