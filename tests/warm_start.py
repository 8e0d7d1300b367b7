"""Commands of the checkout in processes of their own that need no interpreter started: forks of one that waits.

`run_warm` does what `subprocess.run` does with `python -m MODULE`: the same arguments, directory, variables, pipes and
exit status, from the first line of the module's `main` to the end of the process. Only what Python itself does before
that has been done once, by the process that this file is when it is run as a program: it has imported what the
commands import. What a test is about must not be read at that start: variables that Python reads, what is imported,
signals, rights, limits. `can_be_warm` tells by the variables; the rest is the test's own business.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, NoReturn

import hatch_ytupload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MAINS = {"hatch_ytupload": ("hatch_ytupload.__main__", "main"), "hatchling": ("hatchling.cli", "hatchling")}
_LOADED = (
    *("email.parser", "hatchling.bridge.app", "hatchling.builders.app", "hatchling.builders.binary"),
    *("hatchling.builders.custom", "hatchling.builders.sdist", "hatchling.builders.wheel", "hatchling.cli.build"),
    *("hatchling.plugin.manager", "hatchling.version.core"),
    *("importlib.metadata", "packaging.version", "pathspec", "tempfile", "yaml"),
    # Half of what `yt.wrapper` imports.
    *("cryptography.fernet", "decorator", "distro", "multiprocessing.pool"),
    *("yt.packages.requests", "yt.type_info", "yt.yson"),
)
# What needs Hatch or YT Framework, and what reads variables where it is imported: `yt.wrapper`.
_NOT_LOADED = tuple(f"hatch_ytupload.{name}" for name in ("build_folders.cypress", "plugin.publisher", "yt_framework"))
_READ_BY_PYTHON = ("PYTHON", "LC_", "LANG", "LD_", "TZ")


def run_command(
    command: Sequence[str | Path], *, cwd: str | Path, environ: Mapping[str, str], rows: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, in a fork where it can see no difference.

    Args:
        command: with its arguments.
        cwd: working directory.
        environ: the whole environment.
        rows: standard input.
    """
    program, *arguments = map(str, command)
    if program == sys.executable and arguments[:1] == ["-m"] and arguments[1] in _MAINS and can_be_warm(environ):
        return run_warm(arguments[1], arguments[2:], cwd=cwd, environ=environ, rows=rows)
    return subprocess.run(command, cwd=cwd, env=environ, input=rows, capture_output=True, check=False)


def can_be_warm(environ: Mapping[str, str]) -> bool:
    """Tell whether a command can see no difference: no variable is for Python itself."""
    read = {name: value for name, value in environ.items() if name.startswith(_READ_BY_PYTHON)}
    read.pop("PYTHONPATH", None)
    return read == {"LC_ALL": "C.UTF-8"}


def run_warm(
    module: str,
    arguments: Sequence[str | Path],
    *,
    cwd: str | Path,
    environ: Mapping[str, str],
    rows: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m MODULE` to its end.

    Args:
        module: `hatch_ytupload` or `hatchling`.
        arguments: of the command.
        cwd: working directory.
        environ: the whole environment.
        rows: standard input.
    """
    command = [str(argument) for argument in arguments]
    ours, theirs = socket.socketpair()
    (stdin, rows_go), (output_comes, stdout), (errors_come, stderr) = (os.pipe() for _ in range(3))
    with ours:
        streams = [stdin, stdout, stderr]
        with theirs:
            socket.send_fds(_server(), [b"x"], [theirs.fileno(), *streams])
        for number in streams:
            os.close(number)
        ours.sendall(json.dumps([module, command, str(cwd), dict(environ)]).encode() + b"\n")
        readers = [_Reader(number) for number in (output_comes, errors_come)]
        with suppress(BrokenPipeError), open(rows_go, "wb") as file:
            file.write(rows)
        output, errors = (reader.result() for reader in readers)
        with ours.makefile() as answers:
            status = os.waitstatus_to_exitcode(int(answers.readline()))
    return subprocess.CompletedProcess([sys.executable, "-m", module, *command], status, output, errors)


def as_text(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[str]:
    """Return what `text=True` makes of it."""
    output, errors = (data.decode().replace("\r\n", "\n").replace("\r", "\n") for data in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, output, errors)


class _Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, number: int) -> None:
        super().__init__(daemon=True)
        self._number = number
        self._data = b""
        self.start()

    def run(self) -> None:
        with open(self._number, "rb") as file:
            self._data = file.read()

    def result(self) -> bytes:
        """Wait for the end, and return all of it."""
        self.join()
        return self._data


_servers: dict[int, socket.socket] = {}
_lock = threading.Lock()


def _server() -> socket.socket:
    """Return the way to the process that waits, which is started where there is none."""
    from pipelines import CHECKOUT, measured_environment

    with _lock:
        if os.getpid() not in _servers:
            ours, theirs = socket.socketpair()
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    # Another checkout, or an older one, may be installed.
                    env=measured_environment(PYTHONPATH=str(CHECKOUT)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            _servers[os.getpid()] = ours
            atexit.register(process.wait)
            atexit.register(ours.close)
        return _servers[os.getpid()]


def _serve(control: socket.socket) -> None:
    """Wait for commands, and run each in a fork, until nobody is there to send any."""
    _load()
    while True:
        _, numbers, _, _ = socket.recv_fds(control, 1, 4)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not numbers:
            return
        if os.fork() == 0:
            control.close()
            _start(*numbers)
        for number in numbers:
            os.close(number)


def _load() -> None:
    """Import what commands import, and have forks measure only what is their own."""
    own = [module.name for module in walk_packages(hatch_ytupload.__path__, "hatch_ytupload.")]
    for name in (*_LOADED, *(name for name in own if not name.startswith(_NOT_LOADED))):
        import_module(name)
    measured = sys.modules.get("coverage")
    if measured is not None and (running := measured.Coverage.current()) is not None:
        running.save()
    gc.freeze()


def _start(connection: int, *streams: int) -> None:
    """Start a command in a process of its own, and tell how it ended."""
    with socket.socket(fileno=connection) as answers, answers.makefile() as file:
        module, arguments, cwd, environ = json.loads(file.readline())
        pid = os.fork()
        if pid == 0:
            answers.detach()
            os.close(connection)
            _become(module, arguments, cwd, environ, streams)
        for number in streams:
            os.close(number)
        answers.sendall(f"{os.waitpid(pid, 0)[1]}\n".encode())
    os._exit(0)


def _become(module: str, arguments: list[str], cwd: str, environ: dict[str, str], streams: Sequence[int]) -> NoReturn:
    """Be the command."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    # In place of the directory of this file, and of the checkout.
    sys.path[:2] = [os.getcwd(), *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    name, main = _MAINS[module]
    loaded: Any = import_module(name)
    sys.argv = [loaded.__file__, *arguments]
    try:
        status = getattr(loaded, main)()
    except SystemExit as end:
        status = end.code
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    # What a process does at its end, without taking apart all that is loaded.
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        if not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        status = 120
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
