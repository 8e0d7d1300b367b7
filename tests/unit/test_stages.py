"""Which stages are packed, and which operations they offer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pipelines import Pipeline, make_pipeline

from hatch_ytupload.requirements.reading import read_requirements

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_ytupload.requirements.reading import Requirements

CONFIG = "stages/first/config.yaml"


@pytest.fixture
def bare(tmp_path: Path) -> Pipeline:
    """Return a project without any stage."""
    return make_pipeline(tmp_path / "demo", stage=False)


def operations(pipeline: Pipeline, table: dict[str, object] | None = None) -> dict[str, dict[str, str]]:
    """Return the script of each operation of each stage."""
    return {stage.name: {one.name: one.script for one in stage.operations} for stage in pipeline.plan(table).stages}


NOTHING_TO_PACK = "; a pipeline that runs no code of its own in jobs needs no archive"


def no_stage(
    pipeline: Pipeline, seen: str = "", way_out: str = "; set `pipeline_dir` if the pipeline lies elsewhere"
) -> str:
    """Return the line that says that there is no stage with code to run."""
    return (
        "no stage with code to run: looked for `mapper.py`, `vanilla.py`, `reducer.py`, `reducer_mds.py`, "
        f"`reducer_main.py`, `reducer_index.py` in `{pipeline.root}/stages/<stage>/src`{seen}{way_out}"
    )


class TestDiscovery:
    """Stages are directories below `stages` with a directory `src`."""

    def test_only_directories_with_src_are_stages(self, pipeline: Pipeline) -> None:
        """Files, and directories without `src`, are none."""
        pipeline.write(
            {
                "stages/README.md": "",
                "stages/no_src/stage.py": "",
                "stages/file_src/src": "",
                "stages/b/src/vanilla.py": "",
            }
        )
        assert operations(pipeline) == {"b": {"vanilla": "vanilla.py"}, "first": {"map": "mapper.py"}}

    def test_what_lies_beside_src_stays_out(self, pipeline: Pipeline) -> None:
        """But `config.yaml` and `requirements.txt` come along."""
        pipeline.write(
            {f"stages/first/{name}": "" for name in ("stage.py", "notes.md", "config.yaml", "requirements.txt", "x/y")}
        )
        assert pipeline.paths() == [
            "stages/first/config.yaml",
            "stages/first/requirements.txt",
            "stages/first/src/mapper.py",
            "operation_wrapper_first_map.sh",
        ]

    def test_all_of_src_is_packed(self, pipeline: Pipeline) -> None:
        """A stage without an operation is packed too, when another has one."""
        pipeline.write({"stages/first/src/data/x.bin": b"\0", "stages/shared/src/common.py": ""})
        assert pipeline.paths()[:-1] == [
            "stages/first/src/data/x.bin", "stages/first/src/mapper.py", "stages/shared/src/common.py",
        ]  # fmt: skip
        assert operations(pipeline)["shared"] == {}

    def test_a_stage_may_be_a_link_inside_the_pipeline(self, pipeline: Pipeline) -> None:
        """It is packed under the name of the link."""
        pipeline.link("stages/second", "first").write({"shared/vanilla.py": ""}).link(
            "stages/third/src", "../../shared"
        )
        assert set(operations(pipeline)) == {"first", "second", "third"}
        assert "stages/third/src/vanilla.py" in pipeline.paths()

    @pytest.mark.parametrize(
        ("link", "subject"),
        [
            ("stages/second", "`stages/second/src`, through a symbolic link,"),
            ("stages/second/src", "`stages/second/src`, through a symbolic link,"),
            ("stages/second/src/vanilla.py", "the symbolic link `stages/second/src/vanilla.py`"),
            ("stages/first/config.yaml", "the symbolic link `stages/first/config.yaml`"),
        ],
    )
    def test_no_link_may_leave_the_pipeline(self, pipeline: Pipeline, link: str, subject: str) -> None:
        """Neither a stage, nor its `src`, nor what is in it, nor what lies beside it."""
        outside = pipeline.root.parent / "outside"
        (outside / "src").mkdir(parents=True)
        (outside / "src/vanilla.py").touch()
        target = outside / {"second": ".", "src": "src"}.get(Path(link).name, "src/vanilla.py")
        pipeline.link(link, target)
        line = pipeline.refusal()
        assert line.startswith(f"{subject} leads to `{outside}")
        assert f", out of `{pipeline.root}`; replace it by a copy" in line

    def test_the_directory_of_stages_may_not_leave_the_pipeline(self, bare: Pipeline) -> None:
        """Nor may all of `stages` be elsewhere."""
        outside = make_pipeline(bare.root.parent / "other").root / "stages"
        bare.link("stages", outside)
        assert bare.refusal().startswith(f"`stages/first/src`, through a symbolic link, leads to `{outside}/first/src`")

    @pytest.mark.parametrize("leads_to", ["loop", "nowhere"])
    def test_a_link_that_leads_to_nothing_is_no_stage(self, pipeline: Pipeline, leads_to: str) -> None:
        """It is passed over as a file would be."""
        pipeline.link("stages/loop", leads_to)
        assert set(operations(pipeline)) == {"first"}

    @pytest.mark.parametrize("files", [{}, {"stages": ""}, {"stages/": ""}])
    def test_a_pipeline_without_stages_is_told_where_it_was_looked(
        self, bare: Pipeline, files: dict[str, str | bytes]
    ) -> None:
        """Whether `stages` is missing, empty, or no directory."""
        bare.write(files)
        assert bare.refusal() == no_stage(bare)

    def test_stages_without_an_entry_point_are_listed(self, bare: Pipeline) -> None:
        """The message tells what was seen."""
        bare.write({"stages/a/src/main.py": "", "stages/b/stage.py": "", "stages/c/src/": ""})
        assert bare.refusal() == no_stage(bare, " (stages there: a, c)", NOTHING_TO_PACK)

    def test_a_pipeline_without_jobs_is_told_that_it_needs_no_archive(self, bare: Pipeline) -> None:
        """Its stages have a `stage.py` alone; `pipeline_dir` would be no help."""
        bare.write({"stages/tables/stage.py": "", "ads/stages/tables/stage.py": ""})
        assert bare.refusal() == no_stage(bare, " (stages there: tables)", NOTHING_TO_PACK)
        line = bare.refusal({"pipeline_dir": "ads"})
        assert line == no_stage(Pipeline(bare.root / "ads"), " (stages there: tables)", NOTHING_TO_PACK)

    def test_ignored_stages_are_listed_with_the_rule(self, pipeline: Pipeline) -> None:
        """So the user sees why nothing is left."""
        pipeline.write({".ytignore": "# drafts\nstages/f*/\n"})
        assert pipeline.refusal() == no_stage(
            pipeline, " (stages there: first, ignored by `stages/f*/` (line 2 of `.ytignore`))", NOTHING_TO_PACK
        )

    def test_all_of_stages_may_be_ignored(self, pipeline: Pipeline) -> None:
        """Then the rule is named."""
        pipeline.write({".ytignore": "stages\n"})
        assert pipeline.refusal() == "`stages` is ignored: `stages` (line 1 of `.ytignore`)"

    def test_a_set_pipeline_directory_needs_no_hint(self, bare: Pipeline) -> None:
        """Who has set `pipeline_dir` knows it."""
        bare.write({"ads/": ""})
        line = bare.refusal({"pipeline_dir": "ads"})
        assert line == no_stage(Pipeline(bare.root / "ads"), way_out="")

    def test_only_ignored_code_names_the_rule(self, pipeline: Pipeline) -> None:
        """A `src` of which nothing is left is a mistake."""
        pipeline.write({"stages/second/.ytignore": "*.py\n", "stages/second/src/vanilla.py": ""})
        assert pipeline.refusal() == (
            "nothing of `stages/second/src` is left to pack: `*.py` (line 1 of `stages/second/.ytignore`) "
            "excludes `stages/second/src/vanilla.py`"
        )

    def test_an_ignored_src_names_the_rule(self, pipeline: Pipeline) -> None:
        """So is one that is ignored as a whole."""
        pipeline.write({"stages/first/.ytignore": "src/\n"})
        assert pipeline.refusal() == "`stages/first/src` is ignored: `src/` (line 1 of `stages/first/.ytignore`)"


class TestSelection:
    """`stages`."""

    @pytest.fixture
    def three(self, bare: Pipeline) -> Pipeline:
        """Return a pipeline with two stages with code, and one without."""
        return bare.write({"stages/a/src/mapper.py": "", "stages/b/src/mapper.py": "", "stages/c/stage.py": ""})

    def test_all_are_packed_unless_told_otherwise(self, three: Pipeline) -> None:
        """All that have code."""
        assert set(operations(three)) == {"a", "b"}

    def test_a_list_selects(self, three: Pipeline) -> None:
        """Nothing of the others is packed."""
        assert three.paths({"stages": ["b"]}) == ["stages/b/src/mapper.py", "operation_wrapper_b_map.sh"]

    def test_enabled_ones_are_those_of_the_config(self, three: Pipeline) -> None:
        """An enabled stage may have no code: it runs without the cluster."""
        three.write({"configs/config.yaml": "stages: {enabled_stages: [c, a]}\n"})
        assert set(operations(three, {"stages": "enabled"})) == {"a"}

    def test_a_named_stage_without_code_is_an_error(self, three: Pipeline) -> None:
        """Whoever names it expects it."""
        line = "stage `c` of `stages` has no directory `stages/c/src`"
        assert three.refusal({"stages": ["a", "c"]}) == line

    @pytest.mark.parametrize(
        ("table", "config"),
        [({"stages": ["alpha", "a"]}, ""), ({"stages": "enabled"}, "stages: {enabled_stages: [alpha, a]}")],
    )
    def test_an_unknown_stage_is_an_error(self, three: Pipeline, table: dict[str, object], config: str) -> None:
        """In the list and in the config; a name that is nearly right is hinted at."""
        three.write({"configs/config.yaml": config, "stages/alphas/stage.py": ""})
        line = "stage `alpha` of `stages` has no directory `stages/alpha`; did you mean `alphas`?"
        assert three.refusal(table) == line

    def test_the_target_of_an_unknown_stage_is_an_error(self, three: Pipeline) -> None:
        """Of one without code it is none."""
        targets = {stage: {"python": "3.12", "platform": "linux"} for stage in ("b", "c")}
        assert set(operations(three, {"stages": ["a"], "stage_targets": targets})) == {"a"}
        three.write({"stages/alpha/src/mapper.py": ""})
        assert three.refusal({"stage_targets": {"alhpa": targets["b"]}}) == (
            "stage `alhpa` of `stage_targets` has no directory `stages/alhpa`; did you mean `alpha`?"
        )

    def test_an_ignored_stage_is_an_error(self, three: Pipeline) -> None:
        """If it is selected."""
        three.write({".ytignore": "/stages/a\n"})
        assert set(operations(three)) == {"b"}
        line = "stage `a` of `stages` is ignored by `/stages/a` (line 1 of `.ytignore`)"
        assert three.refusal({"stages": ["a"]}) == line

    def test_selecting_nothing_says_so(self, three: Pipeline) -> None:
        """An empty list leaves nothing to run."""
        assert three.refusal({"stages": []}) == "no stage with code to run: `stages` selects none of a, b"


class TestNames:
    """Names of stages become parts of file names and of commands."""

    @pytest.mark.parametrize("name", ["a", "A1", "_x", "a-b.c", "9", "стадия", "処理", "x" * 200, "a..b"])
    def test_these_are_allowed(self, bare: Pipeline, name: str) -> None:
        """Letters and digits of any script, `_`, `-` and `.`."""
        bare.write({f"stages/{name}/src/mapper.py": ""})
        assert f"operation_wrapper_{name}_map.sh" in bare.paths()

    @pytest.mark.parametrize(
        "name",
        [
            "-a",
            ".a",
            "a b",
            "a;b",
            "a$b",
            "a'b",
            "a\nb",
            "a`b",
            "a*",
            "~",
            "a\\b",
            "e\u0301",
            "😀",
            "x" * 201,
            "ы" * 101,
        ],
    )
    def test_these_are_not(self, bare: Pipeline, name: str) -> None:
        """What a shell could take for something else, and what is too long."""
        bare.write({f"stages/{name}/src/mapper.py": ""})
        shown = name.replace("\n", "\\n")
        assert bare.refusal() == (
            f"the stage name `{shown}` in `{bare.root}/stages` cannot be part of the name of a wrapper script: "
            "use letters, digits, `_`, `-` and `.`, a letter, digit or `_` first, at most 200 bytes"
        )

    def test_a_name_that_is_not_utf8_is_refused(self, bare: Pipeline) -> None:
        """It is shown escaped."""
        path = os.fsencode(bare.root) + b"/stages/a\xff/src"
        os.makedirs(path)
        Path(os.fsdecode(path), "mapper.py").touch()
        assert bare.refusal().startswith("the stage name `a\\udcff` in ")

    def test_a_stage_that_is_not_packed_may_be_called_anything(self, pipeline: Pipeline) -> None:
        """Because it is ignored, not selected, or has no code."""
        pipeline.write({"stages/a b/src/mapper.py": "", "stages/c d/stage.py": ""})
        assert set(operations(pipeline, {"stages": ["first"]})) == {"first"}
        pipeline.write({".ytignore": "a b\n"})
        assert set(operations(pipeline)) == {"first"}


class TestOperations:
    """Which wrapper scripts a stage gets."""

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            (["mapper.py"], {"map": "mapper.py"}),
            (["vanilla.py"], {"vanilla": "vanilla.py"}),
            (
                ["mapper.py", "reducer.py"],
                {
                    "map": "mapper.py", "map_reduce_mapper": "mapper.py", "map_reduce_reducer": "reducer.py",
                    "reduce": "reducer.py",
                },
            ),
            (["reducer.py"], {"reduce": "reducer.py"}),
            (["reducer_index.py", "reducer_main.py"], {"reduce": "reducer_index.py"}),
            (
                ["mapper.py", "reducer_index.py", "reducer_main.py"],
                {
                    "map": "mapper.py", "map_reduce_mapper": "mapper.py", "map_reduce_reducer": "reducer_main.py",
                    "reduce": "reducer_index.py",
                },
            ),
            (["reducer_mds.py", "reducer_main.py"], {"reduce": "reducer_mds.py"}),
            (["sub/mapper.py", "mapper.pyi", "vanilla.py"], {"vanilla": "vanilla.py"}),
        ],
        ids=str,
    )  # fmt: skip
    def test_files_decide(self, bare: Pipeline, files: list[str], expected: dict[str, str]) -> None:
        """The names in `src` tell; reducers are looked for in the order that YT Framework has for each kind."""
        bare.write({f"stages/first/src/{name}": "" for name in files})
        assert operations(bare) == {"first": expected}
        wrappers = [path for path in bare.paths() if "/" not in path]
        assert wrappers == sorted(f"operation_wrapper_first_{operation}.sh" for operation in expected)

    def test_an_ignored_entry_point_is_absent(self, pipeline: Pipeline) -> None:
        """There is no wrapper for what is not packed."""
        pipeline.write({"stages/first/.ytignore": "mapper.py\n", "stages/first/src/vanilla.py": ""})
        assert operations(pipeline) == {"first": {"vanilla": "vanilla.py"}}

    def test_an_entry_point_may_be_a_link(self, pipeline: Pipeline) -> None:
        """It is packed as a file."""
        pipeline.link("stages/first/src/vanilla.py", "mapper.py")
        assert operations(pipeline) == {"first": {"map": "mapper.py", "vanilla": "vanilla.py"}}

    def test_the_config_names_scripts(self, bare: Pipeline) -> None:
        """For map-reduce and reduce, each by itself; paths are taken below `src`."""
        bare.write(
            {
                **dict.fromkeys([f"stages/first/src/{name}" for name in ("m.py", "sub/r.py", "other.py")], ""),
                CONFIG: "job:\n  map_reduce_command: {mapper_script: ./m.py, reducer_script: sub//r.py}\n"
                "  reduce_command: {reducer_script: other.py}\n",
            }
        )
        assert operations(bare) == {
            "first": {"map_reduce_mapper": "m.py", "map_reduce_reducer": "sub/r.py", "reduce": "other.py"}
        }

    @pytest.mark.parametrize(
        "config",
        [
            "",
            "job:\n",
            "job: {map_reduce_command: }\n",
            "job: {map_reduce_command: {mapper_script: ''}}\n",
            "job: 5\n",
            "a: ${b}\n",
        ],
    )
    def test_a_config_that_names_none_changes_nothing(self, pipeline: Pipeline, config: str) -> None:
        """The usual names are looked for."""
        pipeline.write({CONFIG: config, "stages/first/src/reducer.py": ""})
        assert set(operations(pipeline)["first"]) == {"map", "map_reduce_mapper", "map_reduce_reducer", "reduce"}

    @pytest.mark.parametrize(
        "key",
        ["map_reduce_command.mapper_script", "map_reduce_command.reducer_script", "reduce_command.reducer_script"],
    )
    @pytest.mark.parametrize(
        ("named", "shown"),
        [
            ("gone.py", "`gone.py`"),
            ("../../second/src/x.py", "`../../second/src/x.py`"),
            ("/etc/passwd", "`/etc/passwd`"),
            ("data", "`data`"),
            ("ignored.py", "`ignored.py`"),
            ("5", "the integer 5"),
            ("[mapper.py]", "the array ['mapper.py']"),
        ],
    )
    def test_a_script_that_is_not_packed_is_an_error(
        self, pipeline: Pipeline, key: str, named: str, shown: str
    ) -> None:
        """Missing, outside of `src`, a directory, ignored, or no name at all."""
        command, _, script = key.partition(".")
        pipeline.write(
            {
                CONFIG: f"job: {{{command}: {{{script}: {named}}}}}\n",
                ".ytignore": "ignored.py\n",
                **dict.fromkeys([f"stages/first/src/{name}" for name in ("ignored.py", "data/x", "reducer.py")], ""),
                "stages/second/src/x.py": "",
            }
        )
        line = f"`job.{key}` in `stages/first/config.yaml` names {shown}, and no such file is packed from the stage's "
        assert pipeline.refusal() == f"{line}`src`: correct it, or look into `.ytignore`"

    def test_a_script_may_be_a_reference(self, pipeline: Pipeline) -> None:
        """Stage configs have `${...}` too."""
        pipeline.write(
            {CONFIG: "kind: x\njob: {reduce_command: {reducer_script: '${kind}.py'}}\n", "stages/first/src/x.py": ""}
        )
        assert operations(pipeline)["first"]["reduce"] == "x.py"
        pipeline.write({CONFIG: "job: {reduce_command: {reducer_script: '${kind}.py'}}\n"})
        assert pipeline.refusal().startswith(
            "`job.reduce_command.reducer_script` in `stages/first/config.yaml` does not resolve"
        )

    def test_a_broken_config_is_an_error(self, pipeline: Pipeline) -> None:
        """YT Framework skips it silently, and the job then misses it."""
        pipeline.write({CONFIG: "job: [\n"})
        assert pipeline.refusal().startswith("`stages/first/config.yaml` is not valid YAML: line 2, column 1: ")

    def test_an_ignored_config_is_not_read(self, pipeline: Pipeline) -> None:
        """It is not packed, so it names nothing."""
        pipeline.write({CONFIG: "job: [\n", "stages/.ytignore": "config.yaml\n"})
        assert CONFIG not in pipeline.paths()

    @pytest.mark.parametrize("name", ["src/mapper.py", "src/reducer_main.py", "config.yaml", "requirements.txt"])
    def test_a_directory_named_as_a_file_is_an_error(self, pipeline: Pipeline, name: str) -> None:
        """It is no absent file but a mistake."""
        path = f"stages/first/{name}"
        if (pipeline.root / path).exists():
            pipeline.remove(path)
        pipeline.write({f"{path}/x": "", "stages/first/src/vanilla.py": ""})
        line = pipeline.refusal()
        assert line.startswith(f"`{path}` is a directory, and a ")
        assert line.endswith("file is expected there; rename it")

    @pytest.mark.parametrize("name", ["src/mapper.py", "config.yaml", "requirements.txt"])
    def test_an_empty_directory_named_as_a_file_is_an_error_too(self, pipeline: Pipeline, name: str) -> None:
        """Though nothing of it would be packed."""
        path = f"stages/first/{name}"
        if (pipeline.root / path).exists():
            pipeline.remove(path)
        pipeline.write({f"{path}/": "", "stages/first/src/vanilla.py": ""})
        assert pipeline.refusal().startswith(f"`{path}` is a directory, and a ")

    def test_an_ignored_directory_of_that_name_is_passed_over(self, pipeline: Pipeline) -> None:
        """What is ignored is absent, whatever it is."""
        pipeline.write(
            {
                "stages/first/config.yaml/x": "",
                "stages/first/src/vanilla.py/x": "",
                ".ytignore": "config.yaml\nvanilla.py\n",
            }
        )
        assert operations(pipeline) == {"first": {"map": "mapper.py"}}

    @pytest.mark.parametrize("name", ["src/mapper.py", "config.yaml", "requirements.txt"])
    def test_a_fifo_in_place_of_a_file_is_an_error(self, pipeline: Pipeline, name: str) -> None:
        """Nobody waits for its other end."""
        (pipeline.root / "stages/first" / name).unlink(missing_ok=True)
        os.mkfifo(pipeline.root / "stages/first" / name)
        assert pipeline.refusal().startswith(f"`stages/first/{name}` is a FIFO")


class TestRequirements:
    """`requirements.txt`."""

    def test_what_is_required_is_told(self, tmp_path: Path) -> None:
        """With what is included, also by a name of another kind from another place; without options and comments."""
        pipeline = make_pipeline(
            tmp_path / "demo",
            {
                "stages/first/requirements.txt": "# x\n\nnumpy>=1 --hash=sha256:00  # fast\n-r ../../shared/base.in\n",
                "shared/base.in": "-i https://index.example.com\nsix\n-c no\\\nne\n",
                "stages/second/src/vanilla.py": "",
            },
            settings='upload_paths = [{ source = "shared" }]',
        )
        first, second = pipeline.plan().stages
        assert first.requirements == ("numpy>=1", "six")
        assert second.requirements is None

    def test_an_empty_file_has_no_lines(self, pipeline: Pipeline) -> None:
        """It is packed all the same."""
        pipeline.write({"stages/first/requirements.txt": ""})
        assert pipeline.plan().stages[0].requirements == ()

    def test_a_byte_order_mark_belongs_to_no_line(self, pipeline: Pipeline) -> None:
        """Some editors write one, also that of UTF-16."""
        for content in (b"\xef\xbb\xbfnumpy\r\n", "numpy\r\n".encode("utf-16")):
            pipeline.write({"stages/first/requirements.txt": content})
            assert pipeline.plan().stages[0].requirements == ("numpy",)

    def test_a_file_that_is_not_utf8_is_an_error(self, pipeline: Pipeline) -> None:
        """Neither a job nor the manifest can do anything with it."""
        pipeline.write({"stages/first/requirements.txt": b"\xff"})
        assert pipeline.refusal() == (
            "`stages/first/requirements.txt` cannot be decoded in a job: it is not UTF-8; save it as UTF-8, "
            "or begin it with `# -*- coding: NAME -*-`"
        )

    def test_nobody_waits_for_what_takes_its_place(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the moment between listing and reading: a FIFO, a link to something else."""
        pipeline.write({"stages/first/requirements.txt": "six\n", "other.txt": "six\n"})
        path = pipeline.root / "stages/first/requirements.txt"
        changes: list[Callable[[], object]] = [lambda: os.mkfifo(path), lambda: path.symlink_to("../../other.txt")]
        for change in changes:

            def exchanged(*arguments: Any, change: Callable[[], object] = change) -> Requirements:
                path.unlink()
                change()
                return read_requirements(*arguments)

            monkeypatch.setattr("hatch_ytupload.requirements.reading.read_requirements", exchanged)
            assert pipeline.refusal() == (f"`{path}` changed while it was being packed; build again when it is at rest")
            path.unlink()
            path.write_text("six\n")

    def test_a_file_of_any_size_fits_into_memory(self, pipeline: Pipeline) -> None:
        """No requirements are that many."""
        pipeline.write({"stages/first/requirements.txt": ""})
        os.truncate(pipeline.root / "stages/first/requirements.txt", 1 << 40)
        assert pipeline.refusal() == "`stages/first/requirements.txt` is larger than 16 MiB: shorten it"

    def test_credentials_are_warned_about_and_appear_nowhere(self, pipeline: Pipeline) -> None:
        """In an option and in a requirement; each once, in the warning without them."""
        lines = "-i https://bob:s3cret@pypi.example.com/simple\nx @ https://tok3n@example.com/x-1.tar.gz\n"
        pipeline.write({"stages/first/requirements.txt": lines})
        built = pipeline.build()
        assert [warning.partition(" has credentials")[0] for warning in built.warnings] == [
            "`stages/first/requirements.txt`, line 1: `-i https://****@pypi.example.com/simple`",
            "`stages/first/requirements.txt`, line 2: `x @ https://****@example.com/x-1.tar.gz`",
        ]
        manifest = pipeline.archive().with_name("manifest.json").read_text()
        assert "x @ https://****@example.com" in manifest
        assert "s3cret" not in manifest
        assert "tok3n" not in manifest
        assert pipeline.build().warnings == built.warnings
