"""Every request of a publish goes wrong, every command in every way; then ways that do not pass."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Literal

import pytest
from build_folders import PATH, Bundle, current, make_bundle, on_cluster, publish_to, roll_back
from pipelines import make_pipeline, refusal
from proxy import AbortTransaction, Answer, Code, Corrupt, Delay, Drop, Hang, ProxyServer, Refuse, Truncate
from proxy.fixtures import connect
from request_faults import each_request, in_turn, one_of_each_command

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.cypress import client as cypress_client
from hatch_ytupload.build_folders.cypress import files as cypress_files
from hatch_ytupload.build_folders.cypress.errors import CypressError
from hatch_ytupload.byte_reader import blocks
from hatch_ytupload.errors import BuildFolderError, YtUploadError
from hatch_ytupload.releases import outgoing
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.fetch import fetch
from hatch_ytupload.releases.promote import promote
from hatch_ytupload.releases.published import CURRENT, find_published
from hatch_ytupload.releases.retention import delete, pin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from proxy.faults import Action

    from hatch_ytupload.build_folders.cypress.folder import CypressFolder

# What fails here again and again, others do once.
pytestmark = pytest.mark.usefixtures("unmeasured")

# A publish with scripts has about twenty requests; the loops below find out how many themselves.
MANY = 15

PASSING: dict[str, Action] = {
    "dropped before": Drop("before"),
    "dropped in the body": Drop("body", after_bytes=100),
    "answer lost": Drop("after"),
    "500": Answer(500),
    "500 after": Answer(500, when="after"),
    "502 from a balancer": Answer(502, body="html"),
    "503": Answer(503, body="empty"),
    "503 with a time": Answer(503, retry_after=0),
    "503 after": Answer(503, when="after", body="html"),
    "429": Answer(429, retry_after=0),
    "429 of the master": Answer(429, code=Code.REQUEST_QUEUE_SIZE_LIMIT),
    "timeout within": Answer(400, code=Code.TIMEOUT),
    "unavailable within": Answer(400, code=Code.UNAVAILABLE),
    "no memory within": Answer(400, code=122),
    "no storage within": Answer(400, code=700),
    "answer cut off": Truncate(keep=3, framing="broken"),
    "answer cut short": Truncate(keep=3, framing="whole"),
    "slow": Delay(0.05),
    "away for a moment": Refuse(seconds=0.05),
    "away after": Refuse(seconds=0.05, when="after"),
}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch, proxy: ProxyServer) -> Iterator[None]:
    """Repeat at once, and send small pieces, so that an archive has several."""
    monkeypatch.setattr(cypress_client, "_FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(cypress_files, "_PIECE", 20_000)
    monkeypatch.setattr(outgoing, "blocks", partial(blocks, size=10_000))
    yield
    proxy.faults.clear()
    proxy.accept()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    """Return two bundles whose archives are sent in several pieces."""
    pipeline = make_pipeline(tmp_path_factory.mktemp("faults") / "demo")
    noise = random.Random(1)
    first, second = (make_bundle(pipeline, noise.randbytes(30_000).hex(), wrappers=True) for _ in range(2))
    return first, second


class Swap:
    """Publishes one of two bundles and then the other; the build folder keeps one release, so each is uploaded."""

    def __init__(self, proxy: ProxyServer, bundles: tuple[Bundle, Bundle]) -> None:
        self._proxy = proxy
        self.old, self.new = bundles
        self.notices: list[str] = []
        self._connected = self.folder()
        publish_to(self._connected, self.old, wrappers=True, keep=1)

    def folder(self, timeout_seconds: float = 10, attempts: int = 4) -> CypressFolder:
        """Return the folder over a new connection, about which nothing is known yet."""
        return on_cluster(self._proxy, timeout_seconds=timeout_seconds, attempts=attempts, notice=self.notices.append)

    def publish(self, *, fresh: bool = False, timeout_seconds: float = 10, attempts: int = 4) -> None:
        """Publish the other bundle; over a new connection when asked to."""
        usual = not fresh and (timeout_seconds, attempts) == (10, 4)
        folder = self._connected if usual else self.folder(timeout_seconds, attempts)
        publish_to(folder, self.new, wrappers=True, keep=1)
        self.old, self.new = self.new, self.old

    def check(self) -> None:
        """See that exactly what was published last is there, whole, and nothing of anybody is left over."""
        self._proxy.faults.clear()
        cypress = self._proxy.cypress
        release = f"{PATH}/releases/{self.old.release}"
        assert cypress.keys(f"{PATH}/releases") == [self.old.release]
        assert cypress.keys(PATH) == ["operation_wrapper_first_map.sh", "releases", ARCHIVE_NAME]
        assert cypress.read(f"{PATH}/{ARCHIVE_NAME}") == cypress.read(f"{release}/{ARCHIVE_NAME}") == self.old.data
        assert cypress.read(f"{release}/manifest.json") == (self.old.directory / "manifest.json").read_bytes()
        assert cypress.get(f"{PATH}/{ARCHIVE_NAME}/@ytupload/release") == self.old.release
        assert not cypress.exists("//tmp/yt_wrapper")


@pytest.fixture
def swap(proxy: ProxyServer, bundles: tuple[Bundle, Bundle]) -> Iterator[Swap]:
    """Return a build folder with the first bundle."""
    yield Swap(proxy, bundles)
    proxy.faults.clear()
    proxy.cypress.expire_transactions()
    proxy.cypress.remove("//home/demo")


# These strike every request, one at a time; each other kind strikes one request of every command.
THOROUGH = ("dropped before", "answer lost")
KINDS = [*([kind] for kind in THOROUGH), [kind for kind in PASSING if kind not in THOROUGH]]


def requests_struck(proxy: ProxyServer, kinds: list[str], commands: list[str], *, at_least: int) -> Iterator[object]:
    """Add a failure that passes to a request of what follows, then to others: whatever sends these commands."""
    for turn, kind in enumerate(kinds):
        if kind in THOROUGH:
            yield from each_request(proxy, PASSING[kind], at_least=at_least)
        else:
            yield from one_of_each_command(proxy, PASSING[kind], commands, turn)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", KINDS, ids=[*THOROUGH, "all others"])
def test_a_failure_of_any_request_that_passes_does_not_break_a_publish(
    proxy: ProxyServer, swap: Swap, kinds: list[str]
) -> None:
    """Whatever the moment, over a connection about which nothing is known yet."""
    proxy.log.clear()
    swap.publish(fresh=True)
    for _ in requests_struck(proxy, kinds, proxy.log.commands(), at_least=MANY):
        swap.publish(fresh=True)
        swap.check()
        assert not proxy.cypress.transactions


@pytest.mark.slow
@pytest.mark.parametrize("kinds", KINDS, ids=[*THOROUGH, "all others"])
def test_a_failure_of_any_request_that_passes_does_not_break_a_look(
    proxy: ProxyServer, swap: Swap, kinds: list[str]
) -> None:
    """Of status and history, and of a pipeline that finds its release and reads it."""

    def look() -> None:
        found = find_published(swap.folder(), CURRENT, lambda: pytest.fail("nobody asked for the bundle"))
        assert (found.record.release, found.is_current) == (swap.old.release, True)

    proxy.log.clear()
    look()
    for _ in requests_struck(proxy, kinds, proxy.log.commands(), at_least=5):
        look()


@pytest.mark.slow
def test_a_lost_transaction_is_begun_again(proxy: ProxyServer, swap: Swap) -> None:
    """Whichever request finds it gone, even the commit; the first attempt leaves nothing."""
    proxy.log.clear()
    swap.publish()
    for _ in in_turn(proxy, [AbortTransaction("before"), AbortTransaction("after")], proxy.log.commands()):
        swap.publish()
        swap.check()
        assert all("\n" not in notice for notice in swap.notices)


def test_a_transaction_that_is_lost_each_time_ends_the_publish(proxy: ProxyServer, swap: Swap) -> None:
    """In one line; nothing has changed."""
    proxy.faults.add(AbortTransaction(), command="copy", times=None)
    line = refusal(swap.publish)
    assert f"the transaction expired, as `{proxy.address}` could not be reached for too long" in line
    proxy.faults.clear()
    swap.check()


@pytest.mark.slow
@pytest.mark.parametrize("action", [Answer(500), Drop("before"), Truncate(1, "broken")], ids=["500", "drop", "cut"])
def test_a_command_that_never_works_ends_the_publish(proxy: ProxyServer, swap: Swap, action: Action) -> None:
    """After the attempts that were asked for, in one line, with nothing changed and nothing left to wait for."""
    proxy.log.clear()
    swap.publish()
    commands = set(proxy.log.commands())
    assert {"start_transaction", "lock", "create", "write_file", "copy", "commit_transaction"} <= commands
    for command in sorted(commands):
        # Where only the answers are lost: a transaction ends by itself; a commit works, see below; nobody needs to
        # know more of a write than its status.
        if isinstance(action, Truncate) and command in ("start_transaction", "commit_transaction", "write_file"):
            continue
        fault = proxy.faults.add(action, command=command, times=None)
        line = refusal(lambda: swap.publish(attempts=2))
        assert line.startswith("cannot ")
        assert f"`{proxy.address}`" in line
        assert len(fault.hits) == 2
        proxy.faults.clear()
        swap.check()
        assert not proxy.cypress.transactions


def test_a_commit_whose_answers_are_all_lost_is_told_as_a_failure(proxy: ProxyServer, swap: Swap) -> None:
    """Which says that nobody knows: the archive is there, and publishing again finds that there is nothing to do."""
    proxy.faults.add(Drop("after"), command="commit_transaction", times=None)
    line = refusal(lambda: swap.publish(attempts=2))
    assert line.endswith("; perhaps it was done all the same: `hatch-ytupload history` shows it")
    proxy.faults.clear()
    assert not publish_to(swap.folder(), swap.new, wrappers=True, keep=1).changed
    swap.old, swap.new = swap.new, swap.old
    swap.check()


# After a timeout in a body the client's copy of requests leaves the socket to the collector, which warns.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_proxy_that_hangs_is_left_after_the_time_limit(
    proxy: ProxyServer, swap: Swap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any command, before or after it is done."""
    # A machine that is too busy for the short limit means more attempts, and no failure.
    monkeypatch.setattr(cypress_client, "_TOTAL_FACTOR", 1000)
    proxy.log.clear()
    swap.publish()
    for command in sorted(set(proxy.log.commands())):
        for action in (Hang("before"), Hang("after")):
            fault = proxy.faults.add(action, command=command)
            swap.publish(timeout_seconds=0.25, attempts=30)
            assert fault.hits
            swap.check()


