"""Measure publishing against a plain upload: `python3 benchmarks/publish.py`.

Whole processes in alternation, all of them to a test proxy on this machine: the time of a network is not in it. What
cannot be compressed is published, because archives are compressed already.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "dev"), str(HERE.parent / "tests")]

from corpora import PYPROJECT  # noqa: E402
from environment import environment  # noqa: E402
from measuring import Measured, measured  # noqa: E402

CONFIG = "pipeline:\n  build_folder: //home/bench/build\n"
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
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default: 5), after one that is not")
    parser.add_argument("--ours-only", action="store_true", help="leave out the plain uploads")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        # The proxy needs ytsaurus-client, which is in the environment of the tests.
        python = environment("test", "--group", "test")
        import subprocess

        sys.exit(subprocess.run([python, __file__, "--inside", *sys.argv[1:]], check=False).returncode)
    with tempfile.TemporaryDirectory() as directory:
        _measure(Path(directory), arguments)


def _md5(file: Path) -> str:
    digest = hashlib.md5()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _proxy() -> Iterator[tuple[str, Callable[[str], Any]]]:
    """Run a proxy in another process: a process that is started counts the memory of the one that starts it as its own.

    Gives its address, and what asks it for the requests since the last time, or for the MD5 of what was published.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,))
    process.start()

    def ask(what: str) -> Any:  # noqa: ANN401 - as asked for
        here.send(what)
        return here.recv()

    try:
        yield here.recv(), ask
    finally:
        here.send("stop")
        process.join()


def _serve(connection: Connection) -> None:
    from proxy import ProxyServer

    with ProxyServer() as proxy:
        proxy.cypress.create("file", "//home/plain")
        connection.send(proxy.address)
        while (what := connection.recv()) != "stop":
            if what == "md5":
                connection.send(proxy.cypress.get("//home/bench/build/source.tar.gz/@md5"))
            else:
                connection.send([(record.command, record.wire_bytes) for record in proxy.log.requests()])
                proxy.log.clear()


def _measure(directory: Path, arguments: argparse.Namespace) -> None:
    root = directory / "project"
    source = root / "stages/stage/src"
    source.mkdir(parents=True)
    (root / "configs").mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT.format(name="publish"), encoding="utf-8")
    (root / "configs/config.yaml").write_text(CONFIG, encoding="utf-8")
    (source / "mapper.py").write_text("print()\n", encoding="utf-8")
    random_bytes = random.Random(1)
    with (source / "model.bin").open("wb") as file:
        for _ in range(arguments.mb):
            file.write(random_bytes.randbytes(1_000_000))
    ours = [sys.executable, "-m", "hatch_ytupload"]
    environ = {"YTUPLOAD_NO_CACHE": "1", "YT_TOKEN": "test-token"}
    built = measured([*ours, "build"], root, environ)
    archive = root / "dist/corpus_publish-1.0.ytarchive/source.tar.gz"
    size = archive.stat().st_size / 1e6
    print(f"archive: {size:.1f} MB, built in {built.seconds:.2f} s, peak {built.peak_kb / 1000:.0f} MB\n")
    series: dict[str, list[Measured]] = {}
    for number in range(arguments.rounds + 1):
        with _proxy() as (address, ask):
            environ["YT_PROXY"] = address
            runs = {"`hatch-ytupload publish`": [*ours, "publish"], "the same again": [*ours, "publish"]}
            for encoding in () if arguments.ours_only else ("gzip", "identity"):
                title = f"`YtClient.write_file`, {encoding}"
                runs[title] = [sys.executable, "-c", PLAIN, address, str(archive), encoding]
            for title, command in runs.items():
                taken = measured(command, root, environ)
                requests = ask("requests")
                if number:
                    series.setdefault(title, []).append(taken)
                elif title in list(runs)[:2]:
                    sent = sum(size for _, size in requests)
                    print(f"{title}: {len(requests)} requests, {sent / 1e6:.3f} MB in their bodies")
                    print(f"    {' '.join(command for command, _ in requests)}")
            assert ask("md5") == _md5(archive)
    shutil.rmtree(root)
    print("\n| | median | range | ratio to the first | peak memory |\n|---|---|---|---|---|")
    first = next(iter(series.values()))
    for title, results in series.items():
        times = [one.seconds for one in results]
        ratio = statistics.median(run.seconds / base.seconds for run, base in zip(results, first, strict=True))
        print(
            f"| {title} | {statistics.median(times):.2f} s | {min(times):.2f} to {max(times):.2f} | {ratio:.2f} "
            f"| {max(one.peak_kb for one in results) / 1000:.0f} MB |"
        )


if __name__ == "__main__":
    main()
