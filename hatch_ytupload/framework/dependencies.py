"""The files of a job where each one is mounted by itself, as pairs of a Cypress path and a path in the sandbox."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import CONFIG, SRC, STAGES, YTJOBS
from hatch_ytupload.framework.edge import python_errors
from hatch_ytupload.sources.ytjobs import find_ytjobs

if TYPE_CHECKING:
    import logging
    from pathlib import Path


def build_stage_dependencies(build_folder: str, stage_dir: Path, logger: logging.Logger) -> list[tuple[str, str]]:
    """List the `config.yaml` and all Python files of a stage.

    The counterpart of `yt_framework.operations.dependencies.build_stage_dependencies` 1.4.

    Args:
        build_folder: its path in Cypress.
        stage_dir: the directory of the stage.
        logger: gets a line that says how many there are.

    Returns:
        Pairs of a Cypress path and a path in the sandbox; the config first, then sorted.
    """
    place = f"{STAGES}/{stage_dir.name}"
    names = []
    if (stage_dir / CONFIG).exists():
        names.append(f"{place}/{CONFIG}")
        logger.debug("  Added config: %s", names[0])
    for name in _python_files(stage_dir / SRC):
        names.append(f"{place}/{SRC}/{name}")
        logger.debug("  Added stage file: %s", names[-1])
    logger.info("Stage dependencies: %s files", len(names))
    return [(f"{build_folder}/{name}", name) for name in names]


def build_ytjobs_dependencies(build_folder: str, logger: logging.Logger) -> list[tuple[str, str]]:
    """List all Python files of the installed package `ytjobs`.

    The counterpart of `yt_framework.operations.dependencies.build_ytjobs_dependencies` 1.4.

    Args:
        build_folder: its path in Cypress.
        logger: gets a line that says how many there are.

    Returns:
        Pairs of a Cypress path and a path in the sandbox, sorted.

    Raises:
        ValueError: `ytjobs` is not installed.
    """
    with python_errors():
        directory = find_ytjobs([]).roots[0].source
    names = [f"{YTJOBS}/{name}" for name in _python_files(directory)]
    logger.info("Ytjobs dependencies: %s files", len(names))
    return [(f"{build_folder}/{name}", name) for name in names]


def build_map_dependencies(
    build_folder: str,
    stage_dir: Path,
    model_name: str | None,
    checkpoint_base: str | None,
    logger: logging.Logger,
) -> tuple[str, list[tuple[str, str]]]:
    """List everything that a map operation of a stage needs.

    The counterpart of `yt_framework.operations.dependencies.build_map_dependencies` 1.4.

    Args:
        build_folder: its path in Cypress.
        stage_dir: the directory of the stage.
        model_name: the file of a checkpoint, None for no checkpoint.
        checkpoint_base: the Cypress folder of checkpoints.
        logger: gets a line that says how many there are.

    Returns:
        The Cypress path of `mapper.py`, and pairs of a Cypress path and a path in the sandbox.

    Raises:
        ValueError: `ytjobs` is not installed.
    """
    files = build_stage_dependencies(build_folder, stage_dir, logger)
    files += build_ytjobs_dependencies(build_folder, logger)
    files = add_checkpoint(files, model_name, checkpoint_base, logger)
    logger.info("Total dependencies: %s files", len(files))
    return f"{build_folder}/{STAGES}/{stage_dir.name}/src/mapper.py", files


def add_checkpoint(
    dependencies: list[tuple[str, str]],
    model_name: str | None,
    checkpoint_base: str | None,
    logger: logging.Logger,
) -> list[tuple[str, str]]:
    """Add the file of a checkpoint, where there is one.

    The counterpart of `yt_framework.operations.dependencies.add_checkpoint` 1.4.

    Args:
        dependencies: pairs of a Cypress path and a path in the sandbox; this list stays as it is.
        model_name: the file of the checkpoint.
        checkpoint_base: the Cypress folder of checkpoints.
        logger: gets a line on what was added, and a warning where only one of the two is known.

    Returns:
        A list with the checkpoint at its end, or the same list.
    """
    if model_name and checkpoint_base:
        path = f"{checkpoint_base}/{model_name}"
        logger.info("\u2713 Checkpoint will be mounted: %s \u2192 %s", path, model_name)
        return [*dependencies, (path, model_name)]
    if model_name:
        logger.warning(
            "model_name is set (%s) but checkpoint_base is not configured. "
            "Checkpoint will not be mounted - model may download from internet.",
            model_name,
        )
    elif checkpoint_base:
        logger.debug("checkpoint_base is set but no model_name specified - checkpoint mounting skipped")
    return dependencies


def _python_files(directory: str | Path) -> list[str]:
    """List the Python files below a directory, relative to it, sorted."""
    found = []
    for place, _, names in os.walk(directory):
        relative = os.path.relpath(place, directory)
        found += [os.path.normpath(os.path.join(relative, name)) for name in names if name.endswith(".py")]
    return sorted(found)
