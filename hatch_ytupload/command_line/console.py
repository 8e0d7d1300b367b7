"""What a command says, and where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import click

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.errors import NoProjectError, YtUploadError
from hatch_ytupload.output.progress import bar_on, clear_bars
from hatch_ytupload.wording import one_line, printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.details import Listener
    from hatch_ytupload.releases.conditions import Conditions


class OutputError(YtUploadError):
    """Results cannot be written to standard output."""


@dataclass
class Console:
    """The global options of a call, and the only way to the terminal."""

    as_json: bool = False
    verbosity: int = 0
    """1: details as well; -1: results and errors only."""
    _details: Listener | None = None
    _warned: set[str] = field(default_factory=set)
    _held: list[str] = field(default_factory=list)
    """Warnings that wait for the end of the call, since errors in JSON must be all that is said."""

    def louder(self, steps: int) -> None:
        """Say more, or less."""
        self.verbosity += steps
        if self._details is not None and self.verbosity <= 0:
            self._details.close()
            self._details = None
        elif self._details is None and self.verbosity > 0:
            from hatch_ytupload.details import Listener

            self._details = Listener(self._detail)

    def close(self) -> None:
        """Say what was held back, and no more details."""
        for warning in self._held:
            _say(_as_warning(warning))
        self._held.clear()
        if self._details is not None:
            self._details.close()
            self._details = None

    @staticmethod
    def in_project() -> bool:
        """Tell whether there is a project here."""
        from hatch_ytupload.configuration.project import find_pyproject

        try:
            find_pyproject(os.curdir)
        except NoProjectError:
            return False
        return True

    def project(self) -> Project:
        """Load the project that the command works on.

        Raises:
            SettingsError: there is none.
        """
        from hatch_ytupload.configuration.project import find_project

        return find_project(os.curdir)

    def settings(
        self,
        flags: Mapping[str, object],
        *,
        environ: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        needs_project: bool = False,
        needs_folder: bool = True,
    ) -> Settings:
        """Load the settings of the project, and show their warnings.

        Args:
            flags: values of command-line flags, by key; None: not given. With a build folder among them, or in its
                variable, there need not be a project.
            environ: the environment; the process's own where None.
            names: of flags that differ from the key that they set, by key.
            needs_project: a build folder is not enough.
            needs_folder: without a project there must be a build folder; else the defaults count there.

        Raises:
            SettingsError: with every problem.
        """
        from hatch_ytupload.configuration.keys import command_flag
        from hatch_ytupload.configuration.project import find_pyproject, hatch_build
        from hatch_ytupload.configuration.settings import load_settings

        overrides = dict(flags)
        environment = overrides.pop("environment", None)
        load = partial(
            load_settings,
            environment=None if environment is None else str(environment),
            environ=environ,
            overrides=overrides,
            spelling=lambda key: f"`{names[key]}`" if names and key in names else command_flag(key),
        )
        try:
            pyproject = find_pyproject(os.curdir)
        except NoProjectError as error:
            # Of a project is also its config.
            if needs_project or "build_folder" not in flags or flags.get("config"):
                raise
            settings = _without_project(load, error) if needs_folder else load(os.sep, {"config": False})
        else:
            hatch_build(pyproject)  # refuses settings that stand in Hatch's tables
            settings = load(pyproject.root, pyproject.table)
        for warning in settings.warnings:
            self.warning(warning)
        return settings

    def build_folder(self, settings: Settings, *, progress: Progress = no_progress) -> BuildFolder:
        """Return the build folder that settings name, which tells the user what it waits for and what went wrong.

        Args:
            settings: of the pipeline.
            progress: called with how many bytes of how many have been sent.

        Raises:
            SettingsError: something is missing, or what publishing needs is wrong.
        """
        from hatch_ytupload.build_folders.destination import open_build_folder

        return open_build_folder(settings, notice=self.info, warn=self.warning, progress=progress)

    def conditions(self, settings: Settings, *, force: bool = False, yes: bool = False) -> Conditions:
        """Return what settings and flags say about changes of a build folder; on a terminal the user is asked."""
        from hatch_ytupload.releases.conditions import conditions_of

        def ask(question: str) -> bool:
            clear_bars()
            return click.confirm(printable(question), err=True)

        can_ask = not self.as_json and sys.stdin is not None and sys.stdin.isatty()
        return conditions_of(settings, force=force, yes=yes, ask=ask if can_ask else None, warn=self.warning)

    def result(self, data: Any, text: str, *, colour: Callable[[str], str] | None = None) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Print what the command was called for.

        Args:
            data: with `--json`.
            text: else; an empty one prints nothing.
            colour: styles a line of the text.

        Raises:
            OutputError: it cannot be written.
        """
        if self.as_json:
            shown = printable_json(json.dumps(data, indent=2, ensure_ascii=False))
            # What escapes write for the locale is not JSON's.
            known = sys.stdout is None or shown == _encodable(shown, sys.stdout)
            _print(shown if known else json.dumps(data, indent=2))
        elif text:
            # A path that is not UTF-8 goes as it is to a program that opens it.
            shown = printable(text, bytes_as_they_are=not _is_terminal(sys.stdout))
            _print("\n".join(map(colour, shown.split("\n"))) if colour else shown)

    def info(self, text: str) -> None:
        """Say what is going on, unless results alone are wanted."""
        if self.verbosity >= 0 and not self.as_json:
            _say(printable(text))

    def warning(self, text: str) -> None:
        """Say what the user should know, once, unless results alone are wanted."""
        if self.verbosity >= 0 and text not in self._warned:
            self._warned.add(text)
            if self.as_json:
                self._held.append(text)
            else:
                _say(_as_warning(text))

    def error(self, *problems: str) -> None:
        """Say what went wrong, a line for each problem."""
        if self.as_json:
            _say(json.dumps({"errors": problems, **({"warnings": self._held} if self._held else {})}))
            self._held.clear()
            return
        for problem in problems:
            _say(click.style("Error: ", fg="red", bold=True) + one_line(problem))

    @staticmethod
    def usage(text: str) -> None:
        """Say what is wrong with the call."""
        _say(printable(text.rstrip("\n")))

    def progress(self, *, at_once: bool = False) -> AbstractContextManager[Progress]:
        """Give what shows, on a terminal, how far something is that takes long.

        Args:
            at_once: begin without waiting to see whether it takes long.
        """
        quiet = self.verbosity < 0 or sys.stderr is None
        return nullcontext(no_progress) if quiet else bar_on(sys.stderr, at_once=at_once)

    @staticmethod
    def _detail(line: str) -> None:
        _say(click.style(line, dim=True))


