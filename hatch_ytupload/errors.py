"""The errors that a user can mend. Each is one line: what is wrong, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class YtUploadError(Exception):
    """Something that the user can mend; `str()` of it is the line to show."""

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each problem."""
        return tuple(str(self).splitlines())


class SettingsError(YtUploadError):
    """One or more problems of the configuration, all found in one pass."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each problem."""
        return self.problems


class NoProjectError(SettingsError):
    """There is no `pyproject.toml`."""


class SourceError(YtUploadError):
    """Something among the sources that must not or cannot be packed."""


class MissingSourceError(SourceError):
    """A source of `upload_paths` does not exist."""


class NoStagesError(SourceError):
    """There is no stage with code to run."""


class ModuleNotFoundInEnvironmentError(SourceError):
    """A module to upload was not found, or is of a kind that cannot be packed."""


class MissingFrameworkError(ModuleNotFoundInEnvironmentError):
    """The package `ytjobs` is not installed; the line is for those who started the program themselves.

    Args:
        lacking: what is missing, and why where that is known.
    """

    def __init__(self, lacking: str) -> None:
        self.lacking = lacking
        super().__init__(f'{lacking} install it beside hatch-ytupload: `pip install "hatch-ytupload[framework]"`')


class ArtifactError(YtUploadError):
    """A bundle, a manifest or an archive that is missing, damaged or not what it claims to be."""


class BuildFolderError(YtUploadError):
    """The build folder refused or could not do what was asked; nothing in it has changed."""
