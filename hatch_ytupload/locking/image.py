"""What the image of a stage's jobs takes: the wheels that fit it, and the markers that hold in it."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.markers import Environment
    from packaging.tags import Tag

    from hatch_ytupload.configuration.values import Target

# What uv means by names without a version: https://docs.astral.sh/uv/reference/cli/#uv-pip-compile--python-platform
_GLIBC = (2, 28)
_MUSL = (1, 2)
_LEGACY = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}
# Older than any wheel's.
_FIRST_GLIBC = 5


class Image:
    """What jobs run on.

    Args:
        target: what the settings say.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        processor, _, rest = target.platform.partition("-")
        self.processor = "x86_64" if processor == "linux" else processor
        self.is_musl = rest.endswith("musl")
        numbers = re.search(r"_(\d+)_(\d+)$", rest)
        self.library = (2, 17) if rest == "manylinux2014" else _MUSL if self.is_musl else _GLIBC
        if self.processor == "riscv64":
            self.library = (2, 39)
        if numbers:
            self.library = int(numbers[1]), int(numbers[2])

    @property
    def c_library(self) -> str:
        """The C library that there must be at least, such as `glibc 2.28`."""
        return f"{'musl' if self.is_musl else 'glibc'} {self.library[0]}.{self.library[1]}"

    @cached_property
    def tags(self) -> list[Tag]:
        """The tags of wheels that fit, the best first."""
        from packaging.tags import compatible_tags, cpython_tags

        version = tuple(map(int, self.target.python.split(".")))
        platforms = list(self._platforms())
        interpreter = f"cp{version[0]}{version[1]}"
        abis = [f"{interpreter}m"] if version < (3, 8) else None
        found = [*cpython_tags(version, abis or [interpreter], platforms)]
        return [*found, *compatible_tags(version, interpreter, platforms)]

    @property
    def environment(self) -> Environment:
        """What markers ask for."""
        python = self.target.python
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "os_name": "posix",
            "platform_machine": self.processor,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": "linux",
        }

    def applies(self, marker: str | None) -> bool:
        """Tell whether a marker holds, whatever machine this is; None: there is none."""
        from packaging.markers import Marker

        environment = {name: str(value) for name, value in self.environment.items()}
        return marker is None or Marker(marker).evaluate(environment)

    def _platforms(self) -> Iterator[str]:
        major, minor = self.library
        if self.is_musl:
            yield from (f"musllinux_{major}_{older}_{self.processor}" for older in range(minor, -1, -1))
        else:
            for older in range(minor, _FIRST_GLIBC - 1, -1):
                yield f"manylinux_{major}_{older}_{self.processor}"
                if (major, older) in _LEGACY:
                    yield f"{_LEGACY[major, older]}_{self.processor}"
        yield f"linux_{self.processor}"
