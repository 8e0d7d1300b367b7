"""Places in the archive: normal forms, reserved names, conflicts."""

from __future__ import annotations

import pytest
from pipelines import refusal

from hatch_ytupload.planning.targets import Claims, normal_target


@pytest.mark.parametrize(
    ("target", "normal"),
    [
        ("a", "a"),
        ("a/b", "a/b"),
        ("./a//b/", "a/b"),
        ("a/../b", "b"),
        ("a b/-c", "a b/-c"),
        ("данные", "данные"),
        ("...", "..."),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_target_has_one_form(target: str, normal: str) -> None:
    """Slashes and dots that mean nothing are dropped."""
    assert normal_target(target, "entry #1") == normal


@pytest.mark.parametrize("target", ["..", "../x", "a/../../x", "/abs", "//x", ".", "./", "a/..", "\n/.."])
def test_a_target_must_be_inside_the_archive(target: str) -> None:
    """Neither out of it, nor the archive itself."""
    shown = target.replace("\n", "\\n")
    assert refusal(lambda: normal_target(target, "entry #1")) == (
        f"entry #1 has the target `{shown}`, which is not a path inside the archive; name one such as `lib/name`"
    )


def test_a_target_must_be_utf8() -> None:
    """YAML can write halves of surrogate pairs."""
    line = "entry #1 has the target `a\\ud800`, which is not UTF-8; name another"
    assert refusal(lambda: normal_target("a\ud800", "entry #1")) == line


@pytest.mark.parametrize("target", ["x" * 256, "x/" + "ы" * 128])
def test_a_target_must_be_a_path_that_can_be_extracted(target: str) -> None:
    """No system has a file of such a name."""
    line = refusal(lambda: normal_target(target, "entry #1"))
    assert line.endswith(", which no file can have as its name; name another")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("stages", "`stages` is reserved for the code of the stages"),
        ("stages/first/src", "`stages` is reserved for the code of the stages"),
        ("ytjobs", "`ytjobs` is reserved for the framework's package, which is always packed"),
        ("ytjobs/sub", "`ytjobs` is reserved for the framework's package, which is always packed"),
        ("source.tar.gz", "`source.tar.gz` is reserved for the archive itself"),
    ],
)
def test_reserved_places_are_refused(target: str, reason: str) -> None:
    """What always is in the archive belongs to nobody else."""
    assert refusal(lambda: Claims().claim(target, "entry #1", owner="x")) == (
        f"entry #1 would take `{target}`, and {reason}; choose another target or remove the entry"
    )


@pytest.mark.parametrize("target", ["operation_wrapper_a_map.sh", "operation_wrapper_.sh", "operation_wrapper_x.sh/y"])
def test_names_of_wrappers_are_refused(target: str) -> None:
    """Whether there is such a script or not."""
    line = f"entry #1 would take `{target}`, a name reserved for wrapper scripts; choose another"
    assert refusal(lambda: Claims().claim(target, "entry #1", owner="x")) == line


@pytest.mark.parametrize("target", ["stages2", "ytjobs.py", "operation_wrapper_x", "lib/stages", "lib/ytjobs"])
def test_similar_names_are_free(target: str) -> None:
    """Only the first component counts, and all of it."""
    assert Claims().claim(target, "entry #1", owner="x")


def test_two_sources_for_one_place_are_named() -> None:
    """Both of them."""
    claims = Claims()
    claims.claim("lib", "entry #1", owner="one")
    line = "entry #2 and entry #1 both want `lib` in the archive; give one another target"
    assert refusal(lambda: claims.claim("lib", "entry #2", owner="two")) == line


@pytest.mark.parametrize(("first", "second"), [("lib", "lib/sub/deep"), ("lib/sub/deep", "lib")])
def test_one_source_inside_another_is_refused(first: str, second: str) -> None:
    """In either order, both places are named."""
    claims = Claims()
    claims.claim(first, "entry #1", owner="one")
    line = f"entry #2 and entry #1 both want `{second}` and `{first}` in the archive; give one another target"
    assert refusal(lambda: claims.claim(second, "entry #2", owner="two")) == line


def test_places_beside_each_other_are_free() -> None:
    """A common beginning of the name is no conflict."""
    claims = Claims()
    assert claims.claim("lib/a", "entry #1", owner="one")
    assert claims.claim("lib/ab", "entry #2", owner="two")
    assert claims.claim("lib2", "entry #3", owner="three")


def test_an_owner_may_ask_twice() -> None:
    """The same source for the same place is packed once, and may take what is inside its own."""
    claims = Claims()
    assert claims.claim("lib", "entry #1", owner="one")
    assert not claims.claim("lib", "entry #2", owner="one")
    assert claims.claim("lib/extra", "entry #3", owner="one")


def test_a_reserved_place_is_given_to_its_owner() -> None:
    """The framework's package takes `ytjobs`; whoever comes then is told."""
    claims = Claims()
    assert claims.claim("ytjobs", "the framework's package", owner="ytjobs", reserved=True)
    assert "reserved" in refusal(lambda: claims.claim("ytjobs", "`ytjobs` of `upload_modules`", owner="ytjobs"))
