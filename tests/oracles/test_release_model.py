"""A team's months: environments on two clusters and on disk, played at random and held against a model at every step.

Readers look all the time; each state that they see is one that the model knows for that moment.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import threading
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import release_model as model
from build_folders import on_cluster, read_current
from examples import EXAMPLES, IS_LONG
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pipelines import make_pipeline
from proxy import TOKEN, USER, ProxyServer

from hatch_ytupload.build_folders.disk.folder import LocalFolder
from hatch_ytupload.build_folders.folder_lock import user_name
from hatch_ytupload.command_line.cli import main
from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.packing.build import build_bundle
from hatch_ytupload.releases import prefixes
from hatch_ytupload.releases.records import read_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_ytupload.build_folders.build_folder import BuildFolder

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("unmeasured")]

KINDS = {
    "project": "of the project `",
    "selection": "the bundle was built (for|with) ",
    "stale": " since the bundle was built",
    "higher": "has a higher version than",
    "version": "was published with other content",
    "consent": " asks before anything changes",
    "unknown": "keeps no release `",
    "empty": "there is no build folder|keeps no release to go back to",
    "oldest": "keeps no release before",
    "itself": "cannot be promoted to itself",
    "current": "is the current one of",
    "pinned": "is pinned;",
    "exists": "exists; name another directory with",
}
"""What a line of an error or a warning is about, by what it says."""

SETTINGS = """
upload_modules = []

[tool.ytupload.environments.testing]
build_folder = "//home/demo/testing"
proxy = "{one}"
keep_releases = 3

[tool.ytupload.environments.staging]
build_folder = "//home/demo/staging"
proxy = "{one}"
keep_releases = 2
upload_paths = [{{ source = "lib" }}]

[tool.ytupload.environments.production]
build_folder = "//home/demo/production"
proxy = "{other}"
keep_releases = 2
confirm = true
unique_versions = true
standalone_wrappers = true
node_attributes = {{ replication_factor = 5 }}

