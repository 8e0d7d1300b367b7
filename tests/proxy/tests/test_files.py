"""Files of the test proxy: whole, appended, in chunks, in parallel, and what becomes of broken uploads."""

from __future__ import annotations

import gc
import gzip
import hashlib
import http.client
import io
import random
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yt.wrapper.errors as yt_errors
from proxy import Code, Drop, ProxyServer
from proxy.fixtures import ace, connect, request
from yt.common import YtResponseError
from yt.wrapper import http_helpers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.fixtures import Clock
    from yt.wrapper import YtClient


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
def test_a_written_file_is_read_back_with_its_size_and_md5(client: YtClient, size: int) -> None:
    """Bytes, size and MD5 agree, in memory and on disk, empty files included."""
    data = random.Random(size).randbytes(size)
    client.write_file("//home/f", data, compute_md5=True)
    assert client.read_file("//home/f").read() == data
    assert client.get("//home/f/@uncompressed_data_size") == size
    assert client.get("//home/f/@md5") == md5(data)


def test_without_md5_there_is_none(client: YtClient) -> None:
    """A file written without `compute_md5` has no such attribute, even if it had one before."""
    client.write_file("//home/f", b"one", compute_md5=True)
    client.write_file("//home/f", b"two")
    assert not client.exists("//home/f/@md5")
    with pytest.raises(yt_errors.YtResolveError):
        client.get("//home/f/@md5")


def test_chunks_are_appended_under_one_md5(proxy: ProxyServer) -> None:
    """The client's chunks make one file, its MD5 carried on from one to the next."""
    data = random.Random(1).randbytes(1_000_000)
    retries = {
        "enable": True,
        "count": 2,
        "chunk_size": 300_000,
        "backoff": {"policy": "constant_time", "constant_time": 1},
    }
    with connect(proxy, write_retries=retries) as client:
        client.write_file("//home/f", io.BytesIO(data), compute_md5=True)
        assert client.get("//home/f/@md5") == md5(data)
        assert client.get("//home/f/@chunk_count") == 4
        assert client.read_file("//home/f").read() == data
    writes = proxy.log.of("write_file")
    assert [record.body_bytes for record in writes] == [300_000, 300_000, 300_000, 100_000]
    assert "append" not in str(writes[0].parameters["path"])


def test_appending_with_md5_needs_the_md5_so_far(client: YtClient) -> None:
    """An MD5 cannot be continued over bytes that were never in it."""
    client.write_file("//home/f", b"one")
    with pytest.raises(YtResponseError, match="no computed MD5 hash"):
        client.write_file("<append=%true>//home/f", b"two", compute_md5=True)
    client.write_file("<append=%true>//home/f", b"two")
    assert client.read_file("//home/f").read() == b"onetwo"


def test_two_transactions_append_to_one_file(proxy: ProxyServer, client: YtClient) -> None:
    """Appends take shared locks: both arrive, in the order of the commits, and the MD5 is gone."""
    proxy.cypress.write("//home/f", b"0")
    first, second = client.start_transaction(), client.start_transaction()
    for transaction_id, data in ((first, b"1"), (second, b"2")):
        with client.Transaction(transaction_id=transaction_id):
            client.write_file("<append=%true>//home/f", data)
            assert client.read_file("//home/f").read() == b"0" + data
            assert client.get("//home/f/@lock_mode") == "shared"
    client.commit_transaction(second)
    client.commit_transaction(first)
    assert client.read_file("//home/f").read() == b"021"
    assert not client.exists("//home/f/@md5")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the connections that the client's own threads leave open."""
    opened = []
    original = http_helpers._setup_new_session

    def remember(client: object) -> object:
        opened.append(original(client))
        return opened[-1]

    monkeypatch.setattr(http_helpers, "_setup_new_session", remember)
    yield
    for session in opened:
        session.close()


