"""`publish`, `status`, `history` and `rollback` as users call them, on disk and against a cluster."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from pipelines import CHECKOUT, Pipeline, clean_environment, make_pipeline, refused_line
from proxy import ProxyServer, Run

if TYPE_CHECKING:
    from pathlib import Path

    from proxy import Record

pytestmark = pytest.mark.functional

SETTINGS = 'build_folder = "//home/demo/build"\n'
ON_DISK = ".dev/cypress/home/demo/build"


class Publisher:
    """A pipeline and the way to its build folder."""

    def __init__(self, pipeline: Pipeline, environ: dict[str, str]) -> None:
        self.pipeline = pipeline
        self.environ = environ

    def run(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        done = self.pipeline.run(*arguments, environ=self.environ)
        assert done.returncode == status, done
        return done

    def output(self, *arguments: str) -> str:
        """Return what a command says on standard output."""
        return self.run(*arguments).stdout

    def data(self, *arguments: str) -> Any:
        """Return what a command says with `--json`."""
        return json.loads(self.output("--json", *arguments))

    def build(self, text: str) -> None:
        """Build another release."""
        self.pipeline.write({"stages/first/src/text.txt": text})
        self.run("build")


@pytest.fixture
def on_disk(tmp_path: Path) -> Publisher:
    """Return a pipeline that is published to a folder on disk."""
    return Publisher(make_pipeline(tmp_path / "demo", settings=f'{SETTINGS}mode = "dev"\n'), {})


@pytest.fixture
def on_cluster(tmp_path: Path, proxy: ProxyServer) -> Publisher:
    """Return a pipeline that is published to a cluster."""
    environ = {"YT_PROXY": proxy.address, "YT_TOKEN": proxy.token}
    return Publisher(make_pipeline(tmp_path / "demo", settings=SETTINGS), environ)


@pytest.fixture(params=["disk", "cluster"])
def publisher(request: pytest.FixtureRequest) -> Publisher:
    """Return one of the two."""
    found: Publisher = request.getfixturevalue(f"on_{request.param}")
    return found


def test_what_has_changed_since_the_build_is_said(publisher: Publisher) -> None:
    """By all that use the bundle, even where there is nothing to publish."""
    publisher.build("one")
    publisher.pipeline.write({"stages/first/src/text.txt": "two"})
    line = "Warning: `stages/first/src/text.txt` has changed since the bundle was built; build again to have that in it"
    for arguments in (["status"], ["publish"], ["publish"], ["run", "first", "map"]):
        done = publisher.pipeline.run(*arguments, environ=publisher.environ)
        assert done.stderr.splitlines().count(line) == 1, done
    publisher.run("build")
    assert publisher.run("publish").stderr.count("has changed") == 0


def test_a_small_publish_needs_little_memory(publisher: Publisher) -> None:
    """Address space counts, too: a limit of 200 MB, as machines that run many jobs set it."""
    publisher.build("one")
    command = f"ulimit -v 200000; exec {shlex.quote(sys.executable)} -m hatch_ytupload publish"
    environ = clean_environment(**publisher.environ)
    done = subprocess.run(["bash", "-c", command], cwd=publisher.pipeline.root, env=environ, check=False)
    assert done.returncode == 0


def test_from_the_first_publish_to_a_rollback(publisher: Publisher) -> None:
    """What the documentation shows."""
    assert "nothing is published" in publisher.output("status")
    publisher.build("one")
    assert "would become\n  release  1.0-" in publisher.output("publish", "--dry-run")
    assert publisher.data("history")["releases"] == []
    first = publisher.output("publish")
    assert re.search(
        r"build/source\.tar\.gz.*\n  release  1\.0-[0-9a-f]{12} \(\d+(?:\.\d k| )B\)\n  took     \d+\.\d s\n$", first
    )
    assert publisher.output("publish").endswith("already; nothing to upload\n")
    assert "  same     yes\n" in publisher.output("status")
    publisher.build("two")
    assert "  same     no: publish to make them so\n" in publisher.output("status")
    second = publisher.data("publish")
    assert second["changed"]
    history = publisher.output("history").splitlines()
    assert [line[0] for line in history] == [" ", "*", " "]
    back = publisher.data("rollback")
    assert (back["replaced"], back["changed"]) == (second["release"], True)
    assert publisher.data("status")["current"]["release"] == back["release"]
    assert publisher.output("rollback", second["release"][:7]).splitlines()[1].split()[1] == second["release"]


def test_results_alone_are_on_standard_output(publisher: Publisher) -> None:
    """So that they can be piped; in quiet mode errors alone are elsewhere."""
    publisher.build("one")
    done = publisher.run("-q", "--json", "publish")
    assert json.loads(done.stdout)["changed"]
    assert done.stderr == ""


def test_errors_are_one_line(publisher: Publisher) -> None:
    """With status 1, and nothing on standard output."""
    pipeline = publisher.pipeline
    for arguments, problem in (
        (["publish"], "there is no bundle at"),
        (["rollback"], "keeps no release to go back to"),
        (["history", "--config", "none.yaml"], "`none.yaml` does not exist"),
    ):
        assert problem in refused_line(pipeline.run(*arguments, environ=publisher.environ))


def test_an_unknown_flag_is_a_usage_error(on_disk: Publisher) -> None:
    """Status 2."""
    assert on_disk.pipeline.run("publish", "--folder", "x").returncode == 2


def test_flags_win_over_the_environment_which_wins_over_the_settings(on_disk: Publisher) -> None:
    """For several environments of one pipeline."""
    on_disk.build("one")
    on_disk.environ = {"YTUPLOAD_BUILD_FOLDER": "//home/of/environment"}
    assert "/of/environment/" in on_disk.output("publish")
    assert "/of/flag/" in on_disk.output("publish", "--build-folder", "//home/of/flag")


def test_an_artifact_by_its_name(on_disk: Publisher, tmp_path: Path) -> None:
    """From another directory, of any project; `--directory` names the directory of the default one."""
    on_disk.run("build", "-d", str(tmp_path / "out"))
    bundle = tmp_path / "out" / "demo-1.0.ytarchive"
    assert "no bundle" in refused_line(on_disk.pipeline.run("publish"))
    assert on_disk.data("publish", "--directory", str(tmp_path / "out"))["changed"]
    assert not on_disk.data("publish", str(bundle))["changed"]
    assert not on_disk.data("publish", str(bundle / "source.tar.gz"))["changed"]
    assert on_disk.data("status", "--directory", str(tmp_path / "out"))["same"]


def test_the_wrapper_scripts_of_a_release_follow_it(publisher: Publisher) -> None:
    """With `standalone_wrappers`, beside the archive."""
    with (publisher.pipeline.root / "pyproject.toml").open("a") as file:
        file.write("standalone_wrappers = true\n")
    publisher.build("one")
    publisher.run("publish")
    publisher.pipeline.write({"stages/second/src/vanilla.py": ""})
    publisher.build("two")
    publisher.run("publish")
    publisher.run("rollback")
    assert not publisher.data("publish", "--dry-run")["uploaded"]


def test_the_token_comes_from_the_secrets_of_the_pipeline(on_cluster: Publisher, proxy: ProxyServer) -> None:
    """As does the proxy; neither is printed, even when asked to say more."""
    on_cluster.environ = {"YT_LOG_LEVEL": "debug"}
    on_cluster.pipeline.write({"configs/secrets.env": f"YT_PROXY={proxy.address}\nYT_TOKEN={proxy.token}\n"})
    on_cluster.build("one")
    done = on_cluster.run("-v", "publish")
    assert "Perform HTTP" in done.stderr
    assert proxy.token not in done.stdout + done.stderr


def test_a_terminal_sees_a_bar(on_cluster: Publisher, proxy: ProxyServer) -> None:
    """It is gone at the end."""
    # More than the system takes from us before the proxy reads.
    on_cluster.pipeline.write({"stages/first/src/large.bin": os.urandom(30_000_000)})
    on_cluster.build("one")

    def slow(_record: Record) -> None:
        time.sleep(0.8)  # longer than what needs no bar

    proxy.faults.add(Run(slow), command="write_file")
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hatch_ytupload", "publish"],
        cwd=on_cluster.pipeline.root,
        env=clean_environment(PYTHONPATH=str(CHECKOUT), **on_cluster.environ),
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    with open(main, "rb", buffering=0) as file, suppress(OSError):  # when the other end is closed
        while data := file.read(1000):
            shown += data
    output, _ = process.communicate()
    assert process.returncode == 0
    assert b"  release  1.0-" in output
    assert re.search(rb"\r\[[#.]{24}\] \d+ % of 30\.\d MB, ", shown)
    assert shown.endswith(b"\r\x1b[K")


def test_interrupting_a_publish_leaves_nothing(on_cluster: Publisher, proxy: ProxyServer) -> None:
    """Control-C ends it with the status that shells expect, and its transaction with it."""
    on_cluster.build("one")
    processes: list[subprocess.Popen[str]] = []

    def interrupt(_record: Record) -> None:
        processes[0].send_signal(signal.SIGINT)

    proxy.faults.add(Run(interrupt), command="copy")
    hang = proxy.faults.add(Run(lambda _record: proxy.log.wait_for("abort_transaction")), command="copy")
    processes.append(
        subprocess.Popen(
            [sys.executable, "-m", "hatch_ytupload", "publish"],
            cwd=on_cluster.pipeline.root,
            env=clean_environment(PYTHONPATH=str(CHECKOUT), **on_cluster.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    output, errors = processes[0].communicate()
    assert hang.hits
    assert processes[0].returncode == 130
    assert (output, errors) == ("", "Error: interrupted\n")
    proxy.log.wait_idle()
    assert proxy.cypress.transactions == []
    assert not proxy.cypress.exists("//home/demo")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count the memory of the process before exec, too")
def test_memory_does_not_grow_with_the_archive(on_cluster: Publisher, proxy: ProxyServer, tmp_path: Path) -> None:
    """Pieces of 32 MB are kept until they have arrived, whatever comes after them."""
    program = (
        "import re, sys\n"
        "from hatch_ytupload.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    sys.stderr.write(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
    )
    peaks = []
    for size in (1 << 20, 200 << 20):
        (on_cluster.pipeline.root / "stages/first/src/large.bin").write_bytes(os.urandom(size))
        on_cluster.run("-q", "build")
        done = subprocess.run(
            [sys.executable, "-c", program, "-q", "publish"],
            cwd=on_cluster.pipeline.root,
            env=clean_environment(PYTHONPATH=str(CHECKOUT), **on_cluster.environ),
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stderr))
    # In kB; two pieces at the most, and what the interpreter did not give back.
    assert peaks[1] - peaks[0] < 110_000, peaks
