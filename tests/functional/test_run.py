"""`hatch-ytupload run`: jobs in a sandbox, from an archive, as the cluster would run them."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from pipelines import CHECKOUT, SAMPLE, clean_environment, make_pipeline, refused_line
from warm_start import run_command

from hatch_ytupload.command_line.cli import main
from hatch_ytupload.jobs.run import Run, run_operation
from hatch_ytupload.reading.contents import ArchiveCopy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipelines import Pipeline

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables that keep environments out of the user's own cache, and make most of them only once."""
    return {"YTUPLOAD_CACHE_DIR": str(tmp_path_factory.mktemp("cache")), "YTUPLOAD_NO_CACHE": ""}


def built(directory: Path, files: Mapping[str, str | bytes]) -> Pipeline:
    """Write a pipeline and build it into its `dist`."""
    pipeline = make_pipeline(directory / "demo", files)
    pipeline.build()
    return pipeline


def run_job(
    pipeline: Pipeline, *arguments: str, rows: bytes = b"", environ: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run `hatch-ytupload run` on rows."""
    complete = clean_environment(PYTHONPATH=str(CHECKOUT), **environ)
    command = [sys.executable, "-m", "hatch_ytupload", "run", *arguments]
    return run_command(command, cwd=pipeline.root, environ=complete, rows=rows)


def sandboxes(pipeline: Pipeline) -> list[str]:
    """List what lies under `.dev`."""
    directory = pipeline.root / ".dev"
    return sorted(os.listdir(directory)) if directory.exists() else []


def write_wheel(directory: Path, name: str, version: str, text: str = "") -> None:
    """Write a wheel that holds one module with its version, and a text."""
    directory.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}.py": f"'{text}'\nVERSION = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, written in {**content, f"{info}/RECORD": record}.items():
            wheel.writestr(path, written)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11")
def test_the_sample_pipeline_gives_the_expected_tables(tmp_path: Path, cache: dict[str, str]) -> None:
    """Map-reduce, its legs and reduce write what lies beside the data, with keys and names from the stage's config."""
    left = shutil.ignore_patterns(".dev", ".build", "dist", "__pycache__")
    root = shutil.copytree(SAMPLE, tmp_path / "sample", ignore=left)
    pipeline = make_pipeline(tmp_path / "unused", framework=False)
    pipeline = type(pipeline)(root)
    pipeline.build()
    hits, sessions, countries = (
        (SAMPLE / f"data/expected_{table}.jsonl").read_bytes() for table in ("hits", "sessions", "countries")
    )
    done = run_job(pipeline, "build_sessions", "map_reduce", "--keep", rows=hits, environ=cache)
    assert (done.returncode, done.stdout) == (0, sessions), done.stderr
    assert sandboxes(pipeline) == ["sandbox_mr_hits->sessions", "sandbox_mr_hits->sessions_reducer"]
    # The keys make the order of the rows that come in unimportant.
    shuffled = b"".join(reversed(sessions.splitlines(keepends=True)))
    done = run_job(pipeline, "build_sessions", "reduce", rows=shuffled, environ=cache)
    assert sorted(map(json.dumps, map(json.loads, done.stdout.splitlines()))) == sorted(
        map(json.dumps, map(json.loads, countries.splitlines()))
    )
    done = run_job(pipeline, "build_sessions", "reduce", rows=sessions, environ=cache)
    assert (done.returncode, done.stdout) == (0, countries), done.stderr
    mapped = run_job(pipeline, "build_sessions", "map_reduce_mapper", rows=hits, environ=cache)
    done = run_job(pipeline, "build_sessions", "map_reduce_reducer", rows=mapped.stdout, environ=cache)
    assert (done.returncode, done.stdout) == (0, sessions), done.stderr


def test_bytes_go_through_a_job_as_they_are(tmp_path: Path, cache: dict[str, str]) -> None:
    """Neither standard input nor standard output is decoded or cut into lines."""
    copy = "import shutil, sys\nshutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)\n"
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": copy})
    rows = bytes(range(256)) * 1000 + b"\r\n\0no newline at the end"
    done = run_job(pipeline, "first", "map", rows=rows, environ=cache)
    assert (done.returncode, done.stdout) == (0, rows), done.stderr
    assert done.stderr == b""
    assert sandboxes(pipeline) == []


def test_rows_go_from_file_to_file(tmp_path: Path, cache: dict[str, str]) -> None:
    """The sandbox has the names of the files; the report is JSON; the output may be the input."""
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": "print(input().upper())\n"})
    pipeline.write({"rows.jsonl": "abc\n"})
    done = pipeline.run(
        "--json", "run", "first", "map", "-i", "rows.jsonl", "-o", "rows.jsonl", "--keep", environ=cache
    )
    report = json.loads(done.stdout)
    seconds = report.pop("seconds")
    assert seconds > 0
    assert report == {
        "stage": "first",
        "operation": "map",
        "status": 0,
        "stopped_by": None,
        "output": "rows.jsonl",
        "sandboxes": [str(pipeline.root / ".dev" / "sandbox_rows->rows")],
        "missing_module": None,
    }
    assert (pipeline.root / "rows.jsonl").read_text() == "ABC\n"
    assert done.stderr == ""


def test_a_job_sees_the_variables_of_the_cluster_and_none_of_the_users(tmp_path: Path, cache: dict[str, str]) -> None:
    """Nothing of a virtual environment, PYTHONPATH or home directory gets in; what the stage configures does."""
    show = "import json, os, sys\nprint(json.dumps({'env': dict(os.environ), 'path': sys.path, 'cwd': os.getcwd()}))\n"
    config = "client:\n  operations:\n    vanilla:\n      env: {LEVEL: debug}\n"
    files = {"stages/first/src/vanilla.py": show, "stages/first/config.yaml": config}
    pipeline = built(tmp_path, {**files, "configs/secrets.env": "YT_TOKEN=t0ken\nPATH=/nowhere\n"})
    user = {**cache, "VIRTUAL_ENV": "/user/venv", "MINE": "1", "PYTHONHASHSEED": "0", "AWS_PROFILE": "mine"}
    done = run_job(pipeline, "first", "vanilla", rows=b"not for a vanilla job", environ=user)
    seen = json.loads(done.stdout)
    sandbox = str(pipeline.root / ".dev" / "first_sandbox")
    environ = seen["env"]
    # The shell and Python add some of their own.
    for name in ("SHLVL", "_", "OLDPWD", "LC_CTYPE"):
        environ.pop(name, None)
    assert os.path.dirname(environ.pop("PATH").split(":")[0]).startswith(cache["YTUPLOAD_CACHE_DIR"])
    assert environ.pop("TMPDIR")
    assert environ == {
        "HOME": sandbox,
        "PWD": sandbox,
        "PYTHONPATH": sandbox,
        "JOB_CONFIG_PATH": f"{sandbox}/stages/first/config.yaml",
        "YT_STAGE_NAME": "first",
        "LEVEL": "debug",
        "YT_SECURE_VAULT_LEVEL": "debug",
    }
    assert not [path for path in seen["path"] if str(CHECKOUT) in path]
    done = run_job(pipeline, "first", "vanilla", "--secrets", environ=user)
    environ = json.loads(done.stdout)["env"]
    assert (environ["YT_TOKEN"], environ["YT_SECURE_VAULT_YT_TOKEN"]) == ("t0ken", "t0ken")
    assert environ["YT_SECURE_VAULT_PATH"] == "/nowhere" != environ["PATH"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise SystemExit(3)", 3),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 128 + 9),
        ("import os, signal\nos.killpg(0, signal.SIGKILL)", 128 + 9),
        ("raise ValueError", 1),
    ],
)
def test_the_exit_status_of_a_job_is_ours(tmp_path: Path, cache: dict[str, str], code: str, status: int) -> None:
    """A failed job leaves its sandbox, and neither writes nor destroys the output."""
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": f"print('half', flush=True)\n{code}\n"})
    pipeline.write({"out.jsonl": "before"})
    done = run_job(pipeline, "first", "map", "-o", "out.jsonl", environ=cache)
    assert done.returncode == status
    last = done.stderr.decode().splitlines()[-1]
    assert last == f"Error: the job failed with exit status {status}; its sandbox is `.dev/sandbox_first->out`"
    assert (pipeline.root / ".dev/sandbox_first->out/stages/first/src/mapper.py").exists()
    assert (pipeline.root / "out.jsonl").read_text() == "before"
    assert sorted(os.listdir(pipeline.root)).count("out.jsonl") == 1
    assert not [name for name in os.listdir(pipeline.root) if name.startswith(".out")]


