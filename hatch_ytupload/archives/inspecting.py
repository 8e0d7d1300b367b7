"""What an archive holds: sizes of its parts, directories and files, unpacked and packed."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.archives.reading import places
from hatch_ytupload.build_folders.release_records import release_name
from hatch_ytupload.command_line.tables import fields, table
from hatch_ytupload.errors import one_line
from hatch_ytupload.packing.sizes import megabytes
from hatch_ytupload.planning.targets import WRAPPERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_ytupload.archives.artifacts import Described
    from hatch_ytupload.packing.manifest import FileInfo, Manifest, ModuleInfo, StageInfo

DEPTH = 3
"""How many levels of directories are shown unless told otherwise."""

_COMMIT_DIGITS = 12


class Branch(NamedTuple):
    """A directory of the archive, a file, or all wrapper scripts together; sizes in bytes."""

    path: str
    size: int
    packed: int | None
    """Its share of the archive, where it is known: of what consists of whole parts."""
    files: int
    is_directory: bool


def directories(described: Described) -> list[Branch]:
    """Return every directory with the sums of what is below it, in the order of their paths."""
    return _directories(described, _packed_sizes(described))


def branches(described: Described, *, depth: int = DEPTH, with_files: bool = False) -> list[Branch]:
    """Return the tree: each directory before what is below it, in the order of their paths.

    Args:
        described: the archive.
        depth: how many levels; 0: all.
        with_files: files too; without them, wrapper scripts make one line, and other files at the top one each.
    """
    packed = _packed_sizes(described)
    found = _directories(described, packed)
    wrappers = [file for file in described.files if "/" not in file.path and fnmatchcase(file.path, WRAPPERS)]
    if wrappers and not with_files:
        size = sum(file.size for file in wrappers)
        found.append(Branch(WRAPPERS, size, packed.get(WRAPPERS), len(wrappers), is_directory=False))
    found += [
        Branch(file.path, file.size, None, 1, is_directory=False)
        for file in described.files
        if with_files or ("/" not in file.path and not fnmatchcase(file.path, WRAPPERS))
    ]
    found.sort(key=lambda branch: _order(branch.path))
    return [branch for branch in found if not depth or branch.path.count("/") < depth]


def largest_files(described: Described, number: int) -> list[FileInfo]:
    """Return the largest files, largest first."""
    return sorted(described.files, key=lambda file: (-file.size, file.path))[:number]


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
        "directories": [
            {"path": branch.path, "size": branch.packed, "unpacked": branch.size, "file_count": branch.files}
            for branch in directories(described)
        ],
        "files": [file._asdict() for file in files],
    }


def _directories(described: Described, packed: Mapping[str, int]) -> list[Branch]:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for file in described.files:
        for directory in _above(file.path):
            sizes[directory] += file.size
            counts[directory] += 1
    return [
        Branch(path, sizes[path], packed.get(path), counts[path], is_directory=True)
        for path in sorted(sizes, key=_order)
    ]


def _head(described: Described) -> str:
    manifest = described.manifest
    count = len(described.files)
    plural = "" if count == 1 else "s"
    size = f"{megabytes(described.size)}, unpacked {megabytes(described.unpacked)} in {count} file{plural}"
    if manifest is None:
        return fields(described.shown, ("size", size), ("manifest", "none"))
    return fields(
        f"{one_line(manifest.project.name)} {one_line(release_name(manifest))}",
        ("archive", described.shown),
        ("size", size),
        ("built", _origin(manifest)),
        ("stages", "\n".join(_stage(stage) for stage in manifest.stages)),
        ("modules", "\n".join(_module(module) for module in manifest.modules)),
    )


def _origin(manifest: Manifest) -> str:
    tool = f"with {manifest.tool.name} {manifest.tool.version}"
    if manifest.git is None:
        return one_line(tool)
    changes = " and uncommitted changes" if manifest.git.dirty else ""
    return one_line(f"{tool} from commit {manifest.git.commit[:_COMMIT_DIGITS]}{changes}")


def _stage(stage: StageInfo) -> str:
    count = len(stage.requirements or ())
    requirements = f" ({count} requirement{'' if count == 1 else 's'})" if count else ""
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


def _packed_sizes(described: Described) -> dict[str, int]:
    """Return the compressed size of each directory that consists of whole parts."""
    known = (places(described.manifest) if described.manifest is not None else None) or []
    sizes: Counter[str] = Counter()
    part_files: Counter[str] = Counter()
    for place in known:
        shared = _shared(place.files)
        for directory in shared:
            sizes[directory] += place.part.size
            part_files[directory] += len(place.files)
        if place.part.name == WRAPPERS:
            sizes[WRAPPERS] = place.part.size
            part_files[WRAPPERS] = len(place.files)
    counts = Counter(directory for file in described.files for directory in _above(file.path))
    counts[WRAPPERS] = part_files[WRAPPERS]
    return {directory: size for directory, size in sizes.items() if part_files[directory] == counts[directory]}


def _shared(files: tuple[FileInfo, ...]) -> list[str]:
    """Return the directories that hold all of these files."""
    if not files:
        return []
    # Files of a part are sorted, so what the first and the last one share, all of them share.
    last = set(_above(files[-1].path))
    return [directory for directory in _above(files[0].path) if directory in last]


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


def _above(path: str) -> Iterator[str]:
    """Yield the directories that a path lies in, outermost first."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def _order(path: str) -> str:
    # NUL sorts before everything, so that what is below a directory follows it at once.
    return path.replace("/", "\0")
