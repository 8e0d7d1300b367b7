"""Finding what `upload_modules` names."""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
import sys
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES, SourceFileLoader
from importlib.util import spec_from_loader
from typing import TYPE_CHECKING

import pytest
from installations import extension, install, install_with_finder, write

from hatch_ytupload.errors import ModuleNotFoundInEnvironmentError
from hatch_ytupload.sources.modules import Module, ModuleMissingError, ModuleRoot, find_module

if TYPE_CHECKING:
    from pathlib import Path


def code(module: Module) -> tuple[ModuleRoot, ...]:
    """Return what a module consists of, without the metadata of its distributions."""
    return tuple(root for root in module.roots if not is_metadata(root.target))


def metadata(module: Module) -> list[str]:
    """Return the targets of metadata."""
    return [root.target for root in module.roots if is_metadata(root.target)]


def is_metadata(target: str) -> bool:
    """Tell whether a target is metadata of a distribution."""
    return target.partition("/")[0].endswith((".dist-info", ".egg-info"))


def sources(module: Module) -> dict[str, list[str]]:
    """Return what lies at each target, metadata left out."""
    found: dict[str, list[str]] = {}
    for root in code(module):
        found.setdefault(root.target, []).append(root.source)
    return found


def described(module: Module) -> tuple[str | None, str | None, str]:
    """Return distribution, version, and the word that says whether a module is the project's own."""
    return module.distribution, module.version, "own" if module.own else ""


def refusal(name: str, own: list[Path], site: Path | None = None) -> str:
    """Return the line that says why a module cannot be packed."""
    with pytest.raises(ModuleNotFoundInEnvironmentError) as error:
        find_module(name, [str(path) for path in own], search_path=[] if site is None else [str(site)])
    line = str(error.value)
    assert line.isprintable()
    assert "`upload_modules`" in line
    return line


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the root of an empty project."""
    return write(tmp_path, "project/").joinpath("project")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return an empty directory of installed packages."""
    return write(tmp_path, "env/lib/site-packages/").joinpath("env", "lib", "site-packages")


class TestOwnDirectories:
    """The pipeline's directory, the project's root and its `src`."""

    @pytest.mark.parametrize(
        ("file", "target"),
        [("tools/__init__.py", "tools"), ("tools.py", "tools.py"), (extension("tools"), extension("tools"))],
    )
    def test_a_package_a_file_and_an_extension_module_are_found(self, project: Path, file: str, target: str) -> None:
        """What lies in an own directory is taken from there, and has no distribution."""
        write(project, file)
        root = ModuleRoot(str(project / target), target, str(project), own=True)
        module = find_module("tools", [str(project)], search_path=[])
        assert (module.name, code(module), described(module)) == ("tools", (root,), (None, None, "own"))

    def test_the_first_directory_wins(self, project: Path) -> None:
        """Own directories are asked in the order in which they are given."""
        write(project, "pipeline/tools.py", "tools.py", "src/tools.py")
        own = [str(project / "src"), str(project / "pipeline"), str(project)]
        assert sources(find_module("tools", own, search_path=[])) == {"tools.py": [str(project / "src/tools.py")]}

    def test_own_code_wins_over_installed_code(self, project: Path, site: Path) -> None:
        """A package of the project hides an installed one of the same name, as on Python's path."""
        write(project, "tools/__init__.py")
        install(site, "tools", "3.0", "tools/__init__.py")
        module = find_module("tools", [str(project)], search_path=[str(site)])
        assert sources(module) == {"tools": [str(project / "tools")]}
        assert (module.distribution, module.own) == (None, True)

    def test_directories_that_do_not_exist_are_skipped(self, project: Path) -> None:
        """A project without `src` is searched all the same, and so is a directory named twice."""
        write(project, "tools.py")
        own = [str(project / "src"), str(project), f"{project}/"]
        assert len(find_module("tools", own, search_path=[]).roots) == 1

    def test_one_directory_under_two_names_is_searched_once(self, project: Path) -> None:
        """A portion of a namespace does not come twice because a directory is reached through a link too."""
        write(project, "space/a.py")
        (project.parent / "alias").symlink_to(project)
        own = [str(project), str(project.parent / "alias")]
        assert sources(find_module("space", own, search_path=[])) == {"space": [str(project / "space")]}

    def test_what_was_generated_a_moment_ago_is_found(self, project: Path) -> None:
        """No answer is remembered: a build hook may write a module between two questions."""
        for number in range(20):
            name = f"generated_{number}"
            refusal(name, [project])
            write(project, f"{name}.py")
            assert find_module(name, [str(project)], search_path=[]).own

    def test_the_case_of_a_name_matters(self, project: Path) -> None:
        """`Tools` is not `tools`, also where the file system takes them for the same."""
        write(project, "tools.py")
        assert "did you mean `tools`?" in refusal("Tools", [project])

    def test_a_linked_package_keeps_its_own_path(self, project: Path) -> None:
        """The source is not resolved: whether a link may be followed is decided where files are read."""
        write(project, "../elsewhere/real/__init__.py")
        (project / "tools").symlink_to(project.parent / "elsewhere/real")
        module = find_module("tools", [str(project)], search_path=[])
        assert module.roots == (ModuleRoot(str(project / "tools"), "tools", str(project), own=True),)
        assert module.own

    def test_a_vendored_distribution_is_recognized(self, project: Path) -> None:
        """What `pip install --target` put into the project has a version, and brings its libraries along."""
        install(project, "Tools", "3.0", "tools/__init__.py", "tools.libs/libz.so.1")
        module = find_module("tools", [str(project)], search_path=[])
        assert (module.distribution, module.version, module.own) == ("Tools", "3.0", True)
        assert sources(module).keys() == {"tools", "tools.libs"}
        assert metadata(module) == ["tools-3.0.dist-info/METADATA"]

    def test_metadata_that_a_build_left_beside_the_sources_is_not_believed(self, project: Path) -> None:
        """`tools.egg-info` in a project is a by-product of building and may be years old."""
        write(project, "src/tools/__init__.py", "src/tools.egg-info/top_level.txt", text="tools\n")
        write(project, "src/tools.egg-info/PKG-INFO", text="Name: tools\nVersion: 0.1\n")
        assert find_module("tools", [str(project / "src")], search_path=[]).distribution is None


