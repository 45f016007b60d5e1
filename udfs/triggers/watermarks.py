"""Up to when everything has come: what happens by time alone must not be decided before that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Watermarks(NamedTuple):
    """Instants, in milliseconds since the epoch, up to which records are known to have come.

    Attributes
    ----------
    now_ms
        Of a feed that isn't behind; no feed is further.
    by_feed
        Of those that are, or may be.
    """

    now_ms: int
    by_feed: Mapping[str, int]

    def of(self, feeds: Iterable[str]) -> int:
        """Up to when all of these feeds have come."""
        return min((self.by_feed.get(feed, self.now_ms) for feed in feeds), default=self.now_ms)


REPLAYED = Watermarks(1 << 62, {})
"""Of a replay, which reads all feeds in step: what a person's own events say is enough."""
