"""What makes a pipeline's directory a project; what is there stays as it is."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from pipelines import Pipeline, refusal

from hatch_ytupload.configuration.new_project import plan_project, write_project
from hatch_ytupload.configuration.project import find_project, parsed_toml

if TYPE_CHECKING:
    from pathlib import Path

HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
NAMED = '[project]\nname = "ads"\nversion = "3.2"\n'


@pytest.fixture
def bare(tmp_path: Path) -> Pipeline:
    """Return a pipeline that is no project."""
    return Pipeline(tmp_path / "My ads_2").write({"stages/count/src/mapper.py": "print(1)\n"})


def init(pipeline: Pipeline) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Make it a project; return its `pyproject.toml` and the hints."""
    before = {path: path.read_bytes() for path in pipeline.root.rglob("*") if path.is_file()}
    planned = plan_project(str(pipeline.root))
    write_project(str(pipeline.root), planned.additions)
    for path, content in before.items():
        assert path.read_bytes().startswith(content), path
    for addition in planned.additions:
        assert addition.text.encode() in (pipeline.root / addition.path).read_bytes()
    assert plan_project(str(pipeline.root)).additions == ()
    file = pipeline.root / "pyproject.toml"
    return parsed_toml(file.read_bytes()) if file.exists() else {}, planned.hints


def test_a_bare_directory_becomes_a_project(bare: Pipeline) -> None:
    """Named after the directory, built by Hatch; a second time there is nothing to do."""
    content, hints = init(bare)
    assert hints == ()
    assert content["project"]["name"] == "my-ads-2"
    assert content["build-system"]["build-backend"] == "hatchling.build"
    assert find_project(str(bare.root)).file_name == "my_ads_2-0.1.0"
    assert "/configs/secrets.env" in (bare.root / ".gitignore").read_text().splitlines()
    assert (bare.root / ".ytignore").read_text().startswith("# ")
    assert not stat.S_IMODE((bare.root / "pyproject.toml").stat().st_mode) & 0o111


@pytest.mark.parametrize(("directory", "name"), [("Ünder_-", "nder"), ("日本", "pipeline"), ("a.b", "a-b"), ("1", "1")])
def test_any_directory_has_a_name(tmp_path: Path, directory: str, name: str) -> None:
    """That package indexes take."""
    content, _ = init(Pipeline(tmp_path / directory).write({"pipeline.py": ""}))
    assert content["project"]["name"] == name


@pytest.mark.parametrize(
    ("old", "added"),
    [
        (NAMED, ["build-system", "ytarchive", "wheel"]),
        (HATCHLING, ["project", "ytarchive", "wheel"]),
        (HATCHLING + NAMED, ["ytarchive", "wheel"]),
        (f'{HATCHLING}{NAMED}[tool.hatch.build.targets.wheel]\npackages = ["x"]\n', ["ytarchive"]),
        (f"{NAMED}[tool.black]\nline-length = 100", ["build-system", "ytarchive", "wheel"]),
        (NAMED.replace("\n", "\r\n"), ["build-system", "ytarchive", "wheel"]),
        ("", ["build-system", "project", "ytarchive", "wheel"]),
        ("# nothing yet", ["build-system", "project", "ytarchive", "wheel"]),
    ],
)
def test_a_project_gets_what_it_lacks(bare: Pipeline, old: str, added: list[str]) -> None:
    """At the end of its file."""
    bare.write({"pyproject.toml": old})
    (addition,) = [item for item in plan_project(str(bare.root)).additions if item.path == "pyproject.toml"]
    tables = [line.strip("[]").rpartition(".")[2] for line in addition.text.splitlines() if line.startswith("[")]
    assert tables == added
    assert ("\r\n" in addition.text) is ("\r\n" in old)
    content, hints = init(bare)
    assert [*map(bool, hints)] == ([] if "project" in added else [True])
    assert content["tool"]["hatch"]["build"]["targets"]["ytarchive"] == {"dependencies": ["hatch-ytupload[framework]"]}


@pytest.mark.parametrize(
    ("lines", "lacking"),
    [
        ("", "`hatch-ytupload`, `yt-framework`"),
        ('dependencies = ["YT_Framework>=1.4"]', "`hatch-ytupload`"),
        ('dependencies = ["hatch-ytupload[framework]", "x"]', "`yt-framework`"),
        (
            'dependencies = ["hatch.ytupload ; python_version > \'3\'", "yt-framework @ https://example.com/x.whl"]',
            None,
        ),
        ('dynamic = ["dependencies"]', None),
        ("dynamic = 1\ndependencies = 2", "`hatch-ytupload`, `yt-framework`"),
    ],
)
def test_what_the_pipeline_itself_imports_is_asked_for(bare: Pipeline, lines: str, lacking: str | None) -> None:
    """By a hint: dependencies that are there are nobody else's to change."""
    bare.write({"pyproject.toml": f"{HATCHLING}{NAMED}{lines}\n"})
    _, hints = init(bare)
    wanted = f"the project does not depend on {lacking}, which a pipeline that runs releases imports: "
    assert hints == (() if lacking is None else (f"{wanted}add to `dependencies` under `[project]`",))


