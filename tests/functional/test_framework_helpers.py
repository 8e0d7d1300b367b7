"""The helpers beside those of the installed YT Framework: signatures, results, lines of log and kinds of errors."""

from __future__ import annotations

import inspect
import logging
import re
import shutil
import sys
import typing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pipelines import CHECKOUT, contents, make_pipeline

import hatch_ytupload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.functional,
    pytest.mark.oracle,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11"),
]

UPLOAD = ("upload_all_code", "build_code_locally", "create_code_archive", "upload_code_archive")
DEPENDENCIES = (
    "build_stage_dependencies",
    "build_ytjobs_dependencies",
    "build_map_dependencies",
    "add_checkpoint",
)
MODULES = ["weblog"]
PATHS = [{"source": "./lib/geo", "target": "geo"}]


class Helpers:
    """The eight functions of one of the two, and a logger whose lines are kept."""

    def __init__(self, name: str, place: Callable[[str], str]) -> None:
        for function in (*UPLOAD, *DEPENDENCIES):
            setattr(self, function, getattr(import_module(place(function)), function))
        self.lines: list[str] = []
        self.logger = logging.getLogger(f"{__name__}.{name}")
        self.logger.setLevel(logging.INFO)
        self.logger.handlers = [_Keeper(self.lines)]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class _Keeper(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class Client:
    """Remembers what it was asked to upload."""

    def __init__(self) -> None:
        self.calls: list[dict[str, object]] = []

    def upload_file(self, **arguments: object) -> None:
        self.calls.append(arguments)


@pytest.fixture
def ours() -> Helpers:
    """Return our helpers."""
    return Helpers("ours", lambda _: "hatch_ytupload.framework")


@pytest.fixture
def theirs() -> Helpers:
    """Return YT Framework's."""
    return Helpers("theirs", lambda name: f"yt_framework.operations.{'upload' if name in UPLOAD else 'dependencies'}")


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a copy of the sample pipeline whose modules can be imported, as YT Framework needs it."""
    left_over = shutil.ignore_patterns(".dev", ".build", "dist", "__pycache__", "secrets.env")
    sample = shutil.copytree(CHECKOUT / "sample_pipeline", tmp_path / "sample", ignore=left_over)
    monkeypatch.syspath_prepend(str(sample))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield sample
    for name in [name for name in sys.modules if name.partition(".")[0] == "weblog"]:
        del sys.modules[name]


def types_of(function: Callable[..., object]) -> dict[str, object]:
    """Return the types of a function's parameters and of its result; a client is a client."""
    names = {"Path": Path, "logging": logging, "FileUploader": object}
    found = typing.get_type_hints(function, localns=names)
    return {name: "client" if name == "yt_client" else kind for name, kind in found.items()}


@pytest.mark.parametrize("name", [*UPLOAD, *DEPENDENCIES])
def test_signatures_are_the_same(ours: Helpers, theirs: Helpers, name: str) -> None:
    """Names, order, kinds, defaults and types of the parameters, and the type of the result."""
    mine, other = getattr(ours, name), getattr(theirs, name)
    shapes = [
        [(item.name, item.kind, item.default) for item in inspect.signature(function).parameters.values()]
        for function in (mine, other)
    ]
    assert shapes[0] == shapes[1]
    assert types_of(mine) == types_of(other)
    assert getattr(hatch_ytupload, name) is mine


def built(helpers: Helpers, sample: Path, place: Path) -> tuple[dict[str, bytes], int]:
    """Assemble the sample; return its files, `__pycache__` left out, and what the helper returned."""
    count = helpers.build_code_locally(
        build_dir=place,
        pipeline_dir=sample,
        logger=helpers.logger,
        create_wrappers=True,
        upload_modules=MODULES,
        upload_paths=PATHS,
    )
    files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    return {path: data for path, data in files.items() if "__pycache__" not in path}, count


def test_both_assemble_the_same_but_for_the_documented_differences(
    ours: Helpers, theirs: Helpers, sample: Path, tmp_path: Path
) -> None:
    """docs/yt-framework.md lists them; every file that both have, apart from wrappers, is the same."""
    mine, count = built(ours, sample, tmp_path / "ours")
    other, _ = built(theirs, sample, tmp_path / "theirs")
    more = {re.sub(r"-[\d.]+\.dist-info", "-N.dist-info", path) for path in set(mine) - set(other)}
    assert {path for path in more if not path.startswith("wheels/")} == {
        "operation_bootstrap.py",
        "stages/check_networks/pylock.toml",
        "stages/check_networks/requirements.txt",
        "stages/check_networks/wheels.txt",
        "stages/parse_requests/requirements.txt",
        "yt_framework-N.dist-info/METADATA",
    }
    assert set(other) - set(mine) == {
        # of a mapper.py that is not there, and of a map-reduce without a reducer
        "operation_wrapper_build_sessions_map.sh",
        "operation_wrapper_parse_requests_map_reduce_mapper.sh",
    }
    for path in set(mine) & set(other):
        if not path.startswith("operation_wrapper_"):
            assert mine[path] == other[path], path
    assert count == sum(not path.startswith("operation_wrapper_") for path in mine)


def test_both_log_the_same_lines_but_for_the_counts(
    ours: Helpers, theirs: Helpers, sample: Path, tmp_path: Path
) -> None:
    """From building over packing to the upload; only what is not packed by one of them counts otherwise."""
    for helpers in (ours, theirs):
        client = Client()
        helpers.upload_all_code(client, "//home/build", sample, helpers.logger, MODULES, PATHS)
        assert client.calls == [
            {
                "local_path": sample / ".build/source.tar.gz",
                "yt_path": "//home/build/source.tar.gz",
                "create_parent_dir": True,
            }
        ]
    lines = [
        [
            re.sub(r"\d+(\.\d+)? (ytjobs|total|MB)", r"N \2", line)
            for line in helpers.lines
            if not line.startswith("WARNING Stage parse_requests: map_reduce_mapper wrapper created but no reducer")
        ]
        for helpers in (ours, theirs)
    ]
    assert lines[0] == lines[1]


def test_a_directory_that_theirs_assembled_is_packed_as_it_is(
    ours: Helpers, theirs: Helpers, sample: Path, tmp_path: Path
) -> None:
    """Our archive of it holds what their archive of it holds."""
    built(theirs, sample, tmp_path / "source")
    for name, helpers in (("ours", ours), ("theirs", theirs)):
        helpers.create_code_archive(tmp_path / "source", tmp_path / name, helpers.logger)
    assert contents(tmp_path / "ours") == dict(sorted(contents(tmp_path / "theirs").items()))


@pytest.mark.parametrize("stage", ["parse_requests", "build_sessions", "load_requests", "missing"])
def test_both_list_the_same_files_of_jobs(ours: Helpers, theirs: Helpers, sample: Path, stage: str) -> None:
    """In another order where theirs is that of the file system; scripts, checkpoints and lines are the same."""
    found = []
    for helpers in (ours, theirs):
        folder, directory = "//home/build", sample / "stages" / stage
        files = helpers.build_stage_dependencies(folder, directory, helpers.logger)
        ytjobs = helpers.build_ytjobs_dependencies(folder, helpers.logger)
        script, everything = helpers.build_map_dependencies(folder, directory, "m.bin", "//models", helpers.logger)
        found.append((sorted(files), sorted(ytjobs), script, sorted(everything), everything[-1], helpers.lines))
    assert found[0] == found[1]


@pytest.mark.parametrize(("model", "base"), [("m", "//c"), ("m", None), (None, "//c"), (None, None), ("", "")])
def test_both_add_checkpoints_alike(ours: Helpers, theirs: Helpers, model: str | None, base: str | None) -> None:
    """The list, and what is said."""
    files = [("//a", "a")]
    results = [helpers.add_checkpoint(files, model, base, helpers.logger) for helpers in (ours, theirs)]
    assert results[0] == results[1]
    assert ours.lines == theirs.lines


WRONG: list[tuple[list[str] | None, list[Any] | None]] = [
    (["no_such_module_anywhere"], None),
    (["sys"], None),
    (None, [{"source": "gone"}]),
    (None, [{"source": "../outside"}]),
    (None, [{"source": "stages/first/src/mapper.py"}]),
    (None, [{"target": "x"}]),
    (None, [{"source": "lib", "target": "ytjobs"}]),
    (None, [{"source": "lib", "target": "stages"}]),
    (None, [{"source": "lib"}, {"source": "other", "target": "lib"}]),
    (None, [5]),
    (None, typing.cast("list[Any]", 5)),
    (typing.cast("list[str]", 5), None),
]


@pytest.mark.parametrize(("modules", "paths"), WRONG)
def test_both_raise_the_same_kind_of_error(
    ours: Helpers, theirs: Helpers, tmp_path: Path, modules: list[str] | None, paths: list[Any] | None
) -> None:
    """Programs that catch one go on catching it."""
    pipeline = make_pipeline(tmp_path / "demo", {"lib/a.py": "", "other/b.py": ""})
    kinds = []
    for name, helpers in (("ours", ours), ("theirs", theirs)):
        with pytest.raises(Exception) as error:  # noqa: PT011 - which one is the question
            helpers.build_code_locally(
                tmp_path / name, pipeline.root, helpers.logger, upload_modules=modules, upload_paths=paths
            )
        kinds.append(type(error.value))
    assert kinds[0] is kinds[1]


def test_both_refuse_a_directory_that_exists_and_a_pipeline_without_stages(
    ours: Helpers, theirs: Helpers, tmp_path: Path
) -> None:
    """With the same errors of the operating system."""
    pipeline = make_pipeline(tmp_path / "demo", stage=False)
    for name, helpers in (("ours", ours), ("theirs", theirs)):
        with pytest.raises(FileNotFoundError):
            helpers.build_code_locally(tmp_path / name, pipeline.root, helpers.logger)
        (tmp_path / f"{name}-there").mkdir()
        with pytest.raises(FileExistsError):
            helpers.build_code_locally(tmp_path / f"{name}-there", pipeline.root, helpers.logger)
