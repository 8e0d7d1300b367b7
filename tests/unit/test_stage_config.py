"""A stage's config is asked for what YT Framework reads there, and never stops a job."""

from __future__ import annotations

import pytest

from hatch_ytupload.planning.stage_config import StageConfig

CONFIG = b"""
client:
  operations:
    map_reduce:
      input_table: //home/x/hits
      output_table: //home/x/sessions/
      reduce_by: [visitor]
      sort_by: [visitor, time]
      env: {ONE: 1, TWO: null, "A=B": c}
    reduce:
      reduce_by: country
"""


def test_keys_tables_and_variables_are_found() -> None:
    """For both legs of a map-reduce in its own section."""
    config = StageConfig("s", CONFIG)
    for operation in ("map_reduce", "map_reduce_mapper", "map_reduce_reducer"):
        assert config.sort_by(operation) == ("visitor", "time")
        assert config.tables(operation) == ("hits", "sessions")
        assert config.variables(operation) == [("ONE", "1")]
    assert config.sort_by("reduce") == ("country",)
    assert config.tables("reduce") == (None, None)


@pytest.mark.parametrize(
    "content", [None, b"", b"[1]", b"client: [", b"client: {operations: 3}", b"\xff", b"client: x"]
)
def test_a_config_without_answers_has_none(content: bytes | None) -> None:
    """A job that does not read it runs with a broken one, too."""
    config = StageConfig("s", content)
    assert config.sort_by("reduce") == ()
    assert config.tables("map") == (None, None)
    assert config.variables("map") == []


def test_a_config_that_does_not_parse_says_why() -> None:
    """With the name of the file in the archive."""
    assert "`stages/s/config.yaml` is not valid YAML: line " in str(StageConfig("s", b"a: [").problem)
    assert StageConfig("s", CONFIG).problem is None
