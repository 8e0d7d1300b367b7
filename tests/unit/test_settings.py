"""`[tool.ytupload]`, the pipeline's config and the environment become one frozen value, or a list of all problems."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipelines import Pipeline, make_pipeline

from hatch_ytupload.configuration.keys import KEYS, command_flag
from hatch_ytupload.configuration.settings import Settings, load_settings
from hatch_ytupload.configuration.values import Target, UploadPath
from hatch_ytupload.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = "configs/config.yaml"


def problems(pipeline: Pipeline, table: object, **arguments: Any) -> list[str]:
    """Return every problem of a table, each of them one line."""
    with pytest.raises(SettingsError) as error:
        load_settings(str(pipeline.root), table, **{"environ": {}, **arguments})
    assert all(problem.isprintable() for problem in error.value.problems)
    assert str(error.value) == "\n".join(error.value.problems)
    return list(error.value.problems)


@pytest.fixture
def without_omegaconf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make omegaconf unimportable, as where it is not installed."""
    monkeypatch.setitem(sys.modules, "omegaconf", None)


class TestTable:
    """What stands in `pyproject.toml`."""

    def test_an_empty_table_means_the_defaults(self, pipeline: Pipeline) -> None:
        """Every setting has the default that the documentation gives it."""
        settings = pipeline.settings({})
        root = str(pipeline.root)
        assert settings == Settings(
            project_root=root,
            pipeline_dir=root,
            upload_modules=(),
            upload_paths=(),
            build_folder=None,
            mode="prod",
            proxy=None,
            stages="all",
            stages_are_enabled_ones=False,
            standalone_wrappers=False,
            keep_releases=10,
            unique_versions=False,
            node_attributes=(),
            provided_modules=(),
            max_archive_mb=100,
            target=None,
            stage_targets=(),
            signing_key=None,
            allowed_signers=None,
            revoked_keys=None,
            lock_wait_seconds=300,
            request_timeout_seconds=20,
            request_attempts=5,
            config_name=None,
            secrets=settings.secrets,
        )

    def test_every_setting_is_read(self, pipeline: Pipeline) -> None:
        """Every key of the table arrives in the settings, in its typed form."""
        pipeline.write({"ads/configs/prod.yaml": "", "ads/": ""})
        given: dict[str, tuple[object, object]] = {
            "pipeline_dir": ("ads", str(pipeline.root / "ads")),
            "config": ("configs/prod.yaml", None),
            "upload_modules": ("geo", ("geo",)),
            "upload_paths": ([{"source": "lib", "target": "x"}], (UploadPath("lib", "x"),)),
            "build_folder": ("//home/ads/", "//home/ads"),
            "mode": ("DEV", "dev"),
            "proxy": ("hahn", "hahn"),
            "stages": (["first"], ("first",)),
            "standalone_wrappers": (True, True),
            "keep_releases": (0, 0),
            "unique_versions": (True, True),
            "node_attributes": ({"replication_factor": 5}, (("replication_factor", 5),)),
            "provided_modules": (["numpy"], ("numpy",)),
            "max_archive_mb": (1.5, 1.5),
            "target": ({"python": "3.11", "platform": "linux"}, Target("3.11", "linux")),
            "stage_targets": ({"x": {"python": "3.9", "platform": "linux"}}, (("x", Target("3.9", "linux")),)),
            "signing_key": ("keys/id", str(pipeline.root / "keys" / "id")),
            "allowed_signers": ("~/signers", os.path.expanduser("~/signers")),
            "revoked_keys": ("/etc/krl", "/etc/krl"),
            "lock_wait_seconds": (0, 0),
            "request_timeout_seconds": (0.5, 0.5),
            "request_attempts": (1, 1),
        }
        assert set(given) == set(KEYS)
        settings = pipeline.settings({key: value for key, (value, _) in given.items()})
        for key, (_, expected) in given.items():
            if key != "config":
                assert getattr(settings, key) == expected, key
        assert settings.config_name == "configs/prod.yaml"
        assert settings.warnings == settings.deferred_problems == ()

    def test_revoked_keys_alone_protect_nobody(self, pipeline: Pipeline) -> None:
        """So it is said; an environment may have its own files."""
        (warning,) = pipeline.settings({"revoked_keys": "krl"}).warnings
        assert warning.startswith("`tool.ytupload.revoked_keys` counts for nothing without `allowed_signers`")
        table = {"revoked_keys": "krl", "environments": {"production": {"allowed_signers": "signers"}}}
        settings = load_settings(str(pipeline.root), table, environment="production", environ={})
        assert (settings.allowed_signers, settings.warnings) == (str(pipeline.root / "signers"), ())

    @pytest.mark.parametrize("key", KEYS)
    def test_a_wrong_type_names_key_finding_and_expectation(self, pipeline: Pipeline, key: str) -> None:
        """No setting takes a table; the message begins with the key and ends with what was found."""
        (problem,) = problems(pipeline, {key: {"a": 1}})
        assert problem.startswith(f"`tool.ytupload.{key}` must be ")
        assert problem.endswith(", found the table {'a': 1}")

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("replication_factor", 21, "a whole number from 1 to 20, found the integer 21"),
            ("replication_factor", 0, "a whole number from 1 to 20, found the integer 0"),
            ("replication_factor", True, "a whole number from 1 to 20, found the boolean True"),
            ("primary_medium", "", 'a name, found the string ""'),
            ("account", 5, "a name, found the integer 5"),
        ],
    )
    def test_a_wrong_attribute_of_nodes_is_named(
        self, pipeline: Pipeline, name: str, value: object, expected: str
    ) -> None:
        """With what it may be."""
        (problem,) = problems(pipeline, {"node_attributes": {name: value}})
        assert problem == f"`tool.ytupload.node_attributes` must be a table whose `{name}` is {expected}"

    @pytest.mark.parametrize("table", ["x", 5, None, ["a"]])
    def test_what_is_no_table_is_one_problem(self, pipeline: Pipeline, table: object) -> None:
        """`tool.ytupload` itself may have the wrong type."""
        (problem,) = problems(pipeline, table)
        assert problem.startswith("`tool.ytupload` must be a table, found ")

    @pytest.mark.parametrize(
        ("key", "hint"),
        [
            ("upload_module", "did you mean `upload_modules`?"),
            ("upload-paths", "did you mean `upload_paths`?"),
            ("Mode", "did you mean `mode`?"),
            ("pipelinedir", "did you mean `pipeline_dir`?"),
            ("x", f"known keys: {', '.join(KEYS)}, environments, default_environment"),
        ],
    )
    def test_an_unknown_key_is_an_error_with_a_hint(self, pipeline: Pipeline, key: str, hint: str) -> None:
        """A key that is nearly right is hinted at; otherwise all keys are listed."""
        assert problems(pipeline, {key: 1}) == [f"`tool.ytupload.{key}` is not a known setting; {hint}"]

    def test_an_unknown_key_stays_on_one_line(self, pipeline: Pipeline) -> None:
        """TOML keys may hold anything."""
        (problem,) = problems(pipeline, {"a\nb": 1})
        assert problem.startswith("`tool.ytupload.a\\nb` is not")

    def test_all_problems_are_reported_at_once(self, pipeline: Pipeline) -> None:
        """One pass finds what is wrong in the table, in the config and in the environment."""
        pipeline.write({CONFIG: "pipeline: {upload_modules: 5}\n"})
        table = {"mod": 1, "keep_releases": -1, "stages": 5, "proxy": 3}
        found = problems(pipeline, table, environ={"YTUPLOAD_MODE": "test"}, overrides={"build_folder": "home"})
        assert found == [
            "`tool.ytupload.mod` is not a known setting; did you mean `mode`?",
            "`pipeline.upload_modules` in `configs/config.yaml` must be a list of module names, found the integer 5",
            (
                "option `-o build_folder` must be the path of a Cypress folder such as `//home/project/build`, "
                'found the string "home"'
            ),
            'environment variable `YTUPLOAD_MODE` must be "prod" or "dev", found the string "test"',
            "`tool.ytupload.proxy` must be a string, found the integer 3",
            '`tool.ytupload.stages` must be "all", "enabled" or a list of stage names, found the integer 5',
            "`tool.ytupload.keep_releases` must be a whole number, 0 or more, found the integer -1",
        ]

    def test_settings_cannot_be_changed_and_can_be_keys(self, pipeline: Pipeline) -> None:
        """The value is frozen through and through."""
        pipeline.write({CONFIG: "stages: {enabled_stages: [first]}\n"})
        settings = pipeline.settings(
            {"upload_paths": [{"source": "lib"}], "stages": "enabled", "upload_modules": ["a"]}
        )
        assert hash(settings) == hash(settings)
        with pytest.raises(dataclasses.FrozenInstanceError):
            settings.mode = "dev"  # type: ignore[misc] # that it is refused is the point

    def test_the_same_places_give_equal_settings(self, pipeline: Pipeline) -> None:
        """Two readings of the same files compare equal, secrets included."""
        pipeline.write({"configs/secrets.env": "YT_PROXY=hahn\n"})
        assert pipeline.settings({}) == pipeline.settings({})


