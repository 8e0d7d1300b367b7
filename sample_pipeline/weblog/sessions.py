"""Hits of one visitor become sessions: a pause longer than half an hour begins a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weblog.rows import Row

PAUSE = 30 * 60


def split_sessions(hits: Iterable[Row]) -> Iterator[Row]:
    """Yield the sessions of hits that belong to one visitor and come in the order of time."""
    session: Row = {}
    for hit in hits:
        if session and hit["time"] - session["end"] > PAUSE:
            yield session
            session = {}
        if not session:
            session = {
                "visitor": hit["visitor"],
                "country": hit["country"],
                "variant": hit["variant"],
                "start": hit["time"],
                "entry": hit["path"],
                "pages": 0,
            }
        session |= {"end": hit["time"], "exit": hit["path"], "pages": session["pages"] + 1}
    if session:
        yield session
