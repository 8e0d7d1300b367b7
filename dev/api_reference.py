"""Writes docs/api.md from the docstrings of what the package exports: `python dev/api_reference.py [--print]`."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import hatch_ytupload
from hatch_ytupload import yt_framework

TARGET = Path(__file__).parents[1] / "docs" / "api.md"

INTRODUCTION = """\
# Python API

Everything here is imported from `hatch_ytupload` itself, apart from the pipeline class at the end. A name is loaded
when it is used for the first time; none of them needs YT Framework, and only talking to a cluster loads
ytsaurus-client. All of it is typed. Paths are strings unless a signature says `Path`.

What the commands do is made of these pieces:

```python
from hatch_ytupload import build_bundle, find_project, load_settings, publish_bundle

project = find_project(".")
settings = load_settings(project.root, project.table)
built = build_bundle(project, settings, project.build_directory)
published = publish_bundle(settings, built.archive, project=project.name)
print(published.outcome.release)
```

This file is written by `python dev/api_reference.py`; change the docstrings instead.
"""

SECTIONS = {
    "Projects and settings": ["Project", "find_project", "Settings", "load_settings"],
    "Building": ["Plan", "make_plan", "Built", "build_bundle", "Bundle", "read_bundle", "Manifest", "load_manifest"],
    "Publishing": [
        *("Published", "publish_bundle", "default_artifact", "Outcome", "rollback", "promote", "pin", "delete"),
        *("fetch", "Fetched"),
        *("Conditions", "conditions_of", "RefusedError"),
    ],
    "Build folders and their releases": [
        "BuildFolder",
        "open_build_folder",
        "State",
        "Release",
        "Record",
        "read_state",
        "PublishedRelease",
        "find_published",
    ],
    "Archives": [
        "Artifact",
        "Whereabouts",
        "find_artifact",
        "Described",
        "described",
        "Differences",
        "compare",
        "Verification",
        "verify",
        "Agreement",
        "build_again",
    ],
    "Checks and locks": [
        *("PackedCode", "code_of_plan", "code_of_archive", "Finding", "check"),
        *("StageLock", "lock_stages", "stale_locks"),
    ],
    "Answers about a pipeline": ["Explainer", "Explanation", "ArchiveCopy", "copy_of", "Run", "Ran", "run_operation"],
    "Operations without YT Framework": ["OPERATIONS", "operation_command", "operation_files"],
    "YT Framework's helpers": [
        "upload_all_code",
        "build_code_locally",
        "create_code_archive",
        "upload_code_archive",
        "FileUploader",
        "build_stage_dependencies",
        "build_ytjobs_dependencies",
        "build_map_dependencies",
        "add_checkpoint",
    ],
    "Errors": [
        "YtUploadError",
        "SettingsError",
        "SourceError",
        "MissingSourceError",
        "NoStagesError",
        "ModuleNotFoundInEnvironmentError",
        "ArtifactError",
        "BuildFolderError",
    ],
}

_SECTION = re.compile(r"(Args|Returns|Raises|Attributes|Yields):")
_TITLES = {"Args": "Arguments", "Returns": "Returns", "Raises": "Raises", "Attributes": "Fields", "Yields": "Yields"}
_WIDTH = 120


def reference() -> str:
    """Return the text of docs/api.md."""
    known = {name for names in SECTIONS.values() for name in names} | {"__version__"}
    if known != set(hatch_ytupload.__all__):
        raise SystemExit(
            f"sections and `__all__` differ in {sorted(known.symmetric_difference(hatch_ytupload.__all__))}"
        )
    parts = [INTRODUCTION]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [entry(name, getattr(hatch_ytupload, name)) for name in names]
    parts.append("## Pipelines of YT Framework\n\nImported from `hatch_ytupload.yt_framework`.\n")
    parts.append(entry("PublishedCode", yt_framework.PublishedCode))
    return "\n".join(parts)


def entry(name: str, value: object) -> str:
    """Describe one name."""
    if inspect.isclass(value):
        return f"### `{name}`\n\n{class_text(value)}"
    if callable(value):
        return f"### `{name}`\n\n```python\n{signature(name, value)}\n```\n\n{prose(value.__doc__ or '')}"
    return f"### `{name}`\n\n```python\n{name} = {value!r}\n```\n"


def class_text(cls: type) -> str:
    """Describe a class: its docstring, its fields and its public methods."""
    base = cls.__mro__[1].__name__
    parts = [f"A kind of `{base}`.\n"] if base in hatch_ytupload.__all__ else []
    parts.append(prose(cls.__doc__ or ""))
    fields = fields_of(cls)
    if fields:
        parts.append("Fields:\n\n" + "".join(fields))
    for name, member in members_of(cls).items():
        if name.startswith("_") or not (isinstance(member, property) or inspect.isfunction(member)):
            continue
        function = member.fget if isinstance(member, property) else member
        if function is None or not function.__doc__:
            continue
        shown = (
            f"{name}: {function.__annotations__['return']}" if isinstance(member, property) else signature(name, member)
        )
        parts.append(f"```python\n{shown}\n```\n\n{prose(function.__doc__)}")
    return "\n".join(parts)


def members_of(cls: type) -> dict[str, object]:
    """Return the members of a class, and those of its bases that are not described by themselves."""
    own = [base for base in cls.__mro__ if base.__module__.startswith("hatch_ytupload.")]
    hidden = [base for base in own if base is cls or base.__name__ not in hatch_ytupload.__all__]
    return {name: member for base in reversed(hidden) for name, member in vars(base).items()}


def fields_of(cls: type) -> list[str]:
    """Describe the annotated fields of a class, with the strings that stand below them."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    found = []
    for item, following in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name) or item.target.id[0] == "_":
            continue
        text = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = ": " + joined(inspect.cleandoc(str(following.value.value)))
        found.append(f"- `{item.target.id}` ({code(ast.unparse(item.annotation))}){text}\n")
    return found


