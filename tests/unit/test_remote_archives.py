"""Archives in a build folder on a cluster: only what is needed is fetched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from archives import archive_of
from build_folders import PATH, make_bundle, publish_to, roll_back
from pipelines import make_pipeline, refusal

from hatch_ytupload.answers.artifacts import Artifact, Whereabouts, described, find_artifact
from hatch_ytupload.answers.differences import compare, text_diffs
from hatch_ytupload.answers.verification import verify
from hatch_ytupload.build_folders.cypress.client import Cluster
from hatch_ytupload.build_folders.cypress.folder import CypressFolder

if TYPE_CHECKING:
    from pathlib import Path

    from build_folders import Bundle
    from pipelines import Pipeline
    from proxy import ProxyServer

    from hatch_ytupload.build_folders.build_folder import BuildFolder

NOISE = hashlib.shake_128(b"").digest(2 << 20)


class Folders:
    """A cluster's build folders, by path."""

    def __init__(self, proxy: ProxyServer) -> None:
        self.proxy = proxy

    def of(self, path: str | None = None) -> BuildFolder:
        """Return one; the project's own without a path."""
        cluster = Cluster(self.proxy.address, token=self.proxy.token, timeout_seconds=10, attempts=2)
        return CypressFolder(cluster, path or PATH)

    def find(self, text: str) -> Artifact:
        """Find an artifact as the commands do."""
        return find_artifact(text, Whereabouts(lambda: "", self.of))

    def fetched(self) -> int:
        """Return how many bytes of files have been read so far."""
        return sum(record.response_bytes for record in self.proxy.log.requests() if record.command == "read_file")


@pytest.fixture
def folders(proxy: ProxyServer) -> Folders:
    """Return the build folders of a cluster."""
    return Folders(proxy)


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a pipeline with a large part that does not compress, and a small one."""
    files = {"lib/noise.bin": NOISE}
    return make_pipeline(tmp_path / "demo", files, settings='upload_paths = [{ source = "lib" }]')


@pytest.fixture
def bundle(pipeline: Pipeline, folders: Folders) -> Bundle:
    """Return a published bundle."""
    made = make_bundle(pipeline, "one")
    publish_to(folders.of(), made)
    return made


def test_looking_fetches_the_manifest_alone(bundle: Bundle, folders: Folders) -> None:
    """An archive of megabytes costs some kilobytes."""
    manifest = bundle.archive.with_name("manifest.json").read_bytes()
    release = f"{PATH}/releases/{bundle.release}"
    for name in ("current", PATH, f"{PATH}/source.tar.gz", release, f"{release}/manifest.json", bundle.release):
        before = folders.fetched()
        found = described(folders.find(name))
        assert (found.size, len(found.files) > 3) == (len(bundle.data), True)
        assert folders.fetched() - before == len(manifest)


def test_text_diffs_fetch_the_parts_that_differ(pipeline: Pipeline, bundle: Bundle, folders: Folders) -> None:
    """The large part is the same in both, so it is not fetched."""
    new = make_bundle(pipeline, "two")
    publish_to(folders.of(), new)
    before = folders.fetched()
    old, current = folders.find(bundle.release), folders.find("current")
    differences = compare(described(old), described(current))
    assert [change.path for change in differences.files] == ["stages/first/src/text.txt"]
    ((path, text),) = text_diffs(old, current, differences.files)
    assert (path, "-one" in text, "+two" in text) == ("stages/first/src/text.txt", True, True)
    assert folders.fetched() - before < 20_000


def test_verifying_reads_everything_once(bundle: Bundle, folders: Folders) -> None:
    """Every byte is compared, none is fetched twice."""
    manifest, sbom = (bundle.directory.joinpath(name).read_bytes() for name in ("manifest.json", "sbom.cdx.json"))
    before = folders.fetched()
    assert verify(folders.find("current")).problems == ()
    assert folders.fetched() - before == len(bundle.data) + len(manifest) + len(sbom)


def test_a_release_is_still_sound_after_a_rollback(pipeline: Pipeline, bundle: Bundle, folders: Folders) -> None:
    """What is current now is the older one, with its own manifest."""
    publish_to(folders.of(), make_bundle(pipeline, "two"))
    roll_back(folders.of())
    found = folders.find("current")
    assert found.release == bundle.release
    assert verify(found).problems == ()


def test_an_archive_that_is_no_release_is_read(bundle: Bundle, folders: Folders, proxy: ProxyServer) -> None:
    """YT Framework itself uploads without a manifest."""
    content = archive_of({"a.py": b"1"})
    proxy.cypress.write("//home/other/source.tar.gz", content)
    found = described(folders.find("//home/other"))
    assert (found.manifest, [file.path for file in found.files]) == (None, ["a.py"])
    assert "has no manifest" in refusal(lambda: verify(folders.find("//home/other")))


def test_what_is_not_there_is_said(folders: Folders) -> None:
    """A folder, an archive, a release."""
    assert "there is no build folder" in refusal(lambda: folders.find("current"))
    assert "there is no build folder" in refusal(lambda: folders.find("//home/nowhere/x.tar.gz"))
    assert "keeps no release" in refusal(lambda: folders.find("9.9"))
