"""What every text for people needs: names on one line, sizes, numbers of things, short commits, near names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MEGABYTE = 1_000_000
"""In bytes."""

_STEP = 1000
_UNITS = ("kB", "MB", "GB", "TB")
_COMMIT_DIGITS = 12
_LONGEST_SHOWN = 60


def one_line(text: object) -> str:
    r"""Make any text fit into one line: names of files may hold newlines and control characters.

    >>> one_line("a\nb")
    'a\\nb'
    """
    line = str(text)
    if line.isprintable():
        return line
    line = _decoded(line)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line)


def _decoded(text: str) -> str:
    """Decode as UTF-8 what the locale could not: names of files are that, whatever the locale says."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


def describe(value: object) -> str:
    """Name a value as its writer would recognise it, on one line and in bounded length."""
    if value is None:
        return "null"
    try:
        shown = one_line(repr(value) if not isinstance(value, str) else f'"{value}"')
    except ValueError:  # Python writes no integer of many thousand digits
        shown = "with too many digits to show"
    kind = {bool: "boolean", int: "integer", float: "number", str: "string"}.get(type(value))
    kind = kind or ("table" if isinstance(value, Mapping) else "array" if isinstance(value, list) else "value")
    return f"the {kind} {shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 3] + '...'}"


def printable(text: str, *, bytes_as_they_are: bool = False) -> str:
    r"""Make text of several lines safe for a terminal: whatever is neither printable nor white space is escaped.

    Args:
        text: from anywhere.
        bytes_as_they_are: leave alone what stands for bytes that are not UTF-8.

    >>> printable("a\x1b[31m\n\tb")
    'a\\x1b[31m\n\tb'
    """

    def shown(char: str) -> str:
        plain = char.isprintable() or char == "\t" or (bytes_as_they_are and "\udc80" <= char <= "\udcff")
        return char if plain else one_line(char)

    return "\n".join(line if line.isprintable() else "".join(map(shown, line)) for line in text.split("\n"))


def printable_json(text: str) -> str:
    r"""Make JSON safe for a terminal; it still says the same.

    >>> printable_json('"\x9b\u202e"')
    '"\\u009b\\u202e"'
    """
    import json

    def shown(char: str) -> str:
        return char if char.isprintable() else json.dumps(char)[1:-1]

    return "\n".join(line if line.isprintable() else "".join(map(shown, line)) for line in text.split("\n"))


def megabytes(size: int) -> str:
    """Return a size in bytes as text, in the unit that suits it (1 MB is a million bytes).

    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    if size < _STEP:
        return f"{size} B"
    value, unit = size / _STEP, 0
    # What is rounded to 1000.0 belongs to the next unit.
    while round(value, 1) >= _STEP and unit + 1 < len(_UNITS):
        value, unit = value / _STEP, unit + 1
    return f"{value:.1f} {_UNITS[unit]}"


def counted(count: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def cannot(verb: str, place: str, error: OSError) -> str:
    """Say what the system refused.

    >>> cannot("read", "notes.txt", PermissionError(13, "Permission denied"))
    'cannot read `notes.txt`: Permission denied'
    """
    return f"cannot {verb} `{one_line(place)}`: {error.strerror or error}"


def refused_by_the_system(error: BaseException) -> str | None:
    """Say what the system had no more of, or could not do; None: the error is another one.

    >>> refused_by_the_system(OSError(28, "No space left on device", "/tmp/x"))
    'cannot use `/tmp/x`: No space left on device'
    """
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error)):
        return "there is not enough memory, or no room for another thread: free some, or raise the limits (`ulimit -a`)"
    if isinstance(error, OSError):
        if error.filename:
            return cannot("use", error.filename, error)
        return f"cannot use the output: {one_line(error.strerror or error)}"
    return None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Ask for the known name that was probably meant; where none is near, say something else."""
    near = nearest(name, known)
    return otherwise if near is None else f"did you mean `{one_line(near)}`?"


def listed(names: Iterable[str]) -> str:
    """Return names as messages list them.

    >>> listed(["a", "b"])
    '`a`, `b`'
    """
    return ", ".join(f"`{one_line(name)}`" for name in names)


def short_commit(commit: str) -> str:
    """Return the first digits of a commit, enough to find it."""
    return one_line(commit[:_COMMIT_DIGITS])


def mistyped(wanted: str, found: Iterable[str]) -> str | None:
    """Return a name that can only be a slip of the pen for the one that is wanted; None: none is.

    >>> mistyped("upload_modules", ["uplaod_modules"]), mistyped("build_folder", ["build_code_dir", "mode"])
    ('uplaod_modules', None)
    """
    much, few = 0.85, 2
    like = [name for name in found if name[:1] == wanted[:1] and abs(len(name) - len(wanted)) <= few]
    if not like:
        return None
    from difflib import get_close_matches

    return next(iter(get_close_matches(wanted, like, n=1, cutoff=much)), None)


def named_commit(commit: str, *, dirty: bool | None) -> str:
    """Return a commit as sentences name it.

    >>> named_commit("0123456789abcdef", dirty=True)
    'commit 0123456789ab and uncommitted changes'
    """
    return f"commit {short_commit(commit)}{' and uncommitted changes' if dirty else ''}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None: none is near.

    >>> nearest("moed", ["config", "mode"]), nearest("production", ["prod", "testing"])
    ('mode', 'prod')
    """
    from difflib import get_close_matches

    known = list(known)
    begin_alike = (other for other in known if name and other and (other.startswith(name) or name.startswith(other)))
    return next(iter(get_close_matches(name, known, n=1)), None) or next(begin_alike, None)
