"""YT Framework as the judge: what its 1.4 packs correctly we pack the same, and its own command runs our archives.

Where we differ on purpose stands in `framework_differences.toml`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from checkout import COMMAND_LINE, install_into, installing_environment, make_environment, run
from examples import examples
from framework_builds import Framework
from hypothesis import given, settings
from hypothesis import strategies as st
from pipelines import MAPPER, SAMPLE, Pipeline, clean_environment, contents, make_pipeline

from hatch_ytupload.errors import YtUploadError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11"),
]

TABLE = Path(__file__).with_name("framework_differences.toml")
DIFFERENCES: list[dict[str, Any]] = []
if sys.version_info >= (3, 11):
    DIFFERENCES = import_module("tomllib").loads(TABLE.read_text(encoding="utf-8"))["difference"]

PATHS = [{"source": "lib", "target": "shared"}, {"source": "data/./tables"}]
MODULES = ["own", "other.sub"]


@pytest.fixture(scope="module")
def framework() -> Iterator[Framework]:
    """Run a YT Framework that waits for pipelines."""
    found = Framework.start()
    yield found
    found.stop()


def is_wrapper(path: str) -> bool:
    """Tell whether a member is a wrapper script."""
    return re.fullmatch(r"operation_wrapper_[^/]+\.sh", path) is not None


def wrappers(packed: dict[str, bytes]) -> list[str]:
    """Return `<stage>_<operation>` of all wrapper scripts."""
    return sorted(path[len("operation_wrapper_") : -len(".sh")] for path in packed if is_wrapper(path))


def files(packed: dict[str, bytes]) -> dict[str, bytes]:
    """Return everything but wrapper scripts and metadata; `ytjobs` without what Python compiled where it lies."""
    return {
        path: content
        for path, content in packed.items()
        if not is_wrapper(path)
        and not (path.startswith("ytjobs/") and path.endswith(".pyc"))
        and ".dist-info/" not in path
    }


def theirs(
    framework: Framework, pipeline: Pipeline, output: Path, modules: list[str], paths: list[dict[str, str]]
) -> dict[str, bytes]:
    """Return what the framework packs."""
    error = framework.build(pipeline.root, output, modules, paths)
    assert error is None
    return contents(output / "source.tar.gz")


def ours(pipeline: Pipeline, output: Path, modules: list[str], paths: list[dict[str, str]]) -> dict[str, bytes]:
    """Return what we pack."""
    table = {"upload_modules": modules, "upload_paths": paths}
    return contents(pipeline.build(output / "ours", table).archive)


CORRECT: dict[str, dict[str, str | bytes]] = {
    "map": {"stages/a/src/mapper.py": MAPPER, "stages/a/src/reducer.py": ""},
    "vanilla": {"stages/a/src/vanilla.py": "", "stages/a/config.yaml": "job: {x: 1}\n"},
    "every-operation": {
        "stages/a/src/mapper.py": "",
        "stages/a/src/vanilla.py": "",
        "stages/a/src/reducer_index.py": "",
        "stages/a/src/reducer_mds.py": "",
    },
    "named-scripts": {
        "stages/a/src/mapper.py": "",
        "stages/a/src/cut.py": "",
        "stages/a/src/fold.py": "",
        "stages/a/src/sum.py": "",
        "stages/a/config.yaml": "job:\n  map_reduce_command: {mapper_script: cut.py, reducer_script: fold.py}\n"
        "  reduce_command: {reducer_script: sum.py}\n",
    },
    "many-stages": {f"stages/stage_{number}/src/vanilla.py": f"# {number}\n" for number in range(20)},
    "stage-without-code": {"stages/a/src/vanilla.py": "", "stages/b/stage.py": "", "stages/c/src/notes.txt": "x"},
    "beside-src": {"stages/a/src/vanilla.py": "", "stages/a/stage.py": "", "stages/a/data/x": "", "stages/x.py": ""},
    "modules-and-paths": {
        "stages/a/src/vanilla.py": "",
        "own/__init__.py": "X = 1\n",
        "own/deep/er/data.bin": bytes(range(256)) * 100,
        "other/__init__.py": "",
        "other/sub/__init__.py": "",
        "lib/x.py": "",
        "lib/y/z.txt": "z",
        "data/tables/t.tsv": "1\t2\n",
    },
    "ignored": {
        "stages/a/src/vanilla.py": "",
        "stages/a/src/x.tmp": "",
        "stages/a/src/keep.tmp": "",
        "stages/a/.ytignore": "*.tmp\n!keep.tmp\n# comment\n\n",
        "lib/x.py": "",
        "lib/big/x.bin": "",
        "lib/.ytignore": "big/\n*.log\n",
        "lib/a.log": "",
        ".ytignore": "*.ipynb\n",
        "lib/a.ipynb": "",
    },
    "names": {
        "stages/a/src/vanilla.py": "",
        "lib/имя.txt": "",
        "lib/with space": "",
        "lib/" + "x" * 150: "",
        "lib/-rf": "",
    },
}


@pytest.mark.parametrize("name", CORRECT)
def test_what_the_framework_packs_correctly_we_pack_the_same(framework: Framework, name: str, tmp_path: Path) -> None:
    """The same files with the same bytes, and wrapper scripts of the same names."""
    pipeline = make_pipeline(tmp_path / "demo", CORRECT[name], stage=False, framework=False)
    modules = [module for module in MODULES if (pipeline.root / module.replace(".", "/")).exists()]
    paths = [path for path in PATHS if (pipeline.root / path["source"]).exists()]
    expected = theirs(framework, pipeline, tmp_path, modules, paths)
    packed = ours(pipeline, tmp_path, modules, paths)
    assert files(packed) == files(expected)
    assert len([path for path in packed if path.startswith("ytjobs/")]) > 10
    # Without a reducer the framework makes half of a map-reduce, see the table.
    assert wrappers(packed) == wrappers(expected)


def test_the_sample_pipeline_is_packed_the_same(framework: Framework, tmp_path: Path) -> None:
    """Apart from requirements and locks, which the framework leaves out, and scripts without sense; see the table."""
    ignore = shutil.ignore_patterns(".dev", ".build", "dist", "__pycache__", "secrets.env")
    pipeline = Pipeline(Path(shutil.copytree(SAMPLE, tmp_path / "sample", ignore=ignore)))
    config = yaml.safe_load((SAMPLE / "configs/config.yaml").read_text(encoding="utf-8"))["pipeline"]
    expected = theirs(framework, pipeline, tmp_path, config["upload_modules"], config["upload_paths"])
    packed = contents(pipeline.build(tmp_path / "ours").archive)
    requirements = {path for path in packed if path.endswith("/requirements.txt")}
    assert len(requirements) == 2
    locked = {path for path in packed if path.endswith(("/pylock.toml", "/wheels.txt"))}
    assert len(locked) == 2
    wheels = {path for path in packed if path.startswith("wheels/") or path == "operation_bootstrap.py"}
    assert files(packed) == {**files(expected), **{path: packed[path] for path in requirements | locked | wheels}}
    more = ["build_sessions_map", "parse_requests_map_reduce_mapper"]
    assert sorted([*wrappers(packed), *more]) == wrappers(expected)


NAMES = st.sampled_from(["a", "b", "c", "d_1", "e-2", "f.g", "H", "письмо"])
SUFFIXES = st.sampled_from([".py", ".txt", ".tmp", ""])
PLACES = st.builds(lambda parts, suffix: "/".join(parts) + suffix, st.lists(NAMES, min_size=1, max_size=3), SUFFIXES)
TREES = st.dictionaries(PLACES, st.binary(max_size=20), max_size=6)
PATTERNS = st.lists(st.sampled_from(["*.tmp", "!a.tmp", "*.txt", "a.py", "[bc].txt", "?.txt", "# *"]), max_size=3)


@st.composite
def pipelines(draw: st.DrawFn) -> dict[str, str | bytes]:
    """Return the files of a pipeline without the features in the table of differences."""
    found: dict[str, str | bytes] = {}
    for stage in draw(st.lists(st.sampled_from(["one", "two_2", "Three-3"]), min_size=1, max_size=3, unique=True)):
        found.update({f"stages/{stage}/src/{path}": content for path, content in draw(TREES).items()})
        found[f"stages/{stage}/src/vanilla.py"] = b"v"
        if draw(st.booleans()):
            found.update({f"stages/{stage}/src/mapper.py": b"m", f"stages/{stage}/src/reducer_mds.py": b"r"})
        if draw(st.booleans()):
            found[f"stages/{stage}/config.yaml"] = b"job: {x: 1}\n"
        found[f"stages/{stage}/.ytignore"] = "\n".join(draw(PATTERNS))
    for directory in ("lib", "data/tables"):
        found.update({f"{directory}/{path}": content for path, content in draw(TREES).items()})
        found.update({f"{directory}/always.json": b"{}", f"{directory}/.ytignore": "\n".join(draw(PATTERNS))})
    found[".ytignore"] = "\n".join(draw(PATTERNS))
    # No path may be a file and a directory.
    directories = {str(parent) for path in found for parent in Path(path).parents}
    return {path: content for path, content in found.items() if path not in directories}


@pytest.mark.slow
@given(pipelines())
@settings(max_examples=examples(40))
def test_any_small_pipeline_is_packed_the_same(
    framework: Framework, tmp_path_factory: pytest.TempPathFactory, content: dict[str, str | bytes]
) -> None:
    """Whatever its trees and its ignore files, within what both do alike."""
    directory = tmp_path_factory.mktemp("generated")
    pipeline = make_pipeline(directory / "demo", content, stage=False, framework=False)
    expected = theirs(framework, pipeline, directory, [], PATHS)
    packed = ours(pipeline, directory, [], PATHS)
    assert files(packed) == files(expected)
    assert wrappers(packed) == wrappers(expected)
    shutil.rmtree(directory)


def outcome(packed: dict[str, bytes] | None, error: str) -> dict[str, Any]:
    """Return what came out in the words of the table."""
    if packed is None:
        return {"refuses": error}
    members = sorted(path for path in files(packed) if not path.startswith("ytjobs/"))
    return {"packs": members, "wrappers": wrappers(packed)}


def agrees(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    """Tell whether an outcome is the one in the table; what the table does not say may be anything."""
    if "refuses" in expected:
        return re.search(expected["refuses"], found.get("refuses", "")) is not None
    return all(found.get(key) == sorted(value) for key, value in expected.items())


BY_PIPELINES = [difference for difference in DIFFERENCES if "shown_by" not in difference]


@pytest.mark.parametrize("difference", BY_PIPELINES, ids=lambda found: found["name"])
def test_each_difference_in_the_table_is_real(framework: Framework, difference: dict[str, Any], tmp_path: Path) -> None:
    """Theirs is as the table says, and so is ours, and they are not the same."""
    assert difference["why"].endswith(".")
    pipeline = make_pipeline(tmp_path / "above" / "demo", difference["files"], stage=False, framework=False)
    for path, to in difference.get("links", {}).items():
        pipeline.link(path, to)
    modules, paths = difference.get("modules", []), difference.get("paths", [])

    error = framework.build(pipeline.root, tmp_path, modules, paths)
    found_theirs = outcome(None if error else contents(tmp_path / "source.tar.gz"), error or "")
    try:
        found_ours = outcome(ours(pipeline, tmp_path, modules, paths), "")
    except YtUploadError as problem:
        found_ours = outcome(None, str(problem))

    assert agrees(difference["theirs"], found_theirs), found_theirs
    assert agrees(difference["ours"], found_ours), found_ours
    assert not agrees(difference["ours"], found_theirs)
    assert not agrees(difference["theirs"], found_ours)


def test_the_table_is_in_order() -> None:
    """Every name stands once, and every test that it names exists."""
    names = [difference["name"] for difference in DIFFERENCES]
    assert len(names) == len(set(names))
    for difference in DIFFERENCES:
        if difference not in BY_PIPELINES:
            assert callable(globals()[difference["shown_by"]]), difference["name"]


def test_a_package_brings_what_its_distribution_keeps_beside_it(framework: Framework, tmp_path: Path) -> None:
    """Compiled parts at the top level; the framework knows of the package's directory alone."""
    found = {name: compiled_beside(name) for name in ("cffi", "mypy")}
    name = next((name for name, beside in found.items() if beside), None)
    if name is None:
        pytest.skip("no package here has compiled parts at the top level")
    pipeline = make_pipeline(tmp_path / "demo", framework=False)
    expected = files(theirs(framework, pipeline, tmp_path, [name], []))
    packed = files(ours(pipeline, tmp_path, [name], []))
    assert set(packed) - set(expected) >= found[name]
    expected = {path: content for path, content in expected.items() if not path.endswith(".pyc")}
    assert expected.items() <= packed.items()


