"""What a command says, and where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hatch_ytupload.project import Project
    from hatch_ytupload.settings import Settings


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
        from hatch_ytupload.project import find_project

        return find_project(os.curdir)

    def settings(self, project: Project, **overrides: object) -> Settings:
        """Load its settings, and show their warnings.

        Args:
            project: whose they are.
            overrides: values of command-line flags; None: not given.

        Raises:
            SettingsError: with every problem.
        """
        from hatch_ytupload.settings import load_settings

        settings = load_settings(project.root, project.table, overrides=overrides)
        for warning in settings.warnings:
            self.warning(warning)
        return settings

    def result(self, data: Any, text: str) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Print what the command was called for: data with `--json`, else text."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        elif text:
            click.echo(text)

    def info(self, text: str) -> None:
        """Say what is going on, unless told to be quiet."""
        if self.verbosity >= 0:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """Say more, when asked to."""
        if self.verbosity > 0:
            click.echo(text, err=True)

    def warning(self, text: str) -> None:
        """Say what the user should know, unless told twice to be quiet."""
        if self.verbosity >= -1:
            click.echo(click.style("Warning: ", fg="yellow") + text, err=True)

    @staticmethod
    def error(text: str) -> None:
        """Say what went wrong, a line for each problem."""
        for line in text.splitlines():
            click.echo(click.style("Error: ", fg="red", bold=True) + line, err=True)
