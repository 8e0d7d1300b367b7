"""The helpers of YT Framework over our own build: what they write, return, log and raise."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
from pipelines import contents, make_pipeline

from hatch_ytupload.byte_reader import FileReader
from hatch_ytupload.framework import (
    add_checkpoint,
    build_code_locally,
    build_map_dependencies,
    build_stage_dependencies,
    build_ytjobs_dependencies,
    create_code_archive,
    upload_all_code,
    upload_code_archive,
)
from hatch_ytupload.reading.contents import read_contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelines import Pipeline


class Lines(logging.Handler):
    """Keeps what is logged, as level and text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class Client:
    """A client whose Cypress is a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def upload_file(self, local_path: Path, yt_path: str, *, create_parent_dir: bool = False) -> None:
        assert create_parent_dir
        self.files[yt_path] = local_path.read_bytes()


@pytest.fixture
def lines(logger: logging.Logger) -> list[str]:
    """Return what is logged from now on."""
    handler = Lines()
    logger.addHandler(handler)
    return handler.lines


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """Return a logger of this test, which says everything."""
    logger = logging.getLogger(request.node.nodeid)
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.handlers.clear()


@pytest.fixture
def rich(tmp_path: Path) -> Pipeline:
    """Return a pipeline with a module, a path, ignored files, and settings that nobody here reads."""
    return make_pipeline(
        tmp_path / "rich",
        {
            "stages/first/config.yaml": "job: {a: 1}\n",
            "stages/first/requirements.txt": "six\n",
            "stages/first/src/lib/deep.py": "",
            "stages/first/src/notes.md": "",
            "stages/first/stage.py": "",
            "stages/none/stage.py": "",
            "weblog/__init__.py": "raise SystemExit('imported')\n",
            "weblog/sub.py": "",
            "weblog/draft.py": "",
            "weblog/.ytignore": "draft.py\n",
            "lib/geo/table.tsv": "1\t2\n",
            "configs/config.yaml": "pipeline: {upload_modules: [nothing_of_that_name]}\n",
        },
        settings="upload_paths = [{ source = 'nowhere' }]",
    )


MODULES = ["weblog.sub"]
PATHS = [{"source": "./lib/geo", "target": "geo"}]


def build(pipeline: Pipeline, directory: Path, logger: logging.Logger, *, wrappers: bool = True) -> int:
    """Assemble the code of the pipeline."""
    return build_code_locally(directory, pipeline.root, logger, wrappers, MODULES, PATHS)


def files_below(directory: Path) -> dict[str, bytes]:
    """Return all files below a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_building_assembles_what_the_archive_holds(rich: Pipeline, tmp_path: Path, logger: logging.Logger) -> None:
    """The directory holds the very files that the target packs, and only the arguments count."""
    target = tmp_path / "made" / "on" / "the" / "way"
    assert build(rich, target, logger) == 9
    table = {"upload_modules": MODULES, "upload_paths": PATHS, "config": False}
    built = rich.build(tmp_path / "dist", table)
    assert files_below(target) == contents(built.archive)


def test_building_keeps_modes_and_times(rich: Pipeline, tmp_path: Path, logger: logging.Logger) -> None:
    """What the owner may run stays so, in the two modes of archives; times are those of the sources."""
    mapper = rich.root / "stages/first/src/mapper.py"
    mapper.chmod(0o700)
    os.utime(mapper, (1000, 1000))
    build(rich, tmp_path / "source", logger)
    copy = tmp_path / "source/stages/first/src/mapper.py"
    assert (copy.stat().st_mode & 0o7777, copy.stat().st_mtime) == (0o755, 1000)
    assert (tmp_path / "source/geo/table.tsv").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "source/operation_wrapper_first_map.sh").stat().st_mode & 0o7777 == 0o755


