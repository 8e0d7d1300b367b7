"""Settings become a sorted list of what goes into the archive."""

from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import pytest
from installations import install
from pipelines import Pipeline, make_pipeline, refused_line, run_command_line, unprivileged

from hatch_ytupload.planning.plan import Generated, entry_size
from hatch_ytupload.planning.wrappers import wrapper_text
from hatch_ytupload.sources.tree import SourceFile

ONLY_FIRST = ["stages/first/src/mapper.py", "operation_wrapper_first_map.sh"]


class TestOrder:
    """The archive as a whole."""

    def test_names_and_paths_sort_by_their_bytes(self, pipeline: Pipeline) -> None:
        """Not as a locale would have it, nor by UTF-16."""
        pipeline.write(
            {
                "Zlib/a": "",
                "lib/a": "",
                "lib/é": "",
                "lib/Z": "",
                "lib-2/a": "",
                "é/a": "",
                "日本/a": "",
                "\ue000/a": "",
            }
        )
        names = ["lib", "é", "Zlib", "日本", "lib-2", "\ue000"]
        parts = pipeline.plan({"upload_paths": [{"source": name} for name in names]}).parts[1:-2]
        assert [part.name for part in parts] == sorted(names, key=str.encode)
        for part in parts:
            paths = [entry.path for entry in part.entries]
            assert paths == sorted(paths, key=str.encode)

    def test_wrappers_are_executable_texts(self, pipeline: Pipeline) -> None:
        """They are made by us."""
        first = [*pipeline.plan().entries()][-1]
        text = wrapper_text("first", "map", "mapper.py").encode()
        assert first == Generated("operation_wrapper_first_map.sh", text, 0o755)
        assert entry_size(first) == len(text)

    def test_ignored_entries_are_counted(self, pipeline: Pipeline) -> None:
        """Those that the user's own rules keep out, over all sources."""
        pipeline.write(
            {
                ".ytignore": "*.log\nbuild/\nconfig.yaml\n",
                "stages/first/config.yaml": "",
                "stages/first/src/a.log": "",
                "lib/build/x": "",
                "lib/build/y": "",
                "lib/a.py": "",
                "lib/a.pyc": "",
            }
        )
        assert pipeline.plan({"upload_paths": [{"source": "lib"}]}).ignored == 3


def test_a_planned_file_takes_little_memory(pipeline: Pipeline) -> None:
    """So that two hundred thousand take a hundred megabytes, whatever the system calls them."""
    files = 1000
    few = {"stages/first/src/mapper.py": ""}
    many = {f"stages/first/src/package/module_{number}.py": "x = 1\n" for number in range(files)}

    def planned() -> int:
        tracemalloc.start()
        try:
            plan = pipeline.plan()
            taken, _ = tracemalloc.get_traced_memory()
            assert plan.parts
            return taken
        finally:
            tracemalloc.stop()

    pipeline.write(few)
    planned()  # loads what is loaded once
    alone = planned()
    pipeline.write(many)
    assert (planned() - alone) / files < 420


