"""The worked example of docs/yt-framework.md, run as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pipelines import CHECKOUT, clean_environment, make_pipeline
from proxy import ProxyServer

from hatch_ytupload import OPERATIONS, operation_command, operation_files
from hatch_ytupload.releases.publish_bundle import publish_bundle

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.functional

FOLDER = "//home/sample_pipeline/build"


def example() -> str:
    """Return the code of the page's last section."""
    page = (CHECKOUT / "docs" / "yt-framework.md").read_text(encoding="utf-8")
    _, _, section = page.rpartition("## Operations without YT Framework")
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return str(code)


def test_the_example_submits_operations_that_mount_the_published_archive(tmp_path: Path) -> None:
    """Each kind of operation: the file is the published one, and the commands are those of its wrappers."""
    pipeline = make_pipeline(tmp_path / "demo")
    with ProxyServer() as proxy:
        built = pipeline.build()
        pipeline.write({"configs/secrets.env": f"YT_TOKEN={proxy.token}\n"})
        settings = pipeline.settings(mode="prod", proxy=proxy.address, build_folder=FOLDER)
        publish_bundle(settings, built.archive)
        for table in ("requests", "hits", "sessions", "countries"):
            proxy.cypress.create("table", f"//home/sample_pipeline/{table}")
        subprocess.run(
            [sys.executable, "-c", example()],
            env=clean_environment(PYTHONPATH=str(CHECKOUT), YT_PROXY=proxy.address, YT_TOKEN=proxy.token),
            check=True,
        )
        specs: dict[str, Any] = {operation.type: operation.spec for operation in proxy.cypress.operations}
        jobs = {
            ("check_networks", "vanilla"): specs["vanilla"]["tasks"]["check_networks"],
            ("parse_requests", "map"): specs["map"]["mapper"],
            ("build_sessions", "map_reduce_mapper"): specs["map_reduce"]["mapper"],
            ("build_sessions", "map_reduce_reducer"): specs["map_reduce"]["reducer"],
            ("build_sessions", "reduce"): specs["reduce"]["reducer"],
        }
        for (stage, operation), job in jobs.items():
            assert [str(path) for path in job["file_paths"]] == operation_files(FOLDER)
            assert job["command"] == operation_command(stage, operation)
        assert proxy.cypress.read(operation_files(FOLDER)[0]) == pipeline.archive().read_bytes()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_command_runs_the_wrapper_in_a_sandbox_with_the_archive(tmp_path: Path, operation: str) -> None:
    """A directory that holds the mounted file alone, rows on standard input, rows on standard output."""
    script = "import sys\nsys.stdout.write(sys.argv[0] + ' ' + sys.stdin.read())\n"
    names = ("mapper.py", "reducer.py", "vanilla.py")
    pipeline = make_pipeline(tmp_path / "demo", {f"stages/first/src/{name}": script for name in names})
    built = pipeline.build()
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    (sandbox / "source.tar.gz").symlink_to(built.archive)
    done = subprocess.run(
        ["bash", "-c", operation_command("first", operation)],
        cwd=sandbox,
        env=clean_environment(),
        input="rows",
        capture_output=True,
        text=True,
        check=True,
    )
    kind = {"map": "mapper", "map_reduce_mapper": "mapper", "vanilla": "vanilla"}.get(operation, "reducer")
    assert done.stdout == f"stages/first/src/{kind}.py rows"


def test_a_stage_with_an_odd_name_is_quoted() -> None:
    """Whatever it is called, the shell sees one word."""
    (_, _, script) = shlex.split(operation_command("it's; rm -rf x", "map"))
    assert shlex.split(script)[-1] == "./operation_wrapper_it's; rm -rf x_map.sh"


def test_what_there_is_not_is_refused() -> None:
    """An unknown operation, and what is no folder in Cypress, with what is expected."""
    with pytest.raises(ValueError, match="one of map, vanilla, map_reduce_mapper, map_reduce_reducer, reduce"):
        operation_command("first", "map_reduce")
    with pytest.raises(ValueError, match="`build_folder` must be the path of a Cypress folder"):
        operation_files("home/build")


def test_a_release_has_an_archive_of_its_own() -> None:
    """Slashes at the end of the folder make no difference."""
    assert operation_files("//b/", "1.0-0123456789ab") == ["//b/releases/1.0-0123456789ab/source.tar.gz"]