@pytest.mark.parametrize(
    ("files", "backend"),
    [
        (
            {"pyproject.toml": f'[build-system]\nrequires = []\nbuild-backend = "flit_core.buildapi"\n{NAMED}'},
            "flit_core.buildapi",
        ),
        ({"pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n' + NAMED}, "setuptools.build_meta"),
        ({"pyproject.toml": NAMED + "[tool.setuptools]\npackages = []\n"}, "setuptools.build_meta"),
        ({"pyproject.toml": NAMED, "setup.py": ""}, "setuptools.build_meta"),
        ({"pyproject.toml": '[tool.poetry]\nname = "x"\nversion = "1"\n'}, "poetry.core.masonry.api"),
    ],
)
def test_another_backend_stays(bare: Pipeline, files: dict[str, str | bytes], backend: str) -> None:
    """And the command builds then."""
    bare.write(files)
    before = (bare.root / "pyproject.toml").read_bytes()
    _, (hint, *_) = init(bare)
    assert f"`{backend}`" in hint
    assert "`hatch-ytupload build` builds the archive" in hint
    assert (bare.root / "pyproject.toml").read_bytes() == before


def test_hatchs_own_file_is_left_alone(bare: Pipeline) -> None:
    """Its tables would stand in the place of ours."""
    bare.write({"pyproject.toml": HATCHLING + NAMED, "hatch.toml": "[build.targets.wheel]\nbypass-selection = true\n"})
    content, (hint, *_) = init(bare)
    assert "tool" not in content
    assert hint.startswith("the options of builds stand in `hatch.toml`, which stays: add a table `[build.targets.ytar")
    bare.write({"hatch.toml": "[build.targets.ytarchive]\n"})
    assert "hatch.toml" not in str(init(bare)[1])
    bare.write({"hatch.toml": "[envs.default]\n"})
    assert "ytarchive" in init(bare)[0]["tool"]["hatch"]["build"]["targets"]


def test_lines_and_files_that_are_there_stay(bare: Pipeline) -> None:
    """Whatever their slashes and ends of lines."""
    bare.write({".gitignore": "dist\n.dev/\n*.tmp", ".ytignore": "mine\n"})
    init(bare)
    assert (
        bare.root / ".gitignore"
    ).read_text() == "dist\n.dev/\n*.tmp\n/.build/\n/configs/secrets.env\n.venv/\n__pycache__/\n"
    assert (bare.root / ".ytignore").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"pyproject.toml": "a ="}, "`pyproject.toml` is not valid TOML: "),
        ({"pyproject.toml": b"\xff"}, "cannot read `pyproject.toml`: it is not UTF-8"),
        ({"pyproject.toml": "build-system = 5\n"}, "holds a value where a table is expected"),
        ({"pyproject.toml": "tool = 5\n"}, "holds a value where a table is expected"),
        (
            {"pyproject.toml": f"{HATCHLING}{NAMED}[tool]\nhatch = {{ version = {{}} }}\n"},
            "says some of this in another form; add it by hand: [tool.hatch",
        ),
        ({"pyproject.toml/": b""}, "cannot read `pyproject.toml`: Is a directory"),
        ({".gitignore/": b""}, "cannot read `.gitignore`: Is a directory"),
    ],
)
def test_what_cannot_be_added_to_is_one_line(bare: Pipeline, files: dict[str, str | bytes], problem: str) -> None:
    """And nothing is written at all."""
    bare.write(files)
    before = sorted(bare.root.rglob("*"))
    assert problem in refusal(lambda: plan_project(str(bare.root)))
    assert sorted(bare.root.rglob("*")) == before


@pytest.mark.parametrize("name", ["pyproject.toml", ".gitignore", ".ytignore"])
def test_what_is_no_file_of_text_stops_nothing(bare: Pipeline, name: str) -> None:
    """Nobody waits for the other end of a FIFO, or reads a terabyte of nothing."""
    os.mkfifo(bare.root / name)
    assert refusal(lambda: plan_project(str(bare.root))) == f"cannot read `{name}`: it is no regular file"
    bare.remove(name)
    with (bare.root / name).open("wb") as file:
        file.truncate(1 << 40)
    assert refusal(lambda: plan_project(str(bare.root))) == f"cannot read `{name}`: it is larger than 16 MiB"


def test_a_directory_without_a_pipeline_is_left_alone(tmp_path: Path) -> None:
    """Somebody stands in the wrong place."""
    assert "has no `stages/`: go to the directory of the pipeline" in refusal(lambda: plan_project(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(bare: Pipeline) -> None:
    """Two at once."""
    planned = plan_project(str(bare.root))
    bare.write({".ytignore": "mine\n"})
    assert "cannot write `.ytignore`: File exists" in refusal(lambda: write_project(str(bare.root), planned.additions))
    assert (bare.root / ".ytignore").read_text() == "mine\n"
