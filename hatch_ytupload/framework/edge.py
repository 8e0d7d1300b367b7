"""What YT Framework's callers see of us: its lines of log, and Python's own errors instead of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from hatch_ytupload.errors import MissingSourceError, YtUploadError

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator


def log_header(logger: logging.Logger, title: str, context: str = "") -> None:
    """Log the beginning of a step, as YT Framework 1.4 does."""
    logger.info("[%s] %s" if context else "[%s]%s", title, context)


def log_success(logger: logging.Logger, message: str) -> None:
    """Log the end of a step, as YT Framework 1.4 does."""
    logger.info("  \u2713 %s", message)


@contextmanager
def python_errors() -> Iterator[None]:
    """Turn our errors into those that YT Framework 1.4 raises in the same place; the message stays, one line.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: anything else that the user can mend.
    """
    try:
        yield
    except MissingSourceError as error:
        raise FileNotFoundError(str(error)) from error
    except YtUploadError as error:
        raise ValueError(str(error)) from error
