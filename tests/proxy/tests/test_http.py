"""The test proxy as an HTTP server: endpoints, formats, methods, encodings, errors, and requests nobody should send."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import zlib

import pytest
import yt.wrapper
from proxy import TOKEN, ProxyServer
from proxy.fixtures import connect
from yt import yson


class Answer:
    """An answer to a raw request."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def value(self) -> object:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return int(self.headers.get("X-YT-Response-Code") or 0)


def ask(
    proxy: ProxyServer,
    method: str,
    path: str,
    body: bytes | None = None,
    /,
    *,
    token: str | None = TOKEN,
    **headers: str,
) -> Answer:
    """Send one request as it is; header names are given with underscores."""
    connection = http.client.HTTPConnection("localhost", proxy.port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"OAuth {token}"
    try:
        connection.request(method, path, body, sent)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class TestEndpoints:
    def test_tell_the_versions_and_the_commands(self, proxy: ProxyServer) -> None:
        """`/api` and `/api/v4` need no token and list what there is."""
        assert ask(proxy, "GET", "/api", token=None).value == ["v3", "v4"]
        described = ask(proxy, "GET", "/api/v4", token=None).value
        assert isinstance(described, list)
        by_name = {each["name"]: each for each in described}
        assert by_name["write_file"] == {
            "name": "write_file",
            "input_type": "binary",
            "output_type": "structured",
            "is_volatile": True,
            "is_heavy": True,
        }
        assert by_name["get"]["input_type"] == "null"
        assert not by_name["get"]["is_volatile"]
        assert "start_tx" not in by_name
        older = ask(proxy, "GET", "/api/v3", token=None).value
        assert isinstance(older, list)
        assert "start_tx" in {each["name"] for each in older}

    def test_tell_the_heavy_proxies(self, proxy: ProxyServer) -> None:
        """`/hosts` leads to the proxy itself, or to whatever a test says."""
        assert ask(proxy, "GET", "/hosts?address_type=http", token=None).value == [proxy.address]
        proxy.hosts = ["elsewhere:1"]
        assert ask(proxy, "GET", "/hosts", token=None).value == ["elsewhere:1"]

    def test_answer_pings_and_versions(self, proxy: ProxyServer) -> None:
        """The simple ones answer."""
        assert ask(proxy, "GET", "/ping", token=None).status == 200
        assert ask(proxy, "GET", "/version", token=None).body
        assert ask(proxy, "POST", "/auth/whoami").value == {"login": "tester", "realm": "test", "csrf_token": "none"}
        assert ask(proxy, "POST", "/auth/whoami", token=None).status == 401

    def test_that_are_unknown_are_not_found(self, proxy: ProxyServer) -> None:
        """Unknown commands and paths are 404, unknown versions an error."""
        for path in ("/zzz", "/api/v4/frobnicate", "/api/v4/get/more", "/api/v4/ge-t", "/api/v4/start_tx", "/hosts/x"):
            assert ask(proxy, "GET", path).status == 404
        assert ask(proxy, "GET", "/api/v7/get").status == 400


class TestParameters:
    def test_come_in_headers_in_json_by_default(self, proxy: ProxyServer) -> None:
        """Without a header format, headers and answers are JSON."""
        answer = ask(proxy, "GET", "/api/v4/get", X_YT_Parameters='{"path": "//home/@type"}')
        assert answer.value == {"value": "map_node"}
        assert answer.headers["Content-Type"] == "application/json"

    def test_come_in_headers_in_yson(self, proxy: ProxyServer) -> None:
        """YSON in headers is text, whatever its attribute says."""
        for header_format in ("yson", "<format=text>yson", "<format=binary>yson"):
            answer = ask(
                proxy,
                "GET",
                "/api/v4/get",
                X_YT_Header_Format=header_format,
                X_YT_Parameters='{path="//home/@type"; output_format=<format=text>yson}',
            )
            assert yson.loads(answer.body) == {"value": "map_node"}
            assert answer.headers["Content-Type"] == "application/x-yt-yson-text"

    @pytest.mark.parametrize("separator", ["", "-"])
    def test_can_be_split_over_several_headers(self, proxy: ProxyServer, separator: str) -> None:
        """Numbered parts are put together and decoded from base64."""
        encoded = base64.b64encode(b'{"path": "//home/@type"}').decode()
        parts = {f"X-YT-Parameters{separator}{index}": encoded[index * 10 : index * 10 + 10] for index in range(4)}
        assert ask(proxy, "GET", "/api/v4/get", **parts).value == {"value": "map_node"}

    def test_come_in_the_body_of_a_post(self, proxy: ProxyServer) -> None:
        """A light command without input has its parameters in the body, in the format of its type."""
        for index, (mime, data) in enumerate(
            (
                ("application/json", b'{"type": "map_node", "path": "//home/0"}'),
                ("application/x-yt-yson-text", b'{type=map_node; path="//home/1"}'),
                (
                    "application/x-yt-yson-binary",
                    yson.dumps({"type": "map_node", "path": "//home/2"}, yson_format="binary"),
                ),
            )
        ):
            answer = ask(proxy, "POST", "/api/v4/create", data, Content_Type=mime)
            assert answer.status == 200
            assert proxy.cypress.exists(f"//home/{index}")

    def test_come_in_the_query_and_are_overridden_by_headers(self, proxy: ProxyServer) -> None:
        """The header has the last word."""
        assert ask(proxy, "GET", "/api/v4/get?path=//tmp/@path").value == {"value": "//tmp"}
        both = ask(proxy, "GET", "/api/v4/get?path=//tmp/@path", X_YT_Parameters='{"path": "//home/@path"}')
        assert both.value == {"value": "//home"}

    @pytest.mark.parametrize(
        "header",
        [
            '{"path": "//home", "pahts": 1}',
            '{"path": 5}',
            '{"path": ""}',
            '{"path": "home"}',
            '{"path": "//home", "max_size": "many"}',
            '{"path": "//home", "max_size": -1}',
            '{"path": "//home", "attributes": "type"}',
            '{"path": "//home", "attributes": {"names": []}}',
            '{"path": "//home", "transaction_id": "what"}',
            '{"path": "//home", "return_only_value": 1}',
            '{"path": "//home", "output_format": "xml"}',
            '{"path": "<ranges=[]>//home"}',
            '{"path": "//home", "mutation_id": "1-2-3-4"}',
            "{}",
            "[]",
            "{",
            '{"$path": 1}',
        ],
    )
    def test_that_are_wrong_are_refused(self, proxy: ProxyServer, header: str) -> None:
        """Unknown names, wrong types, missing and malformed ones: error 400 that says so."""
        answer = ask(proxy, "GET", "/api/v4/get", X_YT_Parameters=header)
        assert answer.status == 400
        assert answer.code != 0
        assert json.loads(answer.headers["X-YT-Error"]) == answer.value

    def test_in_a_compressed_post_are_refused(self, proxy: ProxyServer) -> None:
        """The body of a POST is never compressed."""
        body = gzip.compress(b'{"type": "map_node", "path": "//home/x"}')
        answer = ask(proxy, "POST", "/api/v4/create", body, Content_Encoding="gzip", Content_Type="application/json")
        assert answer.status == 400


class TestMethods:
    @pytest.mark.parametrize(
        ("method", "command"),
        [
            ("POST", "get"),
            ("GET", "create"),
            ("PUT", "create"),
            ("POST", "write_file"),
            ("GET", "set"),
            ("DELETE", "get"),
        ],
    )
    def test_that_do_not_fit_are_refused(self, proxy: ProxyServer, method: str, command: str) -> None:
        """PUT with input, POST to change, GET to read; anything else is 405."""
        answer = ask(proxy, method, f"/api/v4/{command}", X_YT_Parameters='{"path": "//home/x"}')
        assert answer.status == 405
        assert not proxy.cypress.exists("//home/x")


class TestEncodings:
    def test_of_answers_follow_what_is_accepted(self, proxy: ProxyServer) -> None:
        """The first acceptable encoding is used: gzip or none."""
        for accept, used in (
            ("gzip, identity", "gzip"),
            ("identity, gzip", "identity"),
            ("br, gzip", "gzip"),
            ("", "identity"),
        ):
            answer = ask(
                proxy, "GET", "/api/v4/get", X_YT_Parameters='{"path": "//home/@type"}', Accept_Encoding=accept
            )
            assert answer.headers["Content-Encoding"] == used
            body = gzip.decompress(answer.body) if used == "gzip" else answer.body
            assert json.loads(body) == {"value": "map_node"}

    def test_of_bodies_may_be_gzip_or_zlib(self, proxy: ProxyServer) -> None:
        """Both streams that are called gzip are understood."""
        for pack in (gzip.compress, zlib.compress):
            path = json.dumps({"path": "//home/@x"})
            answer = ask(proxy, "PUT", "/api/v4/set", pack(b"17"), Content_Encoding="gzip", X_YT_Parameters=path)
            assert answer.status == 200
            assert proxy.cypress.get("//home/@x") == 17

    def test_that_are_unknown_are_unsupported(self, proxy: ProxyServer) -> None:
        """Brotli is not available here: 415."""
        answer = ask(proxy, "PUT", "/api/v4/set", b"x", Content_Encoding="br", X_YT_Parameters='{"path": "//home/@x"}')
        assert answer.status == 415

    def test_that_break_off_are_errors(self, proxy: ProxyServer) -> None:
        """A truncated or mangled stream writes nothing."""
        proxy.cypress.write("//home/f", b"old")
        for body in (gzip.compress(b"x" * 1000)[:-12], b"not gzip at all"):
            answer = ask(
                proxy,
                "PUT",
                "/api/v4/write_file",
                body,
                Content_Encoding="gzip",
                X_YT_Parameters='{"path": "//home/f"}',
            )
            assert answer.status == 400
        assert proxy.cypress.read("//home/f") == b"old"


class TestErrors:
    def test_have_code_message_attributes_and_causes(self, proxy: ProxyServer) -> None:
        """An error is in the headers and in the body, with what caused it inside."""
        answer = ask(proxy, "GET", "/api/v4/get", X_YT_Parameters='{"path": "//home/zzz"}')
        assert (answer.status, answer.code) == (400, 500)
        assert answer.headers["X-YT-Response-Message"] == "Error resolving path //home/zzz"
        error = answer.value
        assert isinstance(error, dict)
        assert error["attributes"]["method"] == "Get"
        assert error["attributes"]["path"] == "//home/zzz"
        (inner,) = error["inner_errors"]
        assert inner["code"] == 500
        assert inner["message"] == 'Node //home has no child with key "zzz"'

    def test_fit_into_headers_whatever_they_say(self, proxy: ProxyServer) -> None:
        """Line ends and foreign letters in a path do not break the answer."""
        answer = ask(proxy, "GET", "/api/v4/get", X_YT_Parameters=json.dumps({"path": "//home/a\nb: c\u00d0\u00b9"}))
        assert answer.status == 400
        assert answer.headers["X-YT-Response-Message"].isascii()

    def test_before_the_body_reach_a_client_that_is_still_sending(self, proxy: ProxyServer) -> None:
        """A refused upload of many megabytes gets its answer, not a broken pipe."""
        with connect(proxy) as client:
            proxy.cypress.write("//home/f", b"old")
            holder = proxy.cypress.start_transaction()
            proxy.cypress.lock("//home/f", holder)
            with pytest.raises(yt.wrapper.YtResponseError) as error:
                client.write_file("//home/f", b"x" * 20_000_000)
            assert error.value.contains_code(402)


def test_a_download_goes_in_frames_to_whoever_accepts_them(proxy: ProxyServer) -> None:
    """As ytsaurus-client does when nobody tells it otherwise, which reads them in other tests."""
    proxy.cypress.write("//home/f", b"abc")
    path = "/api/v4/read_file?path=//home/f"
    whole, framed = ask(proxy, "GET", path), ask(proxy, "GET", path, X_YT_Accept_Framing="1")
    assert (whole.headers["X-YT-Framing"], whole.body) == (None, b"abc")
    assert (framed.headers["X-YT-Framing"], framed.body) == ("1", b"\x02\x01\x03\x00\x00\x00abc")


class TestConnections:
    def test_are_kept_alive(self, proxy: ProxyServer) -> None:
        """One connection serves many requests, also after errors."""
        connection = http.client.HTTPConnection("localhost", proxy.port)
        headers = {"Authorization": f"OAuth {TOKEN}"}
        for path in ("//home", "//zzz", "//tmp"):
            connection.request("GET", f"/api/v4/exists?path={path}", headers=headers)
            assert connection.getresponse().read()
        connection.request("GET", "/api/v4/get?path=//zzz", headers=headers)
        assert connection.getresponse().read()
        connection.close()
        assert {record.connection for record in proxy.log.requests()} == {0}

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"\x00\x01\x02\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /api HTTP/9.9\r\n\r\n",
            b"PUT /api/v4/set HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            b"PUT /api/v4/set HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"PUT /api/v4/set HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
        ],
    )
    def test_with_garbage_do_not_stop_the_proxy(self, proxy: ProxyServer, request_bytes: bytes) -> None:
        """Whatever comes, the next request is served."""
        with socket.create_connection(("localhost", proxy.port)) as raw:
            raw.sendall(request_bytes)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
        assert ask(proxy, "GET", "/api/v4/exists?path=//home").value == {"value": True}

    def test_to_a_control_proxy_are_sent_elsewhere_for_heavy_work(self) -> None:
        """A proxy that serves no heavy requests says so with 503, or who does where there is no body to lose."""
        with ProxyServer(serves_heavy=False) as proxy:
            answer = ask(proxy, "PUT", "/api/v4/write_file", b"x", X_YT_Parameters='{"path": "//home/f"}')
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "60"
            proxy.hosts = ["data:80"]
            answer = ask(proxy, "GET", "/api/v4/read_file?path=//home/f")
            assert (answer.status, answer.headers["Location"]) == (307, "http://data:80/api/v4/read_file?path=//home/f")


