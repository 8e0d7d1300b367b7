"""What goes into an archive: settings become parts in order, before a byte is packed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import (
    BOOTSTRAP,
    CONFIG,
    LOCK,
    REQUIREMENTS,
    SRC,
    STAGES,
    WHEEL_LIST,
    WHEELS,
    WRAPPERS,
    YTJOBS,
    stage_directory,
    stage_file,
    wrapper_name,
)
from hatch_ytupload.byte_reader import LARGEST_FILE
from hatch_ytupload.errors import MissingSourceError, NoStagesError, SourceError, YtUploadError
from hatch_ytupload.file_names import as_system_spells, is_inside
from hatch_ytupload.planning import targets
from hatch_ytupload.planning.source import Source, files_of
from hatch_ytupload.planning.stages import (
    ENTRY_POINTS,
    Stage,
    no_stages_message,
    read_operations,
    stage_names,
)
from hatch_ytupload.planning.wrappers import wrapper_text
from hatch_ytupload.sources.exclusions import exclusions_of
from hatch_ytupload.sources.ignore_scope import IgnoreScope, IgnoreScopes
from hatch_ytupload.sources.ignoring import IgnoreRules
from hatch_ytupload.sources.listings import Listings
from hatch_ytupload.sources.modules import find_module
from hatch_ytupload.sources.planned_files import read_at_once
from hatch_ytupload.sources.tree import SourceFile
from hatch_ytupload.sources.ytjobs import find_ytjobs
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.configuration.values import UploadPath
    from hatch_ytupload.requirements.reading import Requirements
    from hatch_ytupload.sources.exclusions import Exclusions
    from hatch_ytupload.sources.modules import Module, ModuleRoot


_NO_RULES = IgnoreScope(IgnoreRules.root(None), b"", follows_links=False)
# The kinds of parts in the order of the archive: what changes seldom comes first, so that an edit of a stage leaves all
# bytes before the stages as they were.
_MODULES, _YTJOBS, _PATHS, _STAGES, _BOOTSTRAP, _WRAPPERS = range(6)


class Generated(NamedTuple):
    """A file of the archive that we write ourselves: a wrapper script."""

    path: str
    data: bytes
    mode: int


class Part(NamedTuple):
    """A run of neighbours in the archive that belong together: a module with what comes along, a path, a stage."""

    name: str
    entries: tuple[SourceFile | Generated, ...]
    """Sorted by the bytes of their paths."""


class Plan(NamedTuple):
    """Everything that an archive is made of."""

    parts: tuple[Part, ...]
    """In the order of the archive: by kind, then by name."""
    stages: tuple[Stage, ...]
    modules: tuple[Module, ...]
    ignored: int
    """How many files and directories the user's ignore rules keep out; a directory counts as one."""

    def entries(self) -> Iterable[SourceFile | Generated]:
        """Iterate over all entries in the order of the archive."""
        for part in self.parts:
            yield from part.entries


def make_plan(
    settings: Settings,
    listings: Listings | None = None,
    *,
    exclusions: Exclusions | None = None,
    require_code: bool = True,
    with_locks: bool = True,
) -> Plan:
    """Find out what goes into the archive.

    Args:
        settings: of the pipeline.
        listings: what lists directories; a new one, which remembers nothing, where None.
        exclusions: what stays out besides what is ignored; what builds write and Hatch's `exclude` where None.
        require_code: a pipeline in which nothing can be run is an error.
        with_locks: stages that have a lock get its wheels.

    Raises:
        NoStagesError: there is no stage with code to run.
        LockError: a lock does not fit.
        SourceError: something can neither be packed nor is it ignored; two sources collide; a module is missing.
        SettingsError: a stage's config or the selection of stages is wrong.
    """
    planner = Planner(settings, listings, exclusions=exclusions, require_code=require_code, with_locks=with_locks)
    if planner.errors:
        raise planner.errors[0]
    return planner.plan()


