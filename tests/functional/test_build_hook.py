"""The build hook on other targets, through the front ends that people build wheels with."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from checkout import (
    FRONT_ENDS,
    UV,
    Hatch,
    install_into,
    installing_environment,
    make_environment,
    pyproject,
    requirement,
    run,
    sha256,
    tree_state,
)
from pipelines import MAPPER, contents, make_pipeline

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from pipelines import Pipeline

pytestmark = pytest.mark.functional

ON_WHEEL = "[tool.hatch.build.targets.wheel.hooks.ytarchive]"
ON_ALL = "[tool.hatch.build.hooks.ytarchive]"
BUNDLE = "demo-1.0.ytarchive"
# The hook wants yt-framework, and these pipelines bring a `ytjobs` of their own.
NO_ISOLATION = ("--no-isolation", "--skip-dependency-check")
SUMMARY = re.compile(r"packed \d+ files?")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Return the Python of an environment in which wheels are built without isolation."""
    python = make_environment(tmp_path_factory.mktemp("front-ends") / "env", "pip", "build[uv]", "hatchling")
    install_into(python, requirement(wheel))
    return python


@pytest.fixture
def on_wheel(tmp_path: Path, wheel: Path) -> Pipeline:
    """Return a pipeline with the hook on its wheel."""
    return with_hook(tmp_path, wheel, ON_WHEEL)


def with_hook(tmp_path: Path, wheel: Path, hook: str, files: dict[str, str] | None = None) -> Pipeline:
    """Write a pipeline with the hook."""
    return make_pipeline(tmp_path / "demo", files, pyproject=pyproject(requirement(wheel), hook))


