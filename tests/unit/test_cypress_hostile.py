"""A proxy that is broken, or means harm: one line, in time, in little memory, and the token stays where it was sent."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from build_folders import PATH, Bundle, names, on_cluster, publish_to, roll_back
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import refusal
from proxy import ProxyServer, Rewrite

from hatch_ytupload.build_folders.cypress.client import Cluster
from hatch_ytupload.build_folders.cypress.folder import CypressFolder
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.releases.records import read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("hasty")

TOKEN = "secret-token-0123456789"
COMMANDS = [
    {"name": name, "input_type": "null", "output_type": "structured", "is_volatile": True, "is_heavy": False}
    for name in ("execute_batch", "start_transaction", "abort_transaction", "lock", "create")
] + [{"name": "read_file", "input_type": "null", "output_type": "binary", "is_volatile": False, "is_heavy": True}]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the description of the API, and everything else as the test says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server: Any = self.server
        server.seen.append(TOKEN in str(self.headers))
        if self.path.startswith("/api") and self.path.rstrip("/").count("/") <= 2:
            self.reply(json.dumps(COMMANDS).encode())
        else:
            with suppress(OSError):
                server.answer(self)

    do_POST = do_PUT = do_GET  # noqa: N815 - the base class looks for these names

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send an answer of known length."""
        self.begin(status, Content_Length=str(len(body)), **headers)
        self.wfile.write(body)

    def begin(self, status: int = 200, **headers: str) -> None:
        """Send what comes before the body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


@contextmanager
def served(answer: Callable[[Handler], None], context: ssl.SSLContext | None = None) -> Iterator[Any]:
    """Serve on a port of this machine; `seen` of the server tells for each request whether it had the token."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.seen, server.daemon_threads = answer, [], True
    server.handle_error = lambda *_: None
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def folder_of(server: Any, *, scheme: str = "http", timeout_seconds: float = 5) -> CypressFolder:
    """Return a build folder there, asked once."""
    address = f"{scheme}://127.0.0.1:{server.server_port}"
    return CypressFolder(Cluster(address, token=TOKEN, timeout_seconds=timeout_seconds, attempts=1), PATH)