@pytest.mark.usefixtures("sessions")
def test_large_files_are_written_in_parallel_and_put_together(proxy: ProxyServer, tmp_path: Path) -> None:
    """The client's parallel upload, with its scratch files and concatenation, works."""
    data = random.Random(2).randbytes(900_000)
    source = tmp_path / "big"
    source.write_bytes(data)
    retries = {
        "enable": True,
        "count": 2,
        "chunk_size": 200_000,
        "backoff": {"policy": "constant_time", "constant_time": 1},
    }
    with connect(proxy, write_retries=retries) as client, source.open("rb") as stream:
        client.write_file("//home/f", stream)
        assert client.read_file("//home/f").read() == data
    assert "concatenate" in proxy.log.commands()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_parts_of_a_file_can_be_read(proxy: ProxyServer) -> None:
    """Offset and length choose a range, which may lie beyond the end."""
    data = bytes(range(256)) * 1000
    proxy.cypress.write("//home/f", data)
    with connect(proxy) as client:
        assert client.read_file("//home/f", offset=1000, length=5).read() == data[1000:1005]
        assert client.read_file("//home/f", offset=255_990).read() == data[255_990:]
        assert client.read_file("//home/f", offset=999_999).read() == b""
        with pytest.raises(YtResponseError):
            client.read_file("//home/f", offset=-1).read()
    # The client forgets the connection of a download that fails; the collector shall not find it in a later test.
    del client
    gc.collect()


def test_only_files_are_written_and_read(client: YtClient) -> None:
    """A directory is no file, and a missing one is a resolve error inside."""
    with pytest.raises(YtResponseError, match="Invalid type of //home"):
        client.write_file("//home", b"x", force_create=False)
    with pytest.raises(yt_errors.YtResolveError) as error:
        client.write_file("//home/zzz", b"x", force_create=False)
    assert "Error getting basic attributes of user objects" in str(error.value)


def test_compressed_bodies_are_decompressed(proxy: ProxyServer) -> None:
    """What the client compresses on the way arrives as it was."""
    data = b"text " * 10_000
    with connect(proxy) as client:
        client.config["proxy"]["content_encoding"] = "gzip"
        client.write_file("//home/f", data, compute_md5=True)
        assert client.read_file("//home/f").read() == data
        assert client.get("//home/f/@md5") == md5(data)
        # What is called compressed already is stored decompressed all the same.
        client.write_file("//home/g", gzip.compress(data) + gzip.compress(b"end"), is_stream_compressed=True)
        assert client.read_file("//home/g").read() == data + b"end"
    (first, *_) = proxy.log.of("write_file")
    assert first.content_encoding == "gzip"
    assert first.wire_bytes < first.body_bytes == len(data)


def test_a_reader_keeps_the_version_it_began_with(proxy: ProxyServer, client: YtClient) -> None:
    """A download goes on unchanged while the file is overwritten and removed."""
    old = random.Random(3).randbytes(4_000_000)
    proxy.cypress.write("//home/f", old)
    with connect(proxy) as other:
        stream = client.read_file("//home/f")
        start = stream.read(10)
        other.write_file("//home/f", b"new")
        other.remove("//home/f")
        assert start + stream.read() == old


class TestBrokenUpload:
    def test_leaves_the_old_file(self, proxy: ProxyServer, client: YtClient) -> None:
        """A connection that breaks in the middle of a body changes nothing and leaves no transaction."""
        proxy.cypress.write("//home/f", b"old")
        proxy.faults.add(Drop(when="body", after_bytes=100), command="write_file", times=None)
        with pytest.raises(OSError, match=r"Connection|Remote|Broken pipe"):
            client.write_file("//home/f", b"x" * 1_000_000)
        proxy.log.wait_idle()
        assert proxy.cypress.read("//home/f") == b"old"
        assert proxy.cypress.transactions == []
        assert proxy.cypress.get("//home/f/@lock_count") == 0

    def test_is_written_again_by_the_client(self, proxy: ProxyServer, client: YtClient) -> None:
        """The client's own retry gets the whole file there."""
        proxy.faults.add(Drop(when="body", after_bytes=100), command="write_file")
        data = b"x" * 1_000_000
        client.write_file("//home/f", data, compute_md5=True)
        assert proxy.cypress.read("//home/f") == data
        assert len(proxy.log.of("write_file")) == 2

    def test_by_a_client_that_vanishes_is_forgotten(self, proxy: ProxyServer) -> None:
        """A body that promises more than comes is given up when the connection closes."""
        proxy.cypress.write("//home/f", b"old")
        connection = http.client.HTTPConnection("localhost", proxy.port)
        connection.putrequest("PUT", "/api/v4/write_file")
        connection.putheader("Authorization", f"OAuth {proxy.token}")
        connection.putheader("X-YT-Parameters", '{"path": "//home/f"}')
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(b"x" * 1000)
        proxy.log.wait_for("write_file")
        connection.close()
        proxy.log.wait_idle()
        (record,) = proxy.log.of("write_file")
        assert record.status is None
        assert proxy.cypress.read("//home/f") == b"old"
        assert proxy.cypress.transactions == []