class TestIgnoreFiles:
    """Which `.ytignore` files count for which source."""

    def test_they_count_from_the_pipeline_directory_down(self, pipeline: Pipeline) -> None:
        """All that lie on the way to a source."""
        pipeline.write(
            {
                ".ytignore": "*.a\n", "lib/.ytignore": "*.b\n", "lib/deep/.ytignore": "*.c\n!keep.a\n",
                **{f"lib/deep/x.{letter}": "" for letter in "abcd"}, "lib/deep/keep.a": "",
            }
        )  # fmt: skip
        assert pipeline.paths({"upload_paths": [{"source": "lib/deep"}]})[:2] == ["deep/keep.a", "deep/x.d"]

    def test_nothing_above_the_pipeline_counts(self, tmp_path: Path) -> None:
        """A hostile file above the pipeline, or above an installed package, has no effect."""
        (tmp_path / ".ytignore").write_text("*\n")
        project = make_pipeline(tmp_path / "demo", {".ytignore": "*\n"}, stage=False, framework=False)
        make_pipeline(project.root / "ads")
        (project.root / "ads/pyproject.toml").unlink()
        assert project.paths({"pipeline_dir": "ads"}) == ONLY_FIRST

    def test_the_project_root_does_not_count_for_its_own_package(self, tmp_path: Path) -> None:
        """A package beside the pipeline directory has the rules of its own directory."""
        project = make_pipeline(tmp_path / "demo", {".ytignore": "*\n"}, stage=False, framework=False)
        make_pipeline(project.root / "ads")
        project.write({"geo/__init__.py": "", "geo/.ytignore": "*.log\n", "geo/x.log": ""})
        assert project.paths({"pipeline_dir": "ads", "upload_modules": "geo"})[0] == "geo/__init__.py"
        assert "geo/x.log" not in project.paths({"pipeline_dir": "ads", "upload_modules": "geo"})

    def test_an_unreadable_directory_on_the_way_is_an_error(self, pipeline: Pipeline) -> None:
        """What is ignored on the way to a source names the rule."""
        pipeline.write({".ytignore": "lib\n", "lib/deep/x": ""})
        line = "`lib` is ignored: `lib` (line 1 of `.ytignore`)"
        assert pipeline.refusal({"upload_paths": [{"source": "lib/deep"}]}) == line
        assert pipeline.refusal({"upload_paths": [{"source": "lib"}]}) == line


