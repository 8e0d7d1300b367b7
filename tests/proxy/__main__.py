"""Run the proxy by hand: `PYTHONPATH=tests python -m proxy --port 8000`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from proxy.server import TOKEN, USER, ProxyServer


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; give the exit status."""
    parser = argparse.ArgumentParser(prog="proxy", description="A YTsaurus HTTP proxy for tests; its state is lost.")
    parser.add_argument("--port", type=int, default=0, help="port on this machine (default: any free one)")
    parser.add_argument("--user", action="append", default=[], metavar="NAME:TOKEN", help="a user and his token")
    options = parser.parse_args(arguments)
    tokens: dict[str, str] = {}
    for each in options.user:
        name, colon, token = each.partition(":")
        if not colon or not name or not token:
            parser.error(f"--user takes NAME:TOKEN, got {each!r}")
        tokens[token] = name
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ProxyServer(tokens=tokens or {TOKEN: USER}, port=options.port) as proxy:
        sys.stdout.write(f"YT_PROXY={proxy.address}\n")
        if not tokens:
            sys.stdout.write(f"YT_TOKEN={TOKEN}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
