"""Users, permissions and quotas of the test proxy, as the client meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yt.wrapper.errors as yt_errors
from proxy import Code, ProxyServer
from proxy.fixtures import NO_RETRIES, connect
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


class TestQuotas:
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
        """An unknown account is a resolve error."""
        with pytest.raises(YtResponseError):
            alice.create("map_node", "//home/a", attributes={"account": "nobody's"})
        assert not alice.exists("//home/a")
