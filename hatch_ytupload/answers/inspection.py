"""What an archive holds: sizes of its parts, directories and files, unpacked and packed."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import WRAPPERS
from hatch_ytupload.reading.contents import places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_ytupload.answers.artifacts import Described
    from hatch_ytupload.packing.manifest import FileInfo

DEPTH = 3
"""How many levels of directories are shown unless told otherwise."""


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


def _above(path: str) -> Iterator[str]:
    """Yield the directories that a path lies in, outermost first."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def _order(path: str) -> str:
    # NUL sorts before everything, so that what is below a directory follows it at once.
    return path.replace("/", "\0")
