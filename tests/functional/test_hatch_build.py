"""`hatch build -t ytarchive` and its neighbours, with real Hatch and a wheel of the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from checkout import FRONT_ENDS, Hatch, pyproject, requirement, run, sha256, tree_state
from pipelines import MAPPER, Pipeline, clean_environment, contents, make_pipeline

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.functional

BUNDLE = "demo-1.0.ytarchive"
FILES = ("manifest.json", "sbom.cdx.json", "source.tar.gz")
HATCHS_OWN_TIME = 1580601600


class Project:
    """A pipeline, and the Hatch that builds it."""

    def __init__(self, pipeline: Pipeline, hatch: Hatch) -> None:
        self.pipeline = pipeline
        self.root = pipeline.root
        self.dist = self.root / "dist"
        self.archive = self.dist / BUNDLE / "source.tar.gz"
        self._hatch = hatch

    def hatch(self, *arguments: str, status: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run Hatch in the project."""
        return self._hatch.run(*arguments, cwd=self.root, environ=environ, status=status)

    def build(self, status: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        """Build as Hatch does, in the environment of the tests: without Hatch's own second."""
        return run(*FRONT_ENDS["target"], cwd=self.root, environ=clean_environment(**environ), status=status)

    def configure(self, lines: str) -> None:
        """Append to `pyproject.toml`."""
        with (self.root / "pyproject.toml").open("a") as file:
            file.write(lines)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one place for all tests of this file: Hatch keeps one build environment for each place."""
    return tmp_path_factory.mktemp("hatch") / "demo"


@pytest.fixture
def project(root: Path, hatch: Hatch, wheel: Path) -> Project:
    """Return a pipeline that nobody has built yet."""
    shutil.rmtree(root, ignore_errors=True)
    return Project(make_pipeline(root, pyproject=pyproject(requirement(wheel))), hatch)


def member_times(archive: Path) -> set[int]:
    """Return the times of all members of an archive."""
    with tarfile.open(archive) as tar:
        return {int(member.mtime) for member in tar}


def test_the_bundle_holds_the_archive_and_its_manifest(project: Project, wheel: Path) -> None:
    """What the manifest says of the archive is so; nothing else lies in `dist`. A second build gives the same bytes.

    Hatch prints the path of the archive after the line that says what was packed, to standard error.
    """
    done = project.hatch("build", "-t", "ytarchive")
    summary, path = done.stderr.splitlines()[-2:]
    assert re.fullmatch(r"packed 3 files \(\d+ B, \d+ B compressed\), left out 0 by `\.ytignore`", summary)
    assert path == f"dist/{BUNDLE}/source.tar.gz"
    assert sorted(tree_state(project.dist)) == [BUNDLE, *(f"{BUNDLE}/{name}" for name in FILES)]
    manifest = json.loads((project.dist / BUNDLE / "manifest.json").read_bytes())
    assert manifest["archive"]["sha256"] == sha256(project.archive)
    assert manifest["project"] == {"name": "demo", "version": "1.0"}
    assert f"-{manifest['tool']['version']}-" in wheel.name
    assert [file["path"] for file in manifest["files"]] == list(contents(project.archive))
    assert contents(project.archive)["stages/first/src/mapper.py"] == MAPPER.encode()
    before = tree_state(project.dist)
    project.hatch("build", "-t", "ytarchive")
    assert tree_state(project.dist) == before


def test_pip_gets_the_wheel_of_the_checkout_as_well(wheel: Path, shared_directory: Path, tmp_path: Path) -> None:
    """With Hatch's other installer; what was really installed is told by the manifest."""
    hatch = Hatch(shared_directory / "hatch-pip")
    del hatch.environ["HATCH_ENV_TYPE_VIRTUAL_UV_PATH"]
    by_pip = '[tool.hatch.envs.hatch-build]\ninstaller = "pip"'
    pipeline = make_pipeline(tmp_path, pyproject=pyproject(requirement(wheel), by_pip))
    hatch.run("build", "-t", "ytarchive", cwd=pipeline.root)
    manifest = json.loads(pipeline.archive().with_name("manifest.json").read_bytes())
    assert f"-{manifest['tool']['version']}-" in wheel.name


def test_standalone_wrappers_lie_beside_the_archive(project: Project) -> None:
    """The bundle then holds the same script as the archive, and it can be executed."""
    project.configure("standalone_wrappers = true\n")
    project.build()
    script = project.dist / BUNDLE / "operation_wrapper_first_map.sh"
    assert script.read_bytes() == contents(project.archive)[script.name]
    assert os.access(script, os.X_OK)


def put_neighbours(dist: Path) -> dict[str, bytes | str | None]:
    """Put into `dist` what other builds leave there; return its state."""
    for name in (
        "demo-1.0.tar.gz",
        "demo-1.0-py3-none-any.whl",
        "other-1.0.ytarchive/source.tar.gz",
        "demo-0.9.ytarchive/x",
    ):
        (dist / name).parent.mkdir(parents=True, exist_ok=True)
        (dist / name).write_text(name)
    return tree_state(dist)


@pytest.mark.parametrize(
    "command", [["clean", "-t", "ytarchive"], ["build", "--clean-only", "-t", "ytarchive"]], ids=["clean", "clean-only"]
)
def test_cleaning_removes_the_bundle_and_nothing_else(project: Project, command: list[str]) -> None:
    """Bundles of other projects and versions stay, and so do sdist and wheel; a second time changes nothing."""
    neighbours = put_neighbours(project.dist)
    project.build()
    for _ in range(2):
        project.hatch(*command)
        assert tree_state(project.dist) == neighbours


def test_building_clean_removes_what_was_in_the_bundle(project: Project) -> None:
    """`-c` starts from nothing, and leaves the neighbours alone."""
    neighbours = put_neighbours(project.dist)
    project.build()
    (project.dist / BUNDLE / "stray").touch()
    project.hatch("build", "-c", "-t", "ytarchive")
    assert {name for name in tree_state(project.dist) if name not in neighbours} == {
        BUNDLE,
        *(f"{BUNDLE}/{name}" for name in FILES),
    }


def test_cleaning_up_after_failed_sources_keeps_the_bundle_away(project: Project) -> None:
    """`-c` asks for the removal first; what is wrong with the sources shows afterwards."""
    project.build()
    (project.root / "stages/first/src/pipe").symlink_to("/dev/null")
    project.hatch("build", "-c", "-t", "ytarchive", status=1)
    assert tree_state(project.dist) == {}


def test_a_clean_build_of_the_sdist_leaves_the_bundle(project: Project) -> None:
    """It removes every `dist/*.tar.gz`, which is why the archive is none of those."""
    project.build()
    before = tree_state(project.dist)
    (project.dist / "old-1.0.tar.gz").touch()
    project.hatch("build", "-t", "sdist", "-c")
    project.hatch("build", "-t", "wheel", "-c")
    assert sorted(path.name for path in project.dist.iterdir()) == [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0.tar.gz",
        BUNDLE,
    ]
    assert tree_state(project.dist).items() >= before.items()


def test_the_sdist_and_the_wheel_do_not_hold_the_bundle(project: Project) -> None:
    """Where `dist` is what Hatch takes for its own."""
    project.hatch("build", "-t", "ytarchive", "-t", "sdist")
    with tarfile.open(project.dist / "demo-1.0.tar.gz") as sdist:
        assert not [name for name in sdist.getnames() if "ytarchive" in name]


@pytest.mark.parametrize("way", ["argument", "variable", "build", "target"])
def test_the_bundle_goes_where_builds_are_told_to_go(project: Project, tmp_path: Path, way: str) -> None:
    """By argument, by `HATCH_BUILD_LOCATION`, by `directory` of all builds or of the target."""
    place = tmp_path / "elsewhere"
    if way == "argument":
        done = project.hatch("build", "-t", "ytarchive", str(place))
    elif way == "variable":
        done = project.hatch("build", "-t", "ytarchive", HATCH_BUILD_LOCATION=str(place))
    else:
        table = "tool.hatch.build" if way == "build" else "tool.hatch.build.targets.ytarchive"
        place = project.root / "out" / "builds"
        project.configure(f'[{table}]\ndirectory = "out/builds"\n')
        done = project.hatch("build", "-t", "ytarchive")
    archive = place / BUNDLE / "source.tar.gz"
    inside = archive.relative_to(project.root) if project.root in archive.parents else archive
    assert done.stderr.splitlines()[-1] == str(inside)
    assert contents(archive)
    assert not project.dist.exists()


@pytest.mark.parametrize("ignore", ["", "/dist/", "*.ytarchive", "dist/*"])
def test_a_pipeline_that_packs_itself_builds(project: Project, ignore: str) -> None:
    """Its bundle stays out, with a rule of the user's or without: two builds of it are the same."""
    project.configure('upload_paths = [{ source = ".", target = "all" }]\n')
    project.pipeline.write({".ytignore": f"{ignore}\n"})
    project.build()
    first = sha256(project.archive)
    project.build()
    assert sha256(project.archive) == first
    assert "all/pyproject.toml" in contents(project.archive)


@pytest.mark.parametrize("table", ["tool.hatch.build", "tool.hatch.build.targets.ytarchive"])
def test_files_keep_their_times_where_reproducible_is_false(project: Project, table: str) -> None:
    """Hatch's own option keeps its meaning; wrapper scripts, which are no files of anybody, have Hatch's time."""
    for number, path in enumerate(("stages/first/src/mapper.py", "ytjobs/__init__.py"), 1):
        os.utime(project.root / path, (1, 1_600_000_000 + number))
    project.configure(f"[{table}]\nreproducible = false\n")
    project.build()
    with tarfile.open(project.archive) as tar:
        assert {member.name: member.mtime for member in tar} == {
            "operation_wrapper_first_map.sh": HATCHS_OWN_TIME,
            "stages/first/src/mapper.py": 1_600_000_001,
            "ytjobs/__init__.py": 1_600_000_002,
        }


@pytest.mark.parametrize(
    ("value", "time"), [("0", 0), ("1700000000", 1700000000), ("8589934591", 8589934591), ("", HATCHS_OWN_TIME)]
)
def test_source_date_epoch_is_the_time_of_all_members(project: Project, value: str, time: int) -> None:
    """From 1970 to the last time that a tar header can hold."""
    project.build(SOURCE_DATE_EPOCH=value)
    assert member_times(project.archive) == {time}


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "8589934592", "१"])
def test_another_source_date_epoch_is_refused(project: Project, value: str) -> None:
    """In one line, and before anything is written."""
    done = project.build(SOURCE_DATE_EPOCH=value, status=1)
    assert f"`SOURCE_DATE_EPOCH` must be whole seconds since 1970, at most 8589934591, found `{value}`" in done.stderr
    assert "Traceback" not in done.stderr
    assert tree_state(project.dist) == {}


