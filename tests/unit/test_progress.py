"""How far an upload is, on terminals and in logs."""

from __future__ import annotations

import io

import pytest

from hatch_ytupload.output.progress import Progress, describe


class Terminal(io.StringIO):
    """A stream that says it is a terminal, or that it is none."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """Tell what it was told."""
        return self._terminal


class Upload:
    """An upload of 100 MB on a clock of its own."""

    def __init__(self, *, terminal: bool) -> None:
        self.now = 1000.0
        self.stream = Terminal(terminal=terminal)
        self.progress = Progress(self.stream, lambda: self.now)

    def run(self, seconds: float, steps: int = 100) -> str:
        """Upload everything in so many seconds, and return what was written."""
        for step in range(steps + 1):
            self.progress(step * 100_000_000 // steps, 100_000_000)
            self.now += seconds / steps
        self.progress.clear()
        return self.stream.getvalue()


def test_a_terminal_shows_a_bar_that_goes_away() -> None:
    """With share, rate and remaining time, drawn over itself."""
    text = Upload(terminal=True).run(20)
    lines = text.split("\r")
    assert "[############............] 50 % of 100.0 MB, 5.0 MB/s, 10 s left\x1b[K" in lines
    assert text.endswith("\r\x1b[K")
    assert "\n" not in text


def test_a_log_gets_a_line_now_and_then() -> None:
    """Every ten seconds."""
    lines = Upload(terminal=False).run(35).splitlines()
    assert len(lines) == 3
    assert lines[0] == "sent 29 % of 100.0 MB, 2.9 MB/s, 25 s left"
    assert not any("\r" in line or "\x1b" in line for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_over_at_once_shows_nothing(terminal: bool) -> None:  # noqa: FBT001 - of parametrize
    """As most uploads are."""
    assert Upload(terminal=terminal).run(0.4) == ""


def test_a_bar_is_not_drawn_for_every_block() -> None:
    """Ten times a second is enough for eyes."""
    assert Upload(terminal=True).run(10, steps=10_000).count("%") < 110


def test_the_next_file_begins_anew() -> None:
    """A manifest after an archive has a time of its own."""
    upload = Upload(terminal=False)
    upload.run(35)
    upload.progress(0, 50)
    upload.now += 0.1
    upload.progress(50, 50)
    assert len(upload.stream.getvalue().splitlines()) == 3


@pytest.mark.parametrize(
    ("sent", "seconds", "text"),
    [
        (0, 1.0, "0 % of 1.0 kB, 0 B/s"),
        (500, 0.0, "50 % of 1.0 kB, 0 B/s"),
        (500, 1.0, "50 % of 1.0 kB, 500 B/s, 1 s left"),
        (1000, 2.0, "100 % of 1.0 kB, 500 B/s, 0 s left"),
    ],
)
def test_the_text(sent: int, seconds: float, text: str) -> None:
    """Without a rate there is no remaining time."""
    assert describe(sent, 1000, seconds) == text
