"""The requirements of stages: what pip would refuse in a job, and what makes two jobs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.checks.findings import ERROR, WARNING, Finding
from hatch_ytupload.requirements.requirement import applies
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.requirements.reading import Requirements


def check_requirements(found: Requirements, stage: str, python: str, image: str | None) -> Iterator[Finding]:
    """Report what is wrong with the requirements of a stage.

    Args:
        found: what its requirements file says.
        stage: its name.
        python: the version of Python of its jobs.
        image: the image that its jobs run in; None: that of the cluster.
    """
    for problem in found.problems:
        if applies(problem.marker, python):
            severity, message = ERROR, problem.message
            if problem.absolute and image is not None:
                severity, message = WARNING, f"{message}, unless the image `{one_line(image)}` has it"
            yield Finding(severity, problem.rule, problem.file, problem.line, message, (stage,))
    for credential in found.credentials:
        yield Finding(WARNING, "credentials", credential.file, credential.line, credential.message, (stage,))
    # What a constraint says the version of needs none elsewhere.
    constrained = {item.name for item in found.constraints if item.specifier or item.url}
    for requirement in found.required:
        is_pinned = requirement.specifier or requirement.url or requirement.reference or requirement.name in constrained
        if not is_pinned and applies(requirement.marker, python):
            message = f"`{one_line(requirement.text)}` has no version: jobs of one release may run with different ones"
            yield Finding(WARNING, "unpinned-requirement", requirement.file, requirement.line, message, (stage,))
