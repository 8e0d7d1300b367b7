"""Details of what is done and what decided, for those who ask with `-v`: every room tells them, a front end listens.

Lighter than `logging`, which would be a good part of a small build's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

_listeners: list[Listener] = []


class Listener:
    """Says each detail as a line, from now on until it is closed.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        _listeners.append(self)

    def close(self) -> None:
        """Say no more."""
        _listeners.remove(self)


def wanted() -> bool:
    """Tell whether anybody listens, where it costs something to make a detail."""
    return bool(_listeners)


def detail(text: str, *values: object) -> None:
    """Tell a detail.

    Args:
        text: with `%s` and the like for values, which are put in where anybody listens.
        values: no secrets.
    """
    for listener in _listeners:
        listener.say(one_line(text % values))
