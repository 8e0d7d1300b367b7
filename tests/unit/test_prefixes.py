"""Publishing only what changed: what archives have in common is kept in the build folder, and never believed."""

from __future__ import annotations

import os
import random
import re
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from build_folders import (
    PATH,
    Bundle,
    at_once,
    names,
    on_cluster,
    on_disk,
    publish_to,
    read_current,
    roll_back,
    watched,
)
from pipelines import Pipeline, make_pipeline, refusal
from proxy import AbortTransaction, Answer, Drop, ProxyServer, Run
from proxy.fixtures import ace, connect
from request_faults import in_turn

from hatch_ytupload.build_folders.cypress import files as cypress_files
from hatch_ytupload.details import Listener
from hatch_ytupload.releases import prefixes
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.promote import promote
from hatch_ytupload.releases.records import archive_of, read_state, read_state_and, require_whole
from hatch_ytupload.releases.retention import delete, pin
from hatch_ytupload.releases.rollback import rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy.faults import Action

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.build_folders.cypress.folder import CypressFolder


pytestmark = pytest.mark.slow

PREFIXES = f"{PATH}/prefixes"
MEGABYTE = 1 << 20
SMALLEST = 20_000
"""In bytes: tests need not send a megabyte for each prefix."""


@pytest.fixture
def proxy(hasty: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxyServer]:
    """Return a cluster that is asked again at once, gets small pieces, and keeps short prefixes."""
    monkeypatch.setattr(cypress_files, "_PIECE", MEGABYTE)
    monkeypatch.setattr(prefixes, "SMALLEST", SMALLEST)
    with ProxyServer() as server:
        yield server


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Return a pipeline whose module is large, and cannot be compressed."""
    return pipeline_with(tmp_path_factory.mktemp("prefixes") / "demo", SMALLEST)


def pipeline_with(root: Path, size: int) -> Pipeline:
    """Make a pipeline whose module has so many bytes that cannot be compressed, and as many others."""
    noise = random.Random(5)
    files: dict[str, str | bytes] = {}
    for name in ("models", "more"):
        files |= {f"{name}/__init__.py": "", f"{name}/weights.bin": noise.randbytes(size)}
    return make_pipeline(root, files)


@pytest.fixture(scope="module")
def bundles(pipeline: Pipeline) -> list[Bundle]:
    """Return bundles that differ in one stage."""
    return [bundle_of(pipeline, f"text {number}") for number in range(3)]


@pytest.fixture(scope="module")
def others(pipeline: Pipeline) -> list[Bundle]:
    """Return bundles of the same project that begin with something else."""
    return [bundle_of(pipeline, f"text {number}", "models more") for number in range(2)]


def bundle_of(pipeline: Pipeline, text: str, modules: str = "models") -> Bundle:
    """Build it with its module."""
    pipeline.write({"stages/first/src/text.txt": text})
    dist = pipeline.root / "bundles" / f"{text}-{modules}".replace(" ", "-")
    built = pipeline.build(dist, {"upload_modules": modules.split()})
    return Bundle(dist / "demo-1.0.ytarchive/source.tar.gz", f"1.0-{built.content_sha256[:12]}")


def detailed(action: Callable[[], object]) -> list[str]:
    """Return the reasons that are told with `-v` why an archive is sent whole."""
    details: list[str] = []
    listener = Listener(details.append)
    try:
        action()
    finally:
        listener.close()
    return [line for line in details if line.endswith("the archive is sent whole")]


def sent(proxy: ProxyServer) -> int:
    """Return how many bytes of files were sent since the last call."""
    proxy.log.wait_idle()
    total = sum(record.body_bytes for record in proxy.log.of("write_file"))
    proxy.log.clear()
    return total


def test_an_edit_of_a_stage_sends_only_what_comes_after_the_prefix(
    proxy: ProxyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most a hundredth of the bytes and 64 kB, in at most twenty requests of all kinds, also where one is pruned."""
    monkeypatch.undo()
    pipeline = pipeline_with(tmp_path / "demo", 5 * MEGABYTE)
    first, second = (bundle_of(pipeline, text) for text in ("one", "two"))
    size = len(first.data)
    assert publish_to(on_cluster(proxy), first).uploaded == size
    assert size <= sent(proxy) < size + 65536
    outcome = publish_to(on_cluster(proxy), second, keep=1)
    assert outcome.pruned == (first.release,)
    assert outcome.uploaded <= size // 100 + 65536
    requests = proxy.log.requests(pings=True)
    assert len(requests) <= 20
    assert sum(record.wire_bytes for record in requests) <= size // 100 + 65536
    folder = on_cluster(proxy)
    assert read_current(folder) == second.data
    assert proxy.cypress.get(f"{PATH}/source.tar.gz/@md5") == read_state(folder).history[0].md5


