"""What would stop a job, or make two builds differ, found before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import CONFIG, REQUIREMENTS, SRC, STAGES, stage_file
from hatch_ytupload.checks.absence import Absence
from hatch_ytupload.checks.compiled_modules import check_compiled
from hatch_ytupload.checks.findings import ERROR, NOTE, WARNING, Finding, merged
from hatch_ytupload.checks.git_files import check_git_ignored, check_lfs_pointers
from hatch_ytupload.checks.missing import findings_of
from hatch_ytupload.checks.packed_modules import PackedModules
from hatch_ytupload.checks.provided import provided_by, provided_by_wheels, version_of
from hatch_ytupload.checks.requirements_check import check_requirements
from hatch_ytupload.checks.size_check import check_sizes
from hatch_ytupload.checks.stage_imports import StageImports, no_explanation
from hatch_ytupload.planning.stage_config import StageConfig
from hatch_ytupload.planning.stages import ENTRY_POINTS
from hatch_ytupload.requirements.reading import read_requirements
from hatch_ytupload.wording import mistyped, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hatch_ytupload.checks.missing import Missing
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
    found = [
        *check_compiled(code, version_of(python)),
        *check_sizes(code, settings.max_archive_mb, settings.pipeline_dir),
        *check_lfs_pointers(code),
        *_mistyped_scripts(code),
    ]
    if sources:
        found += check_git_ignored(code, settings.project_root)
    explain = Absence(code, settings).explain if sources else no_explanation
    jobs = _Jobs(code, python, settings.provided_modules, explain)
    for stage in code.stages():
        found += jobs.check(stage)
    if notes:
        found += _unreached(code, jobs)
    return merged(found)


class _Jobs:
    """The jobs of all stages, and what is known of the files that they share."""

    def __init__(
        self,
        code: PackedCode,
        python: str,
        provided_modules: Iterable[str],
        explain: Callable[[str, Sequence[str]], str],
    ) -> None:
        self._code = code
        self._python = python
        self._provided_modules = frozenset(provided_modules)
        self._explain = explain
        self.modules = PackedModules(code, version_of(python))
        self.reached: set[str] = set()

    def check(self, stage: str) -> list[Finding]:
        """Look for what would stop the jobs of a stage."""
        found = []
        path = stage_file(stage, CONFIG)
        config = StageConfig(stage, self._code.read(path) if path in self._code.files else None)
        if config.problem is not None:
            found.append(Finding(ERROR, "config", path, None, config.problem, (stage,)))
        operations = [operation for operation in self._code.operations if operation.stage == stage]
        images = {operation.name: config.image(operation.name) for operation in operations}
        requirements = read_requirements(stage_file(stage, REQUIREMENTS), self._code.contents)
        locked = self._code.lock_of(stage)
        if locked is None:
            found += check_requirements(requirements, stage, self._python, next(filter(None, images.values()), None))
            outside = provided_by(requirements.required, self._code.contents, self._python)
        else:
            outside = provided_by_wheels(locked.members, locked.python)
        provided = outside._replace(modules=outside.modules | self._provided_modules)
        for image in dict.fromkeys(images.values()):
            places: dict[tuple[str, str], list[Missing]] = {}
            scripts = [operation.script for operation in operations if images[operation.name] == image]
            for directory, here in _by_directory(filter(None, scripts)).items():
                imports = StageImports(
                    stage,
                    directory,
                    self._code,
                    self.modules,
                    provided=provided,
                    places=places,
                    explain=self._explain,
                )
                for script in here:
                    if script in self._code.files:
                        imports.follow(script)
                    else:
                        message = "is started by a wrapper script, and is not in the archive"
                        found.append(Finding(ERROR, "missing-file", script, None, message, (stage,)))
                found += imports.hidden()
                self.reached |= imports.reached
            found += findings_of(places.values(), stage, image, provided)
        return found


def _mistyped_scripts(code: PackedCode) -> Iterator[Finding]:
    """Report scripts of stages without operations whose names can only be slips of the pen."""
    running = code.stages()
    idle: dict[str, dict[str, str]] = {}
    for path in code.files:
        directory, _, name = path.rpartition("/")
        stage = directory.removeprefix(f"{STAGES}/").removesuffix(f"/{SRC}")
        if directory == stage_file(stage, SRC) and stage not in running:
            idle.setdefault(stage, {})[name.lower()] = path
    for stage, scripts in idle.items():
        for script in ENTRY_POINTS:
            slip = script if script in scripts else mistyped(script, scripts)
            if slip is not None:
                message = f"starts no job, and the stage has no operation; did you mean `{script}`?"
                yield Finding(WARNING, "script-name", scripts[slip], None, message, (stage,))
                break


def _by_directory(scripts: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for script in dict.fromkeys(scripts):
        found.setdefault(script.rpartition("/")[0], []).append(script)
    return found


def _unreached(code: PackedCode, jobs: _Jobs) -> list[Finding]:
    """Report own files that cannot be parsed, though no job imports them as far as one can see."""
    found = []
    for path, file in code.files.items():
        if file.own and path.endswith(".py") and path not in jobs.reached:
            problem = jobs.modules.facts(path).problem
            if problem is not None:
                message = f"cannot be parsed: {one_line(problem[1])}; no job imports it"
                found.append(Finding(NOTE, "syntax", path, problem[0], message))
    return found
