"""What to tell a user whose `upload_modules` names something that is not there or cannot be packed."""

from __future__ import annotations

import os
import sys
from importlib.machinery import BYTECODE_SUFFIXES
from typing import TYPE_CHECKING

from hatch_ytupload.errors import ModuleNotFoundInEnvironmentError
from hatch_ytupload.sources.distributions import modules_of
from hatch_ytupload.sources.import_path import zip_archive_of
from hatch_ytupload.wording import nearest, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class ModuleMissingError(ModuleNotFoundInEnvironmentError):
    """No module of this name was found; the caller may know better than the message where it should come from.

    Args:
        line: for those who started the program themselves.
        line_of_target: for those whose environment Hatch makes; None: the same.
    """

    def __init__(self, line: str, line_of_target: str | None = None) -> None:
        super().__init__(line)
        self.line_of_target = line_of_target or line


def of_python(name: str, where: str, place: str | None) -> ModuleNotFoundInEnvironmentError:
    """Make the error for what comes with Python; `place`: what the project itself has under that name."""
    clash = f"; Python never takes `{one_line(place)}` for it, so give that another name" if place else ""
    return _refused(name, f"{where}: every job has it already, so remove it from the list{clash}")


def unsuitable(name: str, origin: str) -> ModuleNotFoundInEnvironmentError:
    """Make the error for a module that is no source file, extension module or directory; `origin`: what it is."""
    archive = zip_archive_of(origin)
    shown = one_line(archive or origin)
    if archive is not None and archive != origin:
        return _refused(name, f"lies inside the archive `{shown}`: install it unpacked, as `pip install` does")
    if origin.endswith(tuple(BYTECODE_SUFFIXES)):
        return _refused(name, f"exists as byte code only, `{shown}`: install or add its source")
    return _refused(name, f"is loaded from `{shown}` by an import hook: only files and directories can be packed")


def without_code(name: str, places: Iterable[str]) -> ModuleNotFoundInEnvironmentError | None:
    """Make the error for a name that only directories without code have; None where there is no such directory."""
    shown = " and ".join(f"`{one_line(place)}`" for place in places if os.path.isdir(place))
    if not shown:
        return None
    return _refused(name, f"is a directory with no Python file in it, {shown}: list it under `upload_paths`")


def more_portions(name: str, listed: str) -> ModuleNotFoundInEnvironmentError:
    """Make the error for a package that a `.pkg` file gives directories of any name."""
    return _refused(
        name, f"gets directories from `{one_line(listed)}` too: list them under `upload_paths`, or remove it"
    )


def unclear_path(name: str, init: str, line: int) -> ModuleNotFoundInEnvironmentError:
    """Make the error for a package of the project whose code adds directories to its path."""
    return _refused(
        name,
        f"adds directories elsewhere to its `__path__`, or none that can be told without running it, in line {line} of "
        f"`{one_line(init)}`: jobs would not have them, so move what they hold into the package, and remove the line",
    )


def bad_name(name: str, search_path: Sequence[str]) -> ModuleNotFoundInEnvironmentError:
    """Make the error for a text that no `import` statement could hold."""
    if "/" in name or "\\" in name:
        way_out = "files and directories go into `upload_paths`"
    else:
        alike = name.replace("-", "_")
        guess = [alike] if alike.isidentifier() else []
        way_out = "write it as in an `import` statement" + _did_you_mean(modules_of(name, search_path) or guess)
    return ModuleNotFoundInEnvironmentError(
        f"`upload_modules` names `{one_line(name)}`, which is no name of a module: {way_out}"
    )


def missing(name: str, own: Sequence[str], search_path: Sequence[str]) -> ModuleMissingError:
    """Make the error for a top-level module that was found nowhere, with the name that may have been meant."""
    import pkgutil

    provided = [module for module in modules_of(name, search_path) if module != name]
    importable = {module.name for module in pkgutil.iter_modules(own)}
    near = nearest(name, sorted(importable))
    hint = _did_you_mean(provided or ([near] if near else []))
    lacking = (
        f"`upload_modules` names `{name}`, which is neither in {_list_of(own)} nor in the build environment "
        f"(`{one_line(sys.prefix)}`){hint}; put it there, or"
    )
    return ModuleMissingError(
        f"{lacking} install the distribution that provides it beside hatch-ytupload",
        f"{lacking} add the distribution that provides it to `requires` under `[build-system]` or to `dependencies` "
        "under `[tool.hatch.build.targets.ytarchive]`",
    )


def missing_submodule(name: str, sources: Iterable[str]) -> ModuleMissingError:
    """Make the error for a dotted name whose package exists and does not hold the rest of it."""
    places = " or ".join(f"`{one_line(source)}`" for source in sources)
    package = name.partition(".")[0]
    return ModuleMissingError(
        f"`upload_modules` names `{name}`, and there is no such submodule{places and ' in '}{places}: correct it, "
        f"or name `{package}` alone, since the whole of it is packed anyway"
    )


def _refused(name: str, reason: str) -> ModuleNotFoundInEnvironmentError:
    return ModuleNotFoundInEnvironmentError(f"`upload_modules` names `{name}`, which {reason}")


def _did_you_mean(names: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(f'`{name}`' for name in names[:3])}?" if names else ""


def _list_of(own: Sequence[str]) -> str:
    """Name the project's own directories, relative to the directory that holds them all."""
    if not own:
        return "the project"
    base = os.path.commonpath(own)
    if tuple(own) == (base,):
        return f"`{one_line(base)}`"
    return f"{', '.join(f'`{one_line(os.path.relpath(path, base))}`' for path in own)} of `{one_line(base)}`"
