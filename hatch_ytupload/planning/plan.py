"""What goes into an archive: settings become a sorted list of entries, before a byte is packed."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import CONFIG, REQUIREMENTS, STAGES, WRAPPERS, YTJOBS, wrapper_name
from hatch_ytupload.errors import MissingSourceError, NoStagesError, SourceError
from hatch_ytupload.file_names import as_system_spells
from hatch_ytupload.planning import targets
from hatch_ytupload.planning.stages import (
    ENTRY_POINTS,
    Stage,
    no_stages_message,
    read_operations,
    requirement_lines,
    stage_names,
)
from hatch_ytupload.planning.wrappers import wrapper_text
from hatch_ytupload.sources.ignore_scope import IgnoreScope, IgnoreScopes, describe_rule
from hatch_ytupload.sources.listings import Listings
from hatch_ytupload.sources.modules import find_module
from hatch_ytupload.sources.tree import SourceFile, single_file, walk
from hatch_ytupload.sources.ytjobs import find_ytjobs
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.configuration.values import UploadPath
    from hatch_ytupload.sources.modules import Module, ModuleRoot


class Generated(NamedTuple):
    """A file of the archive that we write ourselves: a wrapper script."""

    path: str
    data: bytes
    mode: int


class Part(NamedTuple):
    """A run of neighbours in the archive that come from one source."""

    name: str
    entries: tuple[SourceFile | Generated, ...]


class Plan(NamedTuple):
    """Everything that an archive is made of."""

    parts: tuple[Part, ...]
    """In the order of the archive; all their entries together are sorted by path."""
    stages: tuple[Stage, ...]
    modules: tuple[Module, ...]
    ignored: int
    """How many files and directories the user's ignore rules keep out; a directory counts as one."""

    def entries(self) -> Iterable[SourceFile | Generated]:
        """Iterate over all entries in the order of the archive."""
        for part in self.parts:
            yield from part.entries


def make_plan(settings: Settings, listings: Listings | None = None, *, require_code: bool = True) -> Plan:
    """Find out what goes into the archive.

    Args:
        settings: of the pipeline.
        listings: what lists directories; a new one, which remembers nothing, where None.
        require_code: a pipeline in which nothing can be run is an error.

    Raises:
        NoStagesError: there is no stage with code to run.
        SourceError: something can neither be packed nor is it ignored; two sources collide; a module is missing.
        SettingsError: a stage's config or the selection of stages is wrong.
    """
    planner = Planner(settings, listings or Listings({}, 0))
    planner.add_stages(require_code=require_code)
    planner.add_modules()
    planner.add_paths()
    return planner.plan()


