"""Pipelines of YT Framework that run a published release: which one, how they say so, and when they refuse."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pipelines import CHECKOUT, SAMPLE, clean_environment, refusal
from signing_keys import allow, make_key, needs_openssh

from hatch_ytupload.build_folders.destination import open_build_folder
from hatch_ytupload.releases.conditions import conditions_of
from hatch_ytupload.releases.publish_bundle import publish_bundle
from hatch_ytupload.releases.retention import delete
from hatch_ytupload.yt_framework import PublishedCode

if TYPE_CHECKING:
    from pipelines import Pipeline
    from proxy import ProxyServer

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11"),
]

FOLDER = "//home/demo/build"


def run_of(
    pipeline: Pipeline,
    *,
    attribute: str | None = None,
    stages: object = ("first",),
    **config: object,
) -> PublishedCode:
    """Return a run of the pipeline under YT Framework, in dev mode unless told otherwise."""
    from omegaconf import OmegaConf
    from yt_framework.core.pipeline import BasePipeline

    # Not a class statement: to type checkers the framework has no types.
    cls = type("Run", (PublishedCode, BasePipeline), {} if attribute is None else {"release": attribute})
    enabled = list(stages) if isinstance(stages, tuple) else stages
    content = {"pipeline": {"build_folder": FOLDER, **config}, "stages": {"enabled_stages": enabled}}
    run: PublishedCode = cls(OmegaConf.create(content), pipeline.root)
    return run


def served(pipeline: Pipeline) -> bytes:
    """Return the archive that dev mode copies into the sandboxes."""
    return (pipeline.root / ".build" / "source.tar.gz").read_bytes()


def publish(pipeline: Pipeline, text: str, *, mode: str = "dev") -> tuple[str, bytes]:
    """Build a release that differs by a text, publish it, return its name and its archive."""
    pipeline.write({"stages/first/src/text.txt": text})
    built = pipeline.build()
    settings = pipeline.settings(mode=mode, build_folder=FOLDER)
    published = publish_bundle(settings, str(Path(built.archive).parent))
    return published.outcome.release, Path(built.archive).read_bytes()


def test_dev_mode_gets_the_current_release(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """Not what lies on the disk now; and the log says which release it is."""
    publish(pipeline, "old")
    name, archive = publish(pipeline, "new")
    pipeline.write({"stages/first/src/text.txt": "not published", ".build/source/stale.py": ""})
    run_of(pipeline).upload_code()
    assert served(pipeline) == archive
    assert os.listdir(pipeline.root / ".build") == ["source.tar.gz"]
    log = [line.split(" | ", 2)[2] for line in capsys.readouterr().out.splitlines()]
    assert log[0] == f"[Published Code] Build folder: {FOLDER} | Release: current"
    assert log[1].startswith(f"  \u2713 Release {name} of demo (")
    assert log[2].endswith(f"/releases/{name}/source.tar.gz")
    assert len(log) == 3


def test_a_pinned_release_is_served_whatever_is_current(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """By its name, or by as much of it as no other begins with."""
    name, archive = publish(pipeline, "old")
    publish(pipeline, "new")
    for wanted in (name, name[:-4]):
        run_of(pipeline, release=wanted).upload_code()
        assert served(pipeline) == archive
        assert "not the current release" in capsys.readouterr().out


def test_the_local_bundle_needs_no_publishing_in_dev_mode(pipeline: Pipeline) -> None:
    """`bundle` runs what was just built."""
    built = pipeline.build()
    run_of(pipeline, release="bundle").upload_code()
    assert served(pipeline) == Path(built.archive).read_bytes()


def test_the_environment_wins_over_the_config_and_that_over_the_class(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the three can name the release."""
    releases = [publish(pipeline, text) for text in ("one", "two", "three", "four")]
    run_of(pipeline, attribute=releases[0][0]).upload_code()
    assert served(pipeline) == releases[0][1]
    run_of(pipeline, attribute=releases[0][0], release=releases[1][0]).upload_code()
    assert served(pipeline) == releases[1][1]
    monkeypatch.setenv("YTUPLOAD_RELEASE", releases[2][0])
    run_of(pipeline, attribute=releases[0][0], release=releases[1][0]).upload_code()
    assert served(pipeline) == releases[2][1]