def test_version_3_answers_without_envelopes(proxy: ProxyServer) -> None:
    """The older API gives values bare and calls transactions tx."""
    with connect(proxy, api_version="v3") as client:
        node_id = client.create("map_node", "//home/a")
        assert client.get("//home/a/@id") == node_id
        with client.Transaction(ping=False):
            client.set("//home/a/@x", 1)
        assert client.get("//home/a/@x") == 1
        assert client.exists("//home/a")


@pytest.mark.parametrize("structured", ["json", "yson"])
def test_both_formats_serve_the_client(proxy: ProxyServer, structured: str) -> None:
    """The client works in JSON as well as in text YSON, with foreign letters."""
    with connect(proxy) as client:
        client.config["proxy"]["header_format"] = structured
        client.set("//home/@й", "naïve")
        assert client.get("//home/@й") == "naïve"
        client.create("map_node", "//home/a", attributes={"ключ": [1, "é"]})
        assert client.get("//home/a/@ключ") == [1, "é"]


def test_the_log_records_everything_but_secrets(proxy: ProxyServer) -> None:
    """Who asked what, with how many bytes; no token, no password."""
    proxy.cypress.write("//home/f", b"")
    with connect(proxy) as client:
        client.write_file("//home/f", b"12345", force_create=False)
    submitted = {"operation_type": "vanilla", "spec": {"secure_vault": {"key": "hidden-value"}}}
    ask(proxy, "POST", "/api/v4/start_operation", json.dumps(submitted).encode())
    (write,) = proxy.log.of("write_file")
    assert (write.user, write.body_bytes, write.status, write.path) == ("tester", 5, 200, "//home/f")
    assert write.transaction_id is not None
    everything = "".join(map(repr, proxy.log.requests(pings=True))) + repr(proxy.tokens)
    assert TOKEN not in everything
    assert "hidden-value" not in everything
    assert proxy.cypress.operations[0].spec == {"secure_vault": {"key": "hidden-value"}}


def test_an_older_server_does_not_know_newer_commands() -> None:
    """A command that is missing is an unknown one, and is not listed."""
    with ProxyServer(missing_commands=["get_current_user"]) as proxy, connect(proxy) as client:
        described = ask(proxy, "GET", "/api/v4").value
        assert isinstance(described, list)
        names = [each["name"] for each in described]
        assert "get_current_user" not in names
        assert "get" in names
        answer = ask(proxy, "GET", "/api/v4/get_current_user")
        assert answer.status == 404
        assert client.get("//home") == {}
