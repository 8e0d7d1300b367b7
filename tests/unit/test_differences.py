"""What differs between two archives."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from archives import Bytes, archive_of, member, tar_gz
from pipelines import make_pipeline

from hatch_ytupload.answers.artifacts import Artifact, described
from hatch_ytupload.answers.differences import Differences, compare, text_diffs
from hatch_ytupload.command_line.commands.diff import differences_data, differences_text
from hatch_ytupload.packing.manifest import load_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipelines import Pipeline

    from hatch_ytupload.byte_reader import Reader


class Memory:
    """An archive in memory, as an artifact; remembers what was read of it."""

    def __init__(self, data: bytes, manifest: bytes | None = None) -> None:
        self.reader = Bytes(data)
        self.artifact = Artifact("x.tar.gz", None if manifest is None else load_manifest(manifest), self._open)

    @contextmanager
    def _open(self) -> Iterator[Reader]:
        yield self.reader


def bundle(pipeline: Pipeline) -> Memory:
    """Build a pipeline and take the bundle into memory."""
    archive = pipeline.archive()
    pipeline.build()
    return Memory(archive.read_bytes(), archive.with_name("manifest.json").read_bytes())


def diff(old: Memory, new: Memory) -> Differences:
    """Compare."""
    return compare(described(old.artifact), described(new.artifact))


def texts(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> dict[str, str]:
    """Return the unified diffs between two sets of files."""
    one, other = Memory(archive_of(old)), Memory(archive_of(new))
    return dict(text_diffs(one.artifact, other.artifact, diff(one, other).files))


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a pipeline with requirements and a module."""
    return make_pipeline(
        tmp_path / "demo",
        {"stages/first/requirements.txt": "six==1.0\nrequests\n", "tools/__init__.py": "", "tools/a.py": "A = 1\n"},
        settings='upload_modules = ["tools"]',
    )


class TestFiles:
    def test_the_same_build_has_no_differences(self, pipeline: Pipeline) -> None:
        """Silence."""
        found = diff(bundle(pipeline), bundle(pipeline))
        assert (found.files, found.facts, found.same_content, found.any) == ([], [], True, False)
        assert "the same content" in differences_text(found)

    def test_added_removed_and_changed_files_are_found(self, pipeline: Pipeline) -> None:
        """With their sizes, before and after."""
        old = bundle(pipeline)
        pipeline.write({"tools/b.py": "B = 22\n", "tools/a.py": "A = 100\n"}).remove("stages/first/requirements.txt")
        found = diff(old, bundle(pipeline))
        assert [(change.kind, change.path) for change in found.files] == [
            ("changed", "operation_wrapper_first_map.sh"),
            ("removed", "stages/first/requirements.txt"),
            ("changed", "tools/a.py"),
            ("added", "tools/b.py"),
        ]
        text = differences_text(found)
        assert re.search("~  tools/a.py +6 B -> 8 B", text)
        assert "1 added, 1 removed, 2 changed" in text

    def test_a_change_of_the_same_size_is_found(self, pipeline: Pipeline) -> None:
        """The digest decides, not the size."""
        old = bundle(pipeline)
        pipeline.write({"tools/a.py": "A = 2\n"})
        (change,) = diff(old, bundle(pipeline)).files
        assert change.content_changed

    def test_a_change_of_the_mode_alone_is_found(self, pipeline: Pipeline) -> None:
        """A script that may not be started any more is a difference."""
        old = bundle(pipeline)
        (pipeline.root / "tools/a.py").chmod(0o755)
        found = diff(old, bundle(pipeline))
        (change,) = found.files
        assert not change.content_changed
        assert "mode 644 -> 755" in differences_text(found)

    def test_other_times_are_no_difference_of_files(self) -> None:
        """Nor do they make another release."""
        info, content = member("a", b"1")
        info.mtime = 5
        found = diff(Memory(archive_of({"a": b"1"})), Memory(tar_gz((info, content))))
        assert (found.files, found.same_content) == ([], True)
        assert "the same content: 1 files" in differences_text(found)