[tool.ytupload.environments.local]
build_folder = "//home/demo/local"
mode = "dev"
keep_releases = 0
"""
FOLDERS = {
    "testing": model.new_folder(keep=3),
    "staging": model.new_folder(keep=2),
    "production": model.new_folder(keep=2, confirm=True, unique=True, with_scripts=True),
    "local": model.new_folder(keep=0),
}
"""The same for the model."""

UNKNOWN = "9.9-000000000000"
NONE = 8


class World:
    """What all months share: two clusters, a pipeline, and bundles that were built before."""

    def __init__(self, one: ProxyServer, other: ProxyServer, directory: Path) -> None:
        self.proxies = {"testing": one, "staging": one, "production": other}
        self.directory = directory
        self.numbers = count()
        self.seen: set[str] = set()
        """The kinds of lines that were ever said."""
        lines = SETTINGS.format(one=one.address, other=other.address)
        self.pipeline = make_pipeline(directory / "demo", settings=lines)
        self.pyproject = (self.pipeline.root / "pyproject.toml").read_text()
        self.write("1.0", "a", "1", has_second=False)
        rival = make_pipeline(directory / "rival", pyproject='[project]\nname = "rival"\nversion = "3.0"\n')
        path = Path(rival.build(directory / "rival" / "dist").archive).parent
        about = {"project": "rival", "version": "3.0", "commit": None, "dirty": None, "made_for": None}
        self.bundles = [_described(path, **about)]
        self.commit()
        for version, text, environment in (
            ("1.0", "a", "testing"),
            ("1.0", "b", "testing"),
            ("1.1", "a", "testing"),
            ("1.0", "a", "staging"),
        ):
            self.write(version, text, "1", has_second=False)
            self.bundles.append(self.build(environment))

    def write(self, version: str, text: str, path: str, *, has_second: bool) -> None:
        """Edit the pipeline: a file that every bundle has, one that only staging has, and a stage."""
        self.content = {"stages/first/src/text.txt": text, "lib/data.txt": path}
        self.version = version
        pyproject = self.pyproject.replace('version = "1.0"', f'version = "{version}"')
        self.pipeline.write({**self.content, "pyproject.toml": pyproject})
        self.has_second = has_second
        if has_second:
            self.pipeline.write({"stages/second/src/vanilla.py": "print(2)\n"})
        else:
            shutil.rmtree(self.pipeline.root / "stages/second", ignore_errors=True)

    def commit(self) -> None:
        """Commit all that was edited."""
        self.head = self.pipeline.commit()
        self.committed = self.tree()

    def tree(self) -> tuple[str, dict[str, str], bool]:
        """Return the pipeline as it is now."""
        return self.version, self.content, self.has_second

    def build(self, environment: str) -> model.Bundle:
        """Build what is there, into a directory of its own."""
        directory = self.directory / "dist" / str(next(self.numbers))
        settings = self.pipeline.settings(environ={"YTUPLOAD_ENVIRONMENT": environment})
        built = build_bundle(self.pipeline.project(), settings, str(directory))
        dirty = self.committed != self.tree()
        about = {"project": "demo", "version": self.version, "commit": self.head, "dirty": dirty}
        bundle = _described(Path(built.archive).parent, **about, made_for=environment)
        assert built.content_sha256 == bundle["content_sha256"]
        return bundle

    def folder(self, place: str) -> BuildFolder:
        """Return the build folder of an environment."""
        if place == "local":
            return LocalFolder(str(self.pipeline.root), "//home/demo/local")
        return on_cluster(self.proxies[place], f"//home/demo/{place}")

    def clear(self) -> None:
        """Remove all build folders."""
        for proxy in self.proxies.values():
            if proxy.cypress.exists("//home/demo"):
                proxy.cypress.remove("//home/demo")
            proxy.log.clear()
        shutil.rmtree(self.pipeline.root / ".dev", ignore_errors=True)


class Reader:
    """Looks at one build folder again and again, and knows what it may see."""

    def __init__(self, folder: BuildFolder) -> None:
        self._folder = folder
        self._states: list[tuple[str | None, list[str], set[str]]] = [(None, [], set())]
        self._settled = 0
        self._done = threading.Event()
        self._problems: list[BaseException] = []
        self._thread = threading.Thread(target=self._loop, name=f"reader of {folder.location}")
        self._thread.start()

    def expect(self, after: model.Folder) -> None:
        """Take a state for possible from now on."""
        current = after["releases"].get(after["current"])
        data = {hashlib.sha256(current["files"]["source.tar.gz"]).hexdigest()} if current is not None else set()
        self._states.append((after["current"], model.history(after), data))

    def settle(self) -> None:
        """Take the state that was expected last for the only one."""
        self._settled = len(self._states) - 1

    def check(self) -> None:
        """Raise what the reader came upon."""
        if self._problems:
            raise self._problems[0]

    def close(self) -> None:
        """End."""
        self._done.set()
        self._thread.join()
        self.check()

    def _loop(self) -> None:
        try:
            wait = 0.0
            while not self._done.wait(wait):
                start = time.monotonic()
                self._look()
                # A part of the time, on any machine: interpreters run one thread at a time.
                wait = 0.01 + 5 * (time.monotonic() - start)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            self._problems.append(error)

    def _look(self) -> None:
        first = self._settled
        state = read_state(self._folder)
        claimed = state.claimed
        seen = claimed and claimed.release, [record.release for record in state.history]
        possible = self._states[first:]
        assert seen in [expected[:2] for expected in possible], (seen, possible)
        # What lies there really is what it says.
        assert (claimed is None) == (state.current is None), seen
        first = self._settled
        data = b""
        with suppress(BuildFolderError):  # nothing is published
            data = read_current(self._folder)
        digests = [expected[2] for expected in self._states[first:]]
        assert ({hashlib.sha256(data).hexdigest()} if data else set()) in digests


class Team(RuleBasedStateMachine):
    """What a team does, in any order."""

    built: Bundle[dict[str, Any]] = Bundle("built")
    places = st.sampled_from(list(FOLDERS))
    picks = st.integers(0, NONE)
    mostly = st.sampled_from([True, True, True, False])
    seldom = st.sampled_from([False, False, False, True])
    edits = st.fixed_dictionaries(
        {
            "version": st.sampled_from(["1.0", "1.0", "1.1", "2.0"]),
            "text": st.sampled_from("abc"),
            "path": st.sampled_from("12"),
            "has_second": st.booleans(),
        }
    )

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.folders = dict(FOLDERS)
        self.before = Path.cwd()
        os.chdir(world.pipeline.root)
        self.readers = {place: Reader(world.folder(place)) for place in FOLDERS}

    def teardown(self) -> None:
        """End the readers, and remove everything."""
        try:
            for reader in self.readers.values():
                reader.close()
        finally:
            os.chdir(self.before)
            self.world.clear()

    def something_is_published(self) -> bool:
        """Tell whether there is anything to do something about."""
        return any(folder["releases"] for folder in self.folders.values())

    @initialize(target=built)
    def begin(self) -> MultipleResults[model.Bundle]:
        """There are bundles of this project and another one."""
        return multiple(*self.world.bundles)

    @rule(edit=edits)
    def edit(self, edit: dict[str, Any]) -> None:
        """Edit anything."""
        self.world.write(**edit)

    @rule(target=built, environment=st.sampled_from(["testing", "staging"]), commit=st.booleans(), edit=edits)
    def build(self, environment: str, *, commit: bool, edit: dict[str, Any]) -> model.Bundle:
        """Edit, perhaps commit, and build."""
        self.world.write(**edit)
        if commit:
            self.world.commit()
        return self.world.build(environment)

    def is_stale(self, bundle: model.Bundle, place: str) -> bool:
        """Tell whether a build for a place would now pack other files of the stages and paths than a bundle has."""
        packed = {path: data.decode() for path, data in bundle["packed"].items()}
        now = {path: text for path, text in self.world.content.items() if place == "staging" or path[0] != "l"}
        has_second = any(path.startswith("stages/second/") for path in packed)
        return has_second != self.world.has_second or any(packed.get(path) != text for path, text in now.items())

    @rule(bundle=built, place=places, force=seldom, yes=mostly, dry_run=seldom)
    def publish(self, bundle: model.Bundle, place: str, *, force: bool, yes: bool, dry_run: bool) -> None:
        """Publish any of the bundles anywhere."""
        is_own = bundle["project"] == "demo"
        expected = model.publish(
            self.folders[place],
            bundle,
            is_of_other_selection=is_own and (place == "staging") != (bundle["made_for"] == "staging"),
            is_stale=is_own and self.is_stale(bundle, place),
            force=force,
            yes=yes,
            dry_run=dry_run,
        )
        flags = {"--force": force, "--yes": yes, "--dry-run": dry_run}
        self.follow(place, expected, "publish", str(bundle["path"]), "-e", place, **flags)

    @precondition(something_is_published)
    @rule(source=places, place=places, pick=picks, force=seldom, yes=mostly, dry_run=seldom)
    def promote(self, source: str, place: str, pick: int, *, force: bool, yes: bool, dry_run: bool) -> None:
        """Promote the current release or an older one."""
        release = None if pick == 0 else self.name(source, pick)
        folder = self.world.folder(source)
        hosts = [self.world.proxies.get(each) for each in (source, place)]
        expected = model.promote(
            self.folders[source],
            self.folders[place],
            release,
            origin={"build_folder": folder.cypress_path, "cluster": folder.host},
            is_same=source == place,
            is_sent=hosts[0] is None or hosts[0] is not hosts[1],
            force=force,
            yes=yes,
            dry_run=dry_run,
        )
        flags = {"--force": force, "--yes": yes, "--dry-run": dry_run}
        named = [] if release is None else [release]
        self.follow(place, expected, "promote", *named, "--from", source, "--to", place, **flags)

    @precondition(something_is_published)
    @rule(place=places, pick=picks, yes=mostly, dry_run=seldom)
    def roll_back(self, place: str, pick: int, *, yes: bool, dry_run: bool) -> None:
        """Roll back to the release before, or to any."""
        release = None if pick < 2 else self.name(place, pick)
        expected = model.rollback(self.folders[place], release, yes=yes, dry_run=dry_run)
        named = [] if release is None else [release]
        self.follow(place, expected, "rollback", *named, "-e", place, **{"--yes": yes, "--dry-run": dry_run})

    @precondition(something_is_published)
    @rule(place=places, pick=picks, pinned=mostly, yes=mostly)
    def pin(self, place: str, pick: int, *, pinned: bool, yes: bool) -> None:
        """Pin or unpin any release."""
        release = self.name(place, pick)
        expected = model.pin(self.folders[place], release, pinned=pinned, yes=yes)
        self.follow(place, expected, "pin" if pinned else "unpin", release, "-e", place, **{"--yes": yes})

    @precondition(something_is_published)
    @rule(place=places, picks=st.lists(picks, min_size=1, max_size=3), yes=mostly)
    def delete(self, place: str, picks: list[int], *, yes: bool) -> None:
        """Delete some releases."""
        names = [self.name(place, pick) for pick in picks]
        expected = model.delete(self.folders[place], names, yes=yes)
        self.follow(place, expected, "delete", *names, "-e", place, **{"--yes": yes})

    @precondition(something_is_published)
    @rule(place=places, pick=picks, extract=st.booleans())
    def fetch(self, place: str, pick: int, *, extract: bool) -> None:
        """Fetch any release."""
        name = self.name(place, pick)
        directory = self.world.directory / "fetched" / str(next(self.world.numbers))
        release = self.folders[place]["releases"].get(name)
        problem = {"unknown"} if self.folders[place]["releases"] else {"empty"}
        expected = model.Expected(set() if release else problem, set(), {"release": name}, self.folders[place])
        flags = {"--extract": extract}
        self.follow(place, expected, "fetch", name, "-d", str(directory), "-e", place, **flags)
        if release is None:
            assert not directory.exists()
            return
        assert _files(directory) == release["packed" if extract else "files"]
        if not extract:
            assert self.call("verify", str(directory))[0] == 0
        again = model.Expected({"exists"}, set(), {}, self.folders[place])
        self.follow(place, again, "fetch", name, "-d", str(directory), "-e", place, **flags)
        assert not list(directory.parent.glob(f"{directory.name}.*"))

    def name(self, place: str, pick: int) -> str:
        """Return the name of a release, or seldom of none."""
        names = model.history(self.folders[place])
        return names[pick % len(names)] if names and pick < NONE else UNKNOWN

    def follow(self, place: str, expected: model.Expected, *arguments: str, **flags: bool) -> None:
        """Run a command that may change a place, and compare everything with what is expected."""
        reader = self.readers[place]
        reader.expect(expected.after)
        status, answer, errors, warnings = self.call(*arguments, *(flag for flag, given in flags.items() if given))
        reader.settle()
        context = (arguments, flags, errors, warnings)
        assert (_kinds(errors), _kinds(warnings)) == (expected.errors, expected.warnings), context
        assert status == (1 if expected.errors else 0), context
        if not expected.errors:
            told = {key: answer[key] for key in expected.answer}
            # The beginning may be there.
            if 0 < told.get("uploaded", 0) < expected.answer["uploaded"]:
                told["uploaded"] = expected.answer["uploaded"]
            assert told == expected.answer, context
        self.world.seen |= expected.errors | expected.warnings
        is_changed = self.folders[place] is not expected.after
        self.folders[place] = expected.after
        self.compare_files(place)
        if is_changed:
            self.compare_history(place)
        for each in self.readers.values():
            each.check()

    def call(self, *arguments: str) -> tuple[int, Any, list[str], list[str]]:
        """Return status, answer, errors and warnings of a command."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            main(["--json", *arguments])
        lines = err.getvalue().splitlines()
        warnings = [line for line in lines if line.startswith("Warning: ")]
        problems = [json.loads(line) for line in lines if line not in warnings]
        errors = [error for each in problems for error in each["errors"]]
        warnings += [warning for each in problems for warning in each.get("warnings", ())]
        answer = json.loads(out.getvalue()) if out.getvalue() else None
        return int(end.value.code or 0), answer, errors, warnings

    def compare_files(self, place: str) -> None:
        """Compare everything that lies in a folder with what should."""
        found: dict[str, bytes]
        if place == "local":
            found = _files(self.world.pipeline.root / ".dev/cypress/home/demo/local")
            found.pop(".ytupload.json", None)
        else:
            cypress = self.world.proxies[place].cypress
            found = dict(_nodes(cypress, f"//home/demo/{place}"))
            # Each beginning that is kept is that of an archive which is kept, and called by its digest.
            archives = [data for path, data in found.items() if path.startswith("releases/") and path.endswith(".gz")]
            for path in found:
                replicas = cypress.get(f"//home/demo/{place}/{path}/@replication_factor")
                assert replicas == (5 if place == "production" else 3), path
            for path in [path for path in found if path.startswith("prefixes/")]:
                data = found.pop(path)
                assert path == f"prefixes/{hashlib.sha256(data).hexdigest()}"
                assert any(archive.startswith(data) for archive in archives)
                self.world.seen.add("prefix")
        assert found == model.files_of(self.folders[place])

    def compare_history(self, place: str) -> None:
        """Compare what is said about each release."""
        folder = self.folders[place]
        _, answer, _, _ = self.call("history", "-e", place)
        user = user_name() if place == "local" else USER
        assert [_told(release) for release in answer["releases"]] == [
            {
                "release": name,
                "project": release["project"],
                "version": release["version"],
                "content_sha256": release["content_sha256"],
                "archive_sha256": hashlib.sha256(release["files"]["source.tar.gz"]).hexdigest(),
                "git_commit": release["commit"],
                "git_dirty": release["dirty"],
                "current": name == folder["current"],
                "previous": release["previous"],
                "pinned": release["pinned"],
                "promoted_from": release["promoted_from"],
                "published_by": user,
                "made_current_by": user if release["again"] else None,
            }
            for name in model.history(folder)
            for release in [folder["releases"][name]]
        ]


