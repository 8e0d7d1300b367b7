"""Runs an operation of an archive on this machine, the way the cluster would run its jobs."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from hatch_ytupload.archive_layout import CONFIG, MAP_REDUCE, stage_file
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.jobs.content import Content, RunError
from hatch_ytupload.jobs.environment import Wanted, job_python
from hatch_ytupload.jobs.interpreter import installer_environment
from hatch_ytupload.jobs.process import JobProcess, job_command, job_environment
from hatch_ytupload.jobs.rows import sorted_rows, source_of_rows, target_of_rows
from hatch_ytupload.jobs.sandbox import fresh_sandbox, sandbox_name
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_ytupload.jobs.environment import JobPython
    from hatch_ytupload.planning.stage_config import StageConfig
    from hatch_ytupload.reading.contents import ArchiveCopy

# The last line of a traceback.
_NOT_FOUND = re.compile(r"(?:^|\n)ModuleNotFoundError: No module named '([^'\n]+)'[^\n]*$")
# What these read is sorted on the cluster.
_SORTED = frozenset({"reduce", "map_reduce_reducer"})


@dataclass(frozen=True)
class Run:
    """What is to be run, and with what."""

    stage: str
    operation: str
    """One that the archive has a wrapper script for, or `map_reduce`."""
    source: str | None = None
    """Path of the file with the rows; None: standard input."""
    target: str | None = None
    """Path of the file for the rows that the job writes; None: standard output."""
    sort_by: tuple[str, ...] = ()
    """The key that a reducer's rows are sorted by; empty: the one in the stage's config."""
    keep: bool = False
    """Leave the sandbox there."""
    secrets: tuple[tuple[str, str], ...] = ()
    """What the job is given of `configs/secrets.env`."""
    python: str | None = None
    """The Python to run on, with all that is installed for it: a path, a command or a version such as `3.12`."""


@dataclass(frozen=True)
class Ran:
    """How it went."""

    status: int
    """The exit status of the job."""
    stopped_by: int | None
    """The number of the signal that stopped it; None: it ended by itself."""
    sandboxes: tuple[str, ...]
    """Absolute paths of those that are still there; the last one is that of the job that failed, if one did."""
    seconds: float
    missing: str | None = None
    """The module for want of which the job stopped, if it did."""


def run_operation(
    archive: ArchiveCopy,
    pipeline_dir: str,
    run: Run,
    *,
    environ: Mapping[str, str],
    notice: Callable[[str], None] = lambda _text: None,
) -> Ran:
    """Run an operation, and wait for its end.

    Args:
        archive: that the job gets.
        pipeline_dir: absolute path of the pipeline directory, which the sandbox is made in.
        run: what to run.
        environ: our own environment.
        notice: called with a line that says what the user may want to know.

    Raises:
        ArtifactError: the archive cannot be read, or holds what no archive of code does.
        YtUploadError: there is no such operation, a file cannot be opened, rows cannot be sorted, or there can be no
            sandbox.
    """
    start = time.monotonic()
    content = Content(archive)
    wrappers = content.wrappers(run.stage, run.operation)
    config = content.config(run.stage)
    columns = run.sort_by or config.sort_by(run.operation)
    if run.operation == MAP_REDUCE and not columns:
        raise RunError(
            f"nothing says what to sort by between mapper and reducer: give `--sort-by`, or write `reduce_by` under "
            f"`client.operations.{MAP_REDUCE}` in `{one_line(stage_file(run.stage, CONFIG))}`"
        )
    with ExitStack() as stack:
        rows = stack.enter_context(source_of_rows(run.source))
        target = stack.enter_context(target_of_rows(run.target))
        variables = {**dict(run.secrets), **dict(config.variables(run.operation))}
        _refuse_unfit(variables)
        requirements = content.requirements(run.stage, variables)
        wanted = Wanted(archive.path, run.stage, requirements, run.python, environ, variables)
        python = stack.enter_context(job_python(wanted, notice))
        installer = installer_environment(environ) if requirements else {}
        legs = _Legs(run, archive, pipeline_dir, config, python, installer)
        for operation, wrapper in wrappers:
            if operation in _SORTED and columns:
                rows = stack.enter_context(sorted_rows(rows, columns, legs.origin()))
            elif operation in _SORTED:
                notice("rows are read in the order in which they come: neither `--sort-by` nor the config has a key")
            last = operation == wrappers[-1][0]
            between = None if last else stack.enter_context(tempfile.TemporaryFile())
            status, stopped_by = legs.run(operation, wrapper, rows, target.file if between is None else between)
            if status != 0:
                break
            if between is not None:
                between.seek(0)
                rows = between
        else:
            target.finish()
    missing = legs.missing if status != 0 and stopped_by is None else None
    return Ran(status, stopped_by, tuple(legs.kept), time.monotonic() - start, missing)


@dataclass
class _Legs:
    """The jobs of one operation, one after the other, each in a sandbox of its own."""

    what: Run
    archive: ArchiveCopy
    pipeline_dir: str
    config: StageConfig
    python: JobPython
    installer: Mapping[str, str]
    done: int = 0
    kept: list[str] = field(default_factory=list)
    """The sandboxes that are still there."""
    missing: str | None = None
    """The module that the last job did not find, if it said so."""

    def origin(self) -> str:
        """Return the name in messages of what the next job reads."""
        if self.done:
            return "what the mapper wrote"
        return "standard input" if self.what.source is None else f"`{one_line(self.what.source)}`"

    def run(
        self, operation: str, wrapper: str, rows: IO[bytes] | None, target: IO[bytes] | None
    ) -> tuple[int, int | None]:
        """Run a job; return its exit status and the signal that stopped it, if one did."""
        run = self.what
        tables = self.config.tables(run.operation)
        source, out = _name(run.source, tables[0], run.stage), _name(run.target, tables[1], run.stage)
        name = sandbox_name(as_system_spells(run.stage), operation, source, out) + ("_reducer" if self.done else "")
        self.done += 1
        with fresh_sandbox(self.pipeline_dir, name, self.archive.path) as sandbox:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
                directory = _without_separator(sandbox.directory, temporary)
                environ = job_environment(
                    self.python,
                    directory,
                    temporary,
                    run.stage,
                    configured=self.config.variables(run.operation),
                    secrets=run.secrets,
                    installer=self.installer,
                )
                job = JobProcess(job_command(wrapper), directory, environ)
                status = job.run(subprocess.DEVNULL if operation == "vanilla" else rows, target)
            self.missing = missing_module(job.last_words)
            sandbox.keep = run.keep or (status != 0 and job.stopped_by is None)
            if sandbox.keep:
                self.kept.append(sandbox.directory)
        return status, job.stopped_by


def missing_module(said: bytes) -> str | None:
    r"""Return the module that a Python program stopped for want of; None: it did not stop for that.

    Args:
        said: the end of what it wrote to standard error.

    >>> missing_module(b"Traceback:\n ...\nModuleNotFoundError: No module named 'a.b'\n")
    'a.b'
    """
    match = _NOT_FOUND.search(said.decode("utf-8", "replace").rstrip())
    return match[1] if match is not None else None


def _without_separator(directory: str, temporary: str) -> str:
    """Return a path of the directory that `PYTHONPATH` can hold: a colon would be the end of an entry."""
    if os.pathsep not in directory:
        return directory
    link = os.path.join(temporary, ".sandbox")
    os.symlink(directory, link)
    return link


def _refuse_unfit(variables: Mapping[str, str]) -> None:
    """Check that a program can be given these variables.

    Raises:
        RunError: one has a value that none can have.
    """
    for name, value in variables.items():
        try:
            unfit = "\0" in as_system_spells(value)
        except UnicodeEncodeError:
            unfit = True
        if unfit:
            raise RunError(
                f"the variable `{one_line(name)}` has a character in its value that no variable can hold: correct it "
                "in `configs/secrets.env` or in the `env` of the stage's config"
            )


def _name(path: str | None, table: str | None, stage: str) -> str:
    """Return what stands in a sandbox's name for what a job reads or writes."""
    if path is not None:
        return os.path.splitext(os.path.basename(os.path.normpath(path)))[0] or as_system_spells(stage)
    return as_system_spells(table or stage)