class TestNothingIsRun:
    """Finding is not importing."""

    def test_bodies_are_not_run(self, project: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A module that would leave a file behind and end the process is found, and nothing is imported."""
        witness = project / "witness"
        body = f"open({str(witness)!r}, 'w').close()\nraise SystemExit\n"
        write(project, "own_one/__init__.py", "own_one/deep/__init__.py", "own_file.py", "portion/inner.py", text=body)
        write(site, "portion/other.py", "far/__init__.py", "far/deep.py", text=body)
        monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
        before = set(sys.modules)
        for name in ("own_one", "own_one.deep", "own_file", "portion.inner", "portion.other", "far", "far.deep"):
            find_module(name, [str(project)])
        assert set(sys.modules) == before
        assert not witness.exists()

    def test_a_module_that_is_loaded_is_found_where_it_lies(self) -> None:
        """What is in `sys.modules` plays no part."""
        import yaml

        module = find_module("yaml", [])
        assert sources(module) == {"yaml": [os.path.dirname(str(yaml.__file__))]}
        assert (module.distribution, module.version, module.own) == ("PyYAML", yaml.__version__, False)

    def test_a_module_that_pretends_in_sys_modules_is_not_believed(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An entry of `sys.modules` without a specification does not disturb."""
        write(project, "tools.py")
        monkeypatch.setitem(sys.modules, "tools", sys)
        assert find_module("tools", [str(project)]).roots[0].target == "tools.py"

    def test_the_finder_of_setuptools_distutils_is_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It would import setuptools to answer."""

        class Finder:
            def find_spec(self, name: str, *_args: object) -> None:
                assert name != "no_such_module", "it was asked"

        Finder.__module__ = "_distutils_hack"
        monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
        with pytest.raises(ModuleMissingError):
            find_module("no_such_module", [])

    def test_an_import_hook_that_fails_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hooks that build when asked, as meson-python's do, may fail."""

        class Finder:
            def find_spec(self, *_args: object) -> None:
                raise ImportError("compiler\nnot found")

        Finder.__module__ = "_tools_hook"
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
        with pytest.raises(ModuleNotFoundInEnvironmentError, match=r"`_tools_hook` .* fails .* compiler\\nnot found"):
            find_module("no_such_module", [])


class TestInstalled:
    """Packages of the environment."""

    def test_a_package_has_the_name_and_version_of_its_distribution(self, site: Path) -> None:
        """The name is spelled as the metadata does, and the description below the headers is not read."""
        install(site, "Some-Tools", "3.0", "tools/__init__.py")
        root = ModuleRoot(str(site / "tools"), "tools", "/", own=False)
        module = find_module("tools", [], search_path=[str(site)])
        assert (module.name, code(module), described(module)) == ("tools", (root,), ("Some-Tools", "3.0", ""))

    def test_nobody_waits_for_odd_metadata(self, site: Path) -> None:
        """A FIFO tells nothing about a distribution."""
        info = install(site, "tools", "3.0", "tools/__init__.py")
        for name in ("METADATA", "RECORD"):
            (info / name).unlink()
            os.mkfifo(info / name)
            find_module("tools", [], search_path=[str(site)])

    def test_shared_libraries_and_extension_modules_come_along(self, site: Path) -> None:
        """`<distribution>.libs` and top-level extension modules are needed for the import; the rest is not."""
        speedups, other = extension("_tools"), "3f__mypyc.abi3.so"
        install(
            site,
            "Tools",
            "3.0",
            *("tools/__init__.py", "tools.libs/liba.so.1", "tools.libs/libb.so.2", speedups, other),
            *("toolbox/__init__.py", "_tools_speed.py", "tools-3.0.data/x.so", "tools-stubs/__init__.pyi"),
            record=["../../bin/tools", "tools/_inner.so"],
        )
        module = find_module("tools", [], search_path=[str(site)])
        assert [root.target for root in code(module)] == ["tools", other, speedups, "tools.libs"]
        assert {root.boundary for root in module.roots} == {"/"}

    @pytest.mark.parametrize("entry_points", [True, False])
    def test_metadata_comes_along(self, site: Path, *, entry_points: bool) -> None:
        """What importlib.metadata answers from, and nothing else of the directory."""
        info = install(site, "tools", "3.0", "tools/__init__.py")
        write(info, "WHEEL", "licenses/LICENSE", *(["entry_points.txt"] if entry_points else []))
        module = find_module("tools", [], search_path=[str(site)])
        names = ["METADATA", "entry_points.txt"][: 1 + entry_points]
        assert metadata(module) == [f"tools-3.0.dist-info/{name}" for name in names]

    def test_metadata_of_an_own_package_that_is_installed_comes_along(self, project: Path, site: Path) -> None:
        """The project's wheel is in the environment; its sources are packed, as they come first."""
        write(project, "tools/__init__.py", "single.py")
        info = install(site, "Tools", "3.0", "tools/__init__.py", "single.py")
        for url, found in ((project.as_uri(), ["tools-3.0.dist-info/METADATA"]), ("https://host/tools.whl", [])):
            write(info, "direct_url.json", text=json.dumps({"url": url, "dir_info": {}}))
            for name in ("tools", "single"):
                module = find_module(name, [str(project)], search_path=[str(site)])
                assert (described(module), metadata(module)) == ((None, None, "own"), found)

    @pytest.mark.parametrize(
        "entry",
        [
            "/etc/evil.so",
            "../evil.so",
            "../evil.libs/x.so",
            "evil.libs/../../x.so",
            "evil\\..\\x.so",
            '"evil\nlibs/x.so"',
            "evil.so\0",
            "evil.libs/" + "x" * 200_000,
            "..",
            "\n\n",
            ",,,",
            '"',
        ],
    )
    def test_entries_that_lead_elsewhere_are_not_followed(self, site: Path, entry: str) -> None:
        """RECORD may hold anything; only plain names of the site directory count."""
        write(site, "../evil.so", "../evil.libs/x.so", "../../x.so", "x.so")
        install(site, "tools", "3.0", "tools/__init__.py", record=[entry])
        assert sources(find_module("tools", [], search_path=[str(site)])) == {"tools": [str(site / "tools")]}

    def test_a_library_that_is_listed_and_missing_is_an_error(self, site: Path) -> None:
        """The job could not import the package, so the build says so."""
        install(site, "tools", "3.0", "tools/__init__.py", record=["tools.libs/libz.so"])
        with pytest.raises(ModuleNotFoundInEnvironmentError) as error:
            find_module("tools", [], search_path=[str(site)])
        missing = site / "tools.libs"
        assert str(error.value) == (
            f"`{missing}` is missing, though the RECORD of `tools` 3.0 lists it: install this distribution again"
        )

    def test_an_extension_module_that_is_named_itself_is_packed_once(self, site: Path) -> None:
        """It is the module, and does not come along with itself."""
        file = extension("_tools")
        install(site, "tools", "3.0", "tools/__init__.py", file, "tools.libs/a.so")
        module = find_module("_tools", [], search_path=[str(site)])
        assert [root.target for root in code(module)] == [file, "tools.libs"]
        assert module.distribution == "tools"

    @pytest.mark.parametrize("suffix", EXTENSION_SUFFIXES)
    def test_every_suffix_of_an_extension_module_is_kept(self, site: Path, suffix: str) -> None:
        """The archive's name is what the interpreter looks for."""
        write(site, f"speed{suffix}")
        assert find_module("speed", [], search_path=[str(site)]).roots[0].target == f"speed{suffix}"

    def test_the_distribution_that_lists_the_package_is_the_right_one(self, site: Path) -> None:
        """A distribution that only has the module's name, or files below it, did not install it."""
        install(site, "tools", "9.9", "other/__init__.py")
        install(site, "tools-plugin", "9.8", "tools/plugin.py", "vendored/tools/__init__.py")
        install(site, "zzz", "3.0", "tools/__init__.py")
        module = find_module("tools", [], search_path=[str(site)])
        assert (module.distribution, module.version) == ("zzz", "3.0")

    def test_of_two_that_list_the_same_file_the_one_with_its_name_is_meant(self, site: Path) -> None:
        """Variants of a distribution overwrite each other's files."""
        install(site, "another", "9.9", "tools/__init__.py")
        install(site, "python-tools", "3.0", "tools/__init__.py")
        assert find_module("tools", [], search_path=[str(site)]).distribution == "python-tools"
        install(site, "tools", "2.0", "tools/__init__.py")
        assert find_module("tools", [], search_path=[str(site)]).distribution == "tools"

    def test_a_quoted_record_is_understood(self, site: Path) -> None:
        """RECORD is CSV: any field may stand in quotes, and lines may end as on Windows."""
        info = install(site, "tools", "3.0", "tools/__init__.py", "t.so", "tools.libs/a,b.so")
        (info / "RECORD").write_bytes(b'"tools/__init__.py",x,1\r\n\r\n"t.so",x,1\r\n"tools.libs/a,b.so",x,1\r\n')
        module = find_module("tools", [], search_path=[str(site)])
        assert [root.target for root in code(module)] == ["tools", "t.so", "tools.libs"]

    @pytest.mark.parametrize("damage", [b"\xff\xfe\0", b"", b"x" * 200_000, b'"unclosed\ntools/__init__.py'])
    @pytest.mark.parametrize("file", ["RECORD", "METADATA", "direct_url.json"])
    def test_damaged_metadata_does_not_hide_a_module(self, site: Path, file: str, damage: bytes) -> None:
        """Metadata describes a module and does not decide whether there is one."""
        info = install(site, "tools", "3.0", "tools/__init__.py")
        (info / file).write_bytes(damage)
        module = find_module("tools", [], search_path=[str(site)])
        assert sources(module) == {"tools": [str(site / "tools")]}
        assert (module.distribution, module.version) == ((None, None) if file == "RECORD" else ("tools", "3.0"))

    def test_only_the_headers_of_metadata_count(self, site: Path) -> None:
        """Where they have no version, the name of the directory has; the description may say anything."""
        info = install(site, "tools", "3.0", "tools/__init__.py")
        write(info, "METADATA", text="Metadata-Version: 2.1\n\nName: a lie\nVersion: 9.9\n")
        assert described(find_module("tools", [], search_path=[str(site)])) == ("tools", "3.0", "")

    def test_what_pip_left_when_it_was_killed_is_no_distribution(self, site: Path) -> None:
        """pip renames what it removes to `~ools-3.0.dist-info`."""
        install(site, "tools", "3.0", "tools/__init__.py").rename(site / "~ools-3.0.dist-info")
        assert find_module("tools", [], search_path=[str(site)]).distribution is None

    @pytest.mark.parametrize("directory", ["Some_Tools-3.0.dist-info", "Some_Tools-3.0-py3.11.egg-info"])
    @pytest.mark.parametrize("by_name", [True, False])
    def test_without_record_the_name_or_top_level_txt_decides(
        self, site: Path, directory: str, *, by_name: bool
    ) -> None:
        """Debian's packages have no RECORD, and old ones an `.egg-info`."""
        name = "some_tools" if by_name else "tools"
        write(site, f"{name}/__init__.py")
        file = "METADATA" if "dist" in directory else "PKG-INFO"
        write(site / directory, file, text="Name: Some.Tools\nVersion: 3.0\n")
        if not by_name:
            write(site / directory, "top_level.txt", text="_tools\ntools\n")
        module = find_module(name, [], search_path=[str(site)])
        assert (module.distribution, module.version) == ("Some.Tools", "3.0")

    @pytest.mark.parametrize("text", ["Name: Tools\nVersion: 3.0\n", ""])
    def test_metadata_may_be_a_single_file(self, site: Path, text: str) -> None:
        """Debian's packages of distutils projects have an `.egg-info` file; its name has the version too."""
        write(site, "tools.py")
        write(site, "Tools-3.0-py3.11.egg-info", text=text)
        module = find_module("tools", [], search_path=[str(site)])
        assert (metadata(module), described(module)) == (["Tools-3.0-py3.11.egg-info"], ("Tools", "3.0", ""))

    def test_a_path_entry_without_metadata_has_no_distribution(self, tmp_path: Path) -> None:
        """What `PYTHONPATH` adds is found, and nobody installed it."""
        write(tmp_path, "libs/tools.py")
        module = find_module("tools", [], search_path=[str(tmp_path / "nowhere"), str(tmp_path / "libs")])
        root = ModuleRoot(str(tmp_path / "libs/tools.py"), "tools.py", "/", own=False)
        assert (code(module), described(module)) == ((root,), (None, None, ""))

    def test_an_environment_inside_the_project_is_not_its_own(self, project: Path) -> None:
        """`.venv` lies in the project and holds other people's code; a `libs` on the path is the project's."""
        site = project / ".venv/lib/python3.11/site-packages"
        install(site, "tools", "3.0", "tools/__init__.py")
        write(project, "libs/shared.py")
        path = [str(site), str(project / "libs")]
        assert not find_module("tools", [str(project)], search_path=path).own
        assert find_module("shared", [str(project)], search_path=path).own

    def test_hundreds_of_distributions_are_told_apart(self, site: Path) -> None:
        """The right one is found among many, also by its files alone."""
        for number in range(300):
            install(site, f"dist-{number}", f"{number}.0", f"package_{number * 7 % 300}/__init__.py")
        for number in (0, 1, 150, 299):
            module = find_module(f"package_{number * 7 % 300}", [], search_path=[str(site)])
            assert (module.distribution, module.version) == (f"dist-{number}", f"{number}.0")


class TestNamespaces:
    """Packages without `__init__.py`."""

    def test_all_portions_come_in_import_order(self, project: Path, site: Path) -> None:
        """Own portions first, then those of the environment; distributions that share a directory are one portion."""
        write(project, "src/space/own.py")
        install(site, "space-a", "1.0", "space/a/__init__.py")
        install(site, "space-b", "1.0", "space/b.py", extension("_space_b"))
        module = find_module("space", [str(project), str(project / "src")], search_path=[str(site)])
        assert sources(module) == {
            "space": [str(project / "src/space"), str(site / "space")],
            extension("_space_b"): [str(site / extension("_space_b"))],
        }
        assert [root.boundary for root in code(module)] == [str(project / "src"), "/", "/"]
        assert (module.distribution, module.version, module.own) == (None, None, True)

    def test_the_only_distribution_is_named(self, site: Path) -> None:
        """A namespace that one distribution fills has a version."""
        install(site, "space-a", "1.0", "space/a/__init__.py", "space/a/b.py")
        module = find_module("space.a.b", [], search_path=[str(site)])
        assert (module.distribution, module.version) == ("space-a", "1.0")

    @pytest.mark.parametrize("later", ["space/__init__.py", "space.py", extension("space")])
    def test_a_regular_package_or_module_wins_even_when_it_comes_later(
        self, project: Path, site: Path, later: str
    ) -> None:
        """PEP 420: directories without `__init__.py` count only when nothing else is found on the whole path."""
        write(project, "space/inner.py")
        write(site, later)
        module = find_module("space", [str(project)], search_path=[str(site)])
        assert [root.source for root in module.roots] == [str(site / later.removesuffix("/__init__.py"))]

    def test_a_directory_without_code_is_no_portion(self, project: Path, site: Path) -> None:
        """An own `dist` or `data` that has the name by accident brings nothing into the archive."""
        write(project, "space/readme.txt", "space/deep/table.csv", "space/__pycache__/a.pyc")
        write(project, "space/not-a-name/x.py", "space/v1.0/x.py", "space/deep/not-a-name.py")
        install(site, "space-a", "1.0", "space/a/__init__.py")
        module = find_module("space", [str(project)], search_path=[str(site)])
        assert sources(module) == {"space": [str(site / "space")]}
        assert (module.distribution, module.own) == ("space-a", False)

    @pytest.mark.parametrize("link", [True, False])
    def test_code_deep_below_makes_a_portion(self, project: Path, *, link: bool) -> None:
        """Python files count at any depth, through links too, and links that turn in circles end."""
        write(project, "space/a/b/c/", "elsewhere/code.py")
        (project / "space/a/b/loop").symlink_to(project / "space")
        if link:
            (project / "space/a/b/c/d").symlink_to(project / "elsewhere")
        else:
            write(project, "space/a/b/c/code.py")
        assert sources(find_module("space", [str(project)], search_path=[])) == {"space": [str(project / "space")]}

    def test_a_name_that_only_directories_without_code_have_is_refused(self, project: Path) -> None:
        """Data is for `upload_paths`, also where a link makes it endless."""
        write(project, "assets/deep/table.csv")
        (project / "assets/deep/loop").symlink_to(project / "assets")
        line = refusal("assets", [project])
        assert str(project / "assets") in line
        assert "`upload_paths`" in line

    def test_what_cannot_be_examined_counts_as_code(self, project: Path) -> None:
        """So that it is reported where files are read, instead of being left out in silence."""
        write(project, "assets/table.csv")
        (project / "assets/itself").symlink_to("itself")
        assert sources(find_module("assets", [str(project)], search_path=[])) == {"assets": [str(project / "assets")]}

    def test_a_portion_that_nobody_installed_leaves_no_single_distribution(self, project: Path, site: Path) -> None:
        """The version of one portion would be said of all."""
        write(project, "space/own.py")
        install(site, "space-a", "1.0", "space/a/__init__.py")
        module = find_module("space", [str(project)], search_path=[str(site)])
        assert described(module) == (None, None, "own")

    def test_two_ways_to_one_directory_are_one_portion(self, tmp_path: Path) -> None:
        """`lib64` is a link to `lib` in some environments, and both stand on the path."""
        write(tmp_path, "lib/space/a.py")
        (tmp_path / "lib64").symlink_to("lib")
        module = find_module("space", [], search_path=[str(tmp_path / "lib"), str(tmp_path / "lib64")])
        assert len(module.roots) == 1


class TestGrowing:
    """Packages that add directories to their path when they are imported."""

    STYLES = (
        "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n",
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        "import pkg_resources\npkg_resources.declare_namespace(__name__)\n",
        "try:\n    __import__('pkg_resources').declare_namespace(__name__)\nexcept ImportError:\n    raise\n",
        "from pkgutil import extend_path as grown\n__path__ = grown(__path__, __name__)\n",
        "from twisted.plugin import pluginPackagePaths\n__path__.extend(pluginPackagePaths(__name__))\n",
    )
    INSIDE = (
        "import os\n__path__.append(os.path.join(os.path.dirname(__file__), 'api'))\n",
        "import os.path as _path\n__path__ += [_path.join(__path__[0], 'plugins/')]\n",
        "from pathlib import Path as _Path\nHERE = _Path(__file__).resolve().parent\n__path__ = [str(HERE / 'a')]\n",
        "from pathlib import Path\nHERE = Path(__file__).parents[0]\n__path__[:] = __path__ + [str(HERE)]\n",
        "__path__ = []\n",
        "__path__.append('elsewhere')\n",
        "def later():\n    __path__.append('/elsewhere')\n",
        "print(__path__)\n",
    )
    OUTSIDE = (
        "import os\n__path__.append(os.path.join(os.path.dirname(__file__), '..', 'more'))\n",
        "import os\n__path__ += [os.path.dirname(__path__[0])]\n",
        "import os\nif os.name:\n    __path__.insert(0, '/elsewhere')\n",
        "from pathlib import Path\nfor place in Path(__file__).parent.iterdir():\n    __path__.append(str(place))\n",
        "import os\n__path__.extend(os.environ['PLUGINS'].split(':'))\n",
        "from other import __path__ as others\n__path__[1:] = others\n",
        "here = here\n__path__ = __path__ + __path__[1:] + here\n",
    )

    @pytest.mark.parametrize("init", STYLES)
    def test_all_portions_are_packed(self, project: Path, site: Path, init: str) -> None:
        """Own and installed ones, with an `__init__.py` or without, the first one first."""
        write(project, "legacy/own.py", "legacy/readme/x.txt")
        install(site, "legacy-a", "1.0", "legacy/a/__init__.py")
        write(site, "legacy/__init__.py", text=init)
        for name in ("one", "two"):
            write(project.parent, f"{name}/src/legacy/{name}.py")
            write(project.parent, f"{name}/src/legacy/__init__.py", text=init)
            write(site, f"_{name}.pth", text=str(project.parent / f"{name}/src"))
            install(site, name, "3.0", record=[f"_{name}.pth"], editable=project.parent / name)
        path = [str(project.parent / "one/src"), str(site), str(project.parent / "two/src")]
        module = find_module("legacy.two", [str(project)], search_path=path)
        places = [project.parent / "one/src", project, site, project.parent / "two/src"]
        assert sources(module) == {"legacy": [str(place / "legacy") for place in places]}
        assert metadata(module) == [f"{name}.dist-info/METADATA" for name in ("one-3.0", "legacy_a-1.0", "two-3.0")]

    @pytest.mark.parametrize(
        "init",
        [
            "",
            "# extend_path(__path__)\n",
            "def extend_path():\n  (\n",
            "from pkgutil import extend_path\n__path__\n(lambda: 1)()",
        ],
    )
    def test_a_package_that_does_not_grow_hides_the_others(self, site: Path, tmp_path: Path, init: str) -> None:
        """As Python has it: the first one is the package. A comment is no call, nor is what cannot be parsed."""
        write(site, "legacy/__init__.py", text=init)
        write(tmp_path, "other/legacy/__init__.py", text=self.STYLES[0])
        module = find_module("legacy", [], search_path=[str(site), str(tmp_path / "other")])
        assert sources(module) == {"legacy": [str(site / "legacy")]}

    @pytest.mark.parametrize("init", INSIDE)
    def test_directories_of_the_package_itself_are_packed_with_it(self, project: Path, init: str) -> None:
        write(project, "legacy/__init__.py", text=init)
        assert sources(find_module("legacy", [str(project)], search_path=[])) == {"legacy": [str(project / "legacy")]}

    @pytest.mark.parametrize("init", OUTSIDE)
    def test_directories_elsewhere_and_unknown_ones_are_refused(self, project: Path, site: Path, init: str) -> None:
        """In packages of the project; what is installed keeps all of its files beside one another."""
        write(project, "legacy/__init__.py", text=f"\n{init}")
        line = refusal("legacy", [project])
        assert f"without running it, in line {init.count(chr(10)) + 1} of" in line
        assert "`legacy`, which adds directories elsewhere to its `__path__`, or none that can be told" in line
        write(site, "legacy/__init__.py", text=init)
        install(site, "legacy", "1.0", "legacy/__init__.py")
        assert sources(find_module("legacy", [], search_path=[str(site)])) == {"legacy": [str(site / "legacy")]}

    def test_a_portion_in_an_archive_is_refused(self, site: Path, tmp_path: Path) -> None:
        """It cannot be packed, and the line names it."""
        write(site, "legacy/__init__.py", text=self.STYLES[0])
        egg = tmp_path / "legacy_b.egg"
        with zipfile.ZipFile(egg, "w") as archive:
            archive.writestr("legacy/__init__.py", "")
        with pytest.raises(ModuleNotFoundInEnvironmentError, match=r"`legacy`, which lies inside the archive `.*egg`"):
            find_module("legacy", [], search_path=[str(site), str(egg)])

    def test_a_list_of_more_directories_is_refused(self, site: Path) -> None:
        """`pkgutil.extend_path` reads `legacy.pkg`, whose lines may lead anywhere."""
        write(site, "legacy/__init__.py", text=self.STYLES[0])
        write(site, "legacy.pkg", text="/elsewhere\n")
        line = refusal("legacy", [], site)
        assert f"`legacy`, which gets directories from `{site / 'legacy.pkg'}` too" in line


class TestEditable:
    """Editable installs, laid out as the build backends do."""

    @pytest.fixture
    def installed(self, project: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Install a project with a package, a module and namespace parts in unusual places by a finder."""
        write(project, "code/__init__.py", "code/kept.py", "elsewhere/__init__.py", "single.py", "v1/__init__.py")
        write(project, "code/inside/__init__.py", "hidden/__init__.py", "lone.py", "whole/part.py")
        mapping = {
            "pkg": str(project / "code"),
            "pkg.sub": str(project / "elsewhere"),
            "pkg.inside": str(project / "hidden"),
            "single": str(project / "single"),
            "virtual.one": str(project / "v1"),
            "virtual.lone": str(project / "lone"),
            "virtual.gone": str(project / "gone"),
        }
        namespaces = {"virtual": [], "whole": [str(project / "whole")]}
        name = install_with_finder(site, "tools", project, mapping, namespaces)
        spec = importlib.util.spec_from_file_location(name, site / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        finder = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(finder)
        monkeypatch.setitem(sys.modules, name, finder)
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder._EditableFinder])
        monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks, finder._EditableNamespaceFinder._path_hook])
        monkeypatch.setattr(sys, "path", [*sys.path, str(site), finder.PATH_PLACEHOLDER])
        return project

    def test_a_package_is_found_through_its_finder(self, installed: Path) -> None:
        """The directory may have another name than the package; submodules may lie elsewhere, unless shadowed."""
        module = find_module("pkg.sub", [])
        assert sources(module) == {"pkg": [str(installed / "code")], "pkg/sub": [str(installed / "elsewhere")]}
        assert {root.boundary for root in module.roots} == {"/"}
        assert (module.distribution, module.version, module.own) == ("tools", "1.0", False)

    def test_a_single_file_is_found_through_its_finder(self, installed: Path) -> None:
        """The finder's mapping has no suffix, the archive has."""
        assert sources(find_module("single", [])) == {"single.py": [str(installed / "single.py")]}

    def test_a_namespace_that_exists_only_in_the_finder_is_found(self, installed: Path) -> None:
        """Its parts are packed where they are imported from; what the mapping names and is gone is not."""
        module = find_module("virtual.lone", [])
        assert sources(module) == {
            "virtual/lone.py": [str(installed / "lone.py")],
            "virtual/one": [str(installed / "v1")],
        }
        assert find_module("virtual.one", []).distribution == "tools"
        assert find_module("whole.part", []).roots[0].source == str(installed / "whole")

    @pytest.mark.parametrize("name", ["virtual.gone", "virtual.on", "pkg.sub.nothing", "whole.nothing"])
    def test_a_submodule_that_no_finder_knows_is_missing(self, installed: Path, name: str) -> None:
        """The mapping is read by whole names."""
        with pytest.raises(ModuleMissingError, match="no such submodule"):
            find_module(name, [])

    def test_an_editable_install_inside_the_project_is_its_own(self, installed: Path) -> None:
        """Libraries of a monorepo are the project's sources too."""
        module = find_module("pkg", [str(installed.parent)])
        assert module.own

    def test_a_finder_wins_over_an_own_directory_without_init(self, installed: Path, tmp_path: Path) -> None:
        """The answer is the same for every kind of editable install: a regular package wins over portions."""
        write(tmp_path, "other/pkg/stray.py")
        assert sources(find_module("pkg", [str(tmp_path / "other")]))["pkg"] == [str(installed / "code")]

    @pytest.mark.parametrize("line", ["{src}", "# comment\n\n  {src}  ", "../../../project/src"])
    def test_a_path_file_tells_the_distribution(self, project: Path, site: Path, line: str) -> None:
        """The default of hatchling, and of setuptools for a `src` layout: a `.pth` file with the directory."""
        write(project, "src/tools/__init__.py")
        write(site, "_tools.pth", text=line.format(src=project / "src"))
        install(site, "Tools", "3.0", record=["_tools.pth"], editable=project)
        module = find_module("tools", [], search_path=[str(site), str(project / "src")])
        root = ModuleRoot(str(project / "src/tools"), "tools", "/", own=False)
        assert (code(module), described(module)) == ((root,), ("Tools", "3.0", ""))

    def test_an_own_package_that_is_installed_editable_is_both(self, project: Path, site: Path) -> None:
        """It is found in the own directory, which stays the boundary, and its distribution is known."""
        write(project, "src/tools/__init__.py")
        write(site, "_tools.pth", text=str(project / "src"))
        install(site, "Tools", "3.0", record=["_tools.pth"], editable=project)
        module = find_module("tools", [str(project / "src")], search_path=[str(site)])
        root = ModuleRoot(str(project / "src/tools"), "tools", str(project / "src"), own=True)
        assert (code(module), described(module)) == ((root,), ("Tools", "3.0", "own"))

    def test_a_directory_that_no_editable_install_exposes_has_no_distribution(self, project: Path, site: Path) -> None:
        """Lying inside an installed project is not enough: its path file names another directory."""
        write(project, "src/tools/__init__.py", "pipeline/extra.py")
        write(site, "_tools.pth", text=str(project / "src"))
        install(site, "Tools", "3.0", record=["_tools.pth"], editable=project)
        module = find_module("extra", [str(project / "pipeline")], search_path=[str(site)])
        assert module.distribution is None

    def test_parts_of_a_namespace_belong_to_their_own_projects(self, tmp_path: Path, site: Path) -> None:
        """Two editable projects that share a namespace make a namespace of two distributions."""
        for letter in "ab":
            write(tmp_path, f"{letter}/src/space/{letter}.py")
            write(site, f"_{letter}.pth", text=str(tmp_path / letter / "src"))
            install(site, f"space-{letter}", "3.0", record=[f"_{letter}.pth"], editable=tmp_path / letter)
        path = [str(site), str(tmp_path / "a/src"), str(tmp_path / "b/src")]
        module = find_module("space", [], search_path=path)
        assert [root.source for root in code(module)] == [str(tmp_path / "a/src/space"), str(tmp_path / "b/src/space")]
        assert metadata(module) == ["space_a-3.0.dist-info/METADATA", "space_b-3.0.dist-info/METADATA"]
        assert module.distribution is None
        assert find_module("space", [], search_path=path[:2]).distribution == "space-a"

    @pytest.mark.parametrize("target", ["tools", "tools.py"])
    def test_a_link_to_the_sources_tells_the_distribution(self, project: Path, site: Path, target: str) -> None:
        """`flit install --symlink` makes the package itself a link into the project."""
        write(project, target if target.endswith(".py") else f"{target}/__init__.py")
        install(site, "Tools", "3.0", record=[target], editable=project)
        (site / target).symlink_to(project / target)
        module = find_module("tools", [], search_path=[str(site)])
        root = ModuleRoot(str(site / target), target, "/", own=False)
        assert (code(module), described(module)) == ((root,), ("Tools", "3.0", ""))
        assert find_module("tools", [str(project.parent)], search_path=[str(site)]).own

    def test_what_an_environment_of_links_holds_is_nobodys_own(self, project: Path) -> None:
        """uv's cache may lie in the project, and its files be linked into an environment there."""
        site, store = project / ".venv/lib/site-packages", project / ".cache/uv"
        install(site, "tools", "3.0", "tools/__init__.py", "single.py")
        for name in ("tools/__init__.py", "single.py"):
            write(store, name)
            (site / name).unlink()
            (site / name).symlink_to(store / name)
        for name in ("tools", "single"):
            module = find_module(name, [str(project)], search_path=[str(site)])
            assert [(root.boundary, root.own) for root in module.roots] == [("/", False)] * 2

    def test_of_two_projects_the_one_that_holds_the_module_closely_is_meant(self, tmp_path: Path, site: Path) -> None:
        """A monorepo and one of its libraries, both editable, may put the same directory on the path."""
        source = tmp_path / "mono/libs/tools/src"
        write(source, "tools.py")
        for name, project in (("a-mono", "mono"), ("b-tools", "mono/libs/tools"), ("c-other", "other")):
            write(site, f"_{name}.pth", text=str(source))
            install(site, name, "3.0", record=[f"_{name}.pth"], editable=tmp_path / project)
        assert find_module("tools", [], search_path=[str(site), str(source)]).distribution == "b-tools"

    def test_a_module_of_the_same_name_elsewhere_is_not_the_editable_one(self, tmp_path: Path, site: Path) -> None:
        """The text of an import hook holds the name; the module must also lie in the hook's project."""
        write(tmp_path, "project/code/__init__.py", "libs/tools.py")
        install_with_finder(site, "tools", tmp_path / "project", {"tools": str(tmp_path / "project/code")})
        module = find_module("tools", [], search_path=[str(tmp_path / "libs"), str(site)])
        assert described(module) == (None, None, "")

    def test_files_of_an_import_hook_are_not_offered_as_modules(self, tmp_path: Path, site: Path) -> None:
        """An editable install has no modules of its own in the environment."""
        install_with_finder(site, "tools", tmp_path, {"pkg": str(tmp_path)})
        assert "did you mean" not in refusal("tools", [], site)

    def test_develop_of_old_setuptools_is_recognized(self, project: Path, site: Path) -> None:
        """`setup.py develop` leaves an `.egg-link` and keeps the metadata beside the sources."""
        write(project, "tools.py")
        write(project / "Tools.egg-info", "PKG-INFO", text="Name: Tools\nVersion: 3.0\n")
        write(site, "Tools.egg-link", text=f"{project}\n.")
        write(site, "gone.egg-link", text="/no/such/directory\n.")
        write(project, "inner/other.py")
        path = [str(site), str(project), str(project / "inner")]
        module = find_module("tools", [], search_path=path)
        assert described(module) == ("Tools", "3.0", "")
        assert metadata(module) == ["Tools.egg-info/PKG-INFO"]
        assert described(find_module("other", [], search_path=path)) == (None, None, "")

    @pytest.mark.parametrize(
        "origin",
        [
            '{"url": "https://host/x.git", "dir_info": {"editable": true}}',
            '{"url": "file:///tmp/%00", "dir_info": {"editable": true}}',
            '{"url": "file:relative", "dir_info": {"editable": true}}',
            '{"url": 3, "dir_info": {"editable": true}}',
            '{"url": "file:///tmp", "dir_info": {"editable": "yes"}}',
            '{"url": "file:///tmp", "dir_info": []}',
            "[1]",
        ],
    )
    def test_an_odd_origin_is_no_editable_install(self, project: Path, site: Path, origin: str) -> None:
        """Only a local directory with `editable: true` counts."""
        write(project, "src/tools/__init__.py")
        write(site, "_tools.pth", text=str(project / "src"))
        write(install(site, "Tools", "3.0", record=["_tools.pth"]), "direct_url.json", text=origin)
        assert not find_module("tools", [], search_path=[str(site), str(project / "src")]).distribution


class TestDottedNames:
    """`package.module` takes the whole package, and `module` must exist."""

    @pytest.mark.parametrize("name", ["pkg", "pkg.a", "pkg.a.b", "pkg.a.data", "pkg.single", "pkg.fast"])
    def test_the_whole_package_is_taken(self, project: Path, name: str) -> None:
        """Packages, namespace directories, files and extension modules below a package exist."""
        write(project, "pkg/__init__.py", "pkg/a/__init__.py", "pkg/a/b.py", "pkg/a/data/x.txt", "pkg/single.py")
        write(project, "pkg/" + extension("fast"))
        module = find_module(name, [str(project)], search_path=[])
        assert (module.name, sources(module)) == ("pkg", {"pkg": [str(project / "pkg")]})

    @pytest.mark.parametrize("name", ["pkg.c", "pkg.a.c", "pkg.a.b.c", "pkg.A", "single.x"])
    def test_a_submodule_that_does_not_exist_is_an_error(self, project: Path, name: str) -> None:
        """A spelling mistake after the dot is not swallowed."""
        write(project, "pkg/__init__.py", "pkg/a/__init__.py", "pkg/a/b.py", "single.py")
        line = refusal(name, [project])
        assert f"`{name}`" in line
        assert "no such submodule" in line

    def test_a_file_name_is_answered_with_the_module(self, project: Path) -> None:
        """`single.py` looks like a submodule `py` of `single`."""
        write(project, "single.py")
        assert "name `single` alone" in refusal("single.py", [project])

    def test_a_submodule_in_any_portion_counts(self, project: Path, site: Path) -> None:
        """All portions of a namespace are searched."""
        write(project, "space/a.py")
        write(site, "space/b/c.py")
        assert len(find_module("space.b.c", [str(project)], search_path=[str(site)]).roots) == 2

    @pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "a b", "1a", "a\nb", "\x1b[31m", "a.1", "*"])
    def test_what_is_no_name_is_refused(self, project: Path, name: str) -> None:
        """Only dotted identifiers name modules; the message stays one line."""
        assert "no name of a module" in refusal(name, [project])

    @pytest.mark.parametrize("name", ["lib/tools", "./tools", "..\\tools", "/abs/tools"])
    def test_a_path_is_sent_to_upload_paths(self, project: Path, name: str) -> None:
        """Paths have a setting of their own."""
        assert "`upload_paths`" in refusal(name, [project])


