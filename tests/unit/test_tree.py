"""Walking a source directory: what is taken, what is followed, what is refused."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pipelines import Pipeline, refusal

from hatch_ytupload.sources.ignore_scope import IgnoreScope
from hatch_ytupload.sources.listings import Listings
from hatch_ytupload.sources.planned_files import read_unchanged
from hatch_ytupload.sources.tree import SourceFile, Tree, single_file, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatch_ytupload.sources.listings import Listing

WAY_OUT = "exclude it in `.ytignore` or remove it"


@pytest.fixture
def source(tmp_path: Path) -> Pipeline:
    """Return an empty directory to fill and walk."""
    (tmp_path / "top/lib").mkdir(parents=True)
    return Pipeline(tmp_path / "top/lib")


def walked(source: Pipeline, *, own: bool = True, boundary: Path | None = None) -> Tree:
    """Walk the directory, with its own ignore file and the one above it out of reach."""
    scope = IgnoreScope.top(str(source.root), "lib")
    top = str(boundary or source.root)
    return walk(str(source.root), "target", scope, top, Listings(), own=own, shown="lib")


def taken(source: Pipeline, *, own: bool = True, boundary: Path | None = None) -> dict[str, str]:
    """Return paths in the archive and what is read for them, relative to the source."""
    files = walked(source, own=own, boundary=boundary).files
    return {file.path: os.path.relpath(file.source, source.root) for file in files}


def refused(source: Pipeline, *, own: bool = True, boundary: Path | None = None) -> str:
    """Return why the directory cannot be walked."""
    return refusal(lambda: walked(source, own=own, boundary=boundary))


@contextmanager
def nested(directory: Path, names: list[str]) -> Iterator[int]:
    """Make directories within each other, open the innermost, and remove them all: pytest's cleaning calls itself."""
    here = os.open(directory, os.O_RDONLY)
    try:
        for name in names:
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)
        subprocess.run(["rm", "-rf", directory / names[0]], check=True)


class TestFiles:
    """What is taken as it is."""

    def test_files_below_all_directories_are_taken(self, source: Pipeline) -> None:
        """Every regular file has its place below the target; empty directories have none."""
        source.write(
            {"a.py": "", "b/c/d.py": "", "b/.hidden": "", "empty/": "", "-x": "", "sp ace": "", "new\nline": ""}
        )
        assert set(taken(source)) == {
            "target/a.py", "target/b/c/d.py", "target/b/.hidden", "target/-x", "target/sp ace", "target/new\nline",
        }  # fmt: skip

    def test_a_file_is_described_as_it_is(self, source: Pipeline) -> None:
        """Size, mode, times and identity are those of the moment of planning."""
        source.write({"a.py": "12345"})
        path = source.root / "a.py"
        path.chmod(0o600)
        os.utime(path, ns=(0, 1_500_000_000_123_456_789))
        status = path.stat()
        (file,) = walked(source).files
        assert file == SourceFile(
            path="target/a.py",
            place=str(path.parent),
            name="a.py",
            size=5,
            mode=0o644,
            mtime_ns=1_500_000_000_123_456_789,
            ctime_ns=status.st_ctime_ns,
            device=status.st_dev,
            inode=status.st_ino,
            own=True,
        )

    @pytest.mark.parametrize(
        ("mode", "packed"),
        [(0o644, 0o644), (0o777, 0o755), (0o500, 0o755), (0o4711, 0o755), (0o655, 0o644), (0o666, 0o644), (0, 0o644)],
    )
    def test_only_the_owners_execute_bit_counts(self, source: Pipeline, mode: int, packed: int) -> None:
        """Modes are 644, or 755 where the owner may execute."""
        source.write({"a": ""})
        (source.root / "a").chmod(mode)
        assert walked(source).files[0].mode == packed

    def test_names_of_all_kinds_of_letters_are_kept(self, source: Pipeline) -> None:
        """Names are neither normalized nor folded."""
        names = ["é", "e\u0301", "日本語.py", "😀", "\u202e", "İ", "ﬀ"]
        source.write(dict.fromkeys(names, ""))
        assert set(taken(source)) == {f"target/{name}" for name in names}

    def test_directories_may_nest_deep(self, source: Pipeline) -> None:
        """A walk does not call itself: 1,500 levels are no problem."""
        with nested(source.root, ["d"] * 1500) as innermost:
            os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=innermost))
            assert list(taken(source)) == ["target/" + "d/" * 1500 + "leaf"]

    def test_a_path_that_no_program_can_open_is_named(self, source: Pipeline) -> None:
        """Beyond the longest path of the system, the message says so."""
        with nested(source.root, ["d" * 250] * 20):
            line = refused(source)
        assert line.startswith("cannot read `lib/ddd")
        assert ": File name too long" in line


