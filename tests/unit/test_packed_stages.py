"""What wrapper scripts say about an archive."""

from __future__ import annotations

import pytest

from hatch_ytupload.archive_layout import packed_operation, wrapper_name
from hatch_ytupload.planning.wrappers import started_script, wrapper_text


@pytest.mark.parametrize(
    "stage", ["parse", "a_map", "a_map_reduce", "map", "reduce_mapper", "x.y-z", "vanilla_vanilla"]
)
@pytest.mark.parametrize("operation", ["map", "vanilla", "map_reduce_mapper", "map_reduce_reducer", "reduce"])
def test_the_name_of_a_wrapper_tells_stage_and_operation(stage: str, operation: str) -> None:
    """Stages that are called like operations are told apart from them."""
    found, name, wrapper = packed_operation(wrapper_name(stage, operation)) or ("", "", "")
    assert (found, name, wrapper) == (stage, operation, wrapper_name(stage, operation))


def test_what_only_looks_like_a_wrapper_is_none() -> None:
    """Not in a directory, not with another suffix or operation."""
    assert not any(
        map(packed_operation, ["a/operation_wrapper_s_map.sh", "operation_wrapper_s_sort.sh", "wrapper_s_map.sh"])
    )


def test_the_script_that_a_wrapper_starts_is_read_from_it() -> None:
    """Ours and YT Framework's, and one whose name is quoted."""
    assert started_script(wrapper_text("s", "map", "my file.py").encode()) == "stages/s/src/my file.py"
    assert started_script(b"\n#!/bin/bash\nset -e\npython3 stages/s/src/mapper.py\n") == "stages/s/src/mapper.py"
    assert started_script(b"#!/bin/bash\nexec ./binary\n") is None
    assert started_script(b"exec python3 'open") is None
