"""What a command says, and where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.byte_reader import no_progress
from hatch_ytupload.output.progress import bar_on, clear_bars

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.configuration.project import Project
    from hatch_ytupload.configuration.settings import Settings


@dataclass(frozen=True)
class Console:
    """The global options of a call."""

    as_json: bool = False
    verbosity: int = 0

    def project(self) -> Project:
        """Load the project that the command works on.

        Raises:
            SettingsError: there is none.
        """
        from hatch_ytupload.configuration.project import find_project

        return find_project(os.curdir)

    def settings(self, project: Project, **overrides: object) -> Settings:
        """Load its settings, and show their warnings.

        Args:
            project: whose they are.
            overrides: values of command-line flags; None: not given.

        Raises:
            SettingsError: with every problem.
        """
        from hatch_ytupload.configuration.settings import load_settings

        settings = load_settings(project.root, project.table, overrides=overrides)
        for warning in settings.warnings:
            self.warning(warning)
        return settings

    def result(self, data: Any, text: str) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Print what the command was called for: data with `--json`, else text."""
        if self.as_json:
            _print(json.dumps(data, indent=2, ensure_ascii=False))
        elif text:
            _print(text)

    def info(self, text: str) -> None:
        """Say what is going on, unless told to be quiet."""
        if self.verbosity >= 0:
            _say(text)

    def detail(self, text: str) -> None:
        """Say more, when asked to."""
        if self.verbosity > 0:
            _say(text)

    def warning(self, text: str) -> None:
        """Say what the user should know, unless told twice to be quiet."""
        if self.verbosity >= -1:
            _say(click.style("Warning: ", fg="yellow") + text)

    @staticmethod
    def differences(text: str) -> str:
        """Colour lines that begin with `+`, `-`, `~` or `@`; without colour they say the same."""
        colours = {"+": "green", "-": "red", "~": "yellow", "@": "cyan"}
        return "\n".join(
            click.style(line, fg=colours[line[0]]) if line[:1] in colours else line for line in text.split("\n")
        )

    def progress(self, *, at_once: bool = False) -> AbstractContextManager[Progress]:
        """Give what shows, on a terminal, how far something is that takes long.

        Args:
            at_once: begin without waiting to see whether it takes long.
        """
        return nullcontext(no_progress) if self.verbosity < 0 else bar_on(sys.stderr, at_once=at_once)

    @staticmethod
    def error(text: str) -> None:
        """Say what went wrong, a line for each problem."""
        for line in text.splitlines():
            _say(click.style("Error: ", fg="red", bold=True) + line)


def _say(line: str) -> None:
    clear_bars()
    click.echo(line, err=True)


def _print(text: str) -> None:
    """Print a text; names that the locale cannot show are written as the bytes that they are."""
    names_of_bytes = any("\udc80" <= char <= "\udcff" for char in text)
    click.echo(text.encode("utf-8", "surrogateescape") if names_of_bytes else text)


def use_colour(environ: Mapping[str, str]) -> bool | None:
    """Tell whether to use colour; None: only on a terminal.

    See https://no-color.org and https://force-color.org: a variable that is empty says nothing.
    """
    if environ.get("NO_COLOR"):
        return False
    return True if environ.get("FORCE_COLOR") else None
