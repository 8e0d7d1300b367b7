"""The variables that a local job sees: those that YT Framework gives it on the cluster, and none of the user's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_ytupload.file_names import as_system_spells

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_ytupload.jobs.python import JobPython

# Where bash and tar are; python3 comes from the job's own environment, which stands before.
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The prefix under which YTsaurus shows a job the operation's secure vault.
_VAULT = "YT_SECURE_VAULT_"


def job_environment(
    python: JobPython,
    sandbox: str,
    temporary: str,
    stage: str,
    *,
    configured: Iterable[tuple[str, str]] = (),
    secrets: Iterable[tuple[str, str]] = (),
    installer: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the whole environment of a job.

    A variable that is configured for the operation, or a secret, reaches a job twice, as yt-framework 1.4.4 does it
    (`yt/support/operation_secure_env.py`): with the prefix of the secure vault and, where nothing else has its name,
    without.

    Args:
        python: that the job runs on.
        sandbox: the working directory, which is the home directory, too.
        temporary: a directory for temporary files.
        stage: name of the stage.
        configured: what the `env` of the operation's configuration sets.
        secrets: pairs of `configs/secrets.env`.
        installer: how pip reaches an index; for jobs that have requirements.
    """
    programs = [os.path.join(python.environment, "bin"), *filter(None, [python.programs]), _SYSTEM_PATH]
    environ = {
        **(installer or {}),
        "PATH": os.pathsep.join(programs),
        "HOME": sandbox,
        "TMPDIR": temporary,
        # Under the name that it is given here, which may be a link.
        "PWD": sandbox,
        "YT_STAGE_NAME": stage,
    }
    vault = {**dict(secrets), **dict(configured)}
    environ.update({f"{_VAULT}{name}": value for name, value in vault.items()})
    for name, value in vault.items():
        environ.setdefault(name, value)
    return {as_system_spells(name): as_system_spells(value) for name, value in environ.items()}
