"""Publishers that are killed at every step: run as a program, which forks one publisher after the other.

Each is killed when it is about to do its nth thing to the disk, so that all of them together are killed everywhere.
Prints how many steps there were. What must hold after each kill is asserted here.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path

from build_folders import Bundle, current, names, on_disk, publish_to, read_current

from hatch_ytupload.releases.records import read_state

# What Python tells audit hooks of, and what changes the disk.
_STEPS = frozenset(
    {
        *("open", "os.mkdir", "os.link", "os.symlink", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod"),
        *("os.utime", "os.scandir", "os.listdir", "shutil.copyfile", "shutil.copystat", "shutil.rmtree"),
        "ctypes.dlopen",
    }
)


def publish_and_die(directory: Path, bundle: Bundle, step: int) -> bool:
    """Publish in a process of its own, which dies at that step; tell whether it got that far."""
    child = os.fork()
    if child == 0:
        _publish_until(directory, bundle, step)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert status == 0
    return False


def _publish_until(directory: Path, bundle: Bundle, step: int) -> None:
    steps = iter(range(step, 0, -1))

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in _STEPS and next(steps, 0) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    try:
        publish_to(on_disk(directory), bundle, wrappers=True, keep=1)
        status = 0
    except BaseException:  # noqa: BLE001 - the parent sees the status
        status = 1
    os._exit(status)


def main(directory: Path, archives: list[Path]) -> int:
    """Kill a publisher at each step; return how many there were."""
    old, new = (Bundle(archive, "") for archive in archives)
    folder = on_disk(directory)
    publish_to(folder, old, wrappers=True, keep=1)
    for step in count(1):
        killed = publish_and_die(directory, new, step)
        state = read_state(folder)
        assert len(state.history) == 1, names(state)
        data = read_current(folder)
        assert data in (old.data, new.data)
        assert current(folder) == state.history[0].release
        if not killed:
            assert data == new.data
            return step - 1
        # Whoever comes next finds the way free, publishes, and leaves nothing of the killed one.
        publish_to(folder, new, wrappers=True, keep=1)
        assert read_current(folder) == new.data
        left = [path.name for path in (directory / ".dev/cypress/.ytupload").iterdir()]
        if data == old.data:
            assert [name for name in left if not name.endswith(".lock")] == []
        old, new = new, old
    raise AssertionError("count has no end")


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]]))
