"""What each kind of value may be, and how a wrong one is described."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from hatch_ytupload.configuration import values
from hatch_ytupload.configuration.values import UnexpectedValueError, UploadPath
from hatch_ytupload.wording import describe

if TYPE_CHECKING:
    from collections.abc import Callable

NUL = "a\0b"


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (values.text, " hahn ", "hahn"),
        (values.text, "", None),
        (values.text, "  ", None),
        (values.flag, True, True),
        (values.flag, False, False),
        (values.count, 0, 0),
        (values.count, 10**30, 10**30),
        (values.size_in_mb, 0, 0),
        (values.size_in_mb, 0.5, 0.5),
        (values.positive_count, 1, 1),
        (values.seconds, 0, 0),
        (values.seconds, 365 * 86400, 365 * 86400),
        (values.positive_seconds, 0.001, 0.001),
        (values.mode, "prod", "prod"),
        (values.mode, " DEV ", "dev"),
        (values.relative_directory, "a/b", "a/b"),
        (values.file_or_false, False, False),
        (values.file_or_false, "configs/prod.yaml", "configs/prod.yaml"),
        (values.cypress_path, "//home/a b/build//", "//home/a b/build"),
        (values.cypress_path, " //home/x ", "//home/x"),
        (values.cypress_path, "//домашняя/папка", "//домашняя/папка"),
        (values.module_names, "pkg", ("pkg",)),
        (values.module_names, ["a", " b ", "a"], ("a", "b")),
        (values.module_names, [], ()),
        (values.stage_names, ("one", "two"), ("one", "two")),
        (values.stage_selection, "all", "all"),
        (values.stage_selection, "enabled", "enabled"),
        (values.stage_selection, ["all", "x"], ("all", "x")),
        (values.upload_paths, [], ()),
        (
            values.upload_paths,
            [{"source": " lib "}, {"source": "x", "target": " y/z "}, {"source": "x", "target": ""}],
            (UploadPath("lib", None), UploadPath("x", "y/z"), UploadPath("x", None)),
        ),
    ],
)
def test_right_values_are_read(read: Callable[[object], object], given: object, expected: object) -> None:
    """A right value comes out in its one form."""
    assert read(given) == expected


DIRECTORY = "a directory relative to the project root"
FILE = "a file relative to the pipeline directory, or false"
MODULES = "a list of module names"


@pytest.mark.parametrize(
    ("read", "given", "expected", "found"),
    [
        (values.text, 5, "a string", "the integer 5"),
        (values.text, None, "a string", "null"),
        (values.flag, 1, "true or false", "the integer 1"),
        (values.flag, "true", "true or false", 'the string "true"'),
        (values.count, True, "a whole number, 0 or more", "the boolean True"),
        (values.count, -1, "a whole number, 0 or more", "the integer -1"),
        (values.count, 1.0, "a whole number, 0 or more", "the number 1.0"),
        (values.size_in_mb, "100", "a number of megabytes, 0 or more", 'the string "100"'),
        (values.size_in_mb, False, "a number of megabytes, 0 or more", "the boolean False"),
        (values.size_in_mb, float("nan"), "a number of megabytes, 0 or more", "the number nan"),
        (values.size_in_mb, float("inf"), "a number of megabytes, 0 or more", "the number inf"),
        (values.positive_count, 0, "a whole number, 1 or more", "the integer 0"),
        (values.positive_count, True, "a whole number, 1 or more", "the boolean True"),
        (values.seconds, -1, "a number of seconds, 0 or more", "the integer -1"),
        (values.seconds, float("inf"), "a number of seconds, 0 or more", "the number inf"),
        (values.seconds, float("nan"), "a number of seconds, 0 or more", "the number nan"),
        (values.positive_seconds, 0.0, "a number of seconds, more than 0", "the number 0.0"),
        (values.positive_seconds, True, "a number of seconds, more than 0", "the boolean True"),
        (values.positive_seconds, "5", "a number of seconds, more than 0", 'the string "5"'),
        (values.mode, "production", '"prod" or "dev"', 'the string "production"'),
        (values.mode, ["prod"], '"prod" or "dev"', "the array ['prod']"),
        (values.relative_directory, "", DIRECTORY, 'the string ""'),
        (values.relative_directory, "/abs", DIRECTORY, 'the string "/abs"'),
        (values.relative_directory, NUL, DIRECTORY, 'the string "a\\x00b"'),
        (values.file_or_false, True, FILE, "the boolean True"),
        (values.file_or_false, "", FILE, 'the string ""'),
        (values.file_or_false, NUL, FILE, 'the string "a\\x00b"'),
        (values.file_or_false, "a\ud800", FILE, 'the string "a\\ud800"'),
        (values.module_names, {"a": 1}, MODULES, "the table {'a': 1}"),
        (values.module_names, ["a", 3], f"{MODULES}, all strings", "the integer 3"),
        (values.module_names, None, MODULES, "null"),
        (values.module_names, ["a", " "], f"{MODULES}, none of them empty", 'the string " "'),
        (values.module_names, "", f"{MODULES}, none of them empty", 'the string ""'),
        (values.stage_selection, [""], "a list of stage names, none of them empty", 'the string ""'),
        (values.stage_names, 3, "a list of stage names", "the integer 3"),
        (values.stage_selection, "some", '"all", "enabled" or a list of stage names', 'the string "some"'),
        (values.upload_paths, {"source": 1}, "a list of `{ source, target }` tables", "the table {'source': 1}"),
    ],
)
def test_wrong_values_are_described(read: Callable[[object], object], given: object, expected: str, found: str) -> None:
    """A wrong value ends in a sentence that says what is expected and what was found."""
    with pytest.raises(UnexpectedValueError) as error:
        read(given)
    assert str(error.value) == f"must be {expected}, found {found}"


@pytest.mark.parametrize(
    "path",
    [
        "", "//", "/", "home", "/home/x", "//home//x", "//home/./x", "//home/../x", "//home/x/@attribute", "//home/x&",
        "//home/*", "//home/{a}", "//home/[a]", "//home/<a>", "//home\\x", "//home/a\nb", 5, None, ["//home/x"],
    ],
)  # fmt: skip
def test_what_is_no_cypress_folder_is_refused(path: object) -> None:
    """A build folder is a plain absolute Cypress path, safe for a folder on disk too."""
    with pytest.raises(
        UnexpectedValueError, match="must be the path of a Cypress folder such as `//home/project/build`"
    ):
        values.cypress_path(path)


@pytest.mark.parametrize(
    ("entry", "expected", "found"),
    [
        ("lib", "expected is a table with `source`", 'the string "lib"'),
        ({"source": "a", "to": "b"}, "known keys are `source` and `target`", 'the string "to"'),
        ({"target": "b"}, "`source` must be a directory", "null"),
        ({"source": "  "}, "`source` must be a directory", 'the string "  "'),
        ({"source": NUL}, "`source` must be a directory", 'the string "a\\x00b"'),
        ({"source": "a", "target": 1}, "`target` must be a path inside the archive", "the integer 1"),
        ({"source": "a", "target": NUL}, "`target` must be a path inside the archive", 'the string "a\\x00b"'),
    ],
)
def test_the_wrong_entry_of_upload_paths_is_named_by_number(entry: object, expected: str, found: str) -> None:
    """Entries are counted from 1."""
    with pytest.raises(UnexpectedValueError) as error:
        values.upload_paths([{"source": "right"}, entry])
    beginning = "must be a list of `{ source, target }` tables; in entry #2"
    assert str(error.value) == f"{beginning} {expected}, found {found}"


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (None, "null"),
        (True, "the boolean True"),
        (1, "the integer 1"),
        (1.5, "the number 1.5"),
        ("a\nb", 'the string "a\\nb"'),
        ("x" * 100, 'the string "' + "x" * 56 + "..."),
        ([1], "the array [1]"),
        ({}, "the table {}"),
        (dt.date(2026, 1, 2), "the value datetime.date(2026, 1, 2)"),
        pytest.param(16**9999, "the integer with too many digits to show", id="long integer"),
        pytest.param([16**9999], "the array with too many digits to show", id="long integer in an array"),
    ],
)
def test_values_are_described_in_one_short_line(value: object, description: str) -> None:
    """The description names the kind of the value as TOML and YAML call it, and cuts what is long."""
    assert describe(value) == description


def test_a_value_that_holds_itself_is_described() -> None:
    """YAML can write a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    assert describe(value) == "the array [[...]]"


