"""Build folders on disk: changes in one step, one publisher at a time, nobody else's files harmed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build_folders import PATH, Bundle, at_once, current, make_bundle, names, on_disk, publish_to, read_current, watched
from checkout import tree_state
from pipelines import make_pipeline, refusal

from hatch_ytupload import atomic_rename
from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.build_folder import content_of
from hatch_ytupload.build_folders.disk.folder import LocalFolder
from hatch_ytupload.build_folders.folder_lock import describe_holder, exclusive, user_name
from hatch_ytupload.releases.records import directory_of, read_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.build_folders.build_folder import Changes


@pytest.fixture(scope="module")
def bundles(bundles: list[Bundle]) -> list[Bundle]:
    """Return three of them."""
    return bundles[:3]


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    """Return a build folder that does not exist yet."""
    return on_disk(tmp_path / "pipeline")


def workplace(folder: LocalFolder) -> list[str]:
    """List what lies where changes are made, the lock aside."""
    return sorted(path.name for path in workplace_of(folder).iterdir() if path.suffix != ".lock")


def workplace_of(folder: LocalFolder) -> Path:
    """Return where changes are made."""
    return Path(folder.directory).parents[2] / ".ytupload"


def left_behind(folder: LocalFolder, end: str = "") -> Path:
    """Return where a killed publisher of the folder would leave something."""
    return workplace_of(folder) / f"{hashlib.sha256(PATH.encode()).hexdigest()[:16]}.0123456789abcdef{end}"


def cannot_exchange(first: str, second: str) -> None:
    """Answer as a file system does that cannot exchange names."""
    raise NotImplementedError


def test_the_folder_lies_where_its_path_says(folder: LocalFolder, bundles: list[Bundle], tmp_path: Path) -> None:
    """Below `.dev/cypress` of the pipeline, where YT Framework's own directories stay as they are."""
    sandbox = tmp_path / "pipeline/.dev/sandbox_input->output"
    sandbox.mkdir(parents=True)
    (sandbox / "input.jsonl").write_text("{}")
    publish_to(folder, bundles[0])
    assert (tmp_path / "pipeline/.dev/cypress/home/demo/build" / ARCHIVE_NAME).read_bytes() == bundles[0].data
    assert (sandbox / "input.jsonl").read_text() == "{}"
    assert sorted(path.name for path in (tmp_path / "pipeline/.dev").iterdir()) == ["cypress", sandbox.name]


