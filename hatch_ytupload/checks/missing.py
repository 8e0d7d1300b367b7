"""What jobs miss: each thing is one finding, however many places want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.checks.findings import ERROR, NOTE, WARNING, Finding
from hatch_ytupload.checks.imports import ALWAYS, LATER, OPTIONAL
from hatch_ytupload.wording import counted, listed, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hatch_ytupload.checks.provided import Provided

_SEVERITIES = {ALWAYS: ERROR, LATER: WARNING, OPTIONAL: NOTE}


class Missing(NamedTuple):
    """A place where a job stops for want of a module or name."""

    kind: int
    """How surely: OPTIONAL, LATER or ALWAYS."""
    rule: str
    path: str
    line: int | None
    message: str
    via: tuple[str, ...]
    module: str | None = None
    """The top-level module that only something outside of the archive can provide."""


def findings_of(
    places: Iterable[Sequence[Missing]], stage: str, image: str | None, provided: Provided
) -> list[Finding]:
    """Return one finding for each thing that is missing, and one for all that only the jobs' image can provide.

    Args:
        places: for each thing, where it is missing.
        stage: whose jobs miss it.
        image: that they run in; None: that of the cluster.
        provided: what they find outside of the archive.
    """
    found = []
    of_image = []
    for them in places:
        worst = max(them, key=lambda place: place.kind)
        if image is not None and worst.module is not None and worst.kind != OPTIONAL:
            of_image.append(worst)
            continue
        others = len({(place.path, place.line) for place in them}) - 1
        message = f"{worst.message} (and in {counted(others, 'more place')})" if others else worst.message
        found.append(Finding(_SEVERITIES[worst.kind], worst.rule, worst.path, worst.line, message, (stage,), worst.via))
    if image is not None and of_image:
        found.append(_from_image(of_image, stage, image, provided))
    return found


def _from_image(places: Sequence[Missing], stage: str, image: str, provided: Provided) -> Finding:
    first = max(places, key=lambda place: place.kind)
    modules = sorted({place.module for place in places if place.module is not None})
    message = (
        f"the jobs need {listed(modules)} from the image `{one_line(image)}`, which nobody can look into here: "
        f"name in `provided_modules` what it has, and {provided.way_to_require('the rest', stage)}"
    )
    return Finding(WARNING, "image", first.path, first.line, message, (stage,), first.via)
