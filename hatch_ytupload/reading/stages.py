"""Which operations an archive offers, read from the wrapper scripts in it, whoever built it."""

from __future__ import annotations

import re
import shlex

from hatch_ytupload.archive_layout import BOOTSTRAP

_START = re.compile(r"(?m)^(?:exec )?python3? (.+)$")


def started_script(wrapper: bytes) -> str | None:
    r"""Return the path of the Python file that a wrapper script starts; None: it cannot be told.

    >>> started_script(b"#!/bin/bash\nset -e\nexec python3 stages/parse/src/mapper.py\n")
    'stages/parse/src/mapper.py'
    >>> started_script(b"exec python3 -I operation_bootstrap.py parse stages/parse/src/mapper.py\\n")
    'stages/parse/src/mapper.py'
    """
    match = _START.search(wrapper.decode("utf-8", "replace"))
    try:
        words = shlex.split(match[1]) if match else []
    except ValueError:
        return None
    if words[:2] == ["-I", BOOTSTRAP]:
        words = words[3:]
    return words[0] if words and words[0].endswith(".py") else None
