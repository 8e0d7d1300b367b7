"""The `job` section of the stage's config.yaml, as a job reads it.

`ytjobs.get_config_path()` names the same file, but importing anything of ytjobs imports boto3, which a job that reads
and writes rows does not need.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def load_job_config(path: Path | None = None) -> dict[str, Any]:
    """Return the `job` section of the file at `path`, or of the one that JOB_CONFIG_PATH names."""
    # From the stage's requirements.txt: Python itself reads no YAML.
    from ruamel.yaml import YAML

    config = YAML(typ="safe", pure=True).load(path or Path(os.environ["JOB_CONFIG_PATH"]))
    return config["job"]
