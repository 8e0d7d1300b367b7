"""Whatever would stop a job is found, with file and line; what would not is passed over in silence."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
from archives import Bytes, archive_of
from hypothesis import given
from hypothesis import strategies as st
from pipelines import CHECKOUT, Pipeline, make_pipeline

from hatch_ytupload.byte_reader import FileReader, no_progress, opened
from hatch_ytupload.checks.checking import check
from hatch_ytupload.checks.git_files import check_lfs_pointers
from hatch_ytupload.checks.imports import FileFacts, read_facts
from hatch_ytupload.checks.packed_code import code_of_archive, code_of_plan
from hatch_ytupload.checks.provided import distribution_with
from hatch_ytupload.jobs.content import Content
from hatch_ytupload.reading.contents import ArchiveCopy

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_ytupload.checks.findings import Finding

HERE = sys.version_info[:2]


def found(pipeline: Pipeline, python: tuple[int, int] = HERE) -> list[Finding]:
    """Check what a build would pack."""
    code = code_of_plan(pipeline.plan(pipeline.project().table))
    return check(code, pipeline.settings(), text_of(python), sources=True)


def text_of(python: tuple[int, int]) -> str:
    """Return a version as `check` takes it."""
    return ".".join(map(str, python))


def checked(
    directory: Path, files: dict[str, str | bytes], *, settings: str = "", python: tuple[int, int] = HERE
) -> list[Finding]:
    """Check a small pipeline with these files."""
    return found(make_pipeline(directory / "demo", files, settings=settings), python)


def only(findings: list[Finding], rule: str) -> Finding:
    """Return the one finding there is, having checked its rule."""
    (finding,) = findings
    assert finding.rule == rule
    return finding


def of_mapper(directory: Path, mapper: str, **files: str) -> list[Finding]:
    """Check a pipeline whose mapper has this text, with more modules beside it."""
    others: dict[str, str | bytes] = {f"stages/first/src/{name}.py": text for name, text in files.items()}
    return checked(directory, {"stages/first/src/mapper.py": mapper, **others})


@pytest.mark.skipif(HERE < (3, 11), reason="yt-framework needs Python 3.11")
def test_the_sample_pipeline_is_sound() -> None:
    """Not even a note about the project's own files; what locked wheels bring is not looked at here."""
    pipeline = Pipeline(CHECKOUT / "sample_pipeline")
    missing = [finding for finding in found(pipeline) if finding.severity != "note"]
    assert {(finding.rule, finding.stages) for finding in missing} == {("missing-import", ("check_networks",))}
    assert {finding.path.partition("/")[0] for finding in missing} <= {"ytjobs", "weblog"}


def test_a_small_pipeline_is_sound(pipeline: Pipeline) -> None:
    """Nothing to say about one that works."""
    assert found(pipeline) == []


def test_an_import_that_nothing_provides_is_an_error(tmp_path: Path) -> None:
    """With file, line and stage."""
    finding = only(of_mapper(tmp_path, "import sys\nimport nowhere.sub\n"), "missing-import")
    assert (finding.severity, finding.path, finding.line) == ("error", "stages/first/src/mapper.py", 2)
    assert finding.stages == ("first",)
    assert finding.message.startswith("imports `nowhere.sub`, which neither the archive nor the requirements")


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("import nowhere", "error"),
        ("from nowhere import x", "error"),
        ("class A:\n    import nowhere", "error"),
        ("for _ in 'ab':\n    import nowhere", "error"),
        ("try:\n    import nowhere\nfinally:\n    pass", "error"),
        ("try:\n    import nowhere\nexcept ValueError:\n    pass", "error"),
        ("try:\n    import nowhere\nexcept ImportError as error:\n    raise SystemExit from error", "error"),
        ("if __name__ == '__main__':\n    import nowhere", "error"),
        ("def f():\n    import nowhere", "warning"),
        ("async def f():\n    import nowhere", "warning"),
        ("import os\nif os.environ:\n    import nowhere", "warning"),
        ("import importlib\nimportlib.import_module('nowhere')", "warning"),
        ("try:\n    import nowhere\nexcept ImportError:\n    nowhere = None", "note"),
        ("try:\n    import nowhere\nexcept (ModuleNotFoundError, OSError):\n    pass", "note"),
        ("try:\n    import nowhere\nexcept:\n    pass", "note"),
        ("from contextlib import suppress\nwith suppress(ImportError):\n    import nowhere", "note"),
        ("def f():\n    try:\n        import nowhere\n    except ImportError:\n        pass", "note"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nowhere", None),
        ("import typing\nif not typing.TYPE_CHECKING:\n    pass\nelse:\n    import nowhere", None),
        ("import sys\nif sys.version_info < (3, 8):\n    import nowhere", None),
        ("import sys\nif sys.platform == 'win32' or False:\n    import nowhere", None),
        ("import sys\nif sys.version_info >= (3, 8):\n    import nowhere", "error"),
    ],
)
def test_imports_are_told_apart_by_how_surely_they_are_carried_out(
    tmp_path: Path, code: str, severity: str | None
) -> None:
    """An error stops each job, a warning some, a note none."""
    assert [finding.severity for finding in of_mapper(tmp_path, code)] == ([severity] if severity else [])


def test_imports_are_followed_through_packages(tmp_path: Path) -> None:
    """Through the `__init__` of each package on the way, and relative imports."""
    findings = checked(
        tmp_path,
        {
            "stages/first/src/mapper.py": "import pkg.sub.leaf\n",
            "pkg/__init__.py": "import gone_one\n",
            "pkg/sub/__init__.py": "from . import sibling\nfrom .. import above\n",
            "pkg/sub/sibling.py": "import gone_two\n",
            "pkg/above.py": "import gone_three\n",
            "pkg/sub/leaf.py": "import gone_four\n",
            "pkg/unused.py": "import gone_five\n",
        },
        settings='upload_modules = ["pkg"]',
    )
    assert {finding.path for finding in findings} == {
        "pkg/__init__.py",
        "pkg/sub/sibling.py",
        "pkg/above.py",
        "pkg/sub/leaf.py",
    }


