"""Follows the imports of each job from its script through the archive, and reports what it will not find."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.archive_layout import SRC, YTJOBS, stage_file
from hatch_ytupload.checks.findings import ERROR, NOTE, WARNING, Finding
from hatch_ytupload.checks.imports import ALWAYS, LATER, OPTIONAL, FileFacts, read_facts
from hatch_ytupload.checks.packed_modules import PackedModule
from hatch_ytupload.checks.provided import distribution_with, needed_of_framework
from hatch_ytupload.configuration.project import normalize_name
from hatch_ytupload.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hatch_ytupload.checks.imports import Import, MetadataUse
    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.checks.packed_modules import PackedModules
    from hatch_ytupload.checks.provided import Provided

_MAIN = "__main__"
_SEVERITIES = {ALWAYS: ERROR, LATER: WARNING, OPTIONAL: NOTE}
# Imported before a script begins, wherever it lies: a file of this name is never looked at (python -X importtime).
_AT_START = {"_collections_abc", "_sitebuiltins", "abc", "codecs", "encodings", "genericpath", "io", "os", "posixpath"}
_AT_START |= {"site", "stat", "zipimport"}
_LONGEST_WAY = 6
_METADATA = re.compile(r"([^/]+?)-[^/-]+\.dist-info/METADATA$|([^/]+?)(?:-[^/]+)?\.egg-info/PKG-INFO$")


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
        self.distributions = frozenset(
            normalize_name(found[1] or found[2]) for found in map(_METADATA.match, code.files) if found
        )
        """Normalized names of those whose metadata is packed."""

    def of(self, path: str, *, script: bool = False) -> FileFacts:
        """Return what is known of a file."""
        found = self._known.get((path, script))
        if found is None:
            found = read_facts(self._code.read(path), self._python, script=script)
            self._known[path, script] = found
        return found


class Missing(NamedTuple):
    """A place where a job stops for want of a module or name."""

    kind: int
    """How surely: OPTIONAL, LATER or ALWAYS."""
    rule: str
    path: str
    line: int | None
    message: str
    via: tuple[str, ...]
    module: str | None = None
    """The top-level module that only something outside of the archive can provide."""


class StageImports:
    """The imports of jobs of one stage whose scripts lie in one directory.

    Args:
        stage: its name.
        directory: of the scripts, in the archive.
        code: the archive.
        modules: in it.
        facts: of its files.
        provided: what its jobs find elsewhere.
        library: the names of the standard library.
        explain: says why a module that is not packed is not, or nothing.
        places: where something is missing, by rule and what that is; more are added here.
    """

    def __init__(
        self,
        stage: str,
        directory: str,
        code: PackedCode,
        modules: PackedModules,
        *,
        facts: Facts,
        provided: Provided,
        library: frozenset[str],
        explain: Callable[[str, Sequence[str]], str],
        places: dict[tuple[str, str], list[Missing]],
    ) -> None:
        self._stage = stage
        self._code = code
        self._modules = modules
        self._facts = facts
        self._provided = provided
        self._library = library
        self._explain = explain
        # Python puts the script's directory first, the wrapper the root of the archive second.
        self._path = (directory, "")
        self._looked_up: dict[str, PackedModule | None] = {}
        self._pending: dict[int, list[PackedModule]] = {ALWAYS: [], LATER: [], OPTIONAL: []}
        # How surely each is imported, as far as is known.
        self._seen: dict[tuple[str, str | None], int] = {}
        # The import that leads to a file.
        self._importers: dict[str, tuple[str, int]] = {}
        self._places = places
        self.reached: set[str] = set()

    def follow(self, script: str) -> None:
        """Follow all imports from a script on."""
        self._enqueue(PackedModule(_MAIN, script, ()), ALWAYS, None)
        # What is surely imported first: what may be is then no news.
        for kind in (ALWAYS, LATER, OPTIONAL):
            while self._pending[kind]:
                module = self._pending[kind].pop()
                if module.is_source and module.file is not None and self._seen[module.name, module.file] == kind:
                    self._read(module, module.file, kind)

    def hidden(self) -> list[Finding]:
        """Report modules beside the scripts that come before others of their names."""
        directory = self._path[0]
        found = []
        for name in self._modules.names_in(directory):
            module = self._find(name, None)
            if module is None or module.file is None:
                continue
            packed = self._modules.find(name, self._path[1:])
            if name in self._library:
                whose = "of the standard library"
            elif packed is not None and packed.file is not None:
                whose = f"of the archive, `{one_line(packed.file)}`,"
            elif name in self._provided.top_level:
                whose = "of the requirements"
            else:
                continue
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
        facts = self._facts.of(file, script=module.name == _MAIN)
        if facts.problem is not None:
            line, reason = facts.problem
            self._report(kind, "syntax", file, line, f"cannot be parsed: {one_line(reason)}")
        for use in facts.metadata:
            self._metadata(use, module, file, min(kind, use.kind))
        for found in facts.imports:
            self._import(module, file, found, min(kind, found.kind))

    def _import(self, module: PackedModule, file: str, found: Import, kind: int) -> None:
        name = self._absolute(module, found)
        if name is None:
            what = "." * found.level + found.module
            reason = "a script has no package" if module.name == _MAIN else "it leads out of the package"
            self._report(kind, "relative-import", file, found.line, f"cannot import `{one_line(what)}`: {reason}")
            return
        target = self._require(name, file, found.line, kind)
        if target is None:
            return
        for taken in found.names:
            if taken != "*":
                self._take(target, taken, file, found.line, kind)

    def _metadata(self, use: MetadataUse, module: PackedModule, file: str, kind: int) -> None:
        """Report a question for the metadata of a distribution that the job does not have."""
        name = normalize_name(module.name if use.name is None else use.name)
        if not name or name in self._facts.distributions or name in self._provided.distributions:
            return
        if self._provided.has(name) or self._provided.has(name.replace("-", "_")) or self._provided.unknown:
            kind = OPTIONAL  # it may come along
        message = (
            f"asks for the metadata of `{one_line(name)}`, which neither the archive nor {self._provided.source} have: "
            f"{self._require_it('it')}, or install it where the archive is built if it is packed"
        )
        self._report(kind, "missing-metadata", file, use.line, message, about=name)

    def _absolute(self, module: PackedModule, found: Import) -> str | None:
        """Return the dotted name of what is imported; None: a relative import that leads nowhere."""
        if not found.level:
            return found.module
        package = self._package(module, found.level)
        return None if package is None else f"{package}.{found.module}".rstrip(".")

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
            self._enqueue(module, kind, (file, line))
            parent = module
        return parent

    def _find(self, name: str, parent: PackedModule | None) -> PackedModule | None:
        if name not in self._looked_up:
            places = self._path if parent is None else parent.directories
            loaded = parent is None and (name in sys.builtin_module_names or name in _AT_START)
            self._looked_up[name] = None if loaded else self._modules.find(name, places)
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
        if self._may_grow(parent) or (parent.file is None and self._provided.has(name)):
            return
        hint = self._explain(prefix, parent.directories)
        what = f"imports `{one_line(prefix)}`, and the package `{parent.name}` of the archive has no such module{hint}"
        self._report(kind, "missing-module", file, line, what, about=prefix)

    def _not_provided(self, name: str, top: str, file: str, line: int, kind: int) -> None:
        own = self._code.files[file].own
        hint = self._explain(top, self._path) or self._beside(top)
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
            message += f", unless it comes with {_listed(unknown)}, not installed here"
        elif self._provided.judged:
            message += f" (as {_listed(self._provided.judged)} installed here shows)"
        named = distribution_with(top)
        ways = [self._require_it("it" if named is None else f"`{named}`"), *self._lock_it(file, top)]
        image = f"or `{one_line(top)}` to `provided_modules` if the jobs' image has it"
        message = f"{message}: {', '.join([*ways, image])}"
        self._report(kind, "missing-import", file, line, message, about=top, module=top)

    def _require_it(self, what: str) -> str:
        return _way_to_require(what, self._stage, self._provided)

    def _lock_it(self, file: str, top: str) -> list[str]:
        """Say where a lock would help: it brings what `ytjobs` needs, and whatever requirements lead to."""
        of_framework = file.startswith(f"{YTJOBS}/") and needed_of_framework({top})
        if self._provided.locked or not (of_framework or self._provided.unknown):
            return []
        packs = "packs what `ytjobs` needs" if of_framework else "packs all that the requirements lead to"
        return [f"run `hatch-ytupload lock {one_line(self._stage)}`, which {packs}"]

    def _beside(self, top: str) -> str:
        """Say that a module lies in the stage's `src`, where a script of a directory below does not find it."""
        src = stage_file(self._stage, SRC)
        if self._path[0] == src or self._modules.find(top, (src,)) is None:
            return ""
        directory = one_line(self._path[0])
        return f": it lies in `{one_line(src)}`, and Python looks beside the script, in `{directory}`; move one of them"

    def _take(self, module: PackedModule, name: str, file: str, line: int, kind: int) -> None:
        """Follow `from module import name`, where the name is a submodule or something that the module defines."""
        below = self._find(f"{module.name}.{name}", module) if module.directories else None
        if below is not None:
            self._enqueue(below, kind, (file, line))
            return
        full = f"{module.name}.{name}"
        if self._may_have(module, name, frozenset()) or (module.file is None and self._provided.has(full)):
            return
        hint = self._explain(full, module.directories)
        message = (
            f"imports `{one_line(name)}` from `{module.name}`, which has neither a name nor a module like it{hint}"
        )
        self._report(kind, "missing-name", file, line, message, about=full)

    def _may_grow(self, package: PackedModule) -> bool:
        """Tell whether modules may appear in a package that it has no file for."""
        if package.file is None:
            return False
        if not package.is_source:
            return True
        facts = self._facts.of(package.file)
        above = self._looked_up.get(package.name.rpartition(".")[0])
        return facts.makes_modules or facts.problem is not None or (above is not None and self._may_grow(above))

    def _may_have(self, module: PackedModule, name: str, asked: frozenset[str]) -> bool:
        """Tell whether a module may define a name; of compiled ones nobody knows.

        Args:
            module: the module.
            name: that is looked for.
            asked: the files that the question has come through, by `from module import *`.
        """
        if module.file is None or module.file in asked:
            return False
        if not module.is_source or (name.startswith("__") and name.endswith("__")):
            return True
        facts = self._facts.of(module.file)
        if facts.names is None or name in facts.names or facts.makes_modules or facts.problem is not None:
            return True
        for star in facts.stars:
            target = self._known(self._absolute(module, star))
            if target is None or self._may_have(target, name, asked | {module.file}):
                return True
        return False

    def _known(self, name: str | None) -> PackedModule | None:
        """Find a module of the archive by its dotted name."""
        found = None
        parts = name.split(".") if name else []
        for count in range(1, len(parts) + 1):
            found = self._find(".".join(parts[:count]), found)
            if found is None:
                return None
        return found

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
        """Take note of a place; `about` is what is missing, if something is: that is one finding wherever it is."""
        # What installed packages import when something is called, they mostly can do without.
        if kind == LATER and not self._code.files[path].own:
            kind = OPTIONAL
        key = rule, about or f"{path}:{line}"
        place = Missing(kind, rule, path, line, message, self._way(path, line), module)
        self._places.setdefault(key, []).append(place)


