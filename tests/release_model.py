"""What build folders hold after what a team does to them, by contract and docs alone: plain dicts, no code of ours.

A bundle is a dict of `name`, `project`, `version`, `content_sha256`, `commit`, `dirty`, `files` (name to bytes, as they
lie in a release) and `scripts` (the wrapper scripts in its archive, by name). A release is a bundle that was published,
with `number`, `previous`, `pinned`, `again` and `promoted_from`. A folder is a dict of `releases` (by name), `current`
(a name or None) and its settings: `keep`, `unique`, `confirm`, `with_scripts`.

Each function says what a command has to do: its findings by kind, its answer, and the folder afterwards. Nothing that
is passed in changes.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any, NamedTuple

Bundle = dict[str, Any]
Folder = dict[str, Any]


class Expected(NamedTuple):
    """What a command has to do."""

    errors: set[str]
    """None: it succeeds."""
    warnings: set[str]
    answer: dict[str, Any]
    """What its JSON has to say, among other things."""
    after: Folder


def new_folder(*, keep: int = 10, unique: bool = False, confirm: bool = False, with_scripts: bool = False) -> Folder:
    """Return a folder that nobody has published to."""
    settings = {"keep": keep, "unique": unique, "confirm": confirm, "with_scripts": with_scripts}
    return {"releases": {}, "current": None, **settings}


def bundle_of(files: dict[str, bytes], **about: Any) -> Bundle:
    """Return a bundle, with the identity of its archive's content, which whoever extracts it can compute."""
    with tarfile.open(fileobj=io.BytesIO(files["source.tar.gz"])) as tar:
        members = {member.name: (member, tar.extractfile(member).read()) for member in tar}  # type: ignore[union-attr]
    digest = hashlib.sha256()
    for path, (member, data) in sorted(members.items(), key=lambda item: item[0].encode()):
        digest.update(f"{hashlib.sha256(data).hexdigest()} {member.mode:o} {path}\0".encode())
    scripts = {path: data for path, (_, data) in members.items() if path.startswith("operation_wrapper_")}
    name = f"{about['version']}-{digest.hexdigest()[:12]}"
    packed = {path: data for path, (_, data) in members.items()}
    identity = {"name": name, "content_sha256": digest.hexdigest()}
    return {**about, **identity, "files": files, "scripts": scripts, "packed": packed}


def publish(
    folder: Folder,
    bundle: Bundle,
    *,
    is_of_other_selection: bool = False,
    is_stale: bool = False,
    promoted_from: dict[str, Any] | None = None,
    is_sent: bool = True,
    force: bool = False,
    yes: bool = False,
    dry_run: bool = False,
) -> Expected:
    """Make a bundle the current release; with `promoted_from` it is a release of another folder.

    Args:
        folder: where.
        bundle: what.
        is_of_other_selection: it was made for something else than the folder's environment asks for.
        is_stale: sources have changed since it was built.
        promoted_from: where it was promoted from.
        is_sent: its bytes have to travel, unless the folder keeps it.
        force: go on where that can be forced.
        yes: agree.
        dry_run: only tell.
    """
    name = bundle["name"]
    known = folder["releases"].get(name)
    kept = known
    if promoted_from is not None and known is not None and known["files"] != bundle["files"]:
        kept = None
    answer = {"release": name, "changed": False, "uploaded": 0, "replaced": name, "pruned": [], "dry_run": dry_run}
    if kept is not None and folder["current"] == name:
        return Expected(set(), {"stale"} if is_stale else set(), answer, folder)

    errors, forcible, warnings = _found(folder, bundle)
    if is_of_other_selection:
        forcible.add("selection")
    if is_stale:
        warnings.add("stale")
    (warnings if force else errors).update(forcible)
    if folder["confirm"] and not yes and not dry_run:
        errors.add("consent")

    releases = dict(folder["releases"])
    previous = folder["current"] if folder["current"] != name else known and known["previous"]
    place = {"number": 1 + max((each["number"] for each in releases.values()), default=0), "previous": previous}
    if kept is not None:
        releases[name] = {**kept, **place, "again": True, "promoted_from": promoted_from or kept["promoted_from"]}
    else:
        pinned = known is not None and known["pinned"]
        releases[name] = {**bundle, **place, "again": False, "pinned": pinned, "promoted_from": promoted_from}
    after = {**folder, "releases": releases, "current": name}
    gone = _pruned(after)
    for each in gone:
        del releases[each]
    answer |= {
        "changed": True,
        "uploaded": len(bundle["files"]["source.tar.gz"]) if kept is None and is_sent else 0,
        "replaced": folder["current"],
        "pruned": gone,
    }
    return Expected(errors, warnings, answer, folder if errors or dry_run else after)