def test_a_guard_covers_what_is_imported_below_it(tmp_path: Path) -> None:
    """What a guarded module misses is caught by the guard; unless somebody imports it without one."""
    guarded = "try:\n    import fast\nexcept ImportError:\n    fast = None\n"
    assert [finding.severity for finding in of_mapper(tmp_path / "a", guarded, fast="import nowhere")] == ["note"]
    both = guarded + "import fast\n"
    assert [finding.severity for finding in of_mapper(tmp_path / "b", both, fast="import nowhere")] == ["error"]


def test_a_circle_of_imports_comes_to_an_end(tmp_path: Path) -> None:
    """Each file is read once."""
    assert of_mapper(tmp_path, "import a", a="import b", b="import a, mapper\n") == []


def test_a_module_that_a_package_does_not_have_is_missing(tmp_path: Path) -> None:
    """As a submodule, or as a name that nothing defines."""
    files: dict[str, str | bytes] = {
        "pkg/__init__.py": "HERE = 1\n",
        "pkg/dynamic.py": "globals()['late'] = 1\n",
        "pkg/star.py": "from os import *\n",
    }
    for number, (code, rule) in enumerate(
        [
            ("import pkg.gone", "missing-module"),
            ("from pkg.gone import x", "missing-module"),
            ("from pkg import gone", "missing-name"),
            ("from pkg import HERE, dynamic, __doc__", None),
            ("from pkg.dynamic import late", None),
            ("from pkg.star import path", None),
            ("from pkg import *", None),
        ]
    ):
        code_files = {**files, "stages/first/src/mapper.py": code}
        findings = checked(tmp_path / str(number), code_files, settings='upload_modules = "pkg"')
        assert [finding.rule for finding in findings] == ([rule] if rule else []), code


def test_a_stage_without_operations_may_have_a_mistyped_script(tmp_path: Path) -> None:
    """Nothing would start it; other stages without operations are none of our business."""
    files: dict[str, str | bytes] = dict.fromkeys(
        ("stages/a/src/maper.py", "stages/b/src/Vanilla.py", "stages/c/src/tool.py", "stages/first/src/vanila.py"), ""
    )
    assert [(one.rule, one.path, one.message.partition(";")[2]) for one in checked(tmp_path, files)] == [
        ("script-name", "stages/a/src/maper.py", " did you mean `mapper.py`?"),
        ("script-name", "stages/b/src/Vanilla.py", " did you mean `vanilla.py`?"),
    ]


def test_names_come_through_many_imports_of_all(tmp_path: Path) -> None:
    """Each file is asked once, however many lead to it and however long the way is."""
    last = 1100
    chain = {f"m{n}": f"from m{n + 1} import *\nfrom m{n + 2} import *\n" for n in range(last)}
    ends = {f"m{last}": "deep = 1\n", f"m{last + 1}": ""}
    (finding,) = of_mapper(tmp_path, "from m0 import deep, gone\n", **chain, **ends)
    assert "`gone`" in finding.message


def test_every_way_to_define_a_name_counts(tmp_path: Path) -> None:
    """None of them may be mistaken for a missing one."""
    names = """
import os.path as p, json
from re import compile as c
a = b = 1
(d, [e, *f]) = 1, (2, 3)
g: int = 1
for h in (): i = 1
with open('x') as j: pass
def k(): global l
class m: pass
try: n = 1
except ValueError: o = 1
else: q = 1
finally: r = 1
while False: s = 1
if a: t = 1
elif b: u = 1
else: v = 1
match a:
    case [w, *x] if w: y = 1
    case {"z": z, **aa}: pass
    case str() as bb: pass
"""
    wanted = "p, json, c, a, b, d, e, f, g, h, i, j, k, l, m, n, o, q, r, s, t, u, v, w, x, y, z, aa, bb"
    assert of_mapper(tmp_path, f"from names import {wanted}\n", names=names) == []


def test_relative_imports_that_lead_nowhere_are_errors(tmp_path: Path) -> None:
    """Out of a package, or from a script, which has none."""
    finding = only(of_mapper(tmp_path / "a", "from . import helper\n", helper=""), "relative-import")
    assert "a script has no package" in finding.message
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import pkg.sub",
        "pkg/__init__.py": "",
        "pkg/sub.py": "from ... import x\n",
    }
    finding = only(checked(tmp_path / "b", files, settings='upload_modules = "pkg"'), "relative-import")
    assert "cannot import `...`: it leads out of the package" in finding.message


def test_an_ignored_module_is_named_with_its_rule(tmp_path: Path) -> None:
    """Pattern, file and line; beside the script, and in a package."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import helper_test\nfrom pkg import data_test\nimport pkg.more_test\n",
        "stages/first/src/helper_test.py": "",
        "pkg/__init__.py": "",
        "pkg/data_test.py": "",
        "pkg/more_test.py": "",
        ".ytignore": "# tests\n*_test.py\n",
    }
    findings = checked(tmp_path, files, settings='upload_modules = "pkg"')
    assert [finding.severity for finding in findings] == ["error"] * 3
    for finding, path in zip(
        findings, ["stages/first/src/helper_test.py", "pkg/data_test.py", "pkg/more_test.py"], strict=True
    ):
        assert f"`{path}` is left out by `*_test.py` (line 2 of `.ytignore`)" in finding.message


def test_a_package_that_is_not_listed_is_named_with_the_setting(tmp_path: Path) -> None:
    """The most usual mistake of all."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import lib.x",
        "lib/__init__.py": "",
        "lib/x.py": "",
    }
    finding = only(checked(tmp_path, files), "missing-import")
    assert finding.message.endswith(": `lib` is not packed; add `lib` to `upload_modules`")


