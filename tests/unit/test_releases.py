"""The rules of releases, on both kinds of build folder."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Protocol

import pytest
from build_folders import (
    LATER,
    NOW,
    PATH,
    Bundle,
    current,
    make_bundle,
    names,
    on_cluster,
    on_disk,
    publish_to,
    read_current,
    roll_back,
)
from hypothesis import given
from hypothesis import strategies as st
from pipelines import Pipeline, make_pipeline, refusal, refusal_lines

from hatch_ytupload.answers.artifacts import Whereabouts, find_artifact
from hatch_ytupload.archive_layout import ARCHIVE_NAME, MANIFEST_NAME
from hatch_ytupload.build_folders.build_folder import FILE, FOLDER, content_of
from hatch_ytupload.packing.manifest import GitInfo
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.fetch import fetch
from hatch_ytupload.releases.outgoing import open_outgoing
from hatch_ytupload.releases.promote import promote
from hatch_ytupload.releases.publish import pruned, publish
from hatch_ytupload.releases.published import find_published
from hatch_ytupload.releases.records import (
    Record,
    State,
    archive_of,
    directory_of,
    find_release,
    manifest_of,
    read_state,
)
from hatch_ytupload.releases.retention import delete, pin
from hatch_ytupload.releases.rollback import rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy import ProxyServer

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Changes, Plain

SCRIPT = "operation_wrapper_first_map.sh"


class Tamper(Protocol):
    """Does to a build folder what only somebody else would do."""

    def __call__(self, action: Callable[[Changes], object]) -> None:
        """Run the action as a change of its own."""


@pytest.fixture(params=["disk", pytest.param("cluster", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest, tmp_path: Path, proxy: ProxyServer) -> Iterator[BuildFolder]:
    """Return an empty build folder, on disk and on a cluster."""
    if request.param == "disk":
        yield on_disk(tmp_path / "home")
    else:
        yield on_cluster(proxy)
        if proxy.cypress.exists("//home/demo"):
            proxy.cypress.remove("//home/demo")


@pytest.fixture
def tamper(folder: BuildFolder) -> Tamper:
    """Return the means to change the folder by hand."""
    return lambda action: folder.change("tampering", action) and None


@pytest.fixture(scope="module")
def bundles(bundles: list[Bundle]) -> list[Bundle]:
    """Return six of them."""
    return bundles[:6]


def record(number: int, previous: int | None = None) -> Record:
    """Return a release of a history."""
    return Record(
        project="demo",
        version="1.0",
        content_sha256="0" * 64,
        archive_sha256="0" * 64,
        release=f"r{number}",
        git_commit=None,
        git_dirty=None,
        published_by="tester",
        tool_version="1",
        size=1,
        md5="0" * 32,
        published_at="2026-11-22T20:15:30Z",
        previous=None if previous is None else f"r{previous}",
        number=number,
    )


def test_a_first_publish_makes_the_folder_and_all_above_it(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """The archive lies where jobs mount it, and as a release with its manifest."""
    outcome = publish_to(folder, bundles[0])
    assert (outcome.release, outcome.changed, outcome.replaced) == (bundles[0].release, True, None)
    assert outcome.uploaded == outcome.size == len(bundles[0].data)
    assert read_current(folder) == bundles[0].data
    top, releases, files = folder.look("", "releases", directory_of(bundles[0].release))
    assert set(top or {}) == {ARCHIVE_NAME, "releases"}
    assert set(releases or {}) == {bundles[0].release}
    assert set(files or {}) == {ARCHIVE_NAME, "manifest.json", "sbom.cdx.json"}
    bill = (bundles[0].directory / "sbom.cdx.json").read_bytes()
    with folder.open(f"{directory_of(bundles[0].release)}/sbom.cdx.json") as file:
        assert file.read(0, file.size) == bill
    with folder.open(manifest_of(bundles[0].release)) as manifest:
        assert manifest.read(0, manifest.size) == (bundles[0].directory / "manifest.json").read_bytes()


def test_the_archive_says_what_it_is(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """The attribute has exactly the keys that others rely on."""
    publish_to(folder, bundles[0])
    manifest = json.loads((bundles[0].directory / "manifest.json").read_bytes())
    (top,) = folder.look("")
    assert top is not None
    assert top[ARCHIVE_NAME].attribute == {
        "project": "demo",
        "version": "1.0",
        "content_sha256": manifest["content_sha256"],
        "archive_sha256": manifest["archive"]["sha256"],
        "release": bundles[0].release,
        "git_commit": None,
        "git_dirty": None,
        "published_by": folder.user(),
        "tool_version": manifest["tool"]["version"],
    }


def test_the_same_content_again_changes_nothing(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Not even the time of the publish."""
    publish_to(folder, bundles[0])
    before = read_state(folder).history
    outcome = publish_to(folder, bundles[0])
    assert (outcome.changed, outcome.uploaded, outcome.release) == (False, 0, bundles[0].release)
    assert read_state(folder).history == before


