"""What looks like credentials and must not get into an archive, whatever the ignore files say."""

from __future__ import annotations

import re

_NAMES = re.compile(
    r"""
      secrets\.env
    | \.env (\.(?!(example|sample|template|dist)$) .*)?
    | \.netrc | _netrc | \.pgpass | \.pypirc | \.git-credentials | \.htpasswd
    | id_(rsa|dsa|ecdsa|ed25519)(_sk)?
    | .* \.(ppk|p12|pfx|jks|keystore|kdbx)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# RFC 7468 and the older headers of OpenSSL and OpenSSH.
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[0-9]")

HEAD_SIZE = 4096
"""How many bytes at the start of a file `holds_private_key` wants to see."""


def is_credential_name(name: str) -> bool:
    """Tell whether a file of this name (without directories) is known to hold credentials."""
    return _NAMES.fullmatch(name) is not None


def holds_private_key(head: bytes) -> bool:
    """Tell whether a file that starts with these bytes is a private key.

    Only blank, comment and attribute lines may precede its header: program text that quotes one passes.
    """
    if b"PRIVATE KEY" not in head and not head.startswith(b"PuTTY-User-Key-File-"):
        return False
    for line in head.removeprefix(b"\xef\xbb\xbf").splitlines():
        if _PRIVATE_KEY.match(line):
            return True
        # `openssl pkcs12` writes "Bag Attributes" and "Key Attributes", with indented lines below, before the header.
        if line.strip() and line[:1] not in b"# \t" and b"Attributes" not in line:
            return False
    return False
