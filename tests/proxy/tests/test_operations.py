"""Operations submitted to the test proxy: what was asked for can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yt.wrapper
from proxy import Code, ProxyServer
from yt.common import YtResponseError

if TYPE_CHECKING:
    from yt.wrapper import YtClient


def test_a_vanilla_operation_keeps_its_tasks(proxy: ProxyServer, client: YtClient) -> None:
    """The client runs an operation to its end, and the spec is what it sent."""
    proxy.cypress.write("//home/source.tar.gz", b"x")
    builder = yt.wrapper.VanillaSpecBuilder().begin_task("work").command("./run.sh").job_count(2)
    operation = client.run_operation(builder.file_paths(["//home/source.tar.gz"]).end_task())
    (submitted,) = proxy.cypress.operations
    assert submitted.id == operation.id
    assert (submitted.type, submitted.user, submitted.transaction_id) == ("vanilla", "tester", None)
    tasks = submitted.spec["tasks"]
    assert isinstance(tasks, dict)
    assert tasks["work"]["command"] == "./run.sh"
    assert tasks["work"]["job_count"] == 2
    assert [str(path) for path in tasks["work"]["file_paths"]] == ["//home/source.tar.gz"]
    assert operation.get_state().name == "completed"


def test_a_map_keeps_its_tables_and_files(proxy: ProxyServer, client: YtClient) -> None:
    """A map over tables is recorded with its mapper, in the transaction around it."""
    proxy.cypress.create("table", "//home/in")
    with client.Transaction(ping=False) as around:
        client.run_map("cat", "//home/in", "//home/out", format="json", local_files=None)
        (submitted,) = proxy.cypress.operations
        assert submitted.transaction_id == around.transaction_id
    assert submitted.type == "map"
    mapper = submitted.spec["mapper"]
    assert isinstance(mapper, dict)
    assert mapper["command"] == "cat"
    assert client.exists("//home/out")


def test_what_is_no_operation_is_refused(proxy: ProxyServer, client: YtClient) -> None:
    """Unknown types and ids are errors."""
    with pytest.raises(YtResponseError) as error:
        client.get_operation("1-2-103e8-4")
    assert error.value.contains_code(Code.NO_SUCH_OPERATION)
    assert proxy.cypress.operations == []
