"""What the `config.yaml` of a packed stage says about its operations, where YT Framework looks for it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hatch_ytupload.archive_layout import CONFIG, MAP_REDUCE, stage_file
from hatch_ytupload.configuration.pipeline_config import InterpolationError, PipelineConfig, parse_yaml_mapping
from hatch_ytupload.errors import SettingsError


class StageConfig:
    """A stage's config, asked about `client.operations.<operation>`.

    What is missing, of another type or cannot be resolved counts as absent: a job finds its config for itself.

    Args:
        stage: its name.
        content: of the file; None: it has none.
    """

    def __init__(self, stage: str, content: bytes | None) -> None:
        name, parsed = stage_file(stage, CONFIG), {}
        self.problem: str | None = None
        """Why the file cannot be parsed."""
        try:
            parsed = parse_yaml_mapping(content or b"", name)
        except SettingsError as error:
            self.problem = str(error)
        self._config = PipelineConfig(name, parsed)

    def sort_by(self, operation: str) -> tuple[str, ...]:
        """Return the columns that an operation's rows are sorted by: `sort_by`, else `reduce_by`."""
        return _texts(self._get(operation, "sort_by")) or _texts(self._get(operation, "reduce_by"))

    def tables(self, operation: str) -> tuple[str | None, str | None]:
        """Return the names of the tables that an operation reads and writes: the last components of their paths."""
        first, second = (self._get(operation, key) for key in ("input_table", "output_table"))
        return _last_component(first), _last_component(second)

    def variables(self, operation: str) -> list[tuple[str, str]]:
        """Return the environment variables that are set for an operation's jobs."""
        found = self._get(operation, "env")
        pairs = found.items() if isinstance(found, dict) else ()
        return [(str(name), str(value)) for name, value in pairs if value is not None and _is_name(str(name))]

    def image(self, operation: str) -> str | None:
        """Return the image that an operation's jobs run in; None: that of the cluster."""
        resources = self._get(operation, "resources")
        found = resources.get("docker_image") if isinstance(resources, dict) else self._get(operation, "docker_image")
        return str(found) if found else None

    def _get(self, operation: str, key: str) -> Any:  # noqa: ANN401 - YAML
        section = MAP_REDUCE if operation.startswith(MAP_REDUCE) else operation
        with suppress(InterpolationError):
            return self._config.get(f"client.operations.{section}.{key}")
        return None


def _texts(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _last_component(path: object) -> str | None:
    return path.rstrip("/").rpartition("/")[2] or None if isinstance(path, str) else None


def _is_name(name: str) -> bool:
    return bool(name) and not set(name) & {"=", "\0"}
