"""What an operation needs to run code of a build folder, for programs that use ytsaurus-client without YT Framework."""

from __future__ import annotations

import shlex

from hatch_ytupload.archive_layout import ARCHIVE_NAME, OPERATIONS, wrapper_name
from hatch_ytupload.configuration.values import UnexpectedValueError, cypress_path
from hatch_ytupload.jobs.process import job_command
from hatch_ytupload.releases.records import archive_of


def operation_command(stage: str, operation: str) -> str:
    """Return the command of a job that runs an operation of a stage.

    It extracts `source.tar.gz` in the working directory of the job, and starts the wrapper script. Standard input
    and output are left to the job, so it goes wherever ytsaurus-client takes a command: `run_map`, `run_reduce`,
    `run_map_reduce` (once with `map_reduce_mapper`, once with `map_reduce_reducer`), and tasks of `VanillaSpecBuilder`.

    Args:
        stage: its name.
        operation: one of `OPERATIONS`.

    Raises:
        ValueError: there is no such operation.

    >>> operation_command("parse", "map")
    "bash -c 'set -e; tar -xzf source.tar.gz; ./operation_wrapper_parse_map.sh'"
    """
    if operation not in OPERATIONS:
        raise ValueError(f"`operation` must be one of {', '.join(OPERATIONS)}, found {operation!r}")
    return shlex.join(job_command(wrapper_name(stage, operation)))


def operation_files(build_folder: str, release: str | None = None) -> list[str]:
    """Return the Cypress paths of the files that such a job needs in its working directory.

    Args:
        build_folder: its path in Cypress.
        release: the whole name of a kept release, for an operation that runs this very code whatever is published in
            the meantime; None: the current one.

    Raises:
        ValueError: `build_folder` is not the path of a Cypress folder.

    >>> operation_files("//home/demo/build")
    ['//home/demo/build/source.tar.gz']
    >>> operation_files("//home/demo/build", "1.0-0123456789ab")
    ['//home/demo/build/releases/1.0-0123456789ab/source.tar.gz']
    """
    try:
        folder = cypress_path(build_folder)
    except UnexpectedValueError as error:
        raise ValueError(f"`build_folder` {error}") from None
    return [f"{folder}/{ARCHIVE_NAME if release is None else archive_of(release)}"]
