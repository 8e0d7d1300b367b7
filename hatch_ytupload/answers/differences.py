"""What differs between two archives: files, and what their manifests say about stages, requirements and modules."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.answers.artifacts import described
from hatch_ytupload.answers.components import components_in
from hatch_ytupload.byte_reader import LARGEST_FILE, Progress, no_progress
from hatch_ytupload.reading.contents import read_files
from hatch_ytupload.reading.file_changes import FileChange, compare_files
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.answers.artifacts import Artifact, Described
    from hatch_ytupload.answers.components import ComponentInfo
    from hatch_ytupload.packing.manifest import Manifest

    Components = tuple[ComponentInfo, ...]


# The time to compare grows with the product of the lines.
_MOST_BYTES = 1 << 20
_NEVER = "/dev/null"


class FactChange(NamedTuple):
    """What the manifests say differently: of what, which property, the two values; None: there is none."""

    subject: str
    """`project`, `stage NAME`, `module NAME`, `component NAME`, `archive` or `source`."""
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
    """The same release."""

    @property
    def any(self) -> bool:
        """Something that a job could notice differs: a file's path, content or mode."""
        return bool(self.files)


def compare_artifacts(old: Artifact, new: Artifact, *, progress: Progress = no_progress) -> Differences:
    """Compare two archives by all that is known of them.

    Args:
        old: the one.
        new: the other.
        progress: called with how many bytes of how many have been read of one without a manifest.

    Raises:
        ArtifactError: one of them is damaged, or plainly not that of its manifest.
        BuildFolderError: it cannot be read.
    """
    before, after = described(old, progress=progress), described(new, progress=progress)
    return compare(before, after, components=(components_in(old), components_in(new)))


def compare(
    old: Described, new: Described, *, components: tuple[Components | None, Components | None] = (None, None)
) -> Differences:
    """Compare two archives.

    Args:
        old: the one.
        new: the other.
        components: what each is made of; None: that is not known.
    """
    facts = []
    if old.manifest is not None and new.manifest is not None:
        facts += _changes(_stated(old.manifest), _stated(new.manifest))
    before, after = components
    if before is not None and after is not None:
        facts += _changes(_versions(before), _versions(after))
    return Differences(old, new, compare_files(old.files, new.files), facts, old.content_sha256 == new.content_sha256)


def _changes(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> list[FactChange]:
    """Compare what is said beside the files."""
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
    for wheel in manifest.wheels:
        for stage_name in wheel.stages:
            stated[f"stage {stage_name}", f"wheel {wheel.name}"] = wheel.version
    if manifest.target is not None:
        stated["wheels", "target"] = f"Python {manifest.target.python} on {manifest.target.platform}"
    return stated


def _versions(components: Components) -> dict[tuple[str, str], str]:
    """Return the versions of components by name; stages may have wheels of several."""
    found: dict[tuple[str, str], str] = {}
    for name, version in sorted({(component.name, component.version) for component in components}):
        key = f"component {name}", "version"
        found[key] = f"{found[key]}, {version}" if key in found else version
    return found


def _requirements(subject: str, texts: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Return the requirements of a stage by what they require, so that another version is a change."""
    from hatch_ytupload.requirements.reading import requirement_name

    found: dict[tuple[str, str], str] = {}
    # Another tool may have written the manifest: what is secret is masked here, too.
    for text in map(masked, texts):
        key = subject, f"requirement {requirement_name(text) or text}"
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def text_diffs(
    old: Artifact, new: Artifact, changes: list[FileChange], *, progress: Progress = no_progress
) -> Iterator[tuple[str, str]]:
    """Yield path and unified diff of each file whose content differs.

    Args:
        old: where the old contents are; only what holds such files is read.
        new: where the new ones are.
        changes: between the two.
        progress: called with how many bytes of how many have been read.

    Raises:
        ArtifactError: an archive is damaged, or not what its manifest says.
        BuildFolderError: it cannot be read.
    """
    wanted = [change for change in changes if change.content_changed]
    before = _contents(old, [change.path for change in wanted if change.old is not None], progress)
    after = _contents(new, [change.path for change in wanted if change.new is not None], progress)
    for change in wanted:
        yield change.path, _diff(change, before.get(change.path), after.get(change.path))


def _contents(artifact: Artifact, paths: list[str], progress: Progress) -> dict[str, bytes]:
    if not paths or artifact.open is None:
        return {}
    with artifact.open() as archive:
        return read_files(archive, artifact.manifest, set(paths), artifact.shown, progress=progress)


def _diff(change: FileChange, old: bytes | None, new: bytes | None) -> str:
    shown = one_line(change.path)
    if (change.old is not None and old is None) or (change.new is not None and new is None):
        large = change.present.size > LARGEST_FILE
        return f"{shown}: {'too large to compare' if large else 'only its manifest is here, not its content'}"
    before, after = _lines(old), _lines(new)
    if before is None or after is None:
        return f"{shown}: no text, or too large to compare"
    lines = unified_diff(
        before,
        after,
        f"a/{shown}" if old is not None else _NEVER,
        f"b/{shown}" if new is not None else _NEVER,
        lineterm="",
    )
    # What differs by nothing but a password is a difference all the same.
    return "\n".join(map(masked, lines)) or f"{shown}: differs in the ends of its lines"


def _lines(data: bytes | None) -> list[str] | None:
    """Return the lines of a text, None where it is none; nothing in them can write to a terminal."""
    if data is None:
        return []
    if len(data) > _MOST_BYTES or b"\0" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = ["\t".join(map(one_line, line.split("\t"))) for line in text.split("\n")]
    if lines[-1]:
        lines.append("\\ no line feed at the end of the file")
    else:
        lines.pop()
    return lines
