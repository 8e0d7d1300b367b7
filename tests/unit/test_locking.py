"""Locks, from an index of nasty wheels: what they hold, when they fit, what goes wrong, and builds that pack them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from package_index import PackageIndex, package_index, write_keyring, write_netrc
from packaging.pylock import Pylock
from pipelines import make_pipeline, refusal, run_command_line
from privileges import without_network
from wheels import make_wheel

from hatch_ytupload.answers.locks import StageLock, lock_stages, stale_locks
from hatch_ytupload.checks.absence import what_provides
from hatch_ytupload.checks.checking import check
from hatch_ytupload.checks.packed_code import code_of_plan
from hatch_ytupload.configuration.project import parsed_toml
from hatch_ytupload.locking.resolution import with_digests
from hatch_ytupload.packing.build import Built, build_bundle
from hatch_ytupload.packing.wheels import plan_with_wheels
from hatch_ytupload.planning.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TARGET = 'target = { python = "3.11", platform = "x86_64-manylinux_2_28" }\n'
REQUIREMENTS = "requirements.txt"
ZEROS = f"hashes = {{ sha256 = '{'0' * 64}' }}"
BUILT = f"tool.hatch-ytupload.built = {{ file = '../app.whl', size = 1, {ZEROS} }}"
HEAD = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "app"\n'
OTHERS = {
    "uv pip compile": "uv pip compile --no-config --universal --format pylock.toml -o pylock.toml requirements.txt",
    "uv export": "uv export --no-config --format pylock.toml -o pylock.toml",
    "pip lock": "pip lock -r requirements.txt -o pylock.toml",
}
THERE = "cp311-win_amd64, cp312-manylinux_2_28_x86_64"
PROCESSORS = {"arm": "aarch64", "intel": "x86_64"}
DEAD = "http://127.0.0.1:9"
# Whose requirements say which boto3.
needs_framework = pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11")


class Locking:
    """A pipeline, an index and a cache."""

    def __init__(self, directory: Path, index: PackageIndex) -> None:
        self.index = index
        self.directory = directory
        self.pipeline = make_pipeline(directory / "project", settings=TARGET)
        self.cache = str(directory / "cache")
        self.notices: list[str] = []
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index.url,
            "UV_CACHE_DIR": str(directory / "uv"),
            "UV_HTTP_RETRIES": "0",
        }

    def require(self, *lines: str, stage: str = "first") -> Locking:
        self.pipeline.write({f"stages/{stage}/requirements.txt": "".join(f"{line}\n" for line in lines)})
        if stage != "first":
            self.pipeline.write({f"stages/{stage}/src/vanilla.py": ""})
        return self

    def lock(self, *stages: str, upgrade: bool = False, packages: tuple[str, ...] = ()) -> list[StageLock]:
        return lock_stages(
            self.pipeline.settings(),
            stages,
            upgrade=upgrade,
            packages=packages,
            cache_directory=self.cache,
            environ=self.environ,
            notice=self.notices.append,
        )

    def stale(self) -> list[str]:
        return stale_locks(self.pipeline.settings(), ())

    def refused(self) -> str:
        place = self.path()
        before = place.read_text() if place.exists() else None
        problem = refusal(self.lock)
        assert (place.read_text() if place.exists() else None) == before
        return problem

    def path(self, stage: str = "first") -> Path:
        return self.pipeline.root / "stages" / stage / "pylock.toml"

    def text(self, stage: str = "first") -> str:
        return self.path(stage).read_text()

    def versions(self, stage: str = "first") -> dict[str, str]:
        lock = Pylock.from_dict(parsed_toml(self.path(stage).read_bytes()))
        return {package.name: str(package.version) for package in lock.packages}

    def command(self, *arguments: str, before: Sequence[str] = (), **environ: str) -> subprocess.CompletedProcess[str]:
        cache = {"YTUPLOAD_NO_CACHE": "", "YTUPLOAD_CACHE_DIR": str(self.directory / "caches")}
        return run_command_line(
            *arguments,
            cwd=self.pipeline.root,
            environ={**self.environ, **cache, **environ},
            command=(*before, sys.executable, "-m", "hatch_ytupload"),
        )

    def build(self, **environ: str) -> Built:
        return self.build_into("dist", **environ)

    def build_into(self, dist: str, **environ: str) -> Built:
        return build_bundle(
            self.pipeline.project(),
            self.pipeline.settings(),
            str(self.pipeline.root / dist),
            wheels=self.cache,
            environ={**self.environ, **environ},
        )

    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.pipeline.archive().with_name("manifest.json").read_text())
        return found

    @contextmanager
    def extracted(self) -> Iterator[Path]:
        place = self.directory / "sandbox"
        with tarfile.open(self.pipeline.archive()) as archive:
            archive.extractall(place, filter="data")
        yield place


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with package_index() as index:
        yield index


@pytest.fixture
def locking(tmp_path: Path, index: PackageIndex) -> Locking:
    return Locking(tmp_path, index)


class TestLocks:
    """What a lock holds."""

    def test_it_holds_what_requirements_lead_to_and_is_valid(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app", requires=["dep>=1", 'old; python_version < "3"']), make_wheel("dep", "2.0"))
        locking.index.add(make_wheel("dep", "3.0"))
        (made,) = locking.require("app").lock()
        assert (made.stage, made.path, made.wheels, made.changed) == ("first", "stages/first/pylock.toml", 2, True)
        assert locking.versions() == {"app": "1.0", "dep": "3.0"}
        content = parsed_toml(locking.path().read_bytes())
        assert content["tool"]["hatch-ytupload"] == {
            "target": {"python": "3.11", "platform": "x86_64-manylinux_2_28"},
            "requirements": ["app"],
        }
        wheel = make_wheel("dep", "3.0")
        assert content["packages"][1]["wheels"] == [
            {
                "name": wheel.file,
                "url": f"http://127.0.0.1:{locking.index.port}/files/{wheel.file}",
                "size": len(wheel.data),
                "hashes": {"sha256": wheel.sha256},
            }
        ]

    def test_nothing_of_the_machine_is_in_it(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.index.credentials = "bob:secret"
        locking.environ["PIP_INDEX_URL"] = locking.index.url_with_credentials
        locking.require("app").lock()
        for word in ("secret", "bob", str(locking.index.port), str(locking.directory), "2026"):
            assert word not in locking.text()
        assert locking.build().changed

    def test_a_head_says_how_it_was_made(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        assert locking.text().startswith("# Made by `hatch-ytupload lock` from requirements.txt")

    def test_locking_again_changes_nothing(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"), make_wheel("dep", "1.0"))
        locking.require("app", "dep").lock()
        before = locking.text()
        locking.index.add(make_wheel("dep", "2.0"))
        locking.require("dep  # the order and comments", "", "app").lock()
        assert locking.text() == before
        assert locking.stale() == []

    def test_upgrades_are_asked_for(self, locking: Locking) -> None:
        for name in ("one", "two"):
            locking.index.add(make_wheel(name, "1.0"))
        locking.require("one", "two").lock()
        for name in ("one", "two"):
            locking.index.add(make_wheel(name, "2.0"))
        locking.lock(packages=("two",))
        assert locking.versions() == {"one": "1.0", "two": "2.0"}
        locking.lock(upgrade=True)
        assert locking.versions() == {"one": "2.0", "two": "2.0"}

    def test_stages_share_versions_where_they_can(self, locking: Locking) -> None:
        for version in ("1.0", "2.0"):
            locking.index.add(make_wheel("dep", version))
        locking.require("dep<2").require("dep", stage="second").lock()
        assert (locking.versions(), locking.versions("second")) == ({"dep": "1.0"}, {"dep": "1.0"})
        assert locking.notices == []

    def test_stages_that_share_nothing_have_their_own_versions_and_that_is_said(self, locking: Locking) -> None:
        for version in ("1.0", "2.0"):
            locking.index.add(make_wheel("dep", version))
        locking.require("dep<2").require("dep>=2", stage="second").lock()
        assert (locking.versions(), locking.versions("second")) == ({"dep": "1.0"}, {"dep": "2.0"})
        (notice,) = locking.notices
        assert notice.startswith("the stages `first`, `second` share no versions, so each has its own: ")

    def test_a_stage_may_have_a_target_of_its_own(self, locking: Locking) -> None:
        locking.index.add(make_wheel("bin", tag="cp311-cp311-manylinux_2_17_x86_64"))
        locking.index.add(make_wheel("bin", tag="cp312-cp312-manylinux_2_28_aarch64"))
        own = 'stage_targets.second = { python = "3.12", platform = "aarch64-manylinux_2_28" }\n'
        make_pipeline(locking.pipeline.root, settings=TARGET + own)
        locking.require("bin").require("bin", stage="second").lock()
        assert "cp311-cp311-manylinux_2_17_x86_64" in locking.text()
        assert "cp312-cp312-manylinux_2_28_aarch64" in locking.text("second")

    def test_the_wheel_that_fits_best_is_taken(self, locking: Locking) -> None:
        tags = ["py3-none-any", "cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_34_x86_64"]
        for tag in [*tags, "cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-win_amd64"]:
            locking.index.add(make_wheel("bin", tag=tag))
        locking.require("bin").lock()
        assert "bin-1.0-cp311-cp311-manylinux_2_28_x86_64.whl" in locking.text()

    def test_a_newer_version_without_a_wheel_is_passed_over(self, locking: Locking) -> None:
        locking.index.add(make_wheel("bin"), make_wheel("bin", "2.0", tag="cp311-cp311-win_amd64"))
        locking.require("bin").lock()
        assert locking.versions() == {"bin": "1.0"}

    def test_requirements_that_do_not_apply_lock_nothing(self, locking: Locking) -> None:
        never = 'sys_platform == "win32"'
        locking.require(
            f"app; {never}", f"./win-1-py3-none-any.whl; {never}", f"app @ git+https://example.com/app ; {never}"
        ).lock()
        assert (locking.versions(), locking.stale(), locking.notices) == ({}, [], [])
        assert locking.build().changed

    def test_markers_are_those_of_the_target(self, locking: Locking) -> None:
        """Of both processors one is not that of this machine."""
        own = 'stage_targets.second = { python = "3.12", platform = "aarch64-manylinux_2_28" }\n'
        make_pipeline(locking.pipeline.root, settings=TARGET + own)
        locking.index.add(make_wheel("arm"), make_wheel("intel"))
        lines = [f'{name}; platform_machine == "{machine}"' for name, machine in PROCESSORS.items()]
        locking.require(*lines).require(*lines, stage="second").lock()
        assert (locking.versions(), locking.versions("second")) == ({"intel": "1.0"}, {"arm": "1.0"})

    def test_what_is_included_counts(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"), make_wheel("dep"), make_wheel("dep", "2.0"))
        locking.pipeline.write(
            {"stages/first/src/more.txt": "dep\n-c limits.txt\n", "stages/first/src/limits.txt": "dep<2"}
        )
        locking.require("app", "-r src/more.txt").lock()
        assert locking.versions() == {"app": "1.0", "dep": "1.0"}
        locking.pipeline.write({"stages/first/src/limits.txt": "dep<3"})
        (problem,) = locking.stale()
        assert problem == (
            "`stages/first/pylock.toml` was made from other requirements (`-c dep<3` is new); "
            "run `hatch-ytupload lock first`"
        )

    @pytest.mark.parametrize("line", ["./stages/first/src/my dist/{}", "--find-links src/my\\ dist\nown-lib"])
    def test_a_wheel_of_the_pipeline_is_locked_by_its_place(self, locking: Locking, line: str) -> None:
        """Whether a requirement names it, or the directory that it is found in."""
        wheel = make_wheel("own-lib")
        locking.pipeline.write({f"stages/first/src/my dist/{wheel.file}": wheel.data})
        locking.require(line.format(wheel.file)).lock()
        assert f'path = "../../stages/first/src/my dist/{wheel.file}"' in locking.text()
        locking.cache = str(locking.directory / "other cache")
        locking.build()
        assert [found["file"] for found in locking.manifest()["wheels"]] == [wheel.file]
        locking.pipeline.write({f"stages/first/src/my dist/{wheel.file}": b"another"})
        assert "is new); run `hatch-ytupload lock first`" in locking.stale()[0]

    @pytest.mark.parametrize("line", ["pure-lib", "--no-binary pure-lib\npure-lib", "--find-links src\npure-lib"])
    def test_sources_that_give_a_wheel_for_all_are_built(self, locking: Locking, line: str) -> None:
        name, data = source_distribution("pure-lib")
        if "src" in line:
            locking.pipeline.write({f"stages/first/src/{name}": data})
        else:
            locking.index.add_file(name, data, hashlib.sha256(data).hexdigest())
        if "no-binary" in line:
            locking.index.add(make_wheel("pure-lib"))
        locking.require(line).lock()
        assert locking.notices == ["stage `first`: pure-lib 1.0 is built from its sources, which may take long"]
        (package,) = parsed_toml(locking.path().read_bytes())["packages"]
        assert package["sdist"]["name"] == name
        built = package["tool"]["hatch-ytupload"]["built"]
        assert built["file"] == "pure_lib-1.0-py3-none-any.whl"
        locking.cache = str(locking.directory / "other cache")
        locking.build()
        assert locking.manifest()["wheels"][0]["sha256"] == built["hashes"]["sha256"]

    def test_digests_that_an_older_uv_leaves_out_are_added(self, tmp_path: Path) -> None:
        file = make_wheel("own-lib").write(tmp_path / "my dist")
        text = 'wheels = [{ url = "%s", hashes = %s }]'
        digest = f'{{ sha256 = "{make_wheel("own-lib").sha256}" }}'
        assert with_digests(text % (file.as_uri(), "{}")) == text % (file.as_uri(), digest)
        assert with_digests(text % (file.as_uri(), "{ x }")) == text % (file.as_uri(), "{ x }")

    def test_a_list_that_an_older_uv_leaves_out_is_empty(self, locking: Locking) -> None:
        locking.require('app; python_version < "3"')
        locking.path().write_text('lock-version = "1.0"\ncreated-by = "uv"\n')
        assert locking.stale() == []

    @pytest.mark.parametrize("command", OTHERS.values(), ids=OTHERS)
    def test_locks_of_others_are_taken(self, locking: Locking, command: str) -> None:
        """They may hold what other machines would get, and no word of ours."""
        locking.index.add(make_wheel("app", requires=["dep", "win; sys_platform == 'win32'"]), make_wheel("win"))
        locking.index.add(make_wheel("dep", "2.0"), make_wheel("dep", "2.0", tag="cp311-cp311-win_amd64"))
        locking.require("app")
        pyproject = 'name = "x"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["app"]\n'
        locking.pipeline.write({"stages/first/pyproject.toml": f"[project]\n{pyproject}"})
        subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=locking.path().parent,
            env={**locking.environ, "UV_DEFAULT_INDEX": locking.index.url, "UV_PYTHON": sys.executable},
            check=True,
            capture_output=True,
        )
        assert "hatch-ytupload" not in locking.text()
        assert locking.stale() == []
        locking.build()
        assert [found["name"] for found in locking.manifest()["wheels"]] == ["app", "dep"]
        locking.require("app", "dep>2")
        (problem,) = locking.stale()
        assert problem.startswith("`stages/first/pylock.toml` has dep 2.0, and required is `dep>2`; run")


def source_distribution(name: str, *, extension: bool = False, problem: str = "") -> tuple[str, bytes]:
    """Return a source distribution that builds without a network: its backend is a module of its own."""
    stem = f"{name.replace('-', '_')}-1.0"
    tag = "cp311-cp311-linux_x86_64" if extension else "py3-none-any"
    backend = f"""
