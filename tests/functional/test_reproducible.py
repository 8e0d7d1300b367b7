"""The same content is the same bytes, whatever differs around it; other Pythons are in `test_every_python.py`."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import FRONT_ENDS, run, sha256
from pipelines import CHECKOUT, Pipeline, clean_environment, contents, make_pipeline
from privileges import NOBODY, as_nobody
from rich_pipeline import RICH_FILES, make_rich_pipeline

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Return a pipeline with much in it."""
    return make_rich_pipeline(tmp_path_factory.mktemp("original") / "demo")


@pytest.fixture(scope="module")
def expected(original: Pipeline) -> str:
    """Return the digest of its archive."""
    return digest_of(original)


def digest_of(pipeline: Pipeline, *before: str | Path, front_end: str = "target", **environ: str) -> str:
    """Build and return the digest of the archive."""
    command = [*before, *FRONT_ENDS[front_end]]
    run(*command, cwd=pipeline.root, environ=clean_environment(**environ))
    return sha256(pipeline.archive())


@pytest.fixture
def copy(original: Pipeline, tmp_path: Path) -> Pipeline:
    """Return a copy of the pipeline, made anew by the file system."""
    ignore = shutil.ignore_patterns("dist")
    return Pipeline(Path(shutil.copytree(original.root, tmp_path / "copy", symlinks=True, ignore=ignore)))


def test_the_rich_pipeline_is_packed_whole(original: Pipeline, expected: str) -> None:
    """Or else the other tests would compare less than they seem to."""
    assert expected
    packed = contents(original.archive())
    for path, content in RICH_FILES.items():
        place = path.removeprefix("lib/")
        if not path.startswith("configs/"):
            assert packed[place] == content
    assert len(packed) > len(RICH_FILES)


def test_both_front_ends_agree(copy: Pipeline, expected: str) -> None:
    """The command and the target."""
    assert digest_of(copy, front_end="command") == expected


def test_in_another_directory(copy: Pipeline, tmp_path: Path, expected: str) -> None:
    """Deep down, with a space, a newline and letters of another alphabet in its name."""
    place = tmp_path / "a b" / "c\nd" / "каталог" / ("x" * 100)
    place.parent.mkdir(parents=True)
    copy.root.rename(place)
    assert digest_of(Pipeline(place)) == expected


def test_through_a_symbolic_link(copy: Pipeline, tmp_path: Path, expected: str) -> None:
    """The project's directory may be known by another name."""
    link = tmp_path / "link"
    link.symlink_to(copy.root)
    assert digest_of(Pipeline(link)) == expected


@pytest.mark.parametrize("umask", ["000", "077", "777"])
def test_under_any_umask(copy: Pipeline, umask: str, expected: str) -> None:
    """Even under one that lets nobody read what is written."""
    with_umask = ["sh", "-c", f'umask {umask}; exec "$@"', "sh"]
    if umask == "777" and os.geteuid() != 0:
        pytest.skip("only root could read the archive")
    assert digest_of(copy, *with_umask) == expected


def test_with_other_permissions(copy: Pipeline, expected: str) -> None:
    """Only whether the owner may execute a file counts."""
    for path in copy.root.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700 | 0o022)
    assert digest_of(copy) == expected


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/St_Johns", "Pacific/Kiritimati"])
def test_in_any_time_zone(copy: Pipeline, zone: str, expected: str) -> None:
    """Times are seconds since 1970."""
    assert digest_of(copy, TZ=zone) == expected


