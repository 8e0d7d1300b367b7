"""Keys to sign with, made by OpenSSH's own program, and files that say whose count."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_ytupload.releases.signatures import Signers

if TYPE_CHECKING:
    from pathlib import Path

needs_openssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")


def ssh_keygen(*arguments: str | Path, data: bytes = b"") -> bytes:
    """Run the program and return what it prints."""
    return subprocess.run(["ssh-keygen", *arguments], input=data, capture_output=True, check=True).stdout


def make_key(directory: Path, name: str, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a pair of keys and return the path of the private one."""
    path = directory / name
    ssh_keygen("-q", "-t", kind, "-N", passphrase, "-C", name, "-f", path)
    return path


def allow(directory: Path, *lines: tuple[str, str, Path]) -> Signers:
    """Write a file of allowed signers: who, options, key."""
    path = directory / "allowed_signers"
    path.write_text("".join(f"{who} {options} {key.with_suffix('.pub').read_text()}" for who, options, key in lines))
    return Signers(str(path), None)
