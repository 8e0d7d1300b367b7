"""What becomes of one path, and the reasons that lie outside all sources."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_ytupload.errors import one_line
from hatch_ytupload.planning.stages import CONFIG, REQUIREMENTS, STAGES
from hatch_ytupload.planning.survey import Decision, Source, Survey, decide
from hatch_ytupload.sources.ignore_scope import describe_rule

if TYPE_CHECKING:
    from hatch_ytupload.sources.ignoring import Rule


@dataclass
class Explanation:
    """What becomes of one path, and why."""

    path: str
    """As the user gave it."""
    kind: str
    """`file`, `directory`, `missing` or `generated`."""
    packed: bool
    """It is, or would be, in the archive; a directory: something of it."""
    reason: str
    """One word: `source`, `kept`, `ignored`, `built-in`, `refused`, `shadowed`, `no-source`, `stage-not-selected`,
    `stage-without-code`, `beside-src`, `generated`."""
    text: str
    """The reason as a sentence."""
    archive_paths: list[str] = field(default_factory=list)
    """Its names in the archive."""
    source: str | None = None
    """Where it lies, if that is not the path itself."""
    rule: Rule | None = None
    """The rule that decided."""
    files: int = 0
    """Of a directory: how many files of it are packed."""
    size: int = 0
    """Of these, in bytes."""
    left_out: list[tuple[str, Rule]] = field(default_factory=list)
    """Of a directory: what the rules keep out of it."""


def excluded(path: str, kind: str, decision: Decision, rule: Rule, *, itself: bool) -> Explanation:
    """Explain a path that a rule keeps out, itself or a directory that it is in."""
    what = "it" if itself else f"`{one_line(decision.at)}`, which it is in"
    return Explanation(
        path,
        kind,
        packed=False,
        reason="ignored" if rule.file else "built-in",
        text=f"{describe_rule(rule)} excludes {what}",
        rule=rule,
    )


def outside_sources(survey: Survey, path: str, place: str, kind: str) -> Explanation:
    """Explain a path that no source holds.

    Args:
        survey: of the pipeline.
        path: as the user gave it.
        place: its absolute path.
        kind: as in the explanation.
    """
    names = below(place, survey.settings.pipeline_dir)
    if names is None:
        text = "it lies outside the pipeline directory, and in no uploaded module"
    elif names[:1] == [STAGES] and len(names) > 1:
        return _in_stage(survey, path, kind, names)
    else:
        text = "no stage holds it, nor do `upload_modules` and `upload_paths`"
    return Explanation(path, kind, packed=False, reason="no-source", text=text)


def _in_stage(survey: Survey, path: str, kind: str, names: list[str]) -> Explanation:
    """Explain a path below `stages/` that is not of the code of a packed stage."""
    stage = names[1]
    shown = one_line(stage)
    src = [STAGES, stage, "src"]
    is_code = names[: len(src)] == src
    excluding = _rule_above(survey, names if is_code else src[:-1], is_dir=not is_code or path.endswith("/"))
    if excluding is not None and excluding.rule is not None:
        return excluded(path, kind, excluding, excluding.rule, itself=excluding.at == "/".join(names))
    settings = survey.settings
    has_code = os.path.isdir(os.path.join(settings.pipeline_dir, *src))
    if settings.stages != "all" and stage not in settings.stages:
        origin = "`stages.enabled_stages` of the config" if settings.stages_are_enabled_ones else "`stages`"
        reason, text = "stage-not-selected", f"the stage `{shown}` is not among those that {origin} selects"
    elif not is_code and len(names) >= len(src) and has_code:
        reason = "beside-src"
        text = f"it lies beside `src/`: of a stage only `src/`, `{CONFIG}` and `{REQUIREMENTS}` are packed"
    elif is_code and kind == "missing" and len(names) > len(src):
        found = Explanation(path, kind, packed=True, reason="source", text=f"it belongs to the stage `{shown}`")
        found.archive_paths = ["/".join(names)]
        return found
    elif not has_code:
        reason, text = "stage-without-code", f"a stage has its code in `src/`, and `{STAGES}/{shown}` has none"
    else:
        reason = "no-source"
        text = survey.problems[0] if survey.problems else f"the stage `{shown}` has no files to pack"
    return Explanation(path, kind, packed=False, reason=reason, text=text)


def _rule_above(survey: Survey, names: list[str], *, is_dir: bool) -> Decision | None:
    """Apply the rules of the pipeline to a path in it; None: nothing keeps it out."""
    top = survey.settings.pipeline_dir
    whole = Source(top, "", survey.scopes.of(top), top, own=True, shown=os.curdir, owner="")
    decision = decide(whole, names, is_dir=is_dir)
    return decision if decision.excluded else None


def below(path: str, directory: str) -> list[str] | None:
    """Return the names on the way from a directory to a path; None if it does not lie there."""
    if path == directory:
        return []
    prefix = directory.rstrip(os.sep) + os.sep
    return path[len(prefix) :].split(os.sep) if path.startswith(prefix) else None
