"""The command line: global options, and the commands, each of which is imported when it is called."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.command_line.console import Console, give_up
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.wording import did_you_mean, one_line, refused_by_the_system

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = {
    "init": "Make the directory of a pipeline a project.",
    "build": "Build the code archive of the pipeline.",
    "publish": "Publish a built bundle to the build folder.",
    "status": "Show whether the local bundle is the current release.",
    "history": "Show the releases of the build folder.",
    "rollback": "Make a kept release current.",
    "promote": "Make a release of one build folder the current one of another.",
    "pin": "Keep a release from being pruned.",
    "unpin": "Let a release be pruned again.",
    "delete": "Remove releases that are neither current nor pinned.",
    "fetch": "Download a release, or extract it.",
    "inspect": "Show what an archive holds, with sizes.",
    "diff": "Show what differs between two archives.",
    "verify": "Compare an archive with its manifest, or with a new build.",
    "explain": "Say whether a file goes into the archive, and which rule decided.",
    "check": "Look for what would stop a job: imports, requirements, syntax.",
    "lock": "Lock the requirements of stages: their jobs install nothing.",
    "cache": "Show what builds and runs remember, or forget it.",
    "run": "Run an operation in a local sandbox, the way a job does.",
}
"""Names and one-line descriptions, in the order of `--help`; each lives in the module of its name, as `command`."""

_BESIDE = {"unpin": "pin"}
"""But these, which live under their own name in the module of another one."""

# What a shell reports for a program that SIGINT ended.
_INTERRUPTED = 130


class _Commands(click.Group):
    """A group that knows its commands by name and imports only the one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"hatch_ytupload.command_line.commands.{_BESIDE.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name if cmd_name in _BESIDE else "command")
        known = {parameter.name for parameter in command.params}
        missing = [option for option in _global_options() if option.name not in known]
        if missing:
            command.params += missing
            command.callback = _after_warnings(command.callback)
        return _with_lines(command)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            name = one_line(error.option_name)
            way_out = f"flags of a command stand after it: `hatch-ytupload COMMAND {name} ...`"
            raise click.UsageError(f"there is no flag `{name}` before a command; {way_out}", ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            known = (*COMMANDS, "--help", "--version")
            way_out = did_you_mean(name, known, f"commands: {', '.join(COMMANDS)}")
            raise click.UsageError(f"there is no command `{one_line(name)}`; {way_out}", ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _with_lines(self)
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # Before click ends the line that a terminal has begun with `^C`.
            raise _InterruptedError from None


class _InterruptedError(YtUploadError):
    """Somebody pressed Ctrl-C."""


def _after_warnings(function: Callable[..., object] | None) -> Callable[..., object]:
    """Have a command warn first about variables that look like ours and are not, whether or not it reads settings."""

    def warning_first(**arguments: object) -> object:
        from hatch_ytupload.configuration.keys import unknown_variables

        context = click.get_current_context()
        for warning in unknown_variables(os.environ):
            context.ensure_object(Console).warning(warning)
        return function and context.invoke(function, **arguments)

    return warning_first


def _with_lines(command: click.Command) -> click.Command:
    """Have paragraphs of the help keep their lines: what click marks them by is two letters in raw docstrings."""
    if command.help is not None:
        command.help = command.help.replace("\\b\n", "\b\n")
    return command


def _global_options() -> list[click.Option]:
    """Return the options that may stand before a command and after it."""

    def louder(ctx: click.Context, parameter: click.Parameter, value: int) -> None:
        ctx.find_object(Console).louder(-value if parameter.name == "quiet" else value)  # type: ignore[union-attr]

    def json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's interface
        console = ctx.find_object(Console)
        if console is not None and value:
            console.as_json = True

    return [
        click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=json, help="Print results and errors as JSON."
        ),
        click.Option(
            ["-v", "--verbose"], count=True, expose_value=False, callback=louder, help="Tell what is done, and why."
        ),
        click.Option(["-q", "--quiet"], count=True, expose_value=False, callback=louder, help="Print results only."),
    ]


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    params=_global_options(),
    epilog=(
        "Settings stand in `[tool.ytupload]` of pyproject.toml: "
        "https://github.com/hatch-ytupload/hatch-ytupload/blob/main/docs/settings.md"
    ),
)
@click.option(
    "-C",
    "directory",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Work as if started in DIR.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def hatch_ytupload(directory: str | None) -> None:
    r"""Build YT Framework pipelines into reproducible code archives and publish them to YTsaurus.

    \b
    Example:
      hatch-ytupload build
      hatch-ytupload -C pipelines/ads check --strict
    """
    if directory is not None:
        os.chdir(directory)


def main(args: list[str] | None = None) -> NoReturn:
    """Run a command; what the user can mend ends it with one line for each problem, and a status.

    Args:
        args: what stands after the name of the program; None: those of the process.
    """
    console = Console()
    status: object = None
    try:
        status = hatch_ytupload.main(args, prog_name="hatch-ytupload", standalone_mode=False, obj=console)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        console.usage(text.getvalue())
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt, _InterruptedError):
        console.error("interrupted")
        status = _INTERRUPTED
    except YtUploadError as error:
        console.error(*error.lines)
        status = 1
    except (OSError, MemoryError, RuntimeError) as error:
        line = refused_by_the_system(error)
        if line is None:
            raise
        console.error(line)
        if isinstance(error, OSError) and not error.filename:
            give_up(sys.stdout)
        status = 1
    finally:
        console.close()
    sys.exit(status if isinstance(status, int) else 0)
