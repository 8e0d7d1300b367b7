"""What looks like credentials and must not get into an archive, whatever the ignore files say."""

from __future__ import annotations

import re

_NAMES = re.compile(
    r"""
      secrets\.env
    | \.env (\.(?!(example|sample|template|dist)$) .*)?
    | \.netrc | _netrc | \.pgpass | \.pypirc | \.git-credentials | \.htpasswd
    | \.(dockercfg|boto|s3cfg|vault-token|my\.cnf|databrickscfg) | application_default_credentials\.json | rclone\.conf
    | id_(rsa|dsa|ecdsa|ed25519)(_sk)?
    | .* \.(ppk|p12|pfx|jks|keystore|kdbx)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Where the name alone says nothing: the directory, and the file in it.
_PATHS = re.compile(
    r"""
      \.aws/credentials | \.yt/token | \.docker/config\.json | \.kube/config | \.cargo/credentials(\.toml)?
    | \.gem/credentials | \.kaggle/kaggle\.json | \.huggingface/(stored_)?tokens?
    | \.azure/(accesstokens|msal_token_cache)\.json | \.terraform\.d/credentials\.tfrc\.json
    """,
    re.VERBOSE | re.IGNORECASE,
)
# RFC 7468 and the older headers of OpenSSL and OpenSSH.
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[0-9]")
# In the JSON that clouds give out for service accounts; some write a remark before the header.
_JSON_KEY = re.compile(rb'"private_?key"\s*:\s*"[^"]{0,1000}-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----', re.IGNORECASE)

HEAD_SIZE = 1 << 16
"""How many bytes at the start of a file `holds_private_key` wants to see."""


def is_credential_file(path: str) -> bool:
    """Tell whether a file of this name is known to hold credentials; its directory counts where the path has it.

    >>> is_credential_file("conf/.aws/credentials"), is_credential_file("credentials")
    (True, False)
    """
    above, _, name = path.rpartition("/")
    return bool(_NAMES.fullmatch(name) or _PATHS.fullmatch(f"{above.rpartition('/')[2]}/{name}"))


def holds_private_key(head: bytes) -> bool:
    """Tell whether a file that starts with these bytes is a private key, or the JSON of an account that holds one.

    Only blank, comment and attribute lines may precede its header: program text that quotes one passes.
    """
    if b"PRIVATE KEY" not in head and not head.startswith(b"PuTTY-User-Key-File-"):
        return False
    text = head.removeprefix(b"\xef\xbb\xbf")
    if text.lstrip()[:1] in (b"{", b"["):
        return _JSON_KEY.search(text) is not None
    for line in text.splitlines():
        if _PRIVATE_KEY.match(line):
            return True
        # `openssl pkcs12` writes "Bag Attributes" and "Key Attributes", with indented lines below, before the header.
        if line.strip() and line[:1] not in b"# \t" and b"Attributes" not in line:
            return False
    return False
