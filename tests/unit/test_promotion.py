"""Promotion: the very bytes of a release become the current one of another build folder, wherever that is."""

from __future__ import annotations

import dataclasses
import random
import shutil
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple

import pytest
from build_folders import NOW, Bundle, current, make_bundle, names, on_cluster, publish_to, read_current, watched
from examples import IS_LONG
from pipelines import make_pipeline, refusal, refusal_lines
from proxy import ProxyServer

from hatch_ytupload.build_folders.build_folder import content_of
from hatch_ytupload.build_folders.cypress.client import Cluster
from hatch_ytupload.build_folders.cypress.folder import CypressFolder
from hatch_ytupload.build_folders.disk.folder import LocalFolder
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.fetch import fetch
from hatch_ytupload.releases.promote import promote
from hatch_ytupload.releases.records import archive_of, directory_of, manifest_of, read_state
from hatch_ytupload.releases.rollback import rollback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from hatch_ytupload.build_folders.build_folder import BuildFolder

SCRIPT = "operation_wrapper_first_map.sh"


class Way(NamedTuple):
    """From one build folder to another."""

    source: BuildFolder
    target: BuildFolder
    sends: bool
    """Data has to move."""


@pytest.fixture(scope="module")
def proxies() -> Iterator[tuple[ProxyServer, ProxyServer]]:
    """Return two clusters."""
    with ProxyServer() as one, ProxyServer() as other:
        yield one, other


USUAL_WAYS = ("cluster", "disk")
OTHER_WAYS = ("two clusters", "disk to cluster", "cluster to disk")
FILES = ("archive", "manifest.json", "sbom.cdx.json")


def case(way: str, *values: str) -> ParameterSet:
    """Return the parameters of a test; only on a disk it is quick."""
    return pytest.param(way, *values, marks=[] if way == "disk" else [pytest.mark.slow])


@pytest.fixture(params=[case(way) for way in (*USUAL_WAYS, *OTHER_WAYS)])
def way(request: pytest.FixtureRequest, tmp_path: Path, proxies: tuple[ProxyServer, ProxyServer]) -> Iterator[Way]:
    """Return two empty build folders."""
    one, other = proxies
    disk = [LocalFolder(str(tmp_path), f"//home/demo/{name}") for name in ("testing", "production")]
    testing, production = (on_cluster(one, f"//home/demo/{name}") for name in ("testing", "production"))
    yield {
        "cluster": Way(testing, production, sends=False),
        "two clusters": Way(testing, on_cluster(other, "//home/demo/production"), sends=True),
        "disk": Way(disk[0], disk[1], sends=True),
        "disk to cluster": Way(disk[0], production, sends=True),
        "cluster to disk": Way(testing, disk[1], sends=True),
    }[request.param]
    for proxy in proxies:
        if proxy.cypress.exists("//home/demo"):
            proxy.cypress.remove("//home/demo")


def by(way: str) -> pytest.MarkDecorator:
    """Promote by the usual ways and one of the others, where those differ in nothing that the test is about."""
    ways = (*USUAL_WAYS, *(OTHER_WAYS if IS_LONG else [way]))
    return pytest.mark.parametrize("way", [case(each) for each in ways], indirect=True)


@pytest.fixture(scope="module")
def bundles(bundles: list[Bundle]) -> list[Bundle]:
    """Return three of them."""
    return bundles[:3]


def test_the_current_release_becomes_current_elsewhere(way: Way, bundles: list[Bundle]) -> None:
    """The same bytes, name, manifest and bill of materials; its record says where it comes from."""
    publish_to(way.source, bundles[0])
    publish_to(way.source, bundles[1])
    outcome = promote(way.source, way.target, now=NOW)
    assert (outcome.release, outcome.changed, outcome.replaced) == (bundles[1].release, True, None)
    assert outcome.uploaded == (len(bundles[1].data) if way.sends else 0)
    assert current(way.target) == bundles[1].release
    assert read_current(way.target) == bundles[1].data
    for name in ("manifest.json", "sbom.cdx.json", "source.tar.gz"):
        with way.target.open(f"{directory_of(bundles[1].release)}/{name}") as file:
            assert file.read(0, file.size) == (bundles[1].directory / name).read_bytes()
    source, target = read_state(way.source).history[0], read_state(way.target).history[0]
    assert target == dataclasses.replace(
        source,
        number=1,
        previous=None,
        published_by=way.target.user(),
        promoted_from={
            "build_folder": way.source.cypress_path,
            "cluster": way.source.host,
            "release": bundles[1].release,
        },
    )
    assert not promote(way.source, way.target).changed


