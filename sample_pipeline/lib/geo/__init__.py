"""Which country an address belongs to, from the table beside this file."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("networks.tsv")
UNKNOWN = "ZZ"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def load_networks() -> list[tuple[Network, str]]:
    """Read the table: one network and its country in each line, `#` begins a comment."""
    networks = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            network, country = line.split("\t")
            networks.append((ipaddress.ip_network(network), country))
    return networks


@lru_cache(maxsize=1)
def _networks() -> tuple[tuple[Network, str], ...]:
    return tuple(load_networks())


def country_of(address: str) -> str:
    """Return the country of an address, `ZZ` where no network holds it; raise ValueError for what is no address."""
    parsed = ipaddress.ip_address(address)
    return next((country for network, country in _networks() if parsed in network), UNKNOWN)