def test_an_upload_is_invisible_until_it_ends(proxy: ProxyServer, client: YtClient) -> None:
    """While a body is on its way readers see the old file, and a second writer meets the lock."""
    proxy.cypress.write("//home/f", b"old")
    arrived, go_on = threading.Event(), threading.Event()

    def body() -> Iterator[bytes]:
        yield b"n" * 100_000
        arrived.set()
        go_on.wait(30)
        yield b"w"

    def upload() -> None:
        connection = http.client.HTTPConnection("localhost", proxy.port)
        headers = {"Authorization": f"OAuth {proxy.token}", "X-YT-Parameters": '{"path": "//home/f"}'}
        connection.request("PUT", "/api/v4/write_file", body(), headers, encode_chunked=True)
        assert connection.getresponse().status == 200
        connection.close()

    thread = threading.Thread(target=upload)
    thread.start()
    assert arrived.wait(30)
    proxy.cypress.wait_for(lambda cypress: bool(cypress.transactions))
    assert client.read_file("//home/f").read() == b"old"
    with pytest.raises(YtResponseError) as error:
        client.write_file("//home/f", b"mine")
    assert error.value.contains_code(Code.CONCURRENT_TRANSACTION_LOCK_CONFLICT)
    assert "Error starting upload to file //home/f" in str(error.value)
    go_on.set()
    thread.join(30)
    assert client.read_file("//home/f").read() == b"n" * 100_000 + b"w"


def test_memory_does_not_grow_with_the_file(proxy: ProxyServer) -> None:
    """An upload of 64 MB needs a few of them at a time."""
    connection = http.client.HTTPConnection("localhost", proxy.port)
    headers = {"Authorization": f"OAuth {proxy.token}", "X-YT-Parameters": '{"path": "//home/f", "compute_md5": true}'}
    proxy.cypress.create("file", "//home/f")
    piece = b"\0" * 1_000_000
    tracemalloc.start()
    try:
        connection.request("PUT", "/api/v4/write_file", (piece for _ in range(64)), headers, encode_chunked=True)
        assert connection.getresponse().read() == b"{}"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        connection.close()
    assert proxy.cypress.get("//home/f/@uncompressed_data_size") == 64_000_000
    assert peak < 16_000_000


def test_the_cache_of_files_knows_them_by_md5(proxy: ProxyServer, tmp_path: Path) -> None:
    """The client's upload to the cache sends a file once."""
    source = tmp_path / "script.sh"
    source.write_bytes(b"echo hello")
    with connect(proxy) as client:
        first = client.smart_upload_file(str(source))
        writes = len(proxy.log.of("write_file"))
        assert client.smart_upload_file(str(source)) == first
        assert len(proxy.log.of("write_file")) == writes
        assert client.read_file(str(first)).read() == b"echo hello"
        assert str(first).endswith(md5(b"echo hello"))


def test_concatenation_puts_files_together(proxy: ProxyServer, client: YtClient) -> None:
    """Contents follow each other, the MD5 is gone."""
    proxy.cypress.write("//home/a", b"one")
    proxy.cypress.write("//home/b", b"two")
    client.concatenate(["//home/a", "//home/b"], "//home/c")
    assert client.read_file("//home/c").read() == b"onetwo"
    assert not client.exists("//home/c/@md5")
    with pytest.raises(YtResponseError):
        client.concatenate(["//home/a", "//home"], "//home/c")


def test_an_error_in_the_middle_of_a_download_comes_in_trailers(proxy: ProxyServer, client: YtClient) -> None:
    """Contents that cannot be read any more are an error after the headers, not a short file."""
    proxy.cypress.write("//home/f", b"x" * 1_000_000)
    for path in Path(proxy.directory).iterdir():
        path.unlink()
    with pytest.raises(YtResponseError, match="Error reading the file"):
        client.read_file("//home/f").read()
    (record,) = proxy.log.of("read_file")
    assert (record.status, record.applied) == (200, False)


