"""`hatch-ytupload explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--config", metavar="FILE", help="The pipeline's YAML config, relative to its directory.")
@click.pass_obj
def command(console: Console, paths: tuple[str, ...], config: str | None) -> None:
    r"""Say whether a file goes into the archive, under which name, and which rule decided.

    PATH is a file or directory, relative to here or to the pipeline; a path in the archive; or one that does not exist
    yet, with `/` at its end for a directory.

    \b
    Example:
      hatch-ytupload explain stages/sessions/src/reducer.py lib/
      hatch-ytupload explain ytjobs/__init__.py
    """
    from hatch_ytupload.archives.explaining import Explainer
    from hatch_ytupload.archives.explanation_report import explanation_data, explanation_text

    explainer = Explainer(console.settings(console.project(), config=config))
    for problem in explainer.problems:
        console.warning(f"as it is, no archive can be built: {problem}")
    found = [explanation for path in paths for explanation in explainer.explain(path)]
    console.result(
        {"problems": list(explainer.problems), "paths": [explanation_data(explanation) for explanation in found]},
        "\n".join(explanation_text(explanation) for explanation in found),
    )