def test_building_without_wrappers_writes_none(rich: Pipeline, tmp_path: Path, logger: logging.Logger) -> None:
    """Wrappers come on request alone, and are not counted either way."""
    assert build(rich, tmp_path / "source", logger, wrappers=False) == 9
    assert not list((tmp_path / "source").glob("operation_wrapper_*"))


def test_building_logs_each_source(rich: Pipeline, tmp_path: Path, logger: logging.Logger, lines: list[str]) -> None:
    """The lines are those of YT Framework."""
    place = tmp_path / "source"
    build(rich, place, logger)
    assert lines == [
        f"INFO [Code Build] Build directory: {place}",
        f"INFO Copying ytjobs package to {place}/ytjobs...",
        "INFO   \u2713 Copied 1 ytjobs files",
        f"INFO Copying module weblog.sub to {place}/weblog...",
        "INFO   \u2713 Copied 2 weblog.sub files",
        f"INFO Copying {rich.root}/lib/geo to {place}/geo...",
        "INFO   \u2713 Copied 1 files from ./lib/geo",
        "DEBUG   Copied config: first/config.yaml",
        "DEBUG   Copied 3 files from first/src/",
        f"DEBUG Created wrapper script: {place}/operation_wrapper_first_map.sh",
        "DEBUG Created wrapper scripts for 1 stages",
        "INFO   \u2713 Code build completed: 9 total files",
    ]


def test_building_never_touches_a_directory_that_exists(
    pipeline: Pipeline, tmp_path: Path, logger: logging.Logger
) -> None:
    """Even an empty one is refused."""
    (tmp_path / "source").mkdir()
    with pytest.raises(FileExistsError):
        build_code_locally(tmp_path / "source", pipeline.root, logger)
    assert not files_below(tmp_path / "source")


@pytest.mark.parametrize(
    ("uploads", "refused"),
    [
        ((None, [{"source": "gone"}]), (FileNotFoundError, "entry #1 of `upload_paths` (`gone`) does not exist")),
        ((None, [{"source": "../out"}]), (ValueError, "leads out of the pipeline directory")),
        ((None, [{"source": "stages/first/src/mapper.py"}]), (ValueError, "is not a directory")),
        ((None, [{"target": "x"}]), (ValueError, "`source` must be a directory")),
        ((None, [{"source": "lib/geo", "target": "../x"}]), (ValueError, "not a path inside the archive")),
        ((None, [{"source": "lib/geo", "target": "stages"}]), (ValueError, "is reserved")),
        ((None, [{"source": "lib/geo", "target": "weblog/x"}, {"source": "weblog"}]), (ValueError, "both want")),
        ((None, ["lib/geo"]), (TypeError, "entry #1 of `upload_paths` must be a mapping")),
        ((None, "lib/geo"), (TypeError, "`upload_paths` must be a list")),
        ((None, 5), (TypeError, "`upload_paths` must be a list")),
        ((5, None), (TypeError, "`upload_modules` must be a list")),
        (([5], None), (ValueError, "all strings")),
        ((["no_such_module_anywhere"], None), (ValueError, "no_such_module_anywhere")),
        ((["sys"], None), (ValueError, "`sys`")),
    ],
)
def test_what_cannot_be_built_is_an_error_of_python(
    rich: Pipeline,
    tmp_path: Path,
    logger: logging.Logger,
    uploads: tuple[list[str] | None, list[dict[str, str]] | None],
    refused: tuple[type[Exception], str],
) -> None:
    """The kinds are YT Framework's, the messages ours, in one line; no directory is left."""
    (modules, paths), (kind, said) = uploads, refused
    with pytest.raises(kind) as error:
        build_code_locally(tmp_path / "source", rich.root, logger, upload_modules=modules, upload_paths=paths)
    assert type(error.value) is kind
    assert said in str(error.value)
    assert str(error.value).isprintable()
    assert not (tmp_path / "source").exists()


