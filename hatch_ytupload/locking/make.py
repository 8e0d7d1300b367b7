"""Making locks: of several stages together, with as few different versions as possible."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from hatch_ytupload.byte_reader import blocks, no_progress, opened, sha256_of
from hatch_ytupload.locking.download import DownloadError
from hatch_ytupload.locking.indexes import find_indexes
from hatch_ytupload.locking.lock_file import (
    Lock,
    LockedWheel,
    LockError,
    Origin,
    SourceDistribution,
    describe_target,
    load_packages,
    pins_of,
    without_credentials,
)
from hatch_ytupload.locking.resolution import ResolutionError, Resolver
from hatch_ytupload.locking.ways_out import OTHER_WHEELS, unresolved, wheels_there
from hatch_ytupload.locking.wheel_files import WheelFiles, refuse_path_files, url_for_all
from hatch_ytupload.requirements.reading import requirement_name
from hatch_ytupload.wording import listed, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from packaging.pylock import Package

    from hatch_ytupload.byte_reader import Progress
    from hatch_ytupload.locking.asked_for import AskedFor
    from hatch_ytupload.locking.image import Image
    from hatch_ytupload.locking.indexes import Indexes


class MadeLock(NamedTuple):
    """The lock of a stage."""

    stage: str
    text: str
    """Of `pylock.toml`."""
    lock: Lock


def make_locks(
    asked: Sequence[AskedFor],
    existing: Mapping[str, str],
    directory: str,
    *,
    upgrade: bool = False,
    packages: Sequence[str] = (),
    environ: Mapping[str, str],
    notice: Callable[[str], None] = lambda _text: None,
    progress: Progress = no_progress,
) -> list[MadeLock]:
    """Resolve what stages ask for, and fetch the wheels.

    Args:
        asked: for by each stage.
        existing: the text of the locks that there are, by stage; their versions stay where they suit.
        directory: of the wheels on this machine.
        upgrade: keep no versions.
        packages: keep no versions of these.
        environ: the environment.
        notice: called with a line that says what the user may want to know.
        progress: called with how much of each wheel is fetched.

    Raises:
        LockError: a stage cannot be locked; the message names it and the way out.
    """
    preferred: dict[str, str] = {}
    for text in existing.values():
        preferred = {**pins_of(text), **preferred}
    files = WheelFiles(directory, environ, progress)
    made: list[MadeLock] = []
    for stages, indexes in _groups(asked, environ):
        resolver = Resolver(indexes, environ)
        resolve = partial(_together, resolver, preferred=preferred, upgrade=upgrade, packages=packages, notice=notice)
        plain = [one._replace(framework=()) for one in stages]
        pins = resolve(plain)
        needed = [_with_needed(resolver, one, found) for one, found in zip(stages, pins, strict=True)]
        if any(one.framework for one in needed):
            pins = resolve(needed)
        for one, pinned in zip(needed, pins, strict=True):
            # Stages with another image share versions, too, where they can.
            preferred = (
                {**preferred, **_versions(pinned)} if upgrade or packages else {**_versions(pinned), **preferred}
            )
            made.append(_Making(one, indexes, resolver, files, environ).lock(pinned, notice))
    order = [one.stage for one in asked]
    return sorted(made, key=lambda lock: order.index(lock.stage))


def _groups(asked: Sequence[AskedFor], environ: Mapping[str, str]) -> list[tuple[list[AskedFor], Indexes]]:
    """Put stages together that have one image and look in the same places."""
    found: dict[tuple[object, ...], tuple[list[AskedFor], Indexes]] = {}
    for one in asked:
        indexes = find_indexes(one.requirements.options, environ)
        found.setdefault((one.image.target, indexes), ([], indexes))[0].append(one)
    return list(found.values())


def _together(
    resolver: Resolver,
    stages: list[AskedFor],
    *,
    preferred: Mapping[str, str],
    upgrade: bool,
    packages: Sequence[str],
    notice: Callable[[str], None],
) -> list[str]:
    """Return the pins of each stage: the same for all, where that can be."""
    try:
        return [resolver.pins(stages, preferred, upgrade=upgrade, packages=packages)] * len(stages)
    except ResolutionError as error:
        if len(stages) == 1:
            raise unresolved(stages[0], str(error), resolver.downloads) from None
        reason = error
    pins = [_alone(resolver, one, preferred, upgrade=upgrade, packages=packages) for one in stages]
    notice(f"the stages {listed(one.stage for one in stages)} share no versions, so each has its own: {reason}")
    return pins


def _alone(
    resolver: Resolver, asked: AskedFor, preferred: Mapping[str, str], *, upgrade: bool, packages: Sequence[str]
) -> str:
    try:
        return resolver.pins([asked], preferred, upgrade=upgrade, packages=packages)
    except ResolutionError as error:
        raise unresolved(asked, str(error), resolver.downloads) from None


def _with_needed(resolver: Resolver, asked: AskedFor, pins: str) -> AskedFor:
    """Return what a stage asks for, with what `ytjobs` needs and the requirements do not bring."""
    if not asked.framework:
        return asked
    try:
        known = pins_of(resolver.lock(asked._replace(framework=()), pins).text)
    except ResolutionError as error:
        raise unresolved(asked, str(error), resolver.downloads) from None
    return asked._replace(framework=tuple(text for text in asked.framework if requirement_name(text) not in known))


def _versions(pins: str) -> dict[str, str]:
    found = (line.partition("==") for line in pins.splitlines() if "==" in line and not line.startswith("#"))
    return {name.partition("[")[0].strip(): version.split(" ")[0].strip() for name, _, version in found}


def _wanted_by(pins: str, name: str) -> str:
    """Return the distributions that require one, as uv notes them below its version; empty: the requirements do."""
    noted = re.search(rf"(?m)^{re.escape(name)}(?:\[.*\])?==.*\n((?: +#.*\n)*)", pins)
    found = re.findall(r"(?m)# (?:via|  ) ?([\w.-]+)$", noted[1]) if noted else []
    return "" if noted and "-r " in noted[1] else ", ".join(f"`{other}`" for other in found)


class _Making:
    """The lock of one stage."""

    def __init__(
        self,
        asked: AskedFor,
        indexes: Indexes,
        resolver: Resolver,
        files: WheelFiles,
        environ: Mapping[str, str],
    ) -> None:
        self.asked = asked
        self.indexes = indexes
        self.resolver = resolver
        self.files = files
        self.downloads = resolver.downloads
        self.named_urls = {without_credentials(url) for url in asked.requirements.urls(environ)}

    @property
    def image(self) -> Image:
        return self.asked.image

    def lock(self, pins: str, notice: Callable[[str], None]) -> MadeLock:
        """Return the lock, its wheels fetched and looked into."""
        try:
            resolved = self.resolver.lock(self.asked, pins)
        except ResolutionError as error:
            raise unresolved(self.asked, str(error), self.downloads) from None
        for warning in resolved.warnings:
            notice(f"stage `{one_line(self.asked.stage)}`: {warning}")
        chosen = load_packages(resolved.text, "pylock.toml", self.image)
        wheels = [self._wheel(package, origin, pins, notice) for package, origin in chosen]
        lock = Lock(tuple(sorted(wheels)), self.image.target, self.asked.lines(), self.asked.framework)
        return MadeLock(self.asked.stage, lock.dump(self.image), lock)

    def _wheel(self, package: Package, origin: Origin, pins: str, notice: Callable[[str], None]) -> LockedWheel:
        try:
            return self._locked(package, origin, notice)
        except LockError as error:
            wanted_by = _wanted_by(pins, package.name)
            raise LockError(f"{error} ({package.name} is there for {wanted_by})" if wanted_by else str(error)) from None

    def _locked(self, package: Package, origin: Origin, notice: Callable[[str], None]) -> LockedWheel:
        name, version = package.name, str(package.version or origin.file.split("-")[1])
        url = origin.url if origin.url and origin.url.startswith("http") else None
        wanted = LockedWheel(name, version, origin.file, origin.sha256, origin.size, url)
        local = self._local(origin)
        if local is not None:
            self.files.keep(iter([self.asked.files[local]]))
        path = self.files.get(wanted, self.indexes, self.asked.stage)
        self._refuse_other_hashes(wanted, path)
        url = url or (None if local else self._on_index(wanted))
        wanted = wanted._replace(
            size=os.path.getsize(path), url=self._shared(url, path), path=None if local is None else f"../../{local}"
        )
        if not origin.file.endswith(".whl"):
            notice(f"{wanted.of_stage(self.asked.stage)} is built from its sources, which may take long")
            return self._built(wanted, path)
        refuse_path_files(path, wanted, self.asked.stage)
        return wanted

    def _on_index(self, wheel: LockedWheel) -> str | None:
        """Return where an index has a file that was found on this machine's disk."""
        try:
            files = [file for file in self.downloads.files_of(wheel.name) if file.url.startswith("http")]
        except DownloadError:
            return None
        return next((file.url for file in files if (file.name, file.sha256) == (wheel.file, wheel.sha256)), None)

    def _shared(self, url: str | None, path: str) -> str | None:
        is_public = self.indexes.from_requirements or not self.indexes.configured
        named = url is not None and without_credentials(url) in self.named_urls
        is_secret = url is not None and self.downloads.is_credentialed(url) and not is_public
        return url_for_all(url, path, is_shown=named or not is_secret)

    def _local(self, origin: Origin) -> str | None:
        """Return where in the archive a file of a package lies; None: it is from elsewhere."""
        for path in self.asked.local_files():
            if path.rpartition("/")[2] == origin.file and sha256_of([self.asked.files[path]]) == origin.sha256:
                return path
        return None

    def _built(self, sdist: LockedWheel, path: str) -> LockedWheel:
        """Build a wheel from a source distribution, if that gives one for every platform."""
        reason = ""
        with tempfile.TemporaryDirectory() as directory:
            try:
                built = self.resolver.build(path, sdist.file, directory)
            except ResolutionError as error:
                reason = f"; building `{sdist.file}` fails: {error}"
            else:
                file = os.path.basename(built)
                if file.endswith("-none-any.whl"):
                    refuse_path_files(built, sdist._replace(file=file), self.asked.stage)
                    with opened(built) as reader:
                        kept, sha256 = self.files.keep(blocks(reader))
                    version = sdist.version or file.split("-")[1]
                    origin = SourceDistribution(sdist.file, sdist.url, sdist.sha256, sdist.path)
                    return LockedWheel(sdist.name, version, file, sha256, os.path.getsize(kept), None, None, origin)
        there = wheels_there(sdist.name, sdist.version, self.downloads)
        raise LockError(
            f"{sdist.of_stage(self.asked.stage)} has no wheel for {describe_target(self.image.target)}"
            f"{f' (there are: {there})' if there else ', only sources'}{reason}: {OTHER_WHEELS}"
        )

    def _refuse_other_hashes(self, wheel: LockedWheel, path: str) -> None:
        """Obey `--hash` of requirements."""
        for item in (*self.asked.requirements.required, *self.asked.requirements.constraints):
            if item.name == wheel.name and item.hashes and not any(_has_digest(path, known) for known in item.hashes):
                raise LockError(
                    f"{wheel.of_stage(self.asked.stage)}: `{wheel.file}` on the index is none of the files that "
                    "`--hash` allows: correct that, or ask the owner of the index"
                )


def _has_digest(path: str, wanted: str) -> bool:
    """Tell whether a file has a digest such as `sha256:…`."""
    algorithm, _, digest = wanted.partition(":")
    found = hashlib.new(algorithm)
    with opened(path) as reader:
        for block in blocks(reader):
            found.update(block)
    return found.hexdigest() == digest
