"""Measure locked requirements against what else brings packages to jobs: `python3 benchmarks/locked.py`.

Whole processes in alternation: a build with empty caches and one with full ones, and a job from its archive to the end
of its imports, in an empty sandbox. What is compared are seconds of processor time, which other work on the machine
changes least; jobs find their index where pip's configuration says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "dev")]

from corpora import PYPROJECT  # noqa: E402
from environment import environment  # noqa: E402
from measuring import Measured, measured  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

SETS = {
    "numpy, pandas": (("numpy==2.3.5", "pandas==2.3.3"), "numpy, pandas"),
    "requests, PyYAML, numpy": (("requests==2.32.5", "PyYAML==6.0.3", "numpy==2.3.5"), "requests, yaml, numpy"),
    "numpy, pandas, scipy, scikit-learn, pyarrow": (
        ("numpy==2.3.5", "pandas==2.3.3", "scipy==1.16.3", "scikit-learn==1.7.2", "pyarrow==22.0.0"),
        "numpy, pandas, scipy.stats, sklearn.linear_model, pyarrow",
    ),
}
QUICK = {"PyYAML": (("PyYAML==6.0.3",), "yaml")}
ARCHIVE = "source.tar.gz"
EXTRACT = "set -e; tar -xzf source.tar.gz; "
WRAPPER = f"{EXTRACT}exec ./operation_wrapper_stage_map.sh"
UNPACKED = f"{EXTRACT}PYTHONPATH=$PWD exec python3 mapper.py"


@dataclass
class Way:
    """How packages get to a job."""

    title: str
    build: Sequence[Sequence[str | Path]]
    """The commands of a build."""
    directory: Path
    """That they run in."""
    result: Path
    """What they make, and a job begins with."""
    name: str
    """Of that in the sandbox."""
    start: str
    """The shell's line in the sandbox."""
    cold: list[Measured] = field(default_factory=list)
    warm: list[Measured] = field(default_factory=list)
    starts: list[Measured] = field(default_factory=list)