@pytest.mark.parametrize(
    "platform",
    ["linux", "x86_64-manylinux_2_28", "aarch64-manylinux2014", "x86_64-unknown-linux-musl", "riscv64-unknown-linux"],
)
def test_a_target_is_a_python_and_a_platform_of_linux(platform: str) -> None:
    assert values.target({"python": "3.12", "platform": platform}) == values.Target("3.12", platform)


@pytest.mark.parametrize(
    ("read", "table"),
    [
        (values.node_attributes, {"replication_factor": 3, "primary_medium": "a" * 40, "account": "a", "acount": "b"}),
        (values.target, {"python": "3.11", "platform": "x86_64-manylinux_2_28", "acount": 1}),
    ],
)
def test_an_unknown_key_of_a_table_is_named(read: Callable[[object], object], table: dict[str, object]) -> None:
    """However long the table is: of what was found only the beginning is shown."""
    with pytest.raises(UnexpectedValueError, match="which has no key `acount`, found the table"):
        read(table)


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"python": "3.11"},
        {"python": "3.11", "platform": "linux", "more": 1},
        {"python": 3.11, "platform": "linux"},
        {"python": "3.11.4", "platform": "linux"},
        {"python": "2.7", "platform": "linux"},
        {"python": "3.11", "platform": "windows"},
        {"python": "3.11", "platform": "x86_64-manylinux_2_5"},
        {"python": "3.11", "platform": None},
    ],
)
def test_no_other_target_is_taken(target: object) -> None:
    with pytest.raises(UnexpectedValueError, match=r"must be a table such as `\{ python = "):
        values.target(target)
    with pytest.raises(UnexpectedValueError, match="must be a table"):
        values.stage_targets({"parse": target})
