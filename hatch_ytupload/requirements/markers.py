"""Environment markers, judged for the Python of a job."""

from __future__ import annotations


def applies(marker: str | None, python: str, extra: str = "") -> bool:
    """Tell whether a marker holds in a job.

    What cannot be told holds: a marker that pip will refuse, and one about `python_full_version` that holds for some
    of the versions meant.

    Args:
        marker: None: there is none.
        python: the version of Python of the job, full (`3.11.4`) where it is known, else like `3.11`.
        extra: the extra that brings the requirement.
    """
    if marker is None:
        return True
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
    from packaging.version import InvalidVersion

    parts = python.split(".")
    versions = [python] if python.count(".") > 1 else [f"{python}.0", f"{python}.99"]
    environment = {
        "python_version": ".".join(parts[:2]),
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": extra,
    }
    try:
        parsed = Marker(marker)
        return any(
            parsed.evaluate({**environment, "python_full_version": version, "implementation_version": version})
            for version in versions
        )
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return True
