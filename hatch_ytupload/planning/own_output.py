"""What a build writes must not be what it packs: each archive would hold the one before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import STAGES
from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.sources.ignore_scope import IgnoreScopes
from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.planning.plan import Plan


def refuse_own_output(settings: Settings, plan: Plan, bundle: str) -> None:
    """Check that no source holds the place of the bundle, whether there is one yet or not.

    Args:
        settings: of the pipeline.
        plan: made of them.
        bundle: absolute path of the bundle's directory.

    Raises:
        SourceError: a source holds it, and no ignore file keeps it out.
    """
    place = os.path.join(os.path.realpath(os.path.dirname(bundle)), os.path.basename(bundle))
    for source, description in _own_sources(settings, plan):
        real = os.path.realpath(source)
        if os.path.commonpath([place, real]) != real:
            continue
        top = settings.pipeline_dir
        try:
            IgnoreScopes(top if os.path.commonpath([real, top]) == top else real).of(place)
        except SourceError:
            continue  # a rule keeps it out
        raise SourceError(
            f"the bundle goes to `{one_line(place)}`, which is inside {description}, so the next archive would hold "
            f"this one; exclude the build directory in `{IGNORE_FILE_NAME}`, or build into another one"
        )


def _own_sources(settings: Settings, plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the directories that belong to the project, and their names in messages."""
    top = settings.pipeline_dir
    for number, entry in enumerate(settings.upload_paths, 1):
        yield os.path.join(top, entry.source), f"entry #{number} of `upload_paths` (`{one_line(entry.source)}`)"
    for module in plan.modules:
        for root in module.roots:
            if root.own:
                yield root.source, f"the module `{module.name}`"
    for stage in plan.stages:
        yield os.path.join(top, STAGES, as_system_spells(stage.name), "src"), f"the stage `{stage.name}`"
