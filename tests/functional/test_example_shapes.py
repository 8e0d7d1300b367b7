"""Pipelines in the shapes of YT Framework's own examples: what `check` says of each, and that `run` runs them.

The examples' jobs are written for an image: the cluster's, which has omegaconf and what the package `ytjobs` imports,
or one of their own. Five of them have no jobs at all. One environment here has what all these images have.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from pipelines import make_pipeline

from hatch_ytupload.command_line.cli import main

if TYPE_CHECKING:
    from pipelines import Pipeline

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="yt-framework needs Python 3.11"),
]

CONFIG = "import sys\n\nfrom omegaconf import OmegaConf\n\nfrom ytjobs.config import get_config_path\n\n"
LOADED = "config = OmegaConf.load(get_config_path())\n"
LOG = "from ytjobs.logging.logger import get_logger\n\n"
ROWS = '{"city": "Omsk", "degrees": -20}\n{"city": "Sochi", "degrees": 10}\n'

MAPPER = f"""import json
{CONFIG}
def main():
    {LOADED}
    for line in sys.stdin:
        row = json.loads(line)
        sys.stdout.write(json.dumps(dict(row, degrees=row["degrees"] + config.job.offset)) + "\\n")


if __name__ == "__main__":
    main()
"""
VANILLA = f"""{CONFIG}{LOG}
{LOADED}
get_logger("report").info("the offset is %s", config.job.offset)
"""
OF_AN_IMAGE = f"""import shutil
import subprocess

{CONFIG}{LOG}
{LOADED}
program = shutil.which("weathercock")
if program is None:
    raise RuntimeError("the image has no weathercock")
get_logger("image").info(subprocess.run([program], capture_output=True, text=True, check=True).stdout)
"""
OWN_PACKAGE = f"""from scales.celsius import to_kelvin

{CONFIG}{LOG}
{LOADED}
get_logger("scales").info("%s", to_kelvin(config.job.offset))
"""
SURROUNDINGS = f"""import os
import platform
import subprocess
from datetime import datetime
{LOG}
logger = get_logger("surroundings")
try:
    import torch
    logger.info(torch.cuda.is_available())
except ImportError:
    logger.info("no torch")
except Exception as error:
    logger.warning(error)
logger.info("%s, %s, %s", platform.system(), datetime.now(), sorted(os.environ))
try:
    import psutil
except ImportError:
    logger.info("no psutil")
"""
GPU_MAPPER = """from omegaconf import OmegaConf

from ytjobs.config import get_config_path
from ytjobs.logging.silencer import redirect_stdout_to_stderr
from ytjobs.mapper import BatchMapper

with redirect_stdout_to_stderr():
    from stages.detect.src.clouds import detect

config = OmegaConf.load(get_config_path())

if __name__ == "__main__":
    BatchMapper().map(detect, model=config.job.model)
"""
GPU_CLOUDS = """import sys

import torch.multiprocessing as mp

sys.path.insert(0, ".")
import torch
from stages.detect.src.frames import decoded
from ultralytics import YOLO

from ytjobs.s3.client import S3Client


def detect(rows, model):
    assert not torch.cuda.is_available() and mp and S3Client
    for row in rows:
        print("on the way")
        yield {"city": row["city"], "clouds": YOLO(model)(decoded(row["city"]))}
"""
GPU_FRAMES = """import cv2


def decoded(text):
    import numpy as np

    return cv2.imdecode(np.frombuffer(text.encode(), np.uint8))
"""


class Shape(NamedTuple):
    """A pipeline, and what is known about it."""

    files: dict[str, str]
    jobs: tuple[tuple[str, str], ...] = ()
    """Stage and operation of each."""
    missing: tuple[str, ...] = ()
    """What the archive lacks: an error for each, as nobody says that the jobs' image has it."""
    of_image: tuple[str, ...] = ()
    """The same of a stage that names its image: one warning."""
    settings: str = ""


def stage(name: str, scripts: dict[str, str], config: str) -> dict[str, str]:
    """Return the files of a stage, with what the examples have beside its code."""
    top = f"stages/{name}"
    files = {f"{top}/{path}": "" for path in ("__init__.py", "stage.py")} | {f"{top}/config.yaml": config}
    if scripts:
        files |= {f"{top}/src/__init__.py": ""} | {f"{top}/src/{script}": text for script, text in scripts.items()}
    return files


