"""What a check reads: the files that a build would pack now, or those of an archive, by their paths in it."""

from __future__ import annotations

import os
import re
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import REQUIREMENTS, WHEEL_LIST, WHEELS, YTJOBS, packed_operation, stage_file
from hatch_ytupload.byte_reader import LARGEST_FILE, regular_file
from hatch_ytupload.checks.local_distributions import member_names
from hatch_ytupload.configuration.project import PYPROJECT
from hatch_ytupload.errors import SourceError
from hatch_ytupload.planning.plan import Generated, entry_size
from hatch_ytupload.planning.wrappers import started_script
from hatch_ytupload.reading.contents import KeptFiles, read_members
from hatch_ytupload.requirements.reading import read_requirements
from hatch_ytupload.requirements.tree import Files
from hatch_ytupload.wording import cannot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hatch_ytupload.byte_reader import Progress, Reader
    from hatch_ytupload.packing.manifest import Manifest
    from hatch_ytupload.planning.plan import Plan

# Enough of a compiled module to see what it was compiled for.
_HEADER = 64
_PYTHON = r"3\.\d{1,2}"
_READ = (".py", ".txt", ".yaml", ".sh")


class Operation(NamedTuple):
    """What a job starts."""

    stage: str
    name: str
    script: str | None
    """Path of the Python file in the archive; None: the wrapper does not tell."""


class CodeFile(NamedTuple):
    """A packed file."""

    size: int
    own: bool
    """Of the pipeline, not of an installed distribution."""
    source: str | None
    """Where it lies on this machine's disk; None: only in the archive, or written by the build."""
    content: bytes | None
    """What was read of it already, apart from what is kept elsewhere; of others than text the beginning."""


class PackedLock(NamedTuple):
    """What `wheels.txt` of a stage with a lock says."""

    python: str
    """The version that the wheels are for, such as `3.11`."""
    members: tuple[str, ...]
    """Of all wheels of the stage."""


class PackedCode:
    """The files of an archive.

    Args:
        files: by path in the archive.
        total: returns the size of the archive in bytes.
        wheels: the members of each wheel that has no source on disk, by its path.
        kept: the content of files that have no source on disk.
    """

    def __init__(
        self,
        files: Mapping[str, CodeFile],
        total: Callable[[], int],
        wheels: Mapping[str, Sequence[str]] | None = None,
        kept: KeptFiles | None = None,
    ) -> None:
        self._kept = kept
        self._wheels = wheels or {}
        self.files = files
        self.total = total
        self.contents = Files(files, self.read_whole)
        """Of all files, each read when it is asked for."""
        self.operations = [
            Operation(found.stage, found.name, started_script(self.read(found.wrapper)))
            for path in files
            if (found := packed_operation(path)) is not None
        ]

    def read(self, path: str) -> bytes:
        """Return the content of a text file, or at least the beginning of another one.

        Raises:
            SourceError: it cannot be read.
        """
        return self._read(path, LARGEST_FILE if path.endswith(_READ) else _HEADER)

    def read_whole(self, path: str) -> bytes:
        """Return the content of a file; of one of an archive as much as was read of it.

        Raises:
            SourceError: it cannot be read.
        """
        return self._read(path, None)

    def stages(self) -> list[str]:
        """Return the names of the stages that have operations."""
        return list(dict.fromkeys(operation.stage for operation in self.operations))

    def lock_of(self, stage: str) -> PackedLock | None:
        """Return what the jobs of a stage get by its lock; None: it has none.

        Raises:
            SourceError: the list of its wheels cannot be read.
        """
        path = stage_file(stage, WHEEL_LIST)
        if path not in self.files:
            return None
        lines = (line.split(" ") for line in self.read(path).decode("utf-8", "replace").splitlines())
        words = [line for line in lines if not line[0].startswith("#")]
        versions = (rest[0] for key, *rest in words if key == "python" and rest)
        python = next((version for version in versions if re.fullmatch(_PYTHON, version, re.ASCII)), "3.11")
        wheels = [rest[-1] for _, *rest in words if rest and rest[-1].endswith(".whl")]
        return PackedLock(python, tuple(name for file in wheels for name in self._wheel_members(f"{WHEELS}/{file}")))

    def _wheel_members(self, path: str) -> Sequence[str]:
        """Return the names of the members of a wheel; none where it is missing or damaged."""
        file = self.files.get(path)
        source = None if file is None else file.source
        return self._wheels.get(path, ()) if source is None else member_names(source)

    def _read(self, path: str, limit: int | None) -> bytes:
        if self._kept is not None and (text := self._kept.get(path)) is not None:
            return text
        file = self.files[path]
        if file.content is not None or file.source is None:
            return file.content or b""
        try:
            with open(file.source, "rb", opener=regular_file) as opened:
                return opened.read(-1 if limit is None else limit)
        except OSError as error:
            raise SourceError(cannot("read", file.source, error)) from None