def _found(folder: Folder, bundle: Bundle) -> tuple[set[str], set[str], set[str]]:
    """Return what a folder has against a bundle: errors, errors that can be forced, and warnings."""
    errors: set[str] = set()
    forcible: set[str] = set()
    warnings: set[str] = set()
    name, project, version = bundle["name"], bundle["project"], bundle["version"]
    current = folder["releases"].get(folder["current"])
    if current is not None and current["project"] != project:
        forcible.add("project")
    elif current is not None and _numbers(current["version"]) > _numbers(version):
        warnings.add("higher")
    if any(
        (other["project"], other["version"]) == (project, version) and other["name"] != name
        for other in folder["releases"].values()
    ):
        (errors if folder["unique"] else warnings).add("version")
    return errors, forcible, warnings


def promote(
    source: Folder, target: Folder, release: str | None, *, origin: dict[str, Any], is_same: bool, **how: bool
) -> Expected:
    """Make a release of one folder the current one of another, or of the same, which is refused."""
    if is_same:
        return Expected({"itself"}, set(), {}, target)
    wanted = source["current"] if release is None else release
    if not source["releases"]:
        return Expected({"empty"}, set(), {}, target)
    if wanted not in source["releases"]:
        return Expected({"unknown"}, set(), {}, target)
    bundle = source["releases"][wanted]
    return publish(target, bundle, promoted_from={**origin, "release": wanted}, **how)


def rollback(folder: Folder, release: str | None, *, yes: bool, dry_run: bool) -> Expected:
    """Make a kept release current; by default the one that was so before."""
    releases, current = folder["releases"], folder["current"]
    if release is not None and release not in releases:
        return Expected({"unknown"}, set(), {}, folder)
    if release is None:
        if not releases:
            return Expected({"empty"}, set(), {}, folder)
        older = history(folder)[history(folder).index(current) + 1 :]
        before = releases[current]["previous"]
        release = before if before in releases else next(iter(older), None)
        if release is None:
            return Expected({"oldest"}, set(), {}, folder)
    answer = {"release": release, "changed": release != current, "replaced": current, "dry_run": dry_run}
    if release == current or dry_run:
        return Expected(set(), set(), answer, folder)
    after = {**folder, "current": release, "releases": {**releases, release: {**releases[release], "again": True}}}
    return _agreed(folder, answer, after, yes=yes)


def pin(folder: Folder, release: str, *, pinned: bool, yes: bool) -> Expected:
    """Pin a release, or give it free."""
    known = folder["releases"].get(release)
    if known is None:
        return Expected({"unknown"}, set(), {}, folder)
    answer = {"release": release, "pinned": pinned, "changed": known["pinned"] != pinned}
    if known["pinned"] == pinned:
        return Expected(set(), set(), answer, folder)
    after = {**folder, "releases": {**folder["releases"], release: {**known, "pinned": pinned}}}
    return _agreed(folder, answer, after, yes=yes)


def delete(folder: Folder, names: list[str], *, yes: bool) -> Expected:
    """Remove releases, all or none."""
    if any(name not in folder["releases"] for name in names):
        return Expected({"unknown"}, set(), {}, folder)
    errors = {"current"} if folder["current"] in names else set()
    if any(folder["releases"][name]["pinned"] for name in names):
        errors.add("pinned")
    if errors:
        return Expected(errors, set(), {}, folder)
    left = {name: release for name, release in folder["releases"].items() if name not in names}
    return _agreed(folder, {"deleted": list(dict.fromkeys(names))}, {**folder, "releases": left}, yes=yes)


def history(folder: Folder) -> list[str]:
    """Return the names of the releases, newest first."""
    return sorted(folder["releases"], key=lambda name: -folder["releases"][name]["number"])


def files_of(folder: Folder) -> dict[str, bytes]:
    """Return everything that has to lie in a folder, by path."""
    files = {
        f"releases/{name}/{path}": data
        for name, release in folder["releases"].items()
        for path, data in release["files"].items()
    }
    current = folder["releases"].get(folder["current"])
    if current is not None:
        files["source.tar.gz"] = current["files"]["source.tar.gz"]
        files.update(current["scripts"] if folder["with_scripts"] else {})
    return files


def _agreed(folder: Folder, answer: dict[str, Any], after: Folder, *, yes: bool) -> Expected:
    if folder["confirm"] and not yes:
        return Expected({"consent"}, set(), {}, folder)
    return Expected(set(), set(), answer, after)


def _pruned(folder: Folder) -> list[str]:
    """Return what a folder no longer keeps, oldest first: pinned releases neither go nor count, the current one stays,
    and then the one that it goes back to."""
    counted = [name for name in history(folder) if not folder["releases"][name]["pinned"] or name == folder["current"]]
    previous = folder["releases"][folder["current"]]["previous"]
    counted.sort(key=lambda name: (name != folder["current"], name != previous))
    return [name for name in reversed(history(folder)) if folder["keep"] and name in counted[folder["keep"] :]]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
