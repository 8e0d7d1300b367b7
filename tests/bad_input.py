"""What cannot be packed, case by case: how a good pipeline is spoiled, and what is said of it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from checkout import FRONT_ENDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One way to spoil a pipeline, and what is said of it."""

    name: str
    said: str
    """Regular expression of a part of the line."""
    files: dict[str, str | bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    settings: str = ""
    spoil: Callable[[Path], object] = lambda root: None
    front_ends: tuple[str, ...] = tuple(FRONT_ENDS)

    def __str__(self) -> str:
        return self.name


def fifo(path: str) -> Callable[[Path], object]:
    """Make a FIFO."""
    return lambda root: replaced(root / path, os.mkfifo)


def unix_socket(path: str) -> Callable[[Path], object]:
    """Make a socket; the path of a socket is short, so it is moved to its place."""

    def make(place: Path) -> None:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("/tmp/ytupload-test.socket")
        shutil.move("/tmp/ytupload-test.socket", place)

    return lambda root: replaced(root / path, make)


def device(path: str) -> Callable[[Path], object]:
    """Make a device that reads as empty."""

    def make(place: Path) -> None:
        try:
            os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root can make a device")

    return lambda root: replaced(root / path, make)


def directory(path: str) -> Callable[[Path], object]:
    """Make a directory with a file in it."""

    def make(place: Path) -> None:
        place.mkdir()
        (place / "file").touch()

    return lambda root: replaced(root / path, make)


def forbidden(path: str) -> Callable[[Path], object]:
    """Take away all permissions."""
    return lambda root: (root / path).chmod(0)


def named(name: bytes, content: bytes = b"x") -> Callable[[Path], object]:
    """Make a file whose name may be no text."""

    def make(root: Path) -> None:
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    return make


def replaced(place: Path, make: Callable[[Path], object]) -> None:
    """Make something in the place of a file."""
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    make(place)


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
SRC = "stages/first/src"
WAY_OUT = "exclude it in `.ytignore`"

ESCAPES = [
    Case(
        "source-above",
        r"entry #1 of `upload_paths` \(`\.\./outside`\) leads out of the pipeline directory .*; copy it",
        settings='upload_paths = [{ source = "../outside" }]',
    ),
    Case(
        "source-above-in-between",
        r"\(`lib/\.\./\.\./outside`\) leads out of the pipeline directory",
        settings='upload_paths = [{ source = "lib/../../outside" }]',
        files={"lib/x": ""},
    ),
    Case(
        "source-absolute",
        r"\(`/etc`\) leads out of the pipeline directory .*, to `/etc`",
        settings='upload_paths = [{ source = "/etc" }]',
    ),
    Case(
        "source-beside-with-the-same-beginning",
        r"leads out of the pipeline directory",
        settings='upload_paths = [{ source = "../demo-too" }]',
    ),
    Case(
        "source-by-link",
        r"\(`lib`\) leads out of the pipeline directory .*, to `/.*/outside`",
        settings='upload_paths = [{ source = "lib" }]',
        links={"lib": "../outside"},
    ),
    Case(
        "link-to-a-file",
        rf"the symbolic link `{SRC}/link` leads to `/etc/hostname`, out of .*; replace it by a copy, {WAY_OUT}",
        links={f"{SRC}/link": "/etc/hostname"},
    ),
    Case(
        "link-to-a-directory",
        rf"the symbolic link `{SRC}/link` leads to `/.*/outside`, out of",
        links={f"{SRC}/link": "../../../../outside"},
    ),
    Case(
        "link-as-config",
        r"the symbolic link `stages/first/config.yaml` leads to `/etc/hostname`, out of",
        links={"stages/first/config.yaml": "/etc/hostname"},
    ),
    Case(
        "link-as-stage",
        r"`stages/second/src`.* leads to `/.*/outside/stages/first/src`, out of",
        links={"stages/second": "../../outside/stages/first"},
    ),
    Case(
        "target-above",
        r"has the target `\.\./x`, which is not a path inside the archive",
        settings='upload_paths = [{ source = "lib", target = "../x" }]',
        files={"lib/x": ""},
    ),
    Case(
        "target-above-in-between",
        r"has the target `a/\.\./\.\./x`, which is not a path inside",
        settings='upload_paths = [{ source = "lib", target = "a/../../x" }]',
        files={"lib/x": ""},
    ),
    Case(
        "target-absolute",
        r"has the target `/x`, which is not a path inside",
        settings='upload_paths = [{ source = "lib", target = "/x" }]',
        files={"lib/x": ""},
    ),
    Case(
        "script-above",
        r"`job.map_reduce_command.reducer_script` in `stages/first/config.yaml` names `\.\./\.\./x.py`",
        files={"stages/first/config.yaml": "job: {map_reduce_command: {reducer_script: ../../x.py}}", "x.py": ""},
    ),
    Case(
        "pipeline-dir-above",
        r"`tool.ytupload.pipeline_dir` must stay inside the project root, and `\.\./outside` leads out",
        settings='pipeline_dir = "../outside"',
    ),
    Case(
        "pipeline-dir-absolute",
        r"`tool.ytupload.pipeline_dir` must be a directory relative to the project root",
        settings='pipeline_dir = "/tmp"',
    ),
]
MISSING = [
    Case(
        "source",
        r"entry #2 of `upload_paths` \(`gone`\) does not exist: `/.*/gone`; correct it or remove the entry",
        settings='upload_paths = [{ source = "lib" }, { source = "gone" }]',
        files={"lib/x": ""},
    ),
    Case(
        "source-is-a-file",
        r"entry #1 of `upload_paths` \(`notes.txt`\) is not a directory: `/.*/notes.txt`; name the one that holds it",
        settings='upload_paths = [{ source = "notes.txt" }]',
        files={"notes.txt": ""},
    ),
    Case("module", r"no_such_module", settings='upload_modules = ["no_such_module"]'),
    Case("stage", r"stage `frist`.*did you mean `first`", settings='stages = ["frist"]'),
    Case(
        "config",
        r"the pipeline's config `configs/prod.yaml` does not exist in `/.*`",
        settings='config = "configs/prod.yaml"',
    ),
    Case(
        "link",
        rf"cannot follow the symbolic link `{SRC}/link` to `gone`: No such file or directory; {WAY_OUT}",
        links={f"{SRC}/link": "gone"},
    ),
    Case(
        "stages",
        r"no stage with code to run: looked for `mapper.py`.* in `/.*/stages/<stage>/src`",
        spoil=lambda root: shutil.rmtree(root / "stages"),
    ),
    Case(
        "entry-points",
        r"no stage with code to run: looked for .*\(stages there: first\)",
        spoil=lambda root: (root / SRC / "mapper.py").rename(root / SRC / "maper.py"),
    ),
    Case(
        "all-ignored",
        rf"nothing of `{SRC}` is left to pack: `\*\.py` \(line 2 of `stages/\.ytignore`\) excludes `{SRC}/mapper.py`",
        files={"stages/.ytignore": "# all\n*.py\n"},
    ),
    Case(
        "all-of-a-source-ignored",
        r"nothing of `lib` is left to pack: `x` \(line 1 of `lib/\.ytignore`\) excludes `lib/x`",
        settings='upload_paths = [{ source = "lib" }]',
        files={"lib/x": "", "lib/.ytignore": "x"},
    ),
]
UNREADABLE = [
    Case(
        "file",
        rf"cannot read `/.*/{SRC}/mapper.py`: Permission denied; make it readable or {WAY_OUT}",
        spoil=forbidden(f"{SRC}/mapper.py"),
    ),
    Case(
        "directory",
        rf"cannot list `{SRC}/sub`: Permission denied; .*{WAY_OUT}",
        files={f"{SRC}/sub/x": ""},
        spoil=forbidden(f"{SRC}/sub"),
    ),
    Case("stages", r"cannot list `stages`: Permission denied", spoil=forbidden("stages")),
    Case(
        "ignore-file",
        r"cannot read `\.ytignore`: Permission denied",
        files={".ytignore": ""},
        spoil=forbidden(".ytignore"),
    ),
    Case(
        "config",
        r"cannot read `configs/config.yaml`: Permission denied",
        files={"configs/config.yaml": ""},
        spoil=forbidden("configs/config.yaml"),
    ),
    Case(
        "stage-config",
        r"cannot read `stages/first/config.yaml`: Permission denied",
        files={"stages/first/config.yaml": ""},
        spoil=forbidden("stages/first/config.yaml"),
    ),
]
SPECIAL = [
    *(
        Case(
            f"{kind}-{where}",
            rf"`{path}` is a {kind}, and only regular files can be packed; {WAY_OUT}",
            spoil=make(path),
        )
        for kind, make, where, path in (
            ("FIFO", fifo, "beside", f"{SRC}/odd"),
            ("FIFO", fifo, "as-entry-point", f"{SRC}/mapper.py"),
            ("FIFO", fifo, "as-config", "stages/first/config.yaml"),
            ("socket", unix_socket, "as-requirements", "stages/first/requirements.txt"),
            ("character device", device, "beside", f"{SRC}/odd"),
        )
    ),
    Case(
        "FIFO-as-ignore-file",
        r"cannot read `\.ytignore`: it is no regular file; make it a readable file",
        spoil=fifo(".ytignore"),
    ),
    Case(
        "FIFO-as-nested-ignore-file",
        rf"cannot read `{SRC}/\.ytignore`: it is no regular file",
        spoil=fifo(f"{SRC}/.ytignore"),
    ),
    Case("FIFO-as-pipeline-config", r"`configs/config.yaml`.* is no regular file", spoil=fifo("configs/config.yaml")),
    Case(
        "FIFO-in-a-module",
        r"`odd/pipe` is a FIFO",
        settings='upload_modules = ["odd"]',
        files={"odd/__init__.py": ""},
        spoil=fifo("odd/pipe"),
    ),
]
LOOPS = [
    Case(
        "link-to-itself",
        rf"the symbolic link `{SRC}/link` leads back to itself: `{SRC}/link` -> `{SRC}/link`; {WAY_OUT}",
        links={f"{SRC}/link": "link"},
    ),
    Case(
        "links-to-each-other",
        rf"leads back to itself: `{SRC}/one` -> `{SRC}/two` -> `{SRC}/one`; {WAY_OUT}",
        links={f"{SRC}/one": "two", f"{SRC}/two": "one"},
    ),
    Case(
        "link-to-its-directory",
        rf"leads back to a directory above it: `{SRC}/sub` -> `{SRC}/sub/link`; {WAY_OUT}",
        links={f"{SRC}/sub/link": "."},
    ),
    Case(
        "links-to-each-others-directories",
        rf"leads back to a directory above it: `{SRC}/a` -> .*; {WAY_OUT}",
        links={f"{SRC}/a/to_b": "../b", f"{SRC}/b/to_a": "../a"},
    ),
    Case("source-is-a-loop", r"`lib`", settings='upload_paths = [{ source = "lib" }]', links={"lib": "lib"}),
]
NAMES = [
    Case(
        "file-not-utf-8",
        rf"the file name `{SRC}/caf\\udce9` is not UTF-8; rename it or {WAY_OUT}",
        spoil=named(b"stages/first/src/caf\xe9"),
    ),
    Case(
        "directory-not-utf-8",
        rf"the file name `{SRC}/caf\\udce9` is not UTF-8",
        spoil=named(b"stages/first/src/caf\xe9/x"),
    ),
    Case(
        "stage-not-utf-8",
        r"the stage name `caf\\udce9` in `/.*/stages` cannot be part of the name",
        spoil=named(b"stages/caf\xe9/src/mapper.py"),
    ),
    *(
        Case(
            f"stage-{number}",
            rf"the stage name `{re.escape(shown)}` in `/.*/stages` cannot be part of the name of a wrapper",
            files={f"stages/{name}/src/mapper.py": ""},
        )
        for number, (name, shown) in enumerate([("a b", "a b"), ("-rf", "-rf"), ("a$b", "a$b"), ("a\nb", r"a\nb")])
    ),
]
DIRECTORIES = [
    Case(
        "entry-point",
        rf"`{SRC}/mapper.py` is a directory, and a Python file is expected there; rename it",
        spoil=directory(f"{SRC}/mapper.py"),
    ),
    Case(
        "stage-config",
        r"`stages/first/config.yaml` is a directory, and a file is expected there; rename it",
        spoil=directory("stages/first/config.yaml"),
    ),
    Case(
        "requirements",
        r"`stages/first/requirements.txt` is a directory, and a file is expected there",
        spoil=directory("stages/first/requirements.txt"),
    ),
    Case(
        "pipeline-config", r"cannot read `configs/config.yaml`: Is a directory", spoil=directory("configs/config.yaml")
    ),
    Case("ignore-file", r"cannot read `\.ytignore`: it is no regular file", spoil=directory(".ytignore")),
    Case(
        "nested-ignore-file",
        rf"cannot read `{SRC}/\.ytignore`: it is no regular file",
        spoil=directory(f"{SRC}/.ytignore"),
    ),
    Case("module", r"odd", settings='upload_modules = ["odd"]', spoil=directory("odd.py")),
]
MALFORMED = [
    Case(
        "pyproject", r"`/.*/pyproject.toml` is not valid TOML: .*line \d+", settings="= broken", front_ends=("command",)
    ),
    Case(
        "table",
        r"`tool.ytupload` must be a table, found the array",
        spoil=lambda root: (root / "pyproject.toml").write_text(
            '[project]\nname = "demo"\nversion = "1.0"\n[tool]\nytupload = [1]\n'
        ),
    ),
    Case(
        "unknown-key",
        r"`tool.ytupload.upload_module` is not a known setting; did you mean `upload_modules`\?",
        settings='upload_module = "x"',
    ),
    Case(
        "wrong-type",
        r'`tool.ytupload.keep_releases` must be a whole number, 0 or more, found the string "ten"',
        settings='keep_releases = "ten"',
    ),
    Case(
        "yaml",
        r"`configs/config.yaml` is not valid YAML: line 3, column \d+: ",
        files={"configs/config.yaml": "pipeline:\n  a: [\n"},
    ),
    Case(
        "yaml-not-a-mapping",
        r"`configs/config.yaml` must be a mapping at its top level, found the array",
        files={"configs/config.yaml": "- a\n"},
    ),
    Case("yaml-not-utf-8", r"`configs/config.yaml` is not valid YAML", files={"configs/config.yaml": b"a: \xff\xfe\n"}),
    Case(
        "yaml-that-runs-code",
        r"`configs/config.yaml` is not valid YAML: .*could not determine a constructor",
        files={"configs/config.yaml": "a: !!python/object/apply:os.system ['exit 3']\n"},
    ),
    Case("yaml-too-deep", r"`configs/config.yaml` is not valid YAML", files={"configs/config.yaml": "[" * 100_000}),
    Case(
        "stage-yaml",
        r"`stages/first/config.yaml` is not valid YAML: line 1",
        files={"stages/first/config.yaml": "a: b: c"},
    ),
    Case(
        "stage-yaml-names-no-script",
        r"`job.map_reduce_command.mapper_script` in `stages/first/config.yaml` names `gone.py`",
        files={"stages/first/config.yaml": "job: {map_reduce_command: {mapper_script: gone.py}}"},
    ),
    Case(
        "interpolation",
        r"`pipeline.upload_modules` in `configs/config.yaml` does not resolve: .*gone",
        files={"configs/config.yaml": "pipeline: {upload_modules: '${gone}'}"},
    ),
]
CREDENTIALS = [
    *(
        Case(
            name,
            rf"`{SRC}/{re.escape(name)}` looks like a file of credentials, .*; move it out of the sources or {WAY_OUT}",
            files={f"{SRC}/{name}": ""},
        )
        for name in ("secrets.env", ".env", "id_ed25519", "cluster.p12")
    ),
    Case(
        "in-an-uploaded-directory",
        r"`configs/secrets.env` looks like a file of credentials",
        settings='upload_paths = [{ source = "configs" }]',
        files={"configs/secrets.env": "YT_TOKEN=x"},
    ),
    Case(
        "in-an-own-module",
        r"`own/.env` looks like a file of credentials",
        settings='upload_modules = ["own"]',
        files={"own/__init__.py": "", "own/.env": ""},
    ),
    Case(
        "private-key",
        rf"`/.*/{SRC}/notes.txt` holds a private key, which must not get into an archive; move it out",
        files={f"{SRC}/notes.txt": KEY},
    ),
    Case(
        "under-another-name",
        rf"`{SRC}/link` \(a symbolic link to `/.*/secrets.env`\) looks like a file of credentials",
        files={"configs/secrets.env": ""},
        links={f"{SRC}/link": "../../../configs/secrets.env"},
    ),
]
TARGETS = [
    *(
        Case(
            f"reserved-{name}",
            rf"would take `{name}.*reserved",
            settings=f'upload_paths = [{{ source = "lib", target = "{name}" }}]',
            files={"lib/x": ""},
        )
        for name in ("stages/first", "ytjobs", "source.tar.gz", "operation_wrapper_x.sh")
    ),
    Case(
        "twice",
        r"entry #2 of `upload_paths` \(`b`\) and entry #1 of `upload_paths` \(`a`\) both want `x`",
        settings='upload_paths = [{ source = "a", target = "x" }, { source = "b", target = "x" }]',
        files={"a/f": "", "b/f": ""},
    ),
    Case(
        "inside-another",
        r"both want `x/y` and `x`",
        settings='upload_paths = [{ source = "a", target = "x" }, { source = "b", target = "x/y" }]',
        files={"a/f": "", "b/f": ""},
    ),
    Case(
        "a-module",
        r"both want `own`",
        settings='upload_modules = "own"\nupload_paths = [{ source = "a", target = "own" }]',
        files={"a/f": "", "own/__init__.py": ""},
    ),
]
GROUPS = {
    "escapes": ESCAPES,
    "missing": MISSING,
    "unreadable": UNREADABLE,
    "special": SPECIAL,
    "loops": LOOPS,
    "names": NAMES,
    "directories": DIRECTORIES,
    "malformed": MALFORMED,
    "credentials": CREDENTIALS,
    "targets": TARGETS,
}
