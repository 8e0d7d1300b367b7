"""What `upload_modules` names: where it lies and what belongs to it, found without importing (running) it."""

from __future__ import annotations

import os
import sys
from importlib.machinery import FrozenImporter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import small_file
from hatch_ytupload.details import detail
from hatch_ytupload.file_names import is_inside
from hatch_ytupload.sources import distributions, module_errors
from hatch_ytupload.sources.distributions import installed_owners
from hatch_ytupload.sources.import_path import (
    MODULE_SUFFIXES,
    ImportPath,
    find_below,
    holds_code,
    is_standard_library,
    zip_archive_of,
)
from hatch_ytupload.sources.module_errors import ModuleMissingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec

    from hatch_ytupload.sources.distributions import Distribution
    from hatch_ytupload.sources.package_path import PackagePath


__all__ = ["Module", "ModuleMissingError", "ModuleRoot", "find_module"]


class ModuleRoot(NamedTuple):
    """A directory or file that a module consists of.

    Attributes:
        source: Its absolute path; symbolic links are not resolved.
        target: Its path in the archive: `pkg`, `six.py`, `numpy.libs`; `ns/pkg` for a subpackage that lies elsewhere.
        boundary: The directory that symbolic links below `source` must not leave. Those of installed packages may lead
            anywhere, as in environments that are made of links: `/`.
        own: Whether it lies in the project's own directories; not in an environment there.
    """

    source: str
    target: str
    boundary: str
    own: bool


class Module(NamedTuple):
    """A top-level module or package.

    Attributes:
        name: Its top-level name.
        roots: The module itself, in import order: of several with one target, the first wins for a file.
            Then what its distributions need to be imported and keep beside it, and their metadata.
        distribution: The distribution that installed it; None where there is none, or more than one.
        version: The version of `distribution`.
    """

    name: str
    roots: tuple[ModuleRoot, ...]
    distribution: str | None
    version: str | None

    @property
    def own(self) -> bool:
        """Whether it, or a part of it, is the project's own."""
        return any(root.own for root in self.roots)


class _Piece(NamedTuple):
    """A part of the module itself; `mark` is the path of what its distribution lists, `/` at its end for any file."""

    source: str
    target: str
    mark: str


def find_module(name: str, own_directories: Sequence[str], *, search_path: Sequence[str] | None = None) -> Module:
    """Find the top-level module or package of a dotted name.

    Args:
        name: As in an `import` statement.
        own_directories: Where to look first, in order; those that do not exist are skipped.
        search_path: Where to look then; by default, where the running interpreter does.

    A directory without `__init__.py` is a portion of a namespace package, wherever it lies, if it holds code: an own
    directory such as `dist` that has the module's name by accident contributes nothing.
    An own module may have a name of the standard library, as in Python, which finds it first; not the name of a module
    that is built in or frozen, which Python never looks for.

    Raises:
        ModuleMissingError: It, or the submodule that the name says, is nowhere.
        ModuleNotFoundInEnvironmentError: It is of a kind that cannot be packed, or its installation is damaged.
    """
    path = ImportPath.of(own_directories, search_path)
    if not all(part.isidentifier() for part in name.split(".")):
        raise module_errors.bad_name(name, path.environment)
    top = name.partition(".")[0]
    _refuse_library(top, path)
    found = path.look_up(top)
    pieces = _regular(top, found.spec) if found.spec is not None else _portions(top, found.portions)
    grows = None if found.spec is None else _growth(found.spec)
    if grows is not None and grows.from_search_path:
        pieces = _grown(top, pieces[0], path)
    pieces += _mapped(path.mapped_below(top), [piece.source for piece in pieces])
    if not pieces:
        raise module_errors.without_code(top, found.portions) or module_errors.missing(top, path.own, path.environment)
    _check_submodule(name, pieces)
    module = _described(top, pieces, path)
    # What is installed keeps all that it looks for among its own files.
    if grows is not None and grows.line is not None and module.own:
        raise module_errors.unclear_path(top, os.path.join(pieces[0].source, "__init__.py"), grows.line)
    return module


