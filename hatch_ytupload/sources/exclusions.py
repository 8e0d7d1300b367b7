"""What stays out of the own sources whatever their ignore files say: what builds write, and Hatch's `exclude`."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import BUNDLE_SUFFIX
from hatch_ytupload.configuration.project import BUILD_DIRECTORY, DEV_DIRECTORY, hatch_build_of
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.file_names import as_text, is_inside
from hatch_ytupload.sources.ignoring import Rule
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hatch_ytupload.configuration.settings import Settings

# A build that was killed leaves a directory with a dot and letters around the name.
_BUNDLE = rf"(?s).*{re.escape(BUNDLE_SUFFIX)}(\.[a-z0-9_]+)?"
_PRINTED_RULE = Rule("", 0, "what this command prints", negated=False)
_BUNDLE_RULE = Rule("", 0, f"*{BUNDLE_SUFFIX}/", negated=False)


class Exclusions:
    """Decides about paths by where they lie.

    Args:
        root: absolute path of the project; patterns match paths below it.
        outputs: absolute paths of directories that builds and runs write.
        patterns: of Hatch's `exclude`, in the syntax of `.gitignore`, decided by pathspec as in all targets of Hatch.
        file: where these stand.

    Raises:
        SettingsError: a pattern cannot be understood.
    """

    def __init__(self, root: str, outputs: Iterable[str] = (), patterns: Sequence[str] = (), file: str = "") -> None:
        self.outputs = tuple(outputs)
        self._below = os.path.join(as_text(root), "")
        self._outputs = {
            as_text(path): Rule("", 0, f"{os.path.basename(as_text(path))}/", negated=False) for path in outputs
        }
        self._patterns = patterns
        self._file = file
        self._spec = None
        # Files below a directory can be brought back by a pattern of their own.
        self._prunes = not any(pattern.startswith("!") for pattern in patterns)
        if patterns:
            from pathspec import GitIgnoreSpec

            try:
                self._spec = GitIgnoreSpec.from_lines(patterns)
            except ValueError as error:
                raise SettingsError([f"`exclude` in `{one_line(file)}` has a bad pattern: {one_line(error)}"]) from None

        # What this very process prints to a file among the sources would change them, and while they are read.
        self._printed = set(filter(None, map(_file_identity, (1, 2))))

    @property
    def concern_files(self) -> bool:
        """Whether the names of files are decided about at all, or those of directories only."""
        return self._spec is not None

    def rule_of_file(self, status: os.stat_result) -> Rule | None:
        """Return what keeps out a file, whatever its name: this process prints to it."""
        if self._printed and (status.st_dev, status.st_ino) in self._printed:
            return _PRINTED_RULE
        return None

    def rule(self, path: str, *, is_dir: bool) -> Rule | None:
        """Return what keeps a path out, None where nothing does.

        Args:
            path: absolute, as text.
            is_dir: whether it is a directory, or a link to one.
        """
        if is_dir:
            found = self._outputs.get(path)
            if found is None and BUNDLE_SUFFIX in path and re.fullmatch(_BUNDLE, path.rpartition("/")[2]):
                found = _BUNDLE_RULE
            if found is not None or not self._prunes:
                return found
        if self._spec is None or not path.startswith(self._below):
            return None
        below = path[len(self._below) :]
        result = self._spec.check_file(f"{below}/" if is_dir else below)
        if not result.include or result.index is None:
            return None
        return Rule(self._file, 0, self._patterns[result.index], negated=False)

    def rule_above(self, path: str, *, is_dir: bool = True) -> Rule | None:
        """Return what keeps out a path, or a directory of the project that it lies in, None where nothing does."""
        names = path[len(self._below) :].split("/") if path.startswith(self._below) else []
        above = (self.rule(self._below + "/".join(names[:number]), is_dir=True) for number in range(1, len(names)))
        return next(filter(None, above), None) or self.rule(path, is_dir=is_dir)


def exclusions_of(settings: Settings, build_directory: str | None = None) -> Exclusions:
    """Return what stays out of a pipeline's own sources whatever its ignore files say.

    Args:
        settings: of the pipeline.
        build_directory: absolute path of where this build goes, if not to where Hatch builds.

    Raises:
        SettingsError: Hatch's own options in `pyproject.toml` or `hatch.toml` are wrong.
    """
    hatch = hatch_build_of(settings.project_root)
    tops = list(dict.fromkeys([settings.pipeline_dir, settings.project_root]))
    # Build folders on disk, sandboxes: each archive would hold the one before.
    outputs = [os.path.join(top, name) for top in tops for name in (DEV_DIRECTORY, BUILD_DIRECTORY)]
    build_directories = [hatch.directory, *([build_directory] if build_directory else [])]
    # By the name of a link, and by that of what it leads to.
    places = [place for directory in build_directories for place in (directory, os.path.realpath(directory))]
    # One that holds the pipeline is no output; the bundle in it has a name that tells.
    outputs += [place for place in places if not any(is_inside(top, place) for top in tops)]
    return Exclusions(settings.project_root, list(dict.fromkeys(outputs)), hatch.exclude, hatch.file)


def _file_identity(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:  # it is closed
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
