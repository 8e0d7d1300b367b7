"""Transactions and locks of the test proxy: isolation, nesting, conflicts, waiting, expiration."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import yt.wrapper.errors as yt_errors
from proxy import ProxyServer, ServerError
from proxy.fixtures import request
from yt.common import YtResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.fixtures import Clock
    from yt.wrapper import YtClient


def conflict(action: object, *arguments: object, **options: object) -> YtResponseError:
    """Do something that has to fail because of somebody's lock."""
    assert callable(action)
    with pytest.raises(yt_errors.YtCypressTransactionLockConflict) as error:
        action(*arguments, **options)
    assert error.value.contains_code(402)
    return error.value


@contextlib.contextmanager
def aborted(client: YtClient) -> Iterator[None]:
    """Do something in a transaction that is then aborted."""
    transaction_id = client.start_transaction()
    with client.Transaction(transaction_id=transaction_id):
        yield
    client.abort_transaction(transaction_id)


class TestIsolation:
    def test_others_see_the_old_state_until_the_commit(self, client: YtClient, other: YtClient) -> None:
        """New, changed, removed and moved nodes appear to others all at once."""
        client.set("//home/a", {"old": 1, "gone": 2, "moved": 3})
        with client.Transaction(ping=False):
            client.set("//home/a/old", 10)
            client.set("//home/a/new", 4)
            client.remove("//home/a/gone")
            client.move("//home/a/moved", "//home/a/there")
            client.set("//home/a/@mark", "x")
            assert client.get("//home/a") == {"old": 10, "new": 4, "there": 3}
            assert other.get("//home/a") == {"old": 1, "gone": 2, "moved": 3}
            assert not other.exists("//home/a/@mark")
            assert other.get("//home/a/@count") == 3
        assert other.get("//home/a") == {"old": 10, "new": 4, "there": 3}
        assert other.get("//home/a/@mark") == "x"

    def test_an_abort_leaves_everything_as_it_was(self, client: YtClient, proxy: ProxyServer) -> None:
        """An aborted transaction leaves no node, no attribute and no lock."""
        client.set("//home/a", {"old": 1})
        before, nodes = proxy.cypress.snapshot("/"), proxy.cypress.node_count()
        with aborted(client):
            client.set("//home/a/old", 2)
            client.create("map_node", "//home/a/b/c", recursive=True)
            client.remove("//home/a", recursive=True)
            client.set("//home/@mark", 1)
        assert proxy.cypress.snapshot("/") == before
        assert proxy.cypress.node_count() == nodes
        assert client.get("//home/@lock_count") == 0
        assert proxy.cypress.transactions == []

    def test_a_nested_commit_reaches_the_parent_alone(self, client: YtClient, other: YtClient) -> None:
        """What a nested transaction commits is the parent's, and visible to others when that commits."""
        with client.Transaction(ping=False):
            with client.Transaction(ping=False):
                client.set("//home/a", 1)
                client.set("//home/@mark", 1)
            assert client.get("//home/a") == 1
            with aborted(client):
                client.set("//home/a", 2)
                client.remove("//home/@mark")
            assert client.get("//home/a") == 1
            assert client.get("//home/@mark") == 1
            assert not other.exists("//home/a")
        assert other.get("//home/a") == 1
        assert other.get("//home/@mark") == 1

    def test_an_aborted_parent_takes_its_children_along(self, proxy: ProxyServer, client: YtClient) -> None:
        """Nested transactions do not outlive the one around them."""
        outer = client.start_transaction()
        with client.Transaction(transaction_id=outer):
            inner = client.start_transaction()
        client.abort_transaction(outer)
        assert proxy.cypress.transactions == []
        with pytest.raises(yt_errors.YtNoSuchTransaction):
            client.ping_transaction(inner)

    def test_a_commit_aborts_what_is_still_open_inside(self, client: YtClient) -> None:
        """A nested transaction that was not committed is lost with its changes."""
        outer = client.start_transaction()
        with client.Transaction(transaction_id=outer):
            inner = client.start_transaction()
            client.set("//home/a", 1)
        with client.Transaction(transaction_id=inner):
            client.set("//home/b", 1)
        client.commit_transaction(outer)
        assert client.get("//home") == {"a": 1}

    def test_two_transactions_change_different_parts_of_one_node(self, client: YtClient, other: YtClient) -> None:
        """Different children and attributes of one directory do not conflict, and both arrive."""
        first, second = client.start_transaction(), other.start_transaction()
        with client.Transaction(transaction_id=first):
            client.set("//home/a", 1)
            client.set("//home/@x", 1)
        with other.Transaction(transaction_id=second):
            other.set("//home/b", 2)
            other.set("//home/@y", 2)
            assert other.get("//home") == {"b": 2}
        client.commit_transaction(first)
        other.commit_transaction(second)
        assert client.get("//home") == {"a": 1, "b": 2}
        assert client.get("//home/@user_attributes") == {"x": 1, "y": 2}