def test_requirements_and_provided_modules_provide(tmp_path: Path) -> None:
    """By installed metadata, by a known name, by the name itself, with extras and markers."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import yaml, sklearn.svm, some_thing, click, image.part, google.cloud.storage\n",
        "stages/first/requirements.txt": "PyYAML==6.0\nscikit-learn[x]==1 # comment\n-r ../../more/more.txt\n"
        'some.thing==1; python_version > "3"\ngoogle-cloud-storage==1\n',
        "more/more.txt": "click==8.1 \\\n  --hash=sha256:00\n",
    }
    settings = 'provided_modules = ["image"]\nupload_paths = [{ source = "more" }]'
    assert checked(tmp_path / "a", files, settings=settings) == []
    files["stages/first/requirements.txt"] = 'PyYAML==6.0; sys_platform == "win32"\n'
    files["stages/first/src/mapper.py"] = "import yaml\n"
    assert only(checked(tmp_path / "b", files), "missing-import").severity == "error"


def test_a_requirement_without_a_version_still_provides(tmp_path: Path) -> None:
    """It is one finding, not two; with a constraint that has the version it is none."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import some_thing\n",
        "stages/first/requirements.txt": "some-thing\n",
    }
    assert only(checked(tmp_path / "a", files), "unpinned-requirement").severity == "warning"
    files["stages/first/requirements.txt"] = "some-thing\n-c ../../more/limits.txt\n"
    files["more/limits.txt"] = "Some.Thing==1\nother==2\n"
    settings = 'upload_paths = [{ source = "more" }]'
    assert checked(tmp_path / "b", files, settings=settings) == []
    files["stages/first/src/mapper.py"] = "import other\n"
    assert only(checked(tmp_path / "c", files, settings=settings), "missing-import").line == 1


def test_what_an_installed_requirement_requires_is_there_too(tmp_path: Path) -> None:
    """As pip brings it along: hatchling requires packaging."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import packaging.version\n",
        "stages/first/requirements.txt": "hatchling==1.27\n",
    }
    assert checked(tmp_path, files) == []


def test_what_an_unknown_requirement_may_bring_along_is_a_warning(tmp_path: Path) -> None:
    """Nobody here knows what it requires."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import elsewhere\n",
        "stages/first/requirements.txt": "not-installed-here==1\n",
    }
    finding = only(checked(tmp_path, files), "missing-import")
    assert finding.severity == "warning"
    assert "unless it comes with `not-installed-here`, not installed here" in finding.message


