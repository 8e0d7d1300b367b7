"""The pipeline's own files of configuration: `configs/config.yaml` and `configs/secrets.env`.

Only what the product needs is read from them; a pipeline's config holds much more, which is none of our business.
"""

from __future__ import annotations

import io
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from hatch_ytupload.byte_reader import small_file
from hatch_ytupload.errors import SettingsError
from hatch_ytupload.wording import cannot, describe, mistyped, one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from yaml import CSafeLoader, MappingNode, Node, SafeLoader

DEFAULT_CONFIG = "configs/config.yaml"
SECRETS_FILE = "configs/secrets.env"

_LONGEST_SHOWN = 60
# What is parsed takes more than a hundred times as much memory.
_LARGEST_YAML = 2 << 20


class InterpolationError(Exception):
    """A value holds `${...}` and cannot be resolved; `str()` says why."""


class PipelineConfig:
    """A parsed YAML file of the pipeline, with values looked up by dotted key.

    Args:
        name: of the file in messages, as the user would write it.
        content: the top-level mapping.
    """

    def __init__(self, name: str, content: Mapping[str, Any]) -> None:
        self.name = name
        self._content = content

    def get(self, key: str) -> Any:  # noqa: ANN401 - a YAML value can be anything; callers check it
        """Return the value of a dotted key, or None where there is none, with `${...}` resolved.

        Raises:
            InterpolationError: the value needs omegaconf, which is not installed, or does not resolve.
        """
        value: Any = self._content
        for part in key.split("."):
            if isinstance(value, str) and "${" in value:
                break  # what is looked for lies behind a reference
            value = value.get(part) if isinstance(value, dict) else None
        if not _has_interpolation(value):
            return value
        shown = f"`{key}` in `{one_line(self.name)}`"
        try:
            from omegaconf import OmegaConf
            from omegaconf.errors import OmegaConfBaseException
        except ImportError:
            message = (
                f"{shown} uses `${{...}}`, which needs omegaconf in this environment: "
                "add `hatch-ytupload[interpolation]` to its requirements, or write the value out"
            )
            raise InterpolationError(message) from None
        try:
            selected = OmegaConf.select(OmegaConf.create(dict(self._content)), key, throw_on_resolution_failure=True)
            return OmegaConf.to_container(selected, resolve=True) if OmegaConf.is_config(selected) else selected
        except (OmegaConfBaseException, RecursionError) as error:
            reason = str(error).partition("\n")[0]
            raise InterpolationError(f"{shown} does not resolve: {one_line(reason)}") from None

    def mistyped(self, known: Iterable[str]) -> Iterator[str]:
        """Warn about keys that can only be slips of the pen for known ones that are not there; others are not ours.

        Args:
            known: dotted keys in sections.
        """
        tables = {"": self._content}
        for key in known:
            section, _, name = key.partition(".")
            if section not in tables:
                yield from self._mistyped(section, self._content, known)
                below = self._content.get(section)
                tables[section] = below if isinstance(below, dict) else {}
            yield from self._mistyped(name, tables[section], known, f"{section}.")

    def _mistyped(self, wanted: str, table: Mapping[Any, Any], known: Iterable[str], above: str = "") -> Iterator[str]:
        others = (key for key in table if isinstance(key, str) and f"{above}{key}" not in known)
        slip = None if wanted in table else mistyped(wanted, others)
        if slip is not None:
            shown = f"`{above}{one_line(slip)}` in `{one_line(self.name)}`"
            yield f"{shown} is read by nobody; did you mean `{above}{wanted}`?"