class TestConflicts:
    def test_name_the_winner(self, client: YtClient, other: YtClient) -> None:
        """A conflict tells which transaction holds the lock, whose it is, and its title."""
        with client.Transaction(ping=False, attributes={"title": "the holder"}) as holder:
            client.set("//home/a", 1)
            error = conflict(other.set, "//home/a", 2)
        inner = error.find_matching_error(code=402)
        assert inner is not None
        winner = inner.attributes["winner_transaction"]
        assert winner["id"] == holder.transaction_id
        assert winner["owner"] == "tester"
        assert winner["title"] == "the holder"
        assert winner["parents"] == []
        assert inner.message == (
            'Cannot take lock for child "a" of node //home since this child is locked '
            f"by concurrent transaction {holder.transaction_id}"
        )

    @pytest.mark.parametrize("inside", [False, True])
    def test_guard_what_a_transaction_touched(self, client: YtClient, other: YtClient, *, inside: bool) -> None:
        """Nobody else changes a touched child, attribute or file, in a transaction or outside of one."""
        client.set("//home/d", {"kept": 1, "child": {"deep": 2}})
        client.create("file", "//home/f")
        with client.Transaction(ping=False):
            client.remove("//home/d/child", recursive=True)
            client.set("//home/d/@x", 1)
            client.write_file("//home/f", b"mine")
            with other.Transaction(ping=False) if inside else other.Transaction(transaction_id="0-0-0-0"):
                conflict(other.set, "//home/d/child/deep", 3)
                conflict(other.create, "map_node", "//home/d/child", force=True)
                conflict(other.set, "//home/d/@x", 2)
                conflict(other.remove, "//home/d", recursive=True)
                conflict(other.write_file, "//home/f", b"theirs")
                conflict(other.move, "//home/d", "//home/e")
                conflict(other.copy, "//home/d/kept", "//home/f", force=True)
                other.set("//home/d/@y", 2)
                other.set("//home/d/new", 2)
                other.copy("//home/d/child", "//home/copied")
        assert client.get("//home/d") == {"kept": 1, "new": 2}
        assert client.read_file("//home/f").read() == b"mine"

    def test_of_a_parent_with_its_child_are_conflicts_too(self, client: YtClient) -> None:
        """A transaction waits for its own nested ones, but a nested one may change what the outer locked."""
        client.set("//home/a", 1)
        outer = client.start_transaction()
        with client.Transaction(transaction_id=outer):
            client.set("//home/a", 2)
            inner = client.start_transaction()
        with client.Transaction(transaction_id=inner):
            client.set("//home/a", 3)
        with client.Transaction(transaction_id=outer):
            conflict(client.set, "//home/a", 4)
        client.commit_transaction(inner)
        with client.Transaction(transaction_id=outer):
            assert client.get("//home/a") == 3
            client.set("//home/a", 4)
        client.commit_transaction(outer)
        assert client.get("//home/a") == 4

    def test_end_with_the_holder(self, client: YtClient, other: YtClient, proxy: ProxyServer) -> None:
        """After a commit, an abort or an expiration the way is free."""
        for ending in (
            proxy.cypress.commit_transaction,
            proxy.cypress.abort_transaction,
            lambda _: proxy.cypress.expire_transactions(),
        ):
            holder = client.start_transaction()
            with client.Transaction(transaction_id=holder):
                client.set("//home/a", 1)
            conflict(other.set, "//home/a", 2)
            ending(holder)
            other.set("//home/a", 2)
            other.remove("//home/a", recursive=True)

    def test_a_refused_change_changes_nothing(self, client: YtClient, other: YtClient, proxy: ProxyServer) -> None:
        """A recursive removal that meets one locked node removes none."""
        client.set("//home/a", {"b": {"c": 1}, "d": 2})
        before, nodes = proxy.cypress.snapshot("//home"), proxy.cypress.node_count()
        with client.Transaction(ping=False):
            client.lock("//home/a/b/c")
            conflict(other.remove, "//home/a", recursive=True)
            conflict(other.move, "//home/a", "//home/z")
            conflict(other.create, "map_node", "//home/a", force=True)
            assert proxy.cypress.snapshot("//home") == before
            assert proxy.cypress.node_count() == nodes
        other.remove("//home/a", recursive=True)


