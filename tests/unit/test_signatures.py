"""Signatures of manifests, with OpenSSH's own program."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from pipelines import refusal
from signing_keys import allow, make_key, needs_openssh, ssh_keygen

from hatch_ytupload.releases.signatures import NAMESPACE, Signers, sign, signer_of, signing_key_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_openssh

DATA = b'{"schema": 2}\n'


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    """Return the key of somebody."""
    return make_key(tmp_path, "ann")


def test_who_signed_is_told(tmp_path: Path, ann: Path) -> None:
    """In the words of the file, whoever else stands in it."""
    signers = allow(tmp_path, ("bob@example.com", "", make_key(tmp_path, "bob")), ("ann@example.com", "", ann))
    assert signer_of(DATA, sign(DATA, str(ann)), signers, "x") == "ann@example.com"


@pytest.mark.parametrize("who", ["a@x,b@y", "*@example.com"])
def test_several_and_patterns_may_stand_for_one_key(tmp_path: Path, ann: Path, who: str) -> None:
    """As ssh-keygen(1) has it."""
    signers = allow(tmp_path, (who, "", ann))
    assert signer_of(DATA, sign(DATA, str(ann)), signers, "x") == who.partition(",")[0]


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_every_kind_sign(tmp_path: Path, kind: str) -> None:
    """What kind it is, is OpenSSH's affair."""
    key = make_key(tmp_path, "key", kind=kind)
    assert signer_of(DATA, sign(DATA, str(key)), allow(tmp_path, ("robot", "", key)), "x") == "robot"


def test_the_key_is_told_whosever_it_is(ann: Path) -> None:
    """Where nobody says whose signatures count; not of what was changed since."""
    fingerprint = ssh_keygen("-l", "-f", ann).decode().split()[1]
    signature = sign(DATA, str(ann))
    assert signing_key_of(DATA, signature, "x") == f"ED25519 key {fingerprint}"
    assert "the signature of `x` does not count: " in refusal(lambda: signing_key_of(DATA[:-1], signature, "x"))


def test_ssh_keygen_by_hand_agrees(tmp_path: Path, ann: Path) -> None:
    """The line that the documentation shows."""
    signers = allow(tmp_path, ("ann", f'namespaces="{NAMESPACE}"', ann))
    signature = tmp_path / "manifest.json.sig"
    signature.write_bytes(sign(DATA, str(ann)))
    said = ssh_keygen(
        "-Y", "verify", "-f", signers.allowed, "-I", "ann", "-n", "hatch-ytupload", "-s", signature, data=DATA
    )
    assert said.startswith(b'Good "hatch-ytupload" signature for ann')


def test_what_was_changed_after_it_was_signed(tmp_path: Path, ann: Path) -> None:
    """A bit is enough."""
    signature, signers = sign(DATA, str(ann)), allow(tmp_path, ("ann", "", ann))
    line = refusal(lambda: signer_of(DATA[:-1] + b" ", signature, signers, "manifest.json"))
    assert line.startswith("the signature of `manifest.json` by `ann` does not count: ")