class TestLingeringUpload:
    @pytest.fixture
    def proxy(self, clock: Clock) -> Iterator[ProxyServer]:
        with ProxyServer(lingering_uploads=True, clock=clock) as server:
            yield server

    def test_keeps_its_lock_for_a_while(self, proxy: ProxyServer, client: YtClient, clock: Clock) -> None:
        """After a broken upload the file stays locked until the upload transaction expires."""
        proxy.cypress.write("//home/f", b"old")
        proxy.faults.add(Drop(when="body"), command="write_file")
        connection = http.client.HTTPConnection("localhost", proxy.port)
        headers = {"Authorization": f"OAuth {proxy.token}", "X-YT-Parameters": '{"path": "//home/f"}'}
        connection.request("PUT", "/api/v4/write_file", b"new", headers)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            connection.getresponse()
        connection.close()
        with pytest.raises(yt_errors.YtCypressTransactionLockConflict):
            client.write_file("//home/f", b"newer")
        clock.now += 16
        client.write_file("//home/f", b"newer")
        assert proxy.cypress.read("//home/f") == b"newer"

    def test_does_not_stop_the_client(self, proxy: ProxyServer, client: YtClient) -> None:
        """The client aborts the transaction around each attempt, and the lock with it."""
        proxy.faults.add(Drop(when="body"), command="write_file", times=2)
        client.write_file("//home/f", b"new", compute_md5=True)
        assert proxy.cypress.read("//home/f") == b"new"
        assert len(proxy.log.of("write_file")) == 3


class TestCache:
    """The file cache, as the server keeps it."""

    def test_answers_nothing_for_what_is_no_md5(self, proxy: ProxyServer, client: YtClient) -> None:
        """A malformed, an unknown and a wrong MD5 are all the same miss."""
        proxy.cypress.write("//home/cache/b8/" + md5(b"aba"), b"something else")
        for wrong in ("invalid_md5", "", md5(b"aba"), md5(b"abacaba")):
            assert from_cache(client, wrong) == ""

    def test_a_hit_touches_the_file(self, proxy: ProxyServer, client: YtClient) -> None:
        """Whoever cleans the cache sees which files are in use."""
        proxy.cypress.create("map_node", "//home/cache")
        proxy.cypress.write("//home/f", b"abacaba")
        parameters = {"path": "//home/f", "md5": md5(b"abacaba"), "cache_path": "//home/cache"}
        for wrong in ("invalid_md5", md5(b"aba")):
            with pytest.raises(YtResponseError):
                request("put_file_to_cache", {**parameters, "md5": wrong}, client)
        path = str(request("put_file_to_cache", parameters, client))
        assert client.get(f"{path}/@touched")
        before = client.get(f"{path}/@modification_time"), client.get(f"{path}/@id")
        assert from_cache(client, md5(b"abacaba")) == path
        assert client.get(f"{path}/@modification_time") > before[0]
        assert request("put_file_to_cache", parameters, client) == path
        assert client.get(f"{path}/@id") == before[1]

    def test_is_filled_by_whoever_may_use_or_write_it(self, proxy: ProxyServer, client: YtClient) -> None:
        """Use or write on the folder of the cache is asked, and no more."""
        proxy.cypress.create("map_node", "//home/cache", attributes={"inherit_acl": False})
        proxy.cypress.write("//home/f", b"abacaba")
        parameters = {"path": "//home/f", "md5": md5(b"abacaba"), "cache_path": "//home/cache"}
        with pytest.raises(YtResponseError) as error:
            request("put_file_to_cache", parameters, client)
        assert error.value.is_access_denied()
        proxy.cypress.set("//home/cache/@acl", [ace("allow", "tester", "use")])
        assert str(request("put_file_to_cache", parameters, client)).endswith(md5(b"abacaba"))


def from_cache(client: YtClient, digest: str) -> object:
    return request("get_file_from_cache", {"md5": digest, "cache_path": "//home/cache"}, client)


def test_append_may_be_a_text(client: YtClient) -> None:
    """`<append=true>` appends: a text is read as a boolean where one is needed."""
    client.write_file("//home/f", b"one")
    client.write_file("<append=true>//home/f", b"two")
    client.write_file("<append=%true>//home/f", b"three")
    assert client.read_file("//home/f").read() == b"onetwothree"


def test_a_copied_prefix_is_continued_by_an_append(client: YtClient) -> None:
    """The MD5 state goes with a copy: what is appended to the copy is hashed on."""
    client.write_file("//home/prefix", b"one", compute_md5=True)
    client.copy("//home/prefix", "//home/whole")
    client.write_file("<append=%true>//home/whole", b"two", compute_md5=True)
    assert client.get("//home/whole/@md5") == md5(b"onetwo")
    assert client.get("//home/prefix/@md5") == md5(b"one")