class Planner:
    """Gathers files source by source, and goes on after an error. The arguments are those of `make_plan`."""

    def __init__(
        self,
        settings: Settings,
        listings: Listings | None = None,
        *,
        exclusions: Exclusions | None = None,
        require_code: bool = True,
        with_locks: bool = True,
    ) -> None:
        self.settings = settings
        self.with_locks = with_locks
        self.exclusions = exclusions or exclusions_of(settings)
        self.scopes = IgnoreScopes(settings.pipeline_dir)
        self.found: list[Source] = []
        """Where it looked for files, in this order."""
        self.errors: list[YtUploadError] = []
        """Why there can be no archive; the first is what a build reports."""
        self._parts: dict[tuple[int, str], list[SourceFile | Generated]] = {}
        self.stages: list[Stage] = []
        self.modules: list[Module] = []
        self.ignored = 0
        self._claims = targets.Claims()
        self._packed_roots: set[tuple[str, str]] = set()
        self._listings = listings or Listings()
        with self._going_on():
            self._add_stages(require_code=require_code)
        with self._going_on():
            self._add_modules()
        for number, entry in enumerate(settings.upload_paths, 1):
            with self._going_on():
                self._add_path(entry, f"entry #{number} of `upload_paths` (`{one_line(entry.source)}`)")
        self._add_wrappers()

    def plan(self) -> Plan:
        """Sort everything into the order of the archive."""
        # Letters sort as the bytes of their UTF-8 do.
        parts = (Part(name, tuple(sorted(entries, key=_path_of))) for (_, name), entries in sorted(self._parts.items()))
        return Plan(
            tuple(part for part in parts if part.entries), tuple(self.stages), tuple(self.modules), self.ignored
        )

    def _add(self, kind: int, name: str, entries: Iterable[SourceFile | Generated]) -> None:
        self._parts.setdefault((kind, name), []).extend(entries)

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Remember an error, and go on after the block."""
        try:
            yield
        except YtUploadError as error:
            self.errors.append(error)

    def _add_stages(self, *, require_code: bool) -> None:
        """Add the code of the stages."""
        top = self.settings.pipeline_dir
        directory = os.path.join(top, STAGES)
        scope = self.scopes.of(directory if os.path.isdir(directory) else top)
        try:
            names = stage_names(self.settings, scope, self.exclusions)
        except NoStagesError:
            if require_code:
                raise
            return
        known = len(self.errors)
        for name in names:
            with self._going_on():
                self._add_stage(name)
        # What could not be read may well be the code.
        if require_code and len(self.errors) == known and not any(stage.operations for stage in self.stages):
            raise NoStagesError(no_stages_message(self.settings, names))

    def _add_modules(self) -> None:
        """Add `ytjobs` and what `upload_modules` names."""
        own = own_directories(self.settings)
        with self._going_on():
            self._add_module(find_ytjobs(own), "the framework's package", reserved=True)
        # In one order, whatever that of the setting: what two modules share comes along with the first.
        for name in sorted(self.settings.upload_modules):
            with self._going_on():
                module = find_module(name, own)
                description = f"`{one_line(name)}` of `upload_modules`"
                if module.name == YTJOBS:
                    self._claims.claim(module.name, description, owner=module.name)  # which is refused
                elif module.name not in {known.name for known in self.modules}:
                    self._add_module(module, description)

    def _add_stage(self, name: str) -> None:
        """Add one stage, unless it has no code."""
        top = self.settings.pipeline_dir
        owner = f"the stage `{name}`"
        directory = os.path.join(top, STAGES, as_system_spells(name))
        scope = self.scopes.of(directory)
        place, src = os.path.join(directory, SRC), stage_file(name, SRC)
        found = self._files(Source(place, src, self.scopes.of(place), top, src, owner, own=True))
        if not found:
            return
        beside: dict[str, SourceFile] = {}
        for item in (CONFIG, REQUIREMENTS, LOCK):
            path = stage_file(name, item)
            file = Source(os.path.join(directory, item), path, scope, top, path, owner, own=True, is_file=True)
            beside.update((item, packed) for packed in self._files(file))
        self._add(_STAGES, stage_directory(name), [*found, *beside.values()])
        prefix = f"{src}/"
        scripts = {file.path[len(prefix) :] for file in found}
        for script in ENTRY_POINTS:
            if script not in scripts:
                self._refuse_directory(place, src, script)
        operations = read_operations(name, directory, scripts, config=CONFIG in beside)
        self.stages.append(Stage(name, operations, None))

    def _add_wrappers(self) -> None:
        """Add a wrapper script for each operation; what the stages require is known when everything else is."""
        planned = {entry.path: entry for entries in self._parts.values() for entry in entries}
        wrappers: list[SourceFile | Generated] = []
        for number, stage in enumerate(self.stages):
            installs = locked = False
            if stage_file(stage.name, REQUIREMENTS) in planned:
                with self._going_on():
                    found = _requirements(stage.name, planned)
                    installs = not found.installs_nothing
                    required = tuple(requirement.text for requirement in found.required)
                    self.stages[number] = stage._replace(requirements=required, credentials=found.credentials)
            if self.with_locks and stage_file(stage.name, LOCK) in planned:
                locked = True
                with self._going_on():
                    self._add_lock(number, planned)
            for operation in stage.operations:
                text = wrapper_text(stage.name, operation.name, operation.script, installs=installs, locked=locked)
                wrappers.append(Generated(wrapper_name(stage.name, operation.name), text.encode(), 0o755))
        self._add(_WRAPPERS, WRAPPERS, wrappers)

    def _add_lock(self, number: int, planned: Mapping[str, SourceFile | Generated]) -> None:
        """Add what a stage with a lock needs in its jobs, but the wheels themselves: those are looked for by builds."""
        from hatch_ytupload.locking.locked_stage import bootstrap, locked_stage

        # Whoever has no lock may have a directory of that name.
        self._claims.claim(WHEELS, "the wheels of locked stages", owner=WHEELS, reserved=True)
        stage = self.stages[number]
        found = locked_stage(stage.name, _contents(planned), self.settings.target_of(stage.name))
        self.stages[number] = stage._replace(locked=found)
        path = stage_file(stage.name, WHEEL_LIST)
        self._add(_STAGES, stage_directory(stage.name), [Generated(path, found.wheel_list.encode(), 0o644)])
        self._parts[_BOOTSTRAP, BOOTSTRAP] = [Generated(BOOTSTRAP, bootstrap(), 0o644)]

    def _refuse_directory(self, directory: str, shown: str, name: str) -> None:
        """Report a directory that is named as an entry point, rather than calling the entry point absent."""
        is_directory = os.path.isdir(os.path.join(directory, name))
        if is_directory and self.scopes.of(directory).excluding(name, is_dir=True) is None:
            raise SourceError(f"`{shown}/{name}` is a directory, and a Python file is expected there; rename it")

    def _add_module(self, module: Module, description: str, *, reserved: bool = False) -> None:
        """Add one module, which messages name by its description."""
        self.modules.append(module)
        seen: set[str] = set()
        for root in module.roots:
            # Two modules of one distribution bring along the same libraries.
            if (root.source, root.target) in self._packed_roots:
                continue
            self._packed_roots.add((root.source, root.target))
            self._claims.claim(root.target, description, reserved=reserved, owner=module.name)
            # Of several portions of a namespace package the first wins, as it does on import.
            files = [file for file in self._module_files(root, description) if file.path not in seen]
            seen.update(file.path for file in files)
            self._add(_YTJOBS if module.name == YTJOBS else _MODULES, module.name, files)

    def _module_files(self, root: ModuleRoot, owner: str) -> list[SourceFile]:
        """List the files of a directory of a module, or the file that it is."""
        top = self.settings.pipeline_dir
        is_file = not os.path.isdir(root.source)
        # The rules for a link are those of its own directory, as git has it.
        place = os.path.realpath(os.path.dirname(root.source) if is_file else root.source)
        inside = root.own and is_inside(place, top)
        if inside:
            scope = self.scopes.of(place)
            shown = os.path.relpath(os.path.join(place, os.path.basename(root.source)) if is_file else place, top)
        else:
            shown = root.source
            scope = _NO_RULES if is_file else IgnoreScope.top(root.source, shown)
        source = Source(root.source, root.target, scope, root.boundary, shown, owner, own=root.own, is_file=is_file)
        return self._files(source)

    def _add_path(self, entry: UploadPath, description: str) -> None:
        """Add one entry of `upload_paths`, which messages name by its description."""
        top = self.settings.pipeline_dir
        real = os.path.realpath(os.path.join(top, entry.source))
        if not is_inside(real, top):
            raise SourceError(
                f"{description} leads out of the pipeline directory `{one_line(top)}`, to `{one_line(real)}`; "
                "copy it into the pipeline, or list the package in `upload_modules`"
            )
        if not os.path.isdir(real):
            if not os.path.lexists(real):
                raise MissingSourceError(
                    f"{description} does not exist: `{one_line(real)}`; correct it or remove the entry"
                )
            if os.path.islink(real):
                raise SourceError(f"{description} is a ring of symbolic links: `{one_line(real)}`; remove one of them")
            raise SourceError(f"{description} is not a directory: `{one_line(real)}`; name the one that holds it")
        target = targets.path_target(entry, top, description)
        if not self._claims.claim(target, description, owner=real):
            return
        source = Source(real, target, self.scopes.of(real), top, os.path.relpath(real, top), description, own=True)
        self._add(_PATHS, target, self._files(source))

    def _files(self, source: Source) -> list[SourceFile]:
        """List the files of a source; none where that fails."""
        self.found.append(source)
        source.exclusions = self.exclusions if source.own else None
        try:
            files, ignored = files_of(source, self._listings)
        except YtUploadError as error:
            self.errors.append(error)
            source.problem = str(error)
            return []
        self.ignored += ignored
        return files


_path_of = attrgetter("path")


def entry_size(entry: SourceFile | Generated) -> int:
    """Return the size of an entry's content, in bytes."""
    return entry.size if isinstance(entry, SourceFile) else len(entry.data)


