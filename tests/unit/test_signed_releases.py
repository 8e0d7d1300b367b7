"""Releases that are signed: what every command says to one that was tampered with, or that nobody we trust signed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from build_folders import current, make_bundle, on_cluster, on_disk, publish_to
from pipelines import CHECKOUT, Pipeline, make_pipeline, refusal
from signing_keys import allow, make_key, needs_openssh, ssh_keygen

from hatch_ytupload.build_folders.build_folder import content_of
from hatch_ytupload.build_folders.disk.folder import LocalFolder
from hatch_ytupload.command_line.cli import main
from hatch_ytupload.releases.conditions import Conditions
from hatch_ytupload.releases.fetch import fetch
from hatch_ytupload.releases.promote import promote
from hatch_ytupload.releases.published import CURRENT, find_published
from hatch_ytupload.releases.records import archive_of, directory_of, read_state
from hatch_ytupload.releases.rollback import rollback
from hatch_ytupload.releases.signatures import Signers, sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from build_folders import Bundle
    from proxy import ProxyServer

    from hatch_ytupload.build_folders.build_folder import BuildFolder, Changes

pytestmark = needs_openssh

SETTINGS = """
mode = "dev"
build_folder = "//home/demo/build"
signing_key = "keys/ann"
allowed_signers = "keys/allowed_signers"
"""
MANIFEST, SBOM, SIGNATURE, ARCHIVE = "manifest.json", "sbom.cdx.json", "manifest.json.sig", "source.tar.gz"


class Result(NamedTuple):
    """What a command has said."""

    exit_code: int
    stdout: str
    stderr: str


class Signed(NamedTuple):
    """A pipeline with two signed releases, the second of them current."""

    pipeline: Pipeline
    folder: LocalFolder
    first: str
    second: str
    capsys: pytest.CaptureFixture[str]

    @property
    def keys(self) -> Path:
        """Where the keys lie."""
        return self.pipeline.root / "keys"

    @property
    def signers(self) -> Signers:
        """Whose signatures count."""
        return Signers(str(self.keys / "allowed_signers"), None)

    def call(self, *arguments: str) -> Result:
        """Call a command in this process."""
        with pytest.raises(SystemExit) as ended:
            main(["-C", str(self.pipeline.root), *arguments])
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, *self.capsys.readouterr())

    def refused(self, *arguments: str) -> str:
        """Return the line that a command says no with."""
        result = self.call(*arguments)
        (line,) = result.stderr.splitlines()
        assert (result.exit_code, result.stdout) == (1, ""), result
        assert line.startswith("Error: "), result
        return line.removeprefix("Error: ")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, str, str]:
    """Publish two releases; the pipeline is for copying."""
    pipeline = make_pipeline(tmp_path_factory.mktemp("signed") / "demo", settings=SETTINGS)
    pipeline.write({"keys/": "", ".ytignore": "keys/\n"})
    signers = allow(pipeline.root / "keys", ("ann@example.com", "", make_key(pipeline.root / "keys", "ann")))
    bundles = [make_bundle(pipeline, text) for text in ("one", "two")]
    for bundle in bundles:
        publish_to(on_disk(pipeline.root), bundle, signers=signers, signing_key=str(pipeline.root / "keys" / "ann"))
    return pipeline, bundles[0].release, bundles[1].release


@pytest.fixture
def signed(
    tmp_path: Path,
    published: tuple[Pipeline, str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Signed:
    """Return a copy of the pipeline."""
    # The flag -C changes the directory; this puts it back.
    monkeypatch.chdir(tmp_path)
    pipeline, first, second = published
    shutil.copytree(pipeline.root, tmp_path / "demo")
    return Signed(Pipeline(tmp_path / "demo"), on_disk(tmp_path / "demo"), first, second, capsys)


def read(folder: BuildFolder, release: str, name: str) -> bytes:
    """Read a file of a release."""
    with folder.open(f"{directory_of(release)}/{name}") as file:
        return file.read(0, file.size)


def write(folder: BuildFolder, release: str, name: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change a file of a release, or take it away."""
    path = f"{directory_of(release)}/{name}"
    data = change(read(folder, release, name))

    def apply(changes: Changes) -> None:
        if data is None:
            changes.remove(path)
        else:
            changes.write(path, content_of(data))

    folder.change("tampering", apply)