def code_of_plan(plan: Plan) -> PackedCode:
    """Return what a build would pack."""
    files = {}
    for entry in plan.entries():
        if isinstance(entry, Generated):
            files[entry.path] = CodeFile(entry_size(entry), own=True, source=None, content=entry.data)
        else:
            files[entry.path] = CodeFile(entry.size, entry.own, os.path.abspath(entry.source), None)
    return PackedCode(files, lambda: _packed_size(plan))


def _packed_size(plan: Plan) -> int:
    """Return how large the archive would be: that is known when it has been compressed."""
    from hatch_ytupload.packing.archive import pack

    with open(os.devnull, "wb") as nowhere:
        return pack(plan.parts, nowhere, epoch=0).size


def code_of_archive(archive: Reader, manifest: Manifest | None, shown: str, *, progress: Progress) -> PackedCode:
    """Read an archive.

    Args:
        archive: its bytes.
        manifest: of it; it tells the pipeline's own packages from installed ones.
        shown: its name in messages.
        progress: called with how many bytes of how many have been read.

    Raises:
        ArtifactError: it is damaged, or holds what no archive of code does.
    """
    installed = {YTJOBS}
    if manifest is not None:
        installed = {module.name for module in manifest.modules if module.distribution is not None}
    # Without a lock, a directory of that name is the pipeline's own.
    locked = {f"{WHEELS}/{wheel.file}" for wheel in manifest.wheels} if manifest is not None else set()
    files: dict[str, CodeFile] = {}
    wheels: dict[str, Sequence[str]] = {}
    kept = KeptFiles()
    for member, chunks in read_members(archive, shown, progress=progress):
        if member.path in locked if manifest is not None else member.path.startswith(f"{WHEELS}/"):
            with tempfile.TemporaryFile() as wheel:
                wheel.writelines(chunks)
                wheels[member.path] = member_names(wheel)
            files[member.path] = CodeFile(member.size, own=False, source=None, content=b"")
            continue
        text = member.path.endswith(_READ) and member.size <= LARGEST_FILE
        content = None if text else next(iter(chunks), b"")[:_HEADER]
        if text:
            kept.keep(member.path, chunks)
        top = member.path.partition("/")[0].partition(".")[0]
        files[member.path] = CodeFile(member.size, top not in installed, None, content)
    code = PackedCode(files, lambda: archive.size, wheels, kept)

    def read(path: str) -> bytes:
        """Return the content of what requirements refer to, and keep it: it may have any name."""
        if path not in kept and files[path].size > _HEADER and not path.endswith(_READ):
            kept.get_any(archive, path, shown, progress=progress)
        return code.read_whole(path)

    for stage in code.stages():
        for reference in read_requirements(stage_file(stage, REQUIREMENTS), Files(files, read)).references:
            place = reference.path if reference.path in files else f"{reference.path}/{PYPROJECT}"
            if place in files:
                read(place)
    return code
