"""`hatch-ytupload build` for projects of other build backends: the name and the bytes that the target gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from checkout import COMMAND_LINE, HATCHLING, make_environment, requirement, run, sha256
from pipelines import clean_environment, contents, make_pipeline

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from pipelines import Pipeline

pytestmark = pytest.mark.functional

NAME_IN_FILES = "my_demo-1.0rc1"
STATIC = '[project]\nname = "My.Demo"\nversion = "1.0-RC1"\n'
DYNAMIC = '[project]\nname = "My.Demo"\ndynamic = ["version"]\n'
FLIT = 'name = "My.Demo"\ndynamic = ["version", "description"]\n'


def system(backend: str, *requires: str) -> str:
    """Return the table of a build backend."""
    return f'[build-system]\nrequires = {list(requires)}\nbuild-backend = "{backend}"\n'


SETUPTOOLS = system("setuptools.build_meta", "setuptools")
ATTRIBUTE = 'dynamic.version.attr = "my_demo.__version__"\n'
VERSION_FILE = {"my_demo/__init__.py": '"""Demo."""\n__version__ = "1.0rc1"\n'}
SETUP_PY = """\
import setuptools
print("noise")
setuptools.setup(name="My.Demo", version="1.0rc1", packages=[])
"""
PROJECTS: dict[str, tuple[str, dict[str, str]]] = {
    "no-build-system": (STATIC, {}),
    "setuptools": (SETUPTOOLS + STATIC + "[tool.setuptools]\npackages = []\n", {}),
    "setuptools-dynamic": (
        SETUPTOOLS + DYNAMIC + '[tool.setuptools]\npackages = ["my_demo"]\n' + ATTRIBUTE,
        VERSION_FILE,
    ),
    "setup.cfg": (
        SETUPTOOLS,
        {"setup.cfg": "[metadata]\nname = My.Demo\nversion = 1.0-RC1\n[options]\npackages =\n"},
    ),
    "setup.py": ("", {"setup.py": SETUP_PY}),
    "hatchling-path": (
        system("hatchling.build", "hatchling") + DYNAMIC + '[tool.hatch.version]\npath = "my_demo/__init__.py"\n',
        VERSION_FILE,
    ),
    "flit": (
        system("flit_core.buildapi", "flit_core") + "[project]\n" + FLIT + '[tool.flit.module]\nname = "my_demo"\n',
        VERSION_FILE,
    ),
    "poetry": (
        system("poetry.core.masonry.api", "poetry-core")
        + '[tool.poetry]\nname = "My.Demo"\nversion = "1.0rc1"\ndescription = ""\nauthors = []\npackage-mode = true\n'
        + 'packages = [{ include = "my_demo" }]\n',
        VERSION_FILE,
    ),
    "in-tree": (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["tools"]\n',
        {
            "tools/backend.py": "import os\n"
            "def prepare_metadata_for_build_wheel(directory, settings=None):\n"
            "    print('noise')\n"
            "    os.makedirs(f'{directory}/x.dist-info')\n"
            "    with open(f'{directory}/x.dist-info/METADATA', 'w') as file:\n"
            "        file.write('Metadata-Version: 2.1\\nName: My.Demo\\nVersion: 1.0rc1\\n')\n"
            "    return 'x.dist-info'\n"
        },
    ),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Return the Python of an environment with all the backends and our wheel."""
    backends = ("setuptools", "hatchling", "hatch-vcs", "flit_core", "poetry-core")
    return make_environment(tmp_path_factory.mktemp("backends") / "env", requirement(wheel), *backends)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the digest of what the target makes of the same pipeline."""
    pipeline = make_pipeline(tmp_path_factory.mktemp("target"), pyproject=STATIC)
    run(*HATCHLING, "build", "-t", "ytarchive", cwd=pipeline.root, environ=clean_environment())
    return sha256(pipeline.root / "dist" / f"{NAME_IN_FILES}.ytarchive" / "source.tar.gz")


def build(pipeline: Pipeline, python: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Build by the command in an environment."""
    return run(python, "-m", "hatch_ytupload", "build", cwd=pipeline.root, environ=clean_environment(), status=status)


