"""Publishing only what changed: what archives have in common is kept in the build folder, and never believed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from build_folders import PATH, Bundle, names, on_cluster, on_disk, publish_to, read_current, roll_back, watched
from pipelines import Pipeline, make_pipeline
from proxy import Answer, Drop, ProxyServer

from hatch_ytupload.build_folders.cypress import client as cypress_client
from hatch_ytupload.build_folders.cypress import files as cypress_files
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.promote import promote
from hatch_ytupload.releases.records import read_state
from hatch_ytupload.releases.retention import delete

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PREFIXES = f"{PATH}/prefixes"
MEGABYTE = 1 << 20


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxyServer]:
    """Return a cluster that is asked again at once, and gets small pieces."""
    monkeypatch.setattr(cypress_client, "_FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(cypress_files, "_PIECE", MEGABYTE)
    with ProxyServer() as server:
        yield server


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Return a pipeline whose module is large, and cannot be compressed."""
    noise = random.Random(5).randbytes(3 * MEGABYTE // 2)
    return make_pipeline(
        tmp_path_factory.mktemp("prefixes") / "demo",
        {"models/__init__.py": "", "models/weights.bin": noise},
        settings='upload_modules = ["models"]',
    )


@pytest.fixture(scope="module")
def bundles(pipeline: Pipeline) -> list[Bundle]:
    """Return bundles that differ in one stage."""
    return [bundle_of(pipeline, f"text {number}") for number in range(3)]


def bundle_of(pipeline: Pipeline, text: str, modules: str = "models") -> Bundle:
    """Build it with its module."""
    pipeline.write({"stages/first/src/text.txt": text})
    dist = pipeline.root / "bundles" / f"{text}-{modules}".replace(" ", "-")
    built = pipeline.build(dist, {"upload_modules": modules.split()})
    return Bundle(dist / "demo-1.0.ytarchive/source.tar.gz", f"1.0-{built.content_sha256[:12]}")


def sent(proxy: ProxyServer) -> int:
    """Return how many bytes of files were sent since the last call."""
    proxy.log.wait_idle()
    total = sum(record.body_bytes for record in proxy.log.of("write_file"))
    proxy.log.clear()
    return total


def test_an_edit_of_a_stage_sends_only_what_comes_after_the_prefix(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """At most a hundredth of the bytes and 64 kB, in at most twenty requests; what jobs get is the whole."""
    folder = on_cluster(proxy)
    size = len(bundles[0].data)
    assert publish_to(folder, bundles[0]).uploaded == size
    assert size <= sent(proxy) < size + 65536
    outcome = publish_to(folder, bundles[1])
    requests = len(proxy.log.requests()) - len(proxy.log.of("hosts"))
    assert outcome.uploaded <= size // 100 + 65536
    assert sent(proxy) <= size // 100 + 65536
    # Not counted are those that ask which proxy files are sent to.
    assert requests <= 20
    assert read_current(folder) == bundles[1].data
    assert proxy.cypress.get(f"{PATH}/source.tar.gz/@md5") == read_state(folder).history[0].md5


def test_a_dry_run_says_what_would_be_sent(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """As the publish does."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    expected = publish_to(folder, bundles[1], dry_run=True).uploaded
    assert expected == publish_to(folder, bundles[1]).uploaded < len(bundles[1].data)


def test_a_prefix_is_kept_once_and_goes_with_the_last_release_that_begins_with_it(
    proxy: ProxyServer, pipeline: Pipeline, bundles: list[Bundle]
) -> None:
    """Another module makes another prefix."""
    folder = on_cluster(proxy)
    for bundle in bundles:
        publish_to(folder, bundle)
    (prefix,) = proxy.cypress.keys(PREFIXES)
    assert {record.prefix for record in read_state(folder).history} == {prefix}
    pipeline.write({"more/__init__.py": "", "more/data.bin": random.Random(6).randbytes(MEGABYTE)})
    other = bundle_of(pipeline, "text 9", "models more")
    publish_to(folder, other, keep=2)
    assert len(proxy.cypress.keys(PREFIXES)) == 2
    publish_to(folder, bundle_of(pipeline, "text 10", "models more"), keep=2)
    assert len(proxy.cypress.keys(PREFIXES)) == 1
    assert prefix not in proxy.cypress.keys(PREFIXES)
    assert read_state(folder).history[0].prefix in proxy.cypress.keys(PREFIXES)


def test_what_is_deleted_takes_its_prefix_along(proxy: ProxyServer, pipeline: Pipeline, bundles: list[Bundle]) -> None:
    """If nothing else begins with it."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    pipeline.write({"more/__init__.py": "", "more/data.bin": random.Random(7).randbytes(MEGABYTE)})
    publish_to(folder, bundle_of(pipeline, "text 11", "more"))
    assert len(proxy.cypress.keys(PREFIXES)) == 2
    delete(folder, [bundles[0].release])
    assert proxy.cypress.keys(PREFIXES) == [read_state(folder).history[0].prefix]


@pytest.mark.parametrize("content", [b"", b"something else", b"x" * (2 * MEGABYTE)])
def test_a_prefix_that_was_changed_is_not_used(proxy: ProxyServer, bundles: list[Bundle], content: bytes) -> None:
    """Its name is not believed; the archive is sent whole, and the prefix is right again."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    (prefix,) = proxy.cypress.keys(PREFIXES)
    whole = proxy.cypress.read(f"{PREFIXES}/{prefix}")
    proxy.cypress.write(f"{PREFIXES}/{prefix}", content)
    assert publish_to(folder, bundles[1]).uploaded == len(bundles[1].data)
    assert read_current(folder) == bundles[1].data
    assert proxy.cypress.read(f"{PREFIXES}/{prefix}") == whole
    assert publish_to(folder, bundles[2]).uploaded < len(bundles[2].data)


def test_a_prefix_that_is_gone_is_sent_again(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """Somebody has tidied up."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    proxy.cypress.remove(PREFIXES)
    assert publish_to(folder, bundles[1]).uploaded == len(bundles[1].data)
    assert read_current(folder) == bundles[1].data
    assert len(proxy.cypress.keys(PREFIXES)) == 1


def test_small_archives_have_none(proxy: ProxyServer, tmp_path: Path) -> None:
    """What is sent in a moment is not worth a node."""
    folder = on_cluster(proxy)
    publish_to(folder, bundle_of(make_pipeline(tmp_path / "demo", {"models/__init__.py": ""}), "text"))
    assert not proxy.cypress.exists(PREFIXES)
    assert read_state(folder).history[0].prefix is None


def test_on_a_disk_there_are_none(tmp_path: Path, bundles: list[Bundle]) -> None:
    """A copy is as dear there as the bytes."""
    folder = on_disk(tmp_path)
    for bundle in bundles[:2]:
        assert publish_to(folder, bundle).uploaded == len(bundle.data)
    assert not (tmp_path / ".dev/cypress/home/demo/build/prefixes").exists()


def test_back_and_again(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """A rollback sends nothing; what is published again needs no prefix."""
    folder = on_cluster(proxy)
    for bundle in bundles[:2]:
        publish_to(folder, bundle)
    sent(proxy)
    assert roll_back(folder).release == bundles[0].release
    assert publish_to(folder, bundles[1]).uploaded == 0
    assert sent(proxy) == 0
    assert read_current(folder) == bundles[1].data


@pytest.mark.parametrize(
    ("fault", "command"),
    [
        (Drop(when="before"), "write_file"),
        (Drop(when="body"), "write_file"),
        (Drop(when="after"), "write_file"),
        (Answer(503), "write_file"),
        (Answer(503, when="after"), "copy"),
        (Drop(when="after"), "copy"),
        (Drop(when="after"), "commit_transaction"),
    ],
    ids=repr,
)
def test_a_failure_on_the_way_passes(
    proxy: ProxyServer, bundles: list[Bundle], fault: Drop | Answer, command: str
) -> None:
    """What was appended once is not appended twice."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    proxy.faults.add(fault, command=command)
    outcome = publish_to(folder, bundles[1])
    assert outcome.uploaded < len(bundles[1].data)
    assert read_current(folder) == bundles[1].data
    assert names(read_state(folder)) == [bundles[1].release, bundles[0].release]


def test_readers_see_the_old_archive_or_the_new_one(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """While releases are made of prefixes, too."""
    folder, reader = on_cluster(proxy), on_cluster(proxy)
    publish_to(folder, bundles[0])
    with watched(lambda: read_current(reader)) as seen:
        for bundle in [*bundles[1:], bundles[0]]:
            publish_to(folder, bundle, keep=1)
    assert seen <= {bundle.data for bundle in bundles}


def test_a_promotion_to_another_cluster_uses_the_prefix_there(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """Only the rest travels between the two."""
    with ProxyServer() as other:
        testing, production = on_cluster(proxy), on_cluster(other)
        publish_to(testing, bundles[0])
        assert promote(testing, production, conditions=Conditions()).uploaded == len(bundles[0].data)
        publish_to(testing, bundles[1])
        sent(other)
        assert promote(testing, production, conditions=Conditions()).uploaded < 65536
        assert sent(other) < 65536
        assert read_current(production) == bundles[1].data
