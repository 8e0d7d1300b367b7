"""What the test of the documentation holds against each other."""

from __future__ import annotations

import pytest
from console_blocks import Step, as_shown, steps_of

PAGE = """\
<!-- file: a.py -->
```python
print(1)
```

```sh
never
```

1. In a list:

   <!-- run first: export A=1 -->
   ```console
   $ list
     shown
   ```

<!-- run first: cd there -->
```console
$ one \\
    two
shown
$ three
```
"""


def test_the_steps_of_a_page() -> None:
    """Files are written, comments obeyed, continued lines are one command."""
    assert list(steps_of(PAGE)) == [
        Step("cat > a.py <<'END'\nprint(1)\nEND", None),
        Step("export A=1", None),
        Step("list", ("  shown",)),
        Step("cd there", None),
        Step("one \\\n    two", ("shown",)),
        Step("three", ()),
    ]


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("a\n", ["a"], True),
        ("a\nb\n", ["a"], False),
        ("a\n", ["a", "b"], False),
        ("a\nb\nc\n", ["a", "...", "c"], True),
        ("12:00 | ready\n", ["... ready"], True),
        ("key 4f2a\n", ["key ..."], True),
        ("a key 4f2a\n", ["key ..."], False),
        ("12:00 | not ready yet\n", ["... ready"], False),
        ("1.0-0123456789ab (1.5 kB)\n", ["1.0-ba9876543210 (22 MB)"], True),
        ("1.0-0123456789ab (1.5 kB)\n", ["1.1-ba9876543210 (22 MB)"], False),
        ("published 2026-01-02 03:04 UTC by root\n", ["published 2025-11-12 13:14 UTC by ann"], True),
        ("(a.b)\n", ["(aXb)"], False),
    ],
)
def test_what_counts_as_the_same(printed: str, shown: list[str], *, same: bool) -> None:
    """Text does; what differs from run to run by its kind."""
    assert as_shown(printed, tuple(shown)) is same