def test_a_dry_run_says_what_would_be_sent(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """As the publish does."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    expected = publish_to(folder, bundles[1], dry_run=True).uploaded
    assert expected == publish_to(folder, bundles[1]).uploaded < len(bundles[1].data)


@pytest.mark.parametrize("where", ["cluster", "disk"])
def test_progress_is_that_of_one_transfer(
    proxy: ProxyServer, tmp_path: Path, bundles: list[Bundle], where: str
) -> None:
    """From nothing to all that travels, whatever it is made of, and why it is all of the archive is told once."""
    told: list[tuple[int, int]] = []

    def progress(done: int, size: int, /, counted: str = "") -> None:
        assert not counted
        told.append((done, size))

    folder: BuildFolder = on_cluster(proxy, progress=progress)
    if where == "disk":
        folder = on_disk(tmp_path, progress=progress)
    for bundle, reasons in zip(bundles[:2], [1, 0] if where == "cluster" else [0, 0], strict=True):
        told.clear()
        assert len(detailed(partial(publish_to, folder, bundle))) == reasons
        (size,) = {size for _, size in told}
        archive = read_state(folder).history[0].size if where == "disk" or reasons else 0
        assert archive < size < archive + 65536
        assert told == sorted(told)
        assert told[-1] == (size, size)


def test_a_prefix_is_kept_once_and_goes_with_the_last_release_that_begins_with_it(
    proxy: ProxyServer, bundles: list[Bundle], others: list[Bundle]
) -> None:
    """Another module makes another prefix."""
    folder = on_cluster(proxy)
    for bundle in bundles:
        publish_to(folder, bundle)
    (prefix,) = proxy.cypress.keys(PREFIXES)
    assert {record.prefix for record in read_state(folder).history} == {prefix}
    publish_to(folder, others[0], keep=2)
    assert len(proxy.cypress.keys(PREFIXES)) == 2
    publish_to(folder, others[1], keep=2)
    assert len(proxy.cypress.keys(PREFIXES)) == 1
    assert prefix not in proxy.cypress.keys(PREFIXES)
    assert read_state(folder).history[0].prefix in proxy.cypress.keys(PREFIXES)


def test_what_is_deleted_takes_its_prefix_along(
    proxy: ProxyServer, bundles: list[Bundle], others: list[Bundle]
) -> None:
    """If nothing else begins with it."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    publish_to(folder, others[0])
    assert len(proxy.cypress.keys(PREFIXES)) == 2
    delete(folder, [bundles[0].release])
    assert proxy.cypress.keys(PREFIXES) == [read_state(folder).history[0].prefix]


@pytest.mark.parametrize("content", [b"", b"something else", b"x" * (2 * SMALLEST)])
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
    bundle = bundle_of(make_pipeline(tmp_path / "demo", {"models/__init__.py": ""}), "text")
    (line,) = detailed(lambda: publish_to(folder, bundle))
    assert re.fullmatch(r"only \d+ B come before the first stage: the archive is sent whole", line)
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


def test_a_promotion_to_another_cluster_uses_the_prefix_there(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """Only the rest travels between the two."""
    with ProxyServer() as other:
        testing, production = on_cluster(proxy), on_cluster(other)
        publish_to(testing, bundles[0])
        assert promote(testing, production, conditions=Conditions()).uploaded == len(bundles[0].data)
        publish_to(testing, bundles[1])
        sent(other)
        proxy.log.clear()
        assert promote(testing, production, conditions=Conditions()).uploaded < len(bundles[1].data)
        assert sent(other) < len(bundles[1].data)
        # To know the prefix it has to be read, but only once.
        reads = [record for record in proxy.log.of("read_file") if str(record.path).startswith("#")]
        assert sum(record.response_bytes for record in reads) < 1.2 * len(bundles[1].data)
        assert read_current(production) == bundles[1].data


def test_what_others_put_beside_the_prefixes_stays(
    proxy: ProxyServer, bundles: list[Bundle], others: list[Bundle]
) -> None:
    """Whoever had a folder of that name before, too."""
    folder = on_cluster(proxy)
    proxy.cypress.create("map_node", PREFIXES)
    proxy.cypress.write(f"{PREFIXES}/names.txt", b"mine")
    proxy.cypress.create("map_node", f"{PREFIXES}/{'0' * 64}")
    for bundle in (bundles[0], others[0]):
        publish_to(folder, bundle, keep=1)
    publish_to(folder, bundles[0])
    delete(folder, [others[0].release])
    (prefix,) = set(proxy.cypress.keys(PREFIXES)) - {"names.txt", "0" * 64}
    assert prefix == read_state(folder).history[0].prefix
    assert proxy.cypress.read(f"{PREFIXES}/names.txt") == b"mine"


def test_a_prefix_that_somebody_holds_is_removed_by_the_next_publish(
    proxy: ProxyServer, bundles: list[Bundle], others: list[Bundle]
) -> None:
    """Nobody waits for it."""
    folder = on_cluster(proxy, wait_seconds=600)
    publish_to(folder, bundles[0])
    (prefix,) = proxy.cypress.keys(PREFIXES)
    stranger = proxy.cypress.start_transaction(user="anna")
    proxy.cypress.lock(f"{PREFIXES}/{prefix}", stranger)
    publish_to(folder, others[0], keep=1)
    assert prefix in proxy.cypress.keys(PREFIXES)
    proxy.cypress.abort_transaction(stranger)
    publish_to(folder, others[1], keep=1)
    assert prefix not in proxy.cypress.keys(PREFIXES)


def test_what_the_folder_is_to_have_counts_for_archives_made_of_prefixes_too(
    proxy: ProxyServer, bundles: list[Bundle]
) -> None:
    """Though the prefix is from before the setting was made."""
    publish_to(on_cluster(proxy), bundles[0])
    proxy.cypress.add_account("fast")
    wanted = {"account": "fast", "replication_factor": 5}
    publish_to(on_cluster(proxy, node_attributes=wanted), bundles[1])
    for path in ("source.tar.gz", archive_of(bundles[1].release)):
        assert {name: proxy.cypress.get(f"{PATH}/{path}/@{name}") for name in wanted} == wanted


def test_through_a_link(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """Everything happens in what it leads to."""
    proxy.cypress.create("map_node", "//home/real")
    proxy.cypress.create("map_node", "//home/demo")
    with connect(proxy) as client:
        client.link("//home/real", PATH)
    for bundle in bundles[:2]:
        outcome = publish_to(on_cluster(proxy), bundle, keep=1)
    assert outcome.uploaded < outcome.size
    assert proxy.cypress.read("//home/real/source.tar.gz") == bundles[1].data
    assert len(proxy.cypress.keys("//home/real/prefixes")) == 1


def test_folders_in_one_another_have_prefixes_of_their_own(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """Of two pipelines; neither tidies up what is the other's."""
    inner, outer = on_cluster(proxy), on_cluster(proxy, "//home/demo")
    for bundle in bundles[:2]:
        for folder in (inner, outer):
            outcome = publish_to(folder, bundle, keep=1)
    assert outcome.uploaded < outcome.size
    assert proxy.cypress.keys(PREFIXES) == proxy.cypress.keys("//home/demo/prefixes")


def test_a_right_that_is_missing_is_told_before_anything_is_sent(
    proxy: ProxyServer, bundles: list[Bundle], others: list[Bundle]
) -> None:
    """Of a prefix that is to go."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    place = f"{PREFIXES}/{proxy.cypress.keys(PREFIXES)[0]}"
    proxy.cypress.rules.deny(place, ["remove"])
    sent(proxy)
    line = refusal(lambda: publish_to(folder, others[0], keep=1))
    assert line == (
        f"cannot change `{PATH}`: the user `tester` has no permission `remove` for `{place}`; "
        "ask its owner for it; nothing was sent"
    )
    assert sent(proxy) == 0


def test_a_prefix_that_may_not_be_read_is_put_there_again(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """The publish does not need it."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    proxy.cypress.set(f"{PREFIXES}/{proxy.cypress.keys(PREFIXES)[0]}/@acl", [ace("deny", "tester", "read")])
    assert publish_to(folder, bundles[1]).uploaded == len(bundles[1].data)
    assert publish_to(folder, bundles[2]).uploaded < len(bundles[2].data)


def test_a_quota_that_ends_in_the_midst(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """When the cluster has not told before: one line, and nothing has changed."""
    proxy.cypress.add_account("small")
    proxy.cypress.create("map_node", PATH, attributes={"account": "small"})
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    used = int(str(proxy.cypress.get("//sys/accounts/small/@resource_usage/disk_space")))
    before = proxy.cypress.keys(PATH), proxy.cypress.keys(PREFIXES)
    proxy.faults.add(
        Run(lambda _record: proxy.cypress.add_account("small", disk_space_limit=used)), command="write_file"
    )
    line = refusal(lambda: publish_to(folder, bundles[1]))
    assert "there is no quota left" in line
    assert (proxy.cypress.keys(PATH), proxy.cypress.keys(PREFIXES)) == before
    assert read_current(folder) == bundles[0].data


def nothing(_place: str, _proxy: ProxyServer) -> None:
    """Leave everything as it is."""


def removed(place: str, proxy: ProxyServer) -> None:
    """Take it away."""
    proxy.cypress.remove(place)


def all_removed(_place: str, proxy: ProxyServer) -> None:
    """With its directory."""
    proxy.cypress.remove(PREFIXES)


def changed(place: str, proxy: ProxyServer) -> None:
    """As many bytes, others."""
    proxy.cypress.write(place, bytes(len(proxy.cypress.read(place))))


def a_folder(place: str, proxy: ProxyServer) -> None:
    """Something else in its place."""
    proxy.cypress.remove(place)
    proxy.cypress.create("map_node", place)


def no_md5(place: str, proxy: ProxyServer) -> None:
    """The same bytes, of which the cluster knows no digest."""
    data = proxy.cypress.read(place)
    proxy.cypress.remove(place)
    proxy.cypress.create("file", place)
    with connect(proxy) as client:
        client.write_file(place, data, compute_md5=False)


@pytest.mark.parametrize(
    ("moment", "damage"),
    [
        ("start_transaction", all_removed),
        # Then the directory is ours.
        *(("create", damage) for damage in (nothing, removed, changed, a_folder, no_md5)),
    ],
)
def test_a_prefix_that_changes_just_before_it_is_used(
    proxy: ProxyServer, bundles: list[Bundle], moment: str, damage: Callable[[str, ProxyServer], None]
) -> None:
    """After it was read, too: the archive is sent whole, `-v` says why, and the next one finds the prefix again."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    place = f"{PREFIXES}/{proxy.cypress.keys(PREFIXES)[0]}"
    proxy.faults.add(Run(lambda _record: damage(place, proxy)), command=moment)
    sent(proxy)
    reasons = detailed(lambda: publish_to(folder, bundles[1]))
    assert bool(reasons) == (sent(proxy) > len(bundles[1].data)) == (damage is not nothing)
    assert read_current(folder) == bundles[1].data
    assert proxy.cypress.get(f"{PATH}/source.tar.gz/@md5") == read_state(folder).history[0].md5
    assert publish_to(folder, bundles[2]).uploaded < len(bundles[2].data)


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("actions", "command"),
    [
        ([Answer(503), AbortTransaction("before")], None),
        ([Drop("after")], None),
        ([Drop("body", after_bytes=100)], "write_file"),
    ],
    ids=["refused or transaction lost", "answer lost", "dropped in the body"],
)
def test_a_failure_of_any_request_passes(
    proxy: ProxyServer, bundles: list[Bundle], actions: list[Action], command: str | None
) -> None:
    """What was appended once is not appended twice, nothing is left over, and no fault makes the archive travel."""
    old, new = bundles[:2]
    publish_to(on_cluster(proxy), old, keep=1)
    proxy.log.clear()
    publish_to(on_cluster(proxy), new, keep=1)
    commands = proxy.log.commands()
    assert len(commands) >= 15
    for _ in in_turn(proxy, actions, [name for name in commands if command in (None, name)]):
        old, new = new, old
        outcome = publish_to(on_cluster(proxy), new, keep=1)
        proxy.faults.clear()
        assert outcome.uploaded < len(new.data)
        assert proxy.cypress.read(f"{PATH}/source.tar.gz") == new.data
        assert proxy.cypress.keys(f"{PATH}/releases") == [new.release]
        assert proxy.cypress.keys(PREFIXES) == [read_state(on_cluster(proxy)).history[0].prefix]
        assert not proxy.cypress.transactions


def test_an_interrupted_publish_leaves_nothing(proxy: ProxyServer, bundles: list[Bundle]) -> None:
    """Control-C, at whichever of its requests: the old release stays, or, after the commit, the new one is whole."""
    folder = on_cluster(proxy)
    publish_to(folder, bundles[0])
    before = proxy.cypress.keys(PATH), proxy.cypress.keys(PREFIXES), proxy.cypress.keys(f"{PATH}/releases")
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for command, nth in (("copy", 1), ("write_file", 1), ("write_file", 2), ("execute_batch", 5)):
            proxy.faults.add(Run(lambda _record: os.kill(os.getpid(), signal.SIGINT)), command=command, nth=nth)
            with pytest.raises(KeyboardInterrupt):
                publish_to(on_cluster(proxy), bundles[1])
            proxy.faults.clear()
            proxy.log.wait_idle()
            assert not proxy.cypress.transactions
            found = proxy.cypress.keys(PATH), proxy.cypress.keys(PREFIXES), proxy.cypress.keys(f"{PATH}/releases")
            assert found == before
    finally:
        signal.signal(signal.SIGINT, handler)
    assert read_current(folder) == bundles[0].data


@pytest.mark.usefixtures("unmeasured")
def test_ten_publishers_and_everybody_else(proxy: ProxyServer, bundles: list[Bundle], others: list[Bundle]) -> None:
    """Two prefixes come and go while releases are published, promoted, pinned, deleted and gone back to."""
    every = [*bundles, *others]
    paths = (PATH, "//home/demo/production")

    def folder(path: str = PATH) -> CypressFolder:
        return on_cluster(proxy, path, timeout_seconds=60, wait_seconds=600)

    for path in paths:
        publish_to(folder(path), bundles[0])
    jobs: list[Callable[[], object]] = [
        partial(publish_to, folder(), every[number % len(every)], keep=2) for number in range(10)
    ]
    jobs += 2 * [
        lambda: rollback(folder()),
        lambda: promote(folder(), folder(paths[1]), conditions=Conditions(keep_releases=1)),
        lambda: delete(folder(), [names(read_state(folder()))[-1]]),
        lambda: pin(folder(), names(read_state(folder()))[0]),
    ]
    with watched(lambda: b"".join(proxy.cypress.read(f"{path}/source.tar.gz") for path in paths)) as seen:
        # What a job names may be gone, current or pinned when its turn comes.
        usual = re.compile("keeps no release|is the current one|is pinned")
        assert [error for error in at_once(jobs) if not usual.search(str(error))] == []
    assert seen <= {one.data + other.data for one in every for other in every}
    for path in paths:
        check(proxy, folder(path))
    assert not proxy.cypress.transactions


def check(proxy: ProxyServer, folder: CypressFolder) -> None:
    """See that all that a folder keeps is whole, and that the prefixes are there which its releases name."""
    state = read_state(folder)
    assert state.current is not None
    for record in state.history:
        require_whole(folder, read_state_and(folder, record.release)[1], record)
    kept = {record.prefix for record in state.history if record.prefix is not None}
    assert kept <= set(proxy.cypress.keys(f"{folder.location}/prefixes"))
