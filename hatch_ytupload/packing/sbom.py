"""`sbom.cdx.json`: what a release is made of, for those who ask what they ship.

Format: CycloneDX 1.6, as JSON (https://cyclonedx.org/docs/1.6/json/). The same on every machine, at every time.
"""

from __future__ import annotations

import json
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_ytupload.archive_layout import WHEELS
from hatch_ytupload.configuration.project import normalize_name
from hatch_ytupload.packing.manifest import FileInfo, content_digest
from hatch_ytupload.planning.plan import Generated
from hatch_ytupload.sources.core_metadata import CoreMetadata, metadata_in, parse_core_metadata
from hatch_ytupload.sources.planned_files import read_unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_ytupload.packing.manifest import Manifest, WheelInfo
    from hatch_ytupload.planning.plan import Part, Plan
    from hatch_ytupload.sources.tree import SourceFile

_PIPELINE = "pipeline"


class Component(NamedTuple):
    """A distribution in the archive."""

    reference: str
    """Its identity in the document."""
    metadata: CoreMetadata
    sha256: str
    """Of a wheel's file; else over all files that its modules have become, as the identity of a release is computed."""
    file: str = ""
    """The name of the wheel."""


def components_of(plan: Plan, files: Iterable[FileInfo], wheels: Iterable[WheelInfo] = ()) -> list[Component]:
    """Return what is packed, sorted: wheels, and the distributions that modules come from.

    Args:
        plan: what is packed.
        files: as they were packed.
        wheels: those among them.

    Raises:
        SourceError: metadata cannot be read.
    """
    parts = {part.name: part for part in plan.parts}
    wanted = {entry.path for module in plan.modules for entry in parts[module.name].entries}
    known = {file.path: file for file in files if file.path in wanted}
    described: dict[str, CoreMetadata] = {}
    held: dict[str, set[FileInfo]] = {}
    for module in plan.modules:
        # What two modules of one distribution share comes along with the first.
        part = parts[module.name]
        own = {package_url(metadata.name, metadata.version): metadata for metadata in _metadata_in(part)}
        described.update(own)
        keys = [package_url(module.distribution, module.version or "")] if module.distribution else [*own]
        for key in keys:
            held.setdefault(key, set()).update(known[entry.path] for entry in part.entries)
    found = {key: Component(key, metadata, content_digest(held[key])) for key, metadata in described.items()}
    entries = {entry.path: entry for entry in plan.entries() if entry.path.startswith(f"{WHEELS}/")}
    for wheel in wheels:
        reference = f"wheels/{wheel.file}"
        found[reference] = Component(reference, _metadata_of(wheel, entries), wheel.sha256, wheel.file)
    return [found[reference] for reference in sorted(found)]


def sbom_of(manifest: Manifest, components: Iterable[Component]) -> bytes:
    """Return the document as JSON text; the same release is always the same bytes.

    Args:
        manifest: of the archive; its own digest of the document is not looked at.
        components: what is packed.
    """
    components = list(components)
    digest = manifest.content_sha256
    tool = manifest.tool
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # A UUID of the kind that everybody may define (RFC 9562, version 8).
        "serialNumber": f"urn:uuid:{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(manifest.source_date_epoch)),
            "tools": {
                "components": [
                    {
                        "type": "application",
                        "name": tool.name,
                        "version": tool.version,
                        "purl": package_url(tool.name, tool.version),
                    }
                ]
            },
            "component": _pipeline(manifest),
        },
        "components": [_component(component) for component in components],
        "dependencies": _dependencies(components),
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogateescape")


def package_url(name: str, version: str) -> str:
    """Return the package URL of a distribution (https://github.com/package-url/purl-spec).

    >>> package_url("Foo_Bar", "1.0+local")
    'pkg:pypi/foo-bar@1.0%2Blocal'
    """
    return f"pkg:pypi/{_quoted(normalize_name(name))}" + (f"@{_quoted(version)}" if version else "")


def _quoted(text: str) -> str:
    """Return what stands for a text in a URL (RFC 3986, section 2)."""
    if text.isascii() and text.replace(".", "").replace("-", "").isalnum():
        return text
    # Few builds come here, and the module takes a good part of a small one.
    from urllib.parse import quote

    return quote(text, safe="")


def _metadata_in(part: Part) -> list[CoreMetadata]:
    """Read the metadata of the distributions that come along with a module."""
    found = []
    for entry in part.entries:
        directory, _, name = entry.path.partition("/")
        in_directory = name in ("METADATA", "PKG-INFO") and directory.endswith((".dist-info", ".egg-info"))
        # An `.egg-info` that is a file is a PKG-INFO itself.
        if in_directory or (not name and directory.endswith(".egg-info")):
            metadata = parse_core_metadata(_content(entry))
            if metadata.name:
                found.append(metadata)
    return found


def _metadata_of(wheel: WheelInfo, entries: Mapping[str, SourceFile | Generated]) -> CoreMetadata:
    """Read the metadata in a wheel."""
    import zipfile

    with zipfile.ZipFile(BytesIO(_content(entries[f"wheels/{wheel.file}"]))) as archive:
        return parse_core_metadata(metadata_in(archive) or f"Name: {wheel.name}\nVersion: {wheel.version}\n".encode())


def _content(entry: SourceFile | Generated) -> bytes:
    return entry.data if isinstance(entry, Generated) else b"".join(read_unchanged(entry))


def _pipeline(manifest: Manifest) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "application",
        "bom-ref": _PIPELINE,
        "name": manifest.project.name,
        "version": manifest.project.version,
        "hashes": [_hash(manifest.content_sha256)],
        # On no package index: a pipeline may have the name of somebody's distribution.
        "purl": f"pkg:generic/{_quoted(manifest.project.name)}@{_quoted(manifest.project.version)}",
    }
    if manifest.git is not None:
        component["properties"] = [
            {"name": "git:commit", "value": manifest.git.commit},
            {"name": "git:dirty", "value": str(manifest.git.dirty).lower()},
        ]
    return component


def _component(component: Component) -> dict[str, Any]:
    metadata = component.metadata
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.reference,
        "name": metadata.name,
        "version": metadata.version,
        "hashes": [_hash(component.sha256)],
        "purl": package_url(metadata.name, metadata.version),
    }
    if metadata.supplier:
        found["supplier"] = {"name": metadata.supplier}
    if metadata.licence_expression:
        found["licenses"] = [{"expression": metadata.licence_expression}]
    elif metadata.licence:
        text = {"text": {"content": metadata.licence_text}} if metadata.licence_text else {}
        found["licenses"] = [{"license": {"name": metadata.licence, **text}}]
    if component.file:
        found["properties"] = [{"name": "file", "value": component.file}]
    return found


def _dependencies(components: list[Component]) -> list[dict[str, Any]]:
    """Say what requires what, of what is there; the pipeline requires all."""
    names: dict[str, list[str]] = {}
    for component in components:
        names.setdefault(normalize_name(component.metadata.name), []).append(component.reference)
    found = [{"ref": _PIPELINE, "dependsOn": [component.reference for component in components]}]
    for component in components:
        required = {
            reference for name in component.metadata.requires for reference in names.get(normalize_name(name), [])
        }
        found.append({"ref": component.reference, "dependsOn": sorted(required - {component.reference})})
    return found


def _hash(sha256: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": sha256}
