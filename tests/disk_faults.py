"""Makes every call that reaches the disk fail once, for a command that runs in this process.

`python disk_faults.py DIRECTORY COMMAND...` runs each `hatch-ytupload COMMAND` on a copy of the pipeline in DIRECTORY,
and lets another call fail each time: of each place in the code that makes one, the first or the last in turn, unless it
has failed for a command before; all of them where `YTUPLOAD_FUZZ_EXAMPLES` asks for it. It prints a line of JSON for
each run: which call failed, how the command ended, what it said, and what is found afterwards. Each run is a fork of
this process, which has loaded everything already, so hundreds take seconds.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import json
import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections import Counter
from contextlib import redirect_stdout
from functools import partial
from glob import glob
from typing import TYPE_CHECKING, Any

import yaml  # noqa: F401 - where a pipeline has no configuration, only a fault makes the command load it
from examples import IS_LONG

from hatch_ytupload.command_line.cli import main as main_of_the_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from typing_extensions import Self

CALLS = [
    "open",
    "read",
    "pread",
    "write",
    "pwrite",
    "fsync",
    "rename",
    "replace",
    "link",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "scandir",
    "listdir",
    "stat",
    "lstat",
    "fstat",
    "chmod",
    "fchmod",
    "utime",
    "truncate",
    "ftruncate",
    "symlink",
    "readlink",
    "sendfile",
    "copy_file_range",
    "posix_fallocate",
]
METHODS = ("read", "readline", "readinto", "write", "writelines", "flush", "truncate", "close")
# What a full disk refuses; a broken one refuses everything.
WRITING = {"write", "pwrite", "fsync", "link", "mkdir", "ftruncate", "writelines", "flush", "close", "sendfile"}


class Faults:
    """Counts calls, and lets one of them fail.

    Args:
        at: the number of the call; None: none of them.
    """

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.places: list[tuple[str, str]] = []
        """Of each call: its name, and where our code made it."""

    def install(self) -> None:
        """Watch all calls of this process from now on."""
        for name in CALLS:
            if hasattr(os, name):
                setattr(os, name, self.watched(name, getattr(os, name)))
        fcntl.flock = self.watched("flock", fcntl.flock)
        opened = io.open

        def open_file(*arguments: Any, **options: Any) -> Any:
            self.called("open")
            return File(opened(*arguments, **options), self)

        builtins.open = io.open = open_file

    def watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that may fail before it is called."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.called(name)
            return function(*arguments, **options)

        return call

    def called(self, name: str) -> None:
        """Take note of a call, and fail if it is the one."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and "/hatch_ytupload/" not in frame.f_code.co_filename:
            frame = frame.f_back
        self.places.append((name, "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"))
        if len(self.places) == self._at:
            number = errno.ENOSPC if name in WRITING and self._at % 2 else errno.EIO
            if name == "open" and self._at % 2:
                number = errno.EMFILE
            raise OSError(number, os.strerror(number))


