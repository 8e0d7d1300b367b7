"""The METADATA of a distribution, as far as others ask for it: name, licence, who supplies it, what it requires.

Format: packaging.python.org, "Core metadata specifications". The standard library's parser of mail headers reads it,
too, and takes longer to import than a small build.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zipfile import ZipFile

_LICENCE_CLASSIFIER = "License :: "
# What stands before the first of these in a requirement is its name.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_LONGEST_NAME = 80


def metadata_in(wheel: ZipFile) -> bytes | None:
    """Return the METADATA of an open wheel; None: it has none."""
    names = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
    name = next(names, None)
    return None if name is None else wheel.read(name)


class CoreMetadata(NamedTuple):
    """What a distribution says about itself; empty where it does not."""

    name: str
    version: str
    licence_expression: str
    """Of SPDX."""
    licence: str
    """Its name, where there is no expression."""
    licence_text: str
    """Where the field of the name holds a whole text."""
    supplier: str
    requires: tuple[str, ...]
    """Names of the distributions that it always or on some platform requires; what extras require is not among them."""


def parse_core_metadata(data: bytes) -> CoreMetadata:
    r"""Read the headers of METADATA or PKG-INFO; what is damaged counts as missing.

    >>> parse_core_metadata(b"Name: demo\nVersion: 1.0\nLicense-Expression: MIT\n").licence_expression
    'MIT'
    """
    fields: dict[str, list[str]] = {}
    last: list[str] = []
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.strip():
            break
        if line[0] in " \t":
            # Setuptools marks lines of the licence's text in this way.
            last[-1:] = [f"{text}\n{line.strip().removeprefix('|').strip()}" for text in last[-1:]]
            continue
        key, _, value = line.partition(":")
        last = fields.setdefault(key.lower(), [])
        last.append(value.strip())
    licence = _first(fields, "license")
    classifiers = [text for text in fields.get("classifier", []) if text.startswith(_LICENCE_CLASSIFIER)]
    named = ", ".join(text.rpartition(" :: ")[2] for text in classifiers)
    is_text = "\n" in licence or len(licence) > _LONGEST_NAME
    # Some texts begin with a ruler.
    heading = next((line for line in licence.splitlines() if re.search(r"\w", line)), "")[:_LONGEST_NAME]
    return CoreMetadata(
        name=_first(fields, "name"),
        version=_first(fields, "version"),
        licence_expression=_first(fields, "license-expression"),
        licence=(named or heading) if is_text else licence or named,
        licence_text=licence if is_text else "",
        supplier=_first(fields, "maintainer") or _first(fields, "author") or _mail_name(fields),
        requires=tuple(_required(text) for text in fields.get("requires-dist", []) if "extra ==" not in text),
    )


def _first(fields: dict[str, list[str]], name: str) -> str:
    value = fields.get(name, [""])[0]
    return "" if value == "UNKNOWN" else value


def _mail_name(fields: dict[str, list[str]]) -> str:
    """Return the name in `Name <address>`, which newer metadata has in place of a field of its own."""
    address = _first(fields, "maintainer-email") or _first(fields, "author-email")
    return address.partition("<")[0].strip().strip('"') if "<" in address else ""


def _required(text: str) -> str:
    match = re.match(_NAME, text)
    return match[0] if match else ""