class Planner:
    """Gathers files source by source.

    Args:
        settings: of the pipeline.
        listings: what lists directories.
    """

    def __init__(self, settings: Settings, listings: Listings) -> None:
        self.settings = settings
        self.taken = targets.Targets()
        self.sources: list[tuple[str, list[SourceFile | Generated]]] = []
        self.stages: list[Stage] = []
        self.modules: list[Module] = []
        self.packed_roots: set[tuple[str, str]] = set()
        self.ignored = 0
        self.scopes = IgnoreScopes(settings.pipeline_dir)
        self.listings = listings

    def plan(self) -> Plan:
        """Sort everything into the order of the archive."""
        tagged = sorted(
            ((entry.path, name, entry) for name, entries in self.sources for entry in entries),
            key=lambda item: item[0],
        )
        parts = (
            Part(name, tuple(entry for _, _, entry in run)) for name, run in groupby(tagged, key=lambda item: item[1])
        )
        return Plan(tuple(parts), tuple(self.stages), tuple(self.modules), self.ignored)

    def add_stages(self, *, require_code: bool = True) -> None:
        """Take the code of the stages, and a wrapper script for each of their operations."""
        top = self.settings.pipeline_dir
        directory = os.path.join(top, STAGES)
        scope = self.scopes.of(directory if os.path.isdir(directory) else top)
        try:
            names = stage_names(self.settings, scope)
        except NoStagesError:
            if require_code:
                raise
            return
        wrappers: list[SourceFile | Generated] = []
        for name in names:
            stage = self.stage(name)
            if stage is None:
                continue
            self.stages.append(stage)
            for operation in stage.operations:
                text = wrapper_text(stage.name, operation.name, operation.script)
                wrappers.append(Generated(wrapper_name(stage.name, operation.name), text.encode(), 0o755))
        if not wrappers and require_code:
            raise NoStagesError(no_stages_message(self.settings, names))
        self.sources.append((WRAPPERS, wrappers))

    def add_modules(self) -> None:
        """Take `ytjobs` and what `upload_modules` names."""
        own = own_directories(self.settings)
        self.module(find_ytjobs(own), "the framework's package", reserved=True)
        for name in self.settings.upload_modules:
            module = find_module(name, own)
            description = f"`{one_line(name)}` of `upload_modules`"
            if module.name == YTJOBS:
                self.taken.take(module.name, description, owner=module.name)  # which is refused
            elif module.name not in {known.name for known in self.modules}:
                self.module(module, description)

    def add_paths(self) -> None:
        """Take the directories of `upload_paths`."""
        for number, entry in enumerate(self.settings.upload_paths, 1):
            self.path(entry, f"entry #{number} of `upload_paths` (`{one_line(entry.source)}`)")

    def stage(self, name: str) -> Stage | None:
        """Take one stage, None where it has no code."""
        top = self.settings.pipeline_dir
        directory = os.path.join(top, STAGES, as_system_spells(name))
        shown = f"{STAGES}/{name}"
        scope = self.scopes.of(directory)
        source = os.path.join(directory, "src")
        found = self.walk(source, f"{shown}/src", self.scopes.of(source), boundary=top, own=True, shown=f"{shown}/src")
        if not found:
            return None
        beside = {
            file.path.rpartition("/")[2]: file
            for file in (self.beside(directory, shown, item, scope) for item in (CONFIG, REQUIREMENTS))
            if file is not None
        }
        self.sources.append((shown, [*found, *beside.values()]))
        prefix = f"{shown}/src/"
        scripts = {file.path[len(prefix) :] for file in found}
        for script in ENTRY_POINTS:
            if script in scripts:
                continue
            self._refuse_directory(source, f"{shown}/src", script)
        operations = read_operations(name, directory, scripts, config=CONFIG in beside)
        requirements = _read_requirements(beside[REQUIREMENTS]) if REQUIREMENTS in beside else None
        return Stage(name, operations, requirements)

    def _refuse_directory(self, directory: str, shown: str, name: str) -> None:
        """Report a directory that is named as an entry point, rather than calling the entry point absent."""
        is_directory = os.path.isdir(os.path.join(directory, name))
        if is_directory and self.scopes.of(directory).excluding(name, is_dir=True) is None:
            raise SourceError(f"`{shown}/{name}` is a directory, and a Python file is expected there; rename it")

    def beside(self, directory: str, shown: str, name: str, scope: IgnoreScope) -> SourceFile | None:
        """Take a file that lies beside `src`, None where it is missing or ignored."""
        path = os.path.join(directory, name)
        if not os.path.lexists(path):
            return None
        if scope.excluding(name, is_dir=os.path.isdir(path)) is not None:
            self.ignored += 1
            return None
        if os.path.isdir(path):
            raise SourceError(f"`{shown}/{name}` is a directory, and a file is expected there; rename it")
        top = self.settings.pipeline_dir
        return single_file(path, f"{shown}/{name}", top, own=True, shown=f"{shown}/{name}")

    def module(self, module: Module, description: str, *, reserved: bool = False) -> None:
        """Take one module; messages call it by its description."""
        self.modules.append(module)
        seen: set[str] = set()
        for root in module.roots:
            # Two modules of one distribution bring along the same libraries.
            if (root.source, root.target) in self.packed_roots:
                continue
            self.packed_roots.add((root.source, root.target))
            self.taken.take(root.target, description, reserved=reserved, owner=module.name)
            # Of several portions of a namespace package the first wins, as it does on import.
            files = [file for file in self.module_root(module, root) if file.path not in seen]
            seen.update(file.path for file in files)
            self.sources.append((root.target, [*files]))

    def module_root(self, module: Module, root: ModuleRoot) -> list[SourceFile]:
        """List the files of a directory of a module, or the file that it is."""
        top = self.settings.pipeline_dir
        inside = module.own and _is_inside(os.path.realpath(root.source), top)
        shown = os.path.relpath(os.path.realpath(root.source), top) if inside else root.source
        if not os.path.isdir(root.source):
            if inside:
                self._refuse_ignored(os.path.realpath(root.source))
            return [single_file(root.source, root.target, root.boundary, own=module.own, shown=shown)]
        scope = self.scopes.of(os.path.realpath(root.source)) if inside else IgnoreScope.top(root.source, shown)
        return self.walk(root.source, root.target, scope, boundary=root.boundary, own=module.own, shown=shown)

    def _refuse_ignored(self, file: str) -> None:
        rule = self.scopes.of(os.path.dirname(file)).excluding(os.path.basename(file), is_dir=False)
        if rule is not None:
            shown = os.path.relpath(file, self.settings.pipeline_dir)
            raise SourceError(f"nothing of `{one_line(shown)}` is left to pack: {describe_rule(rule)} excludes it")

    def path(self, entry: UploadPath, description: str) -> None:
        """Take one entry of `upload_paths`; messages call it by its description."""
        top = self.settings.pipeline_dir
        path = os.path.join(top, entry.source)
        real = os.path.realpath(path)
        if not _is_inside(real, top):
            raise SourceError(
                f"{description} leads out of the pipeline directory `{one_line(top)}`, to `{one_line(real)}`; "
                "copy it into the pipeline, or list the package in `upload_modules`"
            )
        if not os.path.isdir(real):
            if not os.path.lexists(real):
                raise MissingSourceError(f"{description} does not exist: `{one_line(real)}`")
            kind = "a ring of symbolic links" if os.path.islink(real) else "not a directory"
            raise SourceError(f"{description} is {kind}: `{one_line(real)}`")
        target = targets.path_target(entry, top, description)
        if not self.taken.take(target, description, owner=real):
            return
        scope = self.scopes.of(real)
        shown = os.path.relpath(real, top)
        self.sources.append((target, [*self.walk(real, target, scope, boundary=top, own=True, shown=shown)]))

    def walk(
        self, source: str, target: str, scope: IgnoreScope, *, boundary: str, own: bool, shown: str
    ) -> list[SourceFile]:
        """List the files of a source; one that has files, but none left, is an error."""
        tree = walk(source, target, scope, boundary, self.listings, own=own, shown=shown)
        self.ignored += tree.ignored
        if tree.files:
            return tree.files
        if tree.ignored and not tree.excluded:
            # Remembered listings do not tell which rule it was.
            tree = walk(source, target, scope, boundary, Listings({}, 0), own=own, shown=shown)
        if tree.excluded:
            path, rule = tree.excluded
            raise SourceError(
                f"nothing of `{one_line(shown)}` is left to pack: {describe_rule(rule)} excludes `{one_line(path)}`"
            )
        if not target.startswith(f"{STAGES}/"):
            raise SourceError(f"`{one_line(shown)}` holds no files to pack")
        return tree.files


def entry_size(entry: SourceFile | Generated) -> int:
    """Return the size of an entry's content, in bytes."""
    return entry.size if isinstance(entry, SourceFile) else len(entry.data)


def own_directories(settings: Settings) -> list[str]:
    """List where the project's own packages may lie, in the order in which they are looked for."""
    root = settings.project_root
    return list(dict.fromkeys([settings.pipeline_dir, root, os.path.join(root, "src")]))


def _is_inside(path: str, directory: str) -> bool:
    return os.path.commonpath([path, directory]) == directory


def _read_requirements(file: SourceFile) -> tuple[str, ...]:
    try:
        with open(file.source, encoding="utf-8-sig") as text:
            return requirement_lines(text.read())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SourceError(f"cannot read `{file.path}`: {reason}") from None
