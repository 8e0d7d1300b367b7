"""A source of an archive: which files of it are packed, and what the ignore rules say about the paths in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import STAGES
from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.sources.ignore_scope import describe_rule, join_shown
from hatch_ytupload.sources.listings import Listings, list_directory
from hatch_ytupload.sources.tree import single_file, walk
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_ytupload.sources.exclusions import Exclusions
    from hatch_ytupload.sources.ignore_scope import IgnoreScope
    from hatch_ytupload.sources.ignoring import Rule
    from hatch_ytupload.sources.tree import SourceFile


# Neither is ever printed or compared: a fifth of its time is less to import.
@dataclass(repr=False, eq=False)
class Source:
    """A directory, or a single file, that is packed from one place."""

    place: str
    """Its absolute path."""
    target: str
    """Its path in the archive."""
    scope: IgnoreScope
    """The rules in force in the directory; for a file, those of the directory that it lies in."""
    boundary: str
    """Absolute path of the directory that symbolic links in it must not lead out of."""
    shown: str
    """Its name in messages."""
    owner: str
    """Why it is a source: the stage, module or setting."""
    own: bool
    """It belongs to the pipeline, not to an installed package."""
    is_file: bool = False
    exclusions: Exclusions | None = None
    """What stays out besides what is ignored."""
    problem: str | None = None
    """Why it cannot be packed as it is."""

    @property
    def in_stage(self) -> bool:
        """Whether it is of a stage."""
        return self.target.startswith(f"{STAGES}/")


def files_of(source: Source, listings: Listings) -> tuple[list[SourceFile], int]:
    """List the files of a source, and count what the user's rules keep out of it.

    Args:
        source: one that has files, but none left, is an error; a stage can do without a file of its own.
        listings: what lists directories.

    Raises:
        SourceError: it cannot be packed, or an ignore file cannot be read.
    """
    if source.is_file:
        return _single(source)
    rule = source.exclusions.rule_above(as_text(source.place)) if source.exclusions else None
    if rule is not None:
        raise _nothing_left(source, rule)
    look = partial(
        walk,
        source.place,
        source.target,
        source.scope,
        source.boundary,
        own=source.own,
        shown=source.shown,
        exclusions=source.exclusions,
    )
    tree = look(listings)
    ignored = tree.ignored
    if ignored and not tree.files and not tree.excluded:
        tree = look(Listings())  # remembered listings do not tell which rule it was
    if not tree.files and tree.excluded:
        path, rule = tree.excluded
        raise _nothing_left(source, rule, path)
    if not tree.files and not source.in_stage:
        raise SourceError(f"`{one_line(source.shown)}` holds no files to pack")
    return tree.files, ignored


def _single(source: Source) -> tuple[list[SourceFile], int]:
    """Return the file that a source is; none where a stage has it not."""
    name, is_dir = os.path.basename(source.place), os.path.isdir(source.place)
    if source.in_stage and not os.path.lexists(source.place):
        return [], 0
    rule = source.scope.excluding(name, is_dir=is_dir)
    if rule is None and source.exclusions is not None:
        rule = source.exclusions.rule_above(as_text(source.place), is_dir=is_dir)
    if rule is not None and source.in_stage:
        return [], 1
    if rule is not None:
        raise _nothing_left(source, rule)
    if is_dir:
        raise SourceError(f"`{one_line(source.shown)}` is a directory, and a file is expected there; rename it")
    return [single_file(source.place, source.target, source.boundary, own=source.own, shown=source.shown)], 0


def _nothing_left(source: Source, rule: Rule, path: str = "") -> SourceError:
    what = f"excludes `{one_line(path)}`" if path else "excludes it"
    return SourceError(f"nothing of `{one_line(source.shown)}` is left to pack: {describe_rule(rule)} {what}")


class Decision(NamedTuple):
    """What the ignore rules say about a path."""

    rule: Rule | None
    """The one that decided; a negated one keeps the path. None: none has."""
    at: str
    """What it decided about, as messages name it: the path, or a directory on the way to it."""
    excluded: bool


def decide(source: Source, names: Sequence[str], *, is_dir: bool) -> Decision:
    """Apply the rules of a source to a path in it, as the walk does: directory by directory.

    Args:
        source: where the path begins.
        names: the path below it; for a file that is a source, none.
        is_dir: whether it is a directory, should it not exist.

    Raises:
        SourceError: an ignore file on the way cannot be read.
    """
    excluding = source.exclusions.rule if source.exclusions else _nothing
    if source.is_file:
        is_dir = os.path.isdir(source.place)
        rule = source.scope.rules.decide(os.path.basename(source.place), is_dir=is_dir)
        if rule is None or rule.negated:
            rule = excluding(as_text(source.place), is_dir=is_dir) or rule
        return Decision(rule, source.shown, excluded=rule is not None and not rule.negated)
    place = as_text(source.place)
    scope, real, shown = source.scope, os.path.realpath(source.place), source.shown
    rule = None
    for number, name in enumerate(names, 1):
        path, shown = os.path.join(real, name), join_shown(shown, name)
        last = number == len(names)
        is_directory = _is_directory(path) if os.path.lexists(path) else is_dir or not last
        rule = scope.rules.decide(name, is_dir=is_directory)
        place = f"{place}/{as_text(name)}"
        if rule is None or rule.negated:
            rule = excluding(place, is_dir=is_directory or os.path.isdir(path)) or rule
        if rule is not None and not rule.negated:
            return Decision(rule, shown, excluded=True)
        if not last:
            real = os.path.realpath(path)
            scope = scope.child(name, real, shown)
    if source.exclusions is not None and os.path.isfile(real := os.path.join(real, *names[-1:])):
        found = source.exclusions.rule_of_file(os.stat(real))
        return Decision(found or rule, shown, excluded=found is not None)
    return Decision(rule, shown, excluded=False)


def left_out(source: Source, names: Sequence[str]) -> Iterator[tuple[str, Rule]]:
    """Yield what the rules keep out of a directory of a source, as messages name it, with the rule that decided.

    Args:
        source: of an archive.
        names: the path of the directory below it, none of which is ignored.

    Raises:
        SourceError: a directory cannot be listed, or an ignore file not be read.
    """
    if source.is_file:
        return
    excluding = source.exclusions.rule if source.exclusions else _nothing
    scope, real, shown = source.scope, os.path.realpath(source.place), source.shown
    for name in names:
        real, shown = os.path.realpath(os.path.join(real, name)), join_shown(shown, name)
        scope = scope.child(name, real, shown)
    pending = [(real, shown, "/".join([as_text(source.place), *map(as_text, names)]), scope)]
    while pending:
        real, shown, place, scope = pending.pop()
        listing = list_directory(real, shown, scope)
        packed = {*listing.files, *listing.links, *listing.directories}
        entered = []
        for name in sorted(os.listdir(real)):
            path = os.path.join(real, name)
            if name in packed:
                rule = excluding(f"{place}/{as_text(name)}", is_dir=os.path.isdir(path))
            else:
                rule = scope.rules.decide(name, is_dir=_is_directory(path))
            if rule is not None:
                yield join_shown(shown, name), rule
            elif name in listing.directories:
                entered.append(name)
        for name in reversed(entered):
            below = os.path.join(real, name), join_shown(shown, name)
            pending.append((*below, f"{place}/{as_text(name)}", scope.child(name, *below)))


def _nothing(_path: str, *, is_dir: bool) -> Rule | None:  # noqa: ARG001 - as `Exclusions.rule`
    return None


def _is_directory(path: str) -> bool:
    # Git takes a link for a file, whatever it leads to.
    return os.path.isdir(path) and not os.path.islink(path)
