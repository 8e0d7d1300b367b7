"""Where `ytjobs` comes from, and what is said where it is not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from installations import install
from pipelines import refusal

from hatch_ytupload.sources import ytjobs as framework_source
from hatch_ytupload.sources.ytjobs import find_ytjobs, framework_requirements

if TYPE_CHECKING:
    from pathlib import Path

MARKED = "yt-framework; python_version >= '3.11'"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory of installed packages; Python's own library stays."""
    site = tmp_path / "lib/site-packages"
    site.mkdir(parents=True)
    library = [path for path in sys.path if "site-packages" not in path]
    monkeypatch.setattr(sys, "path", [*library, str(site)])
    return site


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([], [MARKED]),
        (["numpy", "yt-framework-extras", "my-yt-framework"], [MARKED]),
        (["numpy", "yt-framework>=1.4"], ["yt-framework>=1.4"]),
        (["YT_Framework[x] @ https://example.com/x.whl"], ["YT_Framework[x] @ https://example.com/x.whl"]),
        (
            ["yt-framework<1.5; sys_platform == 'linux'", "yt-framework; sys_platform == 'darwin'"],
            ["yt-framework<1.5; sys_platform == 'linux'", "yt-framework; sys_platform == 'darwin'"],
        ),
    ],
)
def test_the_projects_own_requirement_comes_first(requirements: list[str], expected: list[str]) -> None:
    """What it says of the framework is taken as it is; otherwise any version will do."""
    assert framework_requirements(requirements) == expected


def test_the_installed_package_is_found(site: Path) -> None:
    """With the distribution that it came from."""
    install(site, "yt-framework", "1.4.4", "ytjobs/__init__.py")
    module = find_ytjobs([])
    assert (module.name, module.distribution, module.version) == ("ytjobs", "yt-framework", "1.4.4")


@pytest.mark.usefixtures("site")
def test_where_it_is_missing_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of whoever has started the program; the target has one of its own."""
    monkeypatch.setattr(framework_source, "FRAMEWORK_PYTHON", (3, 0))
    assert refusal(lambda: find_ytjobs([])) == (
        "the package `ytjobs` of yt-framework is not installed in this environment; install it beside "
        'hatch-ytupload: `pip install "hatch-ytupload[framework]"`'
    )


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("needed", [(3, 0), (99, 1)])
def test_an_old_python_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch, needed: tuple[int, int]) -> None:
    """Only where that is the reason."""
    monkeypatch.setattr(framework_source, "FRAMEWORK_PYTHON", needed)
    line = refusal(lambda: find_ytjobs([]))
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    reason = f": yt-framework needs Python 99.1 or newer and this is {running}, so build with a newer Python; then"
    assert (reason in line) == (needed == (99, 1))
    assert ("environment; install it" in line) == (needed == (3, 0))


def test_one_that_cannot_be_packed_is_another_error(site: Path) -> None:
    """It is there, so installing it again in another way would not help."""
    (site / "ytjobs.pyc").write_bytes(b"")
    assert "exists as byte code only" in refusal(lambda: find_ytjobs([]))
