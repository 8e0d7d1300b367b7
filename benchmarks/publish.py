"""Measure publishing against a plain upload: `python3 benchmarks/publish.py`.

Whole processes in alternation, all of them to a test proxy on this machine: first as fast as that goes, so that no time
of a network is in it, then over a line of 2 MB/s. What cannot be compressed is published, because archives are
compressed already: a module, and a stage with a few lines that are edited.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "dev"), str(HERE.parent / "tests")]

from corpora import PYPROJECT  # noqa: E402
from environment import environment  # noqa: E402
from measuring import Measured, measured  # noqa: E402
from slow_line import slow_line  # noqa: E402

CONFIG = "pipeline:\n  build_folder: //home/bench/build\n  upload_modules: [models]\n"
RATE = 2_000_000
"""Of the slow line, in bytes a second."""
FULL, AGAIN, EDITED = "`hatch-ytupload publish`, the first", "the same again", "after an edit of a stage"
# What ytsaurus-client does when nobody tells it otherwise, and the same without compressing a second time.
PLAIN = """
import sys
import yt.wrapper
client = yt.wrapper.YtClient(proxy=sys.argv[1], token="test-token")
if sys.argv[3] == "identity":
    client.config["proxy"]["content_encoding"] = "identity"
with open(sys.argv[2], "rb") as file:
    client.write_file("//home/plain", file, compute_md5=True)
"""


def main() -> None:
    """Parse arguments, build, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mb", type=int, default=200, help="size of the archive (default: 200)")
    parser.add_argument("--slow-mb", type=int, default=28, help="the same for the slow line, at most (default: 28)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default: 5), after one that is not")
    parser.add_argument("--ours-only", action="store_true", help="leave out the plain uploads")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        # The proxy needs ytsaurus-client, which is in the environment of the tests.
        python = environment("test", "--group", "test")
        import subprocess

        sys.exit(subprocess.run([python, __file__, "--inside", *sys.argv[1:]], check=False).returncode)
    plain = () if arguments.ours_only else ("gzip", "identity")
    slow_mb = min(arguments.mb, arguments.slow_mb)
    for case in (
        Case(arguments.mb, None, arguments.rounds, plain),
        # What cannot be compressed takes as long with gzip.
        Case(slow_mb, RATE, arguments.rounds, plain[1:]),
    ):
        with tempfile.TemporaryDirectory() as directory:
            _measure(Path(directory), case)


class Case(NamedTuple):
    """What is measured."""

    mb: int
    rate: int | None
    """Of the line, in bytes a second; None: as fast as it goes."""
    rounds: int
    plain: tuple[str, ...]
    """Encodings of the plain uploads."""


def _md5(file: Path) -> str:
    digest = hashlib.md5()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _proxy(rate: int | None) -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Run a proxy in another process: a process that is started counts the memory of the one that starts it as its own.

    Gives its address, and what asks it for the requests since the last time, or for the MD5 of what was published.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, rate))
    process.start()
    # So that its end is seen.
    there.close()

    def ask(what: str) -> Any:  # noqa: ANN401 - as asked for
        here.send(what)
        return here.recv()

    try:
        yield here.recv(), ask
    finally:
        here.send("stop")
        process.join()


def _serve(connection: Connection, rate: int | None) -> None:
    from proxy import ProxyServer

    with contextlib.ExitStack() as opened:
        proxy = opened.enter_context(ProxyServer())
        port = proxy.port if rate is None else opened.enter_context(slow_line(proxy.port, rate))
        proxy.cypress.create("file", "//home/plain")
        proxy.hosts = [f"localhost:{port}"]
        connection.send(proxy.hosts[0])
        while (what := connection.recv()) != "stop":
            if what == "md5":
                connection.send(proxy.cypress.get("//home/bench/build/source.tar.gz/@md5"))
            else:
                connection.send([(record.command, record.wire_bytes) for record in proxy.log.requests(pings=True)])
                proxy.log.clear()


def _measure(directory: Path, case: Case) -> None:
    root = directory / "project"
    _write_project(root, case.mb)
    ours = [sys.executable, "-m", "hatch_ytupload"]
    environ = {"YTUPLOAD_CACHE_DIR": str(directory / "cache"), "YT_TOKEN": "test-token"}
    archive = root / "dist/corpus_publish-1.0.ytarchive/source.tar.gz"
    line = "as fast as it goes" if case.rate is None else f"over a line of {case.rate / 1e6:g} MB/s"
    series: dict[str, list[Measured]] = {}
    # What is in memory already does not matter to a slow line.
    for number in range(0 if case.rate is None else 1, case.rounds + 1):
        with _proxy(case.rate) as (address, ask):
            environ["YT_PROXY"] = address
            runs = {title: [*ours, "publish"] for title in (FULL, AGAIN, EDITED)}
            for encoding in case.plain:
                command = [sys.executable, "-c", PLAIN, address, str(archive), encoding]
                runs[f"`YtClient.write_file`, {encoding}"] = command
            for title, command in runs.items():
                if title in (FULL, EDITED):
                    _edit(root, f"{number} {title}")
                    measured([*ours, "build"], root, environ)
                taken = measured(command, root, environ)
                requests = ask("requests")
                if number:
                    series.setdefault(title, []).append(taken)
                elif title in (FULL, AGAIN, EDITED):
                    _print_requests(title, requests)
            assert ask("md5") == _md5(archive)
    _print(f"{archive.stat().st_size / 1e6:.1f} MB, {line}", series)


def _write_project(root: Path, mb: int) -> None:
    for name in ("stages/stage/src", "configs", "models"):
        (root / name).mkdir(parents=True)
    (root / "pyproject.toml").write_text(PYPROJECT.format(name="publish"), encoding="utf-8")
    (root / "configs/config.yaml").write_text(CONFIG, encoding="utf-8")
    (root / "models/__init__.py").touch()
    random_bytes = random.Random(1)
    with (root / "models/weights.bin").open("wb") as file:
        for _ in range(mb):
            file.write(random_bytes.randbytes(1_000_000))


def _edit(root: Path, text: str) -> None:
    (root / "stages/stage/src/mapper.py").write_text(f"print({text!r})\n", encoding="utf-8")


def _print_requests(title: str, requests: list[tuple[str, int]]) -> None:
    sent = sum(size for _, size in requests)
    print(f"{title}: {len(requests)} requests, {sent / 1e6:.3f} MB in their bodies")
    print(f"    {' '.join(command for command, _ in requests)}")


def _print(title: str, series: dict[str, list[Measured]]) -> None:
    print(f"\n| {title} | median | range | ratio | processor | ratio | peak memory |\n|---|---|---|---|---|---|---|")
    for name, results in series.items():
        times = [run.seconds for run in results]
        pairs = list(zip(results, series[FULL], strict=True))
        print(
            f"| {name} | {statistics.median(times):.2f} s | {min(times):.2f} to {max(times):.2f} "
            f"| {statistics.median(run.seconds / full.seconds for run, full in pairs):.3f} "
            f"| {statistics.median(run.processor_seconds for run in results):.2f} s "
            f"| {statistics.median(run.processor_seconds / full.processor_seconds for run, full in pairs):.3f} "
            f"| {max(run.peak_kb for run in results) / 1000:.0f} MB |"
        )
    print()


if __name__ == "__main__":
    main()