class TestRedirects:
    """Nobody is followed with the token."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_to_somebody_else(self, host: str) -> None:
        """Another port, another host."""
        with served(lambda handler: handler.reply(b"{}")) as other:
            place = f"http://{host}:{other.server_port}"
            with served(lambda handler: handler.reply(b"", 307, Location=f"{place}{handler.path}")) as front:
                line = refusal(lambda: folder_of(front).look(""))
            assert f"redirects to `{place}/api/v4/execute_batch`, where the token does not go; set `proxy` to" in line
            assert other.seen == []

    def test_in_a_circle(self) -> None:
        """Not once."""
        with served(lambda handler: handler.reply(b"", 307, Location=handler.path)) as front:
            assert "redirects to" in refusal(lambda: folder_of(front).look(""))
            assert len(front.seen) == 2


def test_no_request_asks_for_an_encoding() -> None:
    """A web server in front of a cluster would compress its answers, which are refused then."""
    accepted: set[tuple[str, str]] = set()

    def answer(handler: Handler) -> None:
        accepted.add((handler.path.partition("?")[0], handler.headers["Accept-Encoding"]))
        handler.reply(b"[]")

    with served(answer) as server, pytest.raises(YtUploadError):
        folder_of(server)._cluster.read_file("read", 1, path="//home/file")
    assert {("/hosts", "identity"), ("/api/v4/read_file", "identity")} <= accepted
    assert {encoding for _, encoding in accepted} == {"identity"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for this machine that nobody has signed, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
    ]
    files = ["-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([*command, "subjectAltName=IP:127.0.0.1,DNS:localhost", *files], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_name("both.pem.crt").read_bytes())
    return path


class TestTls:
    """What was begun over TLS stays there, with somebody whose certificate is good."""

    def context(self, certificate: Path) -> ssl.SSLContext:
        """Return what the server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context

    @pytest.mark.parametrize("variable", ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
    def test_an_empty_variable_switches_nothing_off(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        """As it would for the client alone."""
        monkeypatch.setenv(variable, "")
        with served(lambda handler: handler.reply(b"{}"), self.context(certificate)) as server:
            line = refusal(lambda: folder_of(server, scheme="https").look(""))
            assert line.endswith(
                "cannot be trusted (self-signed certificate); name the certificate of its authority in "
                "`REQUESTS_CA_BUNDLE`"
            )
            assert server.seen == []

    def test_who_speaks_no_tls_is_told_apart(self) -> None:
        """No certificate would help there."""
        with served(lambda handler: handler.reply(b"{}")) as server:
            line = refusal(lambda: folder_of(server, scheme="https").look(""))
            assert line.endswith("; if it speaks no TLS, write `http://` in `proxy`")
            assert "WRONG_VERSION_NUMBER" in line

    def test_heavy_proxies_get_the_token_over_tls_alone(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever the control proxy says of them."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with served(lambda handler: handler.reply(b"{}")) as plain:

            def answer(handler: Handler) -> None:
                hosts = [f"http://127.0.0.1:{plain.server_port}"]
                handler.reply(json.dumps(hosts if "/hosts" in handler.path else {}).encode())

            with served(answer, self.context(certificate)) as control:
                cluster = folder_of(control, scheme="https")._cluster
                with pytest.raises(YtUploadError):
                    cluster.read_file("read", 1, path="//home/file")
                assert control.seen
            assert plain.seen == []


def endless(handler: Handler) -> None:
    """Send a body without an end."""
    handler.begin()
    while True:
        handler.wfile.write(b" " * (1 << 20))


def endless_header(handler: Handler) -> None:
    """Send a header without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X: " + b"x" * 60_000 + b"\r\n")


def endless_line(handler: Handler) -> None:
    """Send the size of a chunk, without an end."""
    handler.begin(Transfer_Encoding="chunked")
    while True:
        handler.wfile.write(b"0" * (1 << 20))


def dripping(handler: Handler) -> None:
    """Never be silent for long."""
    handler.begin()
    pause = threading.Event()
    while True:
        handler.wfile.write(b" ")
        pause.wait(0.02)


def dripping_headers(handler: Handler) -> None:
    """Never be silent for long, and never come to the body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    pause = threading.Event()
    while True:
        handler.wfile.write(b"x")
        pause.wait(0.02)


class TestBounds:
    """On bytes, values and time."""

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            (endless, "gives an answer of more than 16.8 MB"),
            (endless_line, "gives an answer of more than 16.8 MB"),
            (endless_header, "broke"),
            (lambda handler: handler.reply(b"[" + b"{}," * 500_001 + b"{}]"), "gives an answer of more than 500000"),
            (lambda handler: handler.reply(b"x", Content_Encoding="gzip"), "sends data that is encoded as `gzip`"),
            (lambda handler: handler.reply(b"<html>", 413), "takes no file of this size"),
            (dripping, "does not answer"),
            (dripping_headers, "does not answer"),
        ],
        ids=["body", "chunk size", "header", "values", "encoding", "size", "slow body", "slow headers"],
    )
    def test_an_answer_without_measure(self, answer: Callable[[Handler], None], problem: str) -> None:
        """Ends in one line."""
        with served(answer) as server:
            # A short limit only for what never ends: a busy machine needs its time for the others.
            limit = 0.3 if problem == "does not answer" else 60
            line = refusal(lambda: folder_of(server, timeout_seconds=limit).look(""))
        assert line.startswith(f"cannot read the build folder `{PATH}`: ")
        assert problem in line


@pytest.fixture(scope="module")
def proxy() -> Iterator[ProxyServer]:
    """Return a proxy for all tests of this file."""
    with ProxyServer() as server:
        yield server


@pytest.fixture(scope="module")
def bundles(bundles: list[Bundle]) -> list[Bundle]:
    """Return two of them."""
    return bundles[:2]


DEEP = b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HUGE = "a number of many digits"
STRANGE: list[Any] = [None, True, 5, -1, 1e300, HUGE, "", "\u4f60", "x" * 1000, [], [1], {}, {"a": 1}, [[[[]]]]]


class Mutation(NamedTuple):
    """One change of one answer."""

    nth: int
    """Of which answer, from 1 on."""
    choice: float
    """Where in it: between 0 and 1."""
    strange: Any
    """What is put there."""
    remove: bool
    """Nothing is put there."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to everything in a value of JSON."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def mutated(body: bytes, mutation: Mutation) -> bytes:
    """Change one place of an answer."""
    try:
        value = json.loads(body)
    except ValueError:
        return DEEP
    ways = list(places(value))
    way = ways[int(mutation.choice * len(ways))]
    if not way:
        return DEEP
    holder = value
    for key in way[:-1]:
        holder = holder[key]
    if mutation.remove:
        del holder[way[-1]]
    else:
        holder[way[-1]] = mutation.strange
    return json.dumps(value).replace(f'"{HUGE}"', "7" * 5000).encode()


@pytest.fixture(scope="module")
def published(proxy: ProxyServer, bundles: list[Bundle]) -> list[str]:
    """Publish both bundles; return their releases, newest first."""
    for bundle in bundles:
        publish_to(on_cluster(proxy), bundle, wrappers=True)
    return names(read_state(on_cluster(proxy)))


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    command=st.sampled_from(["publish", "rollback", "status"]),
    mutation=st.builds(
        Mutation,
        nth=st.integers(1, 24),
        choice=st.floats(0, 1, exclude_max=True),
        strange=st.sampled_from(STRANGE),
        remove=st.booleans(),
    ),
)
def test_any_shape_of_any_answer(
    proxy: ProxyServer, bundles: list[Bundle], published: list[str], command: str, mutation: Mutation
) -> None:
    """Is refused in one line, or does no harm: what is current is one of the releases, whole."""
    assert len(published) == 2
    proxy.cypress.set(f"{PATH}/source.tar.gz/@ytupload", {})  # so that there is something to do
    proxy.faults.add(Rewrite(lambda body: mutated(body, mutation)), nth=mutation.nth)
    folder = on_cluster(proxy, attempts=1, wait_seconds=0.05)
    line = ""
    try:
        if command == "publish":
            publish_to(folder, bundles[0], wrappers=True, keep=1 + mutation.nth % 2)
        elif command == "rollback":
            roll_back(folder, wrappers=True)
        else:
            read_state(folder)
    except YtUploadError as error:
        line = str(error)
    proxy.faults.clear()
    proxy.cypress.expire_transactions()
    assert "\n" not in line
    assert len(line) < 1000
    for bundle in bundles:
        publish_to(on_cluster(proxy), bundle, wrappers=True)
    state = read_state(on_cluster(proxy))
    assert state.current is not None
    assert state.current.release == bundles[1].release


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
def test_hostile_memory_is_bounded(proxy: ProxyServer) -> None:
    """The largest answer that is taken costs less than 200 MB."""
    import tracemalloc

    body = b'{"results": [{"output": {"value": [' + b"{}," * 240_000 + b"{}]}}, {}, {}]}"
    proxy.faults.add(Rewrite(lambda _: body), command="execute_batch")
    tracemalloc.start()
    refusal(lambda: on_cluster(proxy, attempts=1).look(""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    proxy.faults.clear()
    assert peak < 200_000_000
