"""The requirements files of stages: what pip would refuse in a job, and what makes two jobs differ."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement

from hatch_ytupload.checks.findings import ERROR, WARNING, Finding
from hatch_ytupload.checks.provided import applies
from hatch_ytupload.configuration.project import normalize_name
from hatch_ytupload.reading.stages import included_files, joined
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTIONS = re.compile(r"\s+--?(?:hash|config-settings|global-option|install-option)\b.*$")
_WHEEL_OR_PATH = re.compile(r"^(?:\.{0,2}/|file:)|\.(?:whl|zip|tar\.gz)$")
_CONSTRAINT = re.compile(r"(?:-c|--constraint)[ =]?\s*(\S+)")
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")
# Options that pip takes in a requirements file (pip 24, "Requirements File Format"), with those for editables.
_LONG_OPTIONS = re.compile(
    r"^(?:-i|-f|-e|--(?:index-url|extra-index-url|no-index|find-links|no-binary|only-binary|prefer-binary|pre|"
    r"require-hashes|trusted-host|use-feature|editable))(?:[ =]|$)"
)


class StageRequirements(NamedTuple):
    """What a stage requires, and what is wrong with how it says so."""

    requirements: tuple[Requirement, ...]
    found: tuple[Finding, ...]


def read_requirements(files: Mapping[str, bytes], stage: str, python: tuple[int, int]) -> StageRequirements:
    """Read the requirements of a stage.

    Args:
        files: its requirements file and those that it includes, by path in the archive.
        stage: its name.
        python: the version of Python of its jobs; requirements with a marker for other ones are passed over.
    """
    constraints = _constraints(files)
    # What a constraint says the version of needs none elsewhere.
    pinned = {
        normalize_name(requirement.name)
        for path in constraints & set(files)
        for _, text in _lines(files[path])
        if (requirement := _parsed(text)) is not None and requirement.specifier
    }
    requirements = []
    found = []
    for path, content in files.items():
        for included, line in included_files(path, content):
            if included not in files:
                message = f"includes `{one_line(included)}`, which is not in the archive: pip fails"
                found.append(Finding(ERROR, "missing-file", path, line, message, (stage,)))
        for line, text in _lines(content):
            requirement = _parsed(text)
            problem = _problem(text, requirement, pinned)
            if problem is not None:
                found.append(Finding(problem[0], problem[1], path, line, problem[2], (stage,)))
            # A constraint says which version, not that it is required.
            if requirement is not None and path not in constraints and applies(requirement, python):
                requirements.append(requirement)
    return StageRequirements(tuple(requirements), tuple(found))


def _constraints(files: Mapping[str, bytes]) -> set[str]:
    return {
        joined(path.rpartition("/")[0], match[1])
        for path, content in files.items()
        for _, text in _lines(content)
        if (match := _CONSTRAINT.match(text))
    }


def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines of a requirements file with their numbers, continued ones put together, without comments."""
    begun, text = 0, ""
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        begun = begun or number
        if line.endswith("\\"):
            text += line[:-1]
            continue
        text = _OPTIONS.sub("", _COMMENT.sub("", text + line)).strip()
        if text:
            yield begun, text
        begun, text = 0, ""


def _problem(text: str, requirement: Requirement | None, pinned: Collection[str]) -> tuple[str, str, str] | None:
    """Return severity, rule and message for what is wrong with a line."""
    if requirement is not None:
        if requirement.specifier or requirement.url is not None or normalize_name(requirement.name) in pinned:
            return None
        message = f"`{one_line(text)}` has no version: jobs of one release may run with different ones"
        return WARNING, "unpinned-requirement", message
    if text.startswith(_INCLUDES) or _LONG_OPTIONS.match(text) or _WHEEL_OR_PATH.search(text):
        return None
    if text.startswith("-"):
        return ERROR, "invalid-requirement", f"`{one_line(text)}` is no option that pip takes here"
    try:
        Requirement(text)
    except InvalidRequirement as error:
        reason = one_line(str(error).partition("\n")[0])
        return ERROR, "invalid-requirement", f"`{one_line(text)}` is no requirement: {reason}"
    return None
