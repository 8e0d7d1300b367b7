"""Details of what is done, for those who ask with `-v`: every room logs them, here they become lines."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger("hatch_ytupload")


class Details(logging.Handler):
    """Says each detail as a line, from now on until it is closed.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._say = say
        self._level = _LOGGER.level
        _LOGGER.addHandler(self)
        _LOGGER.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Say a detail."""
        self._say(one_line(record.getMessage()))

    def close(self) -> None:
        """Say no more."""
        _LOGGER.removeHandler(self)
        _LOGGER.setLevel(self._level)
        super().close()
