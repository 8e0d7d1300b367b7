"""Which build folder the settings mean, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from build_folders import make_bundle
from pipelines import Pipeline, refusal
from proxy import ProxyServer

from hatch_ytupload.build_folders.cypress.folder import CypressFolder
from hatch_ytupload.build_folders.destination import open_build_folder
from hatch_ytupload.build_folders.disk.folder import LocalFolder
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.releases.conditions import conditions_of
from hatch_ytupload.releases.publish_bundle import default_artifact, publish_bundle

if TYPE_CHECKING:
    from pathlib import Path


def test_dev_mode_is_a_folder_on_disk(pipeline: Pipeline) -> None:
    """It needs no cluster."""
    folder = open_build_folder(pipeline.settings({"mode": "dev", "build_folder": "//home/x/build"}))
    assert isinstance(folder, LocalFolder)
    assert folder.directory == str(pipeline.root / ".dev/cypress/home/x/build")
    assert folder.host is None


def test_prod_mode_is_a_folder_on_the_cluster(pipeline: Pipeline) -> None:
    """Nothing is sent before it is used."""
    folder = open_build_folder(pipeline.settings({"build_folder": "//home/x/build", "proxy": "nowhere.invalid"}))
    assert isinstance(folder, CypressFolder)
    assert (folder.location, folder.host) == ("//home/x/build", "nowhere.invalid")


@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_no_build_folder(pipeline: Pipeline, mode: str) -> None:
    """The line says all the places where it can be set."""
    assert refusal(lambda: open_build_folder(pipeline.settings({"mode": mode, "proxy": "x"}))) == (
        "no build folder is set: write `build_folder` under `[tool.ytupload]` or `pipeline.build_folder` in the "
        "pipeline's config, set `YTUPLOAD_BUILD_FOLDER`, or give the option `-o build_folder`"
    )


def test_no_cluster(pipeline: Pipeline) -> None:
    """The same for the proxy."""
    assert refusal(lambda: open_build_folder(pipeline.settings({"build_folder": "//home/x"}))) == (
        "no cluster is set: write `proxy` under `[tool.ytupload]` or `YT_PROXY` in `configs/secrets.env`, set "
        '`YT_PROXY`, or give the option `-o proxy`; `mode = "dev"` needs none'
    )


@pytest.mark.parametrize(
    "proxy",
    [
        *("http://", "ftp://x", "http://[::1", "127.0.0.1:99999", "cluster:port", "http://user:s3cret@", ":80"),
        *("two words", "a,b", "http://<cluster>", "$CLUSTER"),
    ],
)
def test_what_cannot_be_an_address(pipeline: Pipeline, proxy: str) -> None:
    """It is said at once, without passwords, and nothing is tried."""
    said = refusal(lambda: open_build_folder(pipeline.settings({"build_folder": "//home/x", "proxy": proxy})))
    assert said.startswith("`proxy` must be the name of a cluster, or an address such as")
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "proxy", ["cluster", "localhost:8000", "http://[::1]:80", "https://user:pw@host.example.com:1/path", "ü.example"]
)
def test_what_can_be_an_address(pipeline: Pipeline, proxy: str) -> None:
    """Names of clusters and URLs, as ytsaurus-client takes them."""
    folder = open_build_folder(pipeline.settings({"build_folder": "//home/x", "proxy": proxy}))
    assert isinstance(folder, CypressFolder)


def test_what_did_not_matter_to_a_build_matters_now(pipeline: Pipeline) -> None:
    """A secrets file that cannot be read, for instance; the build folder on disk does without."""
    pipeline.write({"configs/secrets.env": b"YT_TOKEN=\xff"})
    table = {"build_folder": "//home/x", "proxy": "cluster"}
    with pytest.raises(SettingsError, match="secrets"):
        open_build_folder(pipeline.settings(table))
    open_build_folder(pipeline.settings({**table, "mode": "dev"}))


@pytest.mark.parametrize(
    ("environ", "secrets", "user"),
    [
        ({"YT_TOKEN": "token-of-the-environment"}, "YT_TOKEN=token-of-the-file", "environment"),
        ({}, "YT_TOKEN=token-of-the-file", "file"),
        ({"YT_TOKEN": ""}, "YT_TOKEN=token-of-the-file", "file"),
    ],
)
def test_where_the_token_comes_from(pipeline: Pipeline, environ: dict[str, str], secrets: str, user: str) -> None:
    """The environment, then the pipeline's own file."""
    tokens = {"token-of-the-environment": "environment", "token-of-the-file": "file"}
    with ProxyServer(tokens=tokens) as proxy:
        pipeline.write({"configs/secrets.env": f"YT_PROXY={proxy.address}\n{secrets}\n"})
        folder = open_build_folder(pipeline.settings({"build_folder": "//home/x"}), environ=environ)
        assert folder.user() == user


def test_a_whole_publish(pipeline: Pipeline, tmp_path: Path) -> None:
    """From settings to outcome."""
    bundle = make_bundle(pipeline, "text")
    settings = pipeline.settings({"mode": "dev", "build_folder": "//home/x"})
    published = publish_bundle(settings, str(bundle.directory), project=pipeline.project(), is_own=True)
    assert published.outcome.release == bundle.release
    assert (published.project, published.version, published.dry_run) == ("demo", "1.0", False)
    assert published.seconds > 0


def test_a_warning_about_two_projects_in_one_folder(pipeline: Pipeline, tmp_path: Path) -> None:
    """They would replace each other's archive for ever."""
    settings = pipeline.settings({"mode": "dev", "build_folder": "//home/x"})
    publish_bundle(settings, str(make_bundle(pipeline, "text").directory))
    pipeline.write({"pyproject.toml": '[project]\nname = "other"\nversion = "1.0"\n'})
    other = pipeline.write({"stages/first/src/text.txt": "other"}).build(tmp_path / "dist")
    line = refusal(lambda: publish_bundle(settings, other.archive))
    assert line.endswith(
        "of the project `demo`, and this is `other`; give each project a build folder of its own, or `-o force`"
    )
    warnings: list[str] = []
    assert publish_bundle(
        settings, other.archive, conditions=conditions_of(settings, force=True, warn=warnings.append)
    ).outcome.changed
    assert warnings == [line.removesuffix(", or `-o force`")]


def test_the_default_artifact(pipeline: Pipeline) -> None:
    """The bundle of the current version, below the build directory."""
    project = pipeline.project()
    assert default_artifact(project) == str(pipeline.root / "dist/demo-1.0.ytarchive")
    assert default_artifact(project, "/out") == "/out/demo-1.0.ytarchive"
