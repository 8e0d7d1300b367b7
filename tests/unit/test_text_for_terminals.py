"""Text from outside is safe for a terminal: every place where text leaves, and escape sequences from every source."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from pipelines import CHECKOUT, Pipeline, clean_environment, make_pipeline
from proxy.faults import Answer

from hatch_ytupload.build_folders.disk.folder import LocalFolder
from hatch_ytupload.command_line.cli import main
from hatch_ytupload.wording import one_line, printable, printable_json

if TYPE_CHECKING:
    from pathlib import Path

    from proxy.server import ProxyServer

EVIL = "x\x1b]0;owned\x07\x1b[31m\x9b2J\u202ey\r"
"""Title, colour, an eight-bit control sequence, text from right to left, and back to the start of the line."""

SETTINGS = 'build_folder = "//home/demo/build"\nmode = "dev"\nrequest_attempts = 1\n'

PLACES = {
    # What click prints for us; everything of ours goes through `_say` and `_print`.
    "command_line/console.py": r"click\.echo",
    # Through `say`, `warn` and `printable`.
    "plugin/hatch_glue.py": r"display_info\(|display_warning\(|\.abort\(",
    # Runs in jobs: the log of a job on the cluster is no terminal.
    "locking/operation_bootstrap.py": r"std(?:out|err)\.write|print\(",
    # Bars: our own signs and numbers.
    "output/progress.py": r"stream\.write",
}
"""Files that write to a terminal, and how; docs/architecture.md has the same table."""


def test_text_leaves_in_these_places_only() -> None:
    """Whoever prints somewhere else has to think of terminals first, and to add it to both tables."""
    leaves = re.compile(
        r"(?<![\w.])print\(|click\.echo|secho\(|std(?:out|err)\.write|stream\.write|display_\w+\(|\.abort\("
    )
    package = CHECKOUT / "hatch_ytupload"
    documented = (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for file in package.rglob("*.py"):
        # Programs for other processes stand in strings.
        code = re.sub(r'""".*?"""|"[^"\n]*"', '""', file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for match in leaves.finditer(code):
            found.setdefault(file.relative_to(package).as_posix(), set()).add(match[0])
    assert set(found) == set(PLACES)
    for place, ways in found.items():
        assert all(re.fullmatch(PLACES[place], way) for way in ways), place
        assert f"`{place}`" in documented


@pytest.mark.parametrize("char", [chr(number) for number in (*range(32), *range(127, 161), 0x202E, 0x2066, 0xDC80)])
def test_each_control_character_is_escaped(char: str) -> None:
    """C0, DEL, C1, those that turn the direction of text, bytes that are not UTF-8; JSON still says the same."""
    assert one_line(f"a{char}b").isprintable()
    if char not in "\n\t":
        assert printable(f"a{char}b\n\tc").replace("\n\t", "").isprintable()
    shown = printable_json(json.dumps({"a": f"{char}b"}, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == {"a": f"{char}b"}


def test_plain_text_stays_as_it_is() -> None:
    """Whatever the language; wide characters, too."""
    for text in ("", "abc", "\u0436\u65e5\u672c \u00e9", "a\n\tb"):
        assert printable(text) == text
    assert printable("\udc80", bytes_as_they_are=True) == "\udc80"


class Calls:
    """Calls the command line in this process, and looks at every character of what it says."""

    def __init__(self, pipeline: Pipeline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = pipeline.root
        self.write = pipeline.write
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, **environ: str) -> str:
        """Return what was said."""
        with self._monkeypatch.context() as patch:
            patch.chdir(self.root)
            for name, value in environ.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main(list(arguments))
        assert isinstance(end.value.code, int)
        said, errors = self._capsys.readouterr()
        for text in (said, errors):
            assert text.replace("\n", "").isprintable(), (arguments, text)
        return said + errors


@pytest.fixture
def published(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Return what calls the command line for a pipeline with a release in a build folder on disk."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    for name, value in clean_environment().items():
        monkeypatch.setenv(name, value)
    calls = Calls(make_pipeline(tmp_path / "demo", settings=SETTINGS), capsys, monkeypatch)
    assert "packed" in calls("build")
    assert "release" in calls("publish")
    return calls


COMMANDS = [
    ("status",),
    ("history",),
    ("inspect", "current"),
    ("inspect", "1.0"),
    ("diff",),
    ("verify", "current"),
    ("publish", "--dry-run"),
    ("rollback",),
    ("rollback", EVIL),
]


def test_what_a_build_folder_says_about_itself(published: Calls) -> None:
    """Attributes, which others may write; each text in them."""
    file = published.root / ".dev/cypress/home/demo/build/.ytupload.json"
    attributes = json.loads(file.read_text())
    for names in (["published_by", "git_commit", "published_at", "tool_version"], ["project", "version"], ["release"]):
        changed = json.loads(json.dumps(attributes))
        for node in changed.values():
            node.update({name: EVIL for name in names if name in node})
        file.write_text(json.dumps(changed))
        for command in COMMANDS:
            for more in ((), ("--json",), ("-v",)):
                published(*command, *more)
    file.write_text(json.dumps(attributes).replace('"published_by"', json.dumps(EVIL)))
    for command in COMMANDS:
        published(*command)


def test_what_a_manifest_says(published: Calls) -> None:
    """Of a release and of a bundle."""
    for place in (published.root / "dist", published.root / ".dev/cypress/home/demo/build/releases"):
        (file,) = place.glob("*/manifest.json")
        manifest = json.loads(file.read_text())
        manifest["tool"]["version"] = manifest["project"]["version"] = EVIL
        manifest["git"] = {"commit": EVIL, "dirty": True}
        manifest["stages"][0]["name"] = EVIL
        file.write_text(json.dumps(manifest))
    for command in (*COMMANDS, ("inspect",), ("verify", "--rebuild")):
        for more in ((), ("--json",)):
            published(*command, *more)


def test_names_on_disk(published: Calls) -> None:
    """Files, stages, directories, links."""
    published.write({f"stages/first/src/{EVIL}.py": "import nowhere\n"})
    published.write({"stages/first/src/\udc80.txt": ""})
    for command in ("build", "check", "explain", "inspect"):
        arguments = {"explain": ["stages", f"stages/first/src/{EVIL}.py"], "inspect": ["--files"]}.get(command, [])
        for more in ((), ("--json",), ("-v",)):
            published(command, *arguments, *more)
    os.remove(os.path.join(published.root, "stages/first/src/\udc80.txt"))
    published("build")
    assert "x\\x1b]0;owned" in published("inspect", "dist/demo-1.0.ytarchive", "--files")
    published.write({f"stages/{EVIL}/src/mapper.py": ""})
    assert "\\x1b" in published("build")


def test_settings_and_configs(published: Calls) -> None:
    """Keys and values, in all files that we read, and in variables."""
    quoted = json.dumps(EVIL)
    project = '[project]\nname = "demo"\nversion = "1.0"\n[tool.ytupload]\n'
    for line in (
        f"{quoted} = 1",
        f"mode = {quoted}",
        f"upload_modules = [{quoted}]",
        f"default_environment = {quoted}",
    ):
        published.write({"pyproject.toml": f"{project}{line}\n"})
        assert "\\x1b" in published("build")
    published.write({"pyproject.toml": f"{project}{SETTINGS}"})
    for text in (
        f"{quoted}: 1\n{quoted}: 2\n",
        f"pipeline: {quoted}\n",
        f"pipeline: {{mode: {quoted}}}\n",
        f"a: {EVIL}",
    ):
        published.write({"configs/config.yaml": text})
        published("build")
    os.remove(published.root / "configs/config.yaml")
    published("build", **{f"YTUPLOAD_{EVIL}": "1", "YTUPLOAD_MODE": EVIL})
    config = f"client:\n  operations:\n    map:\n      input_table: {json.dumps('//t/' + EVIL)}\n"
    published.write({"stages/first/config.yaml": config, "stages/first/src/mapper.py": "exit(3)\n"})
    assert "packed" in published("build")
    assert "\\x1b" in published("run", "first", "map", HOME=str(published.root))


def test_the_call_itself(published: Calls) -> None:
    """It may come from a script that takes names from elsewhere."""
    for arguments in ((EVIL,), ("history", f"--{EVIL}"), ("history", "--mode", EVIL), ("-C", EVIL, "build")):
        assert published(*arguments)
    for arguments in (("inspect", EVIL), ("explain", EVIL), ("run", EVIL, EVIL), ("diff", f"//home/{EVIL}")):
        for more in ((), ("--json",)):
            assert published(*arguments, *more)


def test_who_holds_a_folder(published: Calls) -> None:
    """Whoever it is may write anything into the lock."""
    text = (published.root / "pyproject.toml").read_text()
    published.write({"pyproject.toml": f"{text}lock_wait_seconds = 0\n", "stages/first/src/new.py": ""})
    published("build")
    folder = LocalFolder(str(published.root), "//home/demo/build", wait_seconds=0)
    assert "\\x1b" in folder.change(EVIL, lambda _changes: published("publish"))


def test_what_git_says(published: Calls, tmp_path: Path) -> None:
    """Any program of that name."""
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin/git"
    git.write_text(f"#!/bin/sh\nprintf '%s' {json.dumps(EVIL)}\nprintf '%s' {json.dumps(EVIL)} >&2\nexit 128\n")
    git.chmod(0o755)
    (published.root / ".git").mkdir()
    for status in ("0", "128"):
        git.write_text(git.read_text().replace("exit 128", f"exit {status}"))
        for command in ("build", "check", "publish", "history", "inspect"):
            published(command, PATH=f"{git.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize("body", ["json", "html"])
def test_what_a_server_says(published: Calls, proxy: ProxyServer, body: str) -> None:
    """Messages and whole pages of errors."""
    environ = {"YT_PROXY": proxy.address, "YT_TOKEN": proxy.token, "YTUPLOAD_MODE": "prod"}
    for status in (400, 401, 403, 404, 500):
        proxy.faults.add(Answer(status, body=body, message=EVIL), times=1000)  # type: ignore[arg-type]
        for more in ((), ("--json", "-v")):
            assert published("history", *more, **environ)