def _refuse_library(top: str, path: ImportPath) -> None:
    """Refuse what comes with the interpreter, unless it is an own module that Python would find before."""
    own = find_below(top, path.own)
    if top in sys.builtin_module_names:
        where = "is built into the Python interpreter"
    elif top in sys.stdlib_module_names and (own is None or not own.has_location):
        where = "belongs to Python's standard library"
    elif FrozenImporter.find_spec(top) is not None:
        where = "is frozen into the Python interpreter"
    else:
        return
    place = None if own is None else own.origin or next(iter(own.submodule_search_locations or ()), None)
    raise module_errors.of_python(top, where, place)


def _regular(top: str, spec: ModuleSpec) -> list[_Piece]:
    """Return the directories of a regular package, or the file of a module."""
    origin = os.path.abspath(spec.origin or "")
    suffix = next((suffix for suffix in MODULE_SUFFIXES if origin.endswith(suffix)), None)
    if suffix is None or not os.path.isfile(origin):
        raise module_errors.unsuitable(top, origin)
    directory, file = os.path.split(origin)
    locations = spec.submodule_search_locations
    if locations is None:
        pieces = [_Piece(origin, f"{top}{suffix}", file)]
    else:
        directories = dict.fromkeys(os.path.abspath(place) for place in (directory, *locations) if os.path.isdir(place))
        pieces = [_Piece(place, top, f"{os.path.basename(place)}/{file}") for place in directories]
    if is_standard_library(os.path.dirname(pieces[0].source)):
        raise module_errors.of_python(top, "belongs to Python's standard library", None)
    return pieces


def _portions(top: str, places: Iterable[str]) -> list[_Piece]:
    """Return the portions of a namespace package that are directories with code."""
    pieces = []
    for place in places:
        if zip_archive_of(place) is not None:
            raise module_errors.unsuitable(top, place)
        if os.path.isdir(place) and not is_standard_library(os.path.dirname(place)) and holds_code(place):
            pieces.append(_Piece(os.path.abspath(place), top, f"{os.path.basename(place)}/"))
    return pieces


def _growth(spec: ModuleSpec) -> PackagePath | None:
    """Return how the path of a package grows when it is imported; None: it is none, or its path is never named."""
    try:
        text = b"" if spec.submodule_search_locations is None else small_file(spec.origin or "")
    except OSError:
        return None
    if b"__path__" not in text and b"declare_namespace" not in text:
        return None
    # Few builds come here, and it takes its time to load.
    from hatch_ytupload.sources.package_path import package_path

    return package_path(text, os.path.abspath(spec.origin or ""))


def _grown(top: str, first: _Piece, path: ImportPath) -> list[_Piece]:
    """Return all that the path of a package holds once it has been imported: the first part of it makes it grow."""
    for directory in (*path.own, *path.environment):
        listed = os.path.join(directory, f"{top}.pkg")
        if os.path.isfile(listed):
            raise module_errors.more_portions(top, listed)
    places = [place for place in path.portions(top) if os.path.realpath(place) != os.path.realpath(first.source)]
    # The first has code that finds the others; whatever else it has, all distributions that install there are its.
    return [first._replace(mark=f"{os.path.basename(first.source)}/"), *_portions(top, places)]


def _mapped(mapping: Mapping[str, str], directories: Sequence[str]) -> list[_Piece]:
    """Return the submodules that an editable install keeps elsewhere, unless the package itself has them."""
    pieces = []
    for dotted, place in mapping.items():
        target = dotted.replace(".", "/")
        below = target.partition("/")[2]
        for suffix in ("", *MODULE_SUFFIXES):
            if any(os.path.lexists(os.path.join(directory, below + suffix)) for directory in directories):
                break
            if os.path.isfile(place + suffix) if suffix else os.path.isdir(place):
                pieces.append(_Piece(os.path.abspath(place + suffix), target + suffix, f"{os.path.basename(place)}/"))
                break
    return pieces


