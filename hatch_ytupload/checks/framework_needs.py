"""What `ytjobs` needs to be imported by the jobs of a stage, and YT Framework requires where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import YTJOBS
from hatch_ytupload.checks.imports import OPTIONAL
from hatch_ytupload.checks.packed_modules import PackedModules
from hatch_ytupload.checks.provided import Provided, needed_of_framework, standard_library, version_of
from hatch_ytupload.checks.stage_imports import StageImports

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_ytupload.checks.missing import Missing
    from hatch_ytupload.checks.packed_code import PackedCode


def framework_needs(code: PackedCode, stage: str, modules: Iterable[str], python: str) -> tuple[str, ...]:
    """Return the requirements of YT Framework that `ytjobs` needs in the jobs of a stage, sorted.

    Args:
        code: that is packed.
        stage: whose jobs.
        modules: that the image provides.
        python: the version of Python of the jobs, such as `3.11`.
    """
    packed = PackedModules(code, version_of(python))
    provided = Provided(frozenset(modules), library=standard_library(version_of(python)))
    places: dict[tuple[str, str], list[Missing]] = {}
    for script in {operation.script for operation in code.operations if operation.stage == stage}:
        if script is not None and script in code.files:
            directory = script.rpartition("/")[0]
            StageImports(stage, directory, code, packed, provided=provided, places=places).follow(script)
    found = [missing for several in places.values() for missing in several]
    lacking = {one.module for one in found if one.module and one.path.startswith(f"{YTJOBS}/") and one.kind != OPTIONAL}
    return tuple(needed_of_framework(lacking))