import os, zipfile
def get_requires_for_build_wheel(config_settings=None): return []
def build_wheel(directory, config_settings=None, metadata_directory=None):
    if {problem!r}: raise OSError({problem!r})
    file = "{stem}-{tag}.whl"
    info = "{stem}.dist-info"
    with zipfile.ZipFile(os.path.join(directory, file), "w") as wheel:
        for path, text in {{
            "pure.py": "",
            info + "/METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n",
            info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: {tag}\\n",
            info + "/RECORD": "",
        }}.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return file
"""
    files = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n",
        "pyproject.toml": f'[project]\nname = "{name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend,
    }
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{stem}.tar.gz", output.getvalue()


class TestRefusals:
    """What goes wrong is one line that names stage, requirement and way out."""

    def test_no_target(self, locking: Locking) -> None:
        make_pipeline(locking.pipeline.root)
        assert "`first`: nothing says what the jobs run on: write, for " in locking.require("app").refused()

    def test_a_conflict_is_explained(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app", requires=["dep<2"]), make_wheel("dep"), make_wheel("dep", "2.0"))
        problem = locking.require("app", "dep>=2").refused()
        assert problem.startswith("stage `first` cannot be locked for Python 3.11 on x86_64-manylinux_2_28: Because ")
        assert "app depend on dep<2" in problem
        assert "you require dep>=2" in problem
        assert problem.endswith("; change what `stages/first/requirements.txt` asks for")

    def test_no_wheel_for_the_target(self, locking: Locking) -> None:
        """Only sources that give none, and not even those: the wheels that there are, and three ways out."""
        for tag in ("cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-win_amd64"):
            locking.index.add(make_wheel("bin", tag=tag))
        way = "require a version that has one, change `target`, or take what requires it out of the requirements, put"
        assert f"; wheels of bin 1.0 are there for {THERE}: {way} " in locking.require("bin").refused()
        name, data = source_distribution("bin", extension=True)
        locking.index.add_file(name, data, hashlib.sha256(data).hexdigest())
        locking.environ["UV_CACHE_DIR"] += "-again"
        head = "stage `first`: bin 1.0 has no wheel for Python 3.11 on x86_64-manylinux_2_28"
        assert locking.refused().startswith(f"{head} (there are: {THERE}): {way} that into the image")
        make_pipeline(locking.pipeline.root, settings=TARGET.replace("3.11", "3.12"))
        locking.lock()
        assert locking.versions() == {"bin": "1.0"}

    def test_an_unknown_distribution(self, locking: Locking) -> None:
        """A name in another index is found when that is named."""
        problem = locking.require("nothing-like-it").refused()
        assert "`first` cannot be locked for" in problem
        assert "nothing-like-it was not found" in problem
        assert (
            "; correct the name `nothing-like-it`, or name the index that has it, in `PIP_EXTRA_INDEX_URL`" in problem
        )
        with package_index() as other:
            other.add(make_wheel("nothing-like-it"))
            locking.environ["PIP_EXTRA_INDEX_URL"] = other.url
            locking.lock()

    def test_a_directory_of_other_distributions_knows_nothing_of_an_unknown_one(self, locking: Locking) -> None:
        make_wheel("nothing").write(locking.directory / "links")
        locking.environ["PIP_FIND_LINKS"] = str(locking.directory / "links")
        assert "; correct the name `nothing-like-it`, or name" in locking.require("nothing-like-it").refused()

    def test_an_index_that_nobody_serves(self, locking: Locking) -> None:
        locking.environ["PIP_INDEX_URL"] = f"{DEAD}/simple"
        problem = locking.require("app").refused()
        assert "`first` cannot be locked for" in problem
        assert f"{DEAD}/simple/app/" in problem
        assert problem.endswith("or name another index in `PIP_INDEX_URL` or pip's configuration")

    def test_missing_credentials(self, locking: Locking) -> None:
        """Which uv takes for a distribution that is not there."""
        locking.index.add(make_wheel("app"))
        locking.index.credentials = "bob:secret"
        problem = locking.require("app").refused()
        assert "`first` cannot be locked for" in problem
        assert problem.endswith(
            f"; `{locking.index.url}/app/` wants other credentials (status 401): give them in `PIP_INDEX_URL`, pip's "
            "configuration, `.netrc` or a keyring"
        )
        write_netrc(locking.directory, "127.0.0.1")
        locking.lock()

    def test_a_path_file_at_the_top(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app", files={"app.pth": "import os"}))
        problem = locking.require("app").refused()
        assert problem.startswith("stage `first`: app 1.0 has `app.pth` at its top, which Python obeys in a site")
        assert "require another version, or take what requires it out of the requirements" in problem
        assert "is there for" not in problem
        locking.index.add(make_wheel("one", requires=["app"]), make_wheel("two", requires=["app"]))
        assert locking.require("one", "two").refused().endswith("(app is there for `one`, `two`)")
        assert locking.require("one").refused().endswith("(app is there for `one`)")

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_a_hash_that_the_requirements_do_not_allow(self, locking: Locking, algorithm: str) -> None:
        """Nor the constraints."""
        locking.index.add(make_wheel("app"))
        wrong = f"app==1.0 --hash={algorithm}:{'0' * 64}"
        known = f"--hash={algorithm}:{hashlib.new(algorithm, make_wheel('app').data).hexdigest()}"
        assert "is none of the files that `--hash` allows" in locking.require(wrong).refused()
        locking.require(f"{wrong} {known}").lock()
        locking.pipeline.write({"stages/first/src/limits.txt": wrong})
        assert "is none of the files that `--hash` allows" in locking.require("-c src/limits.txt", "app").refused()

    def test_of_what_a_failing_build_prints_the_last_line_is_the_reason(self, locking: Locking) -> None:
        name, data = source_distribution("bin", problem="it needs libfoo")
        locking.index.add_file(name, data, hashlib.sha256(data).hexdigest())
        problem = locking.require("bin").refused()
        assert "building `bin-1.0.tar.gz` fails: Failed to build `bin-1.0.tar.gz`: " in problem
        assert "(exit status: 1): OSError: it needs libfoo: require a version that has one" in problem
        assert "Traceback" not in problem

    def test_a_repository(self, locking: Locking) -> None:
        problem = locking.require("app @ git+https://example.com/app").refused()
        assert "`app @ git+https://example.com/app` is a directory or a repository, which no lock can hold" in problem

    def test_a_stage_that_is_not_there(self, locking: Locking) -> None:
        assert refusal(lambda: locking.lock("frist")) == (
            "there is no stage `frist` with code to run; did you mean `first`?"
        )

    def test_nothing_to_lock(self, locking: Locking) -> None:
        assert "no stage has requirements" in refusal(locking.lock)
        assert locking.stale() == []

    def test_a_yanked_version_is_passed_over_or_said(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.index.add(make_wheel("app", "2.0"), yanked=True)
        locking.require("app").lock()
        assert locking.versions() == {"app": "1.0"}
        problem = locking.require("app>1").refused()
        assert "was yanked (reason: broken)" in problem
        assert problem.endswith("; require `app==2.0` to have it all the same")
        locking.require("app==2.0").lock()
        assert locking.versions() == {"app": "2.0"}
        assert any("yanked" in notice for notice in locking.notices)


class TestFit:
    """A lock that does not fit stops a build."""

    @pytest.fixture(autouse=True)
    def _locked(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"), make_wheel("dep"))
        locking.require("app").lock()

    def test_other_requirements(self, locking: Locking) -> None:
        locking.require("app", "dep")
        line = (
            "`stages/first/pylock.toml` was made from other requirements (`dep` is new); "
            "run `hatch-ytupload lock first`"
        )
        assert refusal(locking.build) == line
        assert locking.stale() == [line]

    def test_another_target(self, locking: Locking) -> None:
        make_pipeline(locking.pipeline.root, settings=TARGET.replace("3.11", "3.12"))
        assert refusal(locking.build) == (
            "`stages/first/pylock.toml` was made for Python 3.11 on x86_64-manylinux_2_28, and the jobs have "
            "Python 3.12 on x86_64-manylinux_2_28; run `hatch-ytupload lock first`"
        ) or "does not fit Python 3.12" in refusal(locking.build)

    def test_without_a_target_that_of_the_lock_counts(self, locking: Locking) -> None:
        make_pipeline(locking.pipeline.root)
        locking.build()
        assert locking.manifest()["target"] == {"python": "3.11", "platform": "x86_64-manylinux_2_28"}

    def test_a_missing_lock_is_stale(self, locking: Locking) -> None:
        locking.path().unlink()
        assert locking.stale() == ["`stages/first/pylock.toml` is missing; run `hatch-ytupload lock first`"]

    @pytest.mark.parametrize(
        "text",
        [
            "no TOML",
            "",
            HEAD[:20],
            HEAD,
            'lock-version = "9.0"\ncreated-by = "x"\npackages = []',
            "[tool]\nhatch-ytupload = 1",
            f"{HEAD}wheels = [{{ url = 'http://x/app-1.0-py3-none-any.whl', hashes = {{ md5 = 'x' }} }}]",
            f"{HEAD}sdist = {{ name = 'app-1.0.tar.gz', path = 'x', {ZEROS} }}\n{BUILT}",
        ],
    )
    def test_what_is_no_lock(self, locking: Locking, text: str) -> None:
        locking.path().write_text(text)
        problem = refusal(locking.build)
        assert problem.startswith("`stages/first/pylock.toml` is ")
        assert "run `hatch-ytupload lock`" in problem

    def test_a_project_in_the_lock_of_another_tool(self, locking: Locking) -> None:
        """As uv writes it for a project that can be installed."""
        locking.path().write_text(f"{HEAD}directory = {{ path = '.', editable = true }}")
        assert refusal(locking.build) == (
            "`stages/first/pylock.toml` is no lock that can be used: app is the directory or repository `.`, which no "
            "job can be given: leave it out (`uv export --no-emit-project`) and name its packages in `upload_modules`; "
            "run `hatch-ytupload lock`"
        )


class TestBuilds:
    """Builds pack the wheels of locks."""

    def test_wheels_are_packed_once_and_first_as_they_are(self, locking: Locking) -> None:
        wheel = make_wheel("app", metadata="License-Expression: MIT\n")
        locking.index.add(wheel)
        locking.require("app").require("app", stage="second").lock()
        locking.build()
        with tarfile.open(locking.pipeline.archive()) as archive:
            names = archive.getnames()
            file = archive.extractfile(names[0])
            assert file is not None
            assert file.read() == wheel.data
        assert names[0] == f"wheels/{wheel.file}"
        assert names.count(names[0]) == 1
        assert names.index("operation_bootstrap.py") < names.index("operation_wrapper_first_map.sh")
        assert {"stages/first/pylock.toml", "stages/first/wheels.txt"} <= set(names)
        manifest = locking.manifest()
        assert manifest["wheels"] == [
            {
                "file": wheel.file,
                "name": "app",
                "version": "1.0",
                "sha256": wheel.sha256,
                "size": len(wheel.data),
                "licence": "MIT",
                "stages": ["first", "second"],
            }
        ]
        assert manifest["target"] == {"python": "3.11", "platform": "x86_64-manylinux_2_28"}
        sbom = json.loads(locking.pipeline.archive().with_name("sbom.cdx.json").read_text())
        assert any(component["name"] == "app" for component in sbom["components"])

    def test_a_pipeline_without_locks_is_as_it_was(self, locking: Locking) -> None:
        locking.require("app").build()
        with tarfile.open(locking.pipeline.archive()) as archive:
            assert not {name for name in archive.getnames() if name.startswith(("wheels", "operation_bootstrap"))}
        assert (locking.manifest()["wheels"], locking.manifest()["target"]) == ([], None)

    def test_a_directory_of_the_pipeline_called_wheels_is_its_own_until_something_is_locked(
        self, locking: Locking
    ) -> None:
        """Requirements may name wheels in it; with a lock, one of the two has to go elsewhere."""
        locking.index.add(make_wheel("app"))
        locking.pipeline.write({"wheels/own.whl": "x", "stages/first/requirements.txt": "app\n"})
        table = {"upload_paths": [{"source": "wheels"}], **locking.pipeline.project().table}
        settings = locking.pipeline.settings(table)
        assert "wheels/own.whl" in [entry.path for entry in make_plan(settings).entries()]
        locking.lock()
        problem = refusal(lambda: make_plan(settings))
        assert problem.startswith(
            "the wheels of locked stages and entry #1 of `upload_paths` (`wheels`) both want `wheels`"
        )

    def test_a_job_starts_with_its_wheels_and_without_pip(self, locking: Locking) -> None:
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        make_pipeline(locking.pipeline.root, settings=TARGET.replace("3.11", python))
        locking.index.add(make_wheel("app", files={"app.py": "WORD = 'packed'"}))
        locking.pipeline.write({"stages/first/src/mapper.py": "import app, ytjobs\nprint(app.WORD)"})
        locking.require("app").lock()
        locking.build()
        with locking.extracted() as sandbox:
            bin_directory = locking.directory / "bin"
            bin_directory.mkdir()
            bin_directory.joinpath("python3").symlink_to(sys.executable)
            done = subprocess.run(
                ["bash", "operation_wrapper_first_map.sh"],
                cwd=sandbox,
                env={"PATH": f"{bin_directory}:{os.defpath}", "HTTPS_PROXY": DEAD, "HTTP_PROXY": DEAD},
                capture_output=True,
                text=True,
                check=False,
            )
        assert (done.stdout, done.stderr, done.returncode) == ("packed\n", "", 0)

    def test_a_warm_cache_needs_no_network(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        locking.index.requests.clear()
        locking.build(HTTP_PROXY=DEAD, HTTPS_PROXY=DEAD, PIP_INDEX_URL=f"{DEAD}/simple")
        assert locking.index.requests == []

    def test_a_cold_cache_is_filled(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        first = locking.build().sha256
        locking.cache = str(locking.directory / "other cache")
        locking.pipeline.remove("dist")
        assert locking.build().sha256 == first
        assert os.listdir(os.path.join(locking.cache, "wheels")) == [make_wheel("app").sha256]

    def test_a_poisoned_cache_is_noticed(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        first = locking.build().sha256
        place = Path(locking.cache, "wheels", make_wheel("app").sha256)
        place.write_bytes(b"poison")
        locking.pipeline.remove("dist")
        assert locking.build().sha256 == first
        assert place.read_bytes() == make_wheel("app").data

    def test_a_wheel_that_was_exchanged_is_refused(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        locking.cache = str(locking.directory / "other cache")
        other = make_wheel("app", files={"app.py": "evil"})
        entry = locking.index.files["app"][0]
        locking.index.files["app"] = [entry._replace(data=other.data)]
        problem = refusal(locking.build)
        assert problem.startswith("stage `first`: app 1.0: its SHA-256 is ")
        assert "was locked" in problem
        assert not [name for name in os.listdir(os.path.join(locking.cache, "wheels")) if name.startswith(".")]

    def test_a_wheel_that_is_gone_is_refused(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        locking.cache = str(locking.directory / "other cache")
        locking.index.files.clear()
        head = f"stage `first`: app 1.0: `{make_wheel('app').file}` was looked for in `{locking.index.url}` and"
        ways = (
            "ask the owner of that index, name the one that has it, or run `hatch-ytupload lock --upgrade-package app`"
        )
        assert refusal(locking.build) == f"{head} is there no more: {ways}"
        locking.index.add(make_wheel("app", files={"app.py": "made again"}))
        assert refusal(locking.build) == f"{head} has another SHA-256 there than was locked: {ways}"
        locking.lock(packages=("app",))
        assert locking.build().changed

    def test_credentials_come_from_netrc(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        locking.cache = str(locking.directory / "other cache")
        locking.index.credentials = "bob:secret"
        problem = refusal(locking.build)
        assert "wants other credentials (status 401)" in problem
        write_netrc(locking.directory, "127.0.0.1")
        assert locking.build().changed

    def test_credentials_come_from_a_keyring(self, locking: Locking) -> None:
        """Asked by uv, and asked by us; a redirect to another host takes none along."""
        locking.index.add(make_wheel("app"))
        locking.index.credentials = "bob:secret"
        locking.environ["PIP_INDEX_URL"] = locking.index.url.replace("//", "//bob@")
        locking.environ["PATH"] = write_keyring(locking.directory)
        locking.require("app").lock()
        locking.cache = str(locking.directory / "other cache")
        with package_index() as other:
            other.add(make_wheel("app"))
            locking.index.redirect = f"http://localhost:{other.port}"
            assert locking.build().changed
            locking.path().unlink()
            locking.environ["UV_CACHE_DIR"] = str(locking.directory / "other uv")
            locking.lock()
            assert set(other.authorizations) == {None}
        assert "bob" not in locking.text()

    @pytest.mark.parametrize("line", ["--index-url http://{}/simple\napp", "app @ http://{}/files/{}"])
    @pytest.mark.parametrize("credentials", ["bob:secret", "bob:${APP_TOKEN}"])
    def test_credentials_come_from_the_urls_of_requirements(
        self, locking: Locking, line: str, credentials: str
    ) -> None:
        """Also where variables stand for them."""
        locking.index.add(make_wheel("app"))
        locking.index.credentials = "bob:secret"
        locking.environ.update(PIP_INDEX_URL=f"{DEAD}/simple", APP_TOKEN="secret")
        host = f"{credentials}@127.0.0.1:{locking.index.port}"
        locking.require(line.format(host, make_wheel("app").file)).lock()
        assert "secret" not in locking.text()
        assert locking.notices == []
        locking.cache = str(locking.directory / "other cache")
        assert locking.build().changed
        assert "secret" not in locking.pipeline.archive().with_name("manifest.json").read_text()

    def test_stages_that_locked_different_files_of_one_name_are_refused(self, locking: Locking) -> None:
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        locking.index.files.clear()
        locking.index.add(make_wheel("app", files={"app.py": "rebuilt = True"}))
        locking.environ["UV_CACHE_DIR"] += "2"
        locking.require("app", stage="second").lock("second")
        assert "two stages have locked different files of the name `wheels/app-1.0-" in refusal(locking.build)

    def test_builds_at_once_share_a_cold_cache(self, locking: Locking) -> None:
        blocks = {f"app/{number}.bin": os.urandom(1 << 16) for number in range(40)}
        locking.index.add(make_wheel("app", files={"app/__init__.py": "", **blocks}))
        locking.require("app").lock()
        locking.cache = str(locking.directory / "other cache")
        with ThreadPoolExecutor(4) as pool:
            built = [*pool.map(lambda number: locking.build_into(f"dist{number}"), range(4))]
        assert len({one.sha256 for one in built}) == 1
        assert len(os.listdir(os.path.join(locking.cache, "wheels"))) == 1

    def test_standalone_wrappers_are_wrappers_alone(self, locking: Locking) -> None:
        make_pipeline(locking.pipeline.root, settings=f"{TARGET}standalone_wrappers = true\n")
        locking.index.add(make_wheel("app"))
        locking.require("app").lock()
        locking.build()
        beside = {path.name for path in locking.pipeline.archive().parent.iterdir()}
        assert beside == {"source.tar.gz", "manifest.json", "sbom.cdx.json", "operation_wrapper_first_map.sh"}


@pytest.mark.slow
class TestCommands:
    """`lock`, `build`, `check`, `run`, `inspect` and `diff`, as a shell sees them."""

    @pytest.fixture
    def here(self, locking: Locking) -> Locking:
        """Return a pipeline whose jobs run on this Python."""
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        make_pipeline(locking.pipeline.root, settings=TARGET.replace("3.11", python))
        locking.index.add(make_wheel("app", files={"ns/app.py": "WORD = 'packed'"}))
        locking.index.add(make_wheel("app", "2.0", files={"ns/app.py": "WORD = 'newer'"}))
        locking.pipeline.write({"stages/first/src/mapper.py": "import ns.app, ytjobs\nprint(ns.app.WORD)"})
        return locking.require("app==1.0")

    def test_from_lock_to_job(self, here: Locking) -> None:
        locked = here.command("lock")
        assert (locked.returncode, locked.stderr) == (0, "")
        assert locked.stdout.startswith("wrote stages/first/pylock.toml (1 wheel, ")
        assert here.command("lock", "--check").stdout == "all locks fit\n"
        dead = {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "PIP_INDEX_URL": f"{DEAD}/simple"}
        built = here.command("build", before=without_network(), **dead)
        assert built.returncode == 0, built.stderr
        assert here.command("check", "--strict", **dead).stdout == "no findings\n"
        assert here.command("check", "--strict", "dist/demo-1.0.ytarchive", **dead).stdout == "no findings\n"
        assert here.command("verify", "--rebuild", **dead).returncode == 0
        ran = here.command("run", "first", "map", **dead)
        assert (ran.stdout, ran.returncode) == ("packed\n", 0), ran.stderr

    def test_check_reads_the_lists_of_the_wheels(self, here: Locking) -> None:
        """Nothing is guessed: the requirement's own name is no module, and neither is a namespace as such."""
        here.pipeline.write({"stages/first/src/mapper.py": "import app\nimport ns.other\nimport ns.app\n"})
        here.command("lock")
        found = json.loads(here.command("check", "--json").stdout)["findings"]
        errors = [finding["message"] for finding in found if finding["severity"] == "error"]
        assert len(errors) == 2
        assert "imports `app`, which neither the archive nor the lock of the stage nor" in errors[0]
        assert "add it to `requirements.txt` of the stage and run `hatch-ytupload lock first`, or name" in errors[0]
        assert "imports `ns.other`" in errors[1]

    def test_the_metadata_of_a_locked_distribution_is_there(self, here: Locking) -> None:
        """Whatever its modules are called; that of others is an error."""
        here.pipeline.write({"stages/first/src/mapper.py": "from importlib.metadata import version\nversion('App')\n"})
        here.lock()
        assert self._found(here) == []
        here.pipeline.write({"stages/first/src/mapper.py": "from importlib.metadata import version\nversion('gone')\n"})
        assert "nor the lock of the stage have: add it" in self._found(here)[0]

    @needs_framework
    def test_check_names_a_lock_where_that_brings_a_module(self, here: Locking) -> None:
        """What `ytjobs` needs, and what requirements that are not installed here lead to: then it is there."""
        here.index.add(make_wheel("boto3", "1.35.99"))
        here.index.add(make_wheel("whole", files={"whole.py": ""}, requires=["app"]))
        files = {"ytjobs/s3.py": "import boto3\n", "stages/first/src/mapper.py": "import ytjobs.s3, ns.app"}
        here.pipeline.write(files)
        here.require("whole==1.0")
        framework, required = sorted(self._found(here))
        way = "run `hatch-ytupload lock first`, which packs"
        assert f"{way} what `ytjobs` needs, or name `boto3` in" in framework
        assert f"{way} all that the requirements lead to, or name `ns` in" in required
        settings = here.pipeline.settings()
        assert "`stages/first/requirements.txt` and build again" in what_provides("gone", "first", settings)
        here.lock()
        assert self._found(here) == []
        again = "`stages/first/requirements.txt`, run `hatch-ytupload lock first` and build again"
        assert again in what_provides("gone", "first", settings)

    def _found(self, here: Locking) -> list[str]:
        """Return what `check` finds, without its notes."""
        settings = here.pipeline.settings()
        with plan_with_wheels(make_plan(settings), here.cache, here.environ) as plan:
            found = check(code_of_plan(plan), settings, "3.11", sources=True)
        return [finding.message for finding in found if finding.severity != "note"]

    def test_explain_knows_wheels(self, here: Locking) -> None:
        here.command("lock")
        explained = here.command("explain", f"wheels/{make_wheel('app').file}")
        assert "it is a wheel that `stages/first/pylock.toml` names" in explained.stdout
        assert explained.returncode == 0

    def test_inspect_and_diff_show_wheels(self, here: Locking) -> None:
        here.command("lock")
        here.command("build", "-d", "old")
        here.require("app==2.0")
        here.command("lock")
        here.command("build")
        assert "wheels   app 2.0" in here.command("inspect").stdout
        changed = here.command("diff", "old/demo-1.0.ytarchive", "dist/demo-1.0.ytarchive").stdout
        assert "wheel app" in changed
        assert "1.0 -> 2.0" in changed

    def test_a_stale_lock_is_status_1(self, here: Locking) -> None:
        here.command("lock")
        here.require("app==2.0")
        done = here.command("lock", "--check", PIP_INDEX_URL=f"{DEAD}/simple")
        assert (done.returncode, done.stdout.count("\n")) == (1, 1)

    @needs_framework
    def test_what_ytjobs_needs_and_nobody_brings_is_locked_too(self, here: Locking) -> None:
        """As far as the requirements of YT Framework name it, and the image does not provide it."""
        here.index.add(make_wheel("boto3", "1.35.99"), make_wheel("boto3", "1.40.0"))
        here.pipeline.write({"ytjobs/s3.py": "import boto3\n", "stages/first/src/mapper.py": "import ytjobs.s3"})
        here.command("lock")
        assert here.versions() == {"app": "1.0", "boto3": "1.35.99"}
        here.require("app", "boto3==1.40.0").command("lock")
        assert here.versions()["boto3"] == "1.40.0"

    @needs_framework
    def test_what_another_stage_requires_is_no_help(self, here: Locking) -> None:
        here.index.add(make_wheel("boto3", "1.35.99"))
        here.pipeline.write({"ytjobs/s3.py": "import boto3\n", "stages/first/src/mapper.py": "import ytjobs.s3"})
        here.require("boto3", stage="second").command("lock")
        assert here.versions() == {"app": "1.0", "boto3": "1.35.99"}
        assert here.versions("second") == {"boto3": "1.35.99"}
