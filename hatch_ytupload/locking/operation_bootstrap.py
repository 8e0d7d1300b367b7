"""Unpacks the wheels of a stage and starts its script: what a job of a stage with a lock runs instead of pip.

It lies at the top of the archive and is started by a wrapper script, with the name of a stage and the path of a script:

    python3 -I operation_bootstrap.py STAGE SCRIPT

`stages/STAGE/wheels.txt` says what the wheels are for, and which of those in `wheels/` are the stage's. Nothing is
downloaded, nothing is installed beyond the sandbox, standard input and output are the script's. Python 3.6 can run it,
if only to say that the wheels are for another one.
"""

import configparser
import csv
import glob
import hashlib
import io
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
import zlib

ROOT = os.path.dirname(os.path.abspath(__file__))
WHEELS = "wheels"
# Python does not know where it lies when the job has no PATH.
PYTHON = sys.executable or os.path.realpath("/proc/self/exe")
# Bytes of a file that is written at once, and of a shebang that every kernel takes.
AT_ONCE = 1 << 20
LONGEST_SHEBANG = 127
# Bytes to unpack from which on a process of its own helps, and bytes that take as long as making a file.
WORTH_A_PROCESS = 8 << 20
COST_OF_A_FILE = 20_000
SCRIPT = """\
import re
import sys
from {module} import {first}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({function}())
"""


class BootstrapError(Exception):
    """The script cannot be started; `str()` of it is the reason."""


