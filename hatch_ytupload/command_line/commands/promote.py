"""`hatch-ytupload promote`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hatch_ytupload.command_line.commands.diff import coloured, differences_data, summary_text
from hatch_ytupload.command_line.completion import environments, releases
from hatch_ytupload.command_line.flags import destination_flags, force_flag, yes_flag
from hatch_ytupload.errors import ArtifactError, BuildFolderError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.output.releases import promoted_data, promoted_text

if TYPE_CHECKING:
    from hatch_ytupload.answers.differences import Differences
    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.releases.current import Outcome

_OF_SOURCE_ALONE = ("YTUPLOAD_BUILD_FOLDER", "YTUPLOAD_PROXY", "YTUPLOAD_ENVIRONMENT")


@click.command()
@click.argument("release", required=False, shell_complete=releases)
@click.option(
    "--to", "target", metavar="TARGET", required=True, shell_complete=environments, help="An environment or a //path."
)
@click.option(
    "--from",
    "source",
    metavar="SOURCE",
    shell_complete=environments,
    help="An environment or a //path [default: the environment in force].",
)
@click.option("--to-proxy", metavar="CLUSTER", help="Name or URL of the target's cluster.")
@click.option("--from-proxy", metavar="CLUSTER", help="Name or URL of the source's cluster.")
@click.option(
    "-n", "--dry-run", is_flag=True, help="Only tell what would change, and how it differs from what is there."
)
@force_flag
@yes_flag
@destination_flags
@click.pass_obj
def command(
    console: Console,
    /,
    release: str | None,
    *,
    target: str,
    source: str | None,
    to_proxy: str | None,
    from_proxy: str | None,
    dry_run: bool,
    force: bool,
    yes: bool,
    **flags: object,
) -> None:
    r"""Make a release of one build folder the current one of another: the same bytes, without a build.

    RELEASE is a name that `history` shows, its version, or its beginning; without it, the current release.
    `--build-folder`, `--proxy` and `--mode` name the source, as they do for other commands.

    \b
    Example:
      hatch-ytupload promote --to production
      hatch-ytupload promote 1.3.0 --from testing --to //home/ads/build
    """
    from hatch_ytupload.releases.promote import promote

    # What is set for this call or shell says where we are, not where a release may go.
    here = {key: flags.pop(key, None) for key in ("build_folder", "proxy", "mode")}
    one = _settings(console, {**flags, **here}, "--from", source, from_proxy or here["proxy"])
    environ = {name: value for name, value in os.environ.items() if name not in _OF_SOURCE_ALONE}
    same_cluster = to_proxy or (one.proxy if target.startswith("//") else None)
    mode = one.mode if target.startswith("//") and not to_proxy else None
    other = _settings(console, {**flags, "mode": mode}, "--to", target, same_cluster, environ=environ)
    folder = console.build_folder(one)
    with console.progress(at_once=True) as progress:
        place = console.build_folder(other, progress=progress)
        conditions = console.conditions(other, force=force, yes=yes)
        outcome = promote(folder, place, release, conditions, dry_run=dry_run)
    data = promoted_data(outcome, folder, place, dry_run=dry_run)
    text = promoted_text(outcome, folder, place, dry_run=dry_run)
    differences = None
    if dry_run:
        try:
            differences = _differences(folder, place, outcome)
        except (ArtifactError, BuildFolderError) as error:
            # Such a release is no obstacle to being replaced.
            console.warning(f"what would change cannot be told: {error}")
    data["differences"] = None if differences is None else differences_data(differences)
    console.result(data, text if differences is None else f"{text}\n\n{summary_text(differences)}", colour=coloured)


def _differences(source: BuildFolder, target: BuildFolder, outcome: Outcome) -> Differences | None:
    """Compare what would become current with what is; None: nothing would change, or nothing is there to compare."""
    from hatch_ytupload.answers.artifacts import release_in
    from hatch_ytupload.answers.differences import compare_artifacts
    from hatch_ytupload.releases.records import read_state

    current = read_state(target).current
    if current is None or not outcome.changed:
        return None
    return compare_artifacts(release_in(target, current.release), release_in(source, outcome.release))


def _settings(
    console: Console,
    flags: dict[str, object],
    end: str,
    place: str | None,
    proxy: object,
    *,
    environ: dict[str, str] | None = None,
) -> Settings:
    """Load the settings of one end.

    Args:
        console: of the call.
        flags: their values, by key.
        end: the flag that names it.
        place: an environment's name or a path in Cypress; None: what is in force.
        proxy: its cluster; None: that of the settings.
        environ: the environment; the process's own where None.
    """
    is_path = place is not None and place.startswith("//")
    chosen = {"build_folder": None, **flags, "proxy": proxy}
    names = {"build_folder": end, "proxy": f"{end}-proxy"}
    if place is not None:
        chosen["build_folder" if is_path else "environment"] = as_text(place)
    if place is not None and not is_path:
        names["environment"] = end
        # A name on the command line wins over variables that say where to go.
        environ = environ or {name: value for name, value in os.environ.items() if name not in _OF_SOURCE_ALONE}
    return console.settings(chosen, environ=environ, names=names)
