"""The modules of an archive: where a job's Python finds them (PEP 420), and what their files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.checks.imports import FileFacts, read_facts
from hatch_ytupload.checks.local_distributions import distributions_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_ytupload.checks.packed_code import PackedCode

_EXTENSIONS = (".so", ".pyd")
_INIT = "__init__"


class PackedModule(NamedTuple):
    """A module or package in the archive."""

    name: str
    file: str | None
    """Its path in the archive; None: a namespace package, which has no file."""
    directories: tuple[str, ...]
    """Where the modules of a package lie; none for a module."""

    @property
    def is_source(self) -> bool:
        """Whether there is Python text to read."""
        return self.file is not None and self.file.endswith(".py")


class PackedModules:
    """The modules of an archive, each of whose files is read once.

    Args:
        code: the archive.
        python: the version of Python that it is for.
    """

    def __init__(self, code: PackedCode, python: tuple[int, int]) -> None:
        self._code = code
        self._python = python
        self._facts: dict[tuple[str, bool], FileFacts] = {}
        self.distributions = distributions_in(code.files)
        """Normalized names of those whose metadata is packed."""
        self._directories: set[str] = set()
        self._compiled: dict[str, str] = {}
        self._top_level: dict[str, set[str]] = {}
        for path in code.files:
            directory, _, name = path.rpartition("/")
            if name.endswith((".py", *_EXTENSIONS)):
                stem = name.partition(".")[0]
                place, last = (
                    (directory.rpartition("/")[0], directory.rpartition("/")[2]) if stem == _INIT else (directory, stem)
                )
                self._top_level.setdefault(place, set()).add(last)
            if name.endswith(_EXTENSIONS):
                self._compiled.setdefault(_inside(directory, name.partition(".")[0]), path)
            while directory and directory not in self._directories:
                self._directories.add(directory)
                directory = directory.rpartition("/")[0]

    def find(self, name: str, directories: Sequence[str]) -> PackedModule | None:
        """Find a module by its dotted name.

        Args:
            name: of the module; all but the last component is its package's.
            directories: where to look: of the package, or of Python's search path for a top-level module. The root of
                the archive is the empty string.
        """
        portions = []
        last = name.rpartition(".")[2]
        for directory in directories:
            base = _inside(directory, last)
            init = self._file(f"{base}/{_INIT}")
            if init is not None:
                return PackedModule(name, init, (base,))
            file = self._file(base)
            if file is not None:
                return PackedModule(name, file, ())
            if base in self._directories:
                portions.append(base)
        return PackedModule(name, None, tuple(portions)) if portions else None

    def names_in(self, directory: str) -> list[str]:
        """Return the names of the modules and regular packages that lie in a directory, sorted."""
        return sorted(self._top_level.get(directory, ()))

    def facts(self, path: str, *, script: bool = False) -> FileFacts:
        """Return what is known of a file.

        Args:
            path: in the archive.
            script: it is the one that is started.
        """
        found = self._facts.get((path, script))
        if found is None:
            found = self._facts[path, script] = read_facts(self._code.read(path), self._python, script=script)
        return found

    def _file(self, base: str) -> str | None:
        # Python looks for compiled modules first.
        return self._compiled.get(base) or (f"{base}.py" if f"{base}.py" in self._code.files else None)


def _inside(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
