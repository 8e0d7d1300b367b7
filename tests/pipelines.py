"""Pipelines written for one test, and the ways to build them: in this process or through the command line.

They carry a stand-in for the package `ytjobs` themselves, so that no YT Framework is needed and every Python will do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from warm_start import as_text, run_command

from hatch_ytupload.configuration.project import find_project
from hatch_ytupload.configuration.settings import Settings, load_settings
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.packing.build import Built, build_bundle
from hatch_ytupload.planning.plan import Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hatch_ytupload.configuration.project import Project

CHECKOUT = Path(__file__).parents[1]
SAMPLE = CHECKOUT / "sample_pipeline"

PYPROJECT = '[project]\nname = "demo"\nversion = "1.0"\n'
MAPPER = "import sys\n\nsys.stdout.write(sys.stdin.read())\n"

# What could change a build or its messages, and what has every Python load coverage first, for longer than most of what
# tests start takes: what they run in this process and through `warm_start` is measured.
_UNWANTED = ("YT_", "YTUPLOAD_", "GIT_", "HATCH_", "PYTHON", "PIP_", "UV_", "LC_", "COVERAGE_")
_MEASURING = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
_UNWANTED_NAMES = {"SOURCE_DATE_EPOCH", "LANG", "LANGUAGE", "TZ", "NO_COLOR", "FORCE_COLOR", "VIRTUAL_ENV"}
# Nothing of the user's: no git configuration, and no cache of earlier builds.
_WANTED = {
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "YTUPLOAD_NO_CACHE": "1",
}
_COMMITTER = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}


def clean_environment(**extra: str) -> dict[str, str]:
    """Return the environment of this process without what could influence a build, and with `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_UNWANTED) and name not in _UNWANTED_NAMES
    }
    return {**kept, **_WANTED, **extra}


def measured_environment(**extra: str) -> dict[str, str]:
    """Return a clean environment in which Python measures coverage if this process does."""
    return clean_environment(**{**_MEASURING, **extra})


@dataclass(frozen=True)
class Pipeline:
    """A project on disk."""

    root: Path

    def write(self, files: Mapping[str, str | bytes]) -> Pipeline:
        """Write files; a path that ends in `/` becomes an empty directory."""
        for path, content in files.items():
            place = self.root / path
            if path.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def link(self, path: str, to: str | Path) -> Pipeline:
        """Make a symbolic link at `path` that holds `to`."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(to)
        return self

    def remove(self, *paths: str) -> Pipeline:
        """Remove files and whole directories."""
        for path in paths:
            place = self.root / path
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink()
        return self

    def commit(self) -> str:
        """Commit everything into a new or the existing git repository; return the commit."""
        self.git("init", "--quiet")
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Everything")
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Run git in the project and return its output."""
        process = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=clean_environment(**_COMMITTER),
            capture_output=True,
            text=True,
            check=True,
        )
        return process.stdout

    def project(self) -> Project:
        """Load the project."""
        return find_project(str(self.root))

    def settings(
        self,
        table: Mapping[str, object] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        **overrides: object,
    ) -> Settings:
        """Load the settings: from `pyproject.toml`, or from `table` in its place."""
        content = self.project().table if table is None else table
        return load_settings(str(self.root), content, environ=environ or {}, overrides=overrides)

    def plan(self, table: Mapping[str, object] | None = None) -> Plan:
        """Plan the archive."""
        return make_plan(self.settings(table))

    def paths(self, table: Mapping[str, object] | None = None) -> list[str]:
        """List the paths of the planned archive, the stand-in for `ytjobs` left out, with its metadata."""
        paths = [entry.path for entry in self.plan(table).entries()]
        return [path for path in paths if not path.startswith(("ytjobs/", "yt_framework-"))]

    def build(
        self,
        dist: Path | None = None,
        table: Mapping[str, object] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        reproducible: bool = True,
    ) -> Built:
        """Build the bundle in this process, into `dist` of the project unless told otherwise."""
        return build_bundle(
            self.project(),
            self.settings(table, environ=environ),
            str(dist or self.root / "dist"),
            reproducible=reproducible,
            environ=environ or {},
        )

    def refusal(self, table: Mapping[str, object] | None = None, *, build: bool = False) -> str:
        """Return the one line that says why the pipeline cannot be planned, or built."""
        return refusal(lambda: self.build(table=table) if build else self.plan(table))

    def run(
        self, *arguments: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line in a process of its own, in the project's directory unless told otherwise."""
        return run_command_line(*arguments, cwd=cwd or self.root, environ=environ)

    def archive(self) -> Path:
        """Return where the archive lies after a build into `dist`."""
        return self.root / "dist" / "demo-1.0.ytarchive" / "source.tar.gz"


def make_pipeline(
    directory: Path,
    files: Mapping[str, str | bytes] | None = None,
    *,
    settings: str = "",
    pyproject: str = PYPROJECT,
    stage: bool = True,
    framework: bool = True,
) -> Pipeline:
    """Write a small pipeline that builds.

    Args:
        directory: becomes the project root.
        files: what to write besides, or instead, by path.
        settings: TOML lines under `[tool.ytupload]`.
        pyproject: the rest of `pyproject.toml`.
        stage: with a stage `first` that has a mapper.
        framework: with the stand-in for `ytjobs`.
    """
    content: dict[str, str | bytes] = {"pyproject.toml": f"{pyproject}\n[tool.ytupload]\n{settings}\n"}
    if stage:
        content["stages/first/src/mapper.py"] = MAPPER
    if framework:
        content["ytjobs/__init__.py"] = "STAND_IN = True\n"
    directory.mkdir(parents=True, exist_ok=True)
    return Pipeline(directory).write({**content, **(files or {})})


def run_command_line(
    *arguments: str,
    cwd: Path,
    environ: Mapping[str, str] | None = None,
    command: Sequence[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the checkout's command line in a clean environment, and in a process of its own.

    Args:
        arguments: of the command line.
        cwd: working directory.
        environ: variables to set besides.
        command: what comes before the arguments; None: `python -m hatch_ytupload`, without the start of an interpreter
            where none of the variables are about that.
    """
    complete = clean_environment(**{"PYTHONPATH": str(CHECKOUT), **(environ or {})})
    program = command or (sys.executable, "-m", "hatch_ytupload")
    return as_text(run_command([*program, *arguments], cwd=cwd, environ=complete))


def unprivileged(*arguments: str) -> list[str]:
    """Return a command that runs this Python with these arguments without the rights of root, if it is root.

    Root may read and write everything; without its capabilities, on Linux, the mode of a file counts for it too.
    """
    return [sys.executable, "-c", _DROP_CAPABILITIES, *arguments]


_DROP_CAPABILITIES = """
import ctypes, os, runpy, sys
if os.geteuid() == 0:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")
if sys.argv[1] == "-c":
    code = sys.argv[2]
    sys.argv[:] = ["-c", *sys.argv[3:]]
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
else:
    module = sys.argv[2]
    sys.argv[:] = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def refusal(action: Callable[[], object]) -> str:
    """Return the one line of the error that an action ends with."""
    with pytest.raises(YtUploadError) as error:
        action()
    line = str(error.value)
    assert line.isprintable(), f"not one printable line: {line!r}"
    return line


def refusal_lines(action: Callable[[], object]) -> list[str]:
    """Return the lines of the error that an action ends with, one for each problem."""
    with pytest.raises(YtUploadError) as error:
        action()
    lines = str(error.value).split("\n")
    assert all(line.isprintable() for line in lines), lines
    return lines


def refused_line(process: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a command ended with, having checked that it was one, with status 1."""
    assert process.returncode == 1, process
    assert process.stdout == ""
    lines = process.stderr.splitlines()
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith("Error: ")
    return lines[0].removeprefix("Error: ")


def contents(archive: str | Path) -> dict[str, bytes]:
    """Return the files of an archive, in its order, as Python's tarfile reads them."""
    found: dict[str, bytes] = {}
    with tarfile.open(archive, encoding="utf-8", errors="strict") as tar:
        for member in tar:
            assert member.isreg(), member
            assert member.name not in found, member
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found