def image(kind: str, name: str) -> str:
    """Return the config of a stage whose operation names its image."""
    return f"client:\n  operations:\n    {kind}:\n      resources:\n        docker_image: {name}\n"


JOB = "job:\n  offset: 1\nclient:\n  operations:\n    process: {input_table: //tmp/in}\n"
OF_YTJOBS = ("boto3", "botocore")
WITHOUT_JOBS = Shape(stage("make_table", {}, "client:\n  output_table: //tmp/weather\n"))
SHAPES = {
    "01 hello": WITHOUT_JOBS,
    "02 several stages": Shape({**WITHOUT_JOBS.files, **stage("join", {}, "client: {}\n")}),
    "03 yql": Shape(stage("queries", {}, "client:\n  output:\n    joined: //tmp/joined\n")),
    "04 map": Shape(
        {**WITHOUT_JOBS.files, **stage("warm", {"mapper.py": MAPPER}, JOB)},
        (("warm", "map"),),
        ("omegaconf", *OF_YTJOBS),
    ),
    "05 vanilla": Shape(
        stage("report", {"vanilla.py": VANILLA}, JOB), (("report", "vanilla"),), ("omegaconf", *OF_YTJOBS)
    ),
    # The client of S3 is that of the stage's own process.
    "06 s3": Shape(stage("list", {}, "client:\n  input_bucket:\n")),
    "07 image": Shape(
        stage("turn", {"vanilla.py": OF_AN_IMAGE}, f"{image('vanilla', 'example.com/cock:1')}job:\n  offset: 1\n"),
        (("turn", "vanilla"),),
        of_image=("omegaconf", *OF_YTJOBS),
    ),
    "08 several configs": Shape({**WITHOUT_JOBS.files, "configs/config_large.yaml": "pipeline:\n  mode: dev\n"}),
    "09 two operations": Shape(
        stage("both", {"mapper.py": MAPPER, "vanilla.py": VANILLA}, JOB),
        (("both", "map"), ("both", "vanilla")),
        ("omegaconf", *OF_YTJOBS),
    ),
    "10 own package": Shape(
        {
            **stage("scale", {"vanilla.py": OWN_PACKAGE}, JOB),
            "lib/__init__.py": "",
            "lib/scales/__init__.py": "from scales.celsius import to_kelvin\n",
            "lib/scales/celsius.py": "def to_kelvin(degrees):\n    return degrees + 273.15\n",
        },
        (("scale", "vanilla"),),
        ("omegaconf", *OF_YTJOBS),
        settings="  upload_paths:\n    - { source: ./lib/scales, target: scales }\n",
    ),
    "surroundings": Shape(
        stage("look", {"vanilla.py": SURROUNDINGS}, "job:\n  list: [1, 2]\n"), (("look", "vanilla"),), OF_YTJOBS
    ),
    "gpu": Shape(
        stage(
            "detect",
            {"mapper.py": GPU_MAPPER, "clouds.py": GPU_CLOUDS, "frames.py": GPU_FRAMES},
            f"{image('map', 'example.com/yolo:1')}job:\n  model: clouds.pt\n",
        ),
        (("detect", "map"),),
        of_image=(*OF_YTJOBS, "cv2", "numpy", "omegaconf", "torch", "ultralytics"),
    ),
}