class File:
    """A file whose methods may fail."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self._file = file
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._file, name)
        return self._faults.watched(name, value) if name in METHODS else value

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._faults.called("close")
        finally:
            self._file.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self._file)


def in_a_fork(directory: str, action: Callable[[], object]) -> tuple[Any, str]:
    """Do something in a fork of this process; return what it returned, and what it wrote to standard error."""
    with tempfile.TemporaryFile() as error, tempfile.TemporaryFile() as result:
        report, write, exit_now = result.fileno(), os.write, os._exit
        pid = os.fork()
        if pid == 0:
            try:
                os.chdir(directory)
                os.dup2(error.fileno(), 2)
                try:
                    found = action()
                except BaseException as broken:  # noqa: BLE001 - reported to the parent
                    found = None
                    write(2, f"Traceback of {type(broken).__name__}: {broken}\n".encode())
                sys.stderr.flush()
                write(report, json.dumps(found).encode())
            finally:
                exit_now(0)
        os.waitpid(pid, 0)
        error.seek(0)
        result.seek(0)
        return json.loads(result.read() or b"null"), error.read().decode()


def status_of(*arguments: str) -> int:
    """Run the command in this process; return its exit status."""
    try:
        main_of_the_command(["--quiet", *arguments])
    except SystemExit as end:
        status = end.code
    return status if isinstance(status, int) else 1


def current() -> str:
    """Return the name of the current release."""
    output = io.StringIO()
    with redirect_stdout(output):
        status_of("--json", "status")
    return str((json.loads(output.getvalue() or "{}").get("current") or {}).get("release"))


def kept() -> int:
    """Return how many releases there are."""
    output = io.StringIO()
    with redirect_stdout(output):
        status_of("--json", "history")
    return len(json.loads(output.getvalue() or "{}").get("releases", []))


def attempt(arguments: list[str], faults: Faults) -> tuple[int, list[tuple[str, str]]]:
    """Run the command with its faults."""
    faults.install()
    with redirect_stdout(io.StringIO()):
        status = status_of(*arguments)
    return status, faults.places


def look(arguments: list[str]) -> list[object]:
    """Return how many releases are kept, what is current, if the bundle is sound, how it ends now, what then is."""
    with redirect_stdout(io.StringIO()):
        count, before, sound = kept(), current(), status_of("verify")
        return [count, before, sound, status_of(*arguments), current()]


def chosen(places: list[tuple[str, str]]) -> list[int]:
    """Return the numbers of the calls that are to fail."""
    first = {place: number for number, place in reversed(list(enumerate(places, 1)))}
    last = {place: number for number, place in enumerate(places, 1)}
    if IS_LONG:
        return sorted({*first.values(), *last.values()})
    turns: Counter[str] = Counter()
    numbers = []
    for place in last:
        name = place[0]
        numbers.append((first, last)[turns[name] % 2][place])
        turns[name] += 1
    return sorted(numbers)


def install_few(directory: str) -> None:
    """Have two distributions installed from now on, where builds look at everything that is: all is loaded already."""
    installed = sysconfig.get_path("purelib")
    for path in glob(f"{installed}/click-*.dist-info") + glob(f"{installed}/hatch_ytupload-*.dist-info"):
        shutil.copytree(path, os.path.join(directory, os.path.basename(path)))
    sys.path[:] = [directory if path == installed else path for path in sys.path]


def main() -> None:
    """Run the command with a fault at each place."""
    original, *commands = sys.argv[1:]
    seen: set[tuple[str, str]] = set()
    with tempfile.TemporaryDirectory() as top:
        place = os.path.join(top, "pipeline")

        def fresh() -> None:
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(original, place, symlinks=True)

        fresh()
        os.chdir(place)
        for command in ("build", "publish", "rollback", "verify"):  # which loads what they need
            with redirect_stdout(io.StringIO()):
                status_of(command)
        os.chdir(top)
        install_few(os.path.join(top, "installed"))
        for command in commands:
            arguments = shlex.split(command)
            fresh()
            before, _ = in_a_fork(place, current)
            (_, found), _ = in_a_fork(place, partial(attempt, arguments, Faults()))
            after, _ = in_a_fork(place, current)
            places = [(name, where) for name, where in found]
            for at in chosen(places):
                if places[at - 1] in seen and not IS_LONG:
                    continue
                fresh()
                ended, said = in_a_fork(place, partial(attempt, arguments, Faults(at)))
                found, complaint = in_a_fork(place, partial(look, arguments))
                print(
                    json.dumps(
                        {
                            "command": command,
                            "call": places[at - 1],
                            "status": ended[0] if ended else None,
                            "said": said,
                            "found": found,
                            "complaint": complaint,
                            "before": before,
                            "after": after,
                        }
                    ),
                    flush=True,
                )
            seen.update(places)


if __name__ == "__main__":
    main()
