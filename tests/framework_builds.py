"""Archives that YT Framework itself makes, each in a process of its own: it imports what it packs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines import clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Importing the framework takes half a second, so one process imports it and forks for every request.
_PROGRAM = """
import json, logging, os, sys
from pathlib import Path
from yt_framework.operations.upload import build_code_locally, create_code_archive

sys.dont_write_bytecode = True
answers = os.dup(1)
os.dup2(2, 1)
for line in sys.stdin:
    request = json.loads(line)
    if os.fork() == 0:
        error = None
        os.chdir(request["pipeline"])
        sys.path.insert(0, request["pipeline"])
        logger = logging.getLogger("build")
        logger.setLevel(logging.CRITICAL)
        output = Path(request["output"])
        try:
            build_code_locally(
                build_dir=output / "source",
                pipeline_dir=Path(request["pipeline"]),
                logger=logger,
                create_wrappers=True,
                upload_modules=request["modules"],
                upload_paths=request["paths"],
            )
            create_code_archive(build_dir=output / "source", archive_path=output / "source.tar.gz", logger=logger)
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}"
        os.write(answers, (json.dumps(error) + "\\n").encode())
        os._exit(0)
    os.wait()
"""


@dataclass(frozen=True)
class Framework:
    """An imported YT Framework that waits for pipelines."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Framework:
        """Import it."""
        return cls(
            subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                env=clean_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )

    def stop(self) -> None:
        """End it."""
        self.process.communicate()

    def build(
        self,
        pipeline: Path,
        output: Path,
        modules: Sequence[str] = (),
        paths: Sequence[dict[str, str]] = (),
    ) -> str | None:
        """Let it make `output/source.tar.gz`; return its error, None where there is none."""
        request = {"pipeline": str(pipeline), "output": str(output), "modules": list(modules), "paths": list(paths)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: Any = json.loads(self.process.stdout.readline())
        assert answer is None or isinstance(answer, str)
        return answer
