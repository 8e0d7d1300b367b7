"""`hatch-ytupload` and `python -m hatch_ytupload`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process."""
    from hatch_ytupload.command_line import cli

    cli.main()


if __name__ == "__main__":
    main()