class Stage:
    """What `wheels.txt` says: the Python and the machine that the wheels are for, and each wheel."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.python = self.processor = self.library = ""
        self.wheels: list[tuple[str, int, str]] = []
        path = os.path.join(ROOT, "stages", name, "wheels.txt")
        try:
            with open(path, encoding="utf-8") as file:
                self.text = file.read()
            for line in self.text.splitlines():
                self._read(line)
        except (OSError, ValueError) as error:
            raise BootstrapError(f"cannot read `{path}`: {error}") from None

    def _read(self, line: str) -> None:
        key, _, value = line.partition(" ")
        if key == "python":
            self.python = value
        elif key == "processor":
            self.processor = value
        elif key == "libc":
            self.library = value
        elif key and key != "#":
            size, _, file = value.partition(" ")
            self.wheels.append((key, int(size), file))


def main(stage_name: str, script: str) -> None:
    """Check, unpack, start; nothing after that is left of this program."""
    stage = Stage(stage_name)
    check_machine(stage)
    place = unpacked(stage)
    path = [ROOT, os.path.join(place, library()), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    os.environ["PATH"] = os.pathsep.join(filter(None, [os.path.join(place, "bin"), os.environ.get("PATH", os.defpath)]))
    try:
        os.execv(PYTHON, [PYTHON, script])  # noqa: S606 - a shell has no part in it
    except OSError as error:
        raise BootstrapError(f"cannot start `{PYTHON}`: {error.strerror}") from None


def check_machine(stage: Stage) -> None:
    """Refuse a Python, processor or C library that the wheels are not for."""
    python = "{}.{}".format(*sys.version_info[:2])
    if sys.implementation.name != "cpython" or stage.python != python:
        found = f"{platform.python_implementation()} {python} ({PYTHON})"
        raise misfit(f"Python {stage.python}", found)
    if platform.machine() != stage.processor:
        raise misfit(f"processors of {stage.processor}", f"one of {platform.machine()}")
    kind, _, least = stage.library.partition(" ")
    found, version = c_library()
    if found != kind or (version and numbers(version) < numbers(least)):
        raise misfit(f"{stage.library} and newer", f"{found} {version}".strip())


def misfit(wanted: str, found: str) -> BootstrapError:
    """Say what the wheels are for, what was found, and what to do."""
    return BootstrapError(
        f"its wheels are for {wanted}, the job has {found}: use another `docker_image`, or change `target` in "
        "pyproject.toml, run `hatch-ytupload lock` and build again"
    )


def c_library() -> "tuple[str, str]":
    """Return the kind of the C library and its version, which is empty where it cannot be told."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError, OSError):
        name = version = ""
    if name == "glibc":
        return name, version
    loaders = glob.glob("/lib/ld-musl-*.so.1")
    if not loaders:
        return "an unknown C library", ""
    with subprocess.Popen(
        loaders[:1], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as loader:
        said = loader.communicate()[1].decode("ascii", "replace")
    found = re.search(r"Version (\S+)", said)
    return "musl", found.group(1) if found else ""


def numbers(version: str) -> "list[int]":
    """Return the first two numbers of a version."""
    return [int(digits) for digits in re.findall(r"\d+", version)[:2]]


def library() -> str:
    """Return where packages lie, below where everything is unpacked."""
    return "lib/python{}.{}/site-packages".format(*sys.version_info[:2])


def unpacked(stage: Stage) -> str:
    """Return the directory that all wheels of a stage are unpacked in.

    It lies where no file of the archive can be, and gets its name when it is complete: jobs and operations that share a
    sandbox share it.
    """
    name = hashlib.sha256(f"{PYTHON}\n{sys.version}\n{stage.text}".encode()).hexdigest()[:16]
    place = os.path.join(ROOT, WHEELS, "unpacked-" + name)
    if os.path.isdir(place):
        return place
    try:
        os.makedirs(os.path.join(ROOT, WHEELS), exist_ok=True)
        temporary = tempfile.mkdtemp(prefix=".unpacking-", dir=os.path.join(ROOT, WHEELS))
        try:
            unpack(stage, temporary)
            os.chmod(temporary, 0o755)  # noqa: S103 - what a job makes is for whoever looks after it
            os.rename(temporary, place)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            # Another job was faster.
            if not (isinstance(error, OSError) and os.path.isdir(place)):
                raise
    except OSError as error:
        raise BootstrapError(f"cannot unpack its wheels: {error}") from None
    return place


class Entry:
    """A file of a wheel that goes to a place."""

    def __init__(self, wheel: "Wheel", info: zipfile.ZipInfo, scheme: str) -> None:
        self.wheel = wheel
        self.info = info
        self.is_script = scheme == "scripts"

    def write(self, path: str, mask: int) -> None:
        """Write the file; scripts get this Python into their first line."""
        try:
            with self.wheel.zip.open(self.info) as source, open(path, "wb") as file:
                head = source.read(AT_ONCE)
                if self.is_script and head.startswith(b"#!python"):
                    head = shebang() + head.partition(b"\n")[2]
                file.write(head)
                if len(head) >= AT_ONCE:
                    shutil.copyfileobj(source, file, AT_ONCE)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise BootstrapError(f"`{self.wheel.path}` is damaged: {error}") from None
        mode = self.info.external_attr >> 16
        if stat.S_ISREG(mode) and mode & 0o111:
            os.chmod(path, 0o777 & ~mask)


class Wheel:
    """A wheel of the archive, checked and open."""

    def __init__(self, sha256: str, size: int, file: str) -> None:
        self.path = f"{WHEELS}/{file}"
        place = os.path.join(ROOT, WHEELS, file)
        try:
            found = os.path.getsize(place)
            # A lock of another tool may tell no size.
            if size and found != size:
                raise BootstrapError(f"`{self.path}` has {found} bytes, not {size}: it was not extracted whole")
            if digest(place) != sha256:
                raise BootstrapError(f"`{self.path}` is not what was locked: its SHA-256 differs")
            self.zip = zipfile.ZipFile(place)
        except zipfile.BadZipFile as error:
            raise BootstrapError(f"`{self.path}` is damaged: {error}") from None

    def entries(self) -> "list[tuple[str, Entry]]":
        """Return what is in it, each file with its place, as pip would place it."""
        found = []
        for info in self.zip.infolist():
            if not info.filename.endswith("/"):
                scheme, place = self._place(info.filename)
                if ".." in place.split("/") or info.filename.startswith("/"):
                    raise BootstrapError(f"`{self.path}` holds `{info.filename!r}`, which leads out of it")
                found.append((place, Entry(self, info, scheme)))
        return found

    def _place(self, name: str) -> "tuple[str, str]":
        top, _, rest = name.partition("/")
        if not top.endswith(".data") or not rest:
            return "purelib", f"{library()}/{name}"
        scheme, _, rest = rest.partition("/")
        places = {
            "purelib": library(),
            "platlib": library(),
            "scripts": "bin",
            "data": ".",
            "headers": "include/site/python{}.{}/{}".format(*sys.version_info[:2], normalized(top.partition("-")[0])),
        }
        if scheme not in places:
            raise BootstrapError(f"`{self.path}` holds `{name!r}`, which has no place")
        return scheme, os.path.normpath(f"{places[scheme]}/{rest}") if ".." not in rest else rest

    def commands(self) -> "dict[str, tuple[str, str]]":
        """Return the scripts that its entry points ask for: module and function by name."""
        parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read_string(self._metadata("entry_points.txt")[1])
        except configparser.Error:
            return {}
        found = {}
        for kind in ("console_scripts", "gui_scripts"):
            for command, target in parser.items(kind) if parser.has_section(kind) else ():
                match = re.match(r"\s*([\w.]+)\s*:\s*([\w.]+)\s*(\[.*\])?\s*$", target)
                if match:
                    found[os.path.basename(command)] = match.group(1), match.group(2)
        return found

    def write_record(self, place: str) -> None:
        """Have RECORD name what lies elsewhere than in the wheel where it lies now; `importlib.metadata` reads that."""
        name, text = self._metadata("RECORD")
        if not self.commands() and not any(file.partition("/")[0].endswith(".data") for file in self.zip.namelist()):
            return
        # What has another first line now, or was made, has no digest.
        rows = [[os.path.relpath("bin/" + command, library()), "", ""] for command in self.commands()]
        for row in filter(None, csv.reader(io.StringIO(text, newline=""))):
            scheme, to = self._place(row[0])
            rows.append([os.path.relpath(to, library()), *(["", ""] if scheme == "scripts" else row[1:])])
        with open(os.path.join(place, library(), name), "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(sorted(rows))

    def _metadata(self, file: str) -> "tuple[str, str]":
        """Return name and text of a file of the metadata; both empty: there is none."""
        pattern = r"[^/]+\.dist-info/" + re.escape(file)
        name = next((name for name in self.zip.namelist() if re.fullmatch(pattern, name)), "")
        return name, self.zip.read(name).decode("utf-8", "replace") if name else ""


def normalized(name: str) -> str:
    """Return the name of a distribution as tools compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def digest(path: str) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(AT_ONCE), b""):
            found.update(block)
    return found.hexdigest()


def unpack(stage: Stage, place: str) -> None:
    """Unpack all wheels of a stage; of two files for one place the later one stays, as with pip."""
    wheels = [Wheel(*wheel) for wheel in stage.wheels]
    files: dict[str, Entry] = {}
    for wheel in wheels:
        files.update(wheel.entries())
    for directory in sorted({os.path.dirname(name) for name in files} | {library(), "bin"}):
        os.makedirs(os.path.join(place, directory), exist_ok=True)
    mask = os.umask(0)
    os.umask(mask)
    write_files([(os.path.join(place, name), entry) for name, entry in sorted(files.items())], mask)
    for wheel in wheels:
        for command, (module, function) in wheel.commands().items():
            write_command(os.path.join(place, "bin", command), module, function, mask)
        wheel.write_record(place)
        wheel.zip.close()


def write_files(files: "list[tuple[str, Entry]]", mask: int) -> None:
    """Write files in several processes if they are large: threads would wait for one another."""
    shares: list[list[tuple[str, Entry]]] = [[]]
    if sum(entry.info.file_size for _, entry in files) >= WORTH_A_PROCESS:
        shares = [[] for _ in range(processors())]
    loads = [0] * len(shares)
    for path, entry in sorted(files, key=lambda item: -item[1].info.file_size):
        lightest = loads.index(min(loads))
        shares[lightest].append((path, entry))
        loads[lightest] += entry.info.file_size + COST_OF_A_FILE
    reading, writing = os.pipe()
    children = []
    for share in shares[1:]:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = write_share(share, mask, writing)
            finally:
                os._exit(status)
        children.append(child)
    os.close(writing)
    try:
        for path, entry in shares[0]:
            entry.write(path, mask)
    finally:
        with open(reading, encoding="utf-8", errors="replace") as pipe:
            problems = pipe.read()
        failed = [os.waitpid(child, 0)[1] for child in children]
    if any(failed):
        raise BootstrapError(problems.partition("\n")[0] or "cannot unpack its wheels: a process was killed")


def write_share(share: "list[tuple[str, Entry]]", mask: int, errors: int) -> int:
    """Write the files of a process of its own; return its exit status."""
    try:
        # The position in an open file belongs to all processes that have it.
        for wheel in {entry.wheel for _, entry in share}:
            wheel.zip = zipfile.ZipFile(os.path.join(ROOT, wheel.path))
        for path, entry in share:
            entry.write(path, mask)
    except (BootstrapError, OSError) as error:
        text = str(error) if isinstance(error, BootstrapError) else f"cannot unpack its wheels: {error}"
        os.write(errors, text.encode("utf-8", "replace") + b"\n")
        return 1
    return 0


def write_command(path: str, module: str, function: str, mask: int) -> None:
    """Write the script of an entry point."""
    text = SCRIPT.format(module=module, first=function.partition(".")[0], function=function)
    with open(path, "wb") as file:
        file.write(shebang() + text.encode("utf-8"))
    os.chmod(path, 0o777 & ~mask)


def shebang() -> bytes:
    """Return the first lines of a script of this Python, whatever the length of its path and blanks in it."""
    python = os.fsencode(PYTHON)
    if len(python) + 3 <= LONGEST_SHEBANG and b" " not in python:
        return b"#!" + python + b"\n"
    return b"#!/bin/sh\n'''exec' \"" + python + b'" "$0" "$@"\n\' \'\'\'\n'


def processors() -> int:
    """Return how many processes may help."""
    try:
        return min(8, len(os.sched_getaffinity(0)))
    except AttributeError:
        return 1


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except BootstrapError as error:
        sys.stderr.write(f"operation_bootstrap.py: stage `{sys.argv[1]}`: {error}\n")
        sys.exit(1)
