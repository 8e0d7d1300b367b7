"""The pipeline's own `config.yaml` and `secrets.env`: what is read, what is resolved, what is said of broken ones."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from pipelines import refusal

from hatch_ytupload.configuration.pipeline_config import (
    InterpolationError,
    PipelineConfig,
    load_pipeline_config,
    load_secrets,
    load_yaml_mapping,
)
from hatch_ytupload.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def without_omegaconf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make omegaconf unimportable, as where it is not installed."""
    monkeypatch.setitem(sys.modules, "omegaconf", None)


def load(directory: Path, text: str | bytes) -> PipelineConfig:
    """Write a config and load it."""
    (directory / "configs").mkdir(exist_ok=True)
    (directory / "configs/config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    config = load_pipeline_config(str(directory), None)
    assert config is not None
    return config


def yaml_problem(directory: Path, text: str | bytes) -> str:
    """Return the one problem of a broken config."""
    with pytest.raises(SettingsError) as error:
        load(directory, text)
    (problem,) = error.value.problems
    assert problem.isprintable()
    return problem


def interpolation_problem(config: PipelineConfig, key: str) -> str:
    """Return why a key does not resolve."""
    with pytest.raises(InterpolationError) as error:
        config.get(key)
    assert str(error.value).isprintable()
    return str(error.value)


class TestYaml:
    """Reading the file."""

    def test_values_are_found_by_dotted_key(self, tmp_path: Path) -> None:
        """A key leads through mappings, and to None where there is nothing."""
        config = load(tmp_path, "pipeline:\n  mode: dev\n  list: [1, 2]\nflat: 1\n")
        assert config.get("pipeline.mode") == "dev"
        assert config.get("pipeline.list") == [1, 2]
        assert config.get("pipeline.missing") is None
        assert config.get("missing.mode") is None
        assert config.get("flat.mode") is None

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
    def test_an_empty_file_is_an_empty_mapping(self, tmp_path: Path, text: str) -> None:
        """A config with only comments says nothing."""
        assert load(tmp_path, text).get("pipeline") is None

    def test_the_default_config_may_be_missing(self, tmp_path: Path) -> None:
        """No `configs/config.yaml`: no config."""
        assert load_pipeline_config(str(tmp_path), None) is None

    def test_a_named_config_may_not_be_missing(self, tmp_path: Path) -> None:
        """What the user names must exist."""
        with pytest.raises(SettingsError) as error:
            load_pipeline_config(str(tmp_path), "configs/prod.yaml")
        assert error.value.problems == (f"the pipeline's config `configs/prod.yaml` does not exist in `{tmp_path}`",)

    @pytest.mark.parametrize("name", [None, "configs/config.yaml"])
    def test_a_link_that_leads_nowhere_is_no_missing_config(self, tmp_path: Path, name: str | None) -> None:
        """A dangling link is a mistake, not the absence of a config."""
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs/config.yaml").symlink_to("gone.yaml")
        assert (
            refusal(lambda: load_pipeline_config(str(tmp_path), name))
            == "cannot read `configs/config.yaml`: No such file or directory"
        )

    def test_a_directory_is_no_config(self, tmp_path: Path) -> None:
        """A directory in its place is named."""
        (tmp_path / "configs/config.yaml").mkdir(parents=True)
        assert (
            refusal(lambda: load_pipeline_config(str(tmp_path), None))
            == "cannot read `configs/config.yaml`: Is a directory"
        )

    def test_data_is_no_configuration(self, tmp_path: Path) -> None:
        """Parsed it would fill the memory."""
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs/config.yaml").write_bytes(b"a: [" + b"x," * (1 << 20) + b"]\n")
        assert (
            refusal(lambda: load_pipeline_config(str(tmp_path), None))
            == "`configs/config.yaml` is larger than 2 MiB: keep data out of it"
        )

    def test_a_fifo_does_not_stop_everything(self, tmp_path: Path) -> None:
        """Nobody waits for the other end of a FIFO."""
        (tmp_path / "configs").mkdir()
        os.mkfifo(tmp_path / "configs/config.yaml")
        assert (
            refusal(lambda: load_pipeline_config(str(tmp_path), None))
            == "cannot read `configs/config.yaml`: it is no regular file"
        )

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a: [1, 2", "is not valid YAML: line 2, column 1: did not find expected ',' or ']'"),
            ("a: 1\n\tb: 2", "is not valid YAML: line 2, column 1: found a tab character that violates indentation"),
            ("a: 1\na b\n", "is not valid YAML: line 3, column 1: could not find expected ':'"),
            ("? [a]\n: b\n", "is not valid YAML: line 1, column 3: found unhashable key"),
            (b"a: \xff\xfe", "is not valid YAML: line 1 is not UTF-8: save the file in that encoding"),
            (b"a: 1\nb: \xe9\n", "is not valid YAML: line 2 is not UTF-8: save the file in that encoding"),
            ("a: 1\n---\nb: 2\n", "line 2, column 1: expected a single document in the stream, but found "),
            (b"a: \0", "is not valid YAML: unacceptable character #x0000: control characters are not allowed"),
            ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor for the tag"),
            ("a: !!bool perhaps", "is not valid YAML: a value does not fit its tag: 'perhaps'"),
            ("a: !!timestamp now", "is not valid YAML: a value does not fit its tag: "),
            ("a: !!int ''", "is not valid YAML: a value does not fit its tag: "),
            pytest.param("[\n" * 20_000, "is not valid YAML: it nests too deep", id="nested lists"),
            pytest.param("- " * 20_000, "is not valid YAML: it nests too deep", id="nested items"),
            ("- a", "must be a mapping at its top level, found the array ['a']"),
            ("5", "must be a mapping at its top level, found the integer 5"),
        ],
        ids=str,
    )
    def test_what_is_broken_is_named_with_its_place(self, tmp_path: Path, text: str | bytes, problem: str) -> None:
        """Malformed YAML is one line, with line and column where the parser knows them."""
        shown = yaml_problem(tmp_path, text)
        assert shown.startswith("`configs/config.yaml` ")
        assert problem in shown

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "pipeline:\n  a: 1\n  b: 2\n  a: 3\n",
                "line 4: duplicate key `a`, which stands in line 2 already: remove one",
            ),
            ("pipeline: {a: {b: 1, 'b': 2}}", "line 1: duplicate key `b`, which stands in line 1 already: remove one"),
            ("x: [{1: 2, 1: 3}]", "line 1: duplicate key `1`, which stands in line 1 already: remove one"),
            ("a: 1\n? a\n: 2", "line 2: duplicate key `a`, which stands in line 1 already: remove one"),
            ("pipeline: [a]", "line 1: `pipeline` must be a mapping, found a list"),
            ("a: 1\nstages: all\n", "line 2: `stages` must be a mapping, found `all`"),
            ("stages: 5\n", "line 1: `stages` must be a mapping, found `5`"),
            ("a: 1\nb:\n  - c: 'x ${d'\n", "line 3: `${` without its `}` in `x ${d`"),
            ("a: ${b.${c}", "line 1: `${` without its `}` in `${b.${c}`"),
            ("a: '\\\\${b'", "line 1: `${` without its `}` in `\\\\${b`"),
        ],
    )
    def test_what_yt_framework_refuses_is_refused(self, tmp_path: Path, text: str, problem: str) -> None:
        """Although YAML lets it pass; wherever it stands."""
        assert yaml_problem(tmp_path, text) == f"`configs/config.yaml`, {problem}"

    @pytest.mark.parametrize(
        "text",
        [
            "pipeline:\nstages: null\n",
            "a: &x {k: 1}\nb: &y {<<: *x, k: 2}\nc: {<<: *y, k: 3}\n",
            "c: &c {k: 1}\na: {<<: [*c, {k: 2}], k: 3}\n",
            "a: '\\${b'\n'${x': 1\n",
            "a: '${b} }'\nb: '}'\n",
        ],
    )
    def test_what_yt_framework_takes_is_taken(self, tmp_path: Path, text: str) -> None:
        """Empty sections, merges over merges, references that are plain text."""
        load(tmp_path, text)
        OmegaConf.load(tmp_path / "configs/config.yaml")

    def test_every_repeated_key_is_named(self, tmp_path: Path) -> None:
        """All at once."""
        with pytest.raises(SettingsError) as error:
            load(tmp_path, "a: {x: 1, x: 2}\nb: 1\nb: 2\n")
        assert len(error.value.problems) == 2

    @pytest.mark.parametrize("date", ["2026-01-02", "2026-13-45", "2026-01-02 03:04:05"])
    def test_dates_are_text(self, tmp_path: Path, date: str) -> None:
        """YT Framework reads dates as text too; one that does not exist is no error."""
        assert load(tmp_path, f"start: {date}").get("start") == date

    @given(st.text(alphabet=":-[]{}#&*!|>'\"%@`,? \n\tab01.~$=<", max_size=40))
    def test_any_text_is_a_mapping_or_one_problem(self, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
        """Whatever stands in a config, reading it ends in a mapping or in a `SettingsError` of one line."""
        path = tmp_path_factory.getbasetemp() / "any.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            content = load_yaml_mapping(str(path), "any.yaml")
        except SettingsError as error:
            (problem,) = error.problems
            assert problem.isprintable()
        else:
            assert isinstance(content, dict)


class TestInterpolation:
    """`${...}` in values."""

    def test_a_reference_is_resolved(self, tmp_path: Path) -> None:
        """Values may refer to others of the same file."""
        config = load(tmp_path, "user: me\npipeline:\n  build_folder: //home/${user}/build\n")
        assert config.get("pipeline.build_folder") == "//home/me/build"

    def test_references_in_lists_and_tables_are_resolved(self, tmp_path: Path) -> None:
        """A list comes out as a list, whatever is nested in it."""
        config = load(tmp_path, "lib: geo\npaths:\n- source: lib/${lib}\n- {source: x, target: '${lib}'}\n")
        assert config.get("paths") == [{"source": "lib/geo"}, {"source": "x", "target": "geo"}]

    def test_a_table_that_is_a_reference_is_followed(self, tmp_path: Path) -> None:
        """What is looked for may lie behind a reference on the way."""
        config = load(tmp_path, "defaults: {upload_modules: [geo]}\npipeline: ${defaults}\n")
        assert config.get("pipeline.upload_modules") == ["geo"]

    def test_dates_elsewhere_do_not_matter(self, tmp_path: Path) -> None:
        """A value that omegaconf has no type for must not spoil another."""
        config = load(tmp_path, "start: 2026-01-02\nuser: me\nfolder: //home/${user}\n")
        assert config.get("folder") == "//home/me"

    def test_the_environment_is_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Omegaconf's own resolver `oc.env` works."""
        monkeypatch.setenv("DEPLOY_TO", "prod")
        assert load(tmp_path, "mode: ${oc.env:DEPLOY_TO}").get("mode") == "prod"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("key: ${missing}", "Interpolation key 'missing' not found"),
            ("key: ${oc.env:NOT_SET_ANYWHERE}", "Environment variable 'NOT_SET_ANYWHERE' not found"),
            ("key: ${unknown:1}", "Unsupported interpolation type unknown"),
            ("key: ${open:}}", ""),
            ("key: ['${missing}']", "Interpolation key 'missing' not found"),
            ("key: ${other}\nother: ${key}", ""),
            ("key: &x ['${a}', *x]\na: 1", ""),
        ],
    )
    def test_what_does_not_resolve_is_named(self, tmp_path: Path, text: str, problem: str) -> None:
        """The message names key and file and gives omegaconf's reason."""
        shown = interpolation_problem(load(tmp_path, text), "key")
        assert shown.startswith("`key` in `configs/config.yaml` does not resolve: ")
        assert problem in shown

    @pytest.mark.usefixtures("without_omegaconf")
    def test_without_omegaconf_the_way_out_is_shown(self, tmp_path: Path) -> None:
        """The value cannot be had, and the message says what is missing."""
        config = load(tmp_path, "key: ${a}\na: 1\n")
        assert interpolation_problem(config, "key") == (
            "`key` in `configs/config.yaml` uses `${...}`, which needs omegaconf in this environment: "
            "add `hatch-ytupload[interpolation]` to its requirements, or write the value out"
        )

    @pytest.mark.usefixtures("without_omegaconf")
    def test_values_without_references_need_no_omegaconf(self, tmp_path: Path) -> None:
        """Only what is asked for counts."""
        assert load(tmp_path, "key: plain\nother: ${key}\n").get("key") == "plain"

    def test_a_list_that_holds_itself_is_returned(self, tmp_path: Path) -> None:
        """YAML anchors can tie knots; whoever reads the value judges it."""
        value = load(tmp_path, "key: &x [*x]").get("key")
        assert value[0] is value

    @pytest.mark.usefixtures("without_omegaconf")
    def test_the_name_of_the_file_stays_on_one_line(self) -> None:
        """Names of files may hold anything."""
        assert "`a\\nb.yaml`" in interpolation_problem(PipelineConfig("a\nb.yaml", {"key": "${x}"}), "key")