class Comparison:
    """All ways for one set of packages.

    Args:
        directory: to work in.
        python: of the environment that builds.
        requirements: of the jobs.
        modules: that they import.
    """

    def __init__(self, directory: Path, python: Path, requirements: Sequence[str], modules: str) -> None:
        self.directory = directory
        self.requirements = requirements
        self.mapper = f"import {modules}\n"
        self.caches = directory / "caches"
        self.job = directory / "job"
        self.full = directory / "full"
        for image in (self.job, self.full):
            venv.create(image, with_pip=True)
        install: list[str | Path] = [python.parent / "uv", "pip", "install", "--quiet", "--compile-bytecode"]
        measured([*install, "--python", self.full, *requirements], directory, self._environ())
        self.of_image: list[Measured] = []
        tools = python.parent
        pex, site = directory / "pex/out.pex", directory / "site"
        project, plain = (self._project(name) for name in ("locked", "plain"))
        self.lock: Sequence[str | Path] = [python, "-m", "hatch_ytupload", "--quiet", "lock"]
        self.project = project
        self.locks: list[Measured] = []
        ours: list[Sequence[str | Path]] = [[python, "-m", "hatch_ytupload", "--quiet", "build"]]
        uv: list[str | Path] = [tools / "uv", "pip", "install", "--quiet", "--python", self.job, "--target", site]
        where: list[str | Path] = ["--complete-platform", self._platform(tools), "--pex-root", self.caches / "pex"]
        self.ways = [
            Way("locked, this plugin", ours, project, _archive(project), ARCHIVE, WRAPPER),
            Way("pip in the job, this plugin", ours, plain, _archive(plain), ARCHIVE, WRAPPER),
            Way(
                "pex `--complete-platform`",
                [[tools / "pex", *requirements, *where, "--output-file", pex]],
                directory,
                pex,
                "out.pex",
                "exec python3 out.pex mapper.py",
            ),
            Way(
                "an unpacked site directory",
                [[*uv, *requirements], ["tar", "-C", site, "-czf", directory / "site.tar.gz", "."]],
                directory,
                directory / "site.tar.gz",
                ARCHIVE,
                UNPACKED,
            ),
        ]

    def _project(self, name: str) -> Path:
        root = self.directory / name
        source = root / "stages/stage/src"
        source.mkdir(parents=True)
        target = f'{{ python = "{_python()}", platform = "{platform.machine()}-manylinux_2_28" }}'
        settings = f"{PYPROJECT.format(name=name)}\n[tool.ytupload]\nconfig = false\ntarget = {target}\n"
        (root / "pyproject.toml").write_text(settings, encoding="utf-8")
        (source / "mapper.py").write_text(self.mapper, encoding="utf-8")
        (root / "stages/stage/requirements.txt").write_text("\n".join(self.requirements), encoding="utf-8")
        return root

    def _platform(self, tools: Path) -> Path:
        """Have pex describe the Python of the jobs: what it needs to build for another machine."""
        inspect = ["interpreter", "inspect", "--markers", "--tags", "--python"]
        command: list[str | Path] = [tools / "pex3", *inspect, self._python]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        place = self.directory / "platform.json"
        place.write_text(json.dumps(found), encoding="utf-8")
        return place

    @property
    def _python(self) -> Path:
        return self.job / "bin/python3"

    def _environ(self) -> dict[str, str]:
        names = {"YTUPLOAD_CACHE_DIR": "ytupload", "UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "PEX_ROOT": "pex"}
        return {name: str(self.caches / place) for name, place in names.items()}

    def round(self) -> None:
        """Build and start each once."""
        shutil.rmtree(self.caches, ignore_errors=True)
        self.locks.append(measured(self.lock, self.project, self._environ()))
        for way in self.ways:
            shutil.rmtree(self.caches, ignore_errors=True)
            way.cold.append(self._build(way))
            way.warm.append(self._build(way))
            way.starts.append(self._start(way, self.job))
        # Python alone decides there: nothing is unpacked.
        image = Way("", [], self.directory, self.project / "pyproject.toml", "none", "exec python3 mapper.py")
        self.of_image.append(self._start(image, self.full))

    def _build(self, way: Way) -> Measured:
        way.result.unlink(missing_ok=True)
        shutil.rmtree(self.directory / "site", ignore_errors=True)
        done = [measured(command, way.directory, self._environ()) for command in way.build]
        seconds, processor_seconds, peaks = zip(*done, strict=True)
        return Measured(sum(seconds), sum(processor_seconds), max(peaks))

    def _start(self, way: Way, of: Path) -> Measured:
        sandbox = self.directory / "sandbox"
        sandbox.mkdir()
        shutil.copyfile(way.result, sandbox / way.name)
        (sandbox / "mapper.py").write_text(self.mapper, encoding="utf-8")
        # What pip installs must not be there for the next job.
        image = Path(shutil.copytree(of, self.directory / "image", symlinks=True))
        path = os.pathsep.join([str(image / "bin"), os.environ["PATH"]])
        environ = {"PATH": path, "HOME": str(sandbox), "PEX_ROOT": str(sandbox / ".pex"), "PIP_CACHE_DIR": ""}
        try:
            return measured(["bash", "-c", way.start], sandbox, environ)
        finally:
            shutil.rmtree(sandbox)
            shutil.rmtree(image)

    def table(self) -> str:
        """Return the results as a Markdown table: medians, and ratios of the same round."""
        lines = [
            "| | build, caches empty | full | archive | start of a job | against the unpacked directory |",
            "|---|---|---|---|---|---|",
        ]
        for way in self.ways:
            cold, warm, start = map(_shown, (way.cold, way.warm, way.starts))
            ratio = _ratio(way.starts, self.ways[-1].starts)
            size = way.result.stat().st_size / 1e6
            lines.append(f"| {way.title} | {cold} | {warm} | {size:.1f} MB | {start} | {ratio:.2f} |")
        ratio = _ratio(self.of_image, self.ways[-1].starts)
        lines.append(f"| an image that has them | | | | {_shown(self.of_image)} | {ratio:.2f} |")
        return "\n".join(lines)

    def ratios(self) -> str:
        """Return what the goals are about."""
        ours, pip, pex, _ = self.ways
        return (
            f"Of pex's processor time our build takes {_ratio(ours.cold, pex.cold):.2f} with empty caches, "
            f"{_ratio(ours.warm, pex.warm):.2f} with full ones, and our start {_ratio(ours.starts, pex.starts):.2f}. "
            f"Of that of pip in the job our start takes {_ratio(ours.starts, pip.starts):.2f}. `hatch-ytupload lock`, "
            f"which is needed once: {_shown(self.locks)}."
        )


def _python() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _archive(project: Path) -> Path:
    return project / f"dist/corpus_{project.name}-1.0.ytarchive/source.tar.gz"


def _ratio(ours: Sequence[Measured], theirs: Sequence[Measured]) -> float:
    return statistics.median(
        one.processor_seconds / other.processor_seconds for one, other in zip(ours, theirs, strict=True)
    )


def _shown(series: Sequence[Measured]) -> str:
    processor = statistics.median(one.processor_seconds for one in series)
    return f"{processor:.2f} s ({statistics.median(one.seconds for one in series):.1f})"


def main() -> None:
    """Parse arguments, make the environment, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one small package, one round: shows only that it runs")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds (default: 3)")
    arguments = parser.parse_args()
    python = environment("bench-locked", "--compile-bytecode", "yt-framework==1.4.4", "uv>=0.9", "pex==2.105.2")
    for title, (requirements, modules) in (QUICK if arguments.quick else SETS).items():
        with tempfile.TemporaryDirectory() as directory:
            comparison = Comparison(Path(directory), python, requirements, modules)
            for _ in range(1 if arguments.quick else arguments.rounds):
                comparison.round()
            print(f"### {title}\n\nSeconds of processor time (seconds that passed).\n")
            print(comparison.table(), comparison.ratios(), sep="\n\n", end="\n\n", flush=True)


if __name__ == "__main__":
    main()
