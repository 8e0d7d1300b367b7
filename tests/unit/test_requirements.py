"""What requirements files say: encodings, paths, problems, credentials; `tests/oracles/test_pip.py` asks pip itself."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_ytupload.requirements.lines import lines_of
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.requirements.reading import INVALID, MISSING, read_requirements, requirement_name
from hatch_ytupload.requirements.requirement import applies

if TYPE_CHECKING:
    from hatch_ytupload.requirements.reading import Requirements

FILE = "stages/s/requirements.txt"
WHEEL = "wheels/my_lib-1.5-py3-none-any.whl"
DIGEST = f"sha256:{'a' * 64}"
PROJECT = {"libs/core/pyproject.toml": b"", "libs/core/core/__init__.py": b"", "libs/corelike/x": b""}


def read(text: str | bytes, files: dict[str, bytes] | None = None, **variables: str) -> Requirements:
    """Read the requirements file of a stage."""
    content = text if isinstance(text, bytes) else text.encode()
    return read_requirements(FILE, {FILE: content, **(files or {})}, variables)


def texts(found: Requirements) -> list[str]:
    """Return what is required, as it is shown."""
    return [requirement.text for requirement in found.required]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_and_without_a_mark(encoding: str) -> None:
    """What editors and PowerShell write."""
    assert texts(read("# é\r\nsix==1\r\nattrs\r\n".encode(encoding))) == ["six==1", "attrs"]


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_in_either_order(mark: bytes) -> None:
    """The mark says which."""
    order = "utf-16-le" if mark[0] == 0xFF else "utf-16-be"
    assert texts(read(mark + "six".encode(order))) == ["six"]


def test_an_encoding_that_the_file_names() -> None:
    """In one of the first two lines, as Python has it."""
    assert texts(read("#!x\n# -*- coding: latin-1 -*-\nsix # é\n".encode("latin-1"))) == ["six"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("six # é".encode("latin-1"), "it is not UTF-8"),
        (b"# coding: klingon\nsix", "`klingon`, which Python does not know"),
        (b"\xff\xfes", "it is not UTF-16-LE"),
    ],
)
def test_what_cannot_be_decoded_is_a_problem(content: bytes, reason: str) -> None:
    """Whatever the locale is here: that of a job is UTF-8."""
    (problem,) = read(content).problems
    assert (problem.file, problem.line, problem.rule) == (FILE, None, INVALID)
    assert reason in problem.message


def test_hashes_belong_to_the_requirement_before_them() -> None:
    """As pip-compile writes them."""
    found = read(f"six==1.16.0 \\\n    --hash={DIGEST} \\\n    --hash={DIGEST}\n    # via demo\nattrs\n")
    assert [(item.line, item.text, item.name, item.specifier) for item in found.required] == [
        (1, "six==1.16.0", "six", "==1.16.0"),
        (5, "attrs", "attrs", ""),
    ]
    assert found.required[0].hashes == (DIGEST, DIGEST)
    assert not found.problems


@pytest.mark.parametrize(
    "line", ["-r ../a b", "-r\t", "-r '../a b.in'", "-r ../a\\ b.in", "--requirement=../a\\ b.in", "-r \\\n'../a b.in'"]
)
def test_includes_of_any_name(line: str) -> None:
    """Quoted, escaped, continued; what is no file of the archive is a problem at its line."""
    found = read(f"\n{line}\n", {"stages/a b.in": b"six"})
    if "b.in" in line:
        assert (texts(found), found.files, found.problems) == (["six"], (FILE, "stages/a b.in"), ())
        assert found.required[0].file == "stages/a b.in"
    else:
        assert [problem.line for problem in found.problems] == [2]


def test_constraints_require_nothing() -> None:
    """But what they include by `-r` is required, as pip has it."""
    files = {"stages/s/c": b"six<2\n-r more\n", "stages/s/more": b"attrs"}
    found = read("-c c\nsix", files)
    assert texts(found) == ["attrs", "six"]
    assert [item.text for item in found.constraints] == ["six<2"]


@pytest.mark.parametrize("text", ["-e ./libs/core", "six[x]", "./libs/core"])
def test_constraints_that_pip_refuses(text: str) -> None:
    """They name a package and versions, and nothing else."""
    (problem,) = read("-c c", {"stages/s/c": text.encode(), **PROJECT}).problems
    assert (problem.file, problem.rule) == ("stages/s/c", INVALID)


def test_a_ring_of_files_is_a_problem_and_a_file_twice_is_none() -> None:
    """The same file as requirements and as constraints is read as both."""
    ring = read("-r a", {"stages/s/a": b"-r requirements.txt\nsix"})
    assert [(problem.file, problem.line) for problem in ring.problems] == [("stages/s/a", 1)]
    assert texts(ring) == ["six"]
    twice = read("-r a\n-r a\n-c a", {"stages/s/a": b"six"})
    assert (len(twice.required), len(twice.constraints), twice.problems) == (1, 1, ())


def test_a_long_chain_of_files() -> None:
    """It is read without a call for each."""
    chain = {f"stages/s/{number}": b"-r %d\nsix" % (number + 1) for number in range(3000)}
    assert len(read("-r 0", {**chain, "stages/s/3000": b"attrs"}).required) == 3001


def test_variables_are_filled_in_and_shown_as_written() -> None:
    """What nobody sets may be set in the job, so it is no problem here."""
    found = read(
        "-r ${DIR}/a\n--index-url https://${TOKEN}@h/simple\nsix==${V}\n", {"stages/s/x/a": b"b"}, DIR="x", V="2"
    )
    assert (texts(found), found.required[1].specifier) == (["b", "six==${V}"], "==2")
    assert (found.problems, found.credentials) == ((), ())
    unset = read("-r ${DIR}/a")
    assert (unset.problems, unset.installs_nothing) == ((), False)


@pytest.mark.parametrize(
    "line",
    [
        "./libs/core",
        "libs/core/",
        "-e libs/core",
        "-e ./libs/core[x]",
        "file:libs/core",
        "file:./libs/core",
        "core @ file:libs/core",
    ],
)
def test_directories_are_meant_from_the_archive_itself(line: str) -> None:
    """Not from the file, as `-r` is; what lies below them decides what is installed."""
    files = {FILE: line.encode(), **PROJECT}
    found = read_requirements(FILE, files)
    (required,) = found.required
    assert required.reference is not None
    assert (required.reference.kind, required.reference.path) == ("directory", "libs/core")
    assert found.contents(files) == ["libs/core/core/__init__.py", "libs/core/pyproject.toml", FILE]


def test_the_archive_itself_can_be_a_project() -> None:
    """Then every file of it counts."""
    files = {FILE: b"-e .", "pyproject.toml": b"", "x.py": b""}
    found = read_requirements(FILE, files)
    assert (found.problems, found.contents(files)) == ((), sorted(files))


@pytest.mark.parametrize(
    "line", [WHEEL, f"./{WHEEL}", f"file:{WHEEL}", f"my-lib @ file:./{WHEEL}", f"./{WHEEL} ; python_version>'3'"]
)
def test_wheels_tell_name_and_version(line: str) -> None:
    """And are part of what decides."""
    files = {FILE: line.encode(), WHEEL: b""}
    found = read_requirements(FILE, files)
    (required,) = found.required
    assert required.name == "my-lib"
    assert (found.problems, found.contents(files)) == ((), [FILE, WHEEL])


@pytest.mark.parametrize(
    ("line", "absolute"),
    [
        ("-e ./libs/corelib", False),
        ("./wheels/mylib-1-py3-none-any.whl", False),
        ("six @ file:///croot/six_1644875935023/work", True),
        ("file:///home/somebody/libs/mylib", True),
        ("file:/home/somebody/libs/mylib", True),
        ("/opt/mylib", True),
        ("-e /opt/mylib", True),
        ("../mylib", False),
        ("-r /etc/more.txt", True),
        ("-r ../../../more.txt", False),
        ("-c gone", False),
        ("./gone.tar.gz", False),
    ],
)
def test_what_is_not_in_the_archive(line: str, *, absolute: bool) -> None:
    """What only an image can have is told from what nothing can."""
    (problem,) = read(f"six\n{line}").problems
    assert (problem.line, problem.rule, problem.absolute) == (2, MISSING, absolute)
    assert line.rpartition(" ")[2] in problem.message


def test_a_missing_wheel_for_other_jobs() -> None:
    """The problem has the marker."""
    (problem,) = read("./x-1-py3-none-any.whl ; python_version < '3'").problems
    assert not applies(problem.marker, "3.11")


@pytest.mark.parametrize(
    ("line", "name", "extras"),
    [
        ("git+https://h/r.git@main#egg=My_Lib&subdirectory=x", "my-lib", set()),
        ("-e git+ssh://git@h/r#egg=mylib", "mylib", set()),
        ("git+file:///repo@main#egg=mylib[x]", "mylib", {"x"}),
        ("mylib[x] @ git+https://h/r@v1 ; python_version > '3'", "mylib", {"x"}),
        ("https://h/my_lib-1-py3-none-any.whl#sha256=0", "my-lib", set()),
        ("git+https://h/r", None, set()),
    ],
)
def test_urls(line: str, name: str | None, extras: set[str]) -> None:
    """Repositories and files, with the name where there is one."""
    found = read(line)
    assert (found.required[0].name, set(found.required[0].extras), found.problems) == (name, extras, ())
    assert found.required[0].url is not None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-e .", "neither `pyproject.toml` nor `setup.py`"),
        ("libs/", "neither `pyproject.toml` nor `setup.py`"),
        ("-e git+https://h/r", "#egg=NAME"),
        ("-e https://h/x.zip", "only a directory or the URL of a repository"),
        ("six=1", "did you mean `==`?"),
        ("six ; nonsense", "is no requirement"),
        ("x @ ./libs/core", "takes a path without `NAME @`"),
        ("bad.whl", "no file name of a wheel"),
        ("x @ file://other/x.zip", "another machine"),
        ("six --hash=md5:1", "sha256"),
        ("six --config-settings=x", "KEY=VALUE"),
        ("--quiet", "no such option"),
        ("-r 'open", "no closing quotation"),
        ("https://[x", "no URL that pip takes"),
        ("s3://h/x.zip", "no URL that pip takes"),
    ],
)
def test_what_pip_refuses(line: str, reason: str) -> None:
    """Each line for itself; the others are read all the same."""
    found = read(f"six\n{line}\nattrs", {"libs/core/x": b""})
    (problem,) = found.problems
    assert (problem.line, problem.rule) == (2, INVALID)
    assert reason in problem.message
    assert "\n" not in problem.message
    assert texts(found) == ["six", "attrs"]


def test_options_and_where_they_lead() -> None:
    """Directories of wheels by the file first, then by the archive; local indexes; flags."""
    files = {"stages/s/wheels/x": b"", "wheels/y": b"", "simple/z": b""}
    lines = [
        "-f wheels",
        "--find-links ../../wheels",
        "-i ./simple",
        "--extra-index-url=https://h/s",
        "--pre",
        "-f gone",
    ]
    found = read("\n".join(lines), files)
    assert [(option.name, option.value) for option in found.options] == [
        ("--find-links", "wheels"),
        ("--find-links", "../../wheels"),
        ("--index-url", "./simple"),
        ("--extra-index-url", "https://h/s"),
        ("--pre", None),
        ("--find-links", "gone"),
    ]
    assert [reference.path for reference in found.references] == ["stages/s/wheels", "wheels", "simple", None]
    assert found.problems == ()
    assert found.contents({FILE: b"", **files}) == ["simple/z", FILE, "stages/s/wheels/x", "wheels/y"]


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        ("", True),
        ("# nothing\n\n--pre\n-i https://h/simple\n", True),
        ("-r a", True),
        ("-c c", True),
        ("six", False),
        ("-r https://h/r.txt", False),
        ("-r gone", False),
        ("six=", False),
    ],
)
def test_files_that_install_nothing(text: str, *, nothing: bool) -> None:
    """A job needs no pip for them; where pip would fail, it must."""
    assert read(text, {"stages/s/a": b"#", "stages/s/c": b"six<2"}).installs_nothing == nothing


def test_no_file_says_nothing() -> None:
    """Nothing is read, nothing found."""
    assert read_requirements(FILE, {}).files == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-i https://bob:s3cret@h/simple", "-i https://****@h/simple"),
        ("-i 'https://bob:s3@cret@h/simple'", "-i 'https://****@h/simple'"),
        ("https://t0ken@h/x https://a:b@h", "https://****@h/x https://****@h"),
        ("https://t0ken:@h/x", "https://****@h/x"),
        ("https://bob:s3/cr#et@h/simple", "https://****@h/simple"),
        ("Invalid URL 'http:/bob:s3cret@h/simple'", "Invalid URL 'http:/****@h/simple'"),
        ("git+https://bob:s3cret@h/r@main#egg=x", "git+https://****@h/r@main#egg=x"),
        ("https://h/simple?private_token=s3cret&x=1", "https://h/simple?private_token=****&x=1"),
        ("https://h/x.whl?X-Amz-Signature=abc", "https://h/x.whl?X-Amz-Signature=****"),
        ("https://bob:${TOKEN}@h/simple", "https://bob:${TOKEN}@h/simple"),
        ("https://${A}${B}@h/simple?token=${T}", "https://${A}${B}@h/simple?token=${T}"),
        ("git+ssh://git@h/r@v1", "git+ssh://git@h/r@v1"),
        ("git+ssh://git:s3cret@h/r", "git+ssh://****@h/r"),
        ("git+https://h/r@main", "git+https://h/r@main"),
        ("https://h:8080/r@main https://[::1]:80/r@x https://h:${PORT}/r@x", None),
        ("https://****@h/simple", None),
        ("six @ file:///x@y", None),
    ],
)
def test_masking(text: str, expected: str | None) -> None:
    """What can be used to log in is taken out, and nothing else; None: nothing is."""
    assert masked(text) == (expected or text)
    assert masked(masked(text)) == masked(text)


@given(st.text(), st.text(st.characters(exclude_characters="/?#@${}*", exclude_categories=["Z", "C"]), min_size=1))
def test_masking_of_any_password(around: str, password: str) -> None:
    """Wherever the URL stands."""
    secret = f"bob:x{password}y"
    assert secret not in masked(f"{around} https://{secret}@h/simple {around}")


@pytest.mark.parametrize(
    "line",
    [
        "-i https://bob:s3cret@h/simple",
        "--extra-index-url \\\n  https://bob:s3\\\ncret@h/simple",
        "x @ https://bob:s3cret@h/x.zip",
        "git+https://bob:s3cret@h/r",
        "-r https://bob:s3cret@h/r.txt",
        "# -i https://bob:s3cret@h/simple",
        "--quiet https://bob:s3cret@h/simple",
        "nonsense https://bob:s3cret@h/simple",
        "x @ https://bob:s3cret@h/x.zip ; nonsense",
        "-f https://bob:s3cret@h/x",
        "-e git+https://bob:s3cret@h/r",
        "-e https://bob:s3cret@h/r",
    ],
)
def test_credentials_are_told_and_shown_nowhere(line: str) -> None:
    """Neither in what is shown of requirements nor in problems."""
    found = read(f"six\n{line}\n")
    assert [credential.line for credential in found.credentials] == [2]
    shown = [
        *texts(found),
        *(problem.message for problem in found.problems),
        *(reference.written for reference in found.references),
        *(credential.shown for credential in found.credentials),
    ]
    assert "cret@" not in " ".join(shown)


def test_values_of_variables_are_not_shown() -> None:
    """Neither those in URLs nor others."""
    found = read("six=${TOKEN}\n-r ${TOKEN}\n", TOKEN="https://bob:s3cret@h/x")
    assert "s3cret" not in " ".join(problem.message for problem in found.problems)


@pytest.mark.parametrize(
    ("marker", "python", "expected"),
    [
        (None, "3.11", True),
        ("python_version < '3.12'", "3.11", True),
        ("python_full_version >= '3.11.4'", "3.11.3", False),
        ("python_full_version >= '3.11.4'", "3.11.7", True),
        ("python_full_version >= '3.11.4'", "3.11", True),
        ("python_full_version < '3.11.4'", "3.11", True),
        ("python_full_version < '3.11'", "3.11", False),
        ("sys_platform == 'win32'", "3.11", False),
        ("extra == 'x'", "3.11", False),
        ("nonsense", "3.11", True),
    ],
)
def test_markers(marker: str | None, python: str, *, expected: bool) -> None:
    """For the version of the job, as far as it is known."""
    assert applies(marker, python) == expected


@pytest.mark.parametrize(
    ("text", "name"), [("PyYAML[x]>=6", "pyyaml"), (WHEEL, "my-lib"), ("./lib", None), ("six=", None), ("-e x", None)]
)
def test_names_of_texts(text: str, name: str | None) -> None:
    """For the texts that a manifest keeps."""
    assert requirement_name(text) == name


def test_long_lines_take_linear_time() -> None:
    """White space before a comment, and signs that begin none."""
    text = " " * 300_000 + "x#" * 300_000 + "\n" + "://@:" * 100_000
    assert len(list(lines_of(text, {}))) == 2
    assert len(masked(text)) > 300_000


@pytest.mark.parametrize("text", ["six" + "[" * 99_000, "${A}" * 24_000, "six ; " + "(" * 90_000, "x[a]" * 24_000])
def test_lines_of_anybody_take_linear_time(text: str) -> None:
    """What is longer than anybody writes is not given to pip's parsers."""
    read(text, A="1")
    (problem,) = read(text * 2).problems
    assert (problem.rule, problem.message) == (INVALID, f"a line of {2 * len(text)} characters is no requirement")


def test_packaging_is_imported_only_when_a_file_requires_something() -> None:
    """A build without requirements does not pay for it."""
    code = (
        "import sys; from hatch_ytupload.requirements.reading import read_requirements\n"
        "read_requirements('r', {'r': b'# nothing'}); assert 'packaging' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
