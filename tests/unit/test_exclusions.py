"""What stays out of own sources besides what is ignored: what builds and runs write, and Hatch's `exclude`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from examples import examples
from hatchling.builders.sdist import SdistBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import CHECKOUT, PYPROJECT, Pipeline, clean_environment, contents, make_pipeline, refusal

from hatch_ytupload.answers.explanation import Explainer
from hatch_ytupload.packing.bundle import read_bundle

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = 'upload_paths = [{ source = ".", target = "all" }]'
WHOLE = {"upload_paths": [{"source": ".", "target": "all"}]}


class TestOutputs:
    """What this plugin and YT Framework write is never packed."""

    def test_outputs_at_the_top_stay_out(self, pipeline: Pipeline) -> None:
        """Below, the same names are the user's."""
        names = [".dev", ".build", "dist", "out/demo-1.0.ytarchive", "out/.demo-1.0.ytarchive.0a1b2c3d"]
        pipeline.write({f"{name}/x": "" for name in names})
        pipeline.write({f"lib/{name}/x": "" for name in (".dev", ".build", "dist")})
        pipeline.write({"out/keep": "", ".devel/x": "", "demo.ytarchive.txt": ""})
        found = [path for path in pipeline.paths(WHOLE) if path.startswith("all/") and "first" not in path]
        assert [path for path in found if "ytjobs" not in path] == [
            "all/.devel/x", "all/demo.ytarchive.txt", "all/lib/.build/x", "all/lib/.dev/x", "all/lib/dist/x",
            "all/out/keep", "all/pyproject.toml",
        ]  # fmt: skip

    def test_of_pipeline_and_project_both_count(self, tmp_path: Path) -> None:
        """A pipeline may lie deep in its project."""
        make_pipeline(
            tmp_path / "demo", {"pack/.dev/x": "", "pack/a.py": ""}, settings='pipeline_dir = "ads"', stage=False
        )
        ads = make_pipeline(tmp_path / "demo/ads", {".dev/x": "", "lib/a": ""}, settings="")
        ads.remove("pyproject.toml")
        project = Pipeline(tmp_path / "demo")
        table = {"pipeline_dir": "ads", **WHOLE}
        assert not [path for path in project.paths(table) if ".dev" in path]

    @pytest.mark.parametrize("way", ["setting", "hatch.toml", "argument", "link"])
    def test_the_build_directory_stays_out(self, tmp_path: Path, way: str) -> None:
        """Wherever Hatch or the command is told to build; a link to elsewhere too. Two builds are the same."""
        target = "[tool.hatch.build.targets.ytarchive]\ndirectory = 'out/put'\n"
        pipeline = make_pipeline(
            tmp_path / "demo", settings=EVERYTHING, pyproject=PYPROJECT + (target if way == "setting" else "")
        )
        if way == "hatch.toml":
            pipeline.write({"hatch.toml": "[build]\ndirectory = 'out/put'\n"})
        place = pipeline.root / ("dist" if way == "link" else "out/put")
        if way == "link":
            (tmp_path / "elsewhere").mkdir()
            pipeline.link("dist", tmp_path / "elsewhere")
        arguments = ["-d", str(place)] if way == "argument" else []
        digests = []
        for _ in range(2):
            process = pipeline.run("build", *arguments)
            assert process.returncode == 0, process
            digests.append(read_bundle(str(place / "demo-1.0.ytarchive")).manifest.archive.sha256)
            pipeline.write({f"{place}/wheel.whl": "", ".dev/cypress/home/x": "", ".build/y": ""})
        assert digests[0] == digests[1]
        assert "all/pyproject.toml" in contents(place / "demo-1.0.ytarchive/source.tar.gz")

    def test_a_build_directory_that_holds_the_pipeline_is_no_output(self, tmp_path: Path) -> None:
        """Only the bundle in it stays out."""
        pipeline = make_pipeline(tmp_path / "demo", settings=EVERYTHING)
        for _ in range(2):
            assert pipeline.run("build", "-d", ".").returncode == 0
        archive = pipeline.root / "demo-1.0.ytarchive/source.tar.gz"
        assert "all/pyproject.toml" in contents(archive)
        assert not [path for path in contents(archive) if "ytarchive" in path]

    @pytest.mark.parametrize("source", ["dist", "dist/deep", ".dev", "out/demo.ytarchive"])
    def test_an_output_is_no_source(self, pipeline: Pipeline, source: str) -> None:
        """The line names the rule."""
        pipeline.write({f"{source}/x": ""})
        line = pipeline.refusal({"upload_paths": [{"source": source}]})
        rule = "*.ytarchive/" if source.startswith("out") else source.partition("/")[0] + "/"
        assert line == f"nothing of `{source}` is left to pack: `{rule}` (a built-in rule) excludes it"

    def test_what_the_build_prints_into_stays_out(self, pipeline: Pipeline) -> None:
        """Its size would change while it is packed, and from build to build."""
        make_pipeline(pipeline.root, settings=EVERYTHING)
        with open(pipeline.root / "log.txt", "wb") as log:
            subprocess.run(
                [sys.executable, "-m", "hatch_ytupload", "build"],
                cwd=pipeline.root,
                env=clean_environment(PYTHONPATH=str(CHECKOUT)),
                stdout=log,
                check=True,
            )
        assert "all/log.txt" not in contents(pipeline.archive())
        assert "all/log.txt" in pipeline.paths(WHOLE)

    def test_git_does_not_count_outputs(self, tmp_path: Path) -> None:
        """Neither these directories nor bundles elsewhere make a build dirty; any other file does."""
        pipeline = make_pipeline(tmp_path / "demo", {"tracked/x": ""})
        pipeline.commit()
        names = [".dev/x", ".build/x", "dist/x.whl", "out/demo-1.0.ytarchive/x", "tracked/old.ytarchive/x"]
        pipeline.write(dict.fromkeys(names, ""))

        def dirty() -> bool:
            git = read_bundle(pipeline.build().archive).manifest.git
            assert git is not None
            return git.dirty

        assert not dirty()
        pipeline.write({"out/other": ""})
        assert dirty()

    def test_explain_names_them(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        """As built-in rules."""
        pipeline.write({".dev/x": ""})
        monkeypatch.chdir(pipeline.root)
        (found,) = Explainer(pipeline.settings(WHOLE)).explain(".dev/x")
        assert (found.packed, found.reason) == (False, "built-in")
        assert found.text == "`.dev/` (a built-in rule) excludes `.dev`, which it is in"
        (whole,) = Explainer(pipeline.settings(WHOLE)).explain(".")
        assert ".dev" in [path for path, _ in whole.left_out]


FILES = {
    "lib/a.py": "",
    "lib/a.log": "",
    "lib/deep/b.py": "",
    "lib/deep/keep.py": "",
    "top.py": "",
    "pack/__init__.py": "",
}
TABLE = {"upload_modules": "pack", "upload_paths": [{"source": "lib", "target": "t/lib"}]}


def with_exclude(directory: Path, exclude: str, table: str = "targets.ytarchive") -> Pipeline:
    """Return a pipeline with a list of patterns for Hatch."""
    pyproject = f"{PYPROJECT}[tool.hatch.build.{table}]\n{exclude}\n".replace(".]", "]")
    return make_pipeline(directory / "demo", FILES, pyproject=pyproject)


class TestHatchExclude:
    """`exclude` of Hatch's own tables."""

    @pytest.mark.parametrize("table", ["targets.ytarchive", ""])
    def test_it_leaves_out_what_it_matches(self, tmp_path: Path, table: str) -> None:
        """From the project root, whatever the source, in target and commands."""
        patterns = ["*.log", "/lib/deep/", "stages/*/src/extra.py", "stages/old"]
        pipeline = with_exclude(tmp_path, f"exclude = {patterns}", table)
        pipeline.write(
            {"stages/first/src/extra.py": "", "stages/old/src/mapper.py": "", "stages/first/config.yaml": ""}
        )
        assert pipeline.paths(TABLE) == [
            "pack/__init__.py", "t/lib/a.py", "stages/first/config.yaml", "stages/first/src/mapper.py",
            "operation_wrapper_first_map.sh",
        ]  # fmt: skip

    def test_the_targets_own_wins(self, tmp_path: Path) -> None:
        """As Hatch has it, even an empty one."""
        pipeline = with_exclude(tmp_path, "exclude = []\n[tool.hatch.build]\nexclude = ['lib']")
        assert "t/lib/a.log" in pipeline.paths(TABLE)

    def test_hatch_toml_wins(self, tmp_path: Path) -> None:
        """Its table stands in the place of the other's."""
        pipeline = with_exclude(tmp_path, "exclude = ['lib']")
        pipeline.write({"hatch.toml": "[build]\nexclude = ['*.log']\n"})
        assert "t/lib/a.py" in pipeline.paths(TABLE)
        assert "t/lib/a.log" not in pipeline.paths(TABLE)

    def test_what_it_leaves_out_need_not_be_packable(self, tmp_path: Path) -> None:
        """Links to elsewhere and credentials among it do not matter."""
        pipeline = with_exclude(tmp_path, "exclude = ['secret*', '.env']")
        pipeline.write({"lib/.env": "", "stages/first/src/secret/id_rsa": ""}).link("lib/secret", "/etc/hostname")
        assert "t/lib/a.py" in pipeline.paths(TABLE)

    def test_a_source_of_which_nothing_is_left_is_an_error(self, tmp_path: Path) -> None:
        """It names the pattern and the file; a stage's file beside `src` counts as absent."""
        pipeline = with_exclude(tmp_path, "exclude = ['lib/**', 'requirements.txt']")
        pipeline.write({"stages/first/requirements.txt": "six\n"})
        line = pipeline.refusal(TABLE)
        assert line == "nothing of `lib` is left to pack: `lib/**` (`exclude` in `pyproject.toml`) excludes it"
        assert pipeline.plan().stages[0].requirements is None
        pipeline = with_exclude(tmp_path, "exclude = ['/pack']")
        assert "`/pack` (`exclude` in `pyproject.toml`) excludes it" in pipeline.refusal(TABLE)

    def test_explain_names_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The pattern and the file; in the list of a directory, too."""
        pipeline = with_exclude(tmp_path, "exclude = ['*.log', 'deep/', '!keep.py']")
        monkeypatch.chdir(pipeline.root)
        explainer = Explainer(pipeline.settings(TABLE))
        (found,) = explainer.explain("lib/a.log")
        assert (found.packed, found.reason) == (False, "ignored")
        assert found.text == "`*.log` (`exclude` in `pyproject.toml`) excludes it"
        assert explainer.explain("lib/deep/keep.py")[0].packed
        assert not explainer.explain("lib/deep/b.py")[0].packed
        (whole,) = explainer.explain("lib")
        assert {path for path, _ in whole.left_out} == {"lib/a.log", "lib/deep/b.py"}

    @pytest.mark.parametrize("option", ["include", "only-include", "packages", "force-include", "sources", "artifacts"])
    def test_other_options_of_selection_are_errors(self, tmp_path: Path, option: str) -> None:
        """In the target's table; for all targets they are meant for others."""
        value = "{}" if option == "force-include" else "[]"
        pipeline = with_exclude(tmp_path, f"{option} = {value}")
        line = refusal(pipeline.project)
        assert line.startswith(
            f"`tool.hatch.build.targets.ytarchive.{option}` in `pyproject.toml` has no meaning for this target: use "
        )
        assert "t/lib/a.py" in with_exclude(tmp_path, f"{option} = {value}", "").paths(TABLE)

    def test_slips_of_the_pen_are_errors(self, tmp_path: Path) -> None:
        """What was to stay out would go in."""
        assert refusal(with_exclude(tmp_path, "exlude = ['*.log']").project) == (
            "`tool.hatch.build.targets.ytarchive.exlude` in `pyproject.toml` is read by nobody; did you mean `exclude`?"
        )

    @pytest.mark.parametrize(
        "table",
        ["targets.ytarchive", "targets.wheel.hooks.ytarchive", "hooks.ytarchive", "targets.ytarchive.hooks.ytarchive"],
    )
    def test_settings_of_ours_are_errors_in_the_tables_of_hatch(self, tmp_path: Path, table: str) -> None:
        """They would count for nothing; Hatch's own options, and what others may add, are none of our business."""
        lines = f"[tool.hatch.build.{table}]\nupload_modules = ['x']\ndirectory = 'out'\nother = 1\n"
        assert refusal(make_pipeline(tmp_path / "demo", pyproject=f"{PYPROJECT}{lines}").project) == (
            f"`tool.hatch.build.{table}.upload_modules` in `pyproject.toml` means nothing there; "
            "write `tool.ytupload.upload_modules`"
        )

    @pytest.mark.parametrize("value", ["'lib'", "[1]", "['']", "{}"])
    def test_a_wrong_type_is_an_error(self, tmp_path: Path, value: str) -> None:
        """One line with file, key and what was found."""
        line = refusal(with_exclude(tmp_path, f"exclude = {value}").project)
        assert line.startswith("`tool.hatch.build.targets.ytarchive.exclude` in `pyproject.toml` must be an array")


NAMES = st.sampled_from(["a", "b", "deep", "x.py", "y.log", "*", "**", "*.py", "?", "[ab]"])
PATTERNS = st.builds(
    lambda start, names, end: start + "/".join(names) + end,
    st.sampled_from(["", "/", "!", "!/"]),
    st.lists(NAMES, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
TREE = [f"lib/{above}{name}" for above in ("", "a/", "b/deep/", "deep/a/") for name in ("x.py", "y.log", "b.txt")]


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(PATTERNS, min_size=1, max_size=4))
def test_it_decides_as_hatch_does(tmp_path: Path, patterns: list[str]) -> None:
    """The oracle: what Hatch's own sdist would hold of the same files with the same patterns."""
    pipeline = make_pipeline(tmp_path / "demo", dict.fromkeys(TREE, ""))
    config = {"project": {"name": "demo", "version": "1.0"}, "tool": {"hatch": {"build": {"exclude": patterns}}}}
    builder = SdistBuilder(str(pipeline.root), config=config)
    theirs = {file.distribution_path for file in builder.recurse_included_files()} & set(TREE)
    lines = "".join(f"  '{pattern}',\n" for pattern in patterns)
    pipeline.write(
        {"pyproject.toml": f"{PYPROJECT}[tool.hatch.build]\nexclude = [\n{lines}]\n", "lib/.ytignore": "z\n"}
    )
    planner = Explainer(pipeline.settings({"upload_paths": [{"source": "lib"}]}))
    ours = {path for path in TREE if planner.explain(str(pipeline.root / path))[0].packed}
    assert ours == theirs