PRINTED = {
    "map": '{"city": "Omsk", "degrees": -19}\n{"city": "Sochi", "degrees": 11}\n',
    "vanilla": "",
    "gpu": '{"city": "Omsk", "clouds": "Omsk by clouds.pt"}\n{"city": "Sochi", "clouds": "Sochi by clouds.pt"}\n',
}
IN_THE_IMAGE = {
    "boto3/__init__.py": "client = None\n",
    "botocore/__init__.py": "",
    "botocore/client.py": "Config = object\n",
    "botocore/exceptions.py": "class ClientError(Exception): pass\n",
    "cv2.py": "def imdecode(data): return data.decode()\n",
    "numpy.py": "uint8 = None\ndef frombuffer(data, kind): return data\n",
    "torch/__init__.py": "class cuda:\n    is_available = staticmethod(lambda: False)\n",
    "torch/multiprocessing.py": "",
    "ultralytics.py": "def YOLO(model):\n    return lambda frame: f'{frame} by {model}'\n",
}


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Write the pipeline of a shape, and stand in it."""
    shape = SHAPES[request.param]
    config = "stages:\n  enabled_stages: []\npipeline:\n  mode: dev\n  build_folder: //tmp/weather/build\n"
    files = {"configs/config.yaml": config + shape.settings, "pipeline.py": "", "__init__.py": "", **shape.files}
    pipeline = make_pipeline(tmp_path / "demo", files, stage=False, framework=False)
    monkeypatch.chdir(pipeline.root)
    return pipeline


@pytest.fixture(scope="module")
def image_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with what all the images have, as far as the jobs look."""
    directory = tmp_path_factory.mktemp("image")
    venv.create(directory, symlinks=True)
    python = directory / "bin" / "python"
    (site,) = directory.glob("lib/python*/site-packages")
    for path, text in IN_THE_IMAGE.items():
        (site / path).parent.mkdir(exist_ok=True)
        (site / path).write_text(text)
    for name in ("omegaconf", "antlr4", "yaml"):
        (site / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    program = directory / "bin" / "weathercock"
    program.write_text("#!/bin/sh\necho north\n")
    program.chmod(0o755)
    return python


def command(*arguments: str) -> int:
    """Call the command line in this process, and return its status."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("example", SHAPES, indirect=True)
def test_check_is_silent_or_right(
    example: Pipeline, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """One finding for each missing module, or one for the image; each is gone when its advice is followed."""
    shape = SHAPES[request.node.callspec.params["example"]]
    status = command("check", "--json")
    said, errors = capsys.readouterr()
    if not shape.jobs:
        assert status == 1
        (line,) = json.loads(errors)["errors"]
        assert line.startswith("no stage with code to run: ")
        assert line.endswith("; a pipeline that runs no code of its own in jobs needs no archive")
        return
    findings = json.loads(said)["findings"]
    loud = [finding for finding in findings if finding["severity"] != "note"]
    rules = ["image"] if shape.of_image else ["missing-import"] * len(shape.missing)
    assert [finding["rule"] for finding in loud] == rules, loud
    assert status == (1 if shape.missing else 0)
    for module, finding in zip(shape.missing, loud, strict=bool(shape.missing)):
        assert f"`{module}" in finding["message"]
        assert "`requirements.txt`" in finding["message"]
        assert "`provided_modules`" in finding["message"]
        assert bool(finding["via"]) == (module in OF_YTJOBS)
    if shape.of_image:
        assert ", ".join(f"`{module}`" for module in sorted(shape.of_image)) in loud[0]["message"]
    pyproject = example.root / "pyproject.toml"
    modules = sorted({*shape.missing, *shape.of_image})
    pyproject.write_text(f"{pyproject.read_text()}provided_modules = {json.dumps(modules)}\n")
    assert command("check", "--strict") == 0
    assert capsys.readouterr() == ("no findings\n", "")


@pytest.mark.parametrize("example", [name for name, shape in SHAPES.items() if shape.jobs], indirect=True)
def test_run_works_with_the_python_of_the_image(
    example: Pipeline,
    image_python: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """From the built archive, with all that is installed for that Python, programs included."""
    name = request.node.callspec.params["example"]
    monkeypatch.setenv("YTUPLOAD_CACHE_DIR", str(image_python.parent / "cache"))
    monkeypatch.setenv("YTUPLOAD_NO_CACHE", "")
    example.build()
    example.write({"rows.jsonl": ROWS})
    for stage_name, operation in SHAPES[name].jobs:
        target = f"{operation}.out"
        status = command(
            *("run", stage_name, operation, "-i", "rows.jsonl", "-o", target, "--python", str(image_python))
        )
        said = capfd.readouterr()
        assert (status, said.out) == (0, ""), said.err
        assert (example.root / target).read_text() == PRINTED.get(name, PRINTED[operation])
    assert not os.listdir(example.root / ".dev")
