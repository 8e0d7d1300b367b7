"""Whether the pipeline's own files are still those that a bundle was built from; no build environment is needed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import STAGES
from hatch_ytupload.byte_reader import FileReader, blocks, sha256_of
from hatch_ytupload.planning.plan import Planner, own_directories
from hatch_ytupload.sources.tree import SourceFile
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.manifest import Manifest

# Larger files are read only where their time says that they may have changed.
_ALWAYS_READ = 1 << 20


def changed_source(settings: Settings, manifest: Manifest, built_at_ns: int) -> str | None:
    """Return the first of the pipeline's own files that a build would pack otherwise than the bundle has it.

    Args:
        settings: of the pipeline.
        manifest: of the bundle.
        built_at_ns: when the archive was written, as its file says, in nanoseconds since 1970.

    Returns:
        Its path, fit for a message, and what happened to it; None: nothing has changed.
    """
    return next(_changes(settings, manifest, built_at_ns), None)


def _changes(settings: Settings, manifest: Manifest, built_at_ns: int) -> Iterator[str]:
    own = own_directories(settings)
    modules = tuple(name for name in settings.upload_modules if _is_own(name, own))
    planner = Planner(replace(settings, upload_modules=modules), require_code=False)
    packed = {file.path: file for file in manifest.files}
    present = {entry.path: entry for entry in planner.plan().entries()}
    for path, entry in present.items():
        if isinstance(entry, SourceFile) and entry.own:
            known = packed.get(path)
            if known is None:
                yield f"`{one_line(path)}` is new"
            elif (entry.size, f"{entry.mode:o}") != (known.size, known.mode) or not _is_same(
                entry, known.sha256, built_at_ns
            ):
                yield f"`{one_line(path)}` has changed"
    places = [f"{source.target}/" for source in planner.found if source.own and not source.is_file]
    prefixes = (f"{STAGES}/", *places)
    for path in packed:
        if path not in present and path.startswith(prefixes):
            yield f"`{one_line(path)}` is gone"


def _is_own(name: str, own: list[str]) -> bool:
    top = name.partition(".")[0]
    return any(os.path.lexists(os.path.join(above, top + end)) for above in own for end in ("", ".py"))


def _is_same(file: SourceFile, sha256: str, built_at_ns: int) -> bool:
    if file.size > _ALWAYS_READ and max(file.mtime_ns, file.ctime_ns) < built_at_ns:
        return True
    try:
        with open(file.source, "rb") as opened:
            return sha256_of(blocks(FileReader(opened.fileno()))) == sha256
    except OSError:
        return False
