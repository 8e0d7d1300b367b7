"""What would stop a job, or make two builds differ, found before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import CONFIG, REQUIREMENTS, stage_file
from hatch_ytupload.checks.absence import Absence
from hatch_ytupload.checks.compiled_modules import check_compiled
from hatch_ytupload.checks.findings import ERROR, NOTE, Finding, merged
from hatch_ytupload.checks.git_ignored import check_git_ignored
from hatch_ytupload.checks.import_check import Facts, StageImports
from hatch_ytupload.checks.lfs_pointers import check_lfs_pointers
from hatch_ytupload.checks.packed_modules import PackedModules
from hatch_ytupload.checks.provided import Provided, provided_by, standard_library
from hatch_ytupload.checks.requirements_check import check_requirements
from hatch_ytupload.checks.size_check import check_sizes
from hatch_ytupload.planning.stage_config import StageConfig
from hatch_ytupload.requirements.reading import read_requirements
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_ytupload.checks.packed_code import PackedCode
    from hatch_ytupload.configuration.settings import Settings


def check(code: PackedCode, settings: Settings, python: str, *, sources: bool, notes: bool = True) -> list[Finding]:
    """Check everything.

    Args:
        code: what a build would pack, or an archive.
        settings: of the pipeline.
        python: the version of Python of the jobs, such as `3.11`, or `3.11.4`.
        sources: `code` is what a build would pack now, so its sources can be asked, too.
        notes: read files that no job imports, too; what is found there is a note.

    Raises:
        SourceError: a file cannot be read.
    """
    major, minor, *_ = map(int, python.split("."))
    version = major, minor
    found = [*check_compiled(code, version), *check_sizes(code, settings.max_archive_mb), *check_lfs_pointers(code)]
    if sources:
        found += check_git_ignored(code, settings.project_root)
    absence = Absence(code, settings) if sources else None
    facts = Facts(code, version)
    reached: set[str] = set()
    modules = PackedModules(code.files)
    for stage in code.stages():
        config = _config(code, stage)
        found += [] if config.problem is None else [_config_finding(stage, config.problem)]
        image = next(filter(None, (config.image(item.name) for item in code.operations if item.stage == stage)), None)
        requirements = read_requirements(stage_file(stage, REQUIREMENTS), code.contents)
        found += check_requirements(requirements, stage, python, image)
        outside = provided_by(requirements.required, code.contents, python)
        imports = StageImports(
            stage,
            code,
            modules,
            facts=facts,
            provided=Provided(outside.modules | set(settings.provided_modules), outside.unknown),
            library=standard_library(version),
            explain=absence.explain if absence is not None else _no_explanation,
        )
        for operation in code.operations:
            if operation.stage == stage:
                found += _script(code, operation.script, stage, imports)
        found += imports.found
        reached |= imports.reached
    if notes:
        found += _unreached(code, facts, reached)
    return merged(found)


def _no_explanation(_name: str, _directories: Sequence[str]) -> str:
    return ""


def _script(code: PackedCode, script: str | None, stage: str, imports: StageImports) -> list[Finding]:
    if script is not None and script not in code.files:
        message = "is started by a wrapper script, and is not in the archive"
        return [Finding(ERROR, "missing-file", script, None, message, (stage,))]
    if script is not None:
        imports.follow(script)
    return []


def _config(code: PackedCode, stage: str) -> StageConfig:
    path = stage_file(stage, CONFIG)
    return StageConfig(stage, code.read(path) if path in code.files else None)


def _config_finding(stage: str, problem: str) -> Finding:
    return Finding(ERROR, "config", stage_file(stage, CONFIG), None, problem, (stage,))


def _unreached(code: PackedCode, facts: Facts, reached: set[str]) -> list[Finding]:
    """Report own files that cannot be parsed, though no job imports them as far as one can see."""
    found = []
    for path, file in code.files.items():
        if file.own and path.endswith(".py") and path not in reached:
            problem = facts.of(path).problem
            if problem is not None:
                message = f"cannot be parsed: {one_line(problem[1])}; no job imports it"
                found.append(Finding(NOTE, "syntax", path, problem[0], message))
    return found
