"""The command line: global options, and the commands, each of which is imported when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.command_line.console import Console, use_colour
from hatch_ytupload.errors import YtUploadError

COMMANDS = {
    "build": "Build the code archive of the pipeline.",
    "publish": "Publish a built bundle to the build folder.",
    "status": "Show whether the local bundle is the current release.",
    "history": "Show the releases of the build folder.",
    "rollback": "Make a kept release current.",
    "inspect": "Show what an archive holds, with sizes.",
    "diff": "Show what differs between two archives.",
    "verify": "Compare an archive with its manifest, or with a new build.",
    "explain": "Say whether a file goes into the archive, and which rule decided.",
    "check": "Look for what would stop a job: imports, requirements, syntax, sizes.",
    "cache": "Show what builds and runs remember, or forget it.",
    "run": "Run an operation in a local sandbox, the way a job does.",
}
"""Names and one-line descriptions, in the order of `--help`; each lives in the module of its name."""

# What a shell reports for a program that SIGINT ended.
_INTERRUPTED = 130


class _Commands(click.Group):
    """A group that knows its commands by name and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"hatch_ytupload.command_line.commands.{cmd_name}").command
        if command.help is not None:
            # What click reads as "do not wrap this paragraph" is two letters in the raw docstrings.
            command.help = command.help.replace("\\b\n", "\b\n")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's interface
        """Run a command; what the user can mend ends it with one line and status 1."""
        try:
            return super().invoke(ctx)
        except YtUploadError as error:
            Console.error(str(error))
            sys.exit(1)
        except KeyboardInterrupt:
            Console.error("interrupted")
            sys.exit(_INTERRUPTED)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings stand in `[tool.ytupload]` of pyproject.toml, see docs/settings.md.",
)
@click.option(
    "-C",
    "directory",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Work as if started in DIR.",
)
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.option("-v", "--verbose", count=True, help="Say more.")
@click.option("-q", "--quiet", count=True, help="Say only what matters.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def hatch_ytupload(ctx: click.Context, directory: str | None, *, as_json: bool, verbose: int, quiet: int) -> None:
    """Build YT Framework pipelines into reproducible code archives and publish them to YTsaurus."""
    if directory is not None:
        os.chdir(directory)
    ctx.color = use_colour(os.environ)
    ctx.obj = Console(as_json=as_json, verbosity=verbose - quiet)
