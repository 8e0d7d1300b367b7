"""Users, permissions and quotas of the test proxy, as the client meets them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
import yt.wrapper.errors as yt_errors
from proxy import Code, ProxyServer
from proxy.fixtures import NO_RETRIES, ace, connect, request
from yt import yson
from yt.common import YtResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from yt.wrapper import YtClient


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    with ProxyServer(tokens={"token-a": "alice", "token-b": "bob"}) as server:
        yield server


@pytest.fixture
def alice(proxy: ProxyServer) -> Iterator[YtClient]:
    with connect(proxy, token="token-a") as client:
        yield client


@pytest.fixture
def bob(proxy: ProxyServer) -> Iterator[YtClient]:
    with connect(proxy, token="token-b") as client:
        yield client


class TestTokens:
    def test_tell_who_asks(self, alice: YtClient, bob: YtClient, proxy: ProxyServer) -> None:
        """Each token is its user's, and nodes belong to who made them."""
        alice.create("map_node", "//home/a")
        assert alice.get("//home/a/@owner") == "alice"
        assert bob.get_user_name() == "bob"
        assert {record.user for record in proxy.log.of("create")} == {"alice"}

    def test_that_are_unknown_or_missing_are_refused_at_once(self, proxy: ProxyServer) -> None:
        """A wrong token is a token error without a retry, and so is none at all."""
        for token in ("wrong", "token-a-and-more"):
            with connect(proxy, token=token) as client, pytest.raises(yt_errors.YtTokenError) as error:
                client.get("//home")
            assert error.value.contains_code(Code.AUTHENTICATION)
        with connect(proxy, enable_token=False) as client, pytest.raises(yt_errors.YtTokenError):
            client.get("//home")
        assert [record.status for record in proxy.log.of("get")] == [401, 401, 401]

    def test_can_be_revoked(self, proxy: ProxyServer, alice: YtClient) -> None:
        """A revoked token stops working."""
        alice.get("//home")
        proxy.tokens.revoke("token-a")
        with pytest.raises(yt_errors.YtTokenError):
            alice.get("//home")


