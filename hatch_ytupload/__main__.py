"""`hatch-ytupload` and `python -m hatch_ytupload`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process."""
    from hatch_ytupload.command_line.cli import hatch_ytupload

    hatch_ytupload(prog_name="hatch-ytupload")


if __name__ == "__main__":
    main()