def wheel(name: str, *requires: str) -> bytes:
    """Return a wheel with a package and a module of a C library's."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(f"{name}/__init__.py", "")
        file.writestr(f"{name}-1.data/platlib/_{name}.abi3.so", "")
        file.writestr(f"{name}-1.data/scripts/{name}.py", "")
        metadata = "".join(f"Requires-Dist: {text}\n" for text in requires)
        file.writestr(f"{name}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\n{metadata}\n")
    return content.getvalue()


@pytest.mark.parametrize("built", [False, True])
def test_packed_wheels_and_projects_provide_what_is_in_them(tmp_path: Path, *, built: bool) -> None:
    """And what they require; named in a file of any name, before a build and in an archive."""
    libs: dict[str, str | bytes] = {
        "libs/x-1-py3-none-any.whl": wheel("x", "click; extra == 'no'", "some-thing; python_version > '3'"),
        "libs/flat/pyproject.toml": '[project]\nname = "flat-one"\ndependencies = ["of-flat"]\n',
        "libs/flat/flat_one/__init__.py": "",
        "libs/flat/setup.py": "",
        "libs/deep/pyproject.toml": "",
        "libs/deep/src/deep_one/part.py": "",
        "libs/what is needed": "./libs/x-1-py3-none-any.whl\n./libs/flat\n-e ./libs/deep\n",
    }
    files: dict[str, str | bytes] = {
        **libs,
        "stages/first/src/mapper.py": "import x, _x, some_thing, flat_one, of_flat, deep_one.part\n",
        "stages/first/requirements.txt": '-r "../../libs/what is needed"\n',
    }
    pipeline = make_pipeline(tmp_path / "demo", files, settings='upload_paths = [{ source = "libs" }]')

    def findings() -> list[Finding]:
        if not built:
            return found(pipeline)
        pipeline.build()
        with pipeline.archive().open("rb") as file:
            code = code_of_archive(FileReader(file.fileno()), None, "x", progress=lambda *_: None)
        return check(code, pipeline.settings(), text_of(HERE), sources=False)

    assert findings() == []
    pipeline.write({"stages/first/src/mapper.py": "import setup, x.y, click, deep_two\n"})
    assert [item.message.split("`")[1] for item in findings()] == ["click", "deep_two", "setup"]


@pytest.mark.parametrize(
    ("line", "rule", "severity"),
    [
        ("numpy", "unpinned-requirement", "warning"),
        ("numpy>=1", None, None),
        ('numpy==1; python_version ~= "x"', None, None),
        ("numpy @ https://example.com/numpy.whl", None, None),
        ("./wheels/x-1-py3-none-any.whl", "missing-file", "error"),
        ("./project/x-1-py3-none-any.whl", None, None),
        ("./project", None, None),
        ("-e ./project", None, None),
        ("-e ./elsewhere", "missing-file", "error"),
        ("-e .", "invalid-requirement", "error"),
        ("../outside", "missing-file", "error"),
        ("file:///opt/outside-1.tar.gz", "missing-file", "error"),
        ("six @ file:///croot/six/work", "missing-file", "error"),
        ('./gone; python_version < "3"', None, None),
        ("git+https://example.com/x.git@main#egg=x", None, None),
        ("--extra-index-url https://me:pw@example.com", "credentials", "warning"),
        ("--index-url https://example.com", None, None),
        ("numpy==", "invalid-requirement", "error"),
        ("numpy 1.0", "invalid-requirement", "error"),
        ("--no-such-option", "invalid-requirement", "error"),
        ("-r gone.txt", "missing-file", "error"),
    ],
)
def test_requirements_are_read_as_pip_reads_them(
    tmp_path: Path, line: str, rule: str | None, severity: str | None
) -> None:
    """With the number of the line."""
    files: dict[str, str | bytes] = {
        "stages/first/requirements.txt": f"# one\nclick==8.1\n{line}\n",
        "project/x-1-py3-none-any.whl": wheel("x"),
        "project/pyproject.toml": "",
    }
    findings = checked(tmp_path, files, settings='upload_paths = [{ source = "project" }]')
    assert [(item.rule, item.severity, item.line) for item in findings] == ([(rule, severity, 3)] if rule else [])


@pytest.mark.parametrize(
    ("code", "python", "severity"),
    [
        ("match 1:\n    case 1: pass\n", (3, 9), "error"),
        ("match 1:\n    case 1: pass\n", (3, 10), None),
        ("def (:\n", HERE, "error"),
        ("x = 1\0", HERE, "error"),
        ("# -*- coding: no-such-codec -*-\n", HERE, "error"),
        ("x = " + "(" * 5000 + ")" * 5000, HERE, "error"),
        ("'\\d'\n", HERE, None),
    ],
)
def test_syntax_is_that_of_the_target(tmp_path: Path, code: str, python: tuple[int, int], severity: str | None) -> None:
    """What cannot be parsed stops the job that imports it; what only looks old does not."""
    findings = checked(
        tmp_path, {"stages/first/src/mapper.py": "import part\n", "stages/first/src/part.py": code}, python=python
    )
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_broken_syntax_in_a_file_that_no_job_imports_is_a_note(tmp_path: Path) -> None:
    """It stops nobody."""
    assert only(of_mapper(tmp_path, "", unused="def (:\n"), "syntax").severity == "note"


@pytest.mark.parametrize(
    ("module", "python", "is_there"),
    [
        ("tomllib", (3, 10), False),
        ("tomllib", (3, 11), True),
        ("distutils", (3, 11), True),
        ("distutils", (3, 12), False),
        ("cgi", (3, 12), True),
        ("cgi", (3, 13), False),
        ("json", (3, 8), True),
        ("_thread", (3, 12), True),
    ],
)
def test_the_standard_library_is_that_of_the_target(
    tmp_path: Path, module: str, python: tuple[int, int], *, is_there: bool
) -> None:
    """Whatever Python runs the check."""
    findings = checked(tmp_path, {"stages/first/src/mapper.py": f"import {module}\n"}, python=python)
    assert [finding.rule for finding in findings] == ([] if is_there else ["missing-import"])


@pytest.mark.parametrize(
    ("requirement", "module"),
    [
        ("six==1", "six.py"),
        ("requests==2", "requests/__init__.py"),
        ("click==8", "click.py"),
        ("foo-bar==1", "foo_bar.py"),
        ("not_here", "not_here/__init__.py"),
        ("python-dateutil==2", "dateutil/__init__.py"),
        ("six @ https://host/six-1-py3-none-any.whl", "six.py"),
    ],
)
def test_a_module_called_like_a_requirement_hides_it(tmp_path: Path, requirement: str, module: str) -> None:
    """Whether it is installed here, known by name, or only guessed."""
    files: dict[str, str | bytes] = {
        f"stages/first/src/{module}": "",
        "stages/first/requirements.txt": f"{requirement}\n",
    }
    found = [finding.path for finding in checked(tmp_path, files) if finding.rule == "hidden-module"]
    assert found == [f"stages/first/src/{module}"]


def test_modules_that_hide_others_are_found(tmp_path: Path) -> None:
    """Beside the script they come first for everybody, whoever imports them: before library, archive, requirements."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import random\n",
        "stages/first/src/random.py": "def choice(): pass\n",
        "stages/first/src/queue/__init__.py": "",
        "stages/first/src/tools.py": "",
        "stages/first/src/yaml.py": "",
        "stages/first/src/data.py": "",
        "stages/first/src/json/nothing.txt": "",
        "stages/first/src/os.py": "",
        "stages/first/src/time.py": "",
        "stages/first/src/own.py": "",
        "stages/first/requirements.txt": "PyYAML==6\nnot-here==1\ndata-tools==1\n",
        "tools/__init__.py": "",
    }
    findings = checked(tmp_path, files, settings='upload_modules = ["tools"]')
    assert {(finding.severity, finding.rule) for finding in findings} == {("warning", "hidden-module")}
    assert [(item.path.removeprefix("stages/first/src/"), item.message.partition(":")[0]) for item in findings] == [
        ("queue/__init__.py", "hides the module `queue` of the standard library from the jobs"),
        ("random.py", "hides the module `random` of the standard library from the jobs"),
        ("tools.py", "hides the module `tools` of the archive, `tools/__init__.py`, from the jobs"),
        ("yaml.py", "hides the module `yaml` of the requirements from the jobs"),
    ]


