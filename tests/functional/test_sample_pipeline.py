"""The sample pipeline under YT Framework itself: in dev mode, and job by job as a cluster runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from pipelines import SAMPLE

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11"),
]

BROKEN_LINE = "not a line of the combined format: '198.51.100.7 - - [12/Nov/2026:09:1'"


def copy_of_sample(directory: Path) -> Path:
    """Copy what a fresh clone holds; dev mode writes into the pipeline's directory."""
    left_over = shutil.ignore_patterns(".dev", ".build", "dist", "__pycache__", "secrets.env")
    return shutil.copytree(SAMPLE, directory / "sample_pipeline", ignore=left_over)


def run_pipeline(pipeline: Path, requirements: Path) -> subprocess.CompletedProcess[str]:
    """Run `python pipeline.py`; jobs take the first `python3` of the PATH, and find the installed requirements."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "pipeline.py"],
        cwd=pipeline,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(requirements)},
        capture_output=True,
        text=True,
        check=False,
    )


def run_job(command: str, sandbox: Path, python: Path, rows: bytes, *path: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a directory that holds the archive, with a Python that has nothing but what `path` adds."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=sandbox,
        env={
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(str(directory) for directory in path),
        },
        input=rows,
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without a single package."""
    directory = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return directory / "bin" / "python3"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, requirements: Path) -> Path:
    """A copy of the sample in which the pipeline ran; YT Framework left its archive in `.build`."""
    pipeline = copy_of_sample(tmp_path_factory.mktemp("dev"))
    run = run_pipeline(pipeline, requirements)
    assert run.returncode == 0, run.stdout + run.stderr
    return pipeline


@pytest.fixture
def sandbox(tmp_path: Path, finished: Path) -> Path:
    """A directory that holds `source.tar.gz` and nothing else, as a job finds it."""
    directory = tmp_path / "sandbox"
    directory.mkdir()
    shutil.copy(finished / ".build" / "source.tar.gz", directory)
    return directory


@pytest.mark.parametrize("table", ["hits", "sessions", "countries"])
def test_dev_mode_fills_the_expected_tables(finished: Path, table: str) -> None:
    """`python pipeline.py` writes, row by row, what lies beside the data."""
    assert (finished / ".dev" / f"{table}.jsonl").read_bytes() == (SAMPLE / f"data/expected_{table}.jsonl").read_bytes()


def test_the_report_counts_the_sessions_of_each_country(finished: Path) -> None:
    """The expected tables themselves say what can be counted by hand in the twenty lines."""
    rows = [json.loads(line) for line in (finished / ".dev/countries.jsonl").read_text().splitlines()]
    assert {row["country"]: (row["sessions"], row["visitors"], row["pages"]) for row in rows} == {
        "BR": (1, 1, 1),
        "DE": (2, 1, 2),
        "IN": (1, 1, 1),
        "JP": (1, 1, 1),
        "KE": (1, 1, 2),
        "NL": (3, 2, 5),
        "ZZ": (1, 1, 1),
    }


def test_overlapping_networks_stop_the_pipeline(tmp_path: Path, requirements: Path) -> None:
    """The vanilla job finds the overlap in the archive, and no later stage runs."""
    pipeline = copy_of_sample(tmp_path)
    with (pipeline / "lib/geo/networks.tsv").open("a") as table:
        table.write("192.0.2.0/26\tFR\n")
    run = run_pipeline(pipeline, requirements)
    assert run.returncode == 1
    assert "192.0.2.0/25 and 192.0.2.0/26 overlap" in (pipeline / ".dev/check_networks.log").read_text()
    assert not (pipeline / ".dev/requests.jsonl").exists()


def test_the_archive_leaves_out_what_the_ignore_files_name(finished: Path) -> None:
    """Apart from ytjobs and the wrappers, YT Framework packs these files, and the tree holds more."""
    with tarfile.open(finished / ".build/source.tar.gz") as archive:
        names = {name for name in archive.getnames() if not name.startswith(("ytjobs/", "operation_wrapper_"))}
    # YT Framework imports modules to find them, and packs the bytecode that its import has left.
    names = {name for name in names if "__pycache__" not in name}
    assert names == {
        "geo/__init__.py",
        "geo/networks.tsv",
        "stages/build_sessions/config.yaml",
        "stages/build_sessions/src/partition_hits.py",
        "stages/build_sessions/src/reducer_countries.py",
        "stages/build_sessions/src/reducer_sessions.py",
        "stages/check_networks/config.yaml",
        "stages/check_networks/src/vanilla.py",
        "stages/parse_requests/config.yaml",
        "stages/parse_requests/src/mapper.py",
        "weblog/__init__.py",
        "weblog/ab_test.py",
        "weblog/job.py",
        "weblog/parse.py",
        "weblog/rows.py",
        "weblog/sessions.py",
    }
    for ignored in (
        "lib/geo/networks_draft.tsv",
        "stages/parse_requests/src/samples/odd_lines.jsonl",
        "weblog/explore.ipynb",
        "weblog/parse_test.py",
    ):
        assert (finished / ignored).is_file()


