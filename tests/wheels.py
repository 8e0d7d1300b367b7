"""Wheels that tests make: small, right by default, and as nasty as one asks for."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class MadeWheel(NamedTuple):
    """A wheel as an index has it."""

    file: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the whole file."""
        return hashlib.sha256(self.data).hexdigest()

    def write(self, directory: Path) -> Path:
        """Put it into a directory."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / self.file
        path.write_bytes(self.data)
        return path


def make_wheel(
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    tag: str = "py3-none-any",
    requires: Iterable[str] = (),
    entry_points: str = "",
    modes: Mapping[str, int] | None = None,
    metadata: str = "",
) -> MadeWheel:
    """Make a wheel.

    Args:
        name: of the distribution.
        version: of it.
        files: content by path; a module of the distribution's name where None.
        tag: what the wheel is for.
        requires: its requirements.
        entry_points: text of its `entry_points.txt`.
        modes: of files that are no regular ones of mode 644, by path.
        metadata: further lines of its `METADATA`.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    content: dict[str, str | bytes] = dict(
        files if files is not None else {f"{name.replace('-', '_')}.py": "ANSWER = 42\n"}
    )
    required = "".join(f"Requires-Dist: {text}\n" for text in requires)
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}{metadata}"
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points
    data = {path: text.encode() if isinstance(text, str) else text for path, text in content.items()}
    record = "".join(f"{path},sha256={_digest(found)},{len(found)}\n" for path, found in data.items())
    data[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, found in data.items():
            member = zipfile.ZipInfo(path, (2020, 2, 2, 0, 0, 0))
            member.external_attr = (modes or {}).get(path, 0o100644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, found)
    return MadeWheel(f"{stem}-{tag}.whl", output.getvalue())


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