class TestLocks:
    def test_are_listed_with_their_keys(self, client: YtClient) -> None:
        """`@locks` names mode, state, key and transaction of every lock."""
        with client.Transaction(ping=False) as holder:
            result = client.lock("//home", mode="shared", child_key="x")
            client.lock("//home", mode="shared", attribute_key="y")
            locks = client.get("//home/@locks")
            assert [lock["mode"] for lock in locks] == ["shared", "shared"]
            assert locks[0]["id"] == result["lock_id"]
            assert locks[0]["child_key"] == "x"
            assert locks[1]["attribute_key"] == "y"
            assert {lock["state"] for lock in locks} == {"acquired"}
            assert {lock["transaction_id"] for lock in locks} == {holder.transaction_id}
            assert client.get("//home/@lock_mode") == "shared"
            assert client.get(f"#{result['lock_id']}/@node_id") == client.get("//home/@id")

    @pytest.mark.parametrize(
        ("held", "wanted", "fits"),
        [
            ({"mode": "exclusive"}, {"mode": "exclusive"}, False),
            ({"mode": "exclusive"}, {"mode": "shared"}, False),
            ({"mode": "exclusive"}, {"mode": "snapshot"}, True),
            ({"mode": "shared"}, {"mode": "exclusive"}, False),
            ({"mode": "shared"}, {"mode": "shared"}, True),
            ({"mode": "shared"}, {"mode": "shared", "child_key": "a"}, True),
            ({"mode": "shared", "child_key": "a"}, {"mode": "shared", "child_key": "a"}, False),
            ({"mode": "shared", "child_key": "a"}, {"mode": "shared", "child_key": "b"}, True),
            ({"mode": "shared", "child_key": "a"}, {"mode": "shared", "attribute_key": "a"}, True),
            ({"mode": "shared", "attribute_key": "a"}, {"mode": "shared", "attribute_key": "a"}, False),
            ({"mode": "snapshot"}, {"mode": "exclusive"}, True),
        ],
    )
    def test_of_two_transactions_fit_or_not(
        self, client: YtClient, other: YtClient, held: dict[str, str], wanted: dict[str, str], *, fits: bool
    ) -> None:
        """The table of which locks of different transactions go together."""
        with client.Transaction(ping=False), other.Transaction(ping=False):
            client.lock("//home", **held)
            if fits:
                other.lock("//home", **wanted)
            else:
                conflict(other.lock, "//home", **wanted)

    def test_need_a_transaction_and_matching_options(self, client: YtClient) -> None:
        """No lock without a transaction; keys only with shared locks."""
        with pytest.raises(YtResponseError, match="valid master transaction"):
            client.lock("//home")
        with client.Transaction(ping=False):
            for options in ({"child_key": "x"}, {"mode": "snapshot", "attribute_key": "x"}, {"mode": "firm"}):
                with pytest.raises(YtResponseError):
                    client.lock("//home", **options)
            with pytest.raises(YtResponseError):
                client.lock("//home", mode="shared", child_key="x", attribute_key="y")
            with pytest.raises(yt_errors.YtResolveError):
                client.lock("//home/zzz")

    def test_snapshots_keep_the_old_version(self, client: YtClient, other: YtClient, proxy: ProxyServer) -> None:
        """Who holds a snapshot lock reads what was there, even after it was overwritten and removed."""
        proxy.cypress.write("//home/f", b"old")
        with client.Transaction(ping=False):
            node_id = client.lock("//home/f", mode="snapshot")["node_id"]
            other.write_file("//home/f", b"new")
            other.set("//home/f/@mark", 1)
            assert client.read_file("//home/f").read() == b"old"
            assert not client.exists("//home/f/@mark")
            other.remove("//home/f")
            assert not client.exists("//home/f")
            assert client.read_file(f"#{node_id}").read() == b"old"
            with pytest.raises(YtResponseError) as error:
                client.set(f"#{node_id}/@x", 1)
            assert error.value.contains_code(400)
        assert not client.exists(f"#{node_id}")

    def test_wait_for_their_turn(self, client: YtClient, other: YtClient) -> None:
        """Waitable locks are granted in order when the holder ends; until then they are pending."""
        holder, waiting, last = (client.start_transaction() for _ in range(3))
        with client.Transaction(transaction_id=holder):
            client.lock("//home")
        ids = []
        for transaction_id in (waiting, last):
            with client.Transaction(transaction_id=transaction_id):
                result = client.lock("//home", waitable=True)
                assert result["revision"] == 0
                ids.append(result["lock_id"])
        assert [other.get(f"#{lock_id}/@state") for lock_id in ids] == ["pending", "pending"]
        client.abort_transaction(holder)
        assert [other.get(f"#{lock_id}/@state") for lock_id in ids] == ["acquired", "pending"]
        client.commit_transaction(waiting)
        assert not other.exists(f"#{ids[0]}")
        assert other.get(f"#{ids[1]}/@state") == "acquired"

    def test_wait_through_the_client(self, client: YtClient, other: YtClient, proxy: ProxyServer) -> None:
        """The client's own waiting ends when the lock is granted, and with an error when it is not in time."""
        holder = proxy.cypress.start_transaction(title="holder")
        proxy.cypress.lock("//home", holder)
        with client.Transaction(ping=False), pytest.raises(yt_errors.YtError, match="Timed out"):
            client.lock("//home", waitable=True, wait_for=1)
        proxy.cypress.abort_transaction(holder)
        with client.Transaction(ping=False):
            client.lock("//home", waitable=True, wait_for=60_000)

    def test_wait_on_while_the_lock_cannot_come(self, client: YtClient) -> None:
        """A waitable lock queues where a lock of its own transaction is in the way."""
        with client.Transaction(ping=False):
            client.lock("//home", mode="snapshot")
            with pytest.raises(YtResponseError) as error:
                client.lock("//home")
            assert error.value.contains_code(400)
            lock_id = client.lock("//home", waitable=True)["lock_id"]
            assert client.get(f"#{lock_id}/@state") == "pending"

    def test_can_be_given_back(self, client: YtClient, other: YtClient) -> None:
        """Unlock frees a node that was not changed, and refuses one that was."""
        client.set("//home/a", 1)
        with client.Transaction(ping=False):
            client.lock("//home/a")
            conflict(other.set, "//home/a", 2)
            client.unlock("//home/a")
            other.set("//home/a", 2)
            client.lock("//home/a")
            client.set("//home/a", 3)
            with pytest.raises(YtResponseError, match="cannot be unlocked"):
                client.unlock("//home/a")

    def test_of_a_nested_transaction_pass_to_the_parent(self, client: YtClient, other: YtClient) -> None:
        """After a nested commit the parent holds the lock; after a nested abort nobody does."""
        client.set("//home/a", 1)
        with client.Transaction(ping=False):
            with client.Transaction(ping=False):
                client.lock("//home/a")
            conflict(other.set, "//home/a", 2)
        with client.Transaction(ping=False):
            with aborted(client):
                client.lock("//home/a")
            other.set("//home/a", 2)