ASCII_ONLY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "1"},
        ASCII_ONLY,
        {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_in_any_locale(copy: Pipeline, environ: dict[str, str], front_end: str, expected: str) -> None:
    """Even where Python takes file names for ASCII."""
    assert digest_of(copy, front_end=front_end, **environ) == expected


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_with_any_order_of_sets(copy: Pipeline, seed: str, expected: str) -> None:
    """Python orders sets of strings by a seed."""
    assert digest_of(copy, PYTHONHASHSEED=seed) == expected


def test_by_another_user(copy: Pipeline, expected: str) -> None:
    """Who owns the files and who builds leaves no trace."""
    nobody = as_nobody()
    for path in [copy.root, *copy.root.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert digest_of(copy, *nobody) == expected
    assert copy.archive().stat().st_uid == NOBODY


def test_at_any_time(copy: Pipeline, expected: str) -> None:
    """The times of files leave no trace."""
    for number, path in enumerate(copy.root.rglob("*")):
        os.utime(path, (0, number), follow_symlinks=False)
    assert digest_of(copy) == expected


@pytest.mark.parametrize("seed", range(3))
def test_with_files_in_any_order(original: Pipeline, seed: int, tmp_path: Path, expected: str) -> None:
    """In the order in which they were made, as some file systems list them."""
    copy = Pipeline(tmp_path / "copy")
    paths = [path for path in original.root.rglob("*") if path.is_symlink() or path.is_file()]
    paths = [path for path in paths if "dist" not in path.parts]
    random.Random(seed).shuffle(paths)
    for path in paths:
        place = copy.root / path.relative_to(original.root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place, follow_symlinks=False)
    assert digest_of(copy) == expected


@pytest.mark.parametrize("processors", [1, 2])
def test_on_any_number_of_processors(copy: Pipeline, processors: int, expected: str) -> None:
    """Which thread compresses a block makes no difference."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < processors:
        pytest.skip(f"there are not {processors} processors here")
    chosen = ",".join(str(number) for number in available[:processors])
    assert digest_of(copy, "taskset", "-c", chosen) == expected


def test_with_hard_links_for_copies(copy: Pipeline, tmp_path: Path, expected: str) -> None:
    """As uv installs packages: a second name for a file is a file."""
    for number, path in enumerate(path for path in copy.root.rglob("*") if path.is_file() and not path.is_symlink()):
        (tmp_path / f"second-name-{number}").hardlink_to(path)
    twins = [copy.root / path for path in ("lib/shared/twin_a.py", "lib/shared/twin_b.py")]
    twins[1].unlink()
    twins[1].hardlink_to(twins[0])
    assert digest_of(copy) == expected


def test_with_copies_for_symbolic_links(copy: Pipeline, expected: str) -> None:
    """What a link leads to is packed under its name."""
    links = [path for path in copy.root.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        target = link.resolve()
        link.unlink()
        if target.is_dir():
            shutil.copytree(target, link)
        else:
            shutil.copy(target, link)
    assert digest_of(copy) == expected


def test_in_a_repository(copy: Pipeline, expected: str) -> None:
    """The commit stands in the manifest alone."""
    copy.commit()
    assert digest_of(copy) == expected


def test_whatever_earlier_builds_remember(copy: Pipeline, original: Pipeline, tmp_path: Path, expected: str) -> None:
    """With an empty cache, with a full one, with that of another directory, and after changes there and back."""
    cache = {"YTUPLOAD_CACHE_DIR": str(tmp_path / "cache"), "YTUPLOAD_NO_CACHE": ""}
    assert digest_of(original, **cache) == expected
    for _ in range(2):
        assert digest_of(copy, **cache) == expected
    mapper = copy.root / "stages/first/src/mapper.py"
    before = mapper.read_bytes()
    mapper.write_bytes(b"# changed\n")
    assert digest_of(copy, **cache) != expected
    mapper.write_bytes(before)
    assert digest_of(copy, **cache) == expected


def test_with_another_content_it_differs(copy: Pipeline, expected: str) -> None:
    """Another time, a changed byte, a changed name, an executable bit: the digest means something."""
    assert digest_of(copy, SOURCE_DATE_EPOCH="0") != expected
    mapper = copy.root / "stages/first/src/mapper.py"
    mapper.chmod(mapper.stat().st_mode ^ 0o100)
    assert digest_of(copy) != expected


def test_anybody_can_compute_the_identity_of_a_release(original: Pipeline, tmp_path: Path) -> None:
    """The line of docs/concepts.md, in the extracted archive."""
    names = [
        "a  b",
        "-rf",
        "new\nline",
        "é",
        "Z",
        "\ue000",
        "\U0001f600",
        " x",
        "back\\slash",
        "sub/x",
        "sub.x",
        "sub-x",
    ]
    pipeline = make_pipeline(tmp_path / "demo", {f"stages/first/src/{name}": name for name in names})
    (pipeline.root / "stages/first/src/Z").chmod(0o755)
    (line,) = re.findall(r"```sh\n(.*?)```", (CHECKOUT / "docs/concepts.md").read_text(), flags=re.DOTALL)
    for number, built in enumerate([pipeline.build(), original.build(tmp_path / "dist")]):
        directory = tmp_path / str(number)
        directory.mkdir()
        subprocess.run(["tar", "-xzf", built.archive], cwd=directory, check=True)
        found = subprocess.run(["bash", "-c", line], cwd=directory, capture_output=True, text=True, check=True)
        assert found.stdout.split()[0] == built.content_sha256


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_every_command_works_with_names_that_the_locale_cannot_show(tmp_path: Path, locale: str) -> None:
    """Of the project, a stage, its script beside the archive, a variable, and build folders, whoever names them."""
    files = {"stages/日本/src/mapper.py": "import nothing_of_that_name\n", "stages/日本/src/ü.txt": ""}
    settings = 'mode = "dev"\nbuild_folder = "//home/日本"\nstandalone_wrappers = true'
    pipeline = make_pipeline(tmp_path / "проект", files, settings=settings)
    environ = {**ASCII_ONLY, "LC_ALL": locale}

    def run(*arguments: str, status: int = 0, **variables: str) -> str:
        done = pipeline.run(*arguments, environ={**environ, **variables})
        assert done.returncode == status, done.stderr
        return done.stdout

    run("build")
    run("publish")
    run("verify")
    run("verify", "//home/日本")
    run("promote", "--to", "//home/ü")
    assert run("history", YTUPLOAD_BUILD_FOLDER="//home/ü") == run("history", "--build-folder", "//home/ü")
    pipeline.write({"stages/日本/src/ü.txt": "changed"})
    run("build")
    run("publish")
    run("rollback")
    folder = pipeline.root / ".dev/cypress/home/日本"
    assert {path.name for path in folder.glob("*.sh")} == {
        "operation_wrapper_first_map.sh",
        "operation_wrapper_日本_map.sh",
    }
    run("fetch", "--extract", "--directory", "extracted")
    assert (pipeline.root / "extracted/stages/日本/src/ü.txt").read_text() == ""
    checked = run("check", status=1)
    assert "stages/\\u65e5\\u672c/src/mapper.py:1: error: imports `nothing_of_that_name`" in checked
