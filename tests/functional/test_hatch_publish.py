"""`hatch publish -p ytupload`, with real Hatch and the plugin installed beside it, as users do."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from checkout import HATCHLING, Hatch, make_environment, only_one, requirement, run
from pipelines import Pipeline, clean_environment, make_pipeline

from hatch_ytupload.wording import megabytes

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from proxy import ProxyServer

pytestmark = pytest.mark.functional

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "demo"
dynamic = ["version"]

[tool.hatch.version]
path = "version.py"
"""
SETTINGS = 'build_folder = "//home/demo/build"\nmode = "dev"\n'
ARCHIVE = ".dev/cypress/home/demo/build/source.tar.gz"


@pytest.fixture(scope="module")
def hatch(shared_directory: Path, wheel: Path) -> Hatch:
    """Return a Hatch that the plugin was installed with."""
    with only_one(shared_directory, "hatch-with-plugin") as directory:
        python = directory / "env" / "bin" / "python"
        if not python.exists():
            make_environment(directory / "env", requirement(wheel), "hatch")
        return Hatch(directory / "data", python)


class Project:
    """A pipeline that was built, and the Hatch that publishes it."""

    def __init__(self, pipeline: Pipeline, hatch: Hatch) -> None:
        self.pipeline = pipeline
        self._hatch = hatch

    def build(self, text: str) -> bytes:
        """Build another release in this process, and return its archive."""
        built = self.pipeline.write({"stages/first/src/text.txt": text}).build()
        with open(built.archive, "rb") as file:
            return file.read()

    def publish(self, *arguments: str, status: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `hatch publish -p ytupload`."""
        return self._hatch.run(
            "publish", "-p", "ytupload", *arguments, cwd=self.pipeline.root, environ=environ, status=status
        )

    def published(self) -> bytes:
        """Return what lies in the build folder on disk."""
        return (self.pipeline.root / ARCHIVE).read_bytes()


@pytest.fixture
def project(tmp_path: Path, hatch: Hatch) -> Project:
    """Return a project that is published to a folder on disk."""
    pipeline = make_pipeline(tmp_path / "demo", pyproject=PYPROJECT, settings=SETTINGS)
    return Project(pipeline.write({"version.py": '__version__ = "1.0"\n'}), hatch)


def test_without_artifacts_the_current_version_is_published(project: Project) -> None:
    """Also where the version is in a file; a second publish has nothing to do."""
    data = project.build("one")
    done = project.publish()
    assert done.stderr.startswith(f"{ARCHIVE}\n  release  1.0-")
    assert project.published() == data
    assert project.publish().stderr.endswith("already; nothing to upload\n")


def test_a_dry_run(project: Project) -> None:
    """`-o dry_run`, without a value."""
    project.build("one")
    assert project.publish("-o", "dry_run").stderr.startswith(f"{ARCHIVE} would become\n")
    assert not (project.pipeline.root / ".dev").exists()


def test_artifacts_by_name(project: Project, tmp_path: Path) -> None:
    """Relative to the project, in any of three forms; each is published, the last one is current.

    Nothing is where one of them is no bundle.
    """
    one = project.pipeline.build(tmp_path / "one")
    assert "there is no bundle at" in project.publish(one.archive, "version.py", status=1).stderr
    assert not (project.pipeline.root / ".dev").exists()
    project.pipeline.write({"stages/first/src/text.txt": "another"})
    two = project.pipeline.build(tmp_path / "two")
    done = project.publish(os.path.relpath(one.archive, project.pipeline.root), os.path.dirname(two.archive))
    assert done.stderr.count("\n  release  ") == 2
    with open(two.archive, "rb") as file:
        assert project.published() == file.read()


def test_another_build_directory(project: Project) -> None:
    """With `-o dist=`, relative to the project."""
    project.pipeline.build(project.pipeline.root / "out")
    assert "there is no bundle at" in project.publish(status=1).stderr
    assert "  release  1.0-" in project.publish("-o", "dist=out").stderr


def test_what_the_backend_requires_may_be_in_the_build_environment_alone(project: Project) -> None:
    """As plugins that find out the version are: Hatch is asked, which installs them there."""
    pyproject = (project.pipeline.root / "pyproject.toml").read_text()
    pyproject = pyproject.replace('["hatchling"]', '["hatchling", "iniconfig"]')
    pyproject = pyproject.replace("[tool.hatch.version]", '[tool.hatch.version]\nsource = "code"')
    project.pipeline.write({"pyproject.toml": pyproject, "version.py": "import iniconfig\n__version__ = '1.0'\n"})
    project.build("one")
    assert "  release  1.0-" in project.publish().stderr


def test_the_command_is_installed_too(hatch: Hatch) -> None:
    """`pip install hatch hatch-ytupload` gives both."""
    assert os.path.exists(os.path.join(os.path.dirname(hatch.python), "hatch-ytupload"))


def test_options_win_over_the_table(project: Project) -> None:
    """And the environment over the table as well."""
    project.build("one")
    assert "home/other/build" in project.publish("-o", "build_folder=//home/other/build").stderr
    assert "home/third/build" in project.publish(YTUPLOAD_BUILD_FOLDER="//home/third/build").stderr


def test_to_a_cluster(project: Project, proxy: ProxyServer) -> None:
    """Proxy and token come from the environment, as in CI, and the token is not seen.

    An edit of a stage costs at most a hundredth of the bytes and 64 kB, and twenty requests, all counted; what a dry
    run says of it is so.
    """
    modules = {"configs/config.yaml": "pipeline:\n  upload_modules: [models]\n", "models/__init__.py": ""}
    project.pipeline.write({**modules, "models/weights.bin": os.urandom(1_500_000)})
    environ: Any = {"YT_PROXY": proxy.address, "YT_TOKEN": proxy.token, "YTUPLOAD_MODE": "prod"}
    data = project.build("one")
    done = project.publish(**environ)
    assert done.stderr.startswith(f"//home/demo/build/source.tar.gz on {proxy.address}\n  release  1.0-")
    assert " (1.5 MB)\n" in done.stderr
    assert proxy.cypress.read("//home/demo/build/source.tar.gz") == data
    assert proxy.token not in done.stdout + done.stderr

    size = len(project.build("two"))
    line = re.compile(r"\((sends|sent) (\S+ k?B) of 1\.5 MB\)\n")
    expected = line.search(project.publish("-o", "dry_run", **environ).stderr)
    told = json.loads(project.pipeline.run("--json", "publish", "--dry-run", environ=environ).stdout)
    proxy.log.clear()
    said = line.search(project.publish(**environ).stderr)
    proxy.log.wait_idle()
    requests = proxy.log.requests(pings=True)
    assert expected
    assert said
    assert (expected[1], said[1], said[2]) == ("sends", "sent", expected[2])
    assert len(requests) <= 20
    assert sum(record.wire_bytes for record in requests) <= size // 100 + 65536
    assert told["size"] == size
    assert megabytes(told["uploaded"]) == said[2]
    assert told["uploaded"] in {record.wire_bytes for record in proxy.log.of("write_file")}


def test_every_problem_is_a_line_and_status_1(project: Project, proxy: ProxyServer) -> None:
    """Without a traceback."""
    project.build("one")
    done = project.publish("-o", "dryrun", "-o", "mode=test", status=1)
    assert done.stderr == (
        "option `-o dryrun` is not known; did you mean `dry_run`?\n"
        'option `-o mode` must be "prod" or "dev", found the string "test"\n'
    )
    done = project.publish("-o", "mode=prod", status=1, YT_PROXY=proxy.address, YT_TOKEN="wrong-token")
    assert done.stderr == (
        f"cannot read the build folder `//home/demo/build`: `{proxy.address}` does not accept the token; "
        "set the right one in `YT_TOKEN` or `configs/secrets.env`\n"
    )


def test_a_publisher_that_is_disabled_asks_first(project: Project) -> None:
    """As Hatch does for every publisher."""
    project.build("one")
    disabled = "[tool.hatch.publish.ytupload]\ndisable = true\n"
    text = (project.pipeline.root / "pyproject.toml").read_text()
    project.pipeline.write({"pyproject.toml": text + disabled})
    assert "Publisher is disabled: ytupload" in project.publish("-n", status=1).stderr
    assert "\n  release  " in project.publish("--yes").stderr


def test_settings_stand_in_one_place(project: Project) -> None:
    """In `[tool.ytupload]`; Hatch's table for the publisher holds `disable` only."""
    project.build("one")
    text = (project.pipeline.root / "pyproject.toml").read_text()
    project.pipeline.write({"pyproject.toml": text + '[tool.hatch.publish.ytupload]\nmode = "dev"\n'})
    place = "`tool.hatch.publish.ytupload.mode` means nothing there, where only `disable` does"
    assert project.publish(status=1).stderr == f"{place}; write `tool.ytupload.mode`\n"


def test_an_environment_can_be_named(project: Project) -> None:
    """By `-o environment=`; a name that there is not is one line."""
    project.build("one")
    text = (project.pipeline.root / "pyproject.toml").read_text()
    table = '[tool.ytupload.environments.prod]\nbuild_folder = "//home/prod/build"\nconfirm = true\n'
    project.pipeline.write({"pyproject.toml": text + table})
    # Hatch's own `--yes` is about something else.
    refused = project.publish("--yes", "-o", "environment=prod", status=1).stderr
    assert refused.endswith("there is no terminal to ask on; agree with `-o yes`\n")
    assert "home/prod/build" in project.publish("-o", "environment=prod", "-o", "yes").stderr
    assert project.publish("-o", "environment=x", status=1).stderr == (
        "option `-o environment` names no environment, `x`: there are `prod`\n"
    )


def test_details_where_hatch_is_verbose(project: Project) -> None:
    """What decided, and what is done; in builds as well."""
    project.build("one")
    said = project.publish(HATCH_VERBOSE="1").stderr
    assert 'setting `mode`: `tool.ytupload.mode` says the string "dev"\n' in said
    assert "write releases/1.0-" in said
    assert "setting `mode`" not in project.publish().stderr
    built = run(
        *HATCHLING, "build", "-t", "ytarchive", cwd=project.pipeline.root, environ=clean_environment(HATCH_VERBOSE="1")
    )
    assert "setting `mode`" in built.stdout + built.stderr
