"""What Python's import system would find under a name, asked without importing (running) what is found."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.errors import ModuleNotFoundInEnvironmentError
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

    from _typeshed.importlib import MetaPathFinderProtocol

# What a single file may end in to be packed as a module; a `.pyc` alone works with one version of Python only.
MODULE_SUFFIXES = (*importlib.machinery.EXTENSION_SUFFIXES, *importlib.machinery.SOURCE_SUFFIXES)


class Found(NamedTuple):
    """The answer for one top-level name.

    Attributes:
        spec: The regular package or the module, or None.
        portions: What a namespace package of this name consists of, in import order, where there is no `spec`.
    """

    spec: ModuleSpec | None = None
    portions: tuple[str, ...] = ()


class ImportPath(NamedTuple):
    """The places where modules are looked for.

    Attributes:
        own: The project's own directories that exist, absolute.
        environment: The entries of the environment's search path: directories, zip archives, names that hooks know.
        finders: What the environment asks for a module, in its order: its search path and editable installs' hooks.
    """

    own: tuple[str, ...]
    environment: tuple[str, ...]
    finders: tuple[MetaPathFinderProtocol, ...]

    @classmethod
    def of(cls, own_directories: Sequence[str], search_path: Sequence[str] | None) -> ImportPath:
        """Take the project's directories, then `search_path` or else what the running interpreter searches."""
        finders: tuple[MetaPathFinderProtocol, ...] = (PathFinder,)
        if search_path is None:
            search_path = _interpreter_path()
            # The finder of `_distutils_hack` imports setuptools to answer.
            finders = tuple(finder for finder in sys.meta_path if _module_of(finder) != "_distutils_hack")
        seen: set[str] = set()
        own = _distinct((os.path.abspath(path) for path in own_directories if os.path.isdir(path)), seen)
        return cls(own, _distinct(search_path, seen), finders)

    def look_up(self, name: str) -> Found:
        """Find the top-level module `name`.

        As PEP 420 has it, a regular package or a module wins over directories of the same name that are no regular
        packages, even when it comes later. This goes for the hooks of editable installs too, though Python asks them
        after its path: otherwise the answer would depend on the way in which a package is made editable.

        Raises:
            ModuleNotFoundInEnvironmentError: An import hook of the environment failed.
        """
        portions: list[str] = []
        for spec in self._specs(name):
            if spec.submodule_search_locations is None or spec.has_location:
                return Found(spec=spec)
            portions.extend(spec.submodule_search_locations)
        return Found(portions=tuple(dict.fromkeys(portions)))

    def portions(self, name: str) -> list[str]:
        """Return all directories of the package `name`, in import order, whether each is a regular package or not.

        Raises:
            ModuleNotFoundInEnvironmentError: An import hook of the environment failed.
        """
        specs = [find_below(name, [directory]) for directory in (*self.own, *self.environment)]
        found = (
            place for spec in (*specs, *self._specs(name)) if spec for place in spec.submodule_search_locations or ()
        )
        return list(dict.fromkeys(found))

    def mapped_below(self, name: str) -> dict[str, str]:
        """Return the submodules of `name` that setuptools' editable installs place elsewhere: dotted name to path.

        The path has no suffix where it means a file. These finders keep it in the `MAPPING` of their module; a
        submodule of a namespace package is found in no other way.
        """
        mapped: dict[str, str] = {}
        for finder in self.finders:
            name_of_module = _module_of(finder)
            mapping = getattr(sys.modules.get(name_of_module), "MAPPING", None)
            if name_of_module.startswith("__editable__") and isinstance(mapping, dict):
                mapped.update({key: path for key, path in mapping.items() if key.startswith(f"{name}.")})
        return dict(sorted(mapped.items()))

    def _specs(self, name: str) -> Iterator[ModuleSpec]:
        spec = find_below(name, self.own)
        if spec is not None:
            yield spec
        for finder in self.finders:
            try:
                spec = (
                    find_below(name, self.environment) if finder is PathFinder else finder.find_spec(name, None, None)
                )
            except (ImportError, OSError, ValueError) as error:
                raise ModuleNotFoundInEnvironmentError(
                    f"`upload_modules` names `{name}`, and the import hook `{_module_of(finder)}` of the build "
                    f"environment fails when asked for it: {one_line(error)}; install its distribution again"
                ) from error
            if spec is not None:
                yield spec


def find_below(name: str, directories: Sequence[str]) -> ModuleSpec | None:
    """Find a module by its last name component in a list of directories, as they are now."""
    for directory in directories:
        # What was remembered about a directory may be older than the files that a build has just generated there.
        sys.path_importer_cache.pop(directory, None)
    return PathFinder.find_spec(name, list(directories))


def is_standard_library(directory: str) -> bool:
    """Tell whether a directory is the one that the interpreter's own library lies in."""
    library = os.path.realpath(os.path.dirname(os.__file__))
    return os.path.realpath(directory) in {library, os.path.join(library, "lib-dynload")}


def zip_archive_of(path: str) -> str | None:
    """Return the file that a path leads into, as paths of modules in zip archives do; None if it leads into none."""
    while path and not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path if os.path.isfile(path) else None


def holds_code(directory: str) -> bool:
    """Tell whether an `import` could reach a Python file below a directory; what cannot be listed counts as code."""
    waiting, seen = [directory], set()
    try:
        for place in waiting:
            with os.scandir(place) as entries:
                for entry in entries:
                    if not entry.name.partition(".")[0].isidentifier():
                        continue  # no `import` can name it
                    if entry.name.endswith(MODULE_SUFFIXES) and entry.is_file():
                        return True
                    if entry.name.isidentifier() and entry.is_dir():
                        status = entry.stat()
                        if (status.st_dev, status.st_ino) not in seen:
                            seen.add((status.st_dev, status.st_ino))
                            waiting.append(entry.path)
    except OSError:
        return True
    return False


def _interpreter_path() -> list[str]:
    """Return `sys.path` without what depends on the working directory: what is packed must not change with it."""
    entries = sys.path[1:] if sys.path and os.path.abspath(sys.path[0]) == os.getcwd() else sys.path
    # Relative names that are no files belong to the hooks of editable installs.
    return [entry for entry in entries if entry and (os.path.isabs(entry) or not os.path.exists(entry))]


def _module_of(finder: object) -> str:
    return str(getattr(finder, "__module__", ""))


def _distinct(entries: Iterable[str], seen: set[str]) -> tuple[str, ...]:
    """Return the entries that are not in `seen` under any name, and add them to it."""
    distinct = []
    for entry in entries:
        real = os.path.realpath(entry)
        if real not in seen:
            seen.add(real)
            distinct.append(entry)
    return tuple(distinct)
