"""Where distributions are looked for: as requirements, pip's configuration and variables say.

pip's rules decide, since pip is what installs where there is no lock; uv reads none of its configuration.
"""

from __future__ import annotations

import configparser
import os
import sys
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from hatch_ytupload.requirements.lines import with_variables
from hatch_ytupload.requirements.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_ytupload.requirements.reading import Option

PYPI = "https://pypi.org/simple"
_OPTIONS = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "proxy")
_LISTS = frozenset({"extra-index-url", "find-links", "trusted-host"})
_UV_VARIABLES = {
    "UV_DEFAULT_INDEX": "index-url",
    "UV_INDEX_URL": "index-url",
    "UV_INDEX": "extra-index-url",
    "UV_EXTRA_INDEX_URL": "extra-index-url",
    "UV_FIND_LINKS": "find-links",
}
_SECTIONS = ("global", "download", "install")
_FALSE = ("", "0", "false", "no", "off", "n", "f")


class Indexes(NamedTuple):
    """Where distributions are looked for; URLs with credentials, so not to be shown."""

    urls: tuple[str, ...]
    """Of simple indexes, the first of which is the main one."""
    find_links: tuple[str, ...] = ()
    """URLs of pages, and paths of directories or files."""
    in_archive: tuple[str, ...] = ()
    """Paths in the archive of directories or files that are looked into as well."""
    from_requirements: bool = False
    """The requirements name them, so they are the same on every machine."""
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    """Path of the certificates to trust."""
    proxy: str | None = None
    flags: tuple[str, ...] = ()
    """Options of the requirements that `uv pip compile` takes as they are."""

    @property
    def configured(self) -> bool:
        """Tell whether anybody names another place than PyPI."""
        return self.urls != (PYPI,) or bool(self.find_links)

    def uv_options(self) -> list[str]:
        """Return them as uv takes them, without URLs: those may hold credentials, and go into `uv_variables`."""
        options = ["--index-strategy", "unsafe-best-match", "--keyring-provider", "subprocess"]
        options += [] if self.urls else ["--no-index"]
        for host in self.trusted_hosts:
            options += ["--allow-insecure-host", host]
        return options

    def uv_variables(self, *, in_archive: bool = False) -> dict[str, str]:
        """Return the environment variables that tell uv where to look.

        Args:
            in_archive: uv runs where the archive's files are.
        """
        found = {}
        if self.urls and self.configured:
            found = {"UV_DEFAULT_INDEX": self.urls[0], "UV_INDEX": " ".join(self.urls[1:])}
        found["UV_FIND_LINKS"] = ",".join((*self.find_links, *(self.in_archive if in_archive else ())))
        if self.cert:
            found["SSL_CERT_FILE"] = self.cert
        if self.proxy:
            found["ALL_PROXY"] = self.proxy
        return {name: value for name, value in found.items() if value}

    def shown(self) -> str:
        """Return the places as messages name them."""
        return ", ".join(f"`{masked(place)}`" for place in (*self.urls, *self.find_links)) or "no index (`--no-index`)"


def find_indexes(options: Iterable[Option], environ: Mapping[str, str]) -> Indexes:
    """Return where pip would look.

    Args:
        options: of the requirements files.
        environ: the environment.
    """
    known = _configuration(environ)
    urls = [] if _is_true(known, "no-index") else [*(known["index-url"] or [PYPI])[:1], *known["extra-index-url"]]
    links = known["find-links"]
    hosts = known["trusted-host"]
    own: list[str] = []
    flags: list[str] = []
    named = False
    for option in options:
        value = with_variables(option.value or "", environ)
        named = named or option.name in ("--index-url", "--extra-index-url", "--no-index")
        if option.name == "--index-url":
            urls[:1] = [value]
        elif option.name == "--extra-index-url":
            urls.append(value)
        elif option.name == "--find-links":
            (links if option.path is None else own).append(option.path or value)
        elif option.name == "--trusted-host":
            hosts.append(value)
        elif option.name == "--pre":
            flags += ["--prerelease", "allow"]
        elif option.name in ("--no-binary", "--only-binary"):
            flags += [option.name, value]
    if any(option.name == "--no-index" for option in options):
        urls = []
    only = {name: known[name][-1] if known[name] else None for name in ("cert", "proxy")}
    return Indexes(
        _unique(urls),
        _unique(links),
        _unique(own),
        named,
        _unique(hosts),
        _absolute(only["cert"]),
        only["proxy"],
        tuple(flags),
    )


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item if urlsplit(item).scheme == "" else item.rstrip("/") for item in items if item))


def _absolute(path: str | None) -> str | None:
    return os.path.abspath(os.path.expanduser(path)) if path else None


def _is_true(known: Mapping[str, list[str]], name: str) -> bool:
    return bool(known[name]) and known[name][-1].strip().lower() not in _FALSE


def _configuration(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Read pip's configuration files and the variables of pip and uv; what comes later wins."""
    known: dict[str, list[str]] = {name: [] for name in _OPTIONS}
    for path in _files(environ):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
        for section in _SECTIONS:
            for name, value in parser.items(section) if parser.has_section(section) else ():
                _set(known, name.replace("_", "-"), value)
    for variable, name in _UV_VARIABLES.items():
        if environ.get(variable):
            _set(known, name, environ[variable].replace(",", " "))
    for name in _OPTIONS:
        _set(known, name, environ.get(f"PIP_{name.replace('-', '_').upper()}", ""))
    return known


def _set(known: dict[str, list[str]], name: str, value: str) -> None:
    if name in known and value.strip():
        known[name] = value.split() if name in _LISTS else [value.strip()]


def _files(environ: Mapping[str, str]) -> list[str]:
    """List pip's configuration files, the weakest first (pip.pypa.io, "Configuration")."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = environ.get("HOME") or os.path.expanduser("~")
    system = [
        os.path.join(place, "pip", "pip.conf") for place in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    ]
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    mac = [os.path.join(home, "Library", "Application Support", "pip", "pip.conf")] if sys.platform == "darwin" else []
    user = [os.path.join(home, ".pip", "pip.conf"), os.path.join(config, "pip", "pip.conf"), *mac]
    return [
        *reversed(system),
        "/etc/pip.conf",
        *user,
        os.path.join(sys.prefix, "pip.conf"),
        *([named] if named else []),
    ]