class TestLocksAsTheServerKeepsThem:
    @pytest.mark.parametrize("locked", ["//home/a", "//home/a/b"])
    def test_a_lock_that_waits_for_a_removed_node_vanishes(
        self, client: YtClient, other: YtClient, proxy: ProxyServer, locked: str
    ) -> None:
        """Whoever waits for a node, and it is removed, is told that the lock is no more: error 500."""
        client.set("//home/a", {"b": 1})
        remover, waiting = client.start_transaction(), client.start_transaction()
        with client.Transaction(transaction_id=remover):
            client.lock(locked)
            client.remove("//home/a", recursive=True)
        with other.Transaction(transaction_id=waiting):
            lock_id = other.lock(locked, waitable=True)["lock_id"]
        assert other.get(f"#{lock_id}/@state") == "pending"
        client.commit_transaction(remover)
        with pytest.raises(yt_errors.YtResolveError, match=f"No such object {lock_id}"):
            other.get(f"#{lock_id}/@state")
        assert proxy.cypress.get(f"#{waiting}/@lock_ids") == {"1": []}
        other.commit_transaction(waiting)
        assert not client.exists("//home/a")

    def test_a_lock_that_waits_ends_with_its_transaction(
        self, client: YtClient, other: YtClient, proxy: ProxyServer, clock: Clock
    ) -> None:
        """When the lease of whoever waits has run out, so has the lock: error 500."""
        waiting = client.start_transaction(timeout=5000)
        with proxy.cypress.held("//home"), client.Transaction(transaction_id=waiting):
            lock_id = client.lock("//home", waitable=True)["lock_id"]
            clock.now += 6
            with pytest.raises(yt_errors.YtResolveError, match=f"No such object {lock_id}"):
                other.get(f"#{lock_id}/@state")

    def test_a_snapshot_of_a_folder_keeps_its_children(
        self, client: YtClient, other: YtClient, proxy: ProxyServer
    ) -> None:
        """What was removed from a folder is there for whoever has a snapshot of it, and forgotten with that."""
        node_id = client.create("document", "//home/a/d", recursive=True, attributes={"value": 1})
        nodes = proxy.cypress.node_count()
        holder = client.start_transaction()
        with client.Transaction(transaction_id=holder):
            client.lock("//home/a", mode="snapshot")
            other.remove("//home/a/d")
            assert not other.exists("//home/a/d")
            assert client.get("//home/a/d/@id") == node_id
            assert client.get("//home/a/d/@key") == "d"
            other.create("document", "//home/a/d")
            assert client.get("//home/a/d/@id") == node_id != other.get("//home/a/d/@id")
        client.abort_transaction(holder)
        assert proxy.cypress.node_count() == nodes
        assert not client.exists(f"#{node_id}")

    def test_a_snapshot_in_a_nested_transaction_keeps_what_the_outer_one_removes(self, client: YtClient) -> None:
        """A nested snapshot holds children that the outer transaction made and removed."""
        client.create("map_node", "//home/m")
        outer = client.start_transaction()
        inner = client.start_transaction(parent_transaction=outer)
        with client.Transaction(transaction_id=outer):
            client.create("table", "//home/m/t")
        with client.Transaction(transaction_id=inner):
            client.lock("//home/m", mode="snapshot")
        with client.Transaction(transaction_id=outer):
            client.remove("//home/m/t")
        with client.Transaction(transaction_id=inner):
            assert client.get("//home/m/t/@key") == "t"

    def test_the_revision_is_what_the_transaction_sees(self, client: YtClient) -> None:
        """`lock` answers the revision of the version that is locked, also where an outer transaction changed it."""
        outer = client.start_transaction()
        inner = client.start_transaction(parent_transaction=outer)
        with client.Transaction(transaction_id=outer):
            client.create("file", "//home/f")
            client.set("//home/f/@attr", "value")
            revision = client.get("//home/f/@revision")
        with client.Transaction(transaction_id=inner):
            assert client.lock("//home/f", mode="snapshot")["revision"] == revision

    def test_no_mode_is_left_after_unlock(self, client: YtClient) -> None:
        """A lock that was given back leaves no mode, neither with its transaction nor with those around it."""
        client.create("table", "//home/t")
        first = client.start_transaction()
        second = client.start_transaction(parent_transaction=first)
        third, fourth = (client.start_transaction(parent_transaction=second) for _ in range(2))
        with client.Transaction(transaction_id=third):
            client.lock("//home/t")
        with client.Transaction(transaction_id=fourth):
            client.lock("//home/t", mode="snapshot")
        with client.Transaction(transaction_id=third):
            client.unlock("//home/t")
        modes = []
        for transaction_id in (fourth, third, second, first):
            with client.Transaction(transaction_id=transaction_id):
                modes.append(client.get("//home/t/@lock_mode"))
        assert modes == ["snapshot", "none", "none", "none"]
        assert client.get("//home/t/@lock_count") == 1
        client.commit_transaction(second)
        assert client.get("//home/t/@lock_count") == 0

    def test_unlocking_a_removed_node_forgets_it(self, client: YtClient, other: YtClient) -> None:
        """What only a snapshot kept is gone when that is given back."""
        node_id = client.create("map_node", "//home/a/b/c", recursive=True)
        with client.Transaction(ping=False):
            client.lock("//home/a/b/c", mode="snapshot")
            other.remove("//home/a", recursive=True)
            assert client.exists(f"#{node_id}")
            client.unlock(f"#{node_id}")
            assert not client.exists(f"#{node_id}")

    def test_the_holder_waits_behind_nobody(self, client: YtClient, other: YtClient) -> None:
        """Whoever holds a lock gets it once more, though others are in the queue."""
        client.set("//home/a", 1)
        with client.Transaction(ping=False), other.Transaction(ping=False):
            client.lock("//home/a")
            waiting = other.lock("//home/a", waitable=True)["lock_id"]
            again = client.lock("//home/a", waitable=True)["lock_id"]
            assert client.get(f"#{again}/@state") == "acquired"
            assert client.get(f"#{waiting}/@state") == "pending"

    def test_a_stranger_holds_single_nodes(self, client: YtClient, proxy: ProxyServer) -> None:
        """A lock on one node deep below is in the way of removing what is above, and names its holder."""
        proxy.cypress.write("//home/a/b/f", b"")
        with proxy.cypress.held("//home/a/b/f", user="bob", title="looking at it") as holder:
            error = conflict(client.remove, "//home/a", recursive=True)
            inner = error.find_matching_error(code=402)
            assert inner is not None
            assert inner.message == (
                'Cannot take "exclusive" lock for node //home/a/b/f since "exclusive" lock '
                f"is taken by concurrent transaction {holder}"
            )
            assert inner.attributes["winner_transaction"]["owner"] == "bob"
            assert inner.attributes["winner_transaction"]["title"] == "looking at it"
        client.remove("//home/a", recursive=True)
        assert proxy.cypress.transactions == []

    def test_mode_none_cannot_be_taken(self, client: YtClient) -> None:
        """There is a mode of no lock, and nobody can ask for it; attributes are no nodes to lock."""
        with client.Transaction(ping=False):
            with pytest.raises(YtResponseError, match='Invalid lock mode "none"'):
                client.lock("//home", mode="none")
            with pytest.raises(YtResponseError, match='"Lock" method is not supported'):
                client.lock("//home/@x")