def test_unknown_keys_and_a_single_name_are_accepted(rich: Pipeline, tmp_path: Path, logger: logging.Logger) -> None:
    """As YT Framework passes over keys that it does not know, and its configs may hold one name instead of a list."""
    paths = [{"source": "lib/geo", "comment": "tables"}]
    modules: list[str] = "weblog"  # type: ignore[assignment] # what a config may hold
    build_code_locally(tmp_path / "source", rich.root, logger, upload_modules=modules, upload_paths=paths)
    assert (tmp_path / "source/geo/table.tsv").exists()
    assert (tmp_path / "source/weblog/__init__.py").exists()


def test_a_pipeline_without_stages_has_nothing_to_build(tmp_path: Path, logger: logging.Logger) -> None:
    """No directory of stages is a missing file; one without code gives `ytjobs` alone, as with YT Framework."""
    bare = make_pipeline(tmp_path / "bare", stage=False)
    with pytest.raises(FileNotFoundError, match="stages"):
        build_code_locally(tmp_path / "source", bare.root, logger)
    bare.write({"stages/first/stage.py": ""})
    assert build_code_locally(tmp_path / "source", bare.root, logger, create_wrappers=True) == 1
    assert list(files_below(tmp_path / "source")) == ["ytjobs/__init__.py"]


def test_a_stage_of_mere_libraries_is_built(tmp_path: Path, logger: logging.Logger) -> None:
    """Code that nothing starts is packed too, as with YT Framework."""
    library = make_pipeline(tmp_path / "bare", {"stages/first/src/tools.py": ""}, stage=False)
    build_code_locally(tmp_path / "source", library.root, logger, create_wrappers=True)
    assert sorted(files_below(tmp_path / "source")) == ["stages/first/src/tools.py", "ytjobs/__init__.py"]


def test_an_archive_of_the_directory_has_the_content_of_a_build(
    rich: Pipeline, tmp_path: Path, logger: logging.Logger, lines: list[str]
) -> None:
    """Assembled first or packed at once: the files are the same, so the release is."""
    build(rich, tmp_path / "source", logger)
    lines.clear()
    archive = tmp_path / "deep" / "source.tar.gz"
    create_code_archive(tmp_path / "source", archive, logger)
    built = rich.build(tmp_path / "dist", {"upload_modules": MODULES, "upload_paths": PATHS, "config": False})
    with open(archive, "rb") as file:
        assert read_contents(FileReader(file.fileno()), "x").content_sha256 == built.content_sha256
    assert lines == [f"INFO [Code Archive] Creating archive: {archive}", "INFO   \u2713 Archive created: 0.00 MB"]


def test_the_same_files_give_the_same_bytes(tmp_path: Path, logger: logging.Logger) -> None:
    """Whatever their times, their order and the umask."""
    archives = []
    for number, names in enumerate((["b", "a", "c/d"], ["c/d", "a", "b"])):
        directory = tmp_path / str(number)
        (directory / "c").mkdir(parents=True)
        for name in names:
            (directory / name).write_text(name)
            os.utime(directory / name, (number, number))
        old = os.umask(0o077 if number else 0)
        try:
            archive = tmp_path / f"{number}.tar.gz"
            create_code_archive(directory, archive, logger)
        finally:
            os.umask(old)
        archives.append(archive.read_bytes())
    assert archives[0] == archives[1]