def build(pipeline: Pipeline, *command: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a front end in the pipeline."""
    return run(*command, cwd=pipeline.root, environ=installing_environment(), status=status)


def times_packed(done: subprocess.CompletedProcess[str]) -> int:
    """Return how often a bundle was built."""
    return len(SUMMARY.findall(done.stdout + done.stderr))


def bytes_of_the_target(pipeline: Pipeline, tmp_path: Path) -> str:
    """Return the digest of the archive that the target makes of the same pipeline."""
    build(pipeline, *FRONT_ENDS["target"], "-d", tmp_path / "by-target")
    return sha256(tmp_path / "by-target" / BUNDLE / "source.tar.gz")


@pytest.mark.parametrize(
    "arguments",
    [["-m", "build", "--installer", "uv"], ["-m", "build", "--installer", "uv", "--wheel"], ["uv"], ["uv", "--wheel"]],
    ids=" ".join,
)
def test_front_ends_leave_the_bundle_beside_the_wheel(
    on_wheel: Pipeline, environment: Path, tmp_path: Path, arguments: list[str]
) -> None:
    """In isolated builds, from the source tree or by way of the sdist: the bytes are those of the target."""
    command = [UV, "build", *arguments[1:]] if arguments[0] == "uv" else [environment, *arguments]
    done = build(on_wheel, *command)
    assert times_packed(done) == 1
    dist = on_wheel.root / "dist"
    assert {path.name for path in dist.iterdir()} >= {BUNDLE, "demo-1.0-py3-none-any.whl"}
    assert sha256(on_wheel.archive()) == bytes_of_the_target(on_wheel, tmp_path)


def test_hatch_leaves_the_bundle_beside_the_wheel(on_wheel: Pipeline, hatch: Hatch, tmp_path: Path) -> None:
    """Its path is shown as Hatch shows paths; `hatch clean` takes it away, and the neighbours of no target."""
    done = hatch.run("build", cwd=on_wheel.root)
    assert times_packed(done) == 1
    assert f"\ndist/{BUNDLE}/source.tar.gz\n" in done.stderr
    assert sha256(on_wheel.archive()) == bytes_of_the_target(on_wheel, tmp_path)
    neighbour = on_wheel.root / "dist" / "other-1.0.ytarchive" / "source.tar.gz"
    neighbour.parent.mkdir()
    neighbour.touch()
    hatch.run("clean", "-t", "wheel", cwd=on_wheel.root)
    assert not on_wheel.archive().parent.exists()
    assert neighbour.exists()


def test_the_hook_and_the_target_build_once(tmp_path: Path, wheel: Path, hatch: Hatch) -> None:
    """Where the hook stands for all targets, the target itself is not built twice, and its cleaning cleans once."""
    pipeline = with_hook(tmp_path, wheel, ON_ALL)
    for arguments in (["-t", "ytarchive"], ["-c", "-t", "ytarchive"]):
        done = hatch.run("build", *arguments, cwd=pipeline.root)
        assert times_packed(done) == 1
        assert contents(pipeline.archive())
    hatch.run("clean", "-t", "ytarchive", cwd=pipeline.root)
    assert not pipeline.archive().parent.exists()


def test_the_hook_on_all_targets_builds_beside_each(tmp_path: Path, wheel: Path, environment: Path) -> None:
    """The sdist gets one, the wheel another of the same bytes."""
    pipeline = with_hook(tmp_path, wheel, ON_ALL)
    for target in ("sdist", "wheel"):
        build(pipeline, environment, "-m", "hatchling", "build", "-t", target, "-d", target)
    digests = {sha256(pipeline.root / target / BUNDLE / "source.tar.gz") for target in ("sdist", "wheel")}
    assert digests == {bytes_of_the_target(pipeline, tmp_path)}


def test_hooks_alone_build_the_bundle_and_no_wheel(on_wheel: Pipeline, environment: Path) -> None:
    """`--hooks-only`; and `--no-hooks` builds the wheel and no bundle."""
    build(on_wheel, environment, "-m", "hatchling", "build", "-t", "wheel", "--hooks-only")
    assert [path.name for path in (on_wheel.root / "dist").iterdir()] == [BUNDLE]
    shutil.rmtree(on_wheel.root / "dist")
    build(on_wheel, environment, "-m", "hatchling", "build", "-t", "wheel", "--no-hooks")
    assert [path.name for path in (on_wheel.root / "dist").iterdir()] == ["demo-1.0-py3-none-any.whl"]


def test_pip_keeps_only_the_wheel(on_wheel: Pipeline, environment: Path) -> None:
    """It builds in a directory of its own and takes nothing but the wheel from there; the build itself works."""
    build(on_wheel, environment, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "out", ".")
    assert [path.name for path in (on_wheel.root / "out").iterdir()] == ["demo-1.0-py3-none-any.whl"]
    assert not (on_wheel.root / "dist").exists()


def test_editable_installs_build_nothing(on_wheel: Pipeline, tmp_path: Path) -> None:
    """Neither in the project nor in the temporary directory of the front end: broken sources do not even show."""
    on_wheel.link("stages/first/src/odd", "/dev/null")
    before = tree_state(on_wheel.root)
    python = make_environment(tmp_path / "env")
    install_into(python, "-e", on_wheel.root)
    assert tree_state(on_wheel.root) == before


def test_failing_sources_fail_the_wheel_in_one_line(on_wheel: Pipeline, environment: Path) -> None:
    """Said once, without a traceback, whoever builds; the bundle of the last good build stays."""
    command = (environment, "-m", "build", *NO_ISOLATION, "--wheel")
    build(on_wheel, *command)
    bundle = tree_state(on_wheel.archive().parent)
    (on_wheel.root / "dist" / "demo-1.0-py3-none-any.whl").unlink()
    on_wheel.link("stages/first/src/odd", "/dev/null")
    commands: list[tuple[str | Path, ...]] = [
        command,
        (UV, "build", "--wheel", "--no-build-isolation", "--python", environment),
        (environment, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", "."),
        (environment, "-m", "hatchling", "build", "-t", "wheel"),
    ]
    for front_end in commands:
        done = build(on_wheel, *front_end, status=-1)
        said = done.stdout + done.stderr
        assert said.count("the symbolic link `stages/first/src/odd` leads to `/dev/null`") == 1, said
        assert "Traceback" not in said
    assert tree_state(on_wheel.archive().parent) == bundle
    assert {path.name for path in (on_wheel.root / "dist").iterdir()} - {".gitignore"} == {BUNDLE}


def test_a_project_without_stages_gets_its_wheel(tmp_path: Path, wheel: Path, environment: Path) -> None:
    """The hook says that there is nothing to pack and goes on; the target fails."""
    pipeline = with_hook(tmp_path, wheel, ON_WHEEL).remove("stages")
    done = build(pipeline, environment, "-m", "hatchling", "build", "-t", "wheel")
    looked = f"in `{pipeline.root}/stages/<stage>/src`"
    assert "Warning: no code archive was built: no stage with code to run: looked for `mapper.py`" in done.stderr
    assert looked in done.stderr
    assert [path.name for path in (pipeline.root / "dist").iterdir()] == ["demo-1.0-py3-none-any.whl"]
    done = build(pipeline, environment, "-m", "hatchling", "build", "-t", "ytarchive", status=1)
    (line,) = done.stderr.splitlines()
    assert line.startswith("no stage with code to run: looked for `mapper.py`")
    assert looked in line


def test_a_stale_bundle_does_not_outlive_its_stages(tmp_path: Path, wheel: Path, environment: Path) -> None:
    """Where cleaning is asked for, a project without stages keeps no archive that looks like its current one."""
    pipeline = with_hook(tmp_path, wheel, ON_WHEEL)
    build(pipeline, environment, "-m", "hatchling", "build", "-t", "wheel")
    pipeline.remove("stages")
    build(pipeline, environment, "-m", "hatchling", "build", "-t", "wheel", "-c")
    assert [path.name for path in (pipeline.root / "dist").iterdir()] == ["demo-1.0-py3-none-any.whl"]


def test_a_wheel_from_an_sdist_packs_what_is_in_there(on_wheel: Pipeline, environment: Path) -> None:
    """And its manifest names no commit, as an unpacked sdist is no checkout."""
    on_wheel.write({"stages/first/src/notes.txt": "x", ".gitignore": "notes.txt\n"})
    on_wheel.commit()
    build(on_wheel, environment, "-m", "build", *NO_ISOLATION)
    assert contents(on_wheel.archive())["stages/first/src/mapper.py"] == MAPPER.encode()
    assert "stages/first/src/notes.txt" not in contents(on_wheel.archive())
    assert json.loads(on_wheel.archive().with_name("manifest.json").read_bytes())["git"] is None
    build(on_wheel, environment, "-m", "build", *NO_ISOLATION, "--wheel")
    assert "stages/first/src/notes.txt" in contents(on_wheel.archive())
    git = json.loads(on_wheel.archive().with_name("manifest.json").read_bytes())["git"]
    assert git == {"commit": on_wheel.git("rev-parse", "HEAD").strip(), "dirty": False}
