"""Why a path goes into the archive or stays out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import make_pipeline

from hatch_ytupload.answers.explanation import Explainer
from hatch_ytupload.command_line.commands.explain import explanation_data, explanation_text
from hatch_ytupload.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipelines import Pipeline

    from hatch_ytupload.answers.explanation import Explanation

FILES: dict[str, str | bytes] = {
    "configs/config.yaml": "pipeline: {}\n",
    "tools/__init__.py": "",
    "tools/ab_test.py": "",
    "tools/x_test.py": "",
    "tools/deep/a.py": "",
    "tools/deep/build/out.py": "",
    "lib/geo/data.tsv": "1\n",
    "lib/geo/draft.tsv": "1\n",
    "lib/geo/.ytignore": "# drafts\ndraft.*\n",
    ".ytignore": "*_test.py\n!ab_test.py\nbuild/\n",
    "stages/first/config.yaml": "job: {}\n",
    "stages/first/stage.py": "",
    "stages/idea/notes.txt": "",
    "other.py": "",
}
SETTINGS = 'upload_modules = ["tools"]\nupload_paths = [{ source = "lib/geo", target = "data/geo" }]'


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Return a pipeline with a stage, a module, a path and ignore files."""
    return make_pipeline(tmp_path / "demo", FILES, settings=SETTINGS)


