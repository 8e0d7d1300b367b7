"""Measure builds against their peers: `python3 benchmarks/run.py`; `--quick` is small and only shows that it runs.

Whole processes, one after the other in alternation, so that a machine whose speed drifts disturbs all alike. Times are
wall-clock medians; what counts is the ratio to YT Framework in the same round.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "dev")]

from corpora import LARGE_REQUIREMENTS, SHAPES, make_corpus  # noqa: E402
from environment import environment  # noqa: E402
from measuring import Measured, measured  # noqa: E402

QUICK_SCALE = 0.02
# Times this close to the moment of a build prove nothing, so a build that shall find nothing to do comes later.
SETTLE_SECONDS = 2.5


@dataclass
class Series:
    """The runs of one command on one corpus."""

    title: str
    command: list[str | Path]
    prepare: list[str] = field(default_factory=list)
    result: Path | None = None
    seconds: list[float] = field(default_factory=list)
    size: int = 0
    peak_kb: int = 0


class Corpus:
    """One corpus, and the commands that are measured on it."""

    def __init__(self, name: str, directory: Path, python: Path, *, quick: bool) -> None:
        self.name = name
        self.root = directory / name
        self.out = directory / f"{name}-out"
        self.cache = directory / f"{name}-cache"
        self.kept = directory / f"{name}-kept.ytarchive"
        self.dist = self.root / "dist"
        make_corpus(name, self.root, scale=QUICK_SCALE if quick else 1)
        ours: list[str | Path] = [python, "-m", "hatchling", "build", "-t", "ytarchive"]
        archive = self.dist / f"corpus_{name.lower()}-1.0.ytarchive" / "source.tar.gz"
        peer: list[str | Path] = [python, HERE / "yt_framework_build.py", self.root, self.out]
        self.series = [
            Series("YT Framework", peer, ["out"], self.out / "source.tar.gz"),
            Series("ours, cold", ours, ["cache", "dist"], archive),
            Series("ours, nothing changed", ours, ["warm"], archive),
            Series("ours, one stage file edited", ours, ["warm", "edit"], archive),
            Series("hatchling sdist", [python, "-m", "hatchling", "build", "-t", "sdist"], ["sdist"]),
        ]
        if name in "SM":
            # Without hatchling's start, which is most of a small build.
            command: list[str | Path] = [python, "-m", "hatch_ytupload", "--quiet", "build"]
            self.series += [
                Series("`hatch-ytupload build`, cold", command, ["cache", "dist"], archive),
                Series("`hatch-ytupload build`, nothing changed", command, ["warm"], archive),
                Series("`hatch-ytupload build`, one stage file edited", command, ["warm", "edit"], archive),
            ]
        else:
            # What looks into a bundle of that size: the last one of the round.
            command = [python, "-m", "hatch_ytupload", "--quiet"]
            self.series += [
                Series("`explain` of a file", [*command, "explain", "stages/stage_0/src/mapper.py"]),
                Series("`inspect`", [*command, "inspect", archive]),
                Series("`diff` with an earlier bundle", [*command, "diff", self.kept, archive.parent], ["kept"]),
                Series("`verify`", [*command, "verify", archive]),
            ]
        self.series += self._tar()
        self.peer = peer
        self.warmed = False
        self.edits = 0

    def _tar(self) -> list[Series]:
        """Return plain tar on the directories that YT Framework assembled: the same content."""
        source, target = self.out / "source", self.out / "tar.tar.gz"
        found = [Series("tar -czf", ["tar", "-C", source, "-czf", target, "."], [], target)]
        if shutil.which("pigz"):
            found.append(
                Series("tar \\| pigz -p2", ["tar", "-C", source, "-I", "pigz -p2", "-cf", target, "."], [], target)
            )
        return found

    def round(self) -> None:
        """Run each command once."""
        for series in self.series:
            for step in series.prepare:
                getattr(self, f"_{step}")(series)
            done = self._run(series.command)
            series.seconds.append(done.seconds)
            series.peak_kb = max(series.peak_kb, done.peak_kb)
            if series.result:
                series.size = series.result.stat().st_size

    def _run(self, command: list[str | Path]) -> Measured:
        return measured(command, self.root, {"YTUPLOAD_CACHE_DIR": str(self.cache)})

    def _out(self, _: Series) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()

    def _cache(self, _: Series) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def _dist(self, _: Series) -> None:
        shutil.rmtree(self.dist, ignore_errors=True)
        self.warmed = False

    def _kept(self, series: Series) -> None:
        if not self.kept.exists():
            shutil.copytree(series.command[-1], self.kept)

    def _sdist(self, _: Series) -> None:
        (self.dist / f"corpus_{self.name.lower()}-1.0.tar.gz").unlink(missing_ok=True)

    def _warm(self, series: Series) -> None:
        if not self.warmed:
            time.sleep(SETTLE_SECONDS)
            self._run(series.command)
            self.warmed = True

    def _edit(self, _: Series) -> None:
        # As an editor does it: one line more, in a file that was at rest.
        self.edits += 1
        file = self.root / "stages/stage_0/src/mapper.py"
        file.write_text(file.read_text(encoding="utf-8") + f"# edit {self.edits}\n", encoding="utf-8")
        self.warmed = False

    def same_files(self) -> tuple[float, float]:
        """Have YT Framework pack the very files of our archive, and return how large both archives are, in MB."""
        archive = self.series[1].result
        assert archive is not None
        self._out(self.series[0])
        source = self.out / "source"
        source.mkdir()
        subprocess.run(["tar", "-xzf", archive, "-C", source], check=True)
        subprocess.run([*self.peer, "--pack-only"], check=True)
        return archive.stat().st_size / 1e6, (self.out / "source.tar.gz").stat().st_size / 1e6

    def ratio(self, series: Series) -> float:
        """Return how many times as long YT Framework takes."""
        return statistics.median(
            theirs / ours for theirs, ours in zip(self.series[0].seconds, series.seconds, strict=True)
        )

    def summary(self) -> list[str]:
        """Return the lines of the table for all corpora: one for each front end."""
        ours, theirs = self.same_files()
        lines = []
        for title, begin in ((self.name, "ours"), (f"{self.name}, `hatch-ytupload build`", "`hatch-ytupload build`")):
            series = [found for found in self.series if found.title.startswith(f"{begin}, ")]
            cells = [f"{statistics.median(found.seconds):.3f} s, 1/{self.ratio(found):.1f}" for found in series]
            peak = max((found.peak_kb for found in series), default=0) / 1000
            framework = statistics.median(self.series[0].seconds)
            row = [title, f"{framework:.2f} s", *cells, f"{ours:.2f} ({theirs:.2f}) MB", f"{peak:.0f} MB"]
            lines += [f"| {' | '.join(row)} |"] * bool(series)
        return lines

    def table(self) -> str:
        """Return all results as a Markdown table."""
        lines = [
            f"### {self.name}: {SHAPES[self.name].title}",
            "",
            "| | median | range | ratio to YT Framework | size | peak memory |",
            "|---|---|---|---|---|---|",
        ]
        for series in self.series:
            low, high = min(series.seconds), max(series.seconds)
            size = f"{series.size / 1e6:.2f} MB" if series.size else ""
            lines.append(
                f"| {series.title} | {statistics.median(series.seconds):.3f} s | {low:.3f} to {high:.3f} "
                f"| 1/{self.ratio(series):.1f} | {size} | {series.peak_kb / 1000:.0f} MB |"
            )
        return "\n".join(lines)


def main() -> None:
    """Parse arguments, make the environment and the corpora, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small corpora, one round: shows only that it runs")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default: 5), after one that is not")
    parser.add_argument("--corpora", default="".join(SHAPES), help="which ones (default: SMLW)")
    arguments = parser.parse_args()
    if arguments.quick:
        python = environment("test", "--group", "test")
    else:
        python = environment("bench", "--compile-bytecode", "yt-framework==1.4.4", *LARGE_REQUIREMENTS)
    rounds = 1 if arguments.quick else arguments.rounds
    summary = [
        "| | YT Framework | cold | nothing changed | one stage file edited | size (packed by YT Framework) | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as directory:
        for name in arguments.corpora:
            corpus = Corpus(name, Path(directory), python, quick=arguments.quick)
            for number in range(rounds + (not arguments.quick)):
                if number == 1:
                    for series in corpus.series:
                        series.seconds.clear()
                corpus.round()
            print(corpus.table(), end="\n\n", flush=True)
            summary += corpus.summary()
            shutil.rmtree(corpus.root)
    print(*summary, sep="\n")


if __name__ == "__main__":
    main()