class TestPermissions:
    def test_that_are_denied_name_permission_path_and_user(self, proxy: ProxyServer, alice: YtClient) -> None:
        """Error 901 tells everything that a message to the user needs."""
        proxy.cypress.create("map_node", "//home/prod")
        proxy.cypress.rules.deny("//home/prod", ["write"], users=["alice"])
        with pytest.raises(YtResponseError) as error:
            alice.set("//home/prod/@x", 1)
        inner = error.value.find_matching_error(code=Code.AUTHORIZATION)
        assert inner is not None
        assert inner.attributes["permission"] == ["write"]
        assert inner.attributes["path"] == "//home/prod"
        assert inner.attributes["user"] == "alice"
        assert inner.attributes["object_type"] == "map_node"
        assert inner.attributes["object_id"] == alice.get("//home/prod/@id")
        assert "denied_by" in inner.attributes

    def test_hold_for_the_subtree_and_the_named_users(self, proxy: ProxyServer, alice: YtClient, bob: YtClient) -> None:
        """What is denied to one below a path is allowed to others and beside it."""
        for path in ("//home/prod/sub", "//home/production"):
            proxy.cypress.create("map_node", path)
        proxy.cypress.rules.deny("//home/prod", ["write"], users=["alice"])
        with pytest.raises(YtResponseError) as error:
            alice.create("file", "//home/prod/sub/f")
        assert error.value.is_access_denied()
        bob.create("file", "//home/prod/sub/f")
        alice.create("file", "//home/production/f")
        assert alice.exists("//home/prod/sub/f")

    def test_can_be_left_to_some_alone(self, proxy: ProxyServer, alice: YtClient, bob: YtClient) -> None:
        """Where only some are allowed, nobody else is."""
        proxy.cypress.write("//home/secret/f", b"s")
        proxy.cypress.rules.allow_only("//home/secret", ["read"], users=["bob"])
        assert bob.read_file("//home/secret/f").read() == b"s"
        for action in (alice.get, alice.list, lambda path: alice.read_file(f"{path}/f").read()):
            with pytest.raises(YtResponseError) as error:
                action("//home/secret")
            assert error.value.is_access_denied()
        assert isinstance(alice.get("//home")["secret"], yson.YsonEntity)

    @pytest.mark.parametrize("permission", ["write", "remove"])
    def test_are_asked_of_every_change(self, proxy: ProxyServer, alice: YtClient, permission: str) -> None:
        """Write on the parent to create, remove on all that goes away; nothing is half done."""
        proxy.cypress.set("//home/a", {"b": {"c": 1}})
        proxy.cypress.set("//home/x", {"f": 1})
        before = proxy.cypress.snapshot("/")
        proxy.cypress.rules.deny("//home/a/b", [permission], users=["alice"])
        actions: tuple[Callable[[], object], ...]
        if permission == "write":
            actions = (
                lambda: alice.create("map_node", "//home/a/b/new"),
                lambda: alice.set("//home/a/b/new", 1),
                lambda: alice.copy("//home/x", "//home/a/b/x"),
                lambda: alice.remove("//home/a/b/c"),
                lambda: alice.move("//home/a/b/c", "//home/x/c"),
            )
        else:
            actions = (
                lambda: alice.remove("//home/a", recursive=True),
                lambda: alice.move("//home/a", "//home/z"),
                lambda: alice.copy("//home/x", "//home/a", force=True),
                lambda: alice.create("map_node", "//home/a", force=True),
                lambda: alice.remove("//home/a/*"),
            )
        for action in actions:
            with pytest.raises(YtResponseError) as error:
                action()
            assert error.value.is_access_denied()
            assert proxy.cypress.snapshot("/") == before

    def test_of_files_are_asked_before_the_body(self, proxy: ProxyServer, alice: YtClient) -> None:
        """An upload without permission is refused as it begins."""
        proxy.cypress.write("//home/f", b"old")
        proxy.cypress.rules.deny("//home/f", ["write"])
        with pytest.raises(YtResponseError) as error:
            alice.write_file("//home/f", b"new")
        assert error.value.is_access_denied()
        assert proxy.cypress.read("//home/f") == b"old"

    def test_can_be_checked(self, proxy: ProxyServer, alice: YtClient) -> None:
        """`check_permission` answers without doing anything."""
        proxy.cypress.rules.deny("//home", ["remove"], users=["bob"])
        assert alice.check_permission("bob", "remove", "//home")["action"] == "deny"
        assert alice.check_permission("alice", "remove", "//home")["action"] == "allow"
        with pytest.raises(YtResponseError):
            alice.check_permission("alice", "fly", "//home")

    def test_that_do_not_exist_cannot_be_denied(self, proxy: ProxyServer) -> None:
        """A misspelled permission in a test is an error in the test."""
        with pytest.raises(ValueError, match="permissions must be among"):
            proxy.cypress.rules.deny("//home", ["wirte"])


