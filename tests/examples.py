"""How many examples hypothesis draws: as many as the suite has time for, and `YTUPLOAD_FUZZ_EXAMPLES` for more."""

from __future__ import annotations

import os

EXAMPLES = int(os.environ.get("YTUPLOAD_FUZZ_EXAMPLES", "100"))
"""Of a test that says nothing else."""

IS_LONG = EXAMPLES > 100
"""Somebody takes the time for whole matrices, of which the suite has each row and each column."""


def examples(percent: int) -> int:
    """Return how many examples a test draws that is so much cheaper, or dearer, than others."""
    return max(1, EXAMPLES * percent // 100)