def findings_of(
    places: Iterable[Sequence[Missing]], stage: str, image: str | None, provided: Provided
) -> list[Finding]:
    """Return one finding for each thing that is missing, and one for all that only the jobs' image can provide.

    Args:
        places: for each thing, where it is missing.
        stage: whose jobs miss it.
        image: that they run in; None: that of the cluster.
        provided: what they find outside of the archive.
    """
    found = []
    of_image = []
    for them in places:
        worst = max(them, key=lambda place: place.kind)
        if image is not None and worst.module is not None and worst.kind != OPTIONAL:
            of_image.append(worst)
            continue
        others = len({(place.path, place.line) for place in them}) - 1
        message = f"{worst.message} (and in {counted(others, 'more place')})" if others else worst.message
        found.append(Finding(_SEVERITIES[worst.kind], worst.rule, worst.path, worst.line, message, (stage,), worst.via))
    if image is not None and of_image:
        found.append(_from_image(of_image, stage, image, provided))
    return found


def _from_image(places: Sequence[Missing], stage: str, image: str, provided: Provided) -> Finding:
    first = max(places, key=lambda place: place.kind)
    modules = sorted({place.module for place in places if place.module is not None})
    message = (
        f"the jobs need {_listed(modules)} from the image `{one_line(image)}`, which nobody can look into here: "
        f"name in `provided_modules` what it has, and {_way_to_require('the rest', stage, provided)}"
    )
    return Finding(WARNING, "image", first.path, first.line, message, (stage,), first.via)


def _way_to_require(what: str, stage: str, provided: Provided) -> str:
    again = f" and run `hatch-ytupload lock {one_line(stage)}`" if provided.locked else ""
    return f"add {what} to `requirements.txt` of the stage{again}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{one_line(name)}`" for name in names)