class TestUploadPaths:
    """`upload_paths`."""

    def test_the_target_defaults_to_the_last_component(self, pipeline: Pipeline) -> None:
        """Of the source as written, whatever slashes it ends with."""
        pipeline.write({"a/lib/x": "", "b/x": ""}).link("linked", "b")
        assert pipeline.paths({"upload_paths": [{"source": "a/lib//"}]})[0] == "lib/x"
        assert pipeline.paths({"upload_paths": [{"source": "./b/../a/lib"}]})[0] == "lib/x"
        assert pipeline.paths({"upload_paths": [{"source": "linked"}]})[0] == "linked/x"

    def test_the_target_may_be_any_path(self, pipeline: Pipeline) -> None:
        """Below directories that nobody else has."""
        pipeline.write({"lib/x": ""})
        assert pipeline.paths({"upload_paths": [{"source": "lib", "target": "a b/./-c/"}]})[0] == "a b/-c/x"

    def test_an_absolute_source_inside_is_taken(self, pipeline: Pipeline) -> None:
        """As YT Framework has it."""
        pipeline.write({"lib/x": ""})
        assert pipeline.paths({"upload_paths": [{"source": str(pipeline.root / "lib")}]})[0] == "lib/x"

    @pytest.mark.parametrize("source", ["../outside", "lib/../../outside", "/", "link", "link/sub", ".."])
    def test_a_source_outside_is_refused(self, pipeline: Pipeline, source: str) -> None:
        """By `..`, as an absolute path, or through a link."""
        outside = pipeline.root.parent / "outside"
        (outside / "sub").mkdir(parents=True)
        pipeline.write({"lib/x": ""}).link("link", outside)
        line = pipeline.refusal({"upload_paths": [{"source": source}]})
        assert line == (
            f"entry #1 of `upload_paths` (`{source}`) leads out of the pipeline directory `{pipeline.root}`, "
            f"to `{os.path.realpath(pipeline.root / source)}`; copy it into the pipeline, or list the package in "
            "`upload_modules`"
        )

    def test_a_neighbour_is_outside(self, pipeline: Pipeline) -> None:
        """Though its name begins alike."""
        (pipeline.root.parent / "demo-2").mkdir()
        assert "leads out of" in pipeline.refusal({"upload_paths": [{"source": "../demo-2"}]})

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("missing", "does not exist: `{root}/missing`; correct it or remove the entry"),
            ("dangling", "does not exist: `{root}/nowhere`; correct it or remove the entry"),
            ("ring", "is a ring of symbolic links: `{root}/ring`; remove one of them"),
            ("pyproject.toml", "is not a directory: `{root}/pyproject.toml`; name the one that holds it"),
            (
                "stages/first/stage.py/",
                "is not a directory: `{root}/stages/first/stage.py`; name the one that holds it",
            ),
            ("fifo", "is not a directory: `{root}/fifo`; name the one that holds it"),
        ],
    )
    def test_a_source_must_be_a_directory(self, pipeline: Pipeline, source: str, problem: str) -> None:
        """The message counts the entries and shows what it leads to."""
        pipeline.link("dangling", "nowhere").link("ring", "ring").write({"lib/x": "", "stages/first/stage.py": ""})
        os.mkfifo(pipeline.root / "fifo")
        line = pipeline.refusal({"upload_paths": [{"source": "lib"}, {"source": source}]})
        assert line == f"entry #2 of `upload_paths` (`{source}`) {problem.format(root=pipeline.root)}"

    @pytest.mark.parametrize(
        ("target", "reason"),
        [
            ("stages", "`stages` is reserved for the code of the stages"),
            ("ytjobs/x", "`ytjobs` is reserved for the framework's package, which is always packed"),
            ("source.tar.gz", "`source.tar.gz` is reserved for the archive itself"),
        ],
    )
    def test_reserved_targets_are_refused(self, pipeline: Pipeline, target: str, reason: str) -> None:
        """Whether they are named or follow from the source."""
        pipeline.write({"lib/x": ""})
        line = pipeline.refusal({"upload_paths": [{"source": "lib", "target": target}]})
        assert line == (
            f"entry #1 of `upload_paths` (`lib`) would take `{target}`, and {reason}; "
            "choose another target or remove the entry"
        )

    def test_the_stages_cannot_be_uploaded_again(self, pipeline: Pipeline) -> None:
        """A source may have a reserved name."""
        assert "`stages` is reserved" in pipeline.refusal({"upload_paths": [{"source": "stages"}]})

    def test_a_wrappers_name_is_refused(self, pipeline: Pipeline) -> None:
        """For any stage and operation."""
        pipeline.write({"lib/x": ""})
        line = pipeline.refusal({"upload_paths": [{"source": "lib", "target": "operation_wrapper_first_map.sh"}]})
        assert "a name reserved for wrapper scripts" in line

    @pytest.mark.parametrize("target", ["../x", "/abs", "..", "a/../../b"])
    def test_a_target_outside_the_archive_is_refused(self, pipeline: Pipeline, target: str) -> None:
        """YT Framework would write it beside its build directory."""
        pipeline.write({"lib/x": ""})
        line = pipeline.refusal({"upload_paths": [{"source": "lib", "target": target}]})
        assert line.startswith(
            f"entry #1 of `upload_paths` (`lib`) has the target `{target}`, which is not a path inside"
        )

    def test_the_pipeline_itself_needs_a_target(self, pipeline: Pipeline) -> None:
        """`.` has no last component; its name is that of the directory, which differs from clone to clone."""
        line = pipeline.refusal({"upload_paths": [{"source": "."}]})
        assert (
            line == "entry #1 of `upload_paths` (`.`) needs a `target`: the pipeline's own directory has no fixed name"
        )

    def test_two_sources_for_one_target_are_refused(self, pipeline: Pipeline) -> None:
        """Both are named."""
        pipeline.write({"a/lib/x": "", "b/lib/x": ""})
        line = pipeline.refusal({"upload_paths": [{"source": "a/lib"}, {"source": "b/lib"}]})
        assert line == (
            "entry #2 of `upload_paths` (`b/lib`) and entry #1 of `upload_paths` (`a/lib`) both want `lib` in the "
            "archive; give one another target"
        )

    def test_a_target_inside_another_is_refused(self, pipeline: Pipeline) -> None:
        """Even where no file would collide."""
        pipeline.write({"a/x": "", "b/y": ""})
        table = {"upload_paths": [{"source": "a"}, {"source": "b", "target": "a/sub"}]}
        assert "both want `a/sub` and `a` in the archive" in pipeline.refusal(table)

    def test_a_module_and_a_path_collide(self, pipeline: Pipeline) -> None:
        """Sources of both kinds share the archive."""
        pipeline.write({"geo/__init__.py": "", "lib/x": ""})
        table = {"upload_modules": "geo", "upload_paths": [{"source": "lib", "target": "geo"}]}
        line = "entry #1 of `upload_paths` (`lib`) and `geo` of `upload_modules` both want `geo` in the archive"
        assert pipeline.refusal(table) == f"{line}; give one another target"

    def test_one_source_twice_is_packed_once(self, pipeline: Pipeline) -> None:
        """Writing the same line twice does no harm; another target is another copy."""
        pipeline.write({"lib/x": ""})
        table = {"upload_paths": [{"source": "lib"}, {"source": "./lib"}, {"source": "lib", "target": "copy"}]}
        assert pipeline.paths(table)[:2] == ["copy/x", "lib/x"]

    def test_a_source_without_files_is_refused(self, pipeline: Pipeline) -> None:
        """It would leave nothing in the archive."""
        pipeline.write({"lib/empty/": ""})
        assert pipeline.refusal({"upload_paths": [{"source": "lib"}]}) == "`lib` holds no files to pack"

    def test_a_source_of_which_nothing_is_left_names_the_rule(self, pipeline: Pipeline) -> None:
        """Whichever file it stands in."""
        pipeline.write({"lib/a/x": "", "lib/.ytignore": "# all\n*\n"})
        line = "nothing of `lib` is left to pack: `*` (line 2 of `lib/.ytignore`) excludes `lib/a`"
        assert pipeline.refusal({"upload_paths": [{"source": "lib"}]}) == line

    def test_only_byte_code_is_nothing(self, pipeline: Pipeline) -> None:
        """What never belongs into an archive does not make a source."""
        pipeline.write({"lib/a.pyc": "", "lib/__pycache__/b.pyc": ""})
        assert pipeline.refusal({"upload_paths": [{"source": "lib"}]}) == "`lib` holds no files to pack"