def test_the_version_is_asked_for_as_ever(project: Project) -> None:
    """A bundle in `dist` and our table in `pyproject.toml` do not matter to `hatch version`."""
    project.build()
    assert project.hatch("version").stdout == "1.0\n"


def test_an_unknown_version_of_the_target_is_refused(project: Project) -> None:
    """The target has one version, `standard`."""
    project.hatch("build", "-t", "ytarchive:standard")
    assert contents(project.archive)
    done = project.hatch("build", "-t", "ytarchive:other", status=1)
    assert done.stderr.splitlines()[-1] == "the target `ytarchive` has no version `other`; its only one is `standard`"


class Index(HTTPServer):
    """A package index that takes everything, and remembers the names of the files."""

    files: list[str]


class Upload(BaseHTTPRequestHandler):
    """Takes one file."""

    server: Index

    def do_POST(self) -> None:
        """Read a form, note the file's name, answer that all is well."""
        form = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.files.append(form.partition(b'filename="')[2].partition(b'"')[0].decode())
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        """Say that nothing is published yet."""
        self.send_error(404)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture
def index() -> Iterator[Index]:
    """Run a package index."""
    server = Index(("127.0.0.1", 0), Upload)
    server.files = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_index_publisher_passes_over_the_bundle(project: Project, index: Index) -> None:
    """`hatch publish` takes the sdist and the wheel of `dist`, and does not stop at the bundle."""
    project.hatch("build", "-t", "ytarchive", "-t", "sdist", "-t", "wheel")
    url = f"http://127.0.0.1:{index.server_port}/"
    project.hatch("publish", "--no-prompt", "-r", url, "-u", "user", "-a", "password", NO_PROXY="127.0.0.1")
    assert sorted(index.files) == ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"]


def test_a_workspace_builds_all_its_pipelines_into_one_place(hatch: Hatch, wheel: Path, tmp_path: Path) -> None:
    """`hatch build --all`: each pipeline gets a bundle of its own in the `dist` of the workspace."""
    make_pipeline(tmp_path, pyproject=pyproject(requirement(wheel), name="everything"))
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write('[tool.hatch.envs.default]\nskip-install = true\nworkspace.members = ["pipelines/*"]\n')
    for name in ("ads", "search"):
        files = {"stages/first/src/mapper.py": f"# {name}\n"}
        make_pipeline(tmp_path / "pipelines" / name, files, pyproject=pyproject(requirement(wheel), name=name))
    hatch.run("build", "--all", "-t", "ytarchive", cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [
        "ads-1.0.ytarchive",
        "everything-1.0.ytarchive",
        "search-1.0.ytarchive",
    ]
    for name in ("ads", "search"):
        packed = contents(tmp_path / "dist" / f"{name}-1.0.ytarchive" / "source.tar.gz")
        assert packed["stages/first/src/mapper.py"] == f"# {name}\n".encode()