def test_a_proxy_that_stays_away_ends_the_publish(proxy: ProxyServer, swap: Swap) -> None:
    """With one line that says what to check."""
    proxy.refuse()
    line = refusal(lambda: swap.publish(attempts=3))
    assert line == (f"cannot read the build folder `{PATH}`: `{proxy.address}` refuses the connection; check `proxy`")
    assert [notice.split(";")[-1].split(" (")[1] for notice in swap.notices] == ["2 of 3)", "3 of 3)"]
    proxy.accept()
    swap.check()


@pytest.mark.slow
def test_a_proxy_that_goes_away_in_the_midst_ends_the_publish(proxy: ProxyServer, swap: Swap) -> None:
    """Its transaction ends by itself; the next publish waits for no one."""
    for _ in each_request(proxy, Refuse(), at_least=MANY):
        with suppress(BuildFolderError):
            swap.publish(attempts=2)
        proxy.accept()
        proxy.cypress.expire_transactions()
        swap.check()


def test_what_arrives_damaged_is_not_published(proxy: ProxyServer, swap: Swap) -> None:
    """The cluster's MD5 tells, whichever file and piece it is."""
    for fault in each_request(proxy, Corrupt(offset=17), command="write_file", at_least=3):
        line = ""
        try:
            swap.publish()
        except BuildFolderError as error:
            line = str(error)
        assert bool(fault.hits) == line.startswith(f"what arrived at `{PATH}/")
        swap.check()


