"""Bundles on their way out: whatever is wrong with one is found before anything is sent."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from archives import archive_of, member, tar_gz
from build_folders import Bundle, make_bundle, on_cluster, publish_to
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import make_pipeline, refusal

from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME, SBOM_NAME
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.releases.outgoing import open_outgoing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy import ProxyServer

SCRIPT = "operation_wrapper_first_map.sh"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a bundle that is good."""
    return make_bundle(make_pipeline(tmp_path_factory.mktemp("outgoing") / "demo"), "text", wrappers=True)


@pytest.fixture
def bundle(original: Bundle, tmp_path: Path) -> Path:
    """Return the directory of a copy of it."""
    return shutil.copytree(original.directory, tmp_path / "demo-1.0.ytarchive")


def opened(directory: Path, **options: Any) -> None:
    """Open a bundle for publishing, and do nothing with it."""
    with open_outgoing(str(directory), **options):
        pass


def edit(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a bundle."""
    path = directory / MANIFEST_NAME
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


def replace_archive(directory: Path, data: bytes, **content: object) -> None:
    """Put another archive into a bundle, whose manifest knows its size and digests."""
    (directory / ARCHIVE_NAME).write_bytes(data)
    archive = {
        "name": ARCHIVE_NAME,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }
    edit(directory, lambda manifest: manifest.update(archive=archive, **content))


def test_what_is_missing_in_a_bundle_is_named(bundle: Path) -> None:
    """With the way out."""
    (bundle / SBOM_NAME).unlink()
    assert refusal(lambda: opened(bundle)) == f"there is no `{bundle / SBOM_NAME}`; build again"


def test_a_good_bundle_is_taken_by_any_of_its_names(original: Bundle) -> None:
    """The directory, the archive or the manifest."""
    for path in (original.directory, original.archive, original.directory / MANIFEST_NAME):
        with open_outgoing(str(path), project="demo") as outgoing:
            assert outgoing.release == original.release
            assert b"".join(outgoing.archive.blocks(0)) == original.data
            # As often as asked for: a lost transaction is begun again.
            assert b"".join(outgoing.archive.blocks(0)) == original.data


def test_scripts_come_out_of_the_archive(bundle: Path, original: Bundle) -> None:
    """Not from the files beside it, which anybody may have changed."""
    (bundle / SCRIPT).write_text("#!/bin/bash\nrm -rf ~\n")
    with open_outgoing(str(bundle), standalone_wrappers=True) as outgoing:
        assert outgoing.scripts == {SCRIPT: (original.directory / SCRIPT).read_bytes()}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data[:-1], "bytes, and its manifest says"),
        (lambda data: data + b"\0", "bytes, and its manifest says"),
        (lambda data: b"", "bytes, and its manifest says"),
        (lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:], "damaged|is not what its manifest says"),
        (lambda data: bytes(len(data)), "is no gzip file"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "damaged"),
    ],
    ids=["shorter", "longer", "empty", "a bit", "zeros", "last byte"],
)
def test_an_archive_that_was_changed_is_refused(bundle: Path, change: Callable[[bytes], bytes], problem: str) -> None:
    """With a line that says how it differs."""
    path = bundle / ARCHIVE_NAME
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ArtifactError, match=problem):
        opened(bundle)


@pytest.mark.parametrize(
    "data",
    [
        archive_of({"stages/first/src/mapper.py": b"evil"}),
        archive_of({"a": b"", "b": b""}),
        tar_gz(member("../escape", b"x")),
        gzip.compress(b"no tar at all"),
        gzip.compress(bytes(50_000_000)),
    ],
    ids=["other files", "more files", "a path that leads out", "no tar", "much more than announced"],
)
def test_an_archive_with_matching_digests_is_still_compared_file_by_file(bundle: Path, data: bytes) -> None:
    """Whoever writes an archive can write its digests, too."""
    replace_archive(bundle, data)
    refusal(lambda: opened(bundle))


def test_the_identity_of_the_content_is_computed(bundle: Path) -> None:
    """It decides what is published, and is not taken on trust."""
    edit(bundle, lambda manifest: manifest.update(content_sha256="0" * 64))
    assert "the SHA-256 of the content is" in refusal(lambda: opened(bundle))


@pytest.mark.parametrize(
    "version",
    [
        "../../x",
        "1.0/../../x",
        "",
        ".",
        "..",
        "1 0",
        "1\n0",
        "-1",
        "@x",
        "1*",
        "1&",
        "1[0]",
        "1\\0",
        "é",
        "1" * 200,
        "1/",
    ],
)
def test_a_version_that_is_no_plain_name_is_refused(bundle: Path, version: str) -> None:
    """It becomes a directory in the build folder."""
    edit(bundle, lambda manifest: manifest["project"].update(version=version))
    assert "`project.version` in `" in refusal(lambda: opened(bundle))


@pytest.mark.parametrize("version", ["1", "1.0.post1", "1!2.0", "1.0+local.7", "1.0a1.dev0", "2026.11.22"])
def test_any_version_of_a_python_project_will_do(bundle: Path, version: str) -> None:
    """As PEP 440 has them."""
    edit(bundle, lambda manifest: manifest["project"].update(version=version))
    opened(bundle)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("project", {"name": "a b"}),
        ("project", {"name": "x" * 200}),
        ("archive", {"name": "../source.tar.gz"}),
        ("archive", {"sha256": "0" * 63}),
        ("archive", {"md5": "G" * 32}),
        ("git", {"commit": "rm -rf", "dirty": False}),
        ("git", {"commit": "f" * 10_000, "dirty": False}),
    ],
)
def test_a_field_that_cannot_be_is_refused(bundle: Path, section: str, values: dict[str, object]) -> None:
    """With its name, and never at more length than a line."""
    edit(bundle, lambda manifest: manifest.update({section: {**(manifest[section] or {}), **values}}))
    line = refusal(lambda: opened(bundle))
    assert f"`{section}.{next(iter(values))}` in" in line
    assert len(line) < 500


def test_a_bundle_of_another_project_is_refused(bundle: Path) -> None:
    """Unless it was named."""
    line = refusal(lambda: opened(bundle, project="other"))
    assert line.endswith("is of the project `demo`, and this is `other`; build again, or name the artifact to publish")
    opened(bundle)


def test_what_is_missing_is_told(bundle: Path, tmp_path: Path) -> None:
    """The bundle, its archive, or its manifest."""
    assert "there is no bundle at" in refusal(lambda: opened(tmp_path / "nowhere"))
    (bundle / ARCHIVE_NAME).unlink()
    assert f"has no `{ARCHIVE_NAME}`" in refusal(lambda: opened(bundle))
    (bundle / MANIFEST_NAME).unlink()
    assert "there is no bundle at" in refusal(lambda: opened(bundle))


def test_an_archive_that_changes_after_the_check_is_not_published(bundle: Path, proxy: ProxyServer) -> None:
    """The bytes that are sent are hashed on their way."""
    with open_outgoing(str(bundle)) as outgoing:
        with (bundle / ARCHIVE_NAME).open("r+b") as file:
            file.write(b"overwritten in place")
        line = refusal(lambda: b"".join(outgoing.archive.blocks(0)))
    assert line.endswith("changed while it was being sent; nothing was published, try again")


def test_an_archive_that_is_replaced_after_the_check_does_not_matter(bundle: Path, original: Bundle) -> None:
    """What was checked is open, and is what is sent."""
    with open_outgoing(str(bundle)) as outgoing:
        (bundle / ARCHIVE_NAME).unlink()
        (bundle / ARCHIVE_NAME).write_bytes(b"another build")
        assert b"".join(outgoing.archive.blocks(0)) == original.data


def test_an_archive_that_cannot_be_read_on_the_way_is_told(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a line, as what it is."""
    with open_outgoing(str(bundle)) as outgoing:

        def fail(descriptor: int, length: int, offset: int) -> bytes:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "pread", fail)
        line = refusal(lambda: b"".join(outgoing.archive.blocks(0)))
    assert line == f"cannot read `{bundle / ARCHIVE_NAME}`: Input/output error"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(150))