class TestKindsThatCannotBePacked:
    """What Python can import and an archive cannot hold."""

    @pytest.mark.parametrize("name", ["sys", "builtins", "time"])
    def test_built_in_modules(self, name: str) -> None:
        """They are part of the interpreter's binary."""
        line = refusal(name, [])
        assert line == (
            f"`upload_modules` names `{name}`, which is built into the Python interpreter: every job has it already, "
            "so remove it from the list"
        )

    @pytest.mark.parametrize("name", ["json", "json.decoder", "os", "this", "_json", "zipimport", "test"])
    def test_modules_of_the_standard_library(self, name: str) -> None:
        """Every job has them, whether they are files, frozen or compiled."""
        with pytest.raises(ModuleNotFoundInEnvironmentError, match="standard library: every job has it already"):
            find_module(name, [])

    def test_an_own_module_may_hide_one_of_the_standard_library(self, project: Path) -> None:
        """As in Python, where the pipeline's directory comes before the library."""
        write(project, "statistics.py")
        assert find_module("statistics", [str(project)]).roots[0].source == str(project / "statistics.py")

    @pytest.mark.parametrize(("name", "own"), [("json", "json/inner.py"), ("time", "time.py"), ("time", "time/a.py")])
    def test_an_own_module_that_python_would_never_take_is_named(self, project: Path, name: str, own: str) -> None:
        """A directory without `__init__.py` loses against the library, everything against what is built in."""
        write(project, own)
        line = refusal(name, [project])
        assert f"never takes `{project / own.partition('/')[0]}` for it" in line

    def test_frozen_modules(self) -> None:
        """They have no file."""
        line = refusal("__hello__", [])
        assert "frozen into" in line or "standard library" in line

    @pytest.mark.parametrize("member", ["tools.py", "tools/__init__.py", "tools/portion.py"])
    def test_modules_in_a_zip_archive(self, tmp_path: Path, member: str) -> None:
        """The message names the archive."""
        archive = tmp_path / "packed.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("tools/", "")
            file.writestr(member, "")
        line = refusal("tools", [], archive)
        assert f"lies inside the archive `{archive}`" in line

    @pytest.mark.parametrize("file", ["tools.py", "tools/__init__.py"])
    def test_byte_code_without_source(self, project: Path, file: str) -> None:
        """It would bind the archive to one version of Python."""
        write(project, file, text="x = 1\n")
        py_compile.compile(str(project / file), cfile=str(project / file) + "c")
        (project / file).unlink()
        line = refusal("tools", [project])
        assert f"byte code only, `{project / file}c`" in line

    def test_modules_of_a_foreign_import_hook(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A hook may load from anything, which the archive cannot."""
        write(project, "tools.hy")

        class Finder:
            def find_spec(self, name: str, *_args: object) -> object:
                return spec_from_loader(name, SourceFileLoader(name, str(project / "tools.hy")))

        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
        with pytest.raises(ModuleNotFoundInEnvironmentError, match=r"tools\.hy` by an import hook"):
            find_module("tools", [])


class TestNotFound:
    """What is said when there is no such module."""

    def test_the_message_says_where_and_what_to_do(self, project: Path) -> None:
        """One line: the name, the places relative to the project, and the lines to change."""
        write(project, "flows/daily/", "src/")
        with pytest.raises(ModuleMissingError) as error:
            find_module("nowhere.at.all", [f"{project}/flows/daily", str(project), f"{project}/src"])
        lacking = (
            f"`upload_modules` names `nowhere`, which is neither in `flows/daily`, `.`, `src` of `{project}` nor in "
            f"the build environment (`{sys.prefix}`); put it there, or"
        )
        assert str(error.value) == f"{lacking} install the distribution that provides it beside hatch-ytupload"
        # Nobody installs into an environment that Hatch makes.
        assert error.value.line_of_target == (
            f"{lacking} add the distribution that provides it to `requires` under `[build-system]` or to "
            "`dependencies` under `[tool.hatch.build.targets.ytarchive]`"
        )

    def test_a_near_miss_is_hinted(self, project: Path) -> None:
        """A spelling mistake in an own name is recognized."""
        write(project, "session_tools/__init__.py")
        assert "did you mean `session_tools`?" in refusal("sesion_tools", [project])

    @pytest.mark.parametrize("name", ["Some_Tools", "some-tools"])
    def test_the_name_of_a_distribution_is_answered_with_its_modules(self, site: Path, name: str) -> None:
        """Names in `requires` and in `import` differ."""
        files = ["tools/__init__.py", "tools/more.py", "single.py", extension("_fast"), "data/x.txt", "4a__mypyc.so"]
        install(site, "Some-Tools", "3.0", *files)
        assert "did you mean `single` or `tools` or `_fast`?" in refusal(name, [], site)

    def test_a_hyphen_is_answered_with_an_underscore(self, project: Path) -> None:
        """The usual reason why a name is not one."""
        assert "did you mean `my_tools`?" in refusal("my-tools", [project])

    def test_a_caller_can_tell_it_from_other_errors(self, project: Path) -> None:
        """`ytjobs` is found with the same function and has a message of its own when it is missing."""
        with pytest.raises(ModuleMissingError):
            find_module("ytjobs_is_not_here", [str(project)])
        with pytest.raises(ModuleNotFoundInEnvironmentError) as error:
            find_module("json", [str(project)])
        assert not isinstance(error.value, ModuleMissingError)


class TestWorkingDirectory:
    """What is packed must not change with the directory that a command is started in."""

    @pytest.mark.parametrize("entry", ["", ".", "libs", None])
    def test_entries_that_depend_on_it_are_left_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str | None
    ) -> None:
        """`python -m` and `python -c` put the working directory first; relative entries move with it."""
        write(tmp_path, "tools.py", "libs/tools.py")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [str(tmp_path) if entry is None else entry, *sys.path])
        with pytest.raises(ModuleMissingError):
            find_module("tools", [])

    def test_a_directory_that_was_put_on_the_path_is_searched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`PYTHONPATH` is part of the environment, even when one stands in the directory it names."""
        write(tmp_path, "tools.py")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", ["/somewhere/bin", *sys.path, str(tmp_path)])
        assert find_module("tools", []).roots[0].source == str(tmp_path / "tools.py")
