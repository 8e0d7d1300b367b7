"""Check style and types: `python3 dev/lint.py`."""

from __future__ import annotations

from environment import environment, run


def main() -> None:
    """Make the environment and run the linters in it."""
    python = environment("lint", "--group", "lint", "--group", "test")
    run([python, "-m", "ruff", "check"])
    run([python, "-m", "ruff", "format", "--check"])
    run([python, "-m", "mypy"])
    run([python.parent / "lint-imports", "--no-logo"])


if __name__ == "__main__":
    main()