class TestLease:
    def test_ends_without_a_ping(self, client: YtClient, other: YtClient, clock: Clock) -> None:
        """A transaction that nobody pings is aborted after its timeout, with its changes and locks."""
        holder = client.start_transaction(timeout=5000)
        with client.Transaction(transaction_id=holder):
            client.set("//home/a", 1)
        clock.now += 4
        client.ping_transaction(holder)
        clock.now += 4
        conflict(other.set, "//home/a", 2)
        clock.now += 2
        other.set("//home/a", 2)
        with pytest.raises(yt_errors.YtNoSuchTransaction):
            client.ping_transaction(holder)

    def test_of_the_parent_is_renewed_only_on_request(self, client: YtClient, clock: Clock) -> None:
        """Pinging a nested transaction keeps the outer one alive only with `ping_ancestor_transactions`."""
        for along in (False, True):
            outer = client.start_transaction(timeout=5000)
            inner = client.start_transaction(parent_transaction=outer, timeout=60_000)
            clock.now += 4
            with client.Transaction(transaction_id=inner, ping_ancestor_transactions=along):
                client.ping_transaction(inner)
            clock.now += 4
            assert client.exists(f"#{outer}/@id") == along

    def test_ends_at_the_deadline_in_spite_of_pings(self, client: YtClient) -> None:
        """A deadline in the past ends a transaction at once."""
        holder = client.start_transaction(deadline="2001-01-01T00:00:00.000000Z")
        with pytest.raises(yt_errors.YtNoSuchTransaction):
            client.ping_transaction(holder)

    def test_gone_shows_in_every_command(self, client: YtClient) -> None:
        """Commands in a finished transaction fail with error 11000, for paths with a resolve error around it."""
        gone = client.start_transaction()
        client.commit_transaction(gone)
        client.abort_transaction(gone)
        with pytest.raises(yt_errors.YtNoSuchTransaction):
            client.commit_transaction(gone)
        with pytest.raises(yt_errors.YtNoSuchTransaction):
            client.start_transaction(parent_transaction=gone)
        assert not client.exists(f"#{gone}")
        with client.Transaction(transaction_id=gone):
            actions: tuple[Callable[[], object], ...] = (
                lambda: client.get("//home"),
                lambda: client.exists("//home"),
                lambda: client.create("map_node", "//home/a"),
                lambda: client.set("//home/@x", 1),
                lambda: client.remove("//home/zzz", force=True),
                lambda: client.lock("//home"),
            )
            for action in actions:
                with pytest.raises(yt_errors.YtNoSuchTransaction) as error:
                    action()
                assert error.value.is_resolve_error()

    def test_of_a_prerequisite_ends_what_depends_on_it(self, client: YtClient, proxy: ProxyServer) -> None:
        """A transaction with a prerequisite ends when that does."""
        first = client.start_transaction()
        second = client.start_transaction(prerequisite_transaction_ids=[first])
        client.abort_transaction(first)
        with pytest.raises(yt_errors.YtNoSuchTransaction):
            client.ping_transaction(second)
        with pytest.raises(YtResponseError) as error:
            client.start_transaction(prerequisite_transaction_ids=[first])
        assert error.value.is_prerequisite_check_failed()