@pytest.fixture
def explain_in(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Work in the directory of the pipeline."""
    monkeypatch.chdir(pipeline.root)
    return pipeline


def explain(pipeline: Pipeline, path: str, table: Mapping[str, object] | None = None) -> Explanation:
    """Return the only explanation of a path."""
    (found,) = Explainer(pipeline.settings(table)).explain(path)
    return found


def verdict(pipeline: Pipeline, path: str, table: Mapping[str, object] | None = None) -> tuple[bool, str]:
    """Return whether a path is packed, and the reason in a word."""
    found = explain(pipeline, path, table)
    return found.packed, found.reason


@pytest.mark.usefixtures("explain_in")
class TestOnDisk:
    def test_a_file_of_a_stage_is_in_under_its_own_name(self, pipeline: Pipeline) -> None:
        """The stage is what brings it along."""
        found = explain(pipeline, "stages/first/src/mapper.py")
        assert (found.packed, found.archive_paths) == (True, ["stages/first/src/mapper.py"])
        assert found.text == "it belongs to the stage `first`"

    def test_a_file_of_an_upload_path_is_in_under_its_target(self, pipeline: Pipeline) -> None:
        """The entry of the settings is named, and the name that jobs see."""
        found = explain(pipeline, "lib/geo/data.tsv")
        assert found.archive_paths == ["data/geo/data.tsv"]
        assert "entry #1 of `upload_paths` (`lib/geo`)" in found.text

    def test_an_ignored_file_names_file_and_line(self, pipeline: Pipeline) -> None:
        """The innermost ignore file decides."""
        found = explain(pipeline, "lib/geo/draft.tsv")
        assert (found.packed, found.reason) == (False, "ignored")
        assert found.rule is not None
        assert (found.rule.file, found.rule.line, found.rule.pattern) == ("lib/geo/.ytignore", 2, "draft.*")
        assert found.text == "`draft.*` (line 2 of `lib/geo/.ytignore`) excludes it"

    def test_a_file_that_a_rule_brings_back_names_that_rule(self, pipeline: Pipeline) -> None:
        """A negated rule is the reason why it is in."""
        found = explain(pipeline, "tools/ab_test.py")
        assert (found.packed, found.reason) == (True, "kept")
        assert found.rule is not None
        assert (found.rule.line, found.rule.negated) == (2, True)

    def test_a_file_in_an_ignored_directory_names_the_directory(self, pipeline: Pipeline) -> None:
        """No rule about the file itself is asked: the directory is not entered."""
        found = explain(pipeline, "tools/deep/build/out.py")
        assert found.text == "`build/` (line 3 of `.ytignore`) excludes `tools/deep/build`, which it is in"

    def test_a_built_in_rule_is_called_so(self, pipeline: Pipeline) -> None:
        """Nobody wrote it down."""
        pipeline.write({"tools/x.pyc": b""})
        assert explain(pipeline, "tools/x.pyc").text == "`*.py[co]` (a built-in rule) excludes it"
        assert verdict(pipeline, "tools/x.pyc") == (False, "built-in")

    @pytest.mark.parametrize("name", ["config.yaml", "requirements.txt"])
    def test_what_jobs_need_beside_src_is_in(self, pipeline: Pipeline, name: str) -> None:
        """Two files beside `src` are packed."""
        pipeline.write({f"stages/first/{name}": ""})
        assert verdict(pipeline, f"stages/first/{name}") == (True, "source")

    def test_an_ignored_config_names_the_rule(self, pipeline: Pipeline) -> None:
        """The rules hold for it as well."""
        pipeline.write({"stages/first/.ytignore": "config.yaml\n"})
        found = explain(pipeline, "stages/first/config.yaml")
        assert found.text == "`config.yaml` (line 1 of `stages/first/.ytignore`) excludes it"

    def test_the_rest_beside_src_is_out(self, pipeline: Pipeline) -> None:
        """`stage.py` runs where the pipeline is started."""
        assert verdict(pipeline, "stages/first/stage.py") == (False, "beside-src")

    def test_a_stage_without_src_is_out(self, pipeline: Pipeline) -> None:
        """It has no code for a job."""
        assert verdict(pipeline, "stages/idea/notes.txt") == (False, "stage-without-code")
        assert verdict(pipeline, "stages/idea") == (False, "stage-without-code")

    def test_a_stage_that_is_not_selected_is_out(self, pipeline: Pipeline) -> None:
        """The setting is named."""
        pipeline.write({"stages/second/src/mapper.py": ""})
        table = {"stages": ["first"]}
        assert verdict(pipeline, "stages/second/src/mapper.py", table) == (False, "stage-not-selected")
        assert verdict(pipeline, "stages/first/src/mapper.py", table) == (True, "source")

    def test_a_stage_that_is_not_enabled_is_out(self, pipeline: Pipeline) -> None:
        """The config has the list."""
        pipeline.write({"configs/config.yaml": "stages: {enabled_stages: [first]}\n", "stages/b/src/mapper.py": ""})
        found = explain(pipeline, "stages/b/src/mapper.py", {"stages": "enabled"})
        assert "`stages.enabled_stages` of the config" in found.text

    def test_an_ignored_stage_names_the_rule(self, pipeline: Pipeline) -> None:
        """A rule in `stages/.ytignore` takes a whole stage away."""
        pipeline.write({"stages/second/src/mapper.py": "", "stages/.ytignore": "second/\n"})
        found = explain(pipeline, "stages/second/src/mapper.py")
        assert found.text == "`second/` (line 1 of `stages/.ytignore`) excludes `stages/second`, which it is in"

    def test_a_file_in_no_source_is_out(self, pipeline: Pipeline) -> None:
        """The three ways to get it in are named."""
        assert verdict(pipeline, "other.py") == (False, "no-source")

    def test_a_file_outside_is_out(self, pipeline: Pipeline) -> None:
        """Whatever it is."""
        assert verdict(pipeline, "/etc/passwd") == (False, "no-source")

    def test_a_path_is_found_from_below_the_pipeline_too(
        self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Relative to the working directory first."""
        monkeypatch.chdir(pipeline.root / "tools")
        assert explain(pipeline, "ab_test.py").archive_paths == ["tools/ab_test.py"]
        assert explain(pipeline, "tools/ab_test.py").archive_paths == ["tools/ab_test.py"]


@pytest.mark.usefixtures("explain_in")
class TestLinksAndTrouble:
    def test_the_target_of_a_link_is_in_under_the_links_name(self, pipeline: Pipeline) -> None:
        """The file itself is in no source; a link to it is."""
        pipeline.link("tools/linked.py", "../other.py")
        found = explain(pipeline, "other.py")
        assert (found.packed, found.archive_paths) == (True, ["tools/linked.py"])
        assert "symbolic link" in found.text

    def test_a_file_behind_a_linked_directory_is_in(self, pipeline: Pipeline) -> None:
        """The walk follows links that stay inside."""
        pipeline.write({"shared/a.py": ""}).link("tools/shared", "../shared")
        assert explain(pipeline, "tools/shared/a.py").archive_paths == ["tools/shared/a.py"]
        assert explain(pipeline, "shared/a.py").archive_paths == ["tools/shared/a.py"]

    @pytest.mark.parametrize("name", ["secrets.env", ".env", "id_ed25519"])
    def test_credentials_stop_the_build(self, pipeline: Pipeline, name: str) -> None:
        """The reason is the planner's own message; other files are explained all the same."""
        pipeline.write({f"tools/{name}": "x"})
        found = explain(pipeline, f"tools/{name}")
        assert (found.packed, found.reason) == (False, "refused")
        assert "looks like a file of credentials" in found.text
        assert explanation_text(found).startswith(f"tools/{name}: stops the build\n")
        assert verdict(pipeline, "tools/ab_test.py") == (True, "kept")

    def test_a_link_that_leads_out_stops_the_build(self, pipeline: Pipeline) -> None:
        """It is named with where it leads."""
        pipeline.link("stages/first/src/out", "/etc/hostname")
        assert "leads to `/etc/hostname`" in explain(pipeline, "stages/first/src/out").text

    def test_a_fifo_stops_the_build(self, pipeline: Pipeline) -> None:
        """Only regular files are packed."""
        os.mkfifo(pipeline.root / "tools/pipe")
        assert "is a FIFO" in explain(pipeline, "tools/pipe").text

    def test_what_keeps_the_archive_from_being_built_is_told(self, pipeline: Pipeline) -> None:
        """Whatever path is asked about; all of it, not the first alone."""
        pipeline.write({"tools/.env": "x", "lib/geo/.netrc": "x"})
        problems = Explainer(pipeline.settings()).problems
        assert len(problems) == 2
        assert all("credentials" in problem for problem in problems)

    @pytest.mark.parametrize(
        "table", [{"upload_paths": [{"source": "lib"}]}, {"upload_modules": ["lib"]}], ids=["path", "module"]
    )
    def test_a_source_that_is_ignored_as_a_whole(self, pipeline: Pipeline, table: dict[str, object]) -> None:
        """Of it and of all below, the rule is named that keeps it out; not that nobody asks for them."""
        pipeline.write({".ytignore": "/lib/\n", "lib/__init__.py": "", "lib/deep/a.py": "", "other/a.py": ""})
        for path, what in (("lib", "excludes it"), ("lib/", "excludes it"), ("lib/deep/a.py", "excludes `lib`")):
            found = explain(pipeline, path, table)
            assert (found.packed, found.reason) == (False, "ignored"), path
            assert found.text.startswith(f"`/lib/` (line 1 of `.ytignore`) {what}")
        assert explain(pipeline, "other/a.py", table).reason == "no-source"

    def test_a_stage_that_cannot_be_packed_is_not_called_missing(self, pipeline: Pipeline) -> None:
        """What keeps the only stage out of the archive is the problem, and that there is none left follows from it."""
        pipeline.write({"stages/first/src/.env": "x"})
        (problem,) = Explainer(pipeline.settings()).problems
        assert "credentials" in problem

    def test_a_sound_pipeline_has_no_problems(self, pipeline: Pipeline) -> None:
        """Silence."""
        assert Explainer(pipeline.settings()).problems == ()

    def test_a_missing_module_leaves_the_rest_explained(self, pipeline: Pipeline) -> None:
        """Stages and paths do not depend on it."""
        explainer = Explainer(pipeline.settings({"upload_modules": ["nowhere"], "upload_paths": [{"source": "lib"}]}))
        assert "nowhere" in explainer.problems[0]
        assert [found.packed for found in explainer.explain("lib/geo/data.tsv")] == [True]

    def test_a_pipeline_without_stages_is_explained(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A new pipeline is what people ask about."""
        pipeline = make_pipeline(tmp_path / "new", stage=False)
        monkeypatch.chdir(pipeline.root)
        found = explain(pipeline, "stages/first/src/mapper.py")
        assert explanation_text(found) == (
            "stages/first/src/mapper.py: does not exist; it would go in\n  it belongs to the stage `first`"
        )

    def test_the_first_portion_of_a_namespace_package_wins(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it shadows is out, and the one that took its place is named."""
        pipeline = make_pipeline(
            tmp_path / "demo",
            {"ns/a.py": "1", "pyproject.toml": '[project]\nname = "demo"\nversion = "1"\n[tool.ytupload]\n'},
        )
        pipeline.write({"src/ns/a.py": "2", "src/ns/b.py": ""})
        monkeypatch.chdir(pipeline.root)
        table = {"upload_modules": ["ns"]}
        assert verdict(pipeline, "ns/a.py", table) == (True, "source")
        assert verdict(pipeline, "src/ns/b.py", table) == (True, "source")
        found = explain(pipeline, "src/ns/a.py", table)
        assert (found.packed, found.reason) == (False, "shadowed")
        assert f"`{pipeline.root}/ns/a.py` comes first" in found.text


@pytest.mark.usefixtures("explain_in")
class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        ("path", "packed", "reason"),
        [
            ("tools/new.py", True, "source"),
            ("tools/new_test.py", False, "ignored"),
            ("tools/build/", False, "ignored"),
            ("tools/build", True, "source"),
            ("tools/a/b/c.pyc", False, "built-in"),
            ("tools/__pycache__/", False, "built-in"),
            ("stages/second/src/mapper.py", True, "source"),
            ("stages/second/src/build", True, "source"),
            ("stages/second/src/build/", False, "ignored"),
            ("stages/second/src/x_test.py", False, "ignored"),
            ("stages/second/notes.txt", False, "stage-without-code"),
            ("stages/first/requirements.txt", True, "source"),
            ("stages/first/README.md", False, "beside-src"),
            ("nothing.py", False, "no-source"),
            ("tools/.env", False, "refused"),
        ],
    )
    def test_a_path_that_does_not_exist_is_judged_all_the_same(
        self, pipeline: Pipeline, path: str, reason: str, *, packed: bool
    ) -> None:
        """What would decide; a `/` at the end says that it is a directory."""
        found = explain(pipeline, path)
        assert (found.kind, found.packed, found.reason) == ("missing", packed, reason)
        assert "does not exist; it would" in explanation_text(found)


@pytest.mark.usefixtures("explain_in")
class TestInTheArchive:
    def test_a_path_of_the_archive_is_traced_back(self, pipeline: Pipeline) -> None:
        """Where the bytes come from."""
        found = explain(pipeline, "data/geo/data.tsv")
        assert found.source == str(pipeline.root / "lib/geo/data.tsv")
        assert found.packed

    def test_a_directory_of_the_archive_is_traced_back(self, pipeline: Pipeline) -> None:
        """It may have several sources."""
        found = explain(pipeline, "data")
        assert (found.kind, found.files) == ("directory", 1)
        assert found.source == str(pipeline.root / "lib/geo")

    def test_a_wrapper_script_names_what_it_starts(self, pipeline: Pipeline) -> None:
        """No file on disk is its source."""
        found = explain(pipeline, "operation_wrapper_first_map.sh")
        assert (found.kind, found.reason) == ("generated", "generated")
        assert "starts `stages/first/src/mapper.py`, for the operation `map`" in found.text

    def test_a_name_that_means_two_things_is_explained_twice(self, pipeline: Pipeline) -> None:
        """`data/x` on disk, and another `data` in the archive."""
        pipeline.write({"data/geo/data.tsv": "not this one"})
        disk, archive = Explainer(pipeline.settings()).explain("data/geo/data.tsv")
        assert (disk.packed, archive.packed) == (False, True)
        assert archive.source == str(pipeline.root / "lib/geo/data.tsv")


@pytest.mark.usefixtures("explain_in")
class TestDirectories:
    def test_a_directory_sums_up_what_is_in_it(self, pipeline: Pipeline) -> None:
        """How many files, and what the rules keep out."""
        found = explain(pipeline, "tools")
        assert (found.packed, found.files) == (True, 3)
        assert [(path, rule.pattern) for path, rule in found.left_out] == [
            ("tools/x_test.py", "*_test.py"),
            ("tools/deep/build", "build/"),
        ]

    def test_a_directory_around_sources_sums_them_up(self, pipeline: Pipeline) -> None:
        """`lib` is no source; `lib/geo` is."""
        found = explain(pipeline, "lib")
        assert (found.packed, found.files) == (True, 1)
        assert [path for path, _ in found.left_out] == ["lib/geo/.ytignore", "lib/geo/draft.tsv"]

    def test_a_directory_of_which_nothing_is_left_is_out(self, pipeline: Pipeline) -> None:
        """It is no rule about the directory itself."""
        pipeline.write({"tools/tests/a_test.py": ""})
        found = explain(pipeline, "tools/tests")
        assert (found.packed, found.files) == (False, 0)
        assert [path for path, _ in found.left_out] == ["tools/tests/a_test.py"]

    @pytest.mark.slow
    def test_ten_thousand_ignored_files_are_summed_up_in_a_line(self, pipeline: Pipeline) -> None:
        """The first few are named; each is there once, however many sources look at it."""
        pipeline.write({f"tools/deep/n{number}_test.py": "" for number in range(10_000)})
        found = explain(pipeline, ".")
        assert len([path for path, _ in found.left_out if path.startswith("tools/deep/n")]) == 10_000
        assert len(set(found.left_out)) == len(found.left_out)
        assert "and 9998 more" in " ".join(explanation_text(found).split())

    def test_an_ignored_directory_is_not_looked_into(self, pipeline: Pipeline) -> None:
        """The rule says it all."""
        found = explain(pipeline, "tools/deep/build")
        assert (found.packed, found.reason, found.left_out) == (False, "ignored", [])


@pytest.mark.usefixtures("explain_in")
def test_text_and_data_say_the_same(pipeline: Pipeline) -> None:
    """One is for people and stays on short lines, the other one for programs."""
    found = explain(pipeline, "lib/geo/draft.tsv")
    assert explanation_text(found).splitlines() == [
        "lib/geo/draft.tsv: out",
        "  `draft.*` (line 2 of `lib/geo/.ytignore`) excludes it",
    ]
    assert explanation_data(found) == {
        "path": "lib/geo/draft.tsv",
        "kind": "file",
        "packed": False,
        "reason": "ignored",
        "text": "`draft.*` (line 2 of `lib/geo/.ytignore`) excludes it",
        "archive_paths": [],
        "source": None,
        "rule": {"pattern": "draft.*", "file": "lib/geo/.ytignore", "line": 2, "negated": False},
        "file_count": 0,
        "size": 0,
        "left_out": [],
    }


NAMES = st.sampled_from(["a.py", "b.txt", "c", "d"])
PATTERNS = st.sampled_from(
    ["*.txt", "!b.txt", "c/", "/c", "c", "!c/", "d/a.py", "**/c", "tools/d", "*", "!*.py", "d/*"]
)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.sets(st.lists(NAMES, min_size=1, max_size=3).map(tuple), max_size=6),
    above=st.lists(PATTERNS, max_size=3),
    inside=st.lists(PATTERNS, max_size=2),
)
def test_what_explain_says_is_what_a_build_does(
    tmp_path_factory: pytest.TempPathFactory,
    paths: set[tuple[str, ...]],
    above: list[str],
    inside: list[str],
) -> None:
    """For every file on disk: it is explained as packed if, and only if, the plan holds it."""
    pipeline = make_pipeline(tmp_path_factory.mktemp("x") / "demo", {"lib/keep.me": "", "lib/d/keep.me": ""})
    directories = {path[:length] for path in paths for length in range(1, len(path))} | {("d",)}
    for path in paths - directories:
        pipeline.write({"/".join(("lib", *path)): ""})
    pipeline.write({"lib/.ytignore": "\n".join(above), "lib/d/.ytignore": "\n".join(inside)})
    table = {"upload_paths": [{"source": "lib"}]}
    try:
        packed = set(pipeline.paths(table))
    except SourceError:
        return  # nothing is left
    explainer = Explainer(pipeline.settings(table))
    for place in (pipeline.root / "lib").rglob("*"):
        if place.is_file():
            (found,) = explainer.explain(str(place))
            assert found.packed == (str(place.relative_to(pipeline.root)) in packed), explanation_text(found)
            assert found.packed or found.rule is not None


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_names_that_the_locale_cannot_show_are_explained(tmp_path: Path, locale: str) -> None:
    """Stages, files and the archive spell them as they are, whatever the encoding of file names."""
    files: dict[str, str | bytes] = {
        "stages/日本/src/mapper.py": "", "stages/日本/src/ü.log": "", "stages/日本/stage.py": "",
        ".ytignore": "*.log\n",
    }  # fmt: skip
    pipeline = make_pipeline(tmp_path / "demo", files, settings='stages = ["日本"]', stage=False)
    paths = [
        "stages/日本/src/mapper.py",
        "stages/日本/src/ü.log",
        "operation_wrapper_日本_map.sh",
        "stages/日本/stage.py",
    ]
    environ = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    found = json.loads(pipeline.run("--json", "explain", *paths, environ=environ).stdout)
    assert [(item["path"], item["reason"], item["archive_paths"]) for item in found["paths"]] == [
        (paths[0], "source", [paths[0]]),
        (paths[1], "ignored", []),
        (paths[2], "generated", [paths[2]]),
        (paths[3], "beside-src", []),
    ]
    assert pipeline.run("build", environ=environ).returncode == 0
