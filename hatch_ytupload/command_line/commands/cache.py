"""`hatch-ytupload cache`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from hatch_ytupload.output.layout import fields
from hatch_ytupload.wording import megabytes, one_line

if TYPE_CHECKING:
    from hatch_ytupload.command_line.console import Console
    from hatch_ytupload.packing.user_cache import CacheKind


@click.command()
@click.argument("action", metavar="[clean]", type=click.Choice(["clean"]), required=False)
@click.pass_obj
def command(console: Console, action: str | None) -> None:
    r"""Show where the cache is, what it holds and how much, or empty it with `clean`.

    \b
    Example:
      hatch-ytupload cache
      hatch-ytupload cache clean
    """
    from hatch_ytupload.packing.user_cache import cache_contents, empty_cache, place_of_cache

    directory = place_of_cache(os.environ)
    kinds = cache_contents(directory)
    if action == "clean":
        empty_cache(directory)
    title = "removed from" if action == "clean" else "cache"
    console.result(cache_data(directory, kinds), cache_text(title, directory, kinds))


def cache_text(title: str, directory: str, kinds: list[CacheKind]) -> str:
    """Show what a cache holds, or held."""
    held = [(kind.name, f"{kind.files}, {megabytes(kind.size)}") for kind in kinds if kind.files]
    return fields(f"{title} {one_line(directory)}", *(held or [("nothing", "0 B")]))


def cache_data(directory: str, kinds: list[CacheKind]) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "directory": directory,
        "size": sum(kind.size for kind in kinds),
        "kinds": {kind.name: {"files": kind.files, "size": kind.size} for kind in kinds},
    }