def test_attributes_of_a_transaction_are_those_given(client: YtClient) -> None:
    """A transaction is an object with attributes: the system's and those it was started with."""
    transaction_id = client.start_transaction(timeout=12_345, attributes={"title": "t", "mine": {"x": 1}})
    found = client.get(f"#{transaction_id}/@")
    assert found["timeout"] == 12_345
    assert found["title"] == "t"
    assert found["mine"] == {"x": 1}
    assert found["owner"] == "tester"
    assert found["parent_id"] == "0-0-0-0"
    assert client.get(f"#{transaction_id}/@mine/x") == 1


def test_direct_access_respects_locks(proxy: ProxyServer) -> None:
    """The back door for tests changes nothing that a transaction holds."""
    holder = proxy.cypress.start_transaction()
    proxy.cypress.set("//home/a", 1)
    proxy.cypress.lock("//home/a", holder)
    with pytest.raises(ServerError) as error:
        proxy.cypress.set("//home/a", 2)
    assert error.value.contains(402)
    proxy.cypress.commit_transaction(holder)
    proxy.cypress.set("//home/a", 2)
    assert proxy.cypress.get("//home/a") == 2


def test_a_commit_without_its_prerequisite_ends_the_transaction(client: YtClient, proxy: ProxyServer) -> None:
    """A commit that names a transaction which is gone fails, and aborts its own; with a live one it succeeds."""
    first, gone = client.start_transaction(), client.start_transaction()
    client.abort_transaction(gone)
    with client.Transaction(transaction_id=first):
        client.set("//home/a", 1)
    command = {"transaction_id": first, "prerequisite_transaction_ids": [gone]}
    with pytest.raises(YtResponseError) as error:
        request("commit_transaction", command, client)
    assert error.value.is_prerequisite_check_failed()
    assert proxy.cypress.transactions == []
    assert not client.exists("//home/a")


