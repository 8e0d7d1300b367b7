"""How a build runs inside Hatch, for the target and the hook alike: its settings come from Hatch, its errors end it."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.configuration.project import Project
from hatch_ytupload.errors import MissingFrameworkError, YtUploadError
from hatch_ytupload.garbage import no_garbage, no_garbage_at_the_end
from hatch_ytupload.sources.module_errors import ModuleMissingError
from hatch_ytupload.wording import one_line, printable, refused_by_the_system

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.details import Listener

# What a shell reports for a program that SIGINT ended.
_INTERRUPTED = 130
# What mends a build environment, which nobody installs into by hand.
_WAYS_TO_YTJOBS = (
    'use one of `requires = ["hatchling", "hatch-ytupload[framework]"]` under `[build-system]`, '
    "the hook `[tool.hatch.build.targets.ytarchive.hooks.ytarchive]`, "
    'or `dependencies = ["yt-framework"]` under `[tool.hatch.build.targets.ytarchive]`, or '
    "`require-runtime-dependencies = true` there, which Hatch 1.16 and newer see only together with that hook"
)


class Application(Protocol):
    """What we use of Hatch's and hatchling's application objects."""

    @property
    def verbosity(self) -> int:
        """0 by default."""

    def abort(self, message: str = "", code: int = 1) -> Any:  # noqa: ANN401 - it does not return
        """Print a line and end the process."""

    def display_info(self, message: str = "") -> None:
        """Print a line unless Hatch is told to be quiet."""

    def display_warning(self, message: str = "") -> None:
        """Print a warning."""


class errors_end_the_build:  # noqa: N801 - used as a context manager
    """Turns our errors into one line and exit status 1; tells details meanwhile where Hatch is told to be verbose."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._details: Listener | None = None

    def __enter__(self) -> None:
        if self._app.verbosity > 0:
            from hatch_ytupload.details import Listener

            self._details = Listener(partial(say, self._app))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._details is not None:
            self._details.close()
        if isinstance(error, MissingFrameworkError):
            self._app.abort(printable(f"{error.lacking} {_WAYS_TO_YTJOBS}"))
        elif isinstance(error, ModuleMissingError):
            self._app.abort(printable(error.line_of_target))
        elif isinstance(error, YtUploadError):
            self._app.abort(printable(str(error)))
        elif isinstance(error, KeyboardInterrupt):
            self._app.abort("interrupted", code=_INTERRUPTED)
        elif error is not None and (line := refused_by_the_system(error)) is not None:
            self._app.abort(line)
        return False


def project_of(root: str, metadata: Any, directory: str) -> Project:  # noqa: ANN401 - hatchling's ProjectMetadata
    """Describe a project as Hatch knows it."""
    tool = metadata.config.get("tool", {})
    return Project(
        root=os.path.realpath(root),
        name=metadata.core.name,
        version=metadata.version,
        table=tool.get("ytupload", {}),
        build_directory=os.path.join(root, directory),
    )


def run_build(project: Project, app: Application, *, reproducible: bool) -> str:
    """Build the bundle, say what was packed, and return the path of the archive.

    Raises:
        YtUploadError: the user has something to mend.
    """
    no_garbage_at_the_end()
    # What is imported now is a good part of a small build.
    with no_garbage():
        from hatch_ytupload.configuration.settings import load_settings

        settings = load_settings(project.root, project.table)
        # Only now: whoever has to mend the settings need not wait for it.
        from hatch_ytupload.packing.build import build_bundle
        from hatch_ytupload.packing.user_cache import user_cache

        cache = user_cache(os.environ, lambda problem: app.display_warning(f"Warning: {problem}"))
        with progress_bar(app) as progress:
            built = build_bundle(
                project, settings, project.build_directory, reproducible=reproducible, cache=cache, progress=progress
            )
    for warning in (*settings.warnings, *built.warnings):
        warn(app, warning)
    say(app, built.summary)
    return built.archive


def progress_bar(app: Application, *, at_once: bool = False) -> AbstractContextManager[Progress]:
    """Give what shows, on a terminal, how far something is that takes long, unless Hatch is told to be quiet."""
    from hatch_ytupload.output.progress import bar_on

    return nullcontext(no_progress) if app.verbosity < 0 else bar_on(sys.stderr, at_once=at_once)


def say(app: Application, text: str) -> None:
    """Print text from anywhere, also while a bar is shown."""
    from hatch_ytupload.output.progress import clear_bars

    clear_bars()
    app.display_info(printable(text))


def warn(app: Application, text: str) -> None:
    """Print a warning."""
    app.display_warning(f"Warning: {one_line(text)}")


def clean(project: Project) -> None:
    """Remove the bundle of the project's current version, and nothing else.

    Raises:
        YtUploadError: it cannot be removed.
    """
    from hatch_ytupload.packing.bundle import bundle_directory, remove_bundle

    remove_bundle(bundle_directory(project.build_directory, project.file_name))
