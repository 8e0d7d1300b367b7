"""What looks like credentials, and what only looks a little like them."""

from __future__ import annotations

import codecs
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_ytupload.sources.credentials import HEAD_SIZE, holds_private_key, is_credential_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name",
    [
        "secrets.env", "SECRETS.ENV", ".env", ".env.local", ".env.prod.example.bak", ".netrc", "_netrc", ".pgpass",
        ".pypirc", ".git-credentials", ".htpasswd", "id_rsa", "id_ed25519", "id_ecdsa_sk", "id_dsa", "x.ppk", "a.b.p12",
        "x.PFX", "x.jks", "my.keystore", "passwords.kdbx", "deep/.env", "/home/me/.netrc", ".vault-token", ".boto",
        ".aws/credentials", "secrets.env.bak",
        "x/.AWS/credentials", ".yt/token", "/a/b/.yt/token", ".docker/config.json", ".kube/config",
        ".cargo/credentials", ".cargo/credentials.toml", "application_default_credentials.json", ".kaggle/kaggle.json",
        ".huggingface/token", ".azure/accessTokens.json", ".config/rclone/rclone.conf",
    ],
)  # fmt: skip
def test_names_of_credentials_are_known(name: str) -> None:
    """Case does not matter."""
    assert is_credential_file(name)


@pytest.mark.parametrize(
    "name",
    [
        "secrets.example.env", "secrets.env.example", ".env.example", ".env.sample", ".env.template", ".env.dist",
        ".env.local.example",
        "env", ".envrc", "x.env", "id_rsa.pub", "id_rsa.py", "my_id_rsa", "netrc", "keystore.py", "p12", "secrets.py",
        "secrets.env\n", "token.py", "token", "credentials", "aws/credentials", "yt/token", ".yt/token/x",
        ".aws/config",
        ".yttoken", "config.json", "kube/config", ".yt/token.py", "x.aws/credentials", "secrets.env/x",
    ],
)  # fmt: skip
def test_other_names_are_not(name: str) -> None:
    """Examples, public keys and program text are packed."""
    assert not is_credential_file(name)


@pytest.mark.parametrize(
    "head",
    [
        b"-----BEGIN PRIVATE KEY-----\nMII",
        b"-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\n",
        b"-----BEGIN EC PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n",
        b"PuTTY-User-Key-File-3: ssh-ed25519\n",
        b"\n\n# my key\n  \n-----BEGIN PRIVATE KEY-----\n",
        b"\xef\xbb\xbf-----BEGIN PRIVATE KEY-----\n",
        b'{"private_key": "-----BEGIN PRIVATE KEY-----\\nMII"}',
        b'{\n  "type": "service_account",\n  "private_key":\n\t"-----BEGIN RSA PRIVATE KEY-----\\nMII',
        b'\xef\xbb\xbf [{"privateKey":"-----BEGIN EC PRIVATE KEY-----"}]',
        b'{"id": "a", "private_key": "PLEASE DO NOT REMOVE THIS LINE!\\n-----BEGIN PRIVATE KEY-----\\nMII"}',
        b'{"padding": "' + bytes(HEAD_SIZE // 2) + b'", "private_key": "-----BEGIN PRIVATE KEY-----"}',
        b"Bag Attributes\n    friendlyName: x\nKey Attributes: <No Attributes>\n-----BEGIN PRIVATE KEY-----\n",
        b"subject=CN = x\nissuer=CN = y\n-----BEGIN PRIVATE KEY-----\n",
        b"-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\r\nMII\r\n-----END CERTIFICATE-----\r\n\r\n-----BEGIN PRIVATE KEY-----\r\n",
        b"Bag Attributes\n    x: y\nsubject=CN = x\nissuer=CN = x\n"
        + 2 * b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
        + b"Bag Attributes\n    x: y\nKey Attributes: <No Attributes>\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        *(
            text.encode(encoding)
            for text in ("-----BEGIN PRIVATE KEY-----\r\nMII", '{"private_key": "-----BEGIN PRIVATE KEY-----')
            for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")
        ),
        codecs.BOM_UTF16_BE + "# one\n-----BEGIN EC PRIVATE KEY-----".encode("utf-16-be"),
    ],
)
def test_private_keys_are_known_by_their_header(head: bytes) -> None:
    """All usual forms, with what tools and people write above."""
    assert holds_private_key(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\nPRIVATE KEY\n",
        b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\ntext\n-----BEGIN PRIVATE KEY-----\n",
        b'KEY = """\n-----BEGIN PRIVATE KEY-----\n',
        b'"""Tests."""\n# -----BEGIN PRIVATE KEY-----\n',
        b"# -----BEGIN PRIVATE KEY----- is what a key starts with\n",
        b"text\n-----BEGIN PRIVATE KEY-----\n",
        b"PRIVATE KEY",
        b" -----BEGIN PRIVATE KEY-----\n",
        b"\0" * HEAD_SIZE,
        b'{"private_key": "PRIVATE KEY"}',
        b'{"cells": ["-----BEGIN PRIVATE KEY-----"]}',
        b'{"private_key": "", "text": "-----BEGIN PRIVATE KEY-----"}',
        b'x = {"private_key": "-----BEGIN PRIVATE KEY-----"}',
        b'{"private_key": "-----BEGIN PUBLIC KEY-----", "what": "PRIVATE KEY"}',
    ],
)
def test_text_about_keys_is_no_key(head: bytes) -> None:
    """Program text that quotes a header, certificates and public keys pass."""
    assert not holds_private_key(head)


