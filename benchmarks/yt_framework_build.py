"""What YT Framework does with a pipeline on every run, up to the upload: the peer to measure against."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import yaml
from yt_framework.operations.upload import build_code_locally, create_code_archive


def main() -> None:
    """Build into the directory that is the second argument, or with `--pack-only` pack what lies there."""
    pipeline_dir, output = Path(sys.argv[1]), Path(sys.argv[2])
    config = yaml.safe_load((pipeline_dir / "configs/config.yaml").read_text(encoding="utf-8"))["pipeline"]
    logger = logging.getLogger("quiet")
    logger.setLevel(logging.CRITICAL)
    if "--pack-only" not in sys.argv:
        modules = config.get("upload_modules")
        build_code_locally(output / "source", pipeline_dir, logger, create_wrappers=True, upload_modules=modules)
    create_code_archive(output / "source", output / "source.tar.gz", logger)


if __name__ == "__main__":
    main()