class TestPipelineDirectory:
    """`pipeline_dir`."""

    def test_it_is_resolved(self, pipeline: Pipeline) -> None:
        """A link inside the project is followed."""
        pipeline.write({"real/": ""}).link("linked", "real")
        assert pipeline.settings({"pipeline_dir": "linked"}).pipeline_dir == str(pipeline.root / "real")
        assert pipeline.settings({"pipeline_dir": "./real/../real"}).pipeline_dir == str(pipeline.root / "real")

    def test_it_must_exist(self, pipeline: Pipeline) -> None:
        """A missing directory is named as it is written."""
        line = "`tool.ytupload.pipeline_dir` must be a directory, and `missing` is none"
        assert problems(pipeline, {"pipeline_dir": "missing"}) == [line]

    def test_it_must_be_a_directory(self, pipeline: Pipeline) -> None:
        """So is a file in its place."""
        line = "`tool.ytupload.pipeline_dir` must be a directory, and `pyproject.toml` is none"
        assert problems(pipeline, {"pipeline_dir": "pyproject.toml"}) == [line]

    @pytest.mark.parametrize("path", ["..", "../demo-2", "sub/../../demo-2", "link"])
    def test_it_must_not_leave_the_project(self, pipeline: Pipeline, path: str) -> None:
        """Neither by `..` nor by a link; a neighbour whose name begins alike is outside too."""
        outside = pipeline.root.parent / "demo-2"
        outside.mkdir()
        pipeline.write({"sub/": ""}).link("link", outside)
        (problem,) = problems(pipeline, {"pipeline_dir": path})
        leads_to = pipeline.root.parent if path == ".." else outside
        assert problem == (
            "`tool.ytupload.pipeline_dir` must stay inside the project root, "
            f"and `{path}` leads out of it, to `{leads_to}`"
        )

    def test_other_problems_are_reported_with_it(self, pipeline: Pipeline) -> None:
        """What can be checked without the directory is."""
        found = problems(pipeline, {"pipeline_dir": "missing", "modus": 1, "keep_releases": "x"})
        assert len(found) == 3