def _described(path: Path, **about: Any) -> model.Bundle:
    """Return a bundle as the model knows it."""
    names = ("source.tar.gz", "manifest.json", "sbom.cdx.json")
    return model.bundle_of({name: (path / name).read_bytes() for name in names}, path=path, **about)


def _told(release: dict[str, Any]) -> dict[str, Any]:
    rest = {"size", "md5", "published_at", "made_current_at", "tool_version", "signed_by"}
    return {key: value for key, value in release.items() if key not in rest}


def _kinds(lines: list[str]) -> set[str]:
    kinds = [{kind for kind, text in KINDS.items() if re.search(text, line)} for line in lines]
    assert all(len(each) == 1 for each in kinds), lines
    return set().union(*kinds)


def _files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if not path.is_dir()}


def _nodes(cypress: Any, top: str, below: str = "") -> Iterator[tuple[str, bytes]]:
    if not cypress.exists(top):
        return
    for name in cypress.keys(top):
        path = f"{top}/{name}"
        if cypress.get(f"{path}/@type") == "map_node":
            yield from _nodes(cypress, path, f"{below}{name}/")
        else:
            yield f"{below}{name}", cypress.read(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return two clusters and what lies beside them; beginnings of archives are kept, however short."""
    with ProxyServer() as one, ProxyServer() as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefixes, "SMALLEST", 1)
        yield World(one, other, tmp_path_factory.mktemp("team"))


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for both clusters."""
    monkeypatch.setenv("YT_TOKEN", TOKEN)


@pytest.mark.slow
def test_a_month_of_a_team(world: World) -> None:
    """One in which everything happens that the contract names."""
    rival, one, other, higher, staged = world.bundles
    usual = {"force": False, "yes": True, "dry_run": False}
    forced, tried, unasked = {**usual, "force": True}, {**usual, "dry_run": True}, {**usual, "yes": False}
    team = Team(world)
    try:
        # There is nothing yet, and then another project's.
        team.roll_back("local", 0, yes=True, dry_run=False)
        team.publish(rival, "testing", **usual)
        team.publish(one, "testing", **usual)
        team.publish(one, "testing", **forced)
        team.publish(one, "testing", **usual)
        # Versions go up and down, and bundles to where they were not built for.
        for bundle in (other, higher, one, other):
            team.publish(bundle, "testing", **usual)
        team.publish(staged, "testing", **usual)
        team.publish(staged, "testing", **forced)
        team.publish(staged, "staging", **usual)
        # From testing to the others, whatever is current or kept.
        for how in (tried, unasked, usual, usual):
            team.promote("testing", "production", 0, **how)
        for source, place, pick in (
            ("testing", "staging", 1),
            ("testing", "production", 1),
            ("testing", "production", 2),
            ("production", "local", 0),
            ("local", "testing", 0),
            ("testing", "testing", 0),
            ("testing", "staging", NONE),
        ):
            team.promote(source, place, pick, **usual)
        world.write("2.0", "c", "2", has_second=True)
        world.commit()
        team.publish(world.build("testing"), "local", **usual)
        team.promote("local", "production", 0, **usual)
        # On call.
        for place, pick, yes, dry_run in (
            ("production", 0, True, True),
            ("production", 0, False, False),
            ("production", 0, True, False),
            ("production", 0, True, False),
            ("local", 2, True, False),
            ("local", 1, True, False),
            ("local", 0, True, False),
            ("testing", NONE, True, False),
        ):
            team.roll_back(place, pick, yes=yes, dry_run=dry_run)
        # What stays.
        for place, pick, pinned in (("local", 1, True), ("production", 0, True), ("production", 0, False)):
            team.pin(place, pick, pinned=pinned, yes=True)
        for picks in ([0, 1, 2], [0, NONE], [1], [0], [0]):
            team.delete("local", picks, yes=True)
        team.pin("local", 1, pinned=False, yes=True)
        team.fetch("local", 0, extract=False)
        team.fetch("testing", 1, extract=True)
        team.fetch("testing", NONE, extract=True)
    finally:
        team.teardown()
    assert {*KINDS, "prefix"} - world.seen == set()


@pytest.mark.slow
def test_any_month_of_a_team(world: World) -> None:
    """A few short ones, always the same; with more than the usual `YTUPLOAD_FUZZ_EXAMPLES` long ones, ever new."""

    class Month(Team):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        Month,
        settings=settings(
            max_examples=EXAMPLES // 100 if IS_LONG else 3,
            stateful_step_count=50 if IS_LONG else 15,
            derandomize=not IS_LONG,
            suppress_health_check=list(HealthCheck),
            # What explains failures looks at every line, and readers are threads.
            phases=[Phase.generate],
        ),
    )