def compiled_beside(name: str) -> set[str]:
    """Return the extension modules that an installed distribution keeps at the top level."""
    try:
        paths = distribution(name).files or []
    except PackageNotFoundError:
        return set()
    return {str(path) for path in paths if len(path.parts) == 1 and path.suffix == ".so"}


def test_their_archive_says_when_and_by_whom_it_was_made(framework: Framework, tmp_path: Path) -> None:
    """The time in the gzip header is one of the reasons why their archives of the same content differ."""
    pipeline = make_pipeline(tmp_path / "demo", framework=False)
    theirs(framework, pipeline, tmp_path, [], [])
    time_of_making = slice(4, 8)
    assert (tmp_path / "source.tar.gz").read_bytes()[time_of_making] != bytes(4)
    assert Path(pipeline.build(tmp_path / "ours").archive).read_bytes()[time_of_making] == bytes(4)


class Sandboxes:
    """Two directories of a job, with the archives of the same pipeline."""

    def __init__(self, framework: Framework, directory: Path, files: dict[str, str | bytes]) -> None:
        pipeline = make_pipeline(directory / "demo", files, stage=False, framework=False)
        (directory / "theirs").mkdir()
        theirs(framework, pipeline, directory / "theirs", [], [])
        (directory / "ours").mkdir()
        shutil.copy(pipeline.build(directory / "dist").archive, directory / "ours")
        self._directory = directory

    def run(self, side: str, *command: str | Path, extract: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command where the archive of `theirs` or `ours` lies."""
        place = self._directory / side
        shutil.rmtree(place / "source", ignore_errors=True)
        if extract:
            run("tar", "-xzf", "source.tar.gz", cwd=place)
        return subprocess.run(
            command, cwd=place, env=clean_environment(), capture_output=True, text=True, input="", check=False
        )


def test_wrappers_are_started_without_a_shell(framework: Framework, tmp_path: Path) -> None:
    """The kernel does not know what to do with theirs."""
    sandboxes = Sandboxes(framework, tmp_path, {"stages/a/src/vanilla.py": "print('run')\n"})
    with pytest.raises(OSError, match="Exec format error"):
        sandboxes.run("theirs", "./operation_wrapper_a_vanilla.sh")
    assert sandboxes.run("ours", "./operation_wrapper_a_vanilla.sh").stdout == "run\n"


def test_a_wrapper_beside_the_archive_extracts_it(framework: Framework, tmp_path: Path) -> None:
    """Theirs counts on somebody else."""
    sandboxes = Sandboxes(framework, tmp_path, {"stages/a/src/vanilla.py": "print('run')\n"})
    for side, output in (("theirs", ""), ("ours", "run\n")):
        run("tar", "-xzf", "source.tar.gz", "operation_wrapper_a_vanilla.sh", cwd=tmp_path / side)
        done = sandboxes.run(side, "bash", "operation_wrapper_a_vanilla.sh", extract=False)
        assert (done.stdout, done.returncode == 0) == (output, output != "")


@pytest.mark.slow
def test_a_wrapper_stops_when_requirements_fail(framework: Framework, tmp_path: Path) -> None:
    """Theirs warns and goes on; it never packs the file, so it is put beside it."""
    files: dict[str, str | bytes] = {
        "stages/a/src/vanilla.py": "print('run')\n",
        "stages/a/requirements.txt": "./no-such-directory\n",
    }
    sandboxes = Sandboxes(framework, tmp_path, files)
    for side, output in (("theirs", "run\n"), ("ours", "")):
        run("tar", "-xzf", "source.tar.gz", cwd=tmp_path / side)
        (tmp_path / side / "stages/a/requirements.txt").write_text("./no-such-directory\n")
        done = sandboxes.run(side, "bash", "operation_wrapper_a_vanilla.sh", extract=False)
        assert (done.stdout, done.returncode == 0) == (output, output != "")


def test_a_wrapper_adds_no_empty_entry_to_the_path(framework: Framework, tmp_path: Path) -> None:
    """Where the job starts without a PYTHONPATH."""
    show = "import os; print(os.environ['PYTHONPATH'])\n"
    sandboxes = Sandboxes(framework, tmp_path, {"stages/a/src/vanilla.py": show})
    path = {side: sandboxes.run(side, "bash", "operation_wrapper_a_vanilla.sh").stdout for side in ("theirs", "ours")}
    assert path == {"theirs": f":{tmp_path / 'theirs'}\n", "ours": f"{tmp_path / 'ours'}\n"}


@pytest.fixture(scope="module")
def job_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a cluster's image: pip, and what `ytjobs` needs."""
    python = make_environment(tmp_path_factory.mktemp("image") / "env", "pip")
    install_into(python, "-r", SAMPLE / "stages/check_networks/requirements.txt")
    return python


@pytest.fixture(scope="module")
def sample_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sample by the command."""
    output = tmp_path_factory.mktemp("sample")
    done = run(*COMMAND_LINE, "-C", SAMPLE, "--json", "build", "-d", output, environ=clean_environment())
    return Path(json.loads(done.stdout)["archive"])


BOTH = "./operation_wrapper_build_sessions_map_reduce"
MAP_REDUCE = f"{BOTH}_mapper.sh | LC_ALL=C sort | {BOTH}_reducer.sh"
JOBS = {
    "vanilla": ("./operation_wrapper_check_networks_vanilla.sh", None, None),
    "map": ("./operation_wrapper_parse_requests_map.sh", "requests", "expected_hits"),
    "map-reduce": (MAP_REDUCE, "expected_hits", "expected_sessions"),
    "reduce": ("./operation_wrapper_build_sessions_reduce.sh", "expected_sessions", "expected_countries"),
}


@pytest.mark.slow
@pytest.mark.parametrize("operation", JOBS)
def test_the_command_of_the_framework_runs_our_archive(
    operation: str, sample_archive: Path, job_python: Path, tmp_path: Path
) -> None:
    """A directory with nothing but the archive, rows in, rows out; requirements are installed on the way."""
    if operation == "vanilla" and sys.version_info[:2] != (3, 11):
        pytest.skip("the wheels of the locked stage are for Python 3.11")
    command, given_rows, expected_rows = JOBS[operation]
    shutil.copy(sample_archive, tmp_path)
    rows = (SAMPLE / f"data/{given_rows}.jsonl").read_bytes() if given_rows else b""
    if operation == "reduce":
        by_country = [(str(json.loads(row)["country"]), row) for row in rows.splitlines(keepends=True)]
        rows = b"".join(row for _, row in sorted(by_country, key=lambda pair: pair[0]))
    environ = installing_environment(PATH=f"{job_python.parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(
        ["bash", "-c", f"set -eo pipefail; tar -xzf source.tar.gz; {command}"],
        cwd=tmp_path,
        env=environ,
        input=rows,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == ((SAMPLE / f"data/{expected_rows}.jsonl").read_bytes() if expected_rows else b"")
