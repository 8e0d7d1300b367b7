"""The pages are complete, and right where somebody follows them: tables, links, and console blocks."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml
from checkout import installing_environment
from console_blocks import Shell, as_shown, steps_of
from pipelines import CHECKOUT, Pipeline, make_pipeline
from proxy import ProxyServer

from hatch_ytupload.command_line.cli import COMMANDS, hatch_ytupload, main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checkout import Hatch

pytestmark = pytest.mark.functional

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

PACKAGE = CHECKOUT / "hatch_ytupload"
ARCHITECTURE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
CLUSTERS = ("cluster.example.com", "testing.example.com", "production.example.com")
REPOSITORY = "https://github.com/hatch-ytupload/hatch-ytupload/blob/main/"
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in CHECKOUT.glob("docs/*.md"))]
GUIDES = [page for page in PAGES if "```console" in (CHECKOUT / page).read_text(encoding="utf-8")]
REFERENCE = (CHECKOUT / "docs" / "commands.md").read_text(encoding="utf-8")


def test_the_table_of_rooms_holds_each_of_them() -> None:
    """Those of import-linter, in their order."""
    pyproject: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = pyproject["tool"]["importlinter"]["contracts"][0]["layers"]
    table = ARCHITECTURE.partition("| room |")[2].partition("\n## ")[0]
    places = [
        [re.search(rf"`{name}(?:\.py)?`", table) for name in layer.split(" | ") if name != "__about__"]
        for layer in layers
    ]
    assert all(all(layer) for layer in places), places
    starts = [min(found.start() for found in layer if found) for layer in places]
    assert starts == sorted(starts)


def test_the_walks_pass_by_files_that_exist() -> None:
    """Each file that is named with its room."""
    names = set(re.findall(r"`((?!stages/)[a-z_]+/[a-z_/]+\.py)`", ARCHITECTURE))
    assert len(names) > 15
    missing = [name for name in names if not any((place / name).exists() for place in (PACKAGE, CHECKOUT))]
    assert not missing


def test_the_reference_has_all_commands_with_all_their_flags() -> None:
    """One row for each command; flags that several have stand above the table."""
    rows = dict(re.findall(r"^\| `hatch-ytupload ([a-z]+)[^`]*` \|(.*)$", REFERENCE, re.MULTILINE))
    assert set(rows) == set(COMMANDS)
    before = REFERENCE[: REFERENCE.index("| `hatch-ytupload init")]
    context = click.Context(hatch_ytupload)
    for name, row in rows.items():
        command = hatch_ytupload.get_command(context, name)
        assert command is not None
        for option in (found for found in command.params if isinstance(found, click.Option)):
            for flag in (*option.opts, *option.secondary_opts):
                assert f"`{flag}" in row or f"`{flag}" in before, f"{name} {flag}"


EXAMPLE = {
    "ads/stages/count/src/mapper.py": (
        "import json\nimport sys\n\nfor line in sys.stdin:\n    row = json.loads(line)\n"
        '    print(json.dumps({"url": row["url"], "length": len(row["url"])}))\n'
    ),
    "ads/stages/count/stage.py": (
        "from yt_framework.core.stage import BaseStage\nfrom yt_framework.operations.command_ops import run_map\n\n\n"
        "class CountStage(BaseStage):\n    def run(self, debug):\n"
        "        if not run_map(self.context, self.config.client.operations.map):\n"
        '            raise RuntimeError("the map operation failed")\n        return debug\n'
    ),
    "ads/stages/count/config.yaml": (
        "client:\n  operations:\n    map:\n      input_table: //home/ads/urls\n      output_table: //home/ads/lengths\n"
    ),
    "ads/configs/config.yaml": (
        "pipeline:\n  mode: dev\n  build_folder: //home/ads/build\nstages:\n  enabled_stages: [count]\n"
    ),
    "ads/pipeline.py": (
        "from yt_framework.core.pipeline import DefaultPipeline\n\n"
        'if __name__ == "__main__":\n    DefaultPipeline.main()\n'
    ),
    "ads/urls.jsonl": '{"url": "https://example.com/"}\n',
    "ads/.dev/urls.jsonl": '{"url": "https://example.com/"}\n',
}
"""A pipeline in the shape of YT Framework's own examples, as the pages speak of it."""


