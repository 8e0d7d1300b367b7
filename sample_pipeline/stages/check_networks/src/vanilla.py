"""Checks the table of networks: enough of them, countries of two letters, no network inside another."""

import re
from itertools import combinations

import geo
from weblog.job import load_job_config
from ytjobs import get_config_path, get_logger

logger = get_logger("check_networks")


def problems(networks, min_networks):
    if len(networks) < min_networks:
        yield f"{len(networks)} networks, expected at least {min_networks}"
    for network, country in networks:
        if not re.fullmatch("[A-Z]{2}", country):
            yield f"{network} has the country {country!r}"
    for (one, _), (other, _) in combinations(networks, 2):
        if one.version == other.version and one.overlaps(other):
            yield f"{one} and {other} overlap"


def main():
    networks = geo.load_networks()
    found = list(problems(networks, **load_job_config(get_config_path())))
    for problem in found:
        logger.error(problem)
    if found:
        raise SystemExit(1)
    logger.info("%d networks are in order", len(networks))


if __name__ == "__main__":
    main()
