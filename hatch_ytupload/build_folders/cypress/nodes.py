"""Reading a build folder in Cypress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.build_folders.build_folder import ATTRIBUTE, Node
from hatch_ytupload.build_folders.cypress.errors import MISSING, NO_FOLDER, CypressError
from hatch_ytupload.build_folders.cypress.files import CypressReader
from hatch_ytupload.errors import BuildFolderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_ytupload.build_folders.build_folder import Plain
    from hatch_ytupload.build_folders.cypress.client import Cluster

_ATTRIBUTES = ["type", "uncompressed_data_size", "md5", "executable", ATTRIBUTE]


def look_at(
    cluster: Cluster, location: str, directories: tuple[str, ...], transaction_id: str | None = None
) -> list[Mapping[str, Node] | None]:
    """List directories of a build folder in one request.

    Raises:
        BuildFolderError: they cannot be read.
    """
    places = [f"{location}/{directory}" if directory else location for directory in directories]
    inside = {} if transaction_id is None else {"transaction_id": transaction_id}
    answers = cluster.read_many(
        f"read the build folder `{location}`",
        [{"command": "list", "parameters": {"path": place, "attributes": _ATTRIBUTES, **inside}} for place in places],
    )
    return [_listed(answer, place) for answer, place in zip(answers, places, strict=True)]


def open_file(cluster: Cluster, path: str, transaction_id: str, shown: str) -> CypressReader:
    """Open a file of a transaction.

    Raises:
        CypressError: there is none, or it cannot be read.
    """
    parameters = {"path": path, "transaction_id": transaction_id}
    size = cluster.read("get", f"read `{shown}`", **{**parameters, "path": f"{path}/@uncompressed_data_size"})
    return CypressReader(cluster, parameters, shown, int(size))


def _listed(answer: Plain, place: str) -> Mapping[str, Node] | None:
    if isinstance(answer, CypressError):
        if answer.kind == MISSING:
            return None
        if answer.kind == NO_FOLDER:
            raise BuildFolderError(f"`{place}` is no folder, and one is expected there; remove or rename it")
        raise answer
    if isinstance(answer, dict):  # the server has more than it lists
        raise BuildFolderError(f"`{place}` holds more nodes than the cluster lists; move other files elsewhere")
    return {name: _node(attributes) for name, attributes in map(_item, answer)}


def _item(item: Plain) -> tuple[str, Mapping[str, Plain]]:
    return (item["$value"], item["$attributes"]) if isinstance(item, dict) else (item, {})


def _node(attributes: Mapping[str, Plain]) -> Node:
    md5 = attributes.get("md5")
    return Node(
        kind=str(attributes.get("type", "node")),
        size=int(attributes.get("uncompressed_data_size", 0)),
        executable=attributes.get("executable") is True,
        attribute=attributes.get(ATTRIBUTE),
        md5=lambda: md5 if isinstance(md5, str) else None,
    )