@pytest.mark.parametrize(
    ("init", "mapper", "rule"),
    [
        ("from .gone import gone", "import pkg", "missing-module"),
        ("from .gone import other", "import pkg", "missing-module"),
        ("from .rows import *\nfrom .gone import other", "import pkg", "missing-module"),
        ("gone = None", "import pkg.gone", "missing-module"),
        ("def gone(): pass", "from pkg.gone import x", "missing-module"),
        ("if (n := 1): pass", "import pkg.gone", "missing-module"),
        ("globals()['gone'] = 1", "import pkg.gone", "missing-module"),
        ("def __getattr__(name): return 1", "import pkg.gone", "missing-module"),
        ("'Knows `__path__` and sys.modules.'", "import pkg.gone", "missing-module"),
        ("if (n := 1): pass", "from pkg import n", None),
        ("if (n := 1): pass", "from pkg import m", "missing-name"),
        ("from .rows import *", "from pkg import A", None),
        ("from .rows import *", "from pkg import B", "missing-name"),
        ("from .ring import *", "from pkg import B", "missing-name"),
        ("from json import *", "from pkg import B", None),
        ("import sys\nsys.modules[__name__ + '.gone'] = sys", "import pkg.gone", None),
        ("from sys import modules as m\nm[__name__ + '.gone'] = m", "import pkg.gone", None),
        ("__path__.append(__path__[0] + '/more')", "import pkg.gone", None),
        ("globals()['__path__'] = []", "import pkg.gone", None),
        ("__path__.append(__path__[0] + '/more')", "import pkg.deep.gone", None),
    ],
)
def test_only_a_package_that_says_so_has_modules_without_files(
    tmp_path: Path, init: str, mapper: str, rule: str | None
) -> None:
    """Whatever else its `__init__` binds by that name."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": mapper,
        "pkg/__init__.py": init,
        "pkg/rows.py": "A = 1\n",
        "pkg/ring.py": "from pkg import *\n",
        "pkg/deep/__init__.py": "",
    }
    findings = checked(tmp_path, files, settings='upload_modules = "pkg"')
    assert [finding.rule for finding in findings] == ([rule] if rule else [])


def test_a_missing_module_is_one_finding_with_the_way_that_leads_there(tmp_path: Path) -> None:
    """The worst of its places, the imports from the script on, and what mends it, which does."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import sys\nimport pkg.reader\n",
        "pkg/__init__.py": "def f(): import yaml\n",
        "pkg/reader.py": "import json\nfrom . import deep\n",
        "pkg/deep.py": "\n\nimport yaml\n",
    }
    settings = 'upload_modules = "pkg"'
    finding = only(checked(tmp_path / "a", files, settings=settings), "missing-import")
    assert (finding.severity, finding.path, finding.line) == ("error", "pkg/deep.py", 3)
    assert finding.via == ("stages/first/src/mapper.py:2", "pkg/reader.py:2", "pkg/deep.py:3")
    assert finding.message.endswith(
        ": add `pyyaml` to `requirements.txt` of the stage, or name `yaml` in `provided_modules` if the jobs' image "
        "has it (and in 1 more place)"
    )
    assert checked(tmp_path / "b", files, settings=f'{settings}\nprovided_modules = ["yaml"]') == []
    files["stages/first/requirements.txt"] = "pyyaml==6\n"
    assert checked(tmp_path / "c", files, settings=settings) == []


def test_what_only_the_image_can_provide_is_one_warning_for_the_stage(tmp_path: Path) -> None:
    """Of the operations that have one; what lies in the project and is not packed is in no image."""
    guarded = "try:\n    import three\nexcept ImportError: pass\n"
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": f"import one\nimport two\nimport lib\n{guarded}",
        "stages/first/src/vanilla.py": "import two\n",
        "stages/first/config.yaml": "client: {operations: {map: {resources: {docker_image: 'reg/image:1'}}}}\n",
        "lib/__init__.py": "",
    }
    findings = checked(tmp_path / "a", files)
    assert [(item.severity, item.rule, item.path, item.line) for item in findings] == [
        ("error", "missing-import", "stages/first/src/mapper.py", 3),
        ("error", "missing-import", "stages/first/src/vanilla.py", 1),
        ("warning", "image", "stages/first/src/mapper.py", 1),
        ("note", "missing-import", "stages/first/src/mapper.py", 5),
    ]
    assert "need `one`, `two` from the image `reg/image:1`" in findings[2].message
    files = {name: files[name] for name in files if name.endswith("config.yaml")}
    files["stages/first/requirements.txt"] = "-e /opt/libs/own\n"
    assert only(checked(tmp_path / "b", files), "missing-file").severity == "warning"


