"""One publisher at a time, and who it is: for build folders on disk, and the words for those on a cluster."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hatch_ytupload.errors import BuildFolderError
from hatch_ytupload.file_lock import open_lock_file, try_lock
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_POLL_SECONDS = 0.1
# Of what others say of themselves.
_LONGEST = 300


def user_name() -> str:
    """Return the name of this process's user; the number, where it has no name."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # as in a container
        return str(os.geteuid())


def describe_ourselves(purpose: str) -> dict[str, Any]:
    """Return what those who wait for us may read.

    Args:
        purpose: what we are doing.
    """
    return {
        "user": user_name(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "purpose": purpose,
    }


def describe_holder(holder: object) -> str:
    """Say in words who holds a folder, of what `describe_ourselves` returned somewhere else."""
    if not isinstance(holder, dict) or not holder.get("user"):
        return "another publisher"
    process = f" (process {holder['pid']})" if holder.get("pid") else ""
    parts = [f"`{holder['user']}@{holder.get('host', '?')}`{process}", holder.get("purpose") or "at work"]
    return one_line(", ".join([*map(str, parts), f"since {holder.get('since', '?')}"])[:_LONGEST])


def waiting(location: str, holder: str) -> str:
    """Return the line that says what we wait for."""
    return f"waiting: `{location}` is held by {holder}"


def waited_too_long(location: str, holder: str, seconds: float) -> BuildFolderError:
    """Return the error of having waited in vain."""
    return BuildFolderError(
        f"`{location}` is held by {holder}; waited {seconds:g} s, nothing was changed; try again when it has ended, or "
        "wait longer with `lock_wait_seconds`"
    )


@contextmanager
def exclusive(
    lock_file: str,
    location: str,
    purpose: str,
    wait_seconds: float,
    notice: Callable[[str], None],
    *,
    above: Iterable[str] = (),
) -> Iterator[None]:
    """Hold a lock that ends with the process, whatever ends it.

    Args:
        lock_file: made if it is missing, and never removed: those who wait hold on to it.
        location: what is locked, for messages.
        purpose: why, for the others.
        wait_seconds: how long to wait.
        notice: called once when there is something to wait for.
        above: the lock files of what contains it, from the top; they are shared with others who do the same.

    Raises:
        BuildFolderError: somebody else held it all the time.
        OSError: a lock file cannot be opened, or is a link.
    """
    deadline = time.monotonic() + wait_seconds
    announced = False
    with ExitStack() as opened:
        for path, shared in [*((path, True) for path in above), (lock_file, False)]:
            descriptor = open_lock_file(path)
            opened.callback(os.close, descriptor)
            while not try_lock(descriptor, shared=shared):
                holder = describe_holder(_read_holder(descriptor))
                if time.monotonic() >= deadline:
                    raise waited_too_long(location, holder, wait_seconds)
                if not announced:
                    notice(waiting(location, holder))
                    announced = True
                time.sleep(_POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(describe_ourselves(purpose)).encode(), 0)
        yield
        # Whatever was to be done is done: that we cannot say so changes nothing.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)


def _read_holder(descriptor: int) -> object:
    try:
        return json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:  # it has the lock and has not written yet
        return None
