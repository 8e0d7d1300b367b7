"""`hatch-ytupload explain`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.command_line.completion import files
from hatch_ytupload.command_line.flags import settings_flags
from hatch_ytupload.file_names import shorter
from hatch_ytupload.output.layout import wrapped
from hatch_ytupload.sources.ignore_scope import describe_rule
from hatch_ytupload.wording import counted, listed, megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.answers.explanation import Explanation
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.sources.ignoring import Rule


_SHOWN_NAMES = 3


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", shell_complete=files)
@settings_flags
@click.pass_obj
def command(console: Console, /, paths: tuple[str, ...], **flags: object) -> None:
    r"""Say whether a file goes into the archive, under which name, and which rule decided.

    PATH is a file or directory, relative to here or to the pipeline; a path in the archive; or one that does not exist
    yet, with `/` at its end for a directory.

    \b
    Example:
      hatch-ytupload explain stages/sessions/src/reducer.py lib/
      hatch-ytupload explain ytjobs/__init__.py
    """
    from hatch_ytupload.answers.explanation import Explainer

    explainer = Explainer(console.settings(flags))
    for problem in explainer.problems:
        console.warning(f"as it is, no archive can be built: {problem}")
    found = [explanation for path in paths for explanation in explainer.explain(path)]
    console.result(
        {"problems": list(explainer.problems), "paths": [explanation_data(explanation) for explanation in found]},
        "\n".join(explanation_text(explanation) for explanation in found),
    )


def explanation_text(found: Explanation) -> str:
    """Say in a few lines what becomes of a path, and why."""
    lines = [f"{one_line(found.path)}: {_verdict(found)}"]
    if found.packed:
        names = [name for name in found.archive_paths if name != os.path.normpath(found.path)]
        lines += [f"  as {one_line(name)}" for name in names]
    if found.source is not None:
        lines += [f"  from {one_line(shorter(place))}" for place in found.source.split("\n")]
    lines += [part for line in found.text.splitlines() for part in wrapped(line)]
    if found.kind == "directory" and found.files:
        lines.append(f"  {counted(found.files, 'file')} of it packed, {megabytes(found.size)}")
    lines += _left_out(found.left_out)
    return "\n".join(lines)


def _verdict(found: Explanation) -> str:
    missing = found.kind == "missing"
    if found.reason == "refused":
        verdict = "stop the build" if missing else "stops the build"
    elif found.packed:
        verdict = "go in" if missing else "in"
    else:
        verdict = "stay out" if missing else "out"
    return f"does not exist; it would {verdict}" if missing else verdict


def explanation_data(found: Explanation) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "path": found.path,
        "kind": found.kind,
        "packed": found.packed,
        "reason": found.reason,
        "text": found.text,
        "archive_paths": found.archive_paths,
        "source": found.source.split("\n") if found.source is not None else None,
        "rule": None if found.rule is None else _rule(found.rule),
        "file_count": found.files,
        "size": found.size,
        "left_out": [{"path": path, "rule": _rule(rule)} for path, rule in found.left_out],
    }


def _left_out(items: list[tuple[str, Rule]]) -> list[str]:
    """Say which rules keep out how much, the first names with each."""
    paths: dict[Rule, list[str]] = {}
    for path, rule in items:
        paths.setdefault(rule, []).append(path)
    lines = []
    for rule, found in paths.items():
        names = listed(found[:_SHOWN_NAMES])
        more = f" and {len(found) - _SHOWN_NAMES} more" if len(found) > _SHOWN_NAMES else ""
        lines += wrapped(f"{describe_rule(rule)} keeps out {names}{more}")
    return lines


def _rule(rule: Rule) -> dict[str, Any]:
    built_in = not rule.file
    return {
        "pattern": one_line(rule.pattern),
        "file": None if built_in else rule.file,
        "line": rule.line or None,
        "negated": rule.negated,
    }
