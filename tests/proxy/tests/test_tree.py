"""The test proxy's tree, asked by the real client over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yt.wrapper.errors as yt_errors
from proxy.fixtures import ace, connect, request
from yt import yson
from yt.common import YtResponseError

if TYPE_CHECKING:
    from proxy import ProxyServer
    from proxy.fixtures import Clock
    from yt.wrapper import YtClient


def refused(error: pytest.ExceptionInfo[YtResponseError], code: int) -> bool:
    return bool(error.value.contains_code(code))


class TestCreate:
    def test_gives_an_id_under_which_the_node_is_found(self, client: YtClient) -> None:
        """The id that create answers leads to the same node as its path."""
        node_id = client.create("map_node", "//home/a")
        assert client.get("//home/a/@id") == node_id
        assert client.get(f"#{node_id}/@path") == "//home/a"

    def test_makes_missing_parents_only_when_recursive(self, client: YtClient) -> None:
        """A missing parent is a resolve error, unless the whole chain is asked for."""
        with pytest.raises(yt_errors.YtResolveError) as error:
            client.create("map_node", "//home/a/b/c")
        assert 'has no child with key "a"' in str(error.value)
        client.create("map_node", "//home/a/b/c", recursive=True)
        assert client.get("//home/a/@count") == 1

    def test_of_what_exists_is_an_error_with_its_own_code(self, client: YtClient) -> None:
        """A second create is error 501, unless it is told to ignore or to replace."""
        first = client.create("map_node", "//home/a", attributes={"x": 1})
        with pytest.raises(YtResponseError) as error:
            client.create("map_node", "//home/a")
        assert refused(error, 501)
        assert client.create("map_node", "//home/a", ignore_existing=True, attributes={"x": 2}) == first
        assert client.get("//home/a/@x") == 1
        assert client.create("map_node", "//home/a", force=True) != first
        assert not client.exists("//home/a/@x")

    def test_ignoring_what_exists_still_minds_its_type(self, client: YtClient) -> None:
        """`ignore_existing` does not take a file for a directory, `ignore_type_mismatch` does."""
        client.create("file", "//home/a")
        with pytest.raises(YtResponseError) as error:
            client.create("map_node", "//home/a", ignore_existing=True)
        assert refused(error, 501)
        client.create("map_node", "//home/a", ignore_existing=True, ignore_type_mismatch=True)

    def test_with_an_account_gives_it_to_the_folders_in_between(self, client: YtClient, proxy: ProxyServer) -> None:
        """A recursive create puts all that it makes on the account; without one, each folder hands down its own."""
        proxy.cypress.add_account("a")
        client.create("table", "//home/x/y/t", recursive=True, attributes={"account": "a"})
        assert [client.get(f"//home/{path}/@account") for path in ("x", "x/y", "x/y/t")] == ["a", "a", "a"]
        assert client.get("//home/@account") == "tmp"

    def test_below_a_file_is_refused(self, client: YtClient) -> None:
        """Files have no children."""
        client.create("file", "//home/f")
        with pytest.raises(YtResponseError, match="cannot have children"):
            client.create("map_node", "//home/f/x", recursive=True)

    def test_with_contradicting_options_is_refused(self, client: YtClient) -> None:
        """Replace and leave alone cannot both be meant."""
        with pytest.raises(YtResponseError, match="simultaneously"):
            client.create("map_node", "//home/a", ignore_existing=True, force=True)

    @pytest.mark.parametrize("kind", ["no_such_type", "list_node"])
    def test_of_an_unknown_type_is_refused(self, client: YtClient, kind: str) -> None:
        """Only the types that the proxy knows can be created."""
        with pytest.raises(YtResponseError):
            client.create(kind, "//home/a")

    def test_with_a_system_attribute_is_refused(self, client: YtClient, proxy: ProxyServer) -> None:
        """What the cluster computes cannot be given, and the refused node is not there."""
        before = proxy.cypress.node_count()
        with pytest.raises(YtResponseError, match="cannot be set"):
            client.create("map_node", "//home/a", attributes={"id": "1-2-3-4"})
        assert not client.exists("//home/a")
        assert proxy.cypress.node_count() == before


class TestAttributes:
    def test_keep_every_kind_of_value(self, client: YtClient) -> None:
        """What is set comes back, with types and nested attributes."""
        value = {
            "int": -3,
            "big": yson.YsonUint64(2**63),
            "text": "naïve й",
            "list": [1.5, True, None],
            "map": {"$x": {}},
        }
        client.set("//home/@mine", value)
        found = client.get("//home/@mine")
        assert found["int"] == -3
        assert found["big"] == 2**63
        assert found["text"] == "naïve й"
        assert found["list"][:2] == [1.5, True]
        assert found["map"] == {"$x": {}}

    def test_can_be_set_and_removed_in_parts(self, client: YtClient) -> None:
        """A path goes on into the value of an attribute."""
        client.set("//home/@mine", {"a": 1})
        client.set("//home/@mine/b", 2)
        assert client.get("//home/@mine") == {"a": 1, "b": 2}
        client.remove("//home/@mine/a")
        assert client.get("//home/@mine") == {"b": 2}
        with pytest.raises(yt_errors.YtResolveError):
            client.set("//home/@other/b", 2)
        with pytest.raises(yt_errors.YtResolveError):
            client.get("//home/@mine/zzz")

    def test_of_the_system_cannot_be_set(self, client: YtClient) -> None:
        """Computed attributes are read only and cannot be removed."""
        for name in ("id", "type", "revision", "creation_time", "count", "locks"):
            with pytest.raises(YtResponseError, match="cannot be set"):
                client.set(f"//home/@{name}", 1)
        with pytest.raises(YtResponseError, match="cannot be removed"):
            client.remove("//home/@type")

    def test_that_are_missing_are_resolve_errors(self, client: YtClient) -> None:
        """Reading or removing a missing attribute is error 500; `exists` says no."""
        for action in (client.get, client.remove):
            with pytest.raises(yt_errors.YtResolveError):
                action("//home/@zzz")
        client.remove("//home/@zzz", force=True)
        assert not client.exists("//home/@zzz")
        assert not client.exists("//home/zzz/@type")

    def test_opaque_ones_are_hidden_in_a_listing_of_all(self, client: YtClient) -> None:
        """`/@` shows the path as an entity, the path attribute alone shows it."""
        everything = client.get("//home/@")
        assert isinstance(everything["path"], yson.YsonEntity)
        assert everything["type"] == "map_node"
        assert client.get("//home/@path") == "//home"

    def test_come_with_get_and_list_on_request(self, client: YtClient) -> None:
        """Asked-for attributes are on every node of the answer that has them."""
        client.create("document", "//home/d", attributes={"value": 1, "mine": 2})
        tree = client.get("//home", attributes=["type", "mine", "absent"])
        assert tree["d"].attributes == {"type": "document", "mine": 2}
        (item,) = client.list("//home", attributes=["mine"])
        assert str(item) == "d"
        assert item.attributes == {"mine": 2}

    def test_all_custom_ones_can_be_replaced_at_once(self, client: YtClient) -> None:
        """Setting `/@` leaves exactly the given custom attributes."""
        client.create("map_node", "//home/a", attributes={"x": 1, "y": 2})
        client.set("//home/a/@", {"y": 3, "z": 4})
        assert client.get("//home/a/@user_attributes") == {"y": 3, "z": 4}

    def test_of_files_are_checked(self, client: YtClient) -> None:
        """`executable` is a boolean and `file_name` a string, as jobs need them."""
        client.create("file", "//home/f")
        client.set("//home/f/@executable", value=True)
        client.set("//home/f/@file_name", "run.sh")
        with pytest.raises(YtResponseError):
            client.set("//home/f/@executable", "maybe")
        with pytest.raises(YtResponseError):
            client.set("//home/f/@file_name", 5)
        client.set("//home/@executable", "maybe")


class TestSet:
    def test_makes_value_nodes_and_maps(self, client: YtClient) -> None:
        """A value becomes a node of its type, a map a directory."""
        client.set("//home/n", 5)
        client.set("//home/m", {"x": "text", "y": {"z": True}})
        assert client.get("//home/n/@type") == "int64_node"
        assert client.get("//home/m") == {"x": "text", "y": {"z": True}}
        client.set("//home/n", 6)
        assert client.get("//home/n") == 6
        with pytest.raises(yt_errors.YtResolveError):
            client.set("//home/n", "text")

    def test_replaces_a_directory_only_by_force(self, client: YtClient) -> None:
        """A directory is not lost to a careless set."""
        client.create("map_node", "//home/a/b", recursive=True)
        with pytest.raises(YtResponseError, match="force"):
            client.set("//home/a", {})
        assert client.exists("//home/a/b")
        client.set("//home/a", {"c": 1}, force=True)
        assert client.get("//home/a") == {"c": 1}

    def test_writes_documents_whole(self, client: YtClient) -> None:
        """A document holds any value, and is an entity in the listing of its parent."""
        client.create("document", "//home/d")
        client.set("//home/d", {"a": [1, 2]})
        assert client.get("//home/d") == {"a": [1, 2]}
        assert isinstance(client.get("//home")["d"], yson.YsonEntity)

    def test_goes_on_into_documents(self, client: YtClient, proxy: ProxyServer) -> None:
        """Parts of a document are read, set and removed by path; permissions are those of the document."""
        client.create("document", "//home/d", attributes={"value": 1})
        client.set("//home/d", {})
        client.set("//home/d/value", 10)
        with pytest.raises(yt_errors.YtResolveError, match='Root node has no child with key "some"'):
            client.set("//home/d/some/path", "hello")
        client.set("//home/d/some/path", "hello", recursive=True)
        assert client.get("//home/d") == {"value": 10, "some": {"path": "hello"}}
        assert client.list("//home/d/some") == ["path"]
        assert client.exists("//home/d/some/path")
        assert not client.exists("//home/d/some/other")
        revision = client.get("//home/d/@revision")
        client.remove("//home/d/some")
        assert client.get("//home/d") == {"value": 10}
        assert client.get("//home/d/@revision") > revision
        proxy.cypress.set("//home/d/@acl", [ace("deny", "tester", "write")])
        with pytest.raises(YtResponseError) as error:
            client.set("//home/d/value", 11)
        assert error.value.is_access_denied()
        with pytest.raises(YtResponseError, match="cannot have children"):
            client.create("map_node", "//home/d/x")

    def test_of_an_entity_is_refused(self, client: YtClient, proxy: ProxyServer) -> None:
        """There are no entity nodes, and a refused value leaves nothing behind."""
        before = proxy.cypress.node_count()
        with pytest.raises(YtResponseError):
            client.set("//home/x", {"a": 1, "b": None})
        assert proxy.cypress.node_count() == before


class TestListAndExists:
    def test_list_is_in_no_order_and_can_be_cut(self, proxy: ProxyServer, client: YtClient) -> None:
        """The order is not alphabetical, and a truncated list says so."""
        names = [f"n{index:02}" for index in range(20)]
        for name in names:
            proxy.cypress.create("map_node", f"//home/{name}")
        raw = [str(item) for item in client.list("//home", sort=False)]
        assert raw != names
        assert sorted(raw) == names
        cut = client.list("//home", max_size=3, sort=False)
        assert len(cut) == 3
        assert cut.attributes["incomplete"]

    def test_list_of_a_file_is_refused(self, client: YtClient) -> None:
        """Only directories are listed: error 103."""
        client.create("file", "//home/f")
        with pytest.raises(YtResponseError) as error:
            client.list("//home/f")
        assert refused(error, 103)

    def test_exists_never_fails_on_what_is_missing(self, client: YtClient) -> None:
        """Missing parents, children of files, unknown ids: no, and no error."""
        client.create("file", "//home/f")
        for path in ("//zzz/a/b", "//home/f/child", "#1-2-10190-4", "//home/f/@zzz/y"):
            assert not client.exists(path)
        assert client.exists("//home/f/@type")

    def test_malformed_paths_are_refused(self, client: YtClient) -> None:
        """What is not a path is an error even for exists."""
        for path in ("//home/", "//home//a", "//home/a@b", "#not-an-id/@x"):
            with pytest.raises(YtResponseError):
                client.get(path)

    def test_keys_can_hold_anything_escaped(self, client: YtClient) -> None:
        """Slashes, at signs and letters beyond ASCII are keys when escaped."""
        client.create("map_node", "//home/a\\/b\\@c")
        client.create("map_node", "//home/\\xd0\\xb9")
        assert set(map(str, client.list("//home"))) == {"a/b@c", "й"}
        assert client.get("//home/й/@path") == "//home/\\xd0\\xb9"


class TestRemove:
    def test_is_recursive_unless_told_otherwise(self, client: YtClient) -> None:
        """The command without the flag takes everything along."""
        client.create("map_node", "//home/a/b", recursive=True)
        request("remove", {"path": "//home/a"}, client)
        assert not client.exists("//home/a")

    def test_without_recursive_leaves_what_is_not_empty(self, client: YtClient) -> None:
        """A directory with children is not removed by the way."""
        client.create("map_node", "//home/a/b", recursive=True)
        with pytest.raises(YtResponseError, match="non-empty"):
            client.remove("//home/a")
        client.remove("//home/a", recursive=True)
        assert not client.exists("//home/a")

    def test_of_what_is_missing_needs_force(self, client: YtClient) -> None:
        """Removing nothing is error 500, by force it is fine."""
        with pytest.raises(yt_errors.YtResolveError):
            client.remove("//home/zzz")
        client.remove("//home/zzz", force=True)

    def test_of_all_children_leaves_the_parent(self, client: YtClient) -> None:
        """A star stands for everything inside."""
        client.set("//home/a", {"b": 1, "c": {"d": 2}})
        client.remove("//home/a/*")
        assert client.get("//home/a") == {}

    def test_forgets_the_nodes(self, client: YtClient, proxy: ProxyServer) -> None:
        """Removed subtrees do not stay in memory, and their ids lead nowhere."""
        before = proxy.cypress.node_count()
        client.set("//home/a", {"b": {"c": 1}, "d": 2})
        node_id = client.get("//home/a/b/@id")
        client.remove("//home/a", recursive=True)
        assert proxy.cypress.node_count() == before
        assert not client.exists(f"#{node_id}")

    def test_of_the_root_is_refused(self, client: YtClient) -> None:
        """The root stays."""
        with pytest.raises(YtResponseError):
            client.remove("/", recursive=True, force=True)


class TestCopyAndMove:
    def test_copy_takes_contents_attributes_and_md5(self, client: YtClient, proxy: ProxyServer) -> None:
        """A copied file is the same file under another id."""
        proxy.cypress.write("//home/f", b"data")
        client.set("//home/f/@mine", {"a": 1})
        result = client.copy("//home/f", "//home/g")
        assert client.get("//home/g/@id") == result["node_id"] != client.get("//home/f/@id")
        assert client.get("//home/g/@mine") == {"a": 1}
        assert client.get("//home/g/@md5") == client.get("//home/f/@md5")
        assert client.read_file("//home/g").read() == b"data"

    def test_move_keeps_the_access_list_and_copy_does_not(self, client: YtClient, proxy: ProxyServer) -> None:
        """A moved node is guarded as before, a copy only if it was asked to be."""
        acl = [ace("deny", "guest", "write")]
        client.create("table", "//home/t", attributes={"acl": acl, "inherit_acl": False})
        proxy.tokens.add("root-token", "root")
        with connect(proxy, token="root-token") as admin:
            admin.copy("//home/t", "//home/plain")
            admin.copy("//home/t", "//home/guarded", preserve_acl=True)
            admin.move("//home/t", "//home/moved")
            for name, kept in (("plain", False), ("guarded", True), ("moved", True)):
                assert admin.get(f"//home/{name}/@acl") == (acl if kept else [])
                assert admin.get(f"//home/{name}/@inherit_acl") != kept

    def test_into_itself_is_refused(self, client: YtClient) -> None:
        """A folder cannot be put into itself, nor below itself."""
        client.create("map_node", "//home/a/b", recursive=True)
        for action in (client.copy, client.move):
            with pytest.raises(YtResponseError, match="to itself"):
                action("//home/a", "//home/a/c")
            with pytest.raises(YtResponseError, match="to its descendant"):
                action("//home/a", "//home/a/b/c")

    def test_overwrite_only_by_force(self, client: YtClient) -> None:
        """An existing destination is error 501 without force, for copy and move."""
        client.set("//home/a", 1)
        client.set("//home/b", 2)
        for action in (client.copy, client.move):
            with pytest.raises(YtResponseError) as error:
                action("//home/a", "//home/b")
            assert refused(error, 501)
        client.copy("//home/a", "//home/b", force=True)
        assert client.get("//home/b") == 1

    def test_make_parents_only_when_recursive(self, client: YtClient) -> None:
        """A missing destination directory is a resolve error."""
        client.set("//home/a", 1)
        with pytest.raises(yt_errors.YtResolveError):
            client.copy("//home/a", "//home/x/y")
        client.copy("//home/a", "//home/x/y", recursive=True)
        assert client.get("//home/x") == {"y": 1}

    def test_into_themselves_are_refused(self, client: YtClient) -> None:
        """No node is copied onto or below itself."""
        client.set("//home/a", {"b": 1})
        for destination in ("//home/a", "//home/a/c"):
            for action in (client.copy, client.move):
                with pytest.raises(YtResponseError, match="Cannot copy or move"):
                    action("//home/a", destination, force=True)
        assert client.get("//home/a") == {"b": 1}

    def test_move_gives_a_new_id_and_drops_the_expiration(self, client: YtClient) -> None:
        """A moved node is a new node without an expiration time, unless that is kept."""
        client.set("//home/a", 1)
        client.set("//home/a/@expiration_time", "2100-01-01T00:00:00Z")
        old = client.get("//home/a/@id")
        client.move("//home/a", "//home/b")
        assert client.get("//home/b/@id") != old
        assert not client.exists("//home/b/@expiration_time")
        assert not client.exists("//home/a")
        client.set("//home/b/@expiration_time", "2100-01-01T00:00:00Z")
        client.move("//home/b", "//home/c", preserve_expiration_time=True)
        assert client.get("//home/c/@expiration_time").startswith("2100-01-01")

    def test_move_replaces_a_directory_whole(self, client: YtClient) -> None:
        """Force puts the moved directory in the place of the other."""
        client.set("//home/a", {"x": 1})
        client.set("//home/b", {"y": 2})
        client.move("//home/a", "//home/b", force=True)
        assert client.get("//home") == {"b": {"x": 1}}

    def test_replacing_an_ancestor_of_the_source_works(self, client: YtClient) -> None:
        """The source may lie inside what it replaces."""
        client.set("//home/a", {"b": {"c": 1}})
        client.move("//home/a/b", "//home/a", force=True)
        assert client.get("//home") == {"a": {"c": 1}}


class TestLinks:
    def test_lead_to_their_target(self, client: YtClient) -> None:
        """A link stands for its target, attributes and all; an ampersand means the link itself."""
        client.set("//home/a", {"b": 1})
        client.link("//home/a", "//home/l")
        assert client.get("//home/l/b") == 1
        assert client.get("//home/l/@type") == "map_node"
        assert client.get("//home/l&/@type") == "link"
        assert client.get("//home/l&/@target_path") == "//home/a"
        client.remove("//home/l")
        assert client.get("//home") == {"a": {"b": 1}}

    def test_can_break(self, client: YtClient) -> None:
        """The target may go away; then the link is broken and leads nowhere."""
        client.set("//home/a", 1)
        client.link("//home/a", "//home/l")
        client.remove("//home/a")
        assert client.get("//home/l&/@broken")
        with pytest.raises(yt_errors.YtResolveError):
            client.get("//home/l")

    def test_that_would_lead_through_themselves_are_refused(self, client: YtClient) -> None:
        """No link is made to itself, to what lies behind it, or to a link that leads back."""
        client.create("map_node", "//home/a/b/c", recursive=True)
        client.link("//home/a/b/c", "//home/a/l1")
        client.create("map_node", "//home/r")
        client.link("//home/r", "//home/r/l2")
        for target, path in (
            ("//home/a/l1", "//home/a/b/c"),
            ("//home/r/l2", "//home/r/l2"),
            ("//home/r/l2/l2/l2", "//home/r/l2"),
            ("//home/a/b/c/d", "//home/a/b/c/d"),
            ("//home/a/b/c/d/e", "//home/a/b/c/d/e"),
        ):
            with pytest.raises(YtResponseError, match="Failed to create link: link is cyclic"):
                client.link(target, path, force=True, recursive=True)
        client.link("//home/a/l1", "//home/l3")
        client.link("//home/a/l1", "//home/l3", force=True)

    def test_need_a_target_unless_forced(self, client: YtClient, other: YtClient) -> None:
        """A link to nothing is made by force only; what a transaction made is nothing to others."""
        transaction_id = other.start_transaction()
        with other.Transaction(transaction_id=transaction_id):
            other.set("//home/t", 1)
            other.link("//home/t", "//home/l1")
        with pytest.raises(YtResponseError, match="does not exist"):
            client.link("//home/t", "//home/l2")
        client.link("//home/t", "//home/l2", force=True)
        assert client.get("//home/l2&/@broken")
        other.commit_transaction(transaction_id)
        assert client.get("//home/l2") == 1

    def test_in_a_circle_are_an_error(self, client: YtClient, proxy: ProxyServer) -> None:
        """Links that came to lead to each other do not hang the proxy: a move looks at no link."""
        proxy.cypress.link("//home/c", "//home/a")
        client.link("//home/a", "//home/b", force=True)
        client.move("//home/b&", "//home/c")
        for action in (client.get, client.list, lambda path: client.create("map_node", f"{path}/x")):
            with pytest.raises(yt_errors.YtResolveError, match="exceeds resolve depth limit"):
                action("//home/a")
        assert not client.exists("//home/a")
        assert client.get("//home/a&/@broken")


class TestExpiration:
    def test_set_in_a_transaction_counts_after_the_commit(self, client: YtClient, other: YtClient) -> None:
        """A time that has come does nothing until the transaction that set it has ended."""
        past = "2001-01-01T00:00:00.000000Z"
        client.set("//home/old", 1)
        with client.Transaction(ping=False):
            client.create("table", "//home/new", attributes={"expiration_time": past})
            client.set("//home/old/@expiration_time", past)
            assert client.exists("//home/new")
            assert client.exists("//home/old")
            assert other.exists("//home/old")
        assert other.list("//home") == []

    def test_goes_with_a_copy_only_on_request(self, client: YtClient, clock: Clock) -> None:
        """A copy has the expiration of its source if it was asked to keep it, and expires like it."""
        client.create("table", "//home/t", attributes={"expiration_timeout": 5000})
        client.copy("//home/t", "//home/kept", preserve_expiration_timeout=True)
        client.copy("//home/t", "//home/plain")
        clock.now += 6
        assert client.list("//home") == ["plain"]

    def test_after_a_timeout_is_put_off_by_whoever_asks_for_the_node(self, client: YtClient, clock: Clock) -> None:
        """The timeout runs from the last request for the node, unless that says not to count."""
        for name in ("asked", "spared"):
            client.create("table", f"//home/{name}", attributes={"expiration_timeout": 5000})
        for _ in range(3):
            clock.now += 3
            assert client.exists("//home/asked")
            quiet = {"path": "//home/spared", "suppress_expiration_timeout_renewal": True}
            request("exists", quiet, client)
        assert not client.exists("//home/spared")
        clock.now += 6
        assert client.list("//home") == []

    def test_after_a_timeout_waits_for_locks(self, client: YtClient, proxy: ProxyServer, clock: Clock) -> None:
        """Whoever holds a lock on the node, a snapshot lock as well, keeps it alive."""
        client.create("table", "//home/t", attributes={"expiration_timeout": 1000})
        with proxy.cypress.held("//home/t", mode="snapshot"):
            clock.now += 2
            assert client.list("//home") == ["t"]
        clock.now += 2
        assert client.list("//home") == []

    def test_that_was_taken_back_does_not_come(self, client: YtClient, clock: Clock) -> None:
        """Without the attribute the node stays."""
        client.create("table", "//home/t", attributes={"expiration_timeout": 1000})
        client.remove("//home/t/@expiration_timeout")
        clock.now += 2
        assert client.exists("//home/t")

    def test_that_makes_no_sense_is_refused(self, client: YtClient) -> None:
        """A time is a time, and the root does not expire."""
        client.create("table", "//home/t")
        for value in ("hello", True):
            with pytest.raises(YtResponseError, match="Error setting builtin attribute"):
                client.set("//home/t/@expiration_time", value)
        with pytest.raises(YtResponseError, match='Cannot set "expiration_time" for the root'):
            client.set("//@expiration_time", "2001-01-01T00:00:00.000000Z")

    def test_removes_a_node_when_its_time_has_come(self, client: YtClient) -> None:
        """A node whose expiration time is in the past is gone."""
        client.set("//home/a", 1)
        client.set("//home/a/@expiration_time", "2001-01-01T00:00:00.000000Z")
        assert not client.exists("//home/a")


class TestStorage:
    def test_is_inherited_from_the_nearest_folder_that_says_so(self, client: YtClient) -> None:
        """New files and tables take codecs and replication from above; folders and documents do not."""
        client.create("map_node", "//home/a/b", recursive=True)
        client.set("//home/a/@compression_codec", "zlib_6")
        client.set("//home/a/@replication_factor", 5)
        client.set("//home/a/b/@erasure_codec", "reed_solomon_6_3")
        client.set("//home/a/@optimize_for", "scan")
        client.create("table", "//home/a/b/t")
        client.create("file", "//home/a/b/f", attributes={"compression_codec": "none"})
        client.create("document", "//home/a/b/d")
        assert client.get("//home/a/b/@effective_inheritable_attributes")["compression_codec"] == "zlib_6"
        assert client.get("//home/a/b/t/@compression_codec") == "zlib_6"
        assert client.get("//home/a/b/t/@replication_factor") == 5
        assert client.get("//home/a/b/t/@media") == {"default": {"replication_factor": 5, "data_parts_only": False}}
        assert client.get("//home/a/b/t/@optimize_for") == "scan"
        assert client.get("//home/a/b/f/@compression_codec") == "none"
        assert client.get("//home/a/b/f/@erasure_codec") == "reed_solomon_6_3"
        for path in ("//home/a/b/@compression_codec", "//home/a/b/d/@compression_codec", "//home/a/b/f/@optimize_for"):
            assert not client.exists(path)

    def test_codecs_are_set_in_a_transaction(self, client: YtClient, other: YtClient) -> None:
        """A codec is locked like a custom attribute, and changes for all at the commit; folders hand it on inside."""
        client.create("table", "//home/t", attributes={"compression_codec": "none"})
        with client.Transaction(ping=False):
            client.set("//home/t/@compression_codec", "lz4")
            client.set("//home/@compression_codec", "zlib_9")
            client.create("table", "//home/inside")
            other.create("table", "//home/outside")
            assert client.get("//home/inside/@compression_codec") == "zlib_9"
            assert other.get("//home/outside/@compression_codec") == "lz4"
            assert other.get("//home/t/@compression_codec") == "none"
            (lock,) = other.get("//home/t/@locks")
            assert (lock["mode"], lock["attribute_key"]) == ("shared", "compression_codec")
            with pytest.raises(yt_errors.YtCypressTransactionLockConflict, match="this attribute is locked"):
                other.set("//home/t/@compression_codec", "zlib_6")
        assert other.get("//home/t/@compression_codec") == "lz4"
        client.remove("//home/@compression_codec")
        assert not client.exists("//home/@compression_codec")

    def test_that_cannot_be_is_refused(self, client: YtClient) -> None:
        """Media exist or not, replicas are counted, and what is not modelled says so."""
        client.create("file", "//home/f")
        with pytest.raises(YtResponseError, match='No such medium "tape"') as error:
            client.set("//home/f/@primary_medium", "tape")
        assert refused(error, 719)
        request("create", {"type": "domestic_medium", "attributes": {"name": "tape"}}, client)
        client.set("//home/f/@primary_medium", "tape")
        for factor in (0, 21):
            with pytest.raises(YtResponseError, match="out of range"):
                client.set("//home/f/@replication_factor", factor)
        with pytest.raises(YtResponseError, match="not modelled by this proxy"):
            client.set("//home/f/@media", {})
        with pytest.raises(YtResponseError, match="not modelled by this proxy"):
            client.create("map_node", "//home/m", attributes={"tablet_cell_bundle": "b"})


def test_reading_is_counted_and_can_be_kept_quiet(client: YtClient) -> None:
    """Reads of a node count, reads of attributes and `exists` do not; changes can leave the times as they are."""
    client.create("map_node", "//home/d")
    client.list("//home/d")
    client.get("//home/d/@")
    client.exists("//home/d")
    assert client.get("//home/d/@access_counter") == 1
    request("get", {"path": "//home/d", "suppress_access_tracking": True}, client)
    assert client.get("//home/d/@access_counter") == 1
    before = client.get("//home/d/@modification_time"), client.get("//home/d/@revision")
    request("create", {"type": "table", "path": "//home/d/t", "suppress_modification_tracking": True}, client)
    assert (client.get("//home/d/@modification_time"), client.get("//home/d/@revision")) == before


class TestOpaque:
    def test_subtrees_are_entities_from_above(self, client: YtClient) -> None:
        """An opaque directory hides its contents from a get of its parent, and shows them when asked itself."""
        client.set("//home/a", {"b": {"c": 1}})
        client.set("//home/a/b/@opaque", value=True)
        assert isinstance(client.get("//home/a")["b"], yson.YsonEntity)
        assert client.get("//home/a/b") == {"c": 1}
        assert client.get("//home/a", attributes=["opaque"])["b"].attributes == {"opaque": True}

    def test_is_not_set_in_a_transaction(self, client: YtClient) -> None:
        """What is not versioned cannot be changed in a transaction."""
        with client.Transaction(ping=False):
            for name, value in (("opaque", True), ("account", "tmp"), ("replication_factor", 1)):
                with pytest.raises(YtResponseError, match="in transaction"):
                    client.set(f"//home/@{name}", value)


def test_modification_changes_revisions_and_times(client: YtClient) -> None:
    """Whoever watches `revision` sees every change, and none where there was none."""
    client.create("map_node", "//home/a")
    first = client.get("//home/a/@revision")
    assert client.get("//home/a/@revision") == first
    client.set("//home/a/@x", 1)
    second = client.get("//home/a/@revision")
    assert second > first
    assert client.get("//home/a/@content_revision") < second
    client.create("map_node", "//home/a/b")
    assert client.get("//home/a/@content_revision") > second
    assert client.get("//home/a/@modification_time") > client.get("//home/a/@creation_time")
