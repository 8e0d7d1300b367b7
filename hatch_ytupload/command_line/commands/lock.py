"""`hatch-ytupload lock`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.flags import settings_flags
from hatch_ytupload.wording import counted, megabytes

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("stages", nargs=-1, metavar="[STAGE]...")
@click.option("-U", "--upgrade", is_flag=True, help="Take the newest versions of everything.")
@click.option("-P", "--upgrade-package", "packages", multiple=True, metavar="NAME", help="Take the newest of NAME.")
@click.option("--check", "only_check", is_flag=True, help="Only tell whether the locks fit; needs no network.")
@settings_flags
@click.pass_obj
def command(
    console: Console,
    /,
    stages: tuple[str, ...],
    *,
    upgrade: bool,
    packages: tuple[str, ...],
    only_check: bool,
    **flags: object,
) -> None:
    r"""Lock the requirements of stages, so that their jobs install nothing.

    Resolves `requirements.txt`, and what `ytjobs` needs besides, for the `target` of the settings, and writes
    `stages/STAGE/pylock.toml`, which is to be committed. Builds pack the wheels that it names. Without STAGE, all
    stages with requirements or a lock are locked, with the same versions where that can be.

    \b
    Example:
      hatch-ytupload lock
      hatch-ytupload lock parse_requests --upgrade-package numpy
      hatch-ytupload lock --check
    """
    from hatch_ytupload.answers.locks import lock_stages, stale_locks
    from hatch_ytupload.packing.user_cache import cache_directory

    settings = console.settings(flags)
    if only_check:
        if upgrade or packages:
            console.warning("`--check` asks for no newer versions: `--upgrade` and `--upgrade-package` mean nothing")
        problems = stale_locks(settings, stages)
        console.result({"stale": problems}, "\n".join(problems) or "all locks fit")
        sys.exit(1 if problems else 0)
    with console.progress() as progress:
        made = lock_stages(
            settings,
            stages,
            upgrade=upgrade,
            packages=packages,
            cache_directory=cache_directory(os.environ, console.warning),
            environ=os.environ,
            notice=console.warning,
            progress=progress,
        )
    lines = [
        f"{'wrote' if lock.changed else 'nothing changed:'} {lock.path} ({counted(lock.wheels, 'wheel')}, "
        f"{megabytes(lock.size)})"
        for lock in made
    ]
    console.result({"locks": [lock._asdict() for lock in made]}, "\n".join(lines))
