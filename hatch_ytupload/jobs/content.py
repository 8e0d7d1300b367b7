"""What an archive has for a local run: wrapper scripts to start, configs, and what pip would install."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import CONFIG, MAP_REDUCE, REQUIREMENTS, WHEEL_LIST, packed_operation, stage_file
from hatch_ytupload.byte_reader import LARGEST_FILE
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.planning.stage_config import StageConfig
from hatch_ytupload.reading.contents import KeptFiles, described, read_members
from hatch_ytupload.requirements.reading import read_requirements
from hatch_ytupload.requirements.tree import Files
from hatch_ytupload.wording import listed, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.reading.contents import ArchiveCopy

_LEGS = ("map_reduce_mapper", "map_reduce_reducer")


class RunError(YtUploadError):
    """An operation cannot be run."""


class Content:
    """The content of an archive, which is read from its start to its end.

    Args:
        archive: which.

    Raises:
        ArtifactError: it cannot be read, or holds what no archive of code does.
    """

    def __init__(self, archive: ArchiveCopy) -> None:
        self._archive = archive
        self._paths: dict[str, None] = {}
        # What may be configuration or requirements.
        self._texts = KeptFiles()
        with archive.reader() as reader:
            for member, chunks in read_members(reader, archive.shown):
                self._paths[member.path] = None
                if member.path.endswith((".txt", ".yaml")) and member.size <= LARGEST_FILE:
                    self._texts.keep(member.path, chunks)

    def config(self, stage: str) -> StageConfig:
        """Return the config of a stage."""
        return StageConfig(stage, self._texts.get(stage_file(stage, CONFIG)))

    def wrappers(self, stage: str, operation: str) -> list[tuple[str, str]]:
        """Return the jobs of an operation: for each, what it runs and its wrapper script.

        Raises:
            RunError: the archive has no such operation.
        """
        name = self._archive.shown
        known = [found for path in self._paths if (found := packed_operation(path)) is not None]
        here = {found.name: found.wrapper for found in known if found.stage == stage}
        if not known:
            raise RunError(f"`{name}` holds no wrapper script, so there is no operation to run")
        if not here:
            stages = listed(dict.fromkeys(found.stage for found in known))
            raise RunError(f"`{name}` has no stage `{one_line(stage)}` with operations; it has {stages}")
        names = _LEGS if operation == MAP_REDUCE else (operation,)
        if not set(names) <= set(here):
            offered = listed([MAP_REDUCE, *here] if set(_LEGS) <= set(here) else here)
            raise RunError(f"the stage `{one_line(stage)}` has no operation `{one_line(operation)}`; it has {offered}")
        return [(leg, here[leg]) for leg in names]

    def requirements(self, stage: str, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the SHA-256 of everything that decides what pip installs for a stage, by path; empty: nothing does.

        Args:
            stage: its name.
            variables: that its requirements may refer to.
        """
        # A stage with a lock installs nothing: its wrapper script unpacks its wheels.
        if stage_file(stage, WHEEL_LIST) in self._paths:
            return {}
        files = Files(self._paths, self._read)
        found = read_requirements(stage_file(stage, REQUIREMENTS), files, variables)
        if found.installs_nothing:
            return {}
        wanted = set(found.contents(files))
        texts = self._texts
        digests = {path: hashlib.sha256(texts.get(path) or b"").hexdigest() for path in wanted if path in texts}
        if set(digests) != wanted:
            with self._archive.reader() as reader:
                for member, chunks in read_members(reader, self._archive.shown):
                    if member.path in wanted:
                        digests[member.path] = described(member, chunks).sha256
        return digests

    def _read(self, path: str) -> bytes:
        text = self._texts.get(path)
        if text is not None:
            return text
        # What is included may have any name.
        with self._archive.reader() as reader:
            return self._texts.get_any(reader, path, self._archive.shown)