class TestIgnoring:
    """`.ytignore` files."""

    def test_nested_files_decide_for_what_is_below(self, source: Pipeline) -> None:
        """The innermost file that has a matching rule decides."""
        source.write(
            {".ytignore": "*.log\n", "a.log": "", "b/.ytignore": "!keep.log\n", "b/keep.log": "", "b/c/x.log": ""}
        )
        tree = walked(source)
        assert [file.path for file in tree.files] == ["target/b/keep.log"]
        assert tree.ignored == 2
        assert tree.excluded is not None
        path, rule = tree.excluded
        assert (path, rule.file, rule.line, rule.pattern) == ("lib/a.log", "lib/.ytignore", 1, "*.log")

    def test_what_never_belongs_is_left_out(self, source: Pipeline) -> None:
        """Byte code, version control and the ignore files themselves are left out without being counted."""
        source.write(
            dict.fromkeys(
                [".ytignore", "a/.ytignore", "__pycache__/a.py", "a.pyc", "a.pyo", ".git/config", ".hg/x", ".svn/x",
                 ".DS_Store", "kept.py"],
                "",
            )
        )  # fmt: skip
        tree = walked(source)
        assert [file.path for file in tree.files] == ["target/kept.py"]
        assert (tree.ignored, tree.excluded) == (0, None)

    def test_an_ignored_directory_is_not_entered(self, source: Pipeline) -> None:
        """What nobody wants may be broken in any way."""
        source.write({".ytignore": "junk/\n", "junk/.ytignore": "", "ok": ""})
        os.mkfifo(source.root / "junk/fifo")
        source.link("junk/dangling", "nowhere")
        assert list(taken(source)) == ["target/ok"]

    def test_ignored_things_need_not_be_packable(self, source: Pipeline) -> None:
        """That is the way out which messages name."""
        source.write({".ytignore": "fifo\ndangling\nsecrets.env\nbad*\n", "secrets.env": "A=1", "ok": ""})
        os.mkfifo(source.root / "fifo")
        source.link("dangling", "nowhere")
        (Path(os.fsdecode(os.fsencode(source.root) + b"/bad\xff"))).touch()
        assert list(taken(source)) == ["target/ok"]

    def test_a_fifo_is_no_ignore_file(self, source: Pipeline) -> None:
        """Nobody waits for the other end."""
        source.write({"a/": ""})
        os.mkfifo(source.root / "a/.ytignore")
        assert refused(source) == "cannot read `lib/a/.ytignore`: it is no regular file; make it a readable file"

    def test_a_directory_is_no_ignore_file(self, source: Pipeline) -> None:
        """A mistake is better said than passed over."""
        source.write({"a/.ytignore/": ""})
        assert refused(source) == "cannot read `lib/a/.ytignore`: it is no regular file; make it a readable file"

    def test_an_ignore_file_that_leads_nowhere_is_named(self, source: Pipeline) -> None:
        """A dangling link would let through what it was meant to keep out."""
        source.link("a/.ytignore", "nowhere")
        assert refused(source) == "cannot read `lib/a/.ytignore`: No such file or directory; make it a readable file"

    def test_an_ignore_file_may_be_a_link(self, source: Pipeline) -> None:
        """Installers link files from their cache into an environment."""
        source.write({"rules": "*.log\n", "a/x.log": "", "a/y": ""}).link("a/.ytignore", "../rules")
        assert set(taken(source)) == {"target/rules", "target/a/y"}


