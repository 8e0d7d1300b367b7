"""The same on a real YTsaurus: run when `YT_PROXY` names one, with the token that ytsaurus-client finds.

Everything happens below a folder of its own in `//tmp`, which is removed at the end.
"""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
from build_folders import Bundle, at_once, current, make_bundle, names, publish_to, read_current, roll_back, watched
from cluster_rules import CLIENT, PROXY
from pipelines import make_pipeline, refusal

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.build_folder import Content, md5_of
from hatch_ytupload.build_folders.cypress.client import Cluster
from hatch_ytupload.build_folders.cypress.folder import CypressFolder
from hatch_ytupload.releases.records import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from yt.wrapper import YtClient

pytestmark = pytest.mark.cluster

SCRIPT = "operation_wrapper_first_map.sh"


@pytest.fixture
def path(top: str) -> str:
    """Return a path that is free."""
    return f"{top}/demo/build"


def folder_at(path: str, **options: float) -> CypressFolder:
    """Return the build folder over a new connection."""
    cluster = Cluster(str(PROXY), token=CLIENT.get("YT_TOKEN"), timeout_seconds=20, attempts=5)
    return CypressFolder(cluster, path, **{"wait_seconds": 300, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Return bundles of one project."""
    pipeline = make_pipeline(tmp_path_factory.mktemp("cluster") / "demo")
    return [make_bundle(pipeline, f"text {number}", wrappers=True) for number in range(5)]


def test_releases_from_the_first_to_a_rollback(path: str, bundles: list[Bundle]) -> None:
    """Attributes, sizes and MD5 are those that the cluster gives."""
    folder = folder_at(path)
    assert publish_to(folder, bundles[0], wrappers=True).uploaded == len(bundles[0].data)
    assert not publish_to(folder_at(path), bundles[0], wrappers=True).changed
    for bundle in bundles[1:]:
        publish_to(folder, bundle, wrappers=True, keep=3)
    assert names(read_state(folder)) == [bundle.release for bundle in reversed(bundles[2:])]
    assert roll_back(folder, wrappers=True).release == bundles[3].release
    assert read_current(folder) == bundles[3].data
    with folder.open(SCRIPT) as file:
        assert file.read(0, file.size) == (bundles[3].directory / SCRIPT).read_bytes()


def test_the_commands(path: str, tmp_path: Path) -> None:
    """Each step is visible to the next: what is current, what is kept, what an archive in Cypress holds."""
    pipeline = make_pipeline(tmp_path / "demo", settings="standalone_wrappers = true")
    environ = {**CLIENT, "YT_PROXY": str(PROXY), "YTUPLOAD_BUILD_FOLDER": path}

    def output(*arguments: str) -> str:
        process = pipeline.run(*arguments, environ=environ)
        assert process.returncode == 0, process.stderr
        token = CLIENT.get("YT_TOKEN")
        assert not token or token not in process.stdout + process.stderr
        return process.stdout

    releases = []
    for text in ("print(1)\n", "print(2)\n"):
        pipeline.write({"stages/first/src/mapper.py": text})
        output("build")
        output("publish")
        assert "nothing to upload" in output("publish")
        status = json.loads(output("--json", "status"))
        assert status["same"] is True
        releases.append(status["current"]["release"])
    output("verify", path)
    output("rollback")
    assert json.loads(output("--json", "status"))["current"]["release"] == releases[0]
    output("verify", path)


def test_an_archive_that_somebody_overwrote_is_published_again(
    path: str, client: YtClient, bundles: list[Bundle]
) -> None:
    """As YT Framework does on every run."""
    folder = folder_at(path)
    publish_to(folder, bundles[0])
    client.write_file(f"{path}/{ARCHIVE_NAME}", b"by hand", compute_md5=True)
    assert current(folder) is None
    assert publish_to(folder, bundles[0]).uploaded == 0
    assert read_current(folder) == bundles[0].data


def test_publishers_at_once(path: str, client: YtClient, bundles: list[Bundle]) -> None:
    """Into a folder that does not exist yet; a reader sees whole archives."""

    def work(bundle: Bundle) -> None:
        publish_to(folder_at(path), bundle)

    def read() -> bytes | None:
        place = f"{path}/{ARCHIVE_NAME}"
        return client.read_file(place).read() if client.exists(place) else None

    with watched(read) as seen:
        assert at_once([partial(work, bundle) for bundle in bundles]) == []
    history = read_state(folder_at(path)).history
    assert [record.number for record in history] == list(range(len(bundles), 0, -1))
    assert seen <= {None, *(bundle.data for bundle in bundles)}


def test_who_holds_the_folder_is_told(path: str, bundles: list[Bundle]) -> None:
    """By the attributes of its transaction."""
    publish_to(folder_at(path), bundles[0])
    line = folder_at(path).change(
        "holding it", lambda _: refusal(lambda: publish_to(folder_at(path, wait_seconds=1), bundles[1]))
    )
    assert f"(process {os.getpid()}), holding it, since" in line


def test_a_file_of_many_pieces(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MD5 continues over what is appended."""
    monkeypatch.setattr("hatch_ytupload.build_folders.cypress.files._PIECE", 100_000)
    data = os.urandom(350_000)
    folder = folder_at(path)

    blocks = [data[start : start + 50_000] for start in range(0, len(data), 50_000)]
    content = Content(len(data), md5_of(data), lambda start: iter(blocks[start // 50_000 :]))
    folder.change("writing", lambda changes: changes.write("large", content))
    (nodes,) = folder.look("")
    assert nodes is not None
    assert nodes["large"].md5() == md5_of(data)
    with folder.open("large") as file:
        assert file.read(0, file.size) == data


def test_a_job_extracts_what_was_published(path: str, client: YtClient, bundles: list[Bundle]) -> None:
    """By plain ytsaurus-client, with `file_paths` and a command."""
    publish_to(folder_at(path), bundles[0])
    top = path.rpartition("/")[0]
    client.write_table(f"{top}/input", [{"line": "text"}], format="json")
    client.run_map(
        "tar -xzf source.tar.gz && test -f stages/first/src/mapper.py && cat",
        f"{top}/input",
        f"{top}/output",
        format="json",
        yt_files=[f"{path}/{ARCHIVE_NAME}"],
    )
    assert [row["line"] for row in client.read_table(f"{top}/output", format="json")] == ["text"]


def test_a_folder_that_is_a_file(path: str, client: YtClient, bundles: list[Bundle]) -> None:
    """It is refused and left as it is."""
    client.create("file", path, recursive=True)
    assert "is no folder" in refusal(lambda: publish_to(folder_at(path), bundles[0]))
    assert client.get(f"{path}/@type") == "file"
