"""All sources of an archive and the rules in them, found by the planner itself: one that goes on after an error."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.planning.plan import Planner
from hatch_ytupload.sources.ignore_scope import join_shown
from hatch_ytupload.sources.listings import Listings, list_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.configuration.values import UploadPath
    from hatch_ytupload.planning.stages import Stage
    from hatch_ytupload.sources.ignore_scope import IgnoreScope
    from hatch_ytupload.sources.ignoring import Rule
    from hatch_ytupload.sources.modules import Module, ModuleRoot
    from hatch_ytupload.sources.tree import SourceFile

Result = TypeVar("Result")


@dataclass
class Source:
    """A directory, or a single file, that is packed from one place."""

    place: str
    """Its absolute path."""
    target: str
    """Its path in the archive."""
    scope: IgnoreScope | None
    """The rules in force in the directory; for a file, those of the directory that it lies in; None: there are none."""
    boundary: str
    own: bool
    shown: str
    """How messages call it."""
    owner: str
    """Why it is a source: the stage, module or setting."""
    is_file: bool = False
    problem: str | None = None
    """Why it cannot be packed as it is."""


class Decision(NamedTuple):
    """What the ignore rules say about a path."""

    rule: Rule | None
    """The one that decided; a negated one keeps the path. None: none has."""
    at: str
    """What it decided about: the path, or a directory on the way to it; as messages call it."""
    excluded: bool


class Survey(Planner):
    """A planner that remembers what it looked at, and goes on after errors.

    Args:
        settings: of the pipeline.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Listings({}, 0))
        self.found: list[Source] = []
        self.problems: list[str] = []
        self._owner = ""
        for step in (self.add_stages, self.add_modules, self.add_paths):
            self._attempt(step, None)

    def stage(self, name: str) -> Stage | None:
        """Take one stage."""
        self._owner = f"the stage `{name}`"
        return self._attempt(partial(super().stage, name), None)

    def beside(self, directory: str, shown: str, name: str, scope: IgnoreScope) -> SourceFile | None:
        """Take a file that lies beside `src`."""
        place, target = os.path.join(directory, name), f"{shown}/{name}"
        top = self.settings.pipeline_dir
        source = self._remember(Source(place, target, scope, top, own=True, shown=target, owner="", is_file=True))
        return self._attempt(partial(super().beside, directory, shown, name, scope), None, source)

    def module(self, module: Module, description: str, *, reserved: bool = False) -> None:
        """Take one module."""
        self._owner = description
        self._attempt(partial(super().module, module, description, reserved=reserved), None)

    def module_root(self, module: Module, root: ModuleRoot) -> list[SourceFile]:
        """List the files of a directory of a module, or the file that it is."""
        if os.path.isdir(root.source):
            return super().module_root(module, root)
        source = Source(root.source, root.target, None, root.boundary, module.own, root.source, "", is_file=True)
        return self._attempt(partial(super().module_root, module, root), [], self._remember(source))

    def path(self, entry: UploadPath, description: str) -> None:
        """Take one entry of `upload_paths`."""
        self._owner = description
        self._attempt(partial(super().path, entry, description), None)

    def walk(
        self, source: str, target: str, scope: IgnoreScope, *, boundary: str, own: bool, shown: str
    ) -> list[SourceFile]:
        """List the files of a source."""
        found = self._remember(Source(source, target, scope, boundary, own=own, shown=shown, owner=""))
        walk = partial(super().walk, source, target, scope, boundary=boundary, own=own, shown=shown)
        return self._attempt(walk, [], found)

    def _remember(self, source: Source) -> Source:
        source.owner = self._owner
        self.found.append(source)
        return source

    def _attempt(self, action: Callable[[], Result], otherwise: Result, source: Source | None = None) -> Result:
        """Plan something; where that fails, remember why and go on."""
        try:
            return action()
        except YtUploadError as error:
            self.problems.append(str(error))
            if source is not None:
                source.problem = str(error)
            return otherwise


def decide(source: Source, names: Sequence[str], *, is_dir: bool) -> Decision:
    """Apply the rules of a source to a path in it, as the walk does: directory by directory.

    Args:
        source: where the path begins.
        names: the path below it; for a file that is a source, none.
        is_dir: whether it is a directory, should it not exist.

    Raises:
        SourceError: an ignore file on the way cannot be read.
    """
    if source.is_file or source.scope is None or not names:
        if source.scope is None or not source.is_file:
            return Decision(None, source.shown, excluded=False)
        rule = source.scope.rules.decide(os.path.basename(source.place), is_dir=os.path.isdir(source.place))
        return Decision(rule, source.shown, excluded=rule is not None and not rule.negated)
    scope, real, shown = source.scope, os.path.realpath(source.place), source.shown
    rule = None
    for number, name in enumerate(names, 1):
        path, shown = os.path.join(real, name), join_shown(shown, name)
        last = number == len(names)
        is_directory = _is_directory(path) if os.path.lexists(path) else is_dir or not last
        rule = scope.rules.decide(name, is_dir=is_directory)
        if rule is not None and not rule.negated:
            return Decision(rule, shown, excluded=True)
        if not last:
            real = os.path.realpath(path)
            scope = scope.child(name, real, shown)
    return Decision(rule, shown, excluded=False)


def left_out(source: Source, names: Sequence[str]) -> Iterator[tuple[str, Rule]]:
    """Yield what the rules keep out of a directory of a source, as messages call it, with the rule that decided.

    Args:
        source: which has a scope.
        names: the path of the directory below it, none of which is ignored.

    Raises:
        SourceError: a directory cannot be listed, or an ignore file not be read.
    """
    if source.scope is None or source.is_file:
        return
    scope, real, shown = source.scope, os.path.realpath(source.place), source.shown
    for name in names:
        real, shown = os.path.realpath(os.path.join(real, name)), join_shown(shown, name)
        scope = scope.child(name, real, shown)
    pending = [(real, shown, scope)]
    while pending:
        real, shown, scope = pending.pop()
        listing = list_directory(real, shown, scope)
        packed = {*listing.files, *listing.links, *listing.directories}
        for name in sorted(set(os.listdir(real)) - packed):
            rule = scope.rules.decide(name, is_dir=_is_directory(os.path.join(real, name)))
            if rule is not None:
                yield join_shown(shown, name), rule
        for name in reversed(listing.directories):
            below = os.path.join(real, name), join_shown(shown, name)
            pending.append((*below, scope.child(name, *below)))


def _is_directory(path: str) -> bool:
    # Git takes a link for a file, whatever it leads to.
    return os.path.isdir(path) and not os.path.islink(path)
