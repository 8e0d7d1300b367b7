"""Build folders on disk and on the test proxy, bundles to publish there, and a reader who never looks away."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hatch_ytupload.archive_layout import ARCHIVE_NAME
from hatch_ytupload.build_folders.cypress.client import Cluster
from hatch_ytupload.build_folders.cypress.folder import CypressFolder
from hatch_ytupload.build_folders.disk.folder import LocalFolder
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.outgoing import open_outgoing
from hatch_ytupload.releases.publish import publish
from hatch_ytupload.releases.records import read_state
from hatch_ytupload.releases.rollback import rollback

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from pipelines import Pipeline
    from proxy import ProxyServer

    from hatch_ytupload.build_folders.build_folder import BuildFolder
    from hatch_ytupload.releases.current import Outcome
    from hatch_ytupload.releases.records import State

PATH = "//home/demo/build"
NOW = datetime(2026, 11, 22, 20, 15, 30, tzinfo=timezone.utc)
LATER = datetime(2026, 11, 23, 8, 0, 0, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Bundle:
    """A bundle that a test built."""

    archive: Path
    release: str

    @property
    def directory(self) -> Path:
        """Where it lies."""
        return self.archive.parent

    @property
    def data(self) -> bytes:
        """The bytes of its archive."""
        return self.archive.read_bytes()


def make_bundle(pipeline: Pipeline, text: str, *, wrappers: bool = False) -> Bundle:
    """Build the pipeline with a file of this text: each text is another release, in a directory of its own."""
    pipeline.write({"stages/first/src/text.txt": text})
    dist = pipeline.root / "bundles" / hashlib.sha256(text.encode()).hexdigest()[:12] / str(wrappers)
    built = pipeline.build(dist, {"standalone_wrappers": wrappers})
    archive = dist / "demo-1.0.ytarchive" / ARCHIVE_NAME
    return Bundle(archive, f"1.0-{built.content_sha256[:12]}")


def publish_to(
    folder: BuildFolder,
    bundle: Bundle,
    *,
    wrappers: bool = False,
    keep: int = 10,
    dry_run: bool = False,
    now: datetime = NOW,
    **conditions: Any,
) -> Outcome:
    """Publish a bundle."""
    asked = Conditions(keep_releases=keep, standalone_wrappers=wrappers, **conditions)
    with open_outgoing(str(bundle.directory), standalone_wrappers=wrappers) as outgoing:
        return publish(folder, outgoing, asked, now=now, dry_run=dry_run)


def at_once(jobs: Collection[Callable[[], object]]) -> list[BaseException]:
    """Do everything at the same time, each in a thread of its own; return what went wrong."""
    with ThreadPoolExecutor(len(jobs)) as threads:
        done = [threads.submit(job) for job in jobs]
    return [error for each in done if (error := each.exception()) is not None]


def roll_back(
    folder: BuildFolder, release: str | None = None, *, wrappers: bool = False, dry_run: bool = False
) -> Outcome:
    """Roll back."""
    return rollback(folder, release, Conditions(standalone_wrappers=wrappers), now=LATER, dry_run=dry_run)


def current(folder: BuildFolder) -> str | None:
    """Return the name of the current release, None where the current archive is no whole one."""
    record = read_state(folder).current
    return record.release if record is not None else None


def names(state: State) -> list[str]:
    """Return the names of the releases, newest first."""
    return [record.release for record in state.history]


def read_current(folder: BuildFolder) -> bytes:
    """Return the bytes that a job would mount."""
    with folder.open(ARCHIVE_NAME) as file:
        return file.read(0, file.size)


def on_disk(directory: Path, **options: object) -> LocalFolder:
    """Return a build folder below a pipeline's directory."""
    return LocalFolder(str(directory), PATH, **options)  # type: ignore[arg-type]


def on_cluster(
    proxy: ProxyServer,
    path: str = PATH,
    *,
    token: str | None = None,
    timeout_seconds: float = 10,
    attempts: int = 4,
    notice: Callable[[str], None] = lambda _text: None,
    **options: object,
) -> CypressFolder:
    """Return a build folder on the test proxy."""
    cluster = Cluster(
        proxy.address, token=token or proxy.token, timeout_seconds=timeout_seconds, attempts=attempts, notice=notice
    )
    return CypressFolder(cluster, path, **{"notice": notice, "warn": notice, **options})  # type: ignore[arg-type]


def publish_by_address(address: str, token: str, bundle: Bundle) -> None:
    """Publish a bundle with wrapper scripts to a cluster that another process runs, where one release is kept."""
    cluster = Cluster(address, token=token, timeout_seconds=60, attempts=1, notice=lambda _text: None)
    publish_to(CypressFolder(cluster, PATH), bundle, wrappers=True, keep=1)


@contextmanager
def watched(read: Callable[[], bytes | None]) -> Iterator[set[bytes | None]]:
    """Read again and again while the block runs; give what was ever seen.

    The block ends when at least one reading that began in it has ended; an error of the reader fails the test.
    """
    seen: set[bytes | None] = set()
    errors: list[BaseException] = []
    done, once = threading.Event(), threading.Event()

    def loop() -> None:
        try:
            # A moment for the others: interpreters run one thread at a time.
            while not done.wait(0.001):
                seen.add(read())
                once.set()
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)
            once.set()

    thread = threading.Thread(target=loop, name="reader")
    thread.start()
    try:
        yield seen
        once.clear()
        # It may have ended with an error.
        while thread.is_alive() and not once.wait(0.1):
            pass
    finally:
        done.set()
        thread.join()
    if errors:
        raise errors[0]
