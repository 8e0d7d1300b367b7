"""Which modules a job finds outside of the archive: the standard library's, its requirements' and the image's."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from packaging.markers import UndefinedComparison
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from hatch_ytupload.configuration.project import normalize_name
from hatch_ytupload.sources.distributions import modules_of

if TYPE_CHECKING:
    from collections.abc import Iterable

# What came and went since Python 3.8, from "What's New" and PEP 594; `sys.stdlib_module_names` knows this version only.
_ADDED = {
    "graphlib": (3, 9),
    "zoneinfo": (3, 9),
    "tomllib": (3, 11),
    "annotationlib": (3, 14),
    "compression": (3, 14),
}
_REMOVED = {
    (3, 9): "_dummy_thread dummy_threading",
    (3, 10): "formatter parser symbol",
    (3, 11): "binhex",
    (3, 12): "asynchat asyncore distutils imp smtpd",
    (3, 13): "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr "
    "spwd sunau telnetlib uu xdrlib",
}

# Distributions that are not installed here and whose modules have another name. Anything else counts as named like it.
_KNOWN = {
    "attrs": ("attr", "attrs"),
    "beautifulsoup4": ("bs4",),
    "boto3": ("boto3", "botocore", "s3transfer", "jmespath"),
    "catboost": ("catboost",),
    "faiss-cpu": ("faiss",),
    "fasttext-wheel": ("fasttext",),
    "grpcio": ("grpc",),
    "mysqlclient": ("MySQLdb",),
    "onnxruntime-gpu": ("onnxruntime",),
    "opencv-contrib-python": ("cv2",),
    "opencv-python": ("cv2",),
    "opencv-python-headless": ("cv2",),
    "pandas": ("pandas", "numpy", "dateutil", "pytz"),
    "pillow": ("PIL",),
    "protobuf": ("google.protobuf",),
    "psycopg2-binary": ("psycopg2",),
    "pycryptodome": ("Crypto",),
    "pyjwt": ("jwt",),
    "python-dateutil": ("dateutil",),
    "python-dotenv": ("dotenv",),
    "python-magic": ("magic",),
    "pyyaml": ("yaml",),
    "pyzmq": ("zmq",),
    "requests": ("requests", "urllib3", "certifi", "idna", "charset_normalizer"),
    "scikit-image": ("skimage",),
    "scikit-learn": ("sklearn", "numpy", "scipy", "joblib"),
    "setuptools": ("setuptools", "pkg_resources"),
    "tensorflow-cpu": ("tensorflow",),
    "yt-framework": ("yt_framework", "ytjobs"),
    "ytsaurus-client": ("yt",),
    "ytsaurus-yson": ("yt_yson_bindings",),
}


class Provided(NamedTuple):
    """What a stage's jobs find outside of the archive."""

    modules: frozenset[str]
    """Dotted names: what lies below one of them is there, too."""
    unknown: tuple[str, ...]
    """Requirements that are not installed here, so that nobody knows what they bring along."""

    def has(self, name: str) -> bool:
        """Tell whether a dotted name is there, or lies above or below one that is."""
        parts = name.split(".")
        if any(".".join(parts[:count]) in self.modules for count in range(1, len(parts) + 1)):
            return True
        return any(module.startswith(f"{name}.") for module in self.modules)


def standard_library(python: tuple[int, int]) -> frozenset[str]:
    """Return the top-level modules of a version of Python.

    For another version than the one that runs this, what is known to have come or gone in between is accounted for.
    """
    names = set(sys.stdlib_module_names) | {"__main__", "__future__"}
    for name, since in _ADDED.items():
        (names.add if python >= since else names.discard)(name)
    for until, removed in _REMOVED.items():
        (names.difference_update if python >= until else names.update)(removed.split())
    return frozenset(names)


def provided_by(requirements: Iterable[Requirement], python: tuple[int, int]) -> Provided:
    """Return what requirements bring: modules of installed distributions and of those that these require.

    Args:
        requirements: of a stage.
        python: the version of Python of its jobs.
    """
    modules: set[str] = set()
    unknown = []
    pending = list(requirements)
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        requirement = pending.pop()
        name = normalize_name(requirement.name)
        extras = frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        installed = modules_of(name, sys.path)
        modules.update(installed or _KNOWN.get(name) or _guessed(name))
        if not installed:
            unknown.append(requirement.name)
            continue
        for text in _required(name):
            below = _parsed(text)
            if below is not None and any(applies(below, python, extra) for extra in ["", *extras]):
                pending.append(below)
    return Provided(frozenset(modules), tuple(sorted(unknown)))


def applies(requirement: Requirement, python: tuple[int, int], extra: str = "") -> bool:
    """Tell whether a job needs a requirement: by its marker, with what differs from this machine.

    Args:
        requirement: with a marker or without.
        python: the version of Python of the job.
        extra: the extra that brings it.
    """
    version = f"{python[0]}.{python[1]}"
    environment = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": extra,
    }
    try:
        return requirement.marker is None or requirement.marker.evaluate(environment)
    except (UndefinedComparison, InvalidVersion):
        return True  # pip will say so


def _required(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _guessed(name: str) -> set[str]:
    """Return what the modules of a distribution may be called.

    >>> sorted(_guessed("python-foo"))
    ['foo', 'python.foo', 'python_foo']
    """
    plain = name.replace("-", "_")
    return {plain, name.replace("-", "."), re.sub(r"^python_|_python$", "", plain)}
