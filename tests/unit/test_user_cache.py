"""The cache of a user: nobody else can write to it, and what others put there is not believed."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pipelines import CHECKOUT, Pipeline, clean_environment, contents, run_command_line

from hatch_ytupload.packing.build import Built, build_bundle
from hatch_ytupload.packing.cache import Cache
from hatch_ytupload.packing.user_cache import (
    cache_contents,
    cache_directory,
    empty_cache,
    place_of_cache,
    user_cache,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "listings-" + "a" * 64
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory that the key is in."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/hatch-ytupload"


class User:
    """Somebody who has a cache, and what they were told."""

    def __init__(self, named: Path) -> None:
        self.environ = {"YTUPLOAD_CACHE_DIR": str(named), "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}
        self.directory = named / "hatch-ytupload"
        self.told: list[str] = []

    def cache(self) -> Cache | None:
        """Return the cache."""
        return user_cache(self.environ, self.told.append)

    def usable(self) -> Cache:
        """Return the cache, which can be used."""
        self.told.clear()
        cache = self.cache()
        assert cache is not None, self.told
        assert self.told == []
        return cache

    def refused(self) -> str:
        """Return why there is no cache."""
        self.told.clear()
        assert self.cache() is None
        (line,) = self.told
        assert line.isprintable()
        return line


@pytest.fixture
def user(tmp_path: Path) -> User:
    """Return somebody without a cache so far."""
    return User(tmp_path / "deep/named")


def mode(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)


class TestDirectory:
    """Where it is, and who can write there."""

    @pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
    def test_it_is_made_for_one_user(self, user: User, state: Path, mask: int) -> None:
        """Whatever the umask, with the directories above it, and so is the key."""
        before = os.umask(mask)
        try:
            user.usable().write(NAME, b"1")
        finally:
            os.umask(before)
        assert [mode(path) for path in (user.directory, *[*user.directory.parents][:2], state)] == [0o700] * 4
        assert mode(state / "cache-key") == 0o600
        assert user.usable().read(NAME) == b"1"

    def test_it_is_marked(self, user: User) -> None:
        """As programs that make backups know it; a directory of the same name without the mark is somebody's work."""
        user.usable()
        mark = user.directory / "CACHEDIR.TAG"
        assert mark.read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
        mark.unlink()
        (user.directory / "README.md").write_text("a clone")
        assert "is not a cache of hatch-ytupload: it has no `CACHEDIR.TAG`" in user.refused()

    def test_a_laxer_mode_is_corrected(self, user: User) -> None:
        """Reading is no harm done so far."""
        user.usable()
        user.directory.chmod(0o755)
        user.usable()
        assert mode(user.directory) == 0o700

    @pytest.mark.parametrize("bits", [0o720, 0o702, 0o777, 0o1777])
    def test_one_that_others_can_write_is_refused(self, user: User, bits: int) -> None:
        """Whatever is in it may be theirs."""
        user.usable()
        user.directory.chmod(bits)
        assert "can be written by others, and is not used; remove it" in user.refused()

    def test_a_directory_above_that_everybody_can_write_is_refused(self, user: User) -> None:
        """But for one such as /tmp, where nobody can rename what is not his."""
        user.usable()
        user.directory.parent.chmod(0o777)
        assert f"`{user.directory.parent}` can be written by everybody" in user.refused()
        user.directory.parent.chmod(0o1777)
        user.usable()
        deeper = User(user.directory.parent / "a/b")
        deeper.usable()
        user.directory.parent.chmod(0o777)
        assert f"`{user.directory.parent}` can be written by everybody" in deeper.refused()

    @needs_root
    def test_one_of_somebody_else_is_refused(self, user: User) -> None:
        """The directory itself, and the one above it."""
        user.usable()
        os.chown(user.directory, NOBODY, NOBODY)
        assert "belongs to somebody else, and is not used" in user.refused()
        os.chown(user.directory, 0, 0)
        os.chown(user.directory.parent, NOBODY, NOBODY)
        assert f"`{user.directory.parent}` belongs to somebody else" in user.refused()

    @needs_root
    def test_a_link_of_somebody_else_is_refused(self, user: User, tmp_path: Path) -> None:
        """It may lead elsewhere tomorrow; ours may be anywhere on the way."""
        user.usable()
        for name, target in (("far", "near/deep"), ("near", str(tmp_path))):
            (tmp_path / name).symlink_to(target)
        other = User(tmp_path / "far/named")
        other.usable()
        os.chown(tmp_path / "near", NOBODY, NOBODY, follow_symlinks=False)
        assert f"is reached through the link `{tmp_path / 'near'}` of somebody else" in other.refused()

    def test_what_is_no_directory_is_refused(self, user: User, tmp_path: Path) -> None:
        """A file, a link to a directory, a ring of links, a file on the way."""
        user.directory.parent.mkdir(parents=True)
        user.directory.write_text("")
        assert "is not a directory" in user.refused()
        user.directory.unlink()
        for target in (tmp_path, "hatch-ytupload"):
            user.directory.symlink_to(target)
            assert user.refused().startswith(("`", "the cache `", "cannot write the cache `"))
            user.directory.unlink()
        user.directory.parent.rmdir()
        user.directory.parent.write_text("")
        assert user.refused().startswith("cannot write the cache `")

    def test_a_place_that_cannot_be_written(self) -> None:
        """The variable that helps is named."""
        line = User(Path("/proc/nowhere")).refused()
        assert line.startswith("cannot write the cache `/proc/nowhere/hatch-ytupload`: ")
        assert "set `YTUPLOAD_CACHE_DIR` to a directory of your own, or `YTUPLOAD_NO_CACHE=1`" in line

    def test_a_user_without_a_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is written to the current directory; `HOME` is named."""
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        told: list[str] = []
        assert cache_directory({}, told.append) is None
        (line,) = told
        assert line == (
            "there is no home directory for the cache and its key; nothing is remembered: set `HOME` to a directory of "
            "your own, or `YTUPLOAD_NO_CACHE=1`"
        )

    def test_without_a_variable_it_is_where_the_platform_has_it(self, tmp_path: Path) -> None:
        """As XDG says, whose variables count where they are absolute; on macOS in the library."""
        home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": "relative"}
        below = "Library/Caches" if sys.platform == "darwin" else ".cache"
        assert place_of_cache(home) == str(tmp_path / below / "hatch-ytupload")
        assert place_of_cache({**home, "XDG_CACHE_HOME": "/x"}) == "/x/hatch-ytupload"
        told: list[str] = []
        assert user_cache(home, told.append) is not None
        assert told == []
        state = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
        assert (tmp_path / state / "hatch-ytupload/cache-key").is_file()

    def test_it_can_be_switched_off(self, user: User) -> None:
        """Silently."""
        user.environ["YTUPLOAD_NO_CACHE"] = "1"
        assert user.cache() is None
        assert user.told == []
        assert not user.directory.exists()


class TestKey:
    """What files are sealed with."""

    def test_without_its_key_nothing_is_believed(self, user: User, state: Path) -> None:
        """As after a cache was brought from another machine."""
        user.usable().write(NAME, b"1")
        (state / "cache-key").unlink()
        assert user.usable().read(NAME) is None

    def test_what_is_no_file_is_not_read(self, user: User) -> None:
        """A FIFO has no end that comes, a device such as this one no end at all; both are replaced, and removed."""
        cache = user.usable()
        for number, kind in enumerate((stat.S_IFIFO, stat.S_IFCHR)):
            name = f"part-{number:064}"
            try:
                os.mknod(user.directory / name, kind | 0o600, os.makedev(1, 5))
            except PermissionError:
                continue
            assert cache.read(name) is None
            cache.write(name, b"1")
            assert cache.read(name) == b"1"
        (user.directory / NAME / "below").mkdir(parents=True)
        cache.write(NAME, b"1")
        assert cache.read(NAME) is None
        empty_cache(str(user.directory))
        assert [path.name for path in user.directory.iterdir()] == ["CACHEDIR.TAG"]

    def test_a_seal_holds_for_one_name(self, user: User) -> None:
        """One file cannot stand in for another."""
        cache = user.usable()
        cache.write(NAME, b"1")
        other = NAME.replace("a", "b")
        shutil.copy(user.directory / NAME, user.directory / other)
        assert cache.read(other) is None
        assert cache.read(NAME) == b"1"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda key: key.chmod(0o644),
            lambda key: key.write_bytes(b"short"),
            lambda key: (key.unlink(), key.mkdir()),
            lambda key: (key.unlink(), subprocess.run(["mkfifo", key], check=True)),
            lambda key: (key.rename(key.with_name("other")), key.symlink_to("other")),
        ],
        ids=["readable", "short", "directory", "FIFO", "link"],
    )
    def test_a_key_that_is_no_secret_is_refused(self, user: User, state: Path, spoil: Callable[[Path], Any]) -> None:
        """Anything but a file that only its owner can read."""
        user.usable()
        spoil(state / "cache-key")
        line = user.refused()
        assert "the key of the cache, `" in line
        assert "`XDG_STATE_HOME`" in line


def built(pipeline: Pipeline, user: User) -> Built:
    """Build with the cache."""
    return build_bundle(pipeline.project(), pipeline.settings(), str(pipeline.root / "dist"), cache=user.usable())


def poisoned(directory: Path, old: bytes, new: bytes, *, described: bool) -> int:
    """Put other code into the kept parts, the way the format has it; return how many there are.

    Args:
        directory: of the cache.
        old: what to replace.
        new: what to put in its place.
        described: with a description that fits; else with the one that is there, and its true seal.
    """
    count = 0
    for path in directory.glob("part-*"):
        data = path.read_bytes()[:-32]
        length = int.from_bytes(data[-8:], "big")
        index = json.loads(data[-8 - length : -8])
        tar = gzip.decompress(data[: -8 - length])
        if old not in tar:
            continue
        count += 1
        member = gzip.compress(tar.replace(old, new))
        index["members"] = [[len(member), len(tar)]]
        index["sha256"] = hashlib.sha256(member).hexdigest()
        packed = json.dumps(index).encode()
        forged = packed + len(packed).to_bytes(8, "big") + Cache("", b"guessed").seal(path.name, packed)
        path.write_bytes(member + (forged if described else path.read_bytes()[-40 - length :]))
    return count


@pytest.mark.parametrize("described", [True, False])
def test_code_that_somebody_puts_into_the_cache_is_not_packed(
    pipeline: Pipeline, user: User, monkeypatch: pytest.MonkeyPatch, *, described: bool
) -> None:
    """A forged part is packed again from the sources, whatever else about it is right, and is kept again."""
    pipeline.write({"stages/first/src/mapper.py": 'print("good")\n'})
    monkeypatch.setattr("hatch_ytupload.packing.memory.UNSETTLED_NS", -(10**12))
    good = contents(built(pipeline, user).archive)
    kept = {path.name: path.read_bytes() for path in user.directory.glob("part-*")}
    assert poisoned(user.directory, b'"good"', b'"EVIL"', described=described) == 1
    shutil.rmtree(pipeline.root / "dist")
    assert contents(built(pipeline, user).archive) == good
    assert {path.name: path.read_bytes() for path in user.directory.glob("part-*")} == kept


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_a_full_disk_is_called_that(pipeline: Pipeline, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build goes on, and says so once."""

    monkeypatch.setattr(
        "hatch_ytupload.packing.cache.open_new", lambda _: os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb")
    )
    (warning,) = built(pipeline, user).warnings
    assert warning.startswith(f"cannot write the cache `{user.directory}`: No space left on device; ")