def test_an_error_says_when_it_was_judged_by_what_is_installed_here(tmp_path: Path) -> None:
    """A job may get another version of it."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import nowhere\n",
        "stages/first/requirements.txt": "click==8.1\n",
    }
    finding = only(checked(tmp_path, files), "missing-import")
    assert finding.severity == "error"
    assert "(as `click` installed here shows)" in finding.message


MAPPER, REQUIREMENTS = "stages/first/src/mapper.py", "stages/first/requirements.txt"
LIB: dict[str, str | bytes] = {MAPPER: "import lib\n", "lib/__init__.py": ""}
OLD: dict[str, str | bytes] = {MAPPER: "import old\n", "old/__init__.py": "", "old/x.cpython-36m-linux.so": "x"}


@pytest.mark.parametrize(
    ("files", "settings", "hint", "done", "settings_then"),
    [
        (LIB, "", "add `lib` to `upload_modules`", {}, 'upload_modules = ["lib"]'),
        ({MAPPER: "import one\n"}, "", "add it to `requirements.txt`", {REQUIREMENTS: "one==1\n"}, ""),
        ({MAPPER: "import one.two\n"}, "", "or name `one` in `provided_modules`", {}, 'provided_modules = ["one"]'),
        ({MAPPER: "import sklearn\n"}, "", "add `scikit-learn` to", {REQUIREMENTS: "scikit-learn==1\n"}, ""),
        ({REQUIREMENTS: "six\n"}, "", "has no version", {REQUIREMENTS: "six==1\n"}, ""),
        (
            {REQUIREMENTS: "-i https://me:pw@example.com\n"},
            "",
            "write `${NAME}` in their place",
            {REQUIREMENTS: "-i https://${ME}:${PW}@example.com\n"},
            "",
        ),
        (
            {MAPPER: "from importlib.metadata import version as v\nv('one')\n"},
            "",
            "add it to `requirements.txt` of the stage",
            {REQUIREMENTS: "one==1\n"},
            "",
        ),
        (
            OLD,
            'upload_modules = ["old"]',
            "take `old` out of `upload_modules` and put it into the requirements",
            {REQUIREMENTS: "old==1\n"},
            "",
        ),
        (
            {
                MAPPER: "import one, two\n",
                "stages/first/config.yaml": "client: {operations: {map: {docker_image: some}}}\n",
            },
            "",
            "name in `provided_modules` what it has, and add the rest to `requirements.txt` of the stage",
            {REQUIREMENTS: "one==1\n"},
            'provided_modules = ["two"]',
        ),
    ],
)
def test_what_a_message_advises_works(
    tmp_path: Path,
    *,
    files: dict[str, str | bytes],
    settings: str,
    hint: str,
    done: dict[str, str | bytes],
    settings_then: str,
) -> None:
    """Whoever does it is rid of the finding, and gets no other one."""
    finding = checked(tmp_path / "before", files, settings=settings)[0]
    assert hint in finding.message
    assert checked(tmp_path / "after", {**files, **done}, settings=settings_then) == []


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("from importlib.metadata import version\nV = version('gone')", "error"),
        ("from importlib.metadata import version as v\nV = v('Gone.Dist')", "error"),
        ("import importlib.metadata\nV = importlib.metadata.metadata('gone')['Version']", "error"),
        ("from importlib import metadata\nclass A:\n    V = metadata.version(__name__)", "error"),
        ("from importlib import metadata\ndef f(): return metadata.files('gone')", "warning"),
        ("from importlib import metadata\nif f(): V = metadata.version('gone')", "warning"),
        ("import importlib.metadata as m\nV = m.version('gone')", "error"),
        ("from importlib import metadata as m\ntry: m.version('x')\nexcept m.PackageNotFoundError: V = '0'", "note"),
        ("from importlib.metadata import version\nV = version('packed_one'), version('ytjobs-dist')", None),
        ("from importlib.metadata import version\nV = version('required-one')", None),
        ("def version(name): return name\nV = version('gone')", None),
        ("from importlib.metadata import version\nV = version(name)", None),
    ],
)
def test_metadata_that_a_job_will_not_have_is_found(tmp_path: Path, code: str, severity: str | None) -> None:
    """Where code asks for it by name, as surely as it asks."""
    files = {
        "operation_wrapper_s_map.sh": b"exec python3 stages/s/src/mapper.py\n",
        "stages/s/src/mapper.py": b"import pkg\n",
        "stages/s/requirements.txt": b"./libs/required_one-1-py3-none-any.whl\n",
        "libs/required_one-1-py3-none-any.whl": wheel("required_one"),
        "pkg/__init__.py": code.encode(),
        "Packed.One-1.0.dist-info/METADATA": b"",
        "ytjobs_dist.egg-info/PKG-INFO": b"",
    }
    code_of = code_of_archive(Bytes(archive_of(files)), None, "x", progress=no_progress)
    findings = check(code_of, make_pipeline(tmp_path / "demo").settings(), text_of(HERE), sources=False)
    assert [(item.rule, item.severity) for item in findings] == ([("missing-metadata", severity)] if severity else [])


@pytest.mark.parametrize("python", ["", "x", "3", "3.x", "3." + "1" * 5000, "\u0663.\u0661"])
def test_a_list_of_wheels_for_no_python(tmp_path: Path, python: str) -> None:
    """Whoever wrote the archive, it can be checked."""
    files = {
        "operation_wrapper_s_map.sh": b"exec python3 stages/s/src/mapper.py\n",
        "stages/s/src/mapper.py": b"import os\n",
        "stages/s/wheels.txt": f"python {python}\nwheel a b.whl\n".encode(),
    }
    code = code_of_archive(Bytes(archive_of(files)), None, "x", progress=no_progress)
    assert check(code, make_pipeline(tmp_path / "demo").settings(), text_of(HERE), sources=False) == []


def test_a_script_in_a_subdirectory_finds_what_lies_beside_it(tmp_path: Path) -> None:
    """And nothing of `src`; the message says so."""
    config = "job: {map_reduce_command: {mapper_script: code/map.py, reducer_script: code/red.py}}"
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "",
        "stages/first/src/code/map.py": "import near\nimport far\n",
        "stages/first/src/code/near.py": "",
        "stages/first/src/code/red.py": "import far\n",
        "stages/first/src/far.py": "",
        "stages/first/config.yaml": config,
    }
    finding = only(checked(tmp_path, files), "missing-import")
    assert (finding.path, finding.line) == ("stages/first/src/code/map.py", 2)
    assert "it lies in `stages/first/src`, and Python looks beside the script" in finding.message


def test_compiled_modules_for_other_machines_are_found(tmp_path: Path) -> None:
    """By the tag in the name, and by what the file itself says."""
    this = f"{HERE[0]}{HERE[1]}"
    elf = b"\x7fELF\x02\x01\x01" + bytes(11)
    machine = (62).to_bytes(2, "little")
    files: dict[str, str | bytes] = {
        "pkg/__init__.py": "",
        f"pkg/good.cpython-{this}-x86_64-linux-gnu.so": elf + machine,
        "pkg/stable.abi3.so": elf + machine,
        "pkg/old.cpython-36m-x86_64-linux-gnu.so": elf + machine,
        "pkg/older.cpython-36m-x86_64-linux-gnu.so": elf + machine,
        "pkg/mac.so": b"\xcf\xfa\xed\xfe" + bytes(60),
        "pkg/other.so": elf + (22).to_bytes(2, "little"),
        "pkg/windows.pyd": b"MZ" + bytes(60),
    }
    findings = checked(tmp_path, files, settings='upload_modules = "pkg"')
    assert {finding.rule for finding in findings} == {"compiled-module"}
    messages = {finding.path: finding.message for finding in findings}
    assert set(messages) == {
        "pkg/mac.so", "pkg/old.cpython-36m-x86_64-linux-gnu.so", "pkg/other.so", "pkg/windows.pyd"
    }  # fmt: skip
    assert "the first of 2 compiled modules for Python 3.6" in messages["pkg/old.cpython-36m-x86_64-linux-gnu.so"]
    assert "a compiled module for macOS" in messages["pkg/mac.so"]
    assert "a compiled module for s390x" in messages["pkg/other.so"]


def test_a_large_file_comes_with_the_line_that_leaves_it_out(tmp_path: Path) -> None:
    """And the line works where the message says, however deep the file lies and whatever other files decide."""
    pipeline = make_pipeline(
        tmp_path / "demo",
        {
            "stages/first/src/models/big[1].bin": bytes(10_000_001),
            "stages/first/src/other/big*.bin": bytes(10_000_001),
            "stages/first/src/other/.ytignore": "!*.bin\n",
            "data/deep/er/big .bin": bytes(10_000_001),
            "tools/x/big.bin": bytes(10_000_001),
            "tools/x/__init__.py": "",
        },
        settings='upload_modules = ["tools"]\nupload_paths = [{ source = "data/deep", target = "elsewhere" }]',
    )
    findings = found(pipeline)
    assert {finding.rule for finding in findings} == {"large-file"}
    hints = [finding.message.rpartition("leave it out with ")[2].split("`")[1::2] for finding in findings]
    assert hints == [
        ["/data/deep/er/big .bin", ".ytignore"],
        ["/stages/first/src/models/big\\[1\\].bin", ".ytignore"],
        ["/big\\*.bin", "stages/first/src/other/.ytignore"],
        ["/tools/x/big.bin", ".ytignore"],
    ]
    for line, file in hints:
        with (pipeline.root / file).open("a") as ignoring:
            ignoring.write(f"{line}\n")
    pipeline.write({"data/deep/small": "", "stages/first/src/other/small": "", "tools/x/small": ""})
    assert found(pipeline) == []


def test_a_large_archive_is_found_as_the_build_finds_it(tmp_path: Path) -> None:
    """In the same words: the size is that of the archive, whether there is one already or not."""
    files: dict[str, str | bytes] = {"stages/first/src/a.bin": random.Random(1).randbytes(400_000)}
    pipeline = make_pipeline(tmp_path / "demo", files, settings="max_archive_mb = 0.4")
    finding = only(found(pipeline), "large-archive")
    assert pipeline.build().warnings == (finding.message,)
    pipeline.write({"stages/first/src/a.bin": bytes(800_000)})
    assert found(pipeline) == []
    assert pipeline.build().warnings == ()


def test_a_pointer_of_git_lfs_is_found(pipeline: Pipeline) -> None:
    """Of own files; what only mentions one is text."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    pipeline.write({"stages/first/src/model.bin": pointer, "stages/first/src/note.txt": b"a " + pointer})
    finding = only(found(pipeline), "lfs-pointer")
    assert (finding.path, finding.severity) == ("stages/first/src/model.bin", "warning")
    assert "`git lfs pull`" in finding.message
    with open(pipeline.build().archive, "rb") as file:
        code = code_of_archive(FileReader(file.fileno()), None, "the archive", progress=no_progress)
    assert [one.path for one in check_lfs_pointers(code)] == ["stages/first/src/model.bin"]


