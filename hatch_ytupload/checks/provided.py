"""Which modules a job finds outside of the archive: the standard library's, its requirements' and the image's."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.checks.local_distributions import (
    LocalDistribution,
    distributions_in,
    project_content,
    wheel_content,
    wheel_modules,
)
from hatch_ytupload.requirements.reading import requirement_name
from hatch_ytupload.requirements.requirement import InvalidRequirementError, applies, asked
from hatch_ytupload.requirements.tree import Tree
from hatch_ytupload.sources.distributions import modules_of
from hatch_ytupload.sources.ytjobs import FRAMEWORK
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from hatch_ytupload.requirements.requirement import Requirement

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
# Of these all modules but the first are those of distributions that they require.
_WITH_REQUIREMENTS = frozenset({"boto3", "pandas", "requests", "scikit-learn"})


class Provided(NamedTuple):
    """What a stage's jobs find outside of the archive."""

    modules: frozenset[str]
    """Dotted names: what lies below one of them is there, too."""
    unknown: tuple[str, ...] = ()
    """Requirements that are not installed here, so that nobody knows what they bring along."""
    top_level: frozenset[str] = frozenset()
    """Names that are most likely importable themselves."""
    judged: tuple[str, ...] = ()
    """Requirements that were judged by what is installed here."""
    distributions: frozenset[str] = frozenset()
    """Normalized names of all that is installed, as far as that is known."""
    library: frozenset[str] = frozenset()
    """Names of the modules of the standard library."""
    locked: bool = False
    """The stage has a lock, so all of this is known."""

    @property
    def source(self) -> str:
        """What brings it, as messages say it."""
        return "the lock of the stage" if self.locked else "the requirements of the stage"

    def way_to_require(self, what: str, stage: str) -> str:
        """Say how the requirements of a stage get something more, as messages end."""
        again = f" and run `hatch-ytupload lock {one_line(stage)}`" if self.locked else ""
        return f"add {what} to `requirements.txt` of the stage{again}"

    def has(self, name: str) -> bool:
        """Tell whether a dotted name is there, or lies above or below one that is."""
        parts = name.split(".")
        if any(".".join(parts[:count]) in self.modules for count in range(1, len(parts) + 1)):
            return True
        return any(module.startswith(f"{name}.") for module in self.modules)


def version_of(python: str) -> tuple[int, int]:
    """Return the first two numbers of a version of Python, such as `3.11` or `3.11.4`."""
    major, minor, *_ = map(int, python.split("."))
    return major, minor


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


def provided_by(required: Sequence[Requirement], files: Mapping[str, bytes], python: str) -> Provided:
    """Return what requirements bring: the modules of packed and installed distributions, and of what these require.

    Args:
        required: by a stage.
        files: of the archive.
        python: the version of Python of its jobs.
    """
    modules: set[str] = set()
    top_level: set[str] = set()
    unknown = set()
    judged = set()
    pending: list[tuple[str, frozenset[str]]] = []
    for requirement in required:
        if not applies(requirement.marker, python):
            continue
        local = _local(requirement, files)
        modules |= local.modules
        top_level |= local.modules
        if local.modules:
            pending += _named(local.requires, python, requirement.extras)
        elif requirement.name is not None:
            pending.append((requirement.name, requirement.extras))
        else:
            unknown.add(requirement.text)
    seen = set()
    while pending:
        name, extras = found = pending.pop()
        if found in seen:
            continue
        seen.add(found)
        installed = modules_of(name, sys.path)
        brought = installed or _KNOWN.get(name) or _guessed(name)
        modules.update(brought)
        # What is only guessed to lie in a namespace is not hidden by what has the namespace's name.
        sure = installed or _KNOWN.get(name)
        top_level.update(module.partition(".")[0] for module in brought if sure or "." not in module)
        if installed:
            judged.add(name)
            pending += _named(_required(name), python, extras)
        else:
            unknown.add(name)
    distributions = {name for name, _ in seen} | {item.name for item in required if item.name is not None}
    return Provided(
        frozenset(modules),
        tuple(sorted(unknown)),
        frozenset(top_level),
        tuple(sorted(judged)),
        frozenset(distributions),
        standard_library(version_of(python)),
    )


def provided_by_wheels(members: Iterable[str], python: str) -> Provided:
    """Return what wheels bring, by their own lists of files.

    Args:
        members: the names of all their members.
        python: the version of Python that they are for.
    """
    names = list(members)
    modules = wheel_modules(names)
    return Provided(
        modules,
        top_level=frozenset(module.partition(".")[0] for module in modules),
        distributions=distributions_in(names),
        library=standard_library(version_of(python)),
        locked=True,
    )


def needed_of_framework(modules: Collection[str]) -> list[str]:
    """Return what YT Framework requires, where it is installed, to have some of these top-level modules, sorted."""
    # What extras require, nobody has asked for.
    required = (text for text in _required(FRAMEWORK) if "extra ==" not in text)
    return sorted(text for text in required if set(modules_of(requirement_name(text) or "", sys.path)) & set(modules))


def distribution_with(module: str) -> str | None:
    """Return the well-known distribution that brings a top-level module and has another name."""
    own = ((name, modules[:1] if name in _WITH_REQUIREMENTS else modules) for name, modules in _KNOWN.items())
    found = next((name for name, modules in own if module in modules), module)
    return None if found == module else found


def _local(requirement: Requirement, files: Mapping[str, bytes]) -> LocalDistribution:
    """Return what a wheel or project of the archive brings that a requirement names."""
    reference = requirement.reference
    if reference is None or reference.path is None or not reference.present:
        return LocalDistribution(frozenset())
    if reference.kind == "directory":
        return project_content(files, Tree(files).below(reference.path), reference.path)
    is_wheel = reference.path.endswith(".whl")
    return wheel_content(files[reference.path]) if is_wheel else LocalDistribution(frozenset())


def _named(texts: Iterable[str], python: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield names and extras of the requirements of a distribution that a job needs."""
    for text in texts:
        with suppress(InvalidRequirementError):
            found = asked(text, Tree({}))
            if found.name is not None and any(applies(found.marker, python, extra) for extra in ["", *extras]):
                yield found.name, found.extras


def _required(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def _guessed(name: str) -> set[str]:
    """Return what the modules of a distribution may be called.

    >>> sorted(_guessed("python-foo"))
    ['foo', 'python.foo', 'python_foo']
    """
    plain = name.replace("-", "_")
    return {plain, name.replace("-", "."), re.sub(r"^python_|_python$", "", plain)}