def test_the_map_job_turns_lines_into_hits(sandbox: Path, bare_python: Path, requirements: Path) -> None:
    """Rows in, rows out, and remarks on standard error alone, with a Python that holds only the requirement."""
    command = "set -e; tar -xzf source.tar.gz; ./operation_wrapper_parse_requests_map.sh"
    job = run_job(command, sandbox, bare_python, (SAMPLE / "data/requests.jsonl").read_bytes(), requirements)
    assert job.stderr.decode().splitlines() == [BROKEN_LINE, "20 lines: 15 hits, 1 broken, 4 of no interest"]
    assert job.returncode == 0
    assert job.stdout == (SAMPLE / "data/expected_hits.jsonl").read_bytes()


def test_the_map_job_survives_odd_lines_and_no_lines(sandbox: Path, bare_python: Path, requirements: Path) -> None:
    """Lines of another format are counted and dropped; an empty table gives an empty one."""
    command = "set -e; tar -xzf source.tar.gz; ./operation_wrapper_parse_requests_map.sh"
    odd = (SAMPLE / "stages/parse_requests/src/samples/odd_lines.jsonl").read_bytes()
    for rows, last in (
        (odd, "3 lines: 0 hits, 3 broken, 0 of no interest"),
        (b"", "0 lines: 0 hits, 0 broken, 0 of no interest"),
    ):
        job = run_job(command, sandbox, bare_python, rows, requirements)
        assert (job.returncode, job.stdout) == (0, b"")
        assert job.stderr.decode().splitlines()[-1] == last


def test_the_map_job_needs_its_requirement(sandbox: Path, bare_python: Path) -> None:
    """The requirement is really used: without it the job fails and names it."""
    command = "set -e; tar -xzf source.tar.gz; ./operation_wrapper_parse_requests_map.sh"
    job = run_job(command, sandbox, bare_python, b"")
    assert job.returncode != 0
    assert "No module named 'ruamel'" in job.stderr.decode()


def test_the_map_reduce_jobs_turn_hits_into_sessions(sandbox: Path, bare_python: Path) -> None:
    """Mapper, sort and reducer in one pipe, with a Python that holds nothing at all."""
    command = (
        "set -eo pipefail; tar -xzf source.tar.gz; ./operation_wrapper_build_sessions_map_reduce_mapper.sh"
        " | LC_ALL=C sort | ./operation_wrapper_build_sessions_map_reduce_reducer.sh"
    )
    job = run_job(command, sandbox, bare_python, (SAMPLE / "data/expected_hits.jsonl").read_bytes())
    assert (job.returncode, job.stderr) == (0, b"")
    assert job.stdout == (SAMPLE / "data/expected_sessions.jsonl").read_bytes()


def test_the_reduce_job_turns_sessions_into_the_report(sandbox: Path, bare_python: Path) -> None:
    """Given sessions sorted by country, the reducer writes the report."""
    lines = (SAMPLE / "data/expected_sessions.jsonl").read_text().splitlines(keepends=True)
    rows = "".join(sorted(lines, key=lambda line: str(json.loads(line)["country"])))
    command = "set -e; tar -xzf source.tar.gz; ./operation_wrapper_build_sessions_reduce.sh"
    job = run_job(command, sandbox, bare_python, rows.encode())
    assert (job.returncode, job.stderr) == (0, b"")
    assert job.stdout == (SAMPLE / "data/expected_countries.jsonl").read_bytes()


def test_the_vanilla_job_checks_the_networks_of_the_archive(sandbox: Path, requirements: Path) -> None:
    """It uses ytjobs, so it runs with the Python that has YT Framework; it writes nothing to standard output."""
    command = "set -e; tar -xzf source.tar.gz; ./operation_wrapper_check_networks_vanilla.sh"
    job = run_job(command, sandbox, Path(sys.executable), b"", requirements)
    assert (job.returncode, job.stdout) == (0, b"")
    assert b"6 networks are in order" in job.stderr


def test_the_tests_of_the_sample_pass(tmp_path: Path) -> None:
    """What stays out of the archive still works."""
    pipeline = copy_of_sample(tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "weblog/parse_test.py"],
        cwd=pipeline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "8 passed" in run.stdout