def test_a_piece_that_arrives_twice_is_noticed(proxy: ProxyServer, swap: Swap, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that was given up may be done late; the archive is then sent again from its beginning."""
    sent: list[str] = []
    write = cypress_client.Cluster.write

    def late(
        self: cypress_client.Cluster, action: str, blocks: Iterable[bytes], path: str, *, append: bool, **where: str
    ) -> None:
        piece = list(blocks)
        sent.append(path)
        write(self, action, piece, path, append=append, **where)
        if len(sent) == 2:  # the second piece
            write(self, action, piece, path, append=append, **where)
            raise CypressError("cannot write: no answer", passing=True)

    monkeypatch.setattr(cypress_client.Cluster, "write", late)
    swap.publish()
    swap.check()
    (line,) = (notice for notice in swap.notices if "beginning again" in notice)
    assert "which nobody sent" in line


@pytest.mark.slow
def test_a_rollback_survives_a_failure_of_any_request(proxy: ProxyServer, bundles: tuple[Bundle, Bundle]) -> None:
    """There and back; it moves no data."""
    folder = on_cluster(proxy)
    for bundle in bundles:
        publish_to(folder, bundle, wrappers=True)
    before, now = bundles
    proxy.log.clear()
    for _ in each_request(proxy, Drop("after"), at_least=10):
        roll_back(on_cluster(proxy), before.release, wrappers=True)
        assert proxy.cypress.read(f"{PATH}/{ARCHIVE_NAME}") == before.data
        assert proxy.cypress.get(f"{PATH}/{ARCHIVE_NAME}/@ytupload/release") == before.release
        before, now = now, before
    assert current(folder) == now.release
    written = [record for record in proxy.log.of("write_file") if str(record.path).endswith(".gz")]
    assert written == []
    proxy.cypress.remove("//home/demo")


def one_of_two(proxy: ProxyServer, place: str) -> tuple[str, dict[str, bool]]:
    """Return what a folder has: the current release, and which are pinned; see that all of it is whole."""
    cypress = proxy.cypress
    pinned = {
        name: bool(cypress.get(f"{place}/releases/{name}/@ytupload/pinned"))
        for name in cypress.keys(f"{place}/releases")
    }
    assert cypress.keys(place) == ["releases", ARCHIVE_NAME]
    for name in pinned:
        assert cypress.keys(f"{place}/releases/{name}") == ["manifest.json", "sbom.cdx.json", ARCHIVE_NAME]
    release = str(cypress.get(f"{place}/{ARCHIVE_NAME}/@ytupload/release"))
    assert cypress.read(f"{place}/{ARCHIVE_NAME}") == cypress.read(f"{place}/releases/{release}/{ARCHIVE_NAME}")
    assert not cypress.exists("//tmp/yt_wrapper")
    return release, pinned


class Team:
    """What a team does with releases, there and back."""

    target = "//home/demo/target"
    _saved = "//home/demo/saved"

    def __init__(
        self, source: ProxyServer, proxy: ProxyServer, bundles: tuple[Bundle, Bundle], place: Path, attempts: int
    ) -> None:
        self._proxies, self._place = (source, proxy), place
        self._source = on_cluster(source, attempts=attempts)
        self._target = on_cluster(proxy, self.target, attempts=attempts)
        for bundle in bundles:
            publish_to(self._source, bundle)
            publish_to(self._target, bundle)
        self._names = [bundle.release for bundle in bundles]
        self._numbers = count()
        with connect(proxy) as client:
            client.copy(self.target, self._saved)

    def states(self) -> dict[str, tuple[str, dict[str, bool]]]:
        """Return what both folders have."""
        return {
            "source": one_of_two(self._proxies[0], PATH),
            "target": one_of_two(self._proxies[1], self.target),
        }

    def do(self, deed: str) -> None:
        """Do what is named, or what takes it back."""
        now, pinned = one_of_two(self._proxies[1], self.target)
        (other,) = set(self._names) - {now}
        if deed == "promote":
            promote(self._source, self._target, other, Conditions(keep_releases=1))
        elif deed == "pin":
            pin(self._target, self._names[0], pinned=not pinned[self._names[0]])
        elif deed == "delete":
            delete(self._target, [other])
        else:
            directory = self._place / str(next(self._numbers))
            try:
                fetch(self._target, other, str(directory))
            finally:
                assert list(self._place.glob(f"{directory.name}.*")) == []
                files = [path.name for path in directory.iterdir()] if directory.exists() else None
                assert files is None or sorted(files) == ["manifest.json", "sbom.cdx.json", ARCHIVE_NAME]

    def restore(self) -> None:
        """Have both releases again, where one was deleted."""
        if len(self._proxies[1].cypress.keys(f"{self.target}/releases")) < len(self._names):
            with connect(self._proxies[1]) as client:
                client.copy(self._saved, self.target, force=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "when", "attempts"),
    [
        ("promote", "after", 1),
        ("promote elsewhere", "before", 1),
        ("promote elsewhere", "after", 4),
        ("promote from elsewhere", "after", 1),
        ("pin", "before", 1),
        ("pin", "after", 4),
        ("delete", "before", 1),
        ("delete", "after", 4),
        ("fetch", "after", 1),
    ],
)
def test_whatever_a_team_does_is_done_or_not(
    request: pytest.FixtureRequest, tmp_path: Path, deed: str, when: Literal["before", "after"], attempts: int
) -> None:
    """Each request fails once, and is repeated or not: the old state or the new one, nothing left, one line."""
    proxy: ProxyServer = request.getfixturevalue("proxy")
    bundles: tuple[Bundle, Bundle] = request.getfixturevalue("bundles")
    verb, *where = deed.split(" ", 1)
    with ProxyServer() as elsewhere:
        ends = {"elsewhere": (proxy, elsewhere), "from elsewhere": (elsewhere, proxy)}
        source, target = ends[where[0]] if where else (proxy, proxy)
        team = Team(source, target, bundles, tmp_path, attempts)
        failed = 0
        for fault in each_request(proxy, Drop(when), at_least=4):
            before, line = team.states(), ""
            try:
                team.do(verb)
            except YtUploadError as error:
                line = str(error)
            proxy.faults.clear()
            for each in (proxy, elsewhere):
                each.cypress.expire_transactions()
                assert not each.cypress.transactions
            after = team.states()
            assert "\n" not in line
            assert not line or (attempts == 1 and fault.hits), line
            is_commit = bool(fault.hits) and proxy.log.requests()[fault.hits[0]].command == "commit_transaction"
            if verb != "fetch" and not (line and is_commit):
                assert (before == after) == bool(line)
            failed += bool(line)
            team.restore()
        assert bool(failed) == (attempts == 1)
    proxy.cypress.remove("//home/demo")


def test_a_repetition_is_told_in_a_line(proxy: ProxyServer, swap: Swap) -> None:
    """What is wrong, when it goes on, and how often it was tried."""
    proxy.faults.add(Answer(503, message="Too busy"), command="copy")
    swap.publish()
    (line,) = swap.notices
    assert line == f"`{proxy.address}` cannot answer now (Too busy); trying again in 0 s (2 of 4)"


def test_the_time_that_the_proxy_asks_for_is_given(
    proxy: ProxyServer, swap: Swap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry-After, in seconds, up to a minute."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    proxy.faults.add(Answer(503, retry_after=7), command="copy")
    proxy.faults.add(Answer(429, retry_after=100_000), command="commit_transaction")
    try:
        swap.publish(timeout_seconds=300)
    finally:
        monkeypatch.undo()
    assert slept == [7.0, 60.0]
