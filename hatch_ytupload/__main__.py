"""`hatch-ytupload` and `python -m hatch_ytupload`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process."""
    import gc

    # Modules are no garbage: looking for some among them takes a twentieth of a small build.
    gc.set_threshold(20_000)
    from hatch_ytupload.garbage import no_garbage_at_the_end

    no_garbage_at_the_end()
    from hatch_ytupload.command_line import cli

    cli.main()


if __name__ == "__main__":
    main()
