"""Compiled modules that a job's Python cannot load: made for another platform, processor or version of Python."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

from hatch_ytupload.archive_layout import STAGES
from hatch_ytupload.checks.findings import WARNING, Finding
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from hatch_ytupload.checks.packed_code import PackedCode

_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")
_TAG = re.compile(r"\.(?:cpython-|cp)(\d)(\d+)")
_MACHINES = {62: "x86_64", 183: "aarch64", 3: "i686", 40: "armv7l", 21: "ppc64le", 22: "s390x", 243: "riscv64"}
"""`e_machine` of an ELF header (the System V ABI)."""
_ELF = b"\x7fELF"
_OTHERS = {
    b"MZ": "Windows",
    b"\xcf\xfa\xed\xfe": "macOS",
    b"\xca\xfe\xba\xbe": "macOS",
    b"\xfe\xed\xfa\xcf": "macOS",
}
_MACHINE_OFFSET = 18


def check_compiled(code: PackedCode, python: tuple[int, int]) -> list[Finding]:
    """Report compiled modules that a job on Linux cannot load, one finding for each package and reason.

    The jobs' processor is that of this machine where it runs Linux, else x86_64.

    Args:
        code: the archive.
        python: the version of Python of its jobs.
    """
    machine = platform.machine() if platform.system() == "Linux" else "x86_64"
    grouped: dict[tuple[str, str], list[str]] = {}
    for path in code.files:
        if path.endswith(_SUFFIXES):
            reason = _reason(path.rpartition("/")[2], code.read(path), python, machine)
            if reason is not None:
                grouped.setdefault((path.partition("/")[0], reason), []).append(path)
    return [_finding(paths, reason, python, machine) for (_, reason), paths in grouped.items()]


def _reason(name: str, header: bytes, python: tuple[int, int], machine: str) -> str | None:
    for magic, system in _OTHERS.items():
        if header.startswith(magic):
            return system
    if header.startswith(_ELF) and len(header) > _MACHINE_OFFSET + 1:
        number = int.from_bytes(header[_MACHINE_OFFSET : _MACHINE_OFFSET + 2], "little" if header[5] == 1 else "big")
        made_for = _MACHINES.get(number, f"the processor {number}")
        if made_for != machine:
            return made_for
    tag = _TAG.search(name)
    if tag is not None and (int(tag[1]), int(tag[2])) != python:
        return f"Python {tag[1]}.{tag[2]}"
    return None


def _finding(paths: list[str], reason: str, python: tuple[int, int], machine: str) -> Finding:
    count = "a compiled module" if len(paths) == 1 else f"the first of {len(paths)} compiled modules"
    top = one_line(paths[0].partition("/")[0].partition(".")[0])
    of_stage = top == STAGES
    mend = "" if of_stage else f"take `{top}` out of `upload_modules` and put it into the requirements, or "
    message = (
        f"{count} for {reason}, and jobs run Python {python[0]}.{python[1]} on Linux, {machine}: "
        f"{mend}build where the jobs run"
    )
    return Finding(WARNING, "compiled-module", paths[0], None, message)
