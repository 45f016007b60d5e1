"""How far one shard has read each feed, told from the events themselves.

A job may be behind: after an outage, when a feed's source delivers late, or when it reads an old log. The clock on the
wall then says nothing of what has come. So every partition's lag is kept: how old its newest event was when it came. A
partition that is silent is taken to have nothing more only after that long: at a lag of an hour, the hour that may be
missing is believed to be empty when an hour has brought nothing. Its watermark is therefore

    now - max(0, lag - time since the newest event came)

The time in which no job ran is lag as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field

from schemas.outputs import Forwarded
from schemas.position import FEED_SHIFT, PARTITION_SHIFT
from udfs.triggers.watermarks import Watermarks

_FEED_OF_LOG = FEED_SHIFT - PARTITION_SHIFT
_FIRST_READ_MS = 10_000
_SAVE_EVERY_MS = 1_000


class LogProgress(Struct, array_like=True):
    """Of one partition: its newest event time, how old that event was when it came, and when that was."""

    newest_ms: int
    lag_ms: int
    came_ms: int


class _Saved(Struct, array_like=True):
    alive_ms: int
    logs: dict[int, LogProgress] = field(default_factory=dict)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Saved).decode


class FeedProgress:
    """Of one shard.

    Parameters
    ----------
    feeds
        Names by feed number.
    saved
        What `save` gave before the last start; None: nothing.
    now_ms
        The clock on the wall.
    started_ms
        When the job started: a feed that nothing has come of is not waited for beyond its first seconds.
    """

    def __init__(self, feeds: Sequence[str], saved: bytes | None, now_ms: int, started_ms: int) -> None:
        self._feeds = feeds
        self._unseen_until_ms = started_ms + _FIRST_READ_MS
        self._saved_ms = 0
        self._logs: dict[int, LogProgress] = {}
        if saved is not None:
            before = _decode(saved)
            away_ms = max(now_ms - before.alive_ms, 0)
            for log, one in before.logs.items():
                lag_ms = max(one.lag_ms - max(before.alive_ms - one.came_ms, 0), 0) + away_ms
                self._logs[log] = LogProgress(one.newest_ms, lag_ms, now_ms)

    def note(self, batches: Iterable[Forwarded], now_ms: int) -> None:
        """Take note of a batch that was folded."""
        newest: dict[int, int] = {}
        for batch in batches:
            for _, position, event in batch.events:
                log = position >> PARTITION_SHIFT
                if event.event_time_ms > newest.get(log, 0):
                    newest[log] = event.event_time_ms
        for log, newest_ms in newest.items():
            newest_ms = min(newest_ms, now_ms)  # a clock ahead of ours says nothing of what has come
            known = self._logs.get(log)
            if log >= 0 and (known is None or newest_ms > known.newest_ms):
                self._logs[log] = LogProgress(newest_ms, now_ms - newest_ms, now_ms)

    def watermarks(self, now_ms: int) -> Watermarks:
        """Up to when each feed has come; of several partitions the one that is furthest behind counts."""
        by_feed = dict.fromkeys(self._feeds, 0) if now_ms < self._unseen_until_ms else {}
        seen: dict[str, int] = {}
        for log, one in self._logs.items():
            feed = self._feeds[log >> _FEED_OF_LOG]
            until_ms = now_ms - max(0, one.lag_ms - max(now_ms - one.came_ms, 0))
            seen[feed] = min(seen.get(feed, until_ms), until_ms)
        return Watermarks(now_ms, by_feed | seen)

    def save(self, now_ms: int) -> bytes | None:
        """What a later start needs, once a second; None in between: a start counts the second as lag."""
        if now_ms - self._saved_ms < _SAVE_EVERY_MS:
            return None
        self._saved_ms = now_ms
        return _encode(_Saved(now_ms, self._logs))
