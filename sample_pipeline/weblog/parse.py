"""One line of a web server's log, in the combined format, becomes one request."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote, urlsplit

LINE = re.compile(
    r"(?P<address>\S+) \S+ \S+ "
    r"\[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d) (?P<zone>[+-]\d{4})\] "
    r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[\d.]+" (?P<status>\d{3}) (?P<size>\d+|-) '
    r'"[^"]*" "(?P<agent>[^"]*)"'
)
# strptime's %b depends on the locale of the machine that runs the job.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class BrokenLineError(ValueError):
    """A line that is not one of the format."""


@dataclass(frozen=True)
class Request:
    """What a line says; `time` is in seconds since 1970, UTC."""

    address: str
    time: int
    path: str
    status: int
    size: int
    agent: str

    @property
    def visitor(self) -> str:
        """An address and a browser make a visitor; the address itself goes no further."""
        return hashlib.sha256(f"{self.address}\n{self.agent}".encode()).hexdigest()[:12]


def parse_line(line: str) -> Request:
    """Return the request of a line.

    Raises:
        BrokenLineError: the line has another format.
    """
    found = LINE.fullmatch(line.rstrip("\r\n"))
    if found is None or found["month"] not in MONTHS:
        raise BrokenLineError(f"not a line of the combined format: {line[:80]!r}")
    try:
        address = str(ipaddress.ip_address(found["address"]))
        time = _seconds(found)
        path = unquote(urlsplit(found["target"]).path)
    except ValueError as error:
        raise BrokenLineError(f"{error} in {line[:80]!r}") from error
    return Request(
        address=address,
        time=time,
        path=path,
        status=int(found["status"]),
        size=0 if found["size"] == "-" else int(found["size"]),
        agent=found["agent"],
    )


def _seconds(found: re.Match[str]) -> int:
    hour, minute, second = (int(part) for part in found["clock"].split(":"))
    zone = found["zone"]
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    moment = datetime(
        int(found["year"]),
        MONTHS.index(found["month"]) + 1,
        int(found["day"]),
        hour,
        minute,
        second,
        tzinfo=timezone(-offset if zone[0] == "-" else offset),
    )
    return int(moment.timestamp())
