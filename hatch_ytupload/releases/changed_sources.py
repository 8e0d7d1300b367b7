"""Whether the pipeline's own files are still those that a bundle was built from; no build environment is needed."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME, STAGES
from hatch_ytupload.byte_reader import sha256_of
from hatch_ytupload.errors import SourceError
from hatch_ytupload.planning.plan import Planner, own_directories
from hatch_ytupload.sources.exclusions import exclusions_of
from hatch_ytupload.sources.planned_files import read_at_once, read_unchanged
from hatch_ytupload.sources.tree import SourceFile
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.manifest import FileInfo, Manifest
    from hatch_ytupload.planning.plan import Generated

# Larger files are read only where their time says that they may have changed.
_ALWAYS_READ = 1 << 20


def changed_source(settings: Settings, manifest: Manifest, bundle: str) -> str | None:
    """Return the first of the pipeline's own files that a build would pack otherwise than the bundle has it.

    Args:
        settings: of the pipeline.
        manifest: of the bundle.
        bundle: absolute path of its directory.

    Returns:
        Its path and what happened to it, fit for a message; None: nothing has changed.

    Raises:
        SettingsError: Hatch's own options are wrong.
    """
    own = own_directories(settings)
    modules = tuple(name for name in settings.upload_modules if _is_own(name, own))
    planner = Planner(
        replace(settings, upload_modules=modules),
        exclusions=exclusions_of(settings, os.path.dirname(bundle)),
        require_code=False,
    )
    present = {entry.path: entry for entry in planner.plan().entries()}
    packed = {file.path: file for file in manifest.files}
    built_at_ns = os.stat(os.path.join(bundle, ARCHIVE_NAME)).st_mtime_ns
    return next(
        chain(
            _changed(present.values(), packed, built_at_ns),
            _gone(packed, present, [source.target for source in planner.found if source.own and not source.is_file]),
        ),
        None,
    )


def _changed(
    entries: Iterable[SourceFile | Generated], packed: Mapping[str, FileInfo], built_at_ns: int
) -> Iterator[str]:
    for entry in entries:
        if not isinstance(entry, SourceFile) or not entry.own:
            continue
        known = packed.get(entry.path)
        if known is None:
            yield f"`{one_line(entry.path)}` is new"
        elif (entry.size, f"{entry.mode:o}") != (known.size, known.mode) or not _is_same(entry, known, built_at_ns):
            yield f"`{one_line(entry.path)}` has changed"


def _gone(packed: Iterable[str], present: Collection[str], targets: Iterable[str]) -> Iterator[str]:
    prefixes = (f"{STAGES}/", *(f"{target}/" for target in targets))
    for path in packed:
        if path not in present and path.startswith(prefixes):
            yield f"`{one_line(path)}` is gone"


def _is_own(name: str, own: list[str]) -> bool:
    top = name.partition(".")[0]
    return any(os.path.lexists(os.path.join(above, top + end)) for above in own for end in ("", ".py"))


def _is_same(file: SourceFile, known: FileInfo, built_at_ns: int) -> bool:
    is_large = file.size > _ALWAYS_READ
    if is_large and max(file.mtime_ns, file.ctime_ns) < built_at_ns:
        return True
    try:
        return sha256_of(read_unchanged(file) if is_large else [read_at_once(file)]) == known.sha256
    except SourceError:
        return False
