"""`hatch-ytupload run`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.completion import archives, operations, stages
from hatch_ytupload.command_line.flags import destination_flags, whereabouts
from hatch_ytupload.file_names import as_text

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.jobs.run import Ran, Run


@click.command()
@click.argument("stage", shell_complete=stages)
@click.argument("operation", shell_complete=operations)
@click.argument("archive", required=False, shell_complete=archives)
@click.option(
    "-i", "--input", "source", metavar="FILE", type=click.Path(), help="Rows to read [default: standard input]."
)
@click.option(
    "-o", "--output", "target", metavar="FILE", type=click.Path(), help="Where rows go, when the job has ended well."
)
@click.option("--sort-by", metavar="COLUMNS", help="Columns, with commas between them, to sort a reducer's rows by.")
@click.option("--python", metavar="PYTHON", help="Path, command or version of the Python for the job.")
@click.option("--secrets", is_flag=True, help="Give the job the variables of configs/secrets.env.")
@click.option("--keep", is_flag=True, help="Keep the sandbox, for a look into it.")
@destination_flags
@click.pass_obj
def command(
    console: Console,
    /,
    stage: str,
    operation: str,
    archive: str | None,
    *,
    source: str | None,
    target: str | None,
    sort_by: str | None,
    python: str | None,
    secrets: bool,
    keep: bool,
    **flags: object,
) -> None:
    r"""Run an operation in a local sandbox, from the built archive, the way a job does.

    OPERATION is map, vanilla, reduce, map_reduce, map_reduce_mapper or map_reduce_reducer. The exit status is the
    job's. ARCHIVE is a bundle or an archive on disk, `current` or the name of a release, or a path in Cypress; without
    it, the bundle of the project's current version.

    \b
    Example:
      hatch-ytupload run parse_requests map -i data/requests.jsonl -o hits.jsonl
      hatch-ytupload run build_sessions map_reduce --sort-by visitor < hits.jsonl
      hatch-ytupload run check_networks vanilla current --keep
    """
    from hatch_ytupload.answers.artifacts import copy_of, find_artifact
    from hatch_ytupload.answers.verification import require_signed
    from hatch_ytupload.jobs.run import Run, run_operation
    from hatch_ytupload.releases.signatures import signers_of

    if console.as_json and target in (None, "-"):
        raise click.UsageError("`--json` needs `--output FILE`: rows would go to standard output, too")
    settings = console.settings(flags, needs_project=True)

    run = Run(
        as_text(stage),
        operation,
        None if source == "-" else source,
        None if target == "-" else target,
        _columns(sort_by),
        keep,
        tuple(settings.secrets) if secrets else (),
        python,
    )
    artifact = find_artifact(archive, whereabouts(console, flags))
    if archive is None and artifact.manifest is not None and artifact.directory is not None:
        from hatch_ytupload.releases.publish_bundle import stale_warning

        if stale := stale_warning(settings, artifact.manifest, artifact.directory):
            console.warning(stale)
    signers = signers_of(settings)
    signed_by = require_signed(artifact, signers) if signers is not None else None
    sha256 = artifact.manifest.archive.sha256 if artifact.manifest is not None and signed_by is not None else None
    with ExitStack() as stack:
        with console.progress() as progress:
            copy = stack.enter_context(copy_of(artifact, sha256=sha256, progress=progress))
        ran = run_operation(copy, settings.pipeline_dir, run, environ=os.environ, notice=console.info)
    if ran.missing is not None:
        from hatch_ytupload.checks.absence import what_provides

        console.info(what_provides(ran.missing, run.stage, settings))
    _report(console, run, ran)
    sys.exit(ran.status)


def _report(console: Console, run: Run, ran: Ran) -> None:
    places = [as_text(os.path.relpath(path)) for path in ran.sandboxes]
    if ran.stopped_by is not None:
        console.error(f"stopped by {signal.Signals(ran.stopped_by).name}")
    elif ran.status != 0:
        console.error(f"the job failed with exit status {ran.status}; its sandbox is `{places[-1]}`")
    elif places:
        console.info(f"sandbox: {', '.join(places)}")
    data = {
        "stage": run.stage,
        "operation": run.operation,
        "status": ran.status,
        "stopped_by": ran.stopped_by,
        "seconds": round(ran.seconds, 3),
        "output": run.target if ran.status == 0 else None,
        "sandboxes": list(ran.sandboxes),
        "missing_module": ran.missing,
    }
    console.result(data, "")


def _columns(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