def test_everything_in_the_directory_is_packed(tmp_path: Path, logger: logging.Logger) -> None:
    """Nothing is ignored any more: whoever assembled it has decided. Links inside become what they lead to."""
    source = tmp_path / "source"
    for name in (".ytignore", "a.pyc", "__pycache__/b.pyc", ".env", "empty"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("*" if name != "empty" else "")
    (source / "link").symlink_to("a.pyc")
    (source / "dangling").symlink_to("nowhere")
    create_code_archive(source, tmp_path / "a.tar.gz", logger)
    packed = contents(tmp_path / "a.tar.gz")
    assert list(packed) == [".env", ".ytignore", "__pycache__/b.pyc", "a.pyc", "empty", "link"]
    assert packed["link"] == b"*"


def test_an_archive_never_holds_itself(tmp_path: Path, logger: logging.Logger) -> None:
    """One that goes into the directory it is made of is the same the second time."""
    (tmp_path / "a").write_text("a")
    archive = tmp_path / "source.tar.gz"
    create_code_archive(tmp_path, archive, logger)
    first = archive.read_bytes()
    create_code_archive(tmp_path, archive, logger)
    assert archive.read_bytes() == first
    assert list(contents(archive)) == ["a"]
    assert sorted(os.listdir(tmp_path)) == ["a", "source.tar.gz"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda source: (source / "link").symlink_to("/etc/passwd"), "the symbolic link `link` leads to `/etc/passwd`"),
        (lambda source: os.mkfifo(source / "pipe"), "`pipe` is a FIFO"),
        (lambda source: (source / os.fsdecode(b"\xff")).touch(), "is not UTF-8"),
    ],
)
def test_what_cannot_be_packed_leaves_the_old_archive(
    tmp_path: Path, logger: logging.Logger, spoil: object, said: str
) -> None:
    """The archive is replaced by a whole one or not at all, and nothing else is left."""
    source = tmp_path / "source"
    source.mkdir()
    assert callable(spoil)
    spoil(source)
    archive = tmp_path / "made" / "source.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(b"old")
    with pytest.raises(ValueError, match=said):
        create_code_archive(source, archive, logger)
    assert archive.read_bytes() == b"old"
    assert os.listdir(archive.parent) == ["source.tar.gz"]


def test_the_archive_of_a_missing_directory_is_an_error(tmp_path: Path, logger: logging.Logger) -> None:
    """An empty archive would be no help to anybody."""
    with pytest.raises(FileNotFoundError):
        create_code_archive(tmp_path / "gone", tmp_path / "a.tar.gz", logger)
    assert not os.listdir(tmp_path)


