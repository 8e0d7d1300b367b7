"""The wheel on every Python of this machine that we support: the same bytes of the same content."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from checkout import COMMAND_LINE, make_environment, requirement, run, sha256
from interpreters import VERSIONS, python_or_skip
from package_index import package_index
from pipelines import Pipeline, clean_environment
from privileges import NOBODY, as_nobody, without_network
from rich_pipeline import make_rich_pipeline
from wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.functional, pytest.mark.slow]

TARGET = 'target = { python = "3.11", platform = "x86_64-manylinux_2_28" }'
DEAD = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "HTTP_PROXY": "http://127.0.0.1:9"}


class Original(NamedTuple):
    """A pipeline with a locked stage, and what is known of it."""

    pipeline: Pipeline
    cache: Path
    """In which its wheels are."""
    sha256: str
    """Of its archive."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """Return a pipeline that was locked and built by the Python of the tests."""
    directory = tmp_path_factory.mktemp("original")
    pipeline = make_rich_pipeline(directory / "demo", settings=TARGET)
    cache = directory / "cache"
    with package_index() as index:
        index.add(make_wheel("six", requires=["bin"]))
        for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_35_x86_64"):
            index.add(make_wheel("bin", tag=tag))
        environ = clean_environment(**_with_cache(cache), PIP_INDEX_URL=index.url, PIP_CONFIG_FILE=os.devnull)
        run(*COMMAND_LINE, "lock", "first", cwd=pipeline.root, environ=environ)
    run(*COMMAND_LINE, "build", cwd=pipeline.root, environ=clean_environment(**_with_cache(cache), **DEAD))
    manifest = json.loads(pipeline.archive().with_name("manifest.json").read_text())
    assert [wheel["file"] for wheel in manifest["wheels"]] == [
        "bin-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "six-1.0-py3-none-any.whl",
    ]
    return Original(pipeline, cache, sha256(pipeline.archive()))


def _with_cache(cache: Path) -> dict[str, str]:
    return {"YTUPLOAD_CACHE_DIR": str(cache), "YTUPLOAD_NO_CACHE": ""}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_do_not_depend_on_the_python(version: str, wheel: Path, original: Original, tmp_path: Path) -> None:
    """By the target, without a network, and by the command, as another user with another home and umask."""
    python = make_environment(tmp_path / "env", requirement(wheel), python=python_or_skip(version))
    ignored = shutil.ignore_patterns("dist")
    for name in ("pipeline", "of somebody else"):
        shutil.copytree(original.pipeline.root, tmp_path / name / "demo", symlinks=True, ignore=ignored)
        shutil.copytree(original.cache, tmp_path / name / "cache")

    here = Pipeline(tmp_path / "pipeline" / "demo")
    environ = clean_environment(**_with_cache(tmp_path / "pipeline" / "cache"), **DEAD)
    run(*without_network(), python, "-m", "hatchling", "build", "-t", "ytarchive", cwd=here.root, environ=environ)
    assert sha256(here.archive()) == original.sha256

    theirs = tmp_path / "of somebody else"
    as_other: tuple[str, ...] = ()
    if os.geteuid() == 0:
        as_other = as_nobody()
        for path in [theirs, *theirs.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    environ = clean_environment(**_with_cache(theirs / "cache"), **DEAD, HOME=str(theirs))
    command: list[str | Path] = [
        *as_other,
        "sh",
        "-c",
        'umask 077; exec "$@"',
        "sh",
        python.with_name("hatch-ytupload"),
    ]
    done = run(*command, "--json", "build", "-d", "by-command", cwd=theirs / "demo", environ=environ)
    assert json.loads(done.stdout)["sha256"] == original.sha256
    assert sha256(theirs / "demo" / "by-command" / "demo-1.0.ytarchive" / "source.tar.gz") == original.sha256