@pytest.fixture
def clusters() -> Iterator[dict[str, str]]:
    """Return what stands here for the clusters of the pages, and for a token."""
    with ExitStack() as stack:
        servers = [stack.enter_context(ProxyServer()) for _ in CLUSTERS]
        for server in servers:
            server.cypress.create("table", "//home/ads/urls")
            server.cypress.add_account("ads")
        yield {
            **{name: server.address for name, server in zip(CLUSTERS, servers, strict=True)},
            "YT_TOKEN=...": f"YT_TOKEN={servers[0].token}",
        }


@pytest.fixture
def shell(tmp_path: Path, hatch: Hatch, wheel: Path, clusters: dict[str, str]) -> Shell:
    """Return a shell beside the pipeline of the pages, with `hatch` and `hatch-ytupload` as installed."""
    Pipeline(tmp_path).write(EXAMPLE)
    left_over = shutil.ignore_patterns("dist", ".dev", ".build", "__pycache__")
    shutil.copytree(CHECKOUT / "sample_pipeline", tmp_path / "sample_pipeline", ignore=left_over)
    Pipeline(tmp_path / "sample_pipeline").write({".gitignore": "/dist/\n/.dev/\n/*.jsonl\n"}).commit()
    programs = tmp_path / ".programs"
    for name, module in (("hatch", "hatch --no-color"), ("hatch-ytupload", "hatch_ytupload")):
        Pipeline(programs).write({name: f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n'})
        (programs / name).chmod(0o755)
    found = {"PIP_FIND_LINKS": str(wheel.parent), "UV_FIND_LINKS": str(wheel.parent), "UV_PRERELEASE": "allow"}
    path = os.pathsep.join((str(programs), os.path.dirname(sys.executable), os.environ["PATH"]))
    environ = installing_environment(**hatch.environ, **found, PIP_PRE="1", PATH=path, LOGNAME="ann")
    # A reader has a cache.
    del environ["YTUPLOAD_NO_CACHE"]
    places = {"YTUPLOAD_CACHE_DIR": str(tmp_path / ".cache"), "XDG_STATE_HOME": str(tmp_path / ".state")}
    return Shell(tmp_path, {**environ, **places}, clusters)


def test_the_readme_is_short_and_its_links_work_on_the_package_index() -> None:
    """It is shown there as well, without the files beside it."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    assert not re.findall(r"\]\((?!https://)[^)]+\)", text)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """To files of the repository, and to headings in them."""
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        inside = target.removeprefix(REPOSITORY)
        if inside == target and target.startswith(("https://", "http://")):
            continue
        path, _, anchor = inside.partition("#")
        place = CHECKOUT if inside != target else (CHECKOUT / page).parent
        file = place / path if path else CHECKOUT / page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert not anchor or anchor in slugs, target


def test_the_symptoms_of_troubleshooting_are_what_is_printed() -> None:
    """Those in backticks are messages: ours, or one of these of others."""
    page = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    others = ("command not found", "Unknown ", "there are no versions of", "secrets are required", "ModuleNotFound")
    ours = "".join(
        node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ).replace("`", "")
    symptoms = re.findall(r"^\| (`.+?`)(?: in a job|, though .*|, but .*)? \|", page, re.MULTILINE)
    assert len(symptoms) > 10
    for symptom in (part for cell in symptoms for part in cell.split("`, `")):
        shown = symptom.replace("`", "")
        if not any(other in shown for other in others):
            assert all(part.strip() in ours for part in shown.split("...")), symptom


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11")
def test_the_first_way_to_install_gives_both_commands(tmp_path: Path, shell: Shell) -> None:
    """From a wheel, as if an index had it."""
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^uv tool install hatch --with-executables-from .*$", readme, re.MULTILINE)
    shell.type(f"export UV_TOOL_DIR={tmp_path}/tools UV_TOOL_BIN_DIR={tmp_path}/bin")
    printed = shell.type(command)
    assert sorted(path.name for path in (tmp_path / "bin").iterdir()) == ["hatch", "hatch-ytupload"], printed
    # The publisher is there, too.
    shell.type("cd ads && ../bin/hatch-ytupload init")
    assert shell.type("../bin/hatch publish -p ytupload -o bad").startswith("option `-o bad` is not known")


def test_every_page_is_in_the_table_of_contents() -> None:
    """Nobody finds the others."""
    contents = (CHECKOUT / "docs" / "README.md").read_text(encoding="utf-8")
    missing = [page for page in PAGES if page.startswith("docs/") and f"({page[5:]})" not in contents]
    assert missing == ["docs/README.md"]


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11")
@pytest.mark.parametrize("page", GUIDES)
@pytest.mark.usefixtures("unmeasured")
def test_what_a_guide_shows_is_what_is_printed(page: str, shell: Shell) -> None:
    """Each console block, from the first to the last, as somebody types it who follows the page."""
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    for step in steps_of(text):
        printed = shell.type(step.command)
        assert step.shown is None or as_shown(printed, step.shown), f"$ {step.command}\n{printed}"


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11")
@pytest.mark.usefixtures("unmeasured")
def test_the_workflows_of_github_and_gitlab_publish_and_promote(shell: Shell) -> None:
    """Their commands, in the pipeline of the page that shows them, twice: a merge and a tag on each."""
    page = (CHECKOUT / "docs" / "teams.md").read_text(encoding="utf-8")
    github, gitlab = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    found = [
        [step["run"] for step in github["jobs"][name]["steps"] if "run" in step] + ["|"] + gitlab[name]["script"]
        for name in ("testing", "production")
    ]
    assert all(job[: job.index("|")] == job[job.index("|") + 1 :] for job in found), "the two do different things"
    for step in steps_of(page):
        if step.shown is None:
            shell.type(step.command)
    commands = [command for job in found for command in job[: job.index("|")]]
    own = [command for command in commands if not command.startswith("pip install ")]
    assert [command.split()[1] for command in own] == ["build", "check", "publish", "status", "promote"]
    for version in ("0.1.0", "0.2.0"):
        shell.type(f"echo '# {version}' >> stages/count/src/mapper.py; sed -i 's/0.1.0/{version}/' pyproject.toml")
        shell.type("git add . && git -c user.name=ann -c user.email=ann@example.com commit -qm change")
        for command in own:
            assert shell.type(f"{command} && echo done").splitlines()[-1] == "done", command
    testing, production = (
        f"<(hatch-ytupload history -e {name} | grep '^[ *]  [0-9]' | cut -c1-25)" for name in ("testing", "production")
    )
    assert shell.type(f"diff {testing} {production} && echo same") == "same\n"
    shell.type("git -c user.name=ann -c user.email=ann@example.com commit -q --allow-empty -m 'not in testing'")
    assert shell.type(f"{own[-2]} || echo 'another commit'") == "another commit\n"


def test_the_reference_has_each_key_of_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the objects below as well, in the row of the command or in the paragraphs about it."""
    settings = 'mode = "dev"\nbuild_folder = "//home/demo/build"\n'
    pipeline = make_pipeline(tmp_path / "demo", settings=settings)
    monkeypatch.chdir(pipeline.root)
    rows = dict(re.findall(r"^\| ((?:`[a-z]+`(?:, )?)+) \| (.*) \|$", REFERENCE, re.MULTILINE))
    paragraphs = dict(re.findall(r"(?ms)^`([a-z]+)`:(.*?)(?=^`[a-z]+`:|\Z)", REFERENCE))
    (tmp_path / "demo" / "rows").write_text("{}\n")
    calls = [
        *("init", "build", "publish", "publish", "pin 1", "unpin 1", "status", "history", "fetch -d got", "inspect"),
        *("inspect --licences", "verify --rebuild", "explain stages/first stages/x", "cache", "check"),
        "run first map -i rows -o out",
        *("build", "diff --text", "publish", "rollback", "delete 2", "promote --to //home/demo/other"),
    ]
    versions: list[str] = []
    for count, call in enumerate(calls):
        if call == "build":
            versions.append(version := f"1.{count}")
            text = (pipeline.root / "pyproject.toml").read_text()
            pipeline.write(
                {
                    "pyproject.toml": re.sub('version = ".*"', f'version = "{version}"', text),
                    "stages/first/src/text.txt": version,
                }
            )
        words = [versions[int(word) - 1] if word in ("1", "2") else word for word in call.split()]
        with pytest.raises(SystemExit) as end:
            main([*words, "--json"])
        printed = capsys.readouterr()
        assert end.value.code == 0, printed
        named = next((row for names, row in rows.items() if f"`{words[0]}`" in names), "")
        named += paragraphs.get(words[0], "")
        if words[0] == "promote":
            named += rows["`publish`"]
        missing = {key for key in keys_of(json.loads(printed.out)) if f"`{key}`" not in named}
        assert not missing, call


def keys_of(data: object) -> set[str]:
    """Return the keys of an object and of those in it; what has keys of its own choosing is left out."""
    if isinstance(data, list):
        return set().union(*map(keys_of, data))
    if not isinstance(data, dict):
        return set()
    inner = [keys_of(value) for key, value in data.items() if key not in ("kinds", "stages", "modules", "wheels")]
    return set(data).union(*inner)
