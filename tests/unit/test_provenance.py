"""Which commit the sources were."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from pipelines import Pipeline

from hatch_ytupload.checks.git_files import check_git_ignored
from hatch_ytupload.checks.packed_code import code_of_plan
from hatch_ytupload.packing.manifest import GitInfo
from hatch_ytupload.packing.provenance import GitQuestion
from hatch_ytupload.programs import git_environment

if TYPE_CHECKING:
    from pathlib import Path


def asked(pipeline: Pipeline, outputs: str = "dist", directory: str = ".") -> GitInfo | None:
    """Ask git about a directory of the project."""
    place = pipeline.root / directory
    with GitQuestion(str(place), [os.path.normpath(place / outputs)]) as question:
        answer = question.answer()
        assert question.answer() == answer
        return answer


class TestCommit:
    """What is checked out."""

    def test_outside_a_repository_there_is_none(self, pipeline: Pipeline) -> None:
        """Not every project is in one."""
        assert asked(pipeline) is None

    def test_outside_a_repository_git_is_not_started(
        self, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It could only say that there is none; below a directory with `.git`, it has to be asked."""
        git = tmp_path / "bin/git"
        git.parent.mkdir()
        git.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n")
        git.chmod(0o755)
        monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
        assert asked(pipeline) is None
        assert not (tmp_path / "asked").exists()
        (pipeline.root / ".git").write_text("gitdir: elsewhere\n")
        assert asked(pipeline, directory="stages") is None
        assert (tmp_path / "asked").exists()

    def test_the_mark_of_a_cache_is_no_repository(self, pipeline: Pipeline) -> None:
        """An empty file, as uv puts into its cache, where `uv build` has the wheel made: git would be an error."""
        (pipeline.root / ".git").write_bytes(b"")
        with GitQuestion(str(pipeline.root), []) as question:
            assert (question.answer(), question.problem) == (None, None)

    def test_before_the_first_commit_there_is_none(self, pipeline: Pipeline) -> None:
        """A repository alone is nothing to go back to."""
        pipeline.git("init", "--quiet")
        assert asked(pipeline) is None

    def test_a_clean_commit_is_named(self, pipeline: Pipeline) -> None:
        """By its full name."""
        commit = pipeline.commit()
        assert len(commit) == 40
        assert asked(pipeline) == GitInfo(commit, dirty=False)

    def test_without_git_there_is_none(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        """It need not be installed."""
        pipeline.commit()
        monkeypatch.setenv("PATH", str(pipeline.root))
        assert asked(pipeline) is None

    def test_a_detached_head_is_named(self, pipeline: Pipeline) -> None:
        """As release pipelines check out."""
        commit = pipeline.commit()
        pipeline.git("checkout", "--quiet", "--detach")
        assert asked(pipeline) == GitInfo(commit, dirty=False)

    def test_a_worktree_is_named(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """A second checkout of the repository."""
        commit = pipeline.commit()
        pipeline.git("worktree", "add", "--quiet", str(tmp_path / "tree"))
        assert asked(Pipeline(tmp_path / "tree")) == GitInfo(commit, dirty=False)

    def test_a_damaged_repository_is_none(self, pipeline: Pipeline) -> None:
        """The build goes on."""
        pipeline.commit()
        (pipeline.root / ".git/HEAD").write_text("nonsense")
        assert asked(pipeline) is None


class TestDirty:
    """Whether the sources differ from the commit."""

    def changed(self, pipeline: Pipeline, outputs: str = "dist", directory: str = ".") -> bool:
        """Tell what git says."""
        answer = asked(pipeline, outputs, directory)
        assert answer is not None
        return answer.dirty

    @pytest.mark.parametrize("change", ["edit", "add", "delete", "rename", "stage", "mode"])
    def test_every_difference_counts(self, pipeline: Pipeline, change: str) -> None:
        """In the work tree or in the index."""
        pipeline.commit()
        script = pipeline.root / "stages/first/src/mapper.py"
        if change in ("edit", "stage"):
            script.write_text("changed")
        elif change == "add":
            pipeline.write({"new.py": ""})
        elif change == "delete":
            script.unlink()
        elif change == "mode":
            script.chmod(0o755)
        elif change == "rename":
            pipeline.git("mv", "pyproject.toml", "other.toml")
        if change == "stage":
            pipeline.git("add", "--all")
        assert self.changed(pipeline)

    def test_what_git_ignores_does_not_count(self, pipeline: Pipeline) -> None:
        """It is in no commit anyway."""
        pipeline.write({".gitignore": "*.log\n"})
        pipeline.commit()
        pipeline.write({"x.log": ""})
        assert not self.changed(pipeline)

    def test_what_builds_leave_does_not_count(self, pipeline: Pipeline) -> None:
        """Otherwise every second build would be dirty; the name is taken as it is."""
        pipeline.commit()
        for outputs in ("dist", "o[u]t*"):
            pipeline.write({f"{outputs}/bundle/x": ""})
            assert not self.changed(pipeline, outputs)
            assert self.changed(pipeline, "elsewhere")
            pipeline.remove(outputs)
        pipeline.write({"out/bundle/x": ""})
        assert self.changed(pipeline, "o[u]t*")

    def test_a_build_directory_behind_a_link_is_known(self, pipeline: Pipeline, tmp_path: Path) -> None:
        """By where it really is."""
        pipeline.commit()
        pipeline.write({"dist/x": ""})
        (tmp_path / "link").symlink_to(pipeline.root)
        with GitQuestion(str(pipeline.root), [str(tmp_path / "link/dist")]) as question:
            assert question.answer() == GitInfo(pipeline.git("rev-parse", "HEAD").strip(), dirty=False)

    def test_changes_outside_the_project_do_not_count(self, pipeline: Pipeline) -> None:
        """A repository may hold many projects."""
        pipeline.write({"ads/pyproject.toml": "", "other/x": ""})
        pipeline.commit()
        pipeline.write({"other/x": "changed", "new": ""})
        assert not self.changed(pipeline, directory="ads")
        assert self.changed(pipeline)

    def test_a_build_into_the_project_itself_is_asked_about(self, pipeline: Pipeline) -> None:
        """Then everything counts: there is nothing to tell apart."""
        pipeline.commit()
        pipeline.write({"new": ""})
        assert self.changed(pipeline, ".")
        assert self.changed(pipeline, "../elsewhere")


class TestManners:
    """How git is asked."""

    def test_nothing_is_written(self, pipeline: Pipeline) -> None:
        """Not even the index that git likes to refresh."""
        pipeline.commit()
        script = pipeline.root / "stages/first/src/mapper.py"
        os.utime(script, (1, 1))
        index = pipeline.root / ".git/index"
        before = index.read_bytes()
        asked(pipeline)
        assert index.read_bytes() == before

    def test_a_question_without_an_answer_is_dropped(self, pipeline: Pipeline) -> None:
        """A build that fails does not wait for git, and leaves no process behind."""
        pipeline.commit()
        with GitQuestion(str(pipeline.root), [str(pipeline.root / "dist")]) as question:
            assert question._git is not None
            process = question._git._process
        assert process.returncode is not None

    def test_names_of_all_kinds_are_no_problem(self, pipeline: Pipeline) -> None:
        """Names that are not UTF-8, and those that look like headers."""
        pipeline.commit()
        os.close(os.open(os.fsencode(pipeline.root) + b"/\xff", os.O_CREAT))
        pipeline.write({"# branch.oid 123": ""})
        answer = asked(pipeline)
        assert answer == GitInfo(pipeline.git("rev-parse", "HEAD").strip(), dirty=True)

    def test_the_users_language_does_not_matter(self, pipeline: Pipeline) -> None:
        """Asked on the command line, under another locale."""
        commit = pipeline.commit()
        process = pipeline.run("build", environ={"LANGUAGE": "de", "LC_ALL": "C.UTF-8"})
        assert process.returncode == 0
        manifest = (pipeline.archive().parent / "manifest.json").read_text()
        assert f'{{"commit":"{commit}","dirty":false}}' in manifest


def test_the_repository_of_a_hook_is_no_other(pipeline: Pipeline, tmp_path: Path) -> None:
    """Git sets variables for its hooks; a build that one of them starts asks about its own project."""
    commit = pipeline.commit()
    other = Pipeline(tmp_path / "other").write({"x": ""})
    other.commit()
    built = pipeline.run("build", environ={"GIT_DIR": str(other.root / ".git"), "GIT_INDEX_FILE": "index"})
    assert built.returncode == 0
    assert commit in (pipeline.archive().parent / "manifest.json").read_text()


class TestRefusal:
    """Git that says no, and repositories that want programs to be started."""

    def test_why_git_could_not_be_asked_is_a_warning(self, pipeline: Pipeline) -> None:
        """Once, from a build; without a repository there is nothing to say."""
        assert pipeline.build().warnings == ()
        (pipeline.root / ".git").write_text("gitdir: /nowhere\n")
        (warning,) = pipeline.build().warnings
        assert warning == "the manifest names no commit: git could not be asked: not a git repository: /nowhere"

    def test_a_repository_starts_no_programs(
        self, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither to watch files, nor to filter them, nor as a hook; and git does not get the token."""
        commit = pipeline.commit()
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\ncat\n")
        program.chmod(0o755)
        hooks = tmp_path / "hooks"
        hooks.mkdir()
        (hooks / "post-index-change").symlink_to(program)
        pipeline.git("config", "core.fsmonitor", str(program))
        pipeline.git("config", "core.hooksPath", str(hooks))
        pipeline.git("config", "filter.evil.clean", str(program))
        pipeline.git("config", "filter.evil.required", "true")
        (pipeline.root / ".git/info/attributes").write_text("* filter=evil\n")
        for path in pipeline.root.rglob("*.py"):
            os.utime(path, (1, 1))
        assert asked(pipeline) == GitInfo(commit, dirty=False)
        check_git_ignored(code_of_plan(pipeline.plan()), str(pipeline.root))
        assert not (tmp_path / "started").exists()
        # A name that holds `=`, and what looks like Git LFS.
        for name, command in (
            ("e=vil", str(program)),
            ("evil", f"git-lfs clean -- %f; {program}"),
            ("evil", f"{program}\nfilter.x.clean\ngit-lfs clean"),
        ):
            pipeline.git("config", f"filter.{name}.clean", command)
            (pipeline.root / ".git/info/attributes").write_text(f"* filter={name}\n")
            assert asked(pipeline) == GitInfo(commit, dirty=False)
            assert not (tmp_path / "started").exists(), command
        monkeypatch.setenv("YT_TOKEN", "secret")
        assert "YT_TOKEN" not in git_environment(os.environ)

    @pytest.mark.parametrize("named", [True, False])
    def test_nor_does_a_submodule(self, pipeline: Pipeline, tmp_path: Path, *, named: bool) -> None:
        """Git asks it with the configuration that it has itself; one of no name counts by its commit alone."""
        sub = Pipeline(pipeline.root / "lib").write({"x.txt": "1", "y.txt": "1", ".gitattributes": "x.txt filter=evil"})
        Pipeline(sub.root / "deep").write({"x.txt": "1", ".gitattributes": "* filter=evil"}).commit()
        sub.commit()
        if named:
            pipeline.write({".gitmodules": '[submodule "lib"]\n path = lib\n url = ./lib\n'})
        commit = pipeline.commit()
        assert asked(pipeline) == GitInfo(commit, dirty=False)
        for repository in (sub, Pipeline(sub.root / "deep")):
            repository.git("config", "filter.evil.clean", f"touch {tmp_path}/started; cat")
            os.utime(repository.root / "x.txt", (1, 1))
        assert asked(pipeline) == GitInfo(commit, dirty=False)
        assert not (tmp_path / "started").exists()
        sub.write({"y.txt": "2"})
        assert asked(pipeline) == GitInfo(commit, dirty=named)

    def test_git_is_not_waited_for_without_end(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        """It waits itself for the other end of a FIFO."""
        pipeline.commit()
        os.mkfifo(pipeline.root / ".gitignore")
        monkeypatch.setattr("hatch_ytupload.programs.GIT_SECONDS", 0.2)
        (warning,) = pipeline.build().warnings
        assert warning.endswith("git could not be asked: it gives no answer within 0.2 s")
        pipeline.remove(".gitignore", ".git/config")
        os.mkfifo(pipeline.root / ".git/config")
        (finding,) = check_git_ignored(code_of_plan(pipeline.plan()), str(pipeline.root))
        assert finding.message.endswith(": it gives no answer within 0.2 s")
