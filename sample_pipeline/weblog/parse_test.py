"""Tests of weblog.parse: `python -m pytest weblog/parse_test.py`. The archive does not hold them."""

from datetime import datetime, timezone

import pytest

from weblog.parse import BrokenLineError, parse_line

LINE = '192.0.2.17 - - [12/Nov/2026:12:14:03 +0300] "GET /caf%C3%A9?a=1 HTTP/1.1" 200 - "-" "Browser/1.0"'


def test_reads_every_field():
    request = parse_line(LINE)
    assert (request.address, request.status, request.size) == ("192.0.2.17", 200, 0)
    assert request.path == "/café"
    assert request.time == datetime(2026, 11, 12, 9, 14, 3, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET / HTTP/1.1",
        LINE.replace("Nov", "Non"),
        LINE.replace("12/Nov", "31/Nov"),
        LINE.replace("192.0.2.17", "192.0.2.256"),
        LINE.replace("/caf", "//[caf"),
        LINE + "x",
    ],
)
def test_refuses_what_is_not_a_request(line):
    with pytest.raises(BrokenLineError):
        parse_line(line)
