"""The ignore files that count in a directory, as they lie on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hatch_ytupload.errors import SourceError
from hatch_ytupload.sources.ignore_scope import IgnoreScope, IgnoreScopes
from hatch_ytupload.sources.ignoring import IGNORE_FILE_NAME

if TYPE_CHECKING:
    from pathlib import Path


def refused(directory: Path) -> str:
    """Return the message about the ignore file of a directory."""
    with pytest.raises(SourceError) as caught:
        IgnoreScope.top(str(directory), "src")
    return str(caught.value)


@pytest.mark.parametrize("target", ["patterns", "below", "missing", IGNORE_FILE_NAME, "/dev/null"])
def test_a_link_in_the_pipeline_says_nothing(tmp_path: Path, target: str) -> None:
    """As for git, wherever the link leads: to patterns, to a directory, to nothing, to itself, to a device."""
    (tmp_path / "patterns").write_bytes(b"*\n")
    (tmp_path / "below").mkdir()
    for directory in (tmp_path, tmp_path / "below"):
        (directory / IGNORE_FILE_NAME).symlink_to(target if directory == tmp_path else f"../{target}")
    scopes = IgnoreScopes(str(tmp_path))
    for scope in (scopes.of(str(tmp_path)), scopes.of(str(tmp_path / "below"))):
        assert scope.excluding("a", is_dir=False) is None
        assert scope.excluding(IGNORE_FILE_NAME, is_dir=False)


def test_a_link_in_between_does_not_hide_the_outer_rules(tmp_path: Path) -> None:
    """Only the link says nothing; the files above it count on."""
    (tmp_path / IGNORE_FILE_NAME).write_bytes(b"*.csv\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "patterns").write_bytes(b"!*.csv\n")
    (tmp_path / "below" / IGNORE_FILE_NAME).symlink_to("../patterns")
    scope = IgnoreScopes(str(tmp_path)).of(str(tmp_path / "below"))
    assert scope.excluding("a.csv", is_dir=False)


def test_a_package_may_have_links(tmp_path: Path) -> None:
    """Installers link the files of a package from their cache: it decides as if they were copied."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "patterns").write_bytes(b"*.csv\n")
    package = tmp_path / "package"
    (package / "below").mkdir(parents=True)
    (package / IGNORE_FILE_NAME).symlink_to("../cache/patterns")
    (package / "below" / IGNORE_FILE_NAME).symlink_to("../../cache/nothing")
    scope = IgnoreScope.top(str(package), "package")
    assert scope.excluding("a.csv", is_dir=False)
    with pytest.raises(SourceError, match=r"^cannot read `package/below/.ytignore`: No such file or directory; "):
        scope.child("below", str(package / "below"), "package/below")


def test_a_directory_reached_through_a_link_keeps_its_own_file(tmp_path: Path) -> None:
    """The ignore file there is no link, only the way to it is one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / IGNORE_FILE_NAME).write_bytes(b"*.csv\n")
    (tmp_path / "link").symlink_to("real")
    assert IgnoreScopes(str(tmp_path)).of(str(tmp_path / "link")).excluding("a.csv", is_dir=False)


def test_a_file_that_git_would_not_read_is_refused(tmp_path: Path) -> None:
    """Git passes over an ignore file of 100 MiB with a warning: what it names must not get into an archive for that."""
    (tmp_path / IGNORE_FILE_NAME).write_bytes(b"*.csv\n")
    os.truncate(tmp_path / IGNORE_FILE_NAME, 100 * 1024 * 1024)
    message = refused(tmp_path)
    assert message == "cannot read `src/.ytignore`: it is larger than 100 MiB, more than git reads; shorten it"


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    """Nobody waits for it, and the message says what to do."""
    path = tmp_path / IGNORE_FILE_NAME
    if kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert refused(tmp_path) == "cannot read `src/.ytignore`: it is no regular file; make it a readable file"


def test_without_an_ignore_file_nothing_but_the_built_in_rules_counts(tmp_path: Path) -> None:
    """No file and an empty one decide alike."""
    bare = IgnoreScope.top(str(tmp_path), "src")
    (tmp_path / IGNORE_FILE_NAME).touch()
    empty = IgnoreScope.top(str(tmp_path), "src")
    assert bare.identity == empty.identity
    assert bare.excluding("a", is_dir=False) is empty.excluding("a", is_dir=False) is None