class TestSecrets:
    """`configs/secrets.env`."""

    def write(self, directory: Path, content: bytes) -> None:
        """Write the file."""
        (directory / "configs").mkdir()
        (directory / "configs/secrets.env").write_bytes(content)

    def test_pairs_are_read(self, tmp_path: Path) -> None:
        """Lines of `KEY=value`; nothing is unquoted or expanded, comments and other lines are passed over."""
        self.write(tmp_path, b"# A=1\nYT_PROXY = hahn \n\nYT_TOKEN='a=b'\nEMPTY=\nno pair\n")
        secrets = load_secrets(str(tmp_path))
        assert dict(secrets) == {"YT_PROXY": "hahn", "YT_TOKEN": "'a=b'", "EMPTY": ""}
        assert secrets.get("YT_PROXY") == "hahn"
        assert secrets.get("EMPTY") is None
        assert secrets.get("MISSING") is None

    def test_a_missing_file_is_empty(self, tmp_path: Path) -> None:
        """There need not be any secrets."""
        assert dict(load_secrets(str(tmp_path))) == {}

    def test_values_are_not_shown(self, tmp_path: Path) -> None:
        """`repr` lists names alone."""
        self.write(tmp_path, b"YT_TOKEN=hush\nA=hush\n")
        assert repr(load_secrets(str(tmp_path))) == "<Secrets: A, YT_TOKEN>"

    def test_a_broken_file_is_not_quoted(self, tmp_path: Path) -> None:
        """A file that is not UTF-8 is named, and none of its bytes are."""
        self.write(tmp_path, b"YT_TOKEN=hush\xff\n")
        with pytest.raises(SettingsError) as error:
            load_secrets(str(tmp_path))
        assert error.value.problems == ("cannot read `configs/secrets.env`: it is not UTF-8",)

    def test_a_directory_is_named(self, tmp_path: Path) -> None:
        """What cannot be read is said."""
        (tmp_path / "configs/secrets.env").mkdir(parents=True)
        assert refusal(lambda: load_secrets(str(tmp_path))) == "cannot read `configs/secrets.env`: Is a directory"
