"""One build: settings become a plan, the plan a bundle. What the target, the hook and the command line all call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME, SBOM_NAME, is_wrapper
from hatch_ytupload.byte_reader import no_progress, sha256_of
from hatch_ytupload.configuration.values import UploadPath
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.file_names import as_system_spells, as_text, shorter
from hatch_ytupload.garbage import no_garbage
from hatch_ytupload.packing.archive import pack
from hatch_ytupload.packing.bundle import bundle_directory, replacing, write_file
from hatch_ytupload.packing.manifest import (
    SCHEMA,
    ArchiveInfo,
    Manifest,
    ModuleInfo,
    ProjectInfo,
    SbomInfo,
    Selection,
    StageInfo,
    ToolInfo,
    content_digest,
    selection_at,
)
from hatch_ytupload.packing.memory import ArchiveIdentity, BuildMemory, BundleRecord, statuses_of
from hatch_ytupload.packing.provenance import GitQuestion
from hatch_ytupload.packing.sbom import components_of, sbom_of
from hatch_ytupload.packing.sizes import size_warning
from hatch_ytupload.packing.tar_format import LATEST_TIME
from hatch_ytupload.packing.wheels import plan_with_wheels, target_info, wheel_infos, wheel_sizes
from hatch_ytupload.planning.plan import Generated, entry_size, make_plan
from hatch_ytupload.sources.exclusions import exclusions_of
from hatch_ytupload.wording import counted, megabytes, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.archive import Packed
    from hatch_ytupload.packing.cache import Cache
    from hatch_ytupload.packing.manifest import GitInfo
    from hatch_ytupload.planning.plan import Plan

DEFAULT_EPOCH = 1580601600
"""Hatch's own default for reproducible builds (`hatchling.builders.utils.get_reproducible_timestamp`)."""


class Built(NamedTuple):
    """A finished build."""

    archive: str
    """Path of the archive."""
    size: int
    """Of the archive, in bytes."""
    sha256: str
    content_sha256: str
    files: int
    """How many files are in the archive."""
    changed: bool
    """Whether there was anything to do: False if the bundle was already what it should be, and was left alone."""
    summary: str
    """One line on what was packed."""
    warnings: tuple[str, ...]


def build_bundle(
    project: Project,
    settings: Settings,
    build_directory: str,
    *,
    reproducible: bool = True,
    cache: Cache | None = None,
    wheels: str | None = None,
    environ: Mapping[str, str] | None = None,
    progress: Progress = no_progress,
) -> Built:
    """Build the archive of a pipeline and put the bundle into its place.

    Args:
        project: whose it is.
        settings: of the pipeline.
        build_directory: absolute path; the bundle gets a directory of its own in it.
        reproducible: members get one fixed time; otherwise the times of their files.
        cache: what earlier builds left; the result is the same with it and without.
        wheels: directory of a cache with wheels; that of `cache` where None.
        environ: the environment; the process's own where None.
        progress: called with how many bytes and files of how many have been packed.

    Raises:
        SettingsError: `SOURCE_DATE_EPOCH` is no time.
        SourceError: the sources cannot be packed.
        LockError: a lock does not fit, or a wheel cannot be had.
        ArtifactError: the bundle cannot be written; the one that was there is still there.
    """
    environ = os.environ if environ is None else environ
    epoch = source_date_epoch(environ)
    wheels = wheels or (cache.directory if cache else None)
    directory = bundle_directory(build_directory, project.file_name)
    memory = BuildMemory(cache, project.root, epoch, keep_times=not reproducible) if cache else None
    exclusions = exclusions_of(settings, build_directory)
    with GitQuestion(project.root, exclusions.outputs) as git, no_garbage():
        selection = selection_of(settings)
        plan = make_plan(settings, memory.listings if memory else None, exclusions=exclusions)
        inputs = memory.inputs(project, settings, selection, plan) if memory else ""
        archive = memory.unchanged(directory, inputs, git.answer) if memory else None
        changed = archive is None
        replaced, made = _replaced(directory, selection), None
        if archive is None:
            with plan_with_wheels(plan, wheels, environ, progress) as whole, replacing(directory) as temporary:
                with open(os.path.join(temporary, ARCHIVE_NAME), "wb") as file:
                    parts = memory.parts if memory else None
                    packed = pack(
                        whole.parts, file, epoch=epoch, keep_times=not reproducible, memory=parts, progress=progress
                    )
                manifest = _manifest(project, selection, whole, packed, git=git.answer(), epoch=epoch)
                manifest = manifest._replace(wheels=wheel_infos(whole), target=target_info(plan, settings))
                sbom = sbom_of(manifest, components_of(whole, packed.files, manifest.wheels))
                manifest = manifest._replace(sbom=SbomInfo(len(sbom), sha256_of([sbom])))
                write_file(os.path.join(temporary, SBOM_NAME), [sbom])
                _write_beside(temporary, manifest, plan if settings.standalone_wrappers else None)
                archive = ArchiveIdentity(packed.size, packed.sha256, manifest.content_sha256)
                # While it is ours alone: in its place, another build may replace it at any moment.
                made = BundleRecord(inputs, statuses_of(temporary), manifest.git, archive)
        if memory:
            memory.close(plan, directory, made)
    problems = filter(None, [git.problem, cache.problem if cache else None])
    large = size_warning(archive.size, _sizes(plan), settings.max_archive_mb)
    return _built(directory, archive, plan, (*replaced, *large, *_credentials(plan), *problems), changed=changed)


