"""The bill of materials: what it says about what is packed, and that CycloneDX's own library takes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from archives import Bytes
from installations import write
from pipelines import Pipeline, contents, make_pipeline, refusal

from hatch_ytupload.answers.artifacts import Artifact, Whereabouts, described, find_artifact
from hatch_ytupload.answers.components import require_components
from hatch_ytupload.answers.differences import compare
from hatch_ytupload.answers.verification import verify
from hatch_ytupload.command_line.commands.inspect import licences_data, licences_text
from hatch_ytupload.packing.manifest import SbomInfo, load_manifest
from hatch_ytupload.packing.sbom import package_url
from hatch_ytupload.sources.core_metadata import parse_core_metadata

if TYPE_CHECKING:
    from pathlib import Path


def install(site: Path, metadata: str, *files: str) -> None:
    """Install a distribution with this METADATA."""
    found = parse_core_metadata(metadata.encode())
    info = site / f"{found.name.replace('-', '_').lower()}-{found.version}.dist-info"
    write(site, *files, text="")
    write(info, "METADATA", text=metadata)
    lines = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
    write(info, "RECORD", text="".join(f"{path},,\n" for path in lines))


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Return a built pipeline that packs three installed distributions, one of which has two modules."""
    site = tmp_path / "site-packages"
    install(
        site,
        "Name: Two_Modules\nVersion: 1.0+local\nLicense-Expression: MIT OR Apache-2.0\n"
        "Author-email: Ann Author <a@b.c>\n"
        'Requires-Dist: plain.one>=1; python_version > "3"\nRequires-Dist: absent\n'
        'Requires-Dist: old; extra == "more"\n\nName: of the text\n',
        "first/__init__.py",
        "second/__init__.py",
    )
    install(site, "Name: plain-one\nVersion: 2\nClassifier: License :: OSI Approved :: BSD License\n", "plain.py")
    install(
        site, "Name: old\nVersion: 3\nLicense: All rights\n        reserved, for ever.\nMaintainer: Old Ltd\n", "old.py"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    pipeline = make_pipeline(
        tmp_path / "demo",
        {"tools/__init__.py": ""},
        settings='upload_modules = ["first", "second", "plain", "old", "tools"]',
    )
    pipeline.build()
    return pipeline


def document(pipeline: Pipeline) -> dict[str, Any]:
    """Return the bill of materials beside the archive."""
    found: dict[str, Any] = json.loads(pipeline.archive().with_name("sbom.cdx.json").read_bytes())
    return found


def components(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Return its components by name."""
    return {component["name"]: component for component in document(pipeline)["components"]}


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
def test_cyclonedx_takes_it(built: Pipeline) -> None:
    """The validator of its own library finds nothing, unknown keys included."""
    # Seconds, for the grammars of all kinds of strings that JSON Schema knows.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = built.archive().with_name("sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_every_distribution_is_a_component_once(built: Pipeline) -> None:
    """With its version and package URL; what is the pipeline's own is not a distribution."""
    found = components(built)
    assert {name: component["purl"] for name, component in found.items()} == {
        "Two_Modules": "pkg:pypi/two-modules@1.0%2Blocal",
        "plain-one": "pkg:pypi/plain-one@2",
        "old": "pkg:pypi/old@3",
    }
    # Nor is the pipeline itself: its name may be that of somebody else's.
    assert document(built)["metadata"]["component"]["purl"] == "pkg:generic/demo@1.0"


def test_the_framework_is_a_component(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ytjobs` is packed always, so where it comes from is told always."""
    site = tmp_path / "site-packages"
    install(site, "Name: yt-framework\nVersion: 1.4.4\nLicense-Expression: Apache-2.0\n", "ytjobs/__init__.py")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    pipeline = make_pipeline(tmp_path / "demo")
    pipeline.remove("ytjobs")
    pipeline.build()
    assert [component["purl"] for component in document(pipeline)["components"]] == ["pkg:pypi/yt-framework@1.4.4"]


def test_licences_are_told_as_the_metadata_tells_them(built: Pipeline) -> None:
    """An expression, else the name of a classifier, else the text of the old field."""
    found = {name: component["licenses"] for name, component in components(built).items()}
    assert found["Two_Modules"] == [{"expression": "MIT OR Apache-2.0"}]
    assert found["plain-one"] == [{"license": {"name": "BSD License"}}]
    text = {"content": "All rights\nreserved, for ever."}
    assert found["old"] == [{"license": {"name": "All rights", "text": text}}]


def test_the_supplier_is_who_maintains_it(built: Pipeline) -> None:
    """Or who wrote it; an address alone is no name."""
    found = components(built)
    assert (found["Two_Modules"]["supplier"], found["old"]["supplier"]) == ({"name": "Ann Author"}, {"name": "Old Ltd"})
    assert "supplier" not in found["plain-one"]


def test_the_digest_is_that_of_its_files_as_a_job_sees_them(built: Pipeline) -> None:
    """Computed as the identity of a release is, over both modules and the metadata."""
    files = contents(built.archive())
    mine = sorted(
        path for path in files if path.split("/")[0] in ("first", "second", "two_modules-1.0+local.dist-info")
    )
    lines = "".join(f"{hashlib.sha256(files[path]).hexdigest()} 644 {path}\0" for path in mine)
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert components(built)["Two_Modules"]["hashes"] == [{"alg": "SHA-256", "content": expected}]


def test_what_requires_what(built: Pipeline) -> None:
    """Of what is there, without what only an extra requires; the pipeline requires all."""
    found = {item["ref"]: item["dependsOn"] for item in document(built)["dependencies"]}
    assert found["pkg:pypi/two-modules@1.0%2Blocal"] == ["pkg:pypi/plain-one@2"]
    assert found["pkg:pypi/plain-one@2"] == []
    assert found["pipeline"] == sorted(found.keys() - {"pipeline"})


def test_the_pipeline_and_the_tool_are_told(built: Pipeline) -> None:
    """With the identity of the release and, where git knows it, the commit."""
    commit = built.commit()
    built.build()
    manifest = load_manifest(built.archive().with_name("manifest.json").read_bytes())
    found = document(built)["metadata"]
    assert found["component"]["hashes"] == [{"alg": "SHA-256", "content": manifest.content_sha256}]
    assert {"name": "git:commit", "value": commit} in found["component"]["properties"]
    assert found["tools"]["components"][0]["name"] == "hatch-ytupload"
    assert found["timestamp"] == "2020-02-02T00:00:00Z"


def test_the_same_build_is_the_same_document(built: Pipeline) -> None:
    """And the manifest knows it by its digest."""
    path = built.archive().with_name("sbom.cdx.json")
    first = path.read_bytes()
    built.remove("dist")
    built.build()
    assert path.read_bytes() == first
    manifest = load_manifest(path.with_name("manifest.json").read_bytes())
    assert manifest.sbom == (len(first), hashlib.sha256(first).hexdigest())


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\xff\xfe", b": \n : \n", b" continued\nName: x\n", b"Name: UNKNOWN\nRequires-Dist: ((\n"]
)
def test_damaged_metadata_counts_as_missing(data: bytes) -> None:
    """It describes what is packed, it does not decide it."""
    found = parse_core_metadata(data)
    assert found.name in ("", "x")
    assert not found.licence


def test_a_text_of_a_licence_is_named_by_its_first_words() -> None:
    found = parse_core_metadata(b"Name: x\nLicense: =====\n        |  My licence\n        =====\n")
    assert (found.licence, found.licence_text) == ("My licence", "=====\nMy licence\n=====")


def test_names_are_normalized_in_package_urls() -> None:
    """As the index does it."""
    assert package_url("A.b__C", "") == "pkg:pypi/a-b-c"


def artifact(pipeline: Pipeline) -> Artifact:
    """Return the bundle as the commands find it."""
    places = Whereabouts(lambda: "", lambda _path: pytest.fail("nobody needs a folder"))
    return find_artifact(str(pipeline.archive()), places)


def test_the_list_of_licences(built: Pipeline) -> None:
    """What `inspect --licences` prints, for people and for programs."""
    found = require_components(artifact(built))
    assert licences_text(found).splitlines() == [
        "COMPONENT    VERSION    LICENCE",
        "old          3          All rights",
        "plain-one    2          BSD License",
        "Two_Modules  1.0+local  MIT OR Apache-2.0",
    ]
    data = licences_data(artifact(built), found)
    assert data["components"][0] == {
        "name": "old",
        "version": "3",
        "licence": "All rights",
        "package_url": "pkg:pypi/old@3",
    }


def test_other_versions_of_components_are_a_difference(built: Pipeline) -> None:
    """Those that came and went as well; stages may have several versions of one."""
    before = require_components(artifact(built))
    old, plain, two = before
    after = (plain._replace(version="2.1"), plain, two, two._replace(name="new"))
    look = described(artifact(built))
    assert compare(look, look, components=(before, before)).facts == []
    assert compare(look, look, components=(before, after)).facts == [
        ("component new", "version", None, two.version),
        ("component plain-one", "version", "2", "2, 2.1"),
        ("component old", "version", old.version, None),
    ]
    assert compare(look, look, components=(before, None)).facts == []


def test_one_that_is_not_there_or_another_is_said(built: Pipeline) -> None:
    """In a line; `verify` says it, too. An archive that was copied away with its manifest alone is still compared."""
    place = built.archive().with_name("sbom.cdx.json")
    place.write_bytes(place.read_bytes().replace(b"BSD", b"MIT"))
    assert "is not what the manifest says" in refusal(lambda: require_components(artifact(built)))
    (problem,) = verify(artifact(built)).problems
    assert "is not what the manifest says" in problem
    place.unlink()
    assert "has no `sbom.cdx.json` beside it" in refusal(lambda: require_components(artifact(built)))
    assert verify(artifact(built)).problems == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"components": [1]}', '{"components": [{"name": 1}]}', "[" * 100_000, "\ud800"]
)
def test_one_that_another_tool_wrote_is_one_line(built: Pipeline, text: str) -> None:
    """Whatever it holds."""
    data = text.encode("utf-8", "surrogatepass")
    found = artifact(built)
    assert found.manifest is not None
    manifest = found.manifest._replace(sbom=SbomInfo(len(data), hashlib.sha256(data).hexdigest()))
    foreign = dataclasses.replace(found, manifest=manifest, beside=lambda _name: nullcontext(Bytes(data)))
    assert "is none of ours" in refusal(lambda: require_components(foreign))
