"""Requirements files are read as pip reads them: pip's own parser of this environment says what is right."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from examples import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pip._internal.exceptions import PipError
from pip._internal.network.session import PipSession
from pip._internal.req import req_file
from pip._internal.req.constructors import install_req_from_editable, install_req_from_line
from pip._vendor.packaging.markers import InvalidMarker
from pip._vendor.packaging.utils import canonicalize_name

from hatch_ytupload.requirements.lines import OptionError, lines_of, split_options
from hatch_ytupload.requirements.reading import read_requirements
from hatch_ytupload.requirements.requirement import InvalidRequirementError, asked, asked_editable
from hatch_ytupload.requirements.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("unmeasured")]

VARIABLES = {"A": "one", "B_2": "${A} two", "EMPTY": ""}
PIECES = [
    *"\\ \t\n\r\"'#-=;[]@/.:",
    *("\n", "\\\n", "\x0c", "\x85", "\u2028", "\u00e9", "six", "==1.0", " # why", "${A}", "${B_2}", "${EMPTY}", "${a}"),
]
OPTIONS = [
    *(
        "-r",
        "-c",
        "-e",
        "-i",
        "-f",
        "-C",
        "-x",
        "--",
        "-",
        "--requirement",
        "--constraint=",
        "--editable",
        "--index-url",
    ),
    *("--extra-index-url", "--no-index", "--find-links=", "--no-binary", "--only-binary=:all:", "--prefer-binary"),
    *("--require-hashes", "--pre", "--trusted-host", "--hash=sha256:12", "--hash", "sha256:34", "--hash=md5:1"),
    *(
        "--config-settings",
        "--config-settings=a=b",
        "k=v",
        "--requ",
        "--cons",
        "--ed",
        "--ind",
        "--t",
        "-ra.txt",
        "-ca",
    ),
    *("a.txt", "'a b.txt'", '"a', "a\\ b", "https://h/simple", "six", "=", ";", "six==1", "--pre=1", "--unknown"),
]
UNSURE = {"--no-binary", "--config-settings"}
TREE = {
    **dict.fromkeys(("lib/pyproject.toml", "old/setup.py", "plain/x.py", "my lib/pyproject.toml"), b""),
    **dict.fromkeys(("wheels/my_lib-1.5-py3-none-any.whl", "wheels/bad.whl", "wheels/s-1.tar.gz", "a@b.zip"), b""),
}
REQUIREMENTS = [
    *("six", "Six_X.y", "six==1.0", "six >=1, <2", "six[a, B-c]>1", "six=1", "six==", "six 1", "1", "-", "[x]", "é"),
    *("./lib", "lib", "lib/", "./lib/../lib", "./lib[x]", "./plain", "./no", "no/no", "./old", ".", "..", "./my lib"),
    *("wheels/my_lib-1.5-py3-none-any.whl", "./wheels/my_lib-1.5-py3-none-any.whl[x]", "wheels/bad.whl", "no.whl"),
    *("./no-1-py3-none-any.whl", "wheels/s-1.tar.gz", "no.tar.gz", "a@b.zip", "x@y.zip", "no.ZIP", ".zip", "file:lib"),
    *("file:./lib", "file:../no/lib", "file:wheels/my_lib-1.5-py3-none-any.whl", "file:///no/where"),
    *("https://h/a.zip", "https://h/a.zip#egg=Na_me", "https://h/w%5Fx-2-py3-none-any.whl", "https://h/a.whl?x=1#y"),
    *("git+https://h/r.git@v1#egg=Na.me&subdirectory=x", "git+ssh://git@h/r", "HTTP://h/x.zip", "s3://h/x.zip"),
    *("Na.me @ https://h/a.zip", "name[x] @ git+https://h/r@v1", "name@https://h/a.whl", "name @ file:///no/a.zip"),
]
MARKERS = [
    "",
    ";",
    "; ",
    ' ; python_version < "3"',
    ";extra=='x'",
    "; python_full_version>'3.1.2'",
    " ;nonsense",
    "; a==b",
]


@contextlib.contextmanager
def files_on_disk(files: dict[str, bytes]) -> Iterator[None]:
    """Stand in a directory with these files."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as directory:
        for path, content in files.items():
            file = Path(directory, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        os.chdir(directory)
        try:
            yield
        finally:
            os.chdir(before)


@pytest.fixture(scope="module", autouse=True)
def _job() -> Iterator[None]:
    """Stand where a job would, with variables that pip fills in."""
    with pytest.MonkeyPatch.context() as patch, files_on_disk(TREE):
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        yield


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_lines(text: str) -> None:
    """Continued lines, comments and variables."""
    expected = list(req_file.preprocess(text))
    assert [(line.number, line.text) for line in lines_of(text, VARIABLES) if line.written] == expected


@given(st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=5).map(" ".join))
def test_options(line: str) -> None:
    """Long and short, with the value in the same word or the next, quoted, abbreviated, or wrong."""
    try:
        expected: tuple[str, Any] | None = req_file.get_line_parser(None)(line)
    except (req_file.OptionParsingError, PipError):
        expected = None
    try:
        required, given_options = split_options(line)
    except OptionError:
        assert expected is None
        return
    if expected is None:
        # pip is stricter about the values of the one, and before version 23.1 does not take the other.
        unknown = {"--no-binary"} if "config_settings" in req_file.SUPPORTED_OPTIONS_REQ_DEST else UNSURE
        assert unknown & {option.name for option in given_options}
        return
    values = vars(expected[1])
    assert required == expected[0]
    for name, field in [("requirement", "requirements"), ("constraint", "constraints"), ("editable", "editables")]:
        assert [option.value for option in given_options if option.name == f"--{name}"] == (values[field] or [])
    digests = [f"{name}:{digest}" for name, found in (values["hashes"] or {}).items() for digest in found]
    assert [option.value for option in given_options if option.name == "--hash"] == digests
    assert ("--pre" in {option.name for option in given_options}) == values["pre"]