@pytest.mark.parametrize("backend", PROJECTS)
def test_the_artifact_is_that_of_the_target(backend: str, environment: Path, tmp_path: Path, expected: str) -> None:
    """Whatever says name and version, and however it spells them; its noise gets nowhere."""
    pyproject, files = PROJECTS[backend]
    pipeline = make_pipeline(tmp_path / "project", files, pyproject=pyproject)
    done = build(pipeline, environment)
    assert done.stdout == f"dist/{NAME_IN_FILES}.ytarchive/source.tar.gz\n"
    assert len(done.stderr.splitlines()) == 1
    assert sha256(pipeline.root / done.stdout.strip()) == expected


def test_hatchling_projects_get_the_same_from_both(environment: Path, tmp_path: Path) -> None:
    """With a version from git, by the target and by the command."""
    pyproject = system("hatchling.build", "hatchling", "hatch-vcs") + DYNAMIC + '[tool.hatch.version]\nsource = "vcs"\n'
    pipeline = make_pipeline(tmp_path, {".gitignore": "dist\n"}, pyproject=pyproject)
    pipeline.commit()
    pipeline.git("tag", "v2.5")
    for command in (["hatch_ytupload", "build"], ["hatchling", "build", "-t", "ytarchive"]):
        run(environment, "-m", *command, cwd=pipeline.root)
        (bundle,) = (pipeline.root / "dist").iterdir()
        assert bundle.name == "my_demo-2.5.ytarchive"
        assert contents(bundle / "source.tar.gz")


def test_the_directory_that_hatch_is_told_is_taken(tmp_path: Path) -> None:
    """`[tool.hatch.build] directory` counts for the command as it does for the target."""
    pipeline = make_pipeline(tmp_path, pyproject=STATIC + '[tool.hatch.build]\ndirectory = "out"\n')
    done = run(*COMMAND_LINE, "build", cwd=pipeline.root, environ=clean_environment())
    assert done.stdout == f"out/{NAME_IN_FILES}.ytarchive/source.tar.gz\n"


def test_the_command_works_from_anywhere_in_the_project(tmp_path: Path) -> None:
    """From a directory below, and with `-C` from elsewhere; the path that it prints leads there from here."""
    pipeline = make_pipeline(tmp_path / "project", pyproject=STATIC)
    archive = f"dist/{NAME_IN_FILES}.ytarchive/source.tar.gz"
    below = pipeline.root / "stages" / "first"
    done = run(*COMMAND_LINE, "build", cwd=below, environ=clean_environment())
    assert (below / done.stdout.strip()).resolve() == pipeline.root / archive
    done = run(
        *COMMAND_LINE, "-C", pipeline.root, "build", "-d", tmp_path / "out", cwd=tmp_path, environ=clean_environment()
    )
    assert (tmp_path / "out" / archive.partition("/")[2]).is_file()


BROKEN: dict[str, tuple[str, dict[str, str], str]] = {
    "not-installed": (
        system("gone.build", "gone") + DYNAMIC,
        {},
        "ModuleNotFoundError: No module named 'gone'; see that",
    ),
    "fails": (
        SETUPTOOLS + DYNAMIC,
        {"setup.cfg": "[metadata]\nversion = attr: gone.x\n[options]\npackages =\n"},
        "ModuleNotFoundError: gone; see that what it requires is installed",
    ),
    "fails-at-length": (
        SETUPTOOLS + DYNAMIC + "[tool.setuptools]\n" + ATTRIBUTE,
        VERSION_FILE,
        "PackageDiscoveryError: Multiple top-level packages discovered in a flat-layout: ",
    ),
    "ends": ("", {"setup.py": "raise SystemExit(7)\n"}, "SystemExit: 7"),
    "dies": ("", {"setup.py": "import os\nos._exit(7)\n"}, "it ended with status 7"),
    "no-such-backend": (system("hatchling.gone", "hatchling") + DYNAMIC, {}, "No module named 'hatchling.gone'"),
    "not-a-table": ("build-system = 3\n", {}, "`build-system` in `pyproject.toml` must be a table"),
    "not-a-version": (STATIC.replace("1.0-RC1", "one"), {}, "is not a valid version: `one`"),
}


@pytest.mark.parametrize("problem", BROKEN)
def test_a_backend_that_cannot_be_asked_is_reported_in_one_line(
    problem: str, environment: Path, tmp_path: Path
) -> None:
    """In one line, with what the backend says and the way out."""
    pyproject, files, said = BROKEN[problem]
    pipeline = make_pipeline(tmp_path, files, pyproject=pyproject)
    done = build(pipeline, environment, status=1)
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not (pipeline.root / "dist").exists()
