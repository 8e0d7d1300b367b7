"""Follows the imports of each job from its script through the archive, and reports what it will not find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import SRC, YTJOBS, stage_file
from hatch_ytupload.checks.findings import WARNING, Finding
from hatch_ytupload.checks.imports import ALWAYS, LATER, OPTIONAL
from hatch_ytupload.checks.job_modules import MAIN, JobModules, absolute_name
from hatch_ytupload.checks.missing import Missing
from hatch_ytupload.checks.packed_modules import PackedModule
from hatch_ytupload.checks.provided import distribution_with, needed_of_framework
from hatch_ytupload.configuration.project import normalize_name
from hatch_ytupload.wording import listed, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hatch_ytupload.checks.imports import Import, MetadataUse
    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.checks.packed_modules import PackedModules
    from hatch_ytupload.checks.provided import Provided

_LONGEST_WAY = 6


def no_explanation(_name: str, _directories: Sequence[str]) -> str:
    """Say nothing about why a module is missing."""
    return ""


class StageImports:
    """The imports of jobs of one stage whose scripts lie in one directory.

    Args:
        stage: its name.
        directory: of the scripts, in the archive.
        code: the archive.
        modules: of the archive.
        provided: what its jobs find elsewhere.
        places: where something is missing, by rule and what that is; more are added here.
        explain: says why a module that is not packed is not, or nothing.
    """

    def __init__(
        self,
        stage: str,
        directory: str,
        code: PackedCode,
        modules: PackedModules,
        *,
        provided: Provided,
        places: dict[tuple[str, str], list[Missing]],
        explain: Callable[[str, Sequence[str]], str] = no_explanation,
    ) -> None:
        self._stage = stage
        self._directory = directory
        self._code = code
        self._packed = modules
        self._modules = JobModules(directory, modules, provided)
        self._provided = provided
        self._explain = explain
        self._pending: dict[int, list[PackedModule]] = {ALWAYS: [], LATER: [], OPTIONAL: []}
        # How surely each is imported, as far as is known.
        self._seen: dict[tuple[str, str | None], int] = {}
        # The import that leads to a file.
        self._importers: dict[str, tuple[str, int]] = {}
        self._places = places
        self.reached: set[str] = set()

    def follow(self, script: str) -> None:
        """Follow all imports from a script on."""
        self._enqueue(PackedModule(MAIN, script, ()), ALWAYS, None)
        # What is surely imported first: what may be is then no news.
        for kind in (ALWAYS, LATER, OPTIONAL):
            while self._pending[kind]:
                module = self._pending[kind].pop()
                if module.is_source and module.file is not None and self._seen[module.name, module.file] == kind:
                    self._read(module, module.file, kind)

    def hidden(self) -> list[Finding]:
        """Report modules beside the scripts that come before others of their names."""
        found = []
        for name in self._packed.names_in(self._directory):
            module, whose = self._modules.find(name), self._modules.hidden_by(name)
            if module is not None and module.file is not None and whose is not None:
                message = f"hides the module `{one_line(name)}` {whose} from the jobs: rename it"
                found.append(Finding(WARNING, "hidden-module", module.file, None, message, (self._stage,)))
        return found

    def _enqueue(self, module: PackedModule, kind: int, importer: tuple[str, int] | None) -> None:
        if self._seen.get((module.name, module.file), OPTIONAL - 1) < kind:
            self._seen[module.name, module.file] = kind
            self._pending[kind].append(module)
            if module.file is not None:
                self.reached.add(module.file)
                if importer is not None:
                    self._importers[module.file] = importer

    def _way(self, file: str, line: int | None) -> tuple[str, ...]:
        """Return the imports that lead to a place, from the script on; none where it is the script's own."""
        way = [one_line(f"{file}:{line}" if line else file)]
        seen = {file}
        while (importer := self._importers.get(file)) is not None and importer[0] not in seen:
            file = importer[0]
            seen.add(file)
            way.insert(0, one_line(f"{file}:{importer[1]}"))
        if len(way) > _LONGEST_WAY:
            way[2 : len(way) - _LONGEST_WAY + 3] = ["..."]
        return tuple(way) if len(way) > 1 else ()

    def _read(self, module: PackedModule, file: str, kind: int) -> None:
        facts = self._packed.facts(file, script=module.name == MAIN)
        if facts.problem is not None:
            line, reason = facts.problem
            self._report(kind, "syntax", file, line, f"cannot be parsed: {one_line(reason)}")
        for use in facts.metadata:
            self._metadata(use, module, file, min(kind, use.kind))
        for found in facts.imports:
            self._import(module, file, found, min(kind, found.kind))

    def _import(self, module: PackedModule, file: str, found: Import, kind: int) -> None:
        name = absolute_name(module, found)
        if name is None:
            what = "." * found.level + found.module
            reason = "a script has no package" if module.name == MAIN else "it leads out of the package"
            self._report(kind, "relative-import", file, found.line, f"cannot import `{one_line(what)}`: {reason}")
            return
        target = self._require(name, file, found.line, kind)
        if target is None:
            return
        for imported in found.names:
            if imported != "*":
                self._import_from(target, imported, file, found.line, kind)

    def _metadata(self, use: MetadataUse, module: PackedModule, file: str, kind: int) -> None:
        """Report a question for the metadata of a distribution that the job does not have."""
        name = normalize_name(module.name if use.name is None else use.name)
        if not name or name in self._packed.distributions or name in self._provided.distributions:
            return
        if self._provided.has(name) or self._provided.has(name.replace("-", "_")) or self._provided.unknown:
            kind = OPTIONAL  # it may come along
        message = (
            f"asks for the metadata of `{one_line(name)}`, which neither the archive nor {self._provided.source} have: "
            f"{self._provided.way_to_require('it', self._stage)}, or install it where the archive is built if it is "
            "packed"
        )
        self._report(kind, "missing-metadata", file, use.line, message, about=name)

    def _require(self, name: str, file: str, line: int, kind: int) -> PackedModule | None:
        """Follow `import name`; return the module, None if it is not in the archive."""
        parts = name.split(".")
        parent: PackedModule | None = None
        for count in range(1, len(parts) + 1):
            prefix = ".".join(parts[:count])
            module = self._modules.find(prefix, parent)
            if module is None:
                self._missing(name, prefix, parent, file=file, line=line, kind=kind)
                return None
            if module.file is None and count == 1 and self._modules.is_elsewhere(name):
                return None
            self._enqueue(module, kind, (file, line))
            parent = module
        return parent

    def _missing(self, name: str, prefix: str, parent: PackedModule | None, *, file: str, line: int, kind: int) -> None:
        if parent is None:
            if prefix not in self._provided.library and not self._provided.has(name):
                self._not_provided(name, prefix, file, line, kind)
            return
        if self._modules.may_grow(parent) or (parent.file is None and self._provided.has(name)):
            return
        hint = self._explain(prefix, parent.directories)
        what = f"imports `{one_line(prefix)}`, and the package `{parent.name}` of the archive has no such module{hint}"
        self._report(kind, "missing-module", file, line, what, about=prefix)

    def _not_provided(self, name: str, top: str, file: str, line: int, kind: int) -> None:
        own = self._code.files[file].own
        hint = self._explain(top, self._modules.path) or self._beside(top)
        message = (
            f"imports `{one_line(name)}`, which neither the archive nor {self._provided.source} nor the standard "
            "library provide"
        )
        if hint:
            self._report(kind, "missing-import", file, line, f"{message}{hint}", about=top)
            return
        unknown = self._provided.unknown
        if unknown:
            # A requirement that is not installed here may bring it along: no one's error, but the line is missing.
            kind = min(kind, LATER if own else OPTIONAL)
            message += f", unless it comes with {listed(unknown)}, not installed here"
        elif self._provided.judged:
            message += f" (as {listed(self._provided.judged)} installed here shows)"
        named = distribution_with(top)
        require = self._provided.way_to_require("it" if named is None else f"`{named}`", self._stage)
        image = f"or name `{one_line(top)}` in `provided_modules` if the jobs' image has it"
        message = f"{message}: {', '.join([require, *self._way_to_lock(file, top), image])}"
        self._report(kind, "missing-import", file, line, message, about=top, module=top)

    def _way_to_lock(self, file: str, top: str) -> list[str]:
        """Say where a lock would help: it brings what `ytjobs` needs, and whatever requirements lead to."""
        of_framework = file.startswith(f"{YTJOBS}/") and needed_of_framework({top})
        if self._provided.locked or not (of_framework or self._provided.unknown):
            return []
        packs = "packs what `ytjobs` needs" if of_framework else "packs all that the requirements lead to"
        return [f"run `hatch-ytupload lock {one_line(self._stage)}`, which {packs}"]

    def _beside(self, top: str) -> str:
        """Say that a module lies in the stage's `src`, where a script of a directory below does not find it."""
        src = stage_file(self._stage, SRC)
        if self._directory == src or self._packed.find(top, (src,)) is None:
            return ""
        directory = one_line(self._directory)
        return f": it lies in `{one_line(src)}`, and Python looks beside the script, in `{directory}`; move one of them"

    def _import_from(self, module: PackedModule, name: str, file: str, line: int, kind: int) -> None:
        """Follow `from module import name`, where the name is a submodule or something that the module defines."""
        full = f"{module.name}.{name}"
        below = self._modules.find(full, module) if module.directories else None
        if below is not None:
            self._enqueue(below, kind, (file, line))
            return
        if self._modules.may_have(module, name) or (module.file is None and self._provided.has(full)):
            return
        hint = self._explain(full, module.directories)
        message = (
            f"imports `{one_line(name)}` from `{module.name}`, which has neither a name nor a module like it{hint}"
        )
        self._report(kind, "missing-name", file, line, message, about=full)

    def _report(
        self,
        kind: int,
        rule: str,
        path: str,
        line: int | None,
        message: str,
        *,
        about: str = "",
        module: str | None = None,
    ) -> None:
        """Note a place; `about` is what is missing, if something is: that is one finding wherever it is."""
        # What installed packages import when something is called, they mostly can do without.
        if kind == LATER and not self._code.files[path].own:
            kind = OPTIONAL
        key = rule, about or f"{path}:{line}"
        place = Missing(kind, rule, path, line, message, self._way(path, line), module)
        self._places.setdefault(key, []).append(place)