class TestLinks:
    """Symbolic links."""

    def test_links_to_files_are_packed_as_files(self, source: Pipeline) -> None:
        """A link keeps its own name, and what it leads to stays where it is; the order of names does not matter."""
        source.write({"middle.py": "x"}).link("aaa.py", "middle.py").link("zzz.py", "middle.py")
        assert taken(source) == {
            "target/aaa.py": "middle.py",
            "target/middle.py": "middle.py",
            "target/zzz.py": "middle.py",
        }

    def test_links_to_directories_are_packed_as_directories(self, source: Pipeline) -> None:
        """Both the link and the directory are there, whichever sorts first."""
        source.write({"mid/a.py": "", "mid/b/c.py": ""}).link("aaa", "mid").link("zzz", "mid/b")
        assert taken(source) == {
            "target/aaa/a.py": "mid/a.py",
            "target/aaa/b/c.py": "mid/b/c.py",
            "target/mid/a.py": "mid/a.py",
            "target/mid/b/c.py": "mid/b/c.py",
            "target/zzz/c.py": "mid/b/c.py",
        }

    def test_chains_of_links_are_followed(self, source: Pipeline) -> None:
        """A link may lead to a link."""
        source.write({"real": ""}).link("one", "two").link("two", source.root / "real")
        assert set(taken(source)) == {"target/real", "target/one", "target/two"}

    def test_the_mode_is_that_of_the_file(self, source: Pipeline) -> None:
        """Links have no mode of their own."""
        source.write({"real": ""}).link("link", "real")
        (source.root / "real").chmod(0o755)
        assert {file.mode for file in walked(source).files} == {0o755}

    def test_ignore_rules_see_the_name_of_the_link(self, source: Pipeline) -> None:
        """And take it for a file, as git does: `name/` does not match it."""
        source.write({".ytignore": "b/\nc\n", "a/x": ""}).link("b", "a").link("c", "a")
        assert set(taken(source)) == {"target/a/x", "target/b/x"}

    def test_ignore_files_below_a_link_count_there(self, source: Pipeline) -> None:
        """The rules of the directory that is linked to apply under both names."""
        source.write({"a/.ytignore": "x\n", "a/x": "", "a/y": ""}).link("b", "a")
        assert set(taken(source)) == {"target/a/y", "target/b/y"}

    @pytest.mark.parametrize("absolute", [False, True])
    def test_a_link_must_not_leave_the_boundary(self, source: Pipeline, *, absolute: bool) -> None:
        """Relative or absolute, to a file outside: named with where it leads."""
        outside = source.root.parent / "outside.txt"
        outside.write_text("secret")
        source.link("leak", outside if absolute else "../outside.txt")
        line = f"the symbolic link `lib/leak` leads to `{outside}`, out of `{source.root}`; replace it by a copy, "
        assert refused(source) == line + WAY_OUT
        assert list(taken(source, boundary=source.root.parent)) == ["target/leak"]

    def test_a_neighbour_whose_name_begins_alike_is_outside(self, source: Pipeline) -> None:
        """Containment goes by components of the path, not by its letters."""
        neighbour = source.root.parent / "lib-2"
        neighbour.mkdir()
        source.link("leak", neighbour)
        assert f"leads to `{neighbour}`, out of `{source.root}`" in refused(source)

    def test_a_link_may_leave_and_come_back(self, source: Pipeline) -> None:
        """Only where it ends counts."""
        source.write({"a": ""}).link("b", "../lib/a")
        assert set(taken(source)) == {"target/a", "target/b"}

    def test_the_source_itself_must_not_leave_the_boundary(self, source: Pipeline, tmp_path: Path) -> None:
        """Nor may the directory that is walked be a link out of it."""
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere/a").touch()
        (tmp_path / "top/link").symlink_to(tmp_path / "elsewhere")
        linked = Pipeline(tmp_path / "top/link")
        assert refused(linked, boundary=tmp_path / "top") == (
            f"`lib`, through a symbolic link, leads to `{tmp_path}/elsewhere`, out of `{tmp_path}/top`; "
            f"replace it by a copy, {WAY_OUT}"
        )

    def test_a_dangling_link_is_named(self, source: Pipeline) -> None:
        """With what it holds."""
        source.link("dang\nling", "no/where")
        assert refused(source) == (
            f"cannot follow the symbolic link `lib/dang\\nling` to `no/where`: No such file or directory; {WAY_OUT}"
        )

    def test_a_link_to_itself_is_named(self, source: Pipeline) -> None:
        """So is one that leads nowhere else."""
        source.link("self", "self")
        assert refused(source) == f"the symbolic link `lib/self` leads back to itself: `self` -> `self`; {WAY_OUT}"

    def test_a_ring_of_links_is_shown(self, source: Pipeline) -> None:
        """All links of the ring are listed."""
        source.link("sub/c", "../b").link("b", "sub/c").link("a", "b")
        line = f"the symbolic link `lib/a` leads back to itself: `a` -> `b` -> `sub/c` -> `b`; {WAY_OUT}"
        assert refused(source) == line

    def test_a_link_through_a_ring_is_named(self, source: Pipeline) -> None:
        """The ring may be among the directories on the way."""
        source.link("a/ring", "ring").link("through", "a/ring/file")
        line = "cannot follow the symbolic link `lib/through` to `a/ring/file`: Too many levels of symbolic links"
        source.write({".ytignore": "/a\n"})
        assert refused(source) == f"{line}; {WAY_OUT}"

    def test_a_directory_within_itself_is_shown(self, source: Pipeline) -> None:
        """The chain names every directory on the way."""
        source.write({"a/b/c/": ""}).link("a/b/c/up", "../../..")
        line = "a symbolic link leads back to a directory above it: `lib` -> `lib/a` -> `lib/a/b` -> `lib/a/b/c` -> "
        assert refused(source) == f"{line}`lib/a/b/c/up`; {WAY_OUT}"

    def test_two_directories_that_link_to_each_other_are_shown(self, source: Pipeline) -> None:
        """The ring may go through several links."""
        source.write({"a/": "", "b/": ""}).link("a/to_b", "../b").link("b/to_a", "../a")
        line = "a symbolic link leads back to a directory above it: `lib/a` -> `lib/a/to_b` -> `lib/a/to_b/to_a`"
        assert refused(source) == f"{line}; {WAY_OUT}"