class TestConfig:
    """The pipeline's own config beside the table."""

    def test_values_come_from_the_config(self, pipeline: Pipeline) -> None:
        """What the table leaves out, the config says."""
        pipeline.write(
            {
                CONFIG: "stages: {enabled_stages: [first, second]}\n"
                "pipeline:\n  mode: dev\n  build_folder: //home/x\n  upload_modules: [a, b]\n"
                "  upload_paths:\n  - {source: lib, target: y}\n"
            }
        )
        settings = pipeline.settings({"stages": "enabled"})
        assert settings.mode == "dev"
        assert settings.build_folder == "//home/x"
        assert settings.upload_modules == ("a", "b")
        assert settings.upload_paths == (UploadPath("lib", "y"),)
        assert settings.stages == ("first", "second")
        assert settings.stages_are_enabled_ones
        assert settings.config_name == CONFIG

    def test_null_is_absent(self, pipeline: Pipeline) -> None:
        """A key with nothing behind it says nothing."""
        pipeline.write({CONFIG: "pipeline:\n  mode:\n  build_folder: null\n  upload_modules:\n  upload_paths:\n"})
        settings = pipeline.settings({})
        assert (settings.mode, settings.build_folder, settings.upload_modules) == ("prod", None, ())

    @pytest.mark.parametrize(
        ("key", "in_config", "in_table"),
        [
            ("mode", "dev", "prod"),
            ("build_folder", "//home/a", "//home/b"),
            ("upload_modules", ["a"], ["b"]),
            ("upload_modules", ["a"], []),
            ("upload_paths", [{"source": "a"}], [{"source": "b"}]),
        ],
    )
    def test_the_table_wins_and_a_warning_names_both_places(
        self, pipeline: Pipeline, key: str, in_config: object, in_table: object
    ) -> None:
        """Different values in both sources: the table's is used, and the user is told."""
        pipeline.write({CONFIG: f"pipeline: {{{key}: {in_config}}}\n"})
        settings = pipeline.settings({key: in_table})
        assert getattr(settings, key) == getattr(pipeline.settings({key: in_table, "config": False}), key)
        assert settings.warnings == (
            (
                f"`tool.ytupload.{key}` in `pyproject.toml` and `pipeline.{key}` in `configs/config.yaml` differ: "
                "the first is used; remove one of them"
            ),
        )

    @pytest.mark.parametrize(
        ("key", "in_config", "in_table"),
        [
            ("mode", "PROD", "prod"),
            ("build_folder", "//home/a/", "//home/a"),
            ("upload_modules", "a", ["a"]),
            ("upload_paths", [{"source": "a", "target": ""}], [{"source": "a"}]),
        ],
    )
    def test_equal_values_need_no_warning(
        self, pipeline: Pipeline, key: str, in_config: object, in_table: object
    ) -> None:
        """Two spellings of one value are no conflict."""
        pipeline.write({CONFIG: f"pipeline: {{{key}: {in_config}}}\n"})
        assert pipeline.settings({key: in_table}).warnings == ()

    @pytest.mark.parametrize(
        ("config", "slip", "meant"),
        [
            ("pipelin: {mode: dev}", "pipelin", "pipeline"),
            ("pipeline: {upload_module: [a]}", "pipeline.upload_module", "pipeline.upload_modules"),
            ("pipeline: {build_foldr: //home/a}", "pipeline.build_foldr", "pipeline.build_folder"),
            ("stages: {enabled_stage: [a]}", "stages.enabled_stage", "stages.enabled_stages"),
        ],
    )
    def test_slips_of_the_pen_are_warned_about(self, pipeline: Pipeline, config: str, slip: str, meant: str) -> None:
        """Where nothing else says what was meant."""
        pipeline.write({CONFIG: config})
        assert pipeline.settings({}).warnings == (
            f"`{slip}` in `configs/config.yaml` is read by nobody; did you mean `{meant}`?",
        )

    @pytest.mark.parametrize(
        "config",
        [
            "pipeline: {build_code_dir: x, modules: [], 5: x, path: x}\nstage: {}\nstages: {x: []}\n5: x\n",
            "pipeline: {upload_modules: [], upload_module: [a]}",
            "pipeline: ${base}\nbase: {upload_module: [a]}",
        ],
    )
    def test_other_keys_are_none_of_our_business(self, pipeline: Pipeline, config: str) -> None:
        """A pipeline's config holds much more than what we read."""
        assert pipeline.write({CONFIG: config}).settings({}).warnings == ()

    def test_false_reads_none(self, pipeline: Pipeline) -> None:
        """With `config = false` the file need not even be right."""
        pipeline.write({CONFIG: "pipeline: [\n"})
        settings = pipeline.settings({"config": False})
        assert settings.config_name is None
        assert settings.mode == "prod"

    def test_another_file_can_be_named(self, pipeline: Pipeline) -> None:
        """By the table, by the variable, by a flag: the later wins."""
        for name in ("a", "b", "c"):
            pipeline.write({f"configs/{name}.yaml": f"pipeline: {{build_folder: //home/{name}}}\n"})
        table = {"config": "configs/a.yaml"}
        environ = {"YTUPLOAD_CONFIG": "configs/b.yaml"}
        assert pipeline.settings(table).build_folder == "//home/a"
        assert pipeline.settings(table, environ=environ).build_folder == "//home/b"
        assert pipeline.settings(table, environ=environ, config="configs/c.yaml").build_folder == "//home/c"

    def test_a_named_config_must_exist(self, pipeline: Pipeline) -> None:
        """The default one may be missing, a named one may not."""
        line = f"the pipeline's config `configs/prod.yaml` does not exist in `{pipeline.root}`"
        assert problems(pipeline, {"config": "configs/prod.yaml"}) == [line]
        assert problems(pipeline, {"config": CONFIG}) == [line.replace("prod", "config")]

    def test_malformed_yaml_is_one_problem_among_others(self, pipeline: Pipeline) -> None:
        """A broken config does not hide what is wrong elsewhere."""
        pipeline.write({CONFIG: "a: b: c\n"})
        found = problems(pipeline, {"mode": "x"})
        assert found == [
            "`configs/config.yaml` is not valid YAML: line 1, column 5: mapping values are not allowed in this context",
            '`tool.ytupload.mode` must be "prod" or "dev", found the string "x"',
        ]

    def test_wrong_values_in_it_name_the_file(self, pipeline: Pipeline) -> None:
        """A wrong type is reported with the key and the file where it stands."""
        pipeline.write({CONFIG: "pipeline: {upload_modules: {a: 1}}\nstages: {enabled_stages: 5}\n"})
        assert problems(pipeline, {"stages": "enabled"}) == [
            (
                "`pipeline.upload_modules` in `configs/config.yaml` must be a list of module names, "
                "found the table {'a': 1}"
            ),
            "`stages.enabled_stages` in `configs/config.yaml` must be a list of stage names, found the integer 5",
        ]

    @pytest.mark.parametrize(
        ("files", "table", "reason"),
        [
            ({CONFIG: "stages: {}\n"}, {}, "`configs/config.yaml` has no list `stages.enabled_stages`"),
            ({}, {}, "there is no `configs/config.yaml`"),
            ({CONFIG: "stages: {enabled_stages: [a]}\n"}, {"config": False}, "`config` is false"),
        ],
    )
    def test_enabled_needs_the_list(
        self, pipeline: Pipeline, files: dict[str, str | bytes], table: dict[str, object], reason: str
    ) -> None:
        """`stages = "enabled"` without the config's list is an error that says what is missing."""
        pipeline.write(files)
        line = f'`tool.ytupload.stages` is "enabled", and {reason}'
        assert problems(pipeline, {"stages": "enabled", **table}) == [line]