@by("two clusters")
def test_an_older_release_can_be_promoted_and_tried(way: Way, bundles: list[Bundle]) -> None:
    """By the beginning of its name; what was there is pruned as by a publish."""
    for bundle in bundles:
        publish_to(way.source, bundle)
    publish_to(way.target, bundles[1])
    tried = promote(way.source, way.target, bundles[0].release[:9], Conditions(keep_releases=1), dry_run=True)
    assert (tried.release, tried.replaced, tried.pruned) == (
        bundles[0].release,
        bundles[1].release,
        (bundles[1].release,),
    )
    assert names(read_state(way.target)) == [bundles[1].release]
    assert promote(way.source, way.target, bundles[0].release, Conditions(keep_releases=1)) == tried
    assert names(read_state(way.target)) == [bundles[0].release]
    assert names(read_state(way.source)) == [bundle.release for bundle in reversed(bundles)]


@by("disk to cluster")
def test_what_is_kept_there_is_made_current(way: Way, bundles: list[Bundle]) -> None:
    """Nothing is sent; where it comes from is told all the same."""
    publish_to(way.source, bundles[0])
    publish_to(way.target, bundles[0])
    publish_to(way.target, bundles[1])
    assert promote(way.source, way.target).uploaded == 0
    record = read_state(way.target).history[0]
    assert record.release == bundles[0].release
    # Not where the directory lies as seen from here: the next one to read it may be elsewhere.
    assert record.promoted_from == {
        "build_folder": "//home/demo/testing",
        "cluster": way.source.host,
        "release": record.release,
    }
    assert record.made_current_by == way.target.user()


def test_the_manifest_is_the_very_same(way: Way, bundles: list[Bundle], tmp_path: Path) -> None:
    """Though the target keeps the same archive already, with a manifest of another build."""
    data = (bundles[0].directory / "manifest.json").read_bytes()
    other = shutil.copytree(bundles[0].directory, tmp_path / "other")
    (other / "manifest.json").write_bytes(data.replace(b'"environment":null', b'"environment":"x"'))
    publish_to(way.source, Bundle(other / "source.tar.gz", bundles[0].release))
    publish_to(way.target, bundles[0])
    promote(way.source, way.target)
    with way.target.open(manifest_of(bundles[0].release)) as file:
        assert file.read(0, file.size) == (other / "manifest.json").read_bytes() != data
    assert not promote(way.source, way.target).changed


@by("cluster to disk")
def test_scripts_come_along(way: Way, bundles: list[Bundle]) -> None:
    """Where they lie beside the archive."""
    publish_to(way.source, bundles[0])
    promote(way.source, way.target, None, Conditions(standalone_wrappers=True))
    with way.target.open(SCRIPT) as file:
        assert file.read(0, file.size) == (bundles[0].directory / SCRIPT).read_bytes()


@by("disk to cluster")
def test_the_same_is_asked_as_before_a_publish(way: Way, bundles: list[Bundle], tmp_path: Path) -> None:
    """Whose the folder is, versions, whether the user agrees: all at once."""
    other = make_pipeline(tmp_path / "other", pyproject='[project]\nname = "other"\nversion = "2.0"\n')
    publish_to(way.source, bundles[0])
    publish_to(way.target, Bundle(type(tmp_path)(other.build(tmp_path / "dist").archive), ""))
    before = read_state(way.target).history
    project, consent = refusal_lines(lambda: promote(way.source, way.target, None, Conditions(confirm=True)))
    assert "of the project `other`, and this is `demo`" in project
    assert consent.startswith(f"promoting demo {bundles[0].release}: ")
    assert read_state(way.target).history == before
    assert promote(way.source, way.target, None, Conditions(confirm=True, yes=True, force=True)).changed


# Each file by the usual ways, and by one of the others.
@pytest.mark.parametrize(
    ("way", "name"),
    [
        *(case(way, name) for way in USUAL_WAYS for name in FILES),
        *(case(way, name) for number, way in enumerate(OTHER_WAYS) for name in (FILES if IS_LONG else [FILES[number]])),
    ],
    indirect=["way"],
)
def test_a_damaged_release_stays_where_it_is(way: Way, bundles: list[Bundle], name: str) -> None:
    """Whichever of its files is damaged, whether the damage has another size or not."""
    publish_to(way.source, bundles[0])
    release = bundles[0].release
    path = archive_of(release) if name == "archive" else f"{directory_of(release)}/{name}"
    with way.source.open(path) as file:
        data = file.read(0, file.size)
    for damaged in (bytes([data[0] ^ 1]) + data[1:], data[1:], b""):
        way.source.change("damaging", methodcaller("write", path, content_of(damaged)))
        assert refusal(lambda: promote(way.source, way.target, release))
        assert read_state(way.target).missing