def test_files_that_git_ignores_are_found(pipeline: Pipeline) -> None:
    """One finding for each rule; those that are tracked all the same are no surprise."""
    pipeline.write({".gitignore": "*.gen.py\n!kept.gen.py\ntracked.py\n", "stages/first/src/tracked.py": ""})
    pipeline.commit()
    pipeline.write({f"stages/first/src/{name}.gen.py": "" for name in ("a", "b", "kept")})
    finding = only(found(pipeline), "git-ignored")
    assert finding.path == "stages/first/src/a.gen.py"
    assert finding.message.startswith(
        "and 1 more are packed though git ignores it: `*.gen.py` (line 1 of `.gitignore`)"
    )


def test_files_of_a_submodule_are_asked_of_the_submodule(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings for the rest of the files stay, also where git refuses one repository, or a hook names another."""
    pipeline.write({".gitignore": "*.gen.py\n", "stages/first/src/a.gen.py": "", "stages/first/src/sub/b.tmp.py": ""})
    inner = pipeline.root / "stages/first/src/sub"
    subprocess.run(["git", "init", "--quiet", inner], check=True)
    (inner / ".gitignore").write_text("*.tmp.py\n")
    pipeline.git("init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(inner / ".git"))
    outer, within = found(pipeline)
    assert (outer.rule, outer.path) == ("git-ignored", "stages/first/src/a.gen.py")
    assert (within.rule, within.path) == ("git-ignored", "stages/first/src/sub/b.tmp.py")
    assert "(line 1 of `.gitignore`)" in outer.message
    assert "(line 1 of `stages/first/src/sub/.gitignore`)" in within.message
    (inner / ".git").rename(inner / "elsewhere")
    (inner / ".git").write_text("gitdir: /nowhere\n")
    refused, other = found(pipeline)
    assert (other.rule, other.path) == ("git-ignored", "stages/first/src/a.gen.py")
    assert refused.rule == "git"
    assert refused.message.startswith("git could not be asked whether it ignores ")
    assert refused.message.endswith(" packed files: not a git repository: /nowhere")


def test_an_archive_is_checked_like_the_sources(tmp_path: Path) -> None:
    """From its bytes alone, without a manifest; what installed packages could do without is a note."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import nowhere, ytjobs\n",
        "stages/first/requirements.txt": "click\n",
        "ytjobs/__init__.py": "def f():\n    import gone\n    import gone.too\n",
    }
    pipeline = make_pipeline(tmp_path / "demo", files)
    pipeline.build()
    with pipeline.archive().open("rb") as file:
        code = code_of_archive(FileReader(file.fileno()), None, "x", progress=lambda *_: None)
    findings = check(code, pipeline.settings(), text_of(HERE), sources=False)
    assert [(item.severity, item.rule) for item in findings] == [
        ("error", "missing-import"),
        ("warning", "unpinned-requirement"),
        ("note", "missing-import"),
    ]


