"""What looks like credentials and must not get into an archive, whatever the ignore files say."""

from __future__ import annotations

import re

# All in small letters, as names are compared. No expressions: compiling them takes a good part of a small build.
_NAMES = frozenset(
    [
        "secrets.env",
        ".env",
        ".netrc",
        "_netrc",
        ".pgpass",
        ".pypirc",
        ".git-credentials",
        ".htpasswd",
        ".dockercfg",
        ".boto",
        ".s3cfg",
        ".vault-token",
        ".my.cnf",
        ".databrickscfg",
        "application_default_credentials.json",
        "rclone.conf",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "id_rsa_sk",
        "id_dsa_sk",
        "id_ecdsa_sk",
        "id_ed25519_sk",
    ]
)
_SUFFIXES = (".ppk", ".p12", ".pfx", ".jks", ".keystore", ".kdbx")
# Other editions of them: `.env.local`, `secrets.env.bak`; those for others to fill in hold none.
_EDITIONS = (".env.", "secrets.env.")
_EXAMPLES = (".example", ".sample", ".template", ".dist")
# Where the name alone says nothing: the directories in which it says something.
_BELOW = {
    "credentials": (".aws", ".cargo", ".gem"),
    "credentials.toml": (".cargo",),
    "credentials.tfrc.json": (".terraform.d",),
    "token": (".yt", ".huggingface"),
    "tokens": (".huggingface",),
    "stored_token": (".huggingface",),
    "stored_tokens": (".huggingface",),
    "config": (".kube",),
    "config.json": (".docker",),
    "kaggle.json": (".kaggle",),
    "accesstokens.json": (".azure",),
    "msal_token_cache.json": (".azure",),
}
# RFC 7468 and the older headers of OpenSSL and OpenSSH.
_PRIVATE_KEY = rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[0-9]"
# In the JSON that clouds give out for service accounts; some write a remark before the header.
_JSON_KEY = rb'(?i)"private_?key"\s*:\s*"[^"]{0,1000}-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----'
# Configuration has keys among other values, indented or in one line. Only one with its content counts: remarks and
# examples have headers, too.
_CONFIGURATION = (".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".conf", ".properties")
_KEY_AS_VALUE = (
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\[nr]|[\s\\])*"
    rb"(?:Proc-Type:|Version:|[A-Za-z0-9+/]{40})"
)
# How a key begins, or what may precede it: white space, a remark, a byte-order mark, the bracket of JSON.
_MAY_PRECEDE = b" \t\r\n\x0b\x0c#\xef{[-P"
# Text whose characters have two or four bytes, such as what PowerShell writes, begins with one of these, or has one
# zero in its first two bytes.
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")

HEAD_SIZE = 1 << 16
"""How many bytes at the start of a file `holds_private_key` wants to see."""


def is_credential_file(path: str) -> bool:
    """Tell whether a file of this name is known to hold credentials; its directory counts where the path has it.

    >>> is_credential_file("conf/.aws/credentials"), is_credential_file("credentials")
    (True, False)
    """
    above, _, name = path.rpartition("/")
    name = name.lower()
    return (
        name in _NAMES
        or name.endswith(_SUFFIXES)
        or (name.startswith(_EDITIONS) and not name.endswith(_EXAMPLES))
        or (name in _BELOW and above.rpartition("/")[2].lower() in _BELOW[name])
    )


def holds_private_key(head: bytes, name: str = "") -> bool:
    """Tell whether a file is a private key, or the JSON of an account or configuration that holds one.

    Only blank, comment and attribute lines and other blocks of PEM, such as certificates, may precede its header:
    program text that quotes one passes.

    Args:
        head: the start of its content, in whatever encoding of Unicode.
        name: of the file, whose end tells configuration.
    """
    if b"\0" in head[:2] or head.startswith(_WIDE_MARKS):
        head = head.replace(b"\0", b"").lstrip(b"\xff\xfe")
    if name.endswith(_CONFIGURATION) and b"PRIVATE KEY" in head and re.search(_KEY_AS_VALUE, head):
        return True
    # Nearly every file is decided by its first line: this runs once for each.
    if head[:1] not in _MAY_PRECEDE and not _is_remark(head[: head.find(b"\n")]):
        return False
    if b"PRIVATE KEY" not in head and not head.startswith(b"PuTTY-User-Key-File-"):
        return False
    text = head.removeprefix(b"\xef\xbb\xbf")
    if text.lstrip()[:1] in (b"{", b"["):
        return re.search(_JSON_KEY, text) is not None
    in_block = False
    for line in text.splitlines():
        if re.match(_PRIVATE_KEY, line):
            return True
        if in_block or line.startswith(b"-----BEGIN "):
            in_block = not line.startswith(b"-----END ")
        elif line.strip() and line[:1] not in b"# \t" and not _is_remark(line):
            break
    return False


def _is_remark(line: bytes) -> bool:
    """Tell whether `openssl pkcs12` writes such a line between keys and certificates, or indented ones below it."""
    return b"Attributes" in line or line.startswith((b"subject=", b"issuer="))