def own_directories(settings: Settings) -> list[str]:
    """List where the project's own packages may lie, in the order in which they are looked for."""
    root = settings.project_root
    return list(dict.fromkeys([settings.pipeline_dir, root, os.path.join(root, "src")]))


def _requirements(stage: str, planned: Mapping[str, SourceFile | Generated]) -> Requirements:
    """Read what a stage requires.

    Raises:
        SourceError: one of the files cannot be read or decoded.
    """
    # Most pipelines that are built all the time have no requirements of their own.
    from hatch_ytupload.requirements.reading import read_requirements

    found = read_requirements(stage_file(stage, REQUIREMENTS), _contents(planned))
    for problem in found.problems:
        if problem.line is None:
            raise SourceError(f"`{one_line(problem.file)}` {problem.message}")
    return found


def _contents(planned: Mapping[str, SourceFile | Generated]) -> Mapping[str, bytes]:
    """Return the content of all files, each read when it is asked for."""
    from hatch_ytupload.requirements.tree import Files

    return Files(planned, lambda path: _content(planned[path]))


def _content(entry: SourceFile | Generated) -> bytes:
    if isinstance(entry, Generated):
        return entry.data
    if entry.size > LARGEST_FILE:
        raise SourceError(f"`{one_line(entry.path)}` is larger than {LARGEST_FILE >> 20} MiB: shorten it")
    return read_at_once(entry)
