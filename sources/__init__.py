"""Feeds, one file each, listed here by hand: which topic, who the subscriber is, and what the bytes say."""

from __future__ import annotations

from sources import dpi, household
from sources.feed import Feed

FEEDS: dict[str, Feed] = {feed.name: feed for feed in (household.FEED, dpi.FEED)}


def feeds_named(name: str) -> list[Feed]:
    """The feed of that name, or every feed for ``all``.

    Raises
    ------
    KeyError
        For an unknown name; the text lists the known ones.
    """
    if name == "all":
        return list(FEEDS.values())
    if name not in FEEDS:
        msg = f"unknown feed {name!r}: expected one of {', '.join(FEEDS)} or all"
        raise KeyError(msg)
    return [FEEDS[name]]