class TestEnvironments:
    """Tables that override the settings, one of which counts."""

    TABLE: ClassVar[dict[str, Any]] = {
        "build_folder": "//home/testing",
        "keep_releases": 3,
        "environments": {
            "prod": {"build_folder": "//home/prod", "keep_releases": 0, "confirm": True},
            "stage": {"proxy": "other"},
        },
    }

    def test_none_counts_when_none_is_named(self, pipeline: Pipeline) -> None:
        """The keys above are as they are."""
        settings = pipeline.settings(self.TABLE)
        assert (settings.environment, settings.build_folder, settings.confirm) == (None, "//home/testing", False)

    def test_one_overrides_any_key(self, pipeline: Pipeline) -> None:
        """And leaves the others; `false` and 0 are values."""
        load = partial(load_settings, str(pipeline.root), self.TABLE, environ={})
        prod, stage = load(environment="prod"), load(environment="stage")
        assert (prod.environment, prod.build_folder, prod.keep_releases, prod.confirm) == (
            "prod",
            "//home/prod",
            0,
            True,
        )
        assert (stage.build_folder, stage.proxy, stage.keep_releases, stage.confirm) == (
            "//home/testing",
            "other",
            3,
            False,
        )

    def test_it_is_named_in_three_places(self, pipeline: Pipeline) -> None:
        """The option wins over the variable, that over the default."""
        table = {**self.TABLE, "default_environment": "stage"}
        load = partial(load_settings, str(pipeline.root), table)
        assert load(environ={}).environment == "stage"
        assert load(environ={"YTUPLOAD_ENVIRONMENT": ""}).environment == "stage"
        assert load(environ={"YTUPLOAD_ENVIRONMENT": "prod"}).environment == "prod"
        assert load(environ={"YTUPLOAD_ENVIRONMENT": "nope"}, environment="prod").environment == "prod"

    def test_variables_and_options_win_over_its_table(self, pipeline: Pipeline) -> None:
        """As they do over the one above it."""
        environ = {"YTUPLOAD_ENVIRONMENT": "prod", "YTUPLOAD_BUILD_FOLDER": "//home/variable"}
        load = partial(load_settings, str(pipeline.root), self.TABLE, environ=environ)
        assert load().build_folder == "//home/variable"
        assert load(overrides={"build_folder": "//home/option"}).build_folder == "//home/option"

    def test_a_pipeline_of_its_own(self, pipeline: Pipeline) -> None:
        """Even what is read before the rest can be overridden."""
        pipeline.write({"other/configs/x.yaml": "pipeline: {mode: dev}\n"})
        table = {"environments": {"other": {"pipeline_dir": "other", "config": "configs/x.yaml"}}}
        settings = load_settings(str(pipeline.root), table, environ={}, environment="other")
        assert (settings.pipeline_dir, settings.mode) == (str(pipeline.root / "other"), "dev")

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (
                {"environment": "prd"},
                "option `-o environment` names no environment, `prd`: there are `prod`, `stage`; did you mean `prod`?",
            ),
            (
                {"environment": "x\n", "spelling": command_flag},
                "option `--environment` names no environment, `x\\n`: there are `prod`, `stage`",
            ),
            (
                {"environ": {"YTUPLOAD_ENVIRONMENT": "production"}},
                (
                    "environment variable `YTUPLOAD_ENVIRONMENT` names no environment, `production`: "
                    "there are `prod`, `stage`; did you mean `prod`?"
                ),
            ),
        ],
    )
    def test_an_unknown_name_lists_those_there_are(
        self, pipeline: Pipeline, arguments: dict[str, Any], problem: str
    ) -> None:
        """With the place that names it, and the nearest."""
        assert problems(pipeline, self.TABLE, **arguments) == [problem]

    @pytest.mark.parametrize(
        ("table", "problem"),
        [
            ({"environments": 5}, "`tool.ytupload.environments` must be a table, found the integer 5"),
            ({"environments": {"a": 5}}, "`tool.ytupload.environments.a` must be a table, found the integer 5"),
            (
                {"environments": {"a": {"mod": "dev"}}},
                "`tool.ytupload.environments.a.mod` is not a known setting; did you mean `mode`?",
            ),
            (
                {"environments": {"a": {"environments": {}}}},
                (
                    "`tool.ytupload.environments.a.environments` is not a known setting; "
                    f"known keys: {', '.join(KEYS)}, confirm"
                ),
            ),
            (
                {"environments": {"a": {"mode": 5}}, "default_environment": "a"},
                '`tool.ytupload.environments.a.mode` must be "prod" or "dev", found the integer 5',
            ),
            (
                {"environments": {"a": {"confirm": "yes"}}, "default_environment": "a"},
                '`tool.ytupload.environments.a.confirm` must be true or false, found the string "yes"',
            ),
            (
                {"default_environment": 5},
                "`tool.ytupload.default_environment` must be the name of an environment, found the integer 5",
            ),
            (
                {"default_environment": "a"},
                (
                    "`tool.ytupload.default_environment` names no environment, `a`: "
                    "write a table `tool.ytupload.environments.a`"
                ),
            ),
            (
                {"confirm": True},
                "`tool.ytupload.confirm` belongs to an environment: `tool.ytupload.environments.NAME.confirm`",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, pipeline: Pipeline, table: object, problem: str) -> None:
        """With the key in its table."""
        assert problems(pipeline, table) == [problem]

    def test_wrong_types_are_found_where_something_else_wins(self, pipeline: Pipeline) -> None:
        """In tables of other environments and below flags and variables; each once."""
        table = {
            "mode": "table",
            "keep_releases": "ten",
            "environments": {"a": {"keep_releases": 1}, "b": {"keep_releases": "x", "confirm": 1}},
        }
        environ = {"YTUPLOAD_MODE": "dev", "YTUPLOAD_ENVIRONMENT": "a"}
        assert [line.partition(" must")[0] for line in problems(pipeline, table, environ=environ)] == [
            "`tool.ytupload.mode`",
            "`tool.ytupload.keep_releases`",
            "`tool.ytupload.environments.b.keep_releases`",
            "`tool.ytupload.environments.b.confirm`",
        ]

    def test_a_difference_to_the_config_is_meant(self, pipeline: Pipeline) -> None:
        """Only what is written for all environments should not stand in two places."""
        pipeline.write({CONFIG: "pipeline: {build_folder: //home/config}\n"})
        table = {"environments": {"a": {"build_folder": "//home/a"}}, "default_environment": "a"}
        assert pipeline.settings(table).warnings == ()


class TestVariables:
    """Those that begin with `YTUPLOAD_`."""

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("YTUPLOAD_BUILDFOLDER", "did you mean `YTUPLOAD_BUILD_FOLDER`?"),
            ("YTUPLOAD_ENV", "did you mean `YTUPLOAD_ENVIRONMENT`?"),
            ("YTUPLOAD_\x1b[31m", "known ones: YTUPLOAD_CONFIG, "),
        ],
    )
    def test_one_that_means_nothing_is_warned_about(self, pipeline: Pipeline, name: str, hint: str) -> None:
        """With the nearest one that does."""
        (warning,) = load_settings(str(pipeline.root), {}, environ={name: "x"}).warnings
        assert warning.isprintable()
        assert warning.startswith("the environment variable `YTUPLOAD_")
        assert hint in warning

    def test_known_ones_are_not(self, pipeline: Pipeline) -> None:
        """Those of the cache and of the pipeline class included; every one that the code asks for is known."""
        asked = set()
        for file in (Path(__file__).parents[2] / "hatch_ytupload").rglob("*.py"):
            asked |= set(re.findall(r'"(YTUPLOAD_[A-Z_]*[A-Z])"', file.read_text()))
        environ = dict.fromkeys(asked - {"YTUPLOAD_ENVIRONMENT"}, "") | {"YTUPLOAD_ENVIRONMENT": ""}
        assert len(asked) >= 8
        assert load_settings(str(pipeline.root), {}, environ=environ).warnings == ()