def test_transactions_and_locks_are_listed_below_sys(client: YtClient) -> None:
    """The maps of the master lead to the objects, and their ids stand by cell."""
    outer = client.start_transaction(attributes={"title": "t"})
    with client.Transaction(transaction_id=outer):
        inner = client.start_transaction()
        lock_id = client.lock("//home")["lock_id"]
    node_id = client.get("//home/@id")
    assert set(client.list("//sys/transactions")) == {outer, inner}
    assert client.list("//sys/topmost_transactions") == [outer]
    assert client.get(f"//sys/transactions/{outer}/@title") == "t"
    assert client.get(f"#{outer}/@lock_ids") == {"1": [lock_id]}
    assert client.get(f"#{outer}/@locked_node_ids") == {"1": [node_id]}
    assert client.get(f"#{inner}/@depth") == 1
    assert client.get(f"//sys/locks/{lock_id}/@transaction_id") == outer
    client.set(f"#{outer}/@timeout", 12_000)
    client.set(f"#{outer}/@mine", {"x": 1})
    client.set(f"#{outer}/@mine/y", 2)
    assert client.get(f"//sys/transactions/{outer}/@mine") == {"x": 1, "y": 2}
    with pytest.raises(YtResponseError, match="cannot be set"):
        client.set(f"#{outer}/@owner", "me")
    client.abort_transaction(outer)
    assert not client.exists(f"//sys/transactions/{outer}")
    assert not client.exists(f"//sys/locks/{lock_id}/@state")
    assert client.get("//sys/transactions/@count") == 0