class Secrets:
    """The pairs of `configs/secrets.env`. Values never appear in its `repr`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def get(self, name: str) -> str | None:
        """Return a value, or None where it is missing or empty."""
        return self._values.get(name) or None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._values.items())

    def __repr__(self) -> str:
        return f"<Secrets: {', '.join(sorted(self._values)) or 'none'}>"


def load_yaml_mapping(path: str, name: str, *, sections: Collection[str] = ()) -> dict[str, Any]:
    """Read a YAML file as `parse_yaml_mapping` does.

    Raises:
        SettingsError: the file cannot be read, or as there.
    """
    try:
        text = small_file(path)
    except OSError as error:
        raise SettingsError([cannot("read", name, error)]) from None
    return parse_yaml_mapping(text, name, sections=sections)


def parse_yaml_mapping(text: bytes, name: str, *, sections: Collection[str] = ()) -> dict[str, Any]:
    """Parse YAML whose top level is a mapping (an empty file counts as an empty one), as YT Framework does.

    Args:
        text: of the file.
        name: of it, for messages.
        sections: keys of the top level whose values must be mappings, if they are there.

    Raises:
        SettingsError: it cannot be parsed, is no mapping, holds a key twice or a `${` without its `}`.
    """
    if len(text) > _LARGEST_YAML:
        raise SettingsError([f"`{one_line(name)}` is larger than {_LARGEST_YAML >> 20} MiB: keep data out of it"])
    import yaml

    problems: list[str] = []
    try:
        loader = _loader(in_c=not _may_nest_deep(text))(text)
        try:
            root = loader.get_single_node()
            problems = [f"`{one_line(name)}`, line {line}: {problem}" for line, problem in _problems(root, sections)]
            content = loader.construct_document(root) if root is not None and not problems else None
        finally:
            loader.dispose()
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, ValueError) as error:
        # The library's own constructors fail in many ways on tagged values such as `!!bool perhaps`.
        raise SettingsError([f"`{one_line(name)}` is not valid YAML: {_yaml_problem(error, text)}"]) from None
    if problems:
        raise SettingsError(problems)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError([f"`{one_line(name)}` must be a mapping at its top level, found {describe(content)}"])
    return content


def load_pipeline_config(pipeline_dir: str, config: str | None) -> PipelineConfig | None:
    """Read the pipeline's config.

    Args:
        pipeline_dir: absolute path.
        config: the file relative to it; None: the default one, if it exists.

    Raises:
        SettingsError: a named file is missing, or the file cannot be read.
    """
    name = config if config is not None else DEFAULT_CONFIG
    path = os.path.join(pipeline_dir, name)
    try:
        os.lstat(path)
        exists = True
    except OSError as error:
        # What cannot be looked at is not missing: reading it says why.
        exists = not isinstance(error, (FileNotFoundError, NotADirectoryError))
    if not exists:
        if config is None:
            return None
        raise SettingsError([f"the pipeline's config `{one_line(name)}` does not exist in `{one_line(pipeline_dir)}`"])
    return PipelineConfig(name, load_yaml_mapping(path, name, sections=("pipeline", "stages")))


def load_secrets(pipeline_dir: str) -> Secrets:
    """Read `configs/secrets.env`: lines of `KEY=value`, `#` begins a comment line; a missing file is empty.

    The format is the one that YT Framework reads (`yt_framework.utils.env`): nothing is unquoted or expanded.

    Raises:
        SettingsError: the file exists and cannot be read.
    """
    try:
        text = small_file(os.path.join(pipeline_dir, SECRETS_FILE)).decode()
    except FileNotFoundError:
        return Secrets({})
    except (OSError, UnicodeDecodeError) as error:
        # The text of a decoding error would quote bytes of the file.
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError([f"cannot read `{SECRETS_FILE}`: {reason}"]) from None
    values = {}
    # Lines end where they do in a file, not at every separator of Unicode.
    for line in io.StringIO(text, newline=None):
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            values[key.strip()] = value.strip()
    return Secrets(values)


def _may_nest_deep(text: bytes) -> bool:
    """Tell whether a YAML text could nest so deep that the loader in C overruns its stack, which ends the process."""
    deepest = 5000
    longest_line = max(map(len, text.splitlines()), default=0)
    return text.count(b"[") + text.count(b"{") + longest_line > deepest


@cache
def _loader(*, in_c: bool) -> type[SafeLoader | CSafeLoader]:
    """Return the loader that reads what YT Framework's own reads: dates are text."""
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if in_c else yaml.SafeLoader
    resolvers = {
        letter: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for letter, known in base.yaml_implicit_resolvers.items()
    }
    return type("Loader", (base,), {"yaml_implicit_resolvers": resolvers})


def _problems(root: Node | None, sections: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield lines, and what is wrong there that a YAML parser lets pass."""
    import yaml

    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            absent = isinstance(value, yaml.ScalarNode) and ("${" in value.value or value.tag.endswith(":null"))
            if key.value in sections and not (absent or isinstance(value, yaml.MappingNode)):
                found = "a list" if isinstance(value, yaml.SequenceNode) else f"`{one_line(value.value)}`"
                yield key.start_mark.line + 1, f"`{key.value}` must be a mapping, found {found}"
    # Anchors make a node appear in many places, even in itself.
    seen: set[int] = set()
    waiting = [] if root is None else [root]
    for node in waiting:
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from _repeated_keys(node)
            waiting.extend(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node.value, str) and _is_unclosed(node.value):
            yield node.start_mark.line + 1, f"`${{` without its `}}` in `{one_line(node.value[:_LONGEST_SHOWN])}`"


def _repeated_keys(mapping: MappingNode) -> Iterator[tuple[int, str]]:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key.value, str) or key.tag.endswith(":merge"):
            continue
        line = key.start_mark.line + 1
        if (key.tag, key.value) in lines:
            first = lines[key.tag, key.value]
            yield line, f"duplicate key `{one_line(key.value)}`, which stands in line {first} already: remove one"
        lines.setdefault((key.tag, key.value), line)


def _is_unclosed(text: str) -> bool:
    """Tell whether a reference is opened and never closed; a backslash before it makes it plain text."""
    depth = 0
    for match in re.finditer(r"(\\*)\$\{|\}", text):
        if match[0] == "}":
            depth = max(depth - 1, 0)
        elif len(match[1]) % 2 == 0:
            depth += 1
    return depth > 0


def _has_interpolation(value: object) -> bool:
    # Anchors make a value appear in many places, even in itself.
    seen: set[int] = set()
    waiting = [value]
    for item in waiting:
        if isinstance(item, str) and "${" in item:
            return True
        if isinstance(item, (dict, list)) and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return False


def _yaml_problem(error: Exception, text: bytes) -> str:
    import yaml

    if isinstance(error, RecursionError):
        return "it nests too deep"
    if not isinstance(error, yaml.YAMLError):
        return f"a value does not fit its tag: {one_line(error)}"
    if isinstance(error, yaml.reader.ReaderError):
        try:
            text.decode()
        except UnicodeDecodeError as wrong:
            number = text.count(b"\n", 0, wrong.start) + 1
            return f"line {number} is not UTF-8: save the file in that encoding"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    if problem.startswith("but "):
        problem = f"{getattr(error, 'context', None)}, {problem}"
    return one_line(f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else problem)
