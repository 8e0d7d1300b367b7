"""Finding the project: its name, its version, its table, and where it builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pipelines import refusal

from hatch_ytupload.configuration.project import Project, file_name_component, find_project, normalize_name

if TYPE_CHECKING:
    from pathlib import Path


def write(directory: Path, pyproject: str | bytes) -> str:
    """Write a `pyproject.toml`; return its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").write_bytes(pyproject if isinstance(pyproject, bytes) else pyproject.encode())
    return str(directory)


def named(name: str, version: str = "1") -> str:
    """Return a `pyproject.toml` with a name and a version."""
    return f'[project]\nname = "{name}"\nversion = "{version}"\n'


class TestFinding:
    """`find_project`."""

    def test_everything_is_read(self, tmp_path: Path) -> None:
        """Name and version are normalized, the table comes as it is."""
        text = '[project]\nname = "My.Demo_project"\nversion = "v1.0.0RC1"\n[tool.ytupload]\nmode = 5\n'
        root = write(tmp_path, text)
        project = find_project(root)
        assert project == Project(root, "my-demo-project", "1.0.0rc1", {"mode": 5}, str(tmp_path / "dist"))
        assert project.file_name == "my_demo_project-1.0.0rc1"

    def test_it_may_lie_above(self, tmp_path: Path) -> None:
        """The nearest `pyproject.toml` counts, as with other tools."""
        root = write(tmp_path, named("demo"))
        (tmp_path / "a/b").mkdir(parents=True)
        assert find_project(str(tmp_path / "a/b")).root == root

    def test_links_are_resolved(self, tmp_path: Path) -> None:
        """The root is a real path."""
        root = write(tmp_path / "real", named("demo"))
        (tmp_path / "link").symlink_to("real")
        assert find_project(str(tmp_path / "link")).root == root

    def test_there_may_be_none(self) -> None:
        """Where there is no project up to the root, the message says where it was looked for."""
        assert refusal(lambda: find_project("/")) == (
            "no `pyproject.toml` in `/` or above it; `hatch-ytupload init` in the pipeline's directory makes one"
        )

    def test_the_table_may_be_missing(self, tmp_path: Path) -> None:
        """Without `[tool.ytupload]` the table is empty."""
        assert find_project(write(tmp_path, named("demo"))).table == {}


class TestBadInput:
    """One line for each way to get `pyproject.toml` wrong."""

    @pytest.mark.parametrize(
        ("pyproject", "line"),
        [
            ("a = \n", "`{path}` is not valid TOML: Invalid value (at line 1, column 5)"),
            (b"a = '\xff'", "`{path}` is not valid TOML: 'utf-8' codec can't decode byte 0xff in position 5"),
            ("project = 5", "`project` in `pyproject.toml` must be a table, found the integer 5"),
            ("tool = 5", "`tool` in `pyproject.toml` must be a table, found the integer 5"),
            (named("a", "1.x"), "`project.version` in `pyproject.toml` is not a valid version: `1.x`"),
            (named("../a"), "`project.name` in `pyproject.toml` is not a valid name: `../a`"),
            (named(""), "`project.name` in `pyproject.toml` is not a valid name: ``"),
            ("project.version = 1", "`project.version` in `pyproject.toml` must be a string, found the integer 1"),
            ("project.name = ['a']", "`project.name` in `pyproject.toml` must be a string, found the array ['a']"),
            ("build-system = 5", "`build-system` in `pyproject.toml` must be a table, found the integer 5"),
            ("build-system.build-backend = 5", "`build-system.build-backend` in `pyproject.toml` must be a string, "),
            ("build-system.backend-path = 5", "`build-system.backend-path` in `pyproject.toml` must be a list of "),
            ("build-system.backend-path = [5]", "`build-system.backend-path` in `pyproject.toml` must be a list of "),
        ],
    )
    def test_it_is_named(self, tmp_path: Path, pyproject: str | bytes, line: str) -> None:
        """The message says what is wrong where."""
        root = write(tmp_path, pyproject)
        found = refusal(lambda: find_project(root))
        assert found.startswith(line.replace("{path}", f"{root}/pyproject.toml"))

    @pytest.mark.parametrize("name", ["yt-upload", "hatch-ytupload", "ytuploads", "ytuplaod"])
    def test_a_table_that_can_only_be_ours_is_an_error(self, tmp_path: Path, name: str) -> None:
        """Else all that stands in it would be passed over in silence; beside ours it is somebody else's."""
        root = write(tmp_path, f"{named('a')}\n[tool.{name}]\nmode = 'dev'\n")
        line = f"`[tool.{name}]` in `pyproject.toml` is read by nobody; settings stand in `[tool.ytupload]`"
        assert refusal(lambda: find_project(root)) == line
        assert find_project(write(tmp_path, f"{named('a')}\n[tool.{name}]\n[tool.ytupload]\n")).table == {}

    def test_toml_that_nests_too_deep_is_not_valid(self, tmp_path: Path) -> None:
        """The parser calls itself; that must not end in a traceback."""
        root = write(tmp_path, "a = " + "[" * 50_000)
        assert refusal(lambda: find_project(root)).startswith(f"`{root}/pyproject.toml` is not valid TOML: ")

    def test_a_directory_of_that_name_is_passed_over(self, tmp_path: Path) -> None:
        """Only a file is a project's `pyproject.toml`."""
        root = write(tmp_path, named("demo"))
        (tmp_path / "sub/pyproject.toml").mkdir(parents=True)
        assert find_project(str(tmp_path / "sub")).root == root