def test_a_failed_mapper_ends_a_map_reduce(tmp_path: Path, cache: dict[str, str]) -> None:
    """The reducer is not started, and the status is the mapper's."""
    files = {"stages/first/src/mapper.py": "raise SystemExit(4)", "stages/first/src/reducer.py": "print('reduced')"}
    pipeline = built(tmp_path, files)
    done = run_job(pipeline, "first", "map_reduce", "--sort-by", "k", environ=cache)
    assert (done.returncode, done.stdout) == (4, b"")
    assert sandboxes(pipeline) == ["sandbox_mr_first->first"]


def test_standard_error_is_live(tmp_path: Path, cache: dict[str, str]) -> None:
    """What a job says arrives while it is still waiting for rows."""
    talk = "import sys\nprint('ready', file=sys.stderr, flush=True)\nprint(sys.stdin.readline())\n"
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": talk})
    with started(pipeline, "first", "map", environ=cache) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        out, _ = process.communicate(b"row\n")
    assert (process.returncode, out) == (0, b"row\n\n")


def started(
    pipeline: Pipeline, *arguments: str, environ: Mapping[str, str], shell: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start `hatch-ytupload run` with pipes, by way of a shell if one is given."""
    return subprocess.Popen(
        [*shell, sys.executable, "-m", "hatch_ytupload", "run", *arguments],
        cwd=pipeline.root,
        env=clean_environment(PYTHONPATH=str(CHECKOUT), **environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


FAMILY = """
import signal, subprocess, sys, time
if len(sys.argv) > 1:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("grandchild", flush=True)
    time.sleep(600)
else:
    try:
        subprocess.Popen([sys.executable, __file__, "again"]).wait()
    except KeyboardInterrupt:
        print("cleaned up", file=sys.stderr, flush=True)
        raise SystemExit(0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_job_with_all_that_it_started(
    tmp_path: Path, cache: dict[str, str], number: signal.Signals
) -> None:
    """A grandchild that ignores the signal is killed after the grace time, and the exit status tells the signal."""
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": FAMILY})
    with started(pipeline, "first", "map", environ=cache) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"grandchild\n"
        process.send_signal(number)
        # The pipe ends when nobody holds it any more: not the job, not the grandchild.
        assert process.stdout.read() == b""
        said = process.stderr.read().decode()
    assert process.returncode == 128 + number
    assert said.endswith(f"Error: stopped by {number.name}\n")
    assert ("cleaned up" in said) == (number == signal.SIGINT)
    assert sandboxes(pipeline) == []


def test_a_second_signal_kills_at_once(tmp_path: Path, cache: dict[str, str]) -> None:
    """Whoever presses Ctrl-C twice does not wait for the grace time, and the job does not see the second."""
    # Not by `print`: a signal that comes while it prints `ready` must not enter it a second time.
    deaf = "import os, signal\nsignal.signal(signal.SIGINT, lambda *_: os.write(1, b'no\\n'))\n"
    deaf += "os.write(1, b'ready\\n')\nwhile True:\n    signal.pause()\n"
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": deaf})
    with started(pipeline, "first", "map", environ=cache) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"no\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b""
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_from_the_start_stops_nothing(
    tmp_path: Path, cache: dict[str, str], number: signal.Signals
) -> None:
    """As under `nohup`, or in the background of a script, where Ctrl-C is for others; nor does it stop the job."""
    talk = "import os\nprint('ready', flush=True)\nos.kill(os.getpid(), int(input()))\nprint('done')\n"
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": talk})
    deaf = ("bash", "-c", f"trap '' {number.name}; exec \"$@\"", "bash")
    with started(pipeline, "first", "map", environ=cache, shell=deaf) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        out, said = process.communicate(str(int(number)).encode())
    assert (process.returncode, out) == (0, b"done\n")
    assert b"stopped" not in said


def test_what_a_job_leaves_running_ends_with_it(tmp_path: Path, cache: dict[str, str]) -> None:
    """As on the cluster, where nothing of a job outlives it."""
    leave = "import subprocess\nsubprocess.Popen(['sleep', '600'])\nprint('done')\n"
    pipeline = built(tmp_path, {"stages/first/src/mapper.py": leave})
    # The pipe would stay open as long as the sleeper lives.
    assert run_job(pipeline, "first", "map", environ=cache).stdout == b"done\n"


def test_requirements_are_installed_once_and_not_into_the_users_environment(
    tmp_path: Path, cache: dict[str, str]
) -> None:
    """They come from where pip is told to look, are found by the job, and kept for the next run."""
    use = "import one, two\nprint(one.VERSION, two.VERSION)\n"
    files = {
        "stages/first/src/vanilla.py": use,
        "stages/first/requirements.txt": "--no-index\none==1.0\n-r ../../shared/more.txt\n",
        "shared/more.txt": "two\n",
    }
    write_wheel(tmp_path / "wheels", "one", "1.0")
    write_wheel(tmp_path / "wheels", "two", "2.0")
    pipeline = make_pipeline(tmp_path / "demo", files, settings='upload_paths = [{ source = "shared" }]')
    pipeline.build()
    environ = {**cache, "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_NO_INDEX": "1", "PIP_TARGET": "/nowhere"}
    done = run_job(pipeline, "first", "vanilla", environ=environ)
    assert (done.returncode, done.stdout) == (0, b"1.0 2.0\n"), done.stderr
    assert b"installing the requirements of the stage `first`" in done.stderr
    shutil.rmtree(tmp_path / "wheels")
    done = run_job(pipeline, "first", "vanilla", environ=environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1.0 2.0\n", b"")
    # Other requirements are another environment, also when only an included file differs.
    pipeline.write({"shared/more.txt": "three\n"})
    pipeline.build()
    environ["PIP_FIND_LINKS"] = "htps://bob:s3cret@127.0.0.1/x"
    done = run_job(pipeline, "first", "vanilla", environ=environ)
    assert done.returncode == 1
    # pip itself shows the password.
    assert b"s3cret" not in done.stderr
    assert b"'htps://****@127.0.0.1/x' is ignored" in done.stderr
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("Error: cannot install `stages/first/requirements.txt`")
    assert sandboxes(pipeline) == []


def test_a_new_wheel_of_the_same_version_is_installed(tmp_path: Path, cache: dict[str, str]) -> None:
    """What the requirements refer to decides, from whatever file."""
    files: dict[str, str | bytes] = {
        "stages/first/src/vanilla.py": "import one\nprint(one.VERSION, one.__doc__)\n",
        "stages/first/requirements.txt": "--no-index\n-r ../../libs/list\n",
        "libs/list": "./libs/one-1.0-py3-none-any.whl\n",
    }
    pipeline = make_pipeline(tmp_path / "demo", files, settings='upload_paths = [{ source = "libs" }]')
    for text in ("old", "new"):
        write_wheel(pipeline.root / "libs", "one", "1.0", text)
        pipeline.build()
        done = run_job(pipeline, "first", "vanilla", environ=cache)
        assert (done.returncode, done.stdout.decode()) == (0, f"1.0 {text}\n"), done.stderr


def test_a_damaged_environment_is_made_again(tmp_path: Path) -> None:
    """Files are gone, or have another content of the same size and time; the mark of being complete is there."""
    write_wheel(tmp_path / "wheels", "one", "1.0")
    show = "import sys, one\nprint(sys.prefix)\n"
    requirements = f"--no-index\n--find-links {(tmp_path / 'wheels').as_uri()}\none==1.0\n"
    pipeline = built(tmp_path, {"stages/first/src/vanilla.py": show, "stages/first/requirements.txt": requirements})
    environ = {"YTUPLOAD_CACHE_DIR": str(tmp_path / "cache"), "YTUPLOAD_NO_CACHE": ""}
    first = run_job(pipeline, "first", "vanilla", environ=environ)
    assert first.returncode == 0, first.stderr
    prefix = pathlib.Path(first.stdout.decode().strip())
    for damaged, exchanged in (("bin/python*", False), ("lib/*/*/one.py", True)):
        gone = {path: path.read_bytes() for path in prefix.glob(damaged)}
        assert gone
        for path in gone:
            status = path.lstat()
            path.unlink()
            if exchanged:
                path.write_bytes(b"import no_such_module".ljust(status.st_size)[: status.st_size])
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        again = run_job(pipeline, "first", "vanilla", environ=environ)
        assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
        # Its bytecode, which has the size and time of the exchanged module, would have been run as well.
        assert all(path.read_bytes() == content for path, content in gone.items())


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an image: it has a module and a program of its own, and no pip."""
    directory = tmp_path_factory.mktemp("image")
    venv.create(directory, symlinks=True)
    site = next(directory.glob("lib/python*/site-packages"))
    (site / "of_image.py").write_text("HERE = 'image'\n")
    program = directory / "bin" / "of-image"
    program.write_text("#!/bin/sh\necho program\n")
    program.chmod(0o755)
    return directory / "bin" / "python3"


def test_a_named_python_comes_with_all_that_is_installed_for_it(
    tmp_path: Path, cache: dict[str, str], image: Path
) -> None:
    """Modules and programs; the job still runs in an environment of its own."""
    show = "import os, subprocess, sys, of_image\nprint(of_image.HERE, flush=True)\nsubprocess.run('of-image')\n"
    show += f"assert not sys.prefix.startswith({str(image.parent.parent)!r})\n"
    pipeline = built(tmp_path, {"stages/first/src/vanilla.py": show, "stages/first/requirements.txt": "# none\n"})
    done = run_job(pipeline, "first", "vanilla", "--python", str(image), environ=cache)
    assert (done.returncode, done.stdout) == (0, b"image\nprogram\n"), done.stderr
    assert run_job(pipeline, "first", "vanilla", environ=cache).returncode == 1
    pipeline.write({"stages/first/requirements.txt": "one\n"})
    pipeline.build()
    line = refused_line(pipeline.run("run", "first", "vanilla", "--python", str(image), environ=cache))
    assert "has no pip, and the stage `first` has requirements" in line


def test_a_program_that_chooses_a_python_is_asked_once_and_heard(
    tmp_path: Path, cache: dict[str, str], image: Path
) -> None:
    """Such as those of pyenv, asdf and mise: with the user's variables, and their own words when they refuse."""
    chooser = tmp_path / "chooser"
    chooser.write_text(
        f'#!/bin/sh\nif [ "$PYENV_VERSION" = mine ]; then exec {image} "$@"; fi\n'
        'echo "chooser: version \\`$PYENV_VERSION\' is not installed" >&2\nexit 1\n'
    )
    chooser.chmod(0o755)
    pipeline = built(
        tmp_path, {"stages/first/src/vanilla.py": "import of_image, os; print('PYENV_VERSION' in os.environ)"}
    )
    arguments = ["first", "vanilla", "--python", str(chooser)]
    done = run_job(pipeline, *arguments, environ={**cache, "PYENV_VERSION": "mine"})
    assert (done.returncode, done.stdout) == (0, b"False\n"), done.stderr
    line = refused_line(pipeline.run("run", *arguments, environ={**cache, "PYENV_VERSION": "other"}))
    assert "is no Python that works: chooser: version `other' is not installed" in line


def test_a_cache_that_cannot_be_used_is_as_good_as_none(tmp_path: Path) -> None:
    """A file in its place, or a name that `PATH` cannot hold: the job runs, and the line names the variable."""
    pipeline = built(tmp_path, {"stages/first/src/vanilla.py": "print('done')\n"})
    pipeline.write({"file": ""})
    for place in (pipeline.root / "file", pipeline.root / "a:b"):
        environ = {"YTUPLOAD_CACHE_DIR": str(place), "YTUPLOAD_NO_CACHE": ""}
        done = run_job(pipeline, "first", "vanilla", environ=environ)
        assert (done.returncode, done.stdout) == (0, b"done\n"), done.stderr
        (line,) = done.stderr.decode().splitlines()
        assert "YTUPLOAD_CACHE_DIR" in line


def test_a_missing_module_is_followed_by_what_would_provide_it(tmp_path: Path, cache: dict[str, str]) -> None:
    """A requirement, or a setting for what lies in the project; nothing where the job stops for another reason."""
    pipeline = built(tmp_path, {"stages/first/src/vanilla.py": "import cv2.core\n", "lib/__init__.py": ""})
    said = run_job(pipeline, "first", "vanilla", environ=cache).stderr.decode().splitlines()
    assert said[-3] == "ModuleNotFoundError: No module named 'cv2'"
    assert said[-2].startswith(
        "`cv2` is in neither the archive nor the requirements: add `opencv-contrib-python` to `stages/"
    )
    assert said[-1].startswith("Error: the job failed with exit status 1")
    pipeline.write({"stages/first/src/vanilla.py": "import lib\n"})
    pipeline.build()
    said = run_job(pipeline, "first", "vanilla", environ=cache).stderr.decode().splitlines()
    assert said[-2] == "`lib` is not in the archive: add `lib` to `upload_modules`, and build again"
    pipeline.write({"stages/first/src/vanilla.py": "raise SystemExit('no')\n"})
    pipeline.build()
    assert len(run_job(pipeline, "first", "vanilla", environ=cache).stderr.decode().splitlines()) == 2


def test_a_job_may_run_in_any_thread(tmp_path: Path, cache: dict[str, str]) -> None:
    """Signals are for the main thread, so nothing is done about them elsewhere."""
    pipeline = built(tmp_path, {"stages/first/src/vanilla.py": "print('done')\n"})
    archive = ArchiveCopy(str(pipeline.archive()), "it")
    run = Run("first", "vanilla", target=str(tmp_path / "out"))
    with ThreadPoolExecutor() as pool:
        ran = pool.submit(run_operation, archive, str(pipeline.root), run, environ={**os.environ, **cache}).result()
    assert (ran.status, (tmp_path / "out").read_text()) == (0, "done\n")


@pytest.mark.parametrize(
    "how", ["directory", "file", "current", "release", "cypress", "cypress file", "cypress release"]
)
def test_an_archive_can_be_named_in_many_ways(tmp_path: Path, cache: dict[str, str], how: str) -> None:
    """A bundle, a file, the published archive, a kept release: the job that runs is the one in there."""
    pipeline = make_pipeline(
        tmp_path / "demo",
        {"stages/first/src/vanilla.py": "print('old')\n"},
        settings='mode = "dev"\nbuild_folder = "//home/x"',
    )
    pipeline.build()
    assert pipeline.run("publish", environ=cache).returncode == 0
    shutil.copytree(pipeline.root / "dist" / "demo-1.0.ytarchive", tmp_path / "copy")
    release = json.loads(pipeline.run("--json", "history", environ=cache).stdout)["releases"][0]["release"]
    pipeline.write({"stages/first/src/vanilla.py": "print('new')\n"})
    pipeline.build()
    named = {
        "directory": str(tmp_path / "copy"),
        "file": str(tmp_path / "copy" / "source.tar.gz"),
        "current": "current",
        "release": release,
        "cypress": "//home/x",
        "cypress file": "//home/x/source.tar.gz",
        "cypress release": f"//home/x/releases/{release}",
    }[how]
    assert run_job(pipeline, "first", "vanilla", environ=cache).stdout == b"new\n"
    done = run_job(pipeline, "first", "vanilla", named, environ=cache)
    assert (done.returncode, done.stdout) == (0, b"old\n"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["first", "sort"], "the stage `first` has no operation `sort`; it has `map`"),
        (["second", "map"], "has no stage `second` with operations; it has `first`"),
        (["first", "map", "-i", "gone.jsonl"], "cannot read `gone.jsonl`: No such file or directory"),
        (["first", "map", "-o", "no/such/out.jsonl"], "cannot write `no/such/out.jsonl`: No such file or directory"),
        (["first", "map", "pyproject.toml"], "is no gzip file"),
        (["first", "map", "stages"], "there is no bundle at `stages`"),
        (["first", "map", "2.0"], "no build folder is set"),
        (["first", "map", "--python", "no-such-python"], "there is no Python `no-such-python` on this machine"),
        (["first", "map", "--python", "/bin/true"], "`/bin/true` is no Python that works"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """With what there is instead, where that can be told."""
    pipeline.build()
    monkeypatch.chdir(pipeline.root)
    with pytest.raises(SystemExit) as end:
        main(["run", *arguments])
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 1
    assert line.startswith("Error: ")
    assert said in line
    assert sandboxes(pipeline) == []


def test_without_a_bundle_there_is_nothing_to_run(pipeline: Pipeline, cache: dict[str, str]) -> None:
    """The first thing that a newcomer meets."""
    line = refused_line(pipeline.run("run", "first", "map", environ=cache))
    assert "there is no bundle at `dist/demo-1.0.ytarchive`; build it: " in line


def test_a_map_reduce_needs_a_key(tmp_path: Path, cache: dict[str, str]) -> None:
    """From the command line or the config; a reducer alone is told that its rows come as they are."""
    copy = "import sys\nsys.stdout.write(sys.stdin.read())\n"
    pipeline = built(tmp_path, {"stages/first/src/reducer.py": copy})
    rows = b'{"k": 2}\n{"k": 1}\n'
    line = refused_line(pipeline.run("run", "first", "map_reduce", environ=cache))
    assert "give `--sort-by`, or write `reduce_by` under `client.operations.map_reduce`" in line
    done = run_job(pipeline, "first", "map_reduce", "--sort-by", "k", rows=rows, environ=cache)
    assert done.stdout == b'{"k": 1}\n{"k": 2}\n'
    done = run_job(pipeline, "first", "reduce", rows=rows, environ=cache)
    assert done.stdout == rows
    assert b"in the order in which they come" in done.stderr


def test_json_and_rows_do_not_share_standard_output(pipeline: Pipeline, cache: dict[str, str]) -> None:
    """That is a mistake in the call."""
    done = pipeline.run("--json", "run", "first", "map", environ=cache)
    assert done.returncode == 2
    assert "`--json` needs `--output FILE`" in done.stderr


WEBLIB = {
    "weblib/__init__.py": "V = 1\n",
    "stages/first/src/mapper.py": "import sys, weblib\nsys.stdout.write(sys.stdin.read())\n",
}
MODULE = {"configs/config.yaml": "pipeline: {upload_modules: [weblib]}\n"}


@pytest.mark.parametrize("where", ["file", "table", "pipeline", "cache"])
@pytest.mark.parametrize("odd", ["a:b", "a b", "a'b;c"])
def test_odd_names_do_not_matter(tmp_path: Path, cache: dict[str, str], where: str, odd: str) -> None:
    """A colon would split `PYTHONPATH`, a space or a quote a command: in names of files, tables and directories."""
    pipeline = built(tmp_path / (odd if where == "pipeline" else "x"), {**WEBLIB, **MODULE})
    arguments = []
    if where == "file":
        (pipeline.root / odd).write_bytes(b"1\n")
        arguments = ["-i", odd]
    elif where == "table":
        config = {"client": {"operations": {"map": {"input_table": f"//home/{odd}"}}}}
        pipeline.write({"stages/first/config.yaml": json.dumps(config)}).build()
    environ = {**cache, "YTUPLOAD_CACHE_DIR": str(tmp_path / odd)} if where == "cache" else cache
    done = run_job(pipeline, "first", "map", *arguments, rows=b"1\n", environ=environ)
    assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr
    told = b"which no `PATH` can hold" in done.stderr
    assert told == (where == "cache" and ":" in odd)
    assert sandboxes(pipeline) == []


def test_names_that_the_locale_cannot_show_do_not_matter(tmp_path: Path, cache: dict[str, str]) -> None:
    """Of stages, tables and in variables: the job gets the bytes of their UTF-8."""
    mapper = "import os\nos.write(1, os.fsencode(os.environ['YT_STAGE_NAME'] + os.environ['ODD']))\n"
    config = 'client: {operations: {map: {env: {ODD: "ü"}, input_table: "//home/日本"}}}\n'
    pipeline = built(tmp_path, {"stages/日本/src/mapper.py": mapper, "stages/日本/config.yaml": config})
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run_job(pipeline, "日本", "map", environ={**cache, **locale})
    assert (done.returncode, done.stdout) == (0, "日本ü".encode()), done.stderr


def test_a_variable_that_no_process_can_be_given_is_one_line(tmp_path: Path, cache: dict[str, str]) -> None:
    """YAML can hold such values."""
    config = 'client: {operations: {map: {env: {ODD: "a\\0b"}}}}\n'
    pipeline = built(tmp_path, {"stages/first/config.yaml": config})
    done = run_job(pipeline, "first", "map", environ=cache)
    assert done.returncode == 1
    assert (
        done.stderr.decode().splitlines()[-1].startswith("Error: the variable `ODD` has a character in its value that")
    )