def instead(new: bytes, _old: bytes) -> bytes:
    """Return other content."""
    return new


def another_archive(folder: BuildFolder, release: str) -> None:
    """Put another archive into a release, and let its record say so."""
    write(folder, release, ARCHIVE, partial(instead, b"another"))
    let_record_say(folder, release, size=len(b"another"), md5=md5_of(b"another"))


def another_manifest(folder: BuildFolder, release: str) -> None:
    """Put another manifest into a release, and let its record say so."""
    data = read(folder, release, MANIFEST).replace(b'"hatch-', b'"xatch-')
    write(folder, release, MANIFEST, partial(instead, data))
    let_record_say(folder, release, manifest_md5=md5_of(data))


def let_record_say(folder: BuildFolder, release: str, **fields: Any) -> None:
    """Change the record of a release."""
    record = read_state(folder).find(release)
    assert record is not None
    other = dataclasses.replace(record, **fields)
    folder.change("tampering", lambda changes: changes.set_attribute(directory_of(release), other.record()))


def md5_of(data: bytes) -> str:
    """Return the digest that a build folder knows."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def another_release(folder: BuildFolder, release: str) -> None:
    """Put the other release, which is signed as well, under the name of this one."""
    state = read_state(folder)
    (other,) = (record for record in state.history if record.release != release)
    for name in (MANIFEST, SBOM, SIGNATURE, ARCHIVE):
        data = read(folder, other.release, name)
        write(folder, release, name, partial(instead, data))
    record = dataclasses.replace(other, release=release)
    folder.change("tampering", lambda changes: changes.set_attribute(directory_of(release), record.record()))


TAMPERED: dict[str, tuple[Callable[[BuildFolder, str], None], str]] = {
    "manifest": (another_manifest, "does not count: "),
    "archive": (another_archive, "source.tar.gz`"),
    "another release": (another_release, "is not the manifest of this release"),
    "bill of materials": (
        lambda folder, release: write(folder, release, SBOM, lambda data: data.replace(b"demo", b"emod")),
        "is not what the manifest says",
    ),
    "no bill of materials": (lambda folder, release: write(folder, release, SBOM, lambda _data: None), SBOM),
    "signature": (
        lambda folder, release: write(folder, release, SIGNATURE, lambda data: data[:200] + b"A" + data[201:]),
        "sign",
    ),
    "no signature": (lambda folder, release: write(folder, release, SIGNATURE, lambda _data: None), "is not signed"),
    "a huge signature": (
        lambda folder, release: write(folder, release, SIGNATURE, lambda data: data * 1000),
        "is too large for a signature",
    ),
}

COMMANDS = {
    "promote": ["promote", "--to", "//home/demo/production"],
    "rollback": ["rollback"],
    "run": ["run", "first", "map"],
    "verify": ["verify"],
}


@pytest.mark.parametrize("tampered", TAMPERED)
def test_what_was_tampered_with_is_refused(signed: Signed, tampered: str) -> None:
    """In a line, by every command and the pipeline class; nothing has changed. To publish it again puts it right."""
    tamper, expected = TAMPERED[tampered]
    tamper(signed.folder, signed.first)
    for command, arguments in COMMANDS.items():
        result = signed.call(*arguments, signed.first)
        assert (result.exit_code, result.stdout.strip()) == (1, ""), result
        assert expected in result.stderr
        assert "Traceback" not in result.stderr
        # `verify` says all that is wrong.
        assert command == "verify" or len(result.stderr.splitlines()) == 1
    line = refusal(lambda: find_published(signed.folder, signed.first, pytest.fail, signers=signed.signers))
    assert expected in line
    assert current(signed.folder) == signed.second
    assert read_state(LocalFolder(str(signed.pipeline.root), "//home/demo/production")).missing
    assert signed.call("publish", str(make_bundle(signed.pipeline, "one").directory)).exit_code == 0
    assert current(signed.folder) == signed.first
    result = signed.call("verify", "current")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "signed by ann@example.com"), result


def unknown(keys: Path) -> str:
    """Allow another key only."""
    allow(keys, ("bob", "", make_key(keys, "bob")))
    return "is signed by nobody of"


def expired(keys: Path) -> str:
    """Let the key be one of former times."""
    allow(keys, ("ann", 'valid-before="20200101"', keys / "ann"))
    return "expired"


def of_another_namespace(keys: Path) -> str:
    """Let the key sign commits only."""
    allow(keys, ("ann", 'namespaces="git"', keys / "ann"))
    return "does not count: "


def revoked(keys: Path) -> str:
    """Put the key on a list of revoked ones."""
    ssh_keygen("-q", "-k", "-f", keys / "krl", keys / "ann.pub")
    pyproject = keys.parent / "pyproject.toml"
    pyproject.write_text(f'{pyproject.read_text()}revoked_keys = "keys/krl"\n')
    return "the key is revoked"


def gone(keys: Path) -> str:
    """Take away the file that says who counts."""
    (keys / "allowed_signers").unlink()
    return "`allowed_signers` must be a file"


@pytest.mark.parametrize("change", [unknown, expired, of_another_namespace, revoked, gone])
def test_a_key_that_does_not_count_is_refused(signed: Signed, change: Callable[[Path], str]) -> None:
    """In a line, by every command."""
    bundle = make_bundle(signed.pipeline, "three")
    expected = change(signed.keys)
    commands = [[*arguments, signed.first] for arguments in COMMANDS.values()]
    for command in [*commands, ["publish", str(bundle.directory)]]:
        assert expected in signed.refused(*command)
    assert current(signed.folder) == signed.second


def test_an_unsigned_bundle_is_not_published(signed: Signed) -> None:
    """The line says what to set; a dry run says it, too."""
    pyproject = signed.pipeline.root / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('signing_key = "keys/ann"\n', ""))
    bundle = make_bundle(signed.pipeline, "three")
    for options in ([], ["--dry-run"]):
        line = signed.refused("publish", *options, str(bundle.directory))
        assert line == (
            f"`demo {bundle.release}` is not signed, and `allowed_signers` is set; publish it with `signing_key`"
        )


def test_what_signed_releases_do(signed: Signed) -> None:
    """The commands work, and say who signed."""
    result = signed.call("verify", signed.first)
    assert result.stdout.splitlines()[-1] == "signed by ann@example.com"
    assert json.loads(signed.call("--json", "verify", "current").stdout)["signed_by"] == "ann@example.com"
    assert "signed by ann@example.com" in signed.call("history").stdout
    assert signed.call("rollback").exit_code == 0
    assert current(signed.folder) == signed.first
    assert signed.call("promote", "--to", "//home/demo/production").exit_code == 0
    result = signed.call("verify", "//home/demo/production")
    assert result.stdout.splitlines()[-1] == "signed by ann@example.com"
    found = find_published(signed.folder, CURRENT, pytest.fail, signers=signed.signers)
    assert found.record.signed_by == "ann@example.com"
    result = signed.call("publish", str(make_bundle(signed.pipeline, "one").directory))
    assert "nothing to upload" in result.stdout


def test_what_is_no_release_is_not_run(signed: Signed) -> None:
    """Somebody has put another archive in place of the current one."""
    signed.folder.change("tampering", lambda changes: changes.write(ARCHIVE, content_of(b"another")))
    assert "is no release, so nobody can have signed it" in signed.refused("run", "first", "map", "current")


def test_a_bundle_is_signed_by_its_publish(signed: Signed) -> None:
    """Before, `verify` says so; a signature that lies beside it has to count."""
    bundle = make_bundle(signed.pipeline, "three")
    result = signed.call("verify", str(bundle.directory))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "not signed yet: a publish does that")
    (bundle.directory / SIGNATURE).write_bytes(sign(b"something else", str(signed.keys / "ann")))
    assert "does not count" in signed.refused("verify", str(bundle.directory))
    assert "does not count" in signed.refused("run", "first", "map", str(bundle.directory))


def test_a_release_that_was_fetched_is_still_signed(signed: Signed, tmp_path: Path) -> None:
    """It comes along, counts as before, and is enough to publish it elsewhere without a key."""
    fetch(signed.folder, signed.first, str(tmp_path / "fetched"))
    result = signed.call("verify", str(tmp_path / "fetched"))
    assert result.stdout.splitlines()[-1] == "signed by ann@example.com"
    target = LocalFolder(str(tmp_path), "//home/demo/elsewhere")
    bundle = dataclasses.replace(make_bundle(signed.pipeline, "one"), archive=tmp_path / "fetched" / ARCHIVE)
    publish_to(target, bundle, signers=signed.signers)
    assert read_state(target).history[0].signed_by == "ann@example.com"
    (tmp_path / "fetched" / SIGNATURE).write_bytes(sign(b"something else", str(signed.keys / "ann")))
    other = LocalFolder(str(tmp_path), "//home/demo/other")
    assert "does not count" in refusal(lambda: publish_to(other, bundle))


def test_a_signature_is_added_to_what_has_none(signed: Signed, tmp_path: Path) -> None:
    """By a publish of the same content, and by a promotion; where there is one, a promotion keeps it."""
    key = str(make_key(tmp_path, "robot"))
    fingerprint = ssh_keygen("-l", "-f", key).decode().split()[1]
    bundle = make_bundle(signed.pipeline, "three")
    one, two, three = (LocalFolder(str(tmp_path), f"//home/demo/{number}") for number in range(3))
    publish_to(one, bundle)
    assert read_state(one).history[0].signed_by is None
    promote(one, two, None, Conditions(signing_key=key))
    assert read_state(two).history[0].signed_by == f"ED25519 key {fingerprint}"
    outcome = publish_to(one, bundle, signing_key=str(signed.keys / "ann"))
    assert outcome.changed
    assert not publish_to(one, bundle, signing_key=str(signed.keys / "ann")).changed
    promote(one, three, None, Conditions(signing_key=key))
    for folder in (one, three):
        assert find_published(folder, CURRENT, pytest.fail, signers=signed.signers).record.release == bundle.release


def test_the_lines_of_the_documentation_agree(signed: Signed) -> None:
    """What it says to do by hand, done by a shell."""
    fetch(signed.folder, signed.first, str(signed.keys / "release"))
    page = (CHECKOUT / "docs" / "signing.md").read_text(encoding="utf-8")
    _, *lines = (line[2:] for line in page.partition("## By hand")[2].splitlines() if line.startswith("$ "))
    said = [
        subprocess.run(["sh", "-c", line], cwd=signed.keys, capture_output=True, text=True, check=True).stdout
        for line in lines
    ]
    assert said[0].startswith('Good "hatch-ytupload" signature for ann@example.com with ED25519 key SHA256:')
    assert said[1] == "1\n"


@pytest.fixture
def bundles(tmp_path: Path) -> list[Bundle]:
    """Return two bundles."""
    pipeline = make_pipeline(tmp_path / "demo")
    return [make_bundle(pipeline, text) for text in ("one", "two")]


@pytest.mark.slow
def test_on_a_cluster(proxy: ProxyServer, bundles: list[Bundle], tmp_path: Path) -> None:
    """The same, with the digests that the cluster has computed."""
    signers = allow(tmp_path, ("ann", "", make_key(tmp_path, "ann")))
    asked: dict[str, Any] = {"signing_key": str(tmp_path / "ann"), "signers": signers}
    testing, production = (on_cluster(proxy, f"//home/demo/{name}") for name in ("testing", "production"))
    for bundle in bundles:
        publish_to(testing, bundle, **asked)
    first, second = (bundle.release for bundle in bundles)
    conditions = Conditions(signers=signers)
    promote(testing, production, None, conditions)
    for tamper, expected in (TAMPERED[name] for name in ("archive", "bill of materials", "signature")):
        tamper(testing, first)
        for action in (
            lambda: promote(testing, production, first, conditions),
            lambda: rollback(testing, first, conditions),
            lambda: find_published(testing, first, pytest.fail, signers=signers),
        ):
            assert expected in refusal(action)
        assert (current(testing), current(production)) == (second, second)
        publish_to(testing, bundles[0], **asked)
        rollback(testing, second, conditions)
    rollback(testing, first, conditions)
    assert current(testing) == first
    with testing.open(archive_of(first)) as file:
        assert file.read(0, file.size) == bundles[0].data