def _of_pip(text: str, *, editable: bool) -> tuple[str | None, frozenset[str], str, str] | None:
    """Return what pip reads; None: it refuses."""
    try:
        found = (install_req_from_editable if editable else install_req_from_line)(text)
    except (PipError, InvalidMarker, ValueError, DeprecationWarning):  # older pips only warn
        return None
    name = canonicalize_name(found.req.name) if found.req is not None else None
    extras = map(canonicalize_name, [*found.extras, *(found.req.extras if found.req else ())])
    specifier = str(found.req.specifier) if found.req is not None else ""
    return name, frozenset(extras), specifier, str(found.markers or "")


@given(st.sampled_from(REQUIREMENTS), st.sampled_from(MARKERS))
def test_requirements(text: str, marker: str) -> None:
    """Names, paths that exist and those that do not, URLs, with markers and without."""
    # Newer pips refuse what is no name behind `egg=`, older ones warn.
    assume(not (text.endswith("#egg=Na_me") and marker.lstrip().startswith(";")))
    expected = _of_pip(text + marker, editable=False)
    try:
        found = asked(text + marker, Tree(TREE))
    except InvalidRequirementError:
        # That this is no URL pip finds when it opens it.
        assert expected is None or text in ("x@y.zip", "s3://h/x.zip")
        return
    if found.reference is not None and not found.reference.present:
        # pip says so at once or when it opens what is not there.
        assert expected is None or expected[0] == found.name
        return
    assert expected is not None
    if found.marker is not None:
        assert expected[3].replace("'", '"').replace(" ", "") == found.marker.replace("'", '"').replace(" ", "")
    assert (found.name, found.extras, found.specifier) == expected[:3]


@given(st.sampled_from([*REQUIREMENTS, "git:h/r#egg=x", "git+file:///no/r#egg=x", "git+https://h/r"]))
def test_editable_requirements(text: str) -> None:
    """Directories need no look of a path there, and repositories a name."""
    expected = _of_pip(text, editable=True)
    try:
        found = asked_editable(text, Tree(TREE))
    except InvalidRequirementError:
        # That this is no project pip finds when it builds it.
        assert expected is None or text == "." or "plain" in text or text.endswith((".whl", ".zip"))
        return
    if found.reference is not None and not found.reference.present:
        return
    if "@" in text and expected is None:
        return  # pip takes this since version 25
    assert expected is not None
    assert (found.name, found.extras) == expected[:2]


FILES = ["a.txt", "sub/b.in", "sub/deep/c d", "constraints"]
LINES = [
    "six",
    "-r a.txt",
    "-r ../a.txt",
    "-r sub/b.in",
    "-c b.in",
    "-r 'deep/c d'",
    "-c constraints",
    "-e ./lib",
    "-r gone",
]


@settings(max_examples=examples(40))
@given(st.fixed_dictionaries({name: st.lists(st.sampled_from(LINES), max_size=3) for name in FILES}))
def test_includes(lines: dict[str, list[str]]) -> None:
    """Files that include each other, in rings, too, and such as are not there."""
    files = {name: "\n".join(texts).encode() for name, texts in lines.items()} | {"lib/setup.py": b""}
    with files_on_disk(files):
        try:
            parsed = list(req_file.parse_requirements("a.txt", PipSession.__new__(PipSession)))
        except (PipError, RecursionError):
            parsed = None
    found = read_requirements("a.txt", files)
    if parsed is None or found.problems:
        refused = [problem for problem in found.problems if "takes no such constraint" not in problem.message]
        assert (parsed is None) == bool(refused)
        return
    expected = {(item.requirement, item.is_editable, item.constraint) for item in parsed}
    ours = [(item, False) for item in found.required] + [(item, True) for item in found.constraints]
    assert {(item.text.removeprefix("-e "), item.editable, constraint) for item, constraint in ours} == expected
