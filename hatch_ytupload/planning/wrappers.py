"""The text of `operation_wrapper_<stage>_<operation>.sh`, the scripts that a job starts: made, and read."""

from __future__ import annotations

import re
import shlex

from hatch_ytupload.archive_layout import ARCHIVE_NAME, BOOTSTRAP, CONFIG, REQUIREMENTS, SRC, stage_file, wrapper_name

_START = re.compile(r"(?m)^(?:exec )?python3? (.+)$")


def wrapper_text(stage: str, operation: str, script: str, *, installs: bool = False, locked: bool = False) -> str:
    """Return a script that turns a sandbox with `source.tar.gz` in it into one running operation.

    Args:
        stage: name of the stage.
        operation: `map`, `vanilla`, `map_reduce_mapper`, `map_reduce_reducer` or `reduce`.
        script: path of the Python file below the stage's `src`.
        installs: the stage has requirements, which pip installs first.
        locked: the stage has a lock: its wheels are unpacked first, and there is no pip.

    The script may be started from inside the extracted archive, as YT Framework does, or lie beside an archive that
    nobody has extracted yet. Standard input and output belong to the job: nothing here reads or writes them.
    """
    name = shlex.quote(wrapper_name(stage, operation))
    config = shlex.quote(stage_file(stage, CONFIG))
    run = shlex.quote(stage_file(stage, SRC, script))
    start = f"python3 {run}"
    if locked:
        # No module of the archive hides one of the standard library from it; it sets PYTHONPATH itself.
        start = f"python3 -I {BOOTSTRAP} {shlex.quote(stage)} {run}"
    path = "" if locked else 'export PYTHONPATH="${PYTHONPATH:+${PYTHONPATH}:}${PWD}"\n'
    return f"""#!/bin/bash
set -e

# A script that lies beside the archive may find it still packed.
if [ -f {ARCHIVE_NAME} ] && [ ! -f {run} ]; then
    tar -xzf {ARCHIVE_NAME} < /dev/null >&2 || {{ echo {name}": cannot extract {ARCHIVE_NAME}" >&2; exit 1; }}
fi

{path}export JOB_CONFIG_PATH="${{PWD}}/"{config}
{_install(stage, name) if installs and not locked else ""}
exec {start}
"""


def _install(stage: str, name: str) -> str:
    requirements = shlex.quote(stage_file(stage, REQUIREMENTS))
    # A sandbox is thrown away: what the image's Python says about being managed by others (PEP 668) does not count.
    return f"""
PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --no-cache-dir --disable-pip-version-check \\
    -r {requirements} < /dev/null >&2 || {{ echo {name}": cannot install "{requirements} >&2; exit 1; }}
"""


def started_script(wrapper: bytes) -> str | None:
    r"""Return the path of the Python file that a wrapper script starts, whoever wrote it; None: it cannot be told.

    >>> started_script(b"#!/bin/bash\nset -e\nexec python3 stages/parse/src/mapper.py\n")
    'stages/parse/src/mapper.py'
    >>> started_script(b"exec python3 -I operation_bootstrap.py parse stages/parse/src/mapper.py\n")
    'stages/parse/src/mapper.py'
    """
    match = _START.search(wrapper.decode("utf-8", "replace"))
    try:
        words = shlex.split(match[1]) if match else []
    except ValueError:
        return None
    if words[:2] == ["-I", BOOTSTRAP]:
        words = words[3:]
    return words[0] if words and words[0].endswith(".py") else None
