"""Follows the imports of each job from its script through the archive, and reports what it will not find."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import SRC, stage_file
from hatch_ytupload.checks.findings import ERROR, NOTE, WARNING, Finding
from hatch_ytupload.checks.imports import ALWAYS, LATER, OPTIONAL, FileFacts, read_facts
from hatch_ytupload.checks.packed_modules import PackedModule
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hatch_ytupload.checks.imports import Import
    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.checks.packed_modules import PackedModules
    from hatch_ytupload.checks.provided import Provided

_MAIN = "__main__"
_SEVERITIES = {ALWAYS: ERROR, LATER: WARNING, OPTIONAL: NOTE}


class Facts:
    """What is known of the files of an archive; each is read once.

    Args:
        code: the archive.
        python: the version of Python that it is for.
    """

    def __init__(self, code: PackedCode, python: tuple[int, int]) -> None:
        self._code = code
        self._python = python
        self._known: dict[tuple[str, bool], FileFacts] = {}

    def of(self, path: str, *, script: bool = False) -> FileFacts:
        """Return what is known of a file."""
        found = self._known.get((path, script))
        if found is None:
            found = read_facts(self._code.read(path), self._python, script=script)
            self._known[path, script] = found
        return found


class StageImports:
    """The imports of the jobs of one stage.

    Args:
        stage: its name.
        code: the archive.
        modules: in it.
        facts: of its files.
        provided: what its jobs find elsewhere.
        library: the names of the standard library.
        explain: says why a module that is not packed is not, or nothing.
    """

    def __init__(
        self,
        stage: str,
        code: PackedCode,
        modules: PackedModules,
        *,
        facts: Facts,
        provided: Provided,
        library: frozenset[str],
        explain: Callable[[str, Sequence[str]], str],
    ) -> None:
        self._stage = stage
        self._code = code
        self._modules = modules
        self._facts = facts
        self._provided = provided
        self._library = library
        self._explain = explain
        # Python puts the script's directory first, the wrapper the root of the archive second.
        self._path = (stage_file(stage, SRC), "")
        self._looked_up: dict[str, PackedModule | None] = {}
        self._pending: dict[int, list[PackedModule]] = {ALWAYS: [], LATER: [], OPTIONAL: []}
        # How surely each is imported, as far as is known.
        self._seen: dict[tuple[str, str | None], int] = {}
        self._told: set[tuple[str, str]] = set()
        self.found: list[Finding] = []
        self.reached: set[str] = set()

    def follow(self, script: str) -> None:
        """Follow all imports from a script on."""
        self._enqueue(PackedModule(_MAIN, script, ()), ALWAYS)
        # What is surely imported first: what may be is then no news.
        for kind in (ALWAYS, LATER, OPTIONAL):
            while self._pending[kind]:
                module = self._pending[kind].pop()
                if module.is_source and module.file is not None and self._seen[module.name, module.file] == kind:
                    self._read(module, module.file, kind)

    def _enqueue(self, module: PackedModule, kind: int) -> None:
        if self._seen.get((module.name, module.file), OPTIONAL - 1) < kind:
            self._seen[module.name, module.file] = kind
            self._pending[kind].append(module)
            if module.file is not None:
                self.reached.add(module.file)
            if "." not in module.name and module.file is not None and module.name != _MAIN:
                self._report_hiding(module)

    def _read(self, module: PackedModule, file: str, kind: int) -> None:
        facts = self._facts.of(file, script=module.name == _MAIN)
        if facts.problem is not None:
            line, reason = facts.problem
            self._report(kind, "syntax", file, line, f"cannot be parsed: {one_line(reason)}")
        for found in facts.imports:
            self._import(module, file, found, min(kind, found.kind))

    def _import(self, module: PackedModule, file: str, found: Import, kind: int) -> None:
        name = found.module
        if found.level:
            package = self._package(module, found.level)
            if package is None:
                what = "." * found.level + name
                reason = "a script has no package" if module.name == _MAIN else "it leads out of the package"
                self._report(kind, "relative-import", file, found.line, f"cannot import `{one_line(what)}`: {reason}")
                return
            name = f"{package}.{name}".rstrip(".")
        target = self._require(name, file, found.line, kind)
        if target is None:
            return
        for taken in found.names:
            if taken != "*":
                self._take(target, taken, file, found.line, kind)

    def _package(self, module: PackedModule, level: int) -> str | None:
        """Return the package that a relative import begins at."""
        if module.name == _MAIN:
            return None
        package = module.name if module.directories else module.name.rpartition(".")[0]
        parts = package.split(".") if package else []
        return ".".join(parts[: len(parts) - level + 1]) if level <= len(parts) else None

    def _require(self, name: str, file: str, line: int, kind: int) -> PackedModule | None:
        """Follow `import name`; return the module, None if it is not in the archive."""
        parts = name.split(".")
        parent: PackedModule | None = None
        for count in range(1, len(parts) + 1):
            prefix = ".".join(parts[:count])
            module = self._find(prefix, parent)
            if module is None or (module.file is None and count == 1 and self._elsewhere(name, parts[0])):
                if module is None:
                    self._missing(name, prefix, parent, file=file, line=line, kind=kind)
                return None
            self._enqueue(module, kind)
            parent = module
        return parent

    def _find(self, name: str, parent: PackedModule | None) -> PackedModule | None:
        if name not in self._looked_up:
            places = self._path if parent is None else parent.directories
            builtin = parent is None and name in sys.builtin_module_names
            self._looked_up[name] = None if builtin else self._modules.find(name, places)
        return self._looked_up[name]

    def _elsewhere(self, name: str, top: str) -> bool:
        """Tell whether a module that is at most a namespace package here is another one for the job."""
        if top in self._library:
            return True
        known = self._modules.find(top, self._path)
        parts = name.split(".")
        packed = known is not None and len(parts) > 1 and self._modules.find(f"{top}.{parts[1]}", known.directories)
        return not packed and self._provided.has(name)

    def _missing(self, name: str, prefix: str, parent: PackedModule | None, *, file: str, line: int, kind: int) -> None:
        if parent is None:
            if prefix not in self._library and not self._provided.has(name):
                self._not_provided(name, prefix, file, line, kind)
            return
        if self._may_have(parent, prefix.rpartition(".")[2]) or self._provided.has(name):
            return
        hint = self._explain(prefix, parent.directories)
        what = f"imports `{one_line(prefix)}`, and the package `{parent.name}` of the archive has no such module{hint}"
        self._report(kind, "missing-module", file, line, what)

    def _not_provided(self, name: str, top: str, file: str, line: int, kind: int) -> None:
        own = self._code.files[file].own
        if not own:
            # An installed package is mended as a whole: the first place in it is enough.
            places = file.partition("/")[0], top
            if places in self._told:
                return
            self._told.add(places)
        hint = self._explain(top, self._path)
        message = (
            f"imports `{one_line(name)}`, which neither the archive nor the requirements of the stage nor the standard "
            "library provide"
        )
        if hint or not self._provided.unknown:
            self._report(kind, "missing-import", file, line, f"{message}{hint}")
            return
        # A requirement that is not installed here may bring it along: no one's error, but the line is missing.
        names = ", ".join(f"`{name}`" for name in self._provided.unknown)
        self._report(
            min(kind, LATER if own else OPTIONAL),
            "missing-import",
            file,
            line,
            f"{message}, unless it comes with {names}, not installed here: add it to the requirements",
        )

    def _take(self, module: PackedModule, name: str, file: str, line: int, kind: int) -> None:
        """Follow `from module import name`, where the name is a submodule or something that the module defines."""
        below = self._find(f"{module.name}.{name}", module) if module.directories else None
        if below is not None:
            self._enqueue(below, kind)
            return
        if self._may_have(module, name) or self._provided.has(f"{module.name}.{name}"):
            return
        hint = self._explain(f"{module.name}.{name}", module.directories)
        self._report(
            kind,
            "missing-name",
            file,
            line,
            f"imports `{one_line(name)}` from `{module.name}`, which has neither a name nor a module like it{hint}",
        )

    def _may_have(self, module: PackedModule, name: str) -> bool:
        """Tell whether a module may define a name; of compiled ones nobody knows."""
        if module.file is None:
            return False
        if not module.is_source or (name.startswith("__") and name.endswith("__")):
            return True
        facts = self._facts.of(module.file)
        return facts.names is None or name in facts.names or facts.changes_path or facts.problem is not None

    def _report_hiding(self, module: PackedModule) -> None:
        if module.name in self._library and module.file is not None:
            self._report(
                LATER,
                "hidden-module",
                module.file,
                None,
                f"hides the module `{module.name}` of the standard library from the jobs: rename it",
            )

    def _report(self, kind: int, rule: str, path: str, line: int | None, message: str) -> None:
        # What installed packages import when something is called, they mostly can do without.
        if kind == LATER and not self._code.files[path].own:
            kind = OPTIONAL
        self.found.append(Finding(_SEVERITIES[kind], rule, path, line, message, (self._stage,)))
