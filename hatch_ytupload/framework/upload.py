"""Uploading as YT Framework does it: code is assembled in `.build/source/`, packed, and uploaded by any client."""

from __future__ import annotations

import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from hatch_ytupload.archive_layout import ARCHIVE_NAME, BOOTSTRAP, CONFIG, STAGES, WHEELS, WRAPPERS, YTJOBS
from hatch_ytupload.atomic_rename import replacing_file
from hatch_ytupload.configuration.project import BUILD_DIRECTORY
from hatch_ytupload.configuration.settings import load_settings
from hatch_ytupload.framework.edge import log_header, log_success, python_errors
from hatch_ytupload.packing.archive import pack
from hatch_ytupload.packing.build import source_date_epoch
from hatch_ytupload.packing.user_cache import cache_directory
from hatch_ytupload.packing.wheels import plan_with_wheels
from hatch_ytupload.planning import targets
from hatch_ytupload.planning.plan import Generated, Part, make_plan
from hatch_ytupload.sources.planned_files import read_unchanged
from hatch_ytupload.sources.tree import SourceFile, archive_name, single_file

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.planning.plan import Plan

_MEGABYTE = 1024 * 1024


def build_code_locally(  # noqa: PLR0917 - the signature is YT Framework's
    build_dir: Path,
    pipeline_dir: Path,
    logger: logging.Logger,
    create_wrappers: bool = False,  # noqa: FBT001, FBT002 - the signature is YT Framework's
    upload_modules: list[str] | None = None,
    upload_paths: list[dict[str, str]] | None = None,
) -> int:
    """Assemble everything that goes into a code archive in a directory.

    The counterpart of `yt_framework.operations.upload.build_code_locally` 1.4. What goes in is what
    `hatch build -t ytarchive` packs; only the two arguments say what to upload, no configuration is read.

    Args:
        build_dir: the directory to make; it must not exist yet.
        pipeline_dir: the pipeline.
        logger: gets a line for each step.
        create_wrappers: write the scripts `operation_wrapper_*.sh` too.
        upload_modules: names of importable packages and modules.
        upload_paths: `{"source": ..., "target": ...}`, the target optional.

    Returns:
        How many files were copied, wrapper scripts not counted.

    Raises:
        FileExistsError: `build_dir` exists.
        FileNotFoundError: the pipeline has no directory `stages`, or a source of `upload_paths` does not exist.
        TypeError: `upload_modules` or `upload_paths` is no list, or an entry of the latter no mapping.
        ValueError: something cannot be packed.
    """
    log_header(logger, "Code Build", f"Build directory: {build_dir}")
    if os.path.lexists(build_dir):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(build_dir))
    stages = os.path.join(pipeline_dir, STAGES)
    if not os.path.isdir(stages):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), stages)
    modules, paths = _modules(upload_modules), _paths(upload_paths)
    with python_errors():
        settings = load_settings(
            os.path.realpath(pipeline_dir),
            {"config": False},
            environ={},
            overrides={"upload_modules": modules, "upload_paths": paths},
        )
        plan = make_plan(settings, require_code=False)
        os.makedirs(build_dir)
        cache = cache_directory(os.environ, logger.warning)
        with plan_with_wheels(plan, cache, os.environ) as whole:
            assembly = _Assembly(whole, str(build_dir), logger)
            total = assembly.modules(settings) + assembly.paths(settings) + assembly.stages() + assembly.wheels()
            if create_wrappers:
                assembly.wrappers()
    log_success(logger, f"Code build completed: {total} total files")
    return total


def create_code_archive(build_dir: Path, archive_path: Path, logger: logging.Logger) -> None:
    """Pack a directory, whoever filled it.

    The counterpart of `yt_framework.operations.upload.create_code_archive` 1.4. The same files give the same bytes: in
    any order, with any times, of any owner. The time of the members is `SOURCE_DATE_EPOCH`, else Hatch's default.

    Args:
        build_dir: everything in it is packed.
        archive_path: the file to write; its directory is made, an older one is replaced when the new one is whole.
        logger: gets a line for each step.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: something in it cannot be packed.
    """
    log_header(logger, "Code Archive", f"Creating archive: {archive_path}")
    if not os.path.isdir(build_dir):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(build_dir))
    directory, name = os.path.split(os.path.realpath(archive_path))
    os.makedirs(directory, exist_ok=True)
    with python_errors():
        epoch = source_date_epoch(os.environ)
        files = _all_files(os.path.realpath(build_dir), besides=os.path.join(directory, name))
        with replacing_file(os.path.join(directory, name)) as file:
            size = pack((Part("", tuple(files)),), file, epoch=epoch).size
    log_success(logger, f"Archive created: {size / _MEGABYTE:.2f} MB")


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
        logger: gets a line for each step.

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
        logger: gets a line for each step.
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


