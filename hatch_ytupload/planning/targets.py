"""The places of the archive: no source may claim another's, or one of ours."""

from __future__ import annotations

import os
import posixpath
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME, BOOTSTRAP, STAGES, WRAPPERS, YTJOBS
from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.configuration.values import UploadPath

# Of Linux's and macOS's file systems, in bytes.
_LONGEST_NAME = 255
_RESERVED = {
    STAGES: "the code of the stages",
    YTJOBS: "the framework's package, which is always packed",
    ARCHIVE_NAME: "the archive itself",
    BOOTSTRAP: "what unpacks the wheels of locked stages",
}


def normal_target(target: str, description: str) -> str:
    """Return a target in its normal form.

    Raises:
        SourceError: it is empty, leads out of the archive, or is no name that a file can have.
    """
    normal = posixpath.normpath(target)
    if target.startswith("/") or normal in (".", "..") or normal.startswith("../"):
        raise SourceError(
            f"{description} has the target `{one_line(target)}`, which is not a path inside the archive; "
            "name one such as `lib/name`"
        )
    try:
        too_long = any(len(name.encode()) > _LONGEST_NAME for name in normal.split("/"))
        reason = "which no file can have as its name" if too_long else ""
    except UnicodeEncodeError:
        reason = "which is not UTF-8"
    if reason:
        raise SourceError(f"{description} has the target `{one_line(target)}`, {reason}; name another")
    return normal


def path_target(entry: UploadPath, pipeline_dir: str, description: str) -> str:
    """Return the target of an entry of `upload_paths`: without one, the last component of its source.

    Raises:
        SourceError: it is missing where it is needed, or is no target, see `normal_target`.
    """
    source = os.path.normpath(os.path.join(pipeline_dir, entry.source))
    if not entry.target and source == pipeline_dir:
        # The name of a clone is not the same everywhere.
        raise SourceError(f"{description} needs a `target`: the pipeline's own directory has no fixed name")
    return normal_target(entry.target or as_text(os.path.basename(source)), description)


class Claims:
    """Remembers which source has which place."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[str, str]] = {}

    def claim(self, target: str, description: str, *, owner: str, reserved: bool = False) -> bool:
        """Give a place to a source; tell whether it is new: an owner may claim its own place again, or one inside it.

        Raises:
            SourceError: it is reserved, belongs to somebody else, or lies inside or around what does.
        """
        first = target.partition("/")[0]
        if not reserved and first in _RESERVED:
            raise SourceError(
                f"{description} would take `{one_line(target)}`, and `{first}` is reserved for {_RESERVED[first]}; "
                "choose another target or remove the entry"
            )
        if fnmatchcase(first, WRAPPERS):
            raise SourceError(
                f"{description} would take `{one_line(target)}`, a name reserved for wrapper scripts; choose another"
            )
        for known, (other, other_owner) in self._owners.items():
            if other_owner == owner:
                if known == target:
                    return False
                continue
            if known == target or known.startswith(f"{target}/") or target.startswith(f"{known}/"):
                shown = f"`{one_line(target)}`" + ("" if known == target else f" and `{one_line(known)}`")
                raise SourceError(
                    f"{description} and {other} both want {shown} in the archive; give one another target"
                )
        self._owners[target] = (description, owner)
        return True