def test_a_foreign_archive_is_checked_for_what_a_build_of_ours_refuses(tmp_path: Path) -> None:
    """A config that does not parse, and a wrapper that starts what is not there."""
    files = {
        "operation_wrapper_s_map.sh": b"\n#!/bin/bash\nset -e\npython3 stages/s/src/mapper.py\n",
        "operation_wrapper_s_vanilla.sh": b"#!/bin/bash\npython3 stages/s/src/vanilla.py\n",
        "stages/s/config.yaml": b"a: [",
        "stages/s/src/mapper.py": b"import json\n",
    }
    path = tmp_path / "foreign.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with path.open("rb") as file:
        code = code_of_archive(FileReader(file.fileno()), None, "x", progress=lambda *_: None)
    settings = make_pipeline(tmp_path / "demo").settings()
    assert [(item.severity, item.rule, item.path) for item in check(code, settings, text_of(HERE), sources=False)] == [
        ("error", "config", "stages/s/config.yaml"),
        ("error", "missing-file", "stages/s/src/vanilla.py"),
    ]


@given(st.binary() | st.text().map(str.encode))
def test_no_file_makes_the_reader_fail(source: bytes) -> None:
    """Whatever is in it."""
    assert isinstance(read_facts(source, (3, 10), script=True), FileFacts)


@pytest.mark.parametrize("deep", ["not " * 20_000 + "x", "a" + ".a" * 20_000, "-" * 50_000 + "1"])
def test_what_nests_deep_is_read_or_refused(deep: str) -> None:
    """In a condition, which is followed."""
    facts = read_facts(f"if {deep}:\n    import x\n".encode(), (3, 10), script=True)
    assert facts.problem is not None or facts.imports


def test_a_long_chain_of_conditions_is_read(tmp_path: Path) -> None:
    """Each `elif` nests one level deeper than the one before."""
    code = "import os\nif os: pass\n" + "elif os: import nowhere\n" * 400
    assert only(of_mapper(tmp_path, code), "missing-import").message.endswith(" (and in 399 more places)")


def test_findings_of_several_stages_are_one(tmp_path: Path) -> None:
    """It names all the stages that a shared package concerns."""
    files: dict[str, str | bytes] = {
        "stages/first/src/mapper.py": "import pkg",
        "stages/second/src/vanilla.py": "import pkg",
        "pkg/__init__.py": "import nowhere\n",
    }
    finding = only(checked(tmp_path, files, settings='upload_modules = "pkg"'), "missing-import")
    assert finding.stages == ("first", "second")


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        *[("yaml", "pyyaml"), ("dateutil", "python-dateutil"), ("ytjobs", "yt-framework"), ("bs4", "beautifulsoup4")],
        *[(name, None) for name in ("numpy", "scipy", "pytz", "botocore", "urllib3", "pandas", "attrs", "unheard_of")],
    ],
)
def test_what_is_advised_is_the_distribution_that_the_module_is_of(module: str, distribution: str | None) -> None:
    """Not one that merely requires it; None where the two have one name."""
    assert distribution_with(module) == distribution


def test_code_of_any_size_fits_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an archive of somebody: what it holds is kept on disk, and what nobody wrote is not parsed."""
    monkeypatch.setattr("hatch_ytupload.reading.contents._IN_MEMORY", 1 << 20)
    code = b"import gone\n" + b"x\n" * (1 << 20)
    files = {f"stages/s/src/{number}.txt": code for number in range(8)}
    files |= {"operation_wrapper_s_map.sh": b"exec python3 stages/s/src/mapper.py\n", "stages/s/src/mapper.py": code}
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(archive_of(files))
    tracemalloc.start()
    try:
        with opened(str(archive)) as reader:
            packed = code_of_archive(reader, None, "x", progress=no_progress)
        assert check(packed, make_pipeline(tmp_path / "demo").settings(), text_of(HERE), sources=False) == []
        content = Content(ArchiveCopy(str(archive), "x"))
        assert content.wrappers("s", "map")
        assert tracemalloc.get_traced_memory()[1] < 3 * len(code)
    finally:
        tracemalloc.stop()
    assert packed.read("stages/s/src/7.txt") == code


def test_what_refers_to_much_is_read_once(tmp_path: Path) -> None:
    """Files that are included may have any name, and there may be thousands."""
    numbers = range(50)
    files = {
        "operation_wrapper_s_map.sh": b"exec python3 stages/s/src/mapper.py\n",
        "stages/s/src/mapper.py": b"",
        "stages/s/requirements.txt": b"".join(b"-r %d.in\n" % number for number in numbers),
        **{f"stages/s/{number}.in": b"six  # %s\n" % bytes(200).replace(b"\0", b"x") for number in numbers},
    }
    archive = Bytes(archive_of(files))
    code = code_of_archive(archive, None, "x", progress=no_progress)
    findings = check(code, make_pipeline(tmp_path / "demo").settings(), text_of(HERE), sources=False)
    assert {item.rule for item in findings} == {"unpinned-requirement"}
    assert len([offset for offset, _ in archive.asked if offset == 0]) == 2
    place = tmp_path / "x.tar.gz"
    place.write_bytes(archive.data)
    content = Content(ArchiveCopy(str(place), "x"))
    assert len(content.requirements("s", {})) == 1 + len(numbers)
