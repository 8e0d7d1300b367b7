"""Pipelines to measure with, made from a seed and from source text that is installed with Python."""

from __future__ import annotations

import random
import sysconfig
from pathlib import Path
from typing import NamedTuple

LARGE_PACKAGES = ("botocore", "numpy", "pandas", "duckdb", "pyarrow")
LARGE_REQUIREMENTS = ("botocore", "numpy==2.3.5", "pandas==2.3.3", "duckdb", "pyarrow==22.0.0")
IGNORE = "".join(f"*.tmp{number}\n" for number in range(15)) + "*.log\nscratch/\n/data/raw/\n*.ipynb\n!keep.ipynb\n"


class Shape(NamedTuple):
    """What a corpus is like."""

    title: str
    stages: int
    files: int
    size: int
    """Of a file, in bytes, on average."""
    ignored: int
    packages: tuple[str, ...] = ()


SHAPES = {
    "S": Shape("an example pipeline", 3, 12, 1500, 2),
    "M": Shape("50 stages, 2,000 small files, 500 ignored", 50, 2000, 11_000, 500),
    "L": Shape("large installed packages as `upload_modules`", 1, 1, 1000, 0, LARGE_PACKAGES),
    "W": Shape("50,000 files of 300 bytes and 50,000 ignored", 50, 50_000, 300, 50_000),
}


def make_corpus(name: str, directory: Path, *, scale: float = 1.0) -> None:
    """Write a corpus; the same name, scale and Python always give the same files.

    Args:
        name: `S`, `M`, `L` or `W`.
        directory: becomes the project root; must not exist.
        scale: how many of the files, at most 1.
    """
    shape = SHAPES[name]
    text = _source_text()
    chance = random.Random(20260202)
    modules = list(shape.packages) if scale == 1 else ["click"] * bool(shape.packages)
    _write(directory / "pyproject.toml", PYPROJECT.format(name=name.lower()))
    _write(
        directory / "configs/config.yaml",
        f"stages:\n  enabled_stages: []\npipeline:\n  build_folder: //home/bench\n  upload_modules: {modules}\n",
    )
    stages = max(int(shape.stages * scale), 1)
    for stage in range(stages):
        base = directory / "stages" / f"stage_{stage}"
        _write(base / "config.yaml", f"job:\n  number: {stage}\n")
        _write(base / ".ytignore", IGNORE)
        _write(base / "src/mapper.py", "import sys\n\nsys.stdout.write(sys.stdin.read())\n")
        _write(base / "src/reducer.py", "import sys\n\nsys.stdout.write(sys.stdin.read())\n")
        for number in range(shape.files // shape.stages):
            start = chance.randrange(len(text) - 4 * shape.size)
            size = chance.randrange(shape.size // 2, shape.size * 3 // 2)
            _write(base / f"src/package_{number % 20}/module_{number}.py", text[start : start + size])
        for number in range(shape.ignored // shape.stages):
            _write(base / f"src/package_{number % 20}/run_{number}.log", "nobody needs this\n")


PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-ytupload"]
build-backend = "hatchling.build"

[project]
name = "corpus-{name}"
version = "1.0"

[tool.hatch.build.targets.sdist]
include = ["/stages", "/configs"]
"""


def _source_text() -> str:
    """Return a few megabytes of real Python code: what is in pipelines compresses like this."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
