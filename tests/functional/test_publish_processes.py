"""Publishers as processes: ten at once, and killed at any moment."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import pytest
from build_folders import (
    PATH,
    Bundle,
    current,
    make_bundle,
    on_cluster,
    on_disk,
    publish_by_address,
    publish_to,
    read_current,
    watched,
)
from pipelines import CHECKOUT, Pipeline, clean_environment, make_pipeline
from proxy import ProxyServer, Run

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.releases.records import read_state

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

    from proxy import Record

    from hatch_ytupload.build_folders.build_folder import BuildFolder

pytestmark = pytest.mark.functional

SETTINGS = f'build_folder = "{PATH}"\nstandalone_wrappers = true\n'


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a pipeline that keeps twenty releases."""
    return make_pipeline(tmp_path / "demo", settings=f"{SETTINGS}keep_releases = 20\n")


def start(pipeline: Pipeline, bundle: Bundle, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Publish a bundle in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "hatch_ytupload", "--json", "publish", bundle.directory],
        cwd=pipeline.root,
        env=clean_environment(PYTHONPATH=str(CHECKOUT), **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("kind", ["disk", "cluster"])
def test_ten_publishers_at_once(pipeline: Pipeline, proxy: ProxyServer, kind: str) -> None:
    """All find their turn; a reader sees whole archives only; the history knows who came after whom."""
    bundles = [make_bundle(pipeline, f"publisher {number}", wrappers=True) for number in range(10)]
    folder: BuildFolder
    if kind == "disk":
        folder, environ = on_disk(pipeline.root), {"YTUPLOAD_MODE": "dev"}
    else:
        folder, environ = on_cluster(proxy), {"YT_PROXY": proxy.address, "YT_TOKEN": proxy.token}

    def read() -> bytes | None:
        if kind == "cluster":
            path = f"{PATH}/{ARCHIVE_NAME}"
            return proxy.cypress.read(path) if proxy.cypress.exists(path) else None
        with suppress(FileNotFoundError):
            return (pipeline.root / ".dev/cypress/home/demo/build" / ARCHIVE_NAME).read_bytes()
        return None

    with watched(read) as seen:
        processes = [start(pipeline, bundle, environ) for bundle in bundles]
        results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 10, results
    assert seen <= {None, *(bundle.data for bundle in bundles)}
    history = read_state(folder).history
    assert sorted(record.release for record in history) == sorted(bundle.release for bundle in bundles)
    assert [record.number for record in history] == list(range(10, 0, -1))
    assert [record.previous for record in history] == [*(record.release for record in history[1:]), None]
    replaced = [json.loads(output)["replaced"] for output, _ in results]
    assert sorted(replaced, key=str) == sorted((record.previous for record in history), key=str)
    assert current(folder) == history[0].release


def test_kill_at_any_step_on_disk(pipeline: Pipeline, tmp_path: Path) -> None:
    """The folder is the old one or the new one, and free for the next; see `killed_publishers.py`."""
    archives = [make_bundle(pipeline, text, wrappers=True).archive for text in ("one", "two")]
    done = subprocess.run(
        [sys.executable, CHECKOUT / "tests/killed_publishers.py", tmp_path / "folder", *archives],
        env=clean_environment(PYTHONPATH=f"{CHECKOUT}:{CHECKOUT / 'tests'}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60


def test_kill_at_any_request_of_a_publish(pipeline: Pipeline, proxy: ProxyServer) -> None:
    """Nothing is visible before the commit; the next one waits for the transaction to end, and not longer."""
    old, new = (make_bundle(pipeline, text, wrappers=True) for text in ("one", "two"))
    # Each publisher is a fork of a process that has imported the client already.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["build_folders", "yt.wrapper"])
    folder = on_cluster(proxy)
    publish_to(folder, old, wrappers=True, keep=1)
    number = 0
    while True:
        number += 1
        proxy.faults.clear()
        publisher = processes.Process(target=publish_by_address, args=(proxy.address, proxy.token, new))
        started = threading.Event()

        def kill(_record: Record, publisher: ForkServerProcess = publisher, started: threading.Event = started) -> None:
            started.wait()
            publisher.kill()
            wait([publisher.sentinel])

        fault = proxy.faults.add(Run(kill), nth=number)
        publisher.start()
        started.set()
        publisher.join()
        proxy.log.wait_idle()
        proxy.faults.clear()
        data = proxy.cypress.read(f"{PATH}/{ARCHIVE_NAME}")
        if not fault.hits:
            assert data == new.data
            break
        # A request that came is done, whether its sender lives or not: so the commit, if it was that.
        committed = proxy.log.requests()[-1].command == "commit_transaction"
        assert data == (new.data if committed else old.data)
        with suppress(BuildFolderError):
            publish_to(on_cluster(proxy), new, wrappers=True, keep=1)
        proxy.cypress.expire_transactions()
        publish_to(on_cluster(proxy), new, wrappers=True, keep=1)
        assert read_current(folder) == new.data
        assert len(read_state(folder).history) == 1
        old, new = new, old
    assert number > 12
