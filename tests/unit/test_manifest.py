"""`manifest.json`: every field, there and back, and what is said of a damaged one."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipelines import Pipeline, contents, refusal

from hatch_ytupload.__about__ import __version__
from hatch_ytupload.configuration.values import UploadPath
from hatch_ytupload.errors import ArtifactError
from hatch_ytupload.packing.bundle import read_bundle
from hatch_ytupload.packing.manifest import (
    ArchiveInfo,
    FileInfo,
    GitInfo,
    Manifest,
    ModuleInfo,
    PartInfo,
    ProjectInfo,
    Selection,
    StageInfo,
    TargetInfo,
    ToolInfo,
    WheelInfo,
    load_manifest,
    manifest_bytes,
    selection_at,
)
from hatch_ytupload.releases.conditions import find_other_selection

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = Manifest(
    schema=2,
    project=ProjectInfo("demo", "1.0"),
    archive=ArchiveInfo("source.tar.gz", 5, "a" * 64, "b" * 32),
    content_sha256="c" * 64,
    files=(FileInfo("a/日.py", 1, "644", "d" * 64), FileInfo('quote"},{"path', 2, "755", "e" * 64)),
    stages=(StageInfo("first", ("map", "reduce"), ("numpy>=1",)), StageInfo("second", (), None)),
    modules=(ModuleInfo("ytjobs", "yt-framework", "1.4.4"), ModuleInfo("geo", None, None)),
    parts=(PartInfo("stages/first", 3, 4, "f" * 64),),
    selection=Selection("dev", "configs/dev.yaml", ("geo", "numpy"), (UploadPath("lib/x", None),), ("first",)),
    git=GitInfo("0" * 40, dirty=True),
    source_date_epoch=1580601600,
    tool=ToolInfo("hatch-ytupload", "0.1.0"),
    wheels=(WheelInfo("six-1.17-py3-none-any.whl", "six", "1.17", "1" * 64, 9, "MIT", ("first",)),),
    target=TargetInfo("3.11", "x86_64-manylinux_2_28"),
)
CONTENT: dict[str, Any] = json.loads(MANIFEST.dump())


class TestOfABuild:
    """What a real build writes."""

    def test_every_field_is_there(self, pipeline: Pipeline) -> None:
        """With the values of the archive beside it."""
        pipeline.write(
            {"stages/first/requirements.txt": "numpy\n", "geo/__init__.py": "", "stages/first/src/reducer.py": ""}
        )
        # An absolute path would tell where the pipeline lies.
        paths = [{"source": str(pipeline.root / "lib"), "target": "data/lib"}, {"source": "./lib"}]
        pipeline.write({"lib/a": "a"})
        commit = pipeline.commit()
        built = pipeline.build(
            table={"upload_modules": "geo", "upload_paths": paths}, environ={"SOURCE_DATE_EPOCH": "1700000000"}
        )
        data = (pipeline.archive().parent / "manifest.json").read_bytes()
        content = json.loads(data)
        archive = pipeline.archive().read_bytes()
        assert list(content) == [
            "schema", "project", "archive", "git", "tool", "content_sha256", "source_date_epoch", "sbom", "target",
            "selection", "stages", "modules", "wheels", "parts", "files",
        ]  # fmt: skip
        assert content["schema"] == 2
        assert content["project"] == {"name": "demo", "version": "1.0"}
        assert content["archive"] == {
            "name": "source.tar.gz",
            "size": len(archive),
            "sha256": hashlib.sha256(archive).hexdigest(),
            "md5": hashlib.md5(archive).hexdigest(),
        }
        assert content["content_sha256"] == built.content_sha256
        assert content["git"] == {"commit": commit, "dirty": False}
        assert content["tool"] == {"name": "hatch-ytupload", "version": __version__}
        assert content["source_date_epoch"] == 1700000000
        operations = ["map", "map_reduce_mapper", "map_reduce_reducer", "reduce"]
        assert content["stages"] == [{"name": "first", "operations": operations, "requirements": ["numpy"]}]
        assert content["modules"] == [
            {"name": "ytjobs", "distribution": None, "version": None},
            {"name": "geo", "distribution": None, "version": None},
        ]
        assert {file["path"]: file["sha256"] for file in content["files"]} == {
            name: hashlib.sha256(text).hexdigest() for name, text in contents(built.archive).items()
        }
        assert (content["wheels"], content["target"]) == ([], None)
        assert content["selection"] == {
            "environment": None,
            "config": None,
            "upload_modules": ["geo"],
            "upload_paths": [{"source": "lib", "target": "data/lib"}, {"source": "lib", "target": None}],
            "stages": "all",
        }
        assert {file["mode"] for file in content["files"]} == {"644", "755"}
        assert sum(part["size"] for part in content["parts"]) < content["archive"]["size"]
        assert load_manifest(data).dump() == data

    def test_it_tells_nothing_of_the_machine(self, pipeline: Pipeline) -> None:
        """No path, no name of a user or a host, no time of the build."""
        pipeline.build(environ={"USER": "somebody"})
        text = (pipeline.archive().parent / "manifest.json").read_text()
        assert str(pipeline.root) not in text
        assert os.path.realpath(pipeline.root) not in text
        assert os.uname().nodename not in text
        assert not re.search(r'"/', text)
        assert json.loads(text)["git"] is None

    def test_the_same_build_writes_the_same_bytes(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """The manifest is reproducible too."""
        pipeline.build(tmp_path / "one")
        pipeline.build(tmp_path / "two")
        one, two = ((tmp_path / name / "demo-1.0.ytarchive/manifest.json").read_bytes() for name in ("one", "two"))
        assert one == two


class TestThereAndBack:
    """Writing and reading."""

    def test_a_manifest_survives(self) -> None:
        """All of it; names hold whatever names hold."""
        assert load_manifest(MANIFEST.dump()) == MANIFEST

    def test_each_file_has_a_line(self) -> None:
        """So that people can read and compare manifests."""
        text = MANIFEST.dump().decode()
        assert text.endswith("}\n")
        assert [line for line in text.splitlines() if line.startswith('{"path":"a/日.py"')]
        assert json.loads(text)["files"][1]["path"] == 'quote"},{"path'

    def test_it_comes_in_pieces_of_bounded_size(self) -> None:
        """A manifest of many files need not be in memory as a whole."""
        files = tuple(FileInfo(f"{number}.py", 1, "644", "d" * 64) for number in range(5000))
        manifest = MANIFEST._replace(files=files)
        pieces = [*manifest.pieces()]
        assert b"".join(pieces) == manifest.dump()
        assert max(map(len, pieces)) < len(manifest.dump()) / 4

    def test_empty_lists_survive(self) -> None:
        """Nothing is as good as something."""
        empty = Manifest(
            **{**MANIFEST._asdict(), "files": (), "stages": (), "modules": (), "parts": (), "wheels": (), "git": None}
        )
        assert load_manifest(empty.dump()) == empty

    def test_keys_of_later_versions_are_passed_over(self) -> None:
        """A newer version of the tool may add some without a new schema."""
        later = {**CONTENT, "new": 1, "project": {**CONTENT["project"], "new": 2}}
        assert load_manifest(json.dumps(later).encode()) == MANIFEST

    @given(
        st.lists(
            st.builds(
                FileInfo,
                st.text(st.characters(codec="utf-8")),
                st.integers(0, 2**63),
                st.sampled_from(["644", "755"]),
                st.text("0123456789abcdef", max_size=64),
            ),
            max_size=4,
        ),
        st.lists(
            st.builds(
                StageInfo,
                st.text(max_size=5),
                st.lists(st.text(max_size=5), max_size=2).map(tuple),
                st.none() | st.lists(st.text(), max_size=2).map(tuple),
            ),
            max_size=3,
        ),
    )
    def test_any_manifest_survives(self, files: list[FileInfo], stages: list[StageInfo]) -> None:
        """Whatever names and requirements hold."""
        manifest = Manifest(**{**MANIFEST._asdict(), "files": tuple(files), "stages": tuple(stages)})
        assert load_manifest(manifest.dump()) == manifest


class TestDamage:
    """What is no manifest."""

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"", "is not valid JSON: Expecting value: line 1 column 1 (char 0); build again"),
            (b"\xff\xfe\xfa", "is not valid JSON: "),
            (b"[" * 100_000, "is not valid JSON: "),
            (b"[]", "is no manifest of schema 2 (found null); build again"),
            (b"{}", "is no manifest of schema 2 (found null); build again"),
            (b'{"schema": 1}', "is no manifest of schema 2 (found the integer 1); build again"),
            (b'{"schema": true}', "is no manifest of schema 2 (found the boolean True); build again"),
            (b'{"schema": "' + b"x" * 1000 + b'"}', 'is no manifest of schema 2 (found the string "xxx'),
            (b'{"schema": 2}', "is damaged: "),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_it_is_named(self, data: bytes, problem: str) -> None:
        """With the name that the caller gives it."""
        line = refusal(lambda: load_manifest(data, "x/manifest.json"))
        assert line.startswith(f"`x/manifest.json` {problem}")
        assert len(line) < 200

    @pytest.mark.parametrize("key", list(CONTENT))
    def test_a_missing_key_is_named(self, key: str) -> None:
        """Every field of the contract is needed."""
        content = {name: value for name, value in CONTENT.items() if name != key}
        line = refusal(lambda: load_manifest(json.dumps(content).encode()))
        if key == "schema":
            assert "is no manifest of schema 2" in line
        else:
            assert line == f"`manifest.json` is damaged: `{key}` is missing; build again"

    @pytest.mark.parametrize("key", CONTENT)
    @pytest.mark.parametrize("value", [None, True, 5, "x", [1], {"a": 1}, [{"path": 1}], [None]], ids=repr)
    def test_a_wrong_type_is_an_error(self, key: str, value: object) -> None:
        """Except where it happens to be right."""
        data = json.dumps({**CONTENT, key: value}).encode()
        right = {"git": None, "target": None, "content_sha256": "x", "source_date_epoch": 5}
        if key in right and value == right[key] and type(value) is type(right[key]):
            load_manifest(data)
        else:
            line = refusal(lambda: load_manifest(data))
            assert line.startswith(("`manifest.json` is damaged: ", "`manifest.json` is no manifest of schema 2"))
            assert line.endswith("; build again")

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("archive", "size"), -1),
            (("archive", "size"), 1.5),
            (("archive", "size"), True),
            (("files", 0, "size"), "1"),
            (("files", 0, "size"), -1),
            (("files", 0, "path"), None),
            (("parts", 0, "content_size"), -5),
            (("git", "dirty"), 1),
            (("stages", 0, "operations"), "map"),
            (("stages", 0, "operations", 0), 5),
            (("stages", 0, "requirements"), "numpy"),
            (("modules", 0, "version"), 1.4),
            (("source_date_epoch",), -1),
            (("target", "python"), None),
            (("selection", "environment"), 1),
            (("selection", "upload_modules"), "geo"),
            (("selection", "upload_paths", 0), "lib"),
            (("selection", "stages"), None),
            (("selection", "stages"), [1]),
            (("wheels", 0, "stages"), "first"),
            (("project", "name"), "\ud800"),
            (("files", 0, "path"), "a\ud800"),
        ],
    )
    def test_a_wrong_value_deep_inside_is_an_error(self, path: tuple[Any, ...], value: object) -> None:
        """Sizes are whole numbers, 0 or more; names are text that can be written."""
        content = copy.deepcopy(CONTENT)
        place: Any = content
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        line = refusal(lambda: load_manifest(json.dumps(content).encode()))
        assert line.startswith(
            ("`manifest.json` is damaged: ", "`manifest.json` is not valid JSON: 'utf-8' codec can't")
        )

    def test_what_is_too_large_is_not_read(self) -> None:
        """No manifest has so much."""
        line = refusal(lambda: manifest_bytes(Announced((32 << 20) + 1), "m.json"))
        assert line == "`m.json` is too large for a manifest (more than 33554432 bytes)"

    def test_what_ends_early_is_no_manifest(self) -> None:
        """However much was announced."""
        assert refusal(lambda: manifest_bytes(Announced(32 << 20), "m.json")) == (
            "`m.json` cannot be read to its end; try again"
        )


class Announced:
    """A file that says that it is large, and holds a byte."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Return what is there."""
        return b"{"[offset : offset + length]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_a_changed_manifest_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever is changed in its JSON, reading ends in a manifest or in an `ArtifactError` of one line."""
    content = copy.deepcopy(CONTENT)
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = content
        for _ in range(data.draw(st.integers(0, 3))):
            inside = [
                value
                for value in (place.values() if isinstance(place, dict) else place)
                if isinstance(value, (dict, list)) and value
            ]
            if not inside:
                break
            place = data.draw(st.sampled_from(inside))
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()):
            place[key] = data.draw(JSON)
        else:
            del place[key]
        if not content:
            break
    check(json.dumps(content).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=30), st.integers(0, len(MANIFEST.dump())), st.integers(0, 30))
def test_damaged_bytes_are_read_or_refused(noise: bytes, at: int, length: int) -> None:
    """So it is with bytes that are overwritten."""
    good = MANIFEST.dump()
    check(good[:at] + noise + good[at + length :])


def check(data: bytes) -> None:
    """Check that a text is a manifest that can be written again, or is refused in one line."""
    try:
        manifest = load_manifest(data)
    except ArtifactError as error:
        line = str(error)
    else:
        assert load_manifest(manifest.dump()) == manifest
        return
    assert line.isprintable()
    assert len(line) < 250


def test_a_bundle_is_read_with_its_manifest(pipeline: Pipeline) -> None:
    """By its directory, its archive or its manifest."""
    built = pipeline.build()
    directory = pipeline.archive().parent
    for path in (directory, directory / "manifest.json", built.archive):
        bundle = read_bundle(str(path))
        assert bundle.manifest.archive.sha256 == built.sha256
        assert bundle.archive == built.archive


@pytest.mark.parametrize("data", [b"[" + b"[]," * 1_600_000 + b"[]]", b'{"files": [' + b"{}," * 800_000 + b"{}]}"])
def test_what_would_fill_memory_is_not_parsed(data: bytes) -> None:
    """A few megabytes of text can be hundreds in memory."""
    assert "is too large for a manifest" in refusal(lambda: load_manifest(data))


@pytest.mark.parametrize(
    ("one", "other", "is_the_same"),
    [
        (UploadPath("lib", None), UploadPath("lib", "lib"), True),
        (UploadPath("./a/lib", None), UploadPath("a/lib", "lib/"), True),
        (UploadPath("lib", None), UploadPath("lib", "other"), False),
        (UploadPath("lib", "other"), UploadPath("src", "other"), False),
    ],
)
def test_a_place_that_goes_without_saying_may_be_said(one: UploadPath, other: UploadPath, *, is_the_same: bool) -> None:
    """Two ways to ask for the same archive are no other selection."""
    first, second = (Selection(None, None, (), (path,), "all") for path in (one, other))
    assert (first.differing(second) == []) is is_the_same


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ((None, None), "the bundle was built with `stages` all, and the settings have `stages` one; "),
        (
            ("a", None),
            "the bundle was built for the environment `a` with `stages` all, and the settings have `stages` one; ",
        ),
        ((None, "b"), "the bundle was built with `stages` all, and the environment `b` has `stages` one; "),
    ],
)
def test_another_selection_is_a_sentence(places: tuple[str | None, str | None], sentence: str) -> None:
    """With and without environments."""
    made, asked = Selection(places[0], None, (), (), "all"), Selection(places[1], None, (), (), ("one",))
    (line,) = find_other_selection(made, asked)
    assert line.startswith(sentence)


@pytest.mark.parametrize("selection", [b"5", b"{}", b'{"upload_paths": [1]}', b"\xff", b"[" * 60_000])
def test_a_damaged_selection_says_nothing(tmp_path: Path, selection: bytes) -> None:
    """What a bundle was made for only decides about a warning."""
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(b'{\n"selection": ' + selection + b",\n")
    assert selection_at(str(manifest)) is None
