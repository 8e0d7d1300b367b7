"""Whether the pipeline's own files are still those that a bundle was built from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_ytupload.packing.bundle import read_bundle
from hatch_ytupload.releases.changed_sources import changed_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines import Pipeline

SETTINGS = {"upload_modules": ["geo", "click"], "upload_paths": [{"source": "lib", "target": "data/lib"}]}


@pytest.fixture
def built(pipeline: Pipeline, tmp_path: Path) -> Callable[[], str | None]:
    """Return what looks for changes since the pipeline was built."""
    pipeline.write(
        {
            "stages/first/src/mapper.py": "print(1)\n",
            "stages/first/config.yaml": "job: {}\n",
            "lib/table.tsv": "1\t2\n",
            "lib/.ytignore": "*.log\n",
            "geo/__init__.py": "",
            "geo/large.bin": "0" * 2_000_000,
        }
    )
    bundle = str(Path(pipeline.build(tmp_path / "dist", SETTINGS).archive).parent)
    return lambda: changed_source(pipeline.settings(SETTINGS), read_bundle(bundle).manifest, bundle)


def test_nothing_has_changed(pipeline: Pipeline, built: Callable[[], str | None]) -> None:
    """Nor has it after a fresh checkout, which gives every file the time of now, or by what is ignored."""
    assert built() is None
    for path in pipeline.root.rglob("*"):
        os.utime(path)
    pipeline.write({"lib/new.log": "x", "README.md": "x", "stages/first/stage.py": "x"})
    assert built() is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"stages/first/src/mapper.py": "print(2)\n"}, "`stages/first/src/mapper.py` has changed"),
        ({"stages/first/src/mapper.py": "print(12)\n"}, "`stages/first/src/mapper.py` has changed"),
        ({"stages/first/config.yaml": "job: []\n"}, "`stages/first/config.yaml` has changed"),
        ({"stages/first/requirements.txt": "a\n"}, "`stages/first/requirements.txt` is new"),
        ({"stages/second/src/vanilla.py": ""}, "`stages/second/src/vanilla.py` is new"),
        ({"lib/other.tsv": ""}, "`data/lib/other.tsv` is new"),
        ({"geo/large.bin": "1" * 2_000_000}, "`geo/large.bin` has changed"),
        ({"lib/.ytignore": "*.tsv\n", "lib/rest": ""}, "`data/lib/rest` is new"),
    ],
)
def test_the_first_change_is_named(
    pipeline: Pipeline, built: Callable[[], str | None], files: dict[str, str], expected: str
) -> None:
    """Though size and time may be those of before."""
    times = {path: path.stat().st_mtime_ns for path in pipeline.root.rglob("*")}
    pipeline.write(files)
    for path, time in times.items():
        if path.is_file():
            os.utime(path, ns=(time, time))
    assert built() == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("stages/first/config.yaml", "`stages/first/config.yaml` is gone"),
        ("lib/table.tsv", "`data/lib/table.tsv` is gone"),
        ("geo/large.bin", "`geo/large.bin` is gone"),
    ],
)
def test_what_is_gone_is_named(pipeline: Pipeline, built: Callable[[], str | None], path: str, expected: str) -> None:
    """With its path in the archive."""
    pipeline.remove(path)
    assert built() == expected


def test_a_file_that_may_be_executed_now_has_changed(pipeline: Pipeline, built: Callable[[], str | None]) -> None:
    """Its mode is part of the content."""
    (pipeline.root / "lib/table.tsv").chmod(0o755)
    assert built() == "`data/lib/table.tsv` has changed"