@pytest.mark.parametrize(
    "signature", [b"", b"nonsense", b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"]
)
def test_what_is_no_signature(tmp_path: Path, ann: Path, signature: bytes) -> None:
    """Whatever lies under its name."""
    signers = allow(tmp_path, ("ann", "", ann))
    assert "is signed by nobody of" in refusal(lambda: signer_of(DATA, signature, signers, "x"))


def test_a_manifest_without_a_signature(tmp_path: Path, ann: Path) -> None:
    """The line says how to get one."""
    signers = allow(tmp_path, ("ann", "", ann))
    line = refusal(lambda: signer_of(DATA, None, signers, "x"))
    assert line == "`x` is not signed, and `allowed_signers` is set; publish it with `signing_key`"


def test_an_unknown_key(tmp_path: Path, ann: Path) -> None:
    """Signed, but by nobody we know."""
    signers = allow(tmp_path, ("bob", "", make_key(tmp_path, "bob")))
    assert "is signed by nobody of" in refusal(lambda: signer_of(DATA, sign(DATA, str(ann)), signers, "x"))


def test_an_expired_key(tmp_path: Path, ann: Path) -> None:
    """The file says until when it counts."""
    signers = allow(tmp_path, ("ann", 'valid-before="20200101"', ann))
    assert "expired" in refusal(lambda: signer_of(DATA, sign(DATA, str(ann)), signers, "x"))


def test_a_key_for_another_purpose(tmp_path: Path, ann: Path) -> None:
    """One that may sign commits only, and a signature that was made for commits."""
    only_git = allow(tmp_path, ("ann", 'namespaces="git"', ann))
    assert "not permitted" in refusal(lambda: signer_of(DATA, sign(DATA, str(ann)), only_git, "x"))
    of_git = ssh_keygen("-Y", "sign", "-f", ann, "-n", "git", data=DATA)
    signers = allow(tmp_path, ("ann", "", ann))
    assert "namespace does not match" in refusal(lambda: signer_of(DATA, of_git, signers, "x"))


def test_a_revoked_key(tmp_path: Path, ann: Path) -> None:
    """A list of them comes from `ssh-keygen -k`."""
    signers = allow(tmp_path, ("ann", "", ann))._replace(revoked=str(tmp_path / "krl"))
    ssh_keygen("-k", "-f", tmp_path / "krl", ann.with_suffix(".pub"))
    assert "the key is revoked" in refusal(lambda: signer_of(DATA, sign(DATA, str(ann)), signers, "x"))


def test_the_agent_signs_for_a_public_key(tmp_path: Path, ann: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The private half is not on the disk."""
    agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    found = dict(part.split("=", 1) for part in agent.replace("\n", "").split(";") if "=" in part)
    monkeypatch.setenv("SSH_AUTH_SOCK", found["SSH_AUTH_SOCK"])
    try:
        subprocess.run(["ssh-add", "-q", ann], capture_output=True, check=True)
        ann.unlink()
        signature = sign(DATA, str(ann.with_suffix(".pub")))
    finally:
        os.kill(int(found["SSH_AGENT_PID"]), 15)
    assert signer_of(DATA, signature, allow(tmp_path, ("ann", "", ann)), "x") == "ann"
    assert "cannot sign with" in refusal(lambda: sign(DATA, str(ann.with_suffix(".pub"))))


def test_files_that_are_not_there(tmp_path: Path, ann: Path) -> None:
    """Each is named with its setting."""
    assert refusal(lambda: sign(DATA, str(tmp_path / "none"))).startswith("`signing_key` must be a file")
    signers = Signers(str(tmp_path / "none"), None)
    assert refusal(lambda: signer_of(DATA, b"", signers, "x")).startswith("`allowed_signers` must be a file")
    signers = allow(tmp_path, ("ann", "", ann))._replace(revoked=str(tmp_path / "none"))
    assert refusal(lambda: signer_of(DATA, b"", signers, "x")).startswith("`revoked_keys` must be a file")


def test_a_file_that_is_no_key(tmp_path: Path) -> None:
    """OpenSSH says why."""
    (tmp_path / "text").write_text("no key\n")
    (tmp_path / "text").chmod(0o600)
    line = refusal(lambda: sign(DATA, str(tmp_path / "text")))
    assert line.startswith(f"cannot sign with `{tmp_path}/text` of `signing_key`: ")


def test_without_openssh_a_line_says_so(ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not a requirement of the package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install OpenSSH" in refusal(lambda: sign(DATA, str(ann)))


def test_it_gets_no_secrets(ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name that prints its environment sees no token."""
    program = tmp_path / "bin/ssh-keygen"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("YT_TOKEN", "secret-token")
    refusal(lambda: sign(DATA, str(ann)))
    assert "secret-token" not in (tmp_path / "seen").read_text()