def test_the_name_of_the_variable_may_be_mistyped(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is current runs then, and the log says why."""
    publish(pipeline, "one")
    monkeypatch.setenv("YTUPLOAD_RELEAS", "0.9")
    run_of(pipeline).upload_code()
    assert "`YTUPLOAD_RELEAS` means nothing here; did you mean `YTUPLOAD_RELEASE`?" in capsys.readouterr().out


def test_bases_in_the_wrong_order_are_refused() -> None:
    """The framework's own upload would be the one that counts, and overwrite the release."""
    from yt_framework.core.pipeline import BasePipeline, DefaultPipeline

    for base in (BasePipeline, DefaultPipeline):
        with pytest.raises(TypeError, match="the first base of `Run` must be `PublishedCode`: behind `"):
            type("Run", (base, PublishedCode), {})
        own = type("Run", (type("Mixin", (), {"upload_code": None}), PublishedCode, base), {})
        assert issubclass(type("Below", (own,), {"upload_code": None}), PublishedCode)


def test_a_run_without_code_needs_no_release(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is looked up, and no build folder need be set."""
    pipeline.write({"stages/plain/stage.py": ""})
    run_of(pipeline, stages=("plain",), build_folder=None).upload_code()
    run_of(pipeline, stages=None, build_folder=None).upload_code()
    assert capsys.readouterr().out == ""
    assert not (pipeline.root / ".build").exists()


def overwrite(pipeline: Pipeline, path: str, data: bytes = b"other") -> None:
    """Put other bytes at a path of the build folder on disk."""
    (pipeline.root / ".dev/cypress/home/demo/build" / path).write_bytes(data)


def test_what_is_not_the_release_asked_for_stops_the_run(pipeline: Pipeline) -> None:
    """Each reason in one line that names the way out; what was served before stays."""
    assert "there is no build folder" in refusal(run_of(pipeline).upload_code)
    assert "there is no bundle" in refusal(run_of(pipeline, release="bundle").upload_code)
    name, archive = publish(pipeline, "text")
    run_of(pipeline).upload_code()

    assert "keeps no release `2.0`" in refusal(run_of(pipeline, release="2.0").upload_code)
    assert "must be a string, found the number 1.0" in refusal(run_of(pipeline, release=1.0).upload_code)
    assert "no build folder is set" in refusal(run_of(pipeline, build_folder=None).upload_code)
    assert "must be the path of a Cypress folder" in refusal(run_of(pipeline, build_folder="home").upload_code)
    pipeline.write({"stages/second/src/mapper.py": ""})
    missing = f"the release `{name}` has no code of the enabled stage `second`"
    assert missing in refusal(run_of(pipeline, stages=("first", "second")).upload_code)
    assert "has no code of the enabled stage `second`" in refusal(
        run_of(pipeline, stages="second", release="bundle").upload_code
    )

    overwrite(pipeline, "source.tar.gz")
    assert "is not what was published under that name" in refusal(run_of(pipeline).upload_code)
    overwrite(pipeline, f"releases/{name}/source.tar.gz", b"x" * len(archive))
    assert "is damaged" in refusal(run_of(pipeline, release=name).upload_code)
    overwrite(pipeline, f"releases/{name}/source.tar.gz", archive)
    manifest = json.loads((Path(pipeline.archive()).parent / "manifest.json").read_text())
    manifest["content_sha256"] = "0" * 64
    overwrite(pipeline, f"releases/{name}/manifest.json", json.dumps(manifest).encode())
    assert "is damaged" in refusal(run_of(pipeline, release=name).upload_code)
    pipeline.archive().write_bytes(b"x" * len(archive))
    assert "source.tar.gz` is no gzip file" in refusal(run_of(pipeline, release="bundle").upload_code)
    assert served(pipeline) == archive


def test_an_archive_that_is_no_release_stops_the_run(pipeline: Pipeline) -> None:
    """YT Framework's own upload leaves such a one."""
    folder = pipeline.root / ".dev/cypress/home/demo/build"
    folder.mkdir(parents=True)
    assert "there is no `" in refusal(run_of(pipeline).upload_code)
    (folder / "source.tar.gz").write_bytes(b"archive")
    assert "is no release" in refusal(run_of(pipeline).upload_code)


def in_prod(pipeline: Pipeline, proxy: ProxyServer) -> None:
    """Give the pipeline the secrets that YT Framework needs on a cluster."""
    pipeline.write({"configs/secrets.env": f"YT_PROXY={proxy.address}\nYT_TOKEN={proxy.token}\n"})


def test_on_a_cluster_jobs_mount_the_release_itself(pipeline: Pipeline, proxy: ProxyServer) -> None:
    """So that publishing during a run changes nothing of it; asking again begins at the build folder again."""
    in_prod(pipeline, proxy)
    first, archive = publish(pipeline, "one", mode="prod")
    run = run_of(pipeline, mode="prod")
    run.upload_code()
    second, _ = publish(pipeline, "two", mode="prod")
    mounted = run.config.pipeline.build_folder
    assert mounted == f"{FOLDER}/releases/{first}"
    assert proxy.cypress.read(f"{mounted}/source.tar.gz") == archive
    run.upload_code()
    assert run.config.pipeline.build_folder == f"{FOLDER}/releases/{second}"
    assert not (pipeline.root / ".build").exists()


def test_a_release_that_runs_is_not_pruned(
    pipeline: Pipeline, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor deleted; the next publish after the run removes it, and until then it says who holds it."""
    in_prod(pipeline, proxy)
    name, archive = publish(pipeline, "one", mode="prod")
    run = run_of(pipeline, mode="prod")
    warnings: list[str] = []
    folder = open_build_folder(pipeline.settings(mode="prod", build_folder=FOLDER))

    def publish_next(text: str) -> tuple[str, ...]:
        pipeline.write({"stages/first/src/text.txt": text})
        settings = pipeline.settings(mode="prod", build_folder=FOLDER, keep_releases=1)
        conditions = conditions_of(settings, warn=warnings.append)
        return publish_bundle(settings, pipeline.build().archive, conditions=conditions).outcome.pruned

    def stage(_run: object) -> None:
        """Stand in for the stages of the pipeline, which run after the code is there."""
        run.upload_code()
        assert publish_next("two") == ()
        assert "held by" in refusal(lambda: delete(folder, [name]))
        assert proxy.cypress.read(f"{run.config.pipeline.build_folder}/source.tar.gz") == archive

    monkeypatch.setattr(type(run).__mro__[2], "run", stage)
    run.run()
    (held,) = [warning for warning in warnings if "held by" in warning]
    assert held.startswith(f"the release `{name}` is held by `")
    assert name in publish_next("three")


@pytest.mark.parametrize("release", ["nothing", "current"])
def test_what_its_user_can_mend_is_a_line_on_the_log(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], release: str
) -> None:
    """No trace, and status 1."""
    if release == "nothing":
        publish(pipeline, "one")
    with pytest.raises(SystemExit) as ended:
        run_of(pipeline, release=release).run()
    assert ended.value.code == 1
    printed = capsys.readouterr()
    lines = [line for line in printed.out.splitlines() if "ERROR" in line]
    assert len(lines) == 1
    assert "Traceback" not in printed.out + printed.err


@needs_openssh
@pytest.mark.parametrize("mode", ["dev", "prod"])
def test_a_release_that_nobody_allowed_has_signed_is_not_run(pipeline: Pipeline, proxy: ProxyServer, mode: str) -> None:
    """By the settings of the project that the pipeline lies in, those of its environment included."""
    in_prod(pipeline, proxy)
    pyproject = pipeline.root / "pyproject.toml"
    without = pyproject.read_text()
    allow(pipeline.root, ("ann", "", make_key(pipeline.root, "ann")))
    pyproject.write_text(f'{without}allowed_signers = "allowed_signers"\nsigning_key = "ann"\n')
    name, _ = publish(pipeline, "one", mode=mode)
    run_of(pipeline, mode=mode, release=name).upload_code()
    pyproject.write_text(without)
    unsigned, _ = publish(pipeline, "two", mode=mode)
    run_of(pipeline, mode=mode, release=unsigned).upload_code()
    table = '[tool.ytupload.environments.production]\nallowed_signers = "allowed_signers"\n'
    pyproject.write_text(f'{without}stages = "enabled"\ndefault_environment = "production"\n{table}')
    run_of(pipeline, mode=mode, release=name).upload_code()
    assert "is not signed" in refusal(run_of(pipeline, mode=mode, release=unsigned).upload_code)
    allow(pipeline.root, ("bob", "", make_key(pipeline.root, "bob")))
    assert "is signed by nobody of" in refusal(run_of(pipeline, mode=mode, release=name).upload_code)


def test_on_a_cluster_the_local_bundle_must_have_been_published(pipeline: Pipeline, proxy: ProxyServer) -> None:
    """What was reviewed is what runs: the same content, found by it."""
    in_prod(pipeline, proxy)
    name, _ = publish(pipeline, "one", mode="prod")
    publish(pipeline, "two", mode="prod")
    pipeline.write({"stages/first/src/text.txt": "one"}).build()
    run = run_of(pipeline, mode="prod", release="bundle")
    run.upload_code()
    assert run.config.pipeline.build_folder == f"{FOLDER}/releases/{name}"
    pipeline.write({"stages/first/src/text.txt": "three"}).build()
    refused = run_of(pipeline, mode="prod", release="bundle")
    assert "does not keep the local bundle's release" in refusal(refused.upload_code)
    assert refused.config.pipeline.build_folder == FOLDER


def test_a_run_on_a_cluster_only_reads(pipeline: Pipeline, proxy: ProxyServer) -> None:
    """Nothing in the build folder changes, and nothing is uploaded."""
    in_prod(pipeline, proxy)
    publish(pipeline, "one", mode="prod")
    before = proxy.cypress.snapshot(FOLDER)
    count = proxy.log.commands().count("write_file")
    run_of(pipeline, mode="prod").upload_code()
    assert proxy.cypress.snapshot(FOLDER) == before
    assert proxy.log.commands().count("write_file") == count


def test_a_client_of_ones_own_must_show_its_cluster(pipeline: Pipeline, proxy: ProxyServer) -> None:
    """A client that hides it cannot be asked where the build folder is."""
    in_prod(pipeline, proxy)
    run = run_of(pipeline, mode="prod")
    run.yt = object()
    assert "has no `client`" in refusal(run.upload_code)


def sample_in(directory: Path) -> Path:
    """Copy what a fresh clone of the sample holds."""
    left_over = shutil.ignore_patterns(".dev", ".build", "dist", "__pycache__", "secrets.env")
    return shutil.copytree(SAMPLE, directory / "sample_pipeline", ignore=left_over)


def run_sample(pipeline: Path, *arguments: str, requirements: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in the sample's directory; jobs take the first `python3` of the PATH."""
    python_path = [str(CHECKOUT), *([str(requirements)] if requirements else [])]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=pipeline,
        env=clean_environment(
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            PYTHONPATH=os.pathsep.join(python_path),
            PIP_NO_INDEX="1",
        ),
        capture_output=True,
        text=True,
        check=False,
    )


def succeed(process: subprocess.CompletedProcess[str]) -> str:
    """Return what a process said that ended well."""
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_the_sample_runs_from_a_published_release(tmp_path: Path, requirements: Path) -> None:
    """All kinds of operations, in YT Framework's dev mode, give the tables that its own archive gives."""
    sample = sample_in(tmp_path / "published")
    succeed(run_sample(sample, "-m", "hatch_ytupload", "build"))
    succeed(run_sample(sample, "-m", "hatch_ytupload", "publish"))
    log = succeed(run_sample(sample, "pipeline_published.py", requirements=requirements))
    assert "[Published Code] Build folder: //home/sample_pipeline/build | Release: current" in log
    for kind in ("Vanilla", "Map", "Map-reduce", "Reduce"):
        assert f"{kind} operation completed successfully" in log
    archive = (sample / "dist/sample_pipeline-1.0.0.ytarchive/source.tar.gz").read_bytes()
    assert (sample / ".build/source.tar.gz").read_bytes() == archive
    other = sample_in(tmp_path / "packed")
    succeed(run_sample(other, "pipeline.py", requirements=requirements))
    assert (other / ".build/source.tar.gz").read_bytes() != archive
    for table in ("requests", "hits", "sessions", "countries"):
        rows = (sample / f".dev/{table}.jsonl").read_bytes()
        assert rows == (other / f".dev/{table}.jsonl").read_bytes()
        assert rows.count(b"\n") >= 7


def test_operations_on_a_cluster_name_the_published_file(tmp_path: Path, proxy: ProxyServer) -> None:
    """What YT Framework submits names the release's archive as `source.tar.gz`, and that is the bundle's."""
    sample = sample_in(tmp_path)
    (sample / "configs/secrets.env").write_text(f"YT_PROXY={proxy.address}\nYT_TOKEN={proxy.token}\n")
    config = sample / "configs/config.yaml"
    text = config.read_text().replace("mode: dev", "mode: prod").replace("    - load_requests\n", "")
    config.write_text(text)
    for table in ("requests", "hits", "sessions", "countries"):
        proxy.cypress.create("table", f"//home/sample_pipeline/{table}")
    succeed(run_sample(sample, "-m", "hatch_ytupload", "build"))
    succeed(run_sample(sample, "-m", "hatch_ytupload", "publish"))
    run_sample(sample, "pipeline_published.py")  # ends where it reads a table: the proxy keeps no rows
    bundle = sample / "dist/sample_pipeline-1.0.0.ytarchive"
    release = "1.0.0-" + json.loads((bundle / "manifest.json").read_text())["content_sha256"][:12]
    place = f"//home/sample_pipeline/build/releases/{release}/source.tar.gz"
    mounted = (place, "source.tar.gz")
    specs: dict[str, Any] = {operation.type: operation.spec for operation in proxy.cypress.operations}
    assert jobs_of(specs["vanilla"]["tasks"]) == [(mounted, "operation_wrapper_check_networks_vanilla.sh")]
    assert jobs_of(specs["map"]) == [(mounted, "operation_wrapper_parse_requests_map.sh")]
    assert jobs_of(specs["map_reduce"]) == [
        (mounted, "operation_wrapper_build_sessions_map_reduce_mapper.sh"),
        (mounted, "operation_wrapper_build_sessions_map_reduce_reducer.sh"),
    ]
    assert jobs_of(specs["reduce"]) == [(mounted, "operation_wrapper_build_sessions_reduce.sh")]
    assert proxy.cypress.read(place) == (bundle / "source.tar.gz").read_bytes()
    pieces = "a prefix of the archive, the rest of it, and what lies beside it, by the publisher"
    assert proxy.log.commands().count("write_file") == 4, pieces


def jobs_of(spec: dict[str, Any]) -> list[tuple[tuple[str, str], str]]:
    """Return what each kind of job of an operation mounts, one file each, and the script that it starts."""
    found = []
    for job in spec.values():
        if isinstance(job, dict) and "file_paths" in job:
            (file,) = job["file_paths"]
            (script,) = re.findall(r"\./(operation_wrapper_\w+\.sh)", job["command"])
            found.append(((str(file), str(file.attributes["file_name"])), script))
    return found
