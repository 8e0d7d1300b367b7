"""What a real server does and a simple one does not: moments, links, locks of strangers, rights and rooms."""

from __future__ import annotations

import os
import queue
import signal
import threading
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, ClassVar

import pytest
from build_folders import (
    PATH,
    Bundle,
    current,
    names,
    on_cluster,
    publish_to,
    read_current,
    roll_back,
    watched,
)
from examples import examples
from pipelines import refusal
from proxy import AbortTransaction, Answer, Corrupt, Drop, ProxyServer, Run, Truncate
from proxy.fixtures import ace, connect
from yt.wrapper import YtError

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.cypress import transport
from hatch_ytupload.build_folders.cypress.client import Cluster
from hatch_ytupload.build_folders.cypress.folder import CypressFolder
from hatch_ytupload.build_folders.folder_lock import user_name
from hatch_ytupload.releases.promote import promote
from hatch_ytupload.releases.records import read_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy import Record
    from proxy.commands import Command, Request

    from hatch_ytupload.releases.current import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hasty")]

CURRENT = f"{PATH}/{ARCHIVE_NAME}"


def in_another_thread(action: Callable[[], object]) -> threading.Thread:
    """Start something that waits for us."""
    thread = threading.Thread(target=action)
    thread.start()
    return thread


class TestWhatIsNoFolder:
    """Whatever lies at the build folder's path: one line, at once, and nothing has changed."""

    @pytest.mark.parametrize(
        ("kind", "attributes"),
        [
            ("document", {"value": {"releases": {}}}),
            ("table", {}),
            ("file", {}),
            ("string_node", {}),
        ],
    )
    def test_another_node(
        self, proxy: ProxyServer, bundles: list[Bundle], kind: str, attributes: dict[str, object]
    ) -> None:
        """Be it readable like a folder, or not."""
        proxy.cypress.create(kind, PATH, attributes=attributes)
        for action in (lambda: publish_to(on_cluster(proxy), bundles[0]), lambda: read_state(on_cluster(proxy))):
            assert refusal(action) == f"`{PATH}` is no folder, and one is expected there; remove or rename it"
        assert proxy.cypress.get(f"{PATH}/@type") == kind

    @pytest.mark.parametrize("aim", ["//home/nothing", PATH])
    def test_a_link_that_leads_nowhere(self, proxy: ProxyServer, bundles: list[Bundle], aim: str) -> None:
        """To what is not there, or in a circle: also for a publisher who waits, and for one who only looks."""
        proxy.cypress.create("map_node", "//home/demo")
        with connect(proxy) as client:
            client.create("map_node", "//home/nothing")
            client.link("//home/nothing", PATH)
            client.remove("//home/nothing")
        if aim == PATH:
            proxy.master.tree.nodes[str(proxy.cypress.get(f"{PATH}&/@id"))].trunk.value = PATH
        publishing = on_cluster(proxy, wait_seconds=30)
        for action in (
            lambda: publish_to(on_cluster(proxy), bundles[0]),
            lambda: publishing.change("making it", lambda _changes: None),
        ):
            line = refusal(action)
            assert line == f"`{PATH}` is a link that leads nowhere; remove it, or make what it leads to"
        assert len(proxy.log.requests()) < 40

    def test_a_link_to_a_folder_is_one(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Everything happens in what it leads to; nobody need have rights to the link."""
        proxy.cypress.create("map_node", "//home/real")
        proxy.cypress.create("map_node", "//home/demo")
        with connect(proxy) as client:
            client.link("//home/real", PATH)
            assert client.get(f"{PATH}&/@type") == "link"
            proxy.cypress.set(f"{PATH}&/@inherit_acl", value=False)
            with pytest.raises(YtError):
                client.get(f"{PATH}&/@type")
        for bundle in bundles[:2]:
            publish_to(on_cluster(proxy), bundle, wrappers=True)
        assert proxy.cypress.read(f"//home/real/{ARCHIVE_NAME}") == bundles[1].data
        assert current(on_cluster(proxy)) == bundles[1].release

    @pytest.mark.parametrize("place", [PATH, "//home/demo"])
    def test_a_folder_in_another_cell_is_one(self, proxy: ProxyServer, bundles: list[Bundle], place: str) -> None:
        """As the homes of users often are."""
        proxy.cypress.create("portal_exit", place)
        for bundle in bundles[:2]:
            publish_to(on_cluster(proxy), bundle, keep=1)
        assert names(read_state(on_cluster(proxy))) == [bundles[1].release]

    def test_a_link_to_a_file_is_none(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """And stays."""
        proxy.cypress.create("map_node", "//home/demo")
        proxy.cypress.write("//home/file", b"mine")
        with connect(proxy) as client:
            client.link("//home/file", PATH)
        assert "is no folder" in refusal(lambda: publish_to(on_cluster(proxy), bundles[0]))
        assert proxy.cypress.read("//home/file") == b"mine"


class TestLostTransactions:
    """Whatever a lost transaction looks like, the publish is begun again once."""

    def test_during_an_upload(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """The error has no code of its own, and nothing within that tells."""
        notices: list[str] = []
        proxy.faults.add(AbortTransaction(), command="write_file")
        proxy.faults.add(Answer(400, code=1, message="Transaction 1-2-10001-4 aborted"), command="write_file")
        publish_to(on_cluster(proxy, notice=notices.append), bundles[0])
        assert current(on_cluster(proxy)) == bundles[0].release
        (line,) = notices
        assert line.endswith("try again; beginning again")

    def test_another_error_of_an_upload_ends_it(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """As the transaction is still there."""
        proxy.faults.add(Answer(400, code=1, message="Disk failure"), command="write_file")
        assert refusal(lambda: publish_to(on_cluster(proxy), bundles[0])).endswith(": Disk failure")

    def test_the_folder_is_removed_while_we_wait(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Our lock goes with it; the folder is made again."""
        publish_to(on_cluster(proxy), bundles[0])
        other = proxy.cypress.start_transaction(user="anna", title="tidying up")
        notices: list[str] = []
        told = threading.Event()

        def notice(text: str) -> None:
            notices.append(text)
            told.set()

        with connect(proxy) as client:
            with client.Transaction(transaction_id=other, ping=False, acquire=False):
                client.lock(PATH)
            folder = on_cluster(proxy, wait_seconds=30, notice=notice)
            thread = in_another_thread(lambda: publish_to(folder, bundles[1]))
            told.wait(60)
            with client.Transaction(transaction_id=other, ping=False, acquire=False):
                client.remove(PATH, recursive=True)
            proxy.cypress.commit_transaction(other)
        thread.join()
        assert names(read_state(on_cluster(proxy))) == [bundles[1].release]
        assert "tidying up" in notices[0]

    def test_our_transaction_is_lost_while_we_wait(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Then there is another one, which waits again."""
        publish_to(on_cluster(proxy), bundles[0])
        other = proxy.cypress.start_transaction(user="anna")
        proxy.cypress.lock(PATH, other)
        notices: list[str] = []

        def meanwhile(record: Record) -> None:
            for transaction in proxy.cypress.transactions:
                if transaction["id"] != other:
                    proxy.cypress.abort_transaction(str(transaction["id"]))
            proxy.cypress.abort_transaction(other)

        proxy.faults.add(Run(meanwhile), command="get", where=lambda record: str(record.path).endswith("/@state"))
        publish_to(on_cluster(proxy, wait_seconds=30, notice=notices.append), bundles[1])
        assert current(on_cluster(proxy)) == bundles[1].release
        assert "the transaction expired" in notices[-1]


class TestLocksOfStrangers:
    """On single nodes: they are waited for as the folder is."""

    def test_the_current_archive(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Who holds it is said, as far as the cluster tells."""
        publish_to(on_cluster(proxy), bundles[0])
        other = proxy.cypress.start_transaction(user="anna", title="Copying the archive")
        proxy.cypress.lock(CURRENT, other)
        line = refusal(lambda: publish_to(on_cluster(proxy, wait_seconds=0.05), bundles[1]))
        assert line.startswith(f"`{CURRENT}` is held by `anna@{proxy.address}`, Copying the archive, since 20")
        assert "waited 0.05 s, nothing was changed" in line
        notices: list[str] = []

        def notice(text: str) -> None:
            notices.append(text)
            proxy.cypress.abort_transaction(other)

        publish_to(on_cluster(proxy, wait_seconds=30, notice=notice), bundles[1])
        assert notices[0].startswith(f"waiting: `{CURRENT}` is held by `anna@")
        assert read_current(on_cluster(proxy)) == bundles[1].data

    def test_time_counts_for_all_waits_together(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """And for what the requests take, not only for the pauses."""
        publish_to(on_cluster(proxy), bundles[0])
        other = proxy.cypress.start_transaction(user="anna")
        proxy.cypress.lock(CURRENT, other)
        folder = on_cluster(proxy, wait_seconds=0.2)
        proxy.log.clear()
        refusal(lambda: publish_to(folder, bundles[1]))
        assert len(proxy.log.of("copy")) < 60

    def test_an_old_release_stays_for_the_next_publish(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """What is held by somebody else is not waited for; whoever publishes next removes it."""
        publish_to(on_cluster(proxy), bundles[0])
        held = f"{PATH}/releases/{bundles[0].release}/{ARCHIVE_NAME}"
        other = proxy.cypress.start_transaction(user="anna", title="Running a job")
        proxy.cypress.lock(held, other)
        outcome: Outcome = publish_to(on_cluster(proxy, wait_seconds=30), bundles[1], keep=1)
        ((release, holder),) = outcome.held
        assert (release, outcome.pruned) == (bundles[0].release, ())
        assert "Running a job" in holder
        assert names(read_state(on_cluster(proxy))) == [bundles[1].release, bundles[0].release]
        proxy.cypress.abort_transaction(other)
        outcome = publish_to(on_cluster(proxy), bundles[2], keep=1)
        assert outcome.pruned == (bundles[0].release, bundles[1].release)
        assert names(read_state(on_cluster(proxy))) == [bundles[2].release]


class TestMoments:
    """The parts of one request are of different moments."""

    @pytest.mark.parametrize("part", [1, 2])
    def test_a_commit_between_the_parts_is_seen_whole_or_not_at_all(
        self, proxy: ProxyServer, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch, part: int
    ) -> None:
        """Whichever part comes after it."""
        from proxy.commands import execution

        publish_to(on_cluster(proxy), bundles[0])
        ready: queue.Queue[str] = queue.Queue()
        committed = threading.Event()

        def hold(record: Record) -> None:
            ready.put(str(record.transaction_id))
            committed.wait(30)

        proxy.faults.add(Run(hold), command="commit_transaction")
        thread = in_another_thread(lambda: publish_to(on_cluster(proxy, timeout_seconds=60), bundles[1], keep=1))
        transaction_id = ready.get(timeout=30)
        execute, parts = execution.execute, count(1)

        def disturbed(command: Command, request: Request) -> object:
            if command.name == "list" and next(parts) == part + 1:
                proxy.cypress.commit_transaction(transaction_id)
            return execute(command, request)

        monkeypatch.setattr(execution, "execute", disturbed)
        state = read_state(on_cluster(proxy))
        assert next(parts) > part + 1
        committed.set()
        thread.join()
        assert state.current is not None
        assert state.current.release == bundles[1].release

    @pytest.mark.usefixtures("unmeasured")
    def test_who_looks_during_many_publishes_never_sees_damage(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """By the way that the commands look."""
        publish_to(on_cluster(proxy), bundles[0])
        looking = on_cluster(proxy, timeout_seconds=60)

        def look() -> bytes | None:
            current = read_state(looking).current
            return current.release.encode() if current is not None else None

        with watched(look) as seen:
            for number in range(examples(8)):
                publish_to(on_cluster(proxy, timeout_seconds=60), bundles[number % 3], keep=2)
        assert seen <= {bundle.release.encode() for bundle in bundles}


class TestInterruption:
    """Whoever waits can stop at once."""

    def test_of_a_wait_for_somebody(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Nothing is left to wait for."""
        publish_to(on_cluster(proxy), bundles[0])
        other = proxy.cypress.start_transaction(user="anna")
        proxy.cypress.lock(PATH, other)
        proxy.faults.add(
            Run(lambda _: os.kill(os.getpid(), signal.SIGINT)),
            command="get",
            nth=3,
            where=lambda record: str(record.path).endswith("/@state"),
        )
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                publish_to(on_cluster(proxy, wait_seconds=600), bundles[1])
        finally:
            signal.signal(signal.SIGINT, handler)
        assert [str(each["id"]) for each in proxy.cypress.transactions] == [other]


class TestAnswers:
    """Errors as the server spells them."""

    def test_what_passes_is_repeated(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """A server that is banned or has too much to do, no memory for a moment, no storage node that takes a chunk."""
        codes = (115, 118, 120, 122, 700)
        for nth, code in enumerate(codes, 1):
            proxy.faults.add(Answer(400, code=code, message="Not now"), command="write_file", nth=nth)
        publish_to(on_cluster(proxy, attempts=len(codes) + 1), bundles[0])
        assert proxy.log.commands().count("write_file") > len(codes)
        assert read_current(on_cluster(proxy)) == bundles[0].data

    def test_the_proxies_for_files_are_asked_for_once(
        self, proxy: ProxyServer, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Until one of them fails, what was told makes no sense, or time has passed."""

        def asked(bundle: Bundle, command: str = "hosts") -> int:
            proxy.log.clear()
            publish_to(on_cluster(proxy), bundle)
            return len(proxy.log.of(command))

        monkeypatch.setenv("YT_HOSTS", "api/v4/discover_proxies?type=http")
        assert asked(bundles[0], "discover_proxies") == 1
        monkeypatch.delenv("YT_HOSTS")
        assert asked(bundles[4]) == 1
        proxy.faults.add(Answer(503), command="write_file", nth=2)
        assert asked(bundles[1]) == 2
        proxy.faults.add(Truncate(3, "whole"), command="hosts", times=2)
        assert asked(bundles[2]) == 3
        monkeypatch.setattr(transport, "_KEPT_SECONDS", 0)
        assert asked(bundles[3]) == 3

    @pytest.mark.parametrize(
        ("host", "problem"),
        [
            ("proxy-0.invalid", "there is no host `proxy-0.invalid`"),
            ("localhost:1", "`localhost:1` refuses the connection"),
            (None, "gave an answer that makes no sense"),
        ],
    )
    def test_proxies_for_files_that_only_the_cluster_knows(
        self,
        proxy: ProxyServer,
        bundles: list[Bundle],
        monkeypatch: pytest.MonkeyPatch,
        host: str | None,
        problem: str,
    ) -> None:
        """As in Kubernetes, or none of them are told: the line names who was asked, and a way that works."""
        if host is None:
            proxy.faults.add(Answer(404, body="html"), command="hosts", times=None)
        else:
            proxy.hosts = [host]
        line = refusal(lambda: publish_to(on_cluster(proxy, attempts=2), bundles[0]))
        # Without a name server the answer may be that there is none now.
        assert problem in line or f"the host `{host}` cannot be looked up now" in line
        assert line.endswith((f"; `YT_USE_HOSTS=0` sends files to `{proxy.address}` itself", "looked up now"))
        monkeypatch.setenv("YT_USE_HOSTS", "0")
        publish_to(on_cluster(proxy), bundles[0])

    def test_a_proxy_for_files_that_is_dead_is_not_asked_again(
        self, proxy: ProxyServer, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Though it is still the first one that is told."""
        proxy.hosts = ["localhost:1", proxy.address]
        monkeypatch.setenv("YT_CONFIG_PATCHES", "{proxy={number_of_top_proxies_for_random_choice=1}}")
        publish_to(on_cluster(proxy, attempts=2), bundles[0])

    @pytest.mark.parametrize("without", ["command", "whoami"])
    def test_a_proxy_that_does_not_know_the_command_for_the_user(
        self, proxy: ProxyServer, bundles: list[Bundle], without: str
    ) -> None:
        """It is asked as older ones are, else we are who we are here."""
        proxy.faults.add(Answer(404, message="Unknown command"), command="get_current_user", times=None)
        if without == "whoami":
            proxy.faults.add(Answer(404, message="Unknown"), command="whoami", times=None)
        publish_to(on_cluster(proxy), bundles[0])
        state = read_state(on_cluster(proxy))
        assert state.current is not None
        assert state.current.published_by == ("tester" if without == "command" else user_name())


class TestClientsOfOthers:
    """A pipeline's own client says how its cluster is reached."""

    def test_all_of_its_configuration_counts(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Not only address and token; and it is left alone."""
        publish_to(on_cluster(proxy), bundles[0])
        with connect(proxy) as client:
            client.config["proxy"]["enable_proxy_discovery"] = False
            before = repr(client.config)
            proxy.log.clear()
            cluster = Cluster.of_client(client, timeout_seconds=10, attempts=1)
            assert read_current(CypressFolder(cluster, PATH)) == bundles[0].data
            assert proxy.log.of("hosts") == []
            assert repr(client.config) == before
            cluster.close()


class TestMeans:
    """What comes at the end is asked about before anything is sent."""

    @pytest.mark.parametrize(
        ("permission", "place"),
        [
            ("remove", CURRENT),
            ("remove", f"{PATH}/releases/{{}}"),
            ("remove", f"{PATH}/operation_wrapper_first_map.sh"),
            ("use", "//sys/accounts/rich"),
        ],
    )
    def test_a_right_that_is_missing(
        self, proxy: ProxyServer, bundles: list[Bundle], permission: str, place: str
    ) -> None:
        """One line, and no upload."""
        place = place.format(bundles[0].release)
        proxy.cypress.add_account("rich")
        proxy.cypress.create("map_node", PATH, attributes={"account": "rich"})
        publish_to(on_cluster(proxy), bundles[0], wrappers=True)
        if permission == "use":
            proxy.cypress.add_account("rich", users=["somebody"])
        else:
            proxy.cypress.rules.deny(place, [permission])
        proxy.log.clear()
        line = refusal(lambda: publish_to(on_cluster(proxy), bundles[1], wrappers=True, keep=1))
        assert line == (
            f"cannot change `{PATH}`: the user `tester` has no permission `{permission}` for `{place}`; "
            "ask its owner for it; nothing was sent"
        )
        assert proxy.log.of("write_file") == []

    @pytest.mark.parametrize("exists", [True, False])
    def test_whoever_may_only_modify_children_can_change_nothing(
        self, proxy: ProxyServer, bundles: list[Bundle], *, exists: bool
    ) -> None:
        """Not lock the folder, and not fill a file that he made; whoever may write needs no other right for that."""
        parent = PATH.rpartition("/")[0]
        proxy.cypress.create("map_node", PATH if exists else parent)
        rights = [ace("allow", "tester", "read", "remove", "modify_children")]
        proxy.cypress.set(f"{parent}/@inherit_acl", value=False)
        proxy.cypress.set(f"{parent}/@acl", rights)
        line = refusal(lambda: publish_to(on_cluster(proxy), bundles[0]))
        assert "has no permission `write` for `" in line
        assert proxy.log.of("write_file") == []
        proxy.cypress.set(f"{parent}/@acl", [ace("allow", "tester", "read", "remove", "write")])
        publish_to(on_cluster(proxy), bundles[0])

    def test_room_that_is_missing(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Three copies of the archive, and a few nodes."""
        proxy.cypress.add_account("small", disk_space_limit=len(bundles[0].data) * 3 - 1)
        proxy.cypress.add_account("few", node_count_limit=4)
        for account, lack in (("small", "are needed"), ("few", "room for 2 nodes, and 5 are needed")):
            path = f"//home/{account}"
            proxy.cypress.create("map_node", path, attributes={"account": account})
            proxy.log.clear()
            line = refusal(lambda path=path: publish_to(on_cluster(proxy, path), bundles[0]))  # type: ignore[misc]
            assert line.startswith(f"cannot change `{path}`: there is no quota left (the account `{account}` has ")
            assert lack in line
            assert "remove old releases with `hatch-ytupload delete`, or ask for more; nothing was sent" in line
            assert proxy.log.of("write_file") == []

    def test_room_that_just_suffices(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """What stays as it is, as a rule the scripts, needs none; nor is there any to spare."""
        usage = "//sys/accounts/few/@resource_usage/node_count"
        for room in (5, 6):
            proxy.cypress.add_account("few")
            proxy.cypress.create("map_node", PATH, attributes={"account": "few"})
            publish_to(on_cluster(proxy), bundles[0], wrappers=True)
            proxy.cypress.add_account("few", node_count_limit=int(str(proxy.cypress.get(usage))) + room)
            publish = partial(publish_to, on_cluster(proxy), bundles[1], wrappers=True)
            # The lock of the folder takes one.
            if room == 5:
                assert "room for 4 nodes, and 5 are needed" in refusal(publish)
            else:
                publish()
            proxy.cypress.remove("//home/demo")

    def test_no_request_that_only_administrators_may_send(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Nor is a publish refused where the cluster does not tell."""
        proxy.faults.add(Answer(400, message="Unknown account"), command="check_permission", times=None)
        proxy.cypress.rules.deny("//sys", ["read", "administer"])
        publish_to(on_cluster(proxy), bundles[0])
        assert read_current(on_cluster(proxy)) == bundles[0].data


class TestNodeAttributes:
    """What files shall have that is not the folder's own."""

    def test_files_have_them_and_folders_do_not(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """The current archive as well, which is a copy."""
        proxy.cypress.add_account("fast")
        proxy.cypress.add_medium("ssd_blobs")
        wanted = {"account": "fast", "primary_medium": "ssd_blobs", "replication_factor": 5}
        for bundle in bundles[:2]:
            publish_to(on_cluster(proxy, node_attributes=wanted), bundle, wrappers=True)
        release = f"{PATH}/releases/{bundles[1].release}"
        for path in (CURRENT, f"{release}/{ARCHIVE_NAME}", f"{release}/manifest.json"):
            assert {name: proxy.cypress.get(f"{path}/@{name}") for name in wanted} == wanted
        assert proxy.cypress.get(f"{release}/@account") == proxy.cypress.get(f"{PATH}/@account") != "fast"

    @pytest.mark.parametrize(("name", "what"), [("account", "account"), ("primary_medium", "primary medium")])
    def test_one_that_does_not_exist(self, proxy: ProxyServer, bundles: list[Bundle], name: str, what: str) -> None:
        """Is told before anything is sent."""
        proxy.cypress.add_account("fast")
        folder = on_cluster(proxy, node_attributes={name: "none"})
        line = refusal(lambda: publish_to(folder, bundles[0]))
        assert line == (f"cannot change `{PATH}`: there is no {what} `none`; check `node_attributes`; nothing was sent")
        assert proxy.log.of("write_file") == []
        # Where nothing would be sent, too: else each publish would try it again.
        publish_to(on_cluster(proxy), bundles[0])
        assert refusal(lambda: publish_to(folder, bundles[0])) == line

    def test_releases_of_before_get_them_when_they_become_current(
        self, proxy: ProxyServer, bundles: list[Bundle]
    ) -> None:
        """By a rollback, and in another folder by a promotion, which copies the node."""
        for bundle in bundles[:2]:
            publish_to(on_cluster(proxy), bundle)
        target = on_cluster(proxy, "//home/demo/production", node_attributes={"replication_factor": 7})
        promote(on_cluster(proxy), target)
        for path in (ARCHIVE_NAME, f"releases/{bundles[1].release}/{ARCHIVE_NAME}"):
            assert proxy.cypress.get(f"//home/demo/production/{path}/@replication_factor") == 7
        roll_back(on_cluster(proxy, node_attributes={"replication_factor": 7}))
        assert proxy.cypress.get(f"{CURRENT}/@replication_factor") == 7


class TestRights:
    """What the current archive allows to whom, if that is not what the folder does."""

    ACL: ClassVar = [
        {
            "action": "allow",
            "subjects": ["everyone"],
            "permissions": ["read"],
            "inheritance_mode": "object_only",
        }
    ]

    def test_they_stay(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Though each publish puts another node in its place."""
        publish_to(on_cluster(proxy), bundles[0])
        proxy.cypress.set(f"{CURRENT}/@acl", self.ACL)
        publish_to(on_cluster(proxy), bundles[1])
        assert proxy.cypress.get(f"{CURRENT}/@acl") == self.ACL
        assert proxy.cypress.get(f"{CURRENT}/@inherit_acl") is True

    def test_that_they_cannot_stay_is_said(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Only who administers the node may give rights; the publish goes on."""
        notices: list[str] = []
        publish_to(on_cluster(proxy), bundles[0])
        proxy.cypress.set(f"{CURRENT}/@acl", self.ACL)
        proxy.cypress.rules.deny(PATH, ["administer"])
        publish_to(on_cluster(proxy, notice=notices.append), bundles[1])
        assert read_current(on_cluster(proxy)) == bundles[1].data
        (notice,) = notices
        assert "administer" in notice
        assert notice.endswith(f"`{CURRENT}` is published all the same")


class TestBrokenOffAfterTheCommit:
    """What copies cannot get in a transaction, where their publisher ended before he gave it to them."""

    WANTED: ClassVar = {"replication_factor": 5}
    ACL: ClassVar = [{**TestRights.ACL[0], "permissions": ["administer", "read", "remove", "write"]}]

    def _broken_off(self, proxy: ProxyServer, change: Callable[[CypressFolder], object]) -> None:
        """Change the folder, by somebody who never learns that it was committed."""
        proxy.faults.add(Drop("after"), command="commit_transaction")
        line = refusal(lambda: change(on_cluster(proxy, attempts=1, node_attributes=self.WANTED)))
        assert "perhaps it was done all the same" in line

    def _settled(self, proxy: ProxyServer, release: str, change: Callable[[CypressFolder], Outcome]) -> None:
        """Do the same again, twice, and see that the first time everything is mended, and the second nothing done."""
        folder = on_cluster(proxy, node_attributes=self.WANTED)
        proxy.log.clear()
        assert [change(folder).changed for _ in range(2)] == [True, False]
        assert proxy.log.of("write_file") == []
        for path in (CURRENT, f"{PATH}/releases/{release}/{ARCHIVE_NAME}"):
            assert proxy.cypress.get(f"{path}/@replication_factor") == 5
        assert proxy.cypress.get(f"{CURRENT}/@acl") == self.ACL
        assert proxy.cypress.get(f"{CURRENT}/@inherit_acl") is False
        assert not proxy.cypress.exists(f"{CURRENT}/@ytupload_access")

    @pytest.fixture
    def _first(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Publish what is replaced, and has rights of its own."""
        for bundle in bundles[:2]:
            publish_to(on_cluster(proxy), bundle)
        proxy.cypress.set(f"{CURRENT}/@acl", self.ACL)
        proxy.cypress.set(f"{CURRENT}/@inherit_acl", value=False)

    @pytest.mark.usefixtures("_first")
    def test_publishing_the_same_again_mends_it(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """And another publish in between carries the rights on."""
        for bundle in bundles[2:]:
            self._broken_off(proxy, partial(publish_to, bundle=bundle))
            assert proxy.cypress.get(f"{CURRENT}/@acl") == []
        self._settled(proxy, bundles[-1].release, lambda folder: publish_to(folder, bundles[-1]))

    @pytest.mark.usefixtures("_first")
    def test_rolling_back_to_what_is_current_mends_it(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Though nothing else is to do."""
        self._broken_off(proxy, lambda folder: roll_back(folder, bundles[0].release))
        self._settled(proxy, bundles[0].release, lambda folder: roll_back(folder, bundles[0].release))

    @pytest.mark.usefixtures("_first")
    def test_promoting_what_is_current_mends_it(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Of a node that was copied from the other folder."""
        source = on_cluster(proxy, "//home/demo/testing")
        publish_to(source, bundles[2])
        self._broken_off(proxy, lambda folder: promote(source, folder))
        self._settled(proxy, bundles[2].release, lambda folder: promote(source, folder))

    @pytest.mark.usefixtures("_first")
    def test_rights_that_cannot_be_set_are_not_forgotten(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """Whoever may set them does so with the next publish."""
        proxy.cypress.rules.deny(PATH, ["administer"])
        publish_to(on_cluster(proxy), bundles[2])
        assert proxy.cypress.get(f"{CURRENT}/@acl") == []
        proxy.cypress.rules.clear()
        self._settled(proxy, bundles[2].release, lambda folder: publish_to(folder, bundles[2]))

    def test_looking_at_attributes_costs_no_request(self, proxy: ProxyServer, bundles: list[Bundle]) -> None:
        """They come with the listing."""
        requests = []
        for wanted in ({}, self.WANTED):
            folder = on_cluster(proxy, node_attributes=wanted)
            publish_to(folder, bundles[0])
            proxy.log.clear()
            assert not publish_to(folder, bundles[0]).changed
            requests.append(proxy.log.commands())
        assert requests[0] == requests[1] == ["execute_batch"]


class TestArrival:
    """Every file that a publish writes is compared with what arrived."""

    @pytest.mark.parametrize("name", [ARCHIVE_NAME, "manifest.json", "operation_wrapper_first_map.sh"])
    def test_a_flipped_bit(self, proxy: ProxyServer, bundles: list[Bundle], name: str) -> None:
        """In whichever of them: nothing is published."""
        publish_to(on_cluster(proxy), bundles[0])
        where = Corrupt(offset=17)
        proxy.faults.add(where, command="write_file", where=lambda record: str(record.path).endswith(f"/{name}"))
        line = refusal(lambda: publish_to(on_cluster(proxy), bundles[1], wrappers=True))
        assert line.startswith(f"what arrived at `{PATH}/")
        assert f"/{name}` is not what was sent: " in line
        assert names(read_state(on_cluster(proxy))) == [bundles[0].release]
        assert current(on_cluster(proxy)) == bundles[0].release
