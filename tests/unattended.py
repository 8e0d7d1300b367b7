"""Runs that nobody watches: under `nohup` tests start processes as from a terminal, and one that hangs is ended."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pytest_timeout import Settings

_TIMER = pytest.StashKey[threading.Timer]()


def reset_inherited_signals() -> None:
    """Start processes that no signal is ignored or blocked in, whatever this one was started with.

    A process inherits ignored signals, such as those of `nohup` and of what a script starts with `&`, but no handlers.
    So what was ignored gets a handler that does nothing: this process goes on ignoring it.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class EndOfHangingTests:
    """What pytest-timeout does at the time limit: shows the stacks of all threads, and ends all that the tests started.

    The process ends, too, since nothing else surely ends a test; pytest-xdist reports it and goes on in another one.
    An alarm signal instead would be lost where a job is run, which sets one of its own.
    """

    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Settings) -> bool:
        """Begin to wait; whether that was done."""
        timer = item.stash[_TIMER] = threading.Timer(settings.timeout, _end, [item])
        timer.daemon = True
        timer.start()
        return True

    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> bool:
        """Wait no more; whether that was done."""
        if _TIMER in item.stash:
            item.stash[_TIMER].cancel()
            item.stash[_TIMER].join()
        return True


def _end(item: pytest.Item) -> None:
    started = psutil.Process().children(recursive=True)
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(item)
    print(f"\n{item.nodeid} has reached its time limit", file=sys.stderr, flush=True)
    faulthandler.dump_traceback(sys.stderr)
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    os._exit(1)
