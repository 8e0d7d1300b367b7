"""What differs between two archives: files, and what their manifests say about stages, requirements and modules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.build_folders.release_records import release_name
from hatch_ytupload.command_line.tables import fields, table
from hatch_ytupload.errors import one_line
from hatch_ytupload.packing.sizes import megabytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_ytupload.archives.artifacts import Described
    from hatch_ytupload.packing.manifest import FileInfo, Manifest

# The beginning of a commit is enough for people.
_LONG_COMMIT = re.compile(r"\b([0-9a-f]{12})[0-9a-f]+\b")


class FileChange(NamedTuple):
    """One file: None where it is not there."""

    old: FileInfo | None
    new: FileInfo | None

    @property
    def path(self) -> str:
        """Its path in the archive."""
        return self.present.path

    @property
    def present(self) -> FileInfo:
        """The newest there is of it."""
        file = self.new if self.new is not None else self.old
        if file is None:
            raise ValueError("a change without a file")
        return file

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"

    @property
    def content_changed(self) -> bool:
        """The content differs; otherwise only the mode does."""
        return self.old is None or self.new is None or self.old.sha256 != self.new.sha256


class FactChange(NamedTuple):
    """What the manifests say differently: of what, which property, the two values; None: there is none."""

    subject: str
    """`project`, `stage NAME`, `module NAME`, `archive` or `source`."""
    name: str
    old: str | None
    new: str | None


class Differences(NamedTuple):
    """All that differs; sorted."""

    old: Described
    new: Described
    files: list[FileChange]
    facts: list[FactChange]
    same_content: bool
    """The same release: even the tar streams are the same."""

    @property
    def any(self) -> bool:
        """Something that a job could notice differs: a file's path, content or mode."""
        return bool(self.files)


def compare(old: Described, new: Described) -> Differences:
    """Compare two archives."""
    facts = [] if old.manifest is None or new.manifest is None else _facts(old.manifest, new.manifest)
    return Differences(old, new, compare_files(old.files, new.files), facts, old.content_sha256 == new.content_sha256)


def compare_files(old: Iterable[FileInfo], new: Iterable[FileInfo]) -> list[FileChange]:
    """Return what was added, removed and changed, sorted by path."""
    before = {file.path: file for file in old}
    after = {file.path: file for file in new}
    return [
        FileChange(before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def differences_text(differences: Differences) -> str:
    """Show the differences in lines that begin with `+` (added), `-` (removed) or `~` (changed)."""
    head = fields("", ("from", _title(differences.old)), ("to", _title(differences.new))).lstrip("\n")
    blocks = [head]
    if differences.files:
        blocks.append(table([_file_row(change) for change in differences.files], right=(2,)))
    if differences.facts:
        blocks.append("\n".join(_fact_line(fact) for fact in differences.facts))
    blocks.append(_summary(differences))
    return "\n\n".join(blocks)


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


def _facts(old: Manifest, new: Manifest) -> list[FactChange]:
    """Compare what the manifests say beside the files."""
    before, after = _stated(old), _stated(new)
    return [
        FactChange(*key, before.get(key), after.get(key))
        # In the order in which they are stated; what is gone comes last.
        for key in dict.fromkeys([*after, *before])
        if before.get(key) != after.get(key)
    ]


def _stated(manifest: Manifest) -> dict[tuple[str, str], str]:
    """Return everything that a manifest states, by subject and name."""
    git = manifest.git
    stated = {
        ("project", "name"): manifest.project.name,
        ("project", "version"): manifest.project.version,
        ("source", "commit"): git.commit + (" and uncommitted changes" if git.dirty else "") if git else "unknown",
        ("archive", "time of the files"): str(manifest.source_date_epoch),
        ("archive", "built by"): f"{manifest.tool.name} {manifest.tool.version}",
    }
    for stage in manifest.stages:
        subject = f"stage {stage.name}"
        stated.update(((subject, f"operation {name}"), "yes") for name in stage.operations)
        stated.update(_requirements(subject, stage.requirements or ()))
    for module in manifest.modules:
        origin = f"{module.distribution} {module.version or ''}".rstrip() if module.distribution else "own"
        stated[f"module {module.name}", "from"] = origin
    return stated


def _requirements(subject: str, lines: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Return the requirements of a stage by what they require, so that another version is a change."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: dict[tuple[str, str], str] = {}
    for line in lines:
        try:
            requirement = Requirement(line.partition(" #")[0])
            name = f"requirement {canonicalize_name(requirement.name)}"
        except InvalidRequirement:
            # An option of pip, or a path.
            name = f"requirement {line}"
        key = subject, name
        found[key] = f"{found[key]}, {line}" if key in found else line
    return found


def _title(described: Described) -> str:
    if described.manifest is None:
        return described.shown
    return f"{one_line(release_name(described.manifest))}\n{described.shown}"


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
        values = _LONG_COMMIT.sub(r"\1", values)
    what = "" if values == "yes" else f": {values}"
    return f"{mark} {one_line(fact.subject)}, {one_line(fact.name)}{what}"


def _summary(differences: Differences) -> str:
    old, new = differences.old, differences.new
    if differences.same_content:
        return f"the same content: {len(new.files)} files, {megabytes(new.unpacked)}"
    if not differences.files:
        # Not what is in the files, then: the time in the headers, owners, the order.
        return f"the same {len(new.files)} files; headers of the archive differ, such as times or the order of files"
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
        "content_sha256": described.content_sha256,
        "size": described.size,
        "unpacked": described.unpacked,
        "file_count": len(described.files),
    }


def _without_path(file: FileInfo) -> Mapping[str, Any]:
    return {"size": file.size, "mode": file.mode, "sha256": file.sha256}
