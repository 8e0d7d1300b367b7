"""Who released what: signatures of manifests, made and checked by OpenSSH.

A manifest has the digests of the archive and of everything else in a release, so its signature is that of the release.
Keys are read by `ssh-keygen` alone. Format: OpenSSH's PROTOCOL.sshsig; files: ssh-keygen(1), "ALLOWED SIGNERS" and
"KEY REVOCATION LISTS".
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import blocks
from hatch_ytupload.errors import ArtifactError, SettingsError
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from hatch_ytupload.byte_reader import Reader
    from hatch_ytupload.configuration.settings import Settings

NAMESPACE = "hatch-ytupload"
"""What a signature is for; one that was made for something else says nothing about a release."""

# In bytes; those of the largest keys have a few thousand.
_LARGEST = 64 << 10

_PROGRAM = "ssh-keygen"
# How the program finds the agent, and whom it asks for a passphrase; it gets nothing else of our environment.
_PASSED_ON = (
    "PATH",
    "HOME",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
    "SSH_SK_PROVIDER",
    "DISPLAY",
)


class Signers(NamedTuple):
    """Whose signatures count."""

    allowed: str
    """Path of a file in OpenSSH's format `allowed_signers`."""
    revoked: str | None
    """Path of a list of keys that no longer count, see `ssh-keygen -k`; None: there is none."""


def signers_of(settings: Settings) -> Signers | None:
    """Return whose signatures count by the settings; None: nobody is asked."""
    return Signers(settings.allowed_signers, settings.revoked_keys) if settings.allowed_signers is not None else None


def read_signature(file: Reader, name: str) -> bytes:
    """Read a signature.

    Args:
        file: its bytes.
        name: of the file, for messages.

    Raises:
        ArtifactError: it is too large to be one.
    """
    if file.size > _LARGEST:
        raise ArtifactError(f"`{name}` is too large for a signature (more than {_LARGEST} bytes)")
    return b"".join(blocks(file, end=_LARGEST))


def sign(data: bytes, key: str) -> bytes:
    """Return a signature.

    Args:
        data: what to sign.
        key: path of a private key, or of a public one whose private half the agent holds.

    Raises:
        SettingsError: it cannot be signed with this key.
    """
    if not os.path.isfile(key):
        raise SettingsError([f"`signing_key` must be a file, and there is none at `{one_line(key)}`"])
    process = _run(["sign", "-f", key, "-n", NAMESPACE], data)
    if process.returncode or not process.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        reason = _reason(process.stderr, "it gave no signature")
        raise SettingsError([f"cannot sign with `{one_line(key)}` of `signing_key`: {reason}"])
    return process.stdout


def signer_of(data: bytes, signature: bytes | None, signers: Signers, name: str) -> str:
    """Return who signed something, in the words of the file of allowed signers.

    Args:
        data: what was signed.
        signature: of it; None: there is none.
        signers: whose signatures count.
        name: of what was signed, for messages.

    Raises:
        ArtifactError: nobody whose signature counts has signed it.
        SettingsError: the files of signers are not there.
    """
    for setting, path in (("allowed_signers", signers.allowed), ("revoked_keys", signers.revoked)):
        if path is not None and not os.path.isfile(path):
            raise SettingsError([f"`{setting}` must be a file, and there is none at `{one_line(path)}`"])
    shown = f"`{one_line(name)}`"
    if signature is None:
        raise ArtifactError(f"{shown} is not signed, and `allowed_signers` is set; publish it with `signing_key`")
    with _written(signature) as file:
        found = _run(["find-principals", "-s", file, "-f", signers.allowed], b"")
        # A line of allowed signers may name several, or a pattern, which matches itself.
        who = found.stdout.decode("utf-8", "replace").partition("\n")[0].partition(",")[0].strip()
        if found.returncode or not who:
            raise ArtifactError(
                f"{shown} is signed by nobody of `{one_line(signers.allowed)}`: "
                f"{_reason(found.stderr, 'the key is unknown')}"
            )
        revoked = ["-r", signers.revoked] if signers.revoked is not None else []
        options = ["-f", signers.allowed, "-I", who, "-n", NAMESPACE, "-s", file, *revoked]
        checked = _run(["verify", *options], data)
    if checked.returncode:
        reason = _reason(checked.stderr, "the key is revoked" if revoked else "it does not fit")
        raise ArtifactError(f"the signature of {shown} by `{one_line(who)}` does not count: {reason}")
    return one_line(who)


def signing_key_of(data: bytes, signature: bytes, name: str) -> str:
    """Return which key has signed something, whosever it is, as in "ED25519 key SHA256:...".

    Args:
        data: what was signed.
        signature: of it.
        name: of what was signed, for messages.

    Raises:
        ArtifactError: it is no signature of that.
        SettingsError: OpenSSH is not here.
    """
    with _written(signature) as file:
        checked = _run(["check-novalidate", "-n", NAMESPACE, "-s", file], data)
    key = checked.stdout.decode("utf-8", "replace").strip().rpartition(" signature with ")[2]
    if checked.returncode or not key:
        reason = _reason(checked.stderr, "it does not fit")
        raise ArtifactError(f"the signature of `{one_line(name)}` does not count: {reason}")
    return one_line(key)


@contextmanager
def _written(signature: bytes) -> Iterator[str]:
    """Give the path of a file that holds a signature."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="hatch-ytupload-") as directory:
        path = os.path.join(directory, "signature")
        with open(path, "wb") as file:
            file.write(signature)
        yield path


def _run(arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    import subprocess

    environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        return subprocess.run(
            [_PROGRAM, "-Y", *arguments], input=data, capture_output=True, env={**environ, "LC_ALL": "C"}, check=False
        )
    except FileNotFoundError:
        raise SettingsError(
            [f"signatures are made and checked by `{_PROGRAM}`, which is not here; install OpenSSH 8.2 or newer"]
        ) from None


def _reason(error: bytes, otherwise: str) -> str:
    """Return what the program said last, without what it says whenever it fails."""
    lines = [line.strip() for line in error.decode("utf-8", "replace").splitlines()]
    said = [line for line in lines if line and line not in ("Signing data on standard input", "No principal matched.")]
    return one_line(said[-1]) if said else otherwise