@by("cluster to disk")
def test_what_is_not_there_cannot_be_promoted(way: Way, bundles: list[Bundle]) -> None:
    """Nor to where it is."""
    assert "there is no build folder" in refusal(lambda: promote(way.source, way.target))
    publish_to(way.source, bundles[0])
    assert "keeps no release `2.0`" in refusal(lambda: promote(way.source, way.target, "2.0"))
    # A variable of a script that is not set does not mean the current one, or the only one.
    for action in (partial(promote, way.source, way.target), partial(rollback, way.source), partial(fetch, way.source)):
        assert refusal(partial(action, "")).startswith("a release must have a name, found an empty one")
    assert "cannot be promoted to itself" in refusal(lambda: promote(way.source, way.source))
    way.source.change("removing", lambda changes: changes.remove(manifest_of(bundles[0].release)))
    assert "is damaged" in refusal(lambda: promote(way.source, way.target))


def test_a_source_that_changes_while_it_is_sent_is_noticed(
    way: Way, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are digested on their way."""
    publish_to(way.source, bundles[0])
    with way.source.open(archive_of(bundles[0].release)) as file:
        kind = type(file)
    read = kind.read

    def other(self: object, offset: int, length: int) -> bytes:
        data = read(self, offset, length)  # type: ignore[arg-type]
        return data[:-1] + b"?" if offset == 0 and len(data) == len(bundles[0].data) else data

    monkeypatch.setattr(kind, "read", other)
    if not way.sends:  # no data moves, so nothing is read
        promote(way.source, way.target)
        monkeypatch.undo()
        assert read_current(way.target) == bundles[0].data
        return
    line = refusal(lambda: promote(way.source, way.target))
    monkeypatch.undo()
    assert "is not what" in line
    assert read_state(way.target).missing


@pytest.mark.parametrize(("where", "most", "moved"), [("cluster", 38, 0), ("elsewhere", 44, 1)])
def test_a_promotion_needs_few_requests(
    tmp_path: Path, proxies: tuple[ProxyServer, ProxyServer], where: str, most: int, moved: int
) -> None:
    """Within a cluster the archive does not travel; between two it is read once and sent once."""
    one, other = proxies
    pipeline = make_pipeline(tmp_path / "demo", {"stages/first/src/noise": random.Random(1).randbytes(3_000_000)})
    bundle = make_bundle(pipeline, "")
    publish_to(on_cluster(one), bundle)
    for proxy in proxies:
        proxy.log.clear()
    promote(on_cluster(one), on_cluster(one if where == "cluster" else other, "//home/demo/production"))
    requests = [record for proxy in proxies for record in proxy.log.requests()]
    sent, read = (sum(getattr(each, name) for each in requests) for name in ("body_bytes", "response_bytes"))
    small = 40_000
    size = len(bundle.data)
    assert size > 3_000_000
    assert len(requests) <= most
    assert moved * size <= sent <= moved * size + small
    assert moved * size <= read <= moved * size + small
    for proxy in proxies:
        if proxy.cypress.exists("//home/demo"):
            proxy.cypress.remove("//home/demo")


def test_a_cluster_is_the_same_however_it_is_written(
    proxies: tuple[ProxyServer, ProxyServer], bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No data moves, and nothing is promoted to itself; also not by a name of the user's own for it."""
    proxy = proxies[0]
    monkeypatch.setenv("YT_CONFIG_PATCHES", f'{{proxy={{aliases={{prod="{proxy.url}"}}}}}}')
    source = on_cluster(proxy, "//home/demo/testing")
    publish_to(source, bundles[0])
    upper = proxy.url.upper().replace("HTTP", "http")
    for number, address in enumerate((proxy.url, f"{proxy.url}/", upper, proxy.address, "prod")):
        cluster = Cluster(address, token=proxy.token, timeout_seconds=10, attempts=4)
        assert promote(source, CypressFolder(cluster, f"//home/demo/production{number}")).uploaded == 0
        same = CypressFolder(cluster, "//home/demo/testing")
        assert "cannot be promoted to itself" in refusal(partial(promote, source, same))
    proxy.cypress.remove("//home/demo")


@by("two clusters")
def test_readers_see_the_old_release_or_the_new_one(way: Way, bundles: list[Bundle]) -> None:
    """All the time, at both ends."""
    for bundle in bundles[:2]:
        publish_to(way.source, bundle)
    publish_to(way.target, bundles[2])
    with watched(lambda: read_current(way.target)) as seen:
        for number in range(3):
            promote(way.source, way.target, bundles[number % 2].release, Conditions(keep_releases=2))
    assert seen <= {bundle.data for bundle in bundles}