@given(data=st.data())
def test_a_manifest_with_anything_changed_is_refused_or_means_the_same(
    original: Bundle, bundle: Path, proxy: ProxyServer, data: st.DataObject
) -> None:
    """One value of it, at any depth, becomes anything; the cluster hears nothing of what is refused."""
    manifest = json.loads((original.directory / MANIFEST_NAME).read_bytes())
    node: Any = manifest
    path: list[str | int] = []
    while isinstance(node, (dict, list)) and node and (not path or data.draw(st.booleans())):
        key = data.draw(st.sampled_from(sorted(node)) if isinstance(node, dict) else st.integers(0, len(node) - 1))
        path.append(key)
        node = node[key]
    holder = manifest
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = data.draw(JSON)
    (bundle / MANIFEST_NAME).write_text(json.dumps(manifest))
    requests = len(proxy.log.requests())
    line = None
    try:
        publish_to(on_cluster(proxy), Bundle(bundle / ARCHIVE_NAME, ""), dry_run=True)
    except ArtifactError as error:
        line = str(error)
    if line is not None:
        assert line.isprintable()
        assert len(proxy.log.requests()) == requests
    else:
        # What says nothing about the archive may say anything of the right type.
        free = {"stages", "modules", "wheels", "target", "parts", "git", "source_date_epoch", "tool", "schema"}
        free |= {"selection"}
        same = json.loads((original.directory / MANIFEST_NAME).read_bytes()) == manifest
        assert same or path[0] in free or path[:2] in (["project", "name"], ["project", "version"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1), junk=st.binary(max_size=20), cut=st.integers(0, 30))
def test_a_file_of_a_bundle_with_junk_in_it_is_refused(
    original: Bundle, bundle: Path, position: float, junk: bytes, cut: int
) -> None:
    """Wherever in the archive it is."""
    start = int(position * len(original.data))
    changed = original.data[:start] + junk + original.data[start + cut :]
    (bundle / ARCHIVE_NAME).write_bytes(changed)
    if changed == original.data:
        opened(bundle)
    else:
        assert refusal(lambda: opened(bundle))
