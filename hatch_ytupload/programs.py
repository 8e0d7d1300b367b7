"""How other programs are started: without the user's secrets, and git without programs that a repository names."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIVATE = r"(?i)TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|^YT_SECURE_VAULT"
# Git sets the first for its hooks; a build that one of them starts is asked about its own directory.
_OF_ANOTHER = (
    r"GIT_(?:DIR|WORK_TREE|INDEX_FILE|PREFIX|COMMON_DIR|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE|"
    r"INTERNAL_.*|IMPLICIT_WORK_TREE|GRAFT_FILE|SHALLOW_FILE|EXTERNAL_DIFF|SSH.*|ASKPASS|PROXY_COMMAND|PAGER|EDITOR)"
)
# Git must not write to the repository that it is asked about, fetch what it lacks, ask, nor speak another language.
_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_OPTIONS = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "protocol.allow=never", "diff.external=")
_FILTER = rb"(?s)^(filter\.(.*)\.(?:clean|smudge|process))\n(.*)$"
_HARMLESS = (b"git-lfs ", b"git lfs ")


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


def git_command(directory: str, environ: Mapping[str, str], *arguments: str) -> list[str]:
    """Return a command of git that starts no program which the repository of a directory names.

    Args:
        directory: that git is asked about.
        environ: the environment, as `git_environment` returns it.
        arguments: of git.
    """
    options = [*_OPTIONS, *_without_filters(directory, environ)]
    return ["git", *(part for option in options for part in ("-c", option)), *arguments]


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
    return above


def _without_filters(directory: str, environ: Mapping[str, str]) -> list[str]:
    """Return options that switch off the filters which a repository itself sets up; those of the user stay.

    Those of Git LFS stay, too: without them every file of its own would count as changed.
    """
    top = work_tree(directory)
    if top is None or not _may_have_filters(os.path.join(top, ".git")):
        return []
    import subprocess

    options: dict[str, None] = {}
    with suppress(OSError):  # there may be no git on this machine
        for scope in ("--local", "--worktree"):
            listed = subprocess.run(
                ["git", "config", scope, "--includes", "--null", "--get-regexp", r"^filter\."],
                cwd=directory,
                env=dict(environ),
                capture_output=True,
                check=False,
            )
            for entry in listed.stdout.split(b"\0"):
                found = re.match(_FILTER, entry)
                if found is not None and not found[3].startswith(_HARMLESS):
                    options[f"{os.fsdecode(found[1])}="] = None
                    options[f"filter.{os.fsdecode(found[2])}.required=false"] = None
    return list(options)


def _may_have_filters(git: str) -> bool:
    """Tell whether the configuration of a repository is worth a question to git, which takes milliseconds."""
    if not os.path.isdir(git):
        return True  # its configuration lies elsewhere
    for name in ("config", "config.worktree"):
        with suppress(FileNotFoundError):
            try:
                with open(os.path.join(git, name), "rb") as file:
                    text = file.read().lower()
            except PermissionError:
                return True
            if b"filter" in text or b"include" in text:
                return True
    return False
