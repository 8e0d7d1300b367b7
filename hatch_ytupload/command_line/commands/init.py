"""`hatch-ytupload init`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.configuration.new_project import NewProject


@click.command()
@click.pass_obj
def command(console: Console) -> None:
    r"""Make the directory of a pipeline a project.

    Writes a pyproject.toml, or adds what is missing to the one there, lines of .gitignore and a .ytignore, and shows
    them. What is there stays as it is.

    \b
    Example:
      hatch-ytupload init
      hatch-ytupload -C pipelines/ads init
    """
    from hatch_ytupload.configuration.new_project import plan_project, write_project

    planned = plan_project(os.curdir)
    write_project(os.curdir, planned.additions)
    for hint in planned.hints:
        console.warning(hint)
    console.result(init_data(planned), init_text(planned), colour=_coloured)


def init_text(planned: NewProject) -> str:
    """Show what was written, file by file."""
    if not planned.additions:
        return "nothing to do: all of it is there"
    blocks = []
    for addition in planned.additions:
        lines = [f"+ {line}".rstrip() for line in addition.text.strip().splitlines()]
        blocks.append("\n".join([f"{addition.path}{'' if addition.new else ', added at its end'}", *lines]))
    return "\n\n".join(blocks)


def init_data(planned: NewProject) -> dict[str, Any]:
    """Return it for programs."""
    return {"written": [addition._asdict() for addition in planned.additions], "hints": list(planned.hints)}


def _coloured(line: str) -> str:
    return click.style(line, fg="green") if line.startswith("+ ") else line
