"""A job as a process: what it is started with, as YT Framework does it; it is stopped with all that it started."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.file_names import as_system_spells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import FrameType

    from hatch_ytupload.jobs.environment import JobPython

# Where bash and tar are; python3 comes from the job's own environment, which stands before.
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The prefix under which YTsaurus shows a job the operation's secure vault.
_VAULT = "YT_SECURE_VAULT_"
GRACE_SECONDS = 5.0
"""How long a job that was told to stop may take, before it is killed."""

_STANDARD_ERROR = 2
_LAST_WORDS = 8192
_LAST_WORDS_SECONDS = 1.0
_BLOCK = 1 << 16
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What a shell adds to the number of the signal that ended a program.
_BY_SIGNAL = 128


def job_environment(
    python: JobPython,
    sandbox: str,
    temporary: str,
    stage: str,
    *,
    configured: Iterable[tuple[str, str]] = (),
    secrets: Iterable[tuple[str, str]] = (),
    installer: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the whole environment of a job.

    A variable that is configured for the operation, or a secret, reaches a job twice, as yt-framework 1.4.4 does it
    (`yt/support/operation_secure_env.py`): with the prefix of the secure vault and, where nothing else has its name,
    without.

    Args:
        python: that the job runs on.
        sandbox: the working directory, which is the home directory, too.
        temporary: a directory for temporary files.
        stage: name of the stage.
        configured: what the `env` of the operation's configuration sets.
        secrets: pairs of `configs/secrets.env`.
        installer: how pip reaches an index; for jobs that have requirements.
    """
    programs = [os.path.join(python.environment, "bin"), *filter(None, [python.programs]), _SYSTEM_PATH]
    environ = {
        **(installer or {}),
        "PATH": os.pathsep.join(programs),
        "HOME": sandbox,
        "TMPDIR": temporary,
        # Under the name that it is given here, which may be a link.
        "PWD": sandbox,
        "YT_STAGE_NAME": stage,
    }
    vault = {**dict(secrets), **dict(configured)}
    environ.update({f"{_VAULT}{name}": value for name, value in vault.items()})
    for name, value in vault.items():
        environ.setdefault(name, value)
    return {as_system_spells(name): as_system_spells(value) for name, value in environ.items()}


def job_command(wrapper: str) -> list[str]:
    """Return the command that a job is started with (yt-framework 1.4.4, `operations/_internal/tar_command_wiring.py`).

    >>> job_command("operation_wrapper_parse_map.sh")
    ['bash', '-c', 'set -e; tar -xzf source.tar.gz; ./operation_wrapper_parse_map.sh']
    """
    return ["bash", "-c", f"set -e; tar -xzf {ARCHIVE_NAME}; ./{shlex.quote(as_system_spells(wrapper))}"]


class JobProcess:
    """One job.

    A signal that ends this program goes to the whole process group of the job first; when that is not gone within the
    grace time, or another signal comes, it is killed. What a job leaves running is killed too, as on the cluster.
    Signals are for the main thread: a job that another one runs is stopped by whoever stops the program.

    Args:
        command: with its arguments.
        directory: to run in.
        environ: the whole environment.
        grace: in seconds.
    """

    def __init__(
        self, command: list[str], directory: str, environ: Mapping[str, str], *, grace: float = GRACE_SECONDS
    ) -> None:
        self._command = command
        self._directory = directory
        self._environ = dict(environ)
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0
        self.stopped_by: int | None = None
        """The number of the signal that stopped it; None: nothing did."""
        self.last_words = b""
        """The end of what it wrote to standard error."""

    def run(self, stdin: IO[bytes] | int | None, stdout: IO[bytes] | int | None) -> int:
        """Run it to its end; return its exit status, as a shell would.

        Args:
            stdin: where it reads from; None: our own standard input.
            stdout: where it writes to; None: our own standard output.
        """
        with self._signals():
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=self._environ,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                # A group of its own, without the terminal: Ctrl-C comes to us, and we pass it on.
                start_new_session=True,
            )
            try:
                if self.stopped_by is not None:
                    self._pass_on(self.stopped_by)
                reading = threading.Thread(target=self._pass_through, args=[self._process.stderr], daemon=True)
                reading.start()
                status = self._process.wait()
                if self.stopped_by is not None:
                    self._await_group()
            finally:
                self._send(signal.SIGKILL)
            # What left the group may hold the pipe for ever.
            reading.join(_LAST_WORDS_SECONDS)
        if self.stopped_by is not None:
            return _BY_SIGNAL + self.stopped_by
        return status if status >= 0 else _BY_SIGNAL - status

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Handle the signals that end a program; one that is ignored, as under `nohup`, stays so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        handlers = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
        previous_alarm = signal.signal(signal.SIGALRM, self._kill)
        for number in handlers:
            signal.signal(number, self._stop)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.signal(signal.SIGALRM, previous_alarm)

    def _pass_through(self, stream: IO[bytes]) -> None:
        """Write what the job says to our own standard error, as it comes, and keep the end of it."""
        with stream:
            while data := os.read(stream.fileno(), _BLOCK):
                self.last_words = (self.last_words + data)[-_LAST_WORDS:]
                with suppress(OSError):  # nobody listens any more; the job goes on
                    while data:
                        data = data[os.write(_STANDARD_ERROR, data) :]

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        again = self.stopped_by is not None
        self.stopped_by = self.stopped_by or number
        if again:
            self._deadline = 0.0
            self._send(signal.SIGKILL)
        else:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if self._process is not None:
            self._send(number)
            self._deadline = time.monotonic() + self._grace
            signal.setitimer(signal.ITIMER_REAL, self._grace)

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        self._send(signal.SIGKILL)

    def _await_group(self) -> None:
        """Let what the job started end by itself, too; a shell may die before its children."""
        pause = 0.02
        while self._process is not None and time.monotonic() < self._deadline:
            try:
                os.killpg(self._process.pid, 0)
            except OSError:
                return
            time.sleep(pause)

    def _send(self, number: int) -> None:
        if self._process is not None:
            with suppress(OSError):  # the group is gone
                os.killpg(self._process.pid, number)
