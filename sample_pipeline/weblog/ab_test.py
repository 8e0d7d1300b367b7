"""Which variant of an experiment (an A/B test) a visitor sees. The name ends like that of a test, but this is none."""

import hashlib


def variant_of(visitor: str, experiment: str) -> str:
    """Return `a` or `b`, always the same for one visitor of one experiment."""
    return "ab"[hashlib.sha256(f"{experiment}:{visitor}".encode()).digest()[0] % 2]
