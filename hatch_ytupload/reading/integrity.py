"""Whether an archive is, byte by byte and member by member, what its manifest says."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import DigestingReader, Digests, blocks, no_progress, sha256_of
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.reading.contents import Contents, places, read_contents
from hatch_ytupload.reading.file_changes import FileChange, compare_files
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_ytupload.byte_reader import Progress, Reader
    from hatch_ytupload.packing.manifest import Manifest

# What headers and padding may add to the files, for each of them and once.
_OVERHEAD = 64 << 10


class Comparison(NamedTuple):
    """An archive beside its manifest."""

    digests: Digests
    """Of the archive as it is."""
    contents: Contents | None
    """What it holds; None where it cannot be read to its end."""
    damage: str | None
    """Why it cannot be read."""
    problems: tuple[str, ...]
    """Everything that differs, one line each; none: the archive is sound."""


def check_archive(archive: Reader, manifest: Manifest, name: str) -> None:
    """Refuse an archive that is not what its manifest says.

    Args:
        archive: its bytes.
        manifest: what they should be.
        name: of the archive, for messages.

    Raises:
        ArtifactError: something differs.
        OSError: the archive cannot be read.
    """
    shown = f"`{one_line(name)}`"
    if archive.size != manifest.archive.size:
        sizes = f"{archive.size} bytes, and its manifest says {manifest.archive.size}"
        raise ArtifactError(f"{shown} has {sizes}; build again")
    # Not more than the manifest announces, whatever the archive may unpack to.
    limit = sum(max(file.size, 0) + _OVERHEAD for file in manifest.files) + _OVERHEAD
    found = compare_archive(archive, manifest, name, limit=limit)
    if found.damage is not None:
        raise ArtifactError(found.damage)
    if found.problems:
        raise ArtifactError(f"{shown} is not what its manifest says: {found.problems[0]}; build again")


def as_published(data: Iterable[bytes], sha256: str, name: str) -> Iterator[bytes]:
    """Give the bytes of a published archive, and refuse it at their end where it is another.

    Args:
        data: the bytes.
        sha256: what they have to be.
        name: of the archive, for messages.

    Raises:
        ArtifactError: they are something else.
    """
    digest = hashlib.sha256()
    for block in data:
        digest.update(block)
        yield block
    if digest.hexdigest() != sha256:
        raise ArtifactError(f"`{one_line(name)}` is not what was published; publish it again")


def compare_archive(
    archive: Reader,
    manifest: Manifest,
    name: str,
    *,
    limit: int | None = None,
    stored_md5: str | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Compare an archive with everything that its manifest says about it.

    Args:
        archive: its bytes; they are read once, from their start to their end.
        manifest: what they should be.
        name: of the archive, for messages.
        limit: the most that it may unpack to, in bytes; None: what any archive may.
        stored_md5: the MD5 as a build folder knows it; None: it does not.
        progress: is called with how many bytes of how many have been read.

    Raises:
        BuildFolderError: the archive cannot be read.
        OSError: likewise.
    """
    contents: Contents | None = None
    damage = None
    with DigestingReader(archive) as watched:
        try:
            contents = read_contents(watched, name, progress=progress, **({} if limit is None else {"limit": limit}))
        except ArtifactError as error:
            damage = str(error)
        digests = watched.digests()
    problems = [*_wrong_bytes(manifest, digests, stored_md5), *([damage] if damage else [])]
    problems += _wrong_parts(archive, manifest) if problems else []
    if contents is not None:
        problems += [_wrong_file(change) for change in compare_files(manifest.files, contents.files)]
        problems += _wrong_content(manifest, contents)
    return Comparison(digests, contents, damage, tuple(problems))


def _wrong_bytes(manifest: Manifest, found: Digests, stored_md5: str | None) -> list[str]:
    """Compare size and digests of the archive."""
    said = manifest.archive
    pairs = [
        ("size in bytes", str(said.size), str(found.size)),
        ("SHA-256", said.sha256, found.sha256),
        ("MD5", said.md5, found.md5),
    ]
    problems = [
        f"the {name} of the archive is {value}, its manifest says {one_line(expected)}"
        for name, expected, value in pairs
        if expected != value
    ]
    if stored_md5 is not None and stored_md5 != found.md5:
        problems.append(f"the build folder gives the MD5 {one_line(stored_md5)}, and the bytes have {found.md5}")
    return problems


def _wrong_parts(archive: Reader, manifest: Manifest) -> list[str]:
    """Say which parts are not what was packed, to tell where in an archive the damage is."""
    problems = []
    for place in places(manifest) or ():
        end = place.start + place.part.size
        if sha256_of(blocks(archive, place.start, end)) != place.part.sha256:
            where = f"bytes {place.start} to {end}"
            problems.append(f"the damage is in the part `{one_line(place.part.name)}`, {where}")
    return problems


def _wrong_file(change: FileChange) -> str:
    shown = f"`{one_line(change.path)}`"
    said, found = change.old, change.new
    if said is None:
        return f"{shown} is in the archive, and not in the manifest"
    if found is None:
        return f"{shown} is missing in the archive"
    if said.size != found.size:
        return f"{shown} has {found.size} bytes, the manifest says {said.size}"
    if said.sha256 != found.sha256:
        return f"{shown} has another content than the manifest says (SHA-256 {found.sha256})"
    return f"{shown} has the mode {found.mode}, the manifest says {one_line(said.mode)}"


def _wrong_content(manifest: Manifest, contents: Contents) -> list[str]:
    problems = []
    said, found = [file.path for file in manifest.files], [file.path for file in contents.files]
    if said != found and sorted(said) == sorted(found):
        problems.append("the files are in another order than the manifest says")
    if manifest.content_sha256 != contents.content_sha256:
        problems.append(
            f"the SHA-256 of the content is {contents.content_sha256}, "
            f"the manifest says {one_line(manifest.content_sha256)}"
        )
    return problems
