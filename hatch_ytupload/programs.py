"""How other programs are started: without the user's secrets, and git without programs that a repository names."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from hatch_ytupload.byte_reader import small_file
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence

_PRIVATE = r"(?i)TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|^YT_SECURE_VAULT"
# Git sets the first for its hooks; a build that one of them starts is asked about its own directory.
_OF_ANOTHER = (
    r"GIT_(?:DIR|WORK_TREE|INDEX_FILE|PREFIX|COMMON_DIR|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE|"
    r"INTERNAL_.*|IMPLICIT_WORK_TREE|GRAFT_FILE|SHALLOW_FILE|EXTERNAL_DIFF|SSH.*|ASKPASS|PROXY_COMMAND|PAGER|EDITOR)"
)
# Git must not write to the repository that it is asked about, fetch what it lacks, ask, nor speak another language.
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "LC_ALL": "C",
}
_EMPTY = "GIT_ASKPASS"
_OPTIONS = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "protocol.allow=never", "diff.external=")
_FILTER = rb"(filter\.([^\n]*)\.(?:clean|smudge|process))\n((?s:.*))"
_HARMLESS = rb"git[ -]lfs (?:clean|smudge|filter-process)(?: --skip)?(?: -- %f)?"
_GITLINK = b"160000 "

GIT_SECONDS = 60.0
"""How long git may take for an answer: a repository may hold what keeps it waiting for ever, such as a FIFO."""


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that another program may be given.

    >>> without_secrets({"PATH": "/bin", "YT_TOKEN": "x", "PYPI_PASSWORD": "x"})
    {'PATH': '/bin'}
    """
    return {name: value for name, value in environ.items() if not re.search(_PRIVATE, name)}


def git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that git is started with, to be asked about the directory that it is started in."""
    kept = {name: value for name, value in without_secrets(environ).items() if not re.fullmatch(_OF_ANOTHER, name)}
    return {**kept, **_ENVIRONMENT}


class Git:
    """A command of git in the background, which starts no program that the repository of a directory names.

    Args:
        directory: that git is asked about.
        arguments: of git.

    Raises:
        OSError: there is no git on this machine.
    """

    def __init__(self, directory: str, *arguments: str) -> None:
        environ = git_environment(os.environ)
        options = [part for option in _OPTIONS for part in ("-c", option)]
        if arguments[0] == "status":
            options += _without_filters(directory, environ, options)
            if not _has_submodules(directory):
                # Git would ask those of no name with the filters that they set up themselves.
                arguments = (arguments[0], "--ignore-submodules=dirty", *arguments[1:])
        self._process = _started(directory, environ, [*options, *arguments])

    def answer(self, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Wait for what it says.

        Args:
            given: its input.
        """
        return _answer(self._process, given)

    def stop(self) -> None:
        """End it."""
        _stop(self._process)


def git_reason(said: bytes) -> str:
    """Return what git said on standard error as one line, with the way out that it names."""
    lines = (line.strip() for line in said.decode("utf-8", "replace").splitlines())
    return one_line(" ".join(line.removeprefix("fatal: ") for line in lines if line)) or "it did not say why"


def work_tree(directory: str) -> str | None:
    """Return the directory in which git finds its work tree from another one, resolved; None: there is none."""
    above = os.path.realpath(directory)
    while not os.path.lexists(os.path.join(above, ".git")):
        directory, above = above, os.path.dirname(above)
        if above == directory:
            return None
    git = os.path.join(above, ".git")
    # Caches of tools, such as uv's, hold an empty file of this name, so that nobody looks for one above them.
    return None if os.path.isfile(git) and not os.path.getsize(git) else above


def _started(directory: str, environ: Mapping[str, str], arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    import subprocess

    return subprocess.Popen(
        ["git", *arguments],
        cwd=directory,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # it is stopped with all that it has started
    )


def _answer(process: subprocess.Popen[bytes], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    import subprocess

    try:
        said, complaint = process.communicate(given, timeout=GIT_SECONDS)
    except subprocess.TimeoutExpired:
        _stop(process)
        said, complaint = b"", f"it gives no answer within {GIT_SECONDS:g} s".encode()
    return subprocess.CompletedProcess(process.args, process.returncode, said, complaint)


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _without_filters(directory: str, environ: Mapping[str, str], options: Sequence[str]) -> list[str]:
    """Return options that switch off the filters which a repository itself sets up; those of the user stay.

    Those of Git LFS stay, too: without them every file of its own would count as changed.
    """
    found: dict[str, None] = {}
    for place in _repositories(directory, environ, options):
        for scope in ("--local", "--worktree"):
            question = ["config", scope, "--includes", "--null", "--get-regexp", r"^filter\."]
            with suppress(OSError):  # there may be no git on this machine
                for entry in _answer(_started(place, environ, question)).stdout.split(b"\0"):
                    match = re.fullmatch(_FILTER, entry)
                    if match is not None and not re.fullmatch(_HARMLESS, match[3]):
                        found[os.fsdecode(match[1])] = None
                        found[f"filter.{os.fsdecode(match[2])}.required"] = None
    # What is empty is no program, and no. `-c` would end a name at its first `=`; the other option is of Git 2.31.
    off = ([f"--config-env={name}={_EMPTY}"] if "=" in name else ["-c", f"{name}="] for name in found)
    return [part for parts in off for part in parts]


def _repositories(directory: str, environ: Mapping[str, str], options: Sequence[str]) -> Iterator[str]:
    """Yield the work tree of a directory and those of its submodules, as far as they may set up filters."""
    top = work_tree(directory)
    pending = [] if top is None else [top]
    while pending:
        place = pending.pop()
        if _may_have_filters(os.path.join(place, ".git")):
            yield place
        if place != top or _has_submodules(place):
            listed = _answer(_started(place, environ, [*options, "ls-files", "--stage", "-z"])).stdout
            paths = (entry.partition(b"\t")[2] for entry in listed.split(b"\0") if entry.startswith(_GITLINK))
            below = (os.path.join(place, os.fsdecode(path)) for path in paths)
            # Git does not follow links either.
            pending.extend(path for path in below if work_tree(path) == path)


def _has_submodules(directory: str) -> bool:
    """Tell whether a repository names its submodules; listing all its files takes time."""
    top = work_tree(directory)
    return top is not None and os.path.lexists(os.path.join(top, ".gitmodules"))


def _may_have_filters(git: str) -> bool:
    """Tell whether the configuration of a repository is worth a question to git, which takes milliseconds."""
    if not os.path.isdir(git):
        return True  # its configuration lies elsewhere
    for name in ("config", "config.worktree"):
        try:
            text = small_file(os.path.join(git, name)).lower()
        except FileNotFoundError:
            continue
        except OSError:
            return True
        if b"filter" in text or b"include" in text:
            return True
    return False
