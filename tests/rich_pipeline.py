"""A pipeline with one of everything that could make two builds differ."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pipelines import MAPPER, Pipeline, make_pipeline

if TYPE_CHECKING:
    from pathlib import Path

_NOISE = random.Random(20200202)

CONFIG = """\
pipeline:
  upload_modules: [own, single]
  upload_paths:
    - {source: lib/shared, target: shared}
    - {source: lib/данные}
"""

RICH_FILES: dict[str, bytes] = {
    "configs/config.yaml": CONFIG.encode(),
    "own/__init__.py": b"",
    "own/deep/er/module.py": b"x = 1\n",
    "single.py": b"y = 2\n",
    # Several blocks of the compressor, one part of them incompressible.
    "lib/shared/noise.bin": _NOISE.randbytes(2_500_000),
    "lib/shared/zeros.bin": bytes(3_000_000),
    "lib/shared/empty": b"",
    "lib/shared/twin_a.py": b"# twins\n",
    "lib/shared/twin_b.py": b"# twins\n",
    "lib/shared/Upper.py": b"",
    "lib/shared/upper.py": b"",
    "lib/shared/with space": b"",
    "lib/shared/-rf": b"",
    "lib/shared/new\nline": b"",
    "lib/shared/" + "/".join(["long" * 20] * 4): b"long",
    "lib/данные/имя.txt": "содержание".encode(),
    "lib/данные/e\u0301.txt": b"decomposed",
    "lib/данные/\u00e9.txt": b"composed",
    "stages/first/src/mapper.py": MAPPER.encode(),
    "stages/first/config.yaml": b"job: {}\n",
    "stages/first/requirements.txt": b"six\n",
    "stages/second/src/vanilla.py": b"pass\n",
    "stages/second/src/reducer.py": b"pass\n",
}


def make_rich_pipeline(directory: Path, *, settings: str = "") -> Pipeline:
    """Write it, with ignored files, executables, and symbolic links to a file and to a directory.

    Args:
        directory: becomes the project root.
        settings: TOML lines under `[tool.ytupload]`.
    """
    pipeline = make_pipeline(directory, dict(RICH_FILES), settings=settings, stage=False)
    pipeline.write(
        {".ytignore": "*.tmp\n!keep.tmp\n", "own/a.tmp": "", "own/keep.tmp": "", "own/__pycache__/x.pyc": ""}
    )
    pipeline.link("own/link.py", "deep/er/module.py").link("own/linked", "deep")
    (directory / "lib/shared/twin_a.py").chmod(0o755)
    (directory / "lib/shared/twin_b.py").chmod(0o755)
    (directory / "stages/second/src/vanilla.py").chmod(0o700)
    return pipeline