def _without_project(load: Callable[[str, object], Settings], error: NoProjectError) -> Settings:
    """Load what flags and variables alone say about a build folder on a cluster.

    Raises:
        NoProjectError: they name none.
    """
    # Nothing that happens to lie here counts.
    settings = load(os.sep, {"config": False})
    if settings.build_folder is None:
        raise NoProjectError([f"{error}, or name a build folder: {settings.spelling('build_folder')[:-1]} //PATH`"])
    if settings.mode == "dev":
        raise NoProjectError([f"{error}; a build folder on disk lies in a project: `-C DIR` works there"])
    if settings.proxy is None:
        raise NoProjectError([f"no cluster is set: set `YT_PROXY`, or give the option {settings.spelling('proxy')}"])
    return settings


def _as_warning(text: str) -> str:
    return click.style("Warning: ", fg="yellow") + one_line(text)


def _say(line: str) -> None:
    """Print to standard error, where nobody can be told that it cannot be written."""
    if sys.stderr is None:
        return
    try:
        clear_bars()
        click.echo(_encodable(line, sys.stderr), err=True, color=use_colour(os.environ))
    except OSError:
        give_up(sys.stderr)


def _print(text: str) -> None:
    if sys.stdout is None:
        raise OutputError("cannot write to standard output: it is closed")
    clear_bars()
    names_of_bytes = any("\udc80" <= char <= "\udcff" for char in text)
    try:
        shown = text.encode("utf-8", "surrogateescape") if names_of_bytes else _encodable(text, sys.stdout)
        click.echo(shown, color=use_colour(os.environ))
    except OSError as error:
        give_up(sys.stdout)
        raise OutputError(f"cannot write to standard output: {error.strerror}") from None


def _encodable(text: str, stream: TextIO) -> str:
    """Write as escapes what the locale cannot show."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def give_up(stream: TextIO | None) -> None:
    """Forget what is still in the buffer of a stream, which the interpreter would try to write at its end."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def use_colour(environ: Mapping[str, str]) -> bool | None:
    """Tell whether to use colour; None: only on a terminal.

    See https://no-color.org and https://force-color.org: a variable that is empty says nothing.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return False if environ.get("TERM") == "dumb" else None
