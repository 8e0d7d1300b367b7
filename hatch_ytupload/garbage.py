"""Python's search for objects that hold each other and that nobody needs any more, where there are none."""

from __future__ import annotations

import atexit
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_garbage() -> Iterator[None]:
    """Do without the search: modules stay, and of the hundred thousand objects of a plan none holds another back."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def no_garbage_at_the_end() -> None:
    """Spare the end of this process the search, in which Python would walk all objects twice: they go with it."""
    atexit.register(gc.freeze)