def test_a_wrong_time_is_an_error(tmp_path: Path, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SOURCE_DATE_EPOCH` means the same here as in a build."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "noon")
    with pytest.raises(ValueError, match="SOURCE_DATE_EPOCH"):
        create_code_archive(tmp_path, tmp_path / "a.tar.gz", logger)


def test_uploading_names_the_file_after_the_archive(tmp_path: Path, logger: logging.Logger, lines: list[str]) -> None:
    """The archive reaches the build folder through any client that can upload a file."""
    archive = tmp_path / "code.tar.gz"
    archive.write_bytes(b"bytes")
    client = Client()
    upload_code_archive(client, archive, "//home/build", logger)
    assert client.files == {"//home/build/code.tar.gz": b"bytes"}
    assert lines == [
        "INFO [Uploading Code Archive to YT]",
        "INFO Build folder: //home/build",
        "INFO   \u2713 Archive uploaded: //home/build/code.tar.gz",
    ]


def test_what_the_client_raises_comes_through(tmp_path: Path, logger: logging.Logger, lines: list[str]) -> None:
    """Nothing hides a failed upload, and nothing says that it worked."""

    class Broken:
        def upload_file(self, local_path: Path, yt_path: str, *, create_parent_dir: bool = False) -> None:
            raise RuntimeError("no cluster")

    with pytest.raises(RuntimeError, match="no cluster"):
        upload_code_archive(Broken(), tmp_path / "a", "//home/build", logger)
    assert not any("Archive uploaded" in line for line in lines)


def test_uploading_all_code_cleans_the_build_directory(
    rich: Pipeline, logger: logging.Logger, lines: list[str]
) -> None:
    """`.build/` holds the code and the archive of this run, nothing of earlier ones, and the archive is uploaded."""
    rich.write({".build/source/stale.py": "", ".build/stale.tar.gz": ""})
    client = Client()
    upload_all_code(client, "//home/build", rich.root, logger, MODULES, PATHS)
    archive = rich.root / ".build/source.tar.gz"
    assert sorted(os.listdir(rich.root / ".build")) == ["source", "source.tar.gz"]
    assert contents(archive) == files_below(rich.root / ".build/source")
    assert client.files == {"//home/build/source.tar.gz": archive.read_bytes()}
    assert lines[0] == "INFO [Code Upload] Tar archive mode | Build folder: //home/build"
    assert lines[1] == f"DEBUG Using build directory: {rich.root}/.build"
    assert lines[-1] == "INFO   \u2713 Code upload completed"


def test_a_path_that_is_the_whole_pipeline_never_holds_the_build(rich: Pipeline, logger: logging.Logger) -> None:
    """`.build/` was emptied before anybody looked, so a second run packs what the first one did."""
    client = Client()
    archives = []
    for _ in range(2):
        upload_all_code(client, "//b", rich.root, logger, upload_paths=[{"source": ".", "target": "all"}])
        archives.append(client.files["//b/source.tar.gz"])
    assert archives[0] == archives[1]


def test_the_files_of_a_stage_are_its_config_and_its_code(
    rich: Pipeline, logger: logging.Logger, lines: list[str]
) -> None:
    """Each is mounted at the place that it has in an archive; what is no Python stays out."""
    assert build_stage_dependencies("//b", rich.root / "stages/first", logger) == [
        ("//b/stages/first/config.yaml", "stages/first/config.yaml"),
        ("//b/stages/first/src/lib/deep.py", "stages/first/src/lib/deep.py"),
        ("//b/stages/first/src/mapper.py", "stages/first/src/mapper.py"),
    ]
    assert lines == [
        "DEBUG   Added config: stages/first/config.yaml",
        "DEBUG   Added stage file: stages/first/src/lib/deep.py",
        "DEBUG   Added stage file: stages/first/src/mapper.py",
        "INFO Stage dependencies: 3 files",
    ]


def test_a_stage_without_files_has_none(tmp_path: Path, logger: logging.Logger) -> None:
    """Neither config nor code, nor even a directory."""
    assert build_stage_dependencies("//b", tmp_path / "gone", logger) == []


def test_a_map_operation_needs_stage_and_ytjobs_and_checkpoint(
    rich: Pipeline, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    """In this order; and the script is named."""
    monkeypatch.syspath_prepend(str(rich.root))
    stage = rich.root / "stages/first"
    script, files = build_map_dependencies("//b", stage, "model.bin", "//models", logger)
    assert script == "//b/stages/first/src/mapper.py"
    assert files == [
        *build_stage_dependencies("//b", stage, logger),
        *build_ytjobs_dependencies("//b", logger),
        ("//models/model.bin", "model.bin"),
    ]
    assert build_ytjobs_dependencies("//b", logger) == [("//b/ytjobs/__init__.py", "ytjobs/__init__.py")]
    assert "INFO Total dependencies: 5 files" in lines


@pytest.mark.parametrize(
    ("model", "base", "level"), [("m", None, "WARNING"), (None, "//c", "DEBUG"), ("m", "", "WARNING"), (None, None, "")]
)
def test_half_a_checkpoint_is_none(
    logger: logging.Logger, lines: list[str], model: str | None, base: str | None, level: str
) -> None:
    """A model without a place is worth a warning; the list is the same one."""
    files = [("//a", "a")]
    assert add_checkpoint(files, model, base, logger) is files
    assert [line.partition(" ")[0] for line in lines] == ([level] if level else [])


def test_adding_a_checkpoint_leaves_the_list_alone(logger: logging.Logger) -> None:
    """The caller's list is not changed."""
    files = [("//a", "a")]
    assert add_checkpoint(files, "m", "//c", logger) == [("//a", "a"), ("//c/m", "m")]
    assert files == [("//a", "a")]
