"""What is asked before a build folder changes: whose it is, what the bundle was made for, whether its user agrees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_ytupload.configuration.keys import publisher_option
from hatch_ytupload.errors import YtUploadError
from hatch_ytupload.releases.signatures import signers_of
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.configuration.keys import Spelling
    from hatch_ytupload.configuration.settings import Settings
    from hatch_ytupload.packing.manifest import Manifest, Selection
    from hatch_ytupload.releases.records import State
    from hatch_ytupload.releases.signatures import Signers


class RefusedError(YtUploadError):
    """A change that must not be made, or that nobody has agreed to; one line for each reason. Nothing has changed."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__("\n".join(reasons))


@dataclass(frozen=True)
class Conditions:
    """What the settings of a build folder and its user say about changes there."""

    keep_releases: int = 10
    """How many releases stay; 0: all."""
    standalone_wrappers: bool = False
    """The wrapper scripts of the current release lie beside its archive."""
    unique_versions: bool = False
    """A version that was published with other content is an error."""
    confirm: bool = False
    """Ask before anything changes."""
    environment: str | None = None
    """The environment that the folder belongs to."""
    signers: Signers | None = None
    """Whose signatures count; None: nobody is asked."""
    signing_key: str | None = None
    """What releases are signed with; None: they are not."""
    force: bool = False
    """Replace what is another project's, or publish what was made for something else."""
    yes: bool = False
    """The user agrees to what `confirm` asks."""
    ask: Callable[[str], bool] | None = None
    """Asks the user a question; None: there is nobody to ask."""
    warn: Callable[[str], None] = lambda _text: None
    """Called with a line that says what the user should know."""
    spelling: Spelling = field(default=publisher_option, compare=False)
    """How messages write `force` and `yes`."""

    def require_consent(self, folder: BuildFolder, purpose: str) -> None:
        """See that the user agrees, where the environment has it so.

        Args:
            folder: what changes.
            purpose: how it changes, as in "rolling back to 1.0".

        Raises:
            RefusedError: he does not, or cannot be asked.
        """
        Objections().require(self, folder, purpose)

    def missing_consent(self, folder: BuildFolder, purpose: str) -> str | None:
        """Return why a change is not agreed to, before anybody is asked."""
        if not self.confirm or self.yes or self.ask is not None:
            return None
        return (
            f"{purpose}: {self.whose(folder)} asks before anything changes, and there is no terminal to ask on; "
            f"agree with {self.spelling('yes')}"
        )

    def whose(self, folder: BuildFolder) -> str:
        """Name a folder with the environment that it belongs to."""
        return f"`{folder.location}`" + (f" (environment `{one_line(self.environment)}`)" if self.environment else "")


class Objections:
    """What was found before a change: reasons against it, and what its user should know."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.forcible: list[str] = []
        """Errors that `force` turns into warnings."""
        self.warnings: list[str] = []

    def add(self, other: Objections) -> None:
        """Take in what was found elsewhere."""
        self.errors += other.errors
        self.forcible += other.forcible
        self.warnings += other.warnings

    def require(self, conditions: Conditions, folder: BuildFolder, purpose: str, *, dry_run: bool = False) -> None:
        """Tell the warnings, refuse a change that must not be, and have the user agree to it.

        Args:
            conditions: of the folder.
            folder: what changes.
            purpose: how it changes.
            dry_run: nothing changes, so nobody is asked.

        Raises:
            RefusedError: with all reasons.
        """
        warnings = self.warnings + (self.forcible if conditions.force else [])
        for warning in warnings:
            conditions.warn(warning)
        reasons = self.refusals(conditions)
        missing = None if dry_run else conditions.missing_consent(folder, purpose)
        if missing:
            reasons.append(missing)
        if reasons:
            raise RefusedError(reasons)
        if conditions.confirm and not conditions.yes and not dry_run and conditions.ask is not None:
            whose = conditions.whose(folder)
            if not conditions.ask(f"{purpose} changes {whose}. Go on?"):
                raise RefusedError([f"{purpose}: not agreed to; {whose} is as it was"])

    def refusals(self, conditions: Conditions) -> list[str]:
        """Return why the change must not be made."""
        way_out = conditions.spelling("force")
        return self.errors + ([] if conditions.force else [f"{each}, or {way_out}" for each in self.forcible])


def conditions_of(
    settings: Settings,
    *,
    force: bool = False,
    yes: bool = False,
    ask: Callable[[str], bool] | None = None,
    warn: Callable[[str], None] = lambda _text: None,
) -> Conditions:
    """Return what settings say about changes of their build folder, and what the user says. See `Conditions`."""
    return Conditions(
        keep_releases=settings.keep_releases,
        standalone_wrappers=settings.standalone_wrappers,
        unique_versions=settings.unique_versions,
        confirm=settings.confirm,
        environment=settings.environment,
        signers=signers_of(settings),
        signing_key=settings.signing_key,
        force=force,
        yes=yes,
        ask=ask,
        warn=warn,
        spelling=settings.spelling,
    )


def find_conflicts(folder: BuildFolder, state: State, manifest: Manifest, conditions: Conditions) -> Objections:
    """Compare what is to become the current release with what the build folder holds.

    Args:
        folder: where.
        state: of the folder.
        manifest: of the release.
        conditions: of the folder.
    """
    found = Objections()
    project, version = manifest.project
    current = state.claimed
    if current is not None and current.project != project:
        found.forcible.append(
            f"`{folder.location}` holds `{one_line(current.release)}` of the project `{one_line(current.project)}`, "
            f"and this is `{one_line(project)}`; give each project a build folder of its own"
        )
    elif current is not None and _is_higher(current.version, version):
        found.warnings.append(
            f"the current release `{one_line(current.release)}` has a higher version than {one_line(version)}"
        )
    others = [
        record.release
        for record in state.history
        if (record.project, record.version) == (project, version) and record.content_sha256 != manifest.content_sha256
    ]
    if others:
        line = f"the version {one_line(version)} was published with other content, as `{one_line(others[0])}`"
        if conditions.unique_versions:
            found.errors.append(f"{line}, and `unique_versions` is set; raise the version")
        else:
            found.warnings.append(f"{line}; raise the version to tell them apart")
    return found


def find_other_selection(made_for: Selection, asked: Selection) -> list[str]:
    """Say, in a line each, what a bundle was made for, and what is asked for where it goes."""
    made, wanted = "", "the settings have"
    if made_for.environment is not None:
        made = f" for the environment `{one_line(made_for.environment)}`"
    if asked.environment is not None:
        wanted = f"the environment `{one_line(asked.environment)}` has"
    return [
        f"the bundle was built{made} with {made_for.listed(key)}, and {wanted} {asked.listed(key)}; "
        "build it for where it goes"
        for key in made_for.differing(asked)
    ]


def _is_higher(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False
