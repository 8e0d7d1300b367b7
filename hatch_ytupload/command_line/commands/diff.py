"""`hatch-ytupload diff`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.command_line.completion import archives
from hatch_ytupload.command_line.flags import destination_flags, whereabouts
from hatch_ytupload.output.layout import fields, table
from hatch_ytupload.output.releases import origin_text, published_by
from hatch_ytupload.releases.records import release_name
from hatch_ytupload.wording import megabytes, one_line, short_commit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.answers.artifacts import Described
    from hatch_ytupload.answers.differences import Differences, FactChange
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.packing.manifest import FileInfo
    from hatch_ytupload.reading.file_changes import FileChange

_COMMIT = re.compile(r"\b[0-9a-f]{40,64}\b")


@click.command()
@click.argument("a", required=False, shell_complete=archives)
@click.argument("b", required=False, shell_complete=archives)
@click.option("--text", is_flag=True, help="Show what changed inside text files.")
@click.option("--exit-code", is_flag=True, help="End with status 1 if a file differs.")
@destination_flags
@click.pass_obj
def command(console: Console, /, a: str | None, b: str | None, *, text: bool, exit_code: bool, **flags: object) -> None:
    r"""Show what differs between two archives, from A to B.

    Without B, from the current release to A; without A too, from the current release to the local bundle: what a
    publish would change. Each is named by its path, its bundle's directory or its manifest; by a `//path` of an archive
    or a build folder; by the name of a release; or as `current`.

    \b
    Example:
      hatch-ytupload diff
      hatch-ytupload diff --text 1.3.0 1.4.0
      hatch-ytupload diff //home/ads/testing/build //home/ads/build
    """
    from hatch_ytupload.answers.artifacts import find_artifact
    from hatch_ytupload.answers.differences import compare_artifacts, text_diffs
    from hatch_ytupload.releases.published import CURRENT

    places = whereabouts(console, flags)
    before = find_artifact(CURRENT if b is None else a, places)
    after = find_artifact(a if b is None else b, places)
    with console.progress() as progress:
        differences = compare_artifacts(before, after, progress=progress)
        diffs = dict(text_diffs(before, after, differences.files, progress=progress)) if text else {}
    data = differences_data(differences)
    if text:
        for file in data["files"]:
            file["text"] = diffs.get(file["path"])
    console.result(data, "\n\n".join([differences_text(differences), *diffs.values()]), colour=coloured)
    if exit_code and differences.any:
        sys.exit(1)


def coloured(line: str) -> str:
    """Colour lines that begin with `+`, `-`, `~` or `@`; without colour they say the same."""
    colours = {"+": "green", "-": "red", "~": "yellow", "@": "cyan"}
    return click.style(line, fg=colours[line[0]]) if line[:1] in colours else line


def differences_text(differences: Differences) -> str:
    """Show the differences in lines that begin with `+` (added), `-` (removed) or `~` (changed)."""
    head = fields("", ("from", _title(differences.old)), ("to", _title(differences.new))).lstrip("\n")
    blocks = [head]
    if differences.files:
        blocks.append(table([_file_row(change) for change in differences.files], right=(2,)))
    return "\n\n".join([*blocks, summary_text(differences)])


def summary_text(differences: Differences) -> str:
    """Show all but the files, and count these."""
    facts = "\n".join(_fact_line(fact) for fact in differences.facts)
    return "\n\n".join(filter(None, (facts, _counts(differences))))


def differences_data(differences: Differences) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "from": _side(differences.old),
        "to": _side(differences.new),
        "same_content": differences.same_content,
        "same_files": not differences.files,
        "files": [
            {
                "path": change.path,
                "change": change.kind,
                "content_changed": change.content_changed,
                "from": None if change.old is None else _without_path(change.old),
                "to": None if change.new is None else _without_path(change.new),
            }
            for change in differences.files
        ],
        "facts": [
            {"subject": fact.subject, "name": fact.name, "from": fact.old, "to": fact.new} for fact in differences.facts
        ],
    }


def _title(described: Described) -> str:
    if described.manifest is None:
        return described.shown
    origin = origin_text(described.record)
    lines = [one_line(release_name(described.manifest)), described.shown, *([f"published {origin}"] if origin else [])]
    return "\n".join(lines)


def _file_row(change: FileChange) -> tuple[str, str, str]:
    mark = {"added": "+", "removed": "-", "changed": "~"}[change.kind]
    old, new = change.old, change.new
    what = []
    if old is None or new is None:
        what.append(megabytes(change.present.size))
    else:
        if old.size != new.size:
            what.append(f"{megabytes(old.size)} -> {megabytes(new.size)}")
        elif change.content_changed:
            what.append(megabytes(new.size))
        if old.mode != new.mode:
            what.append(f"mode {one_line(old.mode)} -> {one_line(new.mode)}")
    return mark, one_line(change.path), ", ".join(what)


def _fact_line(fact: FactChange) -> str:
    mark = "+" if fact.old is None else "-" if fact.new is None else "~"
    values = " -> ".join(one_line(value) for value in (fact.old, fact.new) if value is not None)
    if fact.name == "commit":
        values = _COMMIT.sub(lambda found: short_commit(found[0]), values)
    what = "" if values == "yes" else f": {values}"
    return f"{mark} {one_line(fact.subject)}, {one_line(fact.name)}{what}"


def _counts(differences: Differences) -> str:
    old, new = differences.old, differences.new
    if not differences.files:
        return f"the same content: {len(new.files)} files, {megabytes(new.unpacked)}"
    kinds = [change.kind for change in differences.files]
    counts = [f"{kinds.count(kind)} {kind}" for kind in ("added", "removed", "changed") if kind in kinds]
    same = len(new.files) - kinds.count("added") - kinds.count("changed")
    sizes = f"{megabytes(old.unpacked)} -> {megabytes(new.unpacked)}"
    packed = f"{megabytes(old.size)} -> {megabytes(new.size)}"
    return f"{', '.join(counts)}, {same} the same; unpacked {sizes}, packed {packed}"


def _side(described: Described) -> dict[str, Any]:
    return {
        "archive": described.shown,
        "release": release_name(described.manifest) if described.manifest else None,
        **published_by(described.record),
        "content_sha256": described.content_sha256,
        "size": described.size,
        "unpacked": described.unpacked,
        "file_count": len(described.files),
    }


def _without_path(file: FileInfo) -> Mapping[str, Any]:
    return {"size": file.size, "mode": file.mode, "sha256": file.sha256}
