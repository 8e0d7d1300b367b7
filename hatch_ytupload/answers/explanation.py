"""What becomes of one path, and the reasons that lie outside all sources."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import CONFIG, LOCK, REQUIREMENTS, SRC, STAGES, WHEELS, stage_file, wrapper_name
from hatch_ytupload.errors import SourceError
from hatch_ytupload.file_names import as_text
from hatch_ytupload.planning.plan import Generated, Planner, entry_size
from hatch_ytupload.planning.source import Decision, Source, decide, left_out
from hatch_ytupload.sources.credentials import is_credential_file
from hatch_ytupload.sources.ignore_scope import describe_rule
from hatch_ytupload.sources.tree import SourceFile, single_file
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.sources.ignoring import Rule


@dataclass
class Explanation:
    """What becomes of one path, and why."""

    path: str
    """As the user gave it."""
    kind: str
    """`file`, `directory`, `missing` or `generated`."""
    packed: bool
    """It is, or would be, in the archive; a directory: something of it."""
    reason: str
    """One word: `source`, `kept`, `ignored`, `built-in`, `refused`, `shadowed`, `no-source`, `stage-not-selected`,
    `stage-without-code`, `beside-src`, `generated`, `locked`."""
    text: str
    """The reason as a sentence."""
    archive_paths: list[str] = field(default_factory=list)
    """Its names in the archive."""
    source: str | None = None
    """Where it lies, if that is not the path itself."""
    rule: Rule | None = None
    """The rule that decided."""
    files: int = 0
    """Of a directory: how many files of it are packed."""
    size: int = 0
    """Of these, in bytes."""
    left_out: list[tuple[str, Rule]] = field(default_factory=list)
    """Of a directory: what the rules keep out of it."""


def excluded(path: str, kind: str, decision: Decision, rule: Rule, *, itself: bool) -> Explanation:
    """Explain a path that a rule keeps out, itself or a directory that it is in."""
    what = "it" if itself else f"`{one_line(decision.at)}`, which it is in"
    return Explanation(
        path,
        kind,
        packed=False,
        reason="ignored" if rule.file else "built-in",
        text=f"{describe_rule(rule)} excludes {what}",
        rule=rule,
    )


def outside_sources(planner: Planner, path: str, place: str, kind: str) -> Explanation:
    """Explain a path that no source holds.

    Args:
        planner: of the pipeline.
        path: as the user gave it.
        place: its absolute path.
        kind: as in the explanation.
    """
    names = below(place, planner.settings.pipeline_dir)
    if names is None:
        text = "it lies outside the pipeline directory, and in no uploaded module"
    elif names[:1] == [STAGES] and len(names) > 1:
        return _in_stage(planner, path, kind, names)
    elif (above := _in_ignored_source(planner, path, place, kind, names)) is not None:
        return above
    else:
        text = "no stage holds it, nor do `upload_modules` and `upload_paths`"
    return Explanation(path, kind, packed=False, reason="no-source", text=text)


def _in_ignored_source(planner: Planner, path: str, place: str, kind: str, names: list[str]) -> Explanation | None:
    """Explain a path in a source that is ignored as a whole, so that no plan holds it; None: it lies in none."""
    top = planner.settings.pipeline_dir
    sources = [os.path.realpath(os.path.join(top, entry.source)) for entry in planner.settings.upload_paths]
    sources += [root.source for module in planner.modules for root in module.roots]
    if all(below(place, source) is None for source in sources):
        return None
    excluding = _rule_above(planner, names, is_dir=kind == "directory" or path.endswith("/"))
    if excluding is None or excluding.rule is None:
        return None
    return excluded(path, kind, excluding, excluding.rule, itself=excluding.at == "/".join(map(as_text, names)))


def _in_stage(planner: Planner, path: str, kind: str, names: list[str]) -> Explanation:
    """Explain a path below `stages/` that is not of the code of a packed stage."""
    stage = as_text(names[1])
    shown = one_line(stage)
    src = [STAGES, names[1], SRC]
    is_code = names[: len(src)] == src
    excluding = _rule_above(planner, names if is_code else src[:-1], is_dir=not is_code or path.endswith("/"))
    if excluding is not None and excluding.rule is not None:
        return excluded(path, kind, excluding, excluding.rule, itself=excluding.at == "/".join(map(as_text, names)))
    settings = planner.settings
    has_code = os.path.isdir(os.path.join(settings.pipeline_dir, *src))
    if settings.stages != "all" and stage not in settings.stages:
        origin = "`stages.enabled_stages` of the config" if settings.stages_are_enabled_ones else "`stages`"
        reason, text = "stage-not-selected", f"the stage `{shown}` is not among those that {origin} selects"
    elif not is_code and len(names) >= len(src) and has_code:
        reason = "beside-src"
        text = f"it lies beside `src/`: of a stage only `src/`, `{CONFIG}`, `{REQUIREMENTS}` and `{LOCK}` are packed"
    elif is_code and kind == "missing" and len(names) > len(src):
        found = Explanation(path, kind, packed=True, reason="source", text=f"it belongs to the stage `{shown}`")
        found.archive_paths = ["/".join(map(as_text, names))]
        return found
    elif not has_code:
        reason, text = "stage-without-code", f"a stage has its code in `src/`, and `{STAGES}/{shown}` has none"
    else:
        reason = "no-source"
        text = str(planner.errors[0]) if planner.errors else f"the stage `{shown}` has no files to pack"
    return Explanation(path, kind, packed=False, reason=reason, text=text)


def _rule_above(planner: Planner, names: list[str], *, is_dir: bool) -> Decision | None:
    """Apply the rules of the pipeline to a path in it; None: nothing keeps it out."""
    top = planner.settings.pipeline_dir
    whole = Source(top, "", planner.scopes.of(top), top, os.curdir, "", own=True, exclusions=planner.exclusions)
    decision = decide(whole, names, is_dir=is_dir)
    return decision if decision.excluded else None


def below(path: str, directory: str) -> list[str] | None:
    """Return the names on the way from a directory to a path; None if it does not lie there."""
    if path == directory:
        return []
    prefix = directory.rstrip(os.sep) + os.sep
    return path[len(prefix) :].split(os.sep) if path.startswith(prefix) else None


class Explainer:
    """Answers for the paths of one pipeline.

    Args:
        settings: of the pipeline.
    """

    def __init__(self, settings: Settings) -> None:
        self._top = settings.pipeline_dir
        self._planner = Planner(settings)
        self._entries = {entry.path: entry for entry in self._planner.plan().entries()}
        self._wheels = {
            f"{WHEELS}/{wheel.file}": (stage.name, wheel)
            for stage in self._planner.stages
            for wheel in (stage.locked.wheels if stage.locked else ())
        }
        self.problems = tuple(map(str, self._planner.errors))
        """What keeps the archive from being built."""

    def explain(self, path: str) -> list[Explanation]:
        """Explain a path on disk, relative to the working directory or the pipeline, or a path in the archive.

        Returns:
            One explanation; two if the path means one thing on disk and another one in the archive.
        """
        explanations = self._explain(path)
        for found in explanations:
            found.path = as_text(found.path)
            found.source = found.source and as_text(found.source)
        return explanations

    def _explain(self, path: str) -> list[Explanation]:
        place = os.path.abspath(path)
        if not os.path.lexists(place) and os.path.lexists(os.path.join(self._top, path)):
            place = os.path.normpath(os.path.join(self._top, path))
        name = as_text(os.path.normpath(path))
        in_archive = [entry for known, entry in self._entries.items() if known == name or known.startswith(f"{name}/")]
        if not os.path.lexists(place):
            if in_archive:
                return [self._traced(path, name, in_archive)]
            if name in self._wheels:
                return [self._locked(path, name)]
            inside = below(place, self._top) is not None
            place = place if inside or os.path.isabs(path) else os.path.normpath(os.path.join(self._top, path))
            return [self._on_disk(path, place)]
        found = self._on_disk(path, place)
        here = os.path.realpath(place)
        if all(isinstance(entry, Generated) or below(entry.source, here) is not None for entry in in_archive):
            return [found]
        return [found, self._traced(path, name, in_archive)]

    def _locked(self, path: str, name: str) -> Explanation:
        stage, wheel = self._wheels[name]
        text = f"it is a wheel that `{one_line(stage_file(stage, LOCK))}` names"
        found = Explanation(path, "file", packed=True, reason="locked", text=text)
        found.archive_paths, found.size = [name], wheel.size or 0
        return found

    def _on_disk(self, path: str, place: str) -> Explanation:
        """Explain a path on disk; `place` is absolute."""
        is_dir = os.path.isdir(place) if os.path.lexists(place) else path.endswith("/")
        kind = "directory" if is_dir else "file"
        if not os.path.lexists(place):
            kind = "missing"
        explanations = []
        for source in self._planner.found:
            names = _names(place, source)
            if names is not None and not (source.is_file and names):
                explanations.append(self._in_source(path, place, kind, source, names, is_dir=is_dir))
        found = next((answer for answer in explanations if answer.packed), None) or next(iter(explanations), None)
        if found is None:
            found = outside_sources(self._planner, path, place, kind)
        found.archive_paths = list(
            dict.fromkeys(
                [
                    *(name for answer in explanations if answer.packed for name in answer.archive_paths),
                    *self._links(place),
                ]
            )
        )
        if found.archive_paths and not found.packed:
            found.packed, found.reason, found.text = True, "source", "a symbolic link in a source leads to it"
        if kind == "directory" and found.reason not in ("ignored", "built-in"):
            self._summarize(found, place)
        return found

    def _in_source(
        self, path: str, place: str, kind: str, source: Source, names: Sequence[str], *, is_dir: bool
    ) -> Explanation:
        """Explain a path that lies in a source."""
        try:
            decision = decide(source, names, is_dir=is_dir)
        except SourceError as error:
            return Explanation(path, kind, packed=False, reason="refused", text=str(error))
        if decision.excluded and decision.rule is not None:
            return excluded(path, kind, decision, decision.rule, itself=decision.at == _shown(source, names))
        target = "/".join([source.target, *map(as_text, names)])
        found = Explanation(path, kind, packed=True, reason="source", text=f"it belongs to {source.owner}")
        found.archive_paths = [target]
        if decision.rule is not None:
            found.reason, found.rule = "kept", decision.rule
            found.text += f"; {describe_rule(decision.rule)} keeps it"
        if kind != "directory":
            problem = self._problem(source, place, target)
            entry = self._entries.get(target)
            if problem is not None:
                return Explanation(path, kind, packed=False, reason="refused", text=problem)
            if entry is not None and not isinstance(entry, Generated):
                self._check_shadow(found, place, entry)
        return found

    @staticmethod
    def _check_shadow(found: Explanation, place: str, entry: SourceFile) -> None:
        """Say that another file takes the place in the archive, as the first portion of a namespace package does."""
        if os.path.realpath(entry.source) != os.path.realpath(place):
            found.packed, found.reason, found.archive_paths = False, "shadowed", []
            found.text = f"`{one_line(entry.source)}` comes first and takes its place, `{one_line(entry.path)}`"

    @staticmethod
    def _problem(source: Source, place: str, target: str) -> str | None:
        """Return why a file cannot be packed, though no rule keeps it out."""
        if not os.path.lexists(place):
            if source.own and is_credential_file(place):
                return "it would be a file of credentials, which must not get into an archive"
            return None
        if source.is_file:
            return source.problem
        try:
            single_file(place, target, source.boundary, own=source.own, shown=target)
        except SourceError as error:
            return str(error)
        return None

    def _traced(self, path: str, name: str, entries: list[SourceFile | Generated]) -> Explanation:
        """Trace a path in the archive to where it comes from."""
        entry = entries[0]
        if entry.path != name:
            found = Explanation(
                path, "directory", packed=True, reason="source", text="it is a directory of the archive"
            )
            found.archive_paths = [name]
            found.files, found.size = len(entries), sum(map(entry_size, entries))
            owners = [
                source for source in self._planner.found if _same(source.target, name) and os.path.lexists(source.place)
            ]
            if owners:
                found.source = "\n".join(dict.fromkeys(source.place for source in owners))
                found.text = f"it belongs to {', '.join(dict.fromkeys(source.owner for source in owners))}"
            return found
        if isinstance(entry, Generated):
            found = Explanation(path, "generated", packed=True, reason="generated", text=self._operation(name))
            found.archive_paths, found.size = [name], len(entry.data)
            return found
        found = self._on_disk(path, entry.source)
        found.path, found.source, found.kind = path, entry.source, "file"
        if not found.packed or name not in found.archive_paths:
            # Through a link, whose own name the archive has.
            found.packed, found.reason, found.text = True, "source", "a symbolic link in a source leads to it"
        found.archive_paths = [name]
        return found

    def _operation(self, name: str) -> str:
        for stage in self._planner.stages:
            for operation in stage.operations:
                if wrapper_name(stage.name, operation.name) == name:
                    return (
                        f"it is written by the build: it starts `{STAGES}/{one_line(stage.name)}/src/"
                        f"{one_line(operation.script)}`, for the operation `{operation.name}`"
                    )
        return "it is written by the build"

    def _links(self, place: str) -> list[str]:
        """Return the names in the archive under which a file is packed through symbolic links."""
        if os.path.islink(place) or not os.path.isfile(place):
            return []
        real = os.path.realpath(place)
        return [
            entry.path for entry in self._entries.values() if not isinstance(entry, Generated) and entry.source == real
        ]

    def _summarize(self, found: Explanation, place: str) -> None:
        """Count what of a directory is packed, and list what the rules keep out of it."""
        real = os.path.realpath(place)
        held = [
            entry
            for entry in self._entries.values()
            if not isinstance(entry, Generated) and entry.source.startswith(f"{real}{os.sep}")
        ]
        found.files, found.size = len({entry.source for entry in held}), sum(map(entry_size, held))
        items: dict[tuple[str, Rule], None] = {}
        for source in self._planner.found:
            names = _names(place, source)
            if names is not None or below(os.path.realpath(source.place), real) is not None:
                items.update(dict.fromkeys(left_out(source, names or [])))
        found.left_out = list(items)
        if found.files and not found.packed:
            found.packed, found.reason, found.text = True, "source", "sources lie in it"
        elif not found.files and found.packed:
            found.packed, found.archive_paths, found.text = False, [], f"{found.text}, but nothing of it is packed"


def _names(place: str, source: Source) -> list[str] | None:
    """Return the way from a source to a path: none for the source itself, None if the path is not in it."""
    names = below(place, source.place)
    if names is not None:
        return names
    real = os.path.join(os.path.realpath(os.path.dirname(place)), os.path.basename(place))
    return below(real, os.path.realpath(source.place))


def _shown(source: Source, names: Sequence[str]) -> str:
    return "/".join([*([] if source.shown == os.curdir else [source.shown]), *map(as_text, names)])


def _same(path: str, other: str) -> bool:
    """Tell whether one path is the other one, or lies in it."""
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")