def _check_submodule(name: str, pieces: Sequence[_Piece]) -> None:
    """Check that what follows the first dot exists as well, step by step."""
    top, *rest = name.split(".")
    directories = [piece.source for piece in pieces if piece.target == top]
    target = top
    for part in rest:
        target += f"/{part}"
        spec = find_below(part, directories)
        mapped = [piece for piece in pieces if piece.target.startswith((f"{target}/", f"{target}."))]
        exact = [piece.source for piece in pieces if piece.target == target]
        if spec is None and not mapped and not exact:
            raise module_errors.missing_submodule(name, [piece.source for piece in pieces if "/" not in piece.target])
        directories = [*((spec and spec.submodule_search_locations) or ()), *exact]


def _described(top: str, pieces: Sequence[_Piece], path: ImportPath) -> Module:
    """Add what the metadata of installed distributions knows: name, version and what comes along."""
    owners: dict[Distribution, None] = {}
    described: dict[Distribution, None] = {}
    roots = []
    complete = True
    for piece in pieces:
        found = _owners(top, piece, path)
        owners.update(dict.fromkeys(found))
        described.update(dict.fromkeys(found or _installed_elsewhere(piece, path)))
        complete = complete and bool(found)
        roots.append(_root(piece, found, path))
    beside = [(owner.site, name) for owner in owners for name in distributions.companions(owner)]
    beside += [(owner.site, name) for owner in described for name in distributions.metadata(owner)]
    known = {root.source for root in roots}
    for site, name in beside:
        source = os.path.join(site, name)
        if source not in known:
            known.add(source)
            roots.append(ModuleRoot(source, name, os.sep, own=False))
    only = next(iter(owners)) if complete and len(owners) == 1 else None
    detail("module `%s`: found at %s", top, ", ".join(root.source for root in roots))
    return Module(
        name=top,
        roots=tuple(roots),
        distribution=only.name if only else None,
        version=only.version if only else None,
    )


def _owners(top: str, piece: _Piece, path: ImportPath) -> list[Distribution]:
    """Return the distributions of a piece: one, except where several install into a directory of a namespace."""
    found = installed_owners(os.path.dirname(piece.source), piece.mark)
    owners = list(found if piece.mark.endswith("/") else islice(found, 1))
    if not owners:
        editable = distributions.editable_owner(top, piece.source, path.environment)
        owners = [editable] if editable is not None else []
    return owners


def _installed_elsewhere(piece: _Piece, path: ImportPath) -> list[Distribution]:
    """Return the distribution of an own package that was built from its sources, and is hidden by them."""
    if os.path.dirname(piece.source) not in path.own or piece.mark.endswith("/"):
        return []
    real = os.path.realpath(piece.source)
    owners = (owner for site in path.environment for owner in installed_owners(site, piece.mark))
    return [
        owner for owner in owners if is_inside(real, os.path.realpath(distributions.local_project(owner.info) or "-"))
    ]


def _root(piece: _Piece, owners: Sequence[Distribution], path: ImportPath) -> ModuleRoot:
    """Say whose a piece is, and how far links in it may lead."""
    directory = os.path.dirname(piece.source)
    if not _is_own(piece.source, owners, path.own):
        return ModuleRoot(piece.source, piece.target, os.sep, own=False)
    project = owners[0].project if owners else None
    if (
        project is None
        or directory in path.own
        or not is_inside(os.path.realpath(piece.source), os.path.realpath(project))
    ):
        project = directory
    # setuptools' strict editable installs are links into the project.
    return ModuleRoot(piece.source, piece.target, project, own=True)


def _is_own(source: str, owners: Sequence[Distribution], own: Sequence[str]) -> bool:
    """Tell whether a source belongs to the project; what is installed in an environment inside it does not."""
    if os.path.dirname(source) in own:
        return True
    if any(owner.project is None for owner in owners):
        return False
    real = os.path.realpath(source)
    for directory in map(os.path.realpath, own):
        if is_inside(real, directory):
            return distributions.SITE_DIRECTORIES.isdisjoint(os.path.relpath(real, directory).split(os.sep))
    return False
