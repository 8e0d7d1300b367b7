"""`hatch-ytupload inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.answers.inspection import DEPTH, Branch, branches, directories, largest_files
from hatch_ytupload.archive_layout import WRAPPERS
from hatch_ytupload.command_line.completion import archives
from hatch_ytupload.command_line.flags import archive_or_current, destination_flags, whereabouts
from hatch_ytupload.output.layout import cut, fields, table
from hatch_ytupload.output.releases import origin_text, published_by
from hatch_ytupload.reading.contents import places
from hatch_ytupload.releases.records import release_name
from hatch_ytupload.wording import counted, megabytes, named_commit, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_ytupload.answers.artifacts import Artifact, Described
    from hatch_ytupload.answers.components import ComponentInfo
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.packing.manifest import Manifest, ModuleInfo, StageInfo


@click.command()
@click.argument("archive", required=False, shell_complete=archives)
@click.option("--largest", metavar="N", type=click.IntRange(1), help="Show the N largest files, largest first.")
@click.option("--by-size", is_flag=True, help="Sort what lies in a directory by size, largest first.")
@click.option("--files", is_flag=True, help="Show every file, not directories alone.")
@click.option("--licences", is_flag=True, help="Show what it is made of, with versions and licences.")
@click.option("--depth", metavar="N", type=click.IntRange(0), help="How many levels of directories; 0: all.")
@destination_flags
@click.pass_obj
def command(
    console: Console,
    /,
    archive: str | None,
    largest: int | None,
    depth: int | None,
    *,
    by_size: bool,
    files: bool,
    licences: bool,
    **flags: object,
) -> None:
    r"""Show what an archive holds: sizes of its parts, directories and files.

    ARCHIVE is the path of an archive, of a bundle's directory or of a manifest; a `//path` of an archive or a build
    folder; the name of a release; or `current`. Without it, the bundle of the project's current version; outside of a
    project, or with `--build-folder`, the current release. Of an archive with a manifest, only the manifest is read.

    \b
    Example:
      hatch-ytupload inspect --largest 10
      hatch-ytupload inspect --licences current
      hatch-ytupload inspect //home/ads/build
    """
    from hatch_ytupload.answers.artifacts import described, find_artifact

    artifact = find_artifact(archive_or_current(console, archive, flags), whereabouts(console, flags))
    if licences:
        from hatch_ytupload.answers.components import require_components

        components = require_components(artifact)
        console.result(licences_data(artifact, components), licences_text(components))
        return
    with console.progress() as progress:
        found = described(artifact, progress=progress)
    if depth is None:
        depth = 0 if files else DEPTH
    if console.as_json:
        console.result(inspect_data(found, largest=largest or 0), "")
    else:
        text = inspect_text(found, depth=depth, with_files=files, by_size=by_size, largest=largest or 0)
        console.result(None, text)


def licences_text(components: Iterable[ComponentInfo]) -> str:
    """Show what an archive is made of."""
    rows = [("COMPONENT", "VERSION", "LICENCE")]
    rows += [(one_line(each.name), one_line(each.version), one_line(each.licence or "unknown")) for each in components]
    return "\n".join(cut(line) for line in table(rows).splitlines())


def licences_data(artifact: Artifact, components: Iterable[ComponentInfo]) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "archive": artifact.shown,
        "release": artifact.release,
        "components": [component._asdict() for component in components],
    }


def inspect_text(
    described: Described, *, depth: int = DEPTH, with_files: bool = False, by_size: bool = False, largest: int = 0
) -> str:
    """Show an archive in text of 80 columns.

    Args:
        described: the archive.
        depth: how many levels of directories; 0: all.
        with_files: files too.
        by_size: what lies in one directory comes largest first.
        largest: instead of the tree, so many files, largest first; 0: the tree.
    """
    lines = [_head(described), ""]
    if largest:
        rows = [("SIZE", "FILE")]
        rows += [(megabytes(file.size), one_line(file.path)) for file in largest_files(described, largest)]
        return "\n".join([*lines, table(rows, right=(0,))])
    found = branches(described, depth=depth, with_files=with_files)
    if by_size:
        found = _by_size(found)
    whole = Branch("", described.unpacked, described.size, len(described.files), is_directory=True)
    tree = [("UNPACKED", "PACKED", "FILES", "PATH"), _row(whole), *map(_row, found)]
    return "\n".join([*lines, table(tree, right=(0, 1, 2))])


def inspect_data(described: Described, *, largest: int = 0) -> dict[str, Any]:
    """Return all of it for programs.

    Args:
        described: the archive.
        largest: only so many files, largest first; 0: all, in the order of the archive.
    """
    manifest = described.manifest
    files = largest_files(described, largest) if largest else described.files
    return {
        "archive": described.shown,
        "release": release_name(manifest) if manifest else None,
        "project": manifest.project._asdict() if manifest else None,
        **published_by(described.record),
        "content_sha256": described.content_sha256,
        "size": described.size,
        "unpacked": described.unpacked,
        "file_count": len(described.files),
        "parts": [
            {
                "name": place.part.name,
                "size": place.part.size,
                "unpacked": sum(file.size for file in place.files),
                "file_count": len(place.files),
            }
            for place in (places(manifest) if manifest else None) or ()
        ],
        "stages": [stage._asdict() for stage in manifest.stages] if manifest else [],
        "modules": [module._asdict() for module in manifest.modules] if manifest else [],
        "wheels": [wheel._asdict() for wheel in manifest.wheels] if manifest else [],
        "directories": [
            {"path": branch.path, "size": branch.packed, "unpacked": branch.size, "file_count": branch.files}
            for branch in directories(described)
        ],
        "files": [file._asdict() for file in files],
    }


def _head(described: Described) -> str:
    manifest = described.manifest
    count = len(described.files)
    size = f"{megabytes(described.size)}, unpacked {megabytes(described.unpacked)} in {counted(count, 'file')}"
    if manifest is None:
        return fields(described.shown, ("size", size), ("manifest", "none"))
    return fields(
        f"{one_line(manifest.project.name)} {one_line(release_name(manifest))}",
        ("archive", described.shown),
        ("size", size),
        ("built", _origin(manifest)),
        ("published", origin_text(described.record)),
        ("stages", "\n".join(_stage(stage) for stage in manifest.stages)),
        ("modules", "\n".join(_module(module) for module in manifest.modules)),
        ("wheels", "\n".join(f"{one_line(wheel.name)} {one_line(wheel.version)}" for wheel in manifest.wheels)),
    )


def _origin(manifest: Manifest) -> str:
    tool = f"with {manifest.tool.name} {manifest.tool.version}"
    if manifest.git is None:
        return one_line(tool)
    return one_line(f"{tool} from {named_commit(manifest.git.commit, dirty=manifest.git.dirty)}")


def _stage(stage: StageInfo) -> str:
    count = len(stage.requirements or ())
    requirements = f" ({counted(count, 'requirement')})" if count else ""
    return one_line(f"{stage.name}: {', '.join(stage.operations) or 'no operation'}{requirements}")


def _module(module: ModuleInfo) -> str:
    origin = f" ({module.distribution} {module.version or ''}".rstrip() + ")" if module.distribution else ""
    return one_line(f"{module.name}{origin}")


def _row(branch: Branch) -> tuple[str, ...]:
    levels = branch.path.count("/")
    name = one_line(branch.path.rpartition("/")[2]) + ("/" if branch.is_directory and branch.path else "")
    indent = "  " * (levels + 1) if branch.path else ""
    packed = "" if branch.packed is None else megabytes(branch.packed)
    files = str(branch.files) if branch.is_directory or branch.path == WRAPPERS else ""
    return megabytes(branch.size), packed, files, f"{indent}{name or 'all'}"


def _by_size(found: list[Branch]) -> list[Branch]:
    """Sort what lies in one directory by size."""
    below: dict[str, list[Branch]] = {}
    for branch in found:
        below.setdefault(branch.path.rpartition("/")[0], []).append(branch)

    def walk(directory: str) -> Iterator[Branch]:
        for branch in sorted(below.get(directory, []), key=lambda branch: (-branch.size, branch.path)):
            yield branch
            if branch.is_directory:
                yield from walk(branch.path)

    return list(walk(""))