def _built(directory: str, archive: ArchiveIdentity, plan: Plan, warnings: tuple[str, ...], *, changed: bool) -> Built:
    """Tell what a build has done."""
    sizes = [size for _, size in _sizes(plan)]
    done = "packed" if changed else "nothing changed:"
    return Built(
        os.path.join(directory, ARCHIVE_NAME),
        archive.size,
        archive.sha256,
        archive.content_sha256,
        len(sizes),
        changed,
        f"{done} {counted(len(sizes), 'file')} ({megabytes(sum(sizes))}, {megabytes(archive.size)} compressed), "
        f"left out {plan.ignored} by `.ytignore`",
        warnings,
    )


def _sizes(plan: Plan) -> Iterator[tuple[str, int]]:
    """Yield path and size of every file of the archive, in bytes."""
    yield from ((entry.path, entry_size(entry)) for entry in plan.entries())
    # Which no plan holds until they are looked for.
    yield from wheel_sizes(plan).items()


def source_date_epoch(environ: Mapping[str, str]) -> int:
    """Return the time of all members, in seconds since 1970.

    Raises:
        SettingsError: `SOURCE_DATE_EPOCH` is no whole number that a tar archive can hold.
    """
    value = environ.get("SOURCE_DATE_EPOCH") or str(DEFAULT_EPOCH)
    if not (value.isascii() and value.isdigit() and int(value[:20]) <= LATEST_TIME):
        raise SettingsError(
            [f"`SOURCE_DATE_EPOCH` must be whole seconds since 1970, at most {LATEST_TIME}, found `{one_line(value)}`"]
        )
    return int(value)


def _replaced(directory: str, selection: Selection) -> list[str]:
    """Return a warning where the bundle of another environment, which selects something else, is to be replaced."""
    old = selection_at(os.path.join(directory, MANIFEST_NAME))
    if old is None or old.environment == selection.environment or not (keys := old.differing(selection)):
        return []
    whose = f"the environment `{one_line(old.environment)}`" if old.environment else "no environment"
    differences = ", ".join(old.listed(key) for key in keys)
    shown = one_line(shorter(directory))
    return [
        f"`{shown}` was built for {whose} with {differences}, and is replaced; `hatch-ytupload build -d DIR` keeps both"
    ]


def _credentials(plan: Plan) -> Iterator[str]:
    """Yield a warning for each line of a requirements file that holds credentials."""
    for found in dict.fromkeys(credential for stage in plan.stages for credential in stage.credentials):
        yield f"`{one_line(found.file)}`, line {found.line}: {found.message}"


def _write_beside(directory: str, manifest: Manifest, wrappers_of: Plan | None) -> None:
    """Write what lies beside the archive: the manifest, and the wrapper scripts of a plan if one is given."""
    write_file(os.path.join(directory, MANIFEST_NAME), manifest.pieces())
    for entry in wrappers_of.entries() if wrappers_of else ():
        if isinstance(entry, Generated) and is_wrapper(entry.path):
            write_file(os.path.join(directory, as_system_spells(entry.path)), [entry.data], entry.mode)


def _manifest(
    project: Project, selection: Selection, plan: Plan, packed: Packed, *, git: GitInfo | None, epoch: int
) -> Manifest:
    return Manifest(
        schema=SCHEMA,
        project=ProjectInfo(project.name, project.version),
        archive=ArchiveInfo(ARCHIVE_NAME, packed.size, packed.sha256, packed.md5),
        content_sha256=content_digest(packed.files),
        files=tuple(packed.files),
        stages=tuple(
            StageInfo(stage.name, tuple(operation.name for operation in stage.operations), stage.requirements)
            for stage in plan.stages
        ),
        modules=tuple(ModuleInfo(module.name, module.distribution, module.version) for module in plan.modules),
        parts=tuple(packed.parts),
        selection=selection,
        git=git,
        source_date_epoch=epoch,
        tool=ToolInfo("hatch-ytupload", __version__),
    )


def selection_of(settings: Settings) -> Selection:
    """Return what was asked for; paths are those of the pipeline, wherever it lies."""
    top = settings.pipeline_dir
    return Selection(
        environment=settings.environment,
        config=settings.config_name,
        upload_modules=settings.upload_modules,
        upload_paths=tuple(
            UploadPath(as_text(os.path.relpath(os.path.join(top, path.source), top)), path.target)
            for path in settings.upload_paths
        ),
        stages=settings.stages,
    )