def test_the_same_content_compressed_otherwise_is_the_same_release(
    folder: BuildFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The identity of a release is its content, whatever compressed it."""
    pipeline = make_pipeline(tmp_path / "demo")
    first = make_bundle(pipeline, "x" * 5000)
    publish_to(folder, first)
    data = first.data
    monkeypatch.setattr("hatch_ytupload.packing.compression.SMALL_LEVEL", 1)
    pipeline.remove("bundles")
    other = make_bundle(pipeline, "x" * 5000)
    assert (other.release, other.data != data) == (first.release, True)
    assert not publish_to(folder, other).changed
    assert read_current(folder) == data


def test_a_dry_run_tells_all_and_changes_nothing(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """What would be uploaded, replaced and pruned."""
    outcome = publish_to(folder, bundles[0], dry_run=True)
    assert (outcome.changed, outcome.uploaded, outcome.replaced) == (True, len(bundles[0].data), None)
    assert read_state(folder).missing
    for bundle in bundles[:3]:
        publish_to(folder, bundle)
    outcome = publish_to(folder, bundles[3], keep=2, dry_run=True)
    assert (outcome.replaced, outcome.pruned) == (bundles[2].release, (bundles[0].release, bundles[1].release))
    assert names(read_state(folder)) == [bundle.release for bundle in reversed(bundles[:3])]
    assert publish_to(folder, bundles[1], dry_run=True).uploaded == 0
    assert not publish_to(folder, bundles[2], dry_run=True).changed


def test_the_newest_release_stands_first(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Although all were published in the same second."""
    for bundle in bundles:
        publish_to(folder, bundle)
    history = read_state(folder).history
    assert [known.release for known in history] == [bundle.release for bundle in reversed(bundles)]
    assert [known.previous for known in history] == [*(bundle.release for bundle in reversed(bundles[:-1])), None]
    assert {known.published_at for known in history} == {NOW.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_an_old_release_that_is_published_again_becomes_the_newest(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Nothing is uploaded: the build folder has it."""
    for bundle in bundles[:3]:
        publish_to(folder, bundle)
    outcome = publish_to(folder, bundles[0])
    assert (outcome.changed, outcome.uploaded, outcome.replaced) == (True, 0, bundles[2].release)
    assert names(read_state(folder)) == [bundles[0].release, bundles[2].release, bundles[1].release]
    assert read_state(folder).history[0].previous == bundles[2].release
    assert read_current(folder) == bundles[0].data


@pytest.mark.parametrize(
    "damage",
    [
        lambda changes: changes.write(ARCHIVE_NAME, content_of(b"by hand")),
        lambda changes: changes.remove(ARCHIVE_NAME),
        lambda changes: changes.set_attribute(ARCHIVE_NAME, {"release": "nonsense"}),
        lambda changes: changes.set_attribute(ARCHIVE_NAME, ["nonsense"]),
        lambda changes: changes.make_directory(ARCHIVE_NAME, None),
    ],
    ids=["overwritten", "removed", "attribute of others", "attribute of no sense", "a folder"],
)
def test_what_somebody_did_to_the_current_archive_is_put_right(
    folder: BuildFolder, bundles: list[Bundle], tamper: Tamper, damage: Callable[[Changes], None]
) -> None:
    """Out of the release, so nothing is uploaded."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    tamper(damage)
    assert current(folder) is None
    outcome = publish_to(folder, bundles[1])
    assert (outcome.changed, outcome.uploaded) == (True, 0)
    assert read_current(folder) == bundles[1].data
    assert current(folder) == bundles[1].release


def test_an_archive_overwritten_with_as_many_bytes_is_noticed(
    folder: BuildFolder, bundles: list[Bundle], tamper: Tamper
) -> None:
    """Its MD5 tells; its attribute is that of the release still."""
    publish_to(folder, bundles[0])
    attribute = read_state(folder).nodes[ARCHIVE_NAME].attribute
    same_size = content_of(bytes(len(bundles[0].data)))
    tamper(lambda changes: changes.write(ARCHIVE_NAME, same_size, attribute=attribute))
    assert publish_to(folder, bundles[0]).changed
    assert read_current(folder) == bundles[0].data


@pytest.mark.parametrize(
    "damage",
    [
        lambda changes, release: changes.write(archive_of(release), content_of(b"by hand")),
        lambda changes, release: changes.remove(archive_of(release)),
        lambda changes, release: changes.remove(manifest_of(release)),
        lambda changes, release: changes.remove(directory_of(release)),
        lambda changes, release: changes.set_attribute(directory_of(release), {"number": "one"}),
    ],
    ids=["overwritten", "no archive", "no manifest", "no folder", "no record"],
)
def test_a_damaged_release_is_uploaded_again(
    folder: BuildFolder, bundles: list[Bundle], tamper: Tamper, damage: Callable[[Changes, str], None]
) -> None:
    """Although the current archive is whole."""
    publish_to(folder, bundles[0])
    tamper(lambda changes: damage(changes, bundles[0].release))
    outcome = publish_to(folder, bundles[0])
    assert outcome.uploaded == len(bundles[0].data)
    assert current(folder) == bundles[0].release
    assert roll_back(folder, bundles[0].release).changed is False


def test_what_is_not_ours_stays(folder: BuildFolder, bundles: list[Bundle], tamper: Tamper) -> None:
    """Files of others in the folder, and even among the releases, are neither listed nor pruned."""

    def add(changes: Changes) -> None:
        changes.write("notes.txt", content_of(b"mine"))
        changes.write("operation_wrapper_mine_map.sh", content_of(b"mine"))
        changes.make_directory("releases/mine", None)
        changes.write("releases/mine/file", content_of(b"mine"))

    publish_to(folder, bundles[0])
    tamper(add)
    for bundle in bundles[1:]:
        publish_to(folder, bundle, keep=1, wrappers=True)
    assert names(read_state(folder)) == [bundles[-1].release]
    for path in ("notes.txt", "operation_wrapper_mine_map.sh", "releases/mine/file"):
        with folder.open(path) as file:
            assert file.read(0, 100) == b"mine"


def test_pruning_keeps_the_newest(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """As many as asked for; what is removed is told, oldest first."""
    for bundle in bundles[:4]:
        assert publish_to(folder, bundle, keep=0).pruned == ()
    outcome = publish_to(folder, bundles[4], keep=2)
    assert outcome.pruned == tuple(bundle.release for bundle in bundles[:3])
    assert names(read_state(folder)) == [bundles[4].release, bundles[3].release]
    (releases,) = folder.look("releases")
    assert set(releases or {}) == {bundles[4].release, bundles[3].release}


def test_pruning_after_a_rollback_keeps_what_the_new_release_goes_back_to(
    folder: BuildFolder, bundles: list[Bundle]
) -> None:
    """Although others are newer."""
    for bundle in bundles[:4]:
        publish_to(folder, bundle)
    roll_back(folder, bundles[0].release)
    outcome = publish_to(folder, bundles[4], keep=2)
    assert names(read_state(folder)) == [bundles[4].release, bundles[0].release]
    assert outcome.pruned == tuple(bundle.release for bundle in bundles[1:4])
    assert roll_back(folder).release == bundles[0].release


@given(
    count=st.integers(1, 12),
    keep=st.integers(0, 14),
    data=st.data(),
)
def test_pruning_never_takes_the_current_release_nor_its_way_back(count: int, keep: int, data: st.DataObject) -> None:
    """And keeps exactly as many as it may."""
    links = [data.draw(st.none() | st.integers(1, count)) for _ in range(count)]
    history = tuple(record(number, links[number - 1]) for number in range(count, 0, -1))
    now = data.draw(st.sampled_from(history))
    gone = pruned(history, now.release, keep)
    assert now.release not in gone
    if keep != 1:
        assert now.previous not in gone
    assert len(history) - len(gone) == (min(keep, count) if keep else count)
    wanted = {now.release, now.previous}
    kept = [known for known in history if known.release not in gone]
    extra = [known.number for known in kept if known.release not in wanted]
    assert extra == [known.number for known in history if known.release not in wanted][: len(extra)]


def test_a_rollback_goes_to_the_release_before(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Step by step; a release ahead is reached by its name; the history stays as it is."""
    for bundle in bundles[:3]:
        publish_to(folder, bundle)
    order = names(read_state(folder))
    assert (roll_back(folder).release, read_current(folder)) == (bundles[1].release, bundles[1].data)
    assert (roll_back(folder).release, read_current(folder)) == (bundles[0].release, bundles[0].data)
    assert refusal(lambda: roll_back(folder)) == (
        f"`{folder.location}` keeps no release before `{bundles[0].release}`; "
        "`hatch-ytupload history` lists those it keeps"
    )
    outcome = roll_back(folder, bundles[2].release)
    assert (outcome.replaced, outcome.changed) == (bundles[0].release, True)
    assert current(folder) == bundles[2].release
    assert names(read_state(folder)) == order


def test_two_rollbacks_at_once_go_back_once(
    folder: BuildFolder, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the release that both have named to their users, not from there to the one before."""
    for bundle in bundles[:3]:
        publish_to(folder, bundle)
    change = folder.change

    def late(purpose: str, action: Callable[[Changes], object]) -> object:
        monkeypatch.undo()
        roll_back(folder)
        return change(purpose, action)

    monkeypatch.setattr(folder, "change", late)
    assert roll_back(folder).release == current(folder) == bundles[1].release


def test_a_rollback_skips_a_release_that_was_pruned(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """To the next older one."""
    for bundle in bundles[:4]:
        publish_to(folder, bundle)
    folder.change("pruning", lambda changes: changes.remove(directory_of(bundles[2].release)))
    assert roll_back(folder).release == bundles[1].release


def test_a_rollback_to_what_is_current_does_nothing(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """And says so."""
    publish_to(folder, bundles[0])
    assert not roll_back(folder, bundles[0].release).changed


def test_a_rollback_restores_the_attribute(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """It is that of the release, also where that was published twice."""
    publish_to(folder, bundles[0])
    attribute = read_state(folder).nodes[ARCHIVE_NAME].attribute
    publish_to(folder, bundles[1])
    roll_back(folder)
    assert read_state(folder).nodes[ARCHIVE_NAME].attribute == attribute
    publish_to(folder, bundles[0])
    assert read_state(folder).nodes[ARCHIVE_NAME].attribute == attribute


def test_a_rollback_after_somebody_overwrote_the_archive_restores_it(
    folder: BuildFolder, bundles: list[Bundle], tamper: Tamper
) -> None:
    """To the release that it should have been."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    attribute = read_state(folder).nodes[ARCHIVE_NAME].attribute
    tamper(lambda changes: changes.write(ARCHIVE_NAME, content_of(b"by hand"), attribute=attribute))
    assert roll_back(folder).release == bundles[1].release
    tamper(lambda changes: changes.remove(ARCHIVE_NAME))
    assert roll_back(folder).release == bundles[1].release
    assert read_current(folder) == bundles[1].data


def test_a_rollback_takes_the_beginning_of_a_name(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Where it is enough; else it says which there are."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    assert roll_back(folder, bundles[0].release[:8]).release == bundles[0].release
    line = refusal(lambda: roll_back(folder, "1.0-"))
    assert line == (
        f"`1.0-` may be any of the releases `{bundles[1].release}`, `{bundles[0].release}`; write more of its name"
    )


def test_a_version_is_no_other_that_begins_with_it(tmp_path: Path) -> None:
    """As that of its candidate does."""
    versions = ("1.0.1", "1.0", "1.0rc1", "1.0b1", "2.0", "2.0")
    history = tuple(dataclasses.replace(record(n), version=v, release=f"{v}-{n:012}") for n, v in enumerate(versions))
    state = State({}, history, missing=False)
    folder = on_disk(tmp_path)
    for name, number in (("1.0", 1), ("1.0.1", 0), ("1.0rc", 2), ("1.0b1-0", 3), ("2.0-000000000005", 5)):
        assert find_release(folder, state, name) == history[number]
    assert "any of the releases `2.0-000000000004`, `2.0-000000000005`;" in refusal(
        lambda: find_release(folder, state, "2.0")
    )


@pytest.mark.parametrize("name", ["2.0-abc", "", "../x", "a\nb"])
def test_a_rollback_to_what_is_not_kept_is_refused(folder: BuildFolder, bundles: list[Bundle], name: str) -> None:
    """In one line, and nothing changes."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    assert "release" in refusal(lambda: roll_back(folder, name))
    assert current(folder) == bundles[1].release


def test_a_rollback_of_an_empty_folder_is_refused(folder: BuildFolder) -> None:
    """There is nothing to go back to."""
    line = refusal(lambda: roll_back(folder))
    assert line == f"`{folder.location}` keeps no release to go back to; publish one"


def test_a_rollback_to_a_damaged_release_is_refused(folder: BuildFolder, bundles: list[Bundle], tamper: Tamper) -> None:
    """Rather than making it what jobs run."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    tamper(lambda changes: changes.write(archive_of(bundles[0].release), content_of(b"by hand")))
    assert "is damaged" in refusal(lambda: roll_back(folder))
    assert read_current(folder) == bundles[1].data


def test_a_flipped_bit_in_a_manifest_is_noticed_by_all(
    folder: BuildFolder, bundles: list[Bundle], tamper: Tamper, tmp_path: Path
) -> None:
    """Though it is JSON still, and nobody has signed it; publishing again mends it."""
    publish_to(folder, bundles[1])
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    release = bundles[0].release
    data = (bundles[0].directory / MANIFEST_NAME).read_bytes()
    flipped = data.replace(b'"mode":"644"', b'"mode":"645"', 1)
    assert flipped != data
    tamper(lambda changes: changes.write(manifest_of(release), content_of(flipped)))
    places = Whereabouts(lambda: "", lambda _path: folder)
    for use in (
        lambda: roll_back(folder, release),
        lambda: promote(folder, on_disk(tmp_path / "elsewhere"), release),
        lambda: fetch(folder, release, str(tmp_path / "fetched")),
        lambda: find_published(folder, release, lambda: pytest.fail("nobody asked for the bundle")),
        lambda: find_artifact(release, places),
        lambda: find_artifact(f"{PATH}/releases/{release}/source.tar.gz", places),
    ):
        assert re.search("is damaged|is not the manifest of this release", refusal(use))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == []
    assert publish_to(folder, bundles[0]).uploaded
    assert roll_back(folder).changed
    find_artifact(release, places)


def test_wrapper_scripts_lie_beside_the_archive(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Executable, and the same as in the archive; publishing again leaves them."""
    publish_to(folder, bundles[0], wrappers=True)
    node = read_state(folder).nodes[SCRIPT]
    assert (node.kind, node.executable) == (FILE, True)
    with folder.open(SCRIPT) as file:
        assert file.read(0, file.size) == (bundles[0].directory / SCRIPT).read_bytes()
    assert not publish_to(folder, bundles[0], wrappers=True).changed


def test_wrapper_scripts_change_together_with_the_archive(folder: BuildFolder, tmp_path: Path) -> None:
    """Those that no longer belong to it go, on a publish and on a rollback."""
    pipeline = make_pipeline(tmp_path / "demo")
    one = make_bundle(pipeline, "one", wrappers=True)
    pipeline.write({"stages/second/src/vanilla.py": "", "stages/first/src/reducer.py": ""})
    two = make_bundle(pipeline, "two", wrappers=True)
    scripts = {path.name for path in two.directory.glob("*.sh")}
    assert len(scripts) == 5

    publish_to(folder, one, wrappers=True)
    publish_to(folder, two, wrappers=True)
    assert {name for name in read_state(folder).nodes if name.endswith(".sh")} == scripts
    roll_back(folder, wrappers=True)
    assert {name for name in read_state(folder).nodes if name.endswith(".sh")} == {SCRIPT}
    roll_back(folder, two.release, wrappers=True)
    for script in scripts:
        with folder.open(script) as file:
            assert file.read(0, file.size) == (two.directory / script).read_bytes()
    publish_to(folder, two, wrappers=False)
    assert not [name for name in read_state(folder).nodes if name.endswith(".sh")]


def test_a_script_that_was_changed_by_hand_is_put_right(
    folder: BuildFolder, bundles: list[Bundle], tamper: Tamper
) -> None:
    """Its content, its mode, or what it is."""
    good = (bundles[0].directory / SCRIPT).read_bytes()
    changes: list[Callable[[Changes], object]] = [
        lambda changes: changes.write_all({SCRIPT: b"by hand"}, attribute=True, executable=True),
        lambda changes: changes.write(SCRIPT, content_of(good), attribute=True),
        lambda changes: changes.write_all({SCRIPT: good}, executable=True),
        lambda changes: changes.make_directory(SCRIPT, attribute=True),
        lambda changes: changes.remove(SCRIPT),
    ]
    publish_to(folder, bundles[0], wrappers=True)
    for change in changes:
        tamper(change)
        assert publish_to(folder, bundles[0], wrappers=True).changed
        assert not publish_to(folder, bundles[0], wrappers=True).changed
        with folder.open(SCRIPT) as file:
            assert file.read(0, file.size) == good


def test_a_folder_that_is_a_file_is_refused(folder: BuildFolder, bundles: list[Bundle], tmp_path: Path) -> None:
    """The build folder, or the place of the releases."""
    publish_to(folder, bundles[0])
    folder.change("tampering", lambda changes: changes.write("releases", content_of(b"a file")))
    line = refusal(lambda: publish_to(folder, bundles[1]))
    assert "build/releases`" in line
    assert "remove or rename it" in line
    assert read_current(folder) == bundles[0].data


def test_history_tells_who_published_first_and_who_made_current_last(
    folder: BuildFolder, bundles: list[Bundle]
) -> None:
    """A release that is published again, or rolled back to, stays what it was; what was done last stands beside it."""
    publish_to(folder, bundles[0])
    first = read_state(folder).history[0]
    assert (first.published_by, first.published_at) == (folder.user(), "2026-11-22T20:15:30Z")
    assert (first.made_current_by, first.made_current_at) == (None, None)
    publish_to(folder, bundles[1])
    publish_to(folder, bundles[0], now=LATER)
    again = read_state(folder).history[0]
    assert again == dataclasses.replace(
        first,
        made_current_by=folder.user(),
        made_current_at="2026-11-23T08:00:00Z",
        previous=bundles[1].release,
        number=3,
    )
    roll_back(folder)
    rolled = read_state(folder).current
    assert rolled is not None
    assert (rolled.release, rolled.made_current_at) == (bundles[1].release, "2026-11-23T08:00:00Z")
    assert rolled.published_at == "2026-11-22T20:15:30Z"


@pytest.mark.parametrize("dirty_first", [True, False])
def test_a_clean_release_stays_clean(folder: BuildFolder, tmp_path: Path, *, dirty_first: bool) -> None:
    """Whatever the tree is like that the same content is published from again."""
    pipeline = make_pipeline(tmp_path / "demo")
    bundle = make_bundle(pipeline, "text")
    other = make_bundle(pipeline, "other")

    def publish_with(git: GitInfo) -> None:
        with open_outgoing(str(bundle.directory)) as outgoing:
            described = dataclasses.replace(outgoing, manifest=outgoing.manifest._replace(git=git))
            publish(folder, described, Conditions())

    one, two = GitInfo("a" * 40, dirty=dirty_first), GitInfo("b" * 40, dirty=not dirty_first)
    publish_with(one)
    publish_to(folder, other)
    publish_with(two)
    record = read_state(folder).current
    assert record is not None
    assert (record.release, record.git_commit, record.git_dirty) == (bundle.release, one.commit, dirty_first)


def test_what_an_earlier_version_published_is_a_release(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Its record has no keys for what came later."""
    publish_to(folder, bundles[0])
    known = read_state(folder).history[0]
    older = {key: value for key, value in known.record().items() if key not in _LATER_KEYS}
    folder.change("ageing", lambda changes: changes.set_attribute(directory_of(known.release), older))
    assert read_state(folder).history == (known,)


_LATER_KEYS = ("made_current_by", "made_current_at", "pinned", "promoted_from")


def test_a_release_of_an_older_schema_is_not_rolled_back_to(
    folder: BuildFolder, bundles: list[Bundle], tamper: Tamper
) -> None:
    """Nor promoted, nor run: nothing else reads what it says."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    release = bundles[0].release
    older = (bundles[0].directory / MANIFEST_NAME).read_bytes().replace(b'"schema": 2', b'"schema": 1', 1)
    (found,) = (each.record() for each in read_state(folder).history if each.release == release)
    del found["manifest_md5"]

    def publish_long_ago(changes: Changes) -> None:
        changes.write(manifest_of(release), content_of(older))
        changes.set_attribute(directory_of(release), found)

    tamper(publish_long_ago)
    before = read_state(folder).history
    for dry_run in (True, False):
        line = refusal(partial(roll_back, folder, release, dry_run=dry_run))
        assert "is no manifest of schema 2 (found the integer 1); build again" in line
    assert read_state(folder).history == before
    assert current(folder) == bundles[1].release


def test_a_rollback_can_be_tried(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """It tells what it would do, and what stands in its way."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    before = read_state(folder).history
    tried = roll_back(folder, dry_run=True)
    assert (tried.release, tried.changed, tried.replaced) == (bundles[0].release, True, bundles[1].release)
    assert current(folder) == bundles[1].release
    assert read_state(folder).history == before
    assert roll_back(folder) == tried
    assert "keeps no release before" in refusal(lambda: roll_back(folder, dry_run=True))


def test_a_pinned_release_is_never_pruned(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Nor counted among those that stay; publishing it again leaves it pinned."""
    publish_to(folder, bundles[0])
    assert pin(folder, bundles[0].release) == (bundles[0].release, True, True)
    assert pin(folder, bundles[0].release[:9]) == (bundles[0].release, False, True)
    for bundle in bundles[1:4]:
        publish_to(folder, bundle, keep=2)
    assert names(read_state(folder)) == [bundles[3].release, bundles[2].release, bundles[0].release]
    publish_to(folder, bundles[0], keep=2)
    assert read_state(folder).history[0].pinned
    publish_to(folder, bundles[3], keep=2)
    assert pin(folder, bundles[0].release, pinned=False) == (bundles[0].release, True, False)
    assert publish_to(folder, bundles[4], keep=2).pruned == (bundles[0].release,)


def test_several_releases_are_deleted_or_none(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """Neither the current one nor pinned ones go; all reasons are told at once."""
    for bundle in bundles[:5]:
        publish_to(folder, bundle)
    one, two, pinned, other, now = (bundle.release for bundle in bundles[:5])
    pin(folder, pinned)
    before = names(read_state(folder))
    assert refusal_lines(lambda: delete(folder, [one, now, pinned])) == [
        f"the release `{now}` is the current one of `{folder.location}`; roll back or publish another first",
        f"the release `{pinned}` is pinned; `unpin` it first",
    ]
    assert "keeps no release `nothing`" in refusal(lambda: delete(folder, [one, "nothing"]))
    assert names(read_state(folder)) == before
    assert [record.release for record in delete(folder, [one, two, one])] == [one, two]
    assert names(read_state(folder)) == [now, other, pinned]
    assert roll_back(folder).release == other


def test_nothing_changes_where_nobody_agrees(folder: BuildFolder, bundles: list[Bundle]) -> None:
    """With `confirm` each command asks, or wants to be told beforehand; what changes nothing asks nothing."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    asked: list[str] = []
    answers = iter([False, True])

    def ask(question: str) -> bool:
        asked.append(question)
        return next(answers)

    nobody = Conditions(confirm=True, environment="prod")
    somebody = dataclasses.replace(nobody, ask=ask)
    whose = f"`{folder.location}` (environment `prod`)"
    actions: list[Callable[[Conditions], object]] = [
        lambda conditions: publish(folder, outgoing, conditions),
        lambda conditions: rollback(folder, None, conditions),
        lambda conditions: pin(folder, bundles[0].release, conditions),
        lambda conditions: delete(folder, [bundles[0].release], conditions),
    ]
    with open_outgoing(str(bundles[2].directory)) as outgoing:
        for action in actions:
            line = refusal(partial(action, nobody))
            assert line.endswith(
                f": {whose} asks before anything changes, and there is no terminal to ask on; agree with `-o yes`"
            )
        publish(folder, outgoing, nobody, dry_run=True)
        assert refusal(lambda: publish(folder, outgoing, somebody)).endswith(f"not agreed to; {whose} is as it was")
        assert current(folder) == bundles[1].release
        assert publish(folder, outgoing, somebody).changed
        assert asked == [f"publishing demo {bundles[2].release} changes {whose}. Go on?"] * 2
        assert not publish(folder, outgoing, nobody).changed
    assert rollback(folder, None, dataclasses.replace(nobody, yes=True)).changed


def test_versions_are_compared(folder: BuildFolder, bundles: list[Bundle], tmp_path: Path) -> None:
    """A lower one than the current is warned about, and one that had other content; the latter may be an error."""
    pipeline = make_pipeline(tmp_path / "demo", pyproject='[project]\nname = "demo"\nversion = "1.0rc1"\n')
    built = pipeline.build(tmp_path / "dist")
    lower = Bundle(type(tmp_path)(built.archive), f"1.0rc1-{built.content_sha256[:12]}")
    warnings: list[str] = []
    publish_to(folder, bundles[0], warn=warnings.append)
    publish_to(folder, bundles[1], warn=warnings.append)
    publish_to(folder, bundles[0], warn=warnings.append)
    other = "the version 1.0 was published with other content, as"
    assert [warning.partition("`")[0].strip() for warning in warnings] == [other] * 2
    assert bundles[0].release in warnings[0]
    assert bundles[1].release in warnings[1]
    line = refusal(lambda: publish_to(folder, bundles[2], unique_versions=True, force=True))
    assert line.endswith("and `unique_versions` is set; raise the version")
    warnings.clear()
    publish_to(folder, lower, unique_versions=True, warn=warnings.append)
    assert warnings == [f"the current release `{bundles[0].release}` has a higher version than 1.0rc1"]


def test_all_reasons_are_told_at_once(folder: BuildFolder, bundles: list[Bundle], tmp_path: Path) -> None:
    """So that nobody has to try again for each."""
    publish_to(folder, bundles[0])
    publish_to(folder, bundles[1])
    assert len(refusal_lines(lambda: publish_to(folder, bundles[2], unique_versions=True, confirm=True))) == 2


def test_two_projects_in_one_folder_are_told_apart(folder: BuildFolder, bundles: list[Bundle], tmp_path: Path) -> None:
    """One is refused unless it is forced, even if its content is the same."""
    publish_to(folder, bundles[0])
    other = make_pipeline(tmp_path / "other", pyproject='[project]\nname = "other"\nversion = "1.0"\n')
    built = Pipeline(other.root).build(tmp_path / "dist")
    theirs = Bundle(type(tmp_path)(built.archive), "")
    line = refusal(lambda: publish_to(folder, theirs))
    assert line == (
        f"`{folder.location}` holds `{bundles[0].release}` of the project `demo`, and this is `other`; "
        "give each project a build folder of its own, or `-o force`"
    )
    assert refusal(lambda: publish_to(folder, theirs, dry_run=True)) == line
    assert current(folder) == bundles[0].release
    warnings: list[str] = []
    assert publish_to(folder, theirs, force=True, warn=warnings.append).changed
    assert warnings == [line.removesuffix(", or `-o force`")]


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(record(1).record())), inner),
        max_leaves=8,
    )
)
def test_any_attribute_can_be_read(value: Plain) -> None:
    """What anybody may have written there makes no release, and no exception."""
    from hatch_ytupload.build_folders.build_folder import Node

    class Folder:
        def look(self, *directories: str) -> list[dict[str, Node] | None]:
            return [{ARCHIVE_NAME: Node(FILE, 1, attribute=value)}, {"r1": Node(FOLDER, attribute=value)}]

        def open(self, path: str) -> None:
            raise AssertionError(path)

    state = read_state(Folder())  # type: ignore[arg-type]
    assert state.current is None
    assert all(dataclasses.is_dataclass(known) for known in state.history)


def test_the_path_of_the_folder_is_shown_as_users_write_it(folder: BuildFolder) -> None:
    """On a cluster with the two slashes."""
    assert folder.location.endswith(PATH.removeprefix("//"))
    assert folder.path(ARCHIVE_NAME) == f"{folder.location}/{ARCHIVE_NAME}"