class Swapping(Listings):
    """Listings that change the tree when a directory has been listed.

    Args:
        swaps: what happens after the listing of a directory, by the name of that.
    """

    def __init__(self, swaps: dict[str, Callable[[], None]]) -> None:
        super().__init__()
        self._swaps = swaps

    def of(self, descriptor: int, real: str, shown: str, scope: IgnoreScope) -> Listing:
        """List, then swap."""
        listing = super().of(descriptor, real, shown, scope)
        self._swaps.pop(os.path.basename(real), lambda: None)()
        return listing


class TestMoments:
    """Somebody replaces what is being walked: nothing outside of it is ever packed."""

    @pytest.fixture
    def outside(self, source: Pipeline) -> Path:
        """Return a directory beside the source that looks like one in it."""
        Pipeline(source.root.parent / "outside").write({"file": "secret", "deep/file": "secret"})
        source.write({"a/first": "", "z/file": "mine", "z/deep/file": "mine"})
        return source.root.parent / "outside"

    def swapped(self, source: Pipeline, **swaps: Callable[[], None]) -> str:
        """Return why the walk ended."""
        scope = IgnoreScope.top(str(source.root), "lib")
        top = str(source.root)
        return refusal(lambda: walk(top, "target", scope, top, Swapping(swaps), own=True, shown="lib"))

    # What is another directory before it is looked at for the first time is the one that counts.
    @pytest.mark.parametrize(("after", "by_a_link"), [("lib", True), ("a", True), ("a", False)])
    def test_a_directory_is_entered_only_as_it_was_seen(
        self, source: Pipeline, outside: Path, after: str, *, by_a_link: bool
    ) -> None:
        """Between its listing and being entered it becomes a link, or another directory; when it is inspected, too."""

        def swap() -> None:
            (source.root / "z").rename(source.root.parent / "aside")
            if by_a_link:
                (source.root / "z").symlink_to(outside)
            else:
                outside.rename(source.root / "z")

        line = self.swapped(source, **{after: swap})
        assert line == "`lib/z` was replaced while it was being read; build again when it is at rest"

    def test_a_directory_above_is_no_way_out(self, source: Pipeline, outside: Path) -> None:
        """It is the parent of the next directory that becomes a link."""

        def swap() -> None:
            (source.root / "z").rename(source.root.parent / "aside")
            (source.root / "z").symlink_to(outside)

        line = self.swapped(source, z=swap)
        assert line == "`lib/z/deep` was replaced while it was being read; build again when it is at rest"

    def test_what_a_link_leads_to_stays_inside(
        self, source: Pipeline, outside: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between being resolved and being looked at, a directory on the way becomes a link; or what it leads to."""
        realpath = os.path.realpath

        def resolved(path: str, *, strict: bool = False) -> str:
            real = realpath(path, strict=strict)
            if strict:
                (source.root / "z").rename(source.root.parent / "aside")
                (source.root / "z").symlink_to(outside)
            return real

        source.link("a/link", "../z/deep/file")
        monkeypatch.setattr(os.path, "realpath", resolved)
        assert "`lib/a/link` was replaced while it was being read" in refused(source)
        (source.root / "z").unlink()
        (source.root.parent / "aside").rename(source.root / "z")
        (source.root / "a/link").unlink()
        source.link("a/link", "../z")
        assert "`lib/a/link` was replaced while it was being read" in refused(source)

    def test_a_file_is_described_as_the_one_in_the_directory_that_is_open(
        self, source: Pipeline, outside: Path
    ) -> None:
        """Its directory becomes a link just before it is looked at: what is described is the file inside."""

        def swap() -> None:
            (source.root / "z").rename(source.root.parent / "aside")
            (source.root / "z").symlink_to(outside)

        source.remove("z/deep")
        scope = IgnoreScope.top(str(source.root), "lib")
        top = str(source.root)
        files = walk(top, "target", scope, top, Swapping({"z": swap}), own=True, shown="lib").files
        inside = (source.root.parent / "aside/file").stat()
        assert (files[-1].path, files[-1].device, files[-1].inode) == ("target/z/file", inside.st_dev, inside.st_ino)
        assert "changed while it was being packed" in refusal(lambda: list(read_unchanged(files[-1])))

    def test_a_file_that_is_gone_is_named(self, source: Pipeline, outside: Path) -> None:
        """Files and directories alike."""
        assert outside.is_dir()
        assert self.swapped(source, a=(source.root / "a/first").unlink) == (
            f"cannot read `lib/a/first`: No such file or directory; {WAY_OUT}"
        )
        source.remove("z/deep/file")
        line = self.swapped(source, z=(source.root / "z/deep").rmdir)
        assert line == f"cannot read `lib/z/deep`: No such file or directory; {WAY_OUT}"


class TestBrokenDisks:
    """What a file system may answer to any call."""

    @pytest.mark.parametrize("call", ["open", "scandir", "stat", "fstat"])
    def test_an_error_of_the_disk_is_one_line(
        self, source: Pipeline, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        """It names the directory, or the file."""
        source.write({"mod.py": "", "deep/mod.py": ""})
        scope = IgnoreScope.top(str(source.root), "lib")
        top = str(source.root)
        original = getattr(os, call)

        def failing(path: str | int, *arguments: object, **options: object) -> object:
            if call == "fstat" or not str(path).endswith(".ytignore"):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return original(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            line = refusal(lambda: walk(top, "target", scope, top, Listings(), own=True, shown="lib"))
        assert line.startswith(("cannot list `lib", "cannot read `lib"))
        assert "Input/output error" in line


class TestBadInput:
    """What cannot be packed."""

    @pytest.mark.parametrize(
        ("make", "kind"),
        [
            (os.mkfifo, "a FIFO"),
            (lambda path: socket.socket(socket.AF_UNIX).bind(path), "a socket"),
        ],
        ids=["fifo", "socket"],
    )
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    def test_what_is_no_file_is_named(
        self, source: Pipeline, make: Callable[[str], None], kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """FIFOs and sockets, also behind a link."""
        source.write({"a/": ""})
        monkeypatch.chdir(source.root)  # names of sockets are short
        make("a/it")
        line = f"is {kind}, and only regular files can be packed; {WAY_OUT}"
        assert refused(source) == f"`lib/a/it` {line}"
        source.write({".ytignore": "/a\n"}).link("link", "a/it")
        assert refused(source) == f"`lib/link` {line}"

    @pytest.mark.skipif(not os.access("/dev/null", os.R_OK), reason="there is no /dev/null")
    def test_a_device_is_named(self, source: Pipeline) -> None:
        """A link to a device within the boundary is refused for what it leads to."""
        source.link("null", "/dev/null")
        line = f"`lib/null` is a character device, and only regular files can be packed; {WAY_OUT}"
        assert refused(source, boundary=Path("/")) == line

    @pytest.mark.parametrize("name", [b"bad\xff", b"bad\xff/"])
    def test_a_name_that_is_not_utf8_is_named(self, source: Pipeline, name: bytes) -> None:
        """Files and directories; the bytes are shown escaped."""
        path = os.path.join(os.fsencode(source.root), name)
        if name.endswith(b"/"):
            os.mkdir(path)
        else:
            Path(os.fsdecode(path)).touch()
        assert refused(source) == f"the file name `lib/bad\\udcff` is not UTF-8; rename it or {WAY_OUT}"

    def test_the_first_problem_is_the_same_everywhere(self, source: Pipeline) -> None:
        """Of several problems the one is reported that sorts first, in whatever order they were made."""
        for name in ("z", "m/b", "m/a", "a/z"):
            source.write({f"{name}/": ""})
            os.mkfifo(source.root / name / "fifo")
        assert refused(source).startswith("`lib/a/z/fifo` is a FIFO")

    @pytest.mark.parametrize("name", ["secrets.env", ".env", ".env.prod", "id_rsa", "key.p12", "sub/.netrc"])
    def test_credentials_are_refused_in_own_sources(self, source: Pipeline, name: str) -> None:
        """By name, wherever they lie."""
        source.write({name: ""})
        assert refused(source) == (
            f"`lib/{name}` looks like a file of credentials, which must not get into an archive; "
            "move it out of the sources or exclude it in `.ytignore`"
        )

    def test_all_credentials_of_a_source_are_named_at_once(self, source: Pipeline) -> None:
        """Also those that only their content tells; a long list ends."""
        key = "-----BEGIN PRIVATE KEY-----\n"
        source.write(
            {"a.json": '{"private_key": "-----BEGIN PRIVATE KEY-----"}', ".yt/token": "", "z/.env": "", "b": key}
        )
        assert refused(source) == (
            "`lib/.yt/token`, `lib/z/.env`, `lib/a.json` and `lib/b` look like files of credentials, which must not "
            "get into an archive; move them out of the sources or exclude them in `.ytignore`"
        )
        source.write({f".env.{number}": "" for number in range(4)})
        assert "`lib/.env.3`, `lib/.yt/token` and 3 more look like files of credentials" in refused(source)

    def test_credentials_behind_a_link_are_refused(self, source: Pipeline) -> None:
        """An innocent name does not help."""
        source.write({".ytignore": "/hidden\n", "hidden/secrets.env": ""}).link("settings.txt", "hidden/secrets.env")
        line = f"`lib/settings.txt` (a symbolic link to `{source.root}/hidden/secrets.env`) looks like a file of "
        assert refused(source).startswith(line)

    def test_a_link_with_the_name_of_credentials_is_refused(self, source: Pipeline) -> None:
        """Nor does it help to call something else so."""
        source.write({"harmless": ""}).link(".env", "harmless")
        assert refused(source).startswith("`lib/.env` looks like a file of credentials")

    def test_a_directory_may_have_the_name_of_credentials(self, source: Pipeline) -> None:
        """A directory `.env` is something else."""
        source.write({".env/a.py": ""})
        assert list(taken(source)) == ["target/.env/a.py"]

    def test_installed_packages_may_hold_what_looks_like_credentials(self, source: Pipeline) -> None:
        """Test data of other people's packages is none of our business."""
        source.write({"tests/id_rsa": "", ".env": ""})
        assert set(taken(source, own=False)) == {"target/tests/id_rsa", "target/.env"}


class TestSingleFile:
    """A file that is a source of its own."""

    def one(self, path: Path, boundary: Path) -> SourceFile:
        """Describe it."""
        return single_file(str(path), "mod.py", str(boundary), own=True, shown="mod.py")

    def test_it_is_described(self, source: Pipeline) -> None:
        """As files of a tree are."""
        source.write({"mod.py": "12"})
        file = self.one(source.root / "mod.py", source.root)
        assert (file.path, file.source, file.size, file.own) == ("mod.py", str(source.root / "mod.py"), 2, True)

    def test_a_link_is_followed_inside_the_boundary_alone(self, source: Pipeline) -> None:
        """The same rules hold."""
        source.write({"real.py": ""}).link("mod.py", "real.py")
        assert self.one(source.root / "mod.py", source.root).source == str(source.root / "real.py")
        (source.root / "sub").mkdir()
        assert "out of" in refusal(lambda: self.one(source.root / "mod.py", source.root / "sub"))

    def test_it_must_be_there_and_a_file(self, source: Pipeline) -> None:
        """A missing file and a FIFO are named."""
        path = source.root / "mod.py"
        line = f"cannot read `mod.py`: No such file or directory; {WAY_OUT}"
        assert refusal(lambda: self.one(path, source.root)) == line
        os.mkfifo(path)
        assert refusal(lambda: self.one(path, source.root)).startswith("`mod.py` is a FIFO")
