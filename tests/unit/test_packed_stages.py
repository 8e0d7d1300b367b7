"""What wrapper scripts and requirements files say about an archive."""

from __future__ import annotations

import pytest

from hatch_ytupload.archive_layout import packed_operation, wrapper_name
from hatch_ytupload.planning.wrappers import wrapper_text
from hatch_ytupload.reading.stages import included_files, joined, requirement_files, started_script


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


def test_included_requirements_are_followed_as_far_as_they_are_packed() -> None:
    """Relative to the file that names them, in circles too."""
    files = {
        "stages/s/requirements.txt": b"-r ../common.txt\n--constraint=limits.txt\n-r gone.txt\n",
        "stages/common.txt": b"-r s/requirements.txt\nnumpy\n",
        "stages/s/limits.txt": b"numpy<3\n",
        "stages/t/requirements.txt": b"pandas\n",
    }
    assert set(requirement_files(files, "s")) == set(files) - {"stages/t/requirements.txt"}
    assert included_files("stages/s/requirements.txt", files["stages/s/requirements.txt"])[2] == (
        "stages/s/gone.txt",
        3,
    )


def test_a_path_that_leads_out_keeps_what_leads_out() -> None:
    """It is then found nowhere in the archive."""
    assert joined("stages/s", "../../../x.txt") == "../x.txt"
    assert joined("a", "./b/../c") == "a/c"