class TestInterpolation:
    """`${...}` in the config."""

    @pytest.mark.usefixtures("without_omegaconf")
    @pytest.mark.parametrize("key", ["build_folder", "mode"])
    def test_what_only_publishing_needs_fails_no_build(self, pipeline: Pipeline, key: str) -> None:
        """The problem is kept for publishing."""
        pipeline.write({CONFIG: f"user: me\npipeline: {{{key}: '//home/${{user}}'}}\n"})
        settings = pipeline.settings({})
        assert (settings.build_folder, settings.mode) == (None, "prod")
        (problem,) = settings.deferred_problems
        assert problem.startswith(f"`pipeline.{key}` in `configs/config.yaml` uses `${{...}}`, which needs omegaconf")

    @pytest.mark.usefixtures("without_omegaconf")
    @pytest.mark.parametrize("key", ["upload_modules", "upload_paths"])
    def test_what_a_build_needs_fails_it(self, pipeline: Pipeline, key: str) -> None:
        """Without omegaconf a build cannot know what to pack."""
        pipeline.write({CONFIG: f"pipeline: {{{key}: '${{x}}'}}\n"})
        (problem,) = problems(pipeline, {})
        assert problem.startswith(f"`pipeline.{key}` in `configs/config.yaml` uses `${{...}}`")

    @pytest.mark.usefixtures("without_omegaconf")
    def test_what_the_table_sets_is_not_needed(self, pipeline: Pipeline) -> None:
        """A reference in a value that the table, a variable or a flag replaces does no harm."""
        pipeline.write({CONFIG: "pipeline: {upload_modules: ['${x}'], mode: '${y}', build_folder: '${z}'}\n"})
        settings = pipeline.settings({"upload_modules": []}, environ={"YTUPLOAD_MODE": "dev"}, build_folder="//home/x")
        assert settings.deferred_problems == ()

    @pytest.mark.usefixtures("without_omegaconf")
    def test_enabled_stages_are_one_problem(self, pipeline: Pipeline) -> None:
        """The list is there, it only cannot be resolved."""
        pipeline.write({CONFIG: "stages: {enabled_stages: '${x}'}\n"})
        (problem,) = problems(pipeline, {"stages": "enabled"})
        assert problem.startswith("`stages.enabled_stages` in `configs/config.yaml` uses `${...}`")

    def test_omegaconf_resolves(self, pipeline: Pipeline) -> None:
        """Where omegaconf is installed, references are resolved."""
        pipeline.write(
            {CONFIG: "user: me\nlib: geo\npipeline: {build_folder: '//home/${user}', upload_modules: ['${lib}']}\n"}
        )
        settings = pipeline.settings({})
        assert (settings.build_folder, settings.upload_modules) == ("//home/me", ("geo",))

    def test_an_unresolvable_build_folder_is_kept_for_publishing(self, pipeline: Pipeline) -> None:
        """A variable of the publishing machine need not be set where the archive is built."""
        pipeline.write({CONFIG: "pipeline: {build_folder: '//home/${oc.env:NOT_SET_ANYWHERE}'}\n"})
        (problem,) = pipeline.settings({}).deferred_problems
        assert "Environment variable 'NOT_SET_ANYWHERE' not found" in problem