class TestAccessLists:
    @pytest.fixture(autouse=True)
    def _folder(self, proxy: ProxyServer) -> None:
        proxy.cypress.set("//home/x", {"y": {}})

    def set_acl(self, proxy: ProxyServer, path: str, *entries: dict[str, object], inherit: bool = True) -> None:
        proxy.cypress.set(f"{path}/@inherit_acl", inherit)
        proxy.cypress.set(f"{path}/@acl", list(entries))

    def denied(self, action: Callable[[], object]) -> YtResponseError:
        with pytest.raises(YtResponseError) as error:
            action()
        inner = error.value.find_matching_error(code=Code.AUTHORIZATION)
        assert inner is not None
        return inner

    def test_an_empty_list_that_inherits_nothing_lets_nobody_in(
        self, proxy: ProxyServer, alice: YtClient, bob: YtClient
    ) -> None:
        """What no entry allows is denied, and the error says that none does."""
        self.set_acl(proxy, "//home/x", inherit=False)
        inner = self.denied(lambda: alice.list("//home/x"))
        assert inner.message == (
            'Access denied for user "alice": "read" permission for node //home/x is not allowed by any matching ACE'
        )
        self.denied(lambda: alice.set("//home/x/a", "b"))
        self.set_acl(proxy, "//home/x", ace("allow", "alice", "read", "write"), inherit=False)
        alice.set("//home/x/a", "b")
        assert alice.get("//home/x/a") == "b"
        self.denied(lambda: bob.get("//home/x/a"))

    def test_an_entry_that_denies_has_the_last_word(self, proxy: ProxyServer, alice: YtClient) -> None:
        """Denied above is denied below, whatever is allowed there; the error names entry and subject."""
        self.set_acl(proxy, "//home/x", ace("deny", "users", "write"))
        self.set_acl(proxy, "//home/x/y", ace("allow", "alice", "write"))
        inner = self.denied(lambda: alice.set("//home/x/y/@a", 1))
        assert inner.message == (
            'Access denied for user "alice": "write" permission for node //home/x/y is denied for "users" '
            "by ACE at node //home/x"
        )
        assert inner.attributes["denied_by"] == proxy.cypress.get("//home/x/@id")
        assert inner.attributes["permission"] == ["write"]

    @pytest.mark.parametrize("permission", ["write", "modify_children"])
    def test_one_of_two_permissions_suffices_to_change_children(
        self, proxy: ProxyServer, alice: YtClient, permission: str
    ) -> None:
        """Whoever may write or modify children creates and removes them; without both the error names both."""
        self.set_acl(proxy, "//home/x", ace("allow", "alice", "read"), inherit=False)
        inner = self.denied(lambda: alice.create("map_node", "//home/x/new"))
        assert inner.attributes["permission"] == ["write", "modify_children"]
        assert '"write | modify_children" permission for node //home/x' in inner.message
        self.set_acl(proxy, "//home/x", ace("allow", "alice", permission), inherit=False)
        proxy.cypress.set("//home/x/y/@acl", [ace("allow", "alice", "remove")])
        alice.create("map_node", "//home/x/new")
        alice.remove("//home/x/y")

    def test_removal_asks_remove_of_all_that_goes_away(self, proxy: ProxyServer, alice: YtClient) -> None:
        """Write on the parent is not enough, and remove on the top neither."""
        self.set_acl(proxy, "//home/x", ace("allow", "alice", "write"), inherit=False)
        for path in ("//home/x", "//home/x/y"):
            self.denied(functools.partial(alice.remove, path, recursive=True))
        self.set_acl(proxy, "//home/x", ace("allow", "alice", "write", "remove"), inherit=False)
        self.set_acl(proxy, "//home/x/y", ace("deny", "alice", "remove"))
        actions: tuple[Callable[[], object], ...] = (
            lambda: alice.remove("//home/x", recursive=True),
            lambda: alice.remove("//home/x/*"),
            lambda: alice.set("//home/x", {}, force=True),
            lambda: alice.create("map_node", "//home/x/y", force=True),
            lambda: alice.move("//home/x/y", "//home/x/z"),
        )
        for action in actions:
            self.denied(action)
        self.set_acl(proxy, "//home/x/y")
        alice.remove("//home/x", recursive=True)

    def test_lists_are_changed_by_whoever_may_administer(self, proxy: ProxyServer, alice: YtClient) -> None:
        """Setting a list, also that of a new node, asks for administer; entries can be set one by one."""
        self.set_acl(proxy, "//home/x", ace("deny", "alice", "administer"))
        entry = ace("allow", "bob", "read")
        actions: tuple[Callable[[], object], ...] = (
            lambda: alice.set("//home/x/@acl", []),
            lambda: alice.set("//home/x/@inherit_acl", value=False),
            lambda: alice.create("table", "//home/x/t", attributes={"acl": [entry]}),
        )
        for action in actions:
            assert self.denied(action).attributes["permission"] == ["administer"]
        self.set_acl(proxy, "//home/x")
        alice.create("table", "//home/x/t", attributes={"acl": [entry]})
        alice.set("//home/x/t/@acl/end", {"action": "deny", "subjects": ["bob"], "permissions": ["write"]})
        assert alice.get("//home/x/t/@acl/1") == ace("deny", "bob", "write")
        alice.remove("//home/x/t/@acl/0")
        assert alice.get("//home/x/t/@acl/0/inheritance_mode") == "object_and_descendants"
        for wrong in (
            5,
            [5],
            [{"action": "maybe"}],
            [{**entry, "permissions": ["fly"]}],
            [{**entry, "columns": ["c"]}],
        ):
            with pytest.raises(YtResponseError):
                alice.set("//home/x/t/@acl", wrong)

    def test_entries_reach_as_far_as_they_say(self, proxy: ProxyServer, alice: YtClient) -> None:
        """Inheritance modes decide for which depth an entry holds, as `@effective_acl` shows."""
        proxy.cypress.create("map_node", "//home/x/y/z")
        reach = {
            "object_only": [True, False, False],
            "object_and_descendants": [True, True, True],
            "descendants_only": [False, True, True],
            "immediate_descendants_only": [False, True, False],
        }
        for mode, expected in reach.items():
            self.set_acl(proxy, "//home/x", ace("allow", "bob", "remove", inheritance=mode), inherit=False)
            paths = ("//home/x", "//home/x/y", "//home/x/y/z")
            assert [alice.check_permission("bob", "remove", path)["action"] == "allow" for path in paths] == expected
            assert [proxy.cypress.get(f"{path}/@effective_acl") != [] for path in paths] == expected

    def test_owners_groups_and_superusers_are_subjects(
        self, proxy: ProxyServer, alice: YtClient, bob: YtClient
    ) -> None:
        """`owner` is whoever owns the node in question, groups hold for their members, superusers are not bound."""
        alice.create("table", "//home/x/of_alice")
        self.set_acl(proxy, "//home/x", ace("allow", "owner", "remove"), ace("allow", "g", "write"), inherit=False)
        for user, expected in (("alice", "allow"), ("bob", "deny")):
            assert alice.check_permission(user, "remove", "//home/x/of_alice")["action"] == expected
        request("create", {"type": "group", "attributes": {"name": "g"}}, alice)
        request("add_member", {"group": "g", "member": "bob"}, alice)
        assert alice.get("//sys/groups/g/@members") == ["bob"]
        bob.create("table", "//home/x/of_bob")
        request("remove_member", {"group": "g", "member": "bob"}, alice)
        self.denied(lambda: bob.create("table", "//home/x/another"))
        request("add_member", {"group": "superusers", "member": "bob"}, alice)
        bob.remove("//home/x", recursive=True)

    def test_guests_only_read(self, proxy: ProxyServer) -> None:
        """In a fresh tree users may do everything and guests look."""
        proxy.tokens.add("token-g", "guest")
        with connect(proxy, token="token-g") as guest:
            assert guest.list("//home") == ["x"]
            self.denied(lambda: guest.set("//home/x/a", 1))

    def test_a_check_tells_which_entry_decided(self, proxy: ProxyServer, alice: YtClient) -> None:
        """`check_permission` names object and subject of the entry; a list alone can be checked as well."""
        self.set_acl(proxy, "//home/x", ace("deny", "bob", "write"))
        assert alice.check_permission("bob", "write", "//home/x/y") == {
            "action": "deny",
            "object_id": proxy.cypress.get("//home/x/@id"),
            "object_name": "node //home/x",
            "subject_name": "bob",
        }
        acl = [ace("allow", "bob", "remove")]
        for user, expected in (("bob", "allow"), ("alice", "deny")):
            parameters = {"user": user, "permission": "remove", "acl": acl}
            assert request("check_permission_by_acl", parameters, alice)["action"] == expected

    def test_an_account_is_used_by_whom_it_allows(self, proxy: ProxyServer, alice: YtClient) -> None:
        """Nodes go to an account of which one may make use; that can be checked beforehand."""
        proxy.cypress.add_account("a", users=["bob"])
        for user, expected in (("alice", "deny"), ("bob", "allow")):
            assert alice.check_permission(user, "use", "//sys/accounts/a")["action"] == expected
        inner = self.denied(lambda: alice.create("table", "//home/x/t", attributes={"account": "a"}))
        assert 'permission for account "a" is not allowed by any matching ACE' in inner.message
        self.denied(lambda: alice.set("//home/x/@account", "a"))
        proxy.cypress.set("//home/x/@account", "a")
        self.denied(lambda: alice.create("table", "//home/x/t"))
        self.denied(lambda: alice.copy("//home/x/y", "//home/x/z"))
        self.denied(lambda: alice.copy("//home/x", "//home/z", preserve_account=True))
        proxy.cypress.set("//sys/accounts/a/@acl", [ace("allow", "alice", "use")])
        alice.create("table", "//home/x/t")


