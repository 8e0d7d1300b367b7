"""A requirements file and all that it includes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.requirements.lines import (
    DecodingError,
    OptionError,
    decoded,
    has_variables,
    lines_of,
    split_options,
    with_variables,
    without_options,
)
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.requirements.requirement import (
    InvalidRequirementError,
    Reference,
    Requirement,
    asked,
    asked_editable,
)
from hatch_ytupload.requirements.tree import Tree, in_archive, path_of_file_url, scheme_of
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_ytupload.requirements.lines import Given, Line

INVALID = "invalid-requirement"
MISSING = "missing-file"
_INCLUDES = ("--requirement", "--constraint")
# With hashes of a thousand files. pip's own parsers take a time that grows with the square.
_LONGEST_LINE = 100_000
_URLS = ("http", "https", "file")


class Option(NamedTuple):
    """An option that says where and how pip looks for what is required."""

    file: str
    line: int
    name: str
    """Its long form."""
    value: str | None
    """With credentials, so not to be shown; None: it takes none."""
    path: str | None = None
    """Of the directory or file that it names, in the archive; None: it names none there."""


class Problem(NamedTuple):
    """What makes pip fail in a job."""

    file: str
    line: int | None
    rule: str
    """`INVALID` or `MISSING`."""
    message: str
    marker: str | None = None
    """It does so only in jobs to which this marker applies."""
    absolute: bool = False
    """What is missing has an absolute path: an image may hold it."""


class Credential(NamedTuple):
    """A line with a user and password or a token in a URL."""

    file: str
    line: int
    shown: str
    """The line, credentials masked."""

    @property
    def message(self) -> str:
        """Say what is wrong with the line, and what to do."""
        return (
            f"`{one_line(self.shown)}` has credentials in its URL, and who reads the archive reads them, too: "
            "write `${NAME}` in their place and give the jobs that variable, as a secret"
        )


class Requirements(NamedTuple):
    """What a requirements file says, with all that it includes."""

    files: tuple[str, ...]
    """Paths of what was read, the file itself first."""
    required: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...]
    options: tuple[Option, ...]
    references: tuple[Reference, ...]
    """Includes, local distributions and directories, places to look for distributions."""
    problems: tuple[Problem, ...]
    credentials: tuple[Credential, ...]

    @property
    def installs_nothing(self) -> bool:
        """Tell whether pip has nothing to do: nothing required or refused, and nothing included from elsewhere."""
        elsewhere = any(reference.kind == "include" and not reference.present for reference in self.references)
        return not (self.required or self.problems or elsewhere)

    def urls(self, environ: Mapping[str, str]) -> list[str]:
        """Return the URLs of distributions that are required; with credentials, so not to be shown.

        Args:
            environ: the variables that pip fills in.
        """
        return [with_variables(item.url, environ) for item in self.required if item.url is not None]

    def contents(self, files: Mapping[str, bytes]) -> list[str]:
        """Return the paths of all files that decide what pip installs: what was read, and what that refers to.

        Args:
            files: those that were given to `read_requirements`.
        """
        tree = Tree(files)
        paths = set(self.files)
        for reference in self.references:
            if reference.path is not None and reference.present:
                paths.update([reference.path] if reference.path in files else tree.below(reference.path))
        return sorted(paths)


def read_requirements(path: str, files: Mapping[str, bytes], environ: Mapping[str, str] | None = None) -> Requirements:
    """Read a requirements file as pip does in a job, where the archive is the current directory.

    Args:
        path: of the file, in the archive; one that is not there says nothing.
        files: all files of the archive by path; only the content of requirements files is asked for.
        environ: the variables that pip fills in; what is not in it stays as it is written.
    """
    return _Reading(files, environ or {}).read(path)


def requirement_name(text: str) -> str | None:
    """Return the normalized name that a requirement's text begins with; None: it has none.

    >>> requirement_name("PyYAML[x]>=6")
    'pyyaml'
    """
    try:
        return asked(text, Tree({})).name
    except InvalidRequirementError:
        return None


class _Reading:
    """Reads files, one after the other, each where it is included."""

    def __init__(self, files: Mapping[str, bytes], environ: Mapping[str, str]) -> None:
        self._tree = Tree(files)
        self._environ = environ
        # Once as requirements and once as constraints.
        self._begun: dict[tuple[str, bool], None] = {}
        self._open: dict[str, tuple[bool, Iterator[Line]]] = {}
        self._required: list[Requirement] = []
        self._constraints: list[Requirement] = []
        self._options: list[Option] = []
        self._references: list[Reference] = []
        self._problems: list[Problem] = []
        self._credentials: dict[Credential, None] = {}

    def read(self, path: str) -> Requirements:
        if path in self._tree.files:
            self._begin(path, is_constraint=False)
        while self._open:
            file, (is_constraint, lines) = next(reversed(self._open.items()))
            line = next(lines, None)
            if line is None:
                self._open.popitem()
            else:
                self._line(file, line, is_constraint=is_constraint)
        return Requirements(
            tuple(dict.fromkeys(file for file, _ in self._begun)),
            tuple(self._required),
            tuple(self._constraints),
            tuple(self._options),
            tuple(dict.fromkeys(self._references)),
            tuple(dict.fromkeys(self._problems)),
            tuple(self._credentials),
        )

    def _begin(self, path: str, *, is_constraint: bool) -> None:
        if (path, is_constraint) in self._begun:
            return
        self._begun[path, is_constraint] = None
        try:
            text = decoded(self._tree.files[path])
        except DecodingError as error:
            self._problems.append(Problem(path, None, INVALID, f"cannot be decoded in a job: {error}"))
            return
        self._open[path] = is_constraint, lines_of(text, self._environ)

    def _line(self, file: str, line: Line, *, is_constraint: bool) -> None:
        if masked(line.whole) != line.whole:
            self._credentials[Credential(file, line.number, masked(line.whole.strip()))] = None
        if not line.written:
            return
        if len(line.text) > _LONGEST_LINE:
            message = f"a line of {len(line.text)} characters is no requirement"
            self._problems.append(Problem(file, line.number, INVALID, message))
            return
        try:
            required, given = split_options(line.text)
            editable = next((option.value for option in given if option.name == "--editable"), None)
            if required or editable:
                self._requirement(file, line, required or editable or "", given, is_constraint=is_constraint)
            else:
                self._option_line(file, line.number, given)
        except OptionError as error:
            self._refuse(file, line, f"has options that pip does not take here: {_in_one_line(error)}")
        except InvalidRequirementError as error:
            self._refuse(file, line, f"is no requirement: {_in_one_line(error)}")

    def _refuse(self, file: str, line: Line, reason: str) -> None:
        message = f"`{_in_one_line(line.written)}` {reason}"
        self._problems.append(Problem(file, line.number, INVALID, message))

    def _requirement(self, file: str, line: Line, text: str, given: list[Given], *, is_constraint: bool) -> None:
        editable = not without_options(line.text)
        found = (asked_editable if editable else asked)(text, self._tree)
        if is_constraint and (found.name is None or found.extras or editable):
            what = "is editable" if editable else "has extras" if found.name else "has no name"
            raise InvalidRequirementError(f"it {what}, and pip takes no such constraint")
        requirement = Requirement(
            file,
            line.number,
            masked(line.written if editable else without_options(line.written).strip()),
            *found[:6],
            editable,
            tuple(option.value or "" for option in given if option.name == "--hash"),
        )
        (self._constraints if is_constraint else self._required).append(requirement)
        if found.reference is not None:
            self._refer(file, line.number, found.reference, found.marker)

    def _refer(self, file: str, line: int, reference: Reference, marker: str | None = None) -> None:
        self._references.append(reference)
        if reference.present or has_variables(reference.written):
            return
        verb = "includes" if reference.kind in ("include", "constraint") else "requires"
        message = f"{verb} `{one_line(reference.written)}`, which is not in the archive: pip fails"
        if not reference.is_absolute:
            message += "; of a stage the archive has `src/`, of the rest what `upload_paths` names"
        self._problems.append(Problem(file, line, MISSING, message, marker, reference.is_absolute))

    def _option_line(self, file: str, line: int, given: list[Given]) -> None:
        for name in _INCLUDES:
            value = next((option.value for option in given if option.name == name), None)
            if value is not None:
                self._include(file, line, value, is_constraint=name == "--constraint")
                return
        # pip looks into the first place only.
        places = [option for option in given if option.name == "--find-links"]
        for option in given:
            if option.name not in ("--hash", "--config-settings", "--global-option", "--install-option"):
                if option in places[1:]:
                    continue
                self._options.append(Option(file, line, option.name, option.value, self._place(file, option)))

    def _include(self, file: str, line: int, value: str, *, is_constraint: bool) -> None:
        is_url = scheme_of(value) in _URLS
        path = None if is_url else in_archive(value, file.rpartition("/")[0])
        present = path is not None and path in self._tree.files
        reference = Reference("constraint" if is_constraint else "include", masked(value), path, present)
        if is_url and scheme_of(value) != "file":
            self._references.append(reference)
            return
        self._refer(file, line, reference)
        if path is None or not present:
            return
        if path in self._open:
            message = f"includes `{one_line(value)}`, which includes this file again: pip fails"
            self._problems.append(Problem(file, line, INVALID, message))
        else:
            self._begin(path, is_constraint=is_constraint)

    def _place(self, file: str, option: Given) -> str | None:
        """Note a directory of distributions or an index; return its path if it lies in the archive."""
        if option.value is None or option.name not in ("--find-links", "--index-url", "--extra-index-url"):
            return None
        scheme = scheme_of(option.value)
        if scheme not in ("", "file"):
            return None
        try:
            value = path_of_file_url(option.value) if scheme else option.value
        except ValueError:
            return None
        is_links = option.name == "--find-links"
        places = [in_archive(value)]
        if is_links and not scheme:
            places.insert(0, in_archive(value, file.rpartition("/")[0]))
        found = next((place for place in places if place is not None and self._has(place)), None)
        self._references.append(
            Reference("find-links" if is_links else "index", masked(option.value), found, found is not None)
        )
        return found

    def _has(self, place: str) -> bool:
        return place in self._tree.files or self._tree.has_directory(place)


def _in_one_line(text: object) -> str:
    return masked(one_line(text))