class TestEnvironment:
    """Variables, flags and secrets."""

    def test_a_variable_can_say_that_no_config_is_read(self, pipeline: Pipeline) -> None:
        """As `config = false` does, and `--config false`."""
        pipeline.write({CONFIG: "a: ["})
        assert pipeline.settings({}, environ={"YTUPLOAD_CONFIG": "false"}).config_name is None

    def test_variables_win_over_both_files(self, pipeline: Pipeline) -> None:
        """One pipeline can be published for several environments."""
        pipeline.write({CONFIG: "pipeline: {mode: prod, build_folder: //home/config}\n"})
        environ = {"YTUPLOAD_BUILD_FOLDER": "//home/env", "YTUPLOAD_MODE": "dev", "YTUPLOAD_PROXY": "env"}
        table = {"build_folder": "//home/table", "proxy": "table", "mode": "prod"}
        settings = pipeline.settings(table, environ=environ)
        assert (settings.build_folder, settings.mode, settings.proxy) == ("//home/env", "dev", "env")
        assert settings.warnings == ()

    def test_flags_win_over_variables(self, pipeline: Pipeline) -> None:
        """The most specific place wins; None means that a flag was not given."""
        environ = {"YTUPLOAD_BUILD_FOLDER": "//home/env", "YTUPLOAD_MODE": "dev", "YTUPLOAD_PROXY": "env"}
        settings = pipeline.settings({}, environ=environ, build_folder="//home/flag", mode="prod", proxy=None)
        assert (settings.build_folder, settings.mode, settings.proxy) == ("//home/flag", "prod", "env")

    def test_who_names_a_cluster_means_it(self, pipeline: Pipeline) -> None:
        """By a flag, unless another one says otherwise; an environment that names one for nothing is warned about."""
        pipeline.write({CONFIG: "pipeline: {mode: dev, build_folder: //home/config}\n"})
        environ = {"YTUPLOAD_MODE": "dev"}
        assert pipeline.settings({}, environ=environ, proxy="p").mode == "prod"
        assert pipeline.settings({}, proxy="p", mode="dev").mode == "dev"
        assert pipeline.settings({}, environ={"YTUPLOAD_PROXY": "p"}).mode == "dev"
        table = {"default_environment": "a", "environments": {"a": {"proxy": "p"}}}
        settings = pipeline.settings(table)
        assert settings.mode == "dev"
        (warning,) = settings.warnings
        assert warning.startswith(
            '`tool.ytupload.environments.a` names a cluster, and `mode` is "dev", which needs none'
        )
        assert warning.endswith('write `mode = "prod"` in that table')
        for said in (environ, {"YTUPLOAD_MODE": "prod"}):
            assert pipeline.settings(table, environ=said).warnings == ()

    def test_an_empty_variable_is_not_set(self, pipeline: Pipeline) -> None:
        """Release pipelines like to set variables to nothing."""
        names = [key.variable for key in KEYS.values() if key.variable]
        settings = pipeline.settings({"proxy": "table", "mode": "dev"}, environ=dict.fromkeys([*names, "YT_PROXY"], ""))
        assert (settings.proxy, settings.mode, settings.build_folder) == ("table", "dev", None)

    @pytest.mark.parametrize(
        ("places", "expected"),
        [
            (("flag", "variable", "table", "yt_proxy", "secret"), "flag"),
            (("", "variable", "table", "yt_proxy", "secret"), "variable"),
            (("", "", "table", "yt_proxy", "secret"), "table"),
            (("", "", "", "yt_proxy", "secret"), "yt_proxy"),
            (("", "", "", "", "secret"), "secret"),
            (("", "", "", "", ""), None),
        ],
    )
    def test_the_proxy_has_five_places(self, pipeline: Pipeline, places: tuple[str, ...], expected: str | None) -> None:
        """Flag, `YTUPLOAD_PROXY`, the table, `YT_PROXY`, `secrets.env`: the first that says something."""
        flag, variable, table, yt_proxy, secret = places
        pipeline.write({"configs/secrets.env": f"YT_PROXY={secret}\n"})
        environ = {"YTUPLOAD_PROXY": variable, "YT_PROXY": yt_proxy}
        assert pipeline.settings({"proxy": table}, environ=environ, proxy=flag or None).proxy == expected

    def test_the_process_environment_is_the_default(self, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a mapping, the variables of the process count."""
        monkeypatch.setenv("YTUPLOAD_MODE", "dev")
        assert load_settings(str(pipeline.root), {}).mode == "dev"

    def test_secrets_lie_in_the_pipeline_directory(self, pipeline: Pipeline) -> None:
        """`configs/secrets.env` belongs to the pipeline, not to the project root."""
        pipeline.write({"configs/secrets.env": "YT_TOKEN=root\n", "ads/configs/secrets.env": "YT_TOKEN=ads\n"})
        assert pipeline.settings({"pipeline_dir": "ads"}).secrets.get("YT_TOKEN") == "ads"

    def test_broken_secrets_are_kept_for_publishing(self, pipeline: Pipeline) -> None:
        """A build needs none of them."""
        pipeline.write({"configs/secrets.env": b"\xff"})
        settings = pipeline.settings({})
        assert settings.deferred_problems == ("cannot read `configs/secrets.env`: it is not UTF-8",)
        assert settings.secrets.get("YT_TOKEN") is None

    def test_nobody_waits_for_secrets(self, pipeline: Pipeline) -> None:
        """A FIFO, as some tools of secrets leave it, is an error for a publish, and none for a build."""
        pipeline.write({"configs/x": ""})
        os.mkfifo(pipeline.root / "configs/secrets.env")
        assert pipeline.settings({}).deferred_problems == ("cannot read `configs/secrets.env`: it is no regular file",)

    def test_lines_of_secrets_end_as_those_of_files(self, pipeline: Pipeline) -> None:
        """YT Framework reads line by line; other separators of Unicode belong to the value."""
        pipeline.write({"configs/secrets.env": "A=1\r\nB=x\u2028y\rC=3\n#D=4\n"})
        assert dict(pipeline.settings({}).secrets) == {"A": "1", "B": "x\u2028y", "C": "3"}

    def test_secrets_are_in_no_repr(self, pipeline: Pipeline) -> None:
        """Whoever prints settings prints no token."""
        pipeline.write({"configs/secrets.env": "YT_TOKEN=very-secret\n"})
        settings = pipeline.settings({})
        assert settings.secrets.get("YT_TOKEN") == "very-secret"
        assert "very-secret" not in repr(settings)
        assert "very-secret" not in f"{settings} {settings.secrets}"


def check_settings_or_problems(load: Callable[[], Settings]) -> None:
    """Check that loading ends in a value, or in a `SettingsError` with one line for each problem."""
    try:
        hash(load())
    except SettingsError as error:
        found = error
    else:
        return
    assert found.problems
    assert all(problem.isprintable() for problem in found.problems)


TOML_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.sampled_from(["all", "enabled", "prod", "//home/x", ".", "..", CONFIG]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
UPLOAD_ENTRIES = st.lists(
    st.dictionaries(st.sampled_from(["source", "target", "src"]), TOML_VALUES, max_size=3) | TOML_VALUES, max_size=3
)


@given(st.dictionaries(st.sampled_from(sorted(KEYS)) | st.text(max_size=6), TOML_VALUES | UPLOAD_ENTRIES) | TOML_VALUES)
def test_any_table_is_settings_or_a_list_of_problems(tmp_path_factory: pytest.TempPathFactory, table: object) -> None:
    """Whatever TOML can hold ends in settings or in a `SettingsError` with one line for each problem."""
    pipeline = make_pipeline(tmp_path_factory.getbasetemp() / "any")
    check_settings_or_problems(lambda: load_settings(str(pipeline.root), table, environ={}))


@given(st.dictionaries(st.sampled_from(["pipeline", "stages", "x"]), TOML_VALUES))
def test_any_config_is_settings_or_a_list_of_problems(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    """So does whatever a YAML config can hold."""
    import yaml

    pipeline = make_pipeline(tmp_path_factory.getbasetemp() / "any")
    config = {
        "pipeline": {"upload_modules": content.get("x"), "upload_paths": content.get("pipeline")},
        "stages": {"enabled_stages": content.get("stages")},
        **content,
    }
    directory = pipeline.root / "configs"
    directory.mkdir(exist_ok=True)
    (directory / "config.yaml").write_bytes(yaml.dump(config).encode("utf-8", "surrogatepass"))
    check_settings_or_problems(lambda: load_settings(str(pipeline.root), {"stages": "enabled"}, environ={}))