class TestModules:
    """`upload_modules` and `ytjobs`."""

    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return a directory of installed packages on the search path."""
        site = tmp_path / "lib/site-packages"
        site.mkdir(parents=True)
        monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
        return site

    def test_what_changes_seldom_comes_first(self, pipeline: Pipeline, site: Path) -> None:
        """By kind: modules with all that belongs to them, `ytjobs`, paths, stages, wrapper scripts; by name within."""
        install(site, "zoo-dist", "1.2", "zoo/__init__.py", "zoo.libs/lib.so", "zoo/a.py")
        pipeline.write({"stages/a/src/vanilla.py": "", "lib/b": "", "lib/a": "", "geo/__init__.py": "", "Aaa/x": ""})
        table = {"upload_modules": ["zoo", "geo"], "upload_paths": [{"source": "lib"}, {"source": "Aaa"}]}
        plan = pipeline.plan(table)
        assert [part.name for part in plan.parts] == [
            "geo", "zoo", "ytjobs", "Aaa", "lib", "stages/a", "stages/first", "operation_wrapper_*.sh",
        ]  # fmt: skip
        paths = [entry.path for entry in plan.entries()]
        assert paths[1:4] == ["zoo.libs/lib.so", "zoo/__init__.py", "zoo/a.py"]
        assert plan == pipeline.plan({**table, "upload_modules": ["geo", "zoo"]})

    def test_what_two_modules_share_comes_along_with_the_first(self, pipeline: Pipeline, site: Path) -> None:
        """In whatever order they are listed."""
        install(site, "both", "1.0", "one/__init__.py", "two/__init__.py", "both.libs/lib.so")
        for modules in (["one", "two"], ["two", "one"]):
            plan = pipeline.plan({"upload_modules": modules})
            assert [entry.path for entry in plan.parts[0].entries] == [
                "both-1.0.dist-info/METADATA", "both.libs/lib.so", "one/__init__.py",
            ]  # fmt: skip
            assert [part.name for part in plan.parts[:2]] == ["one", "two"]

    def test_own_packages_and_modules_are_packed(self, pipeline: Pipeline) -> None:
        """From the pipeline directory, the project root and its `src`."""
        pipeline.write({"geo/__init__.py": "", "geo/data.tsv": "", "single.py": "", "src/late/__init__.py": ""})
        paths = pipeline.paths({"upload_modules": ["geo.sub"[:3], "single", "late"]})
        assert [path for path in paths if path not in ONLY_FIRST] == [
            "geo/__init__.py", "geo/data.tsv", "late/__init__.py", "single.py",
        ]  # fmt: skip

    def test_installed_packages_are_packed_whole(self, pipeline: Pipeline, site: Path) -> None:
        """With what their distribution keeps beside them; their own ignore file counts."""
        install(site, "pack-age", "1.2", "pack/__init__.py", "pack/x.log", "pack/.ytignore", "pack.libs/lib.so")
        (site / "pack/.ytignore").write_text("*.log\n")
        (site / ".ytignore").write_text("*\n")
        plan = pipeline.plan({"upload_modules": "pack"})
        assert [entry.path for entry in plan.entries()][:2] == ["pack.libs/lib.so", "pack/__init__.py"]
        assert [(one.name, one.distribution, one.version) for one in plan.modules] == [
            ("ytjobs", None, None), ("pack", "pack-age", "1.2"),
        ]  # fmt: skip

    def test_credentials_are_refused_in_own_packages_only(self, pipeline: Pipeline, site: Path) -> None:
        """What is installed is other people's."""
        install(site, "pack", "1.2", "pack/__init__.py", "pack/tests/id_rsa")
        assert "pack/tests/id_rsa" in pipeline.paths({"upload_modules": "pack"})
        pipeline.write({"geo/__init__.py": "", "geo/id_rsa": ""})
        assert "`geo/id_rsa` looks like a file of credentials" in pipeline.refusal({"upload_modules": "geo"})

    def test_a_module_named_twice_is_packed_once(self, pipeline: Pipeline) -> None:
        """A dotted name takes the whole package."""
        pipeline.write({"geo/__init__.py": "", "geo/a.py": "", "geo/b.py": ""})
        plan = pipeline.plan({"upload_modules": ["geo.a", "geo", "geo.b"]})
        assert [module.name for module in plan.modules] == ["ytjobs", "geo"]

    def test_the_framework_cannot_be_uploaded_again(self, pipeline: Pipeline) -> None:
        """It always is in the archive."""
        line = "`ytjobs` of `upload_modules` would take `ytjobs`, and `ytjobs` is reserved for the framework's package"
        assert pipeline.refusal({"upload_modules": "ytjobs"}).startswith(line)

    @pytest.mark.parametrize("name", ["stages", "operation_wrapper_x"])
    def test_a_module_may_not_take_a_reserved_place(self, pipeline: Pipeline, name: str) -> None:
        """A package `stages` would mix with the stages; one that only sounds like a wrapper is free."""
        pipeline.write({f"{name}/__init__.py": ""})
        if name == "stages":
            assert "`stages` is reserved" in pipeline.refusal({"upload_modules": name})
        else:
            assert f"{name}/__init__.py" in pipeline.paths({"upload_modules": name})

    def test_an_ignored_module_names_the_rule(self, pipeline: Pipeline) -> None:
        """A package, a file, or all that is in it."""
        pipeline.write(
            {"geo/__init__.py": "", "single.py": "", "wide/a.py": "", ".ytignore": "geo\nsingle.py\nwide/*\n"}
        )
        assert pipeline.refusal({"upload_modules": "geo"}) == "`geo` is ignored: `geo` (line 1 of `.ytignore`)"
        line = "nothing of `single.py` is left to pack: `single.py` (line 2 of `.ytignore`) excludes it"
        assert pipeline.refusal({"upload_modules": "single"}) == line
        line = "nothing of `wide` is left to pack: `wide/*` (line 3 of `.ytignore`) excludes `wide/a.py`"
        assert pipeline.refusal({"upload_modules": "wide"}) == line

    @pytest.mark.parametrize("name", ["geo", "single"])
    def test_an_own_module_must_not_be_a_link_out_of_the_project(self, pipeline: Pipeline, name: str) -> None:
        """A package or a module that only seems to lie in the pipeline."""
        outside = pipeline.root.parent / "outside"
        (outside / "geo").mkdir(parents=True)
        (outside / "geo/__init__.py").touch()
        (outside / "single.py").touch()
        pipeline.link("geo", outside / "geo").link("single.py", outside / "single.py")
        line = pipeline.refusal({"upload_modules": name})
        assert f"leads to `{outside}/{name}" in line
        assert f", out of `{pipeline.root}`; replace it by a copy" in line

    def test_a_missing_module_is_an_error(self, pipeline: Pipeline) -> None:
        """It says where it was looked for."""
        assert pipeline.refusal({"upload_modules": "no_such"}).startswith(
            "`upload_modules` names `no_such`, which is neither in"
        )

    def test_the_first_portion_wins_in_a_namespace(self, pipeline: Pipeline, site: Path) -> None:
        """As it does on import."""
        pipeline.write({"ns/a.py": "own", "ns/both.py": "own"})
        (site / "ns").mkdir()
        (site / "ns/both.py").write_text("installed")
        (site / "ns/b.py").write_text("installed")
        entries = {entry.path: entry for entry in pipeline.plan({"upload_modules": "ns"}).entries()}
        assert {"ns/a.py", "ns/b.py", "ns/both.py"} <= set(entries)
        both = entries["ns/both.py"]
        assert isinstance(both, SourceFile)
        assert Path(both.source).read_text() == "own"

    def test_a_missing_framework_shows_the_ways_to_it(
        self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where `ytjobs` is not installed, nothing can be packed."""
        monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
        pipeline.remove("ytjobs")
        line = pipeline.refusal()
        assert line.startswith("the package `ytjobs` of yt-framework is not installed in this environment")
        assert "hatch-ytupload[framework]" in line


class TestUnreadable:
    """What may not be read, seen without the rights of root."""

    @pytest.mark.parametrize(
        ("path", "line"),
        [
            ("pyproject.toml", "cannot read `{root}/pyproject.toml`: Permission denied"),
            ("configs/config.yaml", "cannot read `configs/config.yaml`: Permission denied"),
            ("configs", "cannot read `configs/config.yaml`: Permission denied"),
            ("stages", "cannot list `stages`: Permission denied; "),
            ("stages/first/src", "cannot list `stages/first/src`: Permission denied; "),
            ("stages/first/config.yaml", "cannot read `stages/first/config.yaml`: Permission denied"),
            ("stages/first/requirements.txt", "cannot read `{root}/stages/first/requirements.txt`: Permission denied"),
            ("lib/.ytignore", "cannot read `lib/.ytignore`: Permission denied"),
            ("lib/sub", "cannot list `lib/sub`: Permission denied; "),
            ("lib/x", "cannot read `{root}/lib/x`: Permission denied; make it readable or exclude it in `.ytignore`"),
        ],
    )
    def test_it_is_named(self, tmp_path: Path, path: str, line: str) -> None:
        """Whatever it is, in one line."""
        files = ["configs/config.yaml", "stages/first/config.yaml", "stages/first/requirements.txt", "lib/.ytignore"]
        pipeline = make_pipeline(
            tmp_path / "demo",
            dict.fromkeys([*files, "lib/x", "lib/sub/y"], ""),
            settings='upload_paths = [{ source = "lib" }]',
        )
        (pipeline.root / path).chmod(0)
        try:
            process = run_command_line("build", cwd=pipeline.root, command=unprivileged("-m", "hatch_ytupload"))
        finally:
            (pipeline.root / path).chmod(0o755)
        assert refused_line(process).startswith(line.format(root=pipeline.root))
        assert not (pipeline.root / "dist").exists() or list((pipeline.root / "dist").iterdir()) == []
