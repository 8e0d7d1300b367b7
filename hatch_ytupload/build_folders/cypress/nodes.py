"""Reading a build folder in Cypress."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, FOLDER, RELEASES, Node
from hatch_ytupload.build_folders.cypress.client import Command
from hatch_ytupload.build_folders.cypress.errors import MISSING, NO_FOLDER, TOO_LARGE, CypressError
from hatch_ytupload.build_folders.cypress.files import CypressReader
from hatch_ytupload.build_folders.cypress.shapes import is_whole_number, listing, text, whole_number
from hatch_ytupload.errors import BuildFolderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_ytupload.build_folders.build_folder import Plain
    from hatch_ytupload.build_folders.cypress.client import Cluster

LINK = "link"
"""What Cypress calls a symbolic link."""

ACCESS = "ytupload_access"
"""The attribute of a file which is to have these rights: they can be set only after it has become visible."""

# What is a folder by another name: where another part of a large cluster's master begins, and in there.
_FOLDERS = frozenset({FOLDER, "portal_exit", "scion", "sequoia_map_node"})
# The revision tells a node from one that was put in its place.
_REVISION = "revision"
_ATTRIBUTES = ["type", "uncompressed_data_size", "md5", "executable", _REVISION, ATTRIBUTE, ACCESS]
# Each time somebody has published while we read.
_ROUNDS = 50


def look_at(
    cluster: Cluster,
    location: str,
    directories: tuple[str, ...],
    wanted: Mapping[str, Plain],
    transaction_id: str | None = None,
) -> list[Mapping[str, Node] | None]:
    """List directories of a build folder, all as they were at one time.

    The commands of a request are done one after the other: somebody may commit in between. What two readings agree on
    was so when the first had ended.

    Args:
        cluster: where.
        location: of the folder.
        directories: relative to it.
        wanted: what files there shall have.
        transaction_id: of the transaction that holds the folder, so that nobody commits in between.

    Raises:
        BuildFolderError: they cannot be read.
    """
    twice = transaction_id is None and len(directories) > 1
    for _ in range(_ROUNDS):
        seen, *again = _read(cluster, location, directories, wanted, transaction_id, twice=twice)
        if all(_same(seen, each) for each in again):
            break
    else:
        raise CypressError(f"cannot read the build folder `{location}`: it changes all the time; try again")
    _check_folder(seen, location)
    return [_nodes(found, wanted) for found in seen.listings]


def open_file(cluster: Cluster, path: str, transaction_id: str, shown: str) -> CypressReader:
    """Open a file of a transaction.

    Raises:
        CypressError: there is none, or it cannot be read.
    """
    parameters = {"path": path, "transaction_id": transaction_id}
    asked = {**parameters, "path": f"{path}/@uncompressed_data_size"}
    size = cluster.read("get", f"read `{shown}`", whole_number, **asked)
    return CypressReader(cluster, parameters, shown, size)


def broken_link(path: str) -> BuildFolderError:
    """Return the error of a link that leads to nothing."""
    return BuildFolderError(f"`{path}` is a link that leads nowhere; remove it, or make what it leads to")


class _Seen(NamedTuple):
    """What was read."""

    listings: list[Mapping[str, Mapping[str, Plain]] | None]
    type: str | None
    """Of the folder."""
    type_of_name: str | None
    """The same, or that it is a link which leads there; None: there is none, or a link that we may not read."""


def _read(
    cluster: Cluster,
    location: str,
    directories: tuple[str, ...],
    wanted: Iterable[str],
    transaction_id: str | None,
    *,
    twice: bool,
) -> list[_Seen]:
    """Read it in one request, and once more after that only what tells whether it is still the same."""
    places = [f"{location}/{directory}" if directory else location for directory in directories]
    inside = {} if transaction_id is None else {"transaction_id": transaction_id}
    commands = [
        command
        for attributes in [[*_ATTRIBUTES, *wanted], *([[_REVISION]] if twice else [])]
        for command in (
            *(Command("list", {"path": place, "attributes": attributes, **inside}, listing) for place in places),
            *(Command("get", {"path": f"{location}{end}/@type", **inside}, text) for end in ("", "&")),
        )
    ]
    try:
        answers = cluster.read_many(f"read the build folder `{location}`", commands)
    except CypressError as error:
        if error.kind != TOO_LARGE:
            raise
        raise BuildFolderError(
            f"{error}; where thousands of releases are kept, remove old ones, each with `yt remove --recursive "
            f"{location}/{RELEASES}/NAME`, and set `keep_releases`"
        ) from None
    length = len(places) + 2
    return [_seen(answers[start : start + length], places) for start in range(0, len(answers), length)]


def _same(one: _Seen, other: _Seen) -> bool:
    """Tell whether two readings found the same nodes in the same state: each change of one gives it a new revision."""
    return one[1:] == other[1:] and [_revisions(each) for each in one.listings] == [
        _revisions(each) for each in other.listings
    ]


def _revisions(found: Mapping[str, Mapping[str, Plain]] | None) -> Mapping[str, Plain] | None:
    return None if found is None else {name: attributes.get(_REVISION) for name, attributes in found.items()}


def _seen(answers: list[Plain | CypressError], places: list[str]) -> _Seen:
    *listings, kind, kind_of_name = answers
    listed = [_listed(answer, place) for answer, place in zip(listings, places, strict=True)]
    if isinstance(kind, CypressError) and kind.kind != MISSING:
        raise kind
    return _Seen(listed, *(None if isinstance(each, CypressError) else str(each) for each in (kind, kind_of_name)))


def _check_folder(seen: _Seen, location: str) -> None:
    """Refuse what lies where the folder should; a link to a folder is one."""
    if seen.type is None and seen.type_of_name == LINK:
        raise broken_link(location)
    if seen.type is not None and seen.type not in _FOLDERS:
        raise _no_folder(location)


def _no_folder(place: str) -> BuildFolderError:
    return BuildFolderError(f"`{place}` is no folder, and one is expected there; remove or rename it")


def _listed(answer: Plain, place: str) -> Mapping[str, Mapping[str, Plain]] | None:
    if isinstance(answer, CypressError):
        if answer.kind == MISSING:
            return None
        if answer.kind == NO_FOLDER:
            raise _no_folder(place)
        raise answer
    if answer is None:  # the server has more than it lists
        raise BuildFolderError(f"`{place}` holds more nodes than the cluster lists; move other files elsewhere")
    found: Mapping[str, Mapping[str, Plain]] = answer
    return found


def _nodes(found: Mapping[str, Mapping[str, Plain]] | None, wanted: Mapping[str, Plain]) -> Mapping[str, Node] | None:
    return None if found is None else {name: _node(attributes, wanted) for name, attributes in found.items()}


def _node(attributes: Mapping[str, Plain], wanted: Mapping[str, Plain]) -> Node:
    md5, size = attributes.get("md5"), attributes.get("uncompressed_data_size")
    kind = str(attributes.get("type", "node"))
    return Node(
        kind=FOLDER if kind in _FOLDERS else kind,
        size=int(size or 0) if is_whole_number(size) else 0,
        executable=attributes.get("executable") is True,
        attribute=attributes.get(ATTRIBUTE),
        settled=ACCESS not in attributes and all(attributes.get(name) == value for name, value in wanted.items()),
        md5=lambda: md5 if isinstance(md5, str) else None,
    )