class TestQuotas:
    def test_can_be_read_before_they_are_met(self, proxy: ProxyServer, alice: YtClient) -> None:
        """`//sys/accounts` tells limits and usage: versions in transactions use nodes, and count in no limit."""
        proxy.cypress.add_account("small", disk_space_limit=9000, node_count_limit=3)
        proxy.cypress.create("map_node", "//home/s", attributes={"account": "small"})
        alice.write_file("//home/s/f", b"x" * 1000)
        account = "//sys/accounts/small"
        assert alice.get(f"{account}/@resource_limits/disk_space_per_medium/default") == 9000
        assert alice.get(f"{account}/@resource_limits/node_count") == 3
        assert alice.get(f"{account}/@resource_usage/disk_space") == 3000
        assert alice.get(f"{account}/@resource_usage/node_count") == 2
        with alice.Transaction(ping=False), alice.Transaction(ping=False):
            alice.set("//home/s/f/@x", 1)
            assert alice.get(f"{account}/@resource_usage/node_count") == 4
            assert alice.get(f"{account}/@committed_resource_usage/node_count") == 2
            alice.create("table", "//home/s/t")
        proxy.cypress.set(f"{account}/@resource_limits/node_count", 1)
        assert alice.get(f"{account}/@violated_resource_limits/node_count")
        alice.set("//home/s/f/@replication_factor", 1)
        assert alice.get(f"{account}/@resource_usage/disk_space") == 1000
        assert "small" in alice.list("//sys/accounts")
        assert not alice.exists("//sys/accounts/large")
        with pytest.raises(YtResponseError, match="administer"):
            alice.set(f"{account}/@resource_limits/node_count", 5)

    def test_of_new_accounts_are_none(self, proxy: ProxyServer, alice: YtClient) -> None:
        """An account that was just created has room for nothing."""
        request("create", {"type": "account", "attributes": {"name": "new"}}, alice)
        proxy.cypress.set("//sys/accounts/new/@acl", [ace("allow", "users", "use")])
        with pytest.raises(yt_errors.YtAccountLimitExceeded, match='Account "new" is over Cypress node count limit'):
            alice.create("table", "//home/t", attributes={"account": "new"})
        with pytest.raises(YtResponseError, match="already exists"):
            request("create", {"type": "account", "attributes": {"name": "new"}}, alice)

    def test_of_nodes_stop_creation(self, proxy: ProxyServer, alice: YtClient) -> None:
        """One node too many is error 902, and nothing of a recursive creation remains."""
        proxy.cypress.add_account("small", node_count_limit=3)
        proxy.cypress.create("map_node", "//home/s", attributes={"account": "small"})
        alice.create("map_node", "//home/s/a")
        assert alice.get("//home/s/a/@account") == "small"
        before = proxy.cypress.snapshot("//home")
        actions: tuple[Callable[[], object], ...] = (
            lambda: alice.create("map_node", "//home/s/b/c", recursive=True),
            lambda: alice.set("//home/s/b", {"c": 1}),
            lambda: alice.copy("//home/s/a", "//home/s/b/c", recursive=True),
        )
        for action in actions:
            with pytest.raises(yt_errors.YtAccountLimitExceeded):
                action()
            assert proxy.cypress.snapshot("//home") == before
        alice.create("map_node", "//home/s/b")
        with pytest.raises(yt_errors.YtAccountLimitExceeded) as error:
            alice.create("map_node", "//home/s/c")
        inner = error.value.find_matching_error(code=Code.ACCOUNT_LIMIT)
        assert inner is not None
        assert (inner.attributes["usage"], inner.attributes["limit"]) == (3, 3)

    def test_of_disk_space_stop_the_next_chunk(self, proxy: ProxyServer) -> None:
        """An account that is full takes no more bytes; what went over the edge stays."""
        proxy.cypress.add_account("small", disk_space_limit=3000)
        proxy.cypress.create("map_node", "//home/s", attributes={"account": "small"})
        with connect(proxy, retries=NO_RETRIES) as client:
            client.write_file("//home/s/a", b"x" * 5000)
            with pytest.raises(yt_errors.YtAccountLimitExceeded) as error:
                client.write_file("//home/s/b", b"x")
            assert error.value.contains_code(Code.MASTER_COMMUNICATION)
            assert not client.exists("//home/s/b")
            proxy.cypress.write("//home/s/empty", b"")
            client.remove("//home/s/a")
            client.write_file("//home/s/b", b"x")
        assert proxy.cypress.transactions == []

    def test_count_shared_contents_once(self, proxy: ProxyServer, alice: YtClient) -> None:
        """A copy costs a node and no disk space."""
        proxy.cypress.add_account("small", disk_space_limit=4000)
        proxy.cypress.create("map_node", "//home/s", attributes={"account": "small"})
        alice.write_file("//home/s/a", b"x" * 1000)
        for index in range(5):
            alice.copy("//home/s/a", f"//home/s/copy{index}")
        alice.write_file("//home/s/b", b"x")

    def test_need_an_account_that_exists(self, alice: YtClient) -> None:
        """An unknown account is an error of its own."""
        with pytest.raises(YtResponseError, match="No such account") as error:
            alice.create("map_node", "//home/a", attributes={"account": "nobody's"})
        assert error.value.contains_code(Code.NO_SUCH_ACCOUNT)
        assert not alice.exists("//home/a")
