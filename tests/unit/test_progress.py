"""How far something is: a bar on terminals, nothing in pipes."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from pipelines import CHECKOUT, clean_environment

from hatch_ytupload.output.progress import Bar, bar_on, clear_bars, describe

if TYPE_CHECKING:
    from pipelines import Pipeline


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Tell that it is one."""
        return True


class Transfer:
    """A transfer of 100 MB on a clock of its own."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.now = 1000.0
        self.stream = Terminal()
        self.bar = Bar(self.stream, lambda: self.now, at_once=at_once)

    def run(self, seconds: float, steps: int = 100) -> str:
        """Do everything in so many seconds, and return what was written."""
        for step in range(steps + 1):
            self.bar(step * 100_000_000 // steps, 100_000_000)
            self.now += seconds / steps
        self.bar.clear()
        return self.stream.getvalue()


def test_a_terminal_shows_a_bar_that_goes_away() -> None:
    """With share, rate and remaining time, drawn over itself."""
    text = Transfer().run(20)
    lines = text.split("\r")
    assert "[############............] 50 % of 100.0 MB, 5.0 MB/s, 10 s left\x1b[K" in lines
    assert text.endswith("\r\x1b[K")
    assert "\n" not in text


def test_a_bar_keeps_to_one_line_of_its_terminal() -> None:
    """What would go on in the next line could not be drawn over."""
    primary, secondary = pty.openpty()
    with open(primary, "rb", buffering=0) as reader, open(secondary, "w", encoding="ascii") as terminal:
        for columns in (20, 40, 200):
            fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            Bar(terminal, lambda: 0.0, at_once=True)(10**7, 10**8, "1 of 1000 files")
            written = ""
            while written.count("\x1b[K") < 2:
                written += reader.read(1000).decode()
            drawn = written.split("\r")[-1].removesuffix("\x1b[K")
            assert drawn == "[##......................] 1 of 1000 files, 10 % of 100.0 MB"[: columns - 1]


def test_what_is_over_at_once_shows_nothing() -> None:
    """As most builds are."""
    assert Transfer().run(0.4) == ""


def test_a_bar_can_begin_at_once() -> None:
    """Before the first byte is counted: a publish waits for others first."""
    transfer = Transfer(at_once=True)
    assert transfer.stream.getvalue() == "\r[........................]\x1b[K"
    assert "0 % of 100.0 MB" in transfer.run(0.4)


def test_what_took_long_to_begin_shows_its_first_step() -> None:
    """Half a second counts from the beginning, not from the first step."""
    transfer = Transfer()
    transfer.now += 0.6
    transfer.bar(0, 100, "0 of 3 files")
    assert transfer.stream.getvalue() == "\r[........................] 0 of 3 files, 0 % of 100 B\x1b[K"


def test_a_bar_is_not_drawn_for_every_block() -> None:
    """Ten times a second is enough for eyes."""
    assert Transfer().run(10, steps=10_000).count("%") < 110


def test_the_next_file_has_a_rate_of_its_own() -> None:
    """A manifest after an archive."""
    transfer = Transfer()
    transfer.run(35)
    transfer.bar(0, 50)
    transfer.now += 1
    transfer.bar(25, 50)
    assert "50 % of 50 B, 25 B/s, 1 s left" in transfer.stream.getvalue()


def test_nothing_to_do_is_all_done() -> None:
    """An archive of empty files."""
    transfer = Transfer(at_once=True)
    transfer.bar(0, 0, "1 of 1 files")
    assert "1 of 1 files, 100 % of 0 B" in transfer.stream.getvalue()


def test_text_between_stands_on_a_line_of_its_own() -> None:
    """The bar makes room, and comes back with the next step."""
    terminal = Terminal()
    with bar_on(terminal, at_once=True) as progress:
        clear_bars()
        terminal.write("a notice\n")
        progress(1, 2)
    first, notice, again, end = terminal.getvalue().split("\r")[1:]
    assert (first, notice, end) == ("[........................]\x1b[K", "\x1b[Ka notice\n", "\x1b[K")
    assert again.startswith("[############............] 50 % of 2 B")


def test_a_pipe_shows_nothing() -> None:
    """However long it takes."""
    stream = io.StringIO()
    with bar_on(stream, at_once=True) as progress:
        progress(1, 2)
    assert stream.getvalue() == ""


def test_a_bar_goes_away_when_something_fails() -> None:
    """The error gets a clean line."""
    terminal = Terminal()
    with pytest.raises(OSError, match="full"), bar_on(terminal, at_once=True):
        raise OSError("full")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_dumb_terminal_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not take it away."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "dumb")
    with bar_on(terminal, at_once=True) as progress:
        progress(1, 2)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("done", "seconds", "text"),
    [
        (0, 1.0, "0 % of 1.0 kB"),
        (500, 0.0, "50 % of 1.0 kB"),
        (500, 1.0, "50 % of 1.0 kB, 500 B/s, 1 s left"),
        (1000, 2.0, "100 % of 1.0 kB, 500 B/s, 0 s left"),
    ],
)
def test_the_text(done: int, seconds: float, text: str) -> None:
    """Without a rate there is no remaining time."""
    assert describe(done, 1000, seconds) == text


@pytest.mark.parametrize("arguments", [("publish",), ("publish", "--dry-run")], ids=" ".join)
def test_a_publish_shows_a_bar_from_its_beginning(pipeline: Pipeline, arguments: tuple[str, ...]) -> None:
    """On a terminal, where it is gone at the end; in a pipe or with `-q` there is none."""
    pipeline.write({"configs/config.yaml": "pipeline: {mode: dev, build_folder: //home/x}\n"}).build()
    for more in ((), ("-q",)):
        terminal, end = pty.openpty()
        command = [sys.executable, "-m", "hatch_ytupload", *arguments, *more]
        environ = clean_environment(PYTHONPATH=str(CHECKOUT))
        done = subprocess.run(command, cwd=pipeline.root, env=environ, stdout=subprocess.PIPE, stderr=end, check=True)
        os.close(end)
        shown = b""
        with suppress(OSError):  # nothing was written, and nobody has it open any more
            shown = os.read(terminal, 1 << 16)
        os.close(terminal)
        assert (shown[:6], shown[-4:]) == ((b"", b"") if more else (b"\r[....", b"\r\x1b[K"))
        assert b"\r" not in done.stdout
    piped = pipeline.run(*arguments)
    assert (piped.returncode, piped.stderr) == (0, "")