def test_nothing_is_left_beside_the_folder(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """Neither after a publish nor after one that failed."""
    publish_to(folder, bundles[0])
    assert workplace(folder) == []

    def fail(changes: Changes) -> None:
        changes.write("half", content_of(b"half"))
        raise RuntimeError("in the midst")

    before = tree_state(Path(folder.directory))
    with pytest.raises(RuntimeError, match="in the midst"):
        folder.change("failing", fail)
    assert workplace(folder) == []
    assert tree_state(Path(folder.directory)) == before


def test_what_a_killed_publisher_left_is_removed_by_the_next(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """The lock ended with it."""
    publish_to(folder, bundles[0])
    abandoned = left_behind(folder)
    (abandoned / "releases").mkdir(parents=True)
    other = workplace_of(folder) / "fedcba9876543210.0123456789abcdef"
    other.mkdir()
    publish_to(folder, bundles[1])
    assert not abandoned.exists()
    assert other.exists()


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_that_was_moved_aside_is_put_back(
    folder: LocalFolder, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch, *, linked: bool
) -> None:
    """Where a system cannot exchange two names, a kill between the two steps leaves the folder under another name."""
    if linked:
        real = Path(folder.directory).parents[1] / "real"
        real.mkdir(parents=True)
        Path(folder.directory).parent.mkdir()
        Path(folder.directory).symlink_to(real)
    publish_to(folder, bundles[0])
    rename = os.rename

    class KilledError(BaseException):
        """The end of the process."""

    def dies_between(source: str, target: str) -> None:
        # Back to its place, too: the process that would do it is gone.
        if target == os.path.realpath(folder.directory) and not os.path.lexists(target):
            raise KilledError
        rename(source, target)

    monkeypatch.setattr(atomic_rename, "_exchange", cannot_exchange)
    monkeypatch.setattr(os, "rename", dies_between)
    with pytest.raises(KilledError):
        publish_to(folder, bundles[1])
    monkeypatch.undo()
    assert read_state(folder).missing
    publish_to(folder, bundles[1])
    assert names(read_state(folder)) == [bundles[1].release, bundles[0].release]
    assert workplace(folder) == []


@pytest.mark.parametrize("steps", [1, 2])
def test_files_of_others_survive(
    folder: LocalFolder, bundles: list[Bundle], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With mode, links and directories, and those that appear while a publisher is at work."""
    if steps > 1:
        monkeypatch.setattr(atomic_rename, "_exchange", cannot_exchange)
    publish_to(folder, bundles[0])
    root = Path(folder.directory)
    (root / "notes").mkdir(mode=0o750)
    (root / "notes/script").write_text("mine")
    (root / "notes/script").chmod(0o750)
    (root / "link").symlink_to("notes/script")
    os.mkfifo(root / "pipe")
    inode = (root / "notes/script").stat().st_ino

    def change(changes: Changes) -> None:
        changes.write("new", content_of(b"new"))
        (root / "late").write_text("while you worked")
        (root / "notes/late").mkdir()
        (root / "notes/late/file").write_text("while you worked")

    folder.change("changing", change)
    assert (root / "notes/script").stat().st_ino == inode
    assert stat.S_IMODE((root / "notes/script").stat().st_mode) == 0o750
    assert stat.S_IMODE((root / "notes").stat().st_mode) == 0o750
    assert os.readlink(root / "link") == "notes/script"
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)
    assert (root / "late").read_text() == (root / "notes/late/file").read_text() == "while you worked"
    assert (root / "new").read_text() == "new"


def test_what_others_replace_remove_or_add_where_we_prune_is_kept(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """Only what the change itself puts in its place wins."""
    publish_to(folder, bundles[0])
    root = Path(folder.directory)
    (root / "notes").write_text("old")
    release = root / directory_of(bundles[0].release)

    def change(changes: Changes) -> None:
        changes.write("ours", content_of(b"ours"))
        changes.remove(directory_of(bundles[0].release))
        (root / "notes.new").write_text("edited, as editors do")
        (root / "notes.new").rename(root / "notes")
        (root / "ours").write_text("theirs")
        (release / "mine").write_text("mine")

    folder.change("changing", change)
    assert (root / "notes").read_text() == "edited, as editors do"
    assert (root / "ours").read_text() == "ours"
    assert {path.name for path in release.iterdir()} == {"mine"}


def test_what_cannot_be_kept_in_its_place_is_kept_elsewhere(tmp_path: Path, bundles: list[Bundle]) -> None:
    """And the line says where; the next publish leaves it there."""
    notices: list[str] = []
    folder = on_disk(tmp_path / "pipeline", warn=notices.append)
    publish_to(folder, bundles[0])
    root = Path(folder.directory)
    (root / "notes").mkdir()

    def change(changes: Changes) -> None:
        changes.write("notes", content_of(b"a file now"))
        (root / "notes/mine").write_text("mine")

    folder.change("changing", change)
    (notice,) = notices
    (saved,) = workplace_of(folder).glob("*.saved")
    assert notice.endswith(f"could not be kept and lies in `{saved}`: File exists")
    publish_to(folder, bundles[1])
    assert (saved / "notes/mine").read_text() == "mine"


def test_folders_in_one_another_wait_for_one_another(tmp_path: Path, bundles: list[Bundle]) -> None:
    """In both directions; those beside one another do not."""
    outer, inner, beside = (
        LocalFolder(str(tmp_path), path) for path in ("//home/demo", "//home/demo/build", "//home/demo/other")
    )

    def refused(other: LocalFolder) -> str:
        return refusal(lambda: publish_to(other, bundles[0]))

    assert "is held by" in outer.change("outside", lambda _changes: refused(inner))
    assert "is held by" in inner.change("inside", lambda _changes: refused(outer))
    assert inner.change("inside", lambda _changes: publish_to(beside, bundles[0])).changed
    Path(outer.directory, "link").symlink_to(inner.directory)
    linked = LocalFolder(str(tmp_path), "//home/demo/link")
    assert "is held by" in inner.change("inside", lambda _changes: refused(linked))


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo"])
def test_what_is_planted_at_the_name_of_the_lock_is_not_followed(
    folder: LocalFolder, bundles: list[Bundle], tmp_path: Path, kind: str
) -> None:
    """Nor waited for."""
    victim = tmp_path / "victim"
    if kind == "link":
        victim.write_text("precious")
    workplace_of(folder).mkdir(parents=True)
    lock = left_behind(folder).with_suffix(".lock")
    os.mkfifo(lock) if kind == "fifo" else lock.symlink_to(victim)
    line = refusal(lambda: publish_to(folder, bundles[0]))
    assert "where a lock is expected" in line
    assert line.endswith(f"; remove it (`{lock}`)")
    assert victim.exists() == (kind == "link")
    lock.unlink()
    assert publish_to(folder, bundles[0]).changed


def test_what_is_planted_in_place_of_the_workplace_or_a_file_is_not_followed(
    folder: LocalFolder, bundles: list[Bundle], tmp_path: Path
) -> None:
    """Neither written to nor read."""
    publish_to(folder, bundles[0])
    workplace_of(folder).rename(tmp_path / "elsewhere")
    workplace_of(folder).symlink_to(tmp_path / "elsewhere")
    before = sorted((tmp_path / "elsewhere").iterdir())
    assert "is a link, and a directory is expected there" in refusal(lambda: publish_to(folder, bundles[1]))
    assert sorted((tmp_path / "elsewhere").iterdir()) == before
    workplace_of(folder).unlink()
    for name in (".ytupload.json", ARCHIVE_NAME):
        path = Path(folder.directory, name)
        path.rename(tmp_path / name)
        path.symlink_to(tmp_path / name)
    assert current(folder) is None
    assert "is no file" in refusal(lambda: read_current(folder))
    publish_to(folder, bundles[1])
    assert (tmp_path / ARCHIVE_NAME).read_bytes() == bundles[0].data
    os.mkfifo(Path(folder.directory, "pipe"))
    assert "is no file" in refusal(lambda: folder.open("pipe").__enter__())


def test_the_number_of_releases_that_go_does_not_count(
    folder: LocalFolder, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attributes are written once, at the end."""
    publish_to(folder, bundles[0])

    def add(changes: Changes) -> None:
        record = read_state(changes).history[0]
        for number in range(50):
            name = f"0.{number}-0123456789ab"
            changes.make_directory(directory_of(name), {**record.record(), "release": name, "number": 0})

    folder.change("adding", add)
    writes: list[str] = []
    dump = json.dump

    def noted(value: object, *rest: object, **more: object) -> None:
        writes.append("written")
        dump(value, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(json, "dump", noted)
    assert len(publish_to(folder, bundles[1], keep=2).pruned) == 50
    assert writes == ["written"]
    attributes = json.loads(Path(folder.directory, ".ytupload.json").read_text())
    assert all(Path(folder.directory, path).exists() for path in attributes)


def test_a_file_system_without_hard_links_will_do(
    folder: LocalFolder, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies take their place."""

    def refuse(source: str, target: str, **_: object) -> None:
        raise PermissionError(1, "Operation not permitted", source)

    monkeypatch.setattr(os, "link", refuse)
    for bundle in bundles:
        publish_to(folder, bundle, wrappers=True)
    assert names(read_state(folder)) == [bundle.release for bundle in reversed(bundles)]
    assert current(folder) == bundles[2].release


def test_writing_into_the_current_archive_by_hand_does_not_harm_the_release(
    folder: LocalFolder, bundles: list[Bundle]
) -> None:
    """They are two files."""
    publish_to(folder, bundles[0])
    with (Path(folder.directory) / ARCHIVE_NAME).open("ab") as file:
        file.write(b"more")
    assert publish_to(folder, bundles[0]).uploaded == 0
    assert read_current(folder) == bundles[0].data


def test_a_reader_keeps_the_file_that_it_opened(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """Whoever replaces it, and whatever becomes of the old one."""
    publish_to(folder, bundles[0], keep=1)
    with folder.open(ARCHIVE_NAME) as file:
        publish_to(folder, bundles[1], keep=1)
        assert file.read(0, file.size) == bundles[0].data
        assert file.read(5, 7) == bundles[0].data[5:12]
        assert file.read(file.size, 7) == b""


@pytest.mark.slow
def test_a_reader_sees_whole_archives_and_consistent_states(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """Through the file system and through our own eyes, over a hundred publishes, without ever finding nothing."""
    publish_to(folder, bundles[0], keep=1)
    place = Path(folder.directory) / ARCHIVE_NAME

    def look() -> bytes:
        state = read_state(folder)
        assert state.history
        claimed = state.claimed
        assert claimed is not None
        # The attribute and the releases are of one moment.
        assert state.find(claimed.release) is not None
        return place.read_bytes()

    with watched(look) as seen:
        for number in range(1, 101):
            publish_to(folder, bundles[number % 2], keep=1)
    assert seen <= {bundle.data for bundle in bundles[:2]}


def test_ten_publishers_at_once_each_find_their_turn(
    folder: LocalFolder, tmp_path: Path, bundles: list[Bundle]
) -> None:
    """In threads here, in processes elsewhere; the history holds all of them, one after the other."""
    pipeline = make_pipeline(tmp_path / "ten")
    ten = [make_bundle(pipeline, f"publisher {number}") for number in range(10)]

    def work(bundle: Bundle) -> None:
        publish_to(on_disk(tmp_path / "pipeline", wait_seconds=600), bundle)

    assert at_once([partial(work, bundle) for bundle in ten]) == []
    history = read_state(folder).history
    assert sorted(record.release for record in history) == sorted(bundle.release for bundle in ten)
    assert [record.number for record in history] == list(range(10, 0, -1))
    assert [record.previous for record in history] == [*(record.release for record in history[1:]), None]


def test_a_publisher_that_waits_in_vain_is_told_who_holds_the_folder(tmp_path: Path, bundles: list[Bundle]) -> None:
    """User, host, process, purpose and since when; nothing has changed."""
    notices: list[str] = []
    folder = on_disk(tmp_path / "pipeline", wait_seconds=0.2, notice=notices.append)
    publish_to(folder, bundles[0])

    def hold(changes: Changes) -> str:
        return refusal(lambda: publish_to(folder, bundles[1]))

    line = folder.change("holding it", hold)
    holder = rf"`{user_name()}@{os.uname().nodename}` (process {os.getpid()}), holding it, since 20"
    assert line.startswith(f"`{folder.location}` is held by {holder}")
    assert line.endswith(
        " UTC; waited 0.2 s, nothing was changed; try again when it has ended, or wait longer with `lock_wait_seconds`"
    )
    (notice,) = notices
    assert notice.startswith(f"waiting: `{folder.location}` is held by {holder}")
    assert publish_to(folder, bundles[1]).changed


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """And its file then names nobody."""
    lock = tmp_path / "lock"
    with exclusive(str(lock), "here", "work", 0, print):
        assert json.loads(lock.read_text())["purpose"] == "work"
    assert lock.read_text() == ""
    with exclusive(str(lock), "here", "more work", 0, print):
        pass
    assert lock.read_text() == ""


@pytest.mark.parametrize("holder", [None, "text", {}, {"user": ""}, {"user": "a\nb"}, ["x"]])
def test_a_holder_that_says_nothing_of_sense_is_somebody(holder: object) -> None:
    """Whatever the lock's file holds, the line is one."""
    assert describe_holder(holder).isprintable()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"source.tar.gz": 7}', "\udcff", "9" * 5000])
def test_damaged_attributes_count_as_none(folder: LocalFolder, bundles: list[Bundle], content: str) -> None:
    """What they were said about is then nobody's, and the next publish writes them anew."""
    publish_to(folder, bundles[0])
    path = Path(folder.directory) / ".ytupload.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert current(folder) is None
    assert publish_to(folder, bundles[0]).uploaded == len(bundles[0].data)
    assert current(folder) == bundles[0].release
    assert json.loads(path.read_text())[directory_of(bundles[0].release)]["number"] == 1


def test_attributes_are_no_node(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """Their file is not listed."""
    publish_to(folder, bundles[0])
    (top,) = folder.look("")
    assert set(top or {}) == {ARCHIVE_NAME, "releases"}


def test_a_folder_that_is_a_file_is_left_alone(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """With a line that says so."""
    path = Path(folder.directory)
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert "is a file; remove or rename it" in refusal(lambda: publish_to(folder, bundles[0]))
    assert path.read_text() == "mine"


def test_a_link_to_a_folder_stays_a_link(folder: LocalFolder, bundles: list[Bundle]) -> None:
    """What it leads to is published to."""
    path = Path(folder.directory)
    real = path.parents[1] / "elsewhere"
    real.mkdir(parents=True)
    path.parent.mkdir(parents=True)
    path.symlink_to(real)
    publish_to(folder, bundles[0])
    assert path.is_symlink()
    assert (real / ARCHIVE_NAME).read_bytes() == bundles[0].data


def test_a_place_that_cannot_be_written_is_told(folder: LocalFolder, bundles: list[Bundle], tmp_path: Path) -> None:
    """In one line that names it."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/.dev").write_text("a file")
    line = refusal(lambda: publish_to(folder, bundles[0]))
    assert line.startswith(f"cannot use the build folder `{folder.location}`: Not a directory (`")


def test_a_disk_that_is_full_changes_nothing(
    tmp_path: Path, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it becomes full: each call that reaches the disk fails once."""
    notices: list[str] = []
    folder = on_disk(tmp_path / "pipeline", warn=notices.append)
    publish_to(folder, bundles[0])
    before = tree_state(Path(folder.directory))
    sync = os.fsync
    synced: list[int] = []
    publish_to(on_disk(tmp_path / "other"), bundles[0])
    monkeypatch.setattr(os, "fsync", synced.append)
    publish_to(on_disk(tmp_path / "other"), bundles[1])
    monkeypatch.undo()
    last = len(synced)
    for limit in count(1):
        left = iter(range(limit, 0, -1))

        def full(descriptor: int, left: Iterator[int] = left) -> None:
            if next(left, 0) == 1:
                raise OSError(28, "No space left on device")
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        if limit == last:
            # It is done, and cannot be taken back: what is current is what is said.
            assert publish_to(folder, bundles[1]).changed
            assert current(folder) == bundles[1].release
            (notice,) = notices
            assert notice.endswith(
                "was changed, but it may not survive a crash of this machine: No space left on device"
            )
            break
        line = refusal(lambda: publish_to(folder, bundles[1]))
        monkeypatch.undo()
        assert "No space left on device" in line
        assert workplace(folder) == []
        assert tree_state(Path(folder.directory)) == before


def test_data_reaches_the_disk_before_it_becomes_visible(
    folder: LocalFolder, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every new file and directory is synced first, the directory that holds the folder afterwards."""
    publish_to(folder, bundles[0])
    order: list[str] = []
    sync, replace = os.fsync, atomic_rename.replace_directory

    def noted_sync(descriptor: int) -> None:
        order.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def noted_replace(new: str, place: str) -> str | None:
        order.append("exchange")
        synced = {path.removeprefix(f"{new}/") for path in order}
        for path in Path(new).rglob("*"):
            if path.is_dir() or path.stat().st_nlink == 1:
                assert str(path.relative_to(new)) in synced, path
        return replace(new, place)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(atomic_rename, "replace_directory", noted_replace)
    publish_to(folder, bundles[1], wrappers=True)
    assert order[order.index("exchange") + 1 :] == [os.path.dirname(folder.directory)]