_BODY = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA"


@pytest.mark.parametrize(
    "text",
    [
        b"tls:\n  key: |\n    -----BEGIN PRIVATE KEY-----\n    " + _BODY,
        b"tls:\r\n- key: >-\r\n    -----BEGIN RSA PRIVATE KEY-----\r\n    Proc-Type: 4,ENCRYPTED\r\n",
        b'key: "-----BEGIN EC PRIVATE KEY-----\\n' + _BODY + b'"',
        b'key = """\n-----BEGIN PRIVATE KEY-----\\\n' + _BODY,
        b'{"tls": "-----BEGIN PRIVATE KEY-----\\r\\n' + _BODY + b'"}',
        b"key: |\n  -----BEGIN PGP PRIVATE KEY BLOCK-----\n  Version: GnuPG v2\n",
        "key: |\n  -----BEGIN PRIVATE KEY-----\n  ".encode("utf-16") + _BODY.decode().encode("utf-16-le"),
    ],
)
def test_keys_among_other_values_are_known_in_configuration(text: bytes) -> None:
    """Program text may hold the same; without a key's content it is a remark or an example."""
    assert holds_private_key(text, "values.yaml")
    assert not holds_private_key(b"x\n" + text.replace(b"\0", b""), "values.py")
    without = re.sub(_BODY + b"|Proc-Type|Version", b"...", text.replace(b"\0", b"").lstrip(b"\xff\xfe"))
    assert not holds_private_key(without, "values.yaml")


def test_a_hostile_file_takes_no_time() -> None:
    """Each beginning that could be one is looked at once."""
    for piece in (
        b"-----BEGIN ",
        b"-----BEGIN PRIVATE KEY-----",
        b"-----BEGIN PRIVATE KEY-----\\n",
        b"A ",
        b"\\n",
        b"\n",
    ):
        head = b"PRIVATE KEY -----BEGIN PRIVATE KEY-----" + piece * HEAD_SIZE
        assert not holds_private_key(b"x: " + head[:HEAD_SIZE], "x.yaml")
    assert not holds_private_key((b'{"PRIVATE KEY' + b'"private_key":"' * HEAD_SIZE)[:HEAD_SIZE])
    assert not holds_private_key((b'{"PRIVATE KEY"' + b'"private_key":"' + b"-----BEGIN " * HEAD_SIZE)[:HEAD_SIZE])


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa", "ecdsa"])
def test_what_ssh_keygen_writes_is_a_private_key(tmp_path: Path, algorithm: str) -> None:
    """A key that a real tool made is known; its public half is not."""
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", algorithm, "-N", "", "-f", tmp_path / "key", "-m", "PEM"], check=True)
    except FileNotFoundError:
        pytest.skip("there is no ssh-keygen")
    assert holds_private_key((tmp_path / "key").read_bytes()[:HEAD_SIZE])
    assert not holds_private_key((tmp_path / "key.pub").read_bytes())
