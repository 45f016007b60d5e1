"""Feeds, one file each, listed here by hand: which topic, who the subscriber is, and what the bytes say."""

from __future__ import annotations

from sources import (
    billing,
    cdr,
    consent,
    contact,
    dpi,
    household,
    link,
    order,
    rebuild,
    registration,
    rights,
    signalling,
)
from sources.feed import Feed

FEEDS: dict[str, Feed] = {
    feed.name: feed
    for feed in (
        household.FEED,
        dpi.FEED,
        signalling.FEED,
        cdr.FEED,
        billing.FEED,
        registration.FEED,
        order.FEED,
        contact.FEED,
        consent.FEED,
        link.FEED,
        rights.FEED,
        rebuild.FEED,
    )
}
"""Every feed by its name, in the order they are listed in."""


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
