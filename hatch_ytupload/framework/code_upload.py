"""Uploading as YT Framework does it: the archive is made in `.build/` and put into the build folder by its client."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Protocol

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.framework.edge import log_header, log_success
from hatch_ytupload.framework.local_build import build_code_locally, create_code_archive

if TYPE_CHECKING:
    import logging
    from pathlib import Path

BUILD_DIRECTORY = ".build"
"""Where YT Framework assembles code, and where its dev mode takes the archive from, below the pipeline directory."""


class FileUploader(Protocol):
    """Any client that can upload a file: YT Framework's `BaseYTClient`, or one of your own."""

    def upload_file(self, local_path: Path, yt_path: str, *, create_parent_dir: bool = False) -> None:
        """Upload a file."""


def upload_code_archive(yt_client: FileUploader, archive_path: Path, build_folder: str, logger: logging.Logger) -> None:
    """Upload an archive into a build folder, under its own name.

    The counterpart of `yt_framework.operations.upload.upload_code_archive` 1.4. The archive becomes no release, and
    replaces what jobs mount: for releases that can be checked and rolled back to, publish.

    Args:
        yt_client: uploads it.
        archive_path: the archive.
        build_folder: its path in Cypress.
        logger: is told each step.

    Raises:
        Exception: whatever the client raises.
    """
    log_header(logger, "Uploading Code Archive to YT")
    logger.info("Build folder: %s", build_folder)
    yt_path = f"{build_folder}/{archive_path.name}"
    yt_client.upload_file(local_path=archive_path, yt_path=yt_path, create_parent_dir=True)
    log_success(logger, f"Archive uploaded: {yt_path}")


def upload_all_code(  # noqa: PLR0917 - the signature is YT Framework's
    yt_client: FileUploader,
    build_folder: str,
    pipeline_dir: Path,
    logger: logging.Logger,
    upload_modules: list[str] | None = None,
    upload_paths: list[dict[str, str]] | None = None,
) -> None:
    """Clean `.build/` of the pipeline, assemble its code there, pack it and upload the archive.

    The counterpart of `yt_framework.operations.upload.upload_all_code` 1.4.

    Args:
        yt_client: uploads it.
        build_folder: its path in Cypress.
        pipeline_dir: the pipeline.
        logger: is told each step.
        upload_modules: names of importable packages and modules.
        upload_paths: `{"source": ..., "target": ...}`, the target optional.

    Raises:
        FileNotFoundError: the pipeline has no directory `stages`, or a source of `upload_paths` does not exist.
        TypeError: `upload_modules` or `upload_paths` is no list, or an entry of the latter no mapping.
        ValueError: something cannot be packed.
    """
    log_header(logger, "Code Upload", f"Tar archive mode | Build folder: {build_folder}")
    directory = clean_build_directory(pipeline_dir, logger)
    archive = directory / ARCHIVE_NAME
    build_code_locally(
        build_dir=directory / "source",
        pipeline_dir=pipeline_dir,
        logger=logger,
        create_wrappers=True,
        upload_modules=upload_modules,
        upload_paths=upload_paths,
    )
    create_code_archive(build_dir=directory / "source", archive_path=archive, logger=logger)
    upload_code_archive(yt_client=yt_client, archive_path=archive, build_folder=build_folder, logger=logger)
    log_success(logger, "Code upload completed")


def clean_build_directory(pipeline_dir: Path, logger: logging.Logger) -> Path:
    """Return the pipeline's `.build/`, empty.

    Raises:
        OSError: it cannot be emptied.
    """
    directory = pipeline_dir / BUILD_DIRECTORY
    logger.debug("Using build directory: %s", directory)
    if os.path.exists(directory):
        shutil.rmtree(directory)
    os.makedirs(directory)
    return directory