def code(annotation: str) -> str:
    """Return an annotation as code."""
    return f"`{annotation}`"


def signature(name: str, function: object) -> str:
    """Return the signature of a function, on several lines where one is too long."""
    assert callable(function)
    found = inspect.signature(function)
    shown = [parameter for name, parameter in found.parameters.items() if name != "self"]
    parameters = [
        # Annotations are text; quotes around them would say that they are strings.
        str(parameter).replace("'", "") if parameter.default is inspect.Parameter.empty else shown_default(parameter)
        for parameter in shown
    ]
    kinds = [parameter.kind for parameter in shown]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = str(found.return_annotation)
    line = f"{name}({', '.join(parameters)}) -> {result}"
    if len(line) <= _WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f") -> {result}"


def shown_default(parameter: inspect.Parameter) -> str:
    """Return a parameter with its default; functions are not spelled out."""
    default = "..." if callable(parameter.default) else repr(parameter.default)
    return f"{parameter.name}: {parameter.annotation} = {default}"


def prose(docstring: str) -> str:
    """Return a docstring as Markdown."""
    lines = inspect.cleandoc(docstring).split("\n")
    parts: list[str] = []
    while lines:
        line = lines.pop(0)
        match = _SECTION.fullmatch(line)
        if match is None:
            parts.append(line)
            continue
        block = []
        while lines and (not lines[0] or lines[0].startswith(" ")):
            block.append(lines.pop(0))
        parts += [f"{_TITLES[match[1]]}:", "", *items(textwrap.dedent("\n".join(block)), named=match[1]), ""]
    text = "\n".join(parts)
    examples = re.compile(r"(?m)^(?:>>> .*|\.\.\. .*)(?:\n(?!\n|>>> ).+)*(?:\n>>> .*(?:\n(?!\n|>>> ).+)*)*")
    return examples.sub(lambda found: f"```pycon\n{found[0]}\n```", text).strip() + "\n"


def items(block: str, *, named: str) -> list[str]:
    """Return the entries of a section as a list."""
    if named in ("Returns", "Yields"):
        return [joined(block)]
    found = []
    for item in re.split(r"\n(?=\S)", block.strip()):
        name, _, text = item.partition(":")
        found.append(f"- `{name}`: {joined(text)}")
    return found


def joined(text: str) -> str:
    """Put a paragraph on one line."""
    return " ".join(text.split())


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(reference())
    else:
        TARGET.write_text(reference(), encoding="utf-8")
