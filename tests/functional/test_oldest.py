"""The main flow with the oldest versions that the metadata of the wheel allows."""

from __future__ import annotations

import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

import pytest
from checkout import Hatch, make_environment, pyproject, requirement, run, sha256
from packaging.requirements import Requirement
from pipelines import make_pipeline
from rich_pipeline import make_rich_pipeline

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.functional, pytest.mark.slow]


def oldest(wheel: Path, extra: str = "") -> dict[str, str]:
    """Return the pins of all that the wheel requires, or that an extra of it requires, at its lower bound."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    pins = {}
    for text in metadata.get_all("Requires-Dist", []):
        wanted = Requirement(text)
        if ("extra ==" in text) != bool(extra) or (wanted.marker and not wanted.marker.evaluate({"extra": extra})):
            continue
        (bound,) = (specifier.version for specifier in wanted.specifier if specifier.operator == ">=")
        pins[wanted.name] = f"{wanted.name}=={bound}"
    return pins


def test_every_requirement_has_a_lower_bound(wheel: Path) -> None:
    """So that there is an oldest version; `hatch` is an extra's."""
    assert {"hatchling", "deflate", "pyyaml", "click", "ytsaurus-client"} <= set(oldest(wheel))
    assert set(oldest(wheel, "hatch")) == {"hatch"}


def test_the_oldest_requirements_build_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    """Above all the oldest compressor."""
    python = make_environment(tmp_path / "env", requirement(wheel), *oldest(wheel).values())
    pipeline = make_rich_pipeline(tmp_path / "demo")
    expected = pipeline.build(tmp_path / "here").sha256
    for command in (["-m", "hatchling", "build", "-t", "ytarchive"], ["-m", "hatch_ytupload", "build"]):
        run(python, *command, cwd=pipeline.root)
        assert sha256(pipeline.archive()) == expected
        pipeline.remove("dist")


def test_the_oldest_hatch_builds_and_publishes(wheel: Path, tmp_path: Path) -> None:
    """With the oldest hatchling in the build environment, and the publisher beside Hatch."""
    python = make_environment(tmp_path / "env", requirement(wheel), *oldest(wheel, "hatch").values())
    hatch = Hatch(tmp_path / "data", python)
    content = pyproject(requirement(wheel), hatchling=oldest(wheel)["hatchling"])
    pipeline = make_pipeline(tmp_path / "demo", pyproject=content, settings='mode = "dev"\nbuild_folder = "//home/x"')
    version = hatch.run("--version", cwd=pipeline.root).stdout.split()[-1]
    assert oldest(wheel, "hatch") == {"hatch": f"hatch=={version}"}

    done = hatch.run("build", "-t", "ytarchive", cwd=pipeline.root)
    assert done.stderr.splitlines()[-1] == "dist/demo-1.0.ytarchive/source.tar.gz"
    assert sha256(pipeline.archive()) == pipeline.build(tmp_path / "here").sha256
    hatch.run("publish", "-p", "ytupload", cwd=pipeline.root)
    published = pipeline.root / ".dev" / "cypress" / "home" / "x" / "source.tar.gz"
    assert sha256(published) == sha256(pipeline.archive())
    hatch.run("clean", "-t", "ytarchive", cwd=pipeline.root)
    assert not pipeline.archive().exists()
