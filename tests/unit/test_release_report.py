"""What publishes, rollbacks, status and history look like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from build_folders import make_bundle, on_cluster, on_disk, publish_to, roll_back
from pipelines import make_pipeline
from proxy import ProxyServer

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.build_folder import content_of
from hatch_ytupload.command_line.commands.history import history_data, history_text
from hatch_ytupload.command_line.commands.rollback import rollback_data, rollback_text
from hatch_ytupload.command_line.commands.status import status_data, status_text
from hatch_ytupload.output.releases import promoted_data, promoted_text, published_data, published_text
from hatch_ytupload.packing.bundle import read_bundle
from hatch_ytupload.releases.current import Outcome
from hatch_ytupload.releases.publish_bundle import Published
from hatch_ytupload.releases.records import Record, State, read_state

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_ytupload.build_folders.disk.folder import LocalFolder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalFolder:
    """Return an empty build folder whose location is a short path."""
    monkeypatch.chdir(tmp_path)
    return on_disk(tmp_path)


def published(folder: LocalFolder, outcome: Outcome, *, dry_run: bool = False) -> Published:
    """Return a finished publish."""
    return Published(outcome, "demo", "1.0", folder, 1.234, dry_run)


def test_a_publish(folder: LocalFolder) -> None:
    """Path, release, size, what was replaced and pruned, and the time it took."""
    outcome = Outcome(
        "1.0-b", changed=True, uploaded=1_234_567, size=1_234_567, replaced="1.0-a", pruned=("0.1", "0.2")
    )
    assert published_text(published(folder, outcome)) == (
        ".dev/cypress/home/demo/build/source.tar.gz\n"
        "  release   1.0-b (1.2 MB)\n"
        "  replaced  1.0-a\n"
        "  pruned    0.1\n"
        "            0.2\n"
        "  took      1.2 s"
    )
    assert published_data(published(folder, outcome)) == {
        "build_folder": ".dev/cypress/home/demo/build",
        "cluster": None,
        "path": ".dev/cypress/home/demo/build/source.tar.gz",
        "project": "demo",
        "version": "1.0",
        "release": "1.0-b",
        "size": 1_234_567,
        "changed": True,
        "uploaded": 1_234_567,
        "replaced": "1.0-a",
        "pruned": ["0.1", "0.2"],
        "seconds": 1.234,
        "dry_run": False,
    }


def test_a_publish_of_what_was_kept(folder: LocalFolder) -> None:
    """Nothing was uploaded."""
    text = published_text(published(folder, Outcome("1.0-a", changed=True, size=5000, replaced="1.0-b")))
    assert "  release   1.0-a (5.0 kB, kept there: nothing to upload)\n  replaced  1.0-b\n" in text


def test_a_publish_that_puts_a_release_right(folder: LocalFolder) -> None:
    """It replaces nothing but itself, which is not worth a line."""
    assert "replaced" not in published_text(published(folder, Outcome("1.0-a", changed=True, replaced="1.0-a")))


def test_a_publish_of_nothing_new(folder: LocalFolder) -> None:
    """One line."""
    text = published_text(published(folder, Outcome("1.0-b", changed=False, replaced="1.0-b")))
    assert text == ".dev/cypress/home/demo/build/source.tar.gz is `1.0-b` already; nothing to upload"


def test_a_dry_run(folder: LocalFolder) -> None:
    """In the mood of what has not happened."""
    text = published_text(published(folder, Outcome("1.0-b", changed=True, uploaded=5, size=5), dry_run=True))
    assert text == ".dev/cypress/home/demo/build/source.tar.gz would become\n  release  1.0-b (5 B)"


@pytest.mark.parametrize(
    ("uploaded", "dry_run", "shown"),
    [
        (1_800, False, "sent 1.8 kB of 28.0 MB"),
        (1_800, True, "sends 1.8 kB of 28.0 MB"),
        (28_000_000, False, "28.0 MB"),
    ],
)
def test_what_travels(folder: LocalFolder, uploaded: int, shown: str, *, dry_run: bool) -> None:
    """Of a publish and of a promotion, also when it would only be done; programs get both numbers."""
    outcome = Outcome("1.0-b", changed=True, uploaded=uploaded, size=28_000_000)
    whole = published(folder, outcome, dry_run=dry_run)
    assert f"  1.0-b ({shown})" in published_text(whole)
    assert f"  1.0-b ({shown})" in promoted_text(outcome, folder, folder, dry_run=dry_run)
    for data in (published_data(whole), promoted_data(outcome, folder, folder, dry_run=dry_run)):
        assert (data["uploaded"], data["size"]) == (uploaded, 28_000_000)


def test_a_rollback(folder: LocalFolder) -> None:
    """What is current now, and what was."""
    outcome = Outcome("1.0-a", changed=True, size=5, replaced="1.0-b")
    assert rollback_text(outcome, folder) == (
        ".dev/cypress/home/demo/build/source.tar.gz\n  release   1.0-a (5 B)\n  replaced  1.0-b"
    )
    assert rollback_data(outcome, folder) == {
        "build_folder": ".dev/cypress/home/demo/build",
        "dry_run": False,
        "cluster": None,
        "path": ".dev/cypress/home/demo/build/source.tar.gz",
        "release": "1.0-a",
        "size": 5,
        "changed": True,
        "replaced": "1.0-b",
        **dict.fromkeys(("published_by", "published_at", "git_commit", "git_dirty")),
    }
    assert rollback_text(Outcome("1.0-a", changed=False), folder).endswith("is `1.0-a` already; nothing to do")


def test_a_cluster_is_named(tmp_path: Path) -> None:
    """Beside each path on it."""
    with ProxyServer() as proxy:
        folder = on_cluster(proxy)
        where = f"//home/demo/build on {proxy.address}"
        assert history_text(read_state(folder), folder) == f"there is no build folder {where}"
        proxy.cypress.create("map_node", "//home/demo/build")
        assert history_text(read_state(folder), folder) == f"{where} keeps no releases"
        assert history_data(read_state(folder), folder)["cluster"] == proxy.address


def test_the_history(folder: LocalFolder, tmp_path: Path) -> None:
    """A star at the current release; columns that line up."""
    pipeline = make_pipeline(tmp_path / "demo")
    old, new = make_bundle(pipeline, "old"), make_bundle(pipeline, "new")
    publish_to(folder, old)
    publish_to(folder, new)
    roll_back(folder)
    state = read_state(folder)
    head, first, second, again = history_text(state, folder).splitlines()
    assert head.split() == ["RELEASE", "PUBLISHED", "(UTC)", "SIZE", "COMMIT", "BY"]
    assert first.startswith(f"   {new.release}  2026-11-22 20:15  ")
    assert second.startswith(f"*  {old.release}  2026-11-22 20:15  ")
    assert again == f"     made current 2026-11-23 08:00 UTC by {folder.user()}"
    assert status_text(state, None, None, folder).splitlines()[2:4] == [
        f"           published 2026-11-22 20:15 UTC by {folder.user()}",
        f"           made current 2026-11-23 08:00 UTC by {folder.user()}",
    ]
    data = history_data(state, folder)
    assert [(release["release"], release["current"], release["previous"]) for release in data["releases"]] == [
        (new.release, False, old.release),
        (old.release, True, None),
    ]
    assert set(data["releases"][0]) == {
        *("project", "version", "content_sha256", "archive_sha256", "release", "git_commit", "git_dirty"),
        *("published_by", "tool_version", "size", "md5", "published_at", "previous", "current"),
        *("made_current_by", "made_current_at", "pinned", "promoted_from", "signed_by"),
    }


def test_a_history_fits_on_a_terminal_whatever_stands_in_it() -> None:
    """Eighty columns, one line for each release and what became of it, and no control characters."""
    record = Record(
        project="demo",
        version="1.0",
        content_sha256="0" * 64,
        archive_sha256="0" * 64,
        release="12.34.5678.post9-0123456789ab",
        git_commit="0123456789abcdef" * 2,
        git_dirty=True,
        published_by="robot-of-a-department-with-a-long-name\n\x1b[31m",
        tool_version="1",
        size=123_456_789,
        md5="0" * 32,
        published_at="2026-11-22T20:15:30Z",
        previous=None,
        number=1,
        pinned=True,
        promoted_from={"build_folder": "//home/testing/build", "cluster": "testing.example.com", "release": "x"},
        made_current_by="ann",
        made_current_at="2026-11-23T08:00:00Z",
        signed_by="robot@example.com",
    )
    plain = replace(record, published_by="x", git_commit=None, pinned=False, promoted_from=None, signed_by=None)
    state = State({}, (record, replace(plain, made_current_at=None)), missing=False)
    lines = history_text(state, None).splitlines()  # type: ignore[arg-type]
    assert len(lines) == 3 + 4
    assert lines[2:6] == [
        "     pinned",
        "     promoted from //home/testing/build on testing.example.com",
        "     made current 2026-11-23 08:00 UTC by ann",
        "     signed by robot@example.com",
    ]
    assert all(len(line) <= 80 and line.isprintable() for line in lines)
    assert "0123456789ab+" in lines[1]


def test_the_status(folder: LocalFolder, tmp_path: Path) -> None:
    """Local bundle, current release, and whether they are the same; before, between and after."""
    pipeline = make_pipeline(tmp_path / "demo")
    old, new = make_bundle(pipeline, "old"), make_bundle(pipeline, "new")

    def text(archive: Path | None) -> list[str]:
        bundle = read_bundle(str(archive)) if archive else None
        return status_text(read_state(folder), bundle, "dist/x", folder).splitlines()

    assert text(None) == [
        ".dev/cypress/home/demo/build",
        "  local    none at `dist/x`: build it first",
        "  current  nothing is published: there is no such folder",
        "  kept     0 releases",
    ]
    publish_to(folder, old)
    assert text(old.archive)[2:] == [
        f"  current  {old.release} ({len(old.data)} B)",
        f"           published 2026-11-22 20:15 UTC by {folder.user()}",
        "  same     yes",
        "  kept     1 release",
    ]
    assert text(new.archive)[-2:] == ["  same     no: publish to make them so", "  kept     1 release"]
    data = status_data(read_state(folder), read_bundle(str(new.archive)), "dist/x", folder)
    assert (data["archive"], data["same"], data["releases"]) == ("release", False, 1)
    assert data["local"] == {
        "artifact": "dist/x",
        "project": "demo",
        "version": "1.0",
        "release": new.release,
        "content_sha256": read_bundle(str(new.archive)).manifest.content_sha256,
        "size": len(new.data),
    }
    assert data["current"]["release"] == old.release
    assert data["current"] == read_state(folder).history[0].public()


def test_the_status_of_an_archive_that_others_wrote(folder: LocalFolder, tmp_path: Path) -> None:
    """It was ours, or never was."""
    bundle = make_bundle(make_pipeline(tmp_path / "demo"), "text")

    def state_of(attribute: object) -> tuple[str, str]:
        folder.change(
            "tampering", lambda changes: changes.write(ARCHIVE_NAME, content_of(b"by hand"), attribute=attribute)
        )
        state = read_state(folder)
        return status_text(state, None, "", folder).splitlines()[2], status_data(state, None, "", folder)["archive"]

    assert state_of(None) == ("  current  `source.tar.gz` is there, and is no release", "foreign")
    publish_to(folder, bundle)
    attribute = read_state(folder).nodes[ARCHIVE_NAME].attribute
    assert state_of(attribute) == (
        f"  current  `source.tar.gz` was {bundle.release}, and something else has changed it",
        "changed",
    )
