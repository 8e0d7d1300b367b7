"""Sizes for people, and the warning about large archives."""

from __future__ import annotations

import pytest

from hatch_ytupload.packing.sizes import largest_files, size_warning
from hatch_ytupload.wording import megabytes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1049, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (999_999, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (5_000_000_000, "5.0 GB"),
        (7 * 10**12, "7.0 TB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes_are_told_in_the_unit_that_suits_them(size: int, text: str) -> None:
    """With one digit, and never a thousand of a unit that has a larger one."""
    assert megabytes(size) == text


@pytest.mark.parametrize(("size", "limit"), [(100_000_000, 100), (10**12, 0), (0, 0.001), (1500, 0.0015)])
def test_what_is_within_the_limit_needs_no_warning(size: int, limit: float) -> None:
    """Exactly the limit is within; 0 is no limit."""
    assert size_warning(size, [("a", 1)], limit) == []


def test_the_warning_names_the_five_largest_files() -> None:
    """With what to do about it; of equal sizes the first name comes first."""
    files = {"a": 10, "b": 70, "c": 30, "d": 30, "e": 20, "f": 5, "g": 200}
    assert size_warning(2_500_000, files.items(), 2.4) == [
        (
            "the archive has 2.5 MB, more than `max_archive_mb = 2.4`; its largest files: `g` (200 B), `b` (70 B), "
            "`c` (30 B), `d` (30 B), `e` (20 B); leave out what jobs do not need with a line in `.ytignore`, or raise "
            "the limit"
        )
    ]


def test_where_wheels_are_what_makes_it_large_the_way_is_the_image() -> None:
    (warning,) = size_warning(2_500_000, [("wheels/x.whl", 3), ("a", 2)], 2.4)
    assert warning.endswith(
        "; put packages of large wheels into the image and take them out of the requirements, or raise the limit"
    )


@pytest.mark.parametrize(
    ("sizes", "listed"),
    [
        ({"big": 20_000_000, "half": 10_000_000, "small": 76}, "`big` (20.0 MB), `half` (10.0 MB)"),
        ({"a": 99, "b": 1}, "`a` (99 B), `b` (1 B)"),
        ({"a": 100, "b": 1}, "`a` (100 B)"),
        ({f"{number:03}": 5 for number in range(200)}, "`000` (5 B)"),
        ({}, ""),
    ],
    ids=["the rest is small", "a hundredth", "less", "all are small", "none"],
)
def test_the_list_ends_where_files_are_small(sizes: dict[str, int], listed: str) -> None:
    """A file that has not a hundredth of all is not what makes an archive large; the largest is named all the same."""
    assert largest_files(sizes.items()) == listed


def test_the_warning_stays_on_one_line() -> None:
    """Whatever files are called."""
    (line,) = size_warning(2_000_000, [("a\nb", 1)], 1)
    assert "`a\\nb`" in line
