"""Whatever a pipeline directory holds: a build is refused in one line, or its archive is what the files are."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path
from posixpath import basename, normpath
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import Pipeline, contents, make_pipeline

from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.packing.bundle import read_bundle

if TYPE_CHECKING:
    import pytest

NAMES = st.sampled_from(
    ["a", "b", "src", "mapper.py", "reducer.py", "config.yaml", "requirements.txt", ".ytignore", "stages", "ytjobs",
     "x y", "é", "-x", ".env", "id_rsa", "a.pyc", "__pycache__", "new\nline", "long" * 30]
)  # fmt: skip
PLACES = st.builds(
    lambda top, names: "/".join([top, *names]),
    st.sampled_from(["stages/first", "stages/second", "stages", "lib", "geo", "ytjobs", "."]),
    st.lists(NAMES, min_size=1, max_size=3),
)
TEXTS = st.sampled_from(
    ["", "x", "*.py\n", "*\n!mapper.py\n", "a\n/b/\n", "job: {reduce_command: {reducer_script: a}}\n", "[", "numpy\n",
     "\0\xff", "-----BEGIN PRIVATE KEY-----\n"]
)  # fmt: skip
LINKS = st.sampled_from(
    ["..", ".", "a", "../a", "../../lib", "/etc/hostname", "nowhere", "../b", "src", "../../../outside"]
)
STEPS = st.lists(
    st.tuples(st.just("file"), PLACES, TEXTS)
    | st.tuples(st.just("link"), PLACES, LINKS)
    | st.tuples(st.just("fifo"), PLACES, st.just(""))
    | st.tuples(st.just("mode"), PLACES, st.just("")),
    max_size=8,
)
PATHS = st.lists(
    st.fixed_dictionaries(
        {"source": st.sampled_from(["lib", "lib/a", "geo", "stages/first", "../outside", "a"])},
        optional={"target": st.sampled_from(["lib", "lib/sub", "x y", "stages", "..", "é"])},
    ),
    max_size=2,
)


def changed(pipeline: Pipeline, steps: list[tuple[str, str, str]]) -> None:
    """Change the files as told, as far as that can be done."""
    for kind, place, what in steps:
        path = pipeline.root / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "mode":
                path.chmod(0o755)
            elif kind == "link":
                path.symlink_to(what)
            elif kind == "fifo":
                os.mkfifo(path)
            # Writing into a FIFO would wait for a reader, and a link may lead out of the project.
            elif not path.is_fifo() and not path.is_symlink():
                path.write_bytes(what.encode("latin-1"))
        except OSError:
            continue


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, PATHS, st.lists(st.sampled_from(["geo", "lib", "a", "ytjobs"]), max_size=2))
def test_any_pipeline_is_packed_as_it_is_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, str, str]],
    upload_paths: list[dict[str, str]],
    upload_modules: list[str],
) -> None:
    """Files, links, FIFOs and ignore files of all kinds, in all places."""
    root = tmp_path_factory.getbasetemp() / "any pipeline"
    shutil.rmtree(root, ignore_errors=True)
    pipeline = make_pipeline(root, {"lib/a/x": "1", "geo/__init__.py": "2"})
    changed(pipeline, steps)
    table: dict[str, object] = {"upload_paths": upload_paths, "upload_modules": upload_modules}
    dist = root.parent / "any dist"
    shutil.rmtree(dist, ignore_errors=True)
    try:
        built = pipeline.build(dist, table)
    except YtUploadError as error:
        line = str(error)
    else:
        check_archive(pipeline, Path(built.archive), table)
        assert pipeline.build(dist, table).sha256 == built.sha256
        return
    assert all(part.isprintable() for part in line.split("\n"))
    assert not dist.exists() or os.listdir(dist) == []


def place_in_archive(path: str, table: dict[str, Any]) -> tuple[int, bytes, bytes]:
    """Return kind, name of the part and path: what an archive is sorted by."""
    top, _, below = path.partition("/")
    module = top.partition(".")[0]
    targets = [normpath(entry.get("target") or basename(entry["source"])) for entry in table["upload_paths"]]
    if top == "ytjobs":
        kind, part = 1, ""
    elif top == "stages":
        kind, part = 3, below.partition("/")[0]
    elif not below and top.startswith("operation_wrapper_"):
        kind, part = 4, ""
    elif module in table["upload_modules"]:
        kind, part = 0, module
    else:
        kind, part = 2, max((target for target in targets if path.startswith(f"{target}/")), key=len)
    return kind, part.encode(), path.encode()


def check_archive(pipeline: Pipeline, archive: Path, table: dict[str, object]) -> None:
    """Check an archive against the files that it was made of, and against its manifest."""
    packed = contents(archive)
    assert list(packed) == sorted(packed, key=lambda path: place_in_archive(path, table))
    manifest = read_bundle(str(archive)).manifest
    assert [file.path for file in manifest.files] == list(packed)
    for entry in pipeline.plan(table).entries():
        source = getattr(entry, "source", None)
        expected = entry.data if source is None else Path(source).read_bytes()  # type: ignore[union-attr] # one or the other
        assert packed[entry.path] == expected
        if source is not None and entry.path.startswith("stages/"):
            real = os.path.realpath(pipeline.root / entry.path)
            assert real == source
            assert real.startswith(f"{pipeline.root}/")
    for name in packed:
        parts = name.split("/")
        assert not {"", ".", "..", ".ytignore", "__pycache__"} & set(parts)
        assert not name.endswith((".pyc", "id_rsa", "/.env"))
    with tarfile.open(archive) as tar:
        assert all(member.isreg() and member.mode in (0o644, 0o755) for member in tar)