class TestBuildDirectory:
    """Where Hatch would build, so that both ways leave the same files."""

    @pytest.mark.parametrize(
        ("toml", "expected"),
        [
            ("", "dist"),
            ('[tool.hatch.build]\ndirectory = "out"\n', "out"),
            (
                '[tool.hatch.build]\ndirectory = "out"\n[tool.hatch.build.targets.ytarchive]\ndirectory = "./a/../b"',
                "b",
            ),
            ('[tool.hatch.build.targets.ytarchive]\ndirectory = "/abs"', "/abs"),
            ("[tool.hatch.build]\ndirectory = 5\n", "dist"),
            ("[tool.hatch.build]\ntargets = 5\n", "dist"),
            ("[tool]\nhatch = 5\n", "dist"),
        ],
    )
    def test_hatch_decides(self, tmp_path: Path, toml: str, expected: str) -> None:
        """The target's own directory, else that of all builds, else `dist`; Hatch itself reports what is wrong."""
        root = write(tmp_path, named("demo") + toml)
        assert find_project(root).build_directory == str(tmp_path / expected)

    @pytest.mark.parametrize(
        ("toml", "file", "expected"),
        [
            ("", '[build]\ndirectory = "out"\n', "out"),
            ("", '[build]\ndirectory = "out"\n[build.targets.ytarchive]\ndirectory = "mine"\n', "mine"),
            ('[tool.hatch.build]\ndirectory = "a"\n', '[build]\ndirectory = "b"\n', "b"),
            ('[tool.hatch.build]\ndirectory = "a"\n', "[build]\nreproducible = true\n", "dist"),
            ('[tool.hatch.build]\ndirectory = "a"\n', "[envs.default]\n", "a"),
            ("[tool]\nhatch = 5\n", "[build.targets.ytarchive]\nreproducible = false\n", "dist"),
        ],
    )
    def test_a_file_of_hatchs_own_is_read(self, tmp_path: Path, toml: str, file: str, expected: str) -> None:
        """As Hatch reads it: each of its tables stands in the place of the whole table of that name."""
        root = write(tmp_path, named("demo") + toml)
        (tmp_path / "hatch.toml").write_text(file)
        project = find_project(root)
        assert project.build_directory == str(tmp_path / expected)
        assert project.reproducible is ("false" not in file)

    def test_a_broken_file_of_hatchs_own_is_named(self, tmp_path: Path) -> None:
        """As a broken `pyproject.toml` is."""
        root = write(tmp_path, named("demo"))
        (tmp_path / "hatch.toml").write_text("[build")
        assert refusal(lambda: find_project(root)).startswith(f"`{root}/hatch.toml` is not valid TOML: ")


BACKEND = """\
import os

print("backends print")


class api:
    @staticmethod
    def prepare_metadata_for_build_wheel(directory):
        print("a lot")
        assert os.getcwd() == {root!r}
        os.mkdir(os.path.join(directory, "x.dist-info"))
        with open(os.path.join(directory, "x.dist-info", "METADATA"), "w") as file:
            file.write("Metadata-Version: 2.1\\nName: From.Backend\\nVersion: 2.0\\n\\nbody\\n")
        return "x.dist-info"
"""


