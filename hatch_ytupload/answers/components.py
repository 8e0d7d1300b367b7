"""What a release is made of, from its bill of materials: names, versions, licences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.answers.verification import require_sbom
from hatch_ytupload.archive_layout import SBOM_NAME
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.json_values import JsonValueError, value_of

if TYPE_CHECKING:
    from hatch_ytupload.answers.artifacts import Artifact


class ComponentInfo(NamedTuple):
    """A distribution in an archive."""

    name: str
    version: str
    licence: str | None
    """As its metadata tells; None: it does not."""
    package_url: str


def components_in(artifact: Artifact) -> tuple[ComponentInfo, ...] | None:
    """Return what an archive is made of, in the order of its bill of materials; None: that is not here.

    Args:
        artifact: the archive, or its manifest.

    Raises:
        ArtifactError: the bill of materials is not what the manifest says.
        BuildFolderError: it cannot be read.
    """
    data = require_sbom(artifact, artifact.manifest) if artifact.manifest is not None else None
    if data is None:
        return None
    try:
        return tuple(_component(item) for item in value_of(json.loads(data), "components", list))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"`{SBOM_NAME}` of `{artifact.shown}` is none of ours: {error}") from None


def require_components(artifact: Artifact) -> tuple[ComponentInfo, ...]:
    """Return the same, where nothing can be said without it.

    Raises:
        ArtifactError: it is not here, or as `components_in`.
        BuildFolderError: it cannot be read.
    """
    found = components_in(artifact)
    if found is None:
        raise ArtifactError(f"`{artifact.shown}` has no `{SBOM_NAME}` beside it; build again, or name a release")
    return found


def _component(item: Any) -> ComponentInfo:  # noqa: ANN401 - unchecked JSON
    name, version, package_url = (value_of(item, key, str) for key in ("name", "version", "purl"))
    licences = value_of(item, "licenses", list) if "licenses" in item else []
    return ComponentInfo(name, version, ", ".join(map(_licence, licences)) or None, package_url)


def _licence(item: object) -> str:
    try:
        expression: str = value_of(item, "expression", str)
    except JsonValueError:
        expression = value_of(value_of(item, "license", dict), "name", str)
    return expression