class TestFacts:
    def test_credentials_are_not_shown(self, pipeline: Pipeline) -> None:
        """Neither among what the manifests say, nor in the text of a file; that they changed is seen."""
        path = "stages/first/requirements.txt"
        pipeline.write({path: "-i https://me:old@example.com\nx @ https://me:old@example.com/x-1.zip\n"})
        old = bundle(pipeline)
        pipeline.write({path: "-i https://me:new@example.com\nx @ https://me:new@example.com/x-1.zip\n"})
        new = bundle(pipeline)
        found = diff(old, new)
        assert found.facts == []
        text = dict(text_diffs(old.artifact, new.artifact, found.files))[path]
        assert "+-i https://****@example.com" in text
        assert "me:" not in text + differences_text(found)

    def test_requirements_are_compared_by_what_they_require(self, pipeline: Pipeline) -> None:
        """Another version is a change; another order is none."""
        old = bundle(pipeline)
        pipeline.write({"stages/first/requirements.txt": "requests\nSix==2.0\nnew>1 # why\n--pre\n./libs/own\n"})
        found = diff(old, bundle(pipeline))
        assert [(fact.name, fact.old, fact.new) for fact in found.facts] == [
            ("requirement six", "six==1.0", "Six==2.0"),
            ("requirement new", None, "new>1"),
            ("requirement ./libs/own", None, "./libs/own"),
        ]
        assert "~ stage first, requirement six: six==1.0 -> Six==2.0" in differences_text(found)

    def test_operations_that_come_and_go_are_told(self, pipeline: Pipeline) -> None:
        """A reducer makes three more operations."""
        old = bundle(pipeline)
        pipeline.write({"stages/first/src/reducer.py": ""})
        found = diff(old, bundle(pipeline))
        assert [fact.name for fact in found.facts] == [
            "operation map_reduce_mapper",
            "operation map_reduce_reducer",
            "operation reduce",
        ]
        assert "+ stage first, operation reduce\n" in differences_text(found)

    def test_versions_and_modules_are_told(self, pipeline: Pipeline) -> None:
        """Of the project, and of the modules that are packed."""
        old = bundle(pipeline)
        manifest = pipeline.archive().with_name("manifest.json").read_bytes()
        newer = manifest.replace(b'"version":"1.0"', b'"version":"1.1"', 1).replace(
            b'{"name":"tools","distribution":null,"version":null}',
            b'{"name":"tools","distribution":"tools-dist","version":"3"}',
        )
        found = compare(described(old.artifact), described(Memory(old.reader.data, newer).artifact))
        assert [(fact.subject, fact.name, fact.old, fact.new) for fact in found.facts] == [
            ("project", "version", "1.0", "1.1"),
            ("module tools", "from", "own", "tools-dist 3"),
        ]

    def test_archives_without_manifests_are_compared_by_files_alone(self) -> None:
        """Nothing is known about stages and modules."""
        found = diff(Memory(archive_of({"a": b"1"})), Memory(archive_of({"b": b"1"})))
        assert found.facts == []
        assert len(found.files) == 2


class TestTexts:
    def test_changed_lines_are_shown(self) -> None:
        """As `diff -u` shows them."""
        assert texts({"a": b"1\n2\n"}, {"a": b"1\n3\n"})["a"].splitlines() == [
            "--- a/a",
            "+++ b/a",
            "@@ -1,2 +1,2 @@",
            " 1",
            "-2",
            "+3",
        ]

    def test_new_and_lost_files_are_shown_whole(self) -> None:
        """The other side is /dev/null."""
        found = texts({"a": b"1\n"}, {"b": b"2\n"})
        assert found["a"].splitlines()[:2] == ["--- a/a", "+++ /dev/null"]
        assert found["b"].splitlines()[:2] == ["--- /dev/null", "+++ b/b"]

    def test_a_lost_last_line_feed_is_a_difference(self) -> None:
        """The text is the same line by line, the file is not."""
        assert "no line feed at the end of the file" in texts({"a": b"1\n"}, {"a": b"1"})["a"]

    @pytest.mark.parametrize("data", [b"\0\1\2", b"\xff\xfe", b"x" * (2 << 20)])
    def test_what_is_no_text_is_not_shown(self, data: bytes) -> None:
        """Nor what is too large to compare."""
        assert texts({"a": b"1"}, {"a": data})["a"] == "a: no text, or too large to compare"

    def test_escape_sequences_do_not_reach_the_terminal(self) -> None:
        """Tabs are kept; all other control characters are shown as what they are."""
        text = texts({"a": b""}, {"a": b"\t\x1b[2J\r\n"})["a"]
        assert "\x1b" not in text
        assert "+\t\\x1b[2J\\r" in text

    def test_only_the_parts_that_differ_are_read(self, pipeline: Pipeline) -> None:
        """Of a remote archive nothing else is fetched."""
        old = bundle(pipeline)
        pipeline.write({"tools/a.py": "A = 2\n"})
        new = bundle(pipeline)
        changes = diff(old, new).files
        assert old.reader.asked == []
        dict(text_diffs(old.artifact, new.artifact, changes))
        assert len(old.reader.asked) == len(new.reader.asked) == 1
        assert old.reader.asked[0][1] < old.reader.size / 2

    def test_a_manifest_alone_has_no_texts(self, pipeline: Pipeline) -> None:
        """It knows the digests, not the lines."""
        old = bundle(pipeline)
        pipeline.write({"tools/a.py": "A = 2\n"})
        new = bundle(pipeline)
        alone = Artifact("manifest.json", old.artifact.manifest, None)
        (found,) = dict(text_diffs(alone, new.artifact, diff(old, new).files)).values()
        assert found == "tools/a.py: only its manifest is here, not its content"


def test_the_data_has_the_documented_shape(pipeline: Pipeline) -> None:
    """Programs rely on these keys."""
    old = bundle(pipeline)
    pipeline.write({"tools/a.py": "A = 22\n", "stages/first/requirements.txt": "six==1.0\nrequests>2\n"})
    data = differences_data(diff(old, bundle(pipeline)))
    assert list(data) == ["from", "to", "same_content", "same_files", "files", "facts"]
    assert list(data["from"]) == ["archive", "release", "published", "content_sha256", "size", "unpacked", "file_count"]
    change = data["files"][1]
    assert list(change) == ["path", "change", "content_changed", "from", "to"]
    assert change["from"] == {"size": 6, "mode": "644", "sha256": change["from"]["sha256"]}
    assert data["facts"] == [
        {"subject": "stage first", "name": "requirement requests", "from": "requests", "to": "requests>2"}
    ]
