"""What a name stands for to the jobs whose scripts lie in one directory: a module of the archive, or another one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.checks.imports import Import
    from hatch_ytupload.checks.packed_modules import PackedModule, PackedModules
    from hatch_ytupload.checks.provided import Provided

MAIN = "__main__"
"""The name of the module that a script is."""

# Imported before a script begins, wherever it lies: a file of this name is never looked at (python -X importtime).
_AT_START = {"_collections_abc", "_sitebuiltins", "abc", "codecs", "encodings", "genericpath", "io", "os", "posixpath"}
_AT_START |= {"site", "stat", "zipimport"}


class JobModules:
    """The modules that jobs can import, each looked up once.

    Args:
        directory: of the scripts, in the archive.
        modules: of the archive.
        provided: what the jobs find elsewhere.
    """

    def __init__(self, directory: str, modules: PackedModules, provided: Provided) -> None:
        # Python puts the script's directory first, the wrapper the root of the archive second.
        self.path = (directory, "")
        self._modules = modules
        self._provided = provided
        self._known: dict[str, PackedModule | None] = {}

    def find(self, name: str, parent: PackedModule | None = None) -> PackedModule | None:
        """Return a module of the archive.

        Args:
            name: its dotted name.
            parent: the package that it is in; None: it is a top-level module.
        """
        if name not in self._known:
            places = self.path if parent is None else parent.directories
            loaded = parent is None and (name in sys.builtin_module_names or name in _AT_START)
            self._known[name] = None if loaded else self._modules.find(name, places)
        return self._known[name]

    def hidden_by(self, name: str) -> str | None:
        """Say what a module beside the scripts hides from the jobs; None: nothing."""
        module = self.find(name)
        if module is None or module.file is None:
            return None
        if name in self._provided.library:
            return "of the standard library"
        packed = self._modules.find(name, self.path[1:])
        if packed is not None and packed.file is not None:
            return f"of the archive, `{one_line(packed.file)}`,"
        return "of the requirements" if name in self._provided.top_level else None

    def is_elsewhere(self, name: str) -> bool:
        """Tell whether a module that is at most a namespace package here is another one for the job."""
        top, *below = name.split(".")
        if top in self._provided.library:
            return True
        known = self._modules.find(top, self.path)
        packed = known is not None and below and self._modules.find(f"{top}.{below[0]}", known.directories)
        return not packed and self._provided.has(name)

    def may_grow(self, package: PackedModule) -> bool:
        """Tell whether modules may appear in a package that it has no file for."""
        if package.file is None:
            return False
        if not package.is_source:
            return True
        facts = self._modules.facts(package.file)
        above = self._known.get(package.name.rpartition(".")[0])
        return facts.makes_modules or facts.problem is not None or (above is not None and self.may_grow(above))

    def may_have(self, module: PackedModule, name: str) -> bool:
        """Tell whether a module may define a name, also by `from module import *`; of compiled ones nobody knows."""
        asked: set[str] = set()
        waiting = [module]
        for one in waiting:
            if one.file is None or one.file in asked:
                continue
            asked.add(one.file)
            if not one.is_source or (name.startswith("__") and name.endswith("__")):
                return True
            facts = self._modules.facts(one.file)
            if facts.names is None or name in facts.names or facts.makes_modules or facts.problem is not None:
                return True
            for star in facts.stars:
                target = self._find_whole(absolute_name(one, star))
                if target is None:
                    return True
                waiting.append(target)
        return False

    def _find_whole(self, name: str | None) -> PackedModule | None:
        """Find a module of the archive, package by package."""
        found = None
        parts = name.split(".") if name else []
        for count in range(1, len(parts) + 1):
            found = self.find(".".join(parts[:count]), found)
            if found is None:
                return None
        return found


def absolute_name(module: PackedModule, found: Import) -> str | None:
    """Return the dotted name of what a module imports; None: a relative import that leads nowhere."""
    if not found.level:
        return found.module
    package = module.name if module.directories else module.name.rpartition(".")[0]
    parts = package.split(".") if package and module.name != MAIN else []
    if found.level > len(parts):
        return None
    return ".".join([*parts[: len(parts) - found.level + 1], *filter(None, [found.module])])
