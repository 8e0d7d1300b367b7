"""Commands that run with fewer rights, as somebody else, or without a network, where this machine lets us do that."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

NOBODY = 65534


def bound_by_permissions() -> tuple[str, ...]:
    """Return what to put before a command so that it cannot read or write what permissions forbid."""
    if os.geteuid() != 0:
        return ()
    return (_setpriv(), "--bounding-set=-dac_override,-dac_read_search")


def as_nobody() -> tuple[str, ...]:
    """Return what to put before a command that then runs as the user nobody, and yet reads and writes any file.

    So the interpreter of the tests may lie in root's own home.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    rights = "+dac_override,+dac_read_search"
    identity = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return (_setpriv(), *identity, f"--inh-caps={rights}", f"--ambient-caps={rights}")


def without_network() -> tuple[str, ...]:
    """Return what to put before a command that then has no network at all; nothing where that is not allowed."""
    command = ("unshare", "--map-root-user", "--net")
    found = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if found and found.returncode == 0 else ()


def _setpriv() -> str:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("no setpriv (util-linux) on this machine")
    return setpriv