class TestDynamicVersion:
    """What `[project]` does not say, the build backend does."""

    def test_the_backend_is_asked(self, tmp_path: Path) -> None:
        """An in-tree backend object answers, whatever it prints."""
        root = write(
            tmp_path,
            '[project]\nname = "ignored"\ndynamic = ["version"]\n'
            '[build-system]\nrequires = []\nbuild-backend = "backend:api"\nbackend-path = ["_build"]\n',
        )
        (tmp_path / "_build").mkdir()
        (tmp_path / "_build/backend.py").write_text(BACKEND.format(root=root))
        project = find_project(root)
        assert (project.name, project.version) == ("from-backend", "2.0")

    def test_hatchling_is_asked(self, tmp_path: Path) -> None:
        """Hatch's own dynamic versions work."""
        root = write(
            tmp_path,
            '[project]\nname = "demo"\ndynamic = ["version"]\n[tool.hatch.version]\npath = "about.py"\n'
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            '[tool.hatch.build.targets.wheel]\ninclude = ["about.py"]\n',
        )
        (tmp_path / "about.py").write_text('__version__ = "3.4"\n')
        assert find_project(root).version == "3.4"

    def test_a_missing_backend_is_named(self, tmp_path: Path) -> None:
        """The message says which one, why, and what else can be done."""
        root = write(
            tmp_path,
            '[project]\nname = "a"\ndynamic = ["version"]\n[build-system]\nbuild-backend = "no_such_backend"\n',
        )
        assert refusal(lambda: find_project(root)) == (
            "the build backend `no_such_backend` cannot be asked for the project's name and version: "
            "ModuleNotFoundError: No module named 'no_such_backend'; "
            "install the backend, or write both under `[project]` in `pyproject.toml`"
        )

    def test_what_the_backend_requires_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """That is what may be missing, plugins included; Hatch, where it is installed, cannot help here."""
        monkeypatch.setenv("HATCH_CONFIG", str(tmp_path / "missing.toml"))
        (tmp_path / "hatch.py").write_text("open('asked', 'w')\n")
        root = write(tmp_path, '[build-system]\nrequires = ["nobody", "nobodys-plugin>=2"]\nbuild-backend = "nobody"\n')
        line = refusal(lambda: find_project(root))
        assert "No module named 'nobody'; in Hatch's build environment: The selected config file " in line
        assert line.endswith(
            "; see that what it requires is installed beside hatch-ytupload (`nobody`, `nobodys-plugin>=2`), "
            "or write both under `[project]` in `pyproject.toml`"
        )
        assert not (tmp_path / "asked").exists(), "a module of the project was taken for Hatch"

    def test_a_backend_that_says_nothing_is_named(self, tmp_path: Path) -> None:
        """One that ends without a word is reported with its status."""
        root = write(tmp_path, '[build-system]\nbuild-backend = "backend"\nbackend-path = ["."]\n')
        (tmp_path / "backend.py").write_text("import os\nos._exit(3)\n")
        assert ": it ended with status 3; install" in refusal(lambda: find_project(root))

    def test_a_backend_without_a_version_is_named(self, tmp_path: Path) -> None:
        """Metadata without a version are no answer."""
        root = write(tmp_path, '[build-system]\nbuild-backend = "backend:api"\nbackend-path = ["."]\n')
        text = BACKEND.format(root=root).replace("Version: 2.0", "Summary: none")
        (tmp_path / "backend.py").write_text(text)
        assert refusal(lambda: find_project(root)) == (
            "`project.version` of the build backend is not a valid version: `None`"
        )


@pytest.mark.parametrize(
    ("name", "normal", "component"),
    [("Demo", "demo", "demo"), ("a--b._c", "a-b-c", "a_b_c"), ("A.B", "a-b", "a_b")],
)
def test_names_are_spelled_as_indexes_and_files_want_them(name: str, normal: str, component: str) -> None:
    """A project has one name in an index and one in file names."""
    assert normalize_name(name) == normal
    assert file_name_component(normal) == component


def test_file_names_are_those_of_hatch() -> None:
    """The bundle is called as Hatch calls artifacts of the same project."""
    from hatchling.builders.plugin.interface import BuilderInterface

    for name in ("my-demo", "a.b", "x--y_z"):
        assert file_name_component(name) == BuilderInterface.normalize_file_name_component(name)