class TestCommand:
    """`hatch-ytupload cache`, and what is behind it."""

    def test_it_tells_what_is_there(self, pipeline: Pipeline, user: User) -> None:
        """Place, kinds, numbers and sizes."""
        built(pipeline, user)
        assert place_of_cache(user.environ) == str(user.directory)
        found = {kind.name: kind for kind in cache_contents(str(user.directory))}
        assert list(found) == ["parts", "listings", "bundles", "unfinished", "wheels", "environments"]
        parts = [*user.directory.glob("part-*")]
        assert parts
        assert (found["parts"].files, found["parts"].size) == (len(parts), sum(path.stat().st_size for path in parts))

    def test_it_removes_what_is_written_there_and_nothing_else(self, user: User) -> None:
        """Parts, listings, bundles, environments; not what somebody else has put there."""
        cache = user.usable()
        ours = [f"{kind}-{'0' * 64}" for kind in ("part", "listings", "bundle")]
        for name in ours:
            cache.write(name, b"1")
        wheels = user.directory / "wheels"
        wheels.mkdir()
        for name in ("0" * 64, ".new-abcdefgh", "thesis.whl"):
            (wheels / name).write_text("1")
        environments = user.directory / "environments"
        (environments / ("0" * 24) / "bin").mkdir(parents=True)
        (environments / ("0" * 24) / "bin/python3").write_text("1")
        (environments / ("0" * 24 + ".lock")).touch()
        (environments / "thesis").touch()
        (user.directory / "thesis").touch()
        empty_cache(str(user.directory))
        left = {str(path.relative_to(user.directory)) for path in user.directory.rglob("*")}
        assert left == {"CACHEDIR.TAG", "thesis", "environments", "environments/thesis", "wheels", "wheels/thesis.whl"}
        assert [(kind.files, kind.size) for kind in cache_contents(str(user.directory))] == [(0, 0)] * 6

    def test_what_is_no_cache_is_not_emptied(self, user: User, tmp_path: Path) -> None:
        """A directory without the mark; nothing is no error."""
        empty_cache(str(user.directory))
        user.directory.mkdir(parents=True)
        (user.directory / ("part-" + "0" * 64)).touch()
        process = run_command_line("cache", "clean", cwd=tmp_path, environ=user.environ)
        assert process.returncode == 1
        assert "is not a cache of hatch-ytupload" in process.stderr
        assert (user.directory / ("part-" + "0" * 64)).exists()

    def test_the_command_shows_and_empties(self, user: User, tmp_path: Path) -> None:
        """For people and for programs, outside of any project."""
        user.usable().write("part-" + "0" * 64, bytes(1000))

        def run(*arguments: str) -> str:
            process = run_command_line(*arguments, cwd=tmp_path, environ=user.environ)
            assert process.returncode == 0, process.stderr
            return process.stdout

        assert run("cache") == f"cache {user.directory}\n  parts  1, 1.0 kB\n"
        data = json.loads(run("--json", "cache"))
        assert (data["directory"], data["size"], data["kinds"]["parts"]) == (
            str(user.directory), 1040, {"files": 1, "size": 1040},
        )  # fmt: skip
        assert run("cache", "clean") == f"removed from {user.directory}\n  parts  1, 1.0 kB\n"
        assert run("cache") == f"cache {user.directory}\n  nothing  0 B\n"


def test_several_processes_make_it_at_once(user: User, tmp_path: Path) -> None:
    """One key, one directory, and nothing else is left."""
    code = (
        "import os, sys\n"
        "from hatch_ytupload.packing.user_cache import user_cache\n"
        "cache = user_cache(os.environ, sys.exit)\n"
        "print(cache.seal('x', b'').hex())\n"
    )
    environ = clean_environment(PYTHONPATH=str(CHECKOUT), **user.environ)
    environ.pop("YTUPLOAD_NO_CACHE", None)
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    seals = {process.communicate()[0] for process in running}
    assert len(seals) == 1
    assert seals != {""}
    assert os.listdir(user.directory.parent) == ["hatch-ytupload"]
    assert os.listdir(tmp_path / "state/hatch-ytupload") == ["cache-key"]