class _Assembly:
    """Writes a plan into a directory, source by source."""

    def __init__(self, plan: Plan, directory: str, logger: logging.Logger) -> None:
        self.plan = plan
        self.directory = directory
        self.logger = logger
        self.left: defaultdict[str, list[SourceFile | Generated]] = defaultdict(list)
        for part in plan.parts:
            self.left[part.name] += part.entries

    def modules(self, settings: Settings) -> int:
        """Write `ytjobs` and the uploaded modules."""
        total = self._copy(f"{YTJOBS} package", YTJOBS, "{} ytjobs files")
        for name in settings.upload_modules:
            total += self._copy(f"module {name}", name.partition(".")[0], f"{{}} {name} files")
        return total

    def paths(self, settings: Settings) -> int:
        """Write the directories of `upload_paths`."""
        total = 0
        for entry in settings.upload_paths:
            target = targets.path_target(entry, settings.pipeline_dir, f"`{entry.source}`")
            source = os.path.realpath(os.path.join(settings.pipeline_dir, entry.source))
            total += self._copy(source, target, f"{{}} files from {entry.source}")
        return total

    def stages(self) -> int:
        """Write the code of the stages."""
        total = 0
        for stage in self.plan.stages:
            place = f"{STAGES}/{stage.name}"
            files = self.left.pop(place)
            self._write(files)
            names = [file.path[len(place) + 1 :] for file in files]
            if CONFIG in names:
                self.logger.debug("  Copied config: %s/config.yaml", stage.name)
            code = sum(name.startswith("src/") for name in names)
            self.logger.debug("  Copied %s files from %s/src/", code, stage.name)
            total += len(files)
        return total

    def wheels(self) -> int:
        """Write the wheels of stages that have a lock, and what unpacks them."""
        files = [*self.left.pop(WHEELS, []), *self.left.pop(BOOTSTRAP, [])]
        self._write(files)
        return len(files)

    def wrappers(self) -> None:
        """Write the wrapper scripts."""
        for entry in self.left.pop(WRAPPERS, []):
            self._write([entry])
            self.logger.debug("Created wrapper script: %s", os.path.join(self.directory, entry.path))
        self.logger.debug("Created wrapper scripts for %s stages", len(self.plan.stages))

    def _copy(self, what: str, target: str, done: str) -> int:
        self.logger.info("Copying %s to %s...", what, os.path.join(self.directory, target))
        files = self.left.pop(target, [])
        self._write(files)
        log_success(self.logger, "Copied " + done.format(len(files)))
        return len(files)

    def _write(self, entries: Iterable[SourceFile | Generated]) -> None:
        for entry in entries:
            place = os.path.join(self.directory, *entry.path.split("/"))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.writelines(read_unchanged(entry) if isinstance(entry, SourceFile) else [entry.data])
            os.chmod(place, entry.mode)
            if isinstance(entry, SourceFile):
                os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns))


def _all_files(directory: str, *, besides: str) -> list[SourceFile]:
    """List all files below a directory, none of them ignored, apart from the archive that they go into."""
    found = []
    for place, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(place, name)
            if path != besides and os.path.exists(path):
                shown = os.path.relpath(path, directory)
                found.append(single_file(path, archive_name(shown, shown), directory, own=False, shown=shown))
    return sorted(found)


def _modules(value: object) -> list[object]:
    """Accept the lists that YT Framework's own helpers accept: OmegaConf's, too."""
    if value is None or isinstance(value, str):
        return [value] if value else []
    if not isinstance(value, Iterable):
        raise TypeError(f"`upload_modules` must be a list of module names, found {type(value).__name__}")
    return list(value)


def _paths(value: object) -> list[dict[str, object]]:
    """Accept the same of `upload_paths`; keys besides `source` and `target` say nothing to it."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"`upload_paths` must be a list of mappings with `source`, found {type(value).__name__}")
    found = []
    for number, entry in enumerate(value, 1):
        if not isinstance(entry, Mapping):
            raise TypeError(f"entry #{number} of `upload_paths` must be a mapping, found {type(entry).__name__}")
        found.append({key: entry[key] for key in ("source", "target") if key in entry})
    return found
